//! The dialled number in a Request-URI (`sip:`, `sips:` or `tel:`).
//!
//! Takes out what routing looks at. RFC 3261 section 19.1, RFC 3966 section 3.

use holdline_sip::message::Uri;

/// What routing needs of a Request-URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dialled<'a> {
    /// The user as written, user parameters (after `;`) included; empty if there is none.
    pub(crate) user: &'a str,
}

impl<'a> Dialled<'a> {
    /// Takes the user out of a Request-URI; `None` for a scheme that we cannot route.
    pub(crate) fn of(uri: &'a str) -> Option<Self> {
        let uri = Uri::parse(uri).ok()?;
        let is_routed = uri.is_sip() || uri.scheme.eq_ignore_ascii_case("tel");
        is_routed.then(|| Self { user: uri.user.unwrap_or_default() })
    }

    /// The number without visual separators (RFC 3966 section 5.1.1) and user parameters.
    pub(crate) fn number(&self) -> String {
        let number = self.user.split_once(';').map_or(self.user, |(number, _)| number);
        number.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')')).collect()
    }

    /// The user to send on, with `strip` leading characters of the number removed. As written if
    /// nothing is to be removed, else without visual separators.
    pub(crate) fn stripped(&self, strip: usize) -> String {
        if strip == 0 {
            return self.user.to_owned();
        }
        let number: String = self.number().chars().skip(strip).collect();
        match self.user.split_once(';') {
            Some((_, parameters)) => format!("{number};{parameters}"),
            None => number,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_found_in_every_form_of_uri() {
        for (uri, number) in [
            ("sip:+49-30.123@192.0.2.1", "+4930123"),
            ("sips:(030)123;isub=1@example.com:5061;user=phone", "030123"),
            ("tel:+1-201-555-0123;phone-context=example.com", "+12015550123"),
            ("SIP:alice:secret@example.com", "alice"),
            ("sip:192.0.2.1", ""),
        ] {
            assert_eq!(Dialled::of(uri).map(|d| d.number()).as_deref(), Some(number), "{uri}");
        }
        assert_eq!(Dialled::of("urn:service:sos"), None);
    }

    #[test]
    fn stripping_keeps_user_parameters() {
        let dialled = Dialled::of("sip:0-0-49;npdi@h").unwrap();
        assert_eq!(dialled.stripped(0), "0-0-49;npdi");
        assert_eq!(dialled.stripped(2), "49;npdi");
    }
}
