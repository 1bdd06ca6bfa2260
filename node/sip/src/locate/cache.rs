//! What is known of the DNS, and for how long.
//!
//! A record is used for its TTL, within bounds. What does not exist is remembered, too, for as long as
//! its zone says, within bounds. When nobody answers, a record that has expired is used on for a
//! bounded time; nobody is asked again before a pause.
//!
//! Invariant: it never holds more than its capacity; the least lately used goes first.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use holdline_model::Millis;

use super::{Answer, Knowledge, Known, Question};

/// For how long, and how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheOptions {
    /// A shorter TTL counts as this.
    pub min_ttl: Duration,
    /// A longer TTL counts as this.
    pub max_ttl: Duration,
    /// What does not exist is remembered for at least this.
    pub min_negative_ttl: Duration,
    /// What does not exist is remembered for at most this.
    pub max_negative_ttl: Duration,
    /// How long after its end a record is used when no server answers.
    pub stale: Duration,
    /// How long after a failure nobody is asked again.
    pub retry: Duration,
    /// How many questions are remembered.
    pub capacity: usize,
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self {
            min_ttl: Duration::from_secs(2),
            max_ttl: Duration::from_secs(3_600),
            min_negative_ttl: Duration::from_secs(5),
            max_negative_ttl: Duration::from_secs(300),
            stale: Duration::from_secs(3_600),
            retry: Duration::from_secs(5),
            capacity: 4_096,
        }
    }
}

/// What came of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Records.
    Answer {
        /// The records.
        answer: Answer,
        /// The least TTL among them.
        ttl: Duration,
    },
    /// There are none.
    Nothing {
        /// For how long that is so; `None` if the zone did not say.
        ttl: Option<Duration>,
    },
    /// Nobody answered, or not with an answer.
    Failed {
        /// Why.
        reason: String,
    },
}

/// All that is known.
#[derive(Debug)]
pub struct Cache {
    options: CacheOptions,
    entries: BTreeMap<Question, Entry>,
}

#[derive(Debug)]
struct Entry {
    /// What was answered last; `None` if nothing ever was. The inner one: that there is nothing.
    held: Option<Option<Answer>>,
    fresh_until: Millis,
    stale_until: Millis,
    /// Why the last asking failed, and when it may be tried again.
    failed: Option<(String, Millis)>,
    used_at: Cell<Millis>,
}

impl Cache {
    /// An empty one.
    #[must_use]
    pub const fn new(options: CacheOptions) -> Self {
        Self { options, entries: BTreeMap::new() }
    }

    /// Takes what came of asking.
    pub fn insert(&mut self, now: Millis, question: Question, reply: Reply) {
        let CacheOptions { min_ttl, max_ttl, min_negative_ttl, max_negative_ttl, .. } =
            self.options.clone();
        let held = match reply {
            Reply::Answer { answer, ttl } => (Some(answer), ttl.clamp(min_ttl, max_ttl)),
            Reply::Nothing { ttl } => {
                let ttl = ttl.unwrap_or(min_negative_ttl);
                (None, ttl.clamp(min_negative_ttl, max_negative_ttl))
            }
            Reply::Failed { reason } => {
                let retry_at = now + self.options.retry;
                let entry = self.entry(now, question);
                entry.failed = Some((reason, retry_at));
                return;
            }
        };
        let (fresh_until, stale) = (now + held.1, self.options.stale);
        *self.entry(now, question) = Entry {
            held: Some(held.0),
            fresh_until,
            stale_until: fresh_until + stale,
            failed: None,
            used_at: Cell::new(now),
        };
    }

    fn entry(&mut self, now: Millis, question: Question) -> &mut Entry {
        if !self.entries.contains_key(&question) && self.entries.len() >= self.options.capacity {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used_at.get());
            if let Some(oldest) = oldest.map(|(question, _)| question.clone()) {
                self.entries.remove(&oldest);
            }
        }
        self.entries.entry(question).or_insert_with(|| Entry {
            held: None,
            fresh_until: Millis::default(),
            stale_until: Millis::default(),
            failed: None,
            used_at: Cell::new(now),
        })
    }

    /// The cache as it is at a time. `ahead`: what ends within so long counts as ended already, so
    /// that it can be asked again before it does.
    #[must_use]
    pub const fn at(&self, now: Millis, ahead: Duration) -> impl Knowledge + use<'_> {
        View { cache: self, now, ahead }
    }

    /// Until when an answer is used without asking again; `None` if it is not known.
    #[must_use]
    pub fn fresh_until(&self, question: &Question) -> Option<Millis> {
        let entry = self.entries.get(question)?;
        let failed = entry.failed.as_ref().map(|(_, retry_at)| *retry_at);
        Some(failed.unwrap_or(entry.fresh_until))
    }

    /// How many questions are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

struct View<'a> {
    cache: &'a Cache,
    now: Millis,
    ahead: Duration,
}

impl Knowledge for View<'_> {
    fn known(&self, question: &Question) -> Known {
        let Some(entry) = self.cache.entries.get(question) else { return Known::Unknown };
        entry.used_at.set(self.now);
        let held = |held: &Option<Answer>| match held {
            Some(answer) => Known::Answer(answer.clone()),
            None => Known::Nothing,
        };
        let is_failed = entry.failed.as_ref().filter(|(_, retry_at)| self.now < *retry_at);
        match (&entry.held, is_failed) {
            (Some(known), None) if self.now + self.ahead < entry.fresh_until => held(known),
            (Some(known), Some(_)) if self.now < entry.stale_until => held(known),
            (_, Some((reason, _))) => Known::Failed(reason.clone()),
            (_, None) => Known::Unknown,
        }
    }
}
