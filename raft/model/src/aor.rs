//! An address of record: `user@domain`, the name under which a user registers and is called.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Name;
use crate::limits::MAX_AOR_BYTES;

/// An address of record in its one canonical form, so that it can be a key: the domain in lower case,
/// escapes in the user only where the character needs one, and then in upper case (RFC 3261 section
/// 19.1.4). Cloning costs a counter.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Aor(Name);

/// The text is not an address of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an address of record is user@domain, at most {MAX_AOR_BYTES} bytes, without spaces, quotes or angle brackets"
)]
pub struct InvalidAor;

impl Aor {
    /// Makes one of the user part and the host of a SIP URI.
    ///
    /// # Errors
    /// [`InvalidAor`] if a part is empty, too long, or has characters that neither may have.
    pub fn new(user: &str, domain: &str) -> Result<Self, InvalidAor> {
        let domain_ok = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
        if domain.is_empty() || !domain.bytes().all(domain_ok) {
            return Err(InvalidAor);
        }
        let mut text = canonical_user(user).ok_or(InvalidAor)?;
        text.push('@');
        text.push_str(&domain.to_ascii_lowercase());
        if text.len() > MAX_AOR_BYTES {
            return Err(InvalidAor);
        }
        Ok(Self(text.into()))
    }

    /// The whole: `user@domain`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The user part.
    #[must_use]
    pub fn user(&self) -> &str {
        self.0.split_once('@').map_or("", |(user, _)| user)
    }

    /// The domain.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.split_once('@').map_or("", |(_, domain)| domain)
    }
}

impl std::str::FromStr for Aor {
    type Err = InvalidAor;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (user, domain) = text.split_once('@').ok_or(InvalidAor)?;
        Self::new(user, domain)
    }
}

/// Undoes needless escapes; `None` if a character may not be in a user part at all.
fn canonical_user(user: &str) -> Option<String> {
    let mut text = String::with_capacity(user.len() + 32);
    let mut bytes = user.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            is_plain(byte).then(|| text.push(char::from(byte)))?;
            continue;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
        let value = digit(bytes.next()?)? << 4 | digit(bytes.next()?)?;
        if is_plain(value) {
            text.push(char::from(value));
        } else {
            text.push_str(&format!("%{value:02X}"));
        }
    }
    (!text.is_empty()).then_some(text)
}

/// `unreserved` and `user-unreserved` of RFC 3261 section 25.1.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'_'
                | b'.'
                | b'!'
                | b'~'
                | b'*'
                | b'\''
                | b'('
                | b')'
                | b'&'
                | b'='
                | b'+'
                | b'$'
                | b','
                | b';'
                | b'?'
                | b'/'
                | b'#'
        )
}

impl fmt::Display for Aor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An address of record is personal data: what is printed for developers does not show it.
impl fmt::Debug for Aor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Aor(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_addresses_have_one_form() {
        let aor = Aor::new("%61lice%40work", "Example.COM").expect("an address");
        assert_eq!(aor.as_str(), "alice%40work@example.com");
        assert_eq!((aor.user(), aor.domain()), ("alice%40work", "example.com"));
        assert_eq!("alice%40work@example.com".parse(), Ok(aor));
        assert_eq!("+4969@[2001:DB8::1]".parse(), Aor::new("+4969", "[2001:db8::1]"));
    }

    #[test]
    fn what_could_not_be_a_key_is_refused() {
        let long = "x".repeat(300);
        for (user, domain) in [
            ("", "h"),
            ("a", ""),
            ("a b", "h"),
            ("a", "h h"),
            ("a\"", "h"),
            ("%4", "h"),
            (&long, "h"),
        ] {
            assert_eq!(Aor::new(user, domain), Err(InvalidAor), "{user}@{domain}");
        }
        assert_eq!("alice".parse::<Aor>(), Err(InvalidAor));
    }

    #[test]
    fn it_is_not_shown_to_logs() {
        assert_eq!(format!("{:?}", Aor::new("alice", "h").expect("an address")), "Aor(..)");
    }
}
