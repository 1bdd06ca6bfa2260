//! `NodeUp`: a node's process has started. Slots that it still owns get a new epoch, so that nothing
//! which an earlier run of it had proposed takes effect any more.

use holdline_limit::LimitState;
use holdline_model::{NodeRecord, NodeUp, Rejection, Reply, TransferReason};

use crate::transfer_slots::hand_over;
use crate::{Action, Outcome};

pub(crate) fn apply<S: LimitState>(
    state: &mut S,
    up: &NodeUp,
    actions: &mut Vec<Action>,
) -> Result<Outcome, S::Error> {
    let known = state.node(up.node)?;
    if known.as_ref().is_some_and(|known| known.removed.is_some()) {
        return Ok(Err(Rejection::NodeRemoved { node: up.node }));
    }
    if known.is_some_and(|known| known.incarnation == up.incarnation) {
        return Ok(Ok(Reply::Done));
    }
    if let Some(mut cluster) = state.cluster()?
        && cluster.roster.highest < up.node
    {
        cluster.roster.highest = up.node;
        state.put_cluster(&cluster)?;
    }
    state.put_node(&NodeRecord {
        node: up.node,
        incarnation: up.incarnation,
        pop: up.pop.clone(),
        sip: up.sip.clone(),
        rpc: up.rpc,
        admin: up.admin,
        version: up.version.clone(),
        up_at: up.at,
        draining: false,
        listeners: up.listeners.clone(),
        gossip: up.gossip,
        role: up.role,
        removed: None,
    })?;
    state.limits(|table| table.node_up(up.node))?;
    actions.push(Action::NodeChanged(up.node));
    for mut slot in state.slots()? {
        if slot.owner == up.node {
            actions.push(hand_over(&mut slot, up.node, TransferReason::Restart, up.at));
            state.put_slot(&slot)?;
        }
    }
    Ok(Ok(Reply::Done))
}
