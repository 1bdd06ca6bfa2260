//! `SetFormat`: the cluster goes on in a newer format. It is never lowered, since what stands in the tables
//! may be in the newer one already.
//!
//! A format that this program does not know is set all the same, so that all nodes have one state; a node
//! that finds it there must stop, because it cannot do what the format adds.

use holdline_model::{Reply, SetFormat, State};

use crate::{Outcome, Position};

pub(crate) fn apply<S: State>(
    state: &mut S,
    position: Position,
    set: SetFormat,
) -> Result<Outcome, S::Error> {
    if set.format > state.format()? {
        state.put_format(set.format)?;
    }
    Ok(Ok(Reply::At(position.index)))
}
