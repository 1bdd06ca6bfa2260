//! Bans: blocks of addresses that are turned away until a time.
//!
//! Every node keeps all bans and tells them to all others, so a node that restarts gets them back,
//! and what one node found out protects all. The rule of merging needs no order of messages: for
//! each block the entry with the later `at` counts, then the one with the higher node. A ban that is lifted
//! stays as such until it would have ended, so that nobody brings it back.
//!
//! An address is looked up once for each length of prefix that is in use, of which there are few.
//!
//! Invariant: a ban never covers an address of the allow-list, whoever made it and how large it is.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use holdline_model::{Cidr, Millis, NodeId};

use crate::{Blocks, Cause};

/// Why a block is banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BanReason {
    /// By an operator.
    Operator,
    /// By a shield.
    Shield(Cause),
}

/// What a ban turns away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BanScope {
    /// Everything but calls that are up, and emergency calls.
    New,
    /// Everything.
    All,
}

/// One ban.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Who is banned.
    pub block: Cidr,
    /// Until when; the same for all nodes.
    pub until: Millis,
    /// When it was made or lifted.
    pub at: Millis,
    /// By which node.
    pub by: NodeId,
    /// Why.
    pub reason: BanReason,
    /// What is turned away.
    pub scope: BanScope,
    /// It was lifted before its time.
    pub lifted: bool,
}

/// A ban cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BanError {
    /// It would turn away a peer that the configuration trusts.
    #[error("{block} overlaps {allowed}, which protection.allow or a trunk's sources protect")]
    Allowed {
        /// As asked for.
        block: Cidr,
        /// What it overlaps.
        allowed: Cidr,
    },
    /// There are too many.
    #[error("there are {limit} bans, which is the limit")]
    Full {
        /// How many there may be.
        limit: usize,
    },
    /// It would have ended already.
    #[error("a ban until {until} would be over at {now}")]
    Over {
        /// As asked for.
        until: Millis,
        /// The time.
        now: Millis,
    },
    /// There is none.
    #[error("{block} is not banned")]
    Unknown {
        /// As asked for.
        block: Cidr,
    },
}

/// All bans that a node knows of.
#[derive(Clone, Debug)]
pub struct Bans {
    /// Never banned.
    allow: Blocks,
    limit: usize,
    bans: BTreeMap<Cidr, Ban>,
    /// For looking up: those in force, and their lengths of prefix, the longest first.
    in_force: HashMap<Cidr, (Millis, BanScope), foldhash::quality::FixedState>,
    lengths: Vec<u8>,
}

impl Bans {
    /// None yet. `allow` is never banned; more than `limit` are refused.
    #[must_use]
    pub fn new(allow: Blocks, limit: usize) -> Self {
        let bans = BTreeMap::new();
        Self { allow, limit, bans, in_force: HashMap::default(), lengths: Vec::new() }
    }

    /// Whether an address is banned now, and from what.
    #[must_use]
    pub fn find(&self, now: Millis, address: IpAddr) -> Option<BanScope> {
        if self.in_force.is_empty() {
            return None;
        }
        let found = |length: &u8| {
            let (until, scope) = self.in_force.get(&Cidr::around(address, *length))?;
            (*until > now).then_some(*scope)
        };
        let scope =
            self.lengths.iter().filter_map(found).max_by_key(|scope| *scope == BanScope::All)?;
        (!self.is_allowed(address)).then_some(scope)
    }

    /// Whether an address is of a peer that is never banned.
    #[must_use]
    pub fn is_allowed(&self, address: IpAddr) -> bool {
        self.allow.contains(address)
    }

    /// Bans a block from now on.
    ///
    /// # Errors
    /// [`BanError::Allowed`], [`BanError::Full`], [`BanError::Over`]; nothing has changed then.
    pub fn add(&mut self, now: Millis, ban: Ban) -> Result<(), BanError> {
        self.expire(now);
        let block = ban.block;
        if let Some(allowed) = self.allow.overlapping(&block) {
            return Err(BanError::Allowed { block, allowed });
        }
        if ban.until <= now {
            return Err(BanError::Over { until: ban.until, now });
        }
        if self.bans.len() >= self.limit && !self.bans.contains_key(&block) {
            // An operator knows better than a shield, which goes on without the ban.
            let soonest = self.bans.values().filter(|other| other.reason != BanReason::Operator);
            let soonest = soonest.min_by_key(|other| other.until).map(|other| other.block);
            match soonest.filter(|_| ban.reason == BanReason::Operator) {
                Some(soonest) => self.bans.remove(&soonest),
                None => return Err(BanError::Full { limit: self.limit }),
            };
        }
        self.put(Ban { lifted: false, ..ban });
        Ok(())
    }

    /// Lifts a ban.
    ///
    /// # Errors
    /// [`BanError::Unknown`].
    pub fn remove(&mut self, now: Millis, by: NodeId, block: Cidr) -> Result<(), BanError> {
        self.expire(now);
        match self.bans.get(&block) {
            Some(ban) if !ban.lifted => {
                self.put(Ban { lifted: true, at: now, by, ..*ban });
                Ok(())
            }
            Some(_) | None => Err(BanError::Unknown { block }),
        }
    }

    /// Takes what another node says; whether it was news. What this node cannot keep, because it
    /// is over, allowed here, or one too many, is no news.
    pub fn hear(&mut self, now: Millis, ban: Ban) -> bool {
        let known = self.bans.get(&ban.block);
        let is_older = known.is_some_and(|known| (known.at, known.by) >= (ban.at, ban.by));
        let is_allowed = self.allow.overlapping(&ban.block).is_some();
        let is_full = known.is_none() && self.bans.len() >= self.limit;
        if is_older || is_allowed || is_full || ban.until <= now {
            return false;
        }
        self.put(ban);
        true
    }

    /// Forgets what is over; whether anything was.
    pub fn expire(&mut self, now: Millis) -> bool {
        let before = self.bans.len();
        self.bans.retain(|_, ban| ban.until > now);
        let changed = self.bans.len() != before;
        if changed {
            self.index();
        }
        changed
    }

    /// When the next one is over.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Millis> {
        self.bans.values().map(|ban| ban.until).min()
    }

    /// All that are in force, by block.
    pub fn in_force(&self, now: Millis) -> impl Iterator<Item = &Ban> {
        self.bans.values().filter(move |ban| !ban.lifted && ban.until > now)
    }

    /// All, lifted ones included: what other nodes are told.
    pub fn all(&self) -> impl Iterator<Item = &Ban> {
        self.bans.values()
    }

    fn put(&mut self, ban: Ban) {
        self.bans.insert(ban.block, ban);
        self.index();
    }

    fn index(&mut self) {
        self.in_force.clear();
        let mut lengths = BTreeSet::new();
        for (block, ban) in self.bans.iter().filter(|(_, ban)| !ban.lifted) {
            self.in_force.insert(*block, (ban.until, ban.scope));
            lengths.insert(block.prefix());
        }
        self.lengths = lengths.into_iter().rev().collect();
    }
}

/// As nodes tell each other: `until at by reason scope lifted`; the block is the key.
impl Ban {
    /// The text that other nodes read.
    #[must_use]
    pub fn to_text(&self) -> String {
        let scope = match self.scope {
            BanScope::New => "new",
            BanScope::All => "all",
        };
        let state = if self.lifted { "lifted" } else { "on" };
        format!("{} {} {} {} {scope} {state}", self.until.0, self.at.0, self.by.0, self.reason)
    }

    /// Reads what another node wrote; `None` if it is of another version.
    #[must_use]
    pub fn from_text(block: Cidr, text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let mut number = || words.next()?.parse::<u64>().ok();
        let (until, at, by) = (Millis(number()?), Millis(number()?), NodeId(number()?));
        let reason = words.next()?.parse().ok()?;
        let scope = match words.next()? {
            "new" => BanScope::New,
            "all" => BanScope::All,
            _ => return None,
        };
        let lifted = match words.next()? {
            "on" => false,
            "lifted" => true,
            _ => return None,
        };
        words.next().is_none().then_some(Self { block, until, at, by, reason, scope, lifted })
    }
}

impl fmt::Display for BanReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Operator => "operator",
            Self::Shield(cause) => cause.as_str(),
        })
    }
}

/// The word is none of [`BanReason`]'s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no reason for a ban is called so")]
pub struct UnknownReason;

impl FromStr for BanReason {
    type Err = UnknownReason;

    fn from_str(word: &str) -> Result<Self, UnknownReason> {
        let causes = [
            Cause::Packets,
            Cause::Transactions,
            Cause::AuthFailures,
            Cause::Exempt,
            Cause::Strangers,
        ];
        if word == "operator" {
            return Ok(Self::Operator);
        }
        causes
            .into_iter()
            .find(|cause| cause.as_str() == word)
            .map(Self::Shield)
            .ok_or(UnknownReason)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Millis = Millis(1_000_000);

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    fn ban(block: &str, seconds: u64) -> Ban {
        Ban {
            block: cidr(block),
            until: NOW.plus_ms(seconds * 1_000),
            at: NOW,
            by: NodeId(1),
            reason: BanReason::Operator,
            scope: BanScope::New,
            lifted: false,
        }
    }

    fn bans() -> Bans {
        Bans::new([cidr("192.0.2.0/24"), cidr("2001:db8::/32")].into_iter().collect(), 8)
    }

    fn find(bans: &Bans, address: &str) -> Option<BanScope> {
        bans.find(NOW, address.parse().unwrap())
    }

    #[test]
    fn a_block_is_banned_until_its_time() {
        let mut bans = bans();
        bans.add(NOW, ban("10.1.0.0/16", 60)).unwrap();
        bans.add(NOW, Ban { scope: BanScope::All, ..ban("10.1.2.3", 30) }).unwrap();
        assert_eq!(find(&bans, "10.1.9.9"), Some(BanScope::New));
        assert_eq!(find(&bans, "10.1.2.3"), Some(BanScope::All));
        assert_eq!(find(&bans, "::ffff:10.1.2.3"), Some(BanScope::All), "the same address");
        assert_eq!(find(&bans, "10.2.0.0"), None);
        assert_eq!(find(&bans, "::1"), None);
        let later = NOW.plus_ms(30_000);
        assert_eq!(bans.find(later, "10.1.2.3".parse().unwrap()), Some(BanScope::New));
        assert!(bans.expire(later));
        assert_eq!(bans.in_force(later).count(), 1);
        assert_eq!(bans.next_expiry(), Some(NOW.plus_ms(60_000)));
    }

    #[test]
    fn a_trusted_peer_is_never_banned_by_accident() {
        let mut bans = bans();
        for block in ["192.0.2.7", "192.0.0.0/16", "0.0.0.0/0", "2001:db8:1::/48", "::/0"] {
            let refused = bans.add(NOW, ban(block, 60)).unwrap_err();
            assert!(matches!(refused, BanError::Allowed { .. }), "{block}: {refused}");
            assert!(!bans.hear(NOW, ban(block, 60)), "{block}: nor by another node's word");
        }
        let text = bans.add(NOW, ban("192.0.2.7", 60)).unwrap_err().to_string();
        assert!(text.starts_with("192.0.2.7/32 overlaps 192.0.2.0/24"), "{text}");
        assert!(bans.is_allowed("192.0.2.9".parse().unwrap()));
        assert_eq!(find(&bans, "192.0.2.7"), None);
    }

    #[test]
    fn a_lifted_ban_does_not_come_back_by_an_old_word() {
        let mut bans = bans();
        bans.add(NOW, ban("10.1.2.3", 60)).unwrap();
        let later = NOW.plus_ms(1);
        bans.remove(later, NodeId(2), cidr("10.1.2.3")).unwrap();
        assert_eq!(find(&bans, "10.1.2.3"), None);
        assert!(!bans.hear(later, ban("10.1.2.3", 60)));
        assert_eq!(find(&bans, "10.1.2.3"), None);
        let unknown = bans.remove(later, NodeId(2), cidr("10.1.2.3")).unwrap_err();
        assert_eq!(unknown.to_string(), "10.1.2.3/32 is not banned");
        assert!(bans.hear(later, Ban { at: later.plus_ms(1), ..ban("10.1.2.3", 60) }));
        assert_eq!(find(&bans, "10.1.2.3"), Some(BanScope::New), "banned anew");
    }

    #[test]
    fn there_are_no_more_than_the_limit() {
        let mut bans = bans();
        for n in 0..8 {
            bans.add(NOW, ban(&format!("10.0.0.{n}"), 60)).unwrap();
        }
        assert_eq!(bans.add(NOW, ban("10.0.0.8", 60)), Err(BanError::Full { limit: 8 }));
        assert!(!bans.hear(NOW, ban("10.0.0.8", 60)));
        bans.add(NOW, ban("10.0.0.7", 90)).unwrap();
        let shields = Ban { reason: BanReason::Shield(Cause::Packets), ..ban("10.0.0.7", 90) };
        bans.add(NOW, shields).unwrap();
        assert_eq!(
            bans.add(NOW, Ban { block: cidr("10.0.0.9"), ..shields }),
            Err(BanError::Full { limit: 8 })
        );
        bans.add(NOW, ban("10.0.0.10", 90)).unwrap();
        assert_eq!(find(&bans, "10.0.0.7"), None, "an operator's ban takes a shield's place");
        let later = NOW.plus_ms(60_000);
        bans.add(later, Ban { until: later.plus_ms(1), ..ban("10.0.0.8", 0) }).unwrap();
        let over = bans.add(later, ban("10.0.0.9", 60)).unwrap_err();
        assert!(matches!(over, BanError::Over { .. }), "{over}");
    }

    #[test]
    fn what_is_told_can_be_read() {
        for reason in
            ["operator", "packets", "transactions", "auth_failures", "exempt", "strangers"]
        {
            for (scope, lifted) in [(BanScope::New, false), (BanScope::All, true)] {
                let reason = reason.parse().unwrap();
                let ban = Ban { reason, scope, lifted, ..ban("10.0.0.0/8", 60) };
                assert_eq!(Ban::from_text(ban.block, &ban.to_text()), Some(ban));
            }
        }
        let text = ban("10.0.0.0/8", 60).to_text();
        assert_eq!(text, "1060000 1000000 1 operator new on");
        for wrong in
            ["", "1 2 3", "1 2 3 operator new", "1 2 3 spite new on", "1 2 3 operator new on 4"]
        {
            assert_eq!(Ban::from_text(cidr("10.0.0.0/8"), wrong), None, "{wrong}");
        }
    }

    proptest! {
        /// Whatever the order in which nodes hear of each other's changes, they end up alike.
        #[test]
        fn nodes_agree_in_the_end(
            changes in prop::collection::vec((0_u8..4, 0_u64..50, 1_u64..4, any::<bool>()), 1..30),
            order in any::<prop::sample::Index>(),
        ) {
            let change = |(host, at, by, lifted): &(u8, u64, u64, bool)| Ban {
                at: NOW.plus_ms(*at),
                by: NodeId(*by),
                // The same change never says two things.
                lifted: *lifted && at % 2 == 0,
                until: NOW.plus_ms(60_000 + at),
                ..ban(&format!("10.0.0.{host}"), 60)
            };
            let changes: Vec<Ban> = changes.iter().map(change).collect();
            let mut unique = BTreeMap::new();
            for ban in &changes {
                unique.entry((ban.block, ban.at, ban.by)).or_insert(*ban);
            }
            let mut told: Vec<Ban> = unique.into_values().collect();
            let (mut one, mut other) = (bans(), bans());
            for ban in &told {
                one.hear(NOW, *ban);
            }
            let turn = order.index(told.len());
            told.rotate_left(turn);
            told.reverse();
            for ban in &told {
                other.hear(NOW, *ban);
            }
            let all = |bans: &Bans| bans.all().copied().collect::<Vec<_>>();
            prop_assert_eq!(all(&one), all(&other));
        }
    }
}
