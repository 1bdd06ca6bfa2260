//! Random trees, traffic and takeovers, thousands of seeds: no window of any length is overshot, no
//! class is starved, nothing is left lying.
//!
//! That *every* window keeps `admitted ≤ rate × time + burst` is the same as that a meter, which grows
//! by what is admitted and falls at the rate, never shows more than the burst: it is checked at
//! every admission.

use holdline_model::limit::{Borrow, ClassConfig, Match, Rate, Request, Tokens, Verdict};
use holdline_model::limit::{LimitConfig, Operation};
use holdline_model::{Millis, NodeId};

use super::{START, class, config};
use crate::{Bucket, LimitTable, Plan, Shape};

/// How long a node is known before its clock moves the limits'.
const TRIAL_MS: u64 = holdline_model::limits::LIMIT_TICK_MS;

/// How many seeds; each is a tree, its traffic and its takeovers.
const SEEDS: u64 = 2_000;
/// How long each lasts, in virtual milliseconds.
const LASTS_MS: u64 = 6_000;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}

/// A random tree: up to four levels, the leaves told apart by tenant.
fn tree(random: &mut Random) -> LimitConfig {
    let rate = 20 + random.below(400);
    let mut classes = vec![class("0", None, rate, 20 + random.below(80))];
    let mut open = vec![(0_usize, rate, 0_u64)];
    while let Some((parent, rate, depth)) = open.pop() {
        let Some(Tokens(burst)) = classes.get(parent).map(|class| class.burst) else { continue };
        let children = if depth == 0 { 2 + random.below(3) } else { random.below(4) };
        let (mut rate_left, mut burst_left) = (rate, (burst / Tokens::ONE.0).saturating_sub(2));
        for _ in 0..children {
            let assured = if burst_left > 2 { random.below(rate_left / 2 + 1) } else { 0 };
            let burst = 1 + random.below(burst_left / 2);
            let at = classes.len();
            let name = at.to_string();
            let parent_name = classes.get(parent).map(|class| class.name.clone());
            let mut child = class(&name, parent_name.as_deref(), assured, burst);
            // Tenants are named by their path, so that a prefix of it is each ancestor's match.
            child.borrow = match random.below(8) {
                0 => Borrow::Never,
                1 => Borrow::Sibling,
                _ => Borrow::Parent,
            };
            child.priority = u8::try_from(random.below(3)).unwrap();
            child.weight = u32::try_from(1 + random.below(4)).unwrap();
            if random.below(3) == 0 {
                child.ceiling = Some(Rate::per_second(assured + 1 + random.below(rate)));
            }
            if assured > 0 {
                rate_left -= assured;
                burst_left = burst_left.saturating_sub(burst);
            }
            classes.push(child);
            if depth < 2 {
                open.push((at, assured, depth + 1));
            }
        }
    }
    let_tenants_lead(&mut classes);
    config(classes)
}

/// Each leaf is a tenant, and each class matches the tenants of the leaves beneath it.
fn let_tenants_lead(classes: &mut [ClassConfig]) {
    let names: Vec<_> = classes.iter().map(|c| (c.name.clone(), c.parent.clone())).collect();
    for (name, _) in &names {
        let is_leaf = !names.iter().any(|(_, parent)| parent.as_ref() == Some(name));
        let mut at = is_leaf.then(|| name.clone());
        while let Some(above) = at {
            for class in classes.iter_mut().filter(|class| class.name == above) {
                class.matches = match class.parent.is_some() {
                    true => Match {
                        tenant: [class.matches.tenant.clone(), vec![name.clone()]].concat(),
                        ..Match::default()
                    },
                    false => Match::default(),
                };
            }
            at = names.iter().find(|(one, _)| *one == above).and_then(|(_, parent)| parent.clone());
        }
    }
}

/// What a class may admit, as its configuration says it, and what it has admitted.
struct Meter {
    name: String,
    /// Tenants that are its own.
    tenants: Vec<String>,
    rate: u64,
    burst: u64,
    shows: u128,
    at_ms: u64,
}

impl Meter {
    fn admitted(&mut self, now_ms: u64) -> Result<(), String> {
        let fallen = u128::from(self.rate) * u128::from(now_ms - self.at_ms);
        self.shows = self.shows.saturating_sub(fallen) + u128::from(Tokens::ONE.0);
        self.at_ms = now_ms;
        if self.shows <= u128::from(self.burst) {
            return Ok(());
        }
        Err(format!(
            "class {} has admitted {} with a burst of {}",
            self.name, self.shows, self.burst
        ))
    }
}

/// One for each class whose own limits say something.
fn meters(limits: &LimitConfig) -> Vec<Meter> {
    let plan = Plan::new(limits).expect("the generator makes valid trees");
    let mut meters = Vec::new();
    for class in &limits.class {
        let planned = plan.classes.iter().find(|p| p.name == class.name).unwrap();
        let own = (planned.assured, planned.burst);
        let limit = match (&class.parent, class.borrow, planned.ceiling) {
            (None, ..) | (_, Borrow::Never, _)
                if planned.children.is_empty() || class.parent.is_none() =>
            {
                own
            }
            (.., Some(ceiling)) => (own.0 + ceiling.rate, own.1 + ceiling.size),
            _ => continue,
        };
        meters.push(Meter {
            name: class.name.to_string(),
            tenants: class.matches.tenant.iter().map(ToString::to_string).collect(),
            rate: limit.0,
            burst: limit.1,
            shows: 0,
            at_ms: 0,
        });
    }
    meters
}

struct Asker {
    tenant: String,
    /// A bucket of its own, of its assured rate and burst, and what it would have admitted alone.
    shape: Shape,
    alone: Bucket,
    owed: u64,
    /// It asks for all it can get; others ask now and then.
    greedy: bool,
    admitted: u64,
}

fn askers(limits: &LimitConfig, random: &mut Random) -> Vec<Asker> {
    let plan = Plan::new(limits).expect("the generator makes valid trees");
    let leaves = plan.classes.iter().filter(|class| class.children.is_empty());
    leaves
        .map(|class| Asker {
            tenant: class.name.to_string(),
            shape: Shape { rate: class.assured, size: class.burst },
            alone: Bucket::default(),
            owed: 0,
            greedy: random.below(2) == 0,
            admitted: 0,
        })
        .collect()
}

/// The nodes' clocks: each hours away from the others, and one of them jumps, unless they are calm.
struct Clocks {
    offsets: [u64; 3],
    owner: usize,
    calm: bool,
}

impl Clocks {
    fn new(random: &mut Random) -> Self {
        let mut offset = || START + random.below(10) * 3_600_000;
        Self { offsets: [offset(), offset(), offset()], owner: 0, calm: random.below(2) == 0 }
    }

    fn stir(&mut self, random: &mut Random) {
        match random.below(400) {
            0 => self.owner = usize::try_from(random.below(3)).unwrap(),
            1 if !self.calm => self.offsets[self.owner] += 3_600_000,
            2 if !self.calm => self.offsets[self.owner] -= 3_600_000,
            _ => {}
        }
    }

    fn stamp(&self, now_ms: u64) -> (NodeId, Millis) {
        let node = NodeId(1 + u64::try_from(self.owner).unwrap());
        (node, Millis(self.offsets[self.owner] + now_ms))
    }
}

fn ask(table: &mut LimitTable, (node, stamp): (NodeId, Millis), tenant: &str) -> bool {
    let request = Request {
        operation: Operation::Invite,
        pop: "fra",
        tenant,
        trunk: "pbx",
        source: [192, 0, 2, 1].into(),
        caller: "1",
        called: "2",
    };
    matches!(table.ask(node, stamp, &request), Verdict::Admitted(_))
}

/// One run; what went wrong, if something did.
fn run(seed: u64) -> Result<(), String> {
    let mut random = Random(seed);
    let limits = tree(&mut random);
    let (mut meters, mut askers) = (meters(&limits), askers(&limits, &mut random));
    let mut clocks = Clocks::new(&mut random);
    let mut table = LimitTable::default();
    table.set(0, &limits, Millis(START)).expect("the generator makes valid trees");
    // All nodes are known for a second: a new one's clock does not count at once.
    let mut now_ms = 0;
    for at_ms in [0, TRIAL_MS] {
        now_ms = at_ms;
        for owner in 0..3 {
            clocks.owner = owner;
            let (node, stamp) = clocks.stamp(now_ms);
            table.tick(node, stamp);
        }
    }
    while now_ms < LASTS_MS {
        now_ms += 1 + random.below(20);
        clocks.stir(&mut random);
        let stamp = clocks.stamp(now_ms);
        table.tick(stamp.0, stamp.1);
        if table.now_ms() > now_ms || (clocks.calm && table.now_ms() != now_ms) {
            return Err(format!("time was made: {} of {now_ms} ms", table.now_ms()));
        }
        for asker in &mut askers {
            asker.alone.fill(table.now_ms(), asker.shape);
            while asker.alone.level(asker.shape) >= Tokens::ONE.0 {
                asker.alone.take(Tokens::ONE.0);
                asker.owed += 1;
            }
            let tries = if asker.greedy { 1_000 } else { random.below(3) };
            for _ in 0..tries {
                if !ask(&mut table, stamp, &asker.tenant) {
                    break;
                }
                asker.admitted += 1;
                // While no clock jumps, the limits' clock shows the true time at every moment.
                let meter_ms = if clocks.calm { now_ms } else { table.now_ms() };
                let mine = |meter: &&mut Meter| {
                    meter.tenants.is_empty() || meter.tenants.contains(&asker.tenant)
                };
                for meter in meters.iter_mut().filter(mine) {
                    meter.admitted(meter_ms)?;
                }
            }
        }
    }
    for asker in askers.iter().filter(|asker| asker.greedy) {
        let Asker { tenant, admitted, owed, .. } = asker;
        if admitted < owed {
            return Err(format!("tenant {tenant} got {admitted}, alone it would have got {owed}"));
        }
    }
    works_on(&limits, &mut random)
}

/// One class alone, which may borrow all the way and has no ceiling on it, gets the whole rate.
fn works_on(limits: &LimitConfig, random: &mut Random) -> Result<(), String> {
    let plan = Plan::new(limits).expect("the generator makes valid trees");
    let open: Vec<_> = (0..plan.classes.len())
        .filter(|at| plan.classes.get(*at).is_some_and(|class| class.children.is_empty()))
        .filter(|at| {
            crate::tree::take::upwards(&plan, *at).all(|(_, class)| {
                class.parent.is_none()
                    || (class.ceiling.is_none() && class.borrow == Borrow::Parent)
            })
        })
        .collect();
    let Some(at) = open.get(usize::try_from(random.below(open.len() as u64)).unwrap()) else {
        return Ok(());
    };
    let tenant = plan.classes.get(*at).map(|class| class.name.clone()).unwrap_or_default();
    let mut table = LimitTable::default();
    table.set(0, limits, Millis(START)).expect("the generator makes valid trees");
    table.tick(NodeId(1), Millis(START));
    while ask(&mut table, (NodeId(1), Millis(START)), &tenant) {}
    let mut admitted = 0;
    for now_ms in 1..=2_000 {
        while ask(&mut table, (NodeId(1), Millis(START + now_ms)), &tenant) {
            admitted += 1;
        }
    }
    let all = plan.classes.first().map_or(0, |root| root.assured) * 2_000 / Tokens::ONE.0;
    if admitted + 2 < all { Err(format!("{tenant} alone got {admitted} of {all}")) } else { Ok(()) }
}

#[test]
fn no_window_is_overshot_no_class_is_starved_and_nothing_is_left_lying() {
    for seed in 0..SEEDS {
        if let Err(fault) = run(seed) {
            panic!("seed {seed}: {fault}");
        }
    }
}
