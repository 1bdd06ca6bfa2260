//! The calls that are up, and how many of them each cap counts.
//!
//! A set of call ids, made from the calls' own records: a call is in it from the entry that admits it
//! to the entry that ends it. What a cap counts follows from the set, so it can neither drift nor go
//! below nothing, and a new cap counts the calls that were up before it, too.

use std::collections::BTreeMap;
use std::net::IpAddr;

use holdline_model::limit::{LimitRefusal, Operation, Request, Shortage};
use holdline_model::{CallId, CallRecord, Name};

use crate::each::value_of;
use crate::plan::{Cap, Plan, cut};

/// What caps look at in a call that is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpCall {
    pop: Name,
    tenant: Name,
    trunk: Name,
    trunk_out: Option<Name>,
    source: IpAddr,
    caller: Box<str>,
    called: Box<str>,
}

impl UpCall {
    /// A call, from its record.
    #[must_use]
    pub fn new(record: &CallRecord) -> Self {
        let admission = &record.admission;
        Self {
            pop: admission.demand.pop.clone(),
            tenant: admission.tenant.clone(),
            trunk: admission.trunk.clone(),
            trunk_out: trunk_of(record, record.attempt),
            source: admission.hop.peer.ip(),
            caller: cut(&admission.demand.caller).into(),
            called: cut(&admission.demand.called).into(),
        }
    }

    fn request(&self) -> Request<'_> {
        Request {
            operation: Operation::Invite,
            pop: &self.pop,
            tenant: &self.tenant,
            trunk: &self.trunk,
            source: self.source,
            caller: &self.caller,
            called: &self.called,
        }
    }
}

/// The trunk of one of a call's targets.
pub(crate) fn trunk_of(record: &CallRecord, attempt: u16) -> Option<Name> {
    record.targets.get(usize::from(attempt)).map(|target| target.trunk.clone())
}

/// The calls that are up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Calls {
    up: BTreeMap<CallId, UpCall>,
    /// Calls by cap and value; none of them 0.
    counts: BTreeMap<(usize, Box<str>), u32>,
}

impl Calls {
    pub(crate) fn len(&self) -> usize {
        self.up.len()
    }

    /// The call is up, or goes to another trunk from now on.
    pub(crate) fn insert(&mut self, plan: &Plan, call: CallId, up: UpCall) {
        self.remove(plan, call);
        self.count(plan, &up, true);
        self.up.insert(call, up);
    }

    /// The call is over.
    pub(crate) fn remove(&mut self, plan: &Plan, call: CallId) {
        if let Some(up) = self.up.remove(&call) {
            self.count(plan, &up, false);
        }
    }

    /// Counts all calls anew, for other caps.
    pub(crate) fn recount(&mut self, plan: &Plan) {
        self.counts.clear();
        let up = std::mem::take(&mut self.up);
        for call in up.values() {
            self.count(plan, call, true);
        }
        self.up = up;
    }

    /// Whether one more call would be too many. A call that is up already is not counted against
    /// itself.
    pub(crate) fn refuses(
        &self,
        plan: &Plan,
        call: CallId,
        request: &Request<'_>,
        trunk_out: Option<&str>,
    ) -> Option<LimitRefusal> {
        let counted = self.up.get(&call);
        for (at, cap) in plan.caps.iter().enumerate() {
            let Some(value) = value_in(cap, request, trunk_out) else { continue };
            let before =
                counted.and_then(|up| value_in(cap, &up.request(), up.trunk_out.as_deref()));
            if before.as_deref() == Some(&*value) {
                continue;
            }
            if self.counts.get(&(at, value)).copied().unwrap_or(0) >= cap.calls {
                return Some(LimitRefusal {
                    class: cap.name.clone(),
                    shortage: Shortage::Calls,
                    status: cap.status,
                    retry_after_ms: RETRY_AFTER_MS,
                });
            }
        }
        None
    }

    /// What a cap counts, by value.
    pub(crate) fn counted(&self, cap: usize) -> impl Iterator<Item = (&str, u32)> {
        let from = (cap, Box::from(""));
        let of_cap = self.counts.range(from..).take_while(move |((at, _), _)| *at == cap);
        of_cap.map(|((_, value), count)| (&**value, *count))
    }

    fn count(&mut self, plan: &Plan, up: &UpCall, more: bool) {
        for (at, cap) in plan.caps.iter().enumerate() {
            let Some(value) = value_in(cap, &up.request(), up.trunk_out.as_deref()) else {
                continue;
            };
            let key = (at, value);
            let count = self.counts.get(&key).copied().unwrap_or(0);
            let count = if more { count.saturating_add(1) } else { count.saturating_sub(1) };
            match count {
                0 => self.counts.remove(&key),
                count => self.counts.insert(key, count),
            };
        }
    }
}

/// The value by which a cap counts a call; `None` if it does not.
fn value_in(cap: &Cap, request: &Request<'_>, trunk_out: Option<&str>) -> Option<Box<str>> {
    if !cap.matcher.takes(request, trunk_out) {
        return None;
    }
    Some(match cap.by {
        Some(by) => cut(&value_of(by, request, trunk_out)).into(),
        None => Box::from(""),
    })
}

/// Nobody knows when a call will end.
const RETRY_AFTER_MS: u64 = 1_000;
