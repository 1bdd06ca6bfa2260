//! `sip.floating`: how floating addresses come to this host when it takes over slots.

use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::cluster;
use super::error::Fault;
use super::locate::Checker;

/// How floating addresses move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FloatingConfig {
    /// Every host can bind them already: loopback addresses, or addresses that a router sends.
    Bind,
    /// They are added to an interface, and the neighbours are told.
    Netlink {
        /// The interface, such as `eth0`.
        interface: String,
        /// Prefix length in bits; `None` for a host address.
        prefix: Option<u8>,
    },
    /// A program moves them (BGP, a cloud's API).
    Command {
        /// Its path; no shell is involved.
        program: String,
        /// Arguments in front of `acquire ADDR` or `release ADDR`.
        args: Vec<String>,
        /// How long one run may take.
        timeout: Duration,
    },
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawFloating {
    #[default]
    Bind,
    Netlink(RawNetlink),
    Command(RawCommand),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNetlink {
    interface: Spanned<String>,
    prefix: Option<Spanned<u64>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCommand {
    program: Spanned<String>,
    #[serde(default)]
    args: Vec<String>,
    timeout_ms: Option<Spanned<u64>>,
}

impl RawFloating {
    pub(super) fn build(self, check: &mut Checker<'_>) -> FloatingConfig {
        match self {
            Self::Bind => FloatingConfig::Bind,
            Self::Netlink(raw) => raw.build(check),
            Self::Command(raw) => raw.build(check),
        }
    }
}

impl RawNetlink {
    fn build(self, check: &mut Checker<'_>) -> FloatingConfig {
        let name = self.interface.get_ref();
        if name.is_empty() || name.len() > INTERFACE_BYTES || name.contains(['/', ' ']) {
            let fault = Fault::NotAnInterface { found: name.clone() };
            check.fault("sip.floating.netlink.interface", self.interface.span(), fault);
        }
        let prefix = self
            .prefix
            .map(|raw| check.range("sip.floating.netlink.prefix", &raw, 1..129))
            .and_then(|bits| u8::try_from(bits).ok());
        FloatingConfig::Netlink { interface: self.interface.into_inner(), prefix }
    }
}

impl RawCommand {
    fn build(self, check: &mut Checker<'_>) -> FloatingConfig {
        let program = self.program.get_ref();
        if !program.starts_with('/') {
            let fault = Fault::NotAbsolute { found: program.clone() };
            check.fault("sip.floating.command.program", self.program.span(), fault);
        }
        let timeout = self.timeout_ms.as_ref();
        let timeout =
            cluster::duration(check, "sip.floating.command.timeout_ms", timeout, COMMAND_TIMEOUT);
        FloatingConfig::Command { program: self.program.into_inner(), args: self.args, timeout }
    }
}

/// `IFNAMSIZ` less the closing zero.
const INTERFACE_BYTES: usize = 15;

/// A takeover waits for the program, so it must not take longer than callers are patient.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);
