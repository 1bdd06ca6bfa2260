//! A new data folder that a backup is put into.
//!
//! The identity is written last: it is what makes a folder a node's. Until then a file says that a
//! restoration is under way, by which an interrupted one is known and begun anew.
//!
//! Invariant: a folder that holds anything else is left as it is.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use holdline_model::Format;

use super::folder::{IDENTITY, io, lock, write_identity};
use super::{DataDirError, Identity};

/// A folder that is being filled. Dropped before [`NewFolder::finish`], it is no data folder.
#[derive(Debug)]
pub struct NewFolder {
    path: PathBuf,
    identity: String,
    _lock: File,
}

impl NewFolder {
    /// Begins: makes the folder if there is none, and clears what an interrupted restoration left. `format`:
    /// that of what will be in it.
    ///
    /// # Errors
    /// [`DataDirError::NotEmpty`] if the folder holds anything else; [`DataDirError::InUse`],
    /// [`DataDirError::Io`].
    pub fn begin(path: &Path, identity: &Identity, format: Format) -> Result<Self, DataDirError> {
        let text = identity.to_text(format)?;
        fs::create_dir_all(path).map_err(|cause| io(path, cause))?;
        let marker = path.join(RESTORING);
        let was_interrupted = marker.exists() && !path.join(IDENTITY).exists();
        if !was_interrupted {
            for entry in fs::read_dir(path).map_err(|cause| io(path, cause))? {
                let name = entry.map_err(|cause| io(path, cause))?.file_name();
                if name != "lost+found" {
                    let found = name.to_string_lossy().into_owned();
                    return Err(DataDirError::NotEmpty { path: path.to_owned(), found });
                }
            }
        }
        let written = File::create(&marker)
            .and_then(|mut file| file.write_all(b"restoring\n").and_then(|()| file.sync_all()));
        written.map_err(|cause| io(&marker, cause))?;
        let lock = lock(path)?;
        let folder = Self { path: path.to_owned(), identity: text, _lock: lock };
        let seal = path.join(crate::seal::SEAL);
        for (left, is_file) in
            [(path.join("db"), false), (folder.snapshots_path(), false), (seal, true)]
        {
            let removed = if is_file { fs::remove_file(&left) } else { fs::remove_dir_all(&left) };
            match removed {
                Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
                    return Err(io(&left, cause));
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok(folder)
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of snapshots.
    #[must_use]
    pub fn snapshots_path(&self) -> PathBuf {
        self.path.join("snapshots")
    }

    /// Makes it a data folder, durably. What is in it must be closed and durable.
    ///
    /// # Errors
    /// [`DataDirError::Io`]: it is none then.
    pub fn finish(self) -> Result<(), DataDirError> {
        write_identity(&self.path, &self.identity)?;
        let marker = self.path.join(RESTORING);
        fs::remove_file(&marker).map_err(|cause| io(&marker, cause))
    }
}

/// Whether a restoration into the folder was begun and not finished.
pub(super) fn is_unfinished(path: &Path) -> bool {
    path.join(RESTORING).exists() && !path.join(IDENTITY).exists()
}

/// What the folder holds beside the identity when the last step of a restoration was cut off.
pub(super) const RESTORING: &str = "RESTORING";
