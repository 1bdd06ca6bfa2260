//! The calling side of one call: INVITE client transaction (RFC 3261 section 17.1.1, RFC 6026),
//! CANCEL (section 9.1), ACK for the 2xx (section 13.2.2.4), then the session.

use std::net::SocketAddr;

use bytes::Bytes;
use tokio::time::Instant;

use super::dialog::Dialog;
use super::endpoint::{Cx, sdp};
use super::ledger::{Anomaly, Kind};
use super::message::{Draft, Message, Method, Start};
use super::plan::{CallerPlan, Tell, When};
use super::resend::{Due, GIVE_UP, Resend};
use super::session::Session;

/// Number of our INVITE; the BYE gets the next one.
const INVITE_CSEQ: u32 = 1;

/// One call that we placed.
#[derive(Debug)]
pub(super) struct Caller {
    plan: CallerPlan,
    ids: InviteIds,
    invite: Invite,
    peer_tag: Option<String>,
    cancel: Cancel,
    cancel_at: Option<Instant>,
    ack_at: Option<Instant>,
    hang_up_at: Option<Instant>,
    hang_up_wanted: bool,
    session: Session,
}

#[derive(Debug)]
struct InviteIds {
    branch: String,
    from: String,
    to: String,
    call_id: String,
    uri: String,
}

#[derive(Debug)]
enum Invite {
    /// No answer yet: timers A and B run.
    Calling(Resend),
    /// A provisional answer came.
    Proceeding,
    /// A 2xx came; its ACK is kept once sent.
    Answered { answer: Bytes, ack: Option<(SocketAddr, Bytes)> },
    /// A failure came and was ACKed.
    Failed { answer: Bytes, ack: Bytes },
    /// Nobody answered.
    GaveUp,
}

#[derive(Debug)]
enum Cancel {
    No,
    /// To be sent with the first provisional answer.
    Wanted,
    /// Sent, not answered yet.
    Sent(Resend),
    /// Answered; the INVITE's final answer is due by then.
    Answered(Instant),
}

impl Caller {
    /// Sends the INVITE. Returns the call and its tag.
    pub(super) fn place(cx: &mut Cx<'_>, plan: CallerPlan, tag: &str, call_id: &str) -> Self {
        let ids = InviteIds {
            branch: cx.ids.branch(),
            from: format!("<sip:caller-{}@{}>;tag={tag}", plan.number, cx.local),
            to: format!("<sip:{}@{}>", plan.number, plan.to),
            call_id: call_id.to_owned(),
            uri: format!("sip:{}@{}", plan.number, plan.to),
        };
        let contact = format!("<sip:caller-{}@{}>", plan.number, cx.local);
        let offer = sdp(cx.local, "caller");
        let bytes = ids
            .draft(Method::Invite, cx.local, &ids.to)
            .line("Contact", &contact)
            .line("Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS")
            .line("X-Holdline-Test", &plan.number)
            .end((!plan.late_offer).then_some(offer.as_str()));
        cx.send(plan.to, &bytes, Kind::Request(Method::Invite), false);
        let invite = Invite::Calling(Resend::invite(cx.now, plan.to, bytes));
        Self {
            plan,
            ids,
            invite,
            peer_tag: None,
            cancel: Cancel::No,
            cancel_at: None,
            ack_at: None,
            hang_up_at: None,
            hang_up_wanted: false,
            session: Session::default(),
        }
    }

    /// A message of this call.
    pub(super) fn receive(
        &mut self,
        cx: &mut Cx<'_>,
        message: &Message,
        raw: &Bytes,
        from: SocketAddr,
    ) {
        if let (Start::Response { .. }, Method::Invite | Method::Cancel) =
            (&message.start, message.cseq().1)
            && from != self.plan.to
        {
            cx.odd(Anomaly::WrongSource(Kind::of(message)));
        }
        match (&message.start, message.cseq().1) {
            (Start::Request { .. }, _) => self.session.request(cx, message, raw, from),
            (Start::Response { status }, Method::Invite) => {
                self.invite_answer(cx, message, raw, *status);
            }
            (Start::Response { status }, Method::Cancel) => self.cancel_answer(cx, *status),
            (Start::Response { .. }, Method::Bye) => self.session.response(cx, message, from),
            (
                Start::Response { .. },
                Method::Ack | Method::Options | Method::Register | Method::Other,
            ) => {
                cx.got(Kind::of(message), false);
                cx.odd(Anomaly::Unexpected(Kind::of(message)));
            }
        }
    }

    /// An order.
    pub(super) fn tell(&mut self, cx: &mut Cx<'_>, tell: Tell) {
        match tell {
            Tell::Ack => self.send_ack(cx),
            Tell::Cancel => self.want_cancel(cx),
            Tell::HangUp => self.want_hang_up(cx),
            Tell::Ring | Tell::Answer => {}
        }
    }

    /// When to look again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let invite = match &self.invite {
            Invite::Calling(resend) => Some(resend.deadline()),
            Invite::Proceeding
            | Invite::Answered { .. }
            | Invite::Failed { .. }
            | Invite::GaveUp => None,
        };
        let cancel = match &self.cancel {
            Cancel::Sent(resend) => Some(resend.deadline()),
            Cancel::Answered(end) => Some(*end),
            Cancel::No | Cancel::Wanted => None,
        };
        let session = self.session.deadline();
        let all = [invite, cancel, session, self.cancel_at, self.ack_at, self.hang_up_at];
        all.into_iter().flatten().min()
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, cx: &mut Cx<'_>) {
        self.tick_invite(cx);
        self.tick_cancel(cx);
        self.session.tick(cx);
        if due(&mut self.cancel_at, cx.now) {
            self.want_cancel(cx);
        }
        if due(&mut self.ack_at, cx.now) {
            self.send_ack(cx);
        }
        if due(&mut self.hang_up_at, cx.now) {
            self.want_hang_up(cx);
        }
    }

    fn invite_answer(&mut self, cx: &mut Cx<'_>, message: &Message, raw: &Bytes, status: u16) {
        let kind = Kind::of(message);
        if message.branch() != self.ids.branch {
            cx.got(kind, false);
            return cx.odd(Anomaly::Unexpected(kind));
        }
        if status > 100 {
            self.check_tag(cx, message, status);
        }
        match status {
            100..=199 => self.provisional(cx, message, kind, status),
            200..=299 => self.answered(cx, message, raw, kind),
            _ => self.failed(cx, message, raw, kind, status),
        }
    }

    fn provisional(&mut self, cx: &mut Cx<'_>, message: &Message, kind: Kind, status: u16) {
        let before = cx.entry.received(kind).is_some();
        cx.got(kind, before);
        if status == 183 && !message.has_sdp() {
            cx.odd(Anomaly::NoSdp(kind));
        }
        if !matches!(self.invite, Invite::Calling(_) | Invite::Proceeding) {
            return;
        }
        self.invite = Invite::Proceeding;
        if status > 100
            && !before
            && let When::After(delay) = self.plan.cancel
        {
            self.cancel_at = Some(cx.now + delay);
        }
        if matches!(self.cancel, Cancel::Wanted) {
            self.send_cancel(cx);
        }
    }

    fn answered(&mut self, cx: &mut Cx<'_>, message: &Message, raw: &Bytes, kind: Kind) {
        match &self.invite {
            Invite::Calling(_) | Invite::Proceeding => {}
            Invite::Answered { answer, ack } => {
                cx.got(kind, true);
                if answer != raw {
                    cx.odd(Anomaly::Altered(kind));
                }
                if let Some((to, ack)) = ack {
                    cx.send(*to, ack, Kind::Request(Method::Ack), true);
                }
                return;
            }
            Invite::Failed { .. } | Invite::GaveUp => {
                cx.got(kind, false);
                return cx.odd(Anomaly::Unexpected(kind));
            }
        }
        cx.got(kind, false);
        if !message.has_sdp() {
            cx.odd(Anomaly::NoSdp(kind));
        }
        self.invite = Invite::Answered { answer: raw.clone(), ack: None };
        let dialog = Dialog::of_caller(message, INVITE_CSEQ, self.plan.in_dialog_to);
        self.session.dialog = Some(dialog);
        self.cancel_at = None;
        let crossed = !matches!(self.cancel, Cancel::No);
        if matches!(self.cancel, Cancel::Wanted | Cancel::Answered(_)) {
            self.cancel = Cancel::No;
        }
        match self.plan.ack {
            When::After(delay) if delay.is_zero() || crossed => self.send_ack(cx),
            When::After(delay) => self.ack_at = Some(cx.now + delay),
            When::Told if crossed => self.send_ack(cx),
            When::Told => {}
        }
        if crossed {
            self.want_hang_up(cx);
        }
    }

    fn failed(&mut self, cx: &mut Cx<'_>, message: &Message, raw: &Bytes, kind: Kind, status: u16) {
        match &self.invite {
            Invite::Calling(_) | Invite::Proceeding => {}
            Invite::Failed { answer, ack } => {
                cx.got(kind, true);
                if answer != raw {
                    cx.odd(Anomaly::Altered(kind));
                }
                return cx.send(self.plan.to, ack, Kind::Request(Method::Ack), true);
            }
            Invite::Answered { .. } | Invite::GaveUp => {
                cx.got(kind, false);
                return cx.odd(Anomaly::Unexpected(kind));
            }
        }
        cx.got(kind, false);
        if status == 481 {
            cx.odd(Anomaly::DoesNotExist(Method::Invite));
        }
        // The ACK of a failure is part of the INVITE's transaction: same branch, same address.
        let to = message.header("to").unwrap_or_default();
        let ack = self.ids.draft(Method::Ack, cx.local, to).end(None);
        cx.send(self.plan.to, &ack, Kind::Request(Method::Ack), false);
        self.invite = Invite::Failed { answer: raw.clone(), ack };
        self.cancel_at = None;
        if matches!(self.cancel, Cancel::Wanted | Cancel::Answered(_)) {
            self.cancel = Cancel::No;
        }
        cx.entry.over = true;
    }

    fn check_tag(&mut self, cx: &mut Cx<'_>, message: &Message, status: u16) {
        let tag = message.tag("to").map(str::to_owned);
        // A refusal may be made by an element that never knew the call, with a tag of its own.
        if status < 300 && self.peer_tag.is_some() && self.peer_tag != tag {
            cx.odd(Anomaly::TagChanged);
        }
        if self.peer_tag.is_none() {
            self.peer_tag = tag;
        }
    }

    fn send_ack(&mut self, cx: &mut Cx<'_>) {
        let Invite::Answered { ack, .. } = &mut self.invite else { return };
        let Some(dialog) = &self.session.dialog else { return };
        if ack.is_some() {
            return;
        }
        let late = sdp(cx.local, "caller");
        let body = self.plan.late_offer.then_some(late.as_str());
        let branch = cx.ids.branch();
        let Some((to, bytes)) = dialog.request(Method::Ack, INVITE_CSEQ, &branch, cx.local, body)
        else {
            return cx.odd(Anomaly::Unanswered(Method::Ack));
        };
        cx.send(to, &bytes, Kind::Request(Method::Ack), false);
        *ack = Some((to, bytes));
        self.ack_at = None;
        if self.hang_up_wanted {
            self.session.hang_up(cx);
        } else if let When::After(delay) = self.plan.hang_up {
            self.hang_up_at = Some(cx.now + delay);
        }
    }

    fn want_hang_up(&mut self, cx: &mut Cx<'_>) {
        self.hang_up_wanted = true;
        if matches!(self.invite, Invite::Answered { ack: Some(_), .. }) {
            self.session.hang_up(cx);
        }
    }

    fn want_cancel(&mut self, cx: &mut Cx<'_>) {
        if !matches!(self.cancel, Cancel::No) {
            return;
        }
        match self.invite {
            Invite::Calling(_) => self.cancel = Cancel::Wanted,
            Invite::Proceeding => self.send_cancel(cx),
            Invite::Answered { .. } => self.want_hang_up(cx),
            Invite::Failed { .. } | Invite::GaveUp => {}
        }
    }

    fn send_cancel(&mut self, cx: &mut Cx<'_>) {
        let bytes = self.ids.draft(Method::Cancel, cx.local, &self.ids.to).end(None);
        cx.send(self.plan.to, &bytes, Kind::Request(Method::Cancel), false);
        self.cancel = Cancel::Sent(Resend::other(cx.now, self.plan.to, bytes));
    }

    fn cancel_answer(&mut self, cx: &mut Cx<'_>, status: u16) {
        let kind = Kind::Response(status, Method::Cancel);
        let pending = matches!(self.cancel, Cancel::Sent(_));
        cx.got(kind, !pending);
        if !pending || status < 200 {
            return;
        }
        let done = matches!(self.invite, Invite::Answered { .. } | Invite::Failed { .. });
        self.cancel = if done { Cancel::No } else { Cancel::Answered(cx.now + GIVE_UP) };
        match status {
            200..=299 => {}
            481 => cx.odd(Anomaly::DoesNotExist(Method::Cancel)),
            _ => cx.odd(Anomaly::Unexpected(kind)),
        }
    }

    fn tick_invite(&mut self, cx: &mut Cx<'_>) {
        let Invite::Calling(resend) = &mut self.invite else { return };
        match resend.due(cx.now) {
            Due::Nothing => {}
            Due::Again => {
                let (to, bytes) = (resend.to, resend.bytes.clone());
                cx.send(to, &bytes, Kind::Request(Method::Invite), true);
            }
            Due::GaveUp => self.give_up(cx, Method::Invite),
        }
    }

    fn tick_cancel(&mut self, cx: &mut Cx<'_>) {
        match &mut self.cancel {
            Cancel::Sent(resend) => match resend.due(cx.now) {
                Due::Nothing => {}
                Due::Again => {
                    let (to, bytes) = (resend.to, resend.bytes.clone());
                    cx.send(to, &bytes, Kind::Request(Method::Cancel), true);
                }
                Due::GaveUp => {
                    self.cancel = Cancel::No;
                    self.give_up(cx, Method::Cancel);
                }
            },
            Cancel::Answered(end) if cx.now >= *end => {
                self.cancel = Cancel::No;
                self.give_up(cx, Method::Invite);
            }
            Cancel::Answered(_) | Cancel::No | Cancel::Wanted => {}
        }
    }

    fn give_up(&mut self, cx: &mut Cx<'_>, method: Method) {
        cx.odd(Anomaly::Unanswered(method));
        if matches!(self.invite, Invite::Calling(_) | Invite::Proceeding) {
            self.invite = Invite::GaveUp;
            cx.entry.over = true;
        }
    }
}

impl InviteIds {
    /// A request of the INVITE's transaction: INVITE, CANCEL, ACK of a failure.
    fn draft(&self, method: Method, local: SocketAddr, to: &str) -> Draft {
        Draft::request(method, &self.uri)
            .line("Via", &format!("SIP/2.0/UDP {local};branch={}", self.branch))
            .line("Max-Forwards", "70")
            .line("From", &self.from)
            .line("To", to)
            .line("Call-ID", &self.call_id)
            .line("CSeq", &format!("{INVITE_CSEQ} {method}"))
    }
}

/// Takes a deadline that has come.
pub(super) fn due(at: &mut Option<Instant>, now: Instant) -> bool {
    at.take_if(|at| now >= *at).is_some()
}
