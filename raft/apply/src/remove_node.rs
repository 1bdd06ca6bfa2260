//! `RemoveNode`: a node is gone for good. Its home slots, and with them its floating addresses, become
//! its heir's; its number is remembered, so that nobody gets it again.

use holdline_model::{
    NodeId, NodeRecord, Rejection, Removal, RemoveNode, Reply, RosterEntry, Standing, State,
};

use crate::{Action, Outcome, Position};

pub(crate) fn apply<S: State>(
    state: &mut S,
    position: Position,
    remove: RemoveNode,
    actions: &mut Vec<Action>,
) -> Result<Outcome, S::Error> {
    let Some(mut cluster) = state.cluster()? else { return Ok(Err(Rejection::NotFormed)) };
    let node = remove.node;
    let record = state.node(node)?;
    if record.is_none() && cluster.roster.entry(node).is_none() {
        return Ok(Err(Rejection::UnknownNode { node }));
    }
    let mut slots = state.slots()?;
    let owned = slots.iter().filter(|slot| slot.owner == node).count();
    if owned > 0 {
        let slots = u32::try_from(owned).unwrap_or(u32::MAX);
        return Ok(Err(Rejection::StillOwner { node, slots }));
    }
    let is_home = slots.iter().any(|slot| slot.home == node);
    match remove.heir {
        Some(heir) => {
            let known = state.node(heir)?;
            if heir == node || known.is_none_or(|heir| heir.removed.is_some()) {
                return Ok(Err(Rejection::UnknownNode { node: heir }));
            }
        }
        None if is_home => return Ok(Err(Rejection::OutOfBounds { what: "heir".to_owned() })),
        None => {}
    }
    for slot in slots.iter_mut().filter(|slot| slot.home == node) {
        if let Some(heir) = remove.heir {
            slot.home = heir;
            state.put_slot(slot)?;
        }
    }
    cluster.roster.put(entry(cluster.roster.entry(node), record.as_ref(), remove));
    state.put_cluster(&cluster)?;
    if let Some(mut record) = record
        && record.removed.is_none()
    {
        record.removed = Some(Removal { at: remove.at, heir: remove.heir });
        record.draining = false;
        state.put_node(&record)?;
    }
    actions.push(Action::NodeChanged(node));
    Ok(Ok(Reply::At(position.index)))
}

fn entry(
    known: Option<&RosterEntry>,
    record: Option<&NodeRecord>,
    remove: RemoveNode,
) -> RosterEntry {
    let RemoveNode { node, at, .. } = remove;
    let standing = Standing::Removed;
    match (known, record) {
        (Some(known), _) => RosterEntry { standing, at, ..known.clone() },
        (None, Some(record)) => RosterEntry {
            node,
            standing,
            rpc: record.rpc,
            pop: record.pop.clone(),
            role: record.role,
            nonce: 0,
            held: false,
            at,
        },
        (None, None) => nobody(node, remove),
    }
}

fn nobody(node: NodeId, remove: RemoveNode) -> RosterEntry {
    RosterEntry {
        node,
        standing: Standing::Removed,
        rpc: std::net::SocketAddr::from(([0, 0, 0, 0], 0)),
        pop: holdline_model::Name::default(),
        role: holdline_model::NodeRole::Full,
        nonce: 0,
        held: false,
        at: remove.at,
    }
}
