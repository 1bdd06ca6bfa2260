//! Users and bindings.

use holdline_model::{
    Aor, Binding, BindingChange, Format, Ha1, Hop, LocationRecord, PutUser, Register,
    RegisterBounds, RegistrarTotals, Rejection, RemoveBindings, RemoveUser, SetFormat,
    SweepBindings, UserRecord, limits,
};

use super::*;

fn aor(user: &str) -> Aor {
    Aor::new(user, "example.com").expect("an address")
}

fn user(name: &str) -> UserRecord {
    UserRecord {
        aor: aor(name),
        tenant: Name::from("acme"),
        ha1: Ha1 { md5: [1; 16], sha256: [2; 32] },
        max_bindings: None,
        changed_at: Millis(2_000),
    }
}

fn binding(contact: &str, call_id: &str, cseq: u32, until: u64) -> Binding {
    Binding {
        key: contact.to_owned(),
        contact: contact.to_owned(),
        q: 1000,
        path: vec!["<sip:p;lr>".to_owned()],
        instance: None,
        reg_id: None,
        call_id: call_id.to_owned(),
        cseq,
        hop: Hop::udp(
            "127.0.0.11:5060".parse().expect("an address"),
            "127.0.0.31:5060".parse().expect("an address"),
        ),
        at: Millis(2_000),
        granted_s: 60,
        until: Millis(until),
    }
}

fn register(request: u128, cseq: u32, changes: Vec<BindingChange>) -> Register {
    Register {
        aor: aor("alice"),
        slot: SlotId(0),
        epoch: Epoch(1),
        at: Millis(2_000),
        request,
        call_id: "reg".to_owned(),
        cseq,
        changes,
        bounds: RegisterBounds { per_aor: 2, replace_oldest: true, total: 3 },
    }
}

fn put(contact: &str, cseq: u32, until: u64) -> BindingChange {
    BindingChange::Put(Box::new(binding(contact, "reg", cseq, until)))
}

fn with_users() -> Cluster {
    let mut cluster = Cluster::new();
    for name in ["alice", "bob"] {
        let command = PutUser { record: user(name), replace: false };
        assert!(matches!(cluster.run(&Command::PutUser(Box::new(command))), Reply::At(_)));
    }
    cluster
}

/// `Done` stands for whichever entry it is.
fn run(cluster: &mut Cluster, register: Register) -> Reply {
    let reply = cluster.run(&Command::Register(Box::new(register)));
    if let Reply::At(index) = reply {
        assert_eq!(index, cluster.index);
        return Reply::Done;
    }
    reply
}

fn contacts(cluster: &Cluster, name: &str) -> Vec<String> {
    let record = cluster.state.locations.get(&aor(name));
    let bindings = record.map(|record| record.bindings.clone()).unwrap_or_default();
    bindings.into_iter().map(|binding| binding.contact).collect()
}

/// What must hold after any command: totals and notes agree with the records.
fn check(cluster: &Cluster) {
    let state = &cluster.state;
    let bindings: usize = state.locations.values().map(|record| record.bindings.len()).sum();
    let totals = RegistrarTotals {
        users: u64::try_from(state.users.len()).expect("small"),
        bindings: u64::try_from(bindings).expect("small"),
    };
    assert_eq!(state.totals, totals);
    let ends = state
        .locations
        .values()
        .filter_map(|record| Some((LocationRecord::next_end(record)?, record.aor.clone())));
    assert_eq!(state.binding_ends, ends.collect());
}

#[test]
fn a_user_is_added_once_and_replaced_on_demand() {
    let mut cluster = with_users();
    let put = |record, replace| Command::PutUser(Box::new(PutUser { record, replace }));
    assert!(matches!(cluster.run(&put(user("alice"), false)), Reply::At(_)), "the same again");
    let other = UserRecord { tenant: Name::from("other"), ..user("alice") };
    let exists = Reply::Rejected(Rejection::UserExists);
    assert_eq!(cluster.run(&put(other.clone(), false)), exists);
    assert!(matches!(cluster.run(&put(other.clone(), true)), Reply::At(_)));
    assert_eq!(cluster.state.users.get(&aor("alice")), Some(&other));
    check(&cluster);
}

#[test]
fn a_register_makes_changes_and_removes_bindings() {
    let mut cluster = with_users();
    assert_eq!(run(&mut cluster, register(1, 1, vec![put("sip:a", 1, 9_000)])), Reply::Done);
    assert_eq!(run(&mut cluster, register(2, 2, vec![put("sip:b", 2, 8_000)])), Reply::Done);
    assert_eq!(contacts(&cluster, "alice"), ["sip:a", "sip:b"]);
    assert_eq!(run(&mut cluster, register(3, 3, vec![put("sip:a", 3, 9_500)])), Reply::Done);
    assert_eq!(contacts(&cluster, "alice"), ["sip:b", "sip:a"], "in the order of change");
    check(&cluster);
    let remove = BindingChange::Remove { key: "sip:b".to_owned() };
    assert_eq!(run(&mut cluster, register(4, 4, vec![remove])), Reply::Done);
    assert_eq!(contacts(&cluster, "alice"), ["sip:a"]);
    assert_eq!(run(&mut cluster, register(5, 5, vec![BindingChange::RemoveAll])), Reply::Done);
    assert!(cluster.state.locations.is_empty());
    check(&cluster);
}

#[test]
fn the_same_request_again_changes_nothing() {
    let mut cluster = with_users();
    run(&mut cluster, register(1, 1, vec![put("sip:a", 1, 9_000)]));
    run(&mut cluster, register(2, 2, vec![put("sip:b", 2, 9_000)]));
    let before = cluster.state.clone();
    assert_eq!(run(&mut cluster, register(1, 1, vec![put("sip:a", 1, 9_000)])), Reply::Done);
    assert_eq!(cluster.state, before);
}

#[test]
fn an_older_cseq_of_the_same_call_id_changes_nothing_at_all() {
    let mut cluster = with_users();
    run(&mut cluster, register(1, 5, vec![put("sip:a", 5, 9_000)]));
    let before = cluster.state.clone();
    let old = Reply::Rejected(Rejection::OldCSeq { committed: 5, named: 4 });
    for change in [
        put("sip:a", 4, 9_900),
        BindingChange::Remove { key: "sip:a".to_owned() },
        BindingChange::RemoveAll,
    ] {
        let both = vec![put("sip:b", 4, 9_000), change];
        assert_eq!(run(&mut cluster, register(2, 4, both)), old);
        assert_eq!(cluster.state, before);
    }
    let other = Register {
        call_id: "another".to_owned(),
        ..register(3, 1, vec![BindingChange::RemoveAll])
    };
    assert_eq!(run(&mut cluster, other), Reply::Done, "another Call-ID has its own numbers");
}

#[test]
fn a_deposed_owner_registers_nobody() {
    let mut cluster = with_users();
    let before = cluster.state.clone();
    let stale = Register { epoch: Epoch(0), ..register(1, 1, vec![put("sip:a", 1, 9_000)]) };
    assert!(matches!(
        run(&mut cluster, stale),
        Reply::Rejected(Rejection::StaleEpoch { named: Epoch(0), current: Epoch(1), .. })
    ));
    let nowhere = Register { slot: SlotId(99), ..register(1, 1, vec![]) };
    assert_eq!(
        run(&mut cluster, nowhere),
        Reply::Rejected(Rejection::UnknownSlot { slot: SlotId(99) })
    );
    let nobody = Register { aor: aor("carol"), ..register(1, 1, vec![put("sip:c", 1, 9_000)]) };
    assert_eq!(run(&mut cluster, nobody), Reply::Rejected(Rejection::UnknownUser));
    assert_eq!(cluster.state, before);
}

#[test]
fn one_binding_too_many_replaces_the_oldest_or_is_refused() {
    let mut cluster = with_users();
    for (request, contact) in [(1, "sip:a"), (2, "sip:b"), (3, "sip:c")] {
        let cseq = u32::try_from(request).expect("small");
        let register = register(request, cseq, vec![put(contact, cseq, 9_000)]);
        assert_eq!(run(&mut cluster, register), Reply::Done);
    }
    assert_eq!(contacts(&cluster, "alice"), ["sip:b", "sip:c"]);
    let bounds = RegisterBounds { per_aor: 2, replace_oldest: false, total: 3 };
    let strict = Register { bounds, ..register(4, 4, vec![put("sip:d", 4, 9_000)]) };
    let many = Reply::Rejected(Rejection::TooManyBindings { limit: 2 });
    assert_eq!(run(&mut cluster, strict), many);
    let record = UserRecord { max_bindings: Some(1), ..user("alice") };
    cluster.run(&Command::PutUser(Box::new(PutUser { record, replace: true })));
    assert_eq!(run(&mut cluster, register(5, 5, vec![put("sip:d", 5, 9_000)])), Reply::Done);
    assert_eq!(contacts(&cluster, "alice"), ["sip:d"], "the user's own limit counts");
    check(&cluster);
}

#[test]
fn the_total_is_bounded_and_refreshes_pass() {
    let mut cluster = with_users();
    run(&mut cluster, register(1, 1, vec![put("sip:a", 1, 9_000), put("sip:b", 1, 9_000)]));
    let bobs = Register { aor: aor("bob"), ..register(2, 2, vec![put("sip:x", 2, 9_000)]) };
    assert_eq!(run(&mut cluster, bobs), Reply::Done);
    let more = Register { aor: aor("bob"), ..register(3, 3, vec![put("sip:y", 3, 9_000)]) };
    let full = Rejection::RegistrarFull { what: "bindings".to_owned(), limit: 3 };
    assert_eq!(run(&mut cluster, more), Reply::Rejected(full));
    let refresh = register(4, 4, vec![put("sip:a", 4, 9_900)]);
    assert_eq!(run(&mut cluster, refresh), Reply::Done);
    check(&cluster);
}

#[test]
fn oversized_bindings_are_refused() {
    let mut cluster = with_users();
    let long = "x".repeat(limits::MAX_BINDING_TEXT_BYTES + 1);
    let what = "size of a binding".to_owned();
    assert_eq!(
        run(&mut cluster, register(1, 1, vec![put(&long, 1, 9_000)])),
        Reply::Rejected(Rejection::OutOfBounds { what })
    );
}

#[test]
fn ended_bindings_are_swept_and_do_not_count_before() {
    let mut cluster = with_users();
    run(&mut cluster, register(1, 1, vec![put("sip:a", 1, 3_000), put("sip:b", 1, 5_000)]));
    let sweep = |up_to| Command::SweepBindings(SweepBindings { up_to: Millis(up_to) });
    assert_eq!(cluster.run(&sweep(2_999)), Reply::Count(0));
    assert_eq!(cluster.run(&sweep(3_000)), Reply::Count(1));
    assert_eq!(contacts(&cluster, "alice"), ["sip:b"]);
    check(&cluster);
    let late = Register { at: Millis(5_000), ..register(2, 2, vec![put("sip:c", 2, 9_000)]) };
    assert_eq!(run(&mut cluster, late), Reply::Done);
    assert_eq!(contacts(&cluster, "alice"), ["sip:c"], "what has ended makes room");
    check(&cluster);
    assert_eq!(cluster.run(&sweep(9_000)), Reply::Count(1));
    assert!(cluster.state.locations.is_empty() && cluster.state.binding_ends.is_empty());
}

#[test]
fn a_removed_user_takes_its_bindings_along() {
    let mut cluster = with_users();
    run(&mut cluster, register(1, 1, vec![put("sip:a", 1, 9_000)]));
    let remove = Command::RemoveUser(RemoveUser { aor: aor("alice") });
    assert!(matches!(cluster.run(&remove), Reply::At(_)));
    assert_eq!(cluster.run(&remove), Reply::Rejected(Rejection::UnknownUser));
    assert!(cluster.state.locations.is_empty());
    check(&cluster);
}

#[test]
fn an_administrator_ends_one_binding_or_all() {
    let mut cluster = with_users();
    run(&mut cluster, register(1, 1, vec![put("sip:a", 1, 9_000), put("sip:b", 1, 9_000)]));
    let remove = |key: Option<&str>| {
        let key = key.map(str::to_owned);
        Command::RemoveBindings(RemoveBindings { aor: aor("alice"), key })
    };
    assert_eq!(cluster.run(&remove(Some("sip:x"))), Reply::Count(0));
    assert_eq!(cluster.run(&remove(Some("sip:a"))), Reply::Count(1));
    assert_eq!(contacts(&cluster, "alice"), ["sip:b"]);
    assert_eq!(cluster.run(&remove(None)), Reply::Count(1));
    assert_eq!(cluster.run(&remove(None)), Reply::Count(0));
    check(&cluster);
}

/// A device with an instance-id that registers under another contact.
fn moved(contact: &str, cseq: u32) -> BindingChange {
    let binding = binding(contact, "reg", cseq, 62_000);
    let instance = Some("urn:uuid:1".to_owned());
    BindingChange::Put(Box::new(Binding { key: "one".to_owned(), instance, ..binding }))
}

fn former(cluster: &Cluster) -> Vec<String> {
    let record = cluster.state.locations.get(&aor("alice"));
    let former = record.map(|record| record.former.iter().map(|it| it.contact.clone()));
    former.map(Iterator::collect).unwrap_or_default()
}

#[test]
fn contacts_that_a_device_had_are_kept_once_the_format_has_them() {
    let mut cluster = with_users();
    assert_eq!(run(&mut cluster, register(1, 1, vec![moved("sip:a@1", 1)])), Reply::Done);
    assert_eq!(run(&mut cluster, register(2, 2, vec![moved("sip:a@2", 2)])), Reply::Done);
    assert!(former(&cluster).is_empty(), "format 2 has none");
    let set = |format| Command::SetFormat(SetFormat { format: Format(format), at: Millis(2_000) });
    cluster.run(&set(3));
    assert_eq!(run(&mut cluster, register(3, 3, vec![moved("sip:a@3", 3)])), Reply::Done);
    assert_eq!(run(&mut cluster, register(4, 4, vec![moved("sip:a@3", 4)])), Reply::Done);
    assert_eq!(run(&mut cluster, register(5, 5, vec![moved("sip:a@4", 5)])), Reply::Done);
    assert_eq!(former(&cluster), ["sip:a@2", "sip:a@3"]);
    assert_eq!(run(&mut cluster, register(6, 6, vec![moved("sip:a@2", 6)])), Reply::Done);
    assert_eq!(former(&cluster), ["sip:a@3", "sip:a@4"], "it has that one again");
    for turn in 0..40 {
        let (cseq, contact) = (7 + turn, format!("sip:a@more{turn}"));
        let change = vec![moved(&contact, cseq)];
        assert_eq!(run(&mut cluster, register(u128::from(cseq), cseq, change)), Reply::Done);
    }
    assert_eq!(former(&cluster).len(), limits::MAX_FORMER_CONTACTS);
    let plain = vec![put("sip:b@1", 60, 62_000), BindingChange::Remove { key: "one".to_owned() }];
    assert_eq!(run(&mut cluster, register(60, 60, plain)), Reply::Done);
    assert!(former(&cluster).is_empty(), "the device is gone");
    let plain = vec![put("sip:b@2", 61, 62_000)];
    assert_eq!(run(&mut cluster, register(61, 61, plain)), Reply::Done);
    assert!(former(&cluster).is_empty(), "without an instance-id nobody comes back");
}

#[test]
fn a_format_is_never_lowered() {
    let mut cluster = with_users();
    for (format, expected) in [(3, 3), (2, 3), (3, 3), (9, 9)] {
        let set = SetFormat { format: Format(format), at: Millis(2_000) };
        assert!(matches!(cluster.run(&Command::SetFormat(set)), Reply::At(_)));
        assert_eq!(cluster.state.format, Format(expected));
    }
}
