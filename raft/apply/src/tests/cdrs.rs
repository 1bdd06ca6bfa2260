//! How call detail records are kept: retention, cursors, purges.

use holdline_model::{
    CallChange, Cause, CdrCommand, CdrCursor, CdrId, Command, Disposition, Fail, HangupBy, Millis,
    PurgeCdrs, Rejection, Reply, RetainCdrs, limits,
};

use super::{Cluster, admit, call_command};

/// A cluster with `calls` finished calls, one entry each.
fn with_cdrs(calls: u64) -> Cluster {
    let mut cluster = Cluster::new();
    for nonce in 0..calls {
        let call = holdline_model::CallId { slot: super::CALL.slot, nonce };
        cluster.run(&call_command(call, 1, 1, 2_000, admit()));
        let fail = Fail {
            attempt: 0,
            cause: Cause { status: 486, text: "busy".into() },
            by: HangupBy::Callee,
            disposition: Disposition::Busy,
            response: bytes::Bytes::new(),
            late_answer: None,
        };
        let reply = cluster.run(&call_command(call, 1, 2, 3_000, CallChange::Fail(Box::new(fail))));
        assert!(matches!(reply, Reply::Ended(_)), "{reply:?}");
    }
    cluster
}

fn ids(cluster: &Cluster) -> Vec<CdrId> {
    cluster.state.cdrs.iter().map(|cdr| cdr.id).collect()
}

fn retain(cluster: &mut Cluster, expected: Option<u64>, keep_ms: u64) -> Reply {
    let retain = RetainCdrs { expected, keep_ms, at: Millis(9_000) };
    cluster.run(&Command::Cdr(CdrCommand::Retain(retain)))
}

fn cursor(cluster: &mut Cluster, sink: &str, cursor: Option<CdrId>) -> Reply {
    let cursor = CdrCursor { sink: sink.into(), cursor, at: Millis(9_000) };
    cluster.run(&Command::Cdr(CdrCommand::Cursor(cursor)))
}

fn purge(cluster: &mut Cluster, before: CdrId, forced: bool) -> Reply {
    let (floor, version) = (cluster.state.keeping.floor, cluster.state.keeping.version);
    let (records, at) = (1, Millis(9_000));
    let purge = PurgeCdrs { before, records, floor, version, forced, at };
    cluster.run(&Command::Cdr(CdrCommand::Purge(purge)))
}

fn took_effect(reply: &Reply) -> bool {
    matches!(reply, Reply::At(_))
}

#[test]
fn records_are_kept_for_90_days_unless_it_is_said_otherwise() {
    let mut cluster = Cluster::new();
    assert_eq!(cluster.state.keeping.keep_ms, 90 * 86_400_000);
    assert!(took_effect(&retain(&mut cluster, Some(0), 86_400_000)));
    assert_eq!((cluster.state.keeping.version, cluster.state.keeping.keep_ms), (1, 86_400_000));
    assert!(took_effect(&retain(&mut cluster, Some(0), 86_400_000)), "the same, said again");
    assert_eq!(cluster.state.keeping.version, 1);
    let late = retain(&mut cluster, Some(0), 99_000_000);
    assert_eq!(late, Reply::Rejected(Rejection::CdrRetention { expected: 0, current: 1 }));
    let short = retain(&mut cluster, None, limits::MIN_CDR_KEEP_MS - 1);
    assert!(matches!(short, Reply::Rejected(Rejection::OutOfBounds { .. })));
    assert!(took_effect(&retain(&mut cluster, None, 0)), "for ever");
}

#[test]
fn a_purge_takes_what_lies_before_and_happens_once() {
    let mut cluster = with_cdrs(4);
    let all = ids(&cluster);
    assert!(took_effect(&purge(&mut cluster, all[2], false)));
    assert_eq!(ids(&cluster), all[2..]);
    let keeping = cluster.state.keeping.clone();
    assert_eq!((keeping.floor, keeping.purged), (all[2], 1));
    let again = PurgeCdrs {
        before: all[2],
        records: 1,
        floor: CdrId { index: 0, position: 0 },
        version: 0,
        forced: false,
        at: Millis(9_000),
    };
    assert!(took_effect(&cluster.run(&Command::Cdr(CdrCommand::Purge(again)))));
    assert_eq!(cluster.state.keeping, keeping, "said again it changes nothing");
    let other = PurgeCdrs { before: all[3], ..again };
    let refused = cluster.run(&Command::Cdr(CdrCommand::Purge(other)));
    assert_eq!(refused, Reply::Rejected(Rejection::CdrsPurged { floor: all[2] }));
}

#[test]
fn a_purge_that_was_decided_by_another_retention_does_nothing() {
    let mut cluster = with_cdrs(2);
    let all = ids(&cluster);
    let old = PurgeCdrs {
        before: all[1],
        records: 1,
        floor: CdrId { index: 0, position: 0 },
        version: 0,
        forced: false,
        at: Millis(9_000),
    };
    retain(&mut cluster, None, 0);
    let refused = cluster.run(&Command::Cdr(CdrCommand::Purge(old)));
    assert_eq!(refused, Reply::Rejected(Rejection::CdrRetention { expected: 0, current: 1 }));
    assert_eq!(ids(&cluster), all);
    let far = purge(&mut cluster, CdrId { index: 1_000_000, position: 0 }, true);
    assert!(matches!(far, Reply::Rejected(Rejection::OutOfBounds { .. })));
}

#[test]
fn what_a_sink_has_not_passed_stays_unless_forced() {
    let mut cluster = with_cdrs(4);
    let all = ids(&cluster);
    assert!(took_effect(&cursor(&mut cluster, "billing", Some(all[1]))));
    assert!(took_effect(&cursor(&mut cluster, "audit", Some(all[0]))));
    let held = purge(&mut cluster, all[1], false);
    assert!(!took_effect(&held), "audit may lack what follows its cursor: {held:?}");
    cursor(&mut cluster, "audit", Some(all[3]));
    let held = purge(&mut cluster, all[3], false);
    let expected = Rejection::CdrHeld { sink: "billing".into(), cursor: all[1] };
    assert_eq!(held, Reply::Rejected(expected));
    assert_eq!(ids(&cluster), all);
    let next = CdrId { position: all[1].position + 1, ..all[1] };
    assert!(took_effect(&purge(&mut cluster, next, false)));
    assert_eq!(ids(&cluster), all[2..]);
    assert!(took_effect(&purge(&mut cluster, all[3], true)));
    assert_eq!(ids(&cluster), all[3..]);
}

#[test]
fn a_cursor_goes_forward_until_its_sink_is_removed() {
    let mut cluster = with_cdrs(2);
    let all = ids(&cluster);
    cursor(&mut cluster, "billing", Some(all[1]));
    let back = cursor(&mut cluster, "billing", Some(all[0]));
    let (committed, named) = (all[1], all[0]);
    let expected = Rejection::CursorGoesBack { sink: "billing".into(), committed, named };
    assert_eq!(back, Reply::Rejected(expected));
    assert!(took_effect(&cursor(&mut cluster, "billing", Some(all[1]))), "said again");
    assert!(took_effect(&cursor(&mut cluster, "billing", None)));
    assert_eq!(cluster.state.keeping.sinks, []);
    let beyond = cursor(&mut cluster, "billing", Some(CdrId { index: 1_000, position: 0 }));
    assert!(matches!(beyond, Reply::Rejected(Rejection::OutOfBounds { .. })), "{beyond:?}");
    for n in 0..limits::MAX_CDR_SINKS {
        assert!(took_effect(&cursor(&mut cluster, &format!("s{n}"), Some(all[0]))));
    }
    assert!(!took_effect(&cursor(&mut cluster, "one too many", Some(all[0]))));
}
