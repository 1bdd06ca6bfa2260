//! What sealing costs: a value written and read, in clear and sealed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use holdline_storage::engine::{Batch, Durability};
use holdline_storage::seal::{Keyring, SealKey};
use holdline_storage::{Engine, RocksEngine, RocksOptions, SealedEngine, Table};
use tempfile::TempDir;

/// Values of a batch, batches, bytes of a value: as apply writes calls.
const VALUES: u32 = 100;
const BATCHES: u32 = 1_000;
const BYTES: usize = 500;

#[test]
#[ignore = "a measurement, not a test: run it alone on the machine"]
fn measures_what_sealing_costs() {
    // The first round warms up.
    for round in 0..3 {
        let (clear, sealed) = (write_and_read(false), write_and_read(true));
        if round > 0 {
            eprintln!("in clear: {clear:?}; sealed: {sealed:?} (a value: written, read)");
        }
    }
}

/// How long writing and reading a value takes.
fn write_and_read(sealed: bool) -> (Duration, Duration) {
    let folder = TempDir::new().unwrap();
    let rocks = RocksEngine::open(&folder.path().join("db"), &RocksOptions::default()).unwrap();
    let mut engine: Arc<dyn Engine> = Arc::new(rocks);
    if sealed {
        let keys = Keyring::open(folder.path(), &[SealKey::new([7; 32])], true, [9; 72]);
        engine = Arc::new(SealedEngine::new(engine, Arc::new(keys.unwrap().unwrap())));
    }
    let key = |batch: u32, value: u32| (u64::from(batch) << 32 | u64::from(value)).to_be_bytes();
    let text = |n: u32| vec![u8::try_from(n % 251).unwrap(); BYTES];
    let start = now();
    for number in 0..BATCHES {
        let mut batch = Batch::with_capacity(VALUES as usize);
        for value in 0..VALUES {
            batch.put(Table::Calls, key(number, value).to_vec(), text(value));
        }
        engine.write(batch, Durability::State).unwrap();
    }
    let written = start.elapsed();
    let start = now();
    for number in 0..BATCHES {
        for value in 0..VALUES {
            let found = engine.get(Table::Calls, &key(number, value)).unwrap();
            assert_eq!(found.map(|it| it.len()), Some(BYTES));
        }
    }
    let count = BATCHES * VALUES;
    (written / count, start.elapsed() / count)
}

#[expect(clippy::disallowed_methods, reason = "it measures")]
fn now() -> Instant {
    Instant::now()
}
