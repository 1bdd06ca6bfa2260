//! Answers of the registrar: challenges, and what is registered.

use bytes::Bytes;
use holdline_model::{Binding, Hop, Millis, Token};
use holdline_sip::message::{Builder, HeaderName, Message};

/// A challenge, which keeps no state: 401 or 407.
pub(crate) fn challenge(
    request: &Message,
    hop: Hop,
    status: u16,
    fields: &[(HeaderName, String)],
) -> Bytes {
    let builder = Builder::response_to(request, status, "");
    let builder = builder.with_source(hop.peer).to_tag(&Token::stateless_tag());
    fields.iter().fold(builder, |builder, (name, value)| builder.header(*name, value)).finish()
}

/// The 200 to a REGISTER: all bindings, each with what is left of it (RFC 3261 section 10.3, step 8).
pub(crate) fn registered(request: &Message, hop: Hop, now: Millis, bindings: &[Binding]) -> Bytes {
    let builder = Builder::response_to(request, 200, "");
    let mut builder = builder.with_source(hop.peer).to_tag(&Token::stateless_tag());
    for binding in bindings {
        builder = builder.header(HeaderName::Contact, contact(binding, now));
    }
    // RFC 3327 section 5.3: the path that was kept.
    for path in request.list(HeaderName::Path) {
        builder = builder.header(HeaderName::Path, path);
    }
    builder.header(HeaderName::Supported, "path").finish()
}

fn contact(binding: &Binding, now: Millis) -> String {
    // What is committed lasts longer than what was promised; a device is told the promise.
    let left = binding.until.since(now).div_ceil(1_000).min(u64::from(binding.granted_s));
    let mut text = format!("<{}>;expires={left}", binding.contact);
    if binding.q < 1_000 {
        text.push_str(&format!(";q=0.{:03}", binding.q));
    }
    if let Some(instance) = &binding.instance {
        text.push_str(&format!(";+sip.instance=\"{instance}\""));
    }
    if let Some(reg_id) = binding.reg_id {
        text.push_str(&format!(";reg-id={reg_id}"));
    }
    text
}

/// Whether a REGISTER insists on an extension that we do not have.
pub(crate) fn has_bad_registration_extension(request: &Message) -> bool {
    request.require().iter().any(|option| !option.eq_ignore_ascii_case("path"))
}
