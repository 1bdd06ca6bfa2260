//! Calls: placed by one agent, taken by the other, written down as operations.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdline_cluster_tests::ua::{
    AgentError, CalleeScript, CallerPlan, Ledger, Order, Role, Tell, When,
};
use tokio::time::Instant;

use crate::fact::Call;
use crate::history::kind_text;
use crate::history::{EntryRecord, OpType, Recorder, StrayRecord, witness_word};
use crate::world::Agents;

/// How long a call may be open before nobody waits for it any more; longer than any fault lasts
/// and every timer of SIP runs.
const PATIENCE: Duration = Duration::from_secs(150);
/// Pause between two looks at the open calls.
const POLL: Duration = Duration::from_millis(50);

/// A kind of call.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its phase when a fault strikes.
    pub phase: &'static str,
    /// What its numbers begin with, so that the callee knows what to do.
    prefix: &'static str,
    script: fn() -> CalleeScript,
    hang_up: When,
    cancel: When,
    expect: &'static str,
}

impl Kind {
    const fn new(phase: &'static str, prefix: &'static str, script: fn() -> CalleeScript) -> Self {
        let (hang_up, cancel) = (When::Told, When::Told);
        Self { phase, prefix, script, hang_up, cancel, expect: "answered" }
    }

    /// Answered, hung up by the caller after a while.
    pub const SHORT: Self = Self {
        hang_up: When::ms(700),
        ..Self::new("background", "101", || CalleeScript::answer_after_ms(50))
    };
    /// Answered, hung up by the callee after a while.
    pub const CALLEE_ENDS: Self = Self::new("background", "11", || CalleeScript {
        hang_up: When::ms(900),
        ..CalleeScript::answer_after_ms(80)
    });
    /// Taken back while it rings.
    pub const CANCELED: Self = Self {
        cancel: When::ms(250),
        expect: "canceled",
        ..Self::new("background", "12", CalleeScript::ring_only)
    };
    /// With a session description in the ringing.
    pub const EARLY_MEDIA: Self = Self {
        hang_up: When::ms(400),
        ..Self::new("background", "13", || CalleeScript {
            early_media: true,
            ..CalleeScript::answer_after_ms(150)
        })
    };
    /// Just being placed.
    pub const INVITE: Self = Self::new("INVITE", "14", || CalleeScript::answer_after_ms(50));
    /// Ringing; answered when told.
    pub const RINGING: Self = Self::new("ringing", "15", CalleeScript::ring_only);
    /// Up; hung up when told.
    pub const ANSWERED: Self = Self::new("answered", "16", || CalleeScript::answer_after_ms(10));
    /// Just being hung up.
    pub const BYE: Self = Self::new("BYE", "17", || CalleeScript::answer_after_ms(10));
    /// Just being taken back.
    pub const CANCEL: Self =
        Self { expect: "canceled", ..Self::new("CANCEL", "18", CalleeScript::ring_only) };
    /// Placed after everything was healed.
    pub const FRESH: Self = Self {
        hang_up: When::ms(200),
        ..Self::new(crate::checker::FRESH, "19", || CalleeScript::answer_after_ms(20))
    };

    /// Up; the switch ends it when it has lasted as long as it may.
    pub const EXPIRING: Self =
        Self::new(crate::checker::EXPIRING, "100", || CalleeScript::answer_after_ms(10));

    const ALL: [Self; 11] = [
        Self::SHORT,
        Self::CALLEE_ENDS,
        Self::CANCELED,
        Self::EARLY_MEDIA,
        Self::INVITE,
        Self::RINGING,
        Self::ANSWERED,
        Self::BYE,
        Self::CANCEL,
        Self::FRESH,
        Self::EXPIRING,
    ];

    /// Those in which a fault strikes.
    pub const PHASES: [Self; 5] =
        [Self::INVITE, Self::RINGING, Self::ANSWERED, Self::BYE, Self::CANCEL];
    /// Those that come and go meanwhile.
    pub const BACKGROUND: [Self; 4] =
        [Self::SHORT, Self::CALLEE_ENDS, Self::CANCELED, Self::EARLY_MEDIA];
}

/// All calls of a run.
#[derive(Debug)]
pub struct Calls {
    agents: Arc<Agents>,
    recorder: Recorder,
    open: Mutex<Vec<Open>>,
    placed: AtomicU64,
}

#[derive(Debug)]
struct Open {
    process: u64,
    call: Call,
    since: Instant,
}

impl Calls {
    /// No calls yet; the callee learns what to do with each kind.
    ///
    /// # Errors
    /// If the callee's agent has stopped.
    pub async fn new(agents: Arc<Agents>, recorder: Recorder) -> Result<Self, AgentError> {
        let script = |kind: &Kind| Order::Script(kind.prefix.into(), (kind.script)());
        agents.callee.order(Kind::ALL.iter().map(script).collect()).await?;
        Ok(Self { agents, recorder, open: Mutex::default(), placed: AtomicU64::new(0) })
    }

    /// Places calls to a node's address; returns their numbers.
    ///
    /// # Errors
    /// If the caller's agent has stopped.
    pub async fn place(
        &self,
        kind: Kind,
        (via, to): (u64, SocketAddr),
        count: usize,
        under: Option<u64>,
    ) -> Result<Vec<String>, AgentError> {
        let mut numbers = Vec::with_capacity(count);
        let mut orders = Vec::with_capacity(count);
        for _ in 0..count {
            let place = self.placed.fetch_add(1, Ordering::Relaxed);
            let number = format!("{}{place:06}", kind.prefix);
            let call = Call {
                number: number.clone(),
                phase: kind.phase.into(),
                via,
                expect: kind.expect.into(),
                under,
            };
            // Every call is a process of its own: it does one thing, once.
            let process = CALLS_FROM + place;
            self.recorder.invoke(process, "call", &call);
            self.open().push(Open { process, call, since: Instant::now() });
            let (hang_up, cancel) = (kind.hang_up, kind.cancel);
            let plan = CallerPlan { hang_up, cancel, ..CallerPlan::hold(number.clone(), to) };
            orders.push(Order::Place(plan));
            numbers.push(number);
        }
        self.agents.caller.order(orders).await?;
        Ok(numbers)
    }

    /// Tells the caller's side of calls something.
    ///
    /// # Errors
    /// If the agent has stopped.
    pub async fn tell_caller(&self, numbers: &[String], tell: Tell) -> Result<(), AgentError> {
        self.agents.caller.order(orders(numbers, tell)).await
    }

    /// Tells the callee's side of calls something.
    ///
    /// # Errors
    /// If the agent has stopped.
    pub async fn tell_callee(&self, numbers: &[String], tell: Tell) -> Result<(), AgentError> {
        self.agents.callee.order(orders(numbers, tell)).await
    }

    /// Whether every one of the calls has got so far: rings, or is up, on both sides.
    #[must_use]
    pub fn ready(&self, ringing: &[String], up: &[String]) -> bool {
        let caller = self.agents.caller.ledger();
        let rings = |number: &String| caller.call(number).is_some_and(|entry| entry.rang());
        let is_up = |number: &String| caller.call(number).is_some_and(|entry| entry.up());
        ringing.iter().all(rings) && up.iter().all(is_up)
    }

    /// Writes down the ends of calls, until everything is over.
    pub async fn watch(&self) {
        loop {
            self.look();
            tokio::time::sleep(POLL).await;
        }
    }

    /// Calls that are not over.
    #[must_use]
    pub fn still_open(&self) -> usize {
        self.look();
        self.open().len()
    }

    /// Gives up all calls that are not over: nobody knows what becomes of them.
    pub fn give_up(&self) {
        for open in self.open().drain(..) {
            let error = Some("not over at the end of the run".to_owned());
            self.recorder.end(open.process, OpType::Info, "call", &open.call, error);
        }
    }

    /// Writes down both ledgers, and what belonged to no call.
    pub fn testify(&self) {
        for (role, side, ledger) in [
            (Role::Caller, "caller", self.agents.caller.ledger()),
            (Role::Callee, "callee", self.agents.callee.ledger()),
        ] {
            for entry in ledger.entries() {
                let record = EntryRecord::new(entry, &self.recorder);
                self.recorder.fact(side, witness_word(role), &record);
            }
            for stray in ledger.strays() {
                let kind = match &stray.what {
                    Ok(kind) => kind_text(*kind),
                    Err(fault) => format!("{fault:?}"),
                };
                let (at, call_id) = (self.recorder.nanos(stray.at), stray.call_id.clone());
                let record = StrayRecord { side: side.into(), at, kind, call_id };
                self.recorder.fact(side, "stray", &record);
            }
        }
    }

    fn open(&self) -> MutexGuard<'_, Vec<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self) {
        let caller = self.agents.caller.ledger();
        let callee = self.agents.callee.ledger();
        self.open().retain(|open| match outcome(open, &caller, &callee) {
            Some((ty, error)) => {
                self.recorder.end(open.process, ty, "call", &open.call, error);
                false
            }
            None => true,
        });
    }
}

/// Numbers of processes that are calls begin here; below are clients of the admin API.
const CALLS_FROM: u64 = 1000;

fn orders(numbers: &[String], tell: Tell) -> Vec<Order> {
    numbers.iter().map(|number| Order::Tell(number.clone(), tell)).collect()
}

/// How a call ended, if it has.
fn outcome(open: &Open, caller: &Ledger, callee: &Ledger) -> Option<(OpType, Option<String>)> {
    if open.since.elapsed() > PATIENCE {
        return Some((OpType::Info, Some(format!("not over after {PATIENCE:?}"))));
    }
    let entry = caller.call(&open.call.number)?;
    let callee_over = callee.calls(&open.call.number).all(|entry| entry.over);
    if !entry.over || !callee_over {
        return None;
    }
    let expected = if open.call.expect == "canceled" { 487 } else { 200 };
    match entry.final_status() {
        Some(status) if status == expected => Some((OpType::Ok, None)),
        // Whoever was refused has no call.
        Some(status) if status >= 300 => Some((OpType::Fail, Some(format!("status {status}")))),
        Some(status) => Some((OpType::Info, Some(format!("status {status}")))),
        None => Some((OpType::Info, Some("nobody answered".into()))),
    }
}
