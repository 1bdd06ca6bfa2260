//! Leases between real nodes: held, lost, and lost before anybody is taken for dead.

use super::calls;
use super::cluster::{Cluster, Kind, eventually, patient};
use crate::{Verdict, clock};

#[tokio::test(flavor = "multi_thread")]
async fn every_node_of_a_healthy_cluster_holds_its_lease() {
    let cluster = Cluster::formed(Kind::Memory, 3, patient()).await;
    for id in cluster.running() {
        let lease = cluster.handle(id).lease();
        let first = eventually("a lease", || lease.valid_until()).await;
        eventually("its renewal", || lease.valid_until().filter(|end| *end > first)).await;
    }
    let leader = cluster.leader().await;
    eventually("everybody alive", || {
        let contacts = cluster.handle(leader).contacts();
        let alive = contacts.nodes.values().filter(|node| node.verdict == Verdict::Alive).count();
        (contacts.leader_since.is_some() && alive == 2).then_some(())
    })
    .await;
    let follower = cluster.follower().await;
    assert!(cluster.handle(follower).contacts().nodes.is_empty());
    let status = eventually("all in reach", || {
        let status = cluster.handle(leader).status();
        (status.failures_tolerated == Some(1)).then_some(status)
    })
    .await;
    assert_eq!((status.voters.len(), status.lag.len()), (3, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_cut_off_loses_its_lease_before_it_is_dead() {
    let cluster = Cluster::formed(Kind::Memory, 3, patient()).await;
    let leader = cluster.leader().await;
    let follower = cluster.follower().await;
    let lease = cluster.handle(follower).lease();
    eventually("a lease", || lease.is_valid(clock::now()).then_some(())).await;
    assert!(cluster.handle(leader).fence(follower).is_none());
    cluster.isolate(follower, true);
    let handle = cluster.handle(leader);
    eventually("the verdict", || {
        let dead = handle.contacts().nodes[&follower].verdict == Verdict::Dead;
        // Not dead while it holds its lease: both are read here, by one clock.
        assert!(!dead || !lease.is_valid(clock::now()));
        dead.then_some(())
    })
    .await;
    let fence = eventually("a fence", || handle.fence(follower)).await;
    let fenced_until = lease.valid_until();
    cluster.isolate(follower, false);
    // It is heard again, catches up, and still gets no lease.
    handle.propose(&calls::admit(1)).await.unwrap();
    cluster.has_call(follower, 1).await;
    eventually("contact", || {
        (handle.contacts().nodes[&follower].verdict == Verdict::Alive).then_some(())
    })
    .await;
    assert_eq!(lease.valid_until(), fenced_until);
    drop(fence);
    eventually("the lease again", || lease.is_valid(clock::now()).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_cut_off_loses_its_lease_and_takes_nobody_for_dead() {
    let cluster = Cluster::formed(Kind::Memory, 3, patient()).await;
    let old = cluster.leader().await;
    let lease = cluster.handle(old).lease();
    eventually("a lease", || lease.is_valid(clock::now()).then_some(())).await;
    cluster.isolate(old, true);
    let rest: Vec<_> = cluster.running().into_iter().filter(|id| *id != old).collect();
    let new = eventually("another leader", || {
        rest.iter().copied().find(|id| cluster.handle(*id).leadership().borrow().is_me)
    })
    .await;
    eventually("the verdict", || {
        let nodes = cluster.handle(new).contacts().nodes;
        let dead = nodes.get(&old).map(|node| node.verdict) == Some(Verdict::Dead);
        assert!(!dead || !lease.is_valid(clock::now()));
        dead.then_some(())
    })
    .await;
    let judged = cluster.handle(old).contacts().nodes;
    assert!(judged.values().all(|node| node.verdict != Verdict::Dead), "{judged:?}");
    cluster.isolate(old, false);
    eventually("the old leader follows", || {
        let seen = cluster.handle(old).leadership().borrow().clone();
        (!seen.is_me && seen.leader.is_some()).then_some(())
    })
    .await;
    eventually("a lease again", || lease.is_valid(clock::now()).then_some(())).await;
}
