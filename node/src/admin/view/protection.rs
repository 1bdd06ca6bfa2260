//! Bans, heavy hitters and overload.

use holdline_guard::{Ban, BanScope, OverloadState};
use holdline_model::NodeId;
use holdline_model::limit::Tokens;
use serde::{Deserialize, Serialize};

use super::time;
use crate::admin::seam::ProtectionFacts;
use crate::protect::allowances::LeaseFacts;
use crate::protect::tops::{Dimension, TopList};

/// A ban.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BanView {
    /// Who is banned: an address or a block.
    pub block: String,
    /// Until when.
    pub until: String,
    /// Since when.
    pub since: String,
    /// The node that made it.
    pub by: NodeId,
    /// `operator`, or what the source had too much of.
    pub reason: String,
    /// `new`: everything but calls that are up and emergency calls; `all`: everything.
    pub scope: String,
}

/// The heaviest of one dimension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopView {
    /// `sources`, `tenants`, `callers` or `destinations`.
    pub dimension: String,
    /// Over how long they were counted, in milliseconds.
    pub over_ms: u64,
    /// How many datagrams or new calls there were in all.
    pub total: u64,
    /// By how much a count may be too high, but for one in fifty.
    pub error: u64,
    /// How many nodes' counts are in it.
    pub nodes: usize,
    /// The heaviest first.
    pub items: Vec<TopItemView>,
}

/// One of the heaviest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopItemView {
    /// The address, tenant or number.
    pub key: String,
    /// How often it came, at most.
    pub count: u64,
    /// The same per second, in thousandths.
    pub per_second_milli: u64,
}

/// What the node that answers does by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtectionView {
    /// Which node.
    pub node: NodeId,
    /// Overload control.
    pub overload: OverloadView,
    /// New calls since the start that were let in, refused, or emergency calls.
    pub calls_admitted: u64,
    /// See above.
    pub calls_refused: u64,
    /// See above.
    pub emergency_calls: u64,
    /// Source addresses that the shield remembers.
    pub sources: usize,
    /// Source addresses that it could remember; 0: it is off.
    pub max_sources: usize,
    /// Bans in force.
    pub bans: usize,
    /// Tokens that the node has leased for what rides on no admission, by class.
    pub leases: Vec<TokenLeaseView>,
}

/// What a node has leased of a class, since its start. Amounts are texts, such as `12.5`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenLeaseView {
    /// The class.
    pub class: String,
    /// Leased.
    pub leased: String,
    /// Spent.
    pub spent: String,
    /// Given back unused: the under-use.
    pub returned: String,
    /// Asked for when there were none.
    pub missed: String,
    /// Neither spent nor given back.
    pub held: String,
    /// Whether what is held may be spent; else it is given back with the next request.
    pub valid: bool,
}

/// Overload control.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverloadView {
    /// Whether new calls are limited now.
    pub limited: bool,
    /// New calls per second that are let in; `null`: all.
    pub calls_per_second: Option<u64>,
    /// The least time that a message waited lately, in microseconds.
    pub queue_us: u64,
    /// The least lateness of a timer lately, in microseconds.
    pub lag_us: u64,
    /// The least time that a commit took lately, in microseconds.
    pub commit_us: u64,
}

impl From<&Ban> for BanView {
    fn from(ban: &Ban) -> Self {
        Self {
            block: ban.block.to_string(),
            until: time::format(ban.until),
            since: time::format(ban.at),
            by: ban.by,
            reason: ban.reason.to_string(),
            scope: match ban.scope {
                BanScope::New => "new",
                BanScope::All => "all",
            }
            .to_owned(),
        }
    }
}

impl TopView {
    /// The view of a list.
    #[must_use]
    pub fn new(dimension: Dimension, list: TopList) -> Self {
        let TopList { items, over_ms, total, error, nodes } = list;
        let item = |heavy: holdline_guard::Heavy<String>| TopItemView {
            per_second_milli: (heavy.count * 1_000_000).checked_div(over_ms).unwrap_or(0),
            key: heavy.key,
            count: heavy.count,
        };
        let items = items.into_iter().map(item).collect();
        Self { dimension: dimension.as_str().to_owned(), over_ms, total, error, nodes, items }
    }
}

impl From<&ProtectionFacts> for ProtectionView {
    fn from(facts: &ProtectionFacts) -> Self {
        let calls_per_second = match facts.overload {
            OverloadState::Open => None,
            OverloadState::Limited { per_second } => Some(per_second),
        };
        Self {
            node: facts.node,
            overload: OverloadView {
                limited: calls_per_second.is_some(),
                calls_per_second,
                queue_us: facts.load.queue_ns / 1000,
                lag_us: facts.load.lag_ns / 1000,
                commit_us: facts.load.commit_ns / 1000,
            },
            calls_admitted: facts.calls.admitted,
            calls_refused: facts.calls.refused,
            emergency_calls: facts.calls.emergencies,
            sources: facts.sources,
            max_sources: facts.max_sources,
            bans: facts.bans,
            leases: facts.leases.iter().map(Into::into).collect(),
        }
    }
}

impl From<&LeaseFacts> for TokenLeaseView {
    fn from(facts: &LeaseFacts) -> Self {
        let text = |tokens: holdline_guard::Tokens| Tokens(tokens.0).to_string();
        Self {
            class: facts.class.to_string(),
            leased: text(facts.counts.granted),
            spent: text(facts.counts.taken),
            returned: text(facts.counts.returned),
            missed: text(facts.counts.refused),
            held: text(facts.counts.left),
            valid: facts.is_valid,
        }
    }
}
