//! Opens the data folder, and keeps it locked while it is used.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use holdline_model::Format;

use crate::data_dir::new_folder::is_unfinished;
use crate::data_dir::{DataDirError, Identity, Kept, Space};
use crate::engine::{RocksEngine, RocksOptions};

pub(super) const IDENTITY: &str = "IDENTITY";
/// Behind the name of a file that is being written.
const TEMPORARY: &str = ".tmp";
const IDENTITY_TEMPORARY: &str = "IDENTITY.tmp";
const LOCK: &str = "LOCK";

/// A data folder of this node, locked until this is dropped. The system drops the lock of a
/// process that dies.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    identity: Identity,
    /// What an older program must not open.
    format: Mutex<Format>,
    _lock: File,
}

impl DataDir {
    /// Opens a folder; makes it, and its identity, if it does not exist or is empty. Blocks on
    /// the disk.
    ///
    /// # Errors
    /// See [`DataDirError`]; nothing in the folder was changed then, except that it may have been made.
    pub fn open(path: &Path, identity: &Identity) -> Result<Self, DataDirError> {
        let text = identity.to_text(Format::OLDEST)?;
        fs::create_dir_all(path).map_err(|cause| io(path, cause))?;
        if is_unfinished(path) {
            return Err(DataDirError::HalfRestored { path: path.to_owned() });
        }
        let file = path.join(IDENTITY);
        // Read before the lock is taken, so that a wrong folder is left alone, and after it,
        // since another process may just be making it.
        if !exists(&file)? {
            refuse_foreign(path)?;
        } else {
            read_identity(path, &file)?.0.check(identity, path)?;
        }
        let lock = lock(path)?;
        let format = if exists(&file)? {
            let (found, format) = read_identity(path, &file)?;
            found.check(identity, path)?;
            format
        } else {
            write_identity(path, &text)?;
            Format::OLDEST
        };
        let (identity, format) = (identity.clone(), Mutex::new(format));
        Ok(Self { path: path.to_owned(), identity, format, _lock: lock })
    }

    /// Whose data a folder holds, if it holds any. Blocks on the disk.
    ///
    /// # Errors
    /// The identity cannot be read.
    pub fn identity(path: &Path) -> Result<Option<Identity>, DataDirError> {
        let file = path.join(IDENTITY);
        if !exists(&file)? {
            return Ok(None);
        }
        read_identity(path, &file).map(|(identity, _)| Some(identity))
    }

    /// The format that the folder says it holds; what is in it may be older.
    #[must_use]
    pub fn format(&self) -> Format {
        *self.format.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The folder holds this format from now on: a program that does not read it refuses the folder. A
    /// lower one changes nothing. Blocks on the disk.
    ///
    /// # Errors
    /// [`DataDirError::Io`]: it says what it has said before.
    pub fn raise_format(&self, to: Format) -> Result<(), DataDirError> {
        let mut format = self.format.lock().unwrap_or_else(PoisonError::into_inner);
        if to > *format {
            let text = self.identity.to_text(to)?;
            write_identity(&self.path, &text)?;
            *format = to;
        }
        Ok(())
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The room on its file system.
    #[must_use]
    pub fn space(&self) -> Space {
        Space::new(&self.path)
    }

    /// The folder of snapshots.
    #[must_use]
    pub fn snapshots_path(&self) -> PathBuf {
        self.path.join("snapshots")
    }

    /// The longest lease that may still be held, in milliseconds.
    #[must_use]
    pub fn lease(&self) -> Kept {
        Kept::new(&self.path, "LEASE")
    }

    /// Where the database lies.
    #[must_use]
    pub fn db_path(&self) -> PathBuf {
        self.path.join("db")
    }

    /// Opens the database in the folder. Blocks on the disk.
    pub fn open_engine(&self, options: &RocksOptions) -> Result<RocksEngine, DataDirError> {
        Ok(RocksEngine::open(&self.db_path(), options)?)
    }

    /// Bytes that this process may still write to the folder's file system.
    pub fn free_bytes(&self) -> Result<u64, DataDirError> {
        Ok(self.space().room().map_err(|error| io(&self.path, error))?.free_bytes)
    }
}

pub(super) fn io(path: &Path, cause: std::io::Error) -> DataDirError {
    DataDirError::Io { path: path.to_owned(), cause }
}

fn exists(file: &Path) -> Result<bool, DataDirError> {
    file.try_exists().map_err(|cause| io(file, cause))
}

/// A folder without an identity must be empty but for what an interrupted first start leaves.
fn refuse_foreign(path: &Path) -> Result<(), DataDirError> {
    for entry in fs::read_dir(path).map_err(|cause| io(path, cause))? {
        let name = entry.map_err(|cause| io(path, cause))?.file_name();
        // "lost+found" is in the root of every ext4 file system.
        if ![LOCK, IDENTITY, IDENTITY_TEMPORARY, "lost+found"].iter().any(|ours| name == *ours) {
            let found = name.to_string_lossy().into_owned();
            return Err(DataDirError::NotOurs { path: path.to_owned(), found });
        }
    }
    Ok(())
}

fn read_identity(folder: &Path, file: &Path) -> Result<(Identity, Format), DataDirError> {
    let text = fs::read(file).map_err(|cause| io(file, cause))?;
    Identity::from_text(&String::from_utf8_lossy(&text), folder, file)
}

pub(super) fn write_identity(folder: &Path, text: &str) -> Result<(), DataDirError> {
    write_whole(folder, IDENTITY, text).map_err(|cause| io(&folder.join(IDENTITY), cause))
}

/// Writes a file so that it is there whole or not at all, durably.
pub(super) fn write_whole(folder: &Path, name: &str, text: &str) -> std::io::Result<()> {
    let temporary = folder.join(format!("{name}{TEMPORARY}"));
    let mut file = File::create(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, folder.join(name))?;
    File::open(folder)?.sync_all()
}

pub(super) fn lock(folder: &Path) -> Result<File, DataDirError> {
    let path = folder.join(LOCK);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|cause| io(&path, cause))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let holder = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
            return Err(DataDirError::InUse { path: folder.to_owned(), holder });
        }
        Err(TryLockError::Error(cause)) => return Err(io(&path, cause)),
    }
    // Only for the message above: who it is.
    let named = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    named.map_err(|cause| io(&path, cause))?;
    Ok(file)
}
