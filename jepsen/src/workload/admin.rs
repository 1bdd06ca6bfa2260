//! Registers of the admin API: whether a node is drained. Written and read by several clients.
//!
//! A node answers reads from its own copy, which may lag. A read here is one that is as new as
//! everything that any client has been told before: it waits until the node's copy has come so
//! far. It counts only if two answers in a row are of the same entry of the log; then that entry is
//! what was read, exactly.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use holdline_cluster_tests::cluster::{Admin, AdminError};
use tokio::time::Instant;

use super::dice::Dice;
use crate::fact::Register;
use crate::history::{OpType, Recorder};

/// How long a read may wait for its node to catch up.
const READ_LIMIT: Duration = Duration::from_secs(3);
/// Pause between two answers.
const POLL: Duration = Duration::from_millis(2);
/// Longest pause between two operations of a client, in milliseconds.
const PAUSE_MS: u64 = 120;

/// The registers.
#[derive(Debug)]
pub struct Registers {
    admins: Vec<(u64, Admin)>,
    recorder: Recorder,
    /// The highest entry that any client has been told of.
    known: AtomicU64,
    processes: AtomicU64,
}

impl Registers {
    /// Registers over these nodes.
    #[must_use]
    pub fn new(admins: Vec<(u64, Admin)>, recorder: Recorder) -> Arc<Self> {
        let (known, processes) = (AtomicU64::new(0), AtomicU64::new(1));
        Arc::new(Self { admins, recorder, known, processes })
    }

    /// One client, until it is dropped. It works on the register `key`.
    pub async fn client(self: Arc<Self>, key: u64, mut dice: Dice) {
        let mut process = self.process();
        loop {
            let write = dice.between(0, 2) > 0;
            let value = write.then(|| dice.between(0, 1) == 1);
            let Some((via, admin)) = dice.pick(&self.admins).cloned() else { return };
            if self.operate(process, key, value, via, &admin).await == OpType::Info {
                // A process of which nobody knows what it did does nothing more.
                process = self.process();
            }
            tokio::time::sleep(Duration::from_millis(dice.between(5, PAUSE_MS))).await;
        }
    }

    /// Lets every node own slots again; tries until that is certain.
    ///
    /// # Errors
    /// What the last node said.
    pub async fn clear(&self, limit: Duration) -> Result<(), String> {
        let deadline = Instant::now() + limit;
        for (key, _) in &self.admins {
            // Whoever answers will do.
            for (via, admin) in self.admins.iter().cycle() {
                let process = self.process();
                match self.operate(process, *key, Some(false), *via, admin).await {
                    OpType::Ok => break,
                    _ if Instant::now() >= deadline => {
                        return Err(format!("node {key} cannot be undrained"));
                    }
                    _ => tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await,
                }
            }
        }
        Ok(())
    }

    fn process(&self) -> u64 {
        self.processes.fetch_add(1, Ordering::Relaxed)
    }

    async fn operate(
        &self,
        process: u64,
        key: u64,
        value: Option<bool>,
        via: u64,
        admin: &Admin,
    ) -> OpType {
        let f = if value.is_some() { "write" } else { "read" };
        let mut register = Register { key, value, index: None, via };
        self.recorder.invoke(process, f, &register);
        let outcome = match value {
            Some(value) => self.write(key, value, admin).await.map(|index| (Some(value), index)),
            None => self.read(key, admin).await.map(|(value, index)| (Some(value), Some(index))),
        };
        let (ty, error) = match outcome {
            Ok((value, index)) => {
                register.value = value;
                register.index = index;
                (OpType::Ok, None)
            }
            Err((ty, error)) => (ty, Some(error)),
        };
        self.recorder.end(process, ty, f, &register, error);
        ty
    }

    async fn write(
        &self,
        key: u64,
        value: bool,
        admin: &Admin,
    ) -> Result<Option<u64>, (OpType, String)> {
        match admin.set_drained(key, value).await {
            Ok(index) => {
                self.known.fetch_max(index.unwrap_or(0), Ordering::AcqRel);
                Ok(index)
            }
            // A refusal to take up the change: it was never proposed. Anything else may have been.
            Err(AdminError::Refused { status: status @ (400..=499), body, .. }) => {
                Err((OpType::Fail, format!("{status}: {body}")))
            }
            Err(error) => Err((OpType::Info, error.to_string())),
        }
    }

    async fn read(&self, key: u64, admin: &Admin) -> Result<(bool, u64), (OpType, String)> {
        let fail = |what: String| (OpType::Fail, what);
        let known = self.known.load(Ordering::Acquire);
        let deadline = Instant::now() + READ_LIMIT;
        let mut last = None;
        loop {
            // A read has no effect, so that one that failed certainly did not happen.
            let health = admin.health().await.map_err(|error| fail(error.to_string()))?;
            let member = health.members.iter().find(|member| member.id == key);
            let value = member.map(|member| member.draining);
            let index = health.applied_index;
            match value {
                Some(value) if index >= known && last == Some(index) => {
                    self.known.fetch_max(index, Ordering::AcqRel);
                    return Ok((value, index));
                }
                _ if Instant::now() >= deadline => {
                    return Err(fail(format!("the node is at entry {index}, not at {known}")));
                }
                _ => last = Some(index),
            }
            tokio::time::sleep(POLL).await;
        }
    }
}
