//! What caller and callee share once there is a dialog: BYE both ways, and whatever else comes.

use std::net::SocketAddr;

use bytes::Bytes;
use tokio::time::Instant;

use super::dialog::Dialog;
use super::endpoint::Cx;
use super::ledger::{Anomaly, Kind};
use super::message::{Draft, Message, Method, Start};
use super::resend::{Due, Resend};
use super::syntax;

/// The dialog part of a call.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// Set once the 2xx was received or sent.
    pub(super) dialog: Option<Dialog>,
    bye: Option<Resend>,
    bye_branch: Option<(String, SocketAddr)>,
    served_bye: Option<Served>,
}

/// A request that was answered, kept to answer its repetitions.
#[derive(Debug)]
pub(super) struct Served {
    branch: String,
    request: Bytes,
    answer: Bytes,
    kind: Kind,
}

impl Served {
    pub(super) fn new(request: &Message, raw: &Bytes, answer: Bytes, status: u16) -> Self {
        let kind = Kind::Response(status, request.cseq().1);
        Self { branch: request.branch().to_owned(), request: raw.clone(), answer, kind }
    }

    /// Whether `message` is of the same transaction.
    pub(super) fn is(&self, message: &Message) -> bool {
        self.branch == message.branch()
    }

    /// Answers a repetition, and notes it if it is not the same, byte for byte.
    pub(super) fn repeat(&self, cx: &mut Cx<'_>, raw: &Bytes, to: SocketAddr) {
        if *raw != self.request {
            cx.odd(Anomaly::Altered(Kind::Request(match self.kind {
                Kind::Response(_, method) | Kind::Request(method) => method,
            })));
        }
        cx.send(to, &self.answer, self.kind, true);
    }
}

impl Session {
    /// Sends BYE, unless one was sent or received.
    pub(super) fn hang_up(&mut self, cx: &mut Cx<'_>) {
        let Some(dialog) = &mut self.dialog else { return };
        if self.bye_branch.is_some() || self.served_bye.is_some() {
            return;
        }
        dialog.local_cseq += 1;
        let branch = cx.ids.branch();
        let request = dialog.request(Method::Bye, dialog.local_cseq, &branch, cx.local, None);
        let Some((to, bytes)) = request else {
            cx.odd(Anomaly::Unanswered(Method::Bye));
            return;
        };
        cx.send(to, &bytes, Kind::Request(Method::Bye), false);
        self.bye_branch = Some((branch, to));
        self.bye = Some(Resend::other(cx.now, to, bytes));
    }

    /// A request within the dialog, other than ACK.
    pub(super) fn request(
        &mut self,
        cx: &mut Cx<'_>,
        message: &Message,
        raw: &Bytes,
        from: SocketAddr,
    ) {
        let kind = Kind::of(message);
        let to = reply_address(message, from);
        if let Some(served) = &self.served_bye
            && served.is(message)
        {
            cx.got(kind, true);
            return served.repeat(cx, raw, to);
        }
        cx.got(kind, false);
        let method = message.cseq().1;
        let status = match method {
            Method::Bye if self.served_bye.is_some() => {
                cx.odd(Anomaly::SecondBye);
                481
            }
            Method::Bye => self.take_bye(cx, message),
            Method::Options => 200,
            Method::Invite => {
                cx.odd(Anomaly::Unexpected(kind));
                488
            }
            Method::Ack | Method::Cancel | Method::Register | Method::Other => {
                cx.odd(Anomaly::Unexpected(kind));
                501
            }
        };
        let answer = Draft::response(message, status, None).end(None);
        cx.send(to, &answer, Kind::Response(status, method), false);
        if method == Method::Bye && status == 200 {
            self.served_bye = Some(Served::new(message, raw, answer, status));
        }
    }

    /// The answer to our BYE.
    pub(super) fn response(&mut self, cx: &mut Cx<'_>, message: &Message, from: SocketAddr) {
        let kind = Kind::of(message);
        let Start::Response { status } = message.start else { return };
        let sent = self.bye_branch.as_ref().filter(|(branch, _)| branch == message.branch());
        let (ours, to) = (sent.is_some(), sent.map_or(from, |(_, to)| *to));
        let pending = self.bye.is_some();
        cx.got(kind, ours && !pending);
        if !ours {
            return cx.odd(Anomaly::Unexpected(kind));
        }
        if from != to {
            cx.odd(Anomaly::WrongSource(kind));
        }
        match (&mut self.bye, status) {
            (Some(resend), 100..=199) => resend.slow_down(cx.now),
            (Some(_), _) => {
                self.bye = None;
                cx.entry.over = true;
                match status {
                    200..=299 => {}
                    481 => cx.odd(Anomaly::DoesNotExist(Method::Bye)),
                    _ => cx.odd(Anomaly::Unexpected(kind)),
                }
            }
            (None, _) => {}
        }
    }

    /// Whether a BYE was sent or received.
    pub(super) fn ended(&self) -> bool {
        self.bye_branch.is_some() || self.served_bye.is_some()
    }

    /// When to look again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.bye.as_ref().map(Resend::deadline)
    }

    /// Sends the BYE again if it is time.
    pub(super) fn tick(&mut self, cx: &mut Cx<'_>) {
        let Some(resend) = &mut self.bye else { return };
        match resend.due(cx.now) {
            Due::Nothing => {}
            Due::Again => {
                let (to, bytes) = (resend.to, resend.bytes.clone());
                cx.send(to, &bytes, Kind::Request(Method::Bye), true);
            }
            Due::GaveUp => {
                self.bye = None;
                cx.entry.over = true;
                cx.odd(Anomaly::Unanswered(Method::Bye));
            }
        }
    }

    fn take_bye(&mut self, cx: &mut Cx<'_>, message: &Message) -> u16 {
        let Some(dialog) = &mut self.dialog else {
            cx.odd(Anomaly::Unexpected(Kind::of(message)));
            return 481;
        };
        if message.cseq().0 <= dialog.remote_cseq {
            cx.odd(Anomaly::CSeqBackwards);
            return 500;
        }
        dialog.remote_cseq = message.cseq().0;
        cx.entry.over = true;
        200
    }
}

/// Where the answer to a request goes (RFC 3261 section 18.2.2, RFC 3581).
pub(super) fn reply_address(request: &Message, from: SocketAddr) -> SocketAddr {
    let vias = request.list("via");
    let Some(top) = vias.first() else { return from };
    if syntax::param(top, "rport").is_some() {
        return from;
    }
    let port = syntax::sent_by(top).map_or(from.port(), |address| address.port());
    SocketAddr::new(from.ip(), port)
}
