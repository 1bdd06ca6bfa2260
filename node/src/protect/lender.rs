//! The task that leases tokens: it proposes what each purse's [`Lender`] asks for, and tells it the
//! reply. A request whose outcome is not known is proposed again as it was until it is: apply answers
//! a repeated one with its first reply.
//!
//! Invariant: of each class at most one request is in flight.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use holdline_guard::{Ask, Lender, LenderOptions, Purse, PurseCounts, Tokens};
use holdline_model::limit::{LeaseTokens, TokenGrant};
use holdline_model::{Command, Incarnation, Name, NodeId, Rejection, Reply, limit};
use holdline_raft::{Decided, RaftHandle, ReplyTo};
use metrics::{counter, gauge};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::Protection;
use super::allowances::{Leased, MAX_PURSES};

/// What the task works with.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) me: NodeId,
    pub(crate) incarnation: Incarnation,
    pub(crate) protection: Arc<Protection>,
    pub(crate) raft: RaftHandle,
}

/// What is asked for one class.
#[derive(Debug)]
struct Line {
    lender: Lender,
    purse: Arc<Purse>,
    /// When the request whose outcome is not known was proposed first.
    sent_ns: Option<u64>,
    in_flight: bool,
}

/// All classes of which tokens were ever wanted here.
#[derive(Debug, Default)]
struct Lines {
    lines: BTreeMap<Name, Line>,
    /// Which class a proposal was for.
    proposed: BTreeMap<u64, Name>,
    last_token: u64,
    /// The highest number that any lender has used: one that is made anew goes on from there.
    last_request: u64,
}

/// Runs until `stop` is cancelled.
pub(crate) async fn run(keeper: Keeper, stop: CancellationToken) {
    let (to, mut decided) = mpsc::channel(MAX_IN_FLIGHT);
    let mut lines = Lines::default();
    let (mut counted_ns, mut looked_ns) = (0, 0);
    loop {
        // While nothing was ever wanted here, there is nobody to ask.
        let pause = if lines.lines.is_empty() { IDLE } else { LOOK_EVERY };
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            Some(outcome) = decided.recv() => {
                keeper.decided(&mut lines, outcome);
                continue;
            }
            () = keeper.protection.allowances.wanted.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
        let since_ns = keeper.protection.clock.elapsed_ns().saturating_sub(looked_ns);
        if since_ns < LOOK_AT_MOST_NS {
            // Many may want tokens at the same time.
            tokio::time::sleep(Duration::from_nanos(LOOK_AT_MOST_NS - since_ns)).await;
        }
        let now_ns = keeper.protection.clock.elapsed_ns();
        looked_ns = now_ns;
        keeper.look(&mut lines, &to);
        if now_ns.saturating_sub(counted_ns) >= COUNT_EVERY_NS {
            counted_ns = now_ns;
            keeper.count();
        }
    }
}

impl Keeper {
    /// Asks every lender, and proposes what it asks for.
    fn look(&self, lines: &mut Lines, to: &mpsc::Sender<Decided>) {
        let book = self.protection.allowances.book();
        if lines.lines.len() > MAX_PURSES {
            let named = |name: &Name| book.classes.iter().any(|class| class.name == *name);
            lines.lines.retain(|name, line| line.in_flight || named(name));
        }
        for class in &book.classes {
            if lines.proposed.len() >= MAX_IN_FLIGHT {
                return;
            }
            let now_ns = self.protection.clock.elapsed_ns();
            let last_request = lines.last_request;
            let Some(line) = lines.of(class, last_request) else { continue };
            if line.in_flight {
                continue;
            }
            if let Some(ask) = line.lender.ask(now_ns, &line.purse) {
                line.sent_ns.get_or_insert(now_ns);
                lines.last_request = last_request.max(ask.request);
                self.propose(lines, class, ask, to);
            }
        }
    }

    fn propose(&self, lines: &mut Lines, class: &Leased, ask: Ask, to: &mpsc::Sender<Decided>) {
        let command = Command::LeaseTokens(LeaseTokens {
            node: self.me,
            incarnation: self.incarnation,
            class: class.name.clone(),
            request: ask.request,
            spent: model(ask.spent),
            returned: model(ask.returned),
            want: model(ask.want),
            at: self.protection.clock.now(),
        });
        lines.last_token += 1;
        let reply_to = ReplyTo { token: lines.last_token, to: to.clone() };
        match self.raft.submit(&command, reply_to) {
            Ok(()) => {
                lines.proposed.insert(lines.last_token, class.name.clone());
                if let Some(line) = lines.lines.get_mut(&class.name) {
                    line.in_flight = true;
                }
            }
            // It is asked for again.
            Err(refused) => {
                debug!(class = %class.name, error = %refused, "a lease was not proposed")
            }
        }
    }

    fn decided(&self, lines: &mut Lines, Decided { token, outcome }: Decided) {
        let Some(name) = lines.proposed.remove(&token) else { return };
        let Some(line) = lines.lines.get_mut(&name) else { return };
        line.in_flight = false;
        match outcome {
            Ok(Reply::Leased(grant)) => {
                let now_ns = self.protection.clock.elapsed_ns();
                let sent_ns = line.sent_ns.take().unwrap_or(now_ns);
                let TokenGrant { granted, valid_ms, retry_after_ms, .. } = grant;
                let times = (sent_ns, now_ns);
                line.lender.replied(
                    &line.purse,
                    times,
                    Tokens(granted.0),
                    valid_ms,
                    retry_after_ms,
                );
            }
            Ok(Reply::Rejected(Rejection::Limits(_))) => line.lender.unknown(&line.purse),
            // This run is not announced yet.
            Ok(Reply::Rejected(
                Rejection::StaleIncarnation { .. } | Rejection::UnknownNode { .. },
            )) => {}
            Ok(other) => {
                warn!(class = %name, ?other, "a lease of tokens was answered with something else")
            }
            Err(undecided) => {
                debug!(class = %name, error = %undecided, "a lease's outcome is unknown")
            }
        }
    }

    fn count(&self) {
        let mut all = PurseCounts::default();
        for facts in self.protection.allowances.facts() {
            let PurseCounts { granted, taken, returned, refused, left } = facts.counts;
            all.granted.0 += granted.0;
            all.taken.0 += taken.0;
            all.returned.0 += returned.0;
            all.refused.0 += refused.0;
            all.left.0 += left.0;
        }
        counter!("holdline_limit_tokens_leased_total").absolute(whole(all.granted));
        counter!("holdline_limit_tokens_spent_total").absolute(whole(all.taken));
        counter!("holdline_limit_tokens_returned_total").absolute(whole(all.returned));
        let held = u32::try_from(whole(all.left)).unwrap_or(u32::MAX);
        gauge!("holdline_limit_tokens_held").set(f64::from(held));
    }
}

impl Lines {
    /// The line of a class; none while nobody has wanted anything of it.
    fn of(&mut self, class: &Leased, last_request: u64) -> Option<&mut Line> {
        let known = self.lines.get(&class.name);
        if known.is_none_or(|line| !Arc::ptr_eq(&line.purse, &class.purse)) {
            if class.purse.counts().refused.0 == 0 {
                return None;
            }
            let options = LenderOptions { least: class.least, ..LenderOptions::default() };
            let lender = Lender::after(options, last_request);
            let purse = Arc::clone(&class.purse);
            let line = Line { lender, purse, sent_ns: None, in_flight: false };
            self.lines.insert(class.name.clone(), line);
        }
        self.lines.get_mut(&class.name)
    }
}

const fn model(tokens: Tokens) -> limit::Tokens {
    limit::Tokens(tokens.0)
}

const fn whole(tokens: Tokens) -> u64 {
    tokens.0 / Tokens::ONE.0
}

/// How often the lenders are asked, besides when tokens are wanted that are not here.
const LOOK_EVERY: Duration = Duration::from_millis(25);

const IDLE: Duration = Duration::from_secs(1);

/// How often at most.
const LOOK_AT_MOST_NS: u64 = 2_000_000;

/// How often the metrics follow.
const COUNT_EVERY_NS: u64 = 1_000_000_000;

/// Leases proposed at the same time, at most.
const MAX_IN_FLIGHT: usize = 256;
