//! Applies log entries outside Raft: for checkers that want to know what a log says.

use std::io;

use holdline_apply::{Position, apply};
use holdline_model::{Command, Reply, limits};
use holdline_storage::{StateReader, StateStore, codec};
use openraft::EntryPayload;
use openraft::entry::RaftEntry;

use crate::store::mark::{from_bytes, to_bytes};
use crate::types::{Entry, StoredMembership};

/// A state of its own, to which entries are applied one after the other.
#[derive(Debug)]
pub struct Replay {
    state: StateStore,
}

/// What one entry did.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// Its index.
    pub index: u64,
    /// The commands that could be decoded, each with its reply.
    pub commands: Vec<(Command, Reply)>,
}

impl Replay {
    /// Starts from `state`.
    #[must_use]
    pub const fn new(state: StateStore) -> Self {
        Self { state }
    }

    /// Reads the state.
    #[must_use]
    pub fn reader(&self) -> StateReader {
        self.state.reader()
    }

    /// Applies an entry as it lies in the log, as the state machine does.
    ///
    /// # Errors
    /// It cannot be decoded, or the state cannot be written.
    pub fn apply(&mut self, entry: &[u8]) -> io::Result<Replayed> {
        let entry: Entry = from_bytes(entry)?;
        let id = entry.log_id();
        let mut batch = self.state.batch();
        let mut commands = Vec::new();
        match entry.payload {
            EntryPayload::Blank => {}
            EntryPayload::Normal(entries) => {
                let known = entries.commands.iter().take(limits::MAX_BATCH_COMMANDS);
                for (position, command) in (0_u32..).zip(known) {
                    let Ok(command) = codec::decode::<Command>(command) else { continue };
                    let position = Position { index: id.index, position };
                    let reply = apply(&mut batch, position, &command, &mut Vec::new());
                    commands.push((command, reply.map_err(io::Error::other)?));
                }
            }
            EntryPayload::Membership(membership) => {
                let stored = StoredMembership::new(Some(id), membership);
                batch.put_membership(&to_bytes(&stored)?);
            }
        }
        batch.commit(&to_bytes(&id)?).map_err(io::Error::other)?;
        Ok(Replayed { index: id.index, commands })
    }
}

impl Replayed {
    /// The commands that took effect, or had done so before.
    pub fn accepted(&self) -> impl Iterator<Item = &(Command, Reply)> {
        self.commands.iter().filter(|(_, reply)| !matches!(reply, Reply::Rejected(_)))
    }
}
