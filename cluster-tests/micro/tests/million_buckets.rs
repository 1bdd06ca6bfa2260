//! A million buckets of an `each`, counted by the allocator: less than 300 MiB, and all of it is given back.

use holdline_limit::LimitTable;
use holdline_model::limit::{LimitConfig, Operation, Request, Verdict};
use holdline_model::{Millis, NodeId};

const NODE: NodeId = NodeId(1);
const START: Millis = Millis(1_700_000_000_000);
const BUCKETS: u32 = 1_000_000;
const BOUND: u64 = 300 << 20;

fn table() -> LimitTable {
    let each = serde_json::json!({
        "each": [{"name": "per-caller", "by": "caller", "rate": "1/min", "burst": 5}]
    });
    let config: LimitConfig = serde_json::from_value(each).expect("it is a configuration");
    let mut table = LimitTable::default();
    table.set(0, &config, START).expect("it is valid");
    table.tick(NODE, START);
    table
}

fn ask(table: &mut LimitTable, at: Millis, number: u32) -> Verdict {
    let caller = format!("+49691{number:08}");
    let request = Request {
        operation: Operation::Invite,
        pop: "fra",
        tenant: "acme",
        trunk: "pbx",
        source: [192, 0, 2, 1].into(),
        caller: &caller,
        called: "+4969200",
    };
    table.ask(NODE, at, &request)
}

#[test]
fn a_million_buckets_take_less_than_300_mib_and_are_forgotten_when_full() {
    let mut table = table();
    let grown = allocation_counter::measure(|| {
        for number in 0..BUCKETS {
            assert!(matches!(ask(&mut table, START, number), Verdict::Admitted(_)));
            if number % 1_000 == 0 {
                // As each batch of entries is written.
                drop(table.take_changes());
            }
        }
        drop(table.take_changes());
    });
    let view = table.view();
    assert_eq!(view.each[0].count.max(u64::from(BUCKETS.min(100_000))), view.each[0].count);
    let bytes = u64::try_from(grown.bytes_current).expect("it has grown");
    println!(
        "{BUCKETS} buckets: {} MiB, {} bytes each, {} MiB at most",
        bytes >> 20,
        bytes / u64::from(BUCKETS),
        grown.bytes_max >> 20
    );
    assert!(grown.bytes_max < BOUND, "{} MiB", grown.bytes_max >> 20);
    // They are full after a minute; the leader's ticks forget them.
    let shrunk = allocation_counter::measure(|| {
        for second in 1..=240 {
            table.tick(NODE, START.plus_ms(second * 1_000));
            drop(table.take_changes());
        }
    });
    assert!(!table.needs_tick(), "all are forgotten");
    let left = bytes as i64 + shrunk.bytes_current;
    assert!(left < 1 << 20, "{left} bytes are left");
}
