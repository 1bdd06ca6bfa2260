//! Alive, suspect or dead: the leader's judgement of a node. PURE.

use std::time::{Duration, Instant};

/// What the leader thinks of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It was heard lately.
    Alive,
    /// It has been silent for half a lease or more.
    Suspect,
    /// It holds no lease, and did not answer when asked: its slots are to be moved.
    Dead,
}

/// The times that a verdict depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How long a lease runs at most, from the moment its request was sent.
    pub lease: Duration,
    /// What is waited beyond that, for clocks that run at different rates.
    pub margin: Duration,
    /// A node that is silent for so long is dead even if it answers probes: it cannot hold a lease.
    pub deaf_after: Duration,
}

/// What the leader knows of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// When a lease request from it was last received.
    pub heard: Option<Instant>,
    /// The last probe.
    pub probe: Option<Probe>,
}

/// A question whether the node is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// When it was sent.
    pub sent: Instant,
    /// What came of it.
    pub outcome: ProbeOutcome,
}

/// What came of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeOutcome {
    /// Nothing yet.
    Waiting,
    /// The node answered.
    Answered,
    /// It did not, or could not be reached.
    Failed,
}

impl Rules {
    /// A node that is silent for so long is asked.
    #[must_use]
    pub fn suspect_after(&self) -> Duration {
        self.lease / 2
    }

    /// A node cannot hold a lease after being silent for so long.
    #[must_use]
    pub fn dead_after(&self) -> Duration {
        self.lease + self.margin
    }
}

/// Judges a node at `now`, for a leader that leads since `leader_since`.
///
/// Invariant: `Dead` is said no earlier than `lease + margin` after the last request received and
/// after the leader became leader.
///
/// A leader that was itself paused finds everybody silent; that is why a probe that was sent after
/// half a lease of silence must have failed before anybody is dead.
#[must_use]
pub fn verdict(rules: &Rules, leader_since: Instant, contact: &Contact, now: Instant) -> Verdict {
    let since = contact.heard.map_or(leader_since, |heard| heard.max(leader_since));
    let silent = now.saturating_duration_since(since);
    if silent < rules.suspect_after() {
        return Verdict::Alive;
    }
    if silent < rules.dead_after() {
        return Verdict::Suspect;
    }
    let timely = contact.probe.filter(|probe| probe.sent >= since + rules.suspect_after());
    match timely.map(|probe| probe.outcome) {
        Some(ProbeOutcome::Failed) => Verdict::Dead,
        Some(ProbeOutcome::Answered) if silent >= rules.deaf_after => Verdict::Dead,
        Some(ProbeOutcome::Answered | ProbeOutcome::Waiting) | None => Verdict::Suspect,
    }
}
