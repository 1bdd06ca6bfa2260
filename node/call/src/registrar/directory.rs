//! How the engine reads users, bindings and the calls of others: as this node has applied them.

use std::fmt;

use holdline_model::{Aor, CallId, CallRecord, LocationRecord, UserRecord};

/// The replicated state cannot be read now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the replicated state cannot be read")]
pub struct Unreadable;

/// Users and bindings as applied here. That may be some milliseconds behind what is committed, even for
/// an address whose slot is ours: [`Directory::applied`] tells.
pub trait Directory: fmt::Debug + Send + Sync {
    /// Index of the last entry of the log that is applied here.
    fn applied(&self) -> u64;

    /// One user.
    ///
    /// # Errors
    /// The state cannot be read.
    fn user(&self, aor: &Aor) -> Result<Option<UserRecord>, Unreadable>;

    /// The bindings of one address of record, those that have ended included.
    ///
    /// # Errors
    /// The state cannot be read.
    fn location(&self, aor: &Aor) -> Result<Option<LocationRecord>, Unreadable>;

    /// A call, whoever owns it.
    ///
    /// # Errors
    /// The state cannot be read.
    fn call(&self, call: CallId) -> Result<Option<CallRecord>, Unreadable>;
}

/// A directory of nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoUsers;

impl Directory for NoUsers {
    fn call(&self, _call: CallId) -> Result<Option<CallRecord>, Unreadable> {
        Ok(None)
    }

    fn applied(&self) -> u64 {
        u64::MAX
    }

    fn user(&self, _aor: &Aor) -> Result<Option<UserRecord>, Unreadable> {
        Ok(None)
    }

    fn location(&self, _aor: &Aor) -> Result<Option<LocationRecord>, Unreadable> {
        Ok(None)
    }
}
