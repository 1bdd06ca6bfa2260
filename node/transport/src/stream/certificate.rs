//! What a certificate says: whose it is, who says so, and until when. The chain itself is checked by
//! rustls; a SIP domain's right to a certificate is checked here (RFC 5922 section 7).

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

/// What an operator wants to know of a certificate, and what a peer proves by one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Whose it is, such as `CN=sip.example.com, O=Example`.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// DNS names and IP addresses, in lower case.
    pub names: Vec<String>,
    /// The domains of its `sip:` URIs. If there are any, they alone are SIP identities.
    pub sip_domains: Vec<String>,
    /// Time from the Unix epoch to the end of its validity.
    pub not_after: Duration,
}

impl CertificateFacts {
    /// Reads a certificate; `None` if it is not one.
    #[must_use]
    pub fn read(der: &[u8]) -> Option<Self> {
        let (SEQUENCE, certificate, _) = element(der)? else { return None };
        let (SEQUENCE, mut rest, _) = element(certificate)? else { return None };
        if let (VERSION, _, after) = element(rest)? {
            rest = after;
        }
        for _ in ["serial number", "signature algorithm"] {
            rest = element(rest)?.2;
        }
        let (SEQUENCE, issuer, rest) = element(rest)? else { return None };
        let (SEQUENCE, validity, rest) = element(rest)? else { return None };
        let (SEQUENCE, subject, rest) = element(rest)? else { return None };
        let (tag, text, _) = element(element(validity)?.2)?;
        let not_after = time(tag, std::str::from_utf8(text).ok()?)?;
        let mut facts = Self {
            subject: distinguished(subject),
            issuer: distinguished(issuer),
            not_after,
            ..Self::default()
        };
        facts.alternatives(element(rest)?.2);
        if facts.names.is_empty() && facts.sip_domains.is_empty() {
            // Section 7.1: only without any of these is the subject's common name of use.
            let common = facts.subject.split(", ").find_map(|part| part.strip_prefix("CN="));
            facts.names.extend(common.map(str::to_ascii_lowercase));
        }
        Some(facts)
    }

    /// The SIP identities that it proves.
    #[must_use]
    pub fn identities(&self) -> &[String] {
        if self.sip_domains.is_empty() { &self.names } else { &self.sip_domains }
    }

    /// Whether it is good for a domain: by name and not by pattern (section 7.2).
    #[must_use]
    pub fn covers(&self, domain: &str) -> bool {
        self.identities().iter().any(|name| name.eq_ignore_ascii_case(domain))
    }

    /// Reads the subject's alternative names, in what follows the public key.
    fn alternatives(&mut self, mut rest: &[u8]) {
        while let Some((tag, content, after)) = element(rest) {
            rest = after;
            let (EXTENSIONS, Some((SEQUENCE, mut all, _))) = (tag, element(content)) else {
                continue;
            };
            while let Some((_, extension, after)) = element(all) {
                all = after;
                let Some((OBJECT, ALTERNATIVE_NAMES, mut value)) = element(extension) else {
                    continue;
                };
                if let Some((BOOLEAN, _, after)) = element(value) {
                    value = after;
                }
                let names = element(value).and_then(|(_, inner, _)| element(inner));
                self.general_names(names.map_or(&[], |(_, names, _)| names));
            }
        }
    }

    fn general_names(&mut self, mut names: &[u8]) {
        while let Some((tag, name, after)) = element(names) {
            names = after;
            let text = || std::str::from_utf8(name).ok().map(str::to_ascii_lowercase);
            match tag {
                DNS_NAME => self.names.extend(text()),
                // A URI with a user is one person's, not a domain's.
                URI => {
                    let uri = text();
                    let domain = uri.as_deref().and_then(|uri| uri.strip_prefix("sip:"));
                    let domain = domain.filter(|domain| !domain.contains('@'));
                    self.sip_domains.extend(domain.map(str::to_owned));
                }
                ADDRESS => {
                    let ip = match (<[u8; 4]>::try_from(name), <[u8; 16]>::try_from(name)) {
                        (Ok(v4), _) => Some(IpAddr::from(v4)),
                        (_, Ok(v6)) => Some(IpAddr::from(v6)),
                        _ => None,
                    };
                    self.names.extend(ip.map(|ip| ip.to_string()));
                }
                _ => {}
            }
        }
    }
}

/// A distinguished name, its parts in the order in which they stand.
fn distinguished(mut name: &[u8]) -> String {
    let mut text = String::new();
    while let Some((_, set, after)) = element(name) {
        name = after;
        let Some((_, pair, _)) = element(set) else { continue };
        let Some((OBJECT, object, value)) = element(pair) else { continue };
        let Some((_, value, _)) = element(value) else { continue };
        let key = match object {
            [0x55, 4, 3] => "CN",
            [0x55, 4, 6] => "C",
            [0x55, 4, 7] => "L",
            [0x55, 4, 8] => "ST",
            [0x55, 4, 10] => "O",
            [0x55, 4, 11] => "OU",
            _ => continue,
        };
        let separator = if text.is_empty() { "" } else { ", " };
        // Writing to a string cannot fail.
        let _infallible = write!(text, "{separator}{key}={}", String::from_utf8_lossy(value));
    }
    text
}

/// The tag, the content and what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..0x80 => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        0x80 | 0x85.. => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

/// `YYMMDDHHMMSSZ` (from 1950 on) or `YYYYMMDDHHMMSSZ`.
fn time(tag: u8, text: &str) -> Option<Duration> {
    let number = |text: Option<&str>| text?.parse::<i64>().ok();
    let (year, rest) = match tag {
        UTC_TIME => {
            let year = number(text.get(..2))?;
            (if year < 50 { 2000 + year } else { 1900 + year }, text.get(2..)?)
        }
        GENERALIZED_TIME => (number(text.get(..4))?, text.get(4..)?),
        _ => return None,
    };
    let mut parts = [0; 5];
    for (index, part) in parts.iter_mut().enumerate() {
        *part = number(rest.get(2 * index..2 * index + 2))?;
    }
    let [month, day, hour, minute, second] = parts;
    let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

/// Days from the Unix epoch in the Gregorian calendar, whose years are taken to begin in March.
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let in_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + in_era * 365 + in_era / 4 - in_era / 100 + day_of_year - 719_468
}

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const OBJECT: u8 = 0x06;
const BOOLEAN: u8 = 0x01;
const EXTENSIONS: u8 = 0xa3;
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];
const DNS_NAME: u8 = 0x82;
const URI: u8 = 0x86;
const ADDRESS: u8 = 0x87;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_time_are_read() {
        let seconds = |tag, text| time(tag, text).map(|time| time.as_secs());
        assert_eq!(seconds(UTC_TIME, "700101000000Z"), Some(0));
        assert_eq!(seconds(UTC_TIME, "240229123456Z"), Some(1_709_210_096));
        assert_eq!(seconds(GENERALIZED_TIME, "20500101000000Z"), Some(2_524_608_000));
        assert_eq!(seconds(UTC_TIME, "soon"), None);
    }

    fn facts(change: impl FnOnce(&mut rcgen::CertificateParams)) -> CertificateFacts {
        let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
        params.not_after = rcgen::date_time_ymd(2031, 5, 6);
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::OrganizationName, "Example");
        params.distinguished_name.push(rcgen::DnType::CommonName, "SIP.example.org");
        change(&mut params);
        let key = rcgen::KeyPair::generate().unwrap();
        CertificateFacts::read(params.self_signed(&key).unwrap().der()).unwrap()
    }

    #[test]
    fn a_certificate_says_whose_it_is_and_until_when() {
        let facts = facts(|params| {
            params.subject_alt_names = vec![
                rcgen::SanType::DnsName("Example.org".try_into().unwrap()),
                rcgen::SanType::IpAddress([192, 0, 2, 7].into()),
            ];
        });
        assert_eq!(facts.subject, "O=Example, CN=SIP.example.org");
        assert_eq!(facts.issuer, facts.subject);
        assert_eq!(facts.names, ["example.org", "192.0.2.7"]);
        assert_eq!(facts.not_after, Duration::from_secs(1_935_792_000));
        assert!(facts.covers("EXAMPLE.org") && !facts.covers("sip.example.org"));
        assert_eq!(CertificateFacts::read(b"noise"), None);
    }

    #[test]
    fn sip_uris_alone_are_identities_if_there_are_any_and_the_common_name_only_if_nothing_is() {
        let with_uri = facts(|params| {
            params.subject_alt_names = vec![
                rcgen::SanType::DnsName("other.example.org".try_into().unwrap()),
                rcgen::SanType::URI("sip:example.org".try_into().unwrap()),
                rcgen::SanType::URI("sip:alice@example.com".try_into().unwrap()),
            ];
        });
        assert_eq!(with_uri.identities(), ["example.org"]);
        assert!(!with_uri.covers("other.example.org"));
        assert!(facts(|_| {}).covers("sip.example.org"));
        let pattern = facts(|params| {
            let name = "*.example.org".try_into().unwrap();
            params.subject_alt_names = vec![rcgen::SanType::DnsName(name)];
        });
        assert!(!pattern.covers("a.example.org"), "RFC 5922 section 7.2: no patterns");
    }
}
