//! What is asked for, in types: which calls, which call detail records, which page.

use holdline_model::{CallId, CallRecord, Cdr, CdrId, Millis, Name, NumberPattern, Phase};

/// A page of a list, and where the next one starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T, C> {
    /// The page.
    pub items: Vec<T>,
    /// What to ask for as `after` to go on; `None` at the end of the list.
    pub next: Option<C>,
}

/// Which calls, by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CallFilter {
    /// All but tombstones.
    #[default]
    Up,
    /// Those in one phase.
    In(Phase),
    /// All, tombstones included.
    Any,
}

/// Which calls, and which page of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallQuery {
    /// By state.
    pub state: CallFilter,
    /// By the trunk that the call came from or goes to.
    pub trunk: Option<Name>,
    /// By whose call it is.
    pub tenant: Option<Name>,
    /// Only calls after this one.
    pub after: Option<CallId>,
    /// Calls on the page, at most.
    pub limit: usize,
}

impl CallQuery {
    /// Whether a call is asked for; paging aside.
    #[must_use]
    pub fn matches(&self, call: &CallRecord) -> bool {
        let state = match self.state {
            CallFilter::Up => call.phase != Phase::Finished,
            CallFilter::In(phase) => call.phase == phase,
            CallFilter::Any => true,
        };
        let target = call.targets.get(usize::from(call.attempt)).map(|target| &target.trunk);
        state
            && self.tenant.as_ref().is_none_or(|tenant| call.admission.tenant == *tenant)
            && self
                .trunk
                .as_ref()
                .is_none_or(|trunk| call.admission.trunk == *trunk || target == Some(trunk))
    }
}

/// Which call detail records, and which page of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CdrQuery {
    /// Only calls that ended then or later.
    pub from: Option<Millis>,
    /// Only calls that ended before.
    pub to: Option<Millis>,
    /// By whose call it was.
    pub account: Option<Name>,
    /// By the caller's number.
    pub caller: Option<NumberPattern>,
    /// By the dialled number.
    pub callee: Option<NumberPattern>,
    /// By the Call-ID of either side.
    pub call_id: Option<String>,
    /// Only records after this one.
    pub after: Option<CdrId>,
    /// Records on the page, at most.
    pub limit: usize,
}

impl CdrQuery {
    /// Whether a record is asked for; paging aside.
    #[must_use]
    pub fn matches(&self, cdr: &Cdr) -> bool {
        self.from.is_none_or(|from| cdr.ended_at >= from)
            && self.to.is_none_or(|to| cdr.ended_at < to)
            && self.account.as_ref().is_none_or(|account| cdr.tenant == *account)
            && self.caller.as_ref().is_none_or(|caller| caller.matches(cdr.caller()))
            && self.callee.as_ref().is_none_or(|callee| callee.matches(cdr.callee()))
            && self
                .call_id
                .as_ref()
                .is_none_or(|id| cdr.caller_call_id == *id || cdr.callee_call_id == *id)
    }
}
