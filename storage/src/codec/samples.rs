//! One value of every persisted record and command variant, with every field set to something
//! that tells it from its neighbours.

use std::net::SocketAddr;

use bytes::Bytes;
use holdline_limit::{Change, LimitTable};
use holdline_model::limit::*;
use holdline_model::*;

pub(crate) fn addr(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}

pub(crate) fn call_id(slot: u16, nonce: u64) -> CallId {
    CallId { slot: SlotId(slot), nonce }
}

pub(crate) fn node(node: u64) -> NodeRecord {
    NodeRecord {
        node: NodeId(node),
        incarnation: Incarnation(0xabcdef),
        pop: "fra".into(),
        sip: vec![addr(5060), "[2001:db8::1]:5060".parse().unwrap()],
        rpc: addr(7000),
        admin: addr(8080),
        version: "0.1.0".to_owned(),
        up_at: Millis(1_700_000_000_000),
        draining: true,
        listeners: vec![Listener {
            transport: Transport::Wss,
            addr: addr(5061),
            advertised: Some(addr(443)),
        }],
        gossip: addr(7001),
        role: NodeRole::Witness,
        removed: Some(Removal { at: Millis(1000), heir: Some(NodeId(3)) }),
    }
}

pub(crate) fn span() -> OwnerSpan {
    OwnerSpan {
        node: NodeId(2),
        epoch: Epoch(5),
        since: Millis(1_700_000_000_001),
        reason: TransferReason::Failure,
    }
}

pub(crate) fn slot(slot: u16) -> SlotRecord {
    SlotRecord {
        slot: SlotId(slot),
        home: NodeId(1),
        owner: NodeId(2),
        epoch: Epoch(5),
        history: vec![span()],
        origin: NodeId(3),
    }
}

pub(crate) fn cluster() -> ClusterRecord {
    let entry = RosterEntry {
        node: NodeId(4),
        standing: Standing::Removed,
        rpc: addr(7000),
        pop: "fra".into(),
        role: NodeRole::Witness,
        nonce: 0xfeed,
        held: true,
        at: Millis(1000),
    };
    ClusterRecord {
        cluster: ClusterId(77),
        slots: 64,
        formed_at: Millis(1_700_000_000_000),
        roster: Roster { highest: NodeId(5), entries: vec![entry] },
    }
}

pub(crate) fn disabled_trunks() -> DisabledTrunks {
    DisabledTrunks { trunks: vec![DisabledTrunk { trunk: "t1".into(), since: Millis(1000) }] }
}

pub(crate) fn dialog() -> Dialog {
    Dialog {
        call_id: "c@h".to_owned(),
        local: "<sip:a@h>;tag=1".to_owned(),
        remote: "<sip:b@h>;tag=2".to_owned(),
        local_cseq: 3,
        shift: Shift { before: -1, pivot: 5, after: 2 },
        remote_cseq: 4,
        remote_target: "sip:b@h:5070".to_owned(),
        route_set: vec!["<sip:p;lr>".to_owned()],
        hop: Hop { transport: Transport::Tls, local: addr(5060), peer: addr(5070) },
    }
}

pub(crate) fn cause() -> Cause {
    Cause { status: 486, text: "busy".into() }
}

pub(crate) fn cdr(index: u64, position: u32) -> Cdr {
    Cdr {
        id: CdrId { index, position },
        call: call_id(7, 0xfeed),
        tenant: "acme".into(),
        trunk_in: "t1".into(),
        trunk_out: Some("t2".into()),
        from: "sip:a@h".to_owned(),
        to: "sip:b@h".to_owned(),
        caller_call_id: "x".to_owned(),
        callee_call_id: "y".to_owned(),
        started_at: Millis(1000),
        admitted_at: Millis(1001),
        answered_at: Some(Millis(2000)),
        ended_at: Millis(5000 + index),
        duration_ms: 3000,
        disposition: Disposition::Answered,
        cause: cause(),
        hangup_by: HangupBy::Callee,
        owners: vec![span()],
        takeovers: 1,
    }
}

pub(crate) fn target() -> Target {
    Target {
        trunk: "t2".into(),
        hop: Hop { transport: Transport::Tcp, local: addr(5060), peer: addr(5080) },
        uri: "sip:b@t2".to_owned(),
        together: true,
        routes: vec!["<sip:p;lr>".to_owned()],
        fields: vec!["X-A: b".to_owned()],
        redirects: 2,
    }
}

fn best() -> BranchFailure {
    BranchFailure { attempt: 2, status: 486, response: Bytes::from_static(b"486") }
}

pub(crate) fn call(id: CallId, phase: Phase) -> CallRecord {
    CallRecord {
        call: id,
        step: Step(3),
        epoch: Epoch(5),
        admit_epoch: Epoch(4),
        phase,
        admission: Admission {
            at: Millis(1000),
            tenant: "acme".into(),
            trunk: "t1".into(),
            from: "sip:a@h".to_owned(),
            to: "sip:b@h".to_owned(),
            call_id: "x".to_owned(),
            branch: "z9hG4bKq".to_owned(),
            from_tag: "ft".to_owned(),
            cseq: 21,
            hop: Hop::udp(addr(5060), addr(5070)),
            demand: demand(),
            passage: Passage { marks: vec!["X-Limit: a".into()], hold_ms: 7, first: 1, late_ms: 9 },
            timer: SessionTimer::Insert,
            advertised: node(2).listeners,
        },
        invite: Bytes::from_static(b"INVITE"),
        targets: vec![target()],
        attempt: 1,
        answer_by: Millis(61_000),
        early: vec![EarlyState { attempt: 1, status: 183, response: Bytes::from_static(b"183") }],
        cancel: Some(CancelCause::NoAnswer),
        answer: Some(Box::new(AnswerState {
            at: Millis(2000),
            response: Bytes::from_static(b"200"),
            caller: dialog(),
            callee: dialog(),
            end_by: Some(Millis(7_202_000)),
            session_by: Some(Millis(92_000)),
            ack: Bytes::from_static(b"ACK"),
        })),
        end: Some(Box::new(EndState {
            at: Millis(5000),
            by: HangupBy::Timer,
            cause: cause(),
            response: Bytes::from_static(b"486"),
            bye_caller: true,
            bye_callee: false,
            late_answer: Some(Box::new(dialog())),
            cdr: CdrId { index: 4711, position: 3 },
        })),
        session: Some(Box::new(SessionState {
            reinvite: Some(reinvite(22)),
            before: Some(reinvite(21)),
            caller_target: Some(new_target()),
            callee_target: None,
            reliable: vec![Reliable {
                attempt: 1,
                rseq: 5,
                response: Bytes::from_static(b"183"),
                acked: true,
            }],
        })),
        branches: Some(Box::new(Branches { over: vec![2], best: Some(best()), losers: vec![3] })),
    }
}

pub(crate) fn aor() -> Aor {
    Aor::new("alice", "example.com").unwrap()
}

pub(crate) fn user() -> UserRecord {
    UserRecord {
        aor: aor(),
        tenant: "acme".into(),
        ha1: Ha1 { md5: [0x11; 16], sha256: [0x22; 32] },
        max_bindings: Some(3),
        changed_at: Millis(1000),
    }
}

pub(crate) fn binding() -> Binding {
    Binding {
        key: "k".to_owned(),
        contact: "sip:alice@h".to_owned(),
        q: 700,
        path: vec!["<sip:p;lr>".to_owned()],
        instance: Some("<urn:uuid:1>".to_owned()),
        reg_id: Some(2),
        call_id: "r".to_owned(),
        cseq: 5,
        hop: Hop::udp(addr(5060), addr(5070)),
        at: Millis(1000),
        granted_s: 60,
        until: Millis(91_000),
    }
}

pub(crate) fn location() -> LocationRecord {
    LocationRecord {
        aor: aor(),
        bindings: vec![binding()],
        requests: vec![7, u128::MAX],
        former: Vec::new(),
    }
}

fn registrar_commands() -> Vec<(&'static str, Command)> {
    let put = PutUser { record: user(), replace: true };
    let remove = BindingChange::Remove { key: "k".to_owned() };
    let register = Register {
        aor: aor(),
        slot: SlotId(7),
        epoch: Epoch(5),
        at: Millis(1000),
        request: 9,
        call_id: "r".to_owned(),
        cseq: 5,
        changes: vec![BindingChange::Put(Box::new(binding())), remove, BindingChange::RemoveAll],
        bounds: RegisterBounds { per_aor: 4, replace_oldest: true, total: 5 },
    };
    let remove = RemoveBindings { aor: aor(), key: Some("k".to_owned()) };
    vec![
        ("put_user", Command::PutUser(Box::new(put))),
        ("remove_user", Command::RemoveUser(RemoveUser { aor: aor() })),
        ("register", Command::Register(Box::new(register))),
        ("remove_bindings", Command::RemoveBindings(remove)),
        ("sweep_bindings", Command::SweepBindings(SweepBindings { up_to: Millis(1000) })),
    ]
}

fn reinvite(cseq: u32) -> Reinvite {
    Reinvite {
        from: Side::Callee,
        cseq,
        hop: dialog().hop,
        request: Bytes::from_static(b"INVITE"),
        status: 200,
        response: Bytes::from_static(b"200"),
        answered_at: Millis(3000),
        acked: true,
        ack: Bytes::from_static(b"ACK"),
    }
}

fn new_target() -> NewTarget {
    NewTarget { uri: "sip:b@h:5090".to_owned(), hop: dialog().hop }
}

pub(crate) fn demand() -> Demand {
    Demand { pop: "fra".into(), caller: "+491".to_owned(), called: "+492".to_owned() }
}

fn lease_tokens(at: Millis) -> LeaseTokens {
    LeaseTokens {
        node: NodeId(2),
        incarnation: Incarnation(0xabcdef),
        class: "acme".into(),
        request: 4,
        spent: Tokens(5),
        returned: Tokens(6),
        want: Tokens::ONE,
        at,
    }
}

/// Limits with every field set.
pub(crate) fn limits() -> LimitConfig {
    let matches = || Match {
        operation: vec![Operation::Invite, Operation::Api],
        pop: vec!["fra".into()],
        tenant: vec!["acme".into()],
        trunk: vec!["t1".into()],
        trunk_out: vec![],
        source: vec!["192.0.2.0/24".to_owned()],
        caller: vec!["+49".into()],
        called: vec!["+1".into()],
    };
    let class = |name: &str, parent: Option<Name>, assured, burst| ClassConfig {
        name: name.into(),
        parent,
        matches: Match::default(),
        assured,
        burst: Tokens::whole(burst),
        ceiling: Some(Rate::per_second(200)),
        ceiling_burst: Some(Tokens::whole(burst + 9)),
        debt: Tokens::ONE,
        borrow: Borrow::Sibling,
        priority: 3,
        weight: 4,
        action: Action::Mark,
        status: Some(429),
        max_wait_ms: 500,
        mark: Some("X-Limit: a".into()),
    };
    LimitConfig {
        status: 429,
        emergency: vec!["112".to_owned()],
        cost: [(Operation::Register, Tokens(500_000_000))].into(),
        lease_ms: 1_500,
        class: vec![
            class("all", None, Rate::per_second(100), 40),
            ClassConfig {
                matches: matches(),
                ..class("acme", Some("all".into()), Rate::Share(2_500), 10)
            },
        ],
        each: vec![EachConfig {
            name: "source".into(),
            matches: matches(),
            by: Dimension::Source,
            rate: Rate::per_second(1),
            burst: Tokens::whole(2),
            debt: Tokens(0),
            action: Action::Drop,
            status: None,
            mark: None,
        }],
        cap: vec![CapConfig {
            name: "out".into(),
            matches: Match { trunk_out: vec!["t2".into()], ..matches() },
            by: Some(Dimension::TrunkOut),
            calls: 30,
            status: Some(503),
        }],
    }
}

/// Every kind of record that limits write: made as they are, by using them.
pub(crate) fn limit_changes() -> Vec<(&'static str, Change)> {
    let mut table = LimitTable::default();
    let mut config = limits();
    config.each.iter_mut().for_each(|each| each.matches = Match::default());
    table.set(0, &config, Millis(1000)).unwrap();
    table.tick(NodeId(2), Millis(1000));
    table.lease(&LeaseTokens { class: "all".into(), ..lease_tokens(Millis(1001)) }).unwrap();
    let (_, command) = commands().swap_remove(0);
    let Command::Call(command) = command else { panic!("the first command is of a call") };
    let CallChange::Admit(admit) = command.change else { panic!("it is an admission") };
    for cseq in 0..3 {
        let admit = Admit { cseq, ..(*admit).clone() };
        table.admit(NodeId(2), Millis(1002), command.call, &admit);
    }
    let name = |change: &Change| match change {
        Change::Settings(_) => "settings",
        Change::Levels(..) => "levels",
        Change::Bucket(..) => "bucket",
        Change::Lease(..) => "lease",
        Change::Refusal(..) => "refusal",
    };
    let changes = table.take_changes().into_iter().filter_map(|(_, change)| change);
    changes.map(|change| (name(&change), change)).collect()
}

/// Every command variant, and every change of a call.
pub(crate) fn commands() -> Vec<(&'static str, Command)> {
    let at = Millis(1000);
    let mut all: Vec<_> = changes()
        .into_iter()
        .map(|(name, change)| {
            let (call, epoch, step) = (call_id(7, 0xfeed), Epoch(5), Step(2));
            (name, Command::Call(CallCommand { call, epoch, step, at, change }))
        })
        .collect();
    let moves = vec![SlotMove { slot: SlotId(7), expected: Epoch(5), to: NodeId(3) }];
    let NodeRecord {
        node,
        incarnation,
        pop,
        sip,
        rpc,
        admin,
        version,
        listeners,
        gossip,
        role,
        ..
    } = node(2);
    let up =
        NodeUp { node, incarnation, pop, sip, rpc, admin, version, at, listeners, gossip, role };
    let form =
        FormCluster { cluster: ClusterId(77), slots: 64, members: vec![node, NodeId(1)], at };
    let reason = TransferReason::HandBack;
    all.extend([
        ("transfer_slots", Command::TransferSlots(TransferSlots { moves, reason, at })),
        ("node_up", Command::NodeUp(Box::new(up))),
        ("set_draining", Command::SetDraining(SetDraining { node, draining: true, at })),
        ("form_cluster", Command::FormCluster(form)),
        ("sweep", Command::Sweep(Sweep { up_to: at })),
        (
            "set_limits",
            Command::SetLimits(Box::new(SetLimits { expected: 3, config: limits(), at })),
        ),
        ("reset_limits", Command::ResetLimits(ResetLimits { class: Some("all".into()), at })),
        ("lease_tokens", Command::LeaseTokens(lease_tokens(at))),
        ("limit_tick", Command::LimitTick(LimitTick { node, at })),
        ("set_format", Command::SetFormat(SetFormat { format: Format(3), at })),
        ("set_trunk", Command::SetTrunk(SetTrunk { trunk: "t1".into(), enabled: false, at })),
    ]);
    all.extend(membership_commands(at));
    all.extend(registrar_commands());
    all.extend(cdr_commands(at));
    all
}

fn membership_commands(at: Millis) -> Vec<(&'static str, Command)> {
    let node = NodeId(4);
    let admit = AdmitNode {
        node: Some(node),
        nonce: 0xfeed,
        rpc: addr(7000),
        pop: "fra".into(),
        role: NodeRole::Witness,
        held: true,
        at,
    };
    let home = SlotHome { slot: SlotId(7), expected: NodeId(1), home: node };
    vec![
        ("admit_node", Command::AdmitNode(Box::new(admit))),
        ("remove_node", Command::RemoveNode(RemoveNode { node, heir: Some(NodeId(1)), at })),
        ("set_homes", Command::SetHomes(SetHomes { homes: vec![home], at })),
        ("hold_node", Command::HoldNode(HoldNode { node, held: true, at })),
    ]
}

fn cdr_commands(at: Millis) -> [(&'static str, Command); 3] {
    let (before, floor) = (CdrId { index: 5, position: 6 }, CdrId { index: 1, position: 2 });
    let retain = RetainCdrs { expected: Some(3), keep_ms: 90_000, at };
    let cursor = CdrCursor { sink: "s1".into(), cursor: Some(before), at };
    let purge = PurgeCdrs { before, records: 7, floor, version: 3, forced: true, at };
    [
        ("retain_cdrs", Command::Cdr(CdrCommand::Retain(retain))),
        ("cdr_cursor", Command::Cdr(CdrCommand::Cursor(cursor))),
        ("purge_cdrs", Command::Cdr(CdrCommand::Purge(purge))),
    ]
}

pub(crate) fn cdr_keeping() -> CdrKeeping {
    let (floor, cursor) = (CdrId { index: 1, position: 2 }, CdrId { index: 5, position: 6 });
    let sinks = vec![CdrSink { name: "s1".into(), cursor, at: Millis(1000) }];
    CdrKeeping { version: 3, keep_ms: 90_000, floor, purged: 9, sinks }
}

fn changes() -> Vec<(&'static str, CallChange)> {
    let Admission { tenant, trunk, from, to, call_id, branch, from_tag, cseq, hop, .. } =
        call(call_id(7, 1), Phase::Inviting).admission;
    let invite = Bytes::from_static(b"INVITE");
    let (targets, answer_by) = (vec![target()], Millis(61_000));
    let admit = Admit {
        tenant,
        trunk,
        from,
        to,
        call_id,
        branch,
        from_tag,
        cseq,
        hop,
        invite,
        targets,
        answer_by,
        demand: demand(),
        timer: SessionTimer::Off,
        advertised: node(2).listeners,
    };
    let response = Bytes::from_static(b"200");
    let answer = Answer {
        attempt: 1,
        response: response.clone(),
        caller: dialog(),
        callee: dialog(),
        end_by: None,
        session_by: None,
    };
    let fail = Fail {
        attempt: 1,
        by: HangupBy::Switch,
        cause: cause(),
        disposition: Disposition::Busy,
        response: response.clone(),
        late_answer: Some(Box::new(dialog())),
    };
    let end = End {
        by: HangupBy::Admin,
        cause: cause(),
        bye_caller: true,
        bye_callee: false,
        bye_cseq: Some(9),
        caller_cseq: 10,
        callee_cseq: 11,
    };
    vec![
        ("admit", CallChange::Admit(Box::new(admit))),
        ("attempt", CallChange::Attempt(Box::new(attempt()))),
        ("early", CallChange::Early(early(response))),
        ("cancel", CallChange::Cancel(Cancel { cause: CancelCause::Admin })),
        ("answer", CallChange::Answer(Box::new(answer))),
        ("ack_seen", CallChange::AckSeen(AckSeen { ack: Bytes::from_static(b"ACK") })),
        ("fail", CallChange::Fail(Box::new(fail))),
        ("end", CallChange::End(end)),
    ]
    .into_iter()
    .chain(session_changes())
    .chain(branch_changes())
    .collect()
}

fn attempt() -> Attempt {
    Attempt { index: 1, targets: vec![target()], best: Some(Box::new(best())) }
}

const fn early(response: Bytes) -> Early {
    Early { attempt: 1, status: 183, response, rseq: Some(5) }
}

fn branch_changes() -> Vec<(&'static str, CallChange)> {
    let over = BranchOver { attempt: 2, best: Some(best()) };
    vec![
        ("branch_over", CallChange::BranchOver(Box::new(over))),
        ("settled", CallChange::Settled),
        ("asked", CallChange::Asked(Asked { to: Side::Callee, cseq: 7, seen: 5 })),
    ]
}

fn session_changes() -> Vec<(&'static str, CallChange)> {
    let (from, cseq, hop) = (Side::Callee, 22, dialog().hop);
    let request = Bytes::from_static(b"INVITE");
    let (caller_target, callee_target) = (Some(new_target()), None);
    let reinviting = Reinviting { from, cseq, hop, request: request.clone() };
    let reinvited = Reinvited {
        from,
        cseq,
        hop,
        request,
        status: 200,
        response: Bytes::from_static(b"200"),
        caller_target: caller_target.clone(),
        callee_target: None,
        session_by: Some(Millis(9000)),
    };
    let session_by = None;
    let updated = Updated { from, cseq, caller_target, callee_target, session_by };
    let ack = Bytes::from_static(b"ACK");
    vec![
        ("reinviting", CallChange::Reinviting(Box::new(reinviting))),
        ("reinvited", CallChange::Reinvited(Box::new(reinvited))),
        ("reinvite_acked", CallChange::ReinviteAcked(AckSeen { ack })),
        ("updated", CallChange::Updated(Box::new(updated))),
        ("counted", CallChange::Counted(Counted { from, cseq })),
        ("pracked", CallChange::Pracked(Pracked { rseq: 2 })),
    ]
}
