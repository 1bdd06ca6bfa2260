//! The longest lease that anybody may still hold of an earlier leader.
//!
//! Leaders whose options differ grant leases of different length: while a changed configuration is
//! rolled out, one node after the other. A leader must not declare a node dead before the leases of
//! the leaders before it have ended, too.
//!
//! Every message of a leader says how long its leases are ([`HEADER`]); whoever acknowledges one
//! notes that first. A vote says what its voter has noted. Say leader A granted a lease when a
//! majority had last acknowledged what A sent at `q`, so that the lease ends before `q + lease(A)`,
//! and B is elected later. The majority that elects B has a node in common with that one. That node
//! noted `lease(A)` at `q` or later, and B hears of it, before it leads, by that node's vote, or is
//! that node. What was noted at `t` is forgotten at `t + lease(A)`, when all that hangs on that
//! acknowledgement has ended.
//!
//! A node that restarts must not forget: a lease that is longer than its own lies in its data folder
//! before anything of that leader is acknowledged, and counts as noted at the moment of the restart;
//! so does its own.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use holdline_storage::Kept;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::Status;
use tonic::metadata::{MetadataMap, MetadataValue};

use crate::clock;
use crate::millis;
use crate::offload::offload;

/// Of a request: how long the leases are that its sender grants. Of an answer to a vote: the longest
/// lease that the voter has noted. In milliseconds. Programs before this did not say, and all nodes
/// had the same.
const HEADER: &str = "holdline-lease-ms";

/// Longer leases than any configuration asks for are not believed.
pub(crate) const LONGEST: Duration = Duration::from_secs(60);

const TIDY_EVERY: Duration = Duration::from_secs(5);

/// What this node has noted of leases. Clones share it. A field lock.
#[derive(Clone, Debug)]
pub(crate) struct Longest {
    own: Duration,
    kept: Kept,
    notes: Arc<Mutex<Notes>>,
}

#[derive(Debug, Default)]
struct Notes {
    /// Leases that are longer than our own, and when each is forgotten.
    until: BTreeMap<Duration, Instant>,
    /// What lies in the data folder.
    kept: Duration,
}

impl Longest {
    /// For a node whose own leases are that long.
    ///
    /// # Errors
    /// What lies in the data folder cannot be read or written.
    pub(crate) fn open(own: Duration, kept: Kept, now: Instant) -> io::Result<Self> {
        let before = kept.read()?.map_or(Duration::ZERO, Duration::from_millis).min(LONGEST);
        let mut notes = Notes { until: BTreeMap::new(), kept: before };
        if before > own {
            notes.until.insert(before, now + before);
        } else if before < own {
            kept.write(millis::whole(own))?;
            notes.kept = own;
        }
        Ok(Self { own, kept, notes: Arc::new(Mutex::new(notes)) })
    }

    /// Notes that leases of that length are granted. On return it is durable.
    ///
    /// # Errors
    /// It cannot be kept: nothing of that leader may be acknowledged.
    pub(crate) fn note(&self, lease: Duration, now: Instant) -> io::Result<()> {
        if lease <= self.own {
            return Ok(());
        }
        let mut notes = self.lock();
        if lease > notes.kept {
            self.kept.write(millis::whole(lease))?;
            notes.kept = lease;
        }
        let until = notes.until.entry(lease).or_insert(now);
        *until = (*until).max(now + lease);
        Ok(())
    }

    /// By how much the longest lease that may still be held is longer than our own.
    pub(crate) fn excess(&self, now: Instant) -> Duration {
        let mut notes = self.lock();
        notes.until.retain(|_, until| *until > now);
        notes.until.last_key_value().map_or(Duration::ZERO, |(lease, _)| *lease - self.own)
    }

    /// What lies in the data folder and is not true any more is replaced, so that the next start
    /// does not wait for it. Blocks on the disk then.
    fn tidy(&self, now: Instant) -> io::Result<()> {
        let longest = self.own + self.excess(now);
        let mut notes = self.lock();
        if notes.kept > longest && notes.until.is_empty() {
            self.kept.write(millis::whole(longest))?;
            notes.kept = longest;
        }
        Ok(())
    }

    /// Says on a request how long our leases are.
    pub(crate) fn sign(&self, request: &mut MetadataMap) {
        request.insert(HEADER, MetadataValue::from(millis::whole(self.own)));
    }

    /// Says on a vote what is noted here.
    pub(crate) fn tell(&self, answer: &mut MetadataMap) {
        let longest = self.own + self.excess(clock::now());
        answer.insert(HEADER, MetadataValue::from(millis::whole(longest)));
    }

    /// Notes what a message says.
    pub(crate) fn heard(&self, message: &MetadataMap) -> Result<Heard, Status> {
        let heard = Heard { lease: said(message), longest: self.clone() };
        heard.again()?;
        Ok(heard)
    }

    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tidies up now and then until `cancel` is called.
pub(crate) async fn tidy(longest: Longest, tasks: TaskTracker, cancel: CancellationToken) {
    loop {
        tokio::select! {
            () = sleep(TIDY_EVERY) => {}
            () = cancel.cancelled() => return,
        }
        let longest = longest.clone();
        if let Ok(Err(error)) = offload(&tasks, move || longest.tidy(clock::now())).await {
            tracing::warn!(%error, "the longest lease of before stays in the data folder: the next start waits for it");
        }
    }
}

fn said(message: &MetadataMap) -> Duration {
    let text = message.get(HEADER).and_then(|value| value.to_str().ok());
    let ms = text.and_then(|text| text.parse().ok()).unwrap_or_default();
    Duration::from_millis(ms).min(LONGEST)
}

/// What the first message of a stream said of leases.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    lease: Duration,
    longest: Longest,
}

impl Heard {
    /// Notes it for another message of the stream: before that is acknowledged.
    pub(crate) fn again(&self) -> Result<(), Status> {
        self.longest.note(self.lease, clock::now()).map_err(|error| {
            tracing::error!(%error, "a leader's entries are refused: how long its leases are cannot be written to the data folder");
            Status::unavailable(format!("how long the leader's leases are cannot be kept: {error}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn open(folder: &tempfile::TempDir, own: Duration, now: Instant) -> Longest {
        Longest::open(own, Kept::new(folder.path(), "LEASE"), now).unwrap()
    }

    #[test]
    fn a_longer_lease_counts_until_it_must_have_ended() {
        let folder = tempfile::tempdir().unwrap();
        let now = clock::now();
        let longest = open(&folder, 300 * MS, now);
        longest.note(200 * MS, now).unwrap();
        assert_eq!(longest.excess(now), Duration::ZERO, "ours is longer");
        longest.note(700 * MS, now).unwrap();
        longest.note(500 * MS, now + 400 * MS).unwrap();
        assert_eq!(longest.excess(now + 699 * MS), 400 * MS);
        assert_eq!(longest.excess(now + 700 * MS), 200 * MS, "the other leader's is still held");
        assert_eq!(longest.excess(now + 900 * MS), Duration::ZERO);
    }

    #[test]
    fn a_restart_forgets_neither_a_leader_nor_what_was_granted_before() {
        let folder = tempfile::tempdir().unwrap();
        let now = clock::now();
        open(&folder, 300 * MS, now).note(700 * MS, now).unwrap();
        let again = open(&folder, 300 * MS, now);
        assert_eq!(again.excess(now + 699 * MS), 400 * MS);
        again.tidy(now + 699 * MS).unwrap();
        assert_eq!(open(&folder, 300 * MS, now).excess(now), 400 * MS, "too early to tidy up");
        again.tidy(now + 700 * MS).unwrap();
        assert_eq!(open(&folder, 300 * MS, now).excess(now), Duration::ZERO);
        // Its own options were changed: what it has granted was longer.
        assert_eq!(open(&folder, 100 * MS, now).excess(now), 200 * MS);
    }

    #[test]
    fn what_cannot_be_kept_is_not_acknowledged() {
        let folder = tempfile::tempdir().unwrap();
        let now = clock::now();
        let longest = open(&folder, 300 * MS, now);
        std::fs::remove_dir_all(folder.path()).unwrap();
        assert!(longest.note(300 * MS, now).is_ok(), "there is nothing to keep");
        assert!(longest.note(301 * MS, now).is_err());
        assert_eq!(longest.excess(now), Duration::ZERO);
    }

    #[test]
    fn a_header_says_it_and_nonsense_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let now = clock::now();
        let longest = open(&folder, 300 * MS, now);
        let mut message = MetadataMap::new();
        longest.heard(&message).unwrap();
        message.insert(HEADER, "long".parse().unwrap());
        longest.heard(&message).unwrap();
        assert_eq!(longest.excess(now), Duration::ZERO);
        let other = tempfile::tempdir().unwrap();
        open(&other, 800 * MS, now).sign(&mut message);
        longest.heard(&message).unwrap();
        assert_eq!(longest.excess(now), 500 * MS);
        let mut answer = MetadataMap::new();
        longest.tell(&mut answer);
        assert_eq!(said(&answer), 800 * MS);
        message.insert(HEADER, u64::MAX.into());
        assert_eq!(said(&message), LONGEST);
    }
}
