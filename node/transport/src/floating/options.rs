//! How floating addresses are held.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

/// Options of [`super::FloatingAddresses`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FloatingOptions {
    /// Addresses that an earlier run of this node may have left on the host when it was killed.
    /// They are released at the start unless they are wanted by then; so name every address that
    /// this node may ever hold.
    pub leftovers: BTreeSet<IpAddr>,
    /// Pause after the first failure; doubles with each further one.
    pub retry_pause: Duration,
    /// Longest pause between two attempts.
    pub retry_pause_max: Duration,
    /// Moves that run at the same time at most; the others wait their turn.
    pub concurrent_moves: usize,
    /// How long everything may take to be given up when the node stops.
    pub release_timeout: Duration,
}

impl Default for FloatingOptions {
    fn default() -> Self {
        Self {
            leftovers: BTreeSet::new(),
            retry_pause: Duration::from_millis(50),
            retry_pause_max: Duration::from_secs(5),
            concurrent_moves: 16,
            release_timeout: Duration::from_secs(3),
        }
    }
}
