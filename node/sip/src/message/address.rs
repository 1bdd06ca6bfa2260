//! The address forms of From, To, Contact, Route and Record-Route: `name-addr` and `addr-spec` with
//! header parameters (RFC 3261 section 20 and 25.1).
//!
//! Strict where two elements could see different URIs or tags: unbalanced quotes, unquoted
//! separators in a display name, a question mark or comma in a URI without angle brackets, spaces
//! within a URI, empty or repeated parameters. A display name may hold any bytes.

use super::text::{Params, SyntaxError, is_space, split_quoted, split_when, trim, trim_start};
use super::uri::{Uri, UriError};

/// An address with its header parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address<'a> {
    /// The display name as it stands, quotes included; empty if there is none.
    pub display: &'a [u8],
    /// The URI, without angle brackets.
    pub uri: &'a str,
    params: &'a [u8],
    tag: Option<&'a [u8]>,
}

/// The value is no address that the switch can act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Quotes, brackets or parameters are at fault.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// The URI is at fault.
    #[error(transparent)]
    Uri(#[from] UriError),
    /// A display name without quotes holds a separator, so that it could be read as something else.
    #[error("a display name without quotes holds a separator")]
    BadDisplayName,
    /// A URI without angle brackets holds a question mark or a comma.
    #[error("a URI with a question mark or a comma needs angle brackets")]
    NeedsBrackets,
    /// A URI or a tag is not UTF-8.
    #[error("a URI or a tag is not UTF-8")]
    NotUtf8,
}

impl<'a> Address<'a> {
    /// Takes an address apart. The URI and all parameters are checked.
    ///
    /// # Errors
    /// [`AddressError`], if the value can be read in more than one way or not at all.
    pub fn parse(value: &'a [u8]) -> Result<Self, AddressError> {
        let value = trim(value);
        let mut address = if value.first() == Some(&b'"') {
            let (display, rest) = split_quoted(value).ok_or(SyntaxError::UnbalancedQuote)?;
            Self::bracketed(display, trim_start(rest))?
        } else {
            let (display, rest) = split_when(value, |byte| matches!(byte, b'<' | b'"'));
            // A quote before any bracket belongs to a parameter of an address without brackets.
            if rest.first() == Some(&b'<') {
                Self::bracketed(trim(display), rest)?
            } else {
                Self::bare(value)?
            }
        };
        Uri::parse(address.uri)?;
        address.read_params()?;
        Ok(address)
    }

    fn bracketed(display: &'a [u8], rest: &'a [u8]) -> Result<Self, AddressError> {
        let quoted = display.first() == Some(&b'"');
        // Other characters outside the grammar, such as parentheses, leave no doubt and are in use.
        let is_separator = |byte: &u8| matches!(byte, b',' | b';' | b':' | b'>' | b'\\');
        if !quoted && display.iter().any(is_separator) {
            return Err(AddressError::BadDisplayName);
        }
        let rest = rest.strip_prefix(b"<").ok_or(AddressError::BadDisplayName)?;
        let (uri, rest) = split_when(rest, |byte| byte == b'>');
        let params = rest.strip_prefix(b">").ok_or(SyntaxError::UnbalancedAngle)?;
        Ok(Self { display, uri: utf8(uri)?, params, tag: None })
    }

    fn bare(value: &'a [u8]) -> Result<Self, AddressError> {
        let (uri, params) = split_when(value, |byte| byte == b';' || is_space(byte));
        if uri.iter().any(|byte| matches!(byte, b'?' | b',')) {
            return Err(AddressError::NeedsBrackets);
        }
        Ok(Self { display: b"", uri: utf8(uri)?, params, tag: None })
    }

    /// Checks all parameters and notes the tag.
    fn read_params(&mut self) -> Result<(), AddressError> {
        for param in Params::new(self.params) {
            let param = param?;
            if param.is("tag") && self.tag.replace(param.value.unwrap_or_default()).is_some() {
                return Err(SyntaxError::RepeatedParameter.into());
            }
        }
        Ok(())
    }

    /// The value of a header parameter as it stands, quotes included; empty for one without a
    /// value, `None` if it is absent.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&'a [u8]> {
        let mut params = Params::new(self.params).flatten();
        params.find(|param| param.is(name)).map(|param| param.value.unwrap_or_default())
    }

    /// The tag, if there is one.
    ///
    /// # Errors
    /// [`AddressError`], if it is empty or not UTF-8.
    pub(super) fn tag(&self) -> Result<Option<&'a str>, AddressError> {
        match self.tag {
            None => Ok(None),
            Some(b"") => Err(SyntaxError::BadParameterValue.into()),
            Some(tag) => utf8(tag).map(Some),
        }
    }
}

fn utf8(text: &[u8]) -> Result<&str, AddressError> {
    std::str::from_utf8(text).map_err(|_| AddressError::NotUtf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_each_form() {
        for (value, display, uri, tag) in [
            ("sip:a@b", "", "sip:a@b", None),
            ("sip:a@b;tag=1", "", "sip:a@b", Some("1")),
            ("sip:a@b ; x=\"<\" ;tag = 1", "", "sip:a@b", Some("1")),
            ("<sip:a@b;lr>;tag=1", "", "sip:a@b;lr", Some("1")),
            ("<tel:+49301234567>", "", "tel:+49301234567", None),
            ("caller<sip:a@b>;tag=1", "caller", "sip:a@b", Some("1")),
            ("Anna (Sales) <sip:a@b>", "Anna (Sales)", "sip:a@b", None),
            (
                "\"A, \\\"B\\\" <C>\" <sip:a@[::1]:5060>;tag=1",
                "\"A, \\\"B\\\" <C>\"",
                "sip:a@[::1]:5060",
                Some("1"),
            ),
            ("\"\"<sip:a@b>", "\"\"", "sip:a@b", None),
        ] {
            let address = Address::parse(value.as_bytes()).unwrap();
            assert_eq!(address.display, display.as_bytes(), "{value}");
            assert_eq!((address.uri, address.tag().unwrap()), (uri, tag), "{value}");
        }
    }

    #[test]
    fn display_names_may_hold_any_bytes() {
        let address = Address::parse(b"\"J\xf6rg\" <sip:a@b>;tag=1").unwrap();
        assert_eq!((address.display, address.uri), (&b"\"J\xf6rg\""[..], "sip:a@b"));
    }

    #[test]
    fn refuses_what_can_be_read_in_two_ways() {
        for (value, error) in [
            ("\"Mr. J. User <sip:j.user@example.com>", SyntaxError::UnbalancedQuote.into()),
            ("\"A\" sip:a@b", AddressError::BadDisplayName),
            ("Bell, Alexander <sip:a@b>", AddressError::BadDisplayName),
            ("sip:a@b;tag=1 <sip:c@d>;tag=2", AddressError::BadDisplayName),
            ("<sip:a@b", SyntaxError::UnbalancedAngle.into()),
            ("< sip:a@b >", UriError::BadCharacter.into()),
            ("sip:a@b?Route=x", AddressError::NeedsBrackets),
            ("sip:a@b,sip:c@d", AddressError::NeedsBrackets),
            ("<sip:a@b>;;", SyntaxError::NoParameterName.into()),
            ("<sip:a@b> x", SyntaxError::NoParameterName.into()),
            ("<sip:a@b>;tag=1;TAG=2", SyntaxError::RepeatedParameter.into()),
            ("", UriError::NoScheme.into()),
            ("<>", UriError::NoScheme.into()),
        ] {
            assert_eq!(Address::parse(value.as_bytes()), Err(error), "{value}");
        }
        assert_eq!(Address::parse(b"<sip:\xff@b>"), Err(AddressError::NotUtf8));
    }

    #[test]
    fn a_tag_needs_a_value() {
        let address = Address::parse(b"<sip:a@b>;tag=").unwrap();
        assert_eq!(address.tag(), Err(SyntaxError::BadParameterValue.into()));
    }
}
