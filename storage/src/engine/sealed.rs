//! An engine whose values are sealed, and whose keys tell nothing of whom they are about.
//!
//! Every value is `0xe1`, id of the key, nonce, sealed bytes; table and key are authenticated with it,
//! so that no value can be moved to another key. Keys of records are numbers, but for the tables of
//! [`clear_bytes`], whose keys end in names and numbers: there the rest is replaced by a keyed hash, and
//! stands in the value. Their records then lie in the order of the hashes, which is as good as any
//! for pages, because a page's cursor is hashed in the same way. [`Table::CdrIndex`] holds nothing but
//! hashes already, with a key that comes from here, and is left as it is.
//!
//! Keys are changed by sealing anew what an old one has sealed ([`SealedEngine::seal_anew`]), a lot at a
//! time, between writes.
//!
//! Invariant: nothing that an engine beneath is given holds a byte of a value in clear.

use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use holdline_model::GroupId;

use crate::engine::batch::{Batch, Op};
use crate::engine::{
    Direction, Durability, Engine, EngineError, KeyRange, OnDamage, Read, Table, Visit,
};
use crate::seal::{KeyId, Keyring, NONCE, NotAuthentic};

/// An engine that seals.
pub struct SealedEngine {
    inner: Arc<dyn Engine>,
    keys: Arc<Keyring>,
    watch: Watch,
    /// Read by whoever writes, written by whoever seals anew: what it reads must not change before it
    /// has written it.
    turn: RwLock<()>,
}

/// Where sealing anew has come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anew {
    /// The table by its place in [`Table::ALL`].
    table: usize,
    /// The key beneath that comes next.
    from: Vec<u8>,
    /// Values that were sealed anew.
    pub sealed: u64,
    /// Whether all tables were gone through.
    pub done: bool,
}

impl SealedEngine {
    /// Over an engine that holds nothing but what was sealed so.
    #[must_use]
    pub fn new(inner: Arc<dyn Engine>, keys: Arc<Keyring>) -> Self {
        Self { inner, keys, watch: Watch::default(), turn: RwLock::new(()) }
    }

    /// Has `told` called, once, when a value is found that was not sealed here so: nothing is written any
    /// more then. A key that is not configured is no such thing.
    #[must_use]
    pub fn telling(mut self, told: OnDamage) -> Self {
        self.watch.told = Some(told);
        self
    }

    /// Goes through up to `limit` more values, and seals those anew that another key than the
    /// first has sealed.
    ///
    /// # Errors
    /// The engine's, or a value that cannot be opened.
    pub fn seal_anew(&self, at: &mut Anew, limit: usize) -> Result<(), EngineError> {
        let Some(table) = Table::ALL.get(at.table).copied() else {
            at.done = true;
            return Ok(());
        };
        let _turn = self.turn.write().unwrap_or_else(PoisonError::into_inner);
        let (mut old, mut left, mut last) = (Vec::new(), limit, None);
        let range = KeyRange { from: &at.from, to: &END };
        if table != Table::CdrIndex {
            self.inner.scan(table, range, Direction::Forward, &mut |key, value| {
                if left == 0 {
                    return ControlFlow::Break(());
                }
                left -= 1;
                last = Some(key.to_vec());
                if key_of(value).is_some_and(|id| id != self.keys.current()) {
                    old.push((key.to_vec(), value.to_vec()));
                }
                ControlFlow::Continue(())
            })?;
        }
        let mut batch = Batch::new();
        for (key, value) in old {
            let opened = self.keys.opened(table, &key, &value);
            let plain = opened.map_err(|error| self.watch.look(error))?;
            batch.put(table, key.clone(), self.keys.sealed(table, &key, &plain));
            at.sealed += 1;
        }
        let durability = if table.is_state() { Durability::State } else { Durability::Buffered };
        self.inner.write(batch, durability)?;
        match last {
            Some(mut last) if left == 0 => {
                last.push(0);
                at.from = last;
            }
            Some(_) | None => {
                (at.table, at.from) = (at.table + 1, Vec::new());
                if at.table == Table::ALL.len() {
                    // Otherwise a crash would bring back what the old key has sealed.
                    self.inner.flush_state()?;
                    at.done = true;
                }
            }
        }
        Ok(())
    }

    fn sealed(&self, batch: Batch) -> Batch {
        let mut out = Batch::with_capacity(batch.ops().len());
        for op in batch.into_ops() {
            match op {
                Op::Put(table, key, value) if table == Table::CdrIndex => {
                    out.put(table, key, value)
                }
                Op::Put(table, key, value) => {
                    let (key, value) = self.keys.veiled(table, key, value);
                    let sealed = self.keys.sealed(table, &key, &value);
                    out.put(table, key, sealed);
                }
                Op::Delete(table, key) => out.delete(table, self.keys.hidden(table, &key)),
                Op::DeleteRange(table, from, to) => {
                    let (from, to) = (self.keys.bound(table, &from), self.keys.bound(table, &to));
                    out.delete_range(table, from, to);
                }
            }
        }
        out
    }
}

impl Read for SealedEngine {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        get(self.inner.as_ref(), (&self.keys, &self.watch), table, key)
    }

    fn scan(
        &self,
        table: Table,
        range: KeyRange<'_>,
        direction: Direction,
        visit: Visit<'_>,
    ) -> Result<(), EngineError> {
        scan(self.inner.as_ref(), (&self.keys, &self.watch), table, range, direction, visit)
    }
}

impl Engine for SealedEngine {
    fn write(&self, batch: Batch, durability: Durability) -> Result<(), EngineError> {
        batch.check(durability)?;
        self.watch.check()?;
        let batch = self.sealed(batch);
        let _turn = self.turn.read().unwrap_or_else(PoisonError::into_inner);
        self.inner.write(batch, durability)
    }

    fn view(&self) -> Box<dyn Read + '_> {
        Box::new(SealedView { inner: self.inner.view(), keys: &self.keys, watch: &self.watch })
    }

    fn flush_state(&self) -> Result<(), EngineError> {
        self.inner.flush_state()
    }

    fn index_key(&self) -> [u8; 16] {
        self.keys.hash(Table::CdrIndex.ordinal(), b"index")
    }

    fn about_bytes(&self) -> u64 {
        self.inner.about_bytes()
    }

    fn set_cdr_floor(&self, group: GroupId, index: u64) {
        self.inner.set_cdr_floor(group, index);
    }

    fn compact(&self, table: Table, range: KeyRange<'_>) -> Result<(), EngineError> {
        let (from, to) = (self.keys.bound(table, range.from), self.keys.bound(table, range.to));
        self.inner.compact(table, KeyRange { from: &from, to: &to })
    }
}

/// Tells of the first value that is not authentic.
#[derive(Default)]
struct Watch {
    told: Option<OnDamage>,
    damaged: AtomicBool,
}

impl Watch {
    fn look(&self, error: EngineError) -> EngineError {
        if let EngineError::Corrupt { path, cause } = &error
            && cause.is::<NotAuthentic>()
            && !self.damaged.swap(true, Ordering::AcqRel)
            && let Some(told) = &self.told
        {
            told(&format!("{cause}, in {}", path.display()));
        }
        error
    }

    fn check(&self) -> Result<(), EngineError> {
        if self.damaged.load(Ordering::Acquire) {
            return Err(EngineError::Failed { path: PathBuf::from("sealed values") });
        }
        Ok(())
    }
}

/// A view of what is beneath.
struct SealedView<'a> {
    inner: Box<dyn Read + 'a>,
    keys: &'a Keyring,
    watch: &'a Watch,
}

impl Read for SealedView<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        get(self.inner.as_ref(), (self.keys, self.watch), table, key)
    }

    fn scan(
        &self,
        table: Table,
        range: KeyRange<'_>,
        direction: Direction,
        visit: Visit<'_>,
    ) -> Result<(), EngineError> {
        scan(self.inner.as_ref(), (self.keys, self.watch), table, range, direction, visit)
    }
}

fn get(
    inner: &dyn Read,
    (keys, watch): (&Keyring, &Watch),
    table: Table,
    key: &[u8],
) -> Result<Option<Vec<u8>>, EngineError> {
    if table == Table::CdrIndex {
        return inner.get(table, key);
    }
    let hidden = keys.hidden(table, key);
    let Some(value) = inner.get(table, &hidden)? else { return Ok(None) };
    let opened = keys.opened(table, &hidden, &value);
    let opened = opened.and_then(|plain| keys.unveiled(table, &hidden, plain));
    opened.map(|(_, value)| Some(value)).map_err(|error| watch.look(error))
}

fn scan(
    inner: &dyn Read,
    (keys, watch): (&Keyring, &Watch),
    table: Table,
    range: KeyRange<'_>,
    direction: Direction,
    visit: Visit<'_>,
) -> Result<(), EngineError> {
    if table == Table::CdrIndex {
        return inner.scan(table, range, direction, visit);
    }
    let (from, to) = (keys.bound(table, range.from), keys.bound(table, range.to));
    let mut failed = None;
    let range = KeyRange { from: &from, to: &to };
    inner.scan(table, range, direction, &mut |key, value| {
        let opened = keys.opened(table, key, value);
        match opened.and_then(|plain| keys.unveiled(table, key, plain)) {
            Ok((key, value)) => visit(&key, &value),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    failed.map_or(Ok(()), |error| Err(watch.look(error)))
}

/// How many bytes of a table's keys stay as they are; `None`: all of them.
const fn clear_bytes(table: Table) -> Option<usize> {
    match table {
        // Group; an address of record.
        Table::Users | Table::Locations => Some(2),
        // Group, time; an address of record.
        Table::BindingEnds => Some(10),
        // Group, kind; names, numbers, addresses.
        Table::Limits => Some(3),
        Table::Log
        | Table::Vote
        | Table::Meta
        | Table::Nodes
        | Table::Slots
        | Table::Calls
        | Table::Cdrs
        | Table::Expiry
        | Table::CdrIndex => None,
    }
}

impl Keyring {
    /// The key beneath.
    fn hidden(&self, table: Table, key: &[u8]) -> Vec<u8> {
        match clear_bytes(table).and_then(|clear| key.split_at_checked(clear)) {
            Some((clear, rest)) if !rest.is_empty() => {
                [clear, &self.hash(table.ordinal(), rest)].concat()
            }
            Some(_) | None => key.to_vec(),
        }
    }

    /// A bound of a range beneath: of the clear part, of a whole key, or just after a whole key.
    fn bound(&self, table: Table, key: &[u8]) -> Vec<u8> {
        let is_hidden = clear_bytes(table).is_some_and(|clear| key.len() > clear);
        match key.split_last() {
            Some((0, key)) if is_hidden => {
                let mut after = self.hidden(table, key);
                after.push(0);
                after
            }
            Some(_) | None => self.hidden(table, key),
        }
    }

    /// Key and value beneath: what the key does not say any more, the value does.
    fn veiled(&self, table: Table, key: Vec<u8>, value: Bytes) -> (Vec<u8>, Bytes) {
        let Some(clear) = clear_bytes(table) else { return (key, value) };
        let rest = key.get(clear..).unwrap_or(&[]);
        let length = u16::try_from(rest.len()).unwrap_or(u16::MAX).to_be_bytes();
        let value = [&length, rest, &value].concat();
        (self.hidden(table, &key), value.into())
    }

    /// The opposite.
    fn unveiled(
        &self,
        table: Table,
        hidden: &[u8],
        mut value: Vec<u8>,
    ) -> Result<(Vec<u8>, Vec<u8>), EngineError> {
        let Some(clear) = clear_bytes(table) else { return Ok((hidden.to_vec(), value)) };
        let length =
            value.first_chunk::<2>().map(|length| usize::from(u16::from_be_bytes(*length)));
        let rest =
            length.and_then(|length| value.get(2..2 + length)).ok_or_else(|| corrupt(table))?;
        let key = [hidden.get(..clear).unwrap_or(hidden), rest].concat();
        let head = 2 + rest.len();
        value.drain(..head);
        Ok((key, value))
    }

    fn sealed(&self, table: Table, key: &[u8], plain: &[u8]) -> Vec<u8> {
        let nonce = self.nonce();
        let mut bytes = Vec::with_capacity(HEAD + plain.len() + crate::seal::TAG);
        bytes.push(MARK);
        bytes.extend_from_slice(&self.current().0);
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(plain);
        if let Some(sealer) = self.sealer() {
            sealer.seal(&nonce, &context(table, key), &mut bytes, HEAD);
        }
        bytes
    }

    fn opened(&self, table: Table, key: &[u8], value: &[u8]) -> Result<Vec<u8>, EngineError> {
        let id = key_of(value).ok_or_else(|| corrupt(table))?;
        let sealer = self.opener(id).ok_or_else(|| missing(table, id))?;
        let (head, sealed) = value.split_at_checked(HEAD).ok_or_else(|| corrupt(table))?;
        let nonce = head.last_chunk::<NONCE>().ok_or_else(|| corrupt(table))?;
        let mut plain = sealed.to_vec();
        let opened = sealer.open(nonce, &context(table, key), &mut plain);
        opened.map_err(|_| corrupt(table)).map(|()| plain)
    }
}

/// The key that a value is sealed with.
fn key_of(value: &[u8]) -> Option<KeyId> {
    let (mark, rest) = value.split_first()?;
    let id = rest.first_chunk::<4>().filter(|_| *mark == MARK)?;
    Some(KeyId(*id))
}

fn context(table: Table, key: &[u8]) -> Vec<u8> {
    let mut context = Vec::with_capacity(1 + key.len());
    context.push(table.ordinal());
    context.extend_from_slice(key);
    context
}

fn corrupt(table: Table) -> EngineError {
    let path = PathBuf::from(format!("table {}", table.as_str()));
    EngineError::Corrupt { path, cause: Arc::new(NotAuthentic) }
}

fn missing(table: Table, id: KeyId) -> EngineError {
    let path = PathBuf::from(format!("table {}", table.as_str()));
    EngineError::Corrupt { path, cause: Arc::new(KeyGone(id)) }
}

/// A value is sealed with a key that is not configured any more.
#[derive(Debug, thiserror::Error)]
#[error(
    "a value is sealed with key {0}, which is not configured: put its file back behind the others in \
     storage.encryption.key_files"
)]
struct KeyGone(KeyId);

impl fmt::Debug for SealedEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedEngine").field("keys", &self.keys).finish_non_exhaustive()
    }
}

/// What sealed values begin with; those in clear begin with the codec's version.
const MARK: u8 = 0xe1;

/// Mark, key, nonce.
const HEAD: usize = 1 + 4 + NONCE;

/// No key is longer, or sorts after it.
const END: [u8; 64] = [0xff; 64];

#[cfg(test)]
mod tests;
