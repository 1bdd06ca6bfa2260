//! Reads a backup: through it, to see that it is whole, and into an engine.

use std::io::Read;

use bytes::Bytes;

use super::{BackupError, Frame, FrameReader};
use crate::codec;
use crate::engine::{Batch, Durability, Engine, Table};
use crate::snapshot::pop_record;

/// Records by table ordinal.
pub(super) type Counts = [u64; Table::ALL.len()];

/// What a backup holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Its size in bytes.
    pub bytes: u64,
    /// Frames of records.
    pub frames: u64,
    /// Records of each table, in the order of writing; empty if it is sealed and was not unlocked.
    pub tables: Vec<(Table, u64)>,
}

/// Reads to the end, and checks every byte. What is sealed and was not unlocked is checked as far as
/// that goes without the key: checksums and length.
///
/// # Errors
/// As [`FrameReader::next_frame`].
pub fn read_through<R: Read>(reader: &mut FrameReader<R>) -> Result<Contents, BackupError> {
    let is_readable = reader.is_readable();
    walk(reader, is_readable, |_, _, _| Ok(()))
}

/// Writes all records into an engine that holds nothing of the group, and makes them durable.
///
/// # Errors
/// As [`FrameReader::next_frame`], and the engine's.
pub fn load<R: Read>(
    reader: &mut FrameReader<R>,
    engine: &dyn Engine,
) -> Result<Contents, BackupError> {
    let mut batch = Batch::new();
    let contents = walk(reader, true, |table, key, value| {
        batch.put(table, key, Bytes::copy_from_slice(value));
        if batch.bytes() >= BATCH_BYTES {
            engine.write(std::mem::take(&mut batch), Durability::State)?;
        }
        Ok(())
    })?;
    engine.write(batch, Durability::State)?;
    engine.flush_state()?;
    Ok(contents)
}

fn walk<R: Read>(
    reader: &mut FrameReader<R>,
    is_readable: bool,
    mut visit: impl FnMut(Table, &[u8], &[u8]) -> Result<(), BackupError>,
) -> Result<Contents, BackupError> {
    let group = reader.header().group.0.to_be_bytes();
    let mut counts: Counts = [0; Table::ALL.len()];
    let mut contents = Contents::default();
    loop {
        let at = reader.at();
        let damaged = |what| BackupError::Damaged { at, what };
        match reader.next_frame()? {
            Frame::Records(payload) => {
                contents.frames += 1;
                let mut rest = payload.as_slice();
                while is_readable && !rest.is_empty() {
                    let record = pop_record(&mut rest).filter(|it| it.key.starts_with(&group));
                    let record = record.ok_or_else(|| damaged("a record is malformed"))?;
                    if let Some(count) = counts.get_mut(usize::from(record.table.ordinal())) {
                        *count += 1;
                    }
                    visit(record.table, record.key, record.value)?;
                }
            }
            Frame::Footer(payload) => {
                if is_readable && codec::decode::<Counts>(&payload).ok() != Some(counts) {
                    return Err(damaged("its end counts other records"));
                }
                contents.bytes = reader.at();
                let count = |table: Table| counts.get(usize::from(table.ordinal())).copied();
                let all = Table::STATE.map(|table| (table, count(table).unwrap_or(0)));
                contents.tables = if is_readable { all.to_vec() } else { Vec::new() };
                return Ok(contents);
            }
        }
    }
}

/// Bytes of records written at once.
const BATCH_BYTES: usize = 1 << 20;
