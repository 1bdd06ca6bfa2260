//! The choice of trunks for one call: which of a route's trunks are usable, and in which order they
//! are tried. Made once, by the engine that admits the call; the outcome is written into the
//! admission, and neither apply nor a later owner chooses again.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use holdline_model::{Millis, Name, Target, limits};

use super::order::{Candidate, Turn};
use super::{Draw, Found, HashOver, Policy, ResolvedMember, Routing, Trunk, WhenDown};
use crate::Names;
use crate::nonce::Nonces;
use crate::trunks::{Gate, TrunkView};

/// A call that looks for trunks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    /// The Request-URI.
    pub(crate) uri: &'a str,
    /// The caller's Call-ID.
    pub(crate) call_id: &'a str,
    /// Where the call came from.
    pub(crate) source: IpAddr,
    /// The address of ours that it leaves from.
    pub(crate) local: SocketAddr,
    /// It must be tried whatever is known of the trunks: the number is one of emergency. A route can say
    /// so, too.
    pub(crate) is_emergency: bool,
}

/// Where a call goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// To these, in order; never empty.
    Targets(Vec<Target>),
    /// No route leads to the number.
    NoRoute,
    /// No trunk is usable, and the group is not to be tried all the same.
    AllDown {
        /// When the first of them will be tried again, if that is known.
        until: Option<Millis>,
    },
}

/// Chooses. Remembers whose turn it is, and what it gave to whom since the calls were counted.
#[derive(Clone, Debug)]
pub(crate) struct Selector {
    seed: u64,
    view: Arc<TrunkView>,
    /// Calls given to trunks since the view was made.
    given: BTreeMap<Name, u64>,
    /// By group and tier. Bounded by the configuration.
    turns: BTreeMap<(usize, usize), Turn>,
    /// For the order of the addresses that a name leads to.
    dice: Nonces,
}

/// Trunks that a call may go to, sorted by whether they work.
#[derive(Debug, Default)]
struct Sorted<'a> {
    /// In the order of trying.
    usable: Vec<&'a Trunk>,
    /// Only for calls that must be tried.
    down: Vec<&'a Trunk>,
    /// When the first of those will be tried again.
    until: Option<Millis>,
}

impl Selector {
    pub(crate) fn new(seed: u64) -> Self {
        let view = Arc::default();
        let dice = Nonces::new(seed.rotate_left(32));
        Self { seed, view, given: BTreeMap::new(), turns: BTreeMap::new(), dice }
    }

    /// Uses what is known of the trunks now.
    pub(crate) fn set_view(&mut self, view: Arc<TrunkView>) {
        self.view = view;
        self.given.clear();
    }

    /// Whether an administrator keeps calls from a trunk.
    pub(crate) fn is_disabled(&self, trunk: &Name) -> bool {
        let gate = self.view.trunks.get(trunk).map(|health| &health.gate);
        matches!(gate, Some(Gate::Disabled))
    }

    /// Another configuration: its groups have turns of their own.
    pub(crate) fn forget_turns(&mut self) {
        self.turns.clear();
    }

    /// Chooses trunks for a call.
    pub(crate) fn choose(&mut self, routing: &Routing, names: &dyn Names, ask: &Ask<'_>) -> Choice {
        let Some((found, dialled)) = routing.find(ask.uri) else { return Choice::NoRoute };
        let is_emergency = ask.is_emergency || found.emergency;
        let key = key(found.group.policy, ask, &dialled.number());
        let Sorted { mut usable, down, until } = self.sort(routing, found, &key);
        if usable.is_empty() && !is_emergency && found.group.when_down == WhenDown::Refuse {
            return Choice::AllDown { until };
        }
        if usable.is_empty() || is_emergency {
            usable.extend(down);
        }
        if let Some(first) = usable.first() {
            *self.given.entry(first.name.clone()).or_default() += 1;
        }
        let user = dialled.stripped(found.strip);
        let targets = self.targets(&usable, &user, ask.local, names);
        // Nothing is left only if an administrator disabled all of them, or if it is not known where
        // their names lead.
        if targets.is_empty() { Choice::AllDown { until: None } } else { Choice::Targets(targets) }
    }

    /// The targets of trunks in order. Those of many addresses leave room for the others.
    fn targets(
        &mut self,
        trunks: &[&Trunk],
        user: &str,
        local: SocketAddr,
        names: &dyn Names,
    ) -> Vec<Target> {
        let each = (limits::MAX_TARGETS / trunks.len().max(1)).clamp(1, MAX_TARGETS_OF_TRUNK);
        let view = Arc::clone(&self.view);
        let avoid = |address: SocketAddr| view.avoid.contains(&address);
        let mut draw = Draw { names, avoid: &avoid, dice: &mut self.dice };
        let targets = trunks.iter().flat_map(|trunk| trunk.targets(user, local, &mut draw, each));
        targets.take(limits::MAX_TARGETS).collect()
    }

    fn sort<'a>(&mut self, routing: &'a Routing, found: Found<'_>, key: &[u8]) -> Sorted<'a> {
        let mut sorted = Sorted::default();
        for (tier, members) in found.group.tiers.iter().enumerate() {
            let (mut usable, mut down) = self.candidates(routing, members, &mut sorted);
            let seed = self.seed;
            let turn = self.turns.entry((found.index, tier));
            let turn = turn.or_insert_with(|| Turn::starting(seed));
            let trunk_at = |candidate: &Candidate<'_>| {
                members.get(candidate.position).and_then(|member| routing.trunks.get(member.trunk))
            };
            // If none is usable they may be tried all the same, and then in the order of the policy.
            let ordered = if usable.is_empty() { &mut down } else { &mut usable };
            turn.order(found.group.policy, key, ordered);
            for trunk in usable.iter().filter_map(trunk_at) {
                self.view.admit(trunk, &mut sorted);
            }
            sorted.down.extend(down.iter().filter_map(trunk_at));
        }
        sorted
    }

    /// The members of a tier, those that may be usable apart from those that are not.
    fn candidates<'a>(
        &self,
        routing: &'a Routing,
        members: &[ResolvedMember],
        sorted: &mut Sorted<'a>,
    ) -> (Vec<Candidate<'a>>, Vec<Candidate<'a>>) {
        let (mut usable, mut down) = (Vec::new(), Vec::new());
        for (position, member) in members.iter().enumerate() {
            let Some(trunk) = routing.trunks.get(member.trunk) else { continue };
            let health = self.view.trunks.get(&trunk.name);
            let given = self.given.get(&trunk.name).copied().unwrap_or(0);
            let candidate = Candidate {
                position,
                name: trunk.name.as_str(),
                weight: member.weight,
                calls: health.map_or(0, |health| health.calls).saturating_add(given),
                latency_ms: health.and_then(|health| health.latency_ms),
            };
            match health.map(|health| &health.gate) {
                None | Some(Gate::Open) => usable.push(candidate),
                Some(Gate::Trial(trials)) if trials.has_any() => usable.push(candidate),
                Some(Gate::Trial(_)) => down.push(candidate),
                Some(Gate::Shut { until }) => {
                    sorted.until = [sorted.until, *until].into_iter().flatten().min();
                    down.push(candidate);
                }
                Some(Gate::Disabled) => {}
            }
        }
        (usable, down)
    }
}

impl TrunkView {
    /// Adds a trunk to those that are tried. One on trial is only added if it is tried first, and so
    /// for certain: a trial that waits for another trunk to fail tells nothing.
    fn admit<'a>(&self, trunk: &'a Trunk, sorted: &mut Sorted<'a>) {
        let on_trial = match self.trunks.get(&trunk.name).map(|health| &health.gate) {
            Some(Gate::Trial(trials)) => Some(trials),
            None | Some(Gate::Open | Gate::Shut { .. } | Gate::Disabled) => None,
        };
        match on_trial {
            Some(trials) if !sorted.usable.is_empty() || !trials.take() => sorted.down.push(trunk),
            Some(_) | None => sorted.usable.push(trunk),
        }
    }
}

/// What the policy hashes over.
fn key(policy: Policy, ask: &Ask<'_>, number: &str) -> Vec<u8> {
    match policy {
        Policy::Hash(HashOver::CallId) => ask.call_id.as_bytes().to_vec(),
        Policy::Hash(HashOver::Source) => ask.source.to_canonical().to_string().into_bytes(),
        Policy::Hash(HashOver::User) => number.as_bytes().to_vec(),
        Policy::InOrder
        | Policy::RoundRobin
        | Policy::Weighted
        | Policy::LeastCalls
        | Policy::LowestLatency => Vec::new(),
    }
}

/// Addresses of one trunk that one call tries at most.
const MAX_TARGETS_OF_TRUNK: usize = 8;

#[cfg(test)]
mod tests;
