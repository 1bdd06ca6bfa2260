//! A Jepsen-style harness: real processes, real faults, histories that others can check, and the
//! losses published.
//!
//! It shares no code with the switch. A run starts a cluster in a [`world`], drives it with
//! [`workload`]s, strikes it with [`fault`]s, writes down everything as a [`history`], and lets the
//! [`checker`]s judge that history alone; a [`report`] shows it. The whole is proved by mutants:
//! switches with a known bug, each of which must be found out by the checker meant for it.

pub mod checker;
pub mod fact;
pub mod fault;
pub mod history;
pub mod mutant;
pub mod report;
pub mod runner;
pub mod workload;
pub mod world;
