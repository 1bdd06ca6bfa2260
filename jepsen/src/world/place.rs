//! What kind of world can be had here, and what that leaves out.

use super::command::{has, run};
use super::lan::Lan;

/// What a fault needs of its world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Hosts on a bridge.
    Lan,
    /// Data folders on file systems of their own.
    Disk,
    /// The library that makes `fsync` fail.
    Shim,
    /// The library that fakes clocks.
    FakeTime,
    /// A monotonic clock of its own for each host.
    Origins,
    /// Frames that go through a program of ours.
    Queue,
    /// Calls that the switch ends after a few seconds.
    ShortCalls,
}

/// Where the fake clock's library is, on Debian.
pub const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

/// Where the cluster runs.
#[derive(Debug)]
pub enum Place {
    /// On hosts of its own.
    Lan(Lan),
    /// On loopback addresses.
    Loopback {
        /// Why not on hosts.
        why: String,
    },
}

impl Place {
    /// Hosts if they can be had (and are wanted), else loopback addresses.
    #[must_use]
    pub fn choose(nodes: u64, loopback: bool) -> Self {
        if loopback {
            return Self::Loopback { why: "asked for".into() };
        }
        match Lan::build(nodes) {
            Ok(lan) => Self::Lan(lan),
            Err(error) => Self::Loopback { why: error.to_string() },
        }
    }

    /// `lan` or `loopback`.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Lan(_) => "lan",
            Self::Loopback { .. } => "loopback",
        }
    }
}

impl Needs {
    /// Whether it can be had here.
    ///
    /// # Errors
    /// Why not, and how to get it.
    pub fn available(self, place: &str) -> Result<(), String> {
        let root = rustix::process::geteuid().is_root();
        let program = |name: &str, package: &str| {
            if has(name) {
                Ok(())
            } else {
                Err(format!("{name} is missing: apt-get install {package}"))
            }
        };
        let as_root = || if root { Ok(()) } else { Err("needs root".to_owned()) };
        match self {
            Self::Lan if place == "lan" => program("nft", "nftables"),
            Self::Lan => Err("needs hosts of its own (root and network namespaces)".into()),
            Self::Disk => {
                as_root()?;
                program("mkfs.ext4", "e2fsprogs")?;
                super::tools::Tools::available()
            }
            Self::Shim => super::tools::Tools::available(),
            Self::FakeTime if std::path::Path::new(FAKETIME).is_file() => Ok(()),
            Self::FakeTime => Err("libfaketime is missing: apt-get install libfaketime".into()),
            Self::ShortCalls => Ok(()),
            Self::Queue => program("iptables", "iptables"),
            Self::Origins => {
                as_root()?;
                run("unshare -T --monotonic 1000 true").map(drop).map_err(|error| error.to_string())
            }
        }
    }
}
