//! Snapshots: built by policy, sent to a follower that lags, installed there.

use super::calls;
use super::cluster::{Cluster, Kind, eventually, patient};
use crate::{Applied, Tuning};

async fn a_lagging_follower_gets_a_snapshot(kind: Kind) {
    let tuning = Tuning {
        snapshot_every: 50,
        snapshot_keep: 5,
        snapshot_chunk_bytes: std::num::NonZeroUsize::new(1_000).unwrap(),
        ..patient()
    };
    let mut cluster = Cluster::formed(kind, 3, tuning).await;
    let leader = cluster.leader().await;
    let follower = cluster.follower().await;
    cluster.kill(follower);
    for number in 1..=150 {
        cluster.handle(leader).propose(&calls::admit(number)).await.unwrap();
    }
    let purged = eventually("a purge", || cluster.handle(leader).status().purged).await;
    cluster.boot(follower);
    let reset = |one: &Applied| matches!(one, Applied::Replaced { index } if *index >= purged);
    eventually("the installation", || cluster.applied(follower).iter().any(reset).then_some(()))
        .await;
    for number in [1, 75, 150] {
        cluster.has_call(follower, number).await;
    }
    let state = cluster.handle(follower).state();
    assert_eq!(state.cluster().unwrap().cluster, calls::CLUSTER);
    assert_eq!(state.slots().len(), usize::from(calls::SLOTS));
    // A reader would keep the database open.
    drop(state);
    // It goes on from there, and survives its own death.
    cluster.handle(follower).propose(&calls::admit(200)).await.unwrap();
    cluster.kill(follower);
    cluster.boot(follower);
    for number in [1, 150, 200] {
        cluster.has_call(follower, number).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lagging_follower_gets_a_snapshot_in_memory() {
    a_lagging_follower_gets_a_snapshot(Kind::Memory).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lagging_follower_gets_a_snapshot_on_rocksdb() {
    a_lagging_follower_gets_a_snapshot(Kind::Rocks).await;
}
