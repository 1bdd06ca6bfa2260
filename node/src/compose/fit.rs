//! Fits Raft's times to how far away the other voters are, unless the configuration says how far that is.
//!
//! Times do not change while a node runs. The round trip between the farthest voters is kept in the data
//! folder, and the next start takes times that fit it; a first start measures by connecting. Nodes whose
//! times differ, because they started at different moments, are no danger to each other: leaders wait for
//! each other's leases (`holdline_raft`, `lease`).

use std::net::SocketAddr;
use std::time::Duration;

use futures::future::join_all;
use holdline_raft::Tuning;
use holdline_storage::Kept;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use super::NodeError;
use super::machine::Machine;
use crate::admin::seam::TimesFacts;
use crate::config::Config;

/// How far voters are to be apart for this node's times, and where what is measured is kept.
#[derive(Clone, Debug)]
pub(super) struct Fit {
    /// What the times that are in force fit.
    pub(super) in_force: Duration,
    /// `None` if the configuration says how far away the others are.
    adapts: Option<Adapts>,
}

#[derive(Clone, Debug)]
struct Adapts {
    kept: Kept,
    /// What the configured times fit, without having been adapted.
    configured: Duration,
    /// What is kept, in milliseconds; 0: what is configured will do. `None`: nothing yet.
    ms: Option<u64>,
}

impl Fit {
    /// Adapts the times in `config`. `seeds`: other nodes, besides the members.
    pub(super) async fn new<M: Machine>(
        machine: &M,
        config: &mut Config,
        seeds: &[SocketAddr],
    ) -> Result<Self, NodeError> {
        let raft = &mut config.cluster.raft;
        let configured = raft.longest_round_trip();
        if !config.cluster.adapts {
            return Ok(Self { in_force: configured, adapts: None });
        }
        let folder = &config.node.data_dir;
        let kept = Kept::new(folder, "ROUND_TRIP");
        let error = |cause| NodeError::Note { path: folder.clone(), cause };
        let known = kept.read().map_err(error)?;
        let ms = match known {
            Some(ms) => ms.min(LONGEST_MS),
            None => {
                let me = config.node.id;
                let others = config.cluster.members.iter().filter(|member| member.id != me);
                let others: Vec<_> =
                    others.map(|member| member.rpc).chain(seeds.iter().copied()).collect();
                let measured = machine.distance(&others).await.unwrap_or_default();
                needed(measured, configured)
            }
        };
        *raft = raft.scaled_to(Duration::from_millis(ms));
        let in_force = raft.longest_round_trip();
        if in_force > configured {
            let Tuning { election_min, election_max, lease, .. } = raft;
            info!(
                round_trip_ms = ms,
                ?election_min,
                ?election_max,
                ?lease,
                "the times of elections and leases fit the round trip to the farthest voter"
            );
        }
        Ok(Self { in_force, adapts: Some(Adapts { kept, configured, ms: known }) })
    }

    /// What the times in force fit, and whether the next start takes times that fit what is measured.
    pub(super) const fn facts(&self) -> TimesFacts {
        TimesFacts { fit: self.in_force, adapt: self.adapts.is_some() }
    }

    /// Keeps what was measured for the next start, if times that fit it differ from those that were
    /// to be taken. `of_all`: no voter was left out. Blocks on the disk then.
    pub(super) fn keep(&mut self, farthest: Duration, of_all: bool) {
        let Some(adapts) = &mut self.adapts else { return };
        let needed = needed(farthest, adapts.configured);
        // Shorter times are taken only if they are much shorter: distances vary.
        let differs = match adapts.ms {
            Some(ms) => needed > ms || of_all && needed < ms && needed * 2 <= ms,
            None => of_all || needed > 0,
        };
        if !differs {
            return;
        }
        match adapts.kept.write(needed) {
            Ok(()) => adapts.ms = Some(needed),
            Err(error) => {
                warn!(%error, "the round trip to the farthest voter cannot be kept for the next start");
            }
        }
    }
}

/// The round trip that times are to fit, in milliseconds; 0 if those that are `configured` will do.
fn needed(farthest: Duration, configured: Duration) -> u64 {
    if farthest <= configured {
        return 0;
    }
    let ms = u64::try_from(farthest.as_millis()).unwrap_or(u64::MAX);
    // The same on nodes that measure a little more or less.
    (ms / STEP_MS + 1).saturating_mul(STEP_MS).min(LONGEST_MS)
}

/// How far the farthest of some nodes is: the time in which a connection is made or refused. `None` if
/// none of them says anything.
pub(super) async fn by_connecting(to: &[SocketAddr]) -> Option<Duration> {
    let all = join_all(to.iter().map(|address| async move {
        let mut best = None;
        for _ in 0..TRIES {
            let asked = Instant::now();
            // A refusal has come from there, too.
            match timeout(WITHIN, TcpStream::connect(address)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {}
                Ok(Err(_)) | Err(_) => break,
            }
            let took = asked.elapsed();
            best = Some(best.map_or(took, |best: Duration| best.min(took)));
        }
        best
    }));
    all.await.into_iter().flatten().max()
}

const TRIES: usize = 4;
const WITHIN: Duration = Duration::from_secs(1);
const STEP_MS: u64 = 5;
/// Beyond this, proposals would have to wait longer than they may.
const LONGEST_MS: u64 = 500;

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn near_nodes_need_nothing_and_far_ones_some_more_than_was_measured() {
        assert_eq!(needed(Duration::ZERO, 25 * MS), 0);
        assert_eq!(needed(25 * MS, 25 * MS), 0);
        assert_eq!(needed(26 * MS, 25 * MS), 30);
        assert_eq!(needed(60 * MS, 25 * MS), 65);
        assert_eq!(needed(Duration::from_secs(9), 25 * MS), 500);
        let longest = Tuning::default().scaled_to(Duration::from_millis(LONGEST_MS));
        assert_eq!(longest.validate(), Ok(()));
    }

    #[test]
    fn what_is_kept_grows_at_once_and_shrinks_when_it_is_far_too_long() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::new(folder.path(), "ROUND_TRIP");
        let adapts = Adapts { kept: kept.clone(), configured: 25 * MS, ms: Some(0) };
        let mut fit = Fit { in_force: 25 * MS, adapts: Some(adapts) };
        let mut after = |farthest| {
            fit.keep(farthest, true);
            kept.read().unwrap()
        };
        assert_eq!(after(20 * MS), None);
        assert_eq!(after(61 * MS), Some(65));
        assert_eq!(after(100 * MS), Some(105));
        assert_eq!(after(61 * MS), Some(105));
        assert_eq!(after(47 * MS), Some(50));
        assert_eq!(after(1 * MS), Some(0));
    }

    #[test]
    fn that_all_are_near_is_kept_too_but_not_while_a_voter_is_away() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::new(folder.path(), "ROUND_TRIP");
        let adapts = Adapts { kept: kept.clone(), configured: 25 * MS, ms: None };
        let mut fit = Fit { in_force: 25 * MS, adapts: Some(adapts) };
        let mut after = |farthest, of_all| {
            fit.keep(farthest, of_all);
            kept.read().unwrap()
        };
        assert_eq!(after(1 * MS, false), None);
        assert_eq!(after(1 * MS, true), Some(0), "the next start need not measure");
        assert_eq!(after(61 * MS, false), Some(65));
        assert_eq!(after(1 * MS, false), Some(65), "the far one is away");
        assert_eq!(after(1 * MS, true), Some(0));
    }

    #[tokio::test]
    async fn a_refusal_is_an_answer_and_silence_is_none() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let refuses = closed.local_addr().unwrap();
        drop(closed);
        for to in [open, refuses] {
            let took = by_connecting(&[to]).await.unwrap();
            assert!(took < WITHIN, "{took:?}");
        }
        assert_eq!(by_connecting(&[]).await, None);
    }
}
