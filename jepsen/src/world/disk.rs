//! A node's data folder on a small ext4 file system of its own, in a file: it can be full, and it
//! can lose its power.

use std::path::{Path, PathBuf};

use super::command::{CommandError, run};
use super::tools::Tools;

/// Room on the disk: enough for a run, little enough to be filled.
const MEGABYTES: u32 = 256;

/// A file system at a node's data folder; taken away when dropped.
#[derive(Debug)]
pub struct Disk {
    image: PathBuf,
    mount: PathBuf,
}

impl Disk {
    /// Makes it and mounts it.
    ///
    /// # Errors
    /// What the tools complain about; root is needed.
    pub fn mount(mount: &Path) -> Result<Self, CommandError> {
        let image = mount.with_extension("img");
        let (image_text, mount_text) = (image.display(), mount.display());
        run(&format!("mkdir -p {mount_text}"))?;
        run(&format!("truncate -s {MEGABYTES}M {image_text}"))?;
        run(&format!("mkfs.ext4 -q -m 0 {image_text}"))?;
        run(&format!("mount -o loop {image_text} {mount_text}"))?;
        Ok(Self { image, mount: mount.to_owned() })
    }

    /// Cuts the power: what was not synced is gone. The process must be dead, or dies of it.
    ///
    /// # Errors
    /// If the kernel cannot.
    pub fn cut_power(&self, tools: &Tools) -> Result<(), CommandError> {
        run(&format!("{} {}", tools.ext4_shutdown.display(), self.mount.display())).map(drop)
    }

    /// Gives power again, once nothing uses it.
    ///
    /// # Errors
    /// If something does.
    pub fn power_on(&self) -> Result<(), CommandError> {
        run(&format!("umount {}", self.mount.display()))?;
        run(&format!("mount -o loop {} {}", self.image.display(), self.mount.display())).map(drop)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.mount
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: the process on it may be about to end.
        let _gone = run(&format!("umount -l {}", self.mount.display()));
    }
}
