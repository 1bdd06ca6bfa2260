//! The values of From and To (RFC 3261 sections 20.20 and 20.39).

use std::borrow::Cow;

use super::address::{Address, AddressError};

/// A From or To value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The whole value with its parameters, unfolded. A display name may hold any bytes; for a text
    /// see [`Identity::text`].
    pub raw: &'a [u8],
    /// The URI, without angle brackets.
    pub uri: &'a str,
    /// The tag, if there is one.
    pub tag: Option<&'a str>,
}

impl<'a> Identity<'a> {
    /// Takes a From or To value apart.
    ///
    /// # Errors
    /// [`AddressError`], if the value can be read in more than one way or not at all.
    pub fn parse(raw: &'a [u8]) -> Result<Self, AddressError> {
        let address = Address::parse(raw)?;
        Ok(Self { raw, uri: address.uri, tag: address.tag()? })
    }

    /// The whole value as text. Where it is not UTF-8, each byte is read as Latin-1, which is what
    /// the senders of such values mean; URI and tag are always UTF-8.
    #[must_use]
    pub fn text(&self) -> Cow<'a, str> {
        match std::str::from_utf8(self.raw) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => Cow::Owned(self.raw.iter().map(|byte| char::from(*byte)).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_value_apart() {
        let identity = Identity::parse(b"\"A\" <sip:a@b>;tag=x").unwrap();
        assert_eq!((identity.uri, identity.tag), ("sip:a@b", Some("x")));
        assert_eq!(identity.text(), "\"A\" <sip:a@b>;tag=x");
    }

    #[test]
    fn reads_latin_1_names() {
        assert_eq!(Identity::parse(b"\"J\xf6rg\" <sip:a@b>").unwrap().text(), "\"Jörg\" <sip:a@b>");
    }
}
