//! Leased tokens: a slice of a bucket that the cluster keeps is taken by this node at once, through
//! consensus, and spent here one by one without asking anybody.
//!
//! [`Purse`] is what is spent from, by any thread, in nanoseconds. [`Lender`] is the other side of
//! it: one task per class asks it what to propose next, and tells it the reply. Amounts are billionths
//! of a token, as in the model.
//!
//! The bucket was charged when the slice was leased, and leased tokens keep their room in it until
//! this node has said that they are spent or gives them back. So nothing is spent twice, a burst is
//! never larger than the bucket's, and a node that dies has spent its slice. What it holds may be
//! spent for a short time only, counted from when the request was *sent*; then it is given back.
//!
//! Invariant: never more is taken than was granted.
//! Invariant: a request that may have been decided is made again as it was, until its reply is known.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::Tokens;

/// Where leased tokens are. Taking does not wait, but for those who take at the same moment.
#[derive(Debug, Default)]
pub struct Purse {
    left: AtomicU64,
    /// Until when they may be spent.
    valid_until_ns: AtomicU64,
    /// Until when the bucket is known to be empty.
    empty_until_ns: AtomicU64,
    taken: AtomicU64,
    /// Of what was taken, what the cluster was not told.
    unreported: AtomicU64,
    granted: AtomicU64,
    returned: AtomicU64,
    refused: AtomicU64,
}

/// What became of a request for tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// They are spent.
    Taken,
    /// The bucket is empty: ask again in so many milliseconds.
    Empty {
        /// At least 1.
        retry_after_ms: u64,
    },
    /// Nothing is leased yet, but may be in a moment: whoever repeats his request by himself need
    /// not be answered now.
    NotYet,
}

/// How many tokens so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PurseCounts {
    /// Leased.
    pub granted: Tokens,
    /// Spent.
    pub taken: Tokens,
    /// Given back, because they were not needed in time: the under-use.
    pub returned: Tokens,
    /// Asked for when there were none.
    pub refused: Tokens,
    /// Left.
    pub left: Tokens,
}

impl Purse {
    /// An empty purse.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes an amount, if it is there.
    pub fn take(&self, now_ns: u64, cost: Tokens) -> Take {
        let take = self.take_again(now_ns, cost);
        if take != Take::Taken {
            self.refused.fetch_add(cost.0, Ordering::Relaxed);
        }
        take
    }

    /// The same for somebody who has found too little and waits: that counts as one demand.
    pub fn take_again(&self, now_ns: u64, cost: Tokens) -> Take {
        let (done, seen) = (Ordering::Relaxed, Ordering::Relaxed);
        let spend = |left: u64| left.checked_sub(cost.0);
        if self.is_valid(now_ns) && self.left.fetch_update(done, seen, spend).is_ok() {
            self.taken.fetch_add(cost.0, Ordering::Relaxed);
            self.unreported.fetch_add(cost.0, Ordering::Relaxed);
            return Take::Taken;
        }
        let empty_for_ns = self.empty_until_ns.load(Ordering::Relaxed).saturating_sub(now_ns);
        if empty_for_ns == 0 {
            return Take::NotYet;
        }
        Take::Empty { retry_after_ms: empty_for_ns.div_ceil(MS) }
    }

    /// Undoes a [`Purse::take`] of something that was not done after all, unless the cluster was told
    /// meanwhile that it is spent, and fills its room again: then it is.
    pub fn put_back(&self, cost: Tokens) {
        let (done, seen) = (Ordering::Relaxed, Ordering::Relaxed);
        let undo = |unreported: u64| unreported.checked_sub(cost.0);
        if self.unreported.fetch_update(done, seen, undo).is_ok() {
            self.taken.fetch_sub(cost.0, Ordering::Relaxed);
            self.left.fetch_add(cost.0, Ordering::Relaxed);
        }
    }

    /// Whether what is left may be spent.
    #[must_use]
    pub fn is_valid(&self, now_ns: u64) -> bool {
        now_ns < self.valid_until_ns.load(Ordering::Relaxed)
    }

    /// How many so far.
    #[must_use]
    pub fn counts(&self) -> PurseCounts {
        let read = |counter: &AtomicU64| Tokens(counter.load(Ordering::Relaxed));
        PurseCounts {
            granted: read(&self.granted),
            taken: read(&self.taken),
            returned: read(&self.returned),
            refused: read(&self.refused),
            left: read(&self.left),
        }
    }

    fn grant(&self, amount: Tokens, valid_until_ns: u64) {
        self.granted.fetch_add(amount.0, Ordering::Relaxed);
        self.left.fetch_add(amount.0, Ordering::Relaxed);
        self.valid_until_ns.store(valid_until_ns, Ordering::Relaxed);
    }

    /// Takes out up to `most`, to be given back.
    fn draw(&self, most: Tokens) -> Tokens {
        let (done, seen) = (Ordering::Relaxed, Ordering::Relaxed);
        let part = |left: u64| Some(left - left.min(most.0));
        let before = self.left.fetch_update(done, seen, part).unwrap_or(0);
        let drawn = before.min(most.0);
        self.returned.fetch_add(drawn, Ordering::Relaxed);
        Tokens(drawn)
    }
}

/// How a [`Lender`] follows the demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LenderOptions {
    /// For how long a slice is to last.
    pub horizon_ns: u64,
    /// At least so much, so that the first ones need not wait.
    pub least: Tokens,
    /// At most so much.
    pub most: Tokens,
    /// What was spent is told after this, because its room in the bucket fills up only then.
    pub report_ns: u64,
    /// Without demand for so long, everything is given back.
    pub idle_ns: u64,
}

impl Default for LenderOptions {
    fn default() -> Self {
        Self {
            horizon_ns: 300_000_000,
            least: Tokens::whole(4),
            most: Tokens::whole(100_000),
            report_ns: 150_000_000,
            idle_ns: 5_000_000_000,
        }
    }
}

/// What to propose: the fields of `LeaseTokens` that change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The request's number.
    pub request: u64,
    /// Spent since the request before.
    pub spent: Tokens,
    /// Given back.
    pub returned: Tokens,
    /// Wanted.
    pub want: Tokens,
}

/// Decides what to ask the cluster for, for one purse.
#[derive(Clone, Debug)]
pub struct Lender {
    options: LenderOptions,
    request: u64,
    pending: Option<Ask>,
    /// Asked for per second lately.
    rate: Tokens,
    seen: Option<(u64, u64)>,
    demanded_at_ns: Option<u64>,
    asked_at_ns: u64,
    retry_at_ns: u64,
}

impl Lender {
    /// Nothing was asked for yet.
    #[must_use]
    pub const fn new(options: LenderOptions) -> Self {
        Self::after(options, 0)
    }

    /// Nothing was asked for yet by this one, but an earlier one of the same run of the process may have
    /// made the request with this number.
    #[must_use]
    pub const fn after(options: LenderOptions, request: u64) -> Self {
        Self {
            options,
            request,
            pending: None,
            rate: Tokens(0),
            seen: None,
            demanded_at_ns: None,
            asked_at_ns: 0,
            retry_at_ns: 0,
        }
    }

    /// What to propose now, if anything. To be asked several times within the horizon; while the
    /// reply to the last one is not known, that one again.
    pub fn ask(&mut self, now_ns: u64, purse: &Purse) -> Option<Ask> {
        if self.pending.is_some() {
            return self.pending;
        }
        let counts = purse.counts();
        self.follow(now_ns, counts);
        let is_idle =
            self.demanded_at_ns.is_none_or(|at| now_ns.saturating_sub(at) >= self.options.idle_ns);
        let unreported = purse.unreported.load(Ordering::Relaxed);
        let need = self.need();
        let is_over = !purse.is_valid(now_ns);
        let surplus = if is_idle || is_over {
            counts.left
        } else if counts.left.0 > need.0.saturating_mul(2) {
            Tokens(counts.left.0 - need.0)
        } else {
            Tokens(0)
        };
        let left = Tokens(counts.left.0.saturating_sub(surplus.0));
        let is_short = !is_idle && left.0 <= need.0 / 2 && now_ns >= self.retry_at_ns;
        let is_due = now_ns.saturating_sub(self.asked_at_ns) >= self.options.report_ns;
        if !is_short && surplus.0 == 0 && !(is_due && unreported > 0) {
            return None;
        }
        self.request += 1;
        self.asked_at_ns = now_ns;
        let want = if is_idle { Tokens(0) } else { Tokens(need.0.saturating_sub(left.0)) };
        let returned = purse.draw(surplus);
        let spent = Tokens(purse.unreported.swap(0, Ordering::Relaxed));
        let ask = Ask { request: self.request, spent, returned, want };
        self.pending = Some(ask);
        Some(ask)
    }

    /// The reply to the last request, which was sent at `sent_ns`.
    pub fn replied(
        &mut self,
        purse: &Purse,
        (sent_ns, now_ns): (u64, u64),
        granted: Tokens,
        valid_ms: u64,
        retry_after_ms: u64,
    ) {
        let Some(ask) = self.pending.take() else { return };
        purse.grant(granted, sent_ns.saturating_add(valid_ms.saturating_mul(MS)));
        if granted < ask.want {
            let retry_ns = retry_after_ms.max(1).saturating_mul(MS);
            self.retry_at_ns = now_ns.saturating_add(retry_ns.min(self.options.report_ns));
            purse.empty_until_ns.store(now_ns.saturating_add(retry_ns), Ordering::Relaxed);
        } else {
            self.retry_at_ns = 0;
            purse.empty_until_ns.store(0, Ordering::Relaxed);
        }
    }

    /// The cluster knows no such class (any more): whatever is held is worth nothing. Should the class
    /// come back, the request that came too late is made again, and accounts for it.
    pub fn unknown(&self, purse: &Purse) {
        purse.valid_until_ns.store(0, Ordering::Relaxed);
    }

    /// The number of the last request.
    #[must_use]
    pub const fn request(&self) -> u64 {
        self.request
    }

    fn need(&self) -> Tokens {
        let horizon = u128::from(self.rate.0) * u128::from(self.options.horizon_ns);
        let need = u64::try_from(horizon / 1_000_000_000).unwrap_or(u64::MAX);
        Tokens(need.clamp(self.options.least.0, self.options.most.0))
    }

    fn follow(&mut self, now_ns: u64, counts: PurseCounts) {
        let asked = counts.taken.0.saturating_add(counts.refused.0);
        let (before_ns, before) = self.seen.unwrap_or((now_ns, 0));
        if asked > before {
            self.demanded_at_ns = Some(now_ns);
        }
        let span_ns = now_ns.saturating_sub(before_ns);
        if span_ns >= SAMPLE_NS {
            let new = u128::from(asked.saturating_sub(before)) * 1_000_000_000;
            let rate = u64::try_from(new / u128::from(span_ns)).unwrap_or(u64::MAX);
            // Follows a rise at once and a fall slowly.
            let slow = self.rate.0 / 8 * 7 + rate / 8;
            self.rate = Tokens(rate.max(slow));
            self.seen = Some((now_ns, asked));
        } else if self.seen.is_none() {
            self.seen = Some((now_ns, asked));
        }
    }
}

const MS: u64 = 1_000_000;

/// The demand is measured over at least so long.
const SAMPLE_NS: u64 = 50 * MS;

#[cfg(test)]
mod tests;
