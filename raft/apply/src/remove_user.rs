//! `RemoveUser`: a user goes, and whatever it had registered with it. A REGISTER of that user that is
//! on its way finds no user when it is applied.

use holdline_model::{LocationRecord, Rejection, RemoveUser, Reply, State};

use crate::{Outcome, Position, location};

pub(crate) fn apply<S: State>(
    state: &mut S,
    position: Position,
    command: &RemoveUser,
) -> Result<Outcome, S::Error> {
    if state.user(&command.aor)?.is_none() {
        return Ok(Err(Rejection::UnknownUser));
    }
    state.delete_user(&command.aor)?;
    let mut totals = state.registrar_totals()?;
    totals.users = totals.users.saturating_sub(1);
    state.put_registrar_totals(totals)?;
    if let Some(before) = state.location(&command.aor)? {
        let none = LocationRecord {
            aor: command.aor.clone(),
            bindings: Vec::new(),
            requests: Vec::new(),
            former: Vec::new(),
        };
        location::replace(state, Some(&before), none)?;
    }
    Ok(Ok(Reply::At(position.index)))
}
