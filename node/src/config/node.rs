//! `[node]`: who this node is.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::PathBuf;

use holdline_model::{Name, NodeId, NodeRole};
use serde::Deserialize;
use toml::Spanned;

use super::cluster::{self, ClusterConfig};
use super::error::Fault;
use super::locate::Checker;

/// Who this node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// Its number among the members; never reused for another machine's data. 0 for a node that
    /// joins and was not told: the cluster gives it one.
    pub id: NodeId,
    /// Its site.
    pub pop: Name,
    /// Its part.
    pub role: NodeRole,
    /// Where its data lies.
    pub data_dir: PathBuf,
    /// Threads that run its tasks.
    pub threads: NonZeroUsize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNode {
    id: Option<Spanned<u64>>,
    pop: Option<Spanned<String>>,
    role: Option<Spanned<String>>,
    data_dir: PathBuf,
    threads: Option<Spanned<u64>>,
}

/// `[node]` before its site is known.
#[derive(Debug)]
pub(super) struct NodeDraft {
    pub(super) id: Option<Spanned<NodeId>>,
    pop: Option<Spanned<String>>,
    role: Option<Spanned<NodeRole>>,
    data_dir: PathBuf,
    threads: NonZeroUsize,
}

impl RawNode {
    pub(super) fn build(self, check: &mut Checker<'_>) -> NodeDraft {
        let id = self.id.as_ref().map(|raw| {
            Spanned::new(raw.span(), NodeId(check.range("node.id", raw, 1..MAX_ID + 1)))
        });
        let role = self
            .role
            .as_ref()
            .map(|raw| Spanned::new(raw.span(), cluster::role(check, "node.role", Some(raw))));
        if let Some(pop) = &self.pop {
            check.name("node.pop", pop);
        }
        let data_dir = check.resolve(&self.data_dir);
        let threads = self
            .threads
            .as_ref()
            .map(|raw| usize::try_from(check.range("node.threads", raw, 1..MAX_THREADS + 1)).ok());
        let threads = threads.flatten().and_then(NonZeroUsize::new).unwrap_or_else(half);
        NodeDraft { id, pop: self.pop, role, data_dir, threads }
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
        let (pop, role, id) = match self.member(check, &span, cluster) {
            Some(member) => member,
            None => self.joining(),
        };
        if self.data_dir.as_os_str().is_empty() {
            check.fault(
                "node.data_dir",
                span,
                Fault::MissingKey { missing: "data_dir".to_owned() },
            );
        }
        NodeConfig { id, pop, role, data_dir: self.data_dir, threads: self.threads }
    }

    /// What a node that joins says of itself.
    fn joining(&self) -> (Name, NodeRole, NodeId) {
        let pop = self.pop.as_ref().map_or(cluster::DEFAULT_POP, |pop| pop.get_ref());
        let role = self.role.as_ref().map(|raw| *raw.get_ref()).unwrap_or_default();
        let id = self.id.as_ref().map(|raw| *raw.get_ref()).unwrap_or_default();
        (Name::from(pop), role, id)
    }

    /// What the list of members says of this node.
    fn member(
        &self,
        check: &mut Checker<'_>,
        span: &Range<usize>,
        cluster: &ClusterConfig,
    ) -> Option<(Name, NodeRole, NodeId)> {
        if !cluster.join.is_empty() || cluster.members.is_empty() {
            return None;
        }
        let Some(raw) = &self.id else {
            let fault = Fault::MissingKey { missing: "id".to_owned() };
            check.fault("node", span.clone(), fault);
            return None;
        };
        let id = *raw.get_ref();
        let Some(member) = cluster.members.iter().find(|member| member.id == id) else {
            let members = cluster.members.iter().map(|member| member.id).collect();
            check.fault("node.id", raw.span(), Fault::NotAMember { id, members });
            return None;
        };
        if let Some(pop) = &self.pop
            && pop.get_ref() != member.pop.as_str()
        {
            let found = pop.get_ref().clone();
            let fault = Fault::PopMismatch { found, member: member.pop.to_string() };
            check.fault("node.pop", pop.span(), fault);
        }
        if let Some(role) = &self.role
            && *role.get_ref() != member.role
        {
            let found = role.get_ref().as_str().to_owned();
            let fault = Fault::RoleMismatch { found, member: member.role.as_str().to_owned() };
            check.fault("node.role", role.span(), fault);
        }
        Some((member.pop.clone(), member.role, id))
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
