//! `[node]`: who this node is.

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
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNode {
    id: Spanned<u64>,
    pop: Option<Spanned<String>>,
    data_dir: PathBuf,
}

/// `[node]` before its site is known.
#[derive(Debug)]
pub(super) struct NodeDraft {
    pub(super) id: Spanned<NodeId>,
    pop: Option<Spanned<String>>,
    data_dir: PathBuf,
}

impl RawNode {
    pub(super) fn build(self, check: &mut Checker<'_>) -> NodeDraft {
        let id = check.range("node.id", &self.id, 1..MAX_ID + 1);
        if let Some(pop) = &self.pop {
            check.name("node.pop", pop);
        }
        let data_dir = check.resolve(&self.data_dir);
        NodeDraft { id: Spanned::new(self.id.span(), NodeId(id)), pop: self.pop, data_dir }
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
            return NodeConfig { id, pop: Name::default(), data_dir: self.data_dir };
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
        NodeConfig { id, pop: member.pop.clone(), data_dir: self.data_dir }
    }
}

/// Ids fit in a signed 64-bit number, which is what TOML has.
const MAX_ID: u64 = i64::MAX as u64;
