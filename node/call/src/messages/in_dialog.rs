//! Requests within a dialog: the ACK of a 2xx (RFC 3261 section 13.2.2.4) and the BYE (section 15).

use bytes::Bytes;
use holdline_model::{CallRecord, Dialog, Hop, Side, Token};
use holdline_sip::message::{Builder, HeaderName, Message, Method};

use super::invite::{DEFAULT_MAX_FORWARDS, invite_cseq};
use super::{OurContact, OurVia, is_sips, suffix};
use crate::dialogs;

/// The ACK of the callee's 2xx; with a late offer it carries the SDP of the caller's ACK.
/// `credentials`: those that the INVITE had.
pub(crate) fn ack(
    record: &CallRecord,
    attempt: u16,
    dialog: &Dialog,
    offer: Option<&Message>,
    credentials: Option<&str>,
) -> Bytes {
    let branch = Token::branch(record.call, &suffix::ack(attempt));
    let cseq = invite_cseq(attempt);
    let builder = head(record, dialog, &Method::Ack, cseq, &branch, DEFAULT_MAX_FORWARDS);
    let builder = with_field(builder, credentials);
    match offer {
        None => builder.finish(),
        Some(ack) => carry_body(builder, ack),
    }
}

/// Ends a message with the body of another.
pub(super) fn carry_body(builder: Builder, from: &Message) -> Bytes {
    let names = [HeaderName::ContentType, HeaderName::ContentDisposition];
    let builder = names.into_iter().fold(builder, |builder, name| match from.header(name) {
        Some(value) => builder.header(name, value),
        None => builder,
    });
    builder.body(from.body())
}

/// By what a side is asked whether it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// OPTIONS.
    Alive,
    /// UPDATE without an offer: the session goes on (RFC 4028 section 7.4).
    Refresh {
        /// For how long.
        expires_s: u64,
    },
}

impl Question {
    pub(crate) const fn method(self) -> Method {
        match self {
            Self::Alive => Method::Options,
            Self::Refresh { .. } => Method::Update,
        }
    }
}

/// The request by which a side is asked whether it is there.
pub(crate) fn question(
    record: &CallRecord,
    to: Side,
    dialog: &Dialog,
    cseq: u32,
    question: Question,
    credentials: Option<&str>,
) -> Bytes {
    let branch = Token::branch(record.call, &suffix::own(to, cseq));
    let method = question.method();
    let builder = head(record, dialog, &method, cseq, &branch, DEFAULT_MAX_FORWARDS);
    let builder = match question {
        Question::Alive => builder.header(HeaderName::Accept, "application/sdp"),
        Question::Refresh { expires_s } => {
            let secure = is_sips(&record.admission.to);
            let contact = OurContact { hop: record.seen(dialog.hop), secure };
            builder
                .header_display(HeaderName::Contact, contact)
                .header(HeaderName::Supported, "timer")
                .header_display(
                    HeaderName::SessionExpires,
                    format_args!("{expires_s};refresher=uac"),
                )
        }
    };
    with_field(builder, credentials).finish()
}

/// Our BYE to one side.
pub(crate) fn bye(
    record: &CallRecord,
    side: Side,
    dialog: &Dialog,
    credentials: Option<&str>,
) -> Bytes {
    let branch = Token::branch(record.call, suffix::bye(side));
    let cseq = bye_cseq(dialog);
    let builder = head(record, dialog, &Method::Bye, cseq, &branch, DEFAULT_MAX_FORWARDS);
    with_field(builder, credentials).finish()
}

/// The same once more, because it was asked for credentials.
pub(crate) fn bye_again(
    record: &CallRecord,
    side: Side,
    dialog: &Dialog,
    credentials: &str,
) -> Bytes {
    let branch = Token::branch(record.call, &suffix::bye_again(side));
    let cseq = bye_cseq(dialog).saturating_add(1);
    let builder = head(record, dialog, &Method::Bye, cseq, &branch, DEFAULT_MAX_FORWARDS);
    with_field(builder, Some(credentials)).finish()
}

/// The CSeq number of our BYE.
pub(crate) const fn bye_cseq(dialog: &Dialog) -> u32 {
    dialog.local_cseq.saturating_add(1)
}

/// Adds a header field, given as `Name: value`.
pub(super) fn with_field(builder: Builder, field: Option<&str>) -> Builder {
    match field.and_then(|field| field.split_once(": ")) {
        Some((name, value)) => builder.header_named(name, value),
        None => builder,
    }
}

/// The ACK of a 2xx whose dialog is not the call's.
pub(crate) fn fork_ack(record: &CallRecord, attempt: u16, dialog: &Dialog) -> Bytes {
    let branch = fork_branch(record, 'a', attempt, dialog);
    let cseq = invite_cseq(attempt);
    head(record, dialog, &Method::Ack, cseq, &branch, DEFAULT_MAX_FORWARDS).finish()
}

/// The BYE in a dialog that is not the call's.
pub(crate) fn fork_bye(record: &CallRecord, attempt: u16, dialog: &Dialog) -> Bytes {
    let branch = fork_branch(record, 'y', attempt, dialog);
    let cseq = dialog.local_cseq.saturating_add(1);
    head(record, dialog, &Method::Bye, cseq, &branch, DEFAULT_MAX_FORWARDS).finish()
}

/// The branch of a request to a fork.
pub(crate) fn fork_branch(
    record: &CallRecord,
    kind: char,
    attempt: u16,
    dialog: &Dialog,
) -> String {
    let tag = dialogs::tag_of(&dialog.remote).unwrap_or_default();
    Token::branch(record.call, &suffix::fork(kind, attempt, tag))
}

/// The header fields that every request within a dialog has.
pub(super) fn head(
    record: &CallRecord,
    dialog: &Dialog,
    method: &Method,
    cseq: u32,
    branch: &str,
    max_forwards: u32,
) -> Builder {
    head_over(record, dialog, dialog.hop, method, cseq, branch, max_forwards)
}

/// The same of one that goes over `via`.
pub(super) fn head_over(
    record: &CallRecord,
    dialog: &Dialog,
    via: Hop,
    method: &Method,
    cseq: u32,
    branch: &str,
    max_forwards: u32,
) -> Builder {
    let addressing = dialogs::address(dialog);
    let builder = Builder::request(method, addressing.uri)
        .header_display(HeaderName::Via, OurVia(record.seen(via), branch));
    let builder = addressing
        .routes
        .iter()
        .fold(builder, |builder, route| builder.header(HeaderName::Route, route));
    builder
        .header_display(HeaderName::MaxForwards, max_forwards)
        .header(HeaderName::From, &dialog.local)
        .header(HeaderName::To, &dialog.remote)
        .header(HeaderName::CallId, &dialog.call_id)
        .header_display(HeaderName::CSeq, format_args!("{cseq} {method}"))
}
