//! Kills, staged: a cluster, a caller and a callee, and for each phase of a call the moment at
//! which its owner dies. The demo, the benchmark and the tests run the same scenes.

mod calls;
mod error;
mod phase;
mod scene;
mod setting;

pub use error::StageError;
pub use phase::Phase;
pub use scene::Scene;
pub use setting::{Progress, Stage, Victim};
