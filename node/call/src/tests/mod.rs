//! The engine on virtual time: inputs in, exact outputs out. The driver decides proposals with the
//! real `apply`, or withholds decisions to show that nothing is said before a commit.

mod advertised;
mod alive;
mod allowance;
mod answer;
mod behind;
mod bounds;
mod cancel;
mod driver;
mod failover;
mod forking;
mod hangup;
mod large;
mod limits;
mod map_state;
mod messages;
mod names;
mod notes;
mod random;
mod recovery;
mod refusals;
mod registrar;
mod registrar_world;
mod rule_one;
mod session;
mod session_timer;
mod setup;
mod shedding;
#[path = "../../tests/crash_points/topology.rs"]
mod topology;
mod transfer;
mod transports;
mod trunk_digest;
mod trunks;

/// What the switch takes.
const ALLOW: &str =
    "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, REFER, NOTIFY, SUBSCRIBE, MESSAGE";
