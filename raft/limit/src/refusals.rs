//! Refusals that were given: the same request gets the same answer, whoever proposes it again.
//!
//! A proposal of unknown outcome is made again, and a caller that did not hear its refusal repeats its
//! INVITE, perhaps to the next owner. If the second were admitted, the callee would ring for a caller
//! that has been sent away.

use std::collections::{BTreeMap, VecDeque};

use holdline_model::limit::LimitRefusal;
use holdline_model::{Admit, limits};
use serde::{Deserialize, Serialize};

/// A caller's transaction: a digest of Call-ID, From tag, CSeq and branch (FNV-1a, 128 bits).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Transaction(pub u128);

impl Transaction {
    /// The transaction of an admission.
    #[must_use]
    pub fn of(admit: &Admit) -> Self {
        let parts = [&admit.call_id, &admit.from_tag, &admit.branch];
        let mut digest = OFFSET;
        for part in parts {
            for byte in part.bytes().chain([0]) {
                digest = (digest ^ u128::from(byte)).wrapping_mul(PRIME);
            }
        }
        for byte in admit.cseq.to_be_bytes() {
            digest = (digest ^ u128::from(byte)).wrapping_mul(PRIME);
        }
        Self(digest)
    }
}

/// A refusal, and until when it is remembered by the limits' clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// What was answered.
    pub refusal: LimitRefusal,
    /// Until when.
    pub until_ms: u64,
    /// Its place among all refusals.
    pub number: u64,
}

/// The refusals of the last [`limits::TOMBSTONE_MS`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refusals {
    given: BTreeMap<Transaction, Refused>,
    /// In the order in which they were given.
    order: VecDeque<Transaction>,
    next: u64,
}

impl Refusals {
    pub(crate) fn get(&self, transaction: Transaction) -> Option<&LimitRefusal> {
        self.given.get(&transaction).map(|refused| &refused.refusal)
    }

    /// A refusal as it is to be stored.
    pub(crate) fn stored(&self, transaction: Transaction) -> Option<Refused> {
        self.given.get(&transaction).cloned()
    }

    /// Remembers a refusal.
    pub(crate) fn put(&mut self, transaction: Transaction, refusal: LimitRefusal, now_ms: u64) {
        let until_ms = now_ms.saturating_add(limits::TOMBSTONE_MS);
        let refused = Refused { refusal, until_ms, number: self.next };
        self.next += 1;
        self.order.push_back(transaction);
        self.given.insert(transaction, refused);
    }

    /// Forgets what is old, and the oldest if there are too many. Returns what is gone.
    pub(crate) fn forget_old(&mut self, now_ms: u64) -> Vec<Transaction> {
        let mut gone = Vec::new();
        while let Some(first) = self.order.front().copied() {
            let is_old = self.given.get(&first).is_none_or(|refused| refused.until_ms <= now_ms);
            if !is_old && self.order.len() <= limits::MAX_LIMIT_REFUSALS {
                break;
            }
            self.order.pop_front();
            self.given.remove(&first);
            gone.push(first);
        }
        gone
    }

    /// Puts stored refusals back.
    pub(crate) fn restore(&mut self, mut stored: Vec<(Transaction, Refused)>) {
        stored.sort_by_key(|(_, refused)| refused.number);
        self.next = stored.last().map_or(0, |(_, refused)| refused.number + 1);
        self.order = stored.iter().map(|(transaction, _)| *transaction).collect();
        self.given = stored.into_iter().collect();
    }
}

const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
