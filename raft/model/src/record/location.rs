//! Where a user is: the bindings of one address of record (RFC 3261 section 10.3).
//!
//! One record holds all bindings of an address, so that a REGISTER, which changes all of them or
//! none, is one write.

use serde::{Deserialize, Serialize};

use crate::{Aor, Hop, Millis};

/// All bindings of one address of record; there is no record without any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocationRecord {
    /// The address of record.
    pub aor: Aor,
    /// Its bindings, oldest first; at most [`crate::limits::MAX_BINDINGS_PER_AOR`].
    pub bindings: Vec<Binding>,
    /// The last requests that changed it, oldest first, as hashes: each may come again, and is then
    /// answered as before. At most [`crate::limits::MAX_REMEMBERED_REQUESTS`].
    pub requests: Vec<u128>,
    /// Contacts that devices with an instance-id had before they came back under another one, the oldest
    /// first: their dialogs still name them. At most [`crate::limits::MAX_FORMER_CONTACTS`]. Since
    /// [`crate::Format::FORMER_CONTACTS`].
    pub former: Vec<FormerContact>,
}

/// A contact that a device has no longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerContact {
    /// The [`Binding::key`] of the device's flow.
    pub key: String,
    /// The contact's URI, as it was registered.
    pub contact: String,
}

/// One contact that a user has registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// What tells it from the others: instance and reg-id (RFC 5626 section 6), or the contact's URI
    /// in a form in which equal ones are equal.
    pub key: String,
    /// The contact's URI, as registered.
    pub contact: String,
    /// Its preference in thousandths.
    pub q: u16,
    /// The proxies on the way to it, each a name-addr, the next one first (RFC 3327).
    pub path: Vec<String>,
    /// The device's instance-id.
    pub instance: Option<String>,
    /// Which flow of that device it is.
    pub reg_id: Option<u32>,
    /// Call-ID of the REGISTER that made or changed it last.
    pub call_id: String,
    /// CSeq number of that REGISTER.
    pub cseq: u32,
    /// How the REGISTER came: from where, and to which address of ours.
    pub hop: Hop,
    /// When it was made or last changed.
    pub at: Millis,
    /// What the device was promised, in seconds.
    pub granted_s: u32,
    /// When it ends. Later than what was promised when it was committed, so that refreshes until
    /// then can be promised without a commit.
    pub until: Millis,
}

/// How many there are, counted by apply so that the bounds hold exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistrarTotals {
    /// Users.
    pub users: u64,
    /// Bindings, those that have ended and are not swept yet included.
    pub bindings: u64,
}

impl LocationRecord {
    /// When the first of its bindings ends.
    #[must_use]
    pub fn next_end(&self) -> Option<Millis> {
        self.bindings.iter().map(|binding| binding.until).min()
    }

    /// The bindings of the device that a contact belongs to, or belonged to; the one that was changed last
    /// comes last.
    pub fn device_of(&self, contact: &str) -> impl Iterator<Item = &Binding> {
        let has_it = move |binding: &&Binding| {
            let had = |it: &FormerContact| it.key == binding.key && it.contact == contact;
            binding.contact == contact || self.former.iter().any(had)
        };
        let instance = self.bindings.iter().filter(has_it).find_map(|it| it.instance.as_ref());
        self.bindings.iter().filter(move |binding| {
            has_it(binding) || (instance.is_some() && binding.instance.as_ref() == instance)
        })
    }

    /// The bindings that have not ended.
    pub fn live(&self, now: Millis) -> impl Iterator<Item = &Binding> {
        self.bindings.iter().filter(move |binding| binding.until > now)
    }
}
