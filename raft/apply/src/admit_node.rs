//! `AdmitNode`: a number for a node that joins, or that an administrator expects.
//!
//! Invariant: no number is given out twice.

use holdline_model::{
    AdmitNode, NodeId, Rejection, Reply, Roster, RosterEntry, Standing, State, limits,
};

use crate::Outcome;

pub(crate) fn apply<S: State>(state: &mut S, admit: &AdmitNode) -> Result<Outcome, S::Error> {
    let Some(mut cluster) = state.cluster()? else { return Ok(Err(Rejection::NotFormed)) };
    if admit.pop.as_str().len() > limits::MAX_NAME_BYTES {
        return Ok(Err(Rejection::OutOfBounds { what: "length of the site's name".to_owned() }));
    }
    let present = state.nodes()?.into_iter().filter(|record| record.removed.is_none());
    let present: Vec<_> = present.map(|record| (record.node, record.rpc)).collect();
    let node = match number(&cluster.roster, &present, admit) {
        Ok(node) => node,
        Err(rejection) => return Ok(Err(rejection)),
    };
    let AdmitNode { nonce, rpc, ref pop, role, held, at, .. } = *admit;
    let standing = if nonce == 0 { Standing::Expected } else { Standing::Admitted };
    let entry = RosterEntry { node, standing, rpc, pop: pop.clone(), role, nonce, held, at };
    if !cluster.roster.put(entry) {
        return Ok(Err(Rejection::OutOfBounds { what: "number of nodes".to_owned() }));
    }
    state.put_cluster(&cluster)?;
    Ok(Ok(Reply::Node(node)))
}

/// The number that the node gets; `present` are those that have announced themselves.
fn number(
    roster: &Roster,
    present: &[(NodeId, std::net::SocketAddr)],
    admit: &AdmitNode,
) -> Result<NodeId, Rejection> {
    if let Some((node, rpc)) = present.iter().find(|(_, rpc)| *rpc == admit.rpc) {
        return Err(Rejection::AddressTaken { rpc: *rpc, node: *node });
    }
    let highest = roster.highest;
    // One that is known there and never came up: it was expected, or tries again.
    if let Some(known) = roster.at_address(admit.rpc) {
        return match admit.node {
            Some(node) if node != known.node => Err(Rejection::NodeUsed { node, highest }),
            Some(_) | None => Ok(known.node),
        };
    }
    match admit.node {
        Some(node) if node <= highest => Err(Rejection::NodeUsed { node, highest }),
        Some(node) => Ok(node),
        None => highest
            .0
            .checked_add(1)
            .map(NodeId)
            .ok_or(Rejection::OutOfBounds { what: "number of the node".to_owned() }),
    }
}
