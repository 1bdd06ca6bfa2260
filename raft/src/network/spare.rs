//! Which followers need not be told of an entry at once.
//!
//! An entry is committed when a majority has it on disk: the leader and, of two followers, the
//! quicker one. Those whom a majority does not need (one of two, two of four, and learners) are
//! *spare*: they are sent entries in lots, `spare_hold` apart, so that a lot costs them one append,
//! one sync and one batch of apply, and not as many as it has entries. The others are *prompt*.
//!
//! Who is prompt changes as followers do: one whose stream ends is replaced at once; while one is
//! late with an answer nobody is spare; and one that a spare follower outruns by far changes places
//! with it, so that the nearest site is waited for, not the first that connected.
//!
//! Invariant: this decides only when an append is sent, never what is in it nor who counts. A spare
//! follower is behind by `spare_hold` at most, by less than the shortest election time-out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use holdline_model::NodeId;
use tokio::sync::Notify;

/// The followers as the leader's appends see them. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Followers {
    inner: Arc<Mutex<Inner>>,
    /// Somebody who was spare may have become prompt.
    hurry: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Followers that make a majority together with the leader; `None` while this node follows.
    needed: Option<usize>,
    /// Followers that vote.
    voters: BTreeSet<NodeId>,
    streams: BTreeMap<NodeId, Unanswered>,
    /// How long answers to entries take, smoothed. Outlives the streams.
    latency: BTreeMap<NodeId, Duration>,
    prompt: BTreeSet<NodeId>,
}

/// When each append was sent that has no answer yet, in order. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Unanswered {
    sent: Arc<Mutex<VecDeque<Sent>>>,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    at: Instant,
    has_entries: bool,
}

impl Followers {
    /// This node leads: so many vote, itself included.
    pub(crate) fn lead(&self, me: NodeId, voters: &BTreeSet<NodeId>) {
        let mut inner = self.lock();
        inner.needed = Some(voters.len() / 2);
        inner.voters = voters.iter().copied().filter(|voter| *voter != me).collect();
        self.choose(inner);
    }

    /// This node does not lead, or does not know yet with whom.
    pub(crate) fn follow(&self) {
        let mut inner = self.lock();
        inner.needed = None;
        self.choose(inner);
    }

    /// A stream to a follower is open.
    pub(super) fn opened(&self, follower: NodeId, unanswered: &Unanswered) -> Open {
        let mut inner = self.lock();
        inner.streams.insert(follower, unanswered.clone());
        self.choose(inner);
        Open { followers: self.clone(), follower, unanswered: unanswered.clone() }
    }

    /// The oldest append to a follower was answered at `now`.
    pub(super) fn answered(&self, follower: NodeId, unanswered: &Unanswered, now: Instant) {
        let Some(sent) = unanswered.pop() else { return };
        if !sent.has_entries {
            return;
        }
        let took = now.saturating_duration_since(sent.at);
        let mut inner = self.lock();
        let known = inner.latency.entry(follower).or_insert(took);
        *known = (*known * 7 + took) / 8;
        if inner.may_replace(follower) {
            self.choose(inner);
        }
    }

    /// Whether entries for `follower` may wait for others.
    pub(super) fn is_spare(&self, follower: NodeId, now: Instant) -> bool {
        let inner = self.lock();
        let Some(needed) = inner.needed else { return false };
        if !inner.voters.contains(&follower) {
            return true;
        }
        let is_spare = !inner.prompt.contains(&follower) && inner.prompt.len() >= needed;
        is_spare && inner.prompt.iter().all(|prompt| inner.is_on_time(*prompt, now))
    }

    /// Resolves when somebody who was spare may have become prompt. Cancel-safe.
    pub(super) async fn hurried(&self) {
        self.hurry.notified().await;
    }

    fn choose(&self, mut inner: MutexGuard<'_, Inner>) {
        let before = inner.prompt.clone();
        inner.choose();
        let changed = before != inner.prompt;
        drop(inner);
        if changed {
            self.hurry.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Keeps those who are prompt as far as they still can be, and fills up with the quickest.
    fn choose(&mut self) {
        let needed = self.needed.unwrap_or(0);
        let (voters, streams) = (&self.voters, &self.streams);
        let can = |node: &NodeId| voters.contains(node) && streams.contains_key(node);
        self.prompt.retain(can);
        let mut others: Vec<_> = voters
            .iter()
            .copied()
            .filter(|node| can(node) && !self.prompt.contains(node))
            .collect();
        others.sort_by_key(|node| self.latency.get(node).copied().unwrap_or_default());
        let missing = needed.saturating_sub(self.prompt.len());
        self.prompt.extend(others.into_iter().take(missing));
    }

    /// Takes the slowest prompt one's place away if `follower` outruns it by far.
    fn may_replace(&mut self, follower: NodeId) -> bool {
        if self.prompt.contains(&follower) || !self.voters.contains(&follower) {
            return false;
        }
        let latency = |node: &NodeId| self.latency.get(node).copied().unwrap_or_default();
        let Some(slowest) = self.prompt.iter().copied().max_by_key(latency) else { return false };
        if latency(&slowest) <= latency(&follower) * 2 + MARGIN {
            return false;
        }
        self.prompt.remove(&slowest);
        self.prompt.insert(follower);
        true
    }

    fn is_on_time(&self, node: NodeId, now: Instant) -> bool {
        let usual = self.latency.get(&node).copied().unwrap_or_default();
        let oldest = self.streams.get(&node).and_then(Unanswered::oldest);
        oldest.is_none_or(|sent| now.saturating_duration_since(sent) < (usual * 4).max(LATE))
    }
}

impl Unanswered {
    pub(super) fn push(&self, at: Instant, has_entries: bool) {
        self.lock().push_back(Sent { at, has_entries });
    }

    pub(super) fn oldest(&self) -> Option<Instant> {
        self.lock().front().map(|sent| sent.at)
    }

    fn pop(&self) -> Option<Sent> {
        self.lock().pop_front()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Sent>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open stream: when this is dropped, the follower cannot be prompt any more.
#[derive(Debug)]
pub(super) struct Open {
    followers: Followers,
    follower: NodeId,
    unanswered: Unanswered,
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut inner = self.followers.lock();
        let known = inner.streams.get(&self.follower);
        // Another stream may have been opened in place of this one.
        if known.is_some_and(|known| Arc::ptr_eq(&known.sent, &self.unanswered.sent)) {
            inner.streams.remove(&self.follower);
            self.followers.choose(inner);
        }
    }
}

/// A prompt follower is late when an answer takes four times as long as usual, and at least this.
const LATE: Duration = Duration::from_millis(10);

/// Differences below this are not worth changing places for.
const MARGIN: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const MS: Duration = Duration::from_millis(1);

    struct Follower {
        id: NodeId,
        unanswered: Unanswered,
        open: Option<Open>,
    }

    /// Node 1 leads all of `1..=size`, and has a stream to each of the others.
    fn led(size: u64) -> (Followers, Vec<Follower>) {
        let followers = Followers::default();
        followers.lead(NodeId(1), &(1..=size).map(NodeId).collect());
        let open = |id| {
            let unanswered = Unanswered::default();
            let open = Some(followers.opened(id, &unanswered));
            Follower { id, unanswered, open }
        };
        let all = (2..=size).map(NodeId).map(open).collect();
        (followers, all)
    }

    fn answer(followers: &Followers, of: &Follower, sent: Instant, took: Duration) {
        of.unanswered.push(sent, true);
        followers.answered(of.id, &of.unanswered, sent + took);
    }

    fn spare(followers: &Followers, of: &[Follower], now: Instant) -> Vec<u64> {
        let spare = of.iter().map(|it| it.id).filter(|id| followers.is_spare(*id, now));
        spare.map(|id| id.0).collect()
    }

    #[test]
    fn those_whom_a_majority_does_not_need_are_spare() {
        let now = clock::now();
        for (size, expected) in [(2, vec![]), (3, vec![3]), (4, vec![4]), (5, vec![4, 5])] {
            let (followers, all) = led(size);
            assert_eq!(spare(&followers, &all, now), expected, "{size} nodes");
        }
    }

    #[test]
    fn nobody_is_spare_while_a_prompt_one_is_late_or_this_node_does_not_lead() {
        let (followers, all) = led(3);
        let now = clock::now();
        all[0].unanswered.push(now, true);
        assert_eq!(spare(&followers, &all, now + 9 * MS), [3]);
        assert_eq!(spare(&followers, &all, now + 10 * MS), [0; 0]);
        followers.answered(all[0].id, &all[0].unanswered, now + 12 * MS);
        assert_eq!(spare(&followers, &all, now + 12 * MS), [3]);
        all[0].unanswered.push(now + 12 * MS, true);
        assert_eq!(spare(&followers, &all, now + 59 * MS), [3], "12 ms is usual");
        assert_eq!(spare(&followers, &all, now + 60 * MS), [0; 0]);
        followers.follow();
        assert_eq!(spare(&followers, &all, now), [0; 0]);
    }

    #[tokio::test]
    async fn a_stream_that_ends_makes_the_spare_one_prompt_at_once() {
        let (followers, mut all) = led(3);
        let now = clock::now();
        let hurried = followers.hurried();
        tokio::pin!(hurried);
        assert!(futures::poll!(&mut hurried).is_pending());
        all[0].open = None;
        hurried.await;
        assert_eq!(spare(&followers, &all, now), [2], "3 is prompt now");
        let _open = followers.opened(NodeId(2), &all[0].unanswered);
        assert_eq!(spare(&followers, &all, now), [2], "and stays prompt");
        // A stream that was replaced does no harm when it ends.
        let newer = Unanswered::default();
        let newer = followers.opened(NodeId(3), &newer);
        all[1].open = None;
        assert_eq!(spare(&followers, &all, now), [2]);
        drop(newer);
        assert_eq!(spare(&followers, &all, now), [3]);
    }

    #[test]
    fn one_that_is_outrun_by_far_changes_places() {
        let (followers, all) = led(3);
        let now = clock::now();
        answer(&followers, &all[0], now, 5 * MS);
        answer(&followers, &all[1], now, 2 * MS);
        assert_eq!(spare(&followers, &all, now), [3], "not far enough");
        for _ in 0..40 {
            answer(&followers, &all[0], now, 60 * MS);
            answer(&followers, &all[1], now, 20 * MS);
        }
        assert_eq!(spare(&followers, &all, now), [2]);
        for _ in 0..40 {
            answer(&followers, &all[0], now, 15 * MS);
        }
        assert_eq!(spare(&followers, &all, now), [2], "and does not change back for little");
    }

    #[test]
    fn answers_to_bare_commit_indices_say_nothing_about_the_disk() {
        let (followers, all) = led(3);
        let now = clock::now();
        answer(&followers, &all[0], now, 5 * MS);
        for _ in 0..40 {
            all[1].unanswered.push(now, false);
            followers.answered(all[1].id, &all[1].unanswered, now);
        }
        assert_eq!(spare(&followers, &all, now), [3]);
    }

    #[test]
    fn learners_are_spare() {
        let (followers, _all) = led(3);
        let learner = Unanswered::default();
        let _open = followers.opened(NodeId(9), &learner);
        assert!(followers.is_spare(NodeId(9), clock::now()));
    }
}
