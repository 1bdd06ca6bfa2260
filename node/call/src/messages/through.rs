//! Requests that one side sends within its dialog and that go on within the other's, and their
//! answers (RFC 3261 section 12.2). Each is a function of the dialogs and of what was received, so that
//! whoever passes a request on sends the same one.

use bytes::Bytes;
use holdline_model::{CallRecord, Dialog, Hop, Millis, Reinvite, Side, Token};
use holdline_sip::message::{Builder, HeaderName, Message, Method};

use super::in_dialog::{carry_body, head};
use super::invite::{DEFAULT_MAX_FORWARDS, invite_cseq};
use super::{OurContact, is_sips, pass, reason_of, status_of, suffix};

/// A request, passed on to `to` within its dialog.
///
/// `rack`: of a PRACK, the RSeq that the provisional answer came with.
pub(crate) fn request(
    record: &CallRecord,
    to: Side,
    dialog: &Dialog,
    request: &Message,
    rack: Option<(u32, u16)>,
) -> Bytes {
    let number = request.cseq().number;
    let branch = Token::branch(record.call, &suffix::through(to, number));
    let hops = request.max_forwards().unwrap_or(DEFAULT_MAX_FORWARDS).saturating_sub(1);
    let cseq = dialog.passed_cseq(number);
    let builder = head(dialog, request.method(), cseq, &branch, hops);
    let builder = with_contact(builder, record, dialog, request);
    let builder = match rack {
        Some((rseq, attempt)) => {
            let cseq = invite_cseq(attempt);
            builder.header_display(HeaderName::RAck, format_args!("{rseq} {cseq} INVITE"))
        }
        None => builder,
    };
    pass::through(builder, request, pass::Kind::Within).body(request.body())
}

/// The CANCEL of an INVITE that was passed on.
pub(crate) fn cancel(record: &CallRecord, to: Side, dialog: &Dialog, number: u32) -> Bytes {
    sibling(record, to, dialog, number, &Method::Cancel)
}

/// The ACK of the failure of an INVITE that was passed on.
pub(crate) fn failure_ack(record: &CallRecord, to: Side, dialog: &Dialog, number: u32) -> Bytes {
    sibling(record, to, dialog, number, &Method::Ack)
}

fn sibling(record: &CallRecord, to: Side, dialog: &Dialog, number: u32, method: &Method) -> Bytes {
    let branch = Token::branch(record.call, &suffix::through(to, number));
    head(dialog, method, dialog.passed_cseq(number), &branch, DEFAULT_MAX_FORWARDS).finish()
}

/// The ACK of the 2xx of an INVITE that was passed on; with a late offer it carries the SDP of the
/// ACK that came.
pub(crate) fn success_ack(record: &CallRecord, dialog: &Dialog, invite: &Reinvite) -> Bytes {
    let to = invite.from.other();
    let branch = Token::branch(record.call, &suffix::through_ack(to, invite.cseq));
    let cseq = dialog.passed_cseq(invite.cseq);
    let builder = head(dialog, &Method::Ack, cseq, &branch, DEFAULT_MAX_FORWARDS);
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
    let builder =
        Builder::response_to(request, status_of(answer), reason_of(answer)).with_source(hop.peer);
    let builder = with_contact(builder, record, dialog, answer);
    pass::through(builder, answer, pass::Kind::Within).body(answer.body())
}

/// An answer of ours to a request within a dialog.
pub(crate) fn own_answer(request: &Message, hop: Hop, status: u16) -> Bytes {
    Builder::response_to(request, status, "").with_source(hop.peer).finish()
}

/// When a session expires that a 2xx has agreed upon at `at` (RFC 4028 section 4).
pub(crate) fn session_by(at: Millis, answer: &Message) -> Option<Millis> {
    let value = std::str::from_utf8(answer.header(HeaderName::SessionExpires)?).ok()?;
    let seconds: u32 = value.split(';').next()?.trim().parse().ok()?;
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
            builder.header_display(HeaderName::Contact, OurContact { hop: dialog.hop, secure })
        }
        None => builder,
    };
    if matches!(message.method(), Method::Invite | Method::Update) {
        pass::with_allow(builder, message)
    } else {
        builder
    }
}
