//! A table made from what was written goes on as the one that wrote it.

use std::collections::BTreeMap;

use holdline_model::NodeId;
use holdline_model::limit::{Dimension, LimitConfig, Verdict};

use super::{World, class, each, invite, tenant};
use crate::{Change, LimitTable, Record};

/// The records as they lie on disk.
#[derive(Default)]
struct Disk(BTreeMap<Record, Change>);

impl Disk {
    fn write(&mut self, table: &mut LimitTable) {
        for (record, change) in table.take_changes() {
            match change {
                Some(change) => self.0.insert(record, change),
                None => self.0.remove(&record),
            };
        }
    }

    fn read(&self) -> LimitTable {
        LimitTable::restore(self.0.values().cloned()).expect("it was valid when it was written")
    }
}

#[test]
fn a_restarted_replica_says_what_the_others_say() {
    let mut limits = LimitConfig {
        class: vec![class("all", None, 50, 30), tenant("acme", "all", 10, 5)],
        ..LimitConfig::default()
    };
    limits.each.push(each("source", Dimension::Source, 5, 5));
    let mut one = World::new(&limits);
    let mut disk = Disk::default();
    let mut verdicts = [0, 0];
    for round in 0..400_u64 {
        one.pass(round % 37);
        one.node = NodeId(1 + round % 3);
        disk.write(&mut one.table);
        let mut other = disk.read();
        assert_eq!(other, one.table, "round {round}");
        let mut admit = invite(round / 2, &[]);
        admit.hop.peer.set_ip(std::net::Ipv4Addr::from(u32::try_from(round % 5).unwrap()).into());
        let (call, _) = one.invite(&[]);
        let verdict = one.table.admit(one.node, holdline_model::Millis(one.now), call, &admit);
        let same = other.admit(one.node, holdline_model::Millis(one.now), call, &admit);
        assert_eq!(verdict, same);
        verdicts[usize::from(matches!(verdict, Verdict::Admitted(_)))] += 1;
    }
    assert!(verdicts.iter().all(|count| *count > 50), "{verdicts:?}");
}
