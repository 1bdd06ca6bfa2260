//! What the far ends do: calls of every kind, at a steady pace.

use std::net::SocketAddr;

use holdline_cluster_tests::ua::{CalleeScript, CallerPlan, Last, Order, When};

use crate::random::Random;

/// A kind of call: the prefix of its number, which chooses the callee's script.
const KINDS: [(&str, &str); 9] = [
    ("10", "answered at once, hung up by the caller"),
    ("11", "rings, then answered"),
    ("12", "refused as busy"),
    ("13", "rings, and is cancelled"),
    ("14", "early media, then answered"),
    ("15", "hung up by the callee"),
    ("16", "rings until the switch gives up"),
    ("17", "late offer"),
    ("20", "fails at the first trunk, answered at the second"),
];

/// Calls to be placed.
#[derive(Debug)]
pub struct Workload {
    random: Random,
    doors: Vec<SocketAddr>,
    placed: u64,
    next_ms: u64,
    every_ms: u64,
}

impl Workload {
    /// Calls to `doors`, the nodes' SIP addresses; one in `every_ms` milliseconds.
    #[must_use]
    pub fn new(random: Random, doors: Vec<SocketAddr>, every_ms: u64) -> Self {
        Self { random, doors, placed: 0, next_ms: 0, every_ms }
    }

    /// The calls that are due.
    pub fn due(&mut self, now_ms: u64) -> Option<Order> {
        if now_ms < self.next_ms {
            return None;
        }
        self.next_ms = now_ms + self.random.between(1, self.every_ms * 2);
        let kind = self.random.pick(&KINDS).map_or("10", |(prefix, _)| prefix);
        self.call(kind)
    }

    /// A call that is answered at once and hung up after a moment. Returns its number, too.
    pub fn plain(&mut self) -> Option<(String, Order)> {
        let order = self.call("10")?;
        let Order::Place(plan) = &order else { return None };
        Some((plan.number.clone(), order))
    }

    /// How many calls there were.
    #[must_use]
    pub const fn placed(&self) -> u64 {
        self.placed
    }

    fn call(&mut self, kind: &str) -> Option<Order> {
        self.placed += 1;
        let to = self.random.pick(&self.doors)?;
        let number = format!("{kind}{:06}", self.placed);
        let talk = match self.random.below(4) {
            0 => self.random.between(0, 300),
            3 => self.random.between(3_000, 9_000),
            _ => self.random.between(300, 3_000),
        };
        let mut plan = CallerPlan::hold(number, to).hang_up_after_ms(talk);
        match kind {
            "13" => plan.cancel = When::ms(self.random.between(0, 1_500)),
            "15" => plan.hang_up = When::Told,
            "17" => plan.late_offer = true,
            _ => {}
        }
        Some(Order::Place(plan))
    }
}

/// What the first callee does.
#[must_use]
pub fn scripts(random: &mut Random) -> Vec<Order> {
    let answer = CalleeScript::answer_after_ms;
    let early = CalleeScript { early_media: true, ..answer(random.between(100, 800)) };
    let hangs_up = CalleeScript { hang_up: When::ms(random.between(100, 3_000)), ..answer(100) };
    let refuses =
        CalleeScript { last: Last::Refuse(503, When::AT_ONCE), ..CalleeScript::refuse(503) };
    let all = [
        ("10", answer(0)),
        ("11", answer(random.between(200, 1_500))),
        ("12", CalleeScript::refuse(486)),
        ("13", CalleeScript::ring_only()),
        ("14", early),
        ("15", hangs_up),
        ("16", CalleeScript::ring_only()),
        ("17", answer(random.between(0, 200))),
        ("20", refuses),
    ];
    all.map(|(prefix, script)| Order::Script(prefix.to_owned(), script)).into()
}
