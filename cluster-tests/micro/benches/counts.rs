//! Counts that repeat where times do not: allocations, and, if valgrind is installed, instructions.
//! `FILTER`: only cases whose name contains it.
//!
//! For the instructions of a case this program runs itself under valgrind's callgrind, which counts
//! only inside of [`measured_part`].

use std::io::Write as _;
use std::process::{Command, Stdio};

use holdline_micro::meter::{Group, Meter, Pace, Stopwatch, measured_part};
use holdline_micro_results::{self as results, CALIBRATION, Count, Counts};

/// Told to the program that runs under valgrind: the one case to run.
const ONCE: &str = "--once";
/// Rounds that are counted; what only the first round does (growing a table) is not.
const ROUNDS: u32 = 4;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.find(|argument| argument == ONCE || !argument.starts_with('-'));
    if first.as_deref() == Some(ONCE) {
        let case = arguments.next().expect("--once is followed by a case");
        holdline_micro::run(&mut Once { case });
        return;
    }
    std::fs::create_dir_all(results::folder()).expect("the target folder can be written to");
    let valgrind = has_valgrind();
    if !valgrind {
        say("valgrind is not installed: instructions are NOT counted (apt-get install valgrind)");
    }
    let filter = first.unwrap_or_default();
    let mut counter = Counter { filter, valgrind, counts: Counts::new() };
    holdline_micro::run(&mut counter);
    let bytes = serde_json::to_vec_pretty(&counter.counts).expect("numbers are JSON");
    std::fs::write(results::counts(), bytes).expect("the target folder can be written to");
}

/// Counts allocations here and instructions in a process of its own.
struct Counter {
    filter: String,
    valgrind: bool,
    counts: Counts,
}

impl Meter for Counter {
    fn wants(&self, group: &Group) -> bool {
        group.name.contains(self.filter.split('/').next().unwrap_or_default())
    }

    fn case(
        &mut self,
        group: &Group,
        name: &str,
        operations: u32,
        round: &mut dyn FnMut(&mut dyn Stopwatch),
    ) {
        let full = format!("{}/{name}", group.name);
        if name == CALIBRATION || !full.contains(&self.filter) {
            return;
        }
        round(&mut Plain);
        let mut allocations = Allocations::default();
        for _ in 0..ROUNDS {
            round(&mut allocations);
        }
        let operations = f64::from(ROUNDS * operations);
        let processor = group.pace == Pace::Processor;
        let instructions = (self.valgrind && processor).then(|| instructions(&full)).flatten();
        let count = Count {
            allocations: allocations.count as f64 / operations,
            allocated_bytes: allocations.bytes as f64 / operations,
            instructions: instructions.map(|total| total as f64 / operations),
        };
        let text = count.instructions.map_or("–".to_owned(), |count| format!("{count:.0}"));
        say(&format!(
            "{full}: {:.1} allocations of {:.0} bytes, {text} instructions",
            count.allocations, count.allocated_bytes
        ));
        self.counts.insert(full, count);
    }
}

/// Runs one case where callgrind can see it.
struct Once {
    case: String,
}

impl Meter for Once {
    fn wants(&self, group: &Group) -> bool {
        self.case.split_once('/').is_some_and(|(wanted, _)| wanted == group.name)
    }

    fn case(
        &mut self,
        group: &Group,
        name: &str,
        _operations: u32,
        round: &mut dyn FnMut(&mut dyn Stopwatch),
    ) {
        if self.case.split_once('/') == Some((group.name, name)) {
            round(&mut Plain);
            for _ in 0..ROUNDS {
                round(&mut Visible);
            }
        }
    }
}

/// Measures nothing: for the round before the first.
struct Plain;

impl Stopwatch for Plain {
    fn time(&mut self, part: &mut dyn FnMut()) {
        part();
    }
}

/// Lets callgrind count.
struct Visible;

impl Stopwatch for Visible {
    fn time(&mut self, part: &mut dyn FnMut()) {
        measured_part(part);
    }
}

#[derive(Default)]
struct Allocations {
    count: u64,
    bytes: u64,
}

impl Stopwatch for Allocations {
    fn time(&mut self, part: &mut dyn FnMut()) {
        let counted = allocation_counter::measure(part);
        self.count += counted.count_total;
        self.bytes += counted.bytes_total;
    }
}

fn has_valgrind() -> bool {
    let version = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

/// All instructions of the counted rounds of a case.
fn instructions(case: &str) -> Option<u64> {
    let out = results::folder().join("callgrind.out");
    let program = std::env::current_exe().expect("a process knows its program");
    let run = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind", "--toggle-collect=*measured_part*"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args([ONCE, case])
        .output();
    let run = run.expect("valgrind was found a moment ago");
    let text = std::fs::read_to_string(&out).unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ")?.parse().ok());
    if !run.status.success() || total.is_none_or(|total| total == 0) {
        let said = String::from_utf8_lossy(&run.stderr);
        say(&format!("{case}: valgrind could not count instructions: {said}"));
        return None;
    }
    total
}

fn say(text: &str) {
    // Nobody listening is no reason to stop.
    let _ = writeln!(std::io::stdout(), "{text}");
}
