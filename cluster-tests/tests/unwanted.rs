//! What nobody wants: strangers, noise, half a message.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::UdpSocket;
use std::time::Duration;

use holdline_cluster_tests::cluster::ClusterOptions;
use holdline_cluster_tests::stage::Stage;
use holdline_cluster_tests::ua::{Agent, CallerPlan, Entry};

/// The largest payload of a UDP datagram over IPv4.
const LARGEST: usize = 65_507;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invite_from_a_stranger_is_refused_counted_and_forgotten() {
    let stage = Stage::open(&ClusterOptions::default(), 1).await.unwrap();
    let stranger = Agent::start(stage.cluster.site().stranger(), 5).unwrap();
    let numbers: Vec<String> = (0..20).map(|n| format!("1999{n:02}")).collect();
    let place = |number: &String| {
        holdline_cluster_tests::ua::Order::Place(CallerPlan::hold(
            number.clone(),
            stage.cluster.sip(1),
        ))
    };
    stranger.order(numbers.iter().map(place).collect()).await.unwrap();
    let limit = Duration::from_secs(10);
    Stage::all(&stranger, &numbers, limit, "a final answer", |call| call.over).await.unwrap();
    for number in &numbers {
        assert_eq!(stranger.ledger().call(number).and_then(Entry::final_status), Some(403));
        assert!(stage.callee.ledger().call(number).is_none(), "the callee was called");
    }
    let admin = stage.cluster.admin(1);
    let any_state = admin.request("GET", "/v1/calls?state=any").await.unwrap();
    assert!(any_state.body.contains("\"items\":[]"), "{}", any_state.body);
    assert!(stage.cdrs().await.unwrap().is_empty());
    let metrics = admin.metrics().await.unwrap();
    let counted = metrics.sum("holdline_sip_refused_total", &[])
        + metrics.sum("holdline_calls_rejected_total", &[]);
    assert!(counted >= 20.0, "{metrics:?}");
    stage.cluster.pass().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn noise_costs_nothing_else() {
    let mut stage = Stage::open(&ClusterOptions::default(), 1).await.unwrap();
    let held = stage.bring_up(20, 1).await.unwrap();
    let before = malformed(&stage).await;
    let socket = UdpSocket::bind(stage.cluster.site().address(120, 0)).unwrap();
    let mut noise = vec![0_u8; LARGEST];
    let mut state = 1_u64;
    let mut during = Vec::new();
    for round in 0..10 {
        for _ in 0..100 {
            for byte in &mut noise {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                *byte = state.to_le_bytes()[0];
            }
            for node in 1..=3 {
                // A full socket buffer drops noise, which is all the same.
                let _lost = socket.send_to(&noise, stage.cluster.sip(node));
            }
        }
        during.extend(stage.bring_up(3, 1 + round % 3).await.unwrap());
    }
    for broken in ["INVITE", "\r\n\r\n", "INVITE sip:1@h SIP/2.0\r\nVia: x\r\n\r\n", "SIP/2.0 200"]
    {
        socket.send_to(broken.as_bytes(), stage.cluster.sip(1)).unwrap();
    }
    for numbers in [held, during] {
        stage.hang_up(&numbers).await.unwrap();
        let verdict = stage.judge_answered(numbers).await.unwrap();
        assert!(verdict.clean(), "{verdict:#?}");
    }
    let counted = malformed(&stage).await - before;
    assert!(counted >= 100.0, "only {counted} malformed datagrams were counted");
    stage.cluster.pass().unwrap();
}

async fn malformed(stage: &Stage) -> f64 {
    let metrics = stage.cluster.admin(1).metrics().await.unwrap();
    metrics.sum("holdline_sip_malformed_total", &[])
}
