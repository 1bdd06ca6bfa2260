//! `SetHomes`: slots find other homes, so that a new member gets its share. Owners follow later, by
//! `TransferSlots`; calls stay where they are meanwhile.

use holdline_model::{Rejection, Reply, SetHomes, State, limits};

use crate::{Action, Outcome};

pub(crate) fn apply<S: State>(
    state: &mut S,
    set: &SetHomes,
    actions: &mut Vec<Action>,
) -> Result<Outcome, S::Error> {
    if set.homes.len() > usize::from(limits::MAX_SLOTS) {
        return Ok(Err(Rejection::OutOfBounds { what: "number of slots".to_owned() }));
    }
    for to in &set.homes {
        if state.node(to.home)?.is_none_or(|node| node.removed.is_some()) {
            return Ok(Err(Rejection::UnknownNode { node: to.home }));
        }
    }
    let mut moved = 0;
    for to in &set.homes {
        let Some(mut slot) = state.slot(to.slot)? else { continue };
        if slot.home != to.expected {
            continue;
        }
        slot.home = to.home;
        state.put_slot(&slot)?;
        moved += 1;
    }
    if moved > 0 {
        actions.push(Action::HomesChanged);
    }
    Ok(Ok(Reply::Count(moved)))
}
