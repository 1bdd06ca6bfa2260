//! Finds the call of a repeated INVITE, of its CANCEL and of its ACK, whose texts do not carry our
//! call id: by Call-ID, From tag and CSeq number (RFC 3261 sections 8.2.2.2 and 17.2.3).
//!
//! Covers tombstones too. The branch is compared by the user: an INVITE that has the key but another
//! branch came over another path.

use std::collections::HashMap;

use holdline_model::{Admission, CallId, CallRecord};
use holdline_sip::message::Message;

/// One entry per call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    calls: HashMap<Box<str>, CallId>,
}

impl Index {
    pub(crate) fn insert(&mut self, record: &CallRecord) {
        self.calls.insert(key_of(&record.admission), record.call);
    }

    /// Removes a call's entry, unless another call has taken its place.
    pub(crate) fn remove(&mut self, record: &CallRecord) {
        let key = key_of(&record.admission);
        if self.calls.get(&key) == Some(&record.call) {
            self.calls.remove(&key);
        }
    }

    /// The call whose INVITE a request repeats, cancels or acknowledges.
    pub(crate) fn find(&self, request: &Message) -> Option<CallId> {
        let tag = request.from().tag.unwrap_or_default();
        self.calls.get(&key(request.call_id(), tag, request.cseq().number)).copied()
    }
}

fn key_of(admission: &Admission) -> Box<str> {
    key(&admission.call_id, &admission.from_tag, admission.cseq)
}

/// Call-IDs and tags hold no space, so the parts cannot run into each other.
fn key(call_id: &str, tag: &str, cseq: u32) -> Box<str> {
    format!("{call_id} {tag} {cseq}").into()
}
