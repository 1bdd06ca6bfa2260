//! The shield: limits per source address, looked at before a datagram is parsed.
//!
//! Sources are kept in a table of fixed size, in sets of eight ways, as a cache is built: finding
//! one costs one hash and one short scan. IPv6 sources count by /64, because that is what one
//! subscriber has. A source that stays quiet is replaced by a new one; one that is busy is not, so
//! whoever floods from a million invented addresses does not push out those with a history:
//! newcomers that find no room share one meter.
//!
//! What must never be limited (requests within a dialog, answers to our requests, emergency calls)
//! is told to the shield as [`Traffic::Exempt`] and has a ceiling of its own, far above what any
//! call needs: it only keeps the node alive for everybody else's.
//!
//! A source that is refused again and again is to be banned: the shield says so once, and again
//! when it goes on; who bans is [`crate::Bans`]' business. Refusals are cheap, so a ban only
//! saves their cost and tells the operator.

use std::net::IpAddr;

use holdline_model::Cidr;

use crate::{Meter, Rate, Seed};

/// Limits per source address; `None`: no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShieldOptions {
    /// Datagrams of any kind.
    pub packets: Option<Rate>,
    /// Requests that begin a transaction outside of dialogs.
    pub transactions: Option<Rate>,
    /// Wrong passwords.
    pub auth_failures: Option<Rate>,
    /// What is never limited otherwise.
    pub exempt: Option<Rate>,
    /// All sources that found no room in the table, together.
    pub strangers: Option<Rate>,
    /// So many refusals within [`ShieldOptions::ban_window_ns`] lead to a ban; `None`: no bans.
    pub ban_after: Option<u32>,
    /// See [`ShieldOptions::ban_after`].
    pub ban_window_ns: u64,
    /// Sources that are remembered, rounded up to a power of two.
    pub sources: usize,
}

impl Default for ShieldOptions {
    /// Generous: a PBX of a thousand phones does not come near.
    fn default() -> Self {
        Self {
            packets: Some(Rate::new(2_000, 4_000)),
            transactions: Some(Rate::new(200, 600)),
            auth_failures: Some(Rate::new(1, 20)),
            exempt: Some(Rate::new(20_000, 40_000)),
            strangers: Some(Rate::new(2_000, 4_000)),
            ban_after: Some(500),
            ban_window_ns: 10_000_000_000,
            sources: 65_536,
        }
    }
}

/// What a datagram is, as far as can be told cheaply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// It may begin a transaction.
    Request,
    /// An answer, an ACK, or nothing that SIP knows.
    Other,
    /// It belongs to a call that is up, or is an emergency call.
    Exempt,
}

/// Why something was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Too many datagrams.
    Packets,
    /// Too many new transactions.
    Transactions,
    /// Too many wrong passwords.
    AuthFailures,
    /// The ceiling of what is not limited otherwise.
    Exempt,
    /// There is no room to look at the source by itself, and too many are like it.
    Strangers,
}

impl Cause {
    /// The word used in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Packets => "packets",
            Self::Transactions => "transactions",
            Self::AuthFailures => "auth_failures",
            Self::Exempt => "exempt",
            Self::Strangers => "strangers",
        }
    }
}

/// What is to become of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShieldVerdict {
    /// It may go on.
    Pass,
    /// It is to be dropped.
    Refuse(Cause),
    /// It is to be dropped, and its source to be banned.
    Ban(Cause),
}

/// The table.
#[derive(Debug)]
pub struct Shield {
    options: ShieldOptions,
    seed: Seed,
    sets: Box<[Set]>,
    mask: usize,
    strangers: Meter,
}

type Set = [Source; WAYS];

/// One source. All zero: free.
#[derive(Clone, Copy, Debug, Default)]
struct Source {
    /// Of its address; two sources share an entry once in 2^64.
    hash: u64,
    packets: Meter,
    transactions: Meter,
    auth_failures: Meter,
    exempt: Meter,
    /// When the current window of refusals began.
    refused_since_ns: u64,
    refused: u32,
}

impl Shield {
    /// An empty table.
    #[must_use]
    pub fn new(options: ShieldOptions, seed: Seed) -> Self {
        let sets = options.sources.clamp(WAYS, MAX_SOURCES).next_power_of_two() / WAYS;
        let table = vec![[Source::default(); WAYS]; sets].into_boxed_slice();
        Self { options, seed, sets: table, mask: sets - 1, strangers: Meter::default() }
    }

    /// A datagram came.
    pub fn datagram(&mut self, now_ns: u64, source: IpAddr, traffic: Traffic) -> ShieldVerdict {
        let options = self.options;
        let Some(entry) = self.entry(now_ns, source) else {
            return match options.strangers {
                Some(rate) if traffic != Traffic::Exempt && !self.strangers.take(now_ns, rate) => {
                    ShieldVerdict::Refuse(Cause::Strangers)
                }
                Some(_) | None => ShieldVerdict::Pass,
            };
        };
        let refused = match traffic {
            Traffic::Exempt => over(&mut entry.exempt, options.exempt, now_ns, Cause::Exempt),
            Traffic::Request | Traffic::Other => {
                let packets = over(&mut entry.packets, options.packets, now_ns, Cause::Packets);
                let begins = packets.is_none() && traffic == Traffic::Request;
                let transactions = if begins { options.transactions } else { None };
                packets.or(over(&mut entry.transactions, transactions, now_ns, Cause::Transactions))
            }
        };
        refused.map_or(ShieldVerdict::Pass, |cause| entry.refuse(now_ns, &options, cause))
    }

    /// A request with a wrong password came; it was answered. Says whether the source is to be
    /// banned.
    pub fn auth_failed(&mut self, now_ns: u64, source: IpAddr) -> ShieldVerdict {
        let options = self.options;
        let Some(entry) = self.entry(now_ns, source) else { return ShieldVerdict::Pass };
        let cause = Cause::AuthFailures;
        match over(&mut entry.auth_failures, options.auth_failures, now_ns, cause) {
            None => ShieldVerdict::Pass,
            // Guessing is no mistake that a peer makes often: the rate is the threshold.
            Some(_) if options.ban_after.is_some() => ShieldVerdict::Ban(cause),
            Some(_) => ShieldVerdict::Refuse(cause),
        }
    }

    /// How many sources are remembered, and how many could be.
    #[must_use]
    pub fn sources(&self) -> (usize, usize) {
        let known = self.sets.iter().flatten().filter(|source| source.hash != 0).count();
        (known, self.sets.len() * WAYS)
    }

    /// The source's entry, or a new one; `None` if all that could be had are busy.
    fn entry(&mut self, now_ns: u64, source: IpAddr) -> Option<&mut Source> {
        let hash = self.seed.hash(&identity(source)).max(1);
        let set = usize::try_from(hash >> 32).unwrap_or_default() & self.mask;
        let set = self.sets.get_mut(set)?;
        let known = set.iter().position(|known| known.hash == hash);
        let at = known.or_else(|| set.iter().position(|other| other.is_replaceable(now_ns)))?;
        let entry = set.get_mut(at)?;
        if known.is_none() {
            *entry = Source { hash, ..Source::default() };
        }
        Some(entry)
    }
}

impl Source {
    fn is_replaceable(&self, now_ns: u64) -> bool {
        let idle = |meter: Meter| meter.is_idle(now_ns);
        let refused = now_ns.saturating_sub(self.refused_since_ns) < REMEMBER_REFUSED_NS;
        self.hash == 0
            || (idle(self.packets)
                && idle(self.transactions)
                && idle(self.auth_failures)
                && idle(self.exempt)
                && !(refused && self.refused > 0))
    }

    fn refuse(&mut self, now_ns: u64, options: &ShieldOptions, cause: Cause) -> ShieldVerdict {
        if now_ns.saturating_sub(self.refused_since_ns) >= options.ban_window_ns {
            (self.refused_since_ns, self.refused) = (now_ns, 0);
        }
        self.refused = self.refused.saturating_add(1);
        match options.ban_after {
            Some(after) if self.refused >= after => {
                (self.refused_since_ns, self.refused) = (now_ns, 0);
                ShieldVerdict::Ban(cause)
            }
            Some(_) | None => ShieldVerdict::Refuse(cause),
        }
    }
}

fn over(meter: &mut Meter, rate: Option<Rate>, now_ns: u64, cause: Cause) -> Option<Cause> {
    let rate = rate?;
    (!meter.take(now_ns, rate)).then_some(cause)
}

/// What counts as one source.
fn identity(source: IpAddr) -> Cidr {
    Cidr::around(source, 64)
}

const WAYS: usize = 8;

/// 64 bytes each: 64 MiB.
const MAX_SOURCES: usize = 1 << 20;

const REMEMBER_REFUSED_NS: u64 = 10_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn options() -> ShieldOptions {
        ShieldOptions {
            packets: Some(Rate::new(100, 20)),
            transactions: Some(Rate::new(10, 5)),
            auth_failures: Some(Rate::new(1, 3)),
            exempt: Some(Rate::new(1_000, 50)),
            strangers: Some(Rate::new(10, 2)),
            ban_after: Some(30),
            ban_window_ns: 1_000 * MS,
            sources: 64,
        }
    }

    fn shield() -> Shield {
        Shield::new(options(), Seed::new(9))
    }

    fn source(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn count(shield: &mut Shield, now_ns: u64, traffic: Traffic, tries: u32) -> u32 {
        let pass = |_: &u32| shield.datagram(now_ns, source(7), traffic) == ShieldVerdict::Pass;
        u32::try_from((0..tries).filter(pass).count()).unwrap()
    }

    #[test]
    fn a_source_gets_its_rate_and_burst_and_others_do_not_feel_it() {
        let mut shield = shield();
        assert_eq!(count(&mut shield, MS, Traffic::Request, 9), 5, "transactions");
        assert_eq!(count(&mut shield, MS, Traffic::Other, 25), 11, "9 of 20 packets are taken");
        assert_eq!(shield.datagram(MS, source(8), Traffic::Request), ShieldVerdict::Pass);
        assert_eq!(count(&mut shield, 101 * MS, Traffic::Request, 9), 1);
    }

    #[test]
    fn calls_that_are_up_and_emergencies_pass_when_nothing_else_does() {
        let mut shield = shield();
        count(&mut shield, MS, Traffic::Request, 100);
        assert_eq!(count(&mut shield, MS, Traffic::Request, 1), 0);
        assert_eq!(count(&mut shield, MS, Traffic::Exempt, 40), 40);
        assert_eq!(count(&mut shield, MS, Traffic::Exempt, 40), 10, "their own ceiling");
    }

    #[test]
    fn whoever_goes_on_is_banned_once_per_so_many_refusals() {
        let mut shield = shield();
        let verdicts: Vec<_> =
            (0..100).map(|_| shield.datagram(MS, source(7), Traffic::Request)).collect();
        let bans: Vec<usize> = verdicts
            .iter()
            .enumerate()
            .filter(|(_, verdict)| matches!(verdict, ShieldVerdict::Ban(_)))
            .map(|(at, _)| at)
            .collect();
        assert_eq!(bans, [34, 64, 94], "5 pass, then the 30th refusal of each round");
        let mut calm = self::shield();
        for second in 0..60 {
            for _ in 0..20 {
                let verdict = calm.datagram(second * 1_000 * MS, source(7), Traffic::Request);
                assert!(!matches!(verdict, ShieldVerdict::Ban(_)), "10 or so are refused a second");
            }
        }
    }

    #[test]
    fn wrong_passwords_lead_to_a_ban_beyond_their_rate() {
        let mut shield = shield();
        let verdicts: Vec<_> = (0..4).map(|_| shield.auth_failed(MS, source(7))).collect();
        assert_eq!(verdicts[..3], [ShieldVerdict::Pass; 3]);
        assert_eq!(verdicts[3], ShieldVerdict::Ban(Cause::AuthFailures));
        let off = ShieldOptions { ban_after: None, ..options() };
        let mut shield = Shield::new(off, Seed::new(9));
        let last = (0..4).map(|_| shield.auth_failed(MS, source(7))).last();
        assert_eq!(last, Some(ShieldVerdict::Refuse(Cause::AuthFailures)));
    }

    #[test]
    fn invented_addresses_do_not_push_out_the_busy_and_share_one_meter() {
        let mut shield = shield();
        count(&mut shield, MS, Traffic::Request, 10);
        let mut passed = 0;
        for n in 0..10_000_u32 {
            let invented = IpAddr::from((0x0a00_0000 + n).to_be_bytes());
            let verdict = shield.datagram(MS, invented, Traffic::Request);
            passed += u32::from(verdict == ShieldVerdict::Pass);
        }
        assert!(passed <= 64 + 2, "{passed} passed: one for each free entry, then the strangers'");
        assert_eq!(count(&mut shield, MS, Traffic::Request, 1), 0, "the busy one is known still");
        assert_eq!(shield.sources().1, 64);
        let later = 60_000 * MS;
        assert_eq!(shield.datagram(later, source(99), Traffic::Request), ShieldVerdict::Pass);
    }

    #[test]
    fn one_subscriber_of_ipv6_is_one_source() {
        let mut shield = shield();
        let passed = (0..20_u16).filter(|n| {
            let address = format!("2001:db8:0:1::{n:x}").parse().unwrap();
            shield.datagram(MS, address, Traffic::Request) == ShieldVerdict::Pass
        });
        assert_eq!(passed.count(), 5);
        let other = "2001:db8:0:2::1".parse().unwrap();
        assert_eq!(shield.datagram(MS, other, Traffic::Request), ShieldVerdict::Pass);
    }
}
