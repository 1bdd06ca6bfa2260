//! A SIP user agent for tests: caller and callee over UDP, thousands of calls on one socket; or over
//! TCP or TLS, with a connection to each peer.
//!
//! It is written from RFC 3261 alone and shares no code with the switch, so that a mistake in the
//! switch's own SIP code is not repeated here: a second opinion. It is not a product: text SIP,
//! numeric addresses, no authentication, no media.
//!
//! The protocol ([`Endpoint`]) is a value without socket or clock; [`Agent`] runs it on a socket.
//! Every call keeps an [`Entry`] in the [`Ledger`]: what was sent and received when, and whatever
//! was not as it should be (an [`Anomaly`]). A request that is repeated must be repeated byte for
//! byte; the ledger says so when it is not.
//!
//! After a node of the cluster has died, the agent goes on sending to the same address, as a real
//! peer does: the address floats to a survivor.

mod agent;
mod callee;
mod caller;
mod dialog;
mod endpoint;
mod ids;
mod ledger;
mod message;
mod plan;
mod resend;
mod session;
mod stream;
mod syntax;
mod tls;

pub use agent::{Agent, AgentError};
pub use endpoint::{Datagram, Endpoint};
pub use ledger::{Anomaly, Entry, Event, Kind, Ledger, Role, Stray, Way};
pub use message::{Draft, Malformed, Message, Method, Start};
pub use plan::{CalleeScript, CallerPlan, Last, Order, Tell, When};
pub use stream::Over;
pub use tls::{AUTHORITY, CERTIFICATE, Certificates, DOMAIN, KEY};
