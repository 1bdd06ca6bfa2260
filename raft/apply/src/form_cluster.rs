//! `FormCluster`: slots are dealt out to the first members in turn. The second time it does nothing.

use holdline_model::{
    ClusterRecord, Epoch, FormCluster, NodeId, Rejection, Reply, Roster, SlotId, SlotRecord, State,
    TransferReason, limits,
};

use crate::transfer_slots::hand_over;
use crate::{Action, Outcome};

pub(crate) fn apply<S: State>(
    state: &mut S,
    form: &FormCluster,
    actions: &mut Vec<Action>,
) -> Result<Outcome, S::Error> {
    if let Some(formed) = state.cluster()? {
        let same = formed.cluster == form.cluster;
        return Ok(if same { Ok(Reply::Done) } else { Err(Rejection::AlreadyFormed) });
    }
    if form.slots == 0 || form.slots > limits::MAX_SLOTS {
        return Ok(Err(Rejection::OutOfBounds { what: "number of slots".to_owned() }));
    }
    if form.members.is_empty() {
        return Ok(Err(Rejection::OutOfBounds { what: "number of members".to_owned() }));
    }
    let known = state.nodes()?.into_iter().map(|record| record.node);
    let highest = known.chain(form.members.iter().copied()).max().unwrap_or_default();
    state.put_cluster(&ClusterRecord {
        cluster: form.cluster,
        slots: form.slots,
        formed_at: form.at,
        roster: Roster { highest, entries: Vec::new() },
    })?;
    actions.push(Action::Formed);
    for (slot, home) in (0..form.slots).zip(form.members.iter().cycle()) {
        let mut record = unowned(SlotId(slot), *home);
        actions.push(hand_over(&mut record, *home, TransferReason::Formed, form.at));
        state.put_slot(&record)?;
    }
    Ok(Ok(Reply::Done))
}

const fn unowned(slot: SlotId, home: NodeId) -> SlotRecord {
    SlotRecord { slot, home, owner: home, epoch: Epoch(0), history: Vec::new(), origin: home }
}
