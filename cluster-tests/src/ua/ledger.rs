//! What happened to each call, as one side saw it: the evidence that tests and the demo judge by.

use std::collections::HashMap;
use std::net::SocketAddr;

use tokio::time::Instant;

use super::message::{Malformed, Message, Method, Start};

/// Events that one call keeps at most; more are counted in [`Entry::unrecorded`].
const EVENT_LIMIT: usize = 512;
/// Strays that are kept at most; more are counted in [`Ledger::unrecorded_strays`].
const STRAY_LIMIT: usize = 1024;

/// Which side of a call the agent was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It sent the INVITE.
    Caller,
    /// It got the INVITE.
    Callee,
}

/// Direction of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the agent.
    Sent,
    /// To the agent.
    Received,
}

/// Kind of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A request.
    Request(Method),
    /// An answer and the method of its CSeq.
    Response(u16, Method),
}

impl Kind {
    /// The kind of a message.
    #[must_use]
    pub fn of(message: &Message) -> Self {
        match message.start {
            Start::Request { method, .. } => Self::Request(method),
            Start::Response { status } => Self::Response(status, message.cseq().1),
        }
    }
}

/// One message.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// When.
    pub at: Instant,
    /// Which way.
    pub way: Way,
    /// What.
    pub kind: Kind,
    /// It was a repetition of an earlier one.
    pub repeat: bool,
}

/// Something that must not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anomaly {
    /// A message that nobody expects in that state.
    Unexpected(Kind),
    /// A message that came again, but not byte for byte.
    Altered(Kind),
    /// The INVITE came again as another transaction.
    SecondInvite,
    /// A second BYE, as another transaction, for a call that was over.
    SecondBye,
    /// The CSeq of a request within the dialog was not higher than that before.
    CSeqBackwards,
    /// The other side's tag changed.
    TagChanged,
    /// No session description where one is due.
    NoSdp(Kind),
    /// A request was not answered for 32 s.
    Unanswered(Method),
    /// The 2xx was not ACKed for 32 s.
    NoAck,
    /// A failure was not ACKed for 32 s.
    FailureNotAcked,
    /// An answer came from another address than the one that the request was sent to.
    WrongSource(Kind),
    /// A 481 was received.
    DoesNotExist(Method),
}

/// One call.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The number dialled.
    pub number: String,
    /// Which side the agent was.
    pub role: Role,
    /// The Call-ID of this leg.
    pub call_id: String,
    /// Everything sent and received, in order.
    pub events: Vec<Event>,
    /// Events beyond the limit.
    pub unrecorded: u32,
    /// Everything that should not have happened.
    pub anomalies: Vec<Anomaly>,
    /// The call is over for this side: BYE answered, or a final failure ACKed.
    pub over: bool,
}

impl Entry {
    pub(super) fn new(number: &str, role: Role, call_id: &str) -> Self {
        Self {
            number: number.to_owned(),
            role,
            call_id: call_id.to_owned(),
            events: Vec::new(),
            unrecorded: 0,
            anomalies: Vec::new(),
            over: false,
        }
    }

    pub(super) fn record(&mut self, at: Instant, way: Way, kind: Kind, repeat: bool) {
        if self.events.len() < EVENT_LIMIT {
            self.events.push(Event { at, way, kind, repeat });
        } else {
            self.unrecorded += 1;
        }
    }

    /// When a message of that kind was first sent.
    #[must_use]
    pub fn sent(&self, kind: Kind) -> Option<Instant> {
        self.first(Way::Sent, kind)
    }

    /// When a message of that kind first came.
    #[must_use]
    pub fn received(&self, kind: Kind) -> Option<Instant> {
        self.first(Way::Received, kind)
    }

    /// Messages of that kind and direction, repetitions included.
    #[must_use]
    pub fn count(&self, way: Way, kind: Kind) -> usize {
        self.events.iter().filter(|event| event.way == way && event.kind == kind).count()
    }

    /// The final answer to the INVITE that was received (caller) or sent (callee).
    #[must_use]
    pub fn final_status(&self) -> Option<u16> {
        let way = match self.role {
            Role::Caller => Way::Received,
            Role::Callee => Way::Sent,
        };
        self.events.iter().filter(|event| event.way == way).find_map(|event| match event.kind {
            Kind::Response(status, Method::Invite) if status >= 200 => Some(status),
            Kind::Request(_) | Kind::Response(..) => None,
        })
    }

    /// When an answer first came after `since`.
    #[must_use]
    pub fn answered_after(&self, since: Instant) -> Option<Instant> {
        let answer = |event: &&Event| {
            event.way == Way::Received
                && event.at > since
                && matches!(event.kind, Kind::Response(..))
        };
        self.events.iter().find(answer).map(|event| event.at)
    }

    /// A 18x was received (caller) or sent (callee).
    #[must_use]
    pub fn rang(&self) -> bool {
        self.events
            .iter()
            .any(|event| matches!(event.kind, Kind::Response(101..=199, Method::Invite)))
    }

    /// Answered, ACKed and still up, as far as this side knows.
    #[must_use]
    pub fn up(&self) -> bool {
        let ack = Kind::Request(Method::Ack);
        let acked = match self.role {
            Role::Caller => self.sent(ack),
            Role::Callee => self.received(ack),
        };
        self.final_status().is_some_and(|status| status < 300) && acked.is_some() && !self.over
    }

    fn first(&self, way: Way, kind: Kind) -> Option<Instant> {
        let same = |event: &&Event| event.way == way && event.kind == kind;
        self.events.iter().find(same).map(|event| event.at)
    }
}

/// A message that belongs to no call of the agent.
#[derive(Clone, Debug)]
pub struct Stray {
    /// When it came.
    pub at: Instant,
    /// From where.
    pub from: SocketAddr,
    /// What it was, or why it could not be read.
    pub what: Result<Kind, Malformed>,
    /// Its Call-ID, if it could be read.
    pub call_id: String,
}

/// All calls of one agent.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: Vec<Entry>,
    by_number: HashMap<String, Vec<usize>>,
    strays: Vec<Stray>,
    /// Strays beyond the limit.
    pub unrecorded_strays: u64,
}

impl FromIterator<Entry> for Ledger {
    /// A ledger that was written down elsewhere.
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        let mut ledger = Self::default();
        for entry in entries {
            ledger.open(entry);
        }
        ledger
    }
}

impl Ledger {
    /// All calls, in the order of their INVITEs.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The first call of a number.
    #[must_use]
    pub fn call(&self, number: &str) -> Option<&Entry> {
        self.entries.get(*self.by_number.get(number)?.first()?)
    }

    /// All calls of a number: more than one callee's entry means that it was called twice.
    pub fn calls<'a>(&'a self, number: &str) -> impl Iterator<Item = &'a Entry> {
        let places = self.by_number.get(number).map_or(&[][..], Vec::as_slice);
        places.iter().filter_map(|place| self.entries.get(*place))
    }

    /// Messages that belonged to no call.
    #[must_use]
    pub fn strays(&self) -> &[Stray] {
        &self.strays
    }

    /// All anomalies of all calls, with the call's number.
    #[must_use]
    pub fn anomalies(&self) -> Vec<(&str, &Anomaly)> {
        let each = |entry: &'_ Entry| entry.anomalies.len();
        let mut all = Vec::with_capacity(self.entries.iter().map(each).sum());
        for entry in &self.entries {
            all.extend(entry.anomalies.iter().map(|a| (entry.number.as_str(), a)));
        }
        all
    }

    pub(super) fn open(&mut self, entry: Entry) -> usize {
        let place = self.entries.len();
        self.by_number.entry(entry.number.clone()).or_default().push(place);
        self.entries.push(entry);
        place
    }

    pub(super) fn entry(&mut self, place: usize) -> Option<&mut Entry> {
        self.entries.get_mut(place)
    }

    pub(super) fn stray(&mut self, stray: Stray) {
        if self.strays.len() < STRAY_LIMIT {
            self.strays.push(stray);
        } else {
            self.unrecorded_strays += 1;
        }
    }
}
