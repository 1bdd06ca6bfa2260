//! The two algorithms, and what a password becomes by them.

use holdline_model::Ha1;
use md5::Md5;
use sha2::{Digest, Sha256};

/// A digest algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// MD5, for devices that know nothing else.
    Md5,
    /// SHA-256.
    Sha256,
}

impl Algorithm {
    /// Both, the preferred one first (RFC 8760 section 2.4).
    pub const PREFERRED: [Self; 2] = [Self::Sha256, Self::Md5];

    /// Its name in challenges and credentials.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    /// Reads its name; a challenge without one means MD5 (RFC 7616 section 3.3).
    pub(super) fn from_param(param: Option<&str>) -> Option<Self> {
        let Some(name) = param else { return Some(Self::Md5) };
        Self::PREFERRED.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(name))
    }

    /// The digest of the parts with colons between them, in lower-case hexadecimal digits.
    pub(super) fn hex(self, parts: &[&[u8]]) -> String {
        match self {
            Self::Md5 => hex(&joined::<Md5>(parts)),
            Self::Sha256 => hex(&joined::<Sha256>(parts)),
        }
    }

    /// What the record holds for this algorithm, in hexadecimal digits.
    pub(super) fn of(self, ha1: &Ha1) -> String {
        match self {
            Self::Md5 => hex(&ha1.md5),
            Self::Sha256 => hex(&ha1.sha256),
        }
    }
}

/// What is kept of a password (RFC 7616 section 3.4.2).
#[must_use]
pub fn ha1(user: &str, realm: &str, password: &str) -> Ha1 {
    let parts = [user.as_bytes(), realm.as_bytes(), password.as_bytes()];
    let md5: Vec<u8> = joined::<Md5>(&parts);
    let sha256: Vec<u8> = joined::<Sha256>(&parts);
    Ha1 {
        md5: md5.try_into().expect("MD5 makes 16 bytes"),
        sha256: sha256.try_into().expect("SHA-256 makes 32 bytes"),
    }
}

/// Tells texts apart: 128 bits of the SHA-256 of the parts, each with its length.
#[must_use]
pub fn fingerprint(parts: &[&[u8]]) -> u128 {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(part);
    }
    let bytes: [u8; 32] = digest.finalize().into();
    let half = bytes.first_chunk::<16>().copied().unwrap_or_default();
    u128::from_be_bytes(half)
}

fn joined<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
    let mut digest = D::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            digest.update(b":");
        }
        digest.update(part);
    }
    digest.finalize().to_vec()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(if value < 10 { b'0' + value } else { b'a' + value - 10 });
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}
