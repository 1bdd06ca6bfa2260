//! Our INVITE to a target, its CANCEL and the ACK of its failure: one client transaction, one branch
//! (RFC 3261 sections 9.1 and 17.1.1.3).

use bytes::Bytes;
use holdline_model::{CallRecord, SessionTimer, Target, Token};
use holdline_sip::message::{Builder, HeaderName, Message, Method};

use super::{OurContact, OurVia, is_sips, pass, suffix};
use crate::dialogs;
use crate::session_timer::Timer;

/// What a request that names no Max-Forwards is taken to have.
pub(super) const DEFAULT_MAX_FORWARDS: u32 = 70;

/// The INVITE to a target. `None` if the call has no such target.
pub(crate) fn invite(record: &CallRecord, invite: &Message, attempt: u16) -> Option<Bytes> {
    let hops = invite.max_forwards().unwrap_or(DEFAULT_MAX_FORWARDS).saturating_sub(1);
    let target = record.targets.get(usize::from(attempt))?;
    let contact = OurContact { hop: record.seen(target.hop), secure: is_sips(&target.uri) };
    let mut builder = head(record, Some(invite), attempt, &Method::Invite, None, hops)?
        .header_display(HeaderName::Contact, contact);
    for mark in &record.admission.passage.marks {
        if let Some((name, value)) = mark.split_once(": ") {
            builder = builder.header_named(name, value);
        }
    }
    builder = pass::with_allow(builder, invite);
    for field in &target.fields {
        if let Some((name, value)) = field.split_once(": ") {
            builder = builder.header_named(name, value);
        }
    }
    // Reliable provisional answers of several targets would be several sequences in one dialog.
    let is_branch = record.is_branch(attempt);
    let kind = if is_branch { pass::Kind::Within } else { pass::Kind::Initial };
    let timer = match record.admission.timer {
        SessionTimer::Off => Timer::Strip,
        SessionTimer::Pass | SessionTimer::Insert => Timer::Keep,
    };
    Some(pass::through(builder, invite, kind, timer).body(invite.body()))
}

/// CSeq number of the INVITE to a target.
pub(crate) fn invite_cseq(attempt: u16) -> u32 {
    u32::from(attempt).saturating_add(1)
}

/// The CANCEL of that INVITE. The caller's INVITE is not needed once the call is answered.
pub(crate) fn cancel(record: &CallRecord, invite: Option<&Message>, attempt: u16) -> Option<Bytes> {
    let head = head(record, invite, attempt, &Method::Cancel, None, DEFAULT_MAX_FORWARDS)?;
    Some(head.finish())
}

/// The ACK of a failure of that INVITE; its To is the failure's. The caller's INVITE is not needed
/// once the call is answered: a target that was given up may repeat its failure long after.
pub(crate) fn failure_ack(
    record: &CallRecord,
    invite: Option<&Message>,
    attempt: u16,
    failure: &Message,
) -> Option<Bytes> {
    let to = Some(failure.to().raw);
    Some(head(record, invite, attempt, &Method::Ack, to, DEFAULT_MAX_FORWARDS)?.finish())
}

/// The header fields that the requests of one transaction have in common.
fn head(
    record: &CallRecord,
    invite: Option<&Message>,
    attempt: u16,
    method: &Method,
    to: Option<&[u8]>,
    max_forwards: u32,
) -> Option<Builder> {
    let Target { uri, hop, routes, .. } = record.targets.get(usize::from(attempt))?;
    let branch = Token::branch(record.call, &suffix::invite(attempt));
    let cseq = invite_cseq(attempt);
    let dialled = format!("<{}>", record.admission.to);
    let mut builder = Builder::request(method, uri)
        .header_display(HeaderName::Via, OurVia(record.seen(*hop), &branch))
        .header_display(HeaderName::MaxForwards, max_forwards);
    for route in routes {
        builder = builder.header(HeaderName::Route, route);
    }
    Some(
        builder
            .header(HeaderName::From, dialogs::callee_from(record, invite)?)
            .header(HeaderName::To, to.unwrap_or(dialled.as_bytes()))
            .header(HeaderName::CallId, Token::callee_call_id(record.call))
            .header_display(HeaderName::CSeq, format_args!("{cseq} {method}")),
    )
}
