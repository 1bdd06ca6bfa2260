//! The verdict on the cluster: green, yellow or red, with reasons and next steps. Pure.

use serde::{Deserialize, Serialize};

use super::seam::ClusterFacts;

/// How the cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// All is well, and at least one more node may fail.
    Green,
    /// Calls are served, but somebody should look.
    Yellow,
    /// Some or all calls are not served.
    Red,
}

/// Why the cluster is not green.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// How bad it is.
    pub status: Status,
    /// The kind, for programs.
    pub code: String,
    /// What is the case.
    pub detail: String,
    /// What to do about it.
    pub next_step: String,
}

/// The verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The worst of the reasons' status.
    pub status: Status,
    /// The reasons, the worst first; empty if the cluster is green.
    pub reasons: Vec<Reason>,
    /// Voters that are needed for a majority.
    pub quorum: usize,
    /// Voters that are alive.
    pub voters_alive: usize,
    /// How many more nodes may fail before calls are not served any more.
    pub may_fail: usize,
}

/// Judges the facts. `certificates`: where those of the node that answers were read, and the days that
/// they have left.
#[must_use]
pub fn judge(facts: &ClusterFacts, certificates: &[(String, i64)]) -> Verdict {
    let voters = facts.members.iter().filter(|member| member.voter);
    let voters_alive = voters.clone().filter(|member| member.alive).count();
    let quorum = majority_of(voters.count());
    let serving = facts.formed && facts.leader.is_some();
    let may_fail = if serving { voters_alive.saturating_sub(quorum) } else { 0 };
    let mut reasons = Vec::new();
    majority(facts, voters_alive, quorum, &mut reasons);
    slots(facts, &mut reasons);
    members(facts, &mut reasons);
    for detail in super::spread::sites(facts) {
        let next_step = "see holdline member list, and docs/membership.md";
        reasons.push(reason(Status::Yellow, "spread", detail, next_step));
    }
    expiring(facts, certificates, &mut reasons);
    if serving && may_fail == 0 && voters_alive >= quorum {
        reasons.push(reason(
            Status::Yellow,
            "no_spare",
            "no more node may fail".to_owned(),
            "bring back the members that are down, or add members",
        ));
    }
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.status));
    let status = reasons.iter().map(|reason| reason.status).max().unwrap_or(Status::Green);
    Verdict { status, reasons, quorum, voters_alive, may_fail }
}

/// How many of so many make a majority.
pub(super) const fn majority_of(voters: usize) -> usize {
    voters / 2 + 1
}

fn majority(facts: &ClusterFacts, alive: usize, quorum: usize, reasons: &mut Vec<Reason>) {
    if facts.leader.is_none() || alive < quorum {
        let (answers, term) = (facts.answered_by, facts.term);
        reasons.push(reason(
            Status::Red,
            "no_majority",
            format!(
                "node {answers} sees {alive} of the {quorum} voters needed and {} in term {term}",
                if facts.leader.is_some() { "a leader" } else { "no leader" }
            ),
            "start the members that are down, and look at the network between the members",
        ));
    } else if !facts.formed {
        reasons.push(reason(
            Status::Red,
            "not_formed",
            "the cluster was not formed yet".to_owned(),
            "wait some seconds; if it stays so, look into the leader's log",
        ));
    }
}

fn slots(facts: &ClusterFacts, reasons: &mut Vec<Reason>) {
    let dead = facts.members.iter().filter(|member| !member.alive);
    let orphans: usize = dead.map(|member| member.slots_owned).sum();
    if orphans > 0 {
        reasons.push(reason(
            Status::Red,
            "slots_of_dead_nodes",
            format!("{orphans} slots are owned by nodes that are down; their calls wait"),
            "a leader moves them within a second; if it does not, see no_majority",
        ));
    }
    let owned: usize = facts.members.iter().map(|member| member.slots_owned).sum();
    if facts.formed && owned < facts.slots {
        reasons.push(reason(
            Status::Red,
            "slots_without_member",
            format!(
                "{} of {} slots belong to nodes that are no members",
                facts.slots - owned,
                facts.slots
            ),
            "look at GET /v1/slots for their owners, and bring those nodes back",
        ));
    }
    let away = facts.members.iter().filter(|member| member.alive && !is_draining(member));
    let away: usize = away.map(|member| member.slots_home.saturating_sub(member.slots_owned)).sum();
    if away > 0 && orphans == 0 {
        reasons.push(reason(
            Status::Yellow,
            "slots_away",
            format!("{away} slots are not at their home although it is up"),
            "they are handed back when it has been up for cluster.hand_back_after_ms",
        ));
    }
}

fn members(facts: &ClusterFacts, reasons: &mut Vec<Reason>) {
    for member in &facts.members {
        let node = member.node;
        if !member.alive {
            reasons.push(reason(
                Status::Yellow,
                "node_down",
                format!("node {node} is down"),
                "start it, and look into its log for why it ended",
            ));
        } else if is_draining(member) {
            reasons.push(reason(
                Status::Yellow,
                "draining",
                format!("node {node} is drained"),
                &format!("undrain it when the work on it is done: holdline node undrain {node}"),
            ));
        }
        if let (true, Some(lag)) = (member.alive, member.log_lag)
            && lag > MAX_LOG_LAG
        {
            reasons.push(reason(
                Status::Yellow,
                "lag",
                format!("node {node} lags behind by {lag} entries"),
                "look at its disk (holdline_log_sync_seconds) and its network",
            ));
        }
    }
    let mut versions: Vec<_> =
        facts.members.iter().filter_map(|member| Some(&member.record.as_ref()?.version)).collect();
    versions.sort();
    versions.dedup();
    if versions.len() > 1 {
        let versions: Vec<_> = versions.iter().map(|version| version.as_str()).collect();
        reasons.push(reason(
            Status::Yellow,
            "versions",
            format!("the members run different versions: {}", versions.join(", ")),
            "finish the upgrade",
        ));
    }
}

fn expiring(facts: &ClusterFacts, certificates: &[(String, i64)], reasons: &mut Vec<Reason>) {
    for (file, days) in certificates.iter().filter(|(_, days)| *days < DAYS_BEFORE_EXPIRY) {
        let node = facts.answered_by;
        let detail = match days {
            ..0 => format!("the certificate {file} of node {node} is over: no TLS peer accepts it"),
            _ => format!("the certificate {file} of node {node} is good for {days} more days"),
        };
        reasons.push(reason(
            Status::Yellow,
            "certificate_expires",
            detail,
            "put a new one in its place: it is read within seconds, and connections stay",
        ));
    }
}

fn is_draining(member: &super::seam::MemberFacts) -> bool {
    member.record.as_ref().is_some_and(|record| record.draining)
}

fn reason(status: Status, code: &str, detail: String, next_step: &str) -> Reason {
    Reason { status, code: code.to_owned(), detail, next_step: next_step.to_owned() }
}

/// With less left it is time to replace a certificate.
const DAYS_BEFORE_EXPIRY: i64 = 14;

/// More entries than a busy follower has in flight.
const MAX_LOG_LAG: u64 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::fake;

    fn judged(change: fn(&mut ClusterFacts)) -> (Status, Vec<String>, usize) {
        let mut facts = fake::cluster_facts();
        change(&mut facts);
        let verdict = judge(&facts, &[]);
        let codes = verdict.reasons.into_iter().map(|reason| reason.code).collect();
        (verdict.status, codes, verdict.may_fail)
    }

    fn codes(codes: &[&str]) -> Vec<String> {
        codes.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn three_nodes_that_are_well_are_green_and_one_may_fail() {
        assert_eq!(judged(|_| {}), (Status::Green, codes(&[]), 1));
    }

    #[test]
    fn a_dead_node_is_red_until_its_slots_have_moved_and_then_yellow() {
        assert_eq!(
            judged(|facts| facts.members[2].alive = false),
            (Status::Red, codes(&["slots_of_dead_nodes", "node_down", "no_spare"]), 0)
        );
        assert_eq!(
            judged(|facts| {
                facts.members[2].alive = false;
                facts.members[0].slots_owned += facts.members[2].slots_owned;
                facts.members[2].slots_owned = 0;
            }),
            (Status::Yellow, codes(&["node_down", "no_spare"]), 0)
        );
    }

    #[test]
    fn a_certificate_that_ends_within_two_weeks_is_yellow() {
        let facts = fake::cluster_facts();
        let judged = |days| judge(&facts, &[("/etc/sip.pem".to_owned(), days)]);
        assert_eq!(judged(14).status, Status::Green);
        let verdict = judged(13);
        assert_eq!(verdict.status, Status::Yellow);
        let detail = "the certificate /etc/sip.pem of node 1 is good for 13 more days";
        assert_eq!(verdict.reasons[0].detail, detail);
        assert!(judged(-1).reasons[0].detail.contains("is over"));
    }

    #[test]
    fn without_a_majority_it_is_red() {
        let (status, codes, may_fail) = judged(|facts| facts.leader = None);
        assert_eq!((status, codes[0].as_str(), may_fail), (Status::Red, "no_majority", 0));
        let (status, codes, _) = judged(|facts| facts.formed = false);
        assert_eq!((status, codes[0].as_str()), (Status::Red, "not_formed"));
    }

    #[test]
    fn what_somebody_should_look_at_is_yellow() {
        for (change, code) in [
            ((|facts| facts.members[1].log_lag = Some(10_001)) as fn(&mut ClusterFacts), "lag"),
            (
                |facts| facts.members[1].record.as_mut().unwrap().version = "9".to_owned(),
                "versions",
            ),
            (
                |facts| {
                    facts.members[0].slots_owned += 1;
                    facts.members[1].slots_owned -= 1;
                },
                "slots_away",
            ),
            (|facts| facts.members[1].record.as_mut().unwrap().draining = true, "draining"),
        ] {
            let (status, codes, may_fail) = judged(change);
            assert_eq!((status, codes, may_fail), (Status::Yellow, vec![code.to_owned()], 1));
        }
    }
}
