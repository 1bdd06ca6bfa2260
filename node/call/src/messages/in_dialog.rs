//! Requests within a dialog: the ACK of a 2xx (RFC 3261 section 13.2.2.4) and the BYE (section 15).

use bytes::Bytes;
use holdline_model::{CallId, Dialog, Side, Token};
use holdline_sip::message::{Builder, HeaderName, Message, Method};

use super::invite::{DEFAULT_MAX_FORWARDS, invite_cseq};
use super::{OurVia, suffix};
use crate::dialogs;

/// The ACK of the callee's 2xx; with a late offer it carries the SDP of the caller's ACK.
pub(crate) fn ack(call: CallId, attempt: u16, dialog: &Dialog, offer: Option<&Message>) -> Bytes {
    let branch = Token::branch(call, &suffix::ack(attempt));
    let builder = head(dialog, &Method::Ack, invite_cseq(attempt), &branch, DEFAULT_MAX_FORWARDS);
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

/// Our BYE to one side.
pub(crate) fn bye(call: CallId, side: Side, dialog: &Dialog) -> Bytes {
    let branch = Token::branch(call, suffix::bye(side));
    let cseq = dialog.local_cseq.saturating_add(1);
    head(dialog, &Method::Bye, cseq, &branch, DEFAULT_MAX_FORWARDS).finish()
}

/// The ACK of a 2xx whose dialog is not the call's.
pub(crate) fn fork_ack(call: CallId, attempt: u16, dialog: &Dialog) -> Bytes {
    let branch = fork_branch(call, 'a', attempt, dialog);
    head(dialog, &Method::Ack, invite_cseq(attempt), &branch, DEFAULT_MAX_FORWARDS).finish()
}

/// The BYE in a dialog that is not the call's.
pub(crate) fn fork_bye(call: CallId, attempt: u16, dialog: &Dialog) -> Bytes {
    let branch = fork_branch(call, 'y', attempt, dialog);
    let cseq = dialog.local_cseq.saturating_add(1);
    head(dialog, &Method::Bye, cseq, &branch, DEFAULT_MAX_FORWARDS).finish()
}

/// The branch of a request to a fork.
pub(crate) fn fork_branch(call: CallId, kind: char, attempt: u16, dialog: &Dialog) -> String {
    let tag = dialogs::tag_of(&dialog.remote).unwrap_or_default();
    Token::branch(call, &suffix::fork(kind, attempt, tag))
}

/// The header fields that every request within a dialog has.
pub(super) fn head(
    dialog: &Dialog,
    method: &Method,
    cseq: u32,
    branch: &str,
    max_forwards: u32,
) -> Builder {
    let addressing = dialogs::address(dialog);
    let builder = Builder::request(method, addressing.uri)
        .header_display(HeaderName::Via, OurVia(dialog.hop, branch));
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
