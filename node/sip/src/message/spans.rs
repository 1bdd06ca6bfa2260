//! From and To values and the top Via as a message keeps them: as offsets.

use super::identity::Identity;
use super::span::Span;
use super::via::{Rport, Via};

/// Where the parts of a From or To value are.
#[derive(Clone, Copy, Debug)]
pub(super) struct IdentitySpans {
    raw: Span,
    uri: Span,
    tag: Option<Span>,
}

impl IdentitySpans {
    pub(super) fn of(head: &[u8], identity: &Identity<'_>) -> Self {
        Self {
            raw: Span::of(head, identity.raw),
            uri: Span::of(head, identity.uri.as_bytes()),
            tag: identity.tag.map(|tag| Span::of(head, tag.as_bytes())),
        }
    }

    pub(super) fn view(self, head: &[u8]) -> Identity<'_> {
        Identity {
            raw: self.raw.bytes(head),
            uri: self.uri.text(head),
            tag: self.tag.map(|tag| tag.text(head)),
        }
    }
}

/// Where the parts of a Via value are.
#[derive(Clone, Copy, Debug)]
pub(super) struct ViaSpans {
    raw: Span,
    transport: Span,
    host: Span,
    port: Option<u16>,
    branch: Option<Span>,
    received: Option<Span>,
    rport: Rport,
}

impl ViaSpans {
    pub(super) fn of(head: &[u8], via: &Via<'_>) -> Self {
        let of = |text: &str| Span::of(head, text.as_bytes());
        Self {
            raw: of(via.raw),
            transport: of(via.transport),
            host: of(via.host),
            port: via.port,
            branch: via.branch.map(of),
            received: via.received.map(of),
            rport: via.rport,
        }
    }

    pub(super) fn view(self, head: &[u8]) -> Via<'_> {
        Via {
            raw: self.raw.text(head),
            transport: self.transport.text(head),
            host: self.host.text(head),
            port: self.port,
            branch: self.branch.map(|branch| branch.text(head)),
            received: self.received.map(|received| received.text(head)),
            rport: self.rport,
        }
    }
}
