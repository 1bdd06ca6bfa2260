//! The commands that ask a cluster or look at a file, one a file.

pub(super) mod ban;
pub(super) mod call;
mod call_cap;
pub(super) mod cdr;
pub(super) mod cdr_export;
pub(super) mod cdr_keeping;
pub(super) mod certificate;
pub(super) mod certs;
pub(super) mod config;
pub(super) mod drain;
pub(super) mod key;
pub(super) mod limit;
mod limit_simulate;
pub(super) mod listener;
pub(super) mod member;
pub(super) mod pop;
pub(super) mod protection;
pub(super) mod registration;
pub(super) mod snapshot;
pub(super) mod status;
pub(super) mod top;
pub(super) mod trunk;
pub(super) mod user;
