//! The emergency numbers of the replicated limits, in the node's own protection: with a real state,
//! without sockets.

use std::time::Duration;

use holdline_apply::{Action, Position, apply};
use holdline_guard::{BanScope, Rate, ShieldOptions};
use holdline_model::limit::LimitConfig;
use holdline_model::{Command, GroupId, Millis, SetLimits};
use holdline_storage::{MemoryEngine, SnapshotStore, StateStore};
use tempfile::TempDir;

use super::*;

const GROUP: GroupId = GroupId(0);

/// The state of a node.
struct Node {
    _folder: TempDir,
    snapshots: SnapshotStore,
    state: StateStore,
}

impl Node {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let snapshots = SnapshotStore::open(folder.path()).unwrap();
        let state = StateStore::open(Arc::new(MemoryEngine::new()), GROUP, &snapshots).unwrap();
        Self { _folder: folder, snapshots, state }
    }

    /// An operator's change of the limits, applied; what follows from it.
    fn set(&self, expected: u64, emergency: &[&str]) -> Vec<Action> {
        let emergency = emergency.iter().map(|number| (*number).to_owned()).collect();
        let config = LimitConfig { emergency, ..LimitConfig::default() };
        let set = SetLimits { expected, config, at: Millis(1) };
        let command = Command::SetLimits(Box::new(set));
        let (mut batch, mut actions) = (self.state.batch(), Vec::new());
        let position = Position { index: expected + 1, position: 0 };
        apply(&mut batch, position, &command, &mut actions).unwrap();
        batch.commit(b"applied").unwrap();
        actions
    }

    /// Has this node's state replaced by a snapshot of another's.
    fn install(&self, other: &Self) {
        let built = other.state.build_snapshot(&other.snapshots).unwrap();
        let mut receiver = self.snapshots.receive(GROUP).unwrap();
        while receiver.received() < built.bytes() {
            let piece = built.read_chunk(receiver.received(), 1_000).unwrap();
            receiver.write(receiver.received(), &piece).unwrap();
        }
        let received = receiver.finish().unwrap();
        self.state.install_snapshot(&self.snapshots, &received).unwrap();
    }
}

/// A shield that lets one request of a source through, and a gate that is as good as shut.
fn strict() -> Arc<Protection> {
    let shield = ShieldOptions {
        transactions: Some(Rate::new(1, 1)),
        exempt: Some(Rate::new(1, 1_000)),
        ban_after: None,
        ..ShieldOptions::default()
    };
    let config = ProtectionConfig {
        shield: Some(shield),
        ban_for: Duration::from_secs(60),
        allow: Vec::new(),
        overload: None,
        retry_after_s: 2,
    };
    let (protection, _news) = Protection::new(NodeId(1), Clock::start(), config, 1, 7);
    protection.gate.set(Some(1));
    let mut bans = Bans::clone(&protection.bans.load());
    let now = protection.clock.now();
    let ban = holdline_guard::Ban {
        block: "198.51.100.66".parse().unwrap(),
        until: now.plus_ms(60_000),
        at: now,
        by: NodeId(1),
        reason: holdline_guard::BanReason::Operator,
        scope: BanScope::New,
        lifted: false,
    };
    bans.add(now, ban).unwrap();
    protection.bans.store(Arc::new(bans));
    protection
}

fn invite(number: &str) -> bytes::Bytes {
    format!(
        "INVITE sip:{number}@h SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKx\r\n\
         From: <sip:a@192.0.2.9>;tag=f\r\nTo: <sip:{number}@h>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n\
         Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
    .into()
}

fn heard(protection: &Protection, source: &str, number: &str) -> bool {
    let source = (source.parse::<IpAddr>().unwrap(), 5060).into();
    protection.screen().passes(source, &invite(number))
}

fn passes(protection: &Protection, number: &str) -> bool {
    heard(protection, "198.51.100.7", number)
}

/// Which of the numbers pass: the shield, a ban, and overload control, which must agree.
fn passing(protection: &Protection) -> Vec<&'static str> {
    let passes_all = |number: &&str| {
        // What a source, and the gate, may have at once is used up.
        for _ in 0..10 {
            let _used_up = (passes(protection, "0"), protection.enter("sip:0@h"));
        }
        let shield = passes(protection, number);
        let ban = heard(protection, "198.51.100.66", number);
        let gate = protection.enter(&format!("sip:{number}@h")).is_ok();
        assert_eq!((ban, gate), (shield, shield), "{number}");
        shield
    };
    ["110", "112", "911", "9112", "+4969"].into_iter().filter(passes_all).collect()
}

#[test]
fn the_emergency_numbers_of_the_limits_pass_shield_bans_and_overload_control() {
    let (node, protection) = (Node::new(), strict());
    let follow = || protection.follow_limits(&node.state.reader()).unwrap();
    follow();
    assert!(passing(&protection).is_empty(), "no limits are set");
    assert_eq!(node.set(0, &["112", "911*"]), [Action::LimitsChanged(1)]);
    follow();
    assert_eq!(passing(&protection), ["112", "911", "9112"]);
    assert_eq!(node.set(1, &["110"]), [Action::LimitsChanged(2)]);
    follow();
    assert_eq!(passing(&protection), ["110"], "those of before are none any more");
    let restarted = strict();
    restarted.follow_limits(&node.state.reader()).unwrap();
    assert_eq!(passing(&restarted), ["110"], "known from the state at the start");
}

#[test]
fn emergency_numbers_are_those_of_the_snapshot_that_replaced_the_state() {
    let (behind, ahead, protection) = (Node::new(), Node::new(), strict());
    behind.set(0, &["110"]);
    ahead.set(0, &["112"]);
    protection.follow_limits(&behind.state.reader()).unwrap();
    assert_eq!(passing(&protection), ["110"]);
    behind.install(&ahead);
    protection.follow_limits(&behind.state.reader()).unwrap();
    assert_eq!(passing(&protection), ["112"]);
}
