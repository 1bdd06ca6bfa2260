//! Where a run takes place: the hosts, the processes on them, the agents, and the tools that faults
//! need.

mod command;
mod disk;
mod lan;
mod nodes;
mod place;
mod tools;

pub use command::{CommandError, has, run};
pub use disk::Disk;
pub use lan::{Lan, Rule};
pub use nodes::{Agents, Converge, DRAINED, NODES, SHORT_CALLS_MS, World};
pub use place::{FAKETIME, Needs, Place};
pub use tools::Tools;
