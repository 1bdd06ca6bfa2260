//! `SweepBindings`: bindings that have ended go. Who is called does not hang on it: whoever reads the
//! bindings looks at their ends.

use holdline_model::{Reply, State, SweepBindings, limits};

use crate::{Outcome, location};

pub(crate) fn apply<S: State>(state: &mut S, sweep: SweepBindings) -> Result<Outcome, S::Error> {
    let mut swept = 0_u32;
    for (at, aor) in state.ended_bindings(sweep.up_to, limits::SWEEP_LIMIT)? {
        let Some(before) = state.location(&aor)? else {
            state.delete_binding_end(at, &aor)?;
            continue;
        };
        let mut after = before.clone();
        after.bindings.retain(|binding| binding.until > sweep.up_to);
        let gone = before.bindings.len() - after.bindings.len();
        swept = swept.saturating_add(u32::try_from(gone).unwrap_or(u32::MAX));
        location::replace(state, Some(&before), after)?;
    }
    Ok(Ok(Reply::Count(swept)))
}
