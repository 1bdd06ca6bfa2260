//! What answers a challenge: a peer's credentials, checked; and ours, made.

use std::fmt;

use holdline_model::Ha1;
use subtle::ConstantTimeEq;

use super::params::{Params, quoted};
use super::{Algorithm, Challenge};

/// Credentials that a peer sent for a challenge of ours.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Who it says it is.
    pub username: String,
    /// For which realm.
    pub realm: String,
    /// Our nonce, as it came back.
    pub nonce: String,
    /// Which use of the nonce it is, from 1.
    pub nc: u32,
    /// By which algorithm.
    pub algorithm: Algorithm,
    uri: String,
    cnonce: String,
    nc_text: String,
    response: String,
}

/// Credentials that are none of those that we asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// They cannot be read, or a parameter is missing.
    #[error("the credentials cannot be read, or a parameter is missing")]
    Malformed,
    /// Another algorithm than those offered.
    #[error("an algorithm that was not offered")]
    Algorithm,
    /// Without `qop=auth`, a request could be said again.
    #[error("a quality of protection that was not offered")]
    Qop,
}

impl Credentials {
    /// Reads the value of an Authorization or Proxy-Authorization header field.
    ///
    /// # Errors
    /// [`CredentialsError`], if they cannot answer a challenge of ours.
    pub fn parse(value: &[u8]) -> Result<Self, CredentialsError> {
        let params = Params::parse(value).ok_or(CredentialsError::Malformed)?;
        let algorithm = Algorithm::from_param(params.get("algorithm"));
        let algorithm = algorithm.ok_or(CredentialsError::Algorithm)?;
        if !params.get("qop").is_some_and(|qop| qop.eq_ignore_ascii_case("auth")) {
            return Err(CredentialsError::Qop);
        }
        let text = |name| params.get(name).map(str::to_owned).ok_or(CredentialsError::Malformed);
        let nc_text = text("nc")?;
        let is_nc = nc_text.len() == 8 && nc_text.bytes().all(|digit| digit.is_ascii_hexdigit());
        let nc = is_nc.then(|| u32::from_str_radix(&nc_text, 16).ok()).flatten();
        let nc = nc.filter(|nc| *nc > 0).ok_or(CredentialsError::Malformed)?;
        Ok(Self {
            username: text("username")?,
            realm: text("realm")?,
            nonce: text("nonce")?,
            nc,
            algorithm,
            uri: text("uri")?,
            cnonce: text("cnonce")?,
            nc_text,
            response: text("response")?,
        })
    }

    /// Whether they prove knowledge of the password for a request of this method to this URI. Takes
    /// the same time whether they do or not.
    #[must_use]
    pub fn prove(&self, ha1: &Ha1, method: &str, request_uri: &str) -> bool {
        let expected = self.expected(&self.algorithm.of(ha1), method);
        let same_uri = self.uri.as_bytes().ct_eq(request_uri.as_bytes());
        // The digits may come in upper case; what is compared has one length for each algorithm.
        let response = self.response.to_ascii_lowercase();
        bool::from(expected.as_bytes().ct_eq(response.as_bytes()) & same_uri)
    }

    fn expected(&self, ha1: &str, method: &str) -> String {
        let ha2 = self.algorithm.hex(&[method.as_bytes(), self.uri.as_bytes()]);
        self.algorithm.hex(&[
            ha1.as_bytes(),
            self.nonce.as_bytes(),
            self.nc_text.as_bytes(),
            self.cnonce.as_bytes(),
            b"auth",
            ha2.as_bytes(),
        ])
    }
}

/// Shows nothing that proves anything.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("algorithm", &self.algorithm)
            .field("nc", &self.nc)
            .finish_non_exhaustive()
    }
}

/// What we answer a trunk's challenge with.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Who we are to it.
    pub username: &'a str,
    /// What we know of the password.
    pub ha1: &'a Ha1,
    /// The method of the request.
    pub method: &'a str,
    /// Its Request-URI.
    pub uri: &'a str,
    /// Which use of the nonce it is.
    pub nc: u32,
    /// A text of ours; the same for a request that is sent again.
    pub cnonce: &'a str,
}

impl Answer<'_> {
    /// The value of the Authorization or Proxy-Authorization header field.
    #[must_use]
    pub fn to(&self, challenge: &Challenge) -> String {
        let Challenge { realm, algorithm, nonce, opaque, has_qop, stale: _ } = challenge;
        let (ha1, nc) = (algorithm.of(self.ha1), format!("{:08x}", self.nc));
        let ha2 = algorithm.hex(&[self.method.as_bytes(), self.uri.as_bytes()]);
        let mut parts: Vec<&[u8]> = vec![ha1.as_bytes(), nonce.as_bytes()];
        if *has_qop {
            parts.extend([nc.as_bytes(), self.cnonce.as_bytes(), b"auth"]);
        }
        parts.push(ha2.as_bytes());
        let response = algorithm.hex(&parts);
        let mut value = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{response}\", algorithm={}",
            quoted(self.username),
            quoted(realm),
            quoted(nonce),
            quoted(self.uri),
            algorithm.as_str(),
        );
        if *has_qop {
            value.push_str(&format!(", qop=auth, nc={nc}, cnonce={}", quoted(self.cnonce)));
        }
        if let Some(opaque) = opaque {
            value.push_str(&format!(", opaque={}", quoted(opaque)));
        }
        value
    }
}
