//! Certificates for a test: one authority, one certificate for every address of a site and for [`DOMAIN`],
//! shared by nodes and agents.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig, crypto};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

/// The file with the certificate of everybody.
pub const CERTIFICATE: &str = "certificate.pem";
/// The domain that it is for.
pub const DOMAIN: &str = "agents.test";
/// The file with its key.
pub const KEY: &str = "key.pem";
/// The file with the authority's certificate.
pub const AUTHORITY: &str = "ca.pem";

/// What an agent encrypts with.
#[derive(Clone, Debug)]
pub struct Certificates {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl Certificates {
    /// Makes an authority and a certificate for `addresses`, in `folder`.
    ///
    /// # Errors
    /// The files cannot be written.
    pub fn make(folder: &Path, addresses: &[IpAddr]) -> io::Result<()> {
        let failed = |error: rcgen::Error| io::Error::other(error.to_string());
        let authority_key = rcgen::KeyPair::generate().map_err(failed)?;
        let mut authority = rcgen::CertificateParams::new(Vec::new()).map_err(failed)?;
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority_pem = authority.self_signed(&authority_key).map_err(failed)?.pem();
        let issuer = rcgen::Issuer::new(authority, authority_key);
        let mut names = addresses.iter().map(ToString::to_string).collect::<Vec<_>>();
        names.push(DOMAIN.to_owned());
        let key = rcgen::KeyPair::generate().map_err(failed)?;
        let leaf = rcgen::CertificateParams::new(names).map_err(failed)?;
        let leaf = leaf.signed_by(&key, &issuer).map_err(failed)?;
        std::fs::write(folder.join(AUTHORITY), authority_pem)?;
        std::fs::write(folder.join(KEY), key.serialize_pem())?;
        std::fs::write(folder.join(CERTIFICATE), leaf.pem())
    }

    /// Reads what [`Certificates::make`] made.
    ///
    /// # Errors
    /// A file is not there, or not what it should be.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let chain = certificates(&folder.join(CERTIFICATE))?;
        let key = PrivateKeyDer::from_pem_file(folder.join(KEY)).map_err(io::Error::other)?;
        let mut roots = RootCertStore::empty();
        for der in certificates(&folder.join(AUTHORITY))? {
            roots.add(der).map_err(io::Error::other)?;
        }
        let provider = Arc::new(crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(io::Error::other)?;
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(io::Error::other)?;
        Ok(Self { server: Arc::new(server), client: Arc::new(client) })
    }

    pub(super) async fn connect(
        &self,
        to: IpAddr,
        stream: TcpStream,
    ) -> io::Result<client::TlsStream<TcpStream>> {
        let name = ServerName::IpAddress(to.into());
        TlsConnector::from(Arc::clone(&self.client)).connect(name, stream).await
    }

    pub(super) async fn accept(
        &self,
        stream: TcpStream,
    ) -> io::Result<server::TlsStream<TcpStream>> {
        TlsAcceptor::from(Arc::clone(&self.server)).accept(stream).await
    }
}

fn certificates(path: &PathBuf) -> io::Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).map_err(io::Error::other)?;
    read.collect::<Result<_, _>>().map_err(io::Error::other)
}
