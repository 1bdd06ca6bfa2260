//! Where a SIP URI leads: transport, address and port by DNS (RFC 3263, with RFC 2782 for SRV and
//! RFC 3403 for NAPTR). PURE.
//!
//! Nothing here asks a name server. [`locate`] looks at what is known and says what has to be asked
//! next; whoever asks puts the answers into a [`Cache`] and calls it again. What it finds is a
//! [`Location`], from which [`Location::draw`] makes the order of trying for one call.
//!
//! | file | what |
//! |---|---|
//! | `asked` | what is looked for: host, port, transport, security |
//! | `record` | questions and the answers to them |
//! | `walk` | the way from one to the other |
//! | `location` | what is found; the order by priority and weight |
//! | `cache` | what is known, for how long, and what is served when no server answers |

mod asked;
mod cache;
mod location;
mod record;
mod walk;

#[cfg(test)]
mod tests;

pub use asked::{Asked, InvalidHost};
pub use cache::{Cache, CacheOptions, Reply};
pub use location::{Location, Place, Server};
pub use record::{Answer, Kind, Knowledge, Known, Naptr, Question, Srv};
pub use walk::{LocateError, Means, Step, locate};
