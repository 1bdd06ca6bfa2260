//! Names of header fields: canonical spelling and compact form (RFC 3261 section 7.3.3).

use std::fmt;

macro_rules! header_names {
    ($($name:ident = $text:literal $(, $compact:literal)?;)*) => {
        /// The name of a header field. Names are compared without regard to case.
        ///
        /// [`HeaderName::Other`] stands for every name that has no variant; what it is then is read
        /// from [`super::Header::raw_name`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum HeaderName {
            $(
                #[doc = concat!("`", $text, "`", $(", compact `", $compact, "`")?)]
                $name,
            )*
            /// Any other name.
            Other,
        }

        impl HeaderName {
            /// Every name that has a variant.
            pub const KNOWN: &'static [Self] = &[$(Self::$name,)*];

            /// The canonical long form; empty for [`HeaderName::Other`].
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    Self::Other => "",
                }
            }

            fn from_long(text: &[u8]) -> Self {
                // Comparing the length first makes this a handful of integer comparisons.
                $(
                    if text.len() == $text.len() && text.eq_ignore_ascii_case($text.as_bytes()) {
                        return Self::$name;
                    }
                )*
                Self::Other
            }

            fn from_compact(letter: u8) -> Self {
                match [letter.to_ascii_lowercase()] {
                    $($(letter if letter == *$compact.as_bytes() => Self::$name,)?)*
                    _ => Self::Other,
                }
            }
        }
    };
}

header_names! {
    Via = "Via", "v";
    From = "From", "f";
    To = "To", "t";
    CallId = "Call-ID", "i";
    CSeq = "CSeq";
    Contact = "Contact", "m";
    MaxForwards = "Max-Forwards";
    ContentLength = "Content-Length", "l";
    ContentType = "Content-Type", "c";
    Route = "Route";
    RecordRoute = "Record-Route";
    Allow = "Allow";
    Supported = "Supported", "k";
    Require = "Require";
    ProxyRequire = "Proxy-Require";
    Unsupported = "Unsupported";
    UserAgent = "User-Agent";
    Server = "Server";
    Expires = "Expires";
    MinExpires = "Min-Expires";
    SessionExpires = "Session-Expires", "x";
    MinSe = "Min-SE";
    RSeq = "RSeq";
    RAck = "RAck";
    Reason = "Reason";
    RetryAfter = "Retry-After";
    Warning = "Warning";
    Date = "Date";
    Timestamp = "Timestamp";
    Subject = "Subject", "s";
    Organization = "Organization";
    Priority = "Priority";
    Accept = "Accept";
    AcceptEncoding = "Accept-Encoding";
    AcceptLanguage = "Accept-Language";
    AcceptContact = "Accept-Contact", "a";
    RejectContact = "Reject-Contact", "j";
    RequestDisposition = "Request-Disposition", "d";
    AlertInfo = "Alert-Info";
    CallInfo = "Call-Info";
    ErrorInfo = "Error-Info";
    InReplyTo = "In-Reply-To";
    ReplyTo = "Reply-To";
    MimeVersion = "MIME-Version";
    ContentDisposition = "Content-Disposition";
    ContentEncoding = "Content-Encoding", "e";
    ContentLanguage = "Content-Language";
    Event = "Event", "o";
    AllowEvents = "Allow-Events", "u";
    SubscriptionState = "Subscription-State";
    ReferTo = "Refer-To", "r";
    ReferredBy = "Referred-By", "b";
    Replaces = "Replaces";
    Identity = "Identity", "y";
    Privacy = "Privacy";
    PAssertedIdentity = "P-Asserted-Identity";
    PPreferredIdentity = "P-Preferred-Identity";
    Diversion = "Diversion";
    HistoryInfo = "History-Info";
    Path = "Path";
    ServiceRoute = "Service-Route";
    Authorization = "Authorization";
    ProxyAuthorization = "Proxy-Authorization";
    WwwAuthenticate = "WWW-Authenticate";
    ProxyAuthenticate = "Proxy-Authenticate";
    AuthenticationInfo = "Authentication-Info";
}

impl HeaderName {
    /// Reads a name in its long or compact form; [`HeaderName::Other`] if it is not known.
    #[must_use]
    pub fn from_bytes(text: &[u8]) -> Self {
        match text {
            [letter] => Self::from_compact(*letter),
            _ => Self::from_long(text),
        }
    }

    /// Whether a message may carry it once only. These are the headers that elements act on: two of
    /// them would let two elements read the same message differently.
    #[must_use]
    pub const fn is_single(self) -> bool {
        matches!(
            self,
            Self::From
                | Self::To
                | Self::CallId
                | Self::CSeq
                | Self::MaxForwards
                | Self::ContentLength
                | Self::ContentType
                | Self::Expires
                | Self::RSeq
                | Self::RAck
        )
    }

    /// Whether it is a list that the switch takes apart.
    pub(super) const fn is_address_list(self) -> bool {
        matches!(self, Self::Contact | Self::Route | Self::RecordRoute)
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_read_back_in_any_case() {
        for name in HeaderName::KNOWN {
            let text = name.as_str();
            assert_eq!(HeaderName::from_bytes(text.as_bytes()), *name);
            assert_eq!(HeaderName::from_bytes(text.to_uppercase().as_bytes()), *name);
            assert_eq!(HeaderName::from_bytes(text.to_lowercase().as_bytes()), *name);
        }
    }

    #[test]
    fn compact_forms_are_those_of_the_registry() {
        let letters = "abcdefijklmorstuvxy";
        for letter in b'a'..=b'z' {
            let name = HeaderName::from_bytes(&[letter]);
            let known = letters.as_bytes().contains(&letter);
            assert_eq!(name != HeaderName::Other, known, "{}", char::from(letter));
            assert_eq!(HeaderName::from_bytes(&[letter.to_ascii_uppercase()]), name);
        }
        assert_eq!(HeaderName::from_bytes(b"i"), HeaderName::CallId);
        assert_eq!(HeaderName::from_bytes(b"l"), HeaderName::ContentLength);
        assert_eq!(HeaderName::from_bytes(b"m"), HeaderName::Contact);
    }

    #[test]
    fn other_names_are_other() {
        for text in [&b""[..], b"X-Foo", b"Vi", b"Viaa", b"Call ID"] {
            assert_eq!(HeaderName::from_bytes(text), HeaderName::Other);
        }
    }
}
