//! Ten thousand connections and ten thousand calls on three nodes, and what they cost in memory.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use holdline_cluster_tests::cluster::{ClusterOptions, SIP_PORT, Transport};
use holdline_cluster_tests::stage::Stage;
use tokio::net::{TcpSocket, TcpStream};

/// Takes minutes and as many file descriptors as there are connections: `make chaos` runs it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes; make chaos runs it"]
async fn ten_thousand_connections_and_calls_fit_into_memory() {
    let options = ClusterOptions {
        caller_over: Transport::Tcp,
        log_level: "warn".into(),
        ..ClusterOptions::default()
    };
    let mut stage = Stage::open(&options, 1).await.unwrap();
    let mut idle = Vec::with_capacity(CONNECTIONS);
    for index in 0..CONNECTIONS {
        let node = u64::try_from(index % 3).unwrap() + 1;
        idle.push(connect(&stage, node, index).await);
    }
    let mut numbers = Vec::new();
    for node in (1..=3).cycle() {
        if numbers.len() >= CALLS {
            break;
        }
        numbers.extend(stage.bring_up(BATCH, node).await.unwrap());
    }
    let used: Vec<u64> = stage.cluster.nodes().map(|node| node.usage().rss_bytes >> 20).collect();
    #[allow(clippy::print_stderr, reason = "the measurement is what the test is for")]
    {
        eprintln!("{} connections, {} calls: {used:?} MiB per node", idle.len(), numbers.len());
    }
    assert!(used.iter().all(|mib| (1..MAX_MIB).contains(mib)), "{used:?} MiB");
    let open = idle.iter().filter(|stream| is_open(stream)).count();
    assert_eq!(open, CONNECTIONS, "no connection was lost");
    for numbers in numbers.chunks(BATCH) {
        stage.hang_up(numbers).await.unwrap();
    }
    let verdict = stage.judge_answered(numbers).await.unwrap();
    assert!(verdict.clean(), "{verdict:#?}");
    stage.cluster.pass().unwrap();
}

/// From one of several addresses, because connections from one are limited.
async fn connect(stage: &Stage, node: u64, index: usize) -> TcpStream {
    let host = 200 + u8::try_from(index % SOURCES).unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(stage.cluster.site().address(host, 0)).unwrap();
    let to = stage.cluster.site().node(node, SIP_PORT);
    tokio::time::timeout(Duration::from_secs(10), socket.connect(to)).await.unwrap().unwrap()
}

fn is_open(stream: &TcpStream) -> bool {
    let mut byte = [0];
    stream.try_read(&mut byte).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

const CONNECTIONS: usize = 10_000;
const CALLS: usize = 10_000;
const BATCH: usize = 500;
const SOURCES: usize = 20;
const MAX_MIB: u64 = 600;
