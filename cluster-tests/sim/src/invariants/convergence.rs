//! After healing: all nodes up, one leader, all at the end of the log, every node with its lease, all
//! slots at home; and calls that are placed then are answered and end.

use holdline_cluster_tests::ua::{Ledger, Method};

use crate::host::Host;

/// What is not as it should be yet; `None` when all is well.
#[must_use]
pub fn missing(hosts: &[Host], applied: u64) -> Option<String> {
    let mut leaders = 0;
    for host in hosts {
        let Some(started) = host.started() else { return Some(format!("{} is not up", host.id)) };
        let status = started.raft.status();
        leaders += usize::from(started.raft.leadership().borrow().is_me);
        if status.applied.unwrap_or(0) < applied {
            let at = status.applied.unwrap_or(0);
            return Some(format!("{} has applied {at} of {applied} entries", host.id));
        }
        let local = host.within(|started, _| started.api.local());
        let Some(local) = local else { return Some(format!("{} is not up", host.id)) };
        if !local.lease_held || local.slots_recovering > 0 || local.addresses_missing > 0 {
            return Some(format!("{} is not ready: {local:?}", host.id));
        }
        let away = started.raft.state().slots().into_iter().find(|slot| slot.owner != slot.home);
        if let Some(slot) = away {
            return Some(format!("slot {} is not at home", slot.slot));
        }
        if started.raft.state().slots().is_empty() {
            return Some("the cluster is not formed".to_owned());
        }
    }
    (leaders != 1).then(|| format!("there are {leaders} leaders"))
}

/// What was wrong with calls that met no fault.
#[must_use]
pub fn fresh(numbers: &[String], caller: &Ledger) -> Vec<String> {
    let mut faults = Vec::new();
    for number in numbers {
        let Some(entry) = caller.call(number) else {
            faults.push(format!("fresh: {number} was not placed"));
            continue;
        };
        let method = Method::Invite;
        if entry.final_status() != Some(200) || !entry.over {
            let (status, over) = (entry.final_status(), entry.over);
            faults
                .push(format!("fresh: {number}: {} got {status:?}, over: {over}", method.as_str()));
        }
    }
    faults
}
