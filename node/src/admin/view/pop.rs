//! The sites: who is where, and how far they are from each other.

use std::collections::{BTreeMap, BTreeSet};

use holdline_model::{NodeId, NodeRole};
use serde::{Deserialize, Serialize};

use crate::admin::seam::{ClusterFacts, MemberFacts};

/// The sites, and the round trips between nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PopsView {
    /// What is missing, if something is: one sentence each, with what to do.
    pub advice: Vec<String>,
    /// By name.
    pub pops: Vec<PopView>,
    /// Between nodes, as each measures them; by both.
    pub round_trips: Vec<RoundTripView>,
    /// The longest round trip between voters that the times of elections and leases of the node that
    /// answers fit, in milliseconds.
    pub times_fit_ms: u64,
}

/// A site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PopView {
    /// Its name.
    pub pop: String,
    /// The members there.
    pub nodes: Vec<NodeId>,
    /// How many of them are alive.
    pub alive: usize,
    /// How many of them vote.
    pub voters: usize,
    /// How many of them are witnesses.
    pub witnesses: usize,
    /// Whether the leader is there.
    pub leads: bool,
    /// The shortest round trip to each other site, in microseconds, as far as it is known.
    pub round_trips_us: BTreeMap<String, u64>,
}

/// How far one node finds another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RoundTripView {
    /// Who measures.
    pub from: NodeId,
    /// To whom.
    pub to: NodeId,
    /// The shortest of the latest answers, in microseconds.
    pub round_trip_us: u64,
}

impl From<&ClusterFacts> for PopsView {
    fn from(facts: &ClusterFacts) -> Self {
        let pops: BTreeSet<_> = facts.members.iter().map(|member| &member.pop).collect();
        let site = |pop: &&holdline_model::Name| PopView::new(pop, facts);
        let mut round_trips: Vec<_> = facts
            .round_trips
            .iter()
            .map(|it| RoundTripView { from: it.from, to: it.to, round_trip_us: it.micros })
            .collect();
        round_trips.sort_unstable();
        Self {
            advice: crate::admin::spread::advice(facts),
            pops: pops.iter().map(site).collect(),
            round_trips,
            times_fit_ms: u64::try_from(facts.times.fit.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

impl PopView {
    fn new(pop: &str, facts: &ClusterFacts) -> Self {
        let here: Vec<&MemberFacts> = facts.members.iter().filter(|it| &*it.pop == pop).collect();
        let count = |is: fn(&MemberFacts) -> bool| here.iter().filter(|it| is(it)).count();
        let pop_of = |node| facts.members.iter().find(|it| it.node == node).map(|it| &it.pop);
        let mut round_trips_us = BTreeMap::new();
        for trip in &facts.round_trips {
            let (Some(from), Some(to)) = (pop_of(trip.from), pop_of(trip.to)) else { continue };
            if &**from == pop && from != to {
                let known = round_trips_us.entry(to.to_string()).or_insert(trip.micros);
                *known = trip.micros.min(*known);
            }
        }
        Self {
            pop: pop.to_owned(),
            nodes: here.iter().map(|it| it.node).collect(),
            alive: count(|it| it.alive),
            voters: count(|it| it.voter),
            witnesses: count(|it| it.role == NodeRole::Witness),
            leads: here.iter().any(|it| facts.leader == Some(it.node)),
            round_trips_us,
        }
    }
}

#[cfg(test)]
mod tests {
    use holdline_model::Name;

    use super::*;
    use crate::admin::fake;
    use crate::admin::seam::RoundTrip;

    #[test]
    fn a_site_shows_its_members_and_the_shortest_way_to_each_other_site() {
        let mut facts = fake::cluster_facts();
        for (member, pop) in facts.members.iter_mut().zip(["ams", "fra", "fra"]) {
            member.pop = Name::from(pop);
        }
        facts.members[2].role = NodeRole::Witness;
        facts.members[1].alive = false;
        let trip = |from, to, micros| RoundTrip { from: NodeId(from), to: NodeId(to), micros };
        facts.round_trips =
            vec![trip(2, 3, 100), trip(1, 3, 7_000), trip(1, 2, 6_000), trip(2, 9, 1)];
        let view = PopsView::from(&facts);
        let names: Vec<_> = view.pops.iter().map(|it| it.pop.as_str()).collect();
        assert_eq!(names, ["ams", "fra"]);
        let (ams, fra) = (&view.pops[0], &view.pops[1]);
        assert_eq!(ams.round_trips_us, BTreeMap::from([("fra".to_owned(), 6_000)]));
        assert_eq!(fra.round_trips_us, BTreeMap::new(), "nobody there has measured it");
        assert_eq!((ams.leads, fra.leads), (true, false));
        let NodeId(two) = fra.nodes[0];
        assert_eq!((two, fra.nodes.len(), fra.alive, fra.voters, fra.witnesses), (2, 2, 1, 2, 1));
        assert_eq!(
            view.round_trips[0],
            RoundTripView { from: NodeId(1), to: NodeId(2), round_trip_us: 6_000 }
        );
        assert!(view.advice[0].contains("add a witness in a third"));
    }
}
