//! Times of the micro-benchmarks, by criterion. `FILTER`: only cases whose name contains it.

use std::time::{Duration, Instant};

use criterion::Criterion;
use holdline_micro::meter::{Group, Meter, Pace, Stopwatch};
use holdline_micro_results::{self as results, CALIBRATION};

fn main() {
    // Only what this run measured is to be reported.
    let folder = results::times();
    if folder.exists() {
        std::fs::remove_dir_all(&folder).expect("the results of the last run can be removed");
    }
    let criterion = Criterion::default().output_directory(&folder).nresamples(2_000);
    // Cargo puts `--bench` in front.
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    holdline_micro::run(&mut Clock { criterion, filter: filter.unwrap_or_default() });
}

struct Clock {
    criterion: Criterion,
    filter: String,
}

impl Meter for Clock {
    fn wants(&self, group: &Group) -> bool {
        let wanted = self.filter.split('/').next().unwrap_or_default();
        group.name.contains(wanted)
    }

    fn case(
        &mut self,
        group: &Group,
        name: &str,
        operations: u32,
        round: &mut dyn FnMut(&mut dyn Stopwatch),
    ) {
        let full = format!("{}/{name}", group.name);
        if name != CALIBRATION && !full.contains(&self.filter) {
            return;
        }
        let seconds = if group.pace == Pace::Processor { 1.0 } else { 2.0 };
        let mut cases = self.criterion.benchmark_group(group.name);
        cases.sample_size(40).warm_up_time(Duration::from_millis(200));
        cases.measurement_time(Duration::from_secs_f64(seconds));
        cases.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| {
                let rounds = iterations.div_ceil(u64::from(operations));
                let mut elapsed = Elapsed(Duration::ZERO);
                for _ in 0..rounds {
                    round(&mut elapsed);
                }
                let done = (rounds * u64::from(operations)) as f64;
                elapsed.0.mul_f64(iterations as f64 / done)
            });
        });
        cases.finish();
    }
}

struct Elapsed(Duration);

impl Stopwatch for Elapsed {
    #[expect(clippy::disallowed_methods, reason = "measures the processor's time")]
    fn time(&mut self, part: &mut dyn FnMut()) {
        let start = Instant::now();
        part();
        self.0 += start.elapsed();
    }
}
