//! Heavy hitters: who sends most, who calls most, and who is called most. Counted here, and added
//! up with what other nodes tell of theirs.
//!
//! Numbers are personal: they are shown by the authenticated API only, go to other nodes sealed, and
//! stand neither in logs nor in metrics.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use holdline_cluster::gossip::Heard;
use holdline_guard::{Heavy, Seed, Top, TopOptions, merge};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// Addresses that datagrams come from.
    Sources,
    /// Whose new calls.
    Tenants,
    /// Numbers that new calls come from.
    Callers,
    /// Numbers that new calls go to.
    Destinations,
}

impl Dimension {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Sources, Self::Tenants, Self::Callers, Self::Destinations];

    /// The word used in the API, the command line and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sources => "sources",
            Self::Tenants => "tenants",
            Self::Callers => "callers",
            Self::Destinations => "destinations",
        }
    }

    /// The one that a word means.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dimension| dimension.as_str() == word)
    }

    const fn topic(self) -> &'static str {
        match self {
            Self::Sources => "top/sources",
            Self::Tenants => "top/tenants",
            Self::Callers => "top/callers",
            Self::Destinations => "top/destinations",
        }
    }
}

/// The heaviest of one dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopList {
    /// The heaviest first.
    pub items: Vec<Heavy<String>>,
    /// Over how long they were counted, in milliseconds: the shortest of all nodes' times.
    pub over_ms: u64,
    /// How many observations there were, of all keys.
    pub total: u64,
    /// By how much a count may be too high, but for one in fifty.
    pub error: u64,
    /// How many nodes' counts are in it.
    pub nodes: usize,
}

/// The counts of this node.
#[derive(Debug)]
pub(crate) struct Tops {
    sources: Mutex<Top<IpAddr>>,
    /// Tenants, callers, destinations.
    calls: Mutex<[Top<Box<str>>; 3]>,
}

/// The sources, locked.
pub(super) struct SourcesGuard<'a>(MutexGuard<'a, Top<IpAddr>>);

impl SourcesGuard<'_> {
    pub(super) fn observe(&mut self, now_ns: u64, source: IpAddr) {
        self.0.observe(now_ns, &source, |source| *source);
    }
}

impl Tops {
    pub(super) fn new(seed: Seed) -> Self {
        let options = TopOptions::default();
        let calls = std::array::from_fn(|_| Top::new(options, seed));
        Self { sources: Mutex::new(Top::new(options, seed)), calls: Mutex::new(calls) }
    }

    pub(super) fn sources(&self) -> SourcesGuard<'_> {
        SourcesGuard(self.sources.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A new call came, whether it is admitted or not.
    pub(crate) fn call(&self, now_ns: u64, tenant: &str, from_uri: &str, request_uri: &str) {
        let mut tops = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        for (top, key) in tops.iter_mut().zip([tenant, user(from_uri), user(request_uri)]) {
            if !key.is_empty() {
                top.observe(now_ns, key, |key: &str| key.into());
            }
        }
    }

    /// The heaviest here.
    pub(crate) fn local(&self, dimension: Dimension, now_ns: u64, limit: usize) -> TopList {
        let at = match dimension {
            Dimension::Sources => {
                let mut top = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
                return listed(&mut top, now_ns, limit);
            }
            Dimension::Tenants => 0,
            Dimension::Callers => 1,
            Dimension::Destinations => 2,
        };
        let mut tops = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        tops.get_mut(at).map_or_else(TopList::empty, |top| listed(top, now_ns, limit))
    }

    /// The heaviest here and at the nodes that were heard.
    pub(crate) fn merged(
        &self,
        dimension: Dimension,
        now_ns: u64,
        limit: usize,
        heard: &Heard,
    ) -> TopList {
        let here = self.local(dimension, now_ns, usize::MAX);
        let others = heard.values().filter_map(|topics| topics.get(dimension.topic()));
        let lists: Vec<TopList> = std::iter::once(here)
            .chain(others.filter_map(|text| TopList::from_text(text)))
            .collect();
        TopList {
            over_ms: lists.iter().map(|list| list.over_ms).min().unwrap_or(0),
            total: lists.iter().map(|list| list.total).sum(),
            error: lists.iter().map(|list| list.error).sum(),
            nodes: lists.len(),
            items: merge(lists.into_iter().flat_map(|list| list.items), limit),
        }
    }

    /// What other nodes are told, by topic.
    pub(super) fn told(&self, now_ns: u64) -> impl Iterator<Item = (&'static str, String)> {
        Dimension::ALL.into_iter().map(move |dimension| {
            (dimension.topic(), self.local(dimension, now_ns, TOLD).to_text())
        })
    }
}

impl TopList {
    const fn empty() -> Self {
        Self { items: Vec::new(), over_ms: 0, total: 0, error: 0, nodes: 1 }
    }

    /// A line about the whole, and one for each key: `count key`. Empty if nothing was counted.
    fn to_text(&self) -> String {
        if self.items.is_empty() {
            return String::new();
        }
        let mut text = format!("{} {} {}", self.over_ms, self.total, self.error);
        for Heavy { key, count } in &self.items {
            text.push_str(&format!("\n{count} {key}"));
        }
        text
    }

    /// `None` if another version wrote it.
    fn from_text(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let mut numbers = lines.next()?.split(' ').map(str::parse::<u64>);
        let (over_ms, total, error) =
            (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
        let item = |line: &str| {
            let (count, key) = line.split_once(' ')?;
            Some(Heavy { key: key.to_owned(), count: count.parse().ok()? })
        };
        let items = lines.take(TOLD).map(item).collect::<Option<_>>()?;
        Some(Self { items, over_ms, total, error, nodes: 1 })
    }
}

fn listed<K: Clone + Eq + std::hash::Hash + Ord + ToString>(
    top: &mut Top<K>,
    now_ns: u64,
    limit: usize,
) -> TopList {
    let (items, over_ns) = top.heaviest(now_ns, limit);
    let text = |heavy: Heavy<K>| Heavy { key: heavy.key.to_string(), count: heavy.count };
    TopList {
        items: items.into_iter().map(text).collect(),
        over_ms: over_ns / 1_000_000,
        total: top.total(),
        error: top.error(),
        nodes: 1,
    }
}

/// The user part of a URI, or the URI without its scheme if it has none; what is longer than a number is cut.
fn user(uri: &str) -> &str {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    let user = rest.split(['@', ';', '?']).next().unwrap_or_default();
    let end = user.char_indices().nth(MAX_KEY).map_or(user.len(), |(at, _)| at);
    let user = user.get(..end).unwrap_or_default();
    // A line of gossip is a line.
    if user.contains(['\n', '\r']) { "" } else { user }
}

/// Characters of a number that are looked at.
const MAX_KEY: usize = 48;

/// Keys of each dimension that other nodes are told.
const TOLD: usize = 20;

#[cfg(test)]
mod tests {
    use holdline_model::NodeId;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn tops() -> Tops {
        Tops::new(Seed::new(5))
    }

    #[test]
    fn calls_are_counted_by_tenant_caller_and_destination() {
        let tops = tops();
        for n in 0..30 {
            let from = format!("sip:+49{}@office", n % 3);
            tops.call(SECOND, "acme", &from, "sip:+4911@switch;user=phone");
        }
        let list = |dimension| tops.local(dimension, 2 * SECOND, 2);
        assert_eq!(list(Dimension::Tenants).items[0], Heavy { key: "acme".into(), count: 30 });
        assert_eq!(list(Dimension::Callers).items.len(), 2);
        assert_eq!(list(Dimension::Callers).items[0].count, 10);
        assert_eq!(list(Dimension::Destinations).items[0].key, "+4911");
        assert_eq!(list(Dimension::Destinations).over_ms, 2_000);
    }

    #[test]
    fn nodes_add_up_what_they_tell_each_other() {
        let (one, other) = (tops(), tops());
        one.call(SECOND, "acme", "sip:1@a", "sip:9@b");
        for _ in 0..3 {
            other.call(SECOND, "acme", "sip:2@a", "sip:9@b");
        }
        let topics = other.told(2 * SECOND).filter(|(_, text)| !text.is_empty());
        let topics = topics.map(|(topic, text)| (topic.to_owned(), text)).collect();
        let heard: Heard = [(NodeId(2), topics)].into();
        let list = one.merged(Dimension::Callers, 2 * SECOND, 9, &heard);
        let pairs: Vec<_> =
            list.items.iter().map(|heavy| (heavy.key.as_str(), heavy.count)).collect();
        assert_eq!(pairs, [("2", 3), ("1", 1)]);
        assert_eq!((list.nodes, list.total), (2, 4));
        assert_eq!(one.merged(Dimension::Destinations, 2 * SECOND, 9, &heard).items[0].count, 4);
    }

    #[test]
    fn what_another_version_says_is_not_heard() {
        for text in ["", "x", "1 2", "1 2 3\nmany key", "1 2 3\n7"] {
            assert_eq!(TopList::from_text(text), None, "{text:?}");
        }
        let list = TopList::from_text("1 2 3\n7 a b").unwrap();
        assert_eq!(list.items, [Heavy { key: "a b".into(), count: 7 }]);
        assert_eq!(list.to_text(), "1 2 3\n7 a b");
    }

    #[test]
    fn a_number_is_the_user_part_and_one_line() {
        assert_eq!(user("sip:+49-69@example.com;x=y"), "+49-69");
        assert_eq!(user("tel:+4969;phone-context=x"), "+4969");
        assert_eq!(user("urn:service:sos"), "service:sos");
        assert_eq!(user("sip:a\nb@c"), "");
        assert_eq!(user(&format!("sip:{}@x", "9".repeat(99))).len(), MAX_KEY);
    }
}
