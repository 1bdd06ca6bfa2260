//! SIP transactions (RFC 3261 section 17, with RFC 6026's Accepted state) as values: four machines,
//! one per file, that know no socket, no clock and no SIP text.
//!
//! | machine | RFC 3261 | timers | states |
//! |---|---|---|---|
//! | [`InviteClient`] | 17.1.1 | A, B, D, M | Calling, Proceeding, Completed, Accepted, Terminated |
//! | [`InviteServer`] | 17.2.1 | G, H, I, L | Proceeding, Completed, Confirmed, Accepted, Terminated |
//! | [`NonInviteClient`] | 17.1.2 | E, F, K | Trying, Proceeding, Completed, Terminated |
//! | [`NonInviteServer`] | 17.2.2 | J | Trying, Proceeding, Completed, Terminated |
//!
//! How to drive one: `handle(now, input)`, then `poll()` until it returns `None`, then arm a timer
//! for `next_timer()` and give `Input::Timer` when it is due (too early or too late does no harm).
//! What a machine sends is bytes that its user made; it stores them for as long as they may have to
//! be sent again, and no longer. Matching messages to transactions (17.1.3, 17.2.3) is the user's.
//!
//! What differs from a machine made for an unreplicated server, because of rule one ("commit before
//! you speak"): no machine says anything that its user did not hand to it. There is no automatic
//! `100 Trying`, and no automatic ACK of a failure; both stop a peer's retransmission. Until the
//! user speaks, what the peer repeats is absorbed in silence. And each machine can be *recovered*:
//! made in the state that its predecessor on a dead node was in, resending at once or at a given
//! time. RFC 3261 is followed otherwise; each ignored input is written out with its clause.
//!
//! Invariants: after `Event::Terminated`, which is always the last event and comes exactly once, a
//! machine is silent and `next_timer()` is `None`. After `handle(now, Input::Timer)`, `next_timer()`
//! is later than `now`. Nothing panics, in whatever order inputs come.

mod invite_client;
mod invite_server;
mod non_invite_client;
mod non_invite_server;
mod pending;
mod resend;
mod response_class;
mod timers;

pub use invite_client::{
    InviteClient, InviteClientEvent, InviteClientInput, InviteClientOutput, InviteClientState,
};
pub use invite_server::{
    InviteServer, InviteServerEvent, InviteServerInput, InviteServerOutput, InviteServerState,
};
pub use non_invite_client::{
    NonInviteClient, NonInviteClientEvent, NonInviteClientInput, NonInviteClientOutput,
    NonInviteClientState,
};
pub use non_invite_server::{
    NonInviteServer, NonInviteServerEvent, NonInviteServerInput, NonInviteServerOutput,
    NonInviteServerState,
};
pub use response_class::ResponseClass;
pub use timers::{TimerConfig, TimerConfigError};

#[cfg(test)]
mod tests;
