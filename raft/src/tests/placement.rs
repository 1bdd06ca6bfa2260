//! Leadership goes to where the commands come from, if that is far.

use std::time::Duration;

use super::calls;
use super::cluster::{Cluster, Kind, eventually, patient};
use crate::{Tuning, clock};

fn tuning(above: Duration) -> Tuning {
    let (follow_calls_after, lease_renew) = (Duration::from_millis(400), Duration::from_millis(20));
    Tuning { follow_calls_above: above, follow_calls_after, lease_renew, ..patient() }
}

#[tokio::test(flavor = "multi_thread")]
async fn leadership_follows_the_calls() {
    // On 127.0.0.1 everything is near; so what is near counts as far.
    let cluster = Cluster::formed(Kind::Memory, 3, tuning(Duration::ZERO)).await;
    let first = cluster.leader().await;
    let follower = cluster.follower().await;
    let handle = cluster.handle(follower);
    let mut number = 0;
    let started = clock::now();
    while !handle.leadership().borrow().is_me {
        assert!(clock::now() - started < super::cluster::PATIENCE, "leadership stayed");
        let some = (number..number + 50).map(calls::admit).collect::<Vec<_>>();
        let all = some.iter().map(|admit| handle.propose(admit));
        assert!(futures::future::join_all(all).await.into_iter().all(|reply| reply.is_ok()));
        number += 50;
    }
    assert_eq!(cluster.leader().await, follower);
    // The one that led follows, and nothing was lost on the way.
    eventually("all calls", || {
        let state = cluster.handle(first).state();
        (0..number).all(|call| state.call(calls::call(call)).unwrap().is_some()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leadership_stays_when_the_calls_are_near() {
    let cluster = Cluster::formed(Kind::Memory, 3, tuning(Duration::from_secs(1))).await;
    let leader = cluster.leader().await;
    let handle = cluster.handle(cluster.follower().await);
    // Longer than a leader's tenure, which is three times 400 ms.
    let started = clock::now();
    let mut number = 0;
    while clock::now() - started < Duration::from_millis(2_000) {
        let some = (number..number + 50).map(calls::admit).collect::<Vec<_>>();
        futures::future::join_all(some.iter().map(|admit| handle.propose(admit))).await;
        number += 50;
    }
    assert_eq!(cluster.leader().await, leader);
}
