//! From a datagram to a [`Message`]: what must be there, what may be there once, what must agree.
//!
//! Everything that a view of the message returns is checked here, so that no view can fail later.

use bytes::Bytes;

use super::address::{Address, AddressError};
use super::cseq::parse_cseq;
use super::error::{Fault, ParseError, ParseErrorKind as Kind};
use super::header_name::HeaderName;
use super::identity::Identity;
use super::lexer::{Field, Lexed, lex};
use super::limits::{MAX_LIST_VALUES, MAX_MAX_FORWARDS, MAX_MESSAGE_BYTES};
use super::method::Method;
use super::span::Span;
use super::start::StartLine;
use super::text::{List, SyntaxError, number};
use super::via::Via;
use super::{IdentitySpans, Message, ViaSpans};

// Each header's ordinal is a bit of the set of those seen.
const _: () = assert!(HeaderName::KNOWN.len() < 128);

pub(super) fn parse(datagram: &Bytes) -> Result<Message, ParseError> {
    parse_message(datagram).map_err(|fault| fault.into_error(datagram))
}

fn parse_message(datagram: &Bytes) -> Result<Message, Fault> {
    let start_of_message = skip_line_ends(datagram)?;
    let text = datagram.get(start_of_message..).unwrap_or_default();
    let Lexed { start_line, fields, body_start, unfolded } = lex(text)?;
    let head = unfolded.as_deref().unwrap_or(text);
    let start = StartLine::parse(head, start_line)?;
    let found = Found::collect(&fields)?;

    let via = read_vias(head, &fields)?;
    let contact = read_address_lists(head, &fields)?;
    let from = read_identity(head, found.from, Kind::BadFrom, "From")?;
    let to = read_identity(head, found.to, Kind::BadTo, "To")?;
    let call_id = read_call_id(head, found.call_id)?;
    let (cseq, method) = read_cseq(head, found.cseq, &start)?;
    let max_forwards = read_max_forwards(head, found.max_forwards)?;
    let body_len = read_body_len(head, found.content_length, text.len() - body_start)?;

    let end = start_of_message + body_start + body_len;
    Ok(Message {
        bytes: datagram.slice(start_of_message..end),
        unfolded: unfolded.map(Bytes::from),
        start,
        fields,
        method,
        cseq,
        call_id,
        from,
        to,
        via,
        contact,
        max_forwards,
        body_start,
    })
}

/// RFC 3261 section 7.5: line ends before the start line are ignored.
fn skip_line_ends(datagram: &[u8]) -> Result<usize, Fault> {
    if datagram.is_empty() {
        return Err(Fault::new(Kind::Empty, "Empty datagram"));
    }
    let is_line_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let Some(start) = datagram.iter().position(|byte| !is_line_end(byte)) else {
        return Err(Fault::new(Kind::KeepAlive, "Keepalive"));
    };
    if datagram.len() - start > MAX_MESSAGE_BYTES {
        return Err(Fault::new(Kind::TooLarge, "Message Too Large"));
    }
    Ok(start)
}

/// The values of the headers that may stand once and that the parser reads.
#[derive(Default)]
struct Found {
    from: Option<Span>,
    to: Option<Span>,
    call_id: Option<Span>,
    cseq: Option<Span>,
    max_forwards: Option<Span>,
    content_length: Option<Span>,
}

impl Found {
    fn collect(fields: &[Field]) -> Result<Self, Fault> {
        let mut found = Self::default();
        let mut seen = 0u128;
        for field in fields {
            let bit = 1u128 << (field.name as u32);
            if seen & bit != 0 && field.name.is_single() {
                // Even two that agree: which of them another element drops is not ours to guess.
                return Err(Fault::new(
                    Kind::RepeatedHeader,
                    format!("Repeated {} header", field.name),
                ));
            }
            seen |= bit;
            #[expect(clippy::wildcard_enum_match_arm, reason = "no other header is read here")]
            let slot = match field.name {
                HeaderName::From => &mut found.from,
                HeaderName::To => &mut found.to,
                HeaderName::CallId => &mut found.call_id,
                HeaderName::CSeq => &mut found.cseq,
                HeaderName::MaxForwards => &mut found.max_forwards,
                HeaderName::ContentLength => &mut found.content_length,
                _ => continue,
            };
            *slot = Some(field.value);
        }
        Ok(found)
    }
}

fn missing(name: &str) -> Fault {
    Fault::new(Kind::MissingHeader, format!("Missing {name} header"))
}

/// Checks every Via and takes the top one apart.
fn read_vias(head: &[u8], fields: &[Field]) -> Result<ViaSpans, Fault> {
    let bad = |cause: &dyn std::fmt::Display| Fault::new(Kind::BadVia, format!("Via: {cause}"));
    let mut top = None;
    let mut count = 0;
    for field in fields.iter().filter(|field| field.name == HeaderName::Via) {
        for value in List::new(field.value.bytes(head)) {
            let value = value.map_err(|error| bad(&error))?;
            let via = Via::parse(value).map_err(|error| bad(&error))?;
            top.get_or_insert_with(|| ViaSpans::of(head, &via));
            count_value(&mut count, "Via")?;
        }
    }
    top.ok_or_else(|| missing("Via"))
}

/// Checks every Contact, Route and Record-Route; returns the first Contact's URI.
fn read_address_lists(head: &[u8], fields: &[Field]) -> Result<Option<Span>, Fault> {
    let mut first_contact = None;
    let mut count = 0;
    for field in fields.iter().filter(|field| field.name.is_address_list()) {
        let is_contact = field.name == HeaderName::Contact;
        let value = field.value.bytes(head);
        if is_contact && value == b"*" {
            // RFC 3261 section 10.2.2: in a REGISTER, all bindings.
            continue;
        }
        let kind = if is_contact { Kind::BadContact } else { Kind::BadRoute };
        let bad = |error: AddressError| Fault::new(kind, format!("{}: {error}", field.name));
        for value in List::new(value) {
            let value = value.map_err(|error: SyntaxError| bad(error.into()))?;
            let address = Address::parse(value).map_err(bad)?;
            if is_contact {
                first_contact.get_or_insert_with(|| Span::of(head, address.uri.as_bytes()));
            } else if std::str::from_utf8(value).is_err() {
                return Err(bad(AddressError::NotUtf8));
            }
            count_value(&mut count, field.name.as_str())?;
        }
    }
    Ok(first_contact)
}

fn count_value(count: &mut usize, name: &str) -> Result<(), Fault> {
    *count += 1;
    if *count > MAX_LIST_VALUES {
        return Err(Fault::new(Kind::TooManyValues, format!("Too many {name} values")));
    }
    Ok(())
}

fn read_identity(
    head: &[u8],
    value: Option<Span>,
    kind: Kind,
    name: &str,
) -> Result<IdentitySpans, Fault> {
    let value = value.ok_or_else(|| missing(name))?;
    let identity = Identity::parse(value.bytes(head))
        .map_err(|error| Fault::new(kind, format!("{name}: {error}")))?;
    Ok(IdentitySpans::of(head, &identity))
}

fn read_call_id(head: &[u8], value: Option<Span>) -> Result<Span, Fault> {
    let span = value.ok_or_else(|| missing("Call-ID"))?;
    let value = span.bytes(head);
    // Any visible character but the comma, which would make it a list to some.
    if value.is_empty() || !value.iter().all(|byte| byte.is_ascii_graphic() && *byte != b',') {
        return Err(Fault::new(
            Kind::BadCallId,
            "Call-ID: empty, or with white space or a comma in it",
        ));
    }
    Ok(span)
}

fn read_cseq(head: &[u8], value: Option<Span>, start: &StartLine) -> Result<(u32, Method), Fault> {
    let value = value.ok_or_else(|| missing("CSeq"))?;
    let (cseq, method) = parse_cseq(value.bytes(head))
        .ok_or_else(|| Fault::new(Kind::BadCSeq, "CSeq: not a number below 2^32 and a method"))?;
    match start {
        StartLine::Request { method: of_request, .. } if *of_request != method => {
            Err(Fault::new(Kind::MethodMismatch, "CSeq: another method than the request's"))
        }
        StartLine::Request { .. } | StartLine::Response { .. } => Ok((cseq, method)),
    }
}

fn read_max_forwards(head: &[u8], value: Option<Span>) -> Result<Option<u32>, Fault> {
    let Some(value) = value else { return Ok(None) };
    match number(value.bytes(head)) {
        Some(hops) if hops <= MAX_MAX_FORWARDS => Ok(Some(hops)),
        _ => Err(Fault::new(Kind::BadMaxForwards, "Max-Forwards: not a number from 0 to 255")),
    }
}

/// RFC 3261 section 18.3: over UDP, bytes after the body are ignored, too few are an error.
fn read_body_len(head: &[u8], value: Option<Span>, available: usize) -> Result<usize, Fault> {
    let Some(value) = value else { return Ok(available) };
    let len = number(value.bytes(head))
        .ok_or_else(|| Fault::new(Kind::BadContentLength, "Content-Length: not a number"))?;
    match usize::try_from(len) {
        Ok(len) if len <= available => Ok(len),
        _ => Err(Fault::new(Kind::BodyTruncated, "Content-Length: larger than the datagram")),
    }
}
