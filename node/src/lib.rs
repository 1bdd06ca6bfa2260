//! Holdline: a clustered SIP switch in one binary.
//!
//! This package wires the parts together and gives them what only a process has: configuration,
//! a clock, a log, metrics, an admin API and a command line. It decides nothing about calls (that
//! is `node/call`), about the cluster's state (`raft/apply`) or about bytes (`node/sip`).
//!
//! | module | what |
//! |---|---|
//! | [`config`] | the node's configuration file |
//! | [`clock`] | the process's one clock |
//! | [`telemetry`] | log and metrics |
//! | [`admin`] | the admin HTTP API, over the seam [`admin::ClusterApi`] |
//! | [`cli`] | the command line, over the seam [`node_runner::NodeRunner`] |
//! | [`compose`] | makes a running node of all the parts |
//! | `protect` | shield, bans, heavy hitters, overload control |
//! | `simulate` | limits tried offline |
//! | `switch` | between the sockets and the pure call engines |
//! | [`trust`] | certificates of nodes |
//! | [`panic_hook`] | a panic ends the process |

pub mod admin;
pub mod cli;
pub mod clock;
pub mod compose;
pub mod config;
mod files;
mod hex;
pub mod node_runner;
pub mod panic_hook;
mod protect;
mod simulate;
mod switch;
pub mod telemetry;
pub mod trust;
