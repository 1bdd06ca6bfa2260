//! Frames: written and read one after the other, each with its checksum, sealed or in clear.

use std::fmt;
use std::io::{self, Read, Write};

use holdline_model::Format;
use sha2::{Digest as _, Sha256};

use super::header::{BackupHeader, Sealed};
use super::{BackupError, Facts};
use crate::codec;
use crate::seal::{NONCE, SealKey, Sealer, TAG};
use crate::snapshot::MAX_BLOCK_BYTES;

/// What a frame holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Records, one after the other.
    Records(Vec<u8>),
    /// The footer: nothing follows.
    Footer(Vec<u8>),
}

/// Writes frames.
pub struct FrameWriter<W> {
    out: W,
    seal: Option<Seal>,
    bytes: u64,
}

/// Reads frames.
pub struct FrameReader<R> {
    input: R,
    header: BackupHeader,
    seal: Option<Seal>,
    at: u64,
}

/// What seals the frames of one backup.
struct Seal {
    sealer: Sealer,
    nonce: [u8; 16],
    /// Binds the frames to their header.
    header: [u8; 32],
    /// The place of the next frame.
    next: u64,
}

/// The first bytes; the last one is the format's version.
const MAGIC: [u8; 8] = *b"HLBKUP\0\x01";

const HEAD: usize = 1 + 4 + 4;
const HEADER: u8 = 1;
const RECORDS: u8 = 2;
const FOOTER: u8 = 3;

/// The longest header.
const MAX_HEADER: usize = 64 << 10;

impl<W: Write> FrameWriter<W> {
    /// Begins a backup. If the header says that it is sealed, `key` is the key.
    ///
    /// # Errors
    /// [`BackupError::Io`]; [`BackupError::KeyNeeded`], [`BackupError::WrongKey`].
    pub fn begin(
        mut out: W,
        header: &BackupHeader,
        key: Option<&SealKey>,
    ) -> Result<Self, BackupError> {
        let payload = codec::encode(header)?;
        let seal = Seal::new(header.sealed, key, &payload)?;
        out.write_all(&MAGIC)?;
        let mut writer = Self { out, seal: None, bytes: MAGIC.len() as u64 };
        writer.write(HEADER, payload)?;
        writer.seal = seal;
        Ok(writer)
    }

    /// Writes the next frame.
    ///
    /// # Errors
    /// [`BackupError::Io`].
    pub fn frame(&mut self, frame: Frame) -> Result<(), BackupError> {
        match frame {
            Frame::Records(payload) => self.write(RECORDS, payload),
            Frame::Footer(payload) => self.write(FOOTER, payload),
        }
    }

    /// Bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Gives back what was written to.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn write(&mut self, kind: u8, mut payload: Vec<u8>) -> Result<(), BackupError> {
        if let Some(seal) = &mut self.seal {
            seal.seal(kind, &mut payload);
        }
        let length = u32::try_from(payload.len())
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?
            .to_le_bytes();
        self.out.write_all(&[kind])?;
        self.out.write_all(&length)?;
        self.out.write_all(&checksum(kind, length, &payload).to_le_bytes())?;
        self.out.write_all(&payload)?;
        self.bytes += (HEAD + payload.len()) as u64;
        Ok(())
    }
}

impl<R: Read> FrameReader<R> {
    /// Begins to read: what is not a backup is refused, and a format that is not known.
    ///
    /// # Errors
    /// As [`FrameReader::next_frame`], and [`BackupError::NotABackup`], [`BackupError::OtherFormat`].
    pub fn begin(mut input: R) -> Result<Self, BackupError> {
        let mut magic = [0; MAGIC.len()];
        match input.read_exact(&mut magic) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(BackupError::NotABackup);
            }
            Err(error) => return Err(error.into()),
        }
        let (name, version) = magic.split_at(MAGIC.len() - 1);
        if !MAGIC.starts_with(name) {
            return Err(BackupError::NotABackup);
        }
        let known = MAGIC.last().copied().map_or(0, u32::from);
        let found = version.first().copied().map_or(0, u32::from);
        if found != known {
            return Err(BackupError::OtherFormat { found, known });
        }
        let mut reader = Self { input, header: no_header(), seal: None, at: MAGIC.len() as u64 };
        let (kind, payload) = reader.read(MAX_HEADER)?;
        let damaged = |what| BackupError::Damaged { at: MAGIC.len() as u64, what };
        if kind != HEADER {
            return Err(damaged("it does not begin with a header"));
        }
        let header = codec::decode(&payload).map_err(|_| damaged("its header is malformed"));
        reader.header = header?;
        let found = reader.header.format;
        if Format::known(found).is_none() {
            return Err(BackupError::OtherFormat { found, known: Format::NEWEST.0.into() });
        }
        Ok(reader)
    }

    /// What the backup says of itself.
    pub fn header(&self) -> &BackupHeader {
        &self.header
    }

    /// Where the next frame begins, in bytes.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Whether what follows can be looked at.
    pub(super) fn is_readable(&self) -> bool {
        self.header.sealed.is_none() || self.seal.is_some()
    }

    /// Opens what follows with a key. A backup in clear needs none.
    ///
    /// # Errors
    /// [`BackupError::KeyNeeded`], [`BackupError::WrongKey`].
    pub fn unlock(&mut self, key: Option<&SealKey>) -> Result<(), BackupError> {
        let payload = codec::encode(&self.header)?;
        self.seal = Seal::new(self.header.sealed, key, &payload)?;
        Ok(())
    }

    /// The next frame; sealed as it is unless it was unlocked. Nothing follows a footer.
    ///
    /// # Errors
    /// [`BackupError::Short`], [`BackupError::Damaged`], [`BackupError::Io`].
    pub fn next_frame(&mut self) -> Result<Frame, BackupError> {
        let at = self.at;
        let (kind, mut payload) = self.read(MAX_BLOCK_BYTES + TAG)?;
        if let Some(seal) = &mut self.seal {
            let what = "it is not what was sealed";
            seal.open(kind, &mut payload).map_err(|()| BackupError::Damaged { at, what })?;
        }
        match kind {
            RECORDS => Ok(Frame::Records(payload)),
            FOOTER => {
                let mut more = [0];
                if self.input.read(&mut more)? != 0 {
                    return Err(self.damaged("bytes follow its end"));
                }
                Ok(Frame::Footer(payload))
            }
            _ => Err(BackupError::Damaged { at, what: "a frame is out of place" }),
        }
    }

    fn read(&mut self, limit: usize) -> Result<(u8, Vec<u8>), BackupError> {
        let at = self.at;
        let mut head = [0; HEAD];
        self.fill(&mut head)?;
        let [kind, a, b, c, d, e, f, g, h] = head;
        let length = [a, b, c, d];
        let bytes = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        if bytes > limit {
            return Err(BackupError::Damaged { at, what: "a frame is too large" });
        }
        let mut payload = vec![0; bytes];
        self.fill(&mut payload)?;
        if checksum(kind, length, &payload) != u32::from_le_bytes([e, f, g, h]) {
            return Err(BackupError::Damaged { at, what: "a checksum is wrong" });
        }
        Ok((kind, payload))
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), BackupError> {
        match self.input.read_exact(bytes) {
            Ok(()) => {
                self.at += bytes.len() as u64;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(BackupError::Short { at: self.at })
            }
            Err(error) => Err(error.into()),
        }
    }

    fn damaged(&self, what: &'static str) -> BackupError {
        BackupError::Damaged { at: self.at, what }
    }
}

impl Seal {
    fn new(
        sealed: Option<Sealed>,
        key: Option<&SealKey>,
        header: &[u8],
    ) -> Result<Option<Self>, BackupError> {
        let Some(Sealed { key: needed, nonce }) = sealed else { return Ok(None) };
        let key = key.ok_or(BackupError::KeyNeeded { id: needed })?;
        let given = key.id();
        if given != needed {
            return Err(BackupError::WrongKey { needed, given });
        }
        let header = Sha256::digest(header).into();
        Ok(Some(Self { sealer: Sealer::new(key), nonce, header, next: 0 }))
    }

    fn seal(&mut self, kind: u8, payload: &mut Vec<u8>) {
        let (nonce, context) = self.place(kind);
        self.sealer.seal(&nonce, &context, payload, 0);
    }

    fn open(&mut self, kind: u8, payload: &mut Vec<u8>) -> Result<(), ()> {
        let (nonce, context) = self.place(kind);
        self.sealer.open(&nonce, &context, payload).map_err(|_| ())
    }

    fn place(&mut self, kind: u8) -> ([u8; NONCE], [u8; 33]) {
        let (mut nonce, mut context) = ([0; NONCE], [kind; 33]);
        let (random, counter) = nonce.split_at_mut(16);
        random.copy_from_slice(&self.nonce);
        counter.copy_from_slice(&self.next.to_be_bytes());
        context.split_at_mut(1).1.copy_from_slice(&self.header);
        self.next += 1;
        (nonce, context)
    }
}

fn checksum(kind: u8, length: [u8; 4], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[kind]);
    hasher.update(&length);
    hasher.update(payload);
    hasher.finalize()
}

/// Stands in until the header was read.
fn no_header() -> BackupHeader {
    use holdline_model::{ClusterId, GroupId, Millis, NodeId};
    let (cluster, at, node) = (String::new(), Millis(0), NodeId(0));
    let (applied_index, version, about_bytes) = (0, String::new(), 0);
    BackupHeader {
        format: 0,
        cluster: ClusterId(0),
        group: GroupId(0),
        facts: Facts { cluster, applied_index, at, node, version, about_bytes },
        applied: bytes::Bytes::new(),
        sealed: None,
    }
}

impl<W> fmt::Debug for FrameWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameWriter").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl<R> fmt::Debug for FrameReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameReader").field("at", &self.at).finish_non_exhaustive()
    }
}
