//! Dialogs that a message names by Call-ID and tags: `Replaces` (RFC 3891), `Target-Dialog` (RFC 4538),
//! and the `Replaces` within a `Refer-To` (RFC 3515).
//!
//! A call has two dialogs, and each of its sides knows one. So a name that one side gives is of no use to
//! another one. Within a `Refer-To` it becomes a name that means something to us only, whatever node: the
//! call's tokens tell the call and whose dialog was meant. When an INVITE comes with that name, or with the one
//! that a side knows itself, it becomes the name that the other side of that call knows.
//!
//! Invariant: no Call-ID and no tag of a side's is seen by another side.

use std::net::SocketAddr;

use holdline_model::{CallId, CallRecord, Dialog, Phase, Side, Token, TokenKind};
use holdline_sip::message::{Address, Uri};

use crate::dialogs;

/// A dialog, by its three identifiers. `to_tag` is the tag of whom the message is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DialogName<'a> {
    pub(crate) call_id: &'a str,
    pub(crate) to_tag: &'a str,
    pub(crate) from_tag: &'a str,
    /// `early-only` (RFC 3891 section 3).
    pub(crate) is_early_only: bool,
}

impl<'a> DialogName<'a> {
    /// Reads the value of a Replaces.
    pub(crate) fn of_replaces(value: &'a str) -> Option<Self> {
        Self::parse(value, ["to-tag", "from-tag"])
    }

    /// Reads the value of a Target-Dialog: the local tag is that of whom the message is for.
    pub(crate) fn of_target_dialog(value: &'a str) -> Option<Self> {
        Self::parse(value, ["local-tag", "remote-tag"])
    }

    fn parse(value: &'a str, names: [&str; 2]) -> Option<Self> {
        let mut parts = value.split(';').map(str::trim);
        let call_id = parts.next().filter(|call_id| !call_id.is_empty())?;
        let (mut to_tag, mut from_tag, mut is_early_only) = (None, None, false);
        let [to_name, from_name] = names;
        for part in parts {
            let (name, tag) = part.split_once('=').unwrap_or((part, ""));
            let (name, tag) = (name.trim(), tag.trim());
            if name.eq_ignore_ascii_case(to_name) {
                to_tag = Some(tag);
            } else if name.eq_ignore_ascii_case(from_name) {
                from_tag = Some(tag);
            } else if name.eq_ignore_ascii_case("early-only") {
                is_early_only = true;
            }
        }
        Some(Self { call_id, to_tag: to_tag?, from_tag: from_tag?, is_early_only })
    }

    /// The call of ours that has the dialog, and whose dialog it is: the tag that is ours tells.
    pub(crate) fn call(&self) -> Option<(CallId, Side)> {
        let of = |tag: &str| {
            let token = Token::from_tag(tag.as_bytes())?;
            match token.kind {
                TokenKind::CallerTag => Some((token.call, Side::Caller)),
                TokenKind::CalleeTag => Some((token.call, Side::Callee)),
                TokenKind::CalleeCallId | TokenKind::Branch | TokenKind::Stateless => None,
            }
        };
        of(self.to_tag).or_else(|| of(self.from_tag))
    }

    /// The name that means something to us only; `None` if it is no dialog of ours.
    fn ours(&self) -> Option<String> {
        let (call, side) = self.call()?;
        let ours = if Token::from_tag(self.to_tag.as_bytes()).is_some() {
            self.to_tag
        } else {
            self.from_tag
        };
        let call_id = Token::callee_call_id(call);
        let other = match side {
            Side::Caller => Token::callee_tag(call),
            Side::Callee => Token::caller_tag(call),
        };
        let early = if self.is_early_only { ";early-only" } else { "" };
        Some(format!("{call_id};to-tag={ours};from-tag={other}{early}"))
    }

    /// The side of a call whose dialog this names, if it does: by the name that the side knows, or by ours.
    fn side_in(&self, record: &CallRecord) -> Option<Side> {
        let (call, side) = self.call()?;
        let answer = record.answer.as_ref().filter(|_| call == record.call)?;
        let dialog = match side {
            Side::Caller => &answer.caller,
            Side::Callee => &answer.callee,
        };
        let (ours, theirs) = (dialogs::tag_of(&dialog.local)?, dialogs::tag_of(&dialog.remote)?);
        let tags = [self.to_tag, self.from_tag];
        let is_theirs =
            self.call_id == dialog.call_id && (tags == [ours, theirs] || tags == [theirs, ours]);
        let other = match side {
            Side::Caller => Token::callee_tag(call),
            Side::Callee => Token::caller_tag(call),
        };
        let is_ours = self.call_id == Token::callee_call_id(call) && tags == [ours, other.as_str()];
        (is_theirs || is_ours).then_some(side)
    }

    /// The dialog of the other side of the call whose dialog this names, while that call is up.
    pub(crate) fn other_dialog<'r>(&self, record: &'r CallRecord) -> Option<(Side, &'r Dialog)> {
        let is_up = matches!(record.phase, Phase::Answered | Phase::Confirmed);
        let other = self.side_in(record).filter(|_| is_up)?.other();
        let answer = record.answer.as_ref()?;
        Some((
            other,
            match other {
                Side::Caller => &answer.caller,
                Side::Callee => &answer.callee,
            },
        ))
    }
}

/// The name of a dialog for its peer, in a Replaces.
pub(crate) fn replaces(dialog: &Dialog, is_early_only: bool) -> Option<String> {
    let (ours, theirs) = (dialogs::tag_of(&dialog.local)?, dialogs::tag_of(&dialog.remote)?);
    let early = if is_early_only { ";early-only" } else { "" };
    Some(format!("{};to-tag={theirs};from-tag={ours}{early}", dialog.call_id))
}

/// The same in a Target-Dialog.
pub(crate) fn target_dialog(dialog: &Dialog) -> Option<String> {
    let (ours, theirs) = (dialogs::tag_of(&dialog.local)?, dialogs::tag_of(&dialog.remote)?);
    Some(format!("{};local-tag={theirs};remote-tag={ours}", dialog.call_id))
}

/// A Refer-To as the other side is to see it: a dialog of ours has the name that is ours, and our address
/// that the sender knows (`there`) is the one that the other side knows (`here`). A name of a dialog that is
/// not ours passes as it is.
pub(crate) fn refer_to(value: &[u8], there: SocketAddr, here: SocketAddr) -> Vec<u8> {
    mapped(value, there, here).unwrap_or_else(|| value.to_vec())
}

fn mapped(value: &[u8], there: SocketAddr, here: SocketAddr) -> Option<Vec<u8>> {
    let address = Address::parse(value).ok()?;
    let uri = Uri::parse(address.uri).ok()?;
    let text = std::str::from_utf8(value).ok()?;
    let mut new = address.uri.to_owned();
    if let Some(headers) = uri.headers {
        let fields = headers.split('&').map(|field| {
            let (name, value) = field.split_once('=')?;
            let value = name.eq_ignore_ascii_case("Replaces").then(|| unescaped(value))??;
            let ours = DialogName::of_replaces(&value)?.ours()?;
            Some(format!("{name}={}", escaped(&ours)))
        });
        let fields = fields.zip(headers.split('&'));
        let fields: Vec<String> =
            fields.map(|(new, old)| new.unwrap_or_else(|| old.to_owned())).collect();
        new = format!("{}{}", new.strip_suffix(headers)?, fields.join("&"));
    }
    if uri.host_ip() == Some(there.ip()) && uri.port.unwrap_or(DEFAULT_PORT) == there.port() {
        let host = match uri.port {
            Some(port) => format!("{}:{port}", uri.host),
            None => uri.host.to_owned(),
        };
        // The user part cannot hold it: what stands behind the last `@` is the host.
        let at = new.find('@').map_or(0, |at| at + 1);
        let (before, after) = new.split_at_checked(at)?;
        new = format!("{before}{}", after.replacen(&host, &here.to_string(), 1));
    }
    Some(text.replacen(address.uri, &new, 1).into_bytes())
}

/// Text with `%` escapes taken back; `None` if one is wrong.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

/// As it may stand in the header fields of a URI (RFC 3261 section 25.1).
fn escaped(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte);
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if is_plain(byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

const DEFAULT_PORT: u16 = 5060;

#[cfg(test)]
mod tests {
    use holdline_model::SlotId;

    use super::*;

    const CALL: CallId = CallId { slot: SlotId(7), nonce: 0xfeed };
    const OURS: &str = "hl0007000000000000feed";

    fn map(value: &str) -> String {
        let (there, here) =
            ("192.0.2.1:5060".parse().unwrap(), "203.0.113.1:5070".parse().unwrap());
        String::from_utf8(refer_to(value.as_bytes(), there, here)).unwrap()
    }

    #[test]
    fn a_name_that_the_sender_knows_becomes_one_that_we_know() {
        assert_eq!(
            map(&format!(
                "<sip:carol@h?Replaces=x%40phone%3Bto-tag%3D{OURS}a%3Bfrom-tag%3D77>;a=b"
            )),
            format!("<sip:carol@h?Replaces={OURS}c%3Bto-tag%3D{OURS}a%3Bfrom-tag%3D{OURS}b>;a=b")
        );
        assert_eq!(
            map(&format!("<sip:h?A=b&Replaces={OURS}c%3Bfrom-tag%3D77%3Bto-tag%3D{OURS}b>")),
            format!("<sip:h?A=b&Replaces={OURS}c%3Bto-tag%3D{OURS}b%3Bfrom-tag%3D{OURS}a>")
        );
    }

    #[test]
    fn others_pass_as_they_are_and_our_address_becomes_the_one_known_there() {
        for value in
            ["<sip:carol@h?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2>", "sip:carol@h", "tel:+1"]
        {
            assert_eq!(map(value), value);
        }
        assert_eq!(map("<sip:+49555@192.0.2.1>"), "<sip:+49555@203.0.113.1:5070>");
        assert_eq!(
            map("<sip:192.0.2.1:5060;transport=udp?A=b>"),
            "<sip:203.0.113.1:5070;transport=udp?A=b>"
        );
        assert_eq!(map("<sip:+49555@192.0.2.1:5080>"), "<sip:+49555@192.0.2.1:5080>");
    }

    #[test]
    fn a_name_tells_the_call_and_whose_dialog_it_is() {
        let name = format!("x;to-tag={OURS}a3;from-tag=1;early-only");
        let name = DialogName::of_replaces(&name).unwrap();
        assert_eq!((name.call(), name.is_early_only), (Some((CALL, Side::Caller)), true));
        let name = format!("x;remote-tag={OURS}b;local-tag=1");
        let name = DialogName::of_target_dialog(&name).unwrap();
        assert_eq!(name.call(), Some((CALL, Side::Callee)));
        for bad in ["", "x", "x;to-tag=1", "x;from-tag=1"] {
            assert_eq!(DialogName::of_replaces(bad), None, "{bad}");
        }
    }
}
