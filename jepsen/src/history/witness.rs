//! The ledgers of the user agents as facts of a history, and back.

use holdline_cluster_tests::ua::{Anomaly, Entry, Event, Kind, Ledger, Method, Role, Way};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::time::Instant;

use super::{History, Recorder};

/// One call as one side saw it: a `:caller-call` or `:callee-call`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryRecord {
    /// The number dialled.
    pub number: String,
    /// The Call-ID of the leg.
    pub call_id: String,
    /// Whether it ended for this side.
    pub over: bool,
    /// What must not happen, in words of [`Anomaly`].
    pub anomalies: Vec<String>,
    /// Every message.
    pub events: Vec<EventRecord>,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    /// Nanoseconds since the run began.
    pub at: u64,
    /// Whether it was sent; otherwise it was received.
    pub sent: bool,
    /// `INVITE`, or `200 INVITE`.
    pub kind: String,
    /// Whether it repeats an earlier one.
    pub again: bool,
}

/// A message that belonged to no call: a `:stray`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrayRecord {
    /// `caller` or `callee`.
    pub side: String,
    /// Nanoseconds since the run began.
    pub at: u64,
    /// What it was.
    pub kind: String,
    /// Its Call-ID.
    pub call_id: String,
}

impl EntryRecord {
    /// A ledger's entry, with times from the beginning of the run.
    #[must_use]
    pub fn new(entry: &Entry, recorder: &Recorder) -> Self {
        let event = |event: &Event| EventRecord {
            at: recorder.nanos(event.at),
            sent: event.way == Way::Sent,
            kind: kind_text(event.kind),
            again: event.repeat,
        };
        Self {
            number: entry.number.clone(),
            call_id: entry.call_id.clone(),
            over: entry.over,
            anomalies: entry.anomalies.iter().map(anomaly_text).collect(),
            events: entry.events.iter().map(event).collect(),
        }
    }

    fn entry(&self, role: Role, start: Instant) -> Entry {
        let event = |event: &EventRecord| {
            let way = if event.sent { Way::Sent } else { Way::Received };
            let at = start + Duration::from_nanos(event.at);
            Some(Event { at, way, kind: kind(&event.kind)?, repeat: event.again })
        };
        Entry {
            number: self.number.clone(),
            role,
            call_id: self.call_id.clone(),
            events: self.events.iter().filter_map(event).collect(),
            unrecorded: 0,
            anomalies: self.anomalies.iter().filter_map(|text| anomaly(text)).collect(),
            over: self.over,
        }
    }

    /// The first message of that kind and direction.
    #[must_use]
    pub fn first(&self, sent: bool, kind: &str) -> Option<u64> {
        self.events.iter().find(|e| e.sent == sent && e.kind == kind).map(|event| event.at)
    }
}

/// All entries of one side.
pub fn entries<'a>(history: &'a History, role: Role) -> impl Iterator<Item = EntryRecord> + 'a {
    history.facts(word(role)).map(|(_, record)| record)
}

/// One side's ledger, rebuilt. Times are counted from `start`.
#[must_use]
pub fn ledger(history: &History, role: Role, start: Instant) -> Ledger {
    entries(history, role).map(|record| record.entry(role, start)).collect()
}

/// The name of a side's facts.
#[must_use]
pub const fn word(role: Role) -> &'static str {
    match role {
        Role::Caller => "caller-call",
        Role::Callee => "callee-call",
    }
}

/// `INVITE`, or `200 INVITE`.
#[must_use]
pub fn kind_text(kind: Kind) -> String {
    match kind {
        Kind::Request(method) => method.to_string(),
        Kind::Response(status, method) => format!("{status} {method}"),
    }
}

const METHODS: [Method; 6] =
    [Method::Invite, Method::Ack, Method::Bye, Method::Cancel, Method::Options, Method::Other];

fn method(text: &str) -> Option<Method> {
    METHODS.into_iter().find(|method| method.to_string() == text)
}

fn kind(text: &str) -> Option<Kind> {
    match text.split_once(' ') {
        Some((status, of)) => Some(Kind::Response(status.parse().ok()?, method(of)?)),
        None => method(text).map(Kind::Request),
    }
}

/// An anomaly in a word, and the message that it is about.
#[must_use]
fn anomaly_text(anomaly: &Anomaly) -> String {
    let with = |word: &str, kind: &Kind| format!("{word}: {}", kind_text(*kind));
    match anomaly {
        Anomaly::Unexpected(kind) => with("unexpected", kind),
        Anomaly::Altered(kind) => with("altered", kind),
        Anomaly::NoSdp(kind) => with("no-sdp", kind),
        Anomaly::WrongSource(kind) => with("wrong-source", kind),
        Anomaly::Unanswered(method) => format!("unanswered: {method}"),
        Anomaly::DoesNotExist(method) => format!("does-not-exist: {method}"),
        Anomaly::SecondInvite => "second-invite".into(),
        Anomaly::SecondBye => "second-bye".into(),
        Anomaly::CSeqBackwards => "cseq-backwards".into(),
        Anomaly::TagChanged => "tag-changed".into(),
        Anomaly::NoAck => "no-ack".into(),
        Anomaly::FailureNotAcked => "failure-not-acked".into(),
    }
}

fn anomaly(text: &str) -> Option<Anomaly> {
    let (word, about) = text.split_once(": ").unwrap_or((text, ""));
    Some(match word {
        "unexpected" => Anomaly::Unexpected(kind(about)?),
        "altered" => Anomaly::Altered(kind(about)?),
        "no-sdp" => Anomaly::NoSdp(kind(about)?),
        "wrong-source" => Anomaly::WrongSource(kind(about)?),
        "unanswered" => Anomaly::Unanswered(method(about)?),
        "does-not-exist" => Anomaly::DoesNotExist(method(about)?),
        "second-invite" => Anomaly::SecondInvite,
        "second-bye" => Anomaly::SecondBye,
        "cseq-backwards" => Anomaly::CSeqBackwards,
        "tag-changed" => Anomaly::TagChanged,
        "no-ack" => Anomaly::NoAck,
        "failure-not-acked" => Anomaly::FailureNotAcked,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anomalies_and_kinds_are_read_back() {
        let about = Kind::Response(200, Method::Bye);
        let all = [
            Anomaly::Unexpected(about),
            Anomaly::Altered(Kind::Request(Method::Other)),
            Anomaly::NoSdp(about),
            Anomaly::WrongSource(about),
            Anomaly::Unanswered(Method::Cancel),
            Anomaly::DoesNotExist(Method::Bye),
            Anomaly::SecondInvite,
            Anomaly::SecondBye,
            Anomaly::CSeqBackwards,
            Anomaly::TagChanged,
            Anomaly::NoAck,
            Anomaly::FailureNotAcked,
        ];
        for one in all {
            assert_eq!(anomaly(&anomaly_text(&one)), Some(one));
        }
    }
}
