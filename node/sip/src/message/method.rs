//! Request methods (RFC 3261 section 7.1). Methods are case-sensitive: `invite` is not INVITE.

use std::fmt;

use super::text::is_token;

macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A request method.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum Method {
            $($(#[$doc])* $name,)*
            /// A method that this crate does not know: a token.
            Other(Box<str>),
        }

        impl Method {
            /// Every method that has a name here.
            pub const KNOWN: &'static [Self] = &[$(Self::$name,)*];

            /// Reads a method; `None` if the bytes are not a token.
            #[must_use]
            pub fn from_bytes(text: &[u8]) -> Option<Self> {
                $(
                    if text == $text.as_bytes() {
                        return Some(Self::$name);
                    }
                )*
                if !is_token(text) {
                    return None;
                }
                std::str::from_utf8(text).ok().map(|text| Self::Other(text.into()))
            }

            /// The method as it stands in a message.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$name => $text,)*
                    Self::Other(text) => text,
                }
            }
        }
    };
}

methods! {
    /// Sets a call up, or changes it (RFC 3261 section 13).
    Invite = "INVITE",
    /// Confirms a final answer to an INVITE (RFC 3261 section 13.2.2.4).
    Ack = "ACK",
    /// Ends a call (RFC 3261 section 15).
    Bye = "BYE",
    /// Gives up a pending INVITE (RFC 3261 section 9).
    Cancel = "CANCEL",
    /// Asks what a peer can do (RFC 3261 section 11).
    Options = "OPTIONS",
    /// Binds an address (RFC 3261 section 10).
    Register = "REGISTER",
    /// Confirms a reliable provisional answer (RFC 3262).
    Prack = "PRACK",
    /// Changes a session, also before an answer (RFC 3311).
    Update = "UPDATE",
    /// Carries application data within a dialog (RFC 6086).
    Info = "INFO",
    /// Asks the peer to send a request (RFC 3515).
    Refer = "REFER",
    /// Reports an event (RFC 6665).
    Notify = "NOTIFY",
    /// Asks for reports (RFC 6665).
    Subscribe = "SUBSCRIBE",
    /// An instant message (RFC 3428).
    Message = "MESSAGE",
    /// Publishes event state (RFC 3903).
    Publish = "PUBLISH",
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_methods_read_back() {
        for method in Method::KNOWN {
            assert_eq!(Method::from_bytes(method.as_str().as_bytes()).as_ref(), Some(method));
        }
    }

    #[test]
    fn methods_are_case_sensitive() {
        assert_eq!(Method::from_bytes(b"invite"), Some(Method::Other("invite".into())));
    }

    #[test]
    fn only_tokens_are_methods() {
        for text in [&b""[..], b"IN VITE", b"INVITE\t", b"<>", b"INV\xffITE", b"A/B"] {
            assert_eq!(Method::from_bytes(text), None, "{text:?}");
        }
    }
}
