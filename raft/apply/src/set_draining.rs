//! `SetDraining`: a mark; the leader moves the slots.

use holdline_model::{Rejection, Reply, SetDraining, State};

use crate::{Action, Outcome, Position};

pub(crate) fn apply<S: State>(
    state: &mut S,
    position: Position,
    set: SetDraining,
    actions: &mut Vec<Action>,
) -> Result<Outcome, S::Error> {
    let Some(mut node) = state.node(set.node)? else {
        return Ok(Err(Rejection::UnknownNode { node: set.node }));
    };
    if node.draining != set.draining {
        node.draining = set.draining;
        state.put_node(&node)?;
        actions.push(Action::NodeChanged(set.node));
    }
    Ok(Ok(Reply::At(position.index)))
}
