//! Rule one, judged from outside: for each message that a node sent, was the entry applied before
//! that must be? And is what was sent again the very same bytes?
//!
//! Knows the table in docs/architecture.md, section 1, and the wire; knows nothing of the engine.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use holdline_model::{CallChange, CallCommand, Reply, Side};

use super::text::Text;
use super::trace::Seen;

/// What is committed of one call.
#[derive(Debug, Default)]
struct Committed {
    caller_call_id: String,
    late_offer: bool,
    /// Whether each target is tried together with the one before it.
    together: Vec<bool>,
    attempt: u16,
    /// Targets of several that have failed.
    over: BTreeSet<u16>,
    /// One has refused for all.
    declined: bool,
    /// The provisional answers with SDP.
    early: Vec<Bytes>,
    pracked: bool,
    cancelled: bool,
    answered: bool,
    ack_seen: bool,
    failed: bool,
    /// A limit has refused it.
    limited: bool,
    late_answer: bool,
    ended: bool,
    cseq: u32,
    /// INVITEs within the dialogs, by sender and CSeq number: passed on for long, and answered.
    reinviting: BTreeSet<(Side, u32)>,
    reinvited: BTreeMap<(Side, u32), u16>,
    /// The last answer is acknowledged.
    reinvite_acked: bool,
    late_reinvite: bool,
    updated: BTreeSet<(Side, u32)>,
    /// Requests of the switch's own, by whom they go to and CSeq number.
    asked: BTreeSet<(Side, u32)>,
    /// INVITEs within the dialogs that were refused.
    refused: BTreeSet<(Side, u32)>,
}

impl Committed {
    /// Whether a target is one of those that are, or were, tried.
    fn is_tried(&self, target: u16) -> bool {
        let after = usize::from(self.attempt) + 1..=usize::from(target);
        target <= self.attempt
            || after.into_iter().all(|index| self.together.get(index) == Some(&true))
    }
}

/// All faults found in a trace.
pub(crate) fn faults(trace: &[Seen]) -> Vec<String> {
    let mut calls: BTreeMap<String, Committed> = BTreeMap::new();
    let mut sent: BTreeMap<String, Bytes> = BTreeMap::new();
    let mut faults = Vec::new();
    for seen in trace {
        match seen {
            Seen::Applied { command, reply, .. } => commit(&mut calls, command, reply),
            Seen::Sent { bytes, node, .. } => {
                let Some(text) = Text::parse(bytes) else {
                    faults.push(format!("node {node} sent garbage"));
                    continue;
                };
                if let Some(missing) = missing(&mut calls, &text) {
                    faults.push(format!("node {node} spoke before {missing}: {}", text.brief()));
                }
                let first = sent.entry(identity(&text)).or_insert_with(|| bytes.clone());
                if first != bytes {
                    faults.push(format!("node {node} did not resend the same: {}", text.brief()));
                }
            }
            Seen::Peer { .. } | Seen::Note { .. } => {}
        }
    }
    faults.extend(branches(trace));
    faults
}

fn commit(calls: &mut BTreeMap<String, Committed>, command: &CallCommand, reply: &Reply) {
    let (limited, first) = match (reply, &command.change) {
        (Reply::Done | Reply::Ended(_), _) => (false, 0),
        (Reply::Admitted(passage), _) => (false, passage.first),
        // A target that is full changes nothing: the one after it is tried.
        (Reply::Refused(_), CallChange::Admit(_)) => (true, 0),
        _ => return,
    };
    let call = calls.entry(command.call.to_string()).or_default();
    call.limited |= limited;
    call.attempt = call.attempt.max(first);
    match &command.change {
        CallChange::Admit(admit) => {
            call.caller_call_id.clone_from(&admit.call_id);
            call.cseq = admit.cseq;
            call.late_offer = admit.invite.ends_with(b"\r\n\r\n");
            call.together = admit.targets.iter().map(|target| target.together).collect();
        }
        CallChange::Attempt(attempt) => {
            call.attempt = call.attempt.max(attempt.index);
            let at = usize::from(attempt.index).min(call.together.len());
            call.together.splice(at..at, attempt.targets.iter().map(|target| target.together));
        }
        CallChange::BranchOver(over) => {
            call.over.insert(over.attempt);
            call.declined |= over.best.as_ref().is_some_and(|best| best.status >= 600);
        }
        CallChange::Settled => {}
        CallChange::Asked(asked) => {
            call.asked.insert((asked.to, asked.cseq));
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
        CallChange::Reinviting(change) => {
            call.reinviting.insert((change.from, change.cseq));
        }
        CallChange::Reinvited(change) => {
            call.reinvited.insert((change.from, change.cseq), change.status);
            call.late_reinvite = change.request.ends_with(b"\r\n\r\n");
            call.reinvite_acked = false;
        }
        CallChange::ReinviteAcked(_) => call.reinvite_acked = true,
        CallChange::Updated(change) => {
            call.updated.insert((change.from, change.cseq));
        }
        CallChange::Pracked(_) => call.pracked = true,
        CallChange::Counted(_) => {}
    }
}

/// Which entry a message should have waited for and did not.
fn missing(calls: &mut BTreeMap<String, Committed>, text: &Text) -> Option<&'static str> {
    let call =
        match call_of(text).filter(|id| !text.tag("To").ends_with('s') || calls.contains_key(id)) {
            Some(id) => calls.get_mut(&id),
            None => calls.values_mut().find(|call| call.caller_call_id == text.call_id()),
        };
    let Some(call) = call else { return Some("the admission") };
    match text.status() {
        Some(status) => missing_for_response(call, status, text),
        None => missing_for_request(call, text),
    }
}

fn missing_for_response(call: &mut Committed, status: u16, text: &Text) -> Option<&'static str> {
    let over = call.answered || call.failed;
    let from = if text.call_id() == call.caller_call_id { Side::Caller } else { Side::Callee };
    let key = (from, text.cseq().0);
    let is_within = from == Side::Callee || text.cseq().0 != call.cseq;
    if is_within && text.method() == "INVITE" {
        let (allowed, entry) = match status {
            // Nothing came of it.
            491 | 500 => {
                call.refused.insert(key);
                (true, "")
            }
            100..=199 => (call.reinviting.contains(&key), "the change that takes long"),
            487 | 408 if call.ended => (true, ""),
            _ => (call.reinvited.get(&key) == Some(&status), "the changed session"),
        };
        return (!allowed).then_some(entry);
    }
    let (allowed, entry) = match (status, text.method()) {
        (100..=199, "INVITE") if text.has_sdp() => {
            let body = text.body.as_bytes();
            (call.early.iter().any(|early| early.ends_with(body)), "the provisional answer")
        }
        (100..=199, "INVITE") => (true, ""),
        (200..=299, "INVITE") => (call.answered, "the answer"),
        (300..=699, "INVITE") => (call.failed || call.limited, "the failure, or the refusal"),
        (200, "CANCEL") if is_within => (true, ""),
        (200..=299, "UPDATE") => (call.updated.contains(&key), "the update"),
        (200..=299, "PRACK") => (call.pracked, "the acknowledged provisional answer"),
        (_, "INFO" | "REFER" | "NOTIFY" | "UPDATE") => (over, "the answer"),
        (200, "CANCEL") => (call.cancelled || over, "the cancellation"),
        (200, "BYE") => (call.ended || call.cancelled || call.failed, "the end"),
        _ => (false, "anything (a refusal)"),
    };
    (!allowed).then_some(entry)
}

fn missing_for_request(call: &Committed, text: &Text) -> Option<&'static str> {
    let suffix = text.branch().split_once('.').map_or("", |(_, suffix)| suffix);
    let kind = suffix.chars().next().unwrap_or(' ');
    let target: u16 = suffix
        .get(1..)
        .map(|rest| rest.split('.').next().unwrap_or_default())
        .and_then(|rest| rest.parse().ok())
        .unwrap_or(0);
    if matches!(kind, 'p' | 'k') {
        return missing_for_passed(call, text, suffix);
    }
    let is_fork = suffix.contains('.');
    let given_up =
        call.attempt > target || call.failed || call.declined || call.over.contains(&target);
    // Of targets that are tried together, those that did not answer have lost.
    let has_lost = call.answered && call.is_tried(target);
    let (allowed, entry) = match (text.method(), kind) {
        ("INVITE", 'i') => (call.is_tried(target), "the attempt"),
        ("CANCEL", 'i') => (call.cancelled || given_up || has_lost, "the cancellation"),
        ("ACK", 'i') => (given_up || has_lost, "what follows from the failure"),
        ("ACK" | "BYE", 'a' | 'y') if is_fork => {
            (given_up || call.answered, "what the fork is given up for")
        }
        ("ACK", 'a') => {
            let offered = !call.late_offer || call.ack_seen || call.ended;
            ((call.answered && offered) || call.late_answer, "the answer, or the caller's ACK")
        }
        ("OPTIONS" | "UPDATE", 'q') => {
            let to = if suffix.get(1..2) == Some("a") { Side::Caller } else { Side::Callee };
            (call.asked.contains(&(to, text.cseq().0)), "its number")
        }
        ("BYE", 'y') => (call.ended || call.late_answer, "the end"),
        _ => (false, "anything (an unknown request)"),
    };
    (!allowed).then_some(entry)
}

/// Of requests that go through: the suffix names the side that they go to, and the number that they
/// came with.
fn missing_for_passed(call: &Committed, text: &Text, suffix: &str) -> Option<&'static str> {
    let from = if suffix.get(1..2) == Some("a") { Side::Callee } else { Side::Caller };
    let number = suffix.get(2..).and_then(|number| number.parse().ok()).unwrap_or(0);
    let status = call.reinvited.get(&(from, number)).copied().unwrap_or(0);
    let kind = suffix.chars().next().unwrap_or(' ');
    let (allowed, entry) = match (text.method(), kind) {
        // Or it was refused to its sender, who repeats nothing then.
        ("ACK", 'p') => {
            let refused = call.refused.contains(&(from, number));
            (status >= 300 || refused, "the changed session")
        }
        ("ACK", 'k') => {
            let offered = !call.late_reinvite || call.reinvite_acked || call.ended;
            ((200..300).contains(&status) && offered, "the changed session, or its ACK")
        }
        ("INVITE" | "CANCEL" | "UPDATE" | "INFO" | "REFER" | "NOTIFY", 'p') => {
            (call.answered, "the answer")
        }
        ("PRACK", 'p') => (!call.early.is_empty(), "the provisional answer"),
        _ => (false, "anything (an unknown request within a dialog)"),
    };
    (!allowed).then_some(entry)
}

/// The call that a token of ours names.
fn call_of(text: &Text) -> Option<String> {
    let tags = [text.tag("To"), text.tag("From"), text.call_id()];
    let tagged = tags.iter().filter_map(|token| token.strip_prefix("hl"));
    let branch = text.branch().strip_prefix("z9hG4bKhl");
    let mut tokens = tagged.chain(branch).filter_map(|token| token.get(..20));
    tokens.find(|id| id.bytes().all(|b| b.is_ascii_hexdigit())).map(str::to_owned)
}

/// Messages with the same identity are retransmissions of one another.
fn identity(text: &Text) -> String {
    let what = match text.status() {
        Some(status) => status.to_string(),
        None => text.method().to_owned(),
    };
    // Targets that are tried together have a tag each.
    let is_early = text.status().is_some_and(|status| status < 200);
    let tag = if is_early { text.tag("To") } else { "" };
    format!("{what} {} {} {} {tag}", text.get("CSeq"), text.call_id(), text.branch())
}

/// A target is sent INVITEs of one branch only.
fn branches(trace: &[Seen]) -> Vec<String> {
    let mut by_target: BTreeMap<String, String> = BTreeMap::new();
    let mut faults = Vec::new();
    for seen in trace {
        let Seen::Sent { to, bytes, .. } = seen else { continue };
        let Some(text) = Text::parse(bytes) else { continue };
        let is_within = !text.tag("To").is_empty();
        if text.status().is_some() || text.method() != "INVITE" || is_within {
            continue;
        }
        // Once more with credentials is another transaction.
        let target = format!("{to} {}", text.get("Authorization"));
        let first = by_target.entry(target).or_insert_with(|| text.branch().to_owned());
        if first != text.branch() {
            faults.push(format!("{to} got INVITEs of two branches: {first}, {}", text.branch()));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdline_model::NodeId;

    fn sent(text: &str) -> Seen {
        let address = "10.1.0.1:5060".parse().expect("constant");
        let bytes = Bytes::from(text.to_owned());
        Seen::Sent { at: 0, node: NodeId(1), from: address, to: address, bytes }
    }

    #[test]
    fn a_message_without_any_entry_is_a_fault() {
        let trying = "SIP/2.0 100 Trying\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKx\r\n\
            From: <sip:a@a>;tag=1\r\nTo: <sip:b@b>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\
            Content-Length: 0\r\n\r\n";
        assert_eq!(faults(&[sent(trying)]).len(), 1);
    }

    #[test]
    fn two_branches_to_one_target_are_a_fault() {
        let invite = |branch: &str| {
            sent(&format!(
                "INVITE sip:b@b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch={branch}\r\n\
                 Call-ID: c\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
            ))
        };
        assert_eq!(branches(&[invite("z9hG4bK1"), invite("z9hG4bK1")]).len(), 0);
        assert_eq!(branches(&[invite("z9hG4bK1"), invite("z9hG4bK2")]).len(), 1);
    }
}
