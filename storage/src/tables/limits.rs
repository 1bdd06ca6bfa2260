//! Table `limits`: key group, kind, name; value [`holdline_limit::Change`], which holds the name
//! again.
//!
//! | kind | name | what |
//! |---|---|---|
//! | `0x00` | | the configuration in force |
//! | `0x01` | | the limits' clock and the classes' levels |
//! | `0x02` | length (u8) and name of the set, value | a bucket made on demand |
//! | `0x03` | node (u64), class | a lease |
//! | `0x04` | transaction (u128) | a refusal |
//!
//! All of it lies decoded in memory, too: each admission looks at it. The calls that are up, which
//! caps count, follow from the calls' own records when it is loaded.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use holdline_limit::{Change, LimitTable, Record};
use holdline_model::{CallRecord, GroupId};

use crate::engine::{Batch, Read, Table};
use crate::tables::batch::encode;
use crate::tables::cache::scan;
use crate::tables::{Key, StateError, group_range};

/// The key of a record.
pub(super) fn key(group: GroupId, record: &Record) -> Vec<u8> {
    let key = Key::new(group);
    match record {
        Record::Settings => key.u8(0).to_vec(),
        Record::Levels => key.u8(1).to_vec(),
        Record::Bucket(bucket) => {
            // Names have at most `MAX_LIMIT_TEXT` bytes.
            let length = u8::try_from(bucket.each.len()).unwrap_or(u8::MAX);
            let key = key.u8(2).u8(length);
            [&*key, bucket.each.as_bytes(), bucket.value.as_bytes()].concat()
        }
        Record::Lease(lease) => {
            let key = key.u8(3).u64(lease.node.0);
            [&*key, lease.class.as_bytes()].concat()
        }
        Record::Refusal(transaction) => {
            let key = key.u8(4);
            [&*key, transaction.0.to_be_bytes().as_slice()].concat()
        }
    }
}

/// Reads the limits, and the calls that are up.
pub(super) fn load(engine: &dyn Read, group: GroupId) -> Result<LimitTable, StateError> {
    let (from, to) = group_range(group);
    let mut stored = Vec::new();
    scan(engine, Table::Limits, &from, &to, |change: Change| {
        stored.push(change);
        ControlFlow::Continue(())
    })?;
    let mut table = LimitTable::restore(stored)
        .map_err(|fault| StateError::Limits { cause: Box::new(fault) })?;
    scan(engine, Table::Calls, &from, &to, |call: CallRecord| {
        table.restore_call(&call);
        ControlFlow::Continue(())
    })?;
    Ok(table)
}

/// Puts what has changed into a batch.
pub(super) fn write(
    batch: &mut Batch,
    group: GroupId,
    changes: &BTreeMap<Record, Option<Change>>,
) -> Result<(), StateError> {
    for (record, change) in changes {
        let key = key(group, record);
        match change {
            Some(change) => batch.put(Table::Limits, key, encode(Table::Limits, change)?),
            None => batch.delete(Table::Limits, key),
        }
    }
    Ok(())
}
