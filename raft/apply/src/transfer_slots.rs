//! `TransferSlots`: slots get new owners, each in a new epoch. A move whose slot is no longer in the
//! epoch that the leader saw does nothing, so the command may be repeated or come late.

use holdline_limit::LimitState;
use holdline_model::{
    Epoch, Millis, NodeId, OwnerSpan, Rejection, Reply, SlotRecord, TransferReason, TransferSlots,
    limits, mutant,
};

use crate::{Action, Outcome};

pub(crate) fn apply<S: LimitState>(
    state: &mut S,
    transfer: &TransferSlots,
    actions: &mut Vec<Action>,
) -> Result<Outcome, S::Error> {
    if transfer.moves.len() > usize::from(limits::MAX_SLOTS) {
        return Ok(Err(Rejection::OutOfBounds { what: "number of moves".to_owned() }));
    }
    for slot_move in &transfer.moves {
        match state.node(slot_move.to)? {
            None => return Ok(Err(Rejection::UnknownNode { node: slot_move.to })),
            Some(node) if node.removed.is_some() => {
                return Ok(Err(Rejection::NodeRemoved { node: slot_move.to }));
            }
            Some(_) => {}
        }
    }
    let mut moved = 0;
    for slot_move in &transfer.moves {
        let Some(mut slot) = state.slot(slot_move.slot)? else { continue };
        if slot.epoch != slot_move.expected {
            continue;
        }
        actions.push(hand_over(&mut slot, slot_move.to, transfer.reason, transfer.at));
        state.put_slot(&slot)?;
        moved += 1;
    }
    if mutant::is("bucket-refilled-on-takeover") {
        // The mutant alone; nothing is said of what it fills.
        let _filled = state.limits(|table| table.reset(None))?;
    }
    Ok(Ok(Reply::Count(moved)))
}

/// Gives the slot to `to` in the next epoch and remembers it.
pub(crate) fn hand_over(
    slot: &mut SlotRecord,
    to: NodeId,
    reason: TransferReason,
    at: Millis,
) -> Action {
    let from = (slot.epoch > Epoch(0)).then_some(slot.owner);
    slot.owner = to;
    slot.epoch = slot.epoch.next();
    if slot.history.len() >= limits::SLOT_HISTORY {
        slot.history.remove(0);
    }
    slot.history.push(OwnerSpan { node: to, epoch: slot.epoch, since: at, reason });
    Action::SlotMoved { slot: slot.slot, from, to, epoch: slot.epoch, reason }
}
