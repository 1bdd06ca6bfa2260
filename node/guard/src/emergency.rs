//! Which dialled numbers are emergency calls.

/// Numbers that nothing limits: each a number, or with `*` at the end all that begin so. Service
/// URNs (RFC 5031) `urn:service:sos` and below are always among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EmergencyNumbers {
    patterns: Vec<String>,
}

impl EmergencyNumbers {
    /// From patterns such as `112`, `911` or `urn:service:sos*`.
    #[must_use]
    pub fn new(patterns: Vec<String>) -> Self {
        Self { patterns }
    }

    /// Whether a Request-URI is one of them.
    #[must_use]
    pub fn matches(&self, request_uri: &str) -> bool {
        if starts_with_ignoring_case(request_uri, SOS) {
            return true;
        }
        if self.patterns.is_empty() {
            return false;
        }
        let called = called(request_uri);
        self.patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(prefix) => called.starts_with(prefix),
            None => called == *pattern,
        })
    }
}

/// The user part without visual separators, or the whole URI in lower case if it has none.
fn called(uri: &str) -> String {
    let (scheme, rest) = uri.split_once(':').unwrap_or(("", uri));
    let is_sip = scheme.eq_ignore_ascii_case("sip") || scheme.eq_ignore_ascii_case("sips");
    let user = match rest.split_once('@') {
        Some((user, _)) if is_sip => user,
        _ if scheme.eq_ignore_ascii_case("tel") => rest,
        _ => return uri.to_ascii_lowercase(),
    };
    // What follows are parameters of a number, or a password.
    let number = user.split([';', ':']).next().unwrap_or_default();
    number.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')')).take(MAX_NUMBER).collect()
}

fn starts_with_ignoring_case(text: &str, prefix: &str) -> bool {
    let head = text.get(..prefix.len());
    let rest = text.as_bytes().get(prefix.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(prefix))
        && matches!(rest, None | Some(b'.' | b';' | b'?'))
}

const SOS: &str = "urn:service:sos";

/// Longer ones are no emergency number.
const MAX_NUMBER: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_prefixes_and_service_urns_are_found() {
        let numbers = EmergencyNumbers::new(vec!["112".to_owned(), "0118*".to_owned()]);
        for (uri, is_emergency) in [
            ("sip:112@example.com", true),
            ("sips:112;phone-context=+49@example.com", true),
            ("tel:112", true),
            ("sip:1-1.2@example.com", true),
            ("sip:0118999@example.com", true),
            ("sip:1120@example.com", false),
            ("sip:+112@example.com", false),
            ("sip:112", false),
            ("sip:alice@112", false),
            ("urn:service:sos", true),
            ("URN:service:sos.fire", true),
            ("urn:service:sosial", false),
            ("urn:service:counseling", false),
            ("", false),
        ] {
            assert_eq!(numbers.matches(uri), is_emergency, "{uri}");
        }
        assert!(EmergencyNumbers::default().matches("urn:service:sos"));
        assert!(!EmergencyNumbers::default().matches("sip:112@example.com"));
    }
}
