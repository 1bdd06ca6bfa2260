//! Buckets made on demand: one for each value that something has, for as long as it is not full.
//!
//! A full bucket equals an absent one, so it is forgotten. When that is, is noted when the bucket is
//! made; a note that comes due finds the bucket full, or is put off until it will be. Each request
//! looks at two notes, so that they cannot pile up; the leader's tick looks at more.

use std::collections::{BTreeMap, BTreeSet};

use holdline_model::limit::{Dimension, Request};
use holdline_model::{Name, limits};
use serde::{Deserialize, Serialize};

use crate::bucket::Bucket;
use crate::plan::{Each, Plan, cut};

/// Which bucket: of which set, for which value. No value: the one that values share for which there
/// is no room.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BucketKey {
    /// The set.
    pub each: Name,
    /// The value.
    pub value: Box<str>,
}

/// All buckets that are not full.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Buckets {
    /// With the time of its note.
    buckets: BTreeMap<BucketKey, (Bucket, u64)>,
    /// When to look whether a bucket is full.
    notes: BTreeSet<(u64, BucketKey)>,
}

impl Buckets {
    pub(crate) fn len(&self) -> usize {
        self.buckets.len()
    }

    /// The bucket of a value as it is now, and its key.
    pub(crate) fn look(&self, each: &Each, value: &str, now_ms: u64) -> (BucketKey, Bucket) {
        let key = |value: &str| BucketKey { each: each.name.clone(), value: cut(value).into() };
        let own = key(value);
        let shared = |own: BucketKey| match self.buckets.len() < limits::MAX_LIMIT_BUCKETS {
            true => own,
            false => key(""),
        };
        let key = if self.buckets.contains_key(&own) { own } else { shared(own) };
        let known = self.buckets.get(&key).map(|(bucket, _)| *bucket);
        let mut bucket = known.unwrap_or(Bucket { missing: 0, at_ms: now_ms });
        bucket.fill(now_ms, each.shape);
        (key, bucket)
    }

    /// Writes a bucket that was taken from.
    pub(crate) fn put(&mut self, each: &Each, key: BucketKey, bucket: Bucket) {
        if let Some((known, _)) = self.buckets.get_mut(&key) {
            *known = bucket;
            return;
        }
        let note_ms = bucket.full_at_ms(each.shape);
        self.notes.insert((note_ms, key.clone()));
        self.buckets.insert(key, (bucket, note_ms));
    }

    /// Forgets buckets that have become full; looks at `limit` notes at most. Returns what is gone
    /// or put off.
    pub(crate) fn forget_full(&mut self, plan: &Plan, now_ms: u64, limit: usize) -> Vec<BucketKey> {
        let mut changed = Vec::new();
        for _ in 0..limit {
            if self.notes.first().is_none_or(|(at, _)| *at > now_ms) {
                break;
            }
            let Some((_, key)) = self.notes.pop_first() else { break };
            let each = plan.each.iter().find(|each| each.name == key.each);
            if let Some((each, (bucket, note_ms))) = each.zip(self.buckets.get_mut(&key)) {
                let full_at_ms = bucket.full_at_ms(each.shape);
                if full_at_ms > now_ms {
                    *note_ms = full_at_ms;
                    self.notes.insert((full_at_ms, key.clone()));
                    changed.push(key);
                    continue;
                }
            }
            self.buckets.remove(&key);
            changed.push(key);
        }
        changed
    }

    /// Forgets all buckets that `keep` does not want. Returns what is gone.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Name) -> bool) -> Vec<BucketKey> {
        let gone: Vec<BucketKey> =
            self.buckets.keys().filter(|key| !keep(&key.each)).cloned().collect();
        for key in &gone {
            self.buckets.remove(key);
        }
        self.notes.retain(|(_, key)| keep(&key.each));
        gone
    }

    /// A bucket as it is to be stored.
    pub(crate) fn stored(&self, key: &BucketKey) -> Option<(Bucket, u64)> {
        self.buckets.get(key).copied()
    }

    /// Puts a stored bucket back.
    pub(crate) fn restore(&mut self, key: BucketKey, bucket: Bucket, note_ms: u64) {
        self.notes.insert((note_ms, key.clone()));
        self.buckets.insert(key, (bucket, note_ms));
    }

    /// The buckets of a set, by value.
    pub(crate) fn of_set(&self, each: &Name) -> impl Iterator<Item = (&str, &Bucket)> {
        let first = BucketKey { each: each.clone(), value: "".into() };
        let each = each.clone();
        self.buckets
            .range(first..)
            .take_while(move |(key, _)| key.each == each)
            .map(|(key, (bucket, _))| (&*key.value, bucket))
    }
}

/// A request's value of something.
pub(crate) fn value_of(by: Dimension, request: &Request<'_>, trunk_out: Option<&str>) -> String {
    match by {
        Dimension::Pop => request.pop.to_owned(),
        Dimension::Tenant => request.tenant.to_owned(),
        Dimension::Trunk => request.trunk.to_owned(),
        Dimension::TrunkOut => trunk_out.unwrap_or_default().to_owned(),
        Dimension::Source => request.source.to_canonical().to_string(),
        Dimension::Caller => request.caller.to_owned(),
        Dimension::Called => request.called.to_owned(),
    }
}
