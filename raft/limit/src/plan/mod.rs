//! A configuration, checked and made ready: names resolved, shares turned into rates, parents before
//! children.

mod check;
mod matcher;

use std::collections::BTreeMap;

use holdline_model::limit::{
    Action, Borrow, CapConfig, ClassConfig, Dimension, EachConfig, LimitConfig, LimitFault,
    Operation, Request, Tokens,
};
use holdline_model::{Name, limits};

pub(crate) use matcher::Matcher;

use crate::Shape;
use crate::tree::take::upwards;

/// A valid configuration, ready to be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Parents before children.
    pub(crate) classes: Vec<Class>,
    pub(crate) roots: Vec<usize>,
    pub(crate) each: Vec<Each>,
    pub(crate) caps: Vec<Cap>,
    pub(crate) cost: BTreeMap<Operation, Tokens>,
    pub(crate) lease_ms: u64,
    emergency: Vec<String>,
}

/// A class of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Class {
    pub(crate) name: Name,
    pub(crate) parent: Option<usize>,
    pub(crate) children: Vec<usize>,
    pub(crate) matcher: Matcher,
    /// Its assured rate.
    pub(crate) assured: u64,
    /// The part of it that is not its children's.
    pub(crate) own_rate: u64,
    /// Its burst, its children's included.
    pub(crate) burst: u64,
    /// The part of it that is not its children's: the size of its bucket, without the debt.
    pub(crate) size: u64,
    pub(crate) debt: u64,
    /// What it may borrow: a bucket that fills at its ceiling less its assured rate. Its own tokens pass
    /// it without being counted, so that no brother's borrowing can be in the way of what is assured.
    pub(crate) ceiling: Option<Shape>,
    pub(crate) borrow: Borrow,
    pub(crate) priority: u8,
    pub(crate) weight: u64,
    pub(crate) penalty: Penalty,
}

/// Buckets made on demand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Each {
    pub(crate) name: Name,
    pub(crate) matcher: Matcher,
    pub(crate) by: Dimension,
    pub(crate) shape: Shape,
    pub(crate) penalty: Penalty,
}

/// A cap on calls that are up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cap {
    pub(crate) name: Name,
    pub(crate) matcher: Matcher,
    pub(crate) by: Option<Dimension>,
    pub(crate) calls: u32,
    pub(crate) status: u16,
}

/// A class, as a node that leases tokens of it sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lending<'a> {
    /// Its name.
    pub name: &'a Name,
    /// What is leased at least, when anything is: enough for the dearest operation, and so little that
    /// several nodes can hold as much at the same time.
    pub least: Tokens,
    /// With which status requests are refused when there are no tokens; `None`: they pass, marked
    /// requests being beside the limits.
    pub status: Option<u16>,
}

/// What happens to a request for which there are no tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Penalty {
    /// It is refused with this status.
    Drop { status: u16 },
    /// It is held, so long at most, else refused with this status.
    Delay { max_wait_ms: u64, status: u16 },
    /// It gets this header field.
    Mark { header: Name },
}

/// Checks a configuration.
///
/// # Errors
/// The first fault found, with the values that contradict each other.
pub fn check(config: &LimitConfig) -> Result<Plan, LimitFault> {
    Plan::new(config)
}

impl Plan {
    /// Checks a configuration and makes it ready.
    ///
    /// # Errors
    /// The first fault found, with the values that contradict each other.
    pub fn new(config: &LimitConfig) -> Result<Self, LimitFault> {
        check::whole(config)?;
        let order = check::order(&config.class)?;
        let mut classes: Vec<Class> = Vec::with_capacity(order.len());
        let mut index = BTreeMap::new();
        for class in order {
            let parent = class.parent.as_ref().and_then(|parent| index.get(parent).copied());
            let made = make_class(config, class, parent.and_then(|at: usize| classes.get(at)))?;
            let at = classes.len();
            if let Some(above) = parent.and_then(|parent| classes.get_mut(parent)) {
                above.children.push(at);
            }
            index.insert(class.name.clone(), at);
            classes.push(Class { parent, ..made });
        }
        check::sums(&mut classes, config)?;
        let roots = (0..classes.len()).filter(|at| classes.get(*at).is_some_and(is_root));
        Ok(Self {
            roots: roots.collect(),
            each: config
                .each
                .iter()
                .map(|each| make_each(config, each))
                .collect::<Result<_, _>>()?,
            caps: config.cap.iter().map(|cap| make_cap(config, cap)).collect::<Result<_, _>>()?,
            classes,
            cost: config.cost.clone(),
            lease_ms: config.lease_ms,
            emergency: config.emergency.clone(),
        })
    }

    /// The plan before anything was configured.
    pub(crate) fn unlimited() -> Self {
        Self {
            classes: Vec::new(),
            roots: Vec::new(),
            each: Vec::new(),
            caps: Vec::new(),
            cost: BTreeMap::new(),
            lease_ms: LimitConfig::default().lease_ms,
            emergency: Vec::new(),
        }
    }

    /// Whether calls to a number are never limited. Service URNs for emergencies (RFC 5031) never are.
    #[must_use]
    pub fn is_emergency(&self, called: &str) -> bool {
        called.starts_with("urn:service:sos")
            || self.emergency.iter().any(|pattern| match pattern.strip_suffix('*') {
                Some(prefix) => called.starts_with(prefix),
                None => called == pattern,
            })
    }

    /// What an operation costs.
    #[must_use]
    pub fn cost(&self, operation: Operation) -> Tokens {
        self.cost.get(&operation).copied().unwrap_or(Tokens::ONE)
    }

    /// The classes, one of each tree, whose tokens a request needs, as places in [`Plan::lendings`]; a
    /// tree whose root does not match does not mind. A node leases tokens of these for what does not
    /// ride on an admission.
    pub fn classes_of<'a>(&'a self, request: &'a Request<'_>) -> impl Iterator<Item = usize> + 'a {
        self.roots.iter().filter_map(|root| self.leaf(*root, request))
    }

    /// What a node that leases tokens has to know of each class, in the order of the plan.
    pub fn lendings(&self) -> impl Iterator<Item = Lending<'_>> {
        self.classes.iter().enumerate().map(|(at, class)| {
            let mut sizes = upwards(self, at).map(|(_, class)| class.size);
            let burst = sizes.find(|size| *size > 0).unwrap_or(class.size);
            let over = match class.penalty {
                Penalty::Drop { status } | Penalty::Delay { status, .. } => Some(status),
                Penalty::Mark { .. } => None,
            };
            let most = LEAST_SLICE.max(self.dearest());
            let least = (burst / SLICES).clamp(self.dearest(), most);
            Lending { name: &class.name, least: Tokens(least), status: over }
        })
    }

    /// The class of a tree that a request belongs to: from the root down, the first child that matches.
    /// What is no call belongs to a tree only if a class on this way names its operation, or if its cost
    /// is given: who limits calls does not mean the probes of trunks, and whoever looks at the API.
    pub(crate) fn leaf(&self, root: usize, request: &Request<'_>) -> Option<usize> {
        let mut is_meant =
            request.operation == Operation::Invite || self.cost.contains_key(&request.operation);
        let matches = |at: &usize| {
            self.classes.get(*at).is_some_and(|class| class.matcher.takes(request, None))
        };
        let mut at = Some(root).filter(matches)?;
        loop {
            let class = self.classes.get(at)?;
            is_meant |= class.matcher.names_operation();
            match class.children.iter().copied().find(|child| matches(child)) {
                Some(child) => at = child,
                None => return Some(at).filter(|_| is_meant),
            }
        }
    }

    /// The cost of the dearest operation.
    pub(crate) fn dearest(&self) -> u64 {
        self.cost.values().map(|cost| cost.0).chain([Tokens::ONE.0]).max().unwrap_or(Tokens::ONE.0)
    }

    /// The cost of the cheapest operation, the least that is worth leasing.
    pub(crate) fn cheapest(&self) -> u64 {
        self.cost.values().map(|cost| cost.0).chain([Tokens::ONE.0]).min().unwrap_or(1).max(1)
    }

    pub(crate) fn class_named(&self, name: &str) -> Option<usize> {
        self.classes.iter().position(|class| class.name.as_str() == name)
    }
}

const fn is_root(class: &Class) -> bool {
    class.parent.is_none()
}

fn make_class(
    config: &LimitConfig,
    class: &ClassConfig,
    parent: Option<&Class>,
) -> Result<Class, LimitFault> {
    let dearest = check::dearest(config, &class.matches);
    let resolve = |rate| check::resolve(&class.name, rate, parent.map(|parent| parent.assured));
    let assured = resolve(class.assured)?;
    let ceiling = class.ceiling.map(resolve).transpose()?;
    check::class(class, assured, ceiling, dearest)?;
    let bursts = check::Bursts::new(class, assured);
    Ok(Class {
        name: class.name.clone(),
        parent: None,
        children: Vec::new(),
        matcher: Matcher::new(&class.name, &class.matches)?,
        assured,
        own_rate: assured,
        // Without tokens of its own it has no bucket; its burst is that of its ceiling.
        burst: bursts.own,
        size: 0,
        debt: class.debt.0,
        ceiling: ceiling
            .map(|rate| Shape { rate: rate - assured, size: bursts.borrowed(rate, assured) }),
        borrow: class.borrow,
        priority: class.priority,
        weight: u64::from(class.weight),
        penalty: penalty(
            (class.action, class.status.unwrap_or(config.status)),
            class.max_wait_ms,
            class.mark.as_ref(),
            &class.name,
        ),
    })
}

fn make_each(config: &LimitConfig, each: &EachConfig) -> Result<Each, LimitFault> {
    let rate = check::resolve(&each.name, each.rate, None)?;
    check::each(config, each, rate)?;
    let status = each.status.unwrap_or(config.status);
    Ok(Each {
        name: each.name.clone(),
        matcher: Matcher::new(&each.name, &each.matches)?,
        by: each.by,
        shape: Shape { rate, size: each.burst.0.saturating_add(each.debt.0) },
        penalty: penalty((each.action, status), 0, each.mark.as_ref(), &each.name),
    })
}

fn make_cap(config: &LimitConfig, cap: &CapConfig) -> Result<Cap, LimitFault> {
    Ok(Cap {
        name: cap.name.clone(),
        matcher: Matcher::new(&cap.name, &cap.matches)?,
        by: cap.by,
        calls: cap.calls,
        status: cap.status.unwrap_or(config.status),
    })
}

fn penalty(
    (action, status): (Action, u16),
    max_wait_ms: u64,
    mark: Option<&Name>,
    name: &Name,
) -> Penalty {
    match action {
        Action::Drop => Penalty::Drop { status },
        Action::Delay => Penalty::Delay { max_wait_ms, status },
        Action::Mark => {
            let header = mark.cloned().unwrap_or_else(|| format!("X-Limit: {name}").into());
            Penalty::Mark { header }
        }
    }
}

/// A node takes no larger part of a bucket than this at first …
const SLICES: u64 = 16;

/// … and no more than this.
const LEAST_SLICE: u64 = 4 * Tokens::ONE.0;

/// A text as far as the limits look at it.
pub(crate) fn cut(text: &str) -> &str {
    let mut end = text.len().min(limits::MAX_LIMIT_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
