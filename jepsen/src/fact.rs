//! The values of operations and facts: what the runner writes and the checkers read.

use serde::{Deserialize, Serialize};

use crate::history::History;

/// What was run: the first line of every history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The name of the system under test: `holdline` or `kamailio`.
    pub system: String,
    /// The workloads.
    pub workloads: Vec<String>,
    /// The faults that are to happen, in order, one for each time.
    pub planned: Vec<String>,
    /// Phases of which each fault must strike calls.
    pub phases: Vec<String>,
    /// What picks everything that is random.
    pub seed: u64,
    /// The command that does it again.
    pub command: String,
    /// The commit that was tested.
    pub commit: String,
    /// When it began (RFC 3339).
    pub started: String,
    /// `lan` (network namespaces) or `loopback`.
    pub world: String,
    /// `udp`.
    pub transport: String,
    /// How many nodes.
    pub nodes: u64,
    /// What could not be done here, and why.
    pub left_out: Vec<String>,
    /// Checkers that must have an opinion.
    pub checkers: Vec<String>,
    /// A bug that was put in on purpose.
    pub mutant: Option<String>,
}

/// `:inject`: a fault begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inject {
    /// Counts the faults of a run.
    pub id: u64,
    /// Which fault.
    pub fault: String,
    /// The nodes that it strikes.
    pub targets: Vec<u64>,
    /// Who led then.
    pub leader: Option<u64>,
}

/// `:effect`: whether a fault was seen to work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// The fault's number.
    pub id: u64,
    /// Whether it did.
    pub took_effect: bool,
    /// By what one can tell.
    pub evidence: String,
}

/// `:heal`, `:healed`: a fault ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heal {
    /// The fault's number.
    pub id: u64,
}

/// `:converged`: whether the cluster was as good as new in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Converged {
    /// The fault after which; `None`: at the end of the run.
    pub after: Option<u64>,
    /// Whether it was.
    pub ok: bool,
    /// How long it took.
    pub ms: u64,
    /// What was still wrong.
    pub missing: String,
}

/// `:slots`: who owns what, as one node says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slots {
    /// Which node says so.
    pub node: u64,
    /// Slot, owner, epoch.
    pub slots: Vec<(u64, u64, u64)>,
}

/// `:acting`: whether a node acts as owner, as its own metrics say at that moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acting {
    /// Which node.
    pub node: u64,
    /// Whether it holds its lease.
    pub lease: bool,
    /// Slots that it acts for.
    pub slots: u64,
    /// Nanoseconds since the run began when it was asked.
    pub asked: u64,
}

/// `:resources`: what a process has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// Which node.
    pub node: u64,
    /// `before` or `after`.
    pub when: String,
    /// Memory in RAM.
    pub rss_kib: u64,
    /// Open file descriptors.
    pub fds: u64,
    /// Calls and tombstones that the state holds.
    pub calls: u64,
}

/// `:final`: the state of one node at the end, in numbers that must be equal on all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Final {
    /// Which node.
    pub node: u64,
    /// The last applied entry.
    pub applied: u64,
    /// Calls that are up.
    pub calls_up: u64,
    /// Calls that are up or remembered.
    pub calls_kept: u64,
    /// Slot, owner, epoch.
    pub slots: Vec<(u64, u64, u64)>,
    /// Ids of all call detail records, in order, and a digest of their content.
    pub cdrs: Vec<String>,
    /// The digest.
    pub digest: String,
    /// Nodes that are drained.
    pub drained: Vec<u64>,
}

/// `:cdr-page`: what the consumer with a cursor got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CdrPage {
    /// The node asked.
    pub node: u64,
    /// The cursor sent.
    pub after: Option<String>,
    /// The ids got.
    pub ids: Vec<String>,
}

/// `:call`: what a caller tries. The same value at its beginning and its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The number dialled: its name in all ledgers.
    pub number: String,
    /// What the call is in when the fault strikes; `background` for those that come and go.
    pub phase: String,
    /// The node whose address it goes to.
    pub via: u64,
    /// `answered` or `canceled`.
    pub expect: String,
    /// The fault that it was placed for.
    pub under: Option<u64>,
}

/// `:limit`: a class of calls that is limited from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// What its numbers begin with.
    pub prefix: String,
    /// Calls a second.
    pub rate: u64,
    /// Calls at once.
    pub burst: u64,
}

/// `:write`, `:read`: a register of the admin API: whether a node is drained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Register {
    /// Which node's drain.
    pub key: u64,
    /// Written or read; `None` before a read.
    pub value: Option<bool>,
    /// Where in the log: of a write, its entry; of a read, up to where the state read may go.
    pub index: Option<u64>,
    /// The node asked.
    pub via: u64,
}

impl Run {
    /// What a history says was run.
    #[must_use]
    pub fn of(history: &History) -> Option<Self> {
        history.facts("run").map(|(_, run)| run).next()
    }
}
