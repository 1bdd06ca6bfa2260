//! A number that a node keeps beside its store, in a file of its own: it is needed before the store
//! is opened, or without it.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::data_dir::folder::write_whole;

/// One number in a file of the data folder. Its methods block on the disk.
#[derive(Clone, Debug)]
pub struct Kept {
    folder: PathBuf,
    name: &'static str,
}

impl Kept {
    /// The number that lies in the file `name` of `folder`, or will.
    #[must_use]
    pub fn new(folder: &Path, name: &'static str) -> Self {
        Self { folder: folder.to_owned(), name }
    }

    /// The number; `None` if none was written yet.
    ///
    /// # Errors
    /// The file cannot be read, or holds something else.
    pub fn read(&self) -> io::Result<Option<u64>> {
        let path = self.folder.join(self.name);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        text.trim().parse().map(Some).map_err(|_| {
            let text = format!("{} does not hold a number: remove it", path.display());
            io::Error::new(ErrorKind::InvalidData, text)
        })
    }

    /// Keeps another number; on return it is durable.
    ///
    /// # Errors
    /// It cannot be written; the one before is there still.
    pub fn write(&self, number: u64) -> io::Result<()> {
        write_whole(&self.folder, self.name, &format!("{number}\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_kept_and_what_is_none_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::new(folder.path(), "LEASE");
        assert_eq!(kept.read().unwrap(), None);
        for number in [300, 7] {
            kept.write(number).unwrap();
            assert_eq!(kept.read().unwrap(), Some(number));
        }
        fs::write(folder.path().join("LEASE"), "\0\0").unwrap();
        let error = kept.read().unwrap_err().to_string();
        assert!(error.ends_with("LEASE does not hold a number: remove it"), "{error}");
    }
}
