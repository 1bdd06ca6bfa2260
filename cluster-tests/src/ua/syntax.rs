//! The few pieces of SIP grammar that the user agent needs (RFC 3261 section 25): parameters,
//! name-addr, SIP URIs with numeric hosts. Values come in as text, borrowed parts go out.

use std::net::{IpAddr, SocketAddr};

/// The port of a SIP URI or Via that names none.
const DEFAULT_PORT: u16 = 5060;

/// A header parameter (`;name=value`) of a name-addr or of a Via; an empty text if it has no value.
///
/// Parameters inside the angle brackets belong to the URI and are not looked at.
pub(super) fn param<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let outside = value.rsplit_once('>').map_or(value, |(_, rest)| rest);
    uri_param(outside, name)
}

/// A parameter of a bare URI, or of what follows a name-addr.
pub(super) fn uri_param<'a>(uri: &'a str, name: &str) -> Option<&'a str> {
    uri.split(';').skip(1).find_map(|part| {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        key.trim().eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

/// The URI of a name-addr or addr-spec.
pub(super) fn uri(value: &str) -> &str {
    match value.split_once('<') {
        Some((_, rest)) => rest.split_once('>').map_or(rest, |(uri, _)| uri).trim(),
        None => value.split(';').next().unwrap_or(value).trim(),
    }
}

/// The user part of a SIP URI.
pub(super) fn user(uri: &str) -> Option<&str> {
    let (user, _) = without_scheme(uri)?.split_once('@')?;
    Some(user.split(';').next().unwrap_or(user))
}

/// The numeric address that a SIP URI points at.
pub(super) fn address(uri: &str) -> Option<SocketAddr> {
    let rest = without_scheme(uri)?;
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    host_port(host.split([';', '?']).next()?)
}

/// Reads `host:port`, the port being optional and the host a number.
pub(super) fn host_port(text: &str) -> Option<SocketAddr> {
    let text = text.trim();
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let host = text.trim_start_matches('[').trim_end_matches(']');
    Some(SocketAddr::new(host.parse::<IpAddr>().ok()?, DEFAULT_PORT))
}

/// The `sent-by` of a Via.
pub(super) fn sent_by(via: &str) -> Option<SocketAddr> {
    let (_, rest) = via.trim().split_once(char::is_whitespace)?;
    host_port(rest.split(';').next()?)
}

/// Splits a header value at its commas, except those in quotes or angle brackets.
pub(super) fn split_list(value: &str) -> Vec<&str> {
    let (mut quoted, mut escaped, mut angle, mut start) = (false, false, false, 0);
    let mut parts = Vec::new();
    for (at, c) in value.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '<' if !quoted => angle = true,
            '>' if !quoted => angle = false,
            ',' if !quoted && !angle => {
                parts.push(value[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(value[start..].trim());
    parts
}

fn without_scheme(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once(':')?;
    scheme.eq_ignore_ascii_case("sip").then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_parameters_outside_the_brackets_only() {
        let value = "\"x\" <sip:a@127.0.0.1;tag=no>;q=1; Tag=yes";
        assert_eq!(param(value, "tag"), Some("yes"));
        assert_eq!(param("SIP/2.0/UDP 127.0.0.1;rport;branch=z9", "rport"), Some(""));
        assert_eq!(param("SIP/2.0/UDP 127.0.0.1;rport;branch=z9", "branch"), Some("z9"));
    }

    #[test]
    fn reads_uris() {
        assert_eq!(uri("<sip:a@127.0.0.1;lr>;x=y"), "sip:a@127.0.0.1;lr");
        assert_eq!(uri("sip:a@127.0.0.1;tag=1"), "sip:a@127.0.0.1");
        assert_eq!(user("sip:+49@127.0.0.1"), Some("+49"));
        assert_eq!(address("sip:a@127.0.0.1;lr"), "127.0.0.1:5060".parse().ok());
        assert_eq!(address("sip:[::1]:5070;lr"), "[::1]:5070".parse().ok());
        assert_eq!(sent_by("SIP/2.0/UDP 127.0.0.1:77;branch=1"), "127.0.0.1:77".parse().ok());
    }

    #[test]
    fn splits_lists_at_the_right_commas() {
        assert_eq!(split_list(r#""a, \"b" <sip:a@h,x>, <sip:b>"#).len(), 2);
    }
}
