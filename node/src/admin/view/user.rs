//! Users and where they are registered. What a password is checked by is never shown.

use holdline_model::{Binding, LocationRecord, Millis, UserRecord};
use serde::{Deserialize, Serialize};

use super::time;

/// A user of a local domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserView {
    /// `user@domain`.
    pub aor: String,
    /// Whose calls those are that it makes.
    pub tenant: String,
    /// Bindings that it may have; `null`: as configured.
    pub max_bindings: Option<u16>,
    /// When it was added or last changed.
    pub changed_at: String,
}

/// Where one user is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistrationView {
    /// `user@domain`.
    pub aor: String,
    /// Its contacts, the one changed last at the end.
    pub bindings: Vec<BindingView>,
}

/// One contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindingView {
    /// What tells it from the user's others.
    pub key: String,
    /// Its URI.
    pub contact: String,
    /// Its preference, in thousandths.
    pub q_thousandths: u16,
    /// Proxies on the way to it.
    pub path: Vec<String>,
    /// The device's instance-id.
    pub instance: Option<String>,
    /// Which of the device's flows it is.
    pub reg_id: Option<u32>,
    /// `udp`, `tcp`, `tls`, `ws` or `wss`.
    pub transport: String,
    /// Where the REGISTER came from.
    pub peer: String,
    /// The address of ours that it came to.
    pub local: String,
    /// When that was committed.
    pub registered_at: String,
    /// What the device was promised, in seconds.
    pub granted_s: u32,
    /// When it ends unless it is refreshed.
    pub ends_at: String,
}

impl From<&UserRecord> for UserView {
    fn from(record: &UserRecord) -> Self {
        Self {
            aor: record.aor.to_string(),
            tenant: record.tenant.to_string(),
            max_bindings: record.max_bindings,
            changed_at: time::format(record.changed_at),
        }
    }
}

impl RegistrationView {
    /// The bindings that have not ended.
    #[must_use]
    pub fn new(record: &LocationRecord, now: Millis) -> Self {
        let bindings = record.live(now).map(BindingView::from).collect();
        Self { aor: record.aor.to_string(), bindings }
    }
}

impl From<&Binding> for BindingView {
    fn from(binding: &Binding) -> Self {
        Self {
            key: binding.key.clone(),
            contact: binding.contact.clone(),
            q_thousandths: binding.q,
            path: binding.path.clone(),
            instance: binding.instance.clone(),
            reg_id: binding.reg_id,
            transport: binding.hop.transport.param().to_owned(),
            peer: binding.hop.peer.to_string(),
            local: binding.hop.local.to_string(),
            registered_at: time::format(binding.at),
            granted_s: binding.granted_s,
            ends_at: time::format(binding.until),
        }
    }
}
