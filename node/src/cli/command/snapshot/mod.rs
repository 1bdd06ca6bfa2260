//! `holdline snapshot save`, `inspect` and `restore`: a backup as one sealed file.
//!
//! The node streams its state in clear, over the admin API; it is sealed here, so that the key of the
//! backups is where backups are made and nowhere else.

mod progress;
mod restore;

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use holdline_storage::backup::{
    BackupError, BackupHeader, Frame, FrameReader, FrameWriter, Sealed,
};
use holdline_storage::backup::{Contents, read_through};
use holdline_storage::seal::SealKey;

use self::progress::Progress;
use crate::admin::view::time;
use crate::cli::CliError;
use crate::cli::args::{KeyArgs, SnapshotCommand, Target};
use crate::cli::client::Client;
use crate::cli::output::Output;

pub(in crate::cli) fn run(
    target: &Target,
    command: &SnapshotCommand,
    output: &mut Output,
) -> Result<ExitCode, CliError> {
    match command {
        SnapshotCommand::Save { file, key } => save(target, file, key, output)?,
        SnapshotCommand::Inspect { file, key } => inspect(file, key, output)?,
        SnapshotCommand::Restore { file, config, key } => {
            restore::run(file, config, &needed(key)?, output)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A backup was not written, not read, or not put in place.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// No key was given.
    #[error(
        "a key is needed: --key-file FILE, or HOLDLINE_BACKUP_KEY (openssl rand -hex 32 makes one)"
    )]
    NoKey,
    /// The key cannot be read.
    #[error("the key {from} cannot be used: {cause}")]
    Key {
        /// Where it is from.
        from: String,
        /// Why.
        cause: String,
    },
    /// The file is there already.
    #[error("{} exists: choose another name, nothing was written", .0.display())]
    Exists(PathBuf),
    /// A file cannot be read or written.
    #[error("{}: {cause}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// What came from the node, or lies in the file, is not a whole backup.
    #[error("{from}: {cause}")]
    Backup {
        /// The file or the node.
        from: String,
        /// Why.
        cause: BackupError,
    },
    /// The data folder cannot be filled.
    #[error("{0}")]
    Folder(#[from] holdline_storage::DataDirError),
    /// The state cannot be put in place.
    #[error("{0}; the data folder is of no use, run it again")]
    Restore(String),
}

fn save(target: &Target, file: &Path, key: &KeyArgs, output: &mut Output) -> Result<(), CliError> {
    let key = needed(key)?;
    let is_standard_output = file == Path::new("-");
    if !is_standard_output && file.exists() {
        return Err(SnapshotError::Exists(file.to_owned()).into());
    }
    let client = Client::new(target);
    let stream = client.download("/v1/snapshot")?;
    let from = "the node's answer".to_owned();
    let broken = |cause| SnapshotError::Backup { from: from.clone(), cause };
    let mut reader = FrameReader::begin(BufReader::new(stream)).map_err(broken)?;
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(|error| SnapshotError::Restore(error.to_string()))?;
    let sealed = Some(Sealed { key: key.id(), nonce });
    let header = BackupHeader { sealed, ..reader.header().clone() };
    let mut progress = Progress::new(header.facts.about_bytes);
    let bytes = if is_standard_output {
        let sink = StandardOutput(output);
        seal_all(&mut reader, sink, &header, &key, &mut progress).map_err(broken)?.1
    } else {
        let partial = partial_name(file);
        let io = |cause| SnapshotError::File { path: partial.clone(), cause };
        let sink = BufWriter::new(File::create(&partial).map_err(io)?);
        let sealed = seal_all(&mut reader, sink, &header, &key, &mut progress);
        let (sink, bytes) = sealed.map_err(|cause| {
            // Of no use to anybody; if it cannot be removed, its name says what it is.
            let _ = std::fs::remove_file(&partial);
            broken(cause)
        })?;
        let written = sink.into_inner().map_err(io::IntoInnerError::into_error);
        written.and_then(|file| file.sync_all()).map_err(io)?;
        std::fs::rename(&partial, file).map_err(io)?;
        bytes
    };
    progress.end(output);
    output.note(&format!(
        "saved {} bytes, sealed with key {}: cluster {} as of entry {}, {}",
        bytes,
        key.id(),
        header.facts.cluster,
        header.facts.applied_index,
        time::format(header.facts.at),
    ));
    Ok(())
}

/// Reads a backup in clear to its end and writes it sealed.
fn seal_all<W: Write>(
    reader: &mut FrameReader<impl io::Read>,
    sink: W,
    header: &BackupHeader,
    key: &SealKey,
    progress: &mut Progress,
) -> Result<(W, u64), BackupError> {
    let mut writer = FrameWriter::begin(sink, header, Some(key))?;
    loop {
        let frame = reader.next_frame()?;
        let is_last = matches!(frame, Frame::Footer(_));
        writer.frame(frame)?;
        progress.show(writer.bytes());
        if is_last {
            let bytes = writer.bytes();
            let mut sink = writer.into_inner();
            sink.flush()?;
            return Ok((sink, bytes));
        }
    }
}

fn inspect(file: &Path, key: &KeyArgs, output: &mut Output) -> Result<(), CliError> {
    let key = given(key)?;
    let mut reader = open(file)?;
    if key.is_some() {
        reader.unlock(key.as_ref()).map_err(|cause| bad(file, cause))?;
    }
    let header = reader.header().clone();
    let contents = read_through(&mut reader).map_err(|cause| bad(file, cause))?;
    for (fact, value) in facts(&header, &contents) {
        output.line(&format!("{fact:<10} {value}"))?;
    }
    for (table, count) in &contents.tables {
        output.line(&format!("{:<10} {count}", table.as_str()))?;
    }
    if contents.tables.is_empty() {
        output.line("whole by its checksums; with the key its records are checked, too")?;
    }
    Ok(())
}

fn facts(header: &BackupHeader, contents: &Contents) -> Vec<(&'static str, String)> {
    let facts = &header.facts;
    let sealed = header.sealed.map_or("no".to_owned(), |sealed| format!("with key {}", sealed.key));
    vec![
        ("cluster", facts.cluster.clone()),
        ("cluster id", header.cluster.to_string()),
        ("format", header.format.to_string()),
        ("entry", facts.applied_index.to_string()),
        ("taken at", time::format(facts.at)),
        ("by", format!("node {}, holdline {}", facts.node, facts.version)),
        ("sealed", sealed),
        ("bytes", contents.bytes.to_string()),
    ]
}

fn open(file: &Path) -> Result<FrameReader<BufReader<File>>, CliError> {
    let opened = File::open(file);
    let opened = opened.map_err(|cause| SnapshotError::File { path: file.to_owned(), cause })?;
    let reader = FrameReader::begin(BufReader::with_capacity(1 << 20, opened));
    reader.map_err(|cause| bad(file, cause).into())
}

fn bad(file: &Path, cause: BackupError) -> SnapshotError {
    SnapshotError::Backup { from: file.display().to_string(), cause }
}

fn needed(key: &KeyArgs) -> Result<SealKey, CliError> {
    given(key)?.ok_or_else(|| SnapshotError::NoKey.into())
}

/// The key of a file or of the environment.
fn given(args: &KeyArgs) -> Result<Option<SealKey>, CliError> {
    let (from, text) = match (&args.key_file, &args.key) {
        (Some(file), _) => {
            let text = crate::config::read_secret(file);
            let from = file.display().to_string();
            let text = text.map_err(|cause| SnapshotError::Key { from: from.clone(), cause })?;
            (from, text)
        }
        (None, Some(key)) => ("in HOLDLINE_BACKUP_KEY".to_owned(), key.clone()),
        (None, None) => return Ok(None),
    };
    let key = text.parse::<SealKey>();
    let bad = |cause: holdline_storage::seal::BadKey| {
        let cause = cause.to_string();
        SnapshotError::Key { from, cause }
    };
    Ok(Some(key.map_err(bad)?))
}

fn partial_name(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

struct StandardOutput<'a>(&'a mut Output);

impl Write for StandardOutput<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.bytes(bytes)? {
            true => Ok(bytes.len()),
            false => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map(|_| ())
    }
}
