//! A call that is up, or has just ended.

use std::net::SocketAddr;

use holdline_model::{
    CallRecord, CancelCause, Dialog, Epoch, NodeId, Phase, SlotId, SlotRecord, Step, Token, limits,
};
use serde::{Deserialize, Serialize};

use super::{OwnerView, time};

/// A call in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallView {
    /// Its id.
    pub id: String,
    /// `inviting`, `answered`, `confirmed` or `finished`.
    pub phase: String,
    /// The slot it belongs to.
    pub slot: SlotId,
    /// Who acts for it now; `null` if its slot is not known here.
    pub owner: Option<NodeId>,
    /// Whose call it is.
    pub tenant: String,
    /// The trunk it came from.
    pub trunk_in: String,
    /// The trunk being tried, or that answered.
    pub trunk_out: Option<String>,
    /// The caller's URI.
    pub from: String,
    /// The dialled URI.
    pub to: String,
    /// When the INVITE was admitted.
    pub started_at: String,
    /// When it was answered.
    pub answered_at: Option<String>,
    /// When it ended.
    pub ended_at: Option<String>,
}

/// A call with all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallDetailView {
    /// What the list shows.
    #[serde(flatten)]
    pub call: CallView,
    /// The last committed step.
    pub step: Step,
    /// The epoch of the slot when that step was committed.
    pub epoch: Epoch,
    /// Every owner of the call, in order, the present one last.
    pub owners: Vec<OwnerView>,
    /// The leg of the caller.
    pub caller: LegView,
    /// The leg of the callee.
    pub callee: LegView,
    /// Where the call may go, in order.
    pub targets: Vec<TargetView>,
    /// The status of the last provisional answer.
    pub early_status: Option<u16>,
    /// Why it is being given up before an answer: `caller`, `no_answer` or `admin`.
    pub giving_up: Option<String>,
    /// When it is given up if nobody answers.
    pub answer_by: String,
    /// When the switch ends it; `null` without a limit.
    pub end_by: Option<String>,
    /// How it ended.
    pub end: Option<CallEndView>,
}

/// One side of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegView {
    /// Its Call-ID.
    pub call_id: String,
    /// Where the peer is.
    pub peer: Option<SocketAddr>,
    /// The address of ours that the peer knows.
    pub local: SocketAddr,
    /// Its dialog; `null` before the answer.
    pub dialog: Option<DialogView>,
}

/// A dialog, as our side sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DialogView {
    /// Our identity, with our tag.
    pub local: String,
    /// The peer's identity, with its tag.
    pub remote: String,
    /// CSeq number of our last request.
    pub local_cseq: u32,
    /// CSeq number of the peer's last request.
    pub remote_cseq: u32,
    /// The peer's Contact.
    pub remote_target: String,
    /// Where requests go through.
    pub route_set: Vec<String>,
}

/// A place to try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetView {
    /// Its trunk.
    pub trunk: String,
    /// Where the INVITE goes.
    pub address: SocketAddr,
    /// Its Request-URI.
    pub uri: String,
    /// Whether it is the one being tried, or that answered.
    pub current: bool,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallEndView {
    /// When.
    pub at: String,
    /// `caller`, `callee`, `admin`, `timer` or `switch`.
    pub by: String,
    /// The SIP status that says best why.
    pub status: u16,
    /// The same in words.
    pub cause: String,
    /// Its call detail record.
    pub cdr: String,
    /// When this tombstone may go.
    pub forget_at: String,
}

impl CallView {
    /// A call, and its slot if it is known.
    #[must_use]
    pub fn new(record: &CallRecord, slot: Option<&SlotRecord>) -> Self {
        let admission = &record.admission;
        let target = record.targets.get(usize::from(record.attempt));
        Self {
            id: record.call.to_string(),
            phase: phase(record.phase).to_owned(),
            slot: record.call.slot,
            owner: slot.map(|slot| slot.owner),
            tenant: admission.tenant.to_string(),
            trunk_in: admission.trunk.to_string(),
            trunk_out: target.map(|target| target.trunk.to_string()),
            from: admission.from.clone(),
            to: admission.to.clone(),
            started_at: time::format(admission.at),
            answered_at: record.answer.as_ref().map(|answer| time::format(answer.at)),
            ended_at: record.end.as_ref().map(|end| time::format(end.at)),
        }
    }
}

impl CallDetailView {
    /// A call, and its slot if it is known.
    #[must_use]
    pub fn new(record: &CallRecord, slot: Option<&SlotRecord>) -> Self {
        let answer = record.answer.as_deref();
        Self {
            call: CallView::new(record, slot),
            step: record.step,
            epoch: record.epoch,
            owners: owners(record, slot),
            caller: LegView::caller(record),
            callee: LegView::callee(record),
            targets: targets(record),
            early_status: record.early.last().map(|early| early.status),
            giving_up: record.cancel.map(|cause| giving_up(cause).to_owned()),
            answer_by: time::format(record.answer_by),
            end_by: answer.and_then(|answer| answer.end_by).map(time::format),
            end: record.end.as_ref().map(|end| CallEndView {
                at: time::format(end.at),
                by: end.by.as_str().to_owned(),
                status: end.cause.status,
                cause: end.cause.text.to_string(),
                cdr: end.cdr.to_string(),
                forget_at: time::format(end.at.plus_ms(limits::TOMBSTONE_MS)),
            }),
        }
    }
}

impl LegView {
    fn caller(record: &CallRecord) -> Self {
        Self {
            call_id: record.admission.call_id.clone(),
            peer: Some(record.admission.hop.peer),
            local: record.admission.hop.local,
            dialog: record.answer.as_ref().map(|answer| DialogView::from(&answer.caller)),
        }
    }

    fn callee(record: &CallRecord) -> Self {
        let target = record.targets.get(usize::from(record.attempt));
        Self {
            call_id: Token::callee_call_id(record.call),
            peer: target.map(|target| target.hop.peer),
            local: record.admission.hop.local,
            dialog: record.answer.as_ref().map(|answer| DialogView::from(&answer.callee)),
        }
    }
}

impl From<&Dialog> for DialogView {
    fn from(dialog: &Dialog) -> Self {
        Self {
            local: dialog.local.clone(),
            remote: dialog.remote.clone(),
            local_cseq: dialog.local_cseq,
            remote_cseq: dialog.remote_cseq,
            remote_target: dialog.remote_target.clone(),
            route_set: dialog.route_set.clone(),
        }
    }
}

fn targets(record: &CallRecord) -> Vec<TargetView> {
    let numbered = record.targets.iter().zip(0_u16..);
    numbered
        .map(|(target, index)| TargetView {
            trunk: target.trunk.to_string(),
            address: target.hop.peer,
            uri: target.uri.clone(),
            current: match record.phase {
                Phase::Inviting => record.round().contains(&index),
                Phase::Answered | Phase::Confirmed | Phase::Finished => index == record.attempt,
            },
        })
        .collect()
}

/// The owners from the one that admitted the call to the last one that could change it.
fn owners(record: &CallRecord, slot: Option<&SlotRecord>) -> Vec<OwnerView> {
    let last = if record.phase == Phase::Finished { record.epoch } else { Epoch(u64::MAX) };
    let history = slot.map(|slot| slot.history.as_slice()).unwrap_or_default();
    let owners = history.iter().filter(|span| (record.admit_epoch..=last).contains(&span.epoch));
    owners.map(OwnerView::from).collect()
}

/// The word for a phase.
pub(crate) const fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Inviting => "inviting",
        Phase::Answered => "answered",
        Phase::Confirmed => "confirmed",
        Phase::Finished => "finished",
    }
}

const fn giving_up(cause: CancelCause) -> &'static str {
    match cause {
        CancelCause::Caller => "caller",
        CancelCause::NoAnswer => "no_answer",
        CancelCause::Admin => "admin",
    }
}
