//! Proposals get one outcome, from whichever node and whoever leads meanwhile.

use std::collections::BTreeMap;

use holdline_model::{CdrId, Command, Reply};
use holdline_storage::CdrQuery;
use tokio::sync::mpsc;

use super::calls;
use super::cluster::{Cluster, Kind, PATIENCE, eventually, patient};
use crate::{Applied, ReplyTo, SubmitError, Tuning};

async fn follower_and_leader_can_propose(kind: Kind) {
    let cluster = Cluster::formed(kind, 3, patient()).await;
    let leader = cluster.leader().await;
    let follower = cluster.follower().await;
    assert_eq!(cluster.handle(leader).propose(&calls::admit(1)).await.unwrap(), Reply::Done);
    assert_eq!(cluster.handle(follower).propose(&calls::admit(2)).await.unwrap(), Reply::Done);
    let ended = cluster.handle(follower).propose(&calls::fail(2)).await.unwrap();
    let Reply::Ended(cdr) = ended else { panic!("{ended:?}") };
    // A repeated command gets its first reply.
    let again = cluster.handle(leader).propose(&calls::fail(2)).await.unwrap();
    assert_eq!(again, Reply::Ended(cdr));
    for id in cluster.running() {
        cluster.has_call(id, 1).await;
        let state = cluster.handle(id).state();
        eventually("the CDR", || state.cdr(cdr).unwrap()).await;
        let ended = |one: &Applied| {
            let Applied::Actions { actions, .. } = one else { return false };
            actions.iter().any(
                |action| matches!(action, holdline_apply::Action::CallEnded(id, _) if *id == cdr),
            )
        };
        eventually("the action", || cluster.applied(id).iter().any(ended).then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_and_the_leader_can_propose_in_memory() {
    follower_and_leader_can_propose(Kind::Memory).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_and_the_leader_can_propose_on_rocksdb() {
    follower_and_leader_can_propose(Kind::Rocks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_alone_is_a_cluster() {
    let cluster = Cluster::formed(Kind::Memory, 1, patient()).await;
    let leader = cluster.leader().await;
    assert_eq!(cluster.handle(leader).propose(&calls::admit(1)).await.unwrap(), Reply::Done);
    let lease = cluster.handle(leader).lease();
    eventually("the lease", || lease.is_valid(crate::clock::now()).then_some(())).await;
    let status = cluster.handle(leader).status();
    assert_eq!(status.failures_tolerated, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn proposals_in_flight_survive_the_leaders_death() {
    const CALLS: u64 = 300;
    const AGAIN: u64 = u64::MAX;
    let mut cluster = Cluster::formed(Kind::Memory, 3, patient()).await;
    let leader = cluster.leader().await;
    let follower = cluster.follower().await;
    // Its capacity is more than there are outcomes.
    let (to, mut decided) = mpsc::channel(usize::try_from(CALLS * 3).unwrap());
    let submit = |cluster: &Cluster, token: u64, command: &Command| {
        let reply_to = ReplyTo { token, to: to.clone() };
        cluster.handle(follower).submit(command, reply_to).unwrap();
    };
    for number in 0..CALLS {
        submit(&cluster, number, &calls::admit(number));
    }
    let mut replies = BTreeMap::new();
    let mut again = None;
    // As the engine does it: a call's next command when the one before is decided.
    while replies.len() < usize::try_from(CALLS * 2).unwrap() + 1 {
        let next = tokio::time::timeout(PATIENCE, decided.recv()).await.unwrap().unwrap();
        let (token, reply) = (next.token, next.outcome.unwrap());
        assert_eq!(replies.insert(token, reply), None, "two outcomes of {token}");
        if token < CALLS {
            submit(&cluster, CALLS + token, &calls::fail(token));
        } else if again.is_none() {
            // Others are in flight. This one, said once more, is answered as before.
            again = Some(token);
            submit(&cluster, AGAIN, &calls::fail(token - CALLS));
            cluster.kill(leader);
        }
    }
    assert_eq!(again.and_then(|token| replies.get(&token)), replies.get(&AGAIN));
    let ended: Vec<CdrId> = (0..CALLS).map(|number| cdr_of(&replies[&(CALLS + number)])).collect();
    assert!((0..CALLS).all(|number| replies[&number] == Reply::Done));
    for id in cluster.running() {
        let state = cluster.handle(id).state();
        let all = CdrQuery { limit: 10_000, ..CdrQuery::default() };
        let cdrs = eventually("all CDRs", || {
            let page = state.cdrs(&all).unwrap();
            (page.cdrs.len() >= ended.len()).then_some(page.cdrs)
        })
        .await;
        // One CDR for each call, and the one that its proposer was told of.
        let by_call: BTreeMap<_, _> = cdrs.iter().map(|cdr| (cdr.call, cdr.id)).collect();
        assert_eq!((cdrs.len(), by_call.len()), (ended.len(), ended.len()));
        for (number, cdr) in (0..CALLS).zip(&ended) {
            assert_eq!(by_call[&calls::call(number)], *cdr);
        }
    }
}

fn cdr_of(reply: &Reply) -> CdrId {
    match reply {
        Reply::Ended(cdr) => *cdr,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_majority_a_proposal_is_undecided_and_a_full_queue_refuses() {
    let tuning = Tuning {
        propose_timeout: patient().election_max * 2,
        propose_queue: std::num::NonZeroUsize::new(8).unwrap(),
        ..patient()
    };
    let mut cluster = Cluster::formed(Kind::Memory, 3, tuning).await;
    let leader = cluster.leader().await;
    let rest = cluster.follower().await;
    let last = cluster.running().into_iter().find(|id| *id != leader && *id != rest).unwrap();
    cluster.kill(leader);
    cluster.kill(rest);
    let (to, mut decided) = mpsc::channel(10_000);
    let mut accepted = 0_u64;
    let refused = loop {
        let reply_to = ReplyTo { token: accepted, to: to.clone() };
        match cluster.handle(last).submit(&calls::admit(accepted), reply_to) {
            Ok(()) => accepted += 1,
            Err(error) => break error,
        }
        assert!(accepted < 1_000);
    };
    assert!(matches!(refused, SubmitError::QueueFull { limit } if limit > 0), "{refused}");
    drop(to);
    let mut told = 0;
    while let Ok(Some(one)) = tokio::time::timeout(PATIENCE, decided.recv()).await {
        assert!(matches!(one.outcome, Err(crate::Undecided::TimedOut { .. })), "{one:?}");
        told += 1;
    }
    assert_eq!(told, accepted);
}

#[tokio::test(flavor = "multi_thread")]
async fn leadership_is_handed_over_when_the_leader_stops() {
    let mut cluster = Cluster::formed(Kind::Memory, 3, patient()).await;
    let leader = cluster.leader().await;
    let follower = cluster.follower().await;
    let refused = cluster.handle(follower).transfer_leader(follower).await;
    assert!(matches!(refused, Err(crate::TransferError::NotLeader { .. })), "{refused:?}");
    cluster.handle(leader).transfer_leader(follower).await.unwrap();
    assert_eq!(cluster.leader().await, follower);
    cluster.stop(follower).await;
    let next = cluster.leader().await;
    assert_eq!(cluster.handle(next).propose(&calls::admit(1)).await.unwrap(), Reply::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_cannot_be_decoded_is_rejected_on_every_replica() {
    let cluster = Cluster::formed(Kind::Memory, 3, patient()).await;
    let leader = cluster.leader().await;
    let command = bytes::Bytes::from_static(&[250, 1, 2, 3]);
    let batch = crate::Batch { commands: vec![command] };
    let written = cluster.handle(leader).shared.raft.client_write(batch).await.unwrap();
    let what = "the encoding of a command".to_owned();
    let rejection = holdline_model::Rejection::OutOfBounds { what };
    assert_eq!(written.data.0, [Reply::Rejected(rejection)]);
    assert_eq!(cluster.handle(leader).propose(&calls::admit(1)).await.unwrap(), Reply::Done);
    for id in cluster.running() {
        cluster.has_call(id, 1).await;
    }
}
