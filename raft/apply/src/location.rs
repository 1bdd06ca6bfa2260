//! Writing the bindings of an address of record, with what hangs on them: the note of when the first
//! one ends, and the totals.

use holdline_model::{LocationRecord, Millis, State, limits};

/// Replaces `before` by `after`; a record without bindings is removed.
///
/// Invariant: an address with bindings has exactly one note, at the time when its first one ends.
pub(crate) fn replace<S: State>(
    state: &mut S,
    before: Option<&LocationRecord>,
    mut after: LocationRecord,
) -> Result<(), S::Error> {
    forget_former(&mut after);
    let (had, has) = (before.map_or(0, |record| record.bindings.len()), after.bindings.len());
    let (old_end, new_end) = (before.and_then(LocationRecord::next_end), after.next_end());
    move_note(state, &after, old_end, new_end)?;
    if had != has {
        let mut totals = state.registrar_totals()?;
        totals.bindings = (totals.bindings + count(has)).saturating_sub(count(had));
        state.put_registrar_totals(totals)?;
    }
    if after.bindings.is_empty() {
        let aor = after.aor;
        before.map_or(Ok(()), |_| state.delete_location(&aor))
    } else {
        state.put_location(after)
    }
}

/// A device whose binding is gone has no former contacts either, and a contact that somebody has now is
/// nobody's former one.
fn forget_former(record: &mut LocationRecord) {
    let LocationRecord { bindings, former, .. } = record;
    former.retain(|it| {
        bindings.iter().any(|binding| binding.key == it.key)
            && bindings.iter().all(|binding| binding.contact != it.contact)
    });
    let forgotten = former.len().saturating_sub(limits::MAX_FORMER_CONTACTS);
    former.drain(..forgotten);
}

fn move_note<S: State>(
    state: &mut S,
    record: &LocationRecord,
    from: Option<Millis>,
    to: Option<Millis>,
) -> Result<(), S::Error> {
    if from == to {
        return Ok(());
    }
    if let Some(from) = from {
        state.delete_binding_end(from, &record.aor)?;
    }
    to.map_or(Ok(()), |to| state.put_binding_end(to, &record.aor))
}

pub(crate) fn count(bindings: usize) -> u64 {
    u64::try_from(bindings).unwrap_or(u64::MAX)
}
