//! Purses and lenders against a bucket on virtual time.

use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000 * MS;
const VALID_MS: u64 = 2_000;

fn tokens(count: u64) -> Tokens {
    Tokens::whole(count)
}

/// A purse that holds so much for two seconds.
fn holding(count: u64) -> Purse {
    let purse = Purse::new();
    purse.grant(tokens(count), VALID_MS * MS);
    purse
}

#[test]
fn what_was_granted_is_spent_once_and_in_time() {
    let purse = holding(3);
    assert_eq!(purse.take(MS, tokens(2)), Take::Taken);
    assert_eq!(purse.take(MS, tokens(2)), Take::NotYet, "one is left");
    purse.put_back(tokens(2));
    assert_eq!(purse.take(MS, tokens(3)), Take::Taken);
    // What was told to be spent is spent, even if it was not needed in the end.
    let mut lender = Lender::new(LenderOptions::default());
    assert_eq!(lender.ask(2 * MS, &purse).map(|ask| ask.spent), Some(tokens(3)));
    purse.put_back(tokens(3));
    assert_eq!(purse.take(3 * MS, tokens(1)), Take::NotYet);
    let purse = holding(3);
    assert_eq!(purse.take(VALID_MS * MS, tokens(1)), Take::NotYet, "it is over");
    let counts = purse.counts();
    assert_eq!((counts.left, counts.taken, counts.refused), (tokens(3), tokens(0), tokens(1)));
}

#[test]
fn threads_never_spend_more_than_was_granted() {
    let purse = holding(10_000);
    let taken: usize = std::thread::scope(|scope| {
        let is_taken = |_: &u32| purse.take(MS, Tokens::ONE) == Take::Taken;
        let spend = || scope.spawn(move || (0..5_000).filter(is_taken).count());
        let threads: Vec<_> = (0..4).map(|_| spend()).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(taken, 10_000);
    assert_eq!(purse.counts().refused, tokens(10_000));
}

#[test]
fn an_empty_bucket_says_when_to_come_again() {
    let (purse, mut lender) = (Purse::new(), Lender::new(LenderOptions::default()));
    assert_eq!(purse.take(0, Tokens::ONE), Take::NotYet);
    let ask = lender.ask(MS, &purse).unwrap();
    assert_eq!(ask, Ask { request: 1, spent: Tokens(0), returned: Tokens(0), want: tokens(4) });
    lender.replied(&purse, (MS, 6 * MS), tokens(1), VALID_MS, 500);
    assert_eq!(purse.take(7 * MS, Tokens::ONE), Take::Taken);
    assert_eq!(purse.take(106 * MS, Tokens::ONE), Take::Empty { retry_after_ms: 400 });
    assert_eq!(lender.ask(120 * MS, &purse), None, "not before there may be more");
    let ask = lender.ask(160 * MS, &purse).unwrap();
    assert_eq!((ask.request, ask.spent), (2, Tokens::ONE));
}

#[test]
fn a_request_of_unknown_outcome_is_made_again_as_it_was() {
    let (purse, mut lender) = (Purse::new(), Lender::new(LenderOptions::default()));
    purse.take(0, Tokens::ONE);
    let ask = lender.ask(MS, &purse);
    for _ in 0..50 {
        purse.take(2 * MS, Tokens::ONE);
    }
    assert_eq!(lender.ask(300 * MS, &purse), ask);
    lender.replied(&purse, (MS, 301 * MS), tokens(4), VALID_MS, 0);
    let next = lender.ask(302 * MS, &purse);
    assert!(next.is_none_or(|next| next.request == 2));
}

#[test]
fn without_demand_everything_is_given_back_once() {
    let (purse, mut lender) = (Purse::new(), Lender::new(LenderOptions::default()));
    purse.take(0, Tokens::ONE);
    lender.ask(MS, &purse).unwrap();
    lender.replied(&purse, (MS, 2 * MS), tokens(4), VALID_MS, 0);
    assert_eq!(purse.take(3 * MS, Tokens::ONE), Take::Taken);
    // Renewed while somebody may come again, then no more.
    let mut now = 3 * MS;
    let mut last = None;
    while now < 12 * SECOND {
        now += 20 * MS;
        if let Some(ask) = lender.ask(now, &purse) {
            lender.replied(&purse, (now, now + MS), ask.want, VALID_MS, 0);
            last = Some((now, ask));
        }
    }
    let (at, ask) = last.unwrap();
    assert!((5 * SECOND..6 * SECOND).contains(&at), "{at}");
    assert_eq!(ask.want, Tokens(0));
    let counts = purse.counts();
    assert_eq!(counts.left, Tokens(0));
    assert_eq!(counts.granted.0, counts.taken.0 + counts.returned.0);
}

/// A bucket that keeps its books as the cluster does: what is leased keeps its room.
struct Bucket {
    rate: u64,
    burst: Tokens,
    level: Tokens,
    leased: Tokens,
    at_ns: u64,
}

impl Bucket {
    fn new(rate: u64, burst: u64) -> Self {
        let burst = tokens(burst);
        Self { rate, burst, level: burst, leased: Tokens(0), at_ns: 0 }
    }

    fn lease(&mut self, now_ns: u64, ask: Ask) -> (Tokens, u64) {
        let filled = (now_ns - self.at_ns) * self.rate;
        self.at_ns = now_ns;
        self.leased = Tokens(self.leased.0 - ask.spent.0 - ask.returned.0);
        let room = self.burst.0 - self.leased.0;
        self.level = Tokens((self.level.0 + ask.returned.0 + filled).min(room));
        let granted = Tokens(self.level.0.min(ask.want.0) / Tokens::ONE.0 * Tokens::ONE.0);
        self.level = Tokens(self.level.0 - granted.0);
        self.leased = Tokens(self.leased.0 + granted.0);
        let missing = ask.want.0 - granted.0;
        (granted, missing.div_ceil(self.rate.max(1)).div_ceil(MS))
    }
}

/// Three nodes spend from one bucket at three times its rate; how many tokens each second gave.
fn spend(rate: u64, burst: u64, per_node: u64, seconds: u64) -> Vec<u64> {
    let mut bucket = Bucket::new(rate, burst);
    let mut nodes: Vec<_> =
        (0..3).map(|_| (Purse::new(), Lender::new(LenderOptions::default()))).collect();
    let mut taken = vec![0; usize::try_from(seconds).unwrap()];
    // A commit takes 5 ms: replies come that much later.
    let mut replies: Vec<(u64, usize, u64, Tokens, u64)> = Vec::new();
    for ms in 0..seconds * 1_000 {
        let now = ms * MS;
        replies.retain(|(at, node, sent, granted, retry)| {
            let (purse, lender) = &mut nodes[*node];
            if *at <= now {
                lender.replied(purse, (*sent, now), *granted, VALID_MS, *retry);
            }
            *at > now
        });
        for (index, (purse, lender)) in nodes.iter_mut().enumerate() {
            let before = per_node * ms / 1_000;
            for _ in before..per_node * (ms + 1) / 1_000 {
                if purse.take(now, Tokens::ONE) == Take::Taken {
                    taken[usize::try_from(ms / 1_000).unwrap()] += 1;
                }
            }
            let is_waiting = replies.iter().any(|(_, node, ..)| *node == index);
            if ms % 20 == 0
                && !is_waiting
                && let Some(ask) = lender.ask(now, purse)
            {
                let (granted, retry) = bucket.lease(now, ask);
                replies.push((now + 5 * MS, index, now, granted, retry));
            }
        }
    }
    taken
}

#[test]
fn three_nodes_at_three_times_the_rate_spend_it_and_no_more() {
    for (rate, burst) in [(100, 50), (1_000, 500), (10_000, 4_000)] {
        let taken = spend(rate, burst, rate, 20);
        let all: u64 = taken.iter().sum();
        assert!(all <= rate * 20 + burst, "{all} of {rate} a second");
        let steady: u64 = taken[5..].iter().sum();
        assert!(steady * 100 >= rate * 15 * 98, "{steady} of {}: {taken:?}", rate * 15);
        for window in 1..taken.len() {
            for part in taken.windows(window) {
                let sum: u64 = part.iter().sum();
                assert!(sum <= rate * window as u64 + burst, "{sum} within {window} s: {taken:?}");
            }
        }
    }
}

#[test]
fn what_is_asked_for_below_the_rate_is_given() {
    let taken = spend(1_000, 500, 200, 10);
    let steady: u64 = taken[1..].iter().sum();
    assert!(steady * 1000 >= 9 * 600 * 995, "{steady} of {}: {taken:?}", 9 * 600);
}

proptest! {
    #[test]
    fn the_books_are_true(steps in prop::collection::vec((0_u64..300, 0_u32..3, 1_u64..40), 1..300)) {
        let (purse, mut lender) = (Purse::new(), Lender::new(LenderOptions::default()));
        let mut bucket = Bucket::new(50, 100);
        let mut now = 0;
        for (ms, what, count) in steps {
            now += ms * MS;
            if what == 0 {
                if let Some(ask) = lender.ask(now, &purse) {
                    let (granted, retry) = bucket.lease(now, ask);
                    lender.replied(&purse, (now, now + MS), granted, VALID_MS, retry);
                }
            } else {
                purse.take(now, Tokens::whole(count));
            }
            let counts = purse.counts();
            let gone = counts.taken.0 + counts.returned.0 + counts.left.0;
            prop_assert_eq!(counts.granted.0, gone);
            // Bucket and leases together never hold more than the burst.
            prop_assert!(bucket.level.0 + bucket.leased.0 <= bucket.burst.0);
        }
    }
}
