//! Input → exact output, on virtual time; then thousands of random trees, traffics and takeovers.

mod caps;
mod leases;
mod properties;
mod replay;
mod settings;
mod trees;

use std::net::IpAddr;

use holdline_model::limit::{
    Action, Borrow, CapConfig, ClassConfig, Demand, EachConfig, LimitConfig, LimitRefusal, Match,
    Operation, Rate, Request, Tokens, Verdict,
};
use holdline_model::{Admit, CallId, CallRecord, Epoch, Hop, Millis, NodeId, SlotId, Step, Target};

use crate::LimitTable;

/// When virtual time begins, by the nodes' clocks.
const START: u64 = 1_700_000_000_000;

/// A class with nothing but a rate and a burst.
fn class(name: &str, parent: Option<&str>, assured: u64, burst: u64) -> ClassConfig {
    ClassConfig {
        name: name.into(),
        parent: parent.map(Into::into),
        matches: Match::default(),
        assured: Rate::per_second(assured),
        burst: Tokens::whole(burst),
        ceiling: None,
        ceiling_burst: None,
        debt: Tokens(0),
        borrow: Borrow::Parent,
        priority: 0,
        weight: 1,
        action: Action::Drop,
        status: None,
        max_wait_ms: 0,
        mark: None,
    }
}

/// The same, for one tenant.
fn tenant(name: &str, parent: &str, assured: u64, burst: u64) -> ClassConfig {
    let matches = Match { tenant: vec![name.into()], ..Match::default() };
    ClassConfig { matches, ..class(name, Some(parent), assured, burst) }
}

fn config(classes: Vec<ClassConfig>) -> LimitConfig {
    LimitConfig { class: classes, ..LimitConfig::default() }
}

/// A table and a clock.
struct World {
    table: LimitTable,
    now: u64,
    node: NodeId,
    calls: u64,
}

impl World {
    fn new(config: &LimitConfig) -> Self {
        let mut world =
            Self { table: LimitTable::default(), now: START, node: NodeId(1), calls: 0 };
        world.table.set(0, config, Millis(START)).expect("the configuration is valid");
        world.table.tick(world.node, Millis(START));
        world
    }

    fn pass(&mut self, ms: u64) {
        self.now += ms;
        self.table.tick(self.node, Millis(self.now));
    }

    fn ask(&mut self, tenant: &str) -> Verdict {
        self.ask_from(tenant, "192.0.2.1", "100")
    }

    fn ask_from(&mut self, tenant: &str, source: &str, called: &str) -> Verdict {
        let source: IpAddr = source.parse().expect("an address");
        let request = Request {
            operation: Operation::Invite,
            pop: "fra",
            tenant,
            trunk: "pbx",
            source,
            caller: "200",
            called,
        };
        self.table.ask(self.node, Millis(self.now), &request)
    }

    /// How many of `count` requests are admitted.
    fn admitted(&mut self, tenant: &str, count: usize) -> usize {
        (0..count).filter(|_| is_admitted(&self.ask(tenant))).count()
    }

    /// Why one is refused.
    fn refusal(&mut self, tenant: &str) -> LimitRefusal {
        match self.ask(tenant) {
            Verdict::Refused(refusal) => refusal,
            Verdict::Admitted(passage) => panic!("admitted: {passage:?}"),
        }
    }

    /// A new INVITE.
    fn invite(&mut self, targets: &[&str]) -> (CallId, Admit) {
        self.calls += 1;
        (CallId { slot: SlotId(0), nonce: self.calls }, invite(self.calls, targets))
    }

    fn admit(&mut self, call: CallId, admit: &Admit) -> Verdict {
        let verdict = self.table.admit(self.node, Millis(self.now), call, admit);
        if let Verdict::Admitted(passage) = &verdict {
            let mut record = CallRecord::admitted(call, Step(1), Epoch(1), Millis(self.now), admit);
            record.pass(passage);
            self.table.call_up(&record);
        }
        verdict
    }
}

fn is_admitted(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Admitted(_))
}

fn invite(number: u64, targets: &[&str]) -> Admit {
    let address = "192.0.2.1:5060".parse().expect("an address");
    let target = |trunk: &&str| Target {
        trunk: (*trunk).into(),
        hop: Hop::udp(address, address),
        uri: String::new(),
        together: false,
        routes: Vec::new(),
        fields: Vec::new(),
        redirects: 0,
    };
    Admit {
        tenant: "acme".into(),
        trunk: "pbx".into(),
        from: String::new(),
        to: String::new(),
        call_id: format!("call-{number}"),
        from_tag: "tag".to_owned(),
        cseq: 1,
        branch: format!("z9hG4bK{number}"),
        hop: Hop::udp(address, address),
        invite: Default::default(),
        targets: targets.iter().map(target).collect(),
        answer_by: Millis(u64::MAX),
        demand: Demand { pop: "fra".into(), caller: "200".to_owned(), called: "100".to_owned() },
        timer: holdline_model::SessionTimer::default(),
        advertised: Vec::new(),
    }
}

fn each(name: &str, by: holdline_model::limit::Dimension, rate: u64, burst: u64) -> EachConfig {
    EachConfig {
        name: name.into(),
        matches: Match::default(),
        by,
        rate: Rate::per_second(rate),
        burst: Tokens::whole(burst),
        debt: Tokens(0),
        action: Action::Drop,
        status: None,
        mark: None,
    }
}

fn cap(name: &str, by: Option<holdline_model::limit::Dimension>, calls: u32) -> CapConfig {
    CapConfig { name: name.into(), matches: Match::default(), by, calls, status: None }
}
