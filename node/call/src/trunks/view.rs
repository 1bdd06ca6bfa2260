//! What the engines of a node are told about trunks: which may be used, how fast they answer, how
//! many calls they have. A snapshot, made by [`super::Trunks`] and never changed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use holdline_model::{Millis, Name, NodeId};

use super::Standing;

/// All trunks, as this node knows them at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrunkView {
    /// By name. What is not in it is taken to be usable.
    pub trunks: BTreeMap<Name, TrunkHealth>,
    /// Addresses of trunks with several that failed lately: they are tried last.
    pub avoid: BTreeSet<SocketAddr>,
}

/// One trunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkHealth {
    /// Whether calls may be sent to it.
    pub gate: Gate,
    /// What probing says.
    pub standing: Standing,
    /// The node that probes it for this site; `None` if it is not probed.
    pub prober: Option<NodeId>,
    /// Time from a request to its first answer, smoothed, in milliseconds; `None` before the first.
    pub latency_ms: Option<u32>,
    /// Calls to it that are up or being set up in the whole cluster: exact for this node, as last
    /// gossiped for the others.
    pub calls: u64,
}

/// Whether calls may be sent to a trunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Gate {
    /// Yes.
    #[default]
    Open,
    /// A few, to find out whether it works again.
    Trial(Trials),
    /// No, because it fails, or does not answer probes.
    Shut {
        /// When it will be tried again; `None` if only a probe can tell.
        until: Option<Millis>,
    },
    /// No, because an administrator says so.
    Disabled,
}

/// How many calls may still be sent to a trunk on trial. Shared by all engines of a node.
#[derive(Clone, Debug)]
pub struct Trials(Arc<AtomicU32>);

impl Trials {
    /// So many trials.
    #[must_use]
    pub fn new(trials: u32) -> Self {
        Self(Arc::new(AtomicU32::new(trials)))
    }

    /// Whether one is left.
    #[must_use]
    pub fn has_any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    /// Takes one; false if none is left.
    #[must_use]
    pub fn take(&self) -> bool {
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
            .is_ok()
    }
}

/// The same trials, not just as many.
impl PartialEq for Trials {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Trials {}

impl Gate {
    /// The word used in the API and in metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Trial(_) => "trial",
            Self::Shut { .. } => "shut",
            Self::Disabled => "disabled",
        }
    }
}
