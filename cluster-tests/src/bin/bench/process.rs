//! What processes have used, as the kernel counts it.
//!
//! CPU time comes from `/proc/PID/stat` in ticks of 10 ms, its sum is exact and only its split into
//! user and system time is sampled by the kernel. Memory is the proportional set size: memory that
//! the processes of one server share is counted once.

use std::fs;
use std::ops::{AddAssign, Sub};

use serde::Serialize;

const KIB: f64 = 1024.0;

/// The use of some processes together.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Used {
    /// Seconds of CPU time in programs.
    pub(crate) user_s: f64,
    /// Seconds of CPU time in the kernel on their behalf.
    pub(crate) system_s: f64,
    /// Bytes that they made the disk write.
    pub(crate) disk_bytes: f64,
}

impl Used {
    /// What these processes have used so far; those that have ended count nothing.
    pub(crate) fn by(pids: &[u32]) -> Self {
        let mut sum = Self::default();
        for pid in pids {
            sum += one(*pid).unwrap_or_default();
        }
        sum
    }

    /// CPU seconds.
    pub(crate) fn cpu_s(self) -> f64 {
        self.user_s + self.system_s
    }
}

impl AddAssign for Used {
    fn add_assign(&mut self, other: Self) {
        self.user_s += other.user_s;
        self.system_s += other.system_s;
        self.disk_bytes += other.disk_bytes;
    }
}

impl Sub for Used {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            user_s: self.user_s - earlier.user_s,
            system_s: self.system_s - earlier.system_s,
            disk_bytes: self.disk_bytes - earlier.disk_bytes,
        }
    }
}

/// Memory of processes together in MiB; what they share is counted once.
pub(crate) fn memory_mib(pids: &[u32]) -> f64 {
    let pss_kib = |pid: &u32| -> Option<f64> {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        number(text.lines().find(|line| line.starts_with("Pss:"))?)
    };
    pids.iter().filter_map(pss_kib).sum::<f64>() / KIB
}

/// The processes of a process group.
pub(crate) fn group(leader: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let group = |pid: &u32| stat(*pid)?.get(2)?.parse::<u32>().ok();
    pids.filter(|pid| group(pid) == Some(leader)).collect()
}

/// CPU seconds of the whole machine that were not idle, since it started.
pub(crate) fn machine_busy_s() -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let ticks: Vec<f64> =
        line.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal; guest time is in user time already.
    let busy = ticks.iter().zip(0..8).filter(|(_, place)| *place != 3 && *place != 4);
    busy.map(|(ticks, _)| ticks).sum::<f64>() / per_second()
}

/// Bytes that the loopback interface has carried, with the headers of IP.
pub(crate) fn loopback_bytes() -> f64 {
    let text = fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix("lo:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

fn one(pid: u32) -> Option<Used> {
    let stat = stat(pid)?;
    let seconds = |place: usize| -> Option<f64> {
        Some(stat.get(place)?.parse::<f64>().ok()? / per_second())
    };
    let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    let written = io.lines().find(|line| line.starts_with("write_bytes:")).and_then(number);
    let (user_s, system_s) = (seconds(11)?, seconds(12)?);
    Some(Used { user_s, system_s, disk_bytes: written.unwrap_or_default() })
}

/// The fields of `/proc/PID/stat` from the third on: the name before them may hold spaces (proc(5)).
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields = text.rsplit_once(')')?.1;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}

fn number(line: &str) -> Option<f64> {
    line.split_whitespace().nth(1)?.parse().ok()
}

fn per_second() -> f64 {
    let ticks = rustix::param::clock_ticks_per_second();
    u32::try_from(ticks).map_or(100.0, f64::from)
}
