//! Where names lead: asked for as the walk says, remembered, shared.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use holdline_model::Millis;
use holdline_sip::locate::{
    Asked, Cache, CacheOptions, Knowledge, Known, LocateError, Location, Means, Question, Reply,
    Step, locate,
};
use metrics::{counter, gauge};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Resolve;

/// Limits and times of a [`Locator`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocatorOptions {
    /// How long answers are remembered.
    pub cache: CacheOptions,
    /// How long one question may take, all attempts together.
    pub timeout: Duration,
    /// Questions under way at the same time.
    pub concurrent: usize,
    /// Questions under way or waiting to be; what comes beyond fails at once.
    pub waiting: usize,
    /// Hosts of which it is remembered where they lead.
    pub capacity: usize,
}

impl Default for LocatorOptions {
    fn default() -> Self {
        Self {
            cache: CacheOptions::default(),
            timeout: Duration::from_secs(5),
            concurrent: 32,
            waiting: 256,
            capacity: 4_096,
        }
    }
}

/// Where names lead. Cloning gives another handle.
#[derive(Clone)]
pub struct Locator {
    inner: Arc<Inner>,
}

struct Inner {
    resolver: Option<Arc<dyn Resolve>>,
    means: Means,
    options: LocatorOptions,
    /// Nothing waits while it is held.
    state: Mutex<State>,
    room: Semaphore,
    tasks: TaskTracker,
    stop: CancellationToken,
    born: Instant,
}

struct State {
    cache: Cache,
    found: BTreeMap<Asked, Found>,
    /// Questions under way; what waits for one is told by its end.
    asking: HashMap<Question, watch::Receiver<()>>,
}

#[derive(Clone)]
struct Found {
    outcome: Result<Arc<Location>, LocateError>,
    until: Millis,
    used_at: Millis,
}

impl Locator {
    /// Knows nothing yet. Questions are asked on `tasks`, and given up when `stop` is cancelled.
    #[must_use]
    pub fn new(
        resolver: Arc<dyn Resolve>,
        means: Means,
        options: LocatorOptions,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        Self::build(Some(resolver), means, options, tasks, stop)
    }

    /// Has nobody to ask: finds addresses only.
    #[must_use]
    pub fn deaf(means: Means) -> Self {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        Self::build(None, means, LocatorOptions::default(), tasks, stop)
    }

    fn build(
        resolver: Option<Arc<dyn Resolve>>,
        means: Means,
        options: LocatorOptions,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let cache = Cache::new(options.cache.clone());
        let state = State { cache, found: BTreeMap::new(), asking: HashMap::new() };
        let room = Semaphore::new(options.concurrent.max(1));
        let (state, born) = (Mutex::new(state), Instant::now());
        Self { inner: Arc::new(Inner { resolver, means, options, state, room, tasks, stop, born }) }
    }

    /// Where a name led when it was asked for last; `None` if it never was. It may have expired: see
    /// [`Locator::is_fresh`]. Never waits.
    #[must_use]
    pub fn last(&self, asked: &Asked) -> Option<Result<Arc<Location>, LocateError>> {
        let now = self.inner.now();
        let mut state = self.inner.lock();
        let found = state.found.get_mut(asked)?;
        found.used_at = now;
        Some(found.outcome.clone())
    }

    /// Whether what is known of a name need not be asked for again within `ahead`.
    #[must_use]
    pub fn is_fresh(&self, asked: &Asked, ahead: Duration) -> bool {
        let now = self.inner.now() + ahead;
        self.inner.lock().found.get(asked).is_some_and(|found| now < found.until)
    }

    /// Finds out where a name leads; what is known for longer than `ahead` is not asked for again.
    /// Cancel-safe: what was asked is remembered all the same.
    ///
    /// # Errors
    /// Why it leads nowhere, naming the record.
    pub async fn find(&self, asked: &Asked, ahead: Duration) -> Result<Arc<Location>, LocateError> {
        for _ in 0..MAX_ROUNDS {
            let questions = match self.inner.walk(asked, ahead) {
                Ok(outcome) => return outcome,
                Err(questions) => questions,
            };
            let first = questions.first().map(ToString::to_string).unwrap_or_default();
            let asking: Option<Vec<_>> =
                questions.into_iter().map(|question| self.ask(question)).collect();
            let Some(asking) = asking else {
                let (asked, reason) =
                    (asked.to_string(), "too many questions are under way".into());
                return Err(LocateError::Failed { asked, question: first, reason });
            };
            join_all(asking.into_iter().map(|mut end| async move {
                // An error is the end: the other side is gone.
                while end.changed().await.is_ok() {}
            }))
            .await;
        }
        let (asked, question) = (asked.to_string(), "what was answered".to_owned());
        let reason = "it expires faster than it can be asked for".to_owned();
        Err(LocateError::Failed { asked, question, reason })
    }

    /// Asks a question, unless it is being asked; `None` if there are too many.
    fn ask(&self, question: Question) -> Option<watch::Receiver<()>> {
        let mut state = self.inner.lock();
        if let Some(end) = state.asking.get(&question) {
            return Some(end.clone());
        }
        if state.asking.len() >= self.inner.options.waiting {
            counter!(QUERIES, "kind" => question.kind.as_str(), "outcome" => "refused")
                .increment(1);
            return None;
        }
        let (told, end) = watch::channel(());
        state.asking.insert(question.clone(), end.clone());
        drop(state);
        let inner = Arc::clone(&self.inner);
        self.inner.tasks.spawn(async move {
            let reply = inner.reply(&question).await;
            let outcome = match &reply {
                Reply::Answer { .. } => "answer",
                Reply::Nothing { .. } => "nothing",
                Reply::Failed { .. } => "failed",
            };
            counter!(QUERIES, "kind" => question.kind.as_str(), "outcome" => outcome).increment(1);
            let now = inner.now();
            let mut state = inner.lock();
            state.asking.remove(&question);
            state.cache.insert(now, question, reply);
            gauge!(ENTRIES).set(u32::try_from(state.cache.len()).unwrap_or(u32::MAX));
            drop(state);
            drop(told);
        });
        Some(end)
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Millis {
        Millis(u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    async fn reply(&self, question: &Question) -> Reply {
        let Some(resolver) = &self.resolver else {
            return Reply::Failed { reason: "there is no name server".to_owned() };
        };
        let asking = async {
            // Closed by nobody.
            let _room = self.room.acquire().await;
            resolver.ask(question).await
        };
        tokio::select! {
            () = self.stop.cancelled() => Reply::Failed { reason: "the node stops".to_owned() },
            asked = timeout(self.options.timeout, asking) => asked.unwrap_or_else(|_| Reply::Failed {
                reason: "no name server answered in time".to_owned(),
            }),
        }
    }

    /// What is known, or what has to be asked.
    fn walk(
        &self,
        asked: &Asked,
        ahead: Duration,
    ) -> Result<Result<Arc<Location>, LocateError>, Vec<Question>> {
        let now = self.now();
        let mut state = self.lock();
        let (outcome, questions) = {
            let known = Noted { known: state.cache.at(now, ahead), questions: RefCell::default() };
            match locate(asked, &self.means, &known) {
                Step::Ask(questions) => return Err(questions),
                Step::Done(outcome) => (outcome.map(Arc::new), known.questions.into_inner()),
            }
        };
        let until = questions.iter().filter_map(|question| state.cache.fresh_until(question));
        let until = until.min().unwrap_or(Millis(u64::MAX));
        let found = Found { outcome: outcome.clone(), until, used_at: now };
        state.remember(asked, found, self.options.capacity);
        Ok(outcome)
    }
}

impl State {
    fn remember(&mut self, asked: &Asked, found: Found, capacity: usize) {
        if !self.found.contains_key(asked) && self.found.len() >= capacity {
            let oldest = self.found.iter().min_by_key(|(_, found)| found.used_at);
            if let Some(oldest) = oldest.map(|(asked, _)| asked.clone()) {
                self.found.remove(&oldest);
            }
        }
        self.found.insert(asked.clone(), found);
    }
}

/// Notes which questions an outcome depends on.
struct Noted<K> {
    known: K,
    questions: RefCell<Vec<Question>>,
}

impl<K: Knowledge> Knowledge for Noted<K> {
    fn known(&self, question: &Question) -> Known {
        self.questions.borrow_mut().push(question.clone());
        self.known.known(question)
    }
}

impl fmt::Debug for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.inner.lock().found.len();
        f.debug_struct("Locator").field("known", &known).finish_non_exhaustive()
    }
}

/// NAPTR, SRV, addresses; each may have expired meanwhile.
const MAX_ROUNDS: usize = 8;

const QUERIES: &str = "holdline_dns_queries_total";
const ENTRIES: &str = "holdline_dns_entries";
