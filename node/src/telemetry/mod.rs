//! The process's log and metrics.
//!
//! What it is: setting up `tracing` and `metrics` once, the list of all metrics ([`catalog`]), and
//! what the kernel knows of the process ([`process`]). What it is not: where things are counted;
//! each crate counts its own.

pub mod catalog;
mod log;
mod metrics;
pub mod process;

pub use log::{LogError, init as init_log};
pub use metrics::{MetricsError, install as install_metrics, upkeep};
