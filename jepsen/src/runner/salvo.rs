//! The calls that one fault strikes: brought into every phase before it, in flight when it begins,
//! gone on with while it lasts, and ended after it.

use std::net::SocketAddr;
use std::time::Duration;

use holdline_cluster_tests::ua::{AgentError, Tell};
use tokio::time::Instant;

use crate::workload::{Calls, Kind};

/// Calls in each phase.
const CALLS: usize = 6;
/// How long calls may take to get into their phases.
const SETUP_LIMIT: Duration = Duration::from_secs(8);

/// The calls that a fault strikes, by phase.
#[derive(Debug)]
pub(super) struct Salvo<'a> {
    calls: &'a Calls,
    via: (u64, SocketAddr),
    under: u64,
    invite: Vec<String>,
    ringing: Vec<String>,
    answered: Vec<String>,
    bye: Vec<String>,
    cancel: Vec<String>,
}

/// Which half of what is in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    /// Sent just before the fault.
    Before,
    /// Sent as soon as it has begun.
    After,
}

impl<'a> Salvo<'a> {
    /// Brings calls into the phases that last, and those that are about to be left.
    ///
    /// # Errors
    /// If they do not get there.
    pub(super) async fn load(
        calls: &'a Calls,
        under: u64,
        via: (u64, SocketAddr),
    ) -> anyhow::Result<Self> {
        let place = |kind, count| calls.place(kind, via, count, Some(under));
        let salvo = Self {
            calls,
            via,
            under,
            invite: Vec::new(),
            ringing: place(Kind::RINGING, CALLS).await?,
            answered: place(Kind::ANSWERED, 2 * CALLS).await?,
            bye: place(Kind::BYE, CALLS).await?,
            cancel: place(Kind::CANCEL, CALLS).await?,
        };
        let deadline = Instant::now() + SETUP_LIMIT;
        let ringing: Vec<String> = salvo.ringing.iter().chain(&salvo.cancel).cloned().collect();
        let up: Vec<String> = salvo.answered.iter().chain(&salvo.bye).cloned().collect();
        while !calls.ready(&ringing, &up) {
            anyhow::ensure!(Instant::now() < deadline, "calls do not come up before the fault");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(salvo)
    }

    /// Half of what is in flight when the fault strikes.
    ///
    /// # Errors
    /// If an agent has stopped.
    pub(super) async fn fire(&mut self, half: Half) -> Result<(), AgentError> {
        let of = |numbers: &[String]| {
            let (first, second) = numbers.split_at(numbers.len() / 2);
            if half == Half::Before { first.to_vec() } else { second.to_vec() }
        };
        self.invite().await?;
        self.calls.tell_caller(&of(&self.bye), Tell::HangUp).await?;
        self.calls.tell_caller(&of(&self.cancel), Tell::Cancel).await
    }

    /// What goes on while the fault lasts: calls are placed, answered, hung up.
    ///
    /// # Errors
    /// If an agent has stopped.
    pub(super) async fn go_on(&mut self) -> Result<(), AgentError> {
        self.invite().await?;
        self.calls.tell_callee(&self.ringing, Tell::Answer).await?;
        let (now, _) = self.answered.split_at(CALLS);
        self.calls.tell_caller(now, Tell::HangUp).await
    }

    /// Everybody hangs up; nobody waits for the end, which is watched anyway.
    ///
    /// # Errors
    /// If an agent has stopped.
    pub(super) async fn finish(&self) -> Result<(), AgentError> {
        for numbers in [&self.invite, &self.ringing, &self.answered] {
            self.calls.tell_caller(numbers, Tell::HangUp).await?;
        }
        Ok(())
    }

    async fn invite(&mut self) -> Result<(), AgentError> {
        let placed = self.calls.place(Kind::INVITE, self.via, CALLS / 2, Some(self.under)).await?;
        self.invite.extend(placed);
        Ok(())
    }
}
