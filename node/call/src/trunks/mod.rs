//! The state of the trunks, as one node keeps it: what probes and calls say of each, what other nodes
//! say, what an administrator says; and from all that, whether calls may be sent to it.
//!
//! A value: `handle(now, input)`, then `poll()` until there is nothing, then wait for the next input
//! or for `next_timer()`. It chooses no trunk for a call (that is [`crate::routing`], by the
//! [`TrunkView`] made here) and knows no gossip: reports come and go as values.
//!
//! **Who asks.** Each trunk is asked by one node of each site: the one that rendezvous hashing picks
//! among the nodes that can send, which are those that own slots. One per site and not one per
//! cluster, because a path may fail between one site and the carrier, and latency is a site's own;
//! one per site and not every node, because carriers count OPTIONS as we count theirs. The others
//! of the site believe what it reports. While nodes disagree about who it is, two ask, or for a
//! moment none does: neither does harm.
//!
//! **Breakers** are each node's own, fed by its own calls, and follow a neighbour of the same site
//! that opened one.

mod avoided;
mod breaker;
mod entry;
mod latency;
mod news;
mod options;
mod probe;
mod probe_id;
mod report;
mod standing;
mod view;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use holdline_model::{Hop, Millis, Name, NodeId, Transport};
use holdline_sip::locate::Place;

use crate::messages;
use crate::nonce::Nonces;
use crate::{Listeners, TrunkAddress};
use avoided::Avoided;
use entry::Entry;

pub use news::{Heard, TrunkNews};
pub use options::{BreakerOptions, ProbeOptions, TrunkOptions};
pub use probe_id::ProbeId;
pub use report::{InvalidReport, TrunkReport};
pub use standing::Standing;
pub use view::{Gate, Trials, TrunkHealth, TrunkView};

/// A trunk that is to be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedTrunk {
    /// Its name.
    pub name: Name,
    /// Where it is asked; of a name, each address that it leads to in turn.
    pub address: TrunkAddress,
    /// How, if the address is no name.
    pub transport: Transport,
    /// Whether it is asked at all.
    pub is_probed: bool,
}

/// What happens to the keeper of the trunks.
#[derive(Clone, Debug)]
pub enum TrunkInput {
    /// A call found something out.
    News(TrunkNews),
    /// An answer to a probe of this node came.
    Answer {
        /// Which probe.
        number: u64,
        /// Its status.
        status: u16,
    },
    /// What other nodes say, and who may ask.
    Cluster(ClusterSays),
    /// Calls to trunks that the engines of this node have, by trunk.
    Calls(BTreeMap<Name, u64>),
    /// The trunks that an administrator disabled.
    Disabled(BTreeSet<Name>),
    /// The addresses that this node can send from; empty without a lease.
    Addresses(Vec<SocketAddr>),
    /// What listens at the cluster's addresses.
    Listeners(Listeners),
    /// Where the trunks' names lead.
    Places(BTreeMap<Name, Vec<Place>>),
    /// Time has passed.
    Tick,
}

/// The cluster, as far as trunks are concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterSays {
    /// The nodes of this site that can send, this one included if it can.
    pub askers: BTreeSet<NodeId>,
    /// What the other live nodes say of trunks.
    pub reports: BTreeMap<NodeId, BTreeMap<Name, TrunkReport>>,
    /// Which of those are of this site.
    pub neighbours: BTreeSet<NodeId>,
}

/// What the keeper of the trunks asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrunkOutput {
    /// A datagram to send.
    Send {
        /// How it travels, from which address of ours, and where to.
        hop: Hop,
        /// The probe.
        bytes: Bytes,
    },
    /// What the engines are to know from now on.
    View(Arc<TrunkView>),
    /// What the other nodes are to know of a trunk from now on.
    Say(Name, TrunkReport),
    /// Something worth counting or logging.
    Event(TrunkEvent),
}

/// Something worth counting or logging.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrunkEvent {
    /// A probe was answered, or missed.
    Probed {
        /// Which trunk.
        trunk: Name,
        /// Whether the answer says that it is there.
        is_alive: bool,
    },
    /// Probing has come to another verdict, here or at the node that asks.
    Stands {
        /// Which trunk.
        trunk: Name,
        /// The verdict.
        standing: Standing,
    },
    /// Calls are let through, or not, otherwise than before.
    Gated {
        /// Which trunk.
        trunk: Name,
        /// Whether calls may be sent to it.
        gate: Gate,
    },
    /// A call failed at a trunk in a way that counts against it.
    Failed {
        /// Which trunk.
        trunk: Name,
        /// How.
        heard: Heard,
    },
}

/// All trunks.
#[derive(Debug)]
pub struct Trunks {
    me: NodeId,
    options: TrunkOptions,
    entries: BTreeMap<Name, Entry>,
    addresses: Vec<SocketAddr>,
    listeners: Listeners,
    cluster: ClusterSays,
    avoided: Avoided,
    dice: Nonces,
    last_number: u64,
    view: Arc<TrunkView>,
    /// When latencies and counts are told next; changes of a gate are told at once.
    tell_at: Millis,
    out: VecDeque<TrunkOutput>,
}

impl Trunks {
    /// All trunks in good standing. `seed` jitters times and numbers probes; give each run another one.
    #[must_use]
    pub fn new(me: NodeId, options: TrunkOptions, trunks: Vec<WatchedTrunk>, seed: u64) -> Self {
        let mut dice = Nonces::new(seed);
        let entries = trunks.into_iter().map(|trunk| (trunk.name.clone(), Entry::new(trunk)));
        Self {
            me,
            options,
            entries: entries.collect(),
            addresses: Vec::new(),
            listeners: Listeners::default(),
            cluster: ClusterSays::default(),
            avoided: Avoided::default(),
            last_number: dice.draw(),
            dice,
            view: Arc::default(),
            tell_at: Millis::default(),
            out: VecDeque::new(),
        }
    }

    /// Handles one input; drain [`Trunks::poll`] afterwards.
    pub fn handle(&mut self, now: Millis, input: TrunkInput) {
        match input {
            TrunkInput::News(news) => self.news(now, &news),
            TrunkInput::Answer { number, status } => self.answer(now, number, status),
            TrunkInput::Cluster(says) => {
                self.cluster = says;
                self.follow_cluster(now);
            }
            TrunkInput::Calls(calls) => {
                for (name, entry) in &mut self.entries {
                    entry.calls_here = calls.get(name).copied().unwrap_or(0);
                }
            }
            TrunkInput::Disabled(names) => {
                for (name, entry) in &mut self.entries {
                    entry.is_disabled = names.contains(name);
                }
            }
            TrunkInput::Addresses(addresses) => {
                self.addresses = addresses;
                self.follow_cluster(now);
            }
            TrunkInput::Listeners(listeners) => self.listeners = listeners,
            TrunkInput::Places(mut places) => {
                for (name, entry) in &mut self.entries {
                    entry.lead_to(places.remove(name).unwrap_or_default());
                }
            }
            TrunkInput::Tick => {}
        }
        self.tick(now);
        self.tell(now);
    }

    /// The next output, in order.
    pub fn poll(&mut self) -> Option<TrunkOutput> {
        self.out.pop_front()
    }

    /// When [`TrunkInput::Tick`] is to be given next.
    #[must_use]
    pub fn next_timer(&self) -> Option<Millis> {
        let breaker = &self.options.breaker;
        let timers = self.entries.values().flat_map(|entry| entry.next_timers(breaker));
        timers.chain(self.avoided.next_timer()).min()
    }

    /// The trunks as last told.
    #[must_use]
    pub fn view(&self) -> Arc<TrunkView> {
        Arc::clone(&self.view)
    }

    fn news(&mut self, now: Millis, news: &TrunkNews) {
        let Some(entry) = self.entries.get_mut(&news.trunk) else { return };
        self.avoided.heard(now, news);
        if let Heard::First { after_ms } = news.heard {
            entry.latency.measured(after_ms);
        }
        let options = &self.options.breaker;
        entry.breaker.heard(now, options, news.tried_at, news.heard, &mut self.dice);
        let counts = match news.heard {
            Heard::Failed { status, .. } => options.statuses.contains(&status),
            Heard::Silent | Heard::Unreachable | Heard::OtherPlace => true,
            Heard::First { .. } | Heard::Progress => false,
        };
        if counts {
            let (trunk, heard) = (news.trunk.clone(), news.heard);
            self.out.push_back(TrunkOutput::Event(TrunkEvent::Failed { trunk, heard }));
        }
    }

    fn answer(&mut self, now: Millis, number: u64, status: u16) {
        let options = &self.options.probe;
        for (name, entry) in &mut self.entries {
            let outcome = entry.probe.answer(now, options, number, status, &mut self.dice);
            if let Some(outcome) = outcome {
                entry.probed(now, name, outcome, &self.options.breaker, &mut self.out);
                return;
            }
        }
    }

    /// Who asks which trunk, and what the others say of it.
    fn follow_cluster(&mut self, now: Millis) {
        for (name, entry) in &mut self.entries {
            entry.follow(now, name, self.me, &self.cluster, &self.options, &mut self.dice);
        }
    }

    fn tick(&mut self, now: Millis) {
        let TrunkOptions { probe, breaker, timers } = &self.options;
        for (name, entry) in &mut self.entries {
            entry.breaker.tick(now, breaker);
            if let Some(outcome) = entry.probe.tick(now, probe, &mut self.dice) {
                entry.probed(now, name, outcome, breaker, &mut self.out);
            }
            if entry.probe.is_due(now) {
                entry.next_place();
            }
            let Some(Place { transport, address: peer }) = entry.place() else {
                entry.probe.cease();
                continue;
            };
            let is_usable = |local: &&SocketAddr| local.is_ipv4() == peer.is_ipv4();
            let Some(local) = self.addresses.iter().find(is_usable).copied() else {
                entry.probe.cease();
                continue;
            };
            if entry.probe.is_due(now) {
                self.last_number = self.last_number.wrapping_add(1);
                let id = ProbeId { node: self.me, number: self.last_number };
                let seen = self.listeners.seen(transport, local);
                let hop = Hop { transport, local: seen, peer };
                let message = messages::probe(id, hop, &entry.host);
                entry.probe.ask(now, probe, *timers, transport.is_reliable(), id.number, message);
            }
            while let Some(bytes) = entry.probe.poll() {
                let hop = Hop { transport, local, peer };
                self.out.push_back(TrunkOutput::Send { hop, bytes });
            }
        }
    }

    /// Tells engines and nodes what has changed: gates and verdicts at once, the rest now and then.
    fn tell(&mut self, now: Millis) {
        let is_time = self.tell_at <= now;
        if is_time {
            self.tell_at = now.plus_ms(TELL_EVERY_MS);
        }
        let mut changed = Vec::new();
        for (name, entry) in &mut self.entries {
            let health = entry.health(name, &self.cluster);
            let told = self.view.trunks.get(name);
            let is_urgent = told.is_none_or(|told| {
                told.gate != health.gate
                    || told.standing != health.standing
                    || told.prober != health.prober
            });
            if is_urgent || (is_time && told != Some(&health)) {
                entry.tell_change(name, told, &health, &mut self.out);
                changed.push((name.clone(), health));
            }
            entry.say(now, name, is_urgent, &mut self.out);
        }
        let avoid = self.avoided.at(now);
        if !changed.is_empty() || avoid.is_some() {
            let view = Arc::make_mut(&mut self.view);
            view.trunks.extend(changed);
            view.avoid = avoid.unwrap_or_else(|| view.avoid.clone());
            self.out.push_back(TrunkOutput::View(Arc::clone(&self.view)));
        }
    }
}

/// How often latencies and counts are told to the engines, in milliseconds.
const TELL_EVERY_MS: u64 = 250;

#[cfg(test)]
mod tests;
