//! What a run does, from a seed: which faults, in which order.

use std::time::Duration;

use crate::fact;
use crate::fault::{self, Choice};
use crate::workload::{Dice, Kind};

/// What a fault takes besides its own time: calls are brought into their phases before it, and the
/// cluster comes back after it.
const AROUND: Duration = Duration::from_secs(6);

/// Calls a second, unless asked otherwise.
pub const RATE: u64 = 6;

/// What the cluster is asked to do meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Workload {
    /// Calls, and a consumer of their records.
    Calls,
    /// The same, and registers of the admin API, written and read while faults strike.
    Admin,
    /// Calls, and besides them four times as many of a limited class as it may admit.
    Limits,
}

/// What is asked of a run.
#[derive(Clone, Debug)]
pub struct Request {
    /// The workload.
    pub workload: Workload,
    /// Names of faults, each of which happens at least once; `mix`: any, at random; `all`: all.
    pub faults: Vec<String>,
    /// How long it may take, roughly.
    pub minutes: f64,
    /// What picks everything that is random.
    pub seed: u64,
    /// Calls a second that come and go meanwhile.
    pub rate: u64,
}

/// A run to be.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What picks everything that is random.
    pub seed: u64,
    /// The workload.
    pub workload: Workload,
    /// The faults, in order.
    pub faults: Vec<Choice>,
    /// Faults that were asked for and cannot be had, and why.
    pub left_out: Vec<String>,
    /// What it was asked by.
    pub request: Request,
}

/// A plan that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// No such fault.
    #[error("there is no fault \"{0}\": `jepsen list` names them all")]
    Unknown(String),
    /// Nothing is left.
    #[error("none of the faults can be had here: {0}")]
    Nothing(String),
}

impl Plan {
    /// Makes a plan for a world of that kind (`lan`, `loopback`).
    ///
    /// # Errors
    /// If a fault is not known, or none can be had.
    pub fn make(request: &Request, place: &str) -> Result<Self, PlanError> {
        let mut wanted = Vec::new();
        let (mut mix, mut once) = (false, false);
        for name in &request.faults {
            match name.as_str() {
                "mix" => mix = true,
                "all" => once = true,
                name => wanted
                    .push(fault::by_name(name).ok_or_else(|| PlanError::Unknown(name.to_owned()))?),
            }
        }
        if mix || once {
            wanted = fault::all();
            wanted.retain(|choice| !choice.alone);
        }
        let mut left_out = Vec::new();
        wanted.retain(|choice| match choice.available(place) {
            Ok(()) => true,
            Err(why) => {
                left_out.push(format!("{}: {why}", choice.name));
                false
            }
        });
        if wanted.is_empty() {
            return Err(PlanError::Nothing(left_out.join("; ")));
        }
        let mut dice = Dice::new(request.seed);
        let budget = Duration::from_secs_f64(request.minutes.max(0.0) * 60.0);
        let mut faults = Vec::new();
        let mut takes = Duration::ZERO;
        let mut next = 0;
        loop {
            let choice = if mix { dice.pick(&wanted) } else { wanted.get(next % wanted.len()) };
            let Some(choice) = choice else { break };
            // The time around it, and a third of all that for quiet.
            takes += (choice.lasts + AROUND) * 4 / 3;
            let complete = mix || faults.len() >= wanted.len();
            if takes > budget && !faults.is_empty() && complete {
                break;
            }
            faults.push(*choice);
            next += 1;
        }
        let (seed, workload) = (request.seed, request.workload);
        Ok(Self { seed, workload, faults, left_out, request: request.clone() })
    }

    /// What the history says of it.
    #[must_use]
    pub fn fact(&self, place: &str) -> fact::Run {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let (workloads, mut checkers): (Vec<String>, Vec<String>) = match self.workload {
            Workload::Calls => (names(&["calls", "cdr-consumer"]), names(&CHECKERS)),
            Workload::Admin => (names(&["calls", "cdr-consumer", "admin"]), names(&CHECKERS)),
            Workload::Limits => (names(&["calls", "cdr-consumer", "limits"]), names(&CHECKERS)),
        };
        if self.workload == Workload::Admin {
            checkers.extend(names(&["linearizable", "log-index"]));
        }
        let clocks = self.faults.iter().any(|fault| fault.name.starts_with("clock"));
        if self.workload == Workload::Limits && !clocks {
            checkers.push("limits".into());
        }
        let gone = [crate::checker::MAJORITY_GONE, crate::checker::TIMER_FAULT];
        if self.faults.iter().any(|fault| gone.contains(&fault.name)) {
            checkers.push("rule-one".into());
        }
        fact::Run {
            system: "holdline".into(),
            workloads,
            planned: self.faults.iter().map(|fault| fault.name.to_owned()).collect(),
            phases: Kind::PHASES.iter().map(|kind| kind.phase.to_owned()).collect(),
            seed: self.seed,
            command: self.command(),
            commit: commit(),
            started: now(),
            world: place.into(),
            transport: "udp".into(),
            nodes: crate::world::NODES,
            left_out: self.left_out.clone(),
            checkers,
            mutant: std::env::var("HOLDLINE_MUTANT").ok(),
        }
    }

    /// The command that does it again.
    #[must_use]
    pub fn command(&self) -> String {
        let workload = match self.workload {
            Workload::Calls => "calls",
            Workload::Admin => "admin",
            Workload::Limits => "limits",
        };
        let faults = self.request.faults.join(",");
        let (minutes, seed) = (self.request.minutes, self.seed);
        let rate = match self.request.rate {
            RATE => String::new(),
            rate => format!(" --rate {rate}"),
        };
        format!(
            "cargo run -p jepsen -- run --workload {workload} --fault {faults} --minutes {minutes} \
             --seed {seed}{rate}"
        )
    }
}

/// Checkers that every run is to satisfy.
const CHECKERS: [&str; 12] = [
    "effect",
    "ledgers",
    "no-481",
    "protocol",
    "cdr-once",
    "cdr-cursor",
    "duration",
    "one-owner",
    "acting",
    "converge",
    "liveness",
    "resources",
];

/// The commit of the working copy, if it is one.
pub(crate) fn commit() -> String {
    let line = "git rev-parse --short=12 HEAD";
    crate::world::run(line).map_or_else(|_| "unknown".into(), |text| text.trim().to_owned())
}

/// The present time (RFC 3339).
pub(crate) fn now() -> String {
    let now = time::OffsetDateTime::from(std::time::UNIX_EPOCH + unix());
    now.format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}

fn unix() -> Duration {
    std::time::UNIX_EPOCH
        .elapsed()
        .map(|since| Duration::from_secs(since.as_secs()))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(faults: &[&str], minutes: f64) -> Request {
        let faults = faults.iter().map(|&name| name.to_owned()).collect();
        Request { workload: Workload::Calls, faults, minutes, seed: 7, rate: 6 }
    }

    fn names(plan: &Plan) -> Vec<&str> {
        plan.faults.iter().map(|fault| fault.name).collect()
    }

    #[test]
    fn the_same_seed_makes_the_same_plan() {
        let make = || Plan::make(&request(&["mix"], 5.0), "loopback").unwrap();
        assert_eq!(names(&make()), names(&make()));
        assert!(make().faults.len() > 5, "{:?}", names(&make()));
    }

    #[test]
    fn all_means_each_at_least_once_and_what_is_missing_is_named() {
        let plan = Plan::make(&request(&["all"], 0.1), "loopback").unwrap();
        assert!(names(&plan).contains(&"kill-leader") && names(&plan).contains(&"drain"));
        assert!(plan.left_out.iter().any(|text| text.starts_with("isolate: needs hosts")));
        let alone = fault::all().iter().filter(|choice| choice.alone).count();
        assert_eq!(plan.faults.len() + plan.left_out.len() + alone, fault::all().len());
    }

    #[test]
    fn unknown_faults_are_refused() {
        assert!(Plan::make(&request(&["thunder"], 1.0), "lan").is_err());
        assert!(Plan::make(&request(&["isolate"], 1.0), "loopback").is_err());
    }
}
