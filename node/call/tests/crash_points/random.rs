//! Points that no sweep comes to: faults of different kinds one after the other, with loss, slow
//! commits and slow takeovers together. Too much may happen to foresee the result, but whatever it
//! is must be consistent: one bill that agrees with both far ends, nobody left up, rule one kept.

use super::point::{Fault, InFlight, Point};
use super::script::{FLAVOURS, SCRIPTS};
use super::sweep::Found;
use super::verdict::run;

/// Runs as many seeds as this says, for a soak; else [`SEEDS`].
const MORE: &str = "HOLDLINE_CRASH_SEEDS";
const SEEDS: u64 = 3_000;

#[test]
fn whatever_happens_the_result_is_consistent() {
    let seeds = std::env::var(MORE).map_or(SEEDS, |text| text.parse().expect("a number of seeds"));
    let mut found = Found::default();
    for seed in 1..=seeds {
        let point = point(seed);
        let run = run(&point);
        found.note(&run, &run.faults);
    }
    found.report("random points");
}

/// The point that a seed stands for.
fn point(seed: u64) -> Point {
    let mut draw = Draw(seed);
    let script = &SCRIPTS[draw.below(SCRIPTS.len())];
    let mut point = Point::new(script, FLAVOURS[draw.below(FLAVOURS.len())]);
    point.faults = (0..draw.below(3)).map(|_| fault(&mut draw)).collect();
    point.in_flight = if draw.below(2) == 0 { InFlight::Kept } else { InFlight::Lost };
    point.commit_ms = [1, 3, 20, 150, 700][draw.below(5)];
    point.takeover_ms = [300, 600, 1_500][draw.below(3)];
    point.loss = [0, 20, 60][draw.below(3)];
    point.seed = seed;
    point
}

fn fault(draw: &mut Draw) -> Fault {
    let k = draw.below(14) + 1;
    match draw.below(8) {
        0 => Fault::BeforeInput(k),
        1 => Fault::BeforeDecision(draw.below(5) + 1),
        2 => Fault::AfterSend(k),
        3 => Fault::Handover(k),
        4 => Fault::Suspended(k),
        5 => Fault::CutOff(k),
        6 => Fault::UnknownCommitted(draw.below(5) + 1),
        _ => Fault::UnknownLost(draw.below(5) + 1),
    }
}

/// SplitMix64.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 33).expect("31 bits") % limit
    }
}
