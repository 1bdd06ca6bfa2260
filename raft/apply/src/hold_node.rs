//! `HoldNode`: a node stays without a vote until an administrator promotes it, or no longer.

use holdline_model::{HoldNode, Rejection, Reply, RosterEntry, Standing, State};

use crate::{Outcome, Position};

pub(crate) fn apply<S: State>(
    state: &mut S,
    position: Position,
    hold: HoldNode,
) -> Result<Outcome, S::Error> {
    let Some(mut cluster) = state.cluster()? else { return Ok(Err(Rejection::NotFormed)) };
    let HoldNode { node, held, at } = hold;
    let entry = match (cluster.roster.entry(node), state.node(node)?) {
        (Some(known), _) if known.standing == Standing::Removed => {
            return Ok(Err(Rejection::NodeRemoved { node }));
        }
        (Some(known), _) => RosterEntry { held, at, ..known.clone() },
        (None, Some(record)) => RosterEntry {
            node,
            standing: Standing::Admitted,
            rpc: record.rpc,
            pop: record.pop,
            role: record.role,
            nonce: 0,
            held,
            at,
        },
        (None, None) => return Ok(Err(Rejection::UnknownNode { node })),
    };
    if !cluster.roster.put(entry) {
        return Ok(Err(Rejection::OutOfBounds { what: "number of nodes".to_owned() }));
    }
    state.put_cluster(&cluster)?;
    Ok(Ok(Reply::At(position.index)))
}
