//! Requests that one side sends within its dialog and that go on within the other's, and their
//! answers (RFC 3261 section 12.2). Each is a function of the dialogs and of what was received, so that
//! whoever passes a request on sends the same one.

use std::net::SocketAddr;

use bytes::Bytes;
use holdline_model::{CallRecord, Dialog, Hop, Millis, Reinvite, SessionTimer, Side, Token};
use holdline_sip::message::{Builder, HeaderName, Message, Method};

use super::in_dialog::{carry_body, head, head_over, with_field};
use super::invite::{DEFAULT_MAX_FORWARDS, invite_cseq};
use super::{OurContact, is_sips, pass, reason_of, status_of, suffix};
use crate::replaces::refer_to;
use crate::session_timer::{self, Timer};

/// What a request has that goes through, beside what it came with.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct With<'a> {
    /// Of a PRACK, the RSeq that the provisional answer came with, and from which target.
    pub(crate) rack: Option<(u32, u16)>,
    /// The header field that proves who we are.
    pub(crate) credentials: Option<&'a str>,
    /// The address of ours that its sender knows.
    pub(crate) there: Option<SocketAddr>,
    /// How it goes, if not as the dialog says.
    pub(crate) over: Option<Hop>,
}

/// A request, passed on to `to` within its dialog.
pub(crate) fn request(
    record: &CallRecord,
    to: Side,
    dialog: &Dialog,
    request: &Message,
    with: With<'_>,
) -> Bytes {
    let number = request.cseq().number;
    let branch = Token::branch(record.call, &suffix::through(to, number));
    let hops = request.max_forwards().unwrap_or(DEFAULT_MAX_FORWARDS).saturating_sub(1);
    let cseq = dialog.passed_cseq(number);
    let via = with.over.unwrap_or(dialog.hop);
    let builder = head_over(record, dialog, via, request.method(), cseq, &branch, hops);
    let builder = with_contact(builder, record, dialog, request);
    let builder = match with.rack {
        Some((rseq, attempt)) => {
            let cseq = invite_cseq(attempt);
            builder.header_display(HeaderName::RAck, format_args!("{rseq} {cseq} INVITE"))
        }
        None => builder,
    };
    let builder = with_field(builder, with.credentials);
    let builder = match (request.header(HeaderName::ReferTo), with.there) {
        (Some(value), Some(there)) => builder
            .header(HeaderName::ReferTo, refer_to(value, there, record.seen(dialog.hop).local)),
        (Some(_) | None, _) => builder,
    };
    let timer = match record.admission.timer {
        SessionTimer::Off => Timer::Strip,
        SessionTimer::Pass | SessionTimer::Insert => Timer::Keep,
    };
    pass::through(builder, request, pass::Kind::Within, timer).body(request.body())
}

/// The CANCEL of an INVITE that was passed on over `via`, or the ACK of its failure: what has the INVITE's branch
/// and number.
pub(crate) fn sibling(
    record: &CallRecord,
    to: Side,
    dialog: &Dialog,
    via: Hop,
    number: u32,
    method: &Method,
) -> Bytes {
    let branch = Token::branch(record.call, &suffix::through(to, number));
    let cseq = dialog.passed_cseq(number);
    head_over(record, dialog, via, method, cseq, &branch, DEFAULT_MAX_FORWARDS).finish()
}

/// The ACK of the 2xx of an INVITE that was passed on; with a late offer it carries the SDP of the
/// ACK that came.
pub(crate) fn success_ack(record: &CallRecord, dialog: &Dialog, invite: &Reinvite) -> Bytes {
    let to = invite.from.other();
    let branch = Token::branch(record.call, &suffix::through_ack(to, invite.cseq));
    let cseq = dialog.passed_cseq(invite.cseq);
    let builder = head(record, dialog, &Method::Ack, cseq, &branch, DEFAULT_MAX_FORWARDS);
    match Message::parse(invite.ack.clone()) {
        Ok(ack) => carry_body(builder, &ack),
        Err(_) => builder.finish(),
    }
}

/// The answer to a request that was passed on. `dialog`: that of the request's sender.
pub(crate) fn answer(
    record: &CallRecord,
    dialog: &Dialog,
    request: &Message,
    hop: Hop,
    answer: &Message,
) -> Bytes {
    // Who we are to a peer is nothing that the other one could prove.
    let (status, reason) = match status_of(answer) {
        401 | 407 => (500, ""),
        status => (status, reason_of(answer)),
    };
    let builder = Builder::response_to(request, status, reason).with_source(hop.peer);
    let builder = with_contact(builder, record, dialog, answer);
    let timer = session_timer::within(record, request, answer);
    pass::through(builder, answer, pass::Kind::Within, timer).body(answer.body())
}

/// An answer of ours to a request within a dialog.
pub(crate) fn own_answer(request: &Message, hop: Hop, status: u16) -> Bytes {
    Builder::response_to(request, status, "").with_source(hop.peer).finish()
}

/// When a session expires that a 2xx to a request has agreed upon at `at` (RFC 4028 section 4).
pub(crate) fn session_by(
    record: &CallRecord,
    at: Millis,
    timer: Timer,
    answer: &Message,
) -> Option<Millis> {
    let seconds = session_timer::agreed(record, timer, answer)?;
    Some(at.plus_ms(u64::from(seconds.max(1)).saturating_mul(1_000)))
}

/// Our Contact where the message that goes through has one, and what both ends can do.
fn with_contact(
    builder: Builder,
    record: &CallRecord,
    dialog: &Dialog,
    message: &Message,
) -> Builder {
    let builder = match message.contact_uri() {
        Some(_) => {
            let secure = is_sips(&record.admission.to);
            let contact = OurContact { hop: record.seen(dialog.hop), secure };
            builder.header_display(HeaderName::Contact, contact)
        }
        None => builder,
    };
    if matches!(message.method(), Method::Invite | Method::Update) {
        pass::with_allow(builder, message)
    } else {
        builder
    }
}
