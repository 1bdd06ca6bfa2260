//! All that is known of one trunk.

use std::collections::VecDeque;

use holdline_model::{Millis, Name, NodeId};
use holdline_sip::locate::Place;

use super::breaker::Breaker;
use super::latency::Latency;
use super::probe::{Outcome, Probe};
use super::{
    BreakerOptions, ClusterSays, Gate, Standing, TrunkEvent, TrunkHealth, TrunkOptions,
    TrunkOutput, TrunkReport, WatchedTrunk,
};
use crate::TrunkAddress;
use crate::nonce::{Nonces, fnv, mix};

#[derive(Debug)]
pub(super) struct Entry {
    /// As in a URI.
    pub(super) host: String,
    /// It has a name, which leads to `places`.
    is_named: bool,
    places: Vec<Place>,
    turn: usize,
    /// Where it is asked now.
    place: Option<Place>,
    is_probed: bool,
    pub(super) is_disabled: bool,
    pub(super) calls_here: u64,
    pub(super) breaker: Breaker,
    pub(super) probe: Probe,
    pub(super) latency: Latency,
    prober: Option<NodeId>,
    /// What the prober measured, if that is another node.
    latency_there: Option<u32>,
    said: Option<TrunkReport>,
    /// When what changes all the time is said next.
    say_at: Millis,
}

impl Entry {
    pub(super) fn new(trunk: WatchedTrunk) -> Self {
        Self {
            host: trunk.address.to_string(),
            is_named: matches!(trunk.address, TrunkAddress::Name(_)),
            places: match trunk.address {
                TrunkAddress::Socket(address) => {
                    vec![Place { transport: trunk.transport, address }]
                }
                TrunkAddress::Name(_) => Vec::new(),
            },
            turn: 0,
            place: None,
            is_probed: trunk.is_probed,
            is_disabled: false,
            calls_here: 0,
            breaker: Breaker::default(),
            probe: Probe::default(),
            latency: Latency::default(),
            prober: None,
            latency_there: None,
            said: None,
            say_at: Millis::default(),
        }
    }

    pub(super) fn next_timers(&self, options: &BreakerOptions) -> impl Iterator<Item = Millis> {
        [self.breaker.next_timer(options), self.probe.next_timer()].into_iter().flatten()
    }

    /// Where its name leads now.
    pub(super) fn lead_to(&mut self, places: Vec<Place>) {
        if self.is_named && self.places != places {
            self.place = self.place.filter(|place| places.contains(place));
            self.places = places;
        }
    }

    /// The next probe goes to the next address.
    pub(super) fn next_place(&mut self) {
        self.turn = self.turn.wrapping_add(1);
        let turn = self.turn.checked_rem(self.places.len());
        self.place = turn.and_then(|turn| self.places.get(turn)).copied();
    }

    /// Where the probe under way went, or the next one goes.
    pub(super) fn place(&self) -> Option<Place> {
        self.place.or_else(|| self.places.first().copied())
    }

    /// A probe of ours was answered, or missed.
    pub(super) fn probed(
        &mut self,
        now: Millis,
        name: &Name,
        outcome: Outcome,
        options: &BreakerOptions,
        out: &mut VecDeque<TrunkOutput>,
    ) {
        let is_alive = match outcome {
            Outcome::Answered { after_ms } => {
                self.latency.measured(after_ms);
                self.breaker.probe_answered(now, options);
                true
            }
            Outcome::Missed => false,
        };
        let trunk = name.clone();
        out.push_back(TrunkOutput::Event(TrunkEvent::Probed { trunk, is_alive }));
    }

    /// Asks if it is our turn, else believes who does.
    pub(super) fn follow(
        &mut self,
        now: Millis,
        name: &Name,
        me: NodeId,
        cluster: &ClusterSays,
        options: &TrunkOptions,
        dice: &mut Nonces,
    ) {
        self.prober = self.is_probed.then(|| elected(name, cluster)).flatten();
        match self.prober {
            Some(prober) if prober == me => {
                self.latency_there = None;
                self.probe.begin(now, &options.probe, dice);
            }
            Some(prober) => {
                self.probe.cease();
                let report = cluster.reports.get(&prober).and_then(|reports| reports.get(name));
                if let Some(report) = report {
                    self.latency_there = report.latency_ms;
                    if self.probe.standing() != report.standing {
                        self.probe.adopt(report.standing);
                    }
                }
            }
            // Nobody can ask at the moment: what was found out last is kept.
            None => self.probe.cease(),
        }
        let open = cluster.neighbours.iter().filter(|node| **node != me);
        let open = open.filter_map(|node| cluster.reports.get(node)?.get(name)?.open_until);
        if let Some(until) = open.max() {
            self.breaker.adopt(now, &options.breaker, until);
        }
    }

    pub(super) fn health(&self, name: &Name, cluster: &ClusterSays) -> TrunkHealth {
        let elsewhere = cluster.reports.values().filter_map(|reports| reports.get(name));
        let elsewhere: u64 = elsewhere.map(|report| report.calls).fold(0, u64::saturating_add);
        TrunkHealth {
            gate: self.gate(),
            standing: self.probe.standing(),
            prober: self.prober,
            latency_ms: self.latency.ms().or(self.latency_there),
            calls: self.calls_here.saturating_add(elsewhere),
        }
    }

    fn gate(&self) -> Gate {
        match (self.is_disabled, self.probe.standing()) {
            (true, _) => Gate::Disabled,
            (false, Standing::Greylisted) => Gate::Shut { until: self.breaker.open_until() },
            (false, Standing::Active | Standing::Probing) => self.breaker.gate(),
        }
    }

    /// What is different from what was told before, for logs and counters.
    pub(super) fn tell_change(
        &self,
        name: &Name,
        told: Option<&TrunkHealth>,
        is: &TrunkHealth,
        out: &mut VecDeque<TrunkOutput>,
    ) {
        let Some(told) = told else { return };
        if told.standing != is.standing {
            let (trunk, standing) = (name.clone(), is.standing);
            out.push_back(TrunkOutput::Event(TrunkEvent::Stands { trunk, standing }));
        }
        if told.gate != is.gate {
            let (trunk, gate) = (name.clone(), is.gate.clone());
            out.push_back(TrunkOutput::Event(TrunkEvent::Gated { trunk, gate }));
        }
    }

    /// Tells the other nodes, if there is something new.
    pub(super) fn say(
        &mut self,
        now: Millis,
        name: &Name,
        is_urgent: bool,
        out: &mut VecDeque<TrunkOutput>,
    ) {
        let report = TrunkReport {
            standing: self.probe.standing(),
            latency_ms: self.latency.ms(),
            open_until: self.breaker.open_until(),
            calls: self.calls_here,
        };
        if self.said == Some(report) || (!is_urgent && now < self.say_at) {
            return;
        }
        self.said = Some(report);
        self.say_at = now.plus_ms(SAY_EVERY_MS);
        out.push_back(TrunkOutput::Say(name.clone(), report));
    }
}

/// The node that asks a trunk: rendezvous hashing, so that only the trunks of a node that goes are
/// asked by another.
fn elected(name: &Name, cluster: &ClusterSays) -> Option<NodeId> {
    let trunk = fnv(name.as_bytes());
    cluster.askers.iter().copied().max_by_key(|node| mix(trunk ^ mix(node.0)))
}

/// How often what changes all the time (latency, calls) is said to other nodes, in milliseconds.
const SAY_EVERY_MS: u64 = 1_000;
