//! What the kernel knows of this process, with the names that Prometheus' client libraries use.

use std::fs;
use std::path::Path;

use super::catalog::{self, Kind};

/// The `process_*` metrics in Prometheus' text format. What cannot be read is left out.
///
/// They do not go through the recorder: its counters are whole numbers, and CPU time is not.
#[must_use]
pub fn render() -> String {
    let read = |name| fs::read_to_string(Path::new("/proc/self").join(name)).ok();
    let open = fs::read_dir("/proc/self/fd").ok().and_then(|open| open.count().try_into().ok());
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let values = [
        ("process_resident_memory_bytes", read("status").as_deref().and_then(resident)),
        ("process_cpu_seconds_total", read("stat").as_deref().and_then(cpu)),
        ("process_open_fds", open.map(float)),
        ("process_max_fds", most.map(float)),
    ];
    let known = values.iter().filter_map(|(name, value)| Some((*name, (*value)?)));
    known.map(|(name, value)| exposition(name, value)).collect()
}

fn exposition(name: &str, value: f64) -> String {
    let Some(metric) = catalog::all().find(|metric| metric.name == name) else {
        return String::new();
    };
    let kind = match metric.kind {
        Kind::Counter => "counter",
        Kind::Gauge | Kind::Histogram(_) => "gauge",
    };
    let help = metric.help;
    format!("# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n\n")
}

/// `VmRSS` of `/proc/PID/status`, in bytes.
fn resident(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(float(kib.checked_mul(1024)?))
}

/// User and system time of `/proc/PID/stat` (fields 14 and 15), in seconds. The second field is the
/// program's name in brackets, which may hold spaces and brackets.
fn cpu(stat: &str) -> Option<f64> {
    let after_name = stat.rsplit_once(')')?.1;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse().ok()?;
    let ticks = ticks.checked_add(fields.next()?.parse().ok()?)?;
    Some(float(ticks) / float(rustix::param::clock_ticks_per_second()))
}

/// Exact up to 2^53, which no count here reaches.
#[expect(clippy::cast_precision_loss, reason = "metrics are floating-point numbers")]
const fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_memory_and_time() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t   2048 kB\n"), Some(2_097_152.0));
        assert_eq!(resident("Name:\tx\n"), None);
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20";
        let ticks = float(rustix::param::clock_ticks_per_second());
        assert_eq!(cpu(stat), Some(200.0 / ticks));
    }

    #[test]
    fn this_process_can_be_read() {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        assert!(resident(&status).unwrap() > 1e6);
        let stat = fs::read_to_string("/proc/self/stat").unwrap();
        assert!(cpu(&stat).is_some());
        let text = render();
        for metric in catalog::all().filter(|metric| metric.section == "process") {
            assert!(text.contains(&format!("\n{} ", metric.name)), "{} in {text}", metric.name);
        }
        assert!(text.contains("# TYPE process_cpu_seconds_total counter\n"));
    }
}
