//! Time and randomness, beneath the standard library.
//!
//! The node asks for both in many places, most of them in crates that we did not write: tokio
//! picks the branch that `select!` looks at first, openraft an election time-out, chitchat a node to
//! gossip with, every `HashMap` its order. All of them end in two functions of the C library.
//! This program has its own two, which the linker prefers: on a thread that simulates they read a
//! seed and a virtual clock, on every other thread they ask the kernel. So production code has no
//! seam for either, and nothing that is added later can forget to use one
//! (docs/adr/0008-simulation-beneath-the-standard-library.md).
//!
//! The one module of the project with `unsafe`: the C library's functions take pointers.
#![expect(unsafe_code, reason = "functions of the C library are defined here")]

use std::cell::Cell;
use std::ffi::{c_int, c_long, c_uint, c_void};
use std::time::Duration;

use rustix::time::ClockId;

use crate::random::Random;

/// What a thread's clocks show.
#[derive(Clone, Copy, Debug)]
enum Clock {
    /// The kernel's time.
    Real,
    /// A time that stands still.
    Still(Reading),
    /// The time of a runtime whose clock is paused; entered by the thread.
    Runtime { base: tokio::time::Instant, at_base: Reading },
}

/// Both clocks of a machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Since some moment before the machine was started.
    pub monotonic: Duration,
    /// Since 1970.
    pub wall: Duration,
}

impl Reading {
    /// The clocks so much later.
    #[must_use]
    pub fn after(self, elapsed: Duration) -> Self {
        Self { monotonic: self.monotonic + elapsed, wall: self.wall + elapsed }
    }
}

thread_local! {
    static CLOCK: Cell<Clock> = const { Cell::new(Clock::Real) };
    static RANDOM: Cell<Option<Random>> = const { Cell::new(None) };
}

/// From now on this thread's randomness comes from `seed`.
pub fn seed(seed: u64) {
    RANDOM.set(Some(Random::new(seed)));
}

/// Sets this thread's clocks until the returned value is dropped.
#[must_use]
pub fn still(reading: Reading) -> Restore {
    Restore(CLOCK.replace(Clock::Still(reading)))
}

/// Lets this thread's clocks follow those of a paused runtime, which it must be in, until the
/// returned value is dropped. They showed `at_base` when the runtime's clock showed `base`.
#[must_use]
pub fn follow(base: tokio::time::Instant, at_base: Reading) -> Restore {
    Restore(CLOCK.replace(Clock::Runtime { base, at_base }))
}

/// Puts the clocks back when it is dropped.
#[derive(Debug)]
pub struct Restore(Clock);

impl Drop for Restore {
    fn drop(&mut self) {
        CLOCK.set(self.0);
    }
}

/// The kernel's monotonic clock, whatever the thread simulates: for limits of the test itself.
#[must_use]
pub fn real_time() -> Duration {
    kernel(ClockId::Monotonic)
}

fn kernel(id: ClockId) -> Duration {
    let now = rustix::time::clock_gettime(id);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or(0))
}

fn reading() -> Option<Reading> {
    match CLOCK.get() {
        Clock::Real => None,
        Clock::Still(reading) => Some(reading),
        Clock::Runtime { base, at_base } => {
            // What is asked for the time now must not ask again.
            let _still = still(at_base);
            let elapsed = tokio::time::Instant::now().saturating_duration_since(base);
            Some(at_base.after(elapsed))
        }
    }
}

#[repr(C)]
struct Timespec {
    seconds: c_long,
    nanoseconds: c_long,
}

const CLOCK_REALTIME: c_int = 0;

/// The C library's `clock_gettime`, which `Instant::now` and `SystemTime::now` call.
#[unsafe(no_mangle)]
extern "C" fn clock_gettime(clock: c_int, to: *mut Timespec) -> c_int {
    let simulated = reading();
    let time = match (simulated, clock) {
        (Some(reading), CLOCK_REALTIME) => reading.wall,
        (Some(reading), _) => reading.monotonic,
        (None, CLOCK_REALTIME) => kernel(ClockId::Realtime),
        (None, _) => kernel(ClockId::Monotonic),
    };
    let seconds = c_long::try_from(time.as_secs()).unwrap_or(c_long::MAX);
    let time = Timespec { seconds, nanoseconds: c_long::from(time.subsec_nanos() as c_int) };
    // SAFETY: the caller of `clock_gettime` gives a place for one `timespec`.
    unsafe { to.write(time) };
    0
}

/// The C library's `getrandom`.
#[unsafe(no_mangle)]
extern "C" fn getrandom(to: *mut c_void, length: usize, _flags: c_uint) -> isize {
    // SAFETY: the caller of `getrandom` gives `length` bytes to write to; they may hold nothing yet,
    // so they are made to hold zeros before they are looked at as bytes.
    let bytes = unsafe {
        to.cast::<u8>().write_bytes(0, length);
        std::slice::from_raw_parts_mut(to.cast::<u8>(), length)
    };
    let filled = match RANDOM.get() {
        Some(mut random) => {
            random.fill(bytes);
            RANDOM.set(Some(random));
            length
        }
        None => rustix::rand::getrandom(bytes, rustix::rand::GetRandomFlags::empty()).unwrap_or(0),
    };
    isize::try_from(filled).unwrap_or(isize::MAX)
}

/// Whether the linker chose the functions above, asked through the standard library and through the
/// `getrandom` crate.
#[must_use]
pub fn in_place() -> bool {
    use std::hash::BuildHasher as _;
    // A thread of its own, whose first hash map asks for randomness.
    let ask = || {
        let asked = std::thread::spawn(|| {
            seed(1);
            let hash = std::hash::RandomState::new().hash_one(1);
            let number = getrandom::u64().unwrap_or(0);
            let reading = Reading { monotonic: Duration::from_secs(5), ..Reading::default() };
            let first = shown();
            let _still = still(reading);
            ((hash, number), shown() != first && shown() == shown())
        });
        asked.join().ok()
    };
    let (first, second) = (ask(), ask());
    first.is_some_and(|(_, clock)| clock) && first == second
}

#[expect(clippy::disallowed_methods, reason = "asks whether this is simulated")]
fn shown() -> std::time::Instant {
    std::time::Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_library_asks_here() {
        assert!(in_place());
    }

    #[test]
    fn a_thread_that_simulates_nothing_gets_the_kernel_s() {
        assert_ne!(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap(), Duration::ZERO);
        let first = shown();
        while shown() == first {}
        let random = || std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 1);
        let other = std::thread::spawn(random).join().unwrap();
        assert_ne!(random(), other);
    }
}
