//! `Sweep`: tombstones that are old enough go.

use holdline_model::{Phase, Reply, State, Sweep, limits};

use crate::Outcome;

pub(crate) fn apply<S: State>(state: &mut S, sweep: Sweep) -> Result<Outcome, S::Error> {
    let mut swept = 0;
    for (at, call) in state.expired(sweep.up_to, limits::SWEEP_LIMIT)? {
        state.delete_expiry(at, call)?;
        if state.phase(call)? == Some(Phase::Finished) {
            state.delete_call(call)?;
            swept += 1;
        }
    }
    Ok(Ok(Reply::Count(swept)))
}
