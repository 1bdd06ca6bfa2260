//! The tables of an engine. The name of each is part of the persisted format.

/// A table: a column family in RocksDB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Raft log entries.
    Log,
    /// Hard state: vote, committed mark, purge mark, the mark of a running installation.
    Vote,
    /// Applied mark, membership, cluster record.
    Meta,
    /// Nodes.
    Nodes,
    /// Slots.
    Slots,
    /// Calls, tombstones included.
    Calls,
    /// Call detail records.
    Cdrs,
    /// When tombstones are due.
    Expiry,
    /// Users of local domains.
    Users,
    /// Bindings by address of record.
    Locations,
    /// When bindings end.
    BindingEnds,
    /// Limits and the state of their buckets.
    Limits,
    /// Where to find call detail records; made by each node from its own.
    CdrIndex,
}

impl Table {
    /// All tables.
    pub const ALL: [Self; 13] = [
        Self::Log,
        Self::Vote,
        Self::Meta,
        Self::Nodes,
        Self::Slots,
        Self::Calls,
        Self::Cdrs,
        Self::Expiry,
        Self::Users,
        Self::Locations,
        Self::BindingEnds,
        Self::Limits,
        Self::CdrIndex,
    ];

    /// The tables that a snapshot holds. [`Self::Meta`] is last: the applied mark is written
    /// after what it vouches for. [`Self::CdrIndex`] is not in it: each node makes its own.
    pub const STATE: [Self; 10] = [
        Self::Nodes,
        Self::Slots,
        Self::Calls,
        Self::Cdrs,
        Self::Expiry,
        Self::Users,
        Self::Locations,
        Self::BindingEnds,
        Self::Limits,
        Self::Meta,
    ];

    /// The table's name on disk.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Vote => "vote",
            Self::Meta => "meta",
            Self::Nodes => "nodes",
            Self::Slots => "slots",
            Self::Calls => "calls",
            Self::Cdrs => "cdrs",
            Self::Expiry => "expiry",
            Self::Users => "users",
            Self::Locations => "locations",
            Self::BindingEnds => "binding_ends",
            Self::Limits => "limits",
            Self::CdrIndex => "cdr_index",
        }
    }

    /// Whether it belongs to the replicated state, or follows from it: it is rebuilt from the log
    /// after a crash.
    #[must_use]
    pub const fn is_state(self) -> bool {
        !matches!(self, Self::Log | Self::Vote)
    }

    /// The table's number: its place in [`Self::ALL`], and its ordinal in snapshots.
    #[must_use]
    pub const fn ordinal(self) -> u8 {
        self as u8
    }

    /// The table with that number.
    #[must_use]
    pub fn from_ordinal(ordinal: u8) -> Option<Self> {
        Self::ALL.get(usize::from(ordinal)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinals_and_names_are_pinned() {
        let names = [
            "log",
            "vote",
            "meta",
            "nodes",
            "slots",
            "calls",
            "cdrs",
            "expiry",
            "users",
            "locations",
            "binding_ends",
            "limits",
            "cdr_index",
        ];
        for (ordinal, (table, name)) in (0_u8..).zip(Table::ALL.into_iter().zip(names)) {
            assert_eq!((table.ordinal(), table.as_str()), (ordinal, name));
            assert_eq!(Table::from_ordinal(ordinal), Some(table));
        }
        assert_eq!(Table::from_ordinal(13), None);
    }
}
