//! Seeded fuzzing of the engine: whatever arrives, from whomever, whenever, it does not panic, says a
//! bounded number of things, keeps a bounded number of calls, and in the end forgets them all.
//!
//! Made of sound messages of the grammar, mutations of them, answers and requests that refer to what
//! the engine has said (so that they reach the calls), and what it said sent back to it. Proposals are
//! applied to the real tables; some are lost, some are decided late, and slots change hands.
//! `HOLDLINE_FUZZ`, `HOLDLINE_FUZZ_SECONDS` and `HOLDLINE_FUZZ_SEED` as in the fuzzing of the parser.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../../sip/tests/fuzz/dice.rs"]
mod dice;
#[path = "../../../sip/tests/fuzz/grammar.rs"]
mod grammar;
#[path = "../../../sip/tests/fuzz/mutation.rs"]
mod mutation;
#[path = "../crash_points/tables.rs"]
mod tables;
mod world;

use dice::{Case, Dice, first_seed, seeds};
use world::World;

/// Happenings of one run.
const HAPPENINGS: usize = 60;

#[test]
fn whatever_arrives_the_engine_stays_bounded_and_forgets() {
    for seed in seeds(2_500) {
        let _case = Case { seed, bytes: b"" };
        let mut world = World::new(seed);
        for _ in 0..HAPPENINGS {
            world.happen();
        }
        world.come_to_rest();
    }
}

#[test]
fn a_flood_of_calls_is_held_at_the_limit() {
    let mut world = World::new(first_seed());
    let mut dice = Dice::new(1);
    for _ in 0..2_000 {
        world.invite(&mut dice);
    }
    assert_eq!(world.live_calls(), world::MAX_CALLS);
    world.come_to_rest();
}
