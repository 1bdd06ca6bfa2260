//! The cluster's own authority: made once, kept by the operator, never on a node. It signs one
//! certificate per node.
//!
//! A folder holds `ca.pem`, `ca.key`, `node-N.pem` and `node-N.key`, and `issued`: a line for each
//! certificate. Keys are readable by their owner alone.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use holdline_model::{ClusterId, NodeId};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SerialNumber,
};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

use super::name;
use crate::files;
use crate::hex::hex;

/// The authority's certificate: every node has it.
pub const CA: &str = "ca.pem";
const CA_KEY: &str = "ca.key";
const ISSUED: &str = "issued";
const AUTHORITY_DAYS: i64 = 3_650;

/// A folder with an authority.
#[derive(Debug)]
pub struct Authority {
    folder: PathBuf,
    cluster: String,
    id: ClusterId,
}

/// A certificate that was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// For which node.
    pub node: NodeId,
    /// Its serial number, in hexadecimal.
    pub serial: String,
    /// When it ends (RFC 3339).
    pub not_after: String,
    /// SHA-256 of the certificate, in hexadecimal.
    pub fingerprint: String,
}

/// The authority could not do it.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// There is one already.
    #[error("{} holds an authority already: use it, or another folder", .0.display())]
    Exists(PathBuf),
    /// There is none.
    #[error("{} holds no authority: make one with holdline certs init --cluster NAME", .0.display())]
    None(PathBuf),
    /// A file of it is not as it should be.
    #[error("{} is not as holdline certs wrote it: {}", .0.display(), .1)]
    Malformed(PathBuf, String),
    /// The file system failed.
    #[error("{}: {}", .0.display(), .1)]
    Io(PathBuf, io::Error),
    /// A certificate could not be made.
    #[error("the certificate cannot be made: {0}")]
    Make(#[from] rcgen::Error),
}

type Outcome<T> = Result<T, AuthorityError>;

impl Authority {
    /// Makes an authority for the cluster of that name in a folder that has none.
    ///
    /// # Errors
    /// There is one, or it cannot be written.
    pub fn init(folder: &Path, cluster: &str, id: ClusterId, now: OffsetDateTime) -> Outcome<Self> {
        fs::create_dir_all(folder).map_err(|error| AuthorityError::Io(folder.to_owned(), error))?;
        if folder.join(CA).exists() || folder.join(CA_KEY).exists() {
            return Err(AuthorityError::Exists(folder.to_owned()));
        }
        let key = KeyPair::generate()?;
        let certificate = authority(cluster, now).self_signed(&key)?;
        let head = format!("{cluster}\n{}\n", now.unix_timestamp());
        write(&folder.join(CA_KEY), &key.serialize_pem(), 0o600)?;
        write(&folder.join(ISSUED), &head, 0o644)?;
        write(&folder.join(CA), &certificate.pem(), 0o644)?;
        Ok(Self { folder: folder.to_owned(), cluster: cluster.to_owned(), id })
    }

    /// Opens a folder. `id_of` says what id a cluster of that name has.
    ///
    /// # Errors
    /// There is no authority in it.
    pub fn open(folder: &Path, id_of: impl FnOnce(&str) -> ClusterId) -> Outcome<Self> {
        let (cluster, _) = head(folder)?;
        let id = id_of(&cluster);
        Ok(Self { folder: folder.to_owned(), cluster, id })
    }

    /// The cluster's name.
    #[must_use]
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// Issues a certificate for a node, valid for so many days; an older one's files are replaced.
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub fn issue(&self, node: NodeId, days: u32, now: OffsetDateTime) -> Outcome<Issued> {
        let (_, made) = head(&self.folder)?;
        let key_path = self.folder.join(CA_KEY);
        let text = read(&key_path)?;
        let malformed =
            |error: rcgen::Error| AuthorityError::Malformed(key_path.clone(), error.to_string());
        let issuer = Issuer::new(
            authority(&self.cluster, made),
            KeyPair::from_pem(&text).map_err(malformed)?,
        );
        let mut serial = [0; 8];
        getrandom::fill(&mut serial)
            .map_err(|error| AuthorityError::Io(self.folder.clone(), io::Error::other(error)))?;
        serial[0] &= 0x7f;
        let names = vec![name::of_cluster(self.id), name::of_node(self.id, node)];
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = called(&format!("holdline {} node {node}", self.cluster));
        // A clock that is behind a little must not refuse a certificate that was made just now.
        params.not_before = now - Duration::hours(1);
        params.not_after = now + Duration::days(days.into());
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &issuer)?;
        let issued = Issued {
            node,
            serial: hex(&serial),
            not_after: rfc3339(params.not_after),
            fingerprint: hex(&Sha256::digest(certificate.der())),
        };
        // The key first: a node that reads the files in between finds the old pair or no pair.
        write(&self.folder.join(format!("node-{node}.key")), &key.serialize_pem(), 0o600)?;
        write(&self.folder.join(format!("node-{node}.pem")), &certificate.pem(), 0o644)?;
        self.note(&issued)?;
        Ok(issued)
    }

    /// The certificates that were issued, in order.
    ///
    /// # Errors
    /// The list cannot be read.
    pub fn list(&self) -> Outcome<Vec<Issued>> {
        let path = self.folder.join(ISSUED);
        let text = read(&path)?;
        let line = |line: &str| {
            let malformed = || AuthorityError::Malformed(path.clone(), line.to_owned());
            let mut words = line.split_whitespace();
            let mut word = || words.next().map(str::to_owned).ok_or_else(malformed);
            Ok(Issued {
                node: word()?.parse().map_err(|_| malformed())?,
                serial: word()?,
                not_after: word()?,
                fingerprint: word()?,
            })
        };
        text.lines().skip(2).map(line).collect()
    }

    fn note(&self, issued: &Issued) -> Outcome<()> {
        let path = self.folder.join(ISSUED);
        let Issued { node, serial, not_after, fingerprint } = issued;
        let opened = OpenOptions::new().append(true).open(&path);
        let written =
            opened.and_then(|mut file| writeln!(file, "{node} {serial} {not_after} {fingerprint}"));
        written.map_err(|error| AuthorityError::Io(path, error))
    }
}

/// The cluster's name, and when its authority was made.
fn head(folder: &Path) -> Outcome<(String, OffsetDateTime)> {
    let path = folder.join(ISSUED);
    if !path.exists() {
        return Err(AuthorityError::None(folder.to_owned()));
    }
    let text = read(&path)?;
    let mut lines = text.lines();
    let cluster = lines.next().unwrap_or_default().to_owned();
    let made = lines.next().and_then(|line| line.parse().ok());
    let made = made.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    match made {
        Some(made) if !cluster.is_empty() => Ok((cluster, made)),
        _ => Err(AuthorityError::Malformed(path, "its first lines".to_owned())),
    }
}

/// The authority's certificate, the same each time for the same name and time.
fn authority(cluster: &str, made: OffsetDateTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = called(&format!("holdline {cluster} authority"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = made - Duration::hours(1);
    params.not_after = made + Duration::days(AUTHORITY_DAYS);
    params
}

fn called(name: &str) -> DistinguishedName {
    let mut called = DistinguishedName::new();
    called.push(DnType::CommonName, name);
    called
}

fn write(path: &Path, text: &str, mode: u32) -> Outcome<()> {
    files::replace(path, text, mode).map_err(|error| AuthorityError::Io(path.to_owned(), error))
}

fn read(path: &Path) -> Outcome<String> {
    fs::read_to_string(path).map_err(|error| AuthorityError::Io(path.to_owned(), error))
}

fn rfc3339(at: OffsetDateTime) -> String {
    let format = time::format_description::well_known::Rfc3339;
    at.replace_nanosecond(0).unwrap_or(at).format(&format).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, UnixTime};
    use rustls::server::WebPkiClientVerifier;
    use rustls::{RootCertStore, crypto};

    use super::*;
    use crate::trust::name::{Named, of_certificate};

    const ID: ClusterId = ClusterId(77);

    fn now() -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap()
    }

    #[test]
    fn what_is_issued_names_its_node_and_is_signed_by_the_authority() {
        let folder = tempfile::TempDir::new().unwrap();
        Authority::init(folder.path(), "acme", ID, now()).unwrap();
        let again = Authority::init(folder.path(), "acme", ID, now());
        assert!(matches!(again, Err(AuthorityError::Exists(_))));
        let authority = Authority::open(folder.path(), |name| {
            assert_eq!(name, "acme");
            ID
        });
        let authority = authority.unwrap();
        // Later, with the authority's parameters made anew.
        let later = now() + Duration::days(30);
        let first = authority.issue(NodeId(4), 365, later).unwrap();
        let second = authority.issue(NodeId(4), 365, later).unwrap();
        assert_ne!(first.fingerprint, second.fingerprint);
        assert_eq!(authority.list().unwrap(), [first, second]);
        let der = |name: &str| CertificateDer::from_pem_file(folder.path().join(name)).unwrap();
        let named = of_certificate(&der("node-4.pem"));
        assert_eq!(named, Some(Named { cluster: ID, node: NodeId(4) }));
        let mut roots = RootCertStore::empty();
        roots.add(der(CA)).unwrap();
        let provider = std::sync::Arc::new(crypto::ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build().unwrap();
        let at = |time: OffsetDateTime| {
            let seconds = u64::try_from(time.unix_timestamp()).unwrap();
            UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
        };
        let node = der("node-4.pem");
        assert!(verifier.verify_client_cert(&node, &[], at(later)).is_ok());
        let over = verifier.verify_client_cert(&node, &[], at(later + Duration::days(366)));
        assert!(over.is_err(), "it ends");
    }

    #[test]
    fn a_folder_without_an_authority_says_how_to_make_one() {
        let folder = tempfile::TempDir::new().unwrap();
        let error = Authority::open(folder.path(), |_| ID).unwrap_err().to_string();
        assert!(error.contains("holdline certs init --cluster NAME"), "{error}");
    }
}
