//! Commit before you speak, judged on the wire: for each message that a node sends, was the entry
//! applied by somebody that must be committed before? And is what is sent again the very same bytes?
//!
//! It knows the table in docs/architecture.md, section 1, and the wire, which it reads with the test
//! agents' own parser; it knows nothing of the engine. The sweep of `holdline-call` has one like it
//! for a model of a cluster; this one judges the cluster.

use std::collections::BTreeMap;

use bytes::Bytes;
use holdline_cluster_tests::ua::{Message, Method, Start};
use holdline_model::{CallChange, CallCommand, Command};

use crate::trace::{FNV_OFFSET, fnv};

/// What is committed, and what was said.
#[derive(Debug, Default)]
pub struct RuleOne {
    calls: BTreeMap<String, Committed>,
    /// The call of a caller's Call-ID.
    by_caller: BTreeMap<String, String>,
    /// Hashes of what was sent first, by what makes a message a repetition.
    sent: BTreeMap<String, u64>,
}

#[derive(Debug, Default)]
struct Committed {
    late_offer: bool,
    /// Whether each target is tried together with the one before it.
    together: Vec<bool>,
    attempt: u16,
    /// Targets of several that have failed.
    over: Vec<u16>,
    /// One has refused for all.
    declined: bool,
    /// Bodies of the provisional answers with SDP.
    early: Vec<Bytes>,
    cancelled: bool,
    answered: bool,
    ack_seen: bool,
    failed: bool,
    late_answer: bool,
    ended: bool,
}

impl Committed {
    /// Whether a target is one of those that are, or were, tried.
    fn is_tried(&self, target: u16) -> bool {
        let after = usize::from(self.attempt) + 1..=usize::from(target);
        target <= self.attempt
            || after.into_iter().all(|index| self.together.get(index) == Some(&true))
    }
}

impl RuleOne {
    /// A command took effect.
    pub fn commit(&mut self, command: &Command) {
        let Command::Call(CallCommand { call, change, .. }) = command else { return };
        let id = call.to_string();
        if let CallChange::Admit(admit) = change {
            self.by_caller.insert(admit.call_id.clone(), id.clone());
        }
        let call = self.calls.entry(id).or_default();
        match change {
            CallChange::Admit(admit) => {
                call.late_offer = admit.invite.ends_with(b"\r\n\r\n");
                call.together = admit.targets.iter().map(|target| target.together).collect();
            }
            CallChange::Attempt(attempt) => {
                call.attempt = call.attempt.max(attempt.index);
                let at = usize::from(attempt.index).min(call.together.len());
                let more = attempt.targets.iter().map(|target| target.together);
                call.together.splice(at..at, more);
            }
            CallChange::BranchOver(over) => {
                call.over.push(over.attempt);
                call.declined |= over.best.as_ref().is_some_and(|best| best.status >= 600);
            }
            CallChange::Early(early) => call.early.push(early.response.clone()),
            CallChange::Cancel(_) => call.cancelled = true,
            CallChange::Answer(_) => call.answered = true,
            CallChange::AckSeen(_) => call.ack_seen = true,
            CallChange::Fail(fail) => {
                call.failed = true;
                call.late_answer |= fail.late_answer.is_some();
            }
            CallChange::End(_) => call.ended = true,
            // The agents here change no session; what they would do is an unknown request.
            CallChange::Reinviting(_)
            | CallChange::Reinvited(_)
            | CallChange::ReinviteAcked(_)
            | CallChange::Updated(_)
            | CallChange::Counted(_)
            | CallChange::Settled
            | CallChange::Asked(_)
            | CallChange::Pracked(_) => {}
        }
    }

    /// A node sends a datagram.
    pub fn sent(&mut self, bytes: &Bytes) -> Option<String> {
        let message = match Message::parse(bytes) {
            Ok(message) => message,
            Err(error) => return Some(format!("rule one: garbage was sent: {error}")),
        };
        if let Some(missing) = self.missing(&message) {
            return Some(format!("rule one: spoke before {missing}: {}", brief(&message)));
        }
        let hash = fnv(FNV_OFFSET, bytes);
        let first = *self.sent.entry(identity(&message)).or_insert(hash);
        (first != hash).then(|| format!("rule one: not resent the same: {}", brief(&message)))
    }

    fn missing(&self, message: &Message) -> Option<&'static str> {
        let id = call_of(message).or_else(|| self.by_caller.get(message.call_id()).cloned());
        let call = id.and_then(|id| self.calls.get(&id));
        match (&message.start, call) {
            // A refusal before any call exists stops nothing that a call rests on: the caller is
            // told so by a final answer of 400 or more, and nothing else may be said statelessly.
            (Start::Response { status: 400.. }, None) => None,
            (Start::Response { status: 200..=299 }, None)
                if message.cseq().1 == Method::Options =>
            {
                None
            }
            (_, None) => Some("the admission"),
            (Start::Response { status }, Some(call)) => for_response(call, *status, message),
            (Start::Request { .. }, Some(call)) => for_request(call, message),
        }
    }
}

fn for_response(call: &Committed, status: u16, message: &Message) -> Option<&'static str> {
    let over = call.answered || call.failed;
    let (allowed, entry) = match (status, message.cseq().1) {
        (100..=199, Method::Invite) if message.has_sdp() => {
            let body = &message.body[..];
            (call.early.iter().any(|early| early.ends_with(body)), "the provisional answer")
        }
        (100..=199, Method::Invite) => (true, ""),
        (200..=299, Method::Invite) => (call.answered, "the answer"),
        (300..=699, Method::Invite) => (call.failed, "the failure"),
        (200, Method::Cancel) => (call.cancelled || over, "the cancellation"),
        (200, Method::Bye) => (call.ended || call.cancelled || call.failed, "the end"),
        // Within a call the switch refuses what it does not support; that changes nothing.
        (400..=699, _) => (true, ""),
        _ => (false, "anything (an unknown answer)"),
    };
    (!allowed).then_some(entry)
}

fn for_request(call: &Committed, message: &Message) -> Option<&'static str> {
    let suffix = message.branch().split_once('.').map_or("", |(_, suffix)| suffix);
    let kind = suffix.chars().next().unwrap_or(' ');
    let digits = suffix.get(1..).map(|rest| rest.split('.').next().unwrap_or_default());
    let target: u16 = digits.and_then(|digits| digits.parse().ok()).unwrap_or(0);
    let is_fork = suffix.contains('.');
    let given_up =
        call.attempt > target || call.failed || call.declined || call.over.contains(&target);
    // Of targets that are tried together, those that did not answer have lost.
    let has_lost = call.answered && call.is_tried(target);
    let (allowed, entry) = match (message.cseq().1, kind) {
        (Method::Invite, 'i') => (call.is_tried(target), "the attempt"),
        (Method::Cancel, 'i') => (call.cancelled || given_up || has_lost, "the cancellation"),
        (Method::Ack, 'i') => (given_up || has_lost, "what follows from the failure"),
        (Method::Ack | Method::Bye, 'a' | 'y') if is_fork => {
            (given_up || call.answered, "what the fork is given up for")
        }
        (Method::Ack, 'a') => {
            let offered = !call.late_offer || call.ack_seen || call.ended;
            ((call.answered && offered) || call.late_answer, "the answer, or the caller's ACK")
        }
        (Method::Options, 'q') => (call.answered, "the answer"),
        (Method::Bye, 'y') => (call.ended || call.late_answer, "the end"),
        _ => (false, "anything (an unknown request)"),
    };
    (!allowed).then_some(entry)
}

/// The call that a token of ours names.
fn call_of(message: &Message) -> Option<String> {
    let tags = [message.tag("to"), message.tag("from"), Some(message.call_id())];
    let tagged = tags.into_iter().flatten().filter_map(|token| token.strip_prefix("hl"));
    let branch = message.branch().strip_prefix("z9hG4bKhl");
    let mut tokens = tagged.chain(branch).filter_map(|token| token.get(..20));
    tokens.find(|id| id.bytes().all(|b| b.is_ascii_hexdigit())).map(str::to_owned)
}

/// Messages with the same identity are repetitions of one another.
fn identity(message: &Message) -> String {
    let (number, method) = message.cseq();
    let what = match &message.start {
        Start::Request { .. } => method.as_str().to_owned(),
        Start::Response { status } => status.to_string(),
    };
    // Provisional answers with and without SDP are different things to say.
    let body = if message.has_sdp() { fnv(FNV_OFFSET, &message.body) } else { 0 };
    let provisional = matches!(message.start, Start::Response { status: 100..=199 });
    let body = if provisional { body } else { 0 };
    let (id, branch) = (message.call_id(), message.branch());
    // Targets that are tried together have a tag each.
    let tag = if provisional { message.tag("to").unwrap_or_default() } else { "" };
    format!("{what} {number} {} {id} {branch} {tag} {body:x}", method.as_str())
}

fn brief(message: &Message) -> String {
    let (number, method) = message.cseq();
    let start = match &message.start {
        Start::Request { uri, .. } => format!("{} {uri}", method.as_str()),
        Start::Response { status } => format!("{status} to {}", method.as_str()),
    };
    format!("{start}, CSeq {number}, Call-ID {}, branch {}", message.call_id(), message.branch())
}
