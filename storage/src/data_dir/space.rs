//! The room on the data folder's file system, and a reserve of it: a file that takes room while there
//! is enough, and gives it back when there is none, so that what has begun can end.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

/// The file system of a data folder. Its methods block on the disk.
#[derive(Clone, Debug)]
pub struct Space {
    folder: PathBuf,
    reserve: PathBuf,
}

/// How full it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes that this process may still write.
    pub free_bytes: u64,
    /// Bytes that are used, of those that there are for it.
    pub used_bytes: u64,
}

impl Room {
    /// How it would be if so many more bytes were used.
    #[must_use]
    pub fn with(self, bytes: u64) -> Self {
        Self {
            free_bytes: self.free_bytes.saturating_sub(bytes),
            used_bytes: self.used_bytes.saturating_add(bytes.min(self.free_bytes)),
        }
    }

    /// How much is used, in percent, rounded down.
    #[must_use]
    pub fn used_percent(&self) -> u64 {
        let all = self.used_bytes.saturating_add(self.free_bytes).max(1);
        let percent = u128::from(self.used_bytes) * 100 / u128::from(all);
        u64::try_from(percent).unwrap_or(100)
    }
}

impl Space {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), reserve: folder.join("RESERVE") }
    }

    /// How full it is.
    ///
    /// # Errors
    /// The file system does not say.
    pub fn room(&self) -> io::Result<Room> {
        let space = rustix::fs::statvfs(&self.folder)?;
        let blocks = |count: u64| count.saturating_mul(space.f_frsize);
        let used_bytes = blocks(space.f_blocks.saturating_sub(space.f_bfree));
        Ok(Room { free_bytes: blocks(space.f_bavail), used_bytes })
    }

    /// Whether the reserve is taken.
    #[must_use]
    pub fn has_reserve(&self) -> bool {
        self.reserve.exists()
    }

    /// Takes so many bytes, so that nobody else can have them.
    ///
    /// # Errors
    /// There is no such room; then none of it is taken.
    pub fn take_reserve(&self, bytes: u64) -> io::Result<()> {
        let taken = File::create(&self.reserve).and_then(|mut file| {
            match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes) {
                // File systems that cannot promise room get it written.
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => fill(&mut file, bytes)?,
                allocated => allocated?,
            }
            file.sync_all()
        });
        if taken.is_err() {
            self.release_reserve()?;
        }
        taken
    }

    /// Gives it back.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn release_reserve(&self) -> io::Result<()> {
        match fs::remove_file(&self.reserve) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

fn fill(file: &mut File, bytes: u64) -> io::Result<()> {
    io::copy(&mut io::repeat(0).take(bytes), file).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_how_full_it_is() {
        let room = |used_bytes, free_bytes| Room { free_bytes, used_bytes }.used_percent();
        assert_eq!(room(0, 100), 0);
        assert_eq!(room(79, 21), 79);
        assert_eq!(room(999, 1), 99);
        assert_eq!(room(u64::MAX / 2, 0), 100);
        assert_eq!(room(0, 0), 0);
        let more = Room { free_bytes: 30, used_bytes: 70 }.with(20);
        assert_eq!(more, Room { free_bytes: 10, used_bytes: 90 });
        assert_eq!(more.with(20), Room { free_bytes: 0, used_bytes: 100 });
    }

    #[test]
    fn a_reserve_takes_room_until_it_is_released() {
        let folder = tempfile::TempDir::new().unwrap();
        let space = Space::new(folder.path());
        assert!(space.room().unwrap().free_bytes > 0);
        space.take_reserve(1 << 20).unwrap();
        assert!(space.has_reserve());
        assert_eq!(fs::metadata(folder.path().join("RESERVE")).unwrap().len(), 1 << 20);
        space.release_reserve().unwrap();
        space.release_reserve().unwrap();
        assert!(!space.has_reserve());
        assert!(space.take_reserve(1 << 60).is_err());
        assert!(!space.has_reserve(), "nothing is left of one that there is no room for");
        let mut written = File::create(folder.path().join("written")).unwrap();
        fill(&mut written, 100_000).unwrap();
        assert_eq!(written.metadata().unwrap().len(), 100_000);
    }
}
