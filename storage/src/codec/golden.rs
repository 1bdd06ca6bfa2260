//! Golden bytes. If one of these fails, the persisted format has changed: raise [`Format::NEWEST`], let
//! the type be written in the format that it needs, as `tables/locations.rs` does, and keep these bytes.

use std::fmt::Debug;

use holdline_model::limit::*;
use holdline_model::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::samples::*;
use crate::codec::{
    CodecError, FORMAT_VERSION, decode, decode_command, decode_prefix, encode, encode_command,
};
use crate::tables::locations;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(name: &str, value: &T, golden: &str) {
    let bytes = encode(value).unwrap();
    assert_eq!(hex(&bytes), golden, "{name}");
    assert_eq!(&decode::<T>(&bytes).unwrap(), value, "{name}");
}

/// The pinned bytes of `name`, from the list next to this file.
fn golden(name: &str) -> &'static str {
    let lines = include_str!("golden.txt").lines();
    let found = lines.filter_map(|line| line.split_once(' ')).find(|(key, _)| *key == name);
    found.unwrap_or_else(|| panic!("{name} has no golden bytes")).1
}

#[test]
fn records_have_golden_bytes() {
    check("node", &node(2), golden("record/node"));
    check("slot", &slot(7), golden("record/slot"));
    check("cluster", &cluster(), golden("record/cluster"));
    check("disabled_trunks", &disabled_trunks(), golden("record/disabled_trunks"));
    check("cdr", &cdr(4711, 3), golden("record/cdr"));
    check("call", &call(call_id(7, 0xfeed), Phase::Finished), golden("record/call"));
    check("user", &user(), golden("record/user"));
    check("cdr_keeping", &cdr_keeping(), golden("record/cdr_keeping"));
    check("registrar", &RegistrarTotals { users: 3, bindings: 4 }, golden("record/registrar"));
}

/// Each format of a record, as it was first written.
#[test]
fn records_of_every_format_have_golden_bytes() {
    let check = |record: &LocationRecord, golden: &str| {
        let bytes = locations::encode(record).unwrap();
        assert_eq!(hex(&bytes), golden);
        assert_eq!(&locations::decode(b"key", &bytes).unwrap(), record);
    };
    check(&location(), golden("record/location"));
    let former = FormerContact { key: "k".to_owned(), contact: "sip:b@h".to_owned() };
    let moved = LocationRecord { former: vec![former], ..location() };
    check(&moved, golden("record/location_3"));
}

#[test]
fn limits_have_golden_bytes() {
    let pinned = include_str!("golden.txt").lines().filter(|line| line.starts_with("limit/"));
    let changes = limit_changes();
    assert_eq!(changes.len(), pinned.count());
    for (name, change) in &changes {
        check(name, change, golden(&format!("limit/{name}")));
    }
}

#[test]
fn commands_have_golden_bytes() {
    let pinned = include_str!("golden.txt").lines().filter(|line| line.starts_with("command/"));
    let commands = commands();
    assert_eq!(commands.len(), pinned.count());
    for (name, command) in &commands {
        check(name, command, golden(&format!("command/{name}")));
        assert_eq!(encode_command(command).unwrap(), encode(command).unwrap());
    }
}

/// A fieldless enum's values are numbered in the order in which they were first released.
fn check_ordinals<T: Serialize + DeserializeOwned + PartialEq + Debug>(values: &[T]) {
    for (value, ordinal) in values.iter().zip(0_u8..) {
        assert_eq!(encode(value).unwrap(), [FORMAT_VERSION, ordinal], "{value:?}");
    }
    let unknown = [FORMAT_VERSION, u8::try_from(values.len()).unwrap()];
    assert!(matches!(decode::<T>(&unknown), Err(CodecError::Malformed(_))));
}

#[test]
fn ordinals_are_pinned() {
    check_ordinals(&[Phase::Inviting, Phase::Answered, Phase::Confirmed, Phase::Finished]);
    check_ordinals(&Transport::ALL);
    check_ordinals(&[CancelCause::Caller, CancelCause::NoAnswer, CancelCause::Admin]);
    check_ordinals(&[Side::Caller, Side::Callee]);
    check_ordinals(&[SessionTimer::Pass, SessionTimer::Off, SessionTimer::Insert]);
    check_ordinals(&[
        HangupBy::Caller,
        HangupBy::Callee,
        HangupBy::Admin,
        HangupBy::Timer,
        HangupBy::Switch,
    ]);
    check_ordinals(&[
        Disposition::Answered,
        Disposition::NoAnswer,
        Disposition::Busy,
        Disposition::Failed,
        Disposition::Canceled,
    ]);
    check_ordinals(&[
        TransferReason::Formed,
        TransferReason::Failure,
        TransferReason::Drain,
        TransferReason::HandBack,
        TransferReason::Restart,
    ]);
    check_ordinals(&[NodeRole::Full, NodeRole::Witness]);
    check_ordinals(&[Standing::Expected, Standing::Admitted, Standing::Removed]);
}

#[test]
fn replies_have_golden_bytes() {
    check("done", &Reply::Done, "0200");
    check("ended", &Reply::Ended(CdrId { index: 5, position: 6 }), "02010506");
    check("count", &Reply::Count(7), "020207");
    check("at", &Reply::At(7), "020407");
    let passage = Passage { marks: vec!["X-A: b".into()], hold_ms: 3, first: 1, late_ms: 9 };
    check("admitted", &Reply::Admitted(passage), "02050106582d413a2062030109");
    let (class, shortage) = ("a".into(), Shortage::Ceiling);
    let refusal = LimitRefusal { class, shortage, status: 429, retry_after_ms: 8 };
    check("refused", &Reply::Refused(refusal), "0206016101fbad0108");
    let (granted, version) = (Tokens(4), 7);
    let grant = TokenGrant { granted, valid_ms: 5, retry_after_ms: 6, version };
    check("leased", &Reply::Leased(grant), "020704050607");
    check("node", &Reply::Node(NodeId(4)), "020804");
    let call = call_id(7, 1);
    let (slot, named, current) = (SlotId(7), Epoch(1), Epoch(2));
    let stale = Rejection::StaleEpoch { slot, named, current, owner: NodeId(3) };
    let CdrKeeping { floor, .. } = cdr_keeping();
    let cursor = CdrId { index: 5, position: 6 };
    let gap = Rejection::StepGap { call, committed: Step(1), named: Step(3) };
    for (rejection, golden) in [
        (stale, "02030007010203"),
        (Rejection::UnknownSlot { slot }, "02030107"),
        (Rejection::UnknownCall { call }, "0203020701"),
        (gap, "02030307010103"),
        (Rejection::WrongPhase { call, phase: Phase::Answered }, "020304070101"),
        (Rejection::OutOfBounds { what: "x".to_owned() }, "0203050178"),
        (Rejection::UnknownNode { node: NodeId(3) }, "02030603"),
        (Rejection::AlreadyFormed, "020307"),
        (Rejection::NotFormed, "020308"),
        (Rejection::UnknownUser, "020309"),
        (Rejection::UserExists, "02030a"),
        (Rejection::OldCSeq { committed: 5, named: 4 }, "02030b0504"),
        (Rejection::TooManyBindings { limit: 3 }, "02030c03"),
        (Rejection::RegistrarFull { what: "x".to_owned(), limit: 3 }, "02030d017803"),
        (Rejection::LimitVersion { expected: 4, current: 5 }, "02030e0405"),
        (
            Rejection::Limits(Box::new(LimitFault::UnknownClass { class: "a".into() })),
            "02030f140161",
        ),
        (Rejection::StaleIncarnation { node: NodeId(3) }, "02031003"),
        (Rejection::NodeUsed { node: NodeId(3), highest: NodeId(4) }, "0203110304"),
        (Rejection::AddressTaken { rpc: addr(7), node: NodeId(3) }, "02031200c00002010703"),
        (Rejection::NodeRemoved { node: NodeId(3) }, "02031303"),
        (Rejection::StillOwner { node: NodeId(3), slots: 5 }, "0203140305"),
        (Rejection::CdrRetention { expected: 4, current: 5 }, "0203150405"),
        (Rejection::CdrHeld { sink: "a".into(), cursor }, "02031601610506"),
        (
            Rejection::CursorGoesBack { sink: "a".into(), committed: cursor, named: floor },
            "020317016105060102",
        ),
        (Rejection::CdrsPurged { floor }, "0203180102"),
    ] {
        check("rejected", &Reply::Rejected(rejection), golden);
    }
}

#[test]
fn other_versions_and_trailing_bytes_are_refused() {
    assert!(matches!(decode::<u64>(&[]), Err(CodecError::Empty)));
    let other = decode::<u64>(&[1, 5]);
    assert!(matches!(other, Err(CodecError::UnknownVersion { found: 1, known: 2 })));
    assert!(matches!(decode::<u64>(&[2, 5, 0, 0]), Err(CodecError::Trailing { bytes: 2 })));
    assert_eq!(decode_prefix::<u64>(&[2, 5, 0, 0]).unwrap(), 5);
}

#[test]
fn a_command_beyond_the_limit_is_refused_on_both_sides() {
    let (_, command) = commands().swap_remove(0);
    let Command::Call(mut call) = command else { panic!("the first command is of a call") };
    let CallChange::Admit(admit) = &mut call.change else { panic!("it is an admission") };
    admit.from = "x".repeat(crate::codec::MAX_COMMAND_BYTES);
    let command = Command::Call(call);
    assert!(matches!(encode_command(&command), Err(CodecError::TooLarge { .. })));
    let bytes = encode(&command).unwrap();
    assert!(matches!(decode_command(&bytes), Err(CodecError::TooLarge { .. })));
}
