//! Damage in a data folder: noted in it, and the store set aside for good.
//!
//! What is damaged is not repaired in place: the node's promises (what it voted for, what it stored)
//! cannot be told from what is left of them. The store is moved to `damaged/`, and the node comes back
//! as one that has lost its data.
//!
//! Invariant: `DAMAGED` lies in the folder until everything is moved; an interrupted move is finished
//! before anything is opened.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::data_dir::folder::io;
use crate::data_dir::{DataDir, DataDirError};

/// What was found.
const NOTE: &str = "DAMAGED";
/// Where the store goes.
const ASIDE: &str = "damaged";
/// What belongs to the store. The identity stays.
const STORE: [&str; 4] = ["db", "snapshots", "SEAL", "SYNCED"];

/// Notes in a data folder what is damaged, durably; the first finding stays. For whoever finds it,
/// before it is known to anybody else. Blocks on the disk.
///
/// # Errors
/// The note cannot be written.
pub fn note_damage(folder: &Path, what: &str) -> io::Result<()> {
    let made = File::create_new(folder.join(NOTE));
    match made {
        Ok(mut file) => {
            writeln!(file, "{what}")?;
            file.sync_all()?;
            File::open(folder)?.sync_all()
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

impl DataDir {
    /// What was found to be damaged, if the store was not set aside since.
    ///
    /// # Errors
    /// The note cannot be read.
    pub fn damage(&self) -> Result<Option<String>, DataDirError> {
        let path = self.path().join(NOTE);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text.trim_end().to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(io(&path, cause)),
        }
    }

    /// Moves the store aside, with the note of what is damaged; what was set aside before is removed.
    /// Returns where it lies. Nothing of it may be open. Blocks on the disk.
    ///
    /// # Errors
    /// A file cannot be moved; calling it again goes on.
    pub fn set_aside(&self) -> Result<PathBuf, DataDirError> {
        let aside = self.path().join(ASIDE);
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |cause| io(&path, cause)
        };
        // With its note it is complete, and of an earlier time.
        if aside.join(NOTE).exists() {
            fs::remove_dir_all(&aside).map_err(failed(&aside))?;
        }
        fs::create_dir_all(&aside).map_err(failed(&aside))?;
        let set = |name: &str| {
            let from = self.path().join(name);
            match fs::rename(&from, aside.join(name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                moved => moved.map_err(failed(&from)),
            }
        };
        STORE.into_iter().try_for_each(set)?;
        sync(&aside)?;
        set(NOTE)?;
        sync(&aside)?;
        sync(self.path())?;
        Ok(aside)
    }

    /// Whether a store of this node was ever set aside, and not removed since.
    #[must_use]
    pub fn was_set_aside(&self) -> bool {
        self.path().join(ASIDE).exists()
    }
}

fn sync(folder: &Path) -> Result<(), DataDirError> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(|cause| io(folder, cause))
}

#[cfg(test)]
mod tests {
    use holdline_model::NodeId;

    use super::*;
    use crate::data_dir::Identity;

    fn opened(path: &Path) -> DataDir {
        DataDir::open(path, &Identity { cluster: "test".to_owned(), node: NodeId(1) }).unwrap()
    }

    #[test]
    fn a_damaged_store_is_set_aside_with_the_reason_and_the_identity_stays() {
        let folder = tempfile::TempDir::new().unwrap();
        let data = opened(folder.path());
        assert_eq!(data.damage().unwrap(), None);
        assert!(!data.was_set_aside());
        fs::create_dir(folder.path().join("db")).unwrap();
        fs::write(folder.path().join("db/000012.sst"), "first").unwrap();
        note_damage(folder.path(), "000012.sst is damaged").unwrap();
        note_damage(folder.path(), "a later finding").unwrap();
        assert_eq!(data.damage().unwrap().as_deref(), Some("000012.sst is damaged"));
        let aside = data.set_aside().unwrap();
        assert_eq!(fs::read_to_string(aside.join("db/000012.sst")).unwrap(), "first");
        assert_eq!(fs::read_to_string(aside.join(NOTE)).unwrap(), "000012.sst is damaged\n");
        assert!(data.was_set_aside() && !folder.path().join("db").exists());
        assert_eq!(data.damage().unwrap(), None);
        drop(data);
        opened(folder.path());
    }

    #[test]
    fn an_interrupted_move_is_finished_and_a_second_one_takes_the_place_of_the_first() {
        let folder = tempfile::TempDir::new().unwrap();
        let data = opened(folder.path());
        note_damage(folder.path(), "one").unwrap();
        // The database was moved, the snapshots were not.
        fs::create_dir_all(folder.path().join("damaged/db")).unwrap();
        fs::create_dir(folder.path().join("snapshots")).unwrap();
        let aside = data.set_aside().unwrap();
        assert!(aside.join("db").exists() && aside.join("snapshots").exists());
        note_damage(folder.path(), "two").unwrap();
        fs::create_dir(folder.path().join("db")).unwrap();
        data.set_aside().unwrap();
        assert!(aside.join("db").exists() && !aside.join("snapshots").exists());
        assert_eq!(fs::read_to_string(aside.join(NOTE)).unwrap(), "two\n");
    }
}
