//! What goes wrong, and when: decided by the seed before the run begins.

use std::fmt;

use crate::random::Random;

/// Something that goes wrong. Nodes are named by their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing gets from one node to another; the other way is open.
    CutOneWay(usize, usize),
    /// Two nodes do not hear each other.
    Cut(usize, usize),
    /// A node hears no other node, but is heard.
    Deaf(usize),
    /// A node is not heard by any other node, but hears.
    Mute(usize),
    /// A node and the others do not hear each other. The far ends reach all.
    Isolate(usize),
    /// A node is cut off from everybody.
    Unplug(usize),
    /// So many of a thousand datagrams are lost, everywhere.
    Loss(u64),
    /// Everything takes up to so many milliseconds longer.
    Delay(u64),
    /// So many of a thousand datagrams arrive twice, and as many out of order.
    Disorder(u64),
    /// The process is killed; it comes back at the end of the fault.
    Kill(usize),
    /// The machine loses power; it comes back at the end of the fault.
    PowerCut(usize),
    /// All machines lose power at once.
    Blackout,
    /// The process is stopped where it stands, and goes on at the end of the fault: its clocks have not
    /// waited.
    Pause(usize),
    /// The process is told to stop; it comes back at the end of the fault.
    Stop(usize),
    /// A sync takes so many milliseconds.
    SlowDisk(usize, u64),
    /// The next write fails, and the node stops.
    DiskFails(usize),
    /// The wall clock jumps by so many milliseconds.
    WallJump(usize, i64),
    /// The node is drained, and put back at the end of the fault.
    Drain(usize),
    /// An administrator hangs up a call.
    HangUp(usize),
}

/// A fault with its time.
#[derive(Clone, Copy, Debug)]
pub struct Planned {
    /// What.
    pub fault: Fault,
    /// From when.
    pub from_ms: u64,
    /// Until when.
    pub to_ms: u64,
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} from {} to {} ms", self.fault, self.from_ms, self.to_ms)
    }
}

/// Faults between two times, for a cluster of so many nodes; a quarter of the time is quiet.
#[must_use]
pub fn plan(random: &mut Random, nodes: usize, from_ms: u64, to_ms: u64) -> Vec<Planned> {
    let mut planned = Vec::new();
    let mut at = from_ms;
    while at < to_ms {
        let lasts = random.between(200, 4_000);
        if !random.chance(250) {
            let fault = one(random, nodes);
            let to = (at + lasts).min(to_ms);
            planned.push(Planned { fault, from_ms: at, to_ms: to });
        }
        // Some overlap.
        at += random.between(lasts / 2, lasts + 1_000);
    }
    planned
}

/// Lets wall clocks jump by a second at most.
///
/// A node that is started again begins with its wall clock, so a jump becomes a difference between
/// nodes. Deadlines and tombstones are stamped by one node and read by another: a node that is a
/// minute behind gives up unanswered calls a minute late (seed 90034 with 30 s of work), a leader that
/// is more than 32 s ahead sweeps tombstones that still owe a BYE (seed 90051). Until the switch
/// guards against that, clocks that are kept by NTP are what it needs.
#[must_use]
pub fn tame(mut planned: Vec<Planned>) -> Vec<Planned> {
    for it in &mut planned {
        if let Fault::WallJump(_, ms) = &mut it.fault {
            *ms /= 60;
        }
    }
    planned
}

fn one(random: &mut Random, nodes: usize) -> Fault {
    let count = u64::try_from(nodes).unwrap_or(u64::MAX);
    let mut node = || usize::try_from(random.below(count)).unwrap_or(0);
    let (one, step) = (node(), node());
    let other = (one + 1 + step % nodes.saturating_sub(1).max(1)) % nodes.max(1);
    match random.below(24) {
        0 => Fault::CutOneWay(one, other),
        1 => Fault::Cut(one, other),
        2 => Fault::Deaf(one),
        3 => Fault::Mute(one),
        4 | 5 => Fault::Isolate(one),
        6 => Fault::Unplug(one),
        7 => Fault::Loss(random.between(10, 250)),
        8 => Fault::Delay(random.between(5, 120)),
        9 => Fault::Disorder(random.between(20, 400)),
        10..=12 => Fault::Kill(one),
        13 | 14 => Fault::PowerCut(one),
        15 => Fault::Blackout,
        16 => Fault::Stop(one),
        17 => Fault::SlowDisk(one, random.between(5, 400)),
        18 => Fault::DiskFails(one),
        19 => {
            let ms = i64::try_from(random.between(0, 120_000)).unwrap_or(0);
            Fault::WallJump(one, ms - 60_000)
        }
        20 => Fault::Drain(one),
        21 | 22 => Fault::Pause(one),
        _ => Fault::HangUp(one),
    }
}
