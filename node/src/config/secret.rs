//! Secrets from files: the cluster key and the admin token. Never shown, never logged.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::error::Fault;

/// Reads a secret and trims the white space around it.
pub(super) fn read(path: &Path) -> Result<String, Fault> {
    let bad = |cause: String| Fault::BadFile { path: path.to_owned(), cause };
    let file = std::fs::File::open(path).map_err(|error| bad(error.to_string()))?;
    let mode = file.metadata().map_err(|error| bad(error.to_string()))?.permissions().mode();
    if mode & READABLE_BY_ALL != 0 {
        return Err(Fault::SecretExposed { path: path.to_owned(), mode: mode & 0o7777 });
    }
    let mut text = String::new();
    file.take(MAX_BYTES).read_to_string(&mut text).map_err(|error| bad(error.to_string()))?;
    let text = text.trim();
    if text.is_empty() {
        return Err(bad("the file is empty".to_owned()));
    }
    Ok(text.to_owned())
}

/// The permission bits of users who are neither the owner nor in the group.
const READABLE_BY_ALL: u32 = 0o007;

/// No secret is longer.
const MAX_BYTES: u64 = 4096;

/// Reads a secret that is not part of a configuration.
pub(crate) fn read_secret(path: &Path) -> Result<String, String> {
    read(path).map_err(|fault| fault.to_string())
}
