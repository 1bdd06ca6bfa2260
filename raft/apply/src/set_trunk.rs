//! `SetTrunk`: which trunks are not to be called. The nodes look at it when they choose trunks.

use holdline_model::{DisabledTrunk, Rejection, Reply, SetTrunk, State, limits};

use crate::{Outcome, Position};

pub(crate) fn apply<S: State>(
    state: &mut S,
    position: Position,
    set: &SetTrunk,
) -> Result<Outcome, S::Error> {
    if set.trunk.is_empty() || set.trunk.len() > limits::MAX_NAME_BYTES {
        return Ok(out_of_bounds("length of the trunk's name"));
    }
    let mut disabled = state.disabled_trunks()?;
    let place = disabled.trunks.binary_search_by(|other| other.trunk.cmp(&set.trunk));
    match (place, set.enabled) {
        (Ok(place), true) => {
            disabled.trunks.remove(place);
        }
        (Err(_), false) if disabled.trunks.len() >= limits::MAX_DISABLED_TRUNKS => {
            return Ok(out_of_bounds("number of disabled trunks"));
        }
        (Err(place), false) => {
            let trunk = set.trunk.clone();
            disabled.trunks.insert(place, DisabledTrunk { trunk, since: set.at });
        }
        // It is so already.
        (Ok(_), false) | (Err(_), true) => return Ok(Ok(Reply::At(position.index))),
    }
    state.put_disabled_trunks(&disabled)?;
    Ok(Ok(Reply::At(position.index)))
}

fn out_of_bounds(what: &str) -> Outcome {
    Err(Rejection::OutOfBounds { what: what.to_owned() })
}
