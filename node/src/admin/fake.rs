//! A cluster of maps, for tests of routes and of the command line.

mod cdrs;
mod protection;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use holdline_call::{Gate, Standing, TrunkHealth};
use holdline_model::limit::{Demand, LimitConfig, Passage};
use holdline_model::{
    Admission, AnswerState, Aor, Binding, CallId, CallRecord, Cause, Cdr, CdrId, CdrKeeping,
    CdrSink, Cidr, Dialog, Disposition, EndState, Epoch, Format, Ha1, HangupBy, Hop, Incarnation,
    Listener, LocationRecord, Millis, Name, NodeId, NodeRecord, NodeRole, OwnerSpan, Phase, Roster,
    SessionTimer, Shift, SlotId, SlotRecord, Step, Target, TransferReason, Transport, UserRecord,
};
use holdline_raft::{ChangeError, Changed, MemberChange, Tolerance};

use holdline_transport::CertificateFacts;

pub(crate) use protection::{TRUSTED, Tokens};

use super::seam::{
    CallQuery, CdrQuery, ClusterApi, ClusterApiError, ClusterFacts, LimitFacts, ListenerFacts,
    LocalFacts, MemberFacts, NodeCertificate, Page, RoundTrip, TimesFacts, TrunkFacts,
};

/// 2026-11-23T00:00:00Z.
pub(crate) const START: Millis = Millis(1_795_392_000_000);

/// What it has, and what was asked of it.
#[derive(Debug, Default)]
pub(crate) struct Fake {
    pub(crate) calls: BTreeMap<CallId, CallRecord>,
    pub(crate) cdrs: BTreeMap<CdrId, Cdr>,
    pub(crate) keeping: Mutex<CdrKeeping>,
    /// What it streams as a backup.
    pub(crate) backup: Mutex<Vec<u8>>,
    pub(crate) draining: Mutex<BTreeSet<NodeId>>,
    pub(crate) hung_up: Mutex<Vec<CallId>>,
    pub(crate) users: Mutex<BTreeMap<Aor, UserRecord>>,
    pub(crate) limits: Mutex<holdline_limit::LimitTable>,
    pub(crate) disabled: Mutex<BTreeSet<Name>>,
    /// Nodes that are down.
    pub(crate) dead: BTreeSet<NodeId>,
    /// There is no leader: reads of the cluster go on, changes fail.
    pub(crate) no_majority: bool,
    /// Blocks that are banned.
    pub(crate) banned: Mutex<BTreeSet<Cidr>>,
    /// What is said to requests that cost a token, one after the other; then there are enough.
    pub(crate) tokens: Mutex<std::collections::VecDeque<Tokens>>,
    /// How long every answer takes.
    pub(crate) delay: std::time::Duration,
}

impl Fake {
    /// Five calls that are up, one tombstone, three call detail records.
    pub(crate) fn populated() -> Self {
        let mut fake = Self::default();
        for n in 0..6_u16 {
            let record = call(n);
            fake.calls.insert(record.call, record);
        }
        let alice = user();
        fake.users.lock().unwrap().insert(alice.aor.clone(), alice);
        for n in 0..3 {
            let record = cdr(n);
            fake.cdrs.insert(record.id, record);
        }
        let (name, cursor) = ("billing".into(), CdrId { index: 4700, position: 0 });
        fake.keeping.lock().unwrap().sinks.push(CdrSink { name, cursor, at: START });
        fake.banned.lock().unwrap().insert("198.51.100.7".parse().unwrap());
        fake
    }

    pub(crate) fn shared(self) -> Arc<Self> {
        Arc::new(self)
    }

    fn majority(&self) -> Result<(), ClusterApiError> {
        if self.no_majority { Err(ClusterApiError::NoMajority) } else { Ok(()) }
    }
}

#[async_trait]
impl ClusterApi for Fake {
    fn local(&self) -> LocalFacts {
        let leader = (!self.no_majority).then_some(NodeId(1));
        LocalFacts { leader, lease_held: !self.no_majority, ..local_facts() }
    }

    async fn cluster(&self) -> Result<ClusterFacts, ClusterApiError> {
        tokio::time::sleep(self.delay).await;
        let mut facts = cluster_facts();
        let draining = self.draining.lock().unwrap();
        for member in &mut facts.members {
            member.alive = !self.dead.contains(&member.node);
            member.record.as_mut().unwrap().draining = draining.contains(&member.node);
        }
        if self.no_majority {
            facts.leader = None;
        }
        Ok(facts)
    }

    async fn calls(&self, query: &CallQuery) -> Result<Page<CallRecord, CallId>, ClusterApiError> {
        let after = |call: &&CallRecord| query.after.is_none_or(|after| call.call > after);
        let mut all = self.calls.values().filter(after).filter(|call| query.matches(call));
        let items: Vec<_> = all.by_ref().take(query.limit).cloned().collect();
        let more = all.next().is_some();
        let next = items.last().map(|call| call.call).filter(|_| more);
        Ok(Page { items, next })
    }

    async fn call(
        &self,
        call: CallId,
    ) -> Result<Option<(CallRecord, Option<SlotRecord>)>, ClusterApiError> {
        Ok(self.calls.get(&call).map(|record| (record.clone(), Some(slot(call.slot)))))
    }

    async fn cdrs(&self, query: &CdrQuery) -> Result<Page<Cdr, CdrId>, ClusterApiError> {
        let after = |cdr: &&Cdr| query.after.is_none_or(|after| cdr.id > after);
        let mut all = self.cdrs.values().filter(after).filter(|cdr| query.matches(cdr));
        let items: Vec<_> = all.by_ref().take(query.limit).cloned().collect();
        let more = all.next().is_some();
        let next = items.last().map(|cdr| cdr.id).filter(|_| more);
        Ok(Page { items, next })
    }

    async fn slots(&self) -> Result<Vec<SlotRecord>, ClusterApiError> {
        Ok((0..6).map(|n| slot(SlotId(n))).collect())
    }

    async fn hang_up(&self, call: CallId) -> Result<(), ClusterApiError> {
        self.majority()?;
        self.hung_up.lock().unwrap().push(call);
        Ok(())
    }

    fn now(&self) -> Millis {
        START
    }

    async fn users(
        &self,
        after: Option<Aor>,
        limit: usize,
    ) -> Result<Page<UserRecord, Aor>, ClusterApiError> {
        let users = self.users.lock().unwrap();
        let mut all = users.values().filter(|user| after.as_ref().is_none_or(|a| user.aor > *a));
        let items: Vec<_> = all.by_ref().take(limit).cloned().collect();
        let more = all.next().is_some();
        let next = items.last().map(|user| user.aor.clone()).filter(|_| more);
        Ok(Page { items, next })
    }

    async fn user(&self, aor: Aor) -> Result<Option<UserRecord>, ClusterApiError> {
        Ok(self.users.lock().unwrap().get(&aor).cloned())
    }

    async fn put_user(&self, record: UserRecord, replace: bool) -> Result<u64, ClusterApiError> {
        self.majority()?;
        let mut users = self.users.lock().unwrap();
        if users.contains_key(&record.aor) && !replace {
            return Err(ClusterApiError::UserExists);
        }
        users.insert(record.aor.clone(), UserRecord { changed_at: START, ..record });
        Ok(LOG_INDEX)
    }

    async fn remove_user(&self, aor: Aor) -> Result<u64, ClusterApiError> {
        self.majority()?;
        let removed = self.users.lock().unwrap().remove(&aor);
        removed.map(|_| LOG_INDEX).ok_or(ClusterApiError::UnknownUser)
    }

    async fn registrations(
        &self,
        _after: Option<Aor>,
        _limit: usize,
    ) -> Result<Page<LocationRecord, Aor>, ClusterApiError> {
        let items = self.users.lock().unwrap().keys().map(location).collect();
        Ok(Page { items, next: None })
    }

    async fn registration(&self, aor: Aor) -> Result<Option<LocationRecord>, ClusterApiError> {
        Ok(self.users.lock().unwrap().get(&aor).map(|user| location(&user.aor)))
    }

    async fn remove_bindings(&self, aor: Aor, key: Option<String>) -> Result<u32, ClusterApiError> {
        let known = self.users.lock().unwrap().contains_key(&aor);
        Ok(u32::from(known && key.is_none_or(|key| key == "sip:alice@192.0.2.9")))
    }

    async fn limits(&self) -> Result<LimitFacts, ClusterApiError> {
        let table = self.limits.lock().unwrap();
        Ok(LimitFacts { settings: table.settings().clone(), view: table.view() })
    }

    async fn set_limits(&self, expected: u64, config: LimitConfig) -> Result<u64, ClusterApiError> {
        self.majority()?;
        let mut table = self.limits.lock().unwrap();
        table.set(expected, &config, START).map_err(ClusterApiError::Refused)?;
        Ok(LOG_INDEX)
    }

    async fn reset_limits(&self, class: Option<Name>) -> Result<u64, ClusterApiError> {
        self.majority()?;
        let mut table = self.limits.lock().unwrap();
        table.reset(class.as_ref()).map_err(ClusterApiError::Refused)?;
        Ok(LOG_INDEX)
    }

    async fn set_draining(&self, node: NodeId, draining: bool) -> Result<u64, ClusterApiError> {
        self.majority()?;
        let mut nodes = self.draining.lock().unwrap();
        if draining {
            nodes.insert(node)
        } else {
            nodes.remove(&node)
        };
        Ok(LOG_INDEX)
    }

    async fn change_members(&self, change: MemberChange) -> Result<Changed, ClusterApiError> {
        self.majority()?;
        let now = Tolerance { voters: 3, alive: 3, needed: 2 };
        match change {
            MemberChange::Promote { node } if node.0 > 4 => {
                Err(ChangeError::UnknownNode { node }.into())
            }
            MemberChange::Demote { .. } if !self.dead.is_empty() => {
                let before = Tolerance { alive: 2, ..now };
                let after = Tolerance { voters: 2, alive: 1, needed: 2 };
                Err(ChangeError::LosesMajority { before, after }.into())
            }
            MemberChange::Promote { node }
            | MemberChange::Demote { node }
            | MemberChange::Remove { node, .. }
            | MemberChange::Replace { new: node, .. } => {
                Ok(Changed { node, before: now, after: now })
            }
            MemberChange::Expect { .. } | MemberChange::Transfer { .. } => {
                Ok(Changed { node: NodeId(4), before: now, after: now })
            }
        }
    }

    async fn trunks(&self) -> Result<Vec<TrunkFacts>, ClusterApiError> {
        let disabled = self.disabled.lock().unwrap();
        let mut trunks: Vec<_> = ["carrier-a", "carrier-b"].into_iter().map(trunk).collect();
        for trunk in &mut trunks {
            trunk.disabled_since = disabled.contains(&trunk.name).then_some(START);
        }
        Ok(trunks)
    }

    fn listeners(&self) -> Vec<ListenerFacts> {
        let listener = |transport, home, holder| ListenerFacts {
            listener: Listener { transport, addr: ([127, 0, 0, 1], 5060).into(), advertised: None },
            home: NodeId(home),
            holder: Some(NodeId(holder)),
            is_open_here: holder == 1,
            connections: (holder == 1 && transport == Transport::Tcp).then_some(12),
        };
        vec![
            listener(Transport::Udp, 1, 1),
            listener(Transport::Tcp, 1, 1),
            listener(Transport::Udp, 2, 3),
        ]
    }

    fn certificates(&self) -> Vec<NodeCertificate> {
        let facts = CertificateFacts {
            subject: "CN=sip.example.com".to_owned(),
            issuer: "CN=Example CA".to_owned(),
            names: vec!["sip.example.com".to_owned()],
            sip_domains: vec!["example.com".to_owned()],
            // A hundred days and a half later.
            not_after: Duration::from_millis(START.0) + Duration::from_secs(8_683_200),
        };
        vec![NodeCertificate { path: "/etc/holdline/sip.pem".into(), trunk: None, facts }]
    }

    async fn set_trunk(&self, trunk: &Name, enabled: bool) -> Result<u64, ClusterApiError> {
        self.majority()?;
        let mut disabled = self.disabled.lock().unwrap();
        if enabled {
            disabled.remove(trunk);
        } else {
            disabled.insert(trunk.clone());
        }
        Ok(LOG_INDEX)
    }
}

/// Carrier a is well, carrier b has failed.
fn trunk(name: &str) -> TrunkFacts {
    let is_well = name == "carrier-a";
    let shut = Gate::Shut { until: Some(START.plus_ms(10_000)) };
    TrunkFacts {
        name: Name::from(name),
        tenant: Name::from("default"),
        address: format!("127.0.0.1:{}", if is_well { 5070 } else { 5071 }),
        leads_to: None,
        is_probed: true,
        health: Some(TrunkHealth {
            gate: if is_well { Gate::Open } else { shut },
            standing: if is_well { Standing::Active } else { Standing::Greylisted },
            prober: Some(NodeId(2)),
            latency_ms: is_well.then_some(23),
            calls: if is_well { 4 } else { 0 },
        }),
        disabled_since: None,
    }
}

/// Where in the log every write of the fake is.
pub(crate) const LOG_INDEX: u64 = 4711;

/// A node that is well.
pub(crate) fn local_facts() -> LocalFacts {
    LocalFacts {
        node: NodeId(1),
        leader: Some(NodeId(1)),
        term: 3,
        formed: true,
        takes_part: true,
        votes: true,
        safe: true,
        lease_held: true,
        apply_lag: 0,
        disk_free_bytes: Some(10 << 30),
        disk_min_free_bytes: 1 << 30,
        disk_protected: false,
        log_writable: true,
        slots_owned: 2,
        slots_recovering: 0,
        addresses_missing: 0,
        draining: false,
        stopping: false,
    }
}

/// A cluster of three that is well.
pub(crate) fn cluster_facts() -> ClusterFacts {
    ClusterFacts {
        cluster: Name::from("test"),
        format: Format::NEWEST,
        answered_by: NodeId(1),
        leader: Some(NodeId(1)),
        term: 3,
        committed_index: 4711,
        applied_index: 4711,
        formed: true,
        slots: 6,
        members: (1..=3).map(member).collect(),
        roster: Roster::default(),
        round_trips: vec![RoundTrip { from: NodeId(1), to: NodeId(2), micros: 350 }],
        times: TimesFacts { fit: Duration::from_millis(25), adapt: true },
    }
}

fn member(id: u8) -> MemberFacts {
    let address = |port: u16| ([127, 0, 0, 10 + id], port).into();
    let record = NodeRecord {
        node: NodeId(id.into()),
        incarnation: Incarnation(7),
        pop: Name::from("fra"),
        sip: vec![address(5060)],
        rpc: address(7060),
        admin: address(8060),
        version: "0.1.0".to_owned(),
        up_at: START,
        draining: false,
        listeners: vec![Listener {
            transport: Transport::Udp,
            addr: address(5060),
            advertised: None,
        }],
        gossip: address(7060),
        role: NodeRole::Full,
        removed: None,
    };
    MemberFacts {
        node: record.node,
        pop: record.pop.clone(),
        voter: true,
        role: record.role,
        rpc: record.rpc,
        safe: true,
        alive: true,
        record: Some(record),
        reads: Some(Format::NEWEST),
        log_lag: Some(0),
        slots_owned: 2,
        slots_home: 2,
        calls: if id == 3 { 1 } else { 2 },
    }
}

/// A user.
fn user() -> UserRecord {
    UserRecord {
        aor: Aor::new("alice", "example.com").unwrap(),
        tenant: Name::from("acme"),
        ha1: Ha1 { md5: [1; 16], sha256: [2; 32] },
        max_bindings: Some(3),
        changed_at: START,
    }
}

/// Its one binding.
fn location(aor: &Aor) -> LocationRecord {
    let binding = Binding {
        key: "sip:alice@192.0.2.9".to_owned(),
        contact: "sip:alice@192.0.2.9".to_owned(),
        q: 1000,
        path: vec!["<sip:p;lr>".to_owned()],
        instance: None,
        reg_id: None,
        call_id: "r".to_owned(),
        cseq: 1,
        hop: Hop::udp(([127, 0, 0, 11], 5060).into(), ([192, 0, 2, 9], 5060).into()),
        at: START,
        granted_s: 60,
        until: START.plus_ms(90_000),
    };
    LocationRecord {
        aor: aor.clone(),
        bindings: vec![binding],
        requests: Vec::new(),
        former: Vec::new(),
    }
}

/// Slot n: at home at node n mod 3 + 1; once taken over by the next node and handed back.
fn slot(slot: SlotId) -> SlotRecord {
    let home = NodeId(u64::from(slot.0 % 3) + 1);
    let other = NodeId(u64::from((slot.0 + 1) % 3) + 1);
    let span = |node, epoch, after_ms, reason| OwnerSpan {
        node,
        epoch: Epoch(epoch),
        since: START.plus_ms(after_ms),
        reason,
    };
    let history = vec![
        span(home, 1, 0, TransferReason::Formed),
        span(other, 2, 60_000, TransferReason::Failure),
        span(home, 3, 90_000, TransferReason::HandBack),
    ];
    SlotRecord { slot, home, owner: home, epoch: Epoch(3), history, origin: home }
}

/// Call n of slot n: 0 is ringing, 5 is a tombstone, the others talk. Even ones are acme's.
pub(crate) fn call(n: u16) -> CallRecord {
    let call = CallId { slot: SlotId(n), nonce: 0x00c0_ffee_0000_0000 + u64::from(n) };
    let at = START.plus_ms(1000 * u64::from(n));
    let phase = match n {
        0 => Phase::Inviting,
        5 => Phase::Finished,
        _ => Phase::Confirmed,
    };
    let target = |trunk: &str, port| Target {
        trunk: Name::from(trunk),
        hop: Hop::udp(([127, 0, 0, 11], 5060).into(), ([127, 0, 0, 1], port).into()),
        uri: format!("sip:4969{n}@127.0.0.1:{port}"),
        together: false,
        routes: Vec::new(),
        fields: Vec::new(),
        redirects: 0,
    };
    CallRecord {
        call,
        step: Step(3),
        epoch: Epoch(2),
        admit_epoch: Epoch(1),
        phase,
        admission: Admission {
            at,
            tenant: Name::from(if n.is_multiple_of(2) { "acme" } else { "default" }),
            trunk: Name::from("office"),
            from: "sip:alice@office.example".to_owned(),
            to: format!("sip:4969{n}@127.0.0.11"),
            call_id: format!("call-{n}@office"),
            from_tag: "alice".to_owned(),
            cseq: 1,
            branch: format!("z9hG4bK{n}"),
            hop: Hop::udp(([127, 0, 0, 11], 5060).into(), ([127, 0, 0, 1], 6060).into()),
            demand: Demand::default(),
            passage: Passage::default(),
            timer: SessionTimer::default(),
            advertised: Vec::new(),
        },
        invite: Bytes::new(),
        targets: vec![target("carrier-a", 5070), target("carrier-b", 5071)],
        attempt: n % 2,
        answer_by: at.plus_ms(180_000),
        early: Vec::new(),
        cancel: None,
        answer: (n > 0).then(|| Box::new(answer(at.plus_ms(2000)))),
        end: (n == 5).then(|| Box::new(end(at.plus_ms(62_000)))),
        session: None,
        branches: None,
    }
}

fn answer(at: Millis) -> AnswerState {
    let dialog = |tag: &str| Dialog {
        call_id: format!("dialog-{tag}"),
        local: format!("<sip:h@127.0.0.11>;tag={tag}"),
        remote: "<sip:peer@127.0.0.1>;tag=peer".to_owned(),
        local_cseq: 1,
        shift: Shift::of(0),
        remote_cseq: 1,
        remote_target: "sip:peer@127.0.0.1:6060".to_owned(),
        route_set: Vec::new(),
        hop: Hop::udp(([127, 0, 0, 11], 5060).into(), ([127, 0, 0, 1], 6060).into()),
    };
    AnswerState {
        at,
        response: Bytes::new(),
        caller: dialog("a"),
        callee: dialog("b"),
        end_by: Some(at.plus_ms(3_600_000)),
        session_by: None,
        ack: Bytes::new(),
    }
}

fn end(at: Millis) -> EndState {
    EndState {
        at,
        by: HangupBy::Caller,
        cause: Cause { status: 200, text: Name::from("BYE") },
        response: Bytes::new(),
        bye_caller: false,
        bye_callee: true,
        late_answer: None,
        cdr: CdrId { index: 4711, position: 0 },
    }
}

/// Record n ended n minutes after the start; 1 was not answered.
pub(crate) fn cdr(n: u64) -> Cdr {
    let ended_at = START.plus_ms(60_000 * n + 60_000);
    let answered = n != 1;
    Cdr {
        id: CdrId { index: 4700 + n, position: 0 },
        call: CallId { slot: SlotId(1), nonce: 0xabc0 + n },
        tenant: Name::from(if n == 2 { "acme" } else { "default" }),
        trunk_in: Name::from("office"),
        trunk_out: Some(Name::from("carrier-a")),
        from: "sip:alice@office.example".to_owned(),
        to: format!("sip:4969{n}@127.0.0.11"),
        caller_call_id: format!("call-{n}@office"),
        callee_call_id: "hl…c".to_owned(),
        started_at: START.plus_ms(60_000 * n),
        admitted_at: START.plus_ms(60_000 * n + 2),
        answered_at: answered.then(|| START.plus_ms(60_000 * n + 2500)),
        ended_at,
        duration_ms: if answered { 57_500 } else { 0 },
        disposition: if answered { Disposition::Answered } else { Disposition::Busy },
        cause: Cause {
            status: if answered { 200 } else { 486 },
            text: Name::from(if answered { "BYE" } else { "Busy Here" }),
        },
        hangup_by: HangupBy::Callee,
        owners: slot(SlotId(1)).history,
        takeovers: 2,
    }
}
