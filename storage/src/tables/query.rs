//! Pages: how long lists are read in pieces, from a cursor.

use holdline_model::{
    Aor, CallId, CallRecord, Cdr, CdrId, LocationRecord, Millis, Name, NumberPattern, UserRecord,
};

/// A piece of the list of calls, ordered by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallPage {
    /// The calls.
    pub calls: Vec<CallRecord>,
    /// Where the next page begins (after this id); `None` if this was the last.
    pub next: Option<CallId>,
}

/// A piece of the list of users, ordered by address of record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserPage {
    /// The users.
    pub users: Vec<UserRecord>,
    /// Where the next page begins (after this address); `None` if this was the last.
    pub next: Option<Aor>,
}

/// A piece of the list of bindings, ordered by address of record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocationPage {
    /// The bindings, by address.
    pub locations: Vec<LocationRecord>,
    /// Where the next page begins (after this address); `None` if this was the last.
    pub next: Option<Aor>,
}

/// Which call detail records are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CdrQuery {
    /// Only records after this one: the cursor.
    pub after: Option<CdrId>,
    /// Only calls that ended at this time or later.
    pub ended_from: Option<Millis>,
    /// Only calls that ended before this time.
    pub ended_before: Option<Millis>,
    /// Only calls of this tenant.
    pub account: Option<Name>,
    /// Only calls from these numbers.
    pub caller: Option<NumberPattern>,
    /// Only calls to these numbers.
    pub callee: Option<NumberPattern>,
    /// Only the call with this Call-ID, on either side.
    pub call_id: Option<String>,
    /// Records in a page at most.
    pub limit: usize,
    /// Records looked at for a page at most: a filter that matches little ends a page early
    /// instead of reading the whole table. The page then still has a cursor.
    pub scan_limit: usize,
}

/// A piece of the list of call detail records, in the order of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CdrPage {
    /// The records; may be fewer than the limit, or none, although there is a next page.
    pub cdrs: Vec<Cdr>,
    /// Where the next page begins (after this id); `None` if this was the last.
    pub next: Option<CdrId>,
}

impl Default for CdrQuery {
    fn default() -> Self {
        Self {
            after: None,
            ended_from: None,
            ended_before: None,
            account: None,
            caller: None,
            callee: None,
            call_id: None,
            limit: 100,
            scan_limit: 10_000,
        }
    }
}

impl CdrQuery {
    pub(super) fn matches(&self, cdr: &Cdr) -> bool {
        self.ended_from.is_none_or(|from| cdr.ended_at >= from)
            && self.ended_before.is_none_or(|before| cdr.ended_at < before)
            && self.account.as_ref().is_none_or(|account| cdr.tenant == *account)
            && self.caller.as_ref().is_none_or(|caller| caller.matches(cdr.caller()))
            && self.callee.as_ref().is_none_or(|callee| callee.matches(cdr.callee()))
            && self
                .call_id
                .as_ref()
                .is_none_or(|id| cdr.caller_call_id == *id || cdr.callee_call_id == *id)
    }
}
