//! What the limits cost: the verdict on a call in a tree of five levels (the bound is 5 µs), finding and
//! spending a leased token (200 ns), a bucket among a million.

use holdline_guard::{Lender, LenderOptions, Purse, Take, Tokens};
use holdline_limit::LimitTable;
use holdline_model::NodeId;
use holdline_model::limit::{
    Action, Borrow, ClassConfig, Dimension, EachConfig, LimitConfig, Match, Operation, Rate,
    Request, Tokens as Amount,
};

use crate::calibrate;
use crate::meter::{Group, Meter, Pace, repeat};
use crate::script::START;

const GROUP: Group = Group { name: "limit", pace: Pace::Processor };
const NODE: NodeId = NodeId(1);

pub(crate) fn run(meter: &mut dyn Meter) {
    if !meter.wants(&GROUP) {
        return;
    }
    calibrate::run(meter, &GROUP);
    let mut table = table(&five_levels(60_000));
    repeat(meter, &GROUP, "admit_five_levels", || {
        let verdict = table.ask(NODE, START, &request(Operation::Invite, "+4969100"));
        drop(table.take_changes());
        verdict
    });
    // After some thousand calls nothing is left at any level.
    let mut poor = self::table(&five_levels(1));
    repeat(meter, &GROUP, "refuse_five_levels", || {
        let verdict = poor.ask(NODE, START, &request(Operation::Invite, "+4969100"));
        drop(poor.take_changes());
        verdict
    });
    leased(meter, &table);
    buckets(meter);
}

/// What a REGISTER costs that is let in by a leased token: its class is found, the token is spent.
fn leased(meter: &mut dyn Meter, table: &LimitTable) {
    let plan = table.plan();
    let purses: Vec<Purse> = plan.lendings().map(|_| Purse::new()).collect();
    let now_ns = 1;
    repeat(meter, &GROUP, "lease_find_and_take", || {
        let request = request(Operation::Register, "example.com");
        let classes = plan.classes_of(&request).filter_map(|at| purses.get(at));
        classes.fold(0, |taken, purse| {
            let is_taken = purse.take(now_ns, Tokens::ONE) == Take::Taken;
            if !is_taken {
                let mut lender = Lender::new(LenderOptions::default());
                let _asked = lender.ask(now_ns, purse);
                lender.replied(purse, (now_ns, now_ns), Tokens::whole(1_000_000), u64::MAX, 0);
            }
            taken + u32::from(is_taken)
        })
    });
}

/// A call that has its own bucket among as many as there are callers.
fn buckets(meter: &mut dyn Meter) {
    for (name, callers) in [("each_of_1000", 1_000), ("each_of_100000", 100_000)] {
        let mut table = table(&LimitConfig { each: vec![each()], ..LimitConfig::default() });
        let mut number = 0_u32;
        let mut ask = || {
            number = (number + 7_919) % callers;
            let caller = format!("+4969{number:07}");
            let request = Request { caller: &caller, ..request(Operation::Invite, "100") };
            let verdict = table.ask(NODE, START, &request);
            drop(table.take_changes());
            verdict
        };
        for _ in 0..callers {
            drop(ask());
        }
        repeat(meter, &GROUP, name, &mut ask);
    }
}

fn table(config: &LimitConfig) -> LimitTable {
    let mut table = LimitTable::default();
    table.set(0, config, START).expect("the configuration is valid");
    table.tick(NODE, START);
    table
}

fn request(operation: Operation, called: &str) -> Request<'_> {
    Request {
        operation,
        pop: "pop-a",
        tenant: "acme",
        trunk: "pbx",
        source: [192, 0, 2, 10].into(),
        caller: "+4969200",
        called,
    }
}

/// Each caller has a bucket that does not fill up meanwhile.
fn each() -> EachConfig {
    EachConfig {
        name: "per-caller".into(),
        matches: Match::default(),
        by: Dimension::Caller,
        rate: Rate::per_second(1),
        burst: Amount::whole(1_000_000_000),
        debt: Amount(0),
        action: Action::Drop,
        status: None,
        mark: None,
    }
}

/// Cluster, site, tenant, trunk, source; eight brothers at each level before the one that is meant, which
/// has half of its parent's rate. `rate`: that of the source, per second.
pub(crate) fn five_levels(rate: u64) -> LimitConfig {
    let mut classes = Vec::new();
    let mut parent: Option<String> = None;
    for level in 0..5_u32 {
        let share = rate << (4 - level);
        let name = format!("level-{level}");
        let mine = match level {
            1 => Match { pop: vec!["pop-a".into()], ..Match::default() },
            2 => Match { tenant: vec!["acme".into()], ..Match::default() },
            3 => Match { trunk: vec!["pbx".into()], ..Match::default() },
            4 => Match { source: vec!["192.0.2.0/24".to_owned()], ..Match::default() },
            _ => Match::default(),
        };
        for brother in 0..if level == 0 { 0 } else { 8 } {
            let other = format!("{name}-{brother}");
            let matches = Match { tenant: vec![other.as_str().into()], ..Match::default() };
            classes.push(class(&other, parent.as_deref(), 0, matches));
        }
        classes.push(class(&name, parent.as_deref(), share, mine));
        parent = Some(name);
    }
    LimitConfig { class: classes, ..LimitConfig::default() }
}

fn class(name: &str, parent: Option<&str>, assured: u64, matches: Match) -> ClassConfig {
    ClassConfig {
        name: name.into(),
        parent: parent.map(Into::into),
        matches,
        assured: Rate::per_second(assured),
        burst: Amount::whole(if assured > 0 { assured * 1_000 } else { 1 }),
        ceiling: None,
        ceiling_burst: None,
        debt: Amount(0),
        borrow: Borrow::Parent,
        priority: 0,
        weight: 1,
        action: Action::Drop,
        status: None,
        max_wait_ms: 0,
        mark: None,
    }
}
