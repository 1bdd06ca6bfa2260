//! Between the cases and whoever measures them.

use std::hint::black_box;

/// What limits a group's cases, and so what they are compared with from machine to machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// The processor, with its caches and the allocator.
    Processor,
    /// How soon another thread wakes up.
    Threads,
    /// How soon a write is on the disk.
    Disk,
}

/// Cases that share their preparation and their calibration.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// Its name, the first part of its cases' names.
    pub name: &'static str,
    /// What limits it.
    pub pace: Pace,
}

/// Whoever measures.
pub trait Meter {
    /// Whether any case of the group is to be measured; if not, it need not be prepared.
    fn wants(&self, group: &Group) -> bool;

    /// Measures one case. A `round` prepares what it likes and hands what counts to the stopwatch:
    /// `operations` operations in one or several parts. It is run as often as the meter likes.
    fn case(
        &mut self,
        group: &Group,
        name: &str,
        operations: u32,
        round: &mut dyn FnMut(&mut dyn Stopwatch),
    );
}

/// Measures parts of a round.
pub trait Stopwatch {
    /// Runs the part, once, and measures it.
    fn time(&mut self, part: &mut dyn FnMut());
}

/// A case that needs no preparation: the same operation again and again. What it returns is dropped
/// within the measurement.
pub fn repeat<R>(
    meter: &mut dyn Meter,
    group: &Group,
    name: &str,
    mut operation: impl FnMut() -> R,
) {
    meter.case(group, name, REPETITIONS, &mut |stopwatch| {
        stopwatch.time(&mut || {
            for _ in 0..REPETITIONS {
                black_box(operation());
            }
        });
    });
}

/// Operations between two looks at the clock, so that the looks do not count.
const REPETITIONS: u32 = 64;

/// Runs a part under a name that callgrind can be told to count in, and nowhere else.
#[inline(never)]
pub fn measured_part(part: &mut dyn FnMut()) {
    part();
    // Something must follow, or the call becomes a jump and callgrind never sees it return.
    black_box(());
}
