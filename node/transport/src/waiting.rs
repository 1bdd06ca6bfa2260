//! How long datagrams wait in the kernel until they are read, by the kernel's own stamps
//! (`SO_TIMESTAMPNS`), and how many it had no room for (`SO_RXQ_OVFL`): the one queue of a node that
//! nothing else of it sees.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::cmsg_space;
use nix::sys::socket::{ControlMessageOwned, setsockopt, sockopt};
use nix::sys::time::TimeSpec;

/// What the kernel says with a datagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// When it came, since the epoch.
    pub(crate) came: Option<Duration>,
    /// How many the socket has dropped so far, modulo 2^32; nothing is said before the first.
    pub(crate) dropped: Option<u32>,
}

/// The kernel's queue of one socket, as it was since it was asked about last.
#[derive(Debug)]
pub(crate) struct Waiting {
    least_ns: AtomicU64,
    dropped: AtomicU64,
    /// The kernel's own count, when it was seen last.
    counted: AtomicU32,
}

/// What waits for a node in the kernel's queues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelQueues {
    /// The least time that a datagram waited, in the socket where that is longest; zero if none came.
    pub least_wait: Duration,
    /// Datagrams that were dropped because there was no room.
    pub dropped: u64,
}

/// Asks the kernel for stamps on what comes to a socket from now on.
pub(crate) fn ask_for_stamps(socket: &impl AsFd) -> std::io::Result<()> {
    setsockopt(socket, sockopt::ReceiveTimestampns, &true)?;
    setsockopt(socket, sockopt::RxqOvfl, &1)?;
    Ok(())
}

/// Room for the stamps of one datagram.
pub(crate) fn room() -> Vec<u8> {
    cmsg_space!(TimeSpec, u32)
}

impl Stamp {
    pub(crate) fn read(messages: impl Iterator<Item = ControlMessageOwned>) -> Self {
        let mut stamp = Self::default();
        for message in messages {
            match message {
                ControlMessageOwned::ScmTimestampns(at) => stamp.came = Some(at.into()),
                ControlMessageOwned::RxqOvfl(dropped) => stamp.dropped = Some(dropped),
                _ => {}
            }
        }
        stamp
    }
}

impl Waiting {
    /// A datagram with this stamp was read now. Returns how many were dropped since the last.
    pub(crate) fn read(&self, stamp: Stamp) -> u32 {
        // A wall clock that is set in between makes one reading wrong; the least of many is taken.
        if let Some(waited) = stamp.came.and_then(|came| since_epoch().checked_sub(came)) {
            let waited_ns = u64::try_from(waited.as_nanos()).unwrap_or(NONE);
            self.least_ns.fetch_min(waited_ns, Ordering::Relaxed);
        }
        let Some(dropped) = stamp.dropped else { return 0 };
        let more = dropped.wrapping_sub(self.counted.swap(dropped, Ordering::Relaxed));
        self.dropped.fetch_add(more.into(), Ordering::Relaxed);
        more
    }

    /// What was since the last time.
    pub(crate) fn take(&self) -> KernelQueues {
        let least_ns = match self.least_ns.swap(NONE, Ordering::Relaxed) {
            NONE => 0,
            least => least,
        };
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        KernelQueues { least_wait: Duration::from_nanos(least_ns), dropped }
    }
}

impl Default for Waiting {
    fn default() -> Self {
        let (dropped, counted) = (AtomicU64::new(0), AtomicU32::new(0));
        Self { least_ns: AtomicU64::new(NONE), dropped, counted }
    }
}

impl KernelQueues {
    /// Both together: the longest wait, and all that was dropped.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            least_wait: self.least_wait.max(other.least_wait),
            dropped: self.dropped.saturating_add(other.dropped),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the kernel's stamps are the wall clock's; nothing else is"
)]
fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

const NONE: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_wait_counts_and_is_forgotten_when_told() {
        let waiting = Waiting::default();
        assert_eq!(waiting.take(), KernelQueues::default());
        for ms in [300, 100, 200] {
            let came = since_epoch().checked_sub(Duration::from_millis(ms));
            assert_eq!(waiting.read(Stamp { came, dropped: None }), 0);
        }
        let least = waiting.take().least_wait;
        let expected = Duration::from_millis(100)..Duration::from_millis(200);
        assert!(expected.contains(&least), "{least:?}");
        assert_eq!(waiting.take(), KernelQueues::default());
    }

    #[test]
    fn what_came_in_the_future_did_not_wait() {
        let waiting = Waiting::default();
        let came = since_epoch().checked_add(Duration::from_secs(10));
        waiting.read(Stamp { came, dropped: None });
        assert_eq!(waiting.take().least_wait, Duration::ZERO);
    }

    #[test]
    fn the_kernels_count_is_a_difference_even_when_it_wraps() {
        let waiting = Waiting::default();
        let dropped = |count| waiting.read(Stamp { came: None, dropped: Some(count) });
        assert_eq!((dropped(3), dropped(3), dropped(u32::MAX)), (3, 0, u32::MAX - 3));
        waiting.take();
        assert_eq!(dropped(1), 2);
        assert_eq!(waiting.take().dropped, 2);
    }

    #[test]
    fn of_several_queues_the_longest_wait_and_all_drops_count() {
        let one = KernelQueues { least_wait: Duration::from_millis(1), dropped: 2 };
        let other = KernelQueues { least_wait: Duration::from_millis(3), dropped: 1 };
        let both = KernelQueues { least_wait: Duration::from_millis(3), dropped: 3 };
        assert_eq!(one.and(other), both);
    }
}
