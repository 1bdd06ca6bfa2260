//! A route: which trunks serve the numbers that begin with a prefix.

use holdline_model::Name;

/// Numbers with this prefix go to these trunks, or to this group of trunks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// What the dialled number begins with, `+` included, without visual separators. Empty: every
    /// number. The longest prefix wins.
    pub prefix: String,
    /// Names of trunks, in the order of trying; at most [`holdline_model::limits::MAX_TARGETS`].
    /// Empty if there is a group.
    pub trunks: Vec<Name>,
    /// The trunk group that serves the numbers instead.
    pub group: Option<Name>,
    /// How many leading characters of the number are removed before it is sent on.
    pub strip: usize,
    /// Calls that must be tried whatever is known of the trunks: they pass through open breakers.
    pub emergency: bool,
}
