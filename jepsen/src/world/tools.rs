//! Small C programs of ours, compiled when a run needs them: Rust without unsafe code can neither
//! replace `fsync` in another program nor make a file system forget.

use std::path::{Path, PathBuf};

use super::command::{CommandError, has, run};

const SHIM: &str = include_str!("../../c/fsync_shim.c");
const SHUTDOWN: &str = include_str!("../../c/ext4_shutdown.c");

/// Where the compiled programs are.
#[derive(Clone, Debug)]
pub struct Tools {
    /// A library to be preloaded: see `c/fsync_shim.c`.
    pub fsync_shim: PathBuf,
    /// A program: see `c/ext4_shutdown.c`.
    pub ext4_shutdown: PathBuf,
}

/// They cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ToolsError {
    /// A file.
    #[error("{}: {cause}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The compiler.
    #[error(transparent)]
    Compiler(#[from] CommandError),
}

impl Tools {
    /// Whether they can be made here.
    ///
    /// # Errors
    /// What is missing.
    pub fn available() -> Result<(), String> {
        if has("gcc") { Ok(()) } else { Err("gcc is missing: apt-get install gcc".into()) }
    }

    /// Compiles them into a folder.
    ///
    /// # Errors
    /// If a file cannot be written, or the compiler fails.
    pub fn build(folder: &Path) -> Result<Self, ToolsError> {
        let source = |name: &str, text: &str| {
            let path = folder.join(name);
            let failed = |cause| ToolsError::File { path: path.clone(), cause };
            std::fs::write(&path, text).map_err(failed).map(|()| path.clone())
        };
        let shim = source("fsync_shim.c", SHIM)?;
        let shutdown = source("ext4_shutdown.c", SHUTDOWN)?;
        let (fsync_shim, ext4_shutdown) =
            (folder.join("fsync_shim.so"), folder.join("ext4_shutdown"));
        run(&format!("gcc -O1 -shared -fPIC -o {} {} -ldl", fsync_shim.display(), shim.display()))?;
        run(&format!("gcc -O1 -o {} {}", ext4_shutdown.display(), shutdown.display()))?;
        Ok(Self { fsync_shim, ext4_shutdown })
    }
}
