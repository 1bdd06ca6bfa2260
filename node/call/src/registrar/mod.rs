//! The registrar: who may register and call from our domains, and where they are (RFC 3261 section 10).
//!
//! | file | what |
//! |---|---|
//! | `options` | domains, times and limits |
//! | `directory` | how users and bindings are read |
//! | `authenticate` | who sent a request, by digest |
//! | `request` | what a REGISTER asks for |
//! | `register` | what becomes of a REGISTER |
//! | `locate` | where a call to a user of ours goes |
//!
//! An address of record belongs to a slot, found by its hash; only the owner of that slot answers its
//! REGISTERs. What changes a binding is committed before the 200. A refresh that changes nothing is
//! promised without a commit as long as the committed end covers the promise: what is committed ends
//! half an expiry after what was promised then.
//!
//! Invariant: no 200 promises a binding for longer than is committed.
//! Invariant: a request without the right password leaves no state.

mod authenticate;
mod directory;
mod locate;
mod options;
mod register;
mod request;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use holdline_model::{Millis, Name, Reply};
use holdline_sip::digest::{NonceKey, Replays};

use crate::Undecided;
use crate::call::Request;
use crate::event::Registration;
use crate::options::millis;

pub(crate) use authenticate::{Checked, Judged, Question, print_of};
pub use directory::{Directory, NoUsers, Unreadable};
pub(crate) use locate::Located;
pub use options::RegistrarOptions;
pub(crate) use request::thousandths;

/// The trunk's name in the records of calls from and to users of ours. No trunk may have it.
pub const USERS: &str = "users";

/// The registrar's part of an engine.
#[derive(Debug)]
pub(crate) struct Registrar {
    pub(crate) options: RegistrarOptions,
    pub(crate) directory: Arc<dyn Directory>,
    key: NonceKey,
    replays: Replays,
    /// REGISTERs whose commit is awaited, by ticket. At most [`RegistrarOptions::max_pending`].
    pending: BTreeMap<u64, Pending>,
    last_ticket: u64,
    /// REGISTERs that are committed, and answered as soon as this node has applied them, which may be a
    /// moment later. At most [`RegistrarOptions::max_pending`].
    waiting: Vec<Waiting>,
    /// When they are looked at next.
    look_at: Option<Millis>,
    /// The last entry that a REGISTER of ours is known to be.
    last_index: u64,
    /// The highest CSeq that was answered without a commit, by address and Call-ID. At most
    /// [`RegistrarOptions::max_nonces`]; when there are as many, refreshes are committed.
    refreshed: HashMap<u128, u32>,
}

/// A REGISTER whose commit is awaited.
#[derive(Debug)]
struct Pending {
    request: Request,
    /// Tells it from other requests.
    print: u128,
    command: holdline_model::Register,
}

/// A REGISTER that is committed, but not yet applied here.
#[derive(Debug)]
struct Waiting {
    index: u64,
    slot: holdline_model::SlotId,
    print: u128,
    aor: holdline_model::Aor,
    request: Request,
    outcome: Registration,
}

/// How often it is looked whether this node has applied what it waits for, in milliseconds.
const LOOK_EVERY_MS: u64 = 5;

impl Registrar {
    pub(crate) fn new(
        options: RegistrarOptions,
        key: NonceKey,
        directory: Arc<dyn Directory>,
    ) -> Self {
        let replays = Replays::new(millis(options.nonce_life), options.max_nonces);
        Self {
            options,
            directory,
            key,
            replays,
            pending: BTreeMap::new(),
            last_ticket: 0,
            waiting: Vec::new(),
            look_at: None,
            last_index: 0,
            refreshed: HashMap::new(),
        }
    }

    /// When something waits to be answered.
    pub(crate) const fn next_timer(&self) -> Option<Millis> {
        self.look_at
    }

    /// Whether this node has applied all that it is known to have committed.
    fn is_current(&self) -> bool {
        self.directory.applied() >= self.last_index
    }

    /// One that serves no domain.
    pub(crate) fn none() -> Self {
        Self::new(RegistrarOptions::default(), NonceKey::new([0; 32]), Arc::new(NoUsers))
    }

    /// The address of record that a URI is, if it is one of our domains' users.
    pub(crate) fn local_aor(&self, uri: &str) -> Option<holdline_model::Aor> {
        request::local_aor(uri, &self.options)
    }

    /// The tenant of the user that a URI names, if there is one.
    pub(crate) fn tenant_of(&self, uri: &str) -> Option<Name> {
        let user = self.directory.user(&self.local_aor(uri)?);
        // One that cannot be read was logged.
        user.ok().flatten().map(|user| user.tenant)
    }

    /// Forgets what waits for a slot that is not ours any more: its next owner answers.
    pub(crate) fn lost(&mut self, slot: holdline_model::SlotId) {
        self.pending.retain(|_, pending| pending.command.slot != slot);
        self.waiting.retain(|waiting| waiting.slot != slot);
    }

    /// The outcome of a commit that came while nothing may be said. The device says its REGISTER again,
    /// and then it must not be taken for one that is still waited for.
    pub(crate) fn heard_in_silence(&mut self, ticket: u64, outcome: &Result<Reply, Undecided>) {
        self.pending.remove(&ticket);
        self.heard(outcome);
    }

    /// Notes up to where this node must have applied the log before it is current.
    fn heard(&mut self, outcome: &Result<Reply, Undecided>) {
        if let Ok(Reply::At(index)) = outcome {
            self.last_index = self.last_index.max(*index);
        }
    }
}
