//! What a sealed engine keeps, and what it notices.

use super::*;
use crate::engine::MemoryEngine;
use crate::seal::SealKey;

fn key(byte: u8) -> SealKey {
    SealKey::new([byte; 32])
}

fn engine(inner: &MemoryEngine, keys: &[u8], run: u8) -> SealedEngine {
    let keys: Vec<_> = keys.iter().map(|byte| key(*byte)).collect();
    SealedEngine::new(Arc::new(inner.clone()), Arc::new(Keyring::of(&keys, run)))
}

fn all(engine: &dyn Read, table: Table) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut all = Vec::new();
    let range = KeyRange { from: &[0], to: &[9] };
    engine
        .scan(table, range, Direction::Forward, &mut |key, value| {
            all.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })
        .unwrap();
    all
}

fn fill(engine: &SealedEngine) {
    let mut state = Batch::new();
    for number in 0..20_u8 {
        let aor = format!("\0\0+49301234{number:02}@example.com");
        state.put(Table::Users, aor.into_bytes(), format!("user {number}").into_bytes());
        state.put(Table::Cdrs, vec![0, 0, number], format!("+49301234{number:02}").into_bytes());
    }
    engine.write(state, Durability::State).unwrap();
    let mut log = Batch::new();
    log.put(Table::Log, vec![0, 0, 1], b"INVITE sip:+4930123400".to_vec());
    engine.write(log, Durability::Synced).unwrap();
}

#[test]
fn what_is_beneath_holds_nothing_in_clear() {
    let inner = MemoryEngine::new();
    fill(&engine(&inner, &[1], 1));
    for table in [Table::Users, Table::Cdrs, Table::Log] {
        let beneath = all(&inner, table);
        assert!(!beneath.is_empty());
        let bytes: Vec<u8> =
            beneath.into_iter().flat_map(|(key, value)| [key, value].concat()).collect();
        assert!(!bytes.windows(6).any(|it| it == b"493012" || it == b"INVITE"), "{table:?}");
        assert!(!bytes.windows(7).any(|it| it == b"example"), "{table:?}");
    }
}

#[test]
fn keys_with_names_are_found_listed_paged_and_removed() {
    let inner = MemoryEngine::new();
    let sealed = engine(&inner, &[1], 1);
    fill(&sealed);
    let one = b"\0\0+4930123407@example.com".to_vec();
    assert_eq!(sealed.get(Table::Users, &one).unwrap().as_deref(), Some(&b"user 7"[..]));
    assert_eq!(sealed.get(Table::Users, b"\0\0nobody").unwrap(), None);
    let users = all(&sealed, Table::Users);
    assert_eq!(users.len(), 20);
    assert!(users.iter().all(|(key, _)| key.starts_with(b"\0\0+49301234")));
    let mut paged = Vec::new();
    let mut from = vec![0, 0];
    loop {
        let mut page = Vec::new();
        let range = KeyRange { from: &from, to: &[0, 1] };
        let forward = Direction::Forward;
        sealed
            .scan(Table::Users, range, forward, &mut |key, value| {
                page.push((key.to_vec(), value.to_vec()));
                if page.len() == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .unwrap();
        let Some((last, _)) = page.last() else { break };
        from = [last.as_slice(), &[0]].concat();
        paged.extend(page);
    }
    assert_eq!(paged, users);
    let mut batch = Batch::new();
    batch.delete(Table::Users, one.clone());
    sealed.write(batch, Durability::State).unwrap();
    assert_eq!(sealed.view().get(Table::Users, &one).unwrap(), None);
    let mut batch = Batch::new();
    batch.delete_range(Table::Users, vec![0, 0], vec![0, 1]);
    sealed.write(batch, Durability::State).unwrap();
    assert_eq!(all(&sealed, Table::Users), []);
}

#[test]
fn a_value_at_another_key_or_changed_is_refused() {
    let inner = MemoryEngine::new();
    let sealed = engine(&inner, &[1], 1);
    fill(&sealed);
    let value = inner.get(Table::Cdrs, &[0, 0, 1]).unwrap().unwrap();
    let mut batch = Batch::new();
    batch.put(Table::Cdrs, vec![0, 0, 2], value);
    inner.write(batch, Durability::State).unwrap();
    let moved = sealed.get(Table::Cdrs, &[0, 0, 2]);
    assert!(matches!(moved, Err(EngineError::Corrupt { .. })));
    assert!(sealed.get(Table::Cdrs, &[0, 0, 1]).is_ok());
    let other = engine(&inner, &[2], 1);
    let text = format!("{:?}", other.get(Table::Cdrs, &[0, 0, 1]).unwrap_err());
    assert!(text.contains(&key(1).id().to_string()), "{text}");
}

#[test]
fn old_keys_read_and_what_they_sealed_is_sealed_anew() {
    let inner = MemoryEngine::new();
    fill(&engine(&inner, &[1], 1));
    let both = engine(&inner, &[2, 1], 2);
    let before = (all(&both, Table::Users), all(&both, Table::Cdrs));
    assert_eq!((before.0.len(), before.1.len()), (20, 20));
    let mut at = Anew::default();
    while !at.done {
        both.seal_anew(&mut at, 7).unwrap();
    }
    assert_eq!(at.sealed, 41);
    let new = engine(&inner, &[2], 3);
    assert_eq!((all(&new, Table::Users), all(&new, Table::Cdrs)), before);
    assert!(new.get(Table::Log, &[0, 0, 1]).unwrap().is_some());
    let mut at = Anew::default();
    while !at.done {
        new.seal_anew(&mut at, 100).unwrap();
    }
    assert_eq!(at.sealed, 0, "nothing is left of the old key");
}

/// A value that somebody has put to another key: the database beneath finds nothing wrong with it.
#[test]
fn a_value_that_is_not_authentic_is_told_of_once_and_nothing_is_written_any_more() {
    let inner = MemoryEngine::new();
    fill(&engine(&inner, &[1], 1));
    let mut stolen = Vec::new();
    let range = KeyRange { from: &[0], to: &END };
    let _done = inner.scan(Table::Users, range, Direction::Forward, &mut |key, value| {
        stolen.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    });
    let mut forged = Batch::new();
    forged.put(Table::Users, stolen[0].0.clone(), stolen[1].1.clone());
    inner.write(forged, Durability::State).unwrap();
    let heard = Arc::new(std::sync::Mutex::new(Vec::new()));
    let telling = Arc::clone(&heard);
    let told = move |what: &str| telling.lock().unwrap().push(what.to_owned());
    let sealed = engine(&inner, &[1], 2).telling(Box::new(told));
    for _ in 0..2 {
        let range = KeyRange { from: &[0], to: &[9] };
        let walk = &mut |_: &[u8], _: &[u8]| ControlFlow::Continue(());
        let found = sealed.scan(Table::Users, range, Direction::Forward, walk);
        assert!(matches!(found, Err(EngineError::Corrupt { .. })));
    }
    let heard = heard.lock().unwrap().clone();
    assert_eq!(heard.len(), 1);
    assert!(heard[0].ends_with("in table users"), "{heard:?}");
    let written = sealed.write(Batch::new(), Durability::State);
    assert!(matches!(written, Err(EngineError::Failed { .. })));
}

#[test]
fn a_key_that_is_not_configured_is_no_damage() {
    let inner = MemoryEngine::new();
    fill(&engine(&inner, &[1], 1));
    let told = |what: &str| panic!("told of {what}");
    let sealed = engine(&inner, &[2], 2).telling(Box::new(told));
    let walk = &mut |_: &[u8], _: &[u8]| ControlFlow::Continue(());
    let range = KeyRange { from: &[0], to: &[9] };
    assert!(sealed.scan(Table::Users, range, Direction::Forward, walk).is_err());
    sealed.write(Batch::new(), Durability::State).unwrap();
}
