//! What a REGISTER asks for (RFC 3261 section 10.3, steps 6 and 7; RFC 3327; RFC 5626 section 6).

use std::time::Duration;

use holdline_model::{Aor, Binding, BindingChange, Millis, limits};
use holdline_sip::message::{Address, HeaderName, Message, Uri};

use super::RegistrarOptions;
use crate::call::Request;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Only what there is.
    Nothing,
    /// These changes.
    Changes(Vec<BindingChange>),
}

/// Why it cannot be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Objection {
    /// 400, with the reason.
    Bad(&'static str),
    /// 423.
    TooBrief,
}

/// The address of record of a REGISTER: its To. `None` if that is none of our domains' users.
pub(super) fn aor_of(message: &Message, options: &RegistrarOptions) -> Option<Aor> {
    local_aor(message.to().uri, options)
}

/// The address of record that a URI is, if it is one of our domains' users.
pub(super) fn local_aor(uri: &str, options: &RegistrarOptions) -> Option<Aor> {
    let uri = Uri::parse(uri).ok().filter(Uri::is_sip)?;
    if !options.is_local(uri.host) {
        return None;
    }
    Aor::new(uri.user?, uri.host).ok()
}

/// Reads a REGISTER.
pub(super) fn read(
    now: Millis,
    request: &Request,
    options: &RegistrarOptions,
) -> Result<Asked, Objection> {
    let message = &request.message;
    let contacts = message.list(HeaderName::Contact);
    if contacts.is_empty() {
        return Ok(Asked::Nothing);
    }
    if contacts.iter().any(|contact| contact.trim() == "*") {
        return match (contacts.len(), message.expires()) {
            (1, Some(0)) => Ok(Asked::Changes(vec![BindingChange::RemoveAll])),
            _ => Err(Objection::Bad("Contact * stands alone and with Expires 0")),
        };
    }
    if contacts.len() > limits::MAX_BINDINGS_PER_AOR {
        return Err(Objection::Bad("Too many Contacts"));
    }
    let changes = contacts.iter().map(|contact| change(now, request, contact, options));
    Ok(Asked::Changes(changes.collect::<Result<_, _>>()?))
}

fn change(
    now: Millis,
    request: &Request,
    contact: &str,
    options: &RegistrarOptions,
) -> Result<BindingChange, Objection> {
    let bad = Objection::Bad("Bad Contact");
    let address = Address::parse(contact.as_bytes()).map_err(|_| bad)?;
    let uri = Uri::parse(address.uri).ok().filter(Uri::is_sip).ok_or(bad)?;
    let text = |name| {
        let value = address.param(name).and_then(|value| std::str::from_utf8(value).ok());
        value.map(|value| value.trim_matches('"').to_owned())
    };
    let instance = text("+sip.instance").filter(|instance| !instance.is_empty());
    let reg_id = text("reg-id").and_then(|id| id.parse::<u32>().ok()).filter(|id| *id > 0);
    let key = match (&instance, reg_id) {
        (Some(instance), Some(reg_id)) => format!("{instance};{reg_id}"),
        _ => canonical(&uri),
    };
    let message = &request.message;
    let asked = text("expires").map_or(message.expires(), |text| text.parse().ok());
    let granted_s = match asked {
        Some(0) => return Ok(BindingChange::Remove { key }),
        Some(asked) if Duration::from_secs(asked.into()) < options.min_expires => {
            return Err(Objection::TooBrief);
        }
        Some(asked) => asked.min(seconds(options.max_expires)),
        None => seconds(options.default_expires),
    };
    let q = match text("q") {
        None => 1000,
        Some(q) => thousandths(&q).ok_or(bad)?,
    };
    let path = message.list(HeaderName::Path).into_iter().map(str::to_owned).collect();
    let granted_ms = u64::from(granted_s).saturating_mul(1_000);
    let binding = Binding {
        key,
        contact: address.uri.to_owned(),
        q,
        path,
        instance,
        reg_id,
        call_id: message.call_id().to_owned(),
        cseq: message.cseq().number,
        hop: request.hop,
        at: now,
        granted_s,
        until: now.plus_ms(granted_ms.saturating_add(granted_ms / 2)),
    };
    if is_large(&binding) { Err(bad) } else { Ok(BindingChange::Put(Box::new(binding))) }
}

fn is_large(binding: &Binding) -> bool {
    let texts = [&binding.key, &binding.contact, &binding.call_id];
    let mut texts = texts.into_iter().chain(&binding.path).chain(&binding.instance);
    texts.any(|text| text.len() > limits::MAX_BINDING_TEXT_BYTES)
        || binding.path.len() > limits::MAX_PATH_VALUES
}

pub(super) fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

/// The parts of a URI by which two contacts are told apart (a subset of RFC 3261 section 19.1.4 that
/// takes two URIs for different when in doubt).
fn canonical(uri: &Uri<'_>) -> String {
    let mut text = format!("{}:", uri.scheme.to_ascii_lowercase());
    if let Some(user) = uri.user {
        text.push_str(user);
        text.push('@');
    }
    text.push_str(&uri.host.to_ascii_lowercase());
    if let Some(port) = uri.port {
        text.push_str(&format!(":{port}"));
    }
    if let Some(transport) = uri.param("transport") {
        text.push_str(&format!(";transport={}", transport.to_ascii_lowercase()));
    }
    text
}

/// A preference from 0 to 1 with at most three decimals, in thousandths.
pub(crate) fn thousandths(q: &str) -> Option<u16> {
    let (whole, decimals) = q.split_once('.').unwrap_or((q, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if decimals.len() > 3 || !digits(whole) || !digits(decimals) || whole.is_empty() {
        return None;
    }
    let value = whole.parse::<u16>().ok()?.checked_mul(1000)?;
    let value = value.checked_add(format!("{decimals:0<3}").parse().ok()?)?;
    (value <= 1000).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_are_thousandths() {
        for (text, value) in [("1", 1000), ("1.0", 1000), ("0.7", 700), ("0.025", 25), ("0", 0)] {
            assert_eq!(thousandths(text), Some(value), "{text}");
        }
        for text in ["", "2", "1.001", "0.1234", "-1", "0.x", ".5"] {
            assert_eq!(thousandths(text), None, "{text}");
        }
    }

    #[test]
    fn equal_contacts_have_one_key() {
        let key = |uri| canonical(&Uri::parse(uri).unwrap());
        assert_eq!(
            key("SIP:alice@Example.com;transport=TCP;ob"),
            "sip:alice@example.com;transport=tcp"
        );
        assert_ne!(key("sip:alice@h"), key("sip:alice@h:5060"), "RFC 3261 section 19.1.4");
        assert_ne!(key("sip:alice@h"), key("sip:Alice@h"));
    }
}
