//! The called far end.

use std::net::SocketAddr;

use super::caller::{Ended, OFFER};
use super::dialog::{FarDialog, Path};
use super::resends::{Datagram, Resends, What, Wish};
use super::script::{CalleePlan, Flavour, Ring};
use super::text::{self, Text};
use super::within::{Within, hang_up_now};

pub(crate) const ANSWER: &str = "v=0\r\no=callee 1 1 IN IP4 10.3.0.1\r\ns=-\r\n";
pub(crate) const EARLY: &str = "v=0\r\no=early 1 1 IN IP4 10.3.0.1\r\ns=-\r\n";
const RING_AFTER_MS: u64 = 50;

/// A callee with at most one call.
#[derive(Debug)]
pub(crate) struct Callee {
    who: String,
    plan: CalleePlan,
    path: Path,
    tag: String,
    call: Option<Call>,
    challenged: Option<Challenged>,
    pub(crate) within: Within,
    prack: Option<(String, String)>,
    /// The first INVITE carried SDP, so the ACK needs none.
    offered: bool,
    pub(crate) status: Option<u16>,
    pub(crate) acked: bool,
    pub(crate) ended: Option<Ended>,
    /// It made the offer, and an ACK came without the caller's answer to it.
    pub(crate) bare_ack: bool,
    /// The present owner has heard an answer to its INVITE.
    pub(crate) heard: bool,
}

/// An INVITE that credentials were asked for.
#[derive(Debug)]
struct Challenged {
    branch: String,
    bytes: String,
    answer: Datagram,
    resends: Resends,
}

#[derive(Debug)]
struct Call {
    from: SocketAddr,
    bytes: String,
    invite: Text,
    dialog: FarDialog,
    last: Option<String>,
    resends: Resends,
    ring_at: Option<u64>,
    answer_at: Option<(u16, u64)>,
    hang_up_at: Option<u64>,
    was_busy: bool,
}

impl Callee {
    pub(crate) fn new(plan: CalleePlan, flavour: Flavour, index: usize) -> Self {
        Self {
            who: format!("callee {index}"),
            plan,
            path: Path::callee(flavour, index),
            tag: format!("callee{index}"),
            call: None,
            challenged: None,
            prack: None,
            within: Within::new(&format!("callee {index}"), &format!("callee{index}"), plan.habit),
            offered: true,
            status: None,
            acked: false,
            ended: None,
            bare_ack: false,
            heard: false,
        }
    }

    /// Where calls to it go.
    pub(crate) fn address(&self) -> SocketAddr {
        self.path.source()
    }

    pub(crate) fn owns(&self, address: SocketAddr) -> bool {
        self.path.owns(address)
    }

    pub(crate) fn invited(&self) -> bool {
        self.call.is_some()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.within.is_idle()
            && self.call.as_ref().is_none_or(|call| call.resends.is_empty())
            && self.challenged.as_ref().is_none_or(|challenged| challenged.resends.is_empty())
    }

    pub(crate) fn receive(
        &mut self,
        now: u64,
        from: SocketAddr,
        at: SocketAddr,
        message: &Text,
        bytes: &str,
        wish: &mut Wish,
    ) {
        if self.plan.ring == Ring::Dead {
            return;
        }
        let mut challenged = self.challenged.iter_mut().filter(|_| message.method() == "ACK");
        if let Some(known) = challenged.find(|known| known.branch == message.branch()) {
            known.resends.stop(What::Failure);
            return;
        }
        if self.is_within(message) {
            self.hear_within(now, (from, at), message, bytes, wish);
            return;
        }
        match (message.status(), message.method()) {
            (None, "INVITE") => self.on_invite(now, from, message, bytes, wish),
            (None, "ACK") => self.on_ack(now, at, message, wish),
            (None, "PRACK") => self.on_prack(from, at, message, bytes, wish),
            (None, "CANCEL") => self.on_cancel(now, from, message, wish),
            (None, "BYE") => self.on_bye(from, at, message, wish),
            (Some(200), "BYE") => {
                self.ended.get_or_insert(Ended::Here);
                if let Some(call) = &mut self.call {
                    call.resends.stop(What::Bye);
                }
            }
            (Some(_) | None, _) => {
                wish.complain(&self.who, format!("unexpected {}", message.brief()));
            }
        }
    }

    /// Whether a message is of what goes on within the dialog, apart from the BYE.
    fn is_within(&self, message: &Text) -> bool {
        let Some(call) = &self.call else { return false };
        if message.status().is_some() {
            return message.branch().contains("-ask");
        }
        let tagged = !message.tag("To").is_empty();
        match message.method() {
            "BYE" | "PRACK" => false,
            "ACK" => tagged && self.status == Some(200) && !call.dialog.is_first_ack(message),
            "CANCEL" => tagged,
            _ => tagged,
        }
    }

    fn hear_within(
        &mut self,
        now: u64,
        from_at: (SocketAddr, SocketAddr),
        message: &Text,
        bytes: &str,
        wish: &mut Wish,
    ) {
        let Some(call) = &mut self.call else { return };
        match message.status() {
            Some(status) => {
                let dialog = &mut call.dialog;
                self.within.on_answer(now, status, message, dialog, &self.path, wish);
            }
            None => {
                let ends = (&mut call.dialog, &self.path);
                self.within.on_request(now, from_at, message, bytes, ends, wish);
            }
        }
    }

    pub(crate) fn tick(&mut self, now: u64, wish: &mut Wish) {
        if let Some(challenged) = &mut self.challenged {
            for what in challenged.resends.tick(now, wish) {
                wish.complain(&self.who, format!("nobody answered my challenge: {what:?}"));
            }
        }
        let Some(call) = &mut self.call else { return };
        for what in call.resends.tick(now, wish) {
            wish.complain(&self.who, format!("nobody answered my {what:?}"));
        }
        if call.ring_at.is_some_and(|at| at <= now) {
            call.ring_at = None;
            if self.status.is_none() {
                self.ring(now, wish);
            }
        }
        let due = self.call.as_ref().and_then(|call| call.answer_at).filter(|(_, at)| *at <= now);
        let waits = self.plan.ring == Ring::Reliable && self.prack.is_none();
        if let (Some(_), true, Some(call)) = (due, waits, &mut self.call) {
            call.answer_at = call.answer_at.map(|(status, _)| (status, now + 100));
        } else if let (Some((status, _)), None) = (due, self.status) {
            self.answer(now, status, wish);
        }
        let Some(call) = &mut self.call else { return };
        self.within.tick(now, &mut call.dialog, &self.path, wish);
        if hang_up_now(&self.within, now, &mut call.hang_up_at, &mut call.was_busy)
            && self.ended.is_none()
        {
            let branch = format!("z9hG4bK{}-bye", self.tag);
            let bye = call.dialog.request("BYE", &branch, None, &self.path);
            call.resends.start(now, What::Bye, bye, wish);
        }
    }

    pub(crate) fn next(&self) -> Option<u64> {
        let challenge = self.challenged.as_ref().and_then(|challenged| challenged.resends.next());
        let Some(call) = self.call.as_ref() else { return challenge };
        let answer_at = call.answer_at.map(|(_, at)| at);
        let within = self.within.next();
        let times =
            [call.resends.next(), call.ring_at, answer_at, call.hang_up_at, within, challenge];
        times.into_iter().flatten().min()
    }

    fn on_invite(
        &mut self,
        now: u64,
        from: SocketAddr,
        invite: &Text,
        bytes: &str,
        wish: &mut Wish,
    ) {
        if self.plan.challenges && invite.get("Authorization").is_empty() {
            self.challenge(now, from, invite, bytes, wish);
            return;
        }
        if let Some(call) = &self.call {
            if invite.branch() != call.invite.branch() {
                wish.complain(&self.who, format!("a second INVITE: {}", invite.brief()));
            } else if bytes != call.bytes {
                wish.complain(&self.who, "the INVITE was not resent byte for byte");
            } else if let Some(last) = &call.last {
                wish.sends.push(self.datagram(from, last.clone()));
            }
            return;
        }
        if invite.get("X-Passed-Through") != "yes, and twice" {
            wish.complain(&self.who, "an unknown header was not passed through");
        }
        self.offered = invite.has_sdp();
        if self.offered && invite.body != OFFER {
            wish.complain(&self.who, "the offer was changed");
        }
        self.call = Some(Call {
            from,
            bytes: bytes.to_owned(),
            invite: invite.clone(),
            dialog: FarDialog::of_invite(invite, from, &self.tag, &self.path),
            last: None,
            resends: Resends::default(),
            ring_at: (self.plan.ring != Ring::Not).then_some(now + RING_AFTER_MS),
            answer_at: self.plan.answer.map(|(status, wait_ms)| (status, now + wait_ms)),
            hang_up_at: None,
            was_busy: false,
        });
    }

    /// Asks for credentials.
    fn challenge(
        &mut self,
        now: u64,
        from: SocketAddr,
        invite: &Text,
        bytes: &str,
        wish: &mut Wish,
    ) {
        if let Some(known) = &self.challenged {
            if bytes != known.bytes {
                wish.complain(&self.who, "the first INVITE was not resent byte for byte");
            }
            wish.sends.push(known.answer.clone());
            return;
        }
        let ask = r#"Digest realm="carrier", nonce="n1", algorithm=MD5, qop="auth""#;
        let more = [("WWW-Authenticate", ask.to_owned())];
        let text = text::respond(invite, 401, &self.tag, &more, None);
        let answer = self.datagram(from, text);
        let mut resends = Resends::default();
        resends.start(now, What::Failure, answer.clone(), wish);
        let (branch, bytes) = (invite.branch().to_owned(), bytes.to_owned());
        self.challenged = Some(Challenged { branch, bytes, answer, resends });
    }

    fn on_prack(
        &mut self,
        from: SocketAddr,
        at: SocketAddr,
        prack: &Text,
        bytes: &str,
        wish: &mut Wish,
    ) {
        let who = self.who.clone();
        let Some(call) = &mut self.call else {
            wish.complain(&who, "a PRACK without a call");
            return;
        };
        call.resends.stop(What::Reliable);
        if prack.get("RAck") != "7 1 INVITE" {
            wish.complain(&who, format!("RAck is {:?}", prack.get("RAck")));
        }
        let answer = text::respond(prack, 200, "", &[], None);
        match &self.prack {
            Some((first, _)) if first != bytes => {
                wish.complain(&who, "the PRACK was not resent byte for byte");
            }
            Some(_) => {}
            None => {
                if let Some(fault) = call.dialog.fault_in_request(at, prack, &self.path) {
                    wish.complain(&who, fault);
                }
                self.prack = Some((bytes.to_owned(), answer.clone()));
            }
        }
        wish.sends.push(self.datagram(from, answer));
    }

    fn ring(&mut self, now: u64, wish: &mut Wish) {
        match self.plan.ring {
            Ring::Reliable => {
                let reliable = [("Require", "100rel".to_owned()), ("RSeq", "7".to_owned())];
                let text = self.response_with(183, Some(EARLY), &reliable);
                let Some(call) = &mut self.call else { return };
                call.last = Some(text.clone());
                let datagram = Datagram { from: self.path.source(), to: call.from, text };
                call.resends.start(now, What::Reliable, datagram, wish);
            }
            Ring::WithSdp => self.say(183, Some(EARLY), wish),
            Ring::Plain | Ring::Not | Ring::Dead => self.say(180, None, wish),
        }
    }

    /// Gives the final answer, and repeats it until the ACK.
    fn answer(&mut self, now: u64, status: u16, wish: &mut Wish) {
        self.status = Some(status);
        if let Some(call) = &mut self.call {
            call.resends.stop(What::Reliable);
        }
        let (what, sdp) =
            if status < 300 { (What::Success, Some(ANSWER)) } else { (What::Failure, None) };
        let text = self.response(status, sdp);
        let Some(call) = &mut self.call else { return };
        (call.ring_at, call.answer_at) = (None, None);
        call.last = Some(text.clone());
        let datagram = Datagram { from: self.path.source(), to: call.from, text };
        call.resends.start(now, what, datagram, wish);
    }

    fn say(&mut self, status: u16, sdp: Option<&str>, wish: &mut Wish) {
        let text = self.response(status, sdp);
        let Some(call) = &mut self.call else { return };
        call.last = Some(text.clone());
        wish.sends.push(Datagram { from: self.path.source(), to: call.from, text });
    }

    fn response(&self, status: u16, sdp: Option<&str>) -> String {
        self.response_with(status, sdp, &[])
    }

    fn response_with(&self, status: u16, sdp: Option<&str>, with: &[(&str, String)]) -> String {
        let Some(call) = &self.call else { return String::new() };
        let contact = match status {
            302 => format!("sip:+49777@{}", Path::callee(self.path.flavour(), 1).source()),
            _ => self.path.contact_uri(),
        };
        let mut more = vec![("Contact", format!("<{contact}>"))];
        if let Some(seconds) = self.plan.expires_s.filter(|_| status == 200) {
            more.push(("Session-Expires", format!("{seconds};refresher=uac")));
        }
        more.push(("Server", format!("{}Phone/1.0", self.tag)));
        more.extend(self.path.record_route());
        more.extend(with.iter().cloned());
        text::respond(&call.invite, status, &self.tag, &more, sdp)
    }

    fn on_ack(&mut self, now: u64, at: SocketAddr, ack: &Text, wish: &mut Wish) {
        let who = self.who.clone();
        let (Some(call), Some(status)) = (&mut self.call, self.status) else {
            wish.complain(&who, format!("an ACK of nothing: {}", ack.brief()));
            return;
        };
        if status >= 300 {
            if ack.branch() != call.invite.branch() {
                wish.complain(&who, "the ACK of a failure has another branch than its INVITE");
            }
            call.resends.stop(What::Failure);
            self.acked = true;
            return;
        }
        if let Some(fault) = call.dialog.fault_in_request(at, ack, &self.path) {
            wish.complain(&who, fault);
        }
        if ack.has_sdp() && (self.offered || ack.body != OFFER) {
            wish.complain(&who, "the ACK's SDP is not the caller's");
        }
        self.bare_ack |= !ack.has_sdp() && !self.offered && self.ended.is_none();
        call.resends.stop(What::Success);
        if !self.acked {
            self.acked = true;
            call.hang_up_at = self.plan.hang_up_after_ms.map(|wait_ms| now + wait_ms);
            self.within.start(now, self.plan.asks);
        }
    }

    fn on_cancel(&mut self, now: u64, from: SocketAddr, cancel: &Text, wish: &mut Wish) {
        let matches = |call: &Call| match self.path.flavour() {
            Flavour::Sipp => call.invite.call_id() == cancel.call_id(),
            Flavour::Rfc | Flavour::Proxied => call.invite.branch() == cancel.branch(),
        };
        if self.call.is_none() {
            // Of an INVITE that was lost: a new owner does not know whether one that lost was reached.
            let text = text::respond(cancel, 481, &self.tag, &[], None);
            wish.sends.push(self.datagram(from, text));
            return;
        }
        if !self.call.as_ref().is_some_and(matches) {
            wish.complain(&self.who, format!("a CANCEL of nothing: {}", cancel.brief()));
            return;
        }
        wish.sends.push(self.datagram(from, text::respond(cancel, 200, &self.tag, &[], None)));
        if self.status.is_none() && !self.plan.ignores_cancel {
            self.answer(now, 487, wish);
        }
    }

    fn on_bye(&mut self, from: SocketAddr, at: SocketAddr, bye: &Text, wish: &mut Wish) {
        let who = self.who.clone();
        let (Some(call), Some(200)) = (&mut self.call, self.status) else {
            wish.complain(&who, format!("a BYE without a dialog: {}", bye.brief()));
            return;
        };
        if let Some(fault) = call.dialog.fault_in_request(at, bye, &self.path) {
            wish.complain(&who, fault);
        }
        call.hang_up_at = None;
        self.within.stop();
        if self.path.flavour() == Flavour::Sipp {
            // Its scenario is over. Others repeat the 2xx until its ACK, BYE or no BYE (13.3.1.4).
            call.resends.stop(What::Success);
        }
        self.ended.get_or_insert(Ended::There);
        wish.sends.push(self.datagram(from, text::respond(bye, 200, "", &[], None)));
    }

    fn datagram(&self, to: SocketAddr, text: String) -> Datagram {
        Datagram { from: self.path.source(), to, text }
    }
}
