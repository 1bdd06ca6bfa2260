//! The called side of one call: INVITE server transaction (RFC 3261 section 17.2.1, RFC 6026),
//! the 2xx until its ACK (section 13.3.1.4), CANCEL (section 9.2), then the session.

use std::net::SocketAddr;

use bytes::Bytes;
use tokio::time::Instant;

use super::caller::due;
use super::dialog::Dialog;
use super::endpoint::{Cx, sdp};
use super::ledger::{Anomaly, Kind};
use super::message::{Draft, Message, Method, Start};
use super::plan::{CalleeScript, Last, Tell, When};
use super::resend::{Due, Resend};
use super::session::{Served, Session, reply_address};

/// One call that we got.
#[derive(Debug)]
pub(super) struct Callee {
    script: CalleeScript,
    invite: Message,
    raw: Bytes,
    reply_to: SocketAddr,
    tag: String,
    state: State,
    last_answer: Option<(Bytes, Kind)>,
    ring_at: Option<Instant>,
    last_at: Option<Instant>,
    hang_up_at: Option<Instant>,
    hang_up_wanted: bool,
    served_cancel: Option<Served>,
    session: Session,
}

#[derive(Debug)]
enum State {
    /// No final answer yet.
    Open,
    /// 2xx sent; `None` once it was ACKed.
    Answered(Option<Resend>),
    /// Failure sent; `None` once it was ACKed.
    Refused(Option<Resend>),
}

impl Callee {
    /// Takes an INVITE.
    pub(super) fn take(
        cx: &mut Cx<'_>,
        script: CalleeScript,
        invite: Message,
        raw: Bytes,
        from: SocketAddr,
        tag: String,
    ) -> Self {
        cx.got(Kind::Request(Method::Invite), false);
        let reply_to = reply_address(&invite, from);
        let mut call = Self {
            script,
            invite,
            raw,
            reply_to,
            tag,
            state: State::Open,
            last_answer: None,
            ring_at: None,
            last_at: None,
            hang_up_at: None,
            hang_up_wanted: false,
            served_cancel: None,
            session: Session::default(),
        };
        if script.trying {
            call.answer(cx, 100);
        }
        match script.ring {
            None => call.arm_last(cx.now),
            Some(When::After(delay)) => call.ring_at = Some(cx.now + delay),
            Some(When::Told) => {}
        }
        call.tick(cx);
        call
    }

    /// A message of this call.
    pub(super) fn receive(
        &mut self,
        cx: &mut Cx<'_>,
        message: &Message,
        raw: &Bytes,
        from: SocketAddr,
    ) {
        match (&message.start, message.cseq().1) {
            (Start::Request { .. }, Method::Invite) if message.tag("to").is_none() => {
                self.invite_again(cx, raw);
            }
            (Start::Request { .. }, Method::Ack) => self.ack(cx, message),
            (Start::Request { .. }, Method::Cancel) => self.cancel(cx, message, raw, from),
            (Start::Request { .. }, _) => self.session.request(cx, message, raw, from),
            (Start::Response { .. }, Method::Bye) => self.session.response(cx, message, from),
            (Start::Response { .. }, _) => {
                cx.got(Kind::of(message), false);
                cx.odd(Anomaly::Unexpected(Kind::of(message)));
            }
        }
    }

    /// The INVITE came as another transaction: it must not (section 8.2.2.2).
    pub(super) fn second_invite(cx: &mut Cx<'_>, message: &Message, from: SocketAddr, tag: &str) {
        cx.got(Kind::of(message), true);
        cx.odd(Anomaly::SecondInvite);
        let answer = Draft::response(message, 482, Some(tag)).end(None);
        let kind = Kind::Response(482, Method::Invite);
        cx.send(reply_address(message, from), &answer, kind, false);
    }

    /// An order.
    pub(super) fn tell(&mut self, cx: &mut Cx<'_>, tell: Tell) {
        match tell {
            Tell::Ring => self.ring(cx),
            Tell::Answer => self.last(cx),
            Tell::HangUp => self.want_hang_up(cx),
            Tell::Ack | Tell::Cancel => {}
        }
    }

    /// When to look again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let final_answer = match &self.state {
            State::Answered(Some(resend)) | State::Refused(Some(resend)) => Some(resend.deadline()),
            State::Open | State::Answered(None) | State::Refused(None) => None,
        };
        let session = self.session.deadline();
        [final_answer, session, self.ring_at, self.last_at, self.hang_up_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, cx: &mut Cx<'_>) {
        if due(&mut self.ring_at, cx.now) {
            self.ring(cx);
        }
        if due(&mut self.last_at, cx.now) {
            self.last(cx);
        }
        if due(&mut self.hang_up_at, cx.now) {
            self.want_hang_up(cx);
        }
        self.tick_final(cx);
        self.session.tick(cx);
    }

    fn ring(&mut self, cx: &mut Cx<'_>) {
        if matches!(self.state, State::Open) && !cx.entry.rang() {
            self.ring_at = None;
            self.answer(cx, if self.script.early_media { 183 } else { 180 });
            self.arm_last(cx.now);
        }
    }

    fn arm_last(&mut self, now: Instant) {
        let (Last::Answer(when) | Last::Refuse(_, when)) = self.script.last;
        if let When::After(delay) = when {
            self.last_at = Some(now + delay);
        }
    }

    fn last(&mut self, cx: &mut Cx<'_>) {
        match self.script.last {
            Last::Answer(_) => self.finish(cx, 200),
            Last::Refuse(status, _) => self.finish(cx, status),
        }
    }

    /// Sends a final answer, once.
    fn finish(&mut self, cx: &mut Cx<'_>, status: u16) {
        if !matches!(self.state, State::Open) {
            return;
        }
        (self.ring_at, self.last_at) = (None, None);
        let bytes = self.answer(cx, status);
        let resend = Some(Resend::other(cx.now, self.reply_to, bytes));
        if status < 300 {
            self.session.dialog = Some(Dialog::of_callee(&self.invite, &self.tag));
            self.state = State::Answered(resend);
        } else {
            self.state = State::Refused(resend);
        }
    }

    fn answer(&mut self, cx: &mut Cx<'_>, status: u16) -> Bytes {
        let tag = (status > 100).then_some(self.tag.as_str());
        let mut draft = Draft::response(&self.invite, status, tag);
        if (101..300).contains(&status) {
            for route in self.invite.all("record-route") {
                draft = draft.line("Record-Route", route);
            }
            draft = draft.line("Contact", &format!("<sip:callee@{}>", cx.local));
        }
        let description = sdp(cx.local, "callee");
        let bytes = draft.end(matches!(status, 183 | 200).then_some(description.as_str()));
        let kind = Kind::Response(status, Method::Invite);
        cx.send(self.reply_to, &bytes, kind, false);
        self.last_answer = Some((bytes.clone(), kind));
        bytes
    }

    fn invite_again(&mut self, cx: &mut Cx<'_>, raw: &Bytes) {
        let kind = Kind::Request(Method::Invite);
        cx.got(kind, true);
        if *raw != self.raw {
            cx.odd(Anomaly::Altered(kind));
        }
        // Once a 2xx was sent, repetitions of the INVITE are absorbed (RFC 6026 section 7.1).
        if !matches!(self.state, State::Answered(_))
            && let Some((bytes, kind)) = &self.last_answer
        {
            cx.send(self.reply_to, bytes, *kind, true);
        }
    }

    fn ack(&mut self, cx: &mut Cx<'_>, message: &Message) {
        let kind = Kind::Request(Method::Ack);
        let before = cx.entry.received(kind).is_some();
        cx.got(kind, before);
        match &mut self.state {
            State::Answered(resend) => {
                if message.cseq().0 != self.invite.cseq().0 {
                    return cx.odd(Anomaly::Unexpected(kind));
                }
                if resend.take().is_none() {
                    return;
                }
                if !self.invite.has_sdp() && !message.has_sdp() {
                    cx.odd(Anomaly::NoSdp(kind));
                }
                if self.hang_up_wanted {
                    self.session.hang_up(cx);
                } else if let When::After(delay) = self.script.hang_up {
                    self.hang_up_at = Some(cx.now + delay);
                }
            }
            State::Refused(resend) => {
                *resend = None;
                cx.entry.over = true;
            }
            State::Open => cx.odd(Anomaly::Unexpected(kind)),
        }
    }

    fn cancel(&mut self, cx: &mut Cx<'_>, message: &Message, raw: &Bytes, from: SocketAddr) {
        let to = reply_address(message, from);
        cx.got(Kind::Request(Method::Cancel), self.served_cancel.is_some());
        if let Some(served) = &self.served_cancel {
            return served.repeat(cx, raw, to);
        }
        let answer = Draft::response(message, 200, Some(&self.tag)).end(None);
        cx.send(to, &answer, Kind::Response(200, Method::Cancel), false);
        self.served_cancel = Some(Served::new(message, raw, answer, 200));
        self.finish(cx, 487);
    }

    fn want_hang_up(&mut self, cx: &mut Cx<'_>) {
        self.hang_up_wanted = true;
        if matches!(self.state, State::Answered(None)) {
            self.session.hang_up(cx);
        }
    }

    fn tick_final(&mut self, cx: &mut Cx<'_>) {
        let (State::Answered(pending) | State::Refused(pending)) = &mut self.state else { return };
        let Some(resend) = pending else { return };
        match resend.due(cx.now) {
            Due::Nothing => {}
            // A BYE that overtakes the ACK ends the wait for it.
            Due::Again if self.session.ended() => *pending = None,
            Due::Again => {
                let bytes = resend.bytes.clone();
                let kind = self.last_answer.as_ref().map(|(_, kind)| *kind);
                let kind = kind.unwrap_or(Kind::Response(200, Method::Invite));
                cx.send(self.reply_to, &bytes, kind, true);
            }
            Due::GaveUp => {
                *pending = None;
                if matches!(self.state, State::Answered(_)) {
                    cx.odd(Anomaly::NoAck);
                    self.session.hang_up(cx);
                } else {
                    cx.odd(Anomaly::FailureNotAcked);
                    cx.entry.over = true;
                }
            }
        }
    }
}
