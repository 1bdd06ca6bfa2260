//! Restarts: what was committed is there again, whether the state was flushed or not.

use holdline_storage::StateReader;
use holdline_storage::engine::Fault;

use super::calls;
use super::cluster::{Cluster, Kind, eventually, patient};

fn has(state: &StateReader, number: u64) -> bool {
    state.call(calls::call(number)).unwrap().is_some()
}

async fn the_whole_cluster_dies_and_comes_back(kind: Kind) {
    let mut cluster = Cluster::formed(kind, 3, patient()).await;
    let leader = cluster.leader().await;
    for number in 1..=20 {
        cluster.handle(leader).propose(&calls::admit(number)).await.unwrap();
    }
    let cdr = cluster.handle(leader).propose(&calls::fail(20)).await.unwrap();
    for id in cluster.running() {
        cluster.kill(id);
    }
    for id in cluster.members.keys().copied().collect::<Vec<_>>() {
        cluster.boot(id);
    }
    let leader = cluster.leader().await;
    // Nothing was lost, nothing happens twice.
    assert_eq!(cluster.handle(leader).propose(&calls::fail(20)).await.unwrap(), cdr);
    for id in cluster.running() {
        let state = cluster.handle(id).state();
        eventually("all calls", || (1..=20).all(|number| has(&state, number)).then_some(())).await;
    }
}

/// The memory engine loses all of the state that was never flushed: the log brings it back.
#[tokio::test(flavor = "multi_thread")]
async fn an_unflushed_state_is_rebuilt_from_the_log() {
    the_whole_cluster_dies_and_comes_back(Kind::Memory).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_on_rocksdb_comes_back() {
    the_whole_cluster_dies_and_comes_back(Kind::Rocks).await;
}

/// RocksDB flushes its state when it is closed in order.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_alone_on_rocksdb_comes_back() {
    let mut cluster = Cluster::formed(Kind::Rocks, 1, patient()).await;
    let node = cluster.leader().await;
    cluster.handle(node).propose(&calls::admit(1)).await.unwrap();
    cluster.stop(node).await;
    cluster.boot(node);
    cluster.has_call(node, 1).await;
    cluster.leader().await;
    cluster.handle(node).propose(&calls::admit(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_disk_stops_raft_and_says_so() {
    let cluster = Cluster::formed(Kind::Memory, 3, patient()).await;
    let follower = cluster.follower().await;
    let leader = cluster.leader().await;
    cluster.fail_disk(follower, Fault::DiskFull);
    cluster.handle(leader).propose(&calls::admit(1)).await.unwrap();
    let stopped = tokio::time::timeout(super::cluster::PATIENCE, cluster.handle(follower).fatal());
    let stopped = stopped.await.unwrap();
    // Whichever write failed first names the database.
    assert!(stopped.cause.contains("(memory)"), "{stopped}");
    // The others go on.
    cluster.handle(leader).propose(&calls::admit(2)).await.unwrap();
}
