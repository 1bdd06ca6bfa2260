//! The OPTIONS by which a trunk is asked whether it is there (RFC 3261 section 11).

use bytes::Bytes;
use holdline_model::Hop;
use holdline_sip::message::{Builder, HeaderName, Method};

use super::{OurContact, OurVia};
use crate::trunks::ProbeId;

/// A probe of a trunk, whose address or name is `trunk`. `hop`: with the address where it reaches us.
pub(crate) fn probe(id: ProbeId, hop: Hop, trunk: &str) -> Bytes {
    let ProbeId { node, number } = id;
    let local = hop.local;
    Builder::request(&Method::Options, &format!("sip:{trunk}"))
        .header_display(HeaderName::Via, OurVia(hop, &id.to_string()))
        .header_display(HeaderName::MaxForwards, 70)
        .header_display(HeaderName::From, format_args!("<sip:{local}>;tag=p{number:016x}"))
        .header_display(HeaderName::To, format_args!("<sip:{trunk}>"))
        .header_display(HeaderName::CallId, format_args!("probe{node}.{number:016x}"))
        .header(HeaderName::CSeq, "1 OPTIONS")
        .header_display(HeaderName::Contact, OurContact { hop, secure: false })
        .header(HeaderName::Accept, "application/sdp")
        .finish()
}
