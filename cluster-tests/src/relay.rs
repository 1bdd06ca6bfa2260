//! A longer way between nodes: a relay in this program that hands everything on after a while.
//!
//! Other nodes reach a node through its front, an address of the relay; it takes TCP connections
//! there and passes the bytes on, in order, each half a round trip after it came, in both
//! directions. It needs no privileges and no kernel module. What it does not show: the handshake
//! and the congestion window of a TCP connection over a long way, and lost packets; it shows what
//! an established connection with enough window does. Gossip is not delayed: it takes no part in
//! commits or in detecting failures.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Bytes read at a time.
const CHUNK: usize = 64 << 10;
/// Chunks on their way at most; more wait in the sender's socket.
const IN_FLIGHT: usize = 4096;
/// Trips that are timed to see what the delay really is.
const TRIPS: usize = 20;

/// The relay; it ends when dropped.
#[derive(Debug)]
pub struct Relay {
    stop: CancellationToken,
}

#[derive(Debug)]
struct Chunk {
    due: Instant,
    bytes: Vec<u8>,
}

impl Relay {
    /// Takes connections at each first address and passes them on to the second.
    ///
    /// # Errors
    /// An address cannot be listened at.
    pub async fn start(ways: &[(SocketAddr, SocketAddr)], one_way: Duration) -> Result<Self> {
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        for (front, node) in ways {
            let listener = TcpListener::bind(front).await.with_context(|| front.to_string())?;
            let serve = accept(listener, *node, one_way);
            let stop = stop.clone();
            tasks.spawn(async move { stop.run_until_cancelled(serve).await });
        }
        Ok(Self { stop })
    }

    /// The round trip through such a relay, as an echo behind it sees it: timers are not exact.
    ///
    /// # Errors
    /// The address cannot be had, or a connection breaks.
    pub async fn round_trip(front: SocketAddr, one_way: Duration) -> Result<Duration> {
        let echo = TcpListener::bind(SocketAddr::new(front.ip(), 0)).await?;
        let _relay = Self::start(&[(front, echo.local_addr()?)], one_way).await?;
        let answer = async {
            let (mut stream, _) = echo.accept().await?;
            let (mut from, mut to) = stream.split();
            tokio::io::copy(&mut from, &mut to).await
        };
        let ask = async {
            let mut stream = TcpStream::connect(front).await?;
            stream.set_nodelay(true)?;
            let mut times = Vec::new();
            for _ in 0..TRIPS {
                let start = Instant::now();
                stream.write_all(b"x").await?;
                stream.read_exact(&mut [0]).await?;
                times.push(start.elapsed());
            }
            times.sort_unstable();
            times.get(TRIPS / 2).copied().context("no round trip")
        };
        tokio::select! {
            trip = ask => trip,
            ended = answer => {
                ended?;
                anyhow::bail!("the echo ended")
            }
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn accept(listener: TcpListener, node: SocketAddr, one_way: Duration) {
    // Connections end with the relay: the set is dropped with this task.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        // A node that is not there is seen as a connection that ends at once.
        let Ok(far) = TcpStream::connect(node).await else { continue };
        // Without this the relay would add delays of its own.
        if near.set_nodelay(true).and_then(|()| far.set_nodelay(true)).is_err() {
            continue;
        }
        let (near_in, near_out) = near.into_split();
        let (far_in, far_out) = far.into_split();
        connections.spawn(pass(near_in, far_out, one_way));
        connections.spawn(pass(far_in, near_out, one_way));
    }
}

/// One direction of one connection.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, one_way: Duration) {
    let (sender, mut chunks) = mpsc::channel::<Chunk>(IN_FLIGHT);
    let read = async move {
        let mut buffer = vec![0; CHUNK];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            let bytes = buffer.get(..length).unwrap_or_default().to_vec();
            if sender.send(Chunk { due: Instant::now() + one_way, bytes }).await.is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some(Chunk { due, bytes }) = chunks.recv().await {
            tokio::time::sleep_until(due).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(read, write);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_round_trip_takes_both_ways() {
        let front = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = TcpListener::bind(front).await.unwrap();
        let front = listener.local_addr().unwrap();
        drop(listener);
        let one_way = Duration::from_millis(5);
        let trip = Relay::round_trip(front, one_way).await.unwrap();
        assert!(trip >= one_way * 2, "{trip:?}");
    }

    #[tokio::test]
    async fn bytes_arrive_in_order_and_an_end_is_passed_on() {
        let node = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let front = listener.local_addr().unwrap();
        drop(listener);
        let ways = [(front, node.local_addr().unwrap())];
        let _relay = Relay::start(&ways, Duration::from_millis(1)).await.unwrap();
        let mut sender = TcpStream::connect(front).await.unwrap();
        let (mut receiver, _) = node.accept().await.unwrap();
        let sent: Vec<u8> = (0..200_000_u32).flat_map(u32::to_be_bytes).collect();
        let write = async {
            sender.write_all(&sent).await.unwrap();
            sender.shutdown().await.unwrap();
        };
        let mut received = Vec::new();
        let (_, read) = tokio::join!(write, receiver.read_to_end(&mut received));
        read.unwrap();
        assert!(received == sent);
    }
}
