//! `PutUser`: a user is added, or what is known of it is replaced. Its bindings stay.

use holdline_model::{PutUser, Rejection, Reply, State, UserRecord, limits};

use crate::{Outcome, Position};

pub(crate) fn apply<S: State>(
    state: &mut S,
    position: Position,
    command: &PutUser,
) -> Result<Outcome, S::Error> {
    let before = state.user(&command.record.aor)?;
    let changed_at = command.record.changed_at;
    if before.clone().map(|user| UserRecord { changed_at, ..user }).as_ref()
        == Some(&command.record)
    {
        // The same again, because the first time its outcome was not known.
        return Ok(Ok(Reply::At(position.index)));
    }
    if before.is_some() && !command.replace {
        return Ok(Err(Rejection::UserExists));
    }
    if before.is_none() {
        let mut totals = state.registrar_totals()?;
        if totals.users >= limits::MAX_USERS {
            let (what, limit) = ("users".to_owned(), limits::MAX_USERS);
            return Ok(Err(Rejection::RegistrarFull { what, limit }));
        }
        totals.users += 1;
        state.put_registrar_totals(totals)?;
    }
    state.put_user(command.record.clone())?;
    Ok(Ok(Reply::At(position.index)))
}
