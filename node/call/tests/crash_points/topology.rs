//! Topology hiding, judged on the wire: nothing that tells where or what one side is, and nothing by which
//! it names its dialogs, is seen by another side (RFC 5853 section 3.1).
//!
//! It learns from what each side says: its addresses (Via, Contact, Record-Route), branches, Call-IDs and tags,
//! and what it runs on (User-Agent, Server). Then it looks for them in everything that is said to the others.
//! It knows nothing of the engine but how our own tokens begin. Bodies are not looked at: SDP passes untouched.
//! Identities are what a call is about, and pass: of From, To and the like the URIs are left out, and so are the
//! contacts of a redirection, which are the answer itself.

use std::collections::{BTreeMap, BTreeSet};

/// What was learned, and of whom.
#[derive(Clone, Debug, Default)]
pub(crate) struct Topology {
    secrets: BTreeMap<String, Secret>,
}

#[derive(Clone, Debug)]
struct Secret {
    whose: BTreeSet<String>,
    what: &'static str,
}

/// Shorter ones are found anywhere.
const LEAST: usize = 5;
/// How our branches, tags and Call-IDs begin.
const OUR_BRANCH: &str = "z9hG4bKhl";
const OUR_TOKEN: &str = "hl";
/// Header fields that say who somebody is, or who is meant.
const IDENTITIES: [&str; 6] =
    ["From", "To", "P-Asserted-Identity", "P-Preferred-Identity", "Diversion", "History-Info"];
/// Those whose addresses are what they are about, but in which a dialog may be named.
const REFERENCES: [&str; 2] = ["Refer-To", "Referred-By"];

impl Topology {
    /// A side said something to us. `ours`: our address that it knows.
    pub(crate) fn heard(&mut self, whose: &str, ours: &str, bytes: &[u8]) {
        let Some(message) = Head::parse(bytes) else { return };
        let is_request = !message.start.starts_with("SIP/2.0 ");
        let is_redirection = message.is_redirection();
        let mut learn = |what: &'static str, secret: &str| {
            if secret.len() >= LEAST && !ours.contains(secret) && !secret.contains(ours) {
                let secret = self.secrets.entry(secret.to_owned());
                let secret = secret.or_insert(Secret { whose: BTreeSet::new(), what });
                secret.whose.insert(whose.to_owned());
            }
        };
        for (name, value) in &message.fields {
            match *name {
                "Via" => {
                    let branch = parameter(value, "branch");
                    if !branch.starts_with(OUR_BRANCH) {
                        learn("branch", branch);
                        let host = value.split(' ').nth(1).unwrap_or_default();
                        learn("address (Via)", host_of(host));
                    }
                }
                "Contact" if is_redirection => {}
                "Contact" | "Record-Route" => {
                    for uri in value.split(',').filter_map(|value| value.split_once('<')) {
                        let uri = uri.1.split('>').next().unwrap_or_default();
                        let host = uri.split('@').next_back().unwrap_or_default();
                        let host = host.trim_start_matches("sip:").trim_start_matches("sips:");
                        learn("address (Contact or Record-Route)", host_of(host));
                    }
                }
                "Call-ID" if !value.starts_with(OUR_TOKEN) => learn("Call-ID", value),
                "From" if is_request => learn("tag", own_tag(value)),
                "To" if !is_request => learn("tag", own_tag(value)),
                "User-Agent" | "Server" => learn("agent", value),
                _ => {}
            }
        }
    }

    /// We say something to a side; what it gives away.
    pub(crate) fn said(&self, to: &str, bytes: &[u8]) -> Option<String> {
        let message = Head::parse(bytes)?;
        let is_redirection = message.is_redirection();
        for (secret, Secret { whose, what }) in &self.secrets {
            if whose.contains(to) || secret == to {
                continue;
            }
            let is_address = what.starts_with("address");
            let in_start = message.start.contains(secret);
            let mut fields = message.fields.iter();
            let found = fields.find(|(name, value)| {
                let is_exempt = (is_address && REFERENCES.contains(name))
                    || (is_redirection && *name == "Contact");
                // Of an identity only the parameters are looked at, such as its tag.
                let is_identity = IDENTITIES.contains(name);
                let value = if is_identity { parameters(value) } else { value };
                !is_exempt && contains(value, secret)
            });
            if in_start || found.is_some() {
                let place = found.map_or("the start line", |(name, _)| name);
                return Some(format!("{what} {secret} of {whose:?} is seen by {to}, in {place}"));
            }
        }
        None
    }
}

/// Start line and header fields.
struct Head<'a> {
    start: &'a str,
    fields: Vec<(&'a str, &'a str)>,
}

impl<'a> Head<'a> {
    fn is_redirection(&self) -> bool {
        ["SIP/2.0 3", "SIP/2.0 485"].iter().any(|start| self.start.starts_with(start))
    }

    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let text = std::str::from_utf8(bytes.get(..end)?).ok()?;
        let mut lines = text.split("\r\n");
        let start = lines.next()?;
        let field =
            |line: &'a str| line.split_once(':').map(|(name, value)| (name.trim(), value.trim()));
        Some(Self { start, fields: lines.filter_map(field).collect() })
    }
}

/// Whether a text holds another one that is not part of a longer word or number.
fn contains(text: &str, secret: &str) -> bool {
    // In the header fields of a URI.
    let text = text.replace("%3B", ";").replace("%3D", "=").replace("%40", "@");
    let is_word = |c: char| c.is_ascii_alphanumeric();
    text.match_indices(secret).any(|(at, found)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + found.len()..).and_then(|after| after.chars().next());
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// What stands behind the URI of a name-addr.
fn parameters(value: &str) -> &str {
    value.rsplit_once('>').map_or("", |(_, parameters)| parameters)
}

fn parameter<'a>(value: &'a str, name: &str) -> &'a str {
    let outside = value.rsplit_once('>').map_or(value, |(_, outside)| outside);
    let mut parameters = outside.split(';').filter_map(|part| part.split_once('='));
    parameters.find(|(key, _)| key.trim() == name).map_or("", |(_, value)| value.trim())
}

fn own_tag(value: &str) -> &str {
    let tag = parameter(value, "tag");
    if tag.starts_with(OUR_TOKEN) { "" } else { tag }
}

/// Without port and parameters.
fn host_of(text: &str) -> &str {
    text.split([':', ';']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEARD: &str = "INVITE sip:+49@10.1.0.1 SIP/2.0\r\n\
        Via: SIP/2.0/UDP 10.2.0.9;branch=z9hG4bKproxy\r\n\
        Via: SIP/2.0/UDP 10.2.0.1:5060;branch=z9hG4bKcaller\r\n\
        Record-Route: <sip:10.2.0.9:5060;lr>\r\nFrom: \"A\" <sip:alice@10.2.0.1>;tag=callers\r\n\
        To: <sip:+49@10.1.0.1>\r\nCall-ID: first@leg\r\nCSeq: 1 INVITE\r\n\
        Contact: <sip:alice@10.2.0.7:5062>\r\nUser-Agent: Phone/1.0\r\n\r\nv=0";

    /// What is said to the callee, with one header field more.
    fn leak(field: &str) -> Option<String> {
        let mut topology = Topology::default();
        topology.heard("caller", "10.1.0.1", HEARD.as_bytes());
        let said = format!(
            "INVITE sip:+49@10.3.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.0.1;branch=z9hG4bKhl0.i0\r\n\
             From: \"A\" <sip:alice@10.2.0.1>;tag=hl0b\r\nTo: <sip:+49@10.1.0.1>\r\n\
             Call-ID: hl0c\r\n{field}\r\n\r\no=- 1 1 IN IP4 10.2.0.1"
        );
        assert_eq!(topology.said("caller", said.as_bytes()), None, "it is the caller's own");
        topology.said("callee", said.as_bytes())
    }

    #[test]
    fn what_hides_everything_passes_and_each_leak_is_found() {
        assert_eq!(leak("X-Other: 110.2.0.1 callersx 10.2.0.11"), None);
        for (field, what) in [
            ("Via: SIP/2.0/UDP 10.2.0.1:5060;branch=z9hG4bKx", "address (Via) 10.2.0.1"),
            ("Via: SIP/2.0/UDP x;branch=z9hG4bKproxy", "branch z9hG4bKproxy"),
            ("Record-Route: <sip:10.2.0.9;lr>", "address (Via) 10.2.0.9"),
            ("Contact: <sip:10.2.0.7>", "address (Contact or Record-Route) 10.2.0.7"),
            ("X-Call: first@leg", "Call-ID first@leg"),
            ("Refer-To: <sip:c?Replaces=x%3Bto-tag%3Dcallers>", "tag callers"),
            ("User-Agent: Phone/1.0", "agent Phone/1.0"),
        ] {
            let found = leak(field).unwrap_or_else(|| panic!("{field} is not found"));
            assert!(found.starts_with(what), "{found}");
        }
    }
}
