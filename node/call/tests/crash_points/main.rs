//! The crash-point sweep: every script is run once undisturbed, and then again for every point at
//! which its owner can die, be deposed or be left without an answer. What the far ends and the biller
//! know in the end must be the same each time.
//!
//! Everything is a value on virtual time: three engines, one replicated state (consensus is taken
//! for granted; `holdline_apply` decides), a caller, callees and a network. A run is a function of its
//! [`point::Point`]; a failing run prints the command that replays it with its trace.
//!
//! | file | |
//! |---|---|
//! | `script` | what the far ends do |
//! | `point` | where and how the owner is struck |
//! | `world`, `node`, `consensus`, `tables`, `network` | the simulation |
//! | `world/strike` | how owners are struck |
//! | `directory` | the bindings of a user who is called |
//! | `caller`, `callee`, `within`, `dialog`, `resends`, `text` | the far ends, on SIP code of their own |
//! | `limit` | what the cluster's limits say to the call |
//! | `trace`, `rule_one`, `topology`, `verdict` | what is judged, and how |
//! | `sweep` | which points are run |
//! | `random` | points that no sweep comes to |
//! | `mutants` | the proof that the checks find what they are for |

#![allow(clippy::print_stdout, reason = "a sweep says how much it has swept, a replay what it saw")]

mod callee;
mod caller;
mod consensus;
mod dialog;
mod directory;
mod limit;
mod mutants;
mod network;
mod node;
mod point;
mod random;
mod resends;
mod rule_one;
mod script;
mod sweep;
mod tables;
mod text;
mod topology;
mod trace;
mod verdict;
mod within;
mod world;
