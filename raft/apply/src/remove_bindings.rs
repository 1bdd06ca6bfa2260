//! `RemoveBindings`: an administrator ends a user's bindings. The device comes back with its next
//! REGISTER, unless its user is removed, too.

use holdline_model::{RemoveBindings, Reply, State};

use crate::{Outcome, location};

pub(crate) fn apply<S: State>(
    state: &mut S,
    command: &RemoveBindings,
) -> Result<Outcome, S::Error> {
    let Some(before) = state.location(&command.aor)? else { return Ok(Ok(Reply::Count(0))) };
    let mut after = before.clone();
    after.bindings.retain(|binding| command.key.as_ref().is_some_and(|key| *key != binding.key));
    let gone = before.bindings.len() - after.bindings.len();
    if gone > 0 {
        location::replace(state, Some(&before), after)?;
    }
    Ok(Ok(Reply::Count(u32::try_from(gone).unwrap_or(u32::MAX))))
}
