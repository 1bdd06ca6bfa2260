//! Whose a message is, from the message alone. PURE.
//!
//! Our tags, branches and Call-IDs carry the call, and so the slot ([`Token`]). What carries none is
//! an initial INVITE, its CANCEL or its retransmission: these get their slot by the hash of the
//! Call-ID over the slots of the address that they arrived at. A REGISTER gets the slot of its address of
//! record, by its hash over all slots.

use std::net::SocketAddr;

use holdline_call::ProbeId;
use holdline_cluster::ownership::SlotTable;
use holdline_model::{Aor, SlotId, Token, TokenKind};
use holdline_sip::message::{Message, Method, Start, Uri};

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// To the owner of this slot.
    Slot(SlotId),
    /// It concerns no call: any node answers it.
    Anywhere,
    /// It answers a probe of a trunk.
    Probe(ProbeId),
    /// It starts a call, but at an address that belongs to no slots.
    UnknownAddress,
}

/// Finds the destination of a message that was sent to `local`.
pub(crate) fn find(message: &Message, local: SocketAddr, table: &SlotTable) -> Destination {
    let Start::Request { method, .. } = message.start() else {
        let branch = message.top_via().branch.unwrap_or_default();
        if let Some(Token { call, .. }) = Token::from_branch(branch.as_bytes()) {
            return Destination::Slot(call.slot);
        }
        return ProbeId::from_branch(branch).map_or(Destination::Anywhere, Destination::Probe);
    };
    if let Some(tag) = message.to().tag {
        return by_dialog(tag, message.call_id());
    }
    match method {
        Method::Invite | Method::Cancel | Method::Ack => table
            .slot_for(local, message.call_id().as_bytes())
            .map_or(Destination::UnknownAddress, Destination::Slot),
        // Whoever owns the slot of an address of record knows its bindings.
        Method::Register => table
            .slot_of_aor(&aor_text(message.to().uri))
            .map_or(Destination::UnknownAddress, Destination::Slot),
        Method::Bye
        | Method::Options
        | Method::Prack
        | Method::Update
        | Method::Info
        | Method::Refer
        | Method::Notify
        | Method::Subscribe
        | Method::Message
        | Method::Publish
        | Method::Other(_) => Destination::Anywhere,
    }
}

/// The address of record that a URI is, in its one form. What is none is refused by whoever gets it.
fn aor_text(uri: &str) -> String {
    let aor = Uri::parse(uri).ok().and_then(|uri| Aor::new(uri.user?, uri.host).ok());
    aor.map_or_else(|| uri.to_owned(), |aor| aor.as_str().to_owned())
}

/// A request within a dialog: our tag tells, else the Call-ID, which is ours on the callee's leg.
fn by_dialog(to_tag: &str, call_id: &str) -> Destination {
    let token = Token::from_tag(to_tag.as_bytes()).or_else(|| Token::from_tag(call_id.as_bytes()));
    match token {
        Some(Token { kind: TokenKind::Stateless, .. }) | None => Destination::Anywhere,
        Some(Token { call, .. }) => Destination::Slot(call.slot),
    }
}
