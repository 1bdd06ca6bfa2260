//! The commands about call detail records: how long they are kept, how far their consumers have
//! come, which of them go.
//!
//! Invariant: nothing is purged that a consumer's committed cursor has not passed, unless forced.
//! Invariant: the floor never goes down.

use holdline_model::{
    CdrCommand, CdrCursor, CdrId, CdrKeeping, CdrSink, PurgeCdrs, Rejection, Reply, RetainCdrs,
    State, limits,
};

use crate::{Outcome, Position};

pub(crate) fn apply<S: State>(
    state: &mut S,
    position: Position,
    command: &CdrCommand,
) -> Result<Outcome, S::Error> {
    let mut keeping = state.cdr_keeping()?;
    let outcome = match command {
        CdrCommand::Retain(retain) => set_retention(&mut keeping, *retain),
        CdrCommand::Cursor(cursor) => set_cursor(&mut keeping, position, cursor),
        CdrCommand::Purge(purge) => raise_floor(&mut keeping, position, *purge),
    };
    if let Err(rejection) = outcome {
        return Ok(Err(rejection));
    }
    if let CdrCommand::Purge(purge) = command
        && purge.before == keeping.floor
    {
        state.purge_cdrs(purge.before)?;
    }
    state.put_cdr_keeping(&keeping)?;
    Ok(Ok(Reply::At(position.index)))
}

fn set_retention(keeping: &mut CdrKeeping, retain: RetainCdrs) -> Result<(), Rejection> {
    let current = keeping.version;
    let is_repeated =
        retain.expected.is_some_and(|expected| expected.checked_add(1) == Some(current));
    if is_repeated && keeping.keep_ms == retain.keep_ms {
        return Ok(());
    }
    if let Some(expected) = retain.expected.filter(|expected| *expected != current) {
        return Err(Rejection::CdrRetention { expected, current });
    }
    if retain.keep_ms != 0 && retain.keep_ms < limits::MIN_CDR_KEEP_MS {
        return Err(out_of_bounds("time that CDRs are kept"));
    }
    keeping.version += 1;
    keeping.keep_ms = retain.keep_ms;
    Ok(())
}

fn set_cursor(
    keeping: &mut CdrKeeping,
    position: Position,
    command: &CdrCursor,
) -> Result<(), Rejection> {
    let sink = command.sink.clone();
    if sink.is_empty() || sink.len() > limits::MAX_NAME_BYTES {
        return Err(out_of_bounds("length of the sink's name"));
    }
    let place = keeping.sinks.binary_search_by(|other| other.name.cmp(&sink));
    match (place, command.cursor) {
        (Ok(place), None) => {
            keeping.sinks.remove(place);
        }
        // It is so already: said again, because its outcome was unknown.
        (Err(_), None) => {}
        // A cursor beyond the log would let records go that nobody has seen.
        (_, Some(cursor)) if cursor.index >= position.index => {
            return Err(out_of_bounds("cursor: it lies beyond the log's end and"));
        }
        (Ok(place), Some(cursor)) => {
            let Some(known) = keeping.sinks.get_mut(place) else { return Ok(()) };
            if cursor < known.cursor {
                let (committed, named) = (known.cursor, cursor);
                return Err(Rejection::CursorGoesBack { sink, committed, named });
            }
            (known.cursor, known.at) = (cursor, command.at);
        }
        (Err(_), Some(_)) if keeping.sinks.len() >= limits::MAX_CDR_SINKS => {
            return Err(out_of_bounds("number of sinks"));
        }
        (Err(place), Some(cursor)) => {
            keeping.sinks.insert(place, CdrSink { name: sink, cursor, at: command.at });
        }
    }
    Ok(())
}

fn raise_floor(
    keeping: &mut CdrKeeping,
    position: Position,
    purge: PurgeCdrs,
) -> Result<(), Rejection> {
    // Proposed again, because its outcome was unknown.
    if purge.before <= keeping.floor {
        return Ok(());
    }
    let (expected, current) = (purge.version, keeping.version);
    if expected != current {
        return Err(Rejection::CdrRetention { expected, current });
    }
    if purge.floor != keeping.floor {
        return Err(Rejection::CdrsPurged { floor: keeping.floor });
    }
    let bound = u32::try_from(limits::PURGE_LIMIT).unwrap_or(u32::MAX);
    if purge.before < purge.floor || purge.before.index > position.index || purge.records > bound {
        return Err(out_of_bounds("purge"));
    }
    // The cursor names a record that the consumer has: the first it may lack comes after it.
    let held = keeping.slowest().filter(|sink| purge.before > successor(sink.cursor));
    if let Some(sink) = held.filter(|_| !purge.forced) {
        return Err(Rejection::CdrHeld { sink: sink.name.clone(), cursor: sink.cursor });
    }
    keeping.floor = purge.before;
    keeping.purged = keeping.purged.saturating_add(u64::from(purge.records));
    Ok(())
}

/// The first id after one.
const fn successor(id: CdrId) -> CdrId {
    CdrId { index: id.index, position: id.position.saturating_add(1) }
}

fn out_of_bounds(what: &str) -> Rejection {
    Rejection::OutOfBounds { what: what.to_owned() }
}
