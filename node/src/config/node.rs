//! `[node]`: who this node is.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::PathBuf;

use holdline_model::{Name, NodeId};
use serde::Deserialize;
use toml::Spanned;

use super::cluster::ClusterConfig;
use super::error::Fault;
use super::locate::Checker;

/// Who this node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// Its number among the members; never reused for another machine's data.
    pub id: NodeId,
    /// Its site.
    pub pop: Name,
    /// Where its data lies.
    pub data_dir: PathBuf,
    /// Threads that run its tasks.
    pub threads: NonZeroUsize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNode {
    id: Spanned<u64>,
    pop: Option<Spanned<String>>,
    data_dir: PathBuf,
    threads: Option<Spanned<u64>>,
}

/// `[node]` before its site is known.
#[derive(Debug)]
pub(super) struct NodeDraft {
    pub(super) id: Spanned<NodeId>,
    pop: Option<Spanned<String>>,
    data_dir: PathBuf,
    threads: NonZeroUsize,
}

impl RawNode {
    pub(super) fn build(self, check: &mut Checker<'_>) -> NodeDraft {
        let id = check.range("node.id", &self.id, 1..MAX_ID + 1);
        if let Some(pop) = &self.pop {
            check.name("node.pop", pop);
        }
        let data_dir = check.resolve(&self.data_dir);
        let threads = self
            .threads
            .as_ref()
            .map(|raw| usize::try_from(check.range("node.threads", raw, 1..MAX_THREADS + 1)).ok());
        let threads = threads.flatten().and_then(NonZeroUsize::new).unwrap_or_else(half);
        NodeDraft { id: Spanned::new(self.id.span(), NodeId(id)), pop: self.pop, data_dir, threads }
    }
}

impl NodeDraft {
    /// Takes the site from the list of members, which every node has alike.
    pub(super) fn in_cluster(
        self,
        check: &mut Checker<'_>,
        span: Range<usize>,
        cluster: &ClusterConfig,
    ) -> NodeConfig {
        let id = *self.id.get_ref();
        let Some(member) = cluster.members.iter().find(|member| member.id == id) else {
            let members = cluster.members.iter().map(|member| member.id).collect();
            check.fault("node.id", self.id.span(), Fault::NotAMember { id, members });
            let (data_dir, threads) = (self.data_dir, self.threads);
            return NodeConfig { id, pop: Name::default(), data_dir, threads };
        };
        if let Some(pop) = &self.pop
            && pop.get_ref() != member.pop.as_str()
        {
            let found = pop.get_ref().clone();
            let fault = Fault::PopMismatch { found, member: member.pop.to_string() };
            check.fault("node.pop", pop.span(), fault);
        }
        if self.data_dir.as_os_str().is_empty() {
            check.fault(
                "node.data_dir",
                span,
                Fault::MissingKey { missing: "data_dir".to_owned() },
            );
        }
        let (data_dir, threads) = (self.data_dir, self.threads);
        NodeConfig { id, pop: member.pop.clone(), data_dir, threads }
    }
}

/// Half the processors: a message that passes from thread to thread costs more than it gains, and
/// the disk's thread and the kernel want their share.
fn half() -> NonZeroUsize {
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    NonZeroUsize::new(processors / 2).unwrap_or(NonZeroUsize::MIN)
}

const MAX_THREADS: u64 = 256;

/// Ids fit in a signed 64-bit number, which is what TOML has.
const MAX_ID: u64 = i64::MAX as u64;
