//! Whether this node can do its work now, check by check. For probes: from memory alone.

use super::seam::LocalFacts;

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) name: &'static str,
    /// What is wrong, or `None`.
    pub(super) fault: Option<String>,
}

/// All checks, in the order of what to look at first.
pub(super) fn checks(facts: &LocalFacts) -> Vec<Check> {
    let check =
        |name, bad: bool, fault: &dyn Fn() -> String| Check { name, fault: bad.then(fault) };
    let disk_low = facts.disk_free_bytes.is_some_and(|free| free < facts.disk_min_free_bytes);
    vec![
        check("formed", !facts.formed, &|| "the cluster was not formed yet".to_owned()),
        check("leader", facts.leader.is_none(), &|| {
            "no leader is known: a majority of the members is not reachable".to_owned()
        }),
        check("admitted", !facts.takes_part, &|| {
            "its log is empty: it waits for a majority of the first members, or to be let in"
                .to_owned()
        }),
        check("lease", !facts.lease_held, &|| {
            "no lease is held: this node must not act for its calls".to_owned()
        }),
        check("applied", facts.apply_lag > MAX_APPLY_LAG, &|| {
            format!("{} committed entries are not applied yet", facts.apply_lag)
        }),
        check("failover", !facts.safe, &|| match facts.votes {
            true => "the leader has not said yet that this node has nearly everything".to_owned(),
            false => {
                "it has no vote: it is catching up, or waits to be promoted (holdline member list)"
                    .to_owned()
            }
        }),
        check("disk", disk_low, &|| {
            let free = facts.disk_free_bytes.unwrap_or_default();
            format!("{free} bytes are free, fewer than {}", facts.disk_min_free_bytes)
        }),
        check("room", facts.disk_protected, &|| {
            "the disk is nearly full: new calls are answered 503 until there is room".to_owned()
        }),
        check("log", !facts.log_writable, &|| "the log could not be written".to_owned()),
        check("slots", facts.slots_recovering > 0, &|| {
            format!("the calls of {} slots are being rebuilt", facts.slots_recovering)
        }),
        check("addresses", facts.addresses_missing > 0, &|| {
            format!("{} floating addresses could not be bound", facts.addresses_missing)
        }),
        check("draining", facts.draining, &|| "the node is drained".to_owned()),
        check("stopping", facts.stopping, &|| "the node is stopping".to_owned()),
    ]
}

/// More entries than a busy node has in flight.
const MAX_APPLY_LAG: u64 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::fake;

    fn faults(change: fn(&mut LocalFacts)) -> Vec<&'static str> {
        let mut facts = fake::local_facts();
        change(&mut facts);
        let checks = checks(&facts);
        checks.into_iter().filter(|check| check.fault.is_some()).map(|check| check.name).collect()
    }

    #[test]
    fn each_fact_has_its_check() {
        assert_eq!(faults(|_| {}), Vec::<&str>::new());
        assert_eq!(faults(|facts| facts.formed = false), ["formed"]);
        assert_eq!(faults(|facts| facts.takes_part = false), ["admitted"]);
        assert_eq!(faults(|facts| facts.safe = false), ["failover"]);
        assert_eq!(faults(|facts| facts.leader = None), ["leader"]);
        assert_eq!(faults(|facts| facts.lease_held = false), ["lease"]);
        assert_eq!(faults(|facts| facts.apply_lag = 10_001), ["applied"]);
        assert_eq!(faults(|facts| facts.disk_free_bytes = Some(1)), ["disk"]);
        assert_eq!(faults(|facts| facts.disk_protected = true), ["room"]);
        assert_eq!(faults(|facts| facts.log_writable = false), ["log"]);
        assert_eq!(faults(|facts| facts.slots_recovering = 1), ["slots"]);
        assert_eq!(faults(|facts| facts.addresses_missing = 1), ["addresses"]);
        assert_eq!(faults(|facts| facts.draining = true), ["draining"]);
        assert_eq!(faults(|facts| facts.stopping = true), ["stopping"]);
    }
}
