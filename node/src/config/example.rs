//! The commented example: what `holdline config example` prints, and what `deploy` ships.

/// A configuration with every section, commented.
pub const EXAMPLE: &str = include_str!("../../../deploy/node.toml");
