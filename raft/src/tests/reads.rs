//! Linearizable reads and the age of the state, with links that are cut.

use std::time::Duration;

use holdline_model::{Command, Reply, SetTrunk};

use super::cluster::{Cluster, Kind, eventually, patient};
use crate::{ReadError, clock};

const SOON: Duration = Duration::from_secs(5);

fn set(trunk: &str) -> Command {
    Command::SetTrunk(SetTrunk { trunk: trunk.into(), enabled: false, at: clock_ms() })
}

fn clock_ms() -> holdline_model::Millis {
    holdline_model::Millis(1_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_shows_what_was_confirmed_before_it_was_asked() {
    let cluster = Cluster::formed(Kind::Memory, 3, patient()).await;
    let leader = cluster.leader().await;
    for round in 0..20 {
        let name = format!("t{round}");
        let reply = cluster.handle(leader).propose(&set(&name)).await.unwrap();
        assert!(matches!(reply, Reply::At(_)), "{reply:?}");
        for id in cluster.running() {
            let handle = cluster.handle(id);
            handle.linearize(SOON).await.unwrap();
            assert!(handle.state().disabled_trunks().since(&name).is_some(), "node {id}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_cut_off_cannot_read_and_its_state_grows_old() {
    let cluster = Cluster::formed(Kind::Memory, 3, patient()).await;
    for cut in [cluster.follower().await, cluster.leader().await] {
        let handle = cluster.handle(cut);
        eventually("a fresh state", || {
            handle.state_age().filter(|age| *age < Duration::from_secs(2))
        })
        .await;
        cluster.isolate(cut, true);
        let within = Duration::from_millis(300);
        eventually("no more reads", || {
            (handle.state_age()? > Duration::from_millis(1_200)).then_some(())
        })
        .await;
        let outcome = handle.linearize(within).await;
        assert_eq!(outcome, Err(ReadError::NoMajority { within }));
        let (before, age) = (clock::now(), handle.state_age().unwrap());
        tokio::time::sleep(Duration::from_millis(50)).await;
        let later = handle.state_age().unwrap();
        assert!(later >= age + Duration::from_millis(50) && later <= age + before.elapsed());
        cluster.isolate(cut, false);
        eventually("a fresh state again", || {
            handle.state_age().filter(|age| *age < Duration::from_secs(1))
        })
        .await;
        handle.linearize(SOON).await.unwrap();
        assert!(cluster.leader().await.0 > 0);
    }
}
