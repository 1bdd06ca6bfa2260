//! The secret that the nodes of a cluster share, carried by every call as a bearer token.
//!
//! It keeps strangers and the nodes of other clusters out. It does not encrypt.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use holdline_model::Format;
use holdline_storage::StateReader;
use subtle::ConstantTimeEq;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};

use crate::lease::Longest;

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
/// The format that the sender's state has.
const FORMAT_HEADER: &str = "holdline-format";
/// The newest format that the sender reads; that of its state if it does not say.
const READS_HEADER: &str = "holdline-reads-format";
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

/// The format of this node's state, as it is now.
#[derive(Clone, Debug)]
pub(crate) enum Spoken {
    /// That of the state that it keeps.
    Of(StateReader),
    /// It has no state yet.
    Oldest,
}

impl Spoken {
    fn format(&self) -> Format {
        match self {
            Self::Of(state) => state.format(),
            Self::Oldest => Format::OLDEST,
        }
    }
}

/// Puts the token on every call that leaves, and what this node has to do with formats and leases.
#[derive(Clone, Debug)]
pub(crate) struct Show {
    value: MetadataValue<Ascii>,
    spoken: Spoken,
    longest: Option<Longest>,
}

impl Show {
    pub(crate) fn new(token: &ClusterToken, spoken: Spoken) -> Self {
        let mut value = MetadataValue::try_from(format!("{SCHEME}{}", token.0))
            .expect("hexadecimal digits are a header value");
        value.set_sensitive(true);
        Self { value, spoken, longest: None }
    }

    /// Says, too, how long the leases are that this node grants.
    pub(crate) fn with_leases(self, longest: Longest) -> Self {
        Self { longest: Some(longest), ..self }
    }
}

impl Interceptor for Show {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert(HEADER, self.value.clone());
        let spoken = MetadataValue::from(u16::from(self.spoken.format().0));
        request.metadata_mut().insert(FORMAT_HEADER, spoken);
        let reads = MetadataValue::from(u16::from(Format::NEWEST.0));
        request.metadata_mut().insert(READS_HEADER, reads);
        if let Some(longest) = &self.longest {
            longest.sign(request.metadata_mut());
        }
        Ok(request)
    }
}

/// Refuses every call that comes without the token, or from a node that this one has no format in common
/// with.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    token: ClusterToken,
    spoken: Spoken,
}

impl Check {
    pub(crate) fn new(token: &ClusterToken, spoken: Spoken) -> Self {
        Self { token: token.clone(), spoken }
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

/// Why we and the caller do not understand each other, if we do not.
fn contradiction(request: &Request<()>, ours: Format) -> Option<String> {
    let theirs = request.metadata().get(FORMAT_HEADER)?;
    let number = |value: &MetadataValue<Ascii>| value.to_str().ok()?.parse().ok().map(Format);
    let Some(spoken) = number(theirs) else {
        let theirs = String::from_utf8_lossy(theirs.as_encoded_bytes());
        return Some(format!("the caller speaks {theirs:?}, this node {ours}"));
    };
    let reads = request.metadata().get(READS_HEADER).and_then(number).unwrap_or(spoken);
    if Format::known(spoken.0.into()).is_none() {
        let (oldest, newest) = (Format::OLDEST, Format::NEWEST);
        return Some(format!("the caller speaks {spoken}, this node reads {oldest} to {newest}"));
    }
    (reads < ours).then(|| {
        format!("the caller reads up to {reads}, this cluster speaks {ours}: upgrade its program")
    })
}

impl Interceptor for Check {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        if self.is_right(&request) {
            let Some(why) = contradiction(&request, self.spoken.format()) else {
                return Ok(request);
            };
            metrics::counter!("holdline_rpc_refused_total", "reason" => "format").increment(1);
            return Err(Status::failed_precondition(format!("{FORMAT_REFUSED}: {why}")));
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
        let check = Check::new(&token, Spoken::Oldest);
        assert!(check.is_right(&shown(&format!("Bearer {TOKEN}"))));
        assert!(!check.is_right(&Request::new(())));
        assert!(!check.is_right(&shown(TOKEN)));
        assert!(!check.is_right(&shown(&format!("Bearer {}", &TOKEN[..30]))));
        assert!(!check.is_right(&shown(&format!("Bearer {}", TOKEN.replace('e', "f")))));
    }

    #[test]
    fn formats_that_have_nothing_in_common_are_named() {
        let why = |spoken: &str, reads: Option<&str>, ours: u8| {
            let mut request = Request::new(());
            request.metadata_mut().insert(FORMAT_HEADER, spoken.parse().unwrap());
            if let Some(reads) = reads {
                request.metadata_mut().insert(READS_HEADER, reads.parse().unwrap());
            }
            contradiction(&request, Format(ours))
        };
        assert_eq!(why("2", None, 2), None, "a program of before");
        assert_eq!(why("2", Some("3"), 3), None, "it has not applied the change yet");
        assert_eq!(why("3", Some("3"), 2), None, "we have not applied the change yet");
        assert_eq!(why("2", Some("9"), 3), None, "a later program in this cluster");
        let older = "the caller reads up to 2, this cluster speaks 3: upgrade its program";
        assert_eq!(why("2", None, 3).as_deref(), Some(older));
        let later = "the caller speaks 4, this node reads 2 to 3";
        assert_eq!(why("4", Some("5"), 3).as_deref(), Some(later));
        assert!(why("1", None, 2).is_some());
        assert!(why("two", None, 2).is_some());
    }

    #[test]
    fn a_caller_of_another_format_is_refused_by_name() {
        let token: ClusterToken = TOKEN.parse().unwrap();
        let mut request = Show::new(&token, Spoken::Oldest).call(Request::new(())).unwrap();
        request.metadata_mut().insert(FORMAT_HEADER, "9".parse().unwrap());
        let refused = Check::new(&token, Spoken::Oldest).call(request).unwrap_err();
        let text = "the formats differ: the caller speaks 9, this node reads 2 to 3";
        assert_eq!(refused.message(), text);
    }

    #[test]
    fn a_call_that_leaves_passes_the_check() {
        let token: ClusterToken = TOKEN.to_ascii_uppercase().parse().unwrap();
        let request = Show::new(&token, Spoken::Oldest).call(Request::new(())).unwrap();
        assert!(Check::new(&token, Spoken::Oldest).call(request).is_ok());
    }
}
