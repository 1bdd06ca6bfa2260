//! A backup is read back as it was written, and nothing else is.

use std::sync::Arc;

use holdline_model::{CdrId, GroupId, Millis, NodeId, Phase, State as _};
use tempfile::TempDir;

use super::*;
use crate::codec::samples::{call, call_id, cdr, cluster, location, node, slot, user};
use crate::engine::MemoryEngine;
use crate::seal::SealKey;
use crate::snapshot::SnapshotStore;
use crate::tables::{CdrQuery, StateStore};

const GROUP: GroupId = GroupId(0);

fn open(engine: &MemoryEngine) -> StateStore {
    let folder = TempDir::new().unwrap();
    let snapshots = SnapshotStore::open(folder.path()).unwrap();
    StateStore::open(Arc::new(engine.clone()), GROUP, &snapshots).unwrap()
}

fn facts() -> Facts {
    Facts {
        cluster: "test".to_owned(),
        applied_index: 7,
        at: Millis(1_000),
        node: NodeId(2),
        version: "0.1.0".to_owned(),
        about_bytes: 0,
    }
}

/// A state with something in each table, and a stream of it in clear.
fn populated() -> (StateStore, Vec<u8>) {
    let store = open(&MemoryEngine::new());
    let mut batch = store.batch();
    batch.put_cluster(&cluster()).unwrap();
    batch.put_node(&node(2)).unwrap();
    batch.put_slot(&slot(7)).unwrap();
    batch.put_call(call(call_id(7, 1), Phase::Confirmed)).unwrap();
    batch.put_user(user()).unwrap();
    batch.put_location(location()).unwrap();
    for index in 0..3_000 {
        batch.put_cdr(&cdr(index, 0)).unwrap();
    }
    batch.commit(b"mark").unwrap();
    let mut stream = Vec::new();
    store.reader().back_up(facts(), &mut stream).unwrap();
    (store, stream)
}

fn key(byte: u8) -> SealKey {
    SealKey::new([byte; 32])
}

/// Seals a stream that is in clear, as the command line does.
fn sealed(stream: &[u8], key: &SealKey) -> Vec<u8> {
    let mut reader = FrameReader::begin(stream).unwrap();
    let header = BackupHeader {
        sealed: Some(Sealed { key: key.id(), nonce: [5; 16] }),
        ..reader.header().clone()
    };
    let mut writer = FrameWriter::begin(Vec::new(), &header, Some(key)).unwrap();
    loop {
        let frame = reader.next_frame().unwrap();
        let is_last = matches!(frame, Frame::Footer(_));
        writer.frame(frame).unwrap();
        if is_last {
            return writer.into_inner();
        }
    }
}

fn check(bytes: &[u8], key: Option<&SealKey>) -> Result<Contents, BackupError> {
    let mut reader = FrameReader::begin(bytes)?;
    if key.is_some() {
        reader.unlock(key)?;
    }
    read_through(&mut reader)
}

#[test]
fn what_is_loaded_is_what_was_saved() {
    let (store, stream) = populated();
    let backup = sealed(&stream, &key(1));
    assert!(!backup.windows(8).any(|bytes| bytes == b"sip:a@h\x07"), "it is sealed");
    let mut reader = FrameReader::begin(backup.as_slice()).unwrap();
    assert_eq!(reader.header().facts.cluster, "test");
    assert_eq!(reader.header().cluster, cluster().cluster);
    assert_eq!(reader.header().applied.as_ref(), b"mark");
    reader.unlock(Some(&key(1))).unwrap();
    let engine = MemoryEngine::new();
    let contents = load(&mut reader, &engine).unwrap();
    assert_eq!(contents.bytes, backup.len() as u64);
    assert!(contents.frames > 1, "more than one frame of records");
    let cdrs = contents.tables.iter().find(|(table, _)| *table == crate::Table::Cdrs);
    assert_eq!(cdrs.map(|(_, count)| *count), Some(3_000));
    let (loaded, saved) = (open(&engine.crash()).reader(), store.reader());
    assert_eq!(loaded.applied().unwrap(), saved.applied().unwrap());
    assert_eq!((loaded.cluster(), loaded.nodes()), (saved.cluster(), saved.nodes()));
    assert_eq!(loaded.slots(), saved.slots());
    assert_eq!(loaded.calls(None, 10).unwrap(), saved.calls(None, 10).unwrap());
    let all = CdrQuery { limit: 5_000, ..CdrQuery::default() };
    assert_eq!(loaded.cdrs(&all).unwrap(), saved.cdrs(&all).unwrap());
    assert_eq!(loaded.users(None, 10).unwrap(), saved.users(None, 10).unwrap());
    assert_eq!(loaded.locations(None, 10).unwrap(), saved.locations(None, 10).unwrap());
}

#[test]
fn it_is_of_one_moment_whatever_is_written_meanwhile() {
    struct Slow<'a>(&'a StateStore, Vec<u8>, u64);
    impl std::io::Write for Slow<'_> {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.2 += 1;
            let mut batch = self.0.batch();
            batch.put_cdr(&cdr(10_000 + self.2, 0)).unwrap();
            batch.commit(b"later").unwrap();
            self.1.extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (store, still) = populated();
    let mut slow = Slow(&store, Vec::new(), 0);
    store.reader().back_up(facts(), &mut slow).unwrap();
    assert!(store.reader().cdr(CdrId { index: 10_001, position: 0 }).unwrap().is_some());
    assert_eq!(slow.1, still);
}

#[test]
fn another_key_and_no_key_are_refused_by_name() {
    let backup = sealed(&populated().1, &key(1));
    let wrong = check(&backup, Some(&key(2))).unwrap_err();
    assert!(matches!(wrong, BackupError::WrongKey { needed, given }
        if needed == key(1).id() && given == key(2).id()));
    let text = wrong.to_string();
    assert!(text.contains(&key(1).id().to_string()) && text.contains(&key(2).id().to_string()));
    let mut reader = FrameReader::begin(backup.as_slice()).unwrap();
    assert!(matches!(reader.unlock(None), Err(BackupError::KeyNeeded { .. })));
    assert_eq!(check(&backup, None).unwrap().tables, [], "checksums need no key");
    assert!(check(&backup, Some(&key(1))).is_ok());
}

#[test]
fn damage_and_loss_are_named_with_and_without_the_key() {
    let backup = sealed(&populated().1, &key(1));
    for length in (0..backup.len()).step_by(997).chain([backup.len() - 1]) {
        let outcome = check(&backup[..length], None);
        assert!(
            matches!(outcome, Err(BackupError::Short { .. } | BackupError::NotABackup)),
            "{length}: {outcome:?}"
        );
    }
    for at in (0..backup.len()).step_by(613) {
        let mut damaged = backup.clone();
        damaged[at] ^= 0x40;
        assert!(check(&damaged, None).is_err(), "byte {at}");
        assert!(check(&damaged, Some(&key(1))).is_err(), "byte {at}");
    }
    let mut longer = backup;
    longer.push(0);
    assert!(matches!(check(&longer, None), Err(BackupError::Damaged { .. })));
    let other = check(b"HLBKUP\0\x02...", None).unwrap_err();
    assert!(matches!(other, BackupError::OtherFormat { found: 2, known: 1 }), "{other}");
    assert!(matches!(check(b"PK\x03\x04 not at all", None), Err(BackupError::NotABackup)));
}

/// Somebody who can write the file, but has no key, cannot exchange frames without being noticed.
#[test]
fn frames_out_of_their_place_are_refused() {
    let backup = sealed(&populated().1, &key(1));
    let mut frames = Vec::new();
    let mut at = 8;
    while at < backup.len() {
        let length = backup.get(at + 1..at + 5).and_then(|bytes| bytes.first_chunk::<4>()).unwrap();
        let end = at + 9 + usize::try_from(u32::from_le_bytes(*length)).unwrap();
        frames.push(backup[at..end].to_vec());
        at = end;
    }
    assert!(frames.len() > 2, "header, records, footer");
    let build = |order: &[usize]| {
        let mut bytes = backup[..8].to_vec();
        order.iter().for_each(|place| bytes.extend_from_slice(&frames[*place]));
        bytes
    };
    let all: Vec<_> = (0..frames.len()).collect();
    assert!(check(&build(&all), Some(&key(1))).is_ok());
    let mut swapped = all.clone();
    swapped.swap(1, 2);
    let mut without = all;
    without.remove(1);
    for order in [swapped, without] {
        let outcome = check(&build(&order), Some(&key(1)));
        assert!(matches!(outcome, Err(BackupError::Damaged { .. })), "{order:?}: {outcome:?}");
    }
}
