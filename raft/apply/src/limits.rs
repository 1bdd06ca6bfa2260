//! The commands about limits; what a limit says to a call is in `admit` and `attempt`.

use holdline_limit::LimitState;
use holdline_model::limit::LeaseTokens;
use holdline_model::{LimitTick, Rejection, Reply, ResetLimits, SetLimits};

use crate::{Action, Outcome, Position};

pub(crate) fn set<S: LimitState>(
    state: &mut S,
    position: Position,
    set: &SetLimits,
    actions: &mut Vec<Action>,
) -> Result<Outcome, S::Error> {
    let outcome = state.limits(|table| table.set(set.expected, &set.config, set.at))?;
    Ok(outcome.map(|()| {
        actions.push(Action::LimitsChanged(set.expected + 1));
        Reply::At(position.index)
    }))
}

pub(crate) fn reset<S: LimitState>(
    state: &mut S,
    position: Position,
    reset: &ResetLimits,
) -> Result<Outcome, S::Error> {
    let outcome = state.limits(|table| table.reset(reset.class.as_ref()))?;
    Ok(outcome.map(|()| Reply::At(position.index)))
}

pub(crate) fn lease<S: LimitState>(
    state: &mut S,
    command: &LeaseTokens,
) -> Result<Outcome, S::Error> {
    let Some(node) = state.node(command.node)? else {
        return Ok(Err(Rejection::UnknownNode { node: command.node }));
    };
    if node.incarnation != command.incarnation {
        return Ok(Err(Rejection::StaleIncarnation { node: command.node }));
    }
    let outcome = state.limits(|table| table.lease(command))?;
    Ok(outcome.map(Reply::Leased))
}

pub(crate) fn tick<S: LimitState>(state: &mut S, tick: LimitTick) -> Result<Outcome, S::Error> {
    state.limits(|table| table.tick(tick.node, tick.at))?;
    Ok(Ok(Reply::Done))
}
