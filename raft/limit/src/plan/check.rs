//! Whether a configuration can work. Each fault names the values that contradict each other.

use std::collections::{BTreeMap, BTreeSet};

use holdline_model::limit::{
    Action, ClassConfig, Dimension, EachConfig, LimitConfig, LimitFault, Match, Operation, Rate,
    Tokens,
};
use holdline_model::{Name, limits};

use super::{Class, Penalty};

/// What concerns the configuration as a whole.
pub(super) fn whole(config: &LimitConfig) -> Result<(), LimitFault> {
    for (what, count, max) in [
        ("classes", config.class.len(), limits::MAX_LIMIT_CLASSES),
        ("sets of buckets", config.each.len(), limits::MAX_LIMIT_EACH),
        ("caps", config.cap.len(), limits::MAX_LIMIT_CAPS),
        ("emergency numbers", config.emergency.len(), limits::MAX_LIMIT_MATCHES),
    ] {
        at_most(what.into(), count, max)?;
    }
    if !(MIN_LEASE_MS..=MAX_LEASE_MS).contains(&config.lease_ms) {
        let (lease_ms, min, max) = (config.lease_ms, MIN_LEASE_MS, MAX_LEASE_MS);
        return Err(LimitFault::LeaseTime { lease_ms, min, max });
    }
    names(config)?;
    status(&"default".into(), Some(config.status))?;
    for class in &config.class {
        list(&class.name, &class.matches)?;
        no_trunk_out(&class.name, &class.matches, None)?;
        status(&class.name, class.status)?;
        mark(&class.name, class.mark.as_ref())?;
    }
    for each in &config.each {
        list(&each.name, &each.matches)?;
        no_trunk_out(&each.name, &each.matches, Some(each.by))?;
        status(&each.name, each.status)?;
        mark(&each.name, each.mark.as_ref())?;
    }
    for cap in &config.cap {
        list(&cap.name, &cap.matches)?;
        status(&cap.name, cap.status)?;
    }
    Ok(())
}

fn at_most(what: Name, count: usize, max: usize) -> Result<(), LimitFault> {
    if count <= max {
        return Ok(());
    }
    Err(LimitFault::TooMany { what, count: count as u64, max: max as u64 })
}

fn names(config: &LimitConfig) -> Result<(), LimitFault> {
    let classes = config.class.iter().map(|class| ("class", &class.name));
    let each = config.each.iter().map(|each| ("set of buckets", &each.name));
    let caps = config.cap.iter().map(|cap| ("cap", &cap.name));
    let mut seen = BTreeSet::new();
    for (what, name) in classes.chain(each).chain(caps) {
        if name.is_empty() || name.len() > limits::MAX_LIMIT_TEXT {
            let len = u32::try_from(name.len()).unwrap_or(u32::MAX);
            let max = u32::try_from(limits::MAX_LIMIT_TEXT).unwrap_or(u32::MAX);
            return Err(LimitFault::Name { what: what.into(), len, max });
        }
        if !seen.insert(name) {
            return Err(LimitFault::DuplicateName { name: name.clone() });
        }
    }
    Ok(())
}

fn list(name: &Name, matches: &Match) -> Result<(), LimitFault> {
    let count = matches.operation.len()
        + matches.pop.len()
        + matches.tenant.len()
        + matches.trunk.len()
        + matches.trunk_out.len()
        + matches.source.len()
        + matches.caller.len()
        + matches.called.len();
    at_most(format!("items in the match of \"{name}\"").into(), count, limits::MAX_LIMIT_MATCHES)
}

fn no_trunk_out(name: &Name, matches: &Match, by: Option<Dimension>) -> Result<(), LimitFault> {
    if matches.trunk_out.is_empty() && by != Some(Dimension::TrunkOut) {
        return Ok(());
    }
    Err(LimitFault::TrunkOut { class: name.clone() })
}

fn status(name: &Name, status: Option<u16>) -> Result<(), LimitFault> {
    match status {
        None | Some(429 | 503) => Ok(()),
        Some(status) => Err(LimitFault::Status { class: name.clone(), status }),
    }
}

/// A header field on one line: a token, a colon, and text without control characters.
fn mark(name: &Name, mark: Option<&Name>) -> Result<(), LimitFault> {
    let Some(mark) = mark else { return Ok(()) };
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte);
    let is_field = mark.split_once(": ").is_some_and(|(field, value)| {
        field.to_ascii_lowercase().starts_with("x-")
            && field.bytes().all(is_token)
            && !value.trim().is_empty()
            && value.chars().all(|c| !c.is_control())
    });
    if is_field && mark.len() <= 2 * limits::MAX_LIMIT_TEXT {
        return Ok(());
    }
    Err(LimitFault::Mark { class: name.clone(), mark: mark.clone() })
}

/// The classes, parents before children, otherwise as they were written.
pub(super) fn order(classes: &[ClassConfig]) -> Result<Vec<&ClassConfig>, LimitFault> {
    let by_name: BTreeMap<&Name, &ClassConfig> =
        classes.iter().map(|class| (&class.name, class)).collect();
    let mut ordered = Vec::with_capacity(classes.len());
    let mut placed = BTreeSet::new();
    for class in classes {
        let mut chain: Vec<&ClassConfig> = Vec::new();
        let mut next = Some(class);
        while let Some(class) = next.filter(|class| !placed.contains(&class.name)) {
            if chain.iter().any(|other| other.name == class.name) {
                let parent = class.parent.clone().unwrap_or_default();
                return Err(LimitFault::Cycle { class: class.name.clone(), parent });
            }
            chain.push(class);
            next = match &class.parent {
                None => None,
                Some(parent) => match by_name.get(parent) {
                    Some(parent) => Some(*parent),
                    None => {
                        let (class, parent) = (class.name.clone(), parent.clone());
                        return Err(LimitFault::UnknownParent { class, parent });
                    }
                },
            };
        }
        for class in chain.into_iter().rev() {
            placed.insert(&class.name);
            ordered.push(class);
        }
    }
    Ok(ordered)
}

/// A rate in absolute terms.
pub(super) fn resolve(name: &Name, rate: Rate, parent: Option<u64>) -> Result<u64, LimitFault> {
    match (rate, parent) {
        (Rate::Share(_), None) => {
            Err(LimitFault::ShareOfNothing { class: name.clone(), share: rate })
        }
        (Rate::Absolute(_) | Rate::Share(_), _) => Ok(rate.resolve(parent.unwrap_or(0))),
    }
}

/// The cost of the dearest operation that a match is for.
pub(super) fn dearest(config: &LimitConfig, matches: &Match) -> Tokens {
    let all = [
        Operation::Invite,
        Operation::Register,
        Operation::Options,
        Operation::Message,
        Operation::Subscribe,
        Operation::Api,
    ];
    let meant = all
        .iter()
        .filter(|operation| matches.operation.is_empty() || matches.operation.contains(operation));
    let cost = |operation| config.cost.get(operation).copied().unwrap_or(Tokens::ONE);
    meant.map(cost).max().unwrap_or(Tokens::ONE)
}

/// What concerns one class by itself.
pub(super) fn class(
    class: &ClassConfig,
    assured: u64,
    ceiling: Option<u64>,
    dearest: Tokens,
) -> Result<(), LimitFault> {
    let name = || class.name.clone();
    if !(1..=MAX_WEIGHT).contains(&class.weight) {
        return Err(LimitFault::Weight { class: name(), weight: class.weight, max: MAX_WEIGHT });
    }
    if assured > 0 || class.parent.is_none() {
        bounds(&class.name, assured)?;
        enough(&class.name, assured, (class.burst, class.debt), dearest)?;
    }
    if let Some(ceiling) = ceiling {
        bounds(&class.name, ceiling)?;
        if ceiling < assured {
            let (ceiling, assured) = (Rate::Absolute(ceiling), Rate::Absolute(assured));
            return Err(LimitFault::CeilingBelowAssured { class: name(), ceiling, assured });
        }
        let bursts = Bursts::new(class, assured);
        if ceiling > assured && bursts.borrowed(ceiling, assured) < dearest.0 {
            let (burst, ceiling_burst) = (Tokens(bursts.own), Tokens(bursts.ceiling));
            let fault =
                LimitFault::CeilingBurst { class: name(), ceiling_burst, burst, cost: dearest };
            return Err(fault);
        }
    }
    let why = match class.action {
        Action::Delay if assured == 0 => "but no assured rate at which the held could be released",
        Action::Delay if !(1..=MAX_WAIT_MS).contains(&class.max_wait_ms) => {
            "but no max_wait_ms from 1 to 30000"
        }
        Action::Drop | Action::Delay | Action::Mark => return Ok(()),
    };
    Err(LimitFault::Action { class: name(), action: "delay".into(), why: why.into() })
}

/// What a class can save up.
pub(super) struct Bursts {
    /// Of its own. Without tokens of its own it has no bucket; its burst is its ceiling's then.
    pub(super) own: u64,
    /// Together with what it borrows.
    ceiling: u64,
}

impl Bursts {
    pub(super) fn new(class: &ClassConfig, assured: u64) -> Self {
        let own = if assured > 0 { class.burst.0 } else { 0 };
        let ceiling =
            class.ceiling_burst.map_or(own.saturating_add(class.burst.0), |burst| burst.0);
        Self { own, ceiling }
    }

    /// What it may borrow at once.
    pub(super) const fn borrowed(&self, ceiling: u64, assured: u64) -> u64 {
        if ceiling > assured { self.ceiling.saturating_sub(self.own) } else { 0 }
    }
}

/// What concerns one set of buckets by itself.
pub(super) fn each(config: &LimitConfig, each: &EachConfig, rate: u64) -> Result<(), LimitFault> {
    bounds(&each.name, rate)?;
    enough(&each.name, rate, (each.burst, each.debt), dearest(config, &each.matches))?;
    match each.action {
        Action::Drop | Action::Mark => Ok(()),
        Action::Delay => Err(LimitFault::Action {
            class: each.name.clone(),
            action: "delay".into(),
            why: "which only classes can have".into(),
        }),
    }
}

fn bounds(name: &Name, rate: u64) -> Result<(), LimitFault> {
    if rate > 0 && rate <= Rate::MAX_PER_MS {
        return Ok(());
    }
    let max = Rate::Absolute(Rate::MAX_PER_MS);
    Err(LimitFault::RateBounds { class: name.clone(), rate: Rate::Absolute(rate), max })
}

fn enough(
    name: &Name,
    rate: u64,
    (burst, debt): (Tokens, Tokens),
    cost: Tokens,
) -> Result<(), LimitFault> {
    let total = burst.0.saturating_add(debt.0);
    if burst.0 > 0 && total >= cost.0 && total <= Tokens::MAX.0 {
        return Ok(());
    }
    let (class, rate) = (name.clone(), Rate::Absolute(rate));
    Err(LimitFault::Burst { class, rate, burst: Tokens(total), cost })
}

/// What concerns parents and children: works out what each class keeps for itself.
pub(super) fn sums(classes: &mut [Class], config: &LimitConfig) -> Result<(), LimitFault> {
    let mut children: Vec<(u64, u64)> = vec![(0, 0); classes.len()];
    for class in classes.iter() {
        if let Some(sum) = class.parent.and_then(|parent| children.get_mut(parent)) {
            sum.0 = sum.0.saturating_add(class.assured);
            sum.1 = sum.1.saturating_add(class.burst);
        }
    }
    let cost = config.cost.values().copied().chain([Tokens::ONE]).max().unwrap_or(Tokens::ONE);
    for (class, (assured, burst)) in classes.iter_mut().zip(children) {
        let name = class.name.clone();
        if assured > class.assured {
            let (own, children) = (Rate::Absolute(class.assured), Rate::Absolute(assured));
            return Err(LimitFault::AssuredSum { class: name, assured: own, children });
        }
        if burst > class.burst {
            let (own, children) = (Tokens(class.burst), Tokens(burst));
            return Err(LimitFault::BurstSum { class: name, burst: own, children });
        }
        if matches!(class.penalty, Penalty::Delay { .. }) && !class.children.is_empty() {
            let why = "but children: only classes without any can hold requests".into();
            return Err(LimitFault::Action { class: name, action: "delay".into(), why });
        }
        class.own_rate = class.assured - assured;
        class.size = class.burst - burst;
        if class.assured > 0 && !class.children.is_empty() && class.size < cost.0 {
            let (burst, children) = (Tokens(class.burst), Tokens(burst));
            return Err(LimitFault::NoRoomToLend { class: name, burst, children, cost });
        }
    }
    Ok(())
}

const MIN_LEASE_MS: u64 = 100;
const MAX_LEASE_MS: u64 = 60_000;
const MAX_WEIGHT: u32 = 1_000_000;
const MAX_WAIT_MS: u64 = 30_000;
