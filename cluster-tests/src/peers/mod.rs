//! SIP software by other people, as peers of the switch: a pinger, a phone, a proxy. Each is started,
//! watched and ended here, by its own process id.
//!
//! A program that is not installed is an error that says how to install it: a test that lacks its
//! peer fails, and never passes in silence.

mod baresip;
mod kamailio;
mod linphone;
mod name_server;
mod program;
mod sipsak;

pub use baresip::{Baresip, PhonePlan};
pub use kamailio::{Proxy, ProxyPlan};
pub use linphone::{Linphone, LinphonePlan};
pub use name_server::NameServer;
pub use program::{PeerError, Program};
pub use sipsak::ping;
