//! The cluster's format: raised by the leader when every member reads a newer one, and followed by the
//! data folder of each node.
//!
//! Who reads what is told by gossip, by each run of a node; what a run before has said does not count. A
//! program of before does not say anything: it reads the oldest.
//!
//! Invariant: a format is proposed only when all members, learners too, are alive and read it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use holdline_cluster::gossip::ClusterView;
use holdline_model::{Command, Format, NodeId, SetFormat};
use holdline_raft::Member;
use holdline_storage::{DataDir, StateReader};
use metrics::gauge;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::leader::Duties;

/// What each member reads, as far as is known of its present run.
pub(crate) fn readers(
    members: &BTreeMap<NodeId, Member>,
    state: &StateReader,
    view: &ClusterView,
) -> BTreeMap<NodeId, Option<Format>> {
    let read = |node: &NodeId| {
        let run = state.node(*node)?.incarnation;
        let said = &view.live.get(node)?.facts;
        (said.incarnation == run).then_some(said.reads)
    };
    members.keys().map(|node| (*node, read(node))).collect()
}

/// The newest format that all of them read, if it is newer than the present one.
fn next(readers: &BTreeMap<NodeId, Option<Format>>, now: Format) -> Option<Format> {
    let common = readers.values().copied().min().flatten()?;
    (common > now).then_some(common)
}

impl Duties {
    /// Raises the format if all members read a newer one.
    pub(super) async fn raise_format(&self) {
        let members = self.raft.status().members;
        let readers = readers(&members, &self.state, &self.view.borrow());
        let now = self.state.format();
        if let Some(format) = next(&readers, now) {
            info!(%now, %format, "all members read a newer format: the cluster goes on in that");
            let set = SetFormat { format, at: self.clock.now() };
            self.propose(Command::SetFormat(set), "raise the format").await;
        }
    }
}

/// Lets the data folder say which format the state has, until `stop` is cancelled. A format that this
/// program does not know, or that cannot be noted, ends the node by `failed`.
pub(crate) async fn follow(
    state: StateReader,
    data_dir: Arc<DataDir>,
    failed: mpsc::Sender<String>,
    stop: CancellationToken,
) {
    loop {
        let format = state.format();
        gauge!("holdline_format").set(f64::from(format.0));
        let noted = if format > Format::NEWEST {
            Err(format!(
                "the cluster has format {format}, and this program reads up to {}: start a newer program",
                Format::NEWEST
            ))
        } else if format > data_dir.format() {
            let noted = data_dir.raise_format(format).map_err(|error| error.to_string());
            noted.inspect(|()| {
                info!(%format, "the data folder has a newer format: older programs refuse it from now on");
            })
        } else {
            Ok(())
        };
        if let Err(why) = noted {
            error!(%format, %why, "this node cannot go on in the cluster's format");
            // Full if something else has failed before.
            let _told = failed.try_send(why);
            return;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    fn readers(reads: &[Option<u8>]) -> BTreeMap<NodeId, Option<Format>> {
        let nodes = (1..).map(NodeId);
        nodes.zip(reads.iter().map(|format| format.map(Format))).collect()
    }

    #[test]
    fn the_format_is_raised_when_every_member_reads_the_newer_one() {
        let now = Format(2);
        assert_eq!(next(&readers(&[Some(3), Some(3), Some(3)]), now), Some(Format(3)));
        assert_eq!(next(&readers(&[Some(3), Some(2), Some(3)]), now), None, "one reads it not");
        assert_eq!(next(&readers(&[Some(3), None, Some(3)]), now), None, "one is not there");
        assert_eq!(next(&readers(&[Some(3), Some(3)]), Format(3)), None, "it has it already");
        assert_eq!(next(&readers(&[Some(2), Some(2)]), Format(3)), None, "it is never lowered");
        assert_eq!(next(&readers(&[Some(5), Some(4)]), now), Some(Format(4)), "over one at once");
        assert_eq!(next(&readers(&[]), now), None);
    }
}
