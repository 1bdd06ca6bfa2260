//! What this node does by itself against noisy neighbours and overload, around the pure parts of
//! `holdline_guard`. Nothing here is replicated, and nothing here decides about a call that is up.
//!
//! | file | what |
//! |---|---|
//! | `screen` | what the dispatcher asks for each datagram, before it is parsed: bans and the shield |
//! | `peek` | what a datagram is, without parsing it where that can be avoided |
//! | `keeper` | the task that keeps the bans, merges those of other nodes, and tells them ours |
//! | `tops` | heavy hitters here, and what other nodes tell of theirs |
//! | `pressure` | the delays of this node's queues and commits |
//! | `allowances` | leased tokens, for what rides on no admission |
//! | `lender` | the task that leases them |
//! | `disk` | the task that guards against a full disk |
//! | `pace` | the task that turns delays into the pace of new calls |
//!
//! Invariant: requests within a dialog, answers to our requests and emergency calls pass all of it,
//! up to the ceiling that keeps the node alive for the others'.

pub(crate) mod allowances;
pub(crate) mod disk;
#[cfg(test)]
mod fail2ban;
pub(crate) mod keeper;
pub(crate) mod lender;
#[cfg(test)]
mod numbers;
pub(crate) mod pace;
mod peek;
pub(crate) mod pressure;
mod screen;
#[cfg(test)]
mod tests;
pub(crate) mod tops;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use holdline_guard::{
    Bans, Blocks, EmergencyNumbers, Gate, Load, OverloadState, Seed, Shield, ShieldVerdict, Shut,
};
use holdline_model::NodeId;
use holdline_storage::{StateError, StateReader};
use metrics::counter;
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::config::ProtectionConfig;
use allowances::Allowances;
use keeper::News;
use pressure::Pressure;
use tops::Tops;

/// The protection of this node. Shared by the dispatcher, the shards and the admin API.
#[derive(Debug)]
pub(crate) struct Protection {
    pub(crate) me: NodeId,
    pub(crate) clock: Clock,
    pub(crate) config: ProtectionConfig,
    /// Locked once per batch of datagrams.
    shield: Option<Mutex<Shield>>,
    /// Sources that are neither limited by the shield nor banned.
    pub(crate) allow: Blocks,
    pub(crate) bans: ArcSwap<Bans>,
    pub(crate) emergency: ArcSwap<EmergencyNumbers>,
    pub(crate) tops: Tops,
    pub(crate) gate: Gate,
    pub(crate) allowances: Allowances,
    pub(crate) pressure: Pressure,
    /// What the gate does, and why.
    overload: Mutex<(OverloadState, Load)>,
    news: mpsc::Sender<News>,
}

impl Protection {
    /// Makes it; what the keeper of bans is told comes out of the queue. `shards` is how many
    /// queues there are besides the dispatcher's.
    pub(crate) fn new(
        me: NodeId,
        clock: Clock,
        config: ProtectionConfig,
        shards: usize,
        seed: u64,
    ) -> (Arc<Self>, mpsc::Receiver<News>) {
        let (news, told) = mpsc::channel(NEWS_QUEUE);
        let allow: Blocks = config.allow.iter().copied().collect();
        let shield = config.shield.map(|options| Mutex::new(Shield::new(options, Seed::new(seed))));
        let this = Self {
            me,
            shield,
            bans: ArcSwap::from_pointee(Bans::new(allow.clone(), MAX_BANS)),
            allow,
            emergency: ArcSwap::default(),
            tops: Tops::new(Seed::new(seed.rotate_left(32))),
            gate: Gate::new(config.retry_after_s, config.retry_after_s),
            allowances: Allowances::new(clock.clone()),
            pressure: Pressure::new(shards),
            overload: Mutex::new((OverloadState::Open, Load::default())),
            clock,
            config,
            news,
        };
        (Arc::new(this), told)
    }

    /// A new call asks to be let in; what its 503 is to say if it is not.
    pub(crate) fn enter(&self, request_uri: &str) -> Result<(), Shut> {
        let emergency = self.is_emergency(request_uri);
        let entered = self.gate.enter(self.clock.elapsed_ns(), emergency);
        if entered.is_err() {
            counter!("holdline_overload_refused_total").increment(1);
        }
        entered
    }

    /// Takes the emergency numbers and the classes of the limits in force.
    ///
    /// # Errors
    /// If the state cannot be read; what is known so far goes on.
    pub(crate) fn follow_limits(&self, state: &StateReader) -> Result<(), StateError> {
        let numbers = state.limits(|table| {
            self.allowances.follow(table);
            table.settings().config.emergency.clone()
        })?;
        self.emergency.store(Arc::new(EmergencyNumbers::new(numbers)));
        Ok(())
    }

    /// Whether a dialled URI is one of the emergency numbers.
    pub(crate) fn is_emergency(&self, request_uri: &str) -> bool {
        self.emergency.load().matches(request_uri)
    }

    /// A request from `source` had wrong credentials, and was answered. For whoever checks
    /// credentials.
    pub(crate) fn auth_failed(&self, source: IpAddr) {
        counter!("holdline_auth_failures_total").increment(1);
        if self.allow.contains(source) {
            return;
        }
        let Some(mut shield) = self.lock_shield() else { return };
        let verdict = shield.auth_failed(self.clock.elapsed_ns(), source);
        drop(shield);
        if let ShieldVerdict::Ban(cause) = verdict {
            self.tell(News::Offender { source, cause });
        }
    }

    /// How many sources the shield remembers, and how many it could.
    pub(crate) fn sources(&self) -> (usize, usize) {
        self.lock_shield().map_or((0, 0), |shield| shield.sources())
    }

    /// What the gate does, and the delays by which that was decided.
    pub(crate) fn overload(&self) -> (OverloadState, Load) {
        *self.overload.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_overload(&self, state: OverloadState, load: Load) {
        *self.overload.lock().unwrap_or_else(PoisonError::into_inner) = (state, load);
    }

    fn lock_shield(&self) -> Option<MutexGuard<'_, Shield>> {
        // A panic in between would abort the process.
        Some(self.shield.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells the keeper; an offender that finds no room will offend again.
    pub(crate) fn tell(&self, news: News) {
        if self.news.try_send(news).is_err() {
            counter!("holdline_bans_dropped_total", "reason" => "queue_full").increment(1);
        }
    }
}

/// Bans at the same time, in the whole cluster: as many as gossip can carry.
pub(crate) const MAX_BANS: usize = 128;

/// What the keeper may have to look at.
const NEWS_QUEUE: usize = 1024;

/// The engine asks when it chooses the trunks of a call.
impl holdline_call::Emergency for Protection {
    fn matches(&self, request_uri: &str) -> bool {
        self.is_emergency(request_uri)
    }
}
