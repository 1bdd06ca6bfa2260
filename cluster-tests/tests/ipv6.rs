//! Calls over IPv6, through a real cluster: over UDP and TCP, and with the owner killed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use holdline_cluster_tests::cluster::{Cluster, ClusterOptions, v6_port};
use holdline_cluster_tests::ua::{
    Agent, CalleeScript, CallerPlan, Entry, Ledger, Order, Over, Tell,
};

const LIMIT: Duration = Duration::from_secs(20);
const CALLER: u16 = 5651;
const CALLEE: u16 = 5652;
const CALLEE_TCP: u16 = 5653;

fn at(port: u16) -> SocketAddr {
    (Ipv6Addr::LOCALHOST, port).into()
}

async fn open() -> Cluster {
    // Everybody is at one address: calls of whoever is there are the first trunk's.
    let (callee, callee_tcp) = (at(CALLEE), at(CALLEE_TCP));
    let options = ClusterOptions {
        v6: true,
        more: format!(
            "[[trunk]]\nname = \"six\"\naddress = \"{callee}\"\nsources = [\"::1\"]\n\
             [[trunk]]\nname = \"six-tcp\"\naddress = \"{callee_tcp}\"\ntransport = \"tcp\"\n\
             sources = []\n[[route]]\nprefix = \"6\"\ntrunks = [\"six\"]\n\
             [[route]]\nprefix = \"66\"\ntrunks = [\"six-tcp\"]\n"
        ),
        ..ClusterOptions::default()
    };
    Cluster::start(&options).await.unwrap()
}

async fn wait(agent: &Agent, number: &str, what: &str, met: impl Fn(&Entry) -> bool) {
    let met = |ledger: &Ledger| ledger.call(number).is_some_and(&met);
    agent.wait(LIMIT, what, met).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_go_through_and_outlive_their_owner() {
    let mut cluster = open().await;
    let script = CalleeScript::answer_after_ms(20);
    let caller = Agent::start(at(CALLER), 1).unwrap();
    let udp = Agent::start(at(CALLEE), 2).unwrap();
    let tcp = Agent::start_over(Over::Tcp, at(CALLEE_TCP), 3).unwrap();
    for (agent, number) in [(&udp, "6001"), (&tcp, "6601")] {
        agent.order(vec![Order::Script("6".to_owned(), script)]).await.unwrap();
        let plan = CallerPlan::hold(number, at(v6_port(1)));
        caller.order(vec![Order::Place(plan)]).await.unwrap();
        wait(&caller, number, "the call up", Entry::up).await;
        wait(agent, number, "the call up", Entry::up).await;
    }
    cluster.kill(1).unwrap();
    for (agent, number) in [(&udp, "6001"), (&tcp, "6601")] {
        caller.order(vec![Order::Tell(number.to_owned(), Tell::HangUp)]).await.unwrap();
        wait(&caller, number, "the call over", |call| call.over).await;
        wait(agent, number, "the call over", |call| call.over).await;
    }
    for agent in [&caller, &udp, &tcp] {
        assert!(agent.ledger().anomalies().is_empty(), "{:#?}", agent.ledger().anomalies());
    }
    let cdrs = cluster.wait_cdrs(2, LIMIT).await.unwrap();
    assert!(cdrs.iter().all(|cdr| cdr.disposition == "ANSWERED"), "{cdrs:#?}");
    cluster.restart(1).unwrap();
    cluster.wait_home(LIMIT).await.unwrap();
    cluster.pass().unwrap();
}
