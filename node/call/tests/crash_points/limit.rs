//! What the cluster's limits say to the call of a script.

use holdline_model::limit::{
    Action, Borrow, CapConfig, ClassConfig, LimitConfig, Match, Operation, Rate, Request, Tokens,
};
use holdline_model::{Millis, NodeId};

use super::tables::Tables;

/// Which limits there are, and how they stand when the call comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// None.
    Free,
    /// As many calls are up as may be.
    NoCalls,
    /// Somebody else has just taken the token; there is another one a second later.
    NoToken,
    /// The same, and a call is held back until then.
    Holds,
    /// As many calls as may be are up at this target's trunk.
    FullTarget(u8),
}

impl Limit {
    /// Whether the call may be refused: then nothing is left of it, no bill either.
    pub(crate) const fn may_refuse(self) -> bool {
        matches!(self, Self::NoCalls | Self::NoToken)
    }

    /// Puts it into force.
    pub(crate) fn set(self, tables: &mut Tables, now: Millis) {
        let config = match self {
            Self::Free => return,
            Self::NoCalls => LimitConfig { cap: vec![cap(None)], ..LimitConfig::default() },
            Self::FullTarget(target) => {
                LimitConfig { cap: vec![cap(Some(target))], ..LimitConfig::default() }
            }
            Self::NoToken => {
                LimitConfig { class: vec![class(Action::Drop)], ..LimitConfig::default() }
            }
            Self::Holds => {
                LimitConfig { class: vec![class(Action::Delay)], ..LimitConfig::default() }
            }
        };
        tables.limits.set(0, &config, now).expect("the test's own limits");
        let other = Request {
            operation: Operation::Invite,
            pop: "pop",
            tenant: "acme",
            trunk: "in",
            source: [10, 9, 9, 9].into(),
            caller: "somebody",
            called: "else",
        };
        for node in (1..=3).map(NodeId) {
            tables.limits.tick(node, now);
        }
        if matches!(self, Self::NoToken | Self::Holds) {
            tables.limits.ask(NodeId(3), now, &other);
        }
    }
}

fn cap(target: Option<u8>) -> CapConfig {
    let trunk_out = target.map(|target| format!("out-{target}").into());
    let matches = Match { trunk_out: trunk_out.into_iter().collect(), ..Match::default() };
    CapConfig { name: "full".into(), matches, by: None, calls: 0, status: None }
}

fn class(action: Action) -> ClassConfig {
    ClassConfig {
        name: "all".into(),
        parent: None,
        matches: Match::default(),
        assured: Rate::per_second(1),
        burst: Tokens::ONE,
        ceiling: None,
        ceiling_burst: None,
        debt: Tokens(0),
        borrow: Borrow::Parent,
        priority: 0,
        weight: 1,
        action,
        status: None,
        max_wait_ms: 10_000,
        mark: None,
    }
}
