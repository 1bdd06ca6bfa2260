//! What a `[[trunk]]` says about how we deal with it, apart from where it is: how its calls prove where they
//! come from, and who we are to it.

use std::num::NonZeroU16;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use holdline_call::{
    Alive, PeerSecret, Proof, Redirect, TrunkCredentials, TrunkPolicy, TrunkSecret,
};
use holdline_model::Name;
use holdline_sip::digest::ha1;
use holdline_transport::ClientCertificates;
use serde::Deserialize;
use toml::Spanned;

use super::error::Fault;
use super::locate::Checker;
use super::secret;

/// How calls from a trunk prove that they are its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawProof {
    /// They come from one of its sources.
    Source,
    /// They know a password.
    Digest,
    /// They come over connections whose peer has shown its certificate.
    Certificate,
}

/// What we answer a trunk's challenges with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCredentials {
    username: Spanned<String>,
    password: Option<Spanned<String>>,
    password_file: Option<Spanned<PathBuf>>,
    ha1_md5: Option<Spanned<String>>,
    ha1_sha256: Option<Spanned<String>>,
}

/// What a trunk that calls us has to know.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPeer {
    username: Spanned<String>,
    password: Option<Spanned<String>>,
    password_file: Option<Spanned<PathBuf>>,
    realm: Option<Spanned<String>>,
}

/// What becomes of its redirections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawRedirect {
    /// The caller gets them.
    #[default]
    Relay,
    /// Calls go to their contacts, as far as routing leads there.
    Follow,
}

/// How the end of a call is asked whether it is still there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAlive {
    interval_s: Option<Spanned<u64>>,
    failures: Option<Spanned<u64>>,
}

/// The keys of a trunk that are about this.
#[derive(Debug)]
pub(super) struct RawPolicy {
    pub(super) auth: Option<Spanned<Vec<RawProof>>>,
    pub(super) credentials: Option<Spanned<RawCredentials>>,
    pub(super) peer: Option<Spanned<RawPeer>>,
    pub(super) redirect: RawRedirect,
    pub(super) alive: Option<RawAlive>,
}

impl RawPolicy {
    /// `domain`: whose certificate is expected; `clients`: of whom certificates are asked.
    pub(super) fn build(
        self,
        check: &mut Checker<'_>,
        domain: String,
        clients: ClientCertificates,
    ) -> TrunkPolicy {
        let credentials = self.credentials.and_then(|raw| {
            let span = raw.span();
            raw.into_inner().build(check, span)
        });
        let redirect = match self.redirect {
            RawRedirect::Relay => Redirect::Relay,
            RawRedirect::Follow => Redirect::Follow,
        };
        let alive = self.alive.map(|raw| raw.build(check));
        let auth = self.auth.as_ref();
        let certificate = auth.filter(|auth| auth.get_ref().contains(&RawProof::Certificate));
        if let Some(auth) = certificate.filter(|_| clients == ClientCertificates::Ignored) {
            check.fault("trunk.auth", auth.span(), Fault::NobodyAsked);
        }
        let by_certificate = certificate.map(|_| domain);
        let proof = proof(check, self.auth, by_certificate, self.peer);
        TrunkPolicy { proof, credentials, redirect, alive }
    }
}

fn proof(
    check: &mut Checker<'_>,
    auth: Option<Spanned<Vec<RawProof>>>,
    by_certificate: Option<String>,
    peer: Option<Spanned<RawPeer>>,
) -> Proof {
    let Some(auth) = auth else {
        if let Some(peer) = peer {
            check.fault("trunk.peer", peer.span(), Fault::OnlyWithDigest);
        }
        return Proof::default();
    };
    let asked = |proof| auth.get_ref().contains(&proof);
    let (by_source, by_digest) = (asked(RawProof::Source), asked(RawProof::Digest));
    if !by_source && !by_digest && by_certificate.is_none() {
        check.fault("trunk.auth", auth.span(), Fault::NoProof);
    }
    let by_digest = match (by_digest, peer) {
        (true, Some(peer)) => {
            let span = peer.span();
            peer.into_inner().build(check, span)
        }
        (true, None) => {
            check.fault("trunk.auth", auth.span(), Fault::NeedsPeer);
            None
        }
        (false, Some(peer)) => {
            check.fault("trunk.peer", peer.span(), Fault::OnlyWithDigest);
            None
        }
        (false, None) => None,
    };
    Proof { by_source, by_certificate, by_digest }
}

impl RawAlive {
    fn build(self, check: &mut Checker<'_>) -> Alive {
        let interval = self.interval_s.map_or(DEFAULT_INTERVAL_S, |raw| {
            check.range("trunk.alive.interval_s", &raw, 10..86_401)
        });
        let failures = self
            .failures
            .map_or(DEFAULT_FAILURES, |raw| check.range("trunk.alive.failures", &raw, 1..101));
        let failures = u16::try_from(failures).ok().and_then(NonZeroU16::new);
        Alive {
            interval: Duration::from_secs(interval),
            failures: failures.unwrap_or(NonZeroU16::MIN),
        }
    }
}

impl RawCredentials {
    fn build(self, check: &mut Checker<'_>, span: Range<usize>) -> Option<TrunkCredentials> {
        let username = text(check, "trunk.credentials.username", &self.username);
        let md5 = self.ha1_md5.as_ref().map(|raw| hex(check, "trunk.credentials.ha1_md5", raw));
        let sha256 =
            self.ha1_sha256.as_ref().map(|raw| hex(check, "trunk.credentials.ha1_sha256", raw));
        let has_ha1 = md5.is_some() || sha256.is_some();
        if has_ha1 {
            if self.password.is_some() || self.password_file.is_some() {
                let fault = Fault::Exclusive { first: "password", second: "ha1_md5" };
                check.fault("trunk.credentials", span, fault);
            }
            let secret = TrunkSecret::Ha1 { md5: md5.flatten(), sha256: sha256.flatten() };
            return Some(TrunkCredentials { username, secret });
        }
        let key = "trunk.credentials";
        let password = password(check, key, self.password, self.password_file, span)?;
        Some(TrunkCredentials { username, secret: TrunkSecret::Password(password) })
    }
}

impl RawPeer {
    fn build(self, check: &mut Checker<'_>, span: Range<usize>) -> Option<PeerSecret> {
        let username = text(check, "trunk.peer.username", &self.username);
        let realm = match &self.realm {
            Some(realm) => text(check, "trunk.peer.realm", realm),
            None => DEFAULT_REALM.to_owned(),
        };
        let password = password(check, "trunk.peer", self.password, self.password_file, span)?;
        let ha1 = ha1(&username, &realm, &password);
        Some(PeerSecret { username, realm: Name::from(realm), ha1 })
    }
}

/// A text that stands between quotes in a header field.
fn text(check: &mut Checker<'_>, key: &'static str, raw: &Spanned<String>) -> String {
    let is_good = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\');
    if raw.get_ref().is_empty()
        || raw.get_ref().len() > MAX_TEXT
        || !raw.get_ref().chars().all(is_good)
    {
        check.fault(key, raw.span(), Fault::NotAName { found: raw.get_ref().clone() });
    }
    raw.get_ref().clone()
}

fn password(
    check: &mut Checker<'_>,
    key: &'static str,
    password: Option<Spanned<String>>,
    file: Option<Spanned<PathBuf>>,
    span: Range<usize>,
) -> Option<String> {
    let (at, read) = match (password, file) {
        (Some(_), Some(file)) => {
            let fault = Fault::Exclusive { first: "password", second: "password_file" };
            (file.span(), Err(fault))
        }
        (Some(password), None) => (password.span(), Ok(password.into_inner())),
        (None, Some(file)) => (file.span(), secret::read(&check.resolve(file.get_ref()))),
        (None, None) => {
            let fault = Fault::NeedsOneOf { first: "password_file", second: "password" };
            (span, Err(fault))
        }
    };
    read.map_err(|fault| check.fault(key, at, fault)).ok()
}

/// Bytes in hexadecimal digits; never shown.
fn hex<const N: usize>(
    check: &mut Checker<'_>,
    key: &'static str,
    raw: &Spanned<String>,
) -> Option<[u8; N]> {
    let text = raw.get_ref().as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = text.chunks(2).map(pair).collect();
    let found = bytes.and_then(|bytes| <[u8; N]>::try_from(bytes).ok());
    if found.is_none() {
        check.fault(key, raw.span(), Fault::NotHa1 { digits: 2 * N });
    }
    found
}

/// In which trunks are asked for their passwords, unless another is configured.
const DEFAULT_REALM: &str = "holdline";
const MAX_TEXT: usize = 128;
const DEFAULT_INTERVAL_S: u64 = 60;
const DEFAULT_FAILURES: u64 = 3;
