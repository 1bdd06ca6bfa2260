//! Whether the voters are spread over the sites so that any one of them may be lost. Pure.

use std::collections::BTreeMap;

use holdline_model::Name;

use super::health::majority_of;
use super::seam::{ClusterFacts, RoundTrip};

/// What is missing, one sentence each, with what to do; nothing if all is well.
pub(super) fn advice(facts: &ClusterFacts) -> Vec<String> {
    let voters = facts.members.iter().filter(|member| member.voter).count();
    let even = voters > 1 && voters.is_multiple_of(2);
    let even = even.then(|| {
        format!(
            "{voters} voters survive no more failures than {}: add a member, or a witness",
            voters - 1
        )
    });
    even.into_iter().chain(sites(facts)).chain(times(facts)).collect()
}

/// Times of elections that are too short for how far the voters are apart.
fn times(facts: &ClusterFacts) -> Option<String> {
    let farthest = facts.farthest()?;
    let apart_ms = facts.times.are_short_of(farthest)?;
    let RoundTrip { from, to, .. } = farthest;
    Some(format!(
        "node {}'s times of elections and leases fit round trips of up to {} ms, and nodes {from} and {to} are {apart_ms} ms apart: {}",
        facts.answered_by,
        facts.times.fit.as_millis(),
        facts.times.remedy(apart_ms, "the nodes, one after the other")
    ))
}

/// The same of the sites alone: a site whose loss takes the majority.
pub(super) fn sites(facts: &ClusterFacts) -> Vec<String> {
    let mut sites: BTreeMap<&Name, usize> = BTreeMap::new();
    for member in facts.members.iter().filter(|member| member.voter) {
        *sites.entry(&member.pop).or_default() += 1;
    }
    let voters: usize = sites.values().sum();
    let mut advice = Vec::new();
    let needed = majority_of(voters);
    let fatal: Vec<_> =
        sites.iter().filter(|(_, count)| voters - **count < needed).map(|(pop, _)| *pop).collect();
    match (sites.len(), fatal.as_slice()) {
        (0 | 1, _) | (_, []) => {}
        (2, _) => advice.push(
            "two PoPs cannot survive the loss of either: add a witness in a third".to_owned(),
        ),
        (_, [pop]) => advice.push(format!(
            "the loss of PoP {pop} takes the majority: it has {} of {voters} voters; move one elsewhere, or add members in the others",
            sites.get(pop).copied().unwrap_or(0)
        )),
        (_, _) => {}
    }
    advice
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::fake;

    /// Voters by site, as letters.
    fn advised(pops: &str) -> Vec<String> {
        let mut facts = fake::cluster_facts();
        let member = facts.members[0].clone();
        let members = pops.chars().zip(1_u64..).map(|(pop, id)| {
            let (node, pop) = (holdline_model::NodeId(id), Name::from(pop.to_string()));
            crate::admin::seam::MemberFacts { node, pop, ..member.clone() }
        });
        facts.members = members.collect();
        advice(&facts)
    }

    #[test]
    fn voters_in_one_site_or_spread_over_three_are_well() {
        for pops in ["a", "aaa", "abc", "aabbc", "aaaaa"] {
            assert_eq!(advised(pops), Vec::<String>::new(), "{pops}");
        }
    }

    #[test]
    fn two_sites_need_a_third() {
        let expected = "two PoPs cannot survive the loss of either: add a witness in a third";
        assert_eq!(advised("aab"), [expected]);
        assert_eq!(advised("aabbb"), [expected]);
        assert_eq!(advised("aabb").len(), 2, "and an even number is named, too");
    }

    #[test]
    fn a_site_with_too_many_voters_is_named() {
        let found = advised("aaabc");
        assert!(found[0].contains("the loss of PoP a takes the majority"), "{found:?}");
        assert!(found[0].contains("3 of 5 voters"), "{found:?}");
    }

    #[test]
    fn times_that_do_not_fit_the_farthest_voters_are_named() {
        let mut facts = fake::cluster_facts();
        let trip = |from, to, micros| RoundTrip {
            from: holdline_model::NodeId(from),
            to: holdline_model::NodeId(to),
            micros,
        };
        facts.round_trips = vec![trip(1, 3, 90_000), trip(3, 1, 60_100), trip(2, 1, 25_000)];
        let found = advice(&facts);
        assert_eq!(
            found,
            [
                "node 1's times of elections and leases fit round trips of up to 25 ms, and nodes 1 and 3 are 61 ms apart: restart the nodes, one after the other, to start with times that fit"
            ]
        );
        facts.times.adapt = false;
        assert!(advice(&facts)[0].contains(": set cluster.round_trip_ms to 61, or remove it"));
        facts.members[2].voter = false;
        assert!(!advice(&facts).iter().any(|it| it.contains("round trips")), "a learner");
    }

    #[test]
    fn learners_do_not_count() {
        let mut facts = fake::cluster_facts();
        facts.members[2].voter = false;
        assert_eq!(advice(&facts).len(), 1, "two voters");
    }
}
