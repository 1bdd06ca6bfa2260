//! Answers to the caller's INVITE. Each is a function of the call's id, the caller's INVITE and what
//! the callee said, so that the next owner's resend is the very same bytes.

use bytes::Bytes;
use holdline_model::{CallRecord, Hop, Token};
use holdline_sip::message::{Builder, HeaderName, Message};

use super::{OurContact, is_sips, pass, reason_of, status_of};
use crate::session_timer::to_caller;

/// 100 Trying (RFC 3261 section 8.2.6.1). It has no tag.
pub(crate) fn trying(invite: &Message, hop: Hop) -> Bytes {
    Builder::response_to(invite, 100, "").with_source(hop.peer).finish()
}

/// The callee's provisional answer, relayed.
pub(crate) fn provisional(
    record: &CallRecord,
    invite: &Message,
    attempt: u16,
    early: &Message,
) -> Bytes {
    in_dialog(record, invite, attempt, early)
}

/// The callee's 2xx, relayed.
pub(crate) fn answer(record: &CallRecord, invite: &Message, success: &Message) -> Bytes {
    in_dialog(record, invite, record.attempt, success)
}

/// The final failure: the callee's, relayed, if the record has it, else ours.
pub(crate) fn failure(
    record: &CallRecord,
    invite: &Message,
    status: u16,
    response: Option<&Message>,
) -> Bytes {
    let is_as_received = |response: &&Message| response.status() == Some(status);
    let reason = response.filter(is_as_received).map_or("", reason_of);
    let builder = Builder::response_to(invite, status, reason)
        .with_source(record.admission.hop.peer)
        .to_tag(&Token::caller_tag(record.call));
    let Some(response) = response else { return builder.finish() };
    // In a redirection, and in a 485, the Contacts are what the answer is about.
    let with_contact = (300..400).contains(&status) || status == 485;
    let kind = if with_contact { pass::Kind::Redirection } else { pass::Kind::Initial };
    pass::through(builder, response, kind, to_caller(record, invite, response))
        .body(response.body())
}

/// An answer that makes a dialog, or an early one (RFC 3261 section 12.1.1).
fn in_dialog(record: &CallRecord, invite: &Message, attempt: u16, answer: &Message) -> Bytes {
    let hop = record.seen(record.admission.hop);
    let contact = OurContact { hop, secure: is_sips(&record.admission.to) };
    let builder = Builder::response_to(invite, status_of(answer), reason_of(answer))
        .with_source(record.admission.hop.peer)
        .to_tag(&record.caller_tag(attempt))
        .record_routes_of(invite)
        .header_display(HeaderName::Contact, contact);
    let builder = pass::with_allow(builder, answer);
    let timer = to_caller(record, invite, answer);
    match record.reliable(answer.bytes()) {
        Some((rseq, _)) => {
            let builder = builder.header_display(HeaderName::RSeq, rseq);
            pass::through(builder, answer, pass::Kind::Initial, timer).body(answer.body())
        }
        // One that is not relayed reliably does not say that it is.
        None => pass::through(builder, answer, pass::Kind::Within, timer).body(answer.body()),
    }
}
