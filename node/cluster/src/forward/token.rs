//! The secret that the nodes of a cluster share, carried by every call as a bearer token.
//!
//! It keeps strangers and the nodes of other clusters out. It does not encrypt.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use subtle::ConstantTimeEq;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};

/// The secret. Not shown in logs.
#[derive(Clone)]
pub struct Token {
    /// The whole header value.
    value: Arc<MetadataValue<Ascii>>,
}

/// The text cannot be sent as a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a token is {MIN_LENGTH} to {MAX_LENGTH} visible ASCII characters; this one has {length} bytes"
)]
pub struct InvalidToken {
    /// Length of the text in bytes.
    pub length: usize,
}

impl FromStr for Token {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        let invalid = InvalidToken { length: text.len() };
        let fits = (MIN_LENGTH..=MAX_LENGTH).contains(&text.len());
        if !fits || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(invalid);
        }
        let mut value = MetadataValue::try_from(format!("{SCHEME}{text}")).map_err(|_| invalid)?;
        value.set_sensitive(true);
        Ok(Self { value: Arc::new(value) })
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Puts the token on every call that leaves.
#[derive(Clone, Debug)]
pub(crate) struct Show(pub(crate) Token);

impl Interceptor for Show {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert(HEADER, MetadataValue::clone(&self.0.value));
        Ok(request)
    }
}

/// Refuses every call that comes without the token.
#[derive(Clone, Debug)]
pub struct Check(pub(crate) Token);

impl Interceptor for Check {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let shown = request.metadata().get(HEADER).map(MetadataValue::as_bytes);
        // Only the length may be learned from how long this takes.
        let right = shown.is_some_and(|shown| bool::from(shown.ct_eq(self.0.value.as_bytes())));
        if right {
            return Ok(request);
        }
        metrics::counter!(super::server::REFUSED, "reason" => "token").increment(1);
        Err(Status::unauthenticated("the cluster token is missing or wrong"))
    }
}

const HEADER: &str = "authorization";
const SCHEME: &str = "Bearer ";
const MIN_LENGTH: usize = 16;
const MAX_LENGTH: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "0123456789abcdef";

    fn with(token: &Token) -> Request<()> {
        Show(token.clone()).call(Request::new(())).unwrap()
    }

    #[test]
    fn only_the_right_token_passes() {
        let token: Token = TEXT.parse().unwrap();
        let mut check = Check(token.clone());
        assert!(check.call(with(&token)).is_ok());
        assert!(check.call(Request::new(())).is_err());
        for other in ["0123456789abcdeg", "0123456789abcdef0"] {
            assert!(check.call(with(&other.parse().unwrap())).is_err(), "{other}");
        }
    }

    #[test]
    fn short_long_and_unprintable_tokens_are_refused() {
        for text in ["", "short", "0123456789 abcdef", "0123456789abcdé", &"x".repeat(1025)] {
            assert!(text.parse::<Token>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn debug_does_not_show_it() {
        assert!(!format!("{:?}", TEXT.parse::<Token>()).contains(TEXT));
    }
}
