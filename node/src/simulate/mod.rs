//! Limits tried offline: what a configuration would have said to requests that come as a pattern says, or
//! that came as call detail records tell. It asks the very code that admits calls, on virtual time.
//!
//! | file | what |
//! |---|---|
//! | `pattern` | requests at given rates |
//! | `cdrs` | calls of a file of call detail records |
//! | `tally` | what became of them: by class, over time, and who was refused |
//!
//! PURE, but for the reader of files: no clock, no network.

pub(crate) mod cdrs;
pub(crate) mod pattern;
mod tally;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use holdline_limit::LimitTable;
use holdline_model::limit::{Demand, LimitConfig, Operation, Request, Verdict};
use holdline_model::{
    Admit, CallId, CallRecord, Epoch, Hop, Millis, Name, NodeId, Rejection, SessionTimer, SlotId,
    Step, Target,
};

use tally::Tally;
pub(crate) use tally::{ClassTally, Outcome, Victim};

/// A request that somebody makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    /// When, in milliseconds from the beginning.
    pub(crate) at_ms: u64,
    pub(crate) operation: Operation,
    pub(crate) pop: Name,
    pub(crate) tenant: Name,
    /// The trunk that it comes from.
    pub(crate) trunk: Name,
    /// The trunk that a call goes to.
    pub(crate) trunk_out: Option<Name>,
    pub(crate) source: IpAddr,
    pub(crate) caller: Name,
    pub(crate) called: Name,
    /// How long a call is up; 0: it counts in no cap.
    pub(crate) hold_ms: u64,
}

impl Offer {
    fn request(&self) -> Request<'_> {
        Request {
            operation: self.operation,
            pop: &self.pop,
            tenant: &self.tenant,
            trunk: &self.trunk,
            source: self.source,
            caller: &self.caller,
            called: &self.called,
        }
    }

    /// The admission of a call, as far as the limits look at it; `number` tells it from others.
    fn admit(&self, number: u64) -> Admit {
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let hop = Hop::udp(nowhere, SocketAddr::new(self.source, 0));
        let target = |trunk: &Name| Target {
            trunk: trunk.clone(),
            hop,
            uri: String::new(),
            together: false,
            routes: Vec::new(),
            fields: Vec::new(),
            redirects: 0,
        };
        Admit {
            tenant: self.tenant.clone(),
            trunk: self.trunk.clone(),
            from: String::new(),
            to: String::new(),
            call_id: number.to_string(),
            from_tag: String::new(),
            cseq: 1,
            branch: number.to_string(),
            hop,
            invite: Bytes::new(),
            targets: self.trunk_out.iter().map(target).collect(),
            answer_by: Millis(u64::MAX),
            demand: Demand {
                pop: self.pop.clone(),
                caller: self.caller.to_string(),
                called: self.called.to_string(),
            },
            timer: SessionTimer::default(),
            advertised: Vec::new(),
        }
    }
}

/// Limits on virtual time.
struct World {
    table: LimitTable,
    now_ms: u64,
    /// When the leader lets time pass next.
    tick_ms: u64,
    /// Calls that are up, by their end.
    up: BinaryHeap<Reverse<(u64, CallId)>>,
    calls: u64,
}

/// Puts requests, in the order of time and over `span_ms` in all, to a configuration.
///
/// # Errors
/// The configuration is faulty.
pub(crate) fn simulate(
    config: &LimitConfig,
    span_ms: u64,
    offers: impl Iterator<Item = Offer>,
) -> Result<Outcome, Rejection> {
    let mut table = LimitTable::default();
    table.set(0, config, START)?;
    table.tick(NODE, START);
    let mut tally = Tally::new(&table, span_ms);
    let mut world = World { table, now_ms: 0, tick_ms: TICK_MS, up: BinaryHeap::new(), calls: 0 };
    for offer in offers {
        world.pass(offer.at_ms);
        let verdict = world.ask(&offer);
        tally.count(&offer, &verdict);
    }
    Ok(tally.finish(&world.table))
}

impl World {
    /// Time passes: calls end, and the leader ticks as it does in a cluster.
    fn pass(&mut self, to_ms: u64) {
        while let Some(next) = self.next_event().filter(|next| *next <= to_ms) {
            self.now_ms = self.now_ms.max(next);
            if let Some(Reverse((end_ms, call))) = self.up.peek().copied()
                && end_ms <= next
            {
                self.up.pop();
                self.table.call_over(call);
                continue;
            }
            if !self.table.needs_tick() {
                // All buckets are full: nothing happens until somebody comes.
                self.tick_ms = to_ms.max(next) + TICK_MS;
                continue;
            }
            self.table.tick(NODE, stamp(self.now_ms));
            // Nobody writes them.
            drop(self.table.take_changes());
            self.tick_ms = next + TICK_MS;
        }
        self.now_ms = self.now_ms.max(to_ms);
    }

    fn next_event(&self) -> Option<u64> {
        let end = self.up.peek().map(|Reverse((end, _))| *end);
        Some(end.map_or(self.tick_ms, |end| end.min(self.tick_ms)))
    }

    fn ask(&mut self, offer: &Offer) -> Verdict {
        let at = stamp(self.now_ms);
        if offer.operation != Operation::Invite {
            return self.table.ask(NODE, at, &offer.request());
        }
        self.calls += 1;
        let call = CallId { slot: SlotId(0), nonce: self.calls };
        let admit = offer.admit(self.calls);
        let verdict = self.table.admit(NODE, at, call, &admit);
        if let Verdict::Admitted(passage) = &verdict
            && offer.hold_ms > 0
        {
            let mut record = CallRecord::admitted(call, Step(1), Epoch(1), at, &admit);
            record.pass(passage);
            self.table.call_up(&record);
            let end_ms = self.now_ms + passage.hold_ms + offer.hold_ms;
            self.up.push(Reverse((end_ms, call)));
        }
        verdict
    }
}

const fn stamp(ms: u64) -> Millis {
    START.plus_ms(ms)
}

const NODE: NodeId = NodeId(1);
const START: Millis = Millis(1_700_000_000_000);
const TICK_MS: u64 = holdline_model::limits::LIMIT_TICK_MS;
