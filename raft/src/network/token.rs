//! The secret that the nodes of a cluster share, carried by every call as a bearer token.
//!
//! It keeps strangers and the nodes of other clusters out. It does not encrypt.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use holdline_storage::codec;
use subtle::ConstantTimeEq;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};

/// The secret, as hexadecimal digits. Not shown in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct ClusterToken(Arc<str>);

/// The text is not a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a cluster token is {MIN_DIGITS} to {MAX_DIGITS} hexadecimal digits; this text has {length} characters"
)]
pub struct InvalidToken {
    /// Length of the text.
    pub length: usize,
}

/// 128 bits.
const MIN_DIGITS: usize = 32;
const MAX_DIGITS: usize = 256;
const HEADER: &str = "authorization";
const SCHEME: &str = "Bearer ";
/// Which format of messages the sender speaks.
const FORMAT_HEADER: &str = "holdline-format";
const FORMAT: &str = match codec::FORMAT_VERSION {
    2 => "2",
    _ => "unnamed",
};
/// How the refusal of another format begins.
pub(crate) const FORMAT_REFUSED: &str = "the formats differ";

impl FromStr for ClusterToken {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        let fits = (MIN_DIGITS..=MAX_DIGITS).contains(&text.len());
        if fits && text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Ok(Self(text.to_ascii_lowercase().into()));
        }
        Err(InvalidToken { length: text.len() })
    }
}

impl fmt::Debug for ClusterToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterToken(…)")
    }
}

/// Puts the token on every call that leaves.
#[derive(Clone, Debug)]
pub(crate) struct Show {
    value: MetadataValue<Ascii>,
}

impl Show {
    pub(crate) fn new(token: &ClusterToken) -> Self {
        let mut value = MetadataValue::try_from(format!("{SCHEME}{}", token.0))
            .expect("hexadecimal digits are a header value");
        value.set_sensitive(true);
        Self { value }
    }
}

impl Interceptor for Show {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert(HEADER, self.value.clone());
        request.metadata_mut().insert(FORMAT_HEADER, MetadataValue::from_static(FORMAT));
        Ok(request)
    }
}

/// Refuses every call that comes without the token.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    token: ClusterToken,
}

impl Check {
    pub(crate) fn new(token: &ClusterToken) -> Self {
        Self { token: token.clone() }
    }

    fn is_right(&self, request: &Request<()>) -> bool {
        let value = request.metadata().get(HEADER).map(MetadataValue::as_encoded_bytes);
        let Some(shown) = value.and_then(|value| value.strip_prefix(SCHEME.as_bytes())) else {
            return false;
        };
        // Takes as long for a wrong token as for the right one.
        shown.ct_eq(self.token.0.as_bytes()).into()
    }
}

/// The format that the caller names, if it is not ours.
fn speaks_other_format(request: &Request<()>) -> Option<String> {
    let theirs = request.metadata().get(FORMAT_HEADER)?;
    (theirs.as_encoded_bytes() != FORMAT.as_bytes())
        .then(|| String::from_utf8_lossy(theirs.as_encoded_bytes()).into_owned())
}

impl Interceptor for Check {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        if self.is_right(&request) {
            return match speaks_other_format(&request) {
                None => Ok(request),
                Some(theirs) => {
                    metrics::counter!("holdline_rpc_refused_total", "reason" => "format")
                        .increment(1);
                    let ours = codec::FORMAT_VERSION;
                    let text =
                        format!("{FORMAT_REFUSED}: the caller speaks {theirs}, this node {ours}");
                    Err(Status::failed_precondition(text))
                }
            };
        }
        metrics::counter!("holdline_rpc_refused_total", "reason" => "token").increment(1);
        Err(Status::unauthenticated("this call does not carry the cluster's token"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "000102030405060708090a0b0c0d0e0f";

    fn shown(value: &str) -> Request<()> {
        let mut request = Request::new(());
        request.metadata_mut().insert(HEADER, value.parse().unwrap());
        request
    }

    #[test]
    fn takes_only_long_hexadecimal_text() {
        assert!(TOKEN.parse::<ClusterToken>().is_ok());
        assert_eq!("00".parse::<ClusterToken>(), Err(InvalidToken { length: 2 }));
        let other = TOKEN.replace('0', "g");
        assert_eq!(other.parse::<ClusterToken>(), Err(InvalidToken { length: 32 }));
    }

    #[test]
    fn is_not_shown_by_debug() {
        let text = format!("{:?}", TOKEN.parse::<ClusterToken>().unwrap());
        assert!(!text.contains("0a0b"), "{text}");
    }

    #[test]
    fn refuses_a_missing_a_wrong_and_a_shortened_token() {
        let token: ClusterToken = TOKEN.parse().unwrap();
        let check = Check::new(&token);
        assert!(check.is_right(&shown(&format!("Bearer {TOKEN}"))));
        assert!(!check.is_right(&Request::new(())));
        assert!(!check.is_right(&shown(TOKEN)));
        assert!(!check.is_right(&shown(&format!("Bearer {}", &TOKEN[..30]))));
        assert!(!check.is_right(&shown(&format!("Bearer {}", TOKEN.replace('e', "f")))));
    }

    #[test]
    fn a_caller_of_another_format_is_refused_by_name() {
        let token: ClusterToken = TOKEN.parse().unwrap();
        let mut request = Show::new(&token).call(Request::new(())).unwrap();
        request.metadata_mut().insert(FORMAT_HEADER, "1".parse().unwrap());
        let refused = Check::new(&token).call(request).unwrap_err();
        assert_eq!(refused.message(), "the formats differ: the caller speaks 1, this node 2");
    }

    #[test]
    fn a_call_that_leaves_passes_the_check() {
        let token: ClusterToken = TOKEN.to_ascii_uppercase().parse().unwrap();
        let request = Show::new(&token).call(Request::new(())).unwrap();
        assert!(Check::new(&token).call(request).is_ok());
    }
}
