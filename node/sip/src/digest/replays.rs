//! Which uses of which nonces were accepted (RFC 7616 section 3.4.1, nc).
//!
//! A nonce takes a place only once it was used with the right password, so that strangers cannot fill
//! the table. When it is full, the oldest nonce goes, and with it every nonce that is as old: what
//! is not remembered any more is not accepted any more.
//!
//! Invariant: no use of a nonce is accepted twice, however many nonces there are.

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroUsize;

use holdline_model::Millis;

use super::Nonce;

/// What a use of a nonce is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// The first of its count.
    First,
    /// The very request that was accepted with this count: a retransmission.
    Again,
    /// Another request with a count that was used, or one that is too far behind to tell.
    Replayed,
    /// The nonce is too old.
    Stale,
}

/// The nonces in use.
#[derive(Debug)]
pub struct Replays {
    life_ms: u64,
    limit: NonZeroUsize,
    windows: HashMap<Key, Window>,
    /// The same nonces by age.
    ages: BTreeSet<Key>,
    /// Nonces made then or before, and not in the table, are not accepted.
    floor: Option<Millis>,
}

type Key = (Millis, u64, u64, u16);

/// The last counts of one nonce.
#[derive(Clone, Debug, Default)]
struct Window {
    highest: u32,
    /// Bit n: `highest` - n was used.
    used: u64,
    /// The last requests accepted, by count.
    last: Vec<(u32, u128)>,
}

/// Counts that may come out of order.
const WIDTH: u32 = 64;

/// Requests of one nonce that are told from replays when they come again.
const REMEMBERED: usize = 4;

impl Replays {
    /// An empty table of at most `limit` nonces that live for `life_ms`.
    #[must_use]
    pub fn new(life_ms: u64, limit: NonZeroUsize) -> Self {
        Self { life_ms, limit, windows: HashMap::new(), ages: BTreeSet::new(), floor: None }
    }

    /// Notes a use of a nonce, the request of which is told from others by `request`.
    pub fn note(&mut self, now: Millis, nonce: &Nonce, nc: u32, request: u128) -> Use {
        let key = (nonce.issued, nonce.salt, nonce.epoch.0, nonce.slot.0);
        let is_over = self.is_over(now, nonce.issued);
        if let Some(window) = self.windows.get_mut(&key) {
            // What was accepted in time may come again a little later.
            return match window.last.contains(&(nc, request)) {
                true => Use::Again,
                false if is_over => Use::Stale,
                false => window.note(nc, request),
            };
        }
        if is_over || self.is_below_floor(nonce) {
            return Use::Stale;
        }
        self.make_room(now);
        if self.is_below_floor(nonce) {
            return Use::Stale;
        }
        self.ages.insert(key);
        self.windows.entry(key).or_default().note(nc, request)
    }

    /// How many nonces are in use.
    #[must_use]
    pub fn len(&self) -> usize {
        self.windows.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    /// Too old, or made later than we can have made it.
    fn is_over(&self, now: Millis, issued: Millis) -> bool {
        now.since(issued) >= self.life_ms || issued.since(now) >= self.life_ms
    }

    fn is_below_floor(&self, nonce: &Nonce) -> bool {
        self.floor.is_some_and(|at| nonce.issued <= at)
    }

    fn make_room(&mut self, now: Millis) {
        // A retransmission of a last use is told for another life of the nonce.
        let keep_ms = self.life_ms.saturating_mul(2);
        while let Some(oldest) = self.ages.first().copied() {
            let over = now.since(oldest.0) >= keep_ms;
            if !over && self.windows.len() < self.limit.get() {
                return;
            }
            if !over {
                self.floor = Some(self.floor.map_or(oldest.0, |floor| floor.max(oldest.0)));
            }
            self.ages.remove(&oldest);
            self.windows.remove(&oldest);
        }
    }
}

impl Window {
    fn note(&mut self, nc: u32, request: u128) -> Use {
        if nc > self.highest {
            let step = nc - self.highest;
            self.used = if step >= WIDTH { 0 } else { self.used << step };
            self.highest = nc;
        }
        let behind = self.highest - nc;
        if behind >= WIDTH || self.used & (1 << behind) != 0 {
            return Use::Replayed;
        }
        self.used |= 1 << behind;
        if self.last.len() == REMEMBERED {
            self.last.remove(0);
        }
        self.last.push((nc, request));
        Use::First
    }
}
