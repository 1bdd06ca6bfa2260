//! Drops entries of the index of call detail records when their records are purged: by a filter of
//! RocksDB's compaction, since removing them one by one would cost as much as making them.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use holdline_model::GroupId;
use rocksdb::{CompactionDecision, Options};

use crate::tables::is_index_entry_below;

/// For each group: the log index below which there are no records any more.
#[derive(Debug, Default)]
pub(super) struct CdrFloors(RwLock<BTreeMap<GroupId, u64>>);

impl CdrFloors {
    /// Records of entries before `index` are purged.
    pub(super) fn raise(&self, group: GroupId, index: u64) {
        let mut floors = self.0.write().unwrap_or_else(PoisonError::into_inner);
        floors.insert(group, index);
    }

    /// Sets up a table so that what lies below goes when it is compacted; a file that nobody touches
    /// is compacted within [`PERIOD_S`].
    pub(super) fn drop_below(floors: &Arc<Self>, options: &mut Options) {
        let floors = Arc::clone(floors);
        options.set_compaction_filter("cdr-floor", move |_level, key: &[u8], _value: &[u8]| {
            if floors.is_below(key) { CompactionDecision::Remove } else { CompactionDecision::Keep }
        });
        options.set_periodic_compaction_seconds(PERIOD_S);
    }

    fn is_below(&self, key: &[u8]) -> bool {
        let Some((group, _)) = key.split_first_chunk::<2>() else { return false };
        let group = GroupId(u16::from_be_bytes(*group));
        let floors = self.0.read().unwrap_or_else(PoisonError::into_inner);
        floors.get(&group).is_some_and(|floor| is_index_entry_below(key, *floor))
    }
}

/// One week.
const PERIOD_S: u64 = 7 * 24 * 3600;
