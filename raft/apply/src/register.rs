//! `Register`: the bindings of an address of record change, all together or not at all (RFC 3261
//! section 10.3, steps 6 to 8).
//!
//! Invariant: a REGISTER that names another epoch than its slot's changes nothing.
//! Invariant: the same request again changes nothing.
//!
//! The reply names the entry, so that the owner, who may hear of it before it has applied it itself,
//! knows when its own tables say so.

use holdline_model::{
    Binding, BindingChange, Format, FormerContact, LocationRecord, Register, Rejection, Reply,
    State, limits,
};

use crate::{Outcome, Position, location};

pub(crate) fn apply<S: State>(
    state: &mut S,
    position: Position,
    command: &Register,
) -> Result<Outcome, S::Error> {
    let Some(slot) = state.slot(command.slot)? else {
        return Ok(Err(Rejection::UnknownSlot { slot: command.slot }));
    };
    if slot.epoch != command.epoch {
        return Ok(Err(Rejection::StaleEpoch {
            slot: slot.slot,
            named: command.epoch,
            current: slot.epoch,
            owner: slot.owner,
        }));
    }
    let Some(user) = state.user(&command.aor)? else { return Ok(Err(Rejection::UnknownUser)) };
    let before = state.location(&command.aor)?;
    if before.as_ref().is_some_and(|record| record.requests.contains(&command.request)) {
        return Ok(Ok(Reply::At(position.index)));
    }
    if let Some(what) = out_of_bounds(command) {
        return Ok(Err(Rejection::OutOfBounds { what: what.to_owned() }));
    }
    let per_aor = user.max_bindings.unwrap_or(command.bounds.per_aor);
    let keeps_former = state.format()? >= Format::FORMER_CONTACTS;
    let after = match changed(before.as_ref(), command, per_aor, keeps_former) {
        Ok(after) => after,
        Err(rejection) => return Ok(Err(rejection)),
    };
    let had = before.as_ref().map_or(0, |record| record.bindings.len());
    if after.bindings.len() > had {
        let more = location::count(after.bindings.len() - had);
        let limit = command.bounds.total.min(limits::MAX_BINDINGS);
        if state.registrar_totals()?.bindings.saturating_add(more) > limit {
            let what = "bindings".to_owned();
            return Ok(Err(Rejection::RegistrarFull { what, limit }));
        }
    }
    location::replace(state, before.as_ref(), after)?;
    Ok(Ok(Reply::At(position.index)))
}

/// The record after the changes.
fn changed(
    before: Option<&LocationRecord>,
    command: &Register,
    per_aor: u16,
    keeps_former: bool,
) -> Result<LocationRecord, Rejection> {
    let mut after = before.cloned().unwrap_or_else(|| LocationRecord {
        aor: command.aor.clone(),
        bindings: Vec::new(),
        requests: Vec::new(),
        former: Vec::new(),
    });
    // What has ended, but is not swept yet, neither counts nor keeps its place.
    after.bindings.retain(|binding| binding.until > command.at);
    for change in &command.changes {
        match change {
            BindingChange::Put(binding) => {
                if keeps_former {
                    note_former(&mut after, binding);
                }
                put(&mut after.bindings, binding, command)?;
            }
            BindingChange::Remove { key } => {
                remove(&mut after.bindings, command, |b| b.key == *key)?
            }
            BindingChange::RemoveAll => remove(&mut after.bindings, command, |_| true)?,
        }
    }
    let limit = usize::from(per_aor).clamp(1, limits::MAX_BINDINGS_PER_AOR);
    while after.bindings.len() > limit {
        if !command.bounds.replace_oldest {
            return Err(Rejection::TooManyBindings { limit: per_aor });
        }
        after.bindings.remove(0);
    }
    after.requests.push(command.request);
    let forgotten = after.requests.len().saturating_sub(limits::MAX_REMEMBERED_REQUESTS);
    after.requests.drain(..forgotten);
    Ok(after)
}

/// The device comes back under another contact: the dialogs that it has name the one that it had.
fn note_former(record: &mut LocationRecord, binding: &Binding) {
    if binding.instance.is_none() {
        return;
    }
    let is_changed =
        |known: &&Binding| known.key == binding.key && known.contact != binding.contact;
    let Some(known) = record.bindings.iter().find(is_changed) else { return };
    let former = FormerContact { key: known.key.clone(), contact: known.contact.clone() };
    record.former.retain(|it| *it != former);
    record.former.push(former);
}

/// The binding goes to the end: they lie in the order in which they were changed.
fn put(
    bindings: &mut Vec<Binding>,
    binding: &Binding,
    command: &Register,
) -> Result<(), Rejection> {
    remove(bindings, command, |known| known.key == binding.key)?;
    bindings.push(binding.clone());
    Ok(())
}

/// Section 10.3: a binding that the same Call-ID has made is changed by a higher CSeq only.
fn remove(
    bindings: &mut Vec<Binding>,
    command: &Register,
    which: impl Fn(&Binding) -> bool,
) -> Result<(), Rejection> {
    let older = |known: &&Binding| known.call_id == command.call_id && known.cseq >= command.cseq;
    if let Some(known) = bindings.iter().filter(|known| which(known)).find(older) {
        return Err(Rejection::OldCSeq { committed: known.cseq, named: command.cseq });
    }
    bindings.retain(|known| !which(known));
    Ok(())
}

fn out_of_bounds(command: &Register) -> Option<&'static str> {
    if command.changes.len() > limits::MAX_BINDINGS_PER_AOR {
        return Some("number of changes");
    }
    let long = |text: &String| text.len() > limits::MAX_BINDING_TEXT_BYTES;
    if long(&command.call_id) {
        return Some("length of the Call-ID");
    }
    let bad = command.changes.iter().any(|change| match change {
        BindingChange::Put(binding) => {
            let Binding { key, contact, path, instance, call_id, .. } = binding.as_ref();
            path.len() > limits::MAX_PATH_VALUES
                || [key, contact, call_id].into_iter().chain(path).chain(instance).any(long)
        }
        BindingChange::Remove { key } => long(key),
        BindingChange::RemoveAll => false,
    });
    bad.then_some("size of a binding")
}
