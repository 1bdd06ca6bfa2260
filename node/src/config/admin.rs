//! `[admin]`: where the admin API listens, and who may use it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::cluster;
use super::error::Fault;
use super::locate::Checker;
use super::secret;

/// Where the admin API listens, and who may use it.
#[derive(Clone, Debug)]
pub struct AdminConfig {
    /// Where it listens (TCP).
    pub listen: SocketAddr,
    /// What clients must show; `None` only on a loopback address.
    pub token: Option<AdminToken>,
}

/// The bearer token of the admin API. Its debug form hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminToken(Arc<str>);

impl AdminToken {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for AdminToken {
    type Error = Fault;

    fn try_from(text: &str) -> Result<Self, Fault> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Fault::TokenCharacters);
        }
        if text.len() < TOKEN_CHARACTERS {
            return Err(Fault::TokenTooShort { length: text.len(), least: TOKEN_CHARACTERS });
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken(…)")
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAdmin {
    listen: Option<Spanned<SocketAddr>>,
    token: Option<Spanned<String>>,
    token_file: Option<Spanned<PathBuf>>,
}

impl RawAdmin {
    /// Also says where the address stands, if it is given.
    pub(super) fn build(self, check: &mut Checker<'_>) -> (AdminConfig, Option<Range<usize>>) {
        if let Some(listen) = &self.listen {
            cluster::port(check, "admin.listen", listen);
        }
        let span = self.listen.as_ref().map(Spanned::span);
        let listen = self.listen.map_or(DEFAULT_LISTEN, Spanned::into_inner);
        let wanted = self.token.is_some() || self.token_file.is_some();
        let token = token(check, self.token, self.token_file);
        if !wanted && !listen.ip().to_canonical().is_loopback() {
            let at = span.clone().unwrap_or_default();
            check.fault("admin.listen", at, Fault::TokenNeeded { listen });
        }
        (AdminConfig { listen, token }, span)
    }
}

fn token(
    check: &mut Checker<'_>,
    token: Option<Spanned<String>>,
    token_file: Option<Spanned<PathBuf>>,
) -> Option<AdminToken> {
    let (key, at, read) = match (token, token_file) {
        (Some(_), Some(file)) => {
            let fault = Fault::Exclusive { first: "token", second: "token_file" };
            ("admin.token_file", file.span(), Err(fault))
        }
        (Some(token), None) => {
            ("admin.token", token.span(), AdminToken::try_from(token.get_ref().as_str()))
        }
        (None, Some(file)) => {
            let text = secret::read(&check.resolve(file.get_ref()));
            let token = text.and_then(|text| AdminToken::try_from(text.as_str()));
            ("admin.token_file", file.span(), token)
        }
        (None, None) => return None,
    };
    read.map_err(|fault| check.fault(key, at, fault)).ok()
}

const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8060);

/// 16 characters of base64 are 96 bits.
const TOKEN_CHARACTERS: usize = 16;
