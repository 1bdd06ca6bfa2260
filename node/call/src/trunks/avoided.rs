//! Addresses that failed lately, of trunks that have several: they are tried after the others, so that
//! not every call waits for one that is dead.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use holdline_model::Millis;

use super::{Heard, TrunkNews};

#[derive(Debug, Default)]
pub(super) struct Avoided {
    until: BTreeMap<SocketAddr, Millis>,
    is_changed: bool,
}

impl Avoided {
    /// A call found something out.
    pub(super) fn heard(&mut self, now: Millis, news: &TrunkNews) {
        match news.heard {
            Heard::OtherPlace => {
                if self.until.len() >= MAX_AVOIDED && !self.until.contains_key(&news.peer) {
                    let first = self.until.iter().min_by_key(|(_, until)| **until);
                    if let Some(first) = first.map(|(peer, _)| *peer) {
                        self.until.remove(&first);
                    }
                }
                let known = self.until.insert(news.peer, now.plus_ms(AVOID_MS));
                self.is_changed |= known.is_none();
            }
            Heard::Progress => self.is_changed |= self.until.remove(&news.peer).is_some(),
            Heard::First { .. } | Heard::Failed { .. } | Heard::Silent | Heard::Unreachable => {}
        }
    }

    /// All of them, if that has changed since it was asked last.
    pub(super) fn at(&mut self, now: Millis) -> Option<BTreeSet<SocketAddr>> {
        let before = self.until.len();
        self.until.retain(|_, until| now < *until);
        let is_changed = std::mem::take(&mut self.is_changed) || self.until.len() != before;
        is_changed.then(|| self.until.keys().copied().collect())
    }

    pub(super) fn next_timer(&self) -> Option<Millis> {
        self.until.values().min().copied()
    }
}

/// How long an address is tried last, in milliseconds.
const AVOID_MS: u64 = 60_000;

/// Addresses that are remembered.
const MAX_AVOIDED: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_failed_is_avoided_for_a_minute_or_until_it_works() {
        let peer: SocketAddr = "192.0.2.1:5060".parse().unwrap();
        let news = |heard| TrunkNews { trunk: "a".into(), tried_at: Millis(0), peer, heard };
        let mut avoided = Avoided::default();
        assert_eq!(avoided.at(Millis(0)), None);
        avoided.heard(Millis(0), &news(Heard::OtherPlace));
        assert_eq!(avoided.at(Millis(0)), Some([peer].into()));
        assert_eq!(avoided.at(Millis(59_999)), None, "nothing has changed");
        assert_eq!(avoided.next_timer(), Some(Millis(60_000)));
        assert_eq!(avoided.at(Millis(60_000)), Some(BTreeSet::new()));
        avoided.heard(Millis(70_000), &news(Heard::OtherPlace));
        avoided.heard(Millis(70_000), &news(Heard::Progress));
        assert_eq!(avoided.at(Millis(70_000)), Some(BTreeSet::new()));
    }
}
