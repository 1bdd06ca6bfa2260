//! The commands that ask a cluster or look at a file, one a file.

pub(super) mod ban;
pub(super) mod call;
pub(super) mod cdr;
pub(super) mod cdr_export;
pub(super) mod config;
pub(super) mod drain;
pub(super) mod limit;
pub(super) mod protection;
pub(super) mod registration;
pub(super) mod status;
pub(super) mod top;
pub(super) mod trunk;
pub(super) mod user;
