//! A route: which trunks serve the numbers that begin with a prefix.

use holdline_model::Name;

/// Numbers with this prefix go to these trunks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// What the dialled number begins with, `+` included, without visual separators. Empty: every
    /// number. The longest prefix wins.
    pub prefix: String,
    /// Names of trunks, in the order of trying; at most [`holdline_model::limits::MAX_TARGETS`].
    pub trunks: Vec<Name>,
    /// How many leading characters of the number are removed before it is sent on.
    pub strip: usize,
}
