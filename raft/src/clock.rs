//! The one place of this crate that reads the monotonic clock.
//!
//! It is not the time that commands are stamped with: that is the node's, in milliseconds since
//! 1970. Leases, contacts and latencies are measured with this one, which never jumps.

use std::time::Instant;

/// Now, by the monotonic clock of this node.
#[expect(clippy::disallowed_methods, reason = "this is the crate's one clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
