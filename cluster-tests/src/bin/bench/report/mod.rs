//! The report: tables and charts for people, JSON for programs.

mod chart;
mod page;
mod tables;

use serde::Serialize;

use super::export::Export;
use super::join::Join;
use super::load::{AddedByReplication, Load};
use super::machine::Machine;
use super::overload::Overload;
use super::pops::Pops;
use super::ramp::Ramp;
use super::run::Run;
use super::takeover::Takeover;
use super::transports::OverTransport;
use super::up::Up;

/// All that was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    /// What was not measured, and why.
    pub(crate) left_out: Vec<String>,
    /// What broke off.
    pub(crate) broken: Vec<String>,
    /// Cost and latency at the base rate.
    pub(crate) load: Vec<Load>,
    pub(crate) added_by_replication: Option<AddedByReplication>,
    /// The highest rates.
    pub(crate) ramp: Vec<Ramp>,
    /// The base rate over each transport.
    pub(crate) transports: Vec<OverTransport>,
    /// The base rate with an export beside it.
    pub(crate) export: Vec<Export>,
    /// Many calls up.
    pub(crate) up: Vec<Up>,
    /// Long ways between nodes.
    pub(crate) pops: Vec<Pops>,
    /// Twice as many calls as can be served.
    pub(crate) overload: Option<Overload>,
    /// Kills of nodes with few calls.
    pub(crate) takeovers: Vec<Takeover>,
    /// Joins of a node without anything.
    pub(crate) joins: Vec<Join>,
}

impl Report {
    pub(crate) fn new(machine: Machine) -> Self {
        Self {
            machine,
            left_out: Vec::new(),
            broken: Vec::new(),
            load: Vec::new(),
            added_by_replication: None,
            ramp: Vec::new(),
            transports: Vec::new(),
            export: Vec::new(),
            up: Vec::new(),
            pops: Vec::new(),
            overload: None,
            takeovers: Vec::new(),
            joins: Vec::new(),
        }
    }

    /// Whether every call of Holdline's was served and billed, and nothing broke off.
    pub(crate) fn nothing_lost(&self) -> bool {
        let loads = self.load.iter().filter(|load| load.system.ours());
        let clean = |run: &Run| {
            run.failed == 0 && run.callee_failed == Some(0) && run.cdrs == Some(run.calls)
        };
        self.broken.is_empty()
            && loads.flat_map(|load| &load.runs).all(clean)
            && self.transports.iter().all(|over| over.failed == 0)
            && self.export.iter().all(|export| export.run.failed == 0)
            && self.up.iter().all(|up| up.takeover.sampled_lost == 0 && up.takeover.lost == 0.0)
            && self.overload.iter().flat_map(|all| &all.steps).all(|step| step.held_lost == 0)
            && self.takeovers.iter().all(|takeover| takeover.lost == 0)
            && self.joins.iter().all(|join| join.failed == 0)
    }
}
