//! Writes a group's state as a stream, in clear, from a view.

use std::io::Write;
use std::ops::ControlFlow;

use bytes::Bytes;
use holdline_model::{ClusterRecord, Format, GroupId};

use super::load::Counts;
use super::{BackupError, BackupHeader, Facts, Frame, FrameWriter};
use crate::codec;
use crate::engine::{Direction, Engine, KeyRange, Table};
use crate::snapshot::{BLOCK_BYTES, push_record};
use crate::tables::{applied_key, cluster_key, format_key, group_range};

/// Writes the state as it is now, while it goes on changing. How many records there were.
pub(crate) fn save(
    engine: &dyn Engine,
    group: GroupId,
    facts: Facts,
    out: &mut dyn Write,
) -> Result<u64, BackupError> {
    let view = engine.view();
    let applied = view.get(Table::Meta, &applied_key(group))?.ok_or(BackupError::NoState)?;
    let cluster = view.get(Table::Meta, &cluster_key(group))?.ok_or(BackupError::NoState)?;
    let header = BackupHeader {
        format: format(view.get(Table::Meta, &format_key(group))?)?,
        cluster: codec::decode::<ClusterRecord>(&cluster)?.cluster,
        group,
        facts,
        applied: Bytes::from(applied),
        sealed: None,
    };
    let mut writer = FrameWriter::begin(out, &header, None)?;
    let mut counts: Counts = [0; Table::ALL.len()];
    let mut block = Vec::new();
    let (from, to) = group_range(group);
    for table in Table::STATE {
        let mut failed = None;
        let range = KeyRange { from: &from, to: &to };
        view.scan(table, range, Direction::Forward, &mut |key, value| {
            if push_record(&mut block, table, key, value).is_none() {
                let what = "a record of the state is too large";
                failed = Some(BackupError::Damaged { at: writer.bytes(), what });
                return ControlFlow::Break(());
            }
            if let Some(count) = counts.get_mut(usize::from(table.ordinal())) {
                *count += 1;
            }
            if block.len() < BLOCK_BYTES {
                return ControlFlow::Continue(());
            }
            match writer.frame(Frame::Records(std::mem::take(&mut block))) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        failed.map_or(Ok(()), Err)?;
    }
    drop(view);
    if !block.is_empty() {
        writer.frame(Frame::Records(block))?;
    }
    writer.frame(Frame::Footer(codec::encode(&counts)?))?;
    writer.into_inner().flush()?;
    Ok(counts.iter().sum())
}

/// The format of the state in a view.
fn format(stored: Option<Vec<u8>>) -> Result<u32, BackupError> {
    let format = stored.map(|bytes| codec::decode::<Format>(&bytes)).transpose()?;
    Ok(format.unwrap_or_default().0.into())
}
