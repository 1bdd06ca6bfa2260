//! Purses of the classes in force: what a request spends, and who keeps what when the limits change.

use holdline_guard::{Lender, LenderOptions};
use holdline_model::Millis;
use holdline_model::limit::{LimitConfig, Operation};

use super::*;

fn table(version: u64, text: &str) -> LimitTable {
    let config: LimitConfig = toml::from_str(text).unwrap();
    let mut table = LimitTable::default();
    // Earlier versions.
    for before in 0..version - 1 {
        table.set(before, &LimitConfig::default(), Millis(1)).unwrap();
    }
    table.set(version - 1, &config, Millis(1)).unwrap();
    table
}

const TWO_TREES: &str = "
    emergency = [\"112\"]
    cost = { options = 0, register = 1, message = 1 }
    [[class]]\nname = \"all\"\nassured = \"10/s\"\nburst = 100
    [[class]]\nname = \"phones\"\nmatch = { operation = [\"register\"] }\nassured = \"5/s\"\nburst = 100\nstatus = 429
    [[class]]\nname = \"talk\"\nmatch = { operation = [\"message\"] }\nassured = \"5/s\"\nburst = 100\naction = \"mark\"";

fn request(operation: Operation, called: &str) -> Request<'_> {
    let source = [192, 0, 2, 1].into();
    Request { operation, pop: "fra", tenant: "acme", trunk: "", source, caller: "", called }
}

fn allowances(text: &str) -> Allowances {
    let allowances = Allowances::new(Clock::start());
    allowances.follow(&table(1, text));
    allowances
}

/// Has a class's purse filled, as its lender would.
fn fill(allowances: &Allowances, class: &str, tokens: u64) {
    let book = allowances.book();
    let class = book.classes.iter().find(|known| known.name.as_str() == class).unwrap();
    class.purse.take(0, Tokens::ONE);
    let mut lender = Lender::new(LenderOptions::default());
    lender.ask(1, &class.purse).unwrap();
    let sent_ns = allowances.clock.elapsed_ns();
    lender.replied(&class.purse, (sent_ns, sent_ns), Tokens::whole(tokens), 60_000, 0);
}

fn left(allowances: &Allowances, class: &str) -> u64 {
    let facts = allowances.facts();
    let facts = facts.iter().find(|facts| facts.class.as_str() == class).unwrap();
    facts.counts.left.0 / Tokens::ONE.0
}

fn short_of(allowed: Allowed) -> (String, u16) {
    match allowed {
        Allowed::Wait(Throttled { class, status, .. })
        | Allowed::Refused(Throttled { class, status, .. }) => (class.to_string(), status),
        Allowed::Pass => panic!("it passed"),
    }
}

#[test]
fn before_the_first_limits_everything_passes() {
    let allowances = Allowances::new(Clock::start());
    allowances.follow(&LimitTable::default());
    assert_eq!(allowances.take(&request(Operation::Register, "x"), false), Allowed::Pass);
    assert_eq!(allowances.facts(), []);
}

#[test]
fn a_request_spends_in_each_tree_that_means_it_or_nowhere() {
    let allowances = allowances(TWO_TREES);
    let register = request(Operation::Register, "x");
    fill(&allowances, "all", 2);
    assert_eq!(short_of(allowances.take(&register, false)), ("phones".to_owned(), 429));
    assert_eq!(left(&allowances, "all"), 2, "it was put back");
    fill(&allowances, "phones", 5);
    for all in [1, 0] {
        assert_eq!(allowances.take(&register, false), Allowed::Pass);
        assert_eq!(left(&allowances, "all"), all);
    }
    assert_eq!(short_of(allowances.take(&register, false)), ("all".to_owned(), 503));
    assert_eq!(left(&allowances, "phones"), 3);
}

#[test]
fn a_class_that_marks_lets_pass() {
    let allowances = allowances(TWO_TREES);
    fill(&allowances, "all", 1);
    assert_eq!(allowances.take(&request(Operation::Message, "x"), false), Allowed::Pass);
    assert_eq!(left(&allowances, "all"), 0);
}

#[test]
fn what_costs_nothing_and_emergencies_pass() {
    let allowances = allowances(TWO_TREES);
    assert_eq!(allowances.take(&request(Operation::Options, "x"), false), Allowed::Pass);
    for number in ["112", "urn:service:sos"] {
        assert_eq!(allowances.take(&request(Operation::Message, number), false), Allowed::Pass);
    }
    assert_eq!(allowances.facts(), [], "and nothing is asked for");
}

#[test]
fn waiting_is_one_demand() {
    let allowances = allowances(TWO_TREES);
    let register = request(Operation::Register, "x");
    allowances.take(&register, false);
    for _ in 0..20 {
        allowances.take(&register, true);
    }
    assert_eq!(allowances.facts()[0].counts.refused, Tokens::ONE);
}

#[test]
fn a_class_keeps_its_purse_when_the_limits_change_and_when_it_comes_back() {
    let allowances = allowances(TWO_TREES);
    fill(&allowances, "all", 7);
    allowances.follow(&table(2, "[[class]]\nname = \"other\"\nassured = \"1/s\"\nburst = 1"));
    assert!(allowances.facts().iter().all(|facts| facts.class.as_str() != "all"));
    allowances.follow(&table(3, TWO_TREES));
    assert_eq!(left(&allowances, "all"), 7);
}
