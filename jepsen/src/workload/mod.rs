//! What the cluster is asked to do meanwhile, and who watches it.

mod admin;
mod calls;
mod cdrs;
mod dice;
mod limits;
mod probe;

pub use admin::Registers;
pub use calls::{Calls, Kind};
pub use cdrs::consume;
pub use dice::Dice;
pub use limits::{limit, storm};
pub use probe::{Probe, final_states, resources};
