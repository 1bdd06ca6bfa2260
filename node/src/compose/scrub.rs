//! Reads all that is stored, slowly, again and again: so that a damaged block is found while the other
//! nodes still have what was in it, and not when somebody asks for it. What is found is told by the
//! engine itself.

use std::ops::ControlFlow;
use std::sync::{Arc, Weak};
use std::time::Duration;

use holdline_model::GroupId;
use holdline_storage::engine::{Direction, KeyRange};
use holdline_storage::{Engine, EngineError, Table};
use tracing::{debug, error};

/// Starts a thread that ends with the engine.
pub(super) fn start(engine: &Arc<dyn Engine>, group: GroupId, every: Duration) {
    let engine = Arc::downgrade(engine);
    let work = move || {
        while wait(&engine, every) {
            match pass(&engine, group) {
                Ok(Some(bytes)) => debug!(bytes, "all that is stored was read"),
                // The node ends.
                Ok(None) => return,
                Err(error) => {
                    error!(%error, "what is stored cannot be read");
                    return;
                }
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name("scrub".to_owned()).spawn(work) {
        error!(%error, "what is stored is not checked");
    }
}

/// Waits; false if the engine has gone.
fn wait(engine: &Weak<dyn Engine>, time: Duration) -> bool {
    let mut left = time;
    while engine.strong_count() > 0 {
        if left.is_zero() {
            return true;
        }
        let step = left.min(STEP);
        pause(step);
        left = left.saturating_sub(step);
    }
    false
}

/// Reads every table once; how many bytes that were, or nothing if the engine has gone.
fn pass(engine: &Weak<dyn Engine>, group: GroupId) -> Result<Option<u64>, EngineError> {
    let first = group.0.to_be_bytes();
    let Some(after) = group.0.checked_add(1) else { return Ok(Some(0)) };
    let to = after.to_be_bytes();
    let mut bytes = 0;
    for table in Table::ALL {
        let mut from = Some(first.to_vec());
        while let Some(start) = from {
            let Some(engine) = engine.upgrade() else { return Ok(None) };
            from = lot(engine.as_ref(), table, KeyRange { from: &start, to: &to }, &mut bytes)?;
            drop(engine);
            pause(PAUSE);
        }
    }
    Ok(Some(bytes))
}

/// Reads one lot; where the next one begins.
fn lot(
    engine: &dyn Engine,
    table: Table,
    range: KeyRange<'_>,
    bytes: &mut u64,
) -> Result<Option<Vec<u8>>, EngineError> {
    let (mut left, mut next) = (LOT_BYTES, None);
    // A view does not push what is used out of the cache.
    engine.view().scan(table, range, Direction::Forward, &mut |key, value| {
        let length = key.len() + value.len();
        *bytes += length as u64;
        left = left.saturating_sub(length);
        if left > 0 {
            return ControlFlow::Continue(());
        }
        let mut after = key.to_vec();
        after.push(0);
        next = Some(after);
        ControlFlow::Break(())
    })?;
    Ok(next)
}

#[expect(clippy::disallowed_methods, reason = "a thread of its own, for work that takes hours")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Read between two pauses: five megabytes a second at most.
const LOT_BYTES: usize = 256 << 10;
const PAUSE: Duration = Duration::from_millis(50);

/// How soon the thread notices that the node has ended.
const STEP: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use holdline_storage::MemoryEngine;
    use holdline_storage::engine::{Batch, Durability};

    use super::*;

    fn filled(records: u16) -> Arc<dyn Engine> {
        let engine = MemoryEngine::new();
        for number in 0..records {
            let mut batch = Batch::new();
            let key = [&[0, 0][..], &number.to_be_bytes()].concat();
            batch.put(Table::Cdrs, key, Bytes::from(vec![7; 1 << 10]));
            engine.write(batch, Durability::State).unwrap();
        }
        Arc::new(engine)
    }

    #[test]
    fn a_pass_reads_every_record_once_in_lots() {
        let engine = filled(600);
        let read = pass(&Arc::downgrade(&engine), GroupId(0)).unwrap();
        assert_eq!(read, Some(600 * ((1 << 10) + 4)));
    }

    #[test]
    fn a_pass_ends_with_the_engine() {
        let engine = filled(1);
        let weak = Arc::downgrade(&engine);
        drop(engine);
        assert_eq!(pass(&weak, GroupId(0)).unwrap(), None);
        assert!(!wait(&weak, Duration::from_secs(60)));
    }
}
