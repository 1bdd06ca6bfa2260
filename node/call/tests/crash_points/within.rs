//! What a far end asks of the other one within its dialog, and how it answers when it is asked.
//!
//! A request is heard once, however often it arrives; what arrives again must be the same bytes, and
//! gets the same answer. A new one must have a higher CSeq than all before.

use std::net::SocketAddr;

use super::dialog::{FarDialog, Path};
use super::resends::{Datagram, Resends, What, Wish};
use super::text::{self, Text};

/// A request that a far end makes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    /// So long after it knows of the answer to the call.
    pub(crate) after_ms: u64,
    pub(crate) method: &'static str,
    pub(crate) body: Body,
    /// CANCEL so long after the INVITE.
    pub(crate) cancel_after_ms: Option<u64>,
}

/// What a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// Nothing: of an INVITE, that the other one makes the offer.
    Bare,
    /// An offer.
    Offer,
}

/// How a far end answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habit {
    pub(crate) status: u16,
    /// After so long; an INVITE that has to wait gets 180 at once.
    pub(crate) wait_ms: u64,
}

pub(crate) const AGREES: Habit = Habit { status: 200, wait_ms: 0 };

/// What came of it all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct WithinOutcome {
    /// Method and final status of each request that was made, in order.
    pub(crate) asked: Vec<(String, Option<u16>)>,
    /// Method, body and, for an INVITE, whether its answer was acknowledged.
    pub(crate) heard: Vec<(String, String, bool)>,
}

#[derive(Debug)]
struct Asked {
    ask: Ask,
    branch: String,
    cseq: u32,
    status: Option<u16>,
    /// The INVITE, once something has answered it.
    heard: Option<Datagram>,
    cancel_at: Option<u64>,
}

#[derive(Debug)]
struct Heard {
    request: Text,
    bytes: String,
    peer: SocketAddr,
    answer: Option<String>,
    answer_at: Option<u64>,
    acked: bool,
}

/// Whether nobody but the switch asks this.
fn is_the_switchs_own(request: &Text) -> bool {
    match request.method() {
        "OPTIONS" => true,
        "UPDATE" => !request.has_sdp(),
        _ => false,
    }
}

/// Waits until nothing goes on any more, and a while longer: an ACK may be overtaken by a BYE.
pub(crate) fn hang_up_now(
    within: &Within,
    now: u64,
    hang_up_at: &mut Option<u64>,
    was_busy: &mut bool,
) -> bool {
    if hang_up_at.is_none_or(|at| at > now) {
        return false;
    }
    let is_busy = !within.is_idle();
    *hang_up_at = (is_busy || *was_busy).then_some(now + 500);
    *was_busy = is_busy;
    hang_up_at.is_none()
}

/// All that one far end asks and is asked.
#[derive(Debug)]
pub(crate) struct Within {
    who: String,
    /// Its name in bodies and branches.
    name: String,
    habit: Habit,
    due: Vec<(u64, Ask)>,
    asked: Vec<Asked>,
    heard: Vec<Heard>,
    resends: Resends,
    highest: u32,
    bare_ack: bool,
    overtaken: bool,
}

impl Within {
    pub(crate) fn new(who: &str, name: &str, habit: Habit) -> Self {
        Self {
            who: who.to_owned(),
            name: name.to_owned(),
            habit,
            due: Vec::new(),
            asked: Vec::new(),
            heard: Vec::new(),
            resends: Resends::default(),
            highest: 0,
            bare_ack: false,
            overtaken: false,
        }
    }

    /// The call is answered: time counts from here.
    pub(crate) fn start(&mut self, now: u64, plan: &[Ask]) {
        self.due.extend(plan.iter().map(|ask| (now + ask.after_ms, *ask)));
    }

    /// The call is over: nothing new is asked.
    pub(crate) fn stop(&mut self) {
        self.due.clear();
        // What it asked for and was not told does not matter any more.
        for asked in &mut self.asked {
            asked.status.get_or_insert(0);
        }
        for heard in &mut self.heard {
            heard.answer_at = None;
        }
        self.resends = Resends::default();
    }

    /// Nothing is asked any more, and all is answered.
    pub(crate) fn is_idle(&self) -> bool {
        self.due.is_empty()
            && self.resends.is_empty()
            && self.asked.iter().all(|asked| asked.status.is_some())
            && self.heard.iter().all(|heard| heard.answer_at.is_none())
    }

    pub(crate) fn next(&self) -> Option<u64> {
        let due = self.next_ask().map(|index| self.due[index].0).into_iter();
        let answers = self.heard.iter().filter_map(|heard| heard.answer_at);
        let cancels = self.asked.iter().filter_map(|asked| asked.cancel_at);
        due.chain(answers).chain(cancels).chain(self.resends.next()).min()
    }

    pub(crate) fn outcome(&self) -> WithinOutcome {
        let asked = self.asked.iter().filter(|asked| asked.status != Some(491));
        let heard = self.heard.iter().filter(|heard| {
            // How often it is asked whether it is there depends on who owns the call.
            !is_the_switchs_own(&heard.request)
                && !heard.answer.as_deref().is_some_and(|answer| answer.contains("491 Text"))
        });
        WithinOutcome {
            asked: asked.map(|asked| (asked.ask.method.to_owned(), asked.status)).collect(),
            heard: heard
                .map(|heard| {
                    let acked = heard.acked || heard.request.method() != "INVITE";
                    (heard.request.method().to_owned(), heard.request.body.clone(), acked)
                })
                .collect(),
        }
    }

    /// An answer to an INVITE of the other one came without the SDP that was asked for.
    pub(crate) fn bare_ack(&self) -> bool {
        self.bare_ack
    }

    /// A request of the switch's own came after one that it sent later.
    pub(crate) fn overtaken(&self) -> bool {
        self.overtaken
    }

    pub(crate) fn tick(&mut self, now: u64, dialog: &mut FarDialog, path: &Path, wish: &mut Wish) {
        for what in self.resends.tick(now, wish) {
            wish.complain(&self.who, format!("nobody answered my {what:?}"));
        }
        // One at a time, as user agents do it.
        while let Some(index) = self.next_ask().filter(|index| self.due[*index].0 <= now) {
            let (_, ask) = self.due.remove(index);
            self.ask(now, ask, dialog, path, wish);
        }
        for index in 0..self.asked.len() {
            self.cancel(now, index, wish);
        }
        for index in 0..self.heard.len() {
            if self.heard[index].answer_at.is_some_and(|at| at <= now) {
                self.heard[index].answer_at = None;
                self.answer(now, index, path, wish);
            }
        }
    }

    /// The request that is made next; none while one is not answered.
    fn next_ask(&self) -> Option<usize> {
        if self.asked.iter().any(|asked| asked.status.is_none()) {
            return None;
        }
        (0..self.due.len()).min_by_key(|index| self.due[*index].0)
    }

    fn ask(&mut self, now: u64, ask: Ask, dialog: &mut FarDialog, path: &Path, wish: &mut Wish) {
        let number = self.asked.len();
        let branch = format!("z9hG4bK{}-ask{number}", self.name);
        let offer = self.sdp(ask.method, "offer");
        let sdp = (ask.body == Body::Offer).then_some(offer.as_str());
        let request = dialog.request(ask.method, &branch, sdp, path);
        let cseq = dialog.local_cseq();
        let cancel_at = ask.cancel_after_ms.map(|wait_ms| now + wait_ms);
        self.asked.push(Asked { ask, branch, cseq, status: None, heard: None, cancel_at });
        let what = match ask.method {
            "INVITE" => What::Reinvite(number),
            _ => What::Ask(number),
        };
        self.resends.start(now, what, request, wish);
    }

    fn sdp(&self, method: &str, what: &str) -> String {
        format!("v=0\r\no={} {method} {what} IN IP4 10.9.0.1\r\ns=-\r\n", self.name)
    }

    fn cancel(&mut self, now: u64, index: usize, wish: &mut Wish) {
        let Some(asked) = self.asked.get_mut(index) else { return };
        if asked.cancel_at.is_none_or(|at| at > now) {
            return;
        }
        asked.cancel_at = None;
        if asked.status.is_some() {
            return;
        }
        let Some(invite) = asked.heard.clone() else {
            // RFC 3261 section 9.1: not before something answered.
            asked.cancel_at = Some(now + 200);
            return;
        };
        let text =
            invite.text.replacen("INVITE ", "CANCEL ", 1).replace(" INVITE\r\n", " CANCEL\r\n");
        let (head, _) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let lines = head.split("\r\n").filter(|line| !line.starts_with("Content-"));
        let text =
            format!("{}\r\nContent-Length: 0\r\n\r\n", lines.collect::<Vec<_>>().join("\r\n"));
        self.resends.start(now, What::CancelAsk(index), Datagram { text, ..invite }, wish);
    }

    /// An answer to something that was asked.
    pub(crate) fn on_answer(
        &mut self,
        now: u64,
        status: u16,
        answer: &Text,
        dialog: &mut FarDialog,
        path: &Path,
        wish: &mut Wish,
    ) {
        let who = self.who.clone();
        let found = self.asked.iter().position(|asked| asked.branch == answer.branch());
        let Some(index) = found else {
            wish.complain(&who, format!("an answer to nothing: {}", answer.brief()));
            return;
        };
        if answer.method() == "CANCEL" {
            self.resends.stop(What::CancelAsk(index));
            return;
        }
        let Some(asked) = self.asked.get_mut(index) else { return };
        if answer.cseq() != (asked.cseq, asked.ask.method) {
            wish.complain(&who, format!("an answer with another CSeq: {}", answer.brief()));
        }
        if status < 200 {
            if let Some(invite) = self.resends.of(What::Reinvite(index)) {
                // Kept for its CANCEL.
                asked.heard = Some(invite);
            }
            self.resends.stop(What::Reinvite(index));
            return;
        }
        self.resends.stop(What::Reinvite(index));
        self.resends.stop(What::Ask(index));
        if asked.status.is_some_and(|before| before != status) {
            wish.complain(&who, format!("a second final answer: {}", answer.brief()));
        }
        let first = asked.status.replace(status).is_none();
        if asked.ask.method == "INVITE" {
            let branch =
                if status < 300 { format!("{}-ack", asked.branch) } else { asked.branch.clone() };
            let (bare, cseq) = (asked.ask.body == Body::Bare, asked.cseq);
            if status < 300 && !answer.has_sdp() {
                wish.complain(&who, "a 2xx to a change without SDP");
            }
            let sdp = self.sdp("ACK", "answer");
            let sdp = (bare && status < 300).then_some(sdp.as_str());
            wish.sends.push(dialog.ack_of(cseq, &branch, sdp, path));
        }
        if first && status == 491 {
            // The owner of the Call-ID waits longer (RFC 3261 section 14.1).
            let wait_ms = if self.name == "alice" { 2_500 } else { 700 };
            let ask = self.asked[index].ask;
            self.due.push((now + wait_ms, ask));
        }
    }

    /// A request within the dialog, other than BYE.
    pub(crate) fn on_request(
        &mut self,
        now: u64,
        (from, at): (SocketAddr, SocketAddr),
        request: &Text,
        bytes: &str,
        (dialog, path): (&mut FarDialog, &Path),
        wish: &mut Wish,
    ) {
        let who = self.who.clone();
        if request.method() == "ACK" {
            self.on_ack(request, wish);
            return;
        }
        if request.method() == "CANCEL" {
            self.on_cancel(now, from, request, path, wish);
            return;
        }
        let mut heard = self.heard.iter();
        if let Some(index) = heard.position(|heard| heard.request.branch() == request.branch()) {
            if self.heard[index].bytes != bytes {
                wish.complain(&who, format!("not resent byte for byte: {}", request.brief()));
            }
            if let Some(answer) = &self.heard[index].answer {
                wish.sends.push(Datagram { from: path.source(), to: from, text: answer.clone() });
            }
            return;
        }
        if self.is_overtaken(request, dialog) {
            self.overtaken = true;
            let text = text::respond(request, 500, "", &[], None);
            wish.sends.push(Datagram { from: path.source(), to: from, text: text.clone() });
            self.heard.push(Heard {
                request: request.clone(),
                bytes: bytes.to_owned(),
                peer: from,
                answer: Some(text),
                answer_at: None,
                acked: false,
            });
            return;
        }
        if request.cseq().0 <= self.highest {
            wish.complain(&who, format!("a CSeq that was used: {}", request.brief()));
        }
        self.highest = self.highest.max(request.cseq().0);
        if let Some(fault) = dialog.fault_in_request(at, request, path) {
            wish.complain(&who, fault);
        }
        self.heard.push(Heard {
            request: request.clone(),
            bytes: bytes.to_owned(),
            peer: from,
            answer: None,
            answer_at: Some(now + self.habit.wait_ms),
            acked: false,
        });
        let index = self.heard.len() - 1;
        if request.method() == "INVITE" && self.pending_invite() {
            self.heard[index].answer_at = None;
            self.give(now, index, 491, path, wish);
        } else if self.habit.wait_ms == 0 {
            self.heard[index].answer_at = None;
            self.answer(now, index, path, wish);
        } else if request.method() == "INVITE" {
            let text = text::respond(request, 180, "", &[], None);
            self.heard[index].answer = Some(text.clone());
            wish.sends.push(Datagram { from: path.source(), to: from, text });
        }
    }

    /// Whether a request of the switch's own was overtaken on its way by one that it sent later: then it is
    /// refused (RFC 3261 section 12.2.2), which tells the switch as much as any answer.
    fn is_overtaken(&self, request: &Text, dialog: &FarDialog) -> bool {
        let number = request.cseq().0;
        let is_new = self.heard.iter().all(|heard| heard.request.cseq().0 != number);
        let is_late = number < self.highest.max(dialog.remote_cseq());
        is_the_switchs_own(request) && is_new && is_late
    }

    fn pending_invite(&self) -> bool {
        self.asked.iter().any(|asked| asked.ask.method == "INVITE" && asked.status.is_none())
    }

    fn answer(&mut self, now: u64, index: usize, path: &Path, wish: &mut Wish) {
        let refuses = self.heard[index].request.method() == "INVITE"
            || self.heard[index].request.method() == "UPDATE";
        let status = if refuses { self.habit.status } else { 200 };
        self.give(now, index, status, path, wish);
    }

    fn give(&mut self, now: u64, index: usize, status: u16, path: &Path, wish: &mut Wish) {
        let request = self.heard[index].request.clone();
        let sdp = self.sdp("200", "answer");
        let takes_sdp = request.method() == "INVITE" || request.has_sdp();
        let sdp = (status < 300 && takes_sdp).then_some(sdp.as_str());
        let contact = vec![("Contact", format!("<{}>", path.contact_uri()))];
        let text = text::respond(&request, status, "", &contact, sdp);
        self.heard[index].answer = Some(text.clone());
        let answer = Datagram { from: path.source(), to: self.heard[index].peer, text };
        if request.method() == "INVITE" {
            self.resends.start(now, What::Reanswer(index), answer, wish);
        } else {
            wish.sends.push(answer);
        }
    }

    fn on_ack(&mut self, ack: &Text, wish: &mut Wish) {
        let who = self.who.clone();
        let number = ack.cseq().0;
        let mut heard = self.heard.iter();
        let found = heard.position(|heard| {
            heard.request.method() == "INVITE" && heard.request.cseq().0 == number
        });
        let Some(index) = found else {
            wish.complain(&who, format!("an ACK of nothing: {}", ack.brief()));
            return;
        };
        let heard = &mut self.heard[index];
        let Some(answer) = &heard.answer else {
            wish.complain(&who, format!("an ACK before the answer: {}", ack.brief()));
            return;
        };
        let failed = !answer.starts_with("SIP/2.0 2");
        if failed != (heard.request.branch() == ack.branch()) {
            wish.complain(&who, format!("the ACK's branch is wrong: {}", ack.brief()));
        }
        if !failed && !heard.request.has_sdp() && !ack.has_sdp() {
            self.bare_ack = true;
        }
        heard.acked = true;
        self.resends.stop(What::Reanswer(index));
    }

    fn on_cancel(
        &mut self,
        now: u64,
        from: SocketAddr,
        cancel: &Text,
        path: &Path,
        wish: &mut Wish,
    ) {
        let text = text::respond(cancel, 200, "", &[], None);
        wish.sends.push(Datagram { from: path.source(), to: from, text });
        let mut heard = self.heard.iter();
        let found = heard.position(|heard| heard.request.branch() == cancel.branch());
        let Some(index) = found else {
            wish.complain(&self.who.clone(), format!("a CANCEL of nothing: {}", cancel.brief()));
            return;
        };
        if self.heard[index].answer_at.take().is_some() {
            self.give(now, index, 487, path, wish);
        }
    }
}
