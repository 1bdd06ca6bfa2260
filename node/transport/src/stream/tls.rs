//! Certificates and keys: read from files, read again when these change, without dropping
//! connections (those that are open keep what they began with).

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use metrics::{counter, gauge};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, crypto};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::CertificateFacts;
use super::identity::SipVerifier;
use super::revoking::{IsRevoked, Revoking};

/// Where certificates come from, and whom we ask for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Our certificate and those between it and the root, in PEM.
    pub certificate: PathBuf,
    /// Its key, in PEM.
    pub key: PathBuf,
    /// Whom we trust, in PEM: for connections that we open, and for certificates of clients.
    pub ca: Option<PathBuf>,
    /// Whether clients have to show a certificate.
    pub clients: ClientCertificates,
}

/// Whether clients show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    /// They are not asked.
    #[default]
    Ignored,
    /// They are asked; one that is shown has to be good.
    Asked,
    /// Without a good one there is no connection.
    Required,
}

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds no PEM of the kind it should.
    #[error("{} cannot be read: {reason}; give a PEM file with {holds}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What it should hold.
        holds: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// rustls refuses what the files hold.
    #[error("the certificate {} cannot be used: {source}", path.display())]
    Unusable {
        /// The certificate's file.
        path: PathBuf,
        /// What it said.
        source: rustls::Error,
    },
    /// Certificates of clients are to be checked, and nobody is trusted.
    #[error(
        "certificates of clients cannot be checked: name the file of those that are trusted (ca)"
    )]
    NoTrust,
}

/// What the files held when they were last read well.
#[derive(Clone)]
pub struct Tls {
    current: Arc<ArcSwapOption<Loaded>>,
    /// The trunk that it is shown to; `None`: ours.
    trunk: Option<Arc<str>>,
    expiry: &'static str,
    is_revoked: Option<IsRevoked>,
}

impl Default for Tls {
    /// For connections with SIP peers.
    fn default() -> Self {
        Self::told_as(EXPIRY)
    }
}

/// What rustls needs.
pub(super) struct Loaded {
    pub(super) server: Arc<ServerConfig>,
    pub(super) client: Arc<ClientConfig>,
    plain_client: Arc<ClientConfig>,
    not_after: Duration,
    /// Our own certificate, then those between it and the root.
    facts: Vec<CertificateFacts>,
}

impl Tls {
    /// What is shown to one trunk only.
    #[must_use]
    pub fn for_trunk(trunk: &str) -> Self {
        Self { trunk: Some(trunk.into()), ..Self::default() }
    }

    /// The end of whose certificate's validity is told as this gauge.
    #[must_use]
    pub fn told_as(expiry: &'static str) -> Self {
        Self { current: Arc::default(), trunk: None, expiry, is_revoked: None }
    }

    /// Refuses clients whose certificates were revoked; asked in each handshake that is not the
    /// continuation of an earlier one.
    #[must_use]
    pub fn revoking(self, is_revoked: IsRevoked) -> Self {
        Self { is_revoked: Some(is_revoked), ..self }
    }

    /// The trunk that it is shown to; `None`: to all.
    #[must_use]
    pub fn trunk(&self) -> Option<&str> {
        self.trunk.as_deref()
    }

    /// What to accept connections with.
    #[must_use]
    pub fn server(&self) -> Option<Arc<ServerConfig>> {
        self.current().map(|loaded| Arc::clone(&loaded.server))
    }

    /// What to open connections with to whoever has a certificate of the trusted authority for the
    /// name that is asked for (RFC 6125); SIP's rules for identities are not applied.
    #[must_use]
    pub fn plain_client(&self) -> Option<Arc<ClientConfig>> {
        self.current().map(|loaded| Arc::clone(&loaded.plain_client))
    }

    /// Reads the files.
    ///
    /// # Errors
    /// See [`TlsError`]; what was read before stays in force.
    pub fn load(&self, files: &TlsFiles) -> Result<(), TlsError> {
        let loaded = load(files, self.is_revoked.as_ref())?;
        let of = self.trunk.as_deref().unwrap_or_default().to_owned();
        gauge!(self.expiry, "trunk" => of).set(loaded.not_after.as_secs() as f64);
        self.current.store(Some(Arc::new(loaded)));
        Ok(())
    }

    /// Time from the Unix epoch to the end of our certificate's validity, if there is one.
    #[must_use]
    pub fn not_after(&self) -> Option<Duration> {
        self.current.load().as_ref().map(|loaded| loaded.not_after)
    }

    /// The certificates: our own first, then those between it and the root.
    #[must_use]
    pub fn facts(&self) -> Vec<CertificateFacts> {
        self.current.load().as_ref().map(|loaded| loaded.facts.clone()).unwrap_or_default()
    }

    pub(super) fn current(&self) -> Option<Arc<Loaded>> {
        self.current.load_full()
    }

    /// Looks every `every` whether the files changed, and reads them again. Files that cannot be used
    /// are counted and logged; what was read before stays in force.
    pub async fn follow(self, files: TlsFiles, every: Duration, stop: CancellationToken) {
        let mut known = stamp(&files).await;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(every) => {}
            }
            let found = stamp(&files).await;
            if found == known {
                continue;
            }
            known = found;
            match self.load(&files) {
                Ok(()) => {
                    counter!(RELOADS, "outcome" => "done").increment(1);
                    info!(certificate = %files.certificate.display(), "certificate read again");
                }
                Err(error) => {
                    counter!(RELOADS, "outcome" => "failed").increment(1);
                    warn!(%error, "the certificate stays as it was");
                }
            }
        }
    }
}

fn load(files: &TlsFiles, is_revoked: Option<&IsRevoked>) -> Result<Loaded, TlsError> {
    let chain = certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| unreadable(&files.key, "a private key", &error))?;
    let roots = Arc::new(roots(files.ca.as_deref())?);
    let unusable = |source| TlsError::Unusable { path: files.certificate.clone(), source };
    let provider = Arc::new(crypto::ring::default_provider());
    let facts: Vec<_> = chain.iter().filter_map(|der| CertificateFacts::read(der)).collect();
    let not_after = facts.iter().map(|facts| facts.not_after).min();
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let server = match files.clients {
        ClientCertificates::Ignored => server.with_no_client_auth(),
        ClientCertificates::Asked | ClientCertificates::Required => {
            let verifier = WebPkiClientVerifier::builder_with_provider(
                Arc::clone(&roots),
                Arc::clone(&provider),
            );
            let verifier = match files.clients {
                ClientCertificates::Required => verifier,
                ClientCertificates::Ignored | ClientCertificates::Asked => {
                    verifier.allow_unauthenticated()
                }
            };
            let inner = verifier.build().map_err(|_| TlsError::NoTrust)?;
            server.with_client_cert_verifier(match is_revoked.cloned() {
                Some(is_revoked) => Arc::new(Revoking { inner, is_revoked }),
                None => inner,
            })
        }
    };
    let server = server.with_single_cert(chain.clone(), key.clone_key()).map_err(unusable)?;
    let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let plain_client = client.clone().with_root_certificates(Arc::clone(&roots));
    // Without roots nobody is trusted, whatever name a certificate has.
    let client = match SipVerifier::new(Arc::clone(&roots), provider) {
        Ok(verifier) => client.dangerous().with_custom_certificate_verifier(Arc::new(verifier)),
        Err(_) => client.with_root_certificates(roots),
    };
    let client = client.with_client_auth_cert(chain.clone(), key.clone_key()).map_err(unusable)?;
    let plain_client = plain_client.with_client_auth_cert(chain, key).map_err(unusable)?;
    let not_after = not_after.unwrap_or_default();
    Ok(Loaded {
        server: Arc::new(server),
        client: Arc::new(client),
        plain_client: Arc::new(plain_client),
        not_after,
        facts,
    })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(chain) if chain.is_empty() => Err(TlsError::File {
            path: path.to_owned(),
            holds: CERTIFICATES,
            reason: "it holds none".to_owned(),
        }),
        Ok(chain) => Ok(chain),
        Err(error) => Err(unreadable(path, CERTIFICATES, &error)),
    }
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let Some(path) = ca else { return Ok(roots) };
    for der in certificates(path)? {
        let bad = |source| TlsError::Unusable { path: path.to_owned(), source };
        roots.add(der).map_err(bad)?;
    }
    Ok(roots)
}

fn unreadable(path: &Path, holds: &'static str, error: &dyn fmt::Display) -> TlsError {
    TlsError::File { path: path.to_owned(), holds, reason: error.to_string() }
}

/// What tells that a file was written again: when, and how long it is.
async fn stamp(files: &TlsFiles) -> Vec<Option<(SystemTime, u64)>> {
    let paths = [Some(&files.certificate), Some(&files.key), files.ca.as_ref()];
    let mut stamps = Vec::with_capacity(paths.len());
    for path in paths.into_iter().flatten() {
        let read: io::Result<_> = tokio::fs::metadata(path).await;
        stamps.push(read.ok().and_then(|data| Some((data.modified().ok()?, data.len()))));
    }
    stamps
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("not_after", &self.not_after()).finish_non_exhaustive()
    }
}

const CERTIFICATES: &str = "certificates";
const EXPIRY: &str = "holdline_tls_certificate_expiry_seconds";
const RELOADS: &str = "holdline_tls_reloads_total";
