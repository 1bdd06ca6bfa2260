//! The calling far end.

use std::net::SocketAddr;

use super::dialog::{FarDialog, Path};
use super::resends::{Datagram, Resends, What, Wish};
use super::script::{CallerPlan, Flavour};
use super::text::{self, Text};
use super::within::{Within, hang_up_now};

/// Who ended an answered call, as a far end sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Here,
    There,
}

pub(crate) const OFFER: &str = "v=0\r\no=caller 1 1 IN IP4 10.2.0.1\r\ns=-\r\n";
const CALL_ID: &str = "first-leg@10.2.0.1";
const WHO: &str = "caller";

/// A caller with one call.
#[derive(Debug)]
pub(crate) struct Caller {
    plan: CallerPlan,
    path: Path,
    switch: SocketAddr,
    invite: String,
    resends: Resends,
    cancel_at: Option<u64>,
    hang_up_at: Option<u64>,
    was_busy: bool,
    cancelled: bool,
    dialog: Option<FarDialog>,
    early: Option<FarDialog>,
    rseq: u32,
    pub(crate) pracked: bool,
    pub(crate) within: Within,
    /// What it has come to know.
    pub(crate) provisional: bool,
    pub(crate) early_sdp: bool,
    pub(crate) status: Option<u16>,
    pub(crate) ended: Option<Ended>,
}

impl Caller {
    pub(crate) fn new(plan: CallerPlan, flavour: Flavour, switch: SocketAddr) -> Self {
        Self {
            plan,
            path: Path::caller(flavour),
            switch,
            invite: String::new(),
            resends: Resends::default(),
            cancel_at: None,
            hang_up_at: None,
            was_busy: false,
            cancelled: false,
            dialog: None,
            early: None,
            rseq: 0,
            pracked: false,
            within: Within::new(WHO, "alice", plan.habit),
            provisional: false,
            early_sdp: false,
            status: None,
            ended: None,
        }
    }

    /// Whether an address is this far end's.
    pub(crate) fn owns(&self, address: SocketAddr) -> bool {
        self.path.owns(address)
    }

    /// Sends the INVITE.
    pub(crate) fn call(&mut self, now: u64, wish: &mut Wish) {
        let mut headers = self.path.vias("z9hG4bKcaller-invite");
        headers.extend(self.path.record_route());
        headers.extend([
            ("From", "\"Alice, A.\" <sip:alice@10.2.0.1>;tag=alice".to_owned()),
            ("To", "<sip:+4930123@10.1.0.1>".to_owned()),
            ("Call-ID", CALL_ID.to_owned()),
            ("CSeq", "1 INVITE".to_owned()),
            ("Contact", format!("<{}>", self.path.contact_uri())),
            ("Max-Forwards", "70".to_owned()),
            ("Supported", "100rel".to_owned()),
            ("X-Passed-Through", "yes, and twice".to_owned()),
            ("User-Agent", "CallersPhone/1.0".to_owned()),
        ]);
        let uri = format!("sip:+4930123@{}", self.switch);
        let sdp = self.plan.offers.then_some(OFFER);
        self.invite = text::write(&format!("INVITE {uri} SIP/2.0"), &headers, sdp);
        let invite = self.datagram(self.switch, self.invite.clone());
        self.resends.start(now, What::Invite, invite, wish);
    }

    pub(crate) fn receive(
        &mut self,
        now: u64,
        (from, at): (SocketAddr, SocketAddr),
        message: &Text,
        bytes: &str,
        wish: &mut Wish,
    ) {
        if message.call_id() != CALL_ID {
            wish.complain(WHO, format!("not my Call-ID: {}", message.brief()));
            return;
        }
        match (message.status(), message.method()) {
            (Some(status), _) if message.branch().contains("-ask") => {
                let Some(dialog) = &mut self.dialog else { return };
                self.within.on_answer(now, status, message, dialog, &self.path, wish);
            }
            (None, method) if method != "BYE" => match &mut self.dialog {
                Some(dialog) => {
                    let ends = (dialog, &self.path);
                    self.within.on_request(now, (from, at), message, bytes, ends, wish);
                }
                None => wish.complain(WHO, format!("no dialog for {}", message.brief())),
            },
            (Some(status), "INVITE") => self.on_invite_answer(now, status, message, wish),
            (Some(200), "PRACK") => {
                self.pracked = true;
                self.resends.stop(What::Prack);
            }
            (Some(200), "CANCEL") => self.resends.stop(What::Cancel),
            (Some(200), "BYE") => {
                self.resends.stop(What::Bye);
                self.ended.get_or_insert(Ended::Here);
            }
            (None, "BYE") => self.on_bye(at, message, wish),
            (Some(_) | None, _) => wish.complain(WHO, format!("unexpected {}", message.brief())),
        }
    }

    pub(crate) fn tick(&mut self, now: u64, wish: &mut Wish) {
        for what in self.resends.tick(now, wish) {
            wish.complain(WHO, format!("nobody answered my {what:?}"));
        }
        if let Some(dialog) = &mut self.dialog {
            self.within.tick(now, dialog, &self.path, wish);
        }
        if self.cancel_at.is_some_and(|at| at <= now) {
            self.cancel_at = None;
            if self.status.is_none() {
                self.cancelled = true;
                let cancel = self.datagram(self.switch, self.sibling_of_invite("CANCEL", None));
                self.resends.start(now, What::Cancel, cancel, wish);
            }
        }
        if hang_up_now(&self.within, now, &mut self.hang_up_at, &mut self.was_busy)
            && let (Some(dialog), None) = (&mut self.dialog, self.ended)
        {
            let bye = dialog.request("BYE", "z9hG4bKcaller-bye", None, &self.path);
            self.resends.start(now, What::Bye, bye, wish);
        }
    }

    pub(crate) fn next(&self) -> Option<u64> {
        let own = [self.resends.next(), self.cancel_at, self.hang_up_at, self.within.next()];
        own.into_iter().flatten().min()
    }

    /// Nothing is going on: no answer is waited for.
    pub(crate) fn is_idle(&self) -> bool {
        self.resends.is_empty() && self.status.is_some() && self.within.is_idle()
    }

    fn on_invite_answer(&mut self, now: u64, status: u16, answer: &Text, wish: &mut Wish) {
        if answer.branch() != "z9hG4bKcaller-invite" {
            wish.complain(WHO, format!("an answer to another INVITE: {}", answer.brief()));
        }
        self.resends.stop(What::Invite);
        match status {
            100..=199 => {
                self.early_sdp |= answer.has_sdp();
                self.acknowledge(now, answer, wish);
                if !self.provisional {
                    self.provisional = true;
                    self.cancel_at = self.plan.cancel_after_ms.map(|wait_ms| now + wait_ms);
                }
            }
            200..=299 => self.on_success(now, status, answer, wish),
            _ => {
                if self.status.is_some_and(|before| before != status) {
                    wish.complain(WHO, format!("a second final answer: {}", answer.brief()));
                }
                self.status.get_or_insert(status);
                let to = answer.get("To").to_owned();
                let ack = self.datagram(self.switch, self.sibling_of_invite("ACK", Some(to)));
                wish.sends.push(ack);
            }
        }
    }

    /// Acknowledges a reliable provisional answer, if it is the next one (RFC 3262 section 4).
    fn acknowledge(&mut self, now: u64, answer: &Text, wish: &mut Wish) {
        let Ok(rseq) = answer.get("RSeq").parse::<u32>() else { return };
        if answer.get("Require") != "100rel" {
            wish.complain(WHO, "RSeq without Require");
        }
        if rseq != self.rseq + 1 {
            return;
        }
        self.rseq = rseq;
        let (switch, path) = (self.switch, &self.path);
        let dialog = self.early.get_or_insert_with(|| FarDialog::of_answer(answer, switch, path));
        let mut prack = dialog.request("PRACK", "z9hG4bKcaller-prack", None, path);
        let rack = format!("RAck: {rseq} 1 INVITE\r\nMax-Forwards: 70\r\n");
        prack.text = prack.text.replacen("Max-Forwards: 70\r\n", &rack, 1);
        self.resends.start(now, What::Prack, prack, wish);
    }

    fn on_success(&mut self, now: u64, status: u16, answer: &Text, wish: &mut Wish) {
        if self.status.is_some_and(|before| before != status) {
            wish.complain(WHO, format!("a 2xx after a failure: {}", answer.brief()));
            return;
        }
        if !answer.has_sdp() {
            wish.complain(WHO, "a 2xx without SDP");
        }
        let first = self.status.replace(status).is_none();
        if first {
            let mut dialog = FarDialog::of_answer(answer, self.switch, &self.path);
            if let Some(early) = &self.early {
                dialog.go_on_from(early);
            }
            self.dialog = Some(dialog);
            let wait_ms = if self.cancelled { Some(20) } else { self.plan.hang_up_after_ms };
            self.hang_up_at = wait_ms.map(|wait_ms| now + wait_ms);
            self.within.start(now, self.plan.asks);
        }
        let Some(dialog) = &self.dialog else { return };
        if dialog.remote_tag() != answer.tag("To") {
            wish.complain(WHO, format!("a second dialog: {}", answer.brief()));
        }
        if !self.plan.acks {
            return;
        }
        let sdp = (!self.plan.offers).then_some(OFFER);
        wish.sends.push(dialog.ack("z9hG4bKcaller-ack", sdp, &self.path));
    }

    fn on_bye(&mut self, at: SocketAddr, bye: &Text, wish: &mut Wish) {
        let Some(dialog) = &mut self.dialog else {
            wish.complain(WHO, "a BYE without a dialog");
            return;
        };
        if let Some(fault) = dialog.fault_in_request(at, bye, &self.path) {
            wish.complain(WHO, fault);
        }
        self.hang_up_at = None;
        self.within.stop();
        self.ended.get_or_insert(Ended::There);
        let to = self.switch;
        wish.sends.push(self.datagram(to, text::respond(bye, 200, "", &[], None)));
    }

    /// The CANCEL of the INVITE, or the ACK of its failure: as the INVITE, with its top Via.
    fn sibling_of_invite(&self, method: &str, to: Option<String>) -> String {
        let invite = Text::parse(self.invite.as_bytes()).expect("our own INVITE");
        let headers = [
            ("Via", invite.get("Via").to_owned()),
            ("From", invite.get("From").to_owned()),
            ("To", to.unwrap_or_else(|| invite.get("To").to_owned())),
            ("Call-ID", CALL_ID.to_owned()),
            ("CSeq", format!("1 {method}")),
            ("Max-Forwards", "70".to_owned()),
        ];
        text::write(&format!("{method} {} SIP/2.0", invite.uri()), &headers, None)
    }

    fn datagram(&self, to: SocketAddr, text: String) -> Datagram {
        Datagram { from: self.path.source(), to, text }
    }
}
