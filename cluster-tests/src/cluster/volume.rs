//! A file system of a node's own, in a file: so that its power can be cut, or it can be filled.
//!
//! Needs root and loop devices; [`Volume::can`] says whether there are any. A power cut is ext4's own
//! shutdown ioctl: what was not synced is gone, as if the machine had lost its power.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A mounted file system, unmounted when this is dropped.
#[derive(Debug)]
pub struct Volume {
    image: PathBuf,
    at: PathBuf,
    mounted: bool,
}

impl Volume {
    /// Why there can be no volumes here; `None` if there can.
    #[must_use]
    pub fn cannot() -> Option<String> {
        if !rustix::process::geteuid().is_root() {
            return Some("mounting needs root".to_owned());
        }
        for (program, argument) in
            [("mkfs.ext4", "-V"), ("mount", "-V"), ("umount", "-V"), ("python3", "-V")]
        {
            let mut found = Command::new(program);
            found.arg(argument).stdout(Stdio::null()).stderr(Stdio::null());
            if found.status().is_err() {
                return Some(format!("{program} is not installed"));
            }
        }
        let loops = Path::new("/dev/loop-control").exists();
        (!loops).then(|| "there are no loop devices".to_owned())
    }

    /// Makes one of so many bytes, mounted at `at`.
    ///
    /// # Errors
    /// A command failed.
    pub fn make(image: &Path, at: &Path, bytes: u64) -> io::Result<Self> {
        File::create(image)?.set_len(bytes)?;
        fs::create_dir_all(at)?;
        run("mkfs.ext4", &["-q", "-F", "-m", "0", &text(image)])?;
        let mut volume = Self { image: image.to_owned(), at: at.to_owned(), mounted: false };
        volume.mount()?;
        Ok(volume)
    }

    /// Mounts it again after a cut.
    ///
    /// # Errors
    /// A command failed.
    pub fn mount(&mut self) -> io::Result<()> {
        run("mount", &["-o", "loop", &text(&self.image), &text(&self.at)])?;
        self.mounted = true;
        Ok(())
    }

    /// Cuts its power: from now on nothing is written, and what was not synced is lost.
    ///
    /// # Errors
    /// The ioctl failed.
    pub fn cut_power(&self) -> io::Result<()> {
        // EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH; this workspace forbids unsafe code.
        let script = "import fcntl,os,struct,sys\n\
                      fcntl.ioctl(os.open(sys.argv[1],os.O_RDONLY),0x8004587d,struct.pack('I',2))";
        run("python3", &["-c", script, &text(&self.at)])
    }

    /// Unmounts it; whoever used it must have ended.
    ///
    /// # Errors
    /// It is in use.
    pub fn unmount(&mut self) -> io::Result<()> {
        run("umount", &[&text(&self.at)])?;
        self.mounted = false;
        Ok(())
    }

    /// Bytes that may still be written.
    ///
    /// # Errors
    /// It is not mounted.
    pub fn free_bytes(&self) -> io::Result<u64> {
        let space = rustix::fs::statvfs(&self.at)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }

    /// Takes room with a file of that name until so many bytes are left, or fewer.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn fill(&self, name: &str, leave_bytes: u64) -> io::Result<()> {
        let file = File::create(self.at.join(name))?;
        let bytes = self.free_bytes()?.saturating_sub(leave_bytes);
        match rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes) {
            // What the file system needs for itself is not known before; it is full all the same.
            Err(rustix::io::Errno::NOSPC) => Ok(()),
            allocated => Ok(allocated?),
        }
    }

    /// Gives that room back.
    ///
    /// # Errors
    /// There is no such file.
    pub fn empty(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.at.join(name))
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.at
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        if self.mounted {
            // What cannot be unmounted now (a process lives on) is so when nobody uses it any more.
            let _unmounted = run("umount", &["-l", &text(&self.at)]);
        }
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn run(program: &str, arguments: &[&str]) -> io::Result<()> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(io::Error::other(format!("{program} {}: {said}", arguments.join(" "))))
}
