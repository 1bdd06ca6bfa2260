//! SIPp runs: a third SIP implementation, by other people, as caller and callee.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

/// The program.
const PROGRAM: &str = "sipp";
/// Pause between looks at a run.
const POLL: Duration = Duration::from_millis(50);
/// How long a run may take to write its statistics once it was told to end.
const END_LIMIT: Duration = Duration::from_secs(10);

/// What SIPp does.
#[derive(Clone, Debug)]
pub enum Scenario {
    /// One of its own, such as `uac`: it ignores Contact and Record-Route.
    BuiltIn(&'static str),
    /// A file of `cluster-tests/sipp/`: they follow Contact and Record-Route.
    Ours(&'static str),
}

/// A run to be started.
#[derive(Clone, Debug)]
pub struct SippPlan {
    /// What it does.
    pub scenario: Scenario,
    /// Where it listens and sends from.
    pub local: SocketAddr,
    /// Where its calls go; `None` for a callee.
    pub remote: Option<SocketAddr>,
    /// The number that it dials.
    pub number: String,
    /// Calls per second.
    pub rate: u32,
    /// How many calls; `None`: it waits for calls until ended.
    pub calls: Option<u32>,
    /// How long a call is held, in milliseconds: its scenario's `<pause/>`.
    pub hold_ms: u32,
    /// Messages that its scenario does not expect are passed over: repetitions that a takeover causes.
    pub lenient: bool,
    /// The processors that it may use, as `taskset -c` takes them; `None`: all.
    pub processors: Option<String>,
}

/// A run.
#[derive(Debug)]
pub struct Sipp {
    child: Child,
    started: Instant,
    folder: PathBuf,
}

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct SippReport {
    /// Calls that went as the scenario says.
    pub successful: u64,
    /// Calls that did not.
    pub failed: u64,
    /// Calls that were not over when it ended.
    pub unfinished: u64,
    /// Retransmissions that it sent.
    pub retransmissions: u64,
    /// Calls per second while it placed calls; the hold time of the last ones does not count.
    pub placed_per_s: f64,
    /// Times between the scenario's `start_rtd` and `rtd`, by their name, sorted.
    pub response_times: BTreeMap<String, Vec<Duration>>,
    /// From when to when each of those was measured, sorted by the end. The program's clock begins
    /// some milliseconds after it was started, so both are that much too early.
    pub measured: BTreeMap<String, Vec<(Instant, Instant)>>,
    /// What it found unexpected, in its own words.
    pub errors: String,
}

/// Why there is no report.
#[derive(thiserror::Error)]
pub enum SippError {
    /// The program is not installed.
    #[error("sipp is not installed: apt-get install -y --no-install-recommends sip-tester")]
    Missing,
    /// It could not be started, watched or ended.
    #[error("sipp: {0}")]
    Process(io::Error),
    /// It did not end in time.
    #[error("sipp has not ended within {limit:?}; its files are in {}", .folder.display())]
    Late {
        /// How long it was waited for.
        limit: Duration,
        /// Where its files are.
        folder: PathBuf,
    },
    /// Its statistics could not be read.
    #[error("sipp left no statistics in {}; it said: {said}", .folder.display())]
    NoStatistics {
        /// Where they should be.
        folder: PathBuf,
        /// What it printed.
        said: String,
    },
}

debug_in_words!(SippError);

impl SippPlan {
    /// A callee.
    #[must_use]
    pub fn callee(scenario: Scenario, local: SocketAddr) -> Self {
        let number = String::new();
        Self {
            scenario,
            local,
            remote: None,
            number,
            rate: 0,
            calls: None,
            hold_ms: 0,
            lenient: false,
            processors: None,
        }
    }

    /// A caller: `calls` calls at `rate` per second.
    #[must_use]
    pub fn caller(
        scenario: Scenario,
        local: SocketAddr,
        remote: SocketAddr,
        calls: u32,
        rate: u32,
    ) -> Self {
        let (remote, calls) = (Some(remote), Some(calls));
        Self {
            scenario,
            local,
            remote,
            number: "900".into(),
            rate,
            calls,
            hold_ms: 500,
            lenient: false,
            processors: None,
        }
    }

    /// Starts the run; its files go into a new folder `name` below `folder`.
    ///
    /// # Errors
    /// If SIPp is not installed or cannot be started.
    pub fn start(&self, folder: &Path, name: &str) -> Result<Sipp, SippError> {
        let folder = folder.join(name);
        fs::create_dir_all(&folder).map_err(SippError::Process)?;
        let output = fs::File::create(folder.join("output")).map_err(SippError::Process)?;
        let errors = output.try_clone().map_err(SippError::Process)?;
        let mut command = match &self.processors {
            Some(processors) => {
                let mut command = Command::new("taskset");
                command.args(["-c", processors, PROGRAM]);
                command
            }
            None => Command::new(PROGRAM),
        };
        match &self.scenario {
            Scenario::BuiltIn(name) => command.arg("-sn").arg(name),
            Scenario::Ours(file) => command.arg("-sf").arg(scenario_file(file)),
        };
        command.args(self.remote.map(|remote| remote.to_string()));
        for (key, value) in [
            ("-i", self.local.ip().to_string()),
            ("-p", self.local.port().to_string()),
            ("-d", self.hold_ms.to_string()),
            ("-fd", "1".into()),
            ("-stf", "statistics.csv".into()),
            ("-error_file", "errors.log".into()),
            ("-rtt_freq", "1".into()),
            // By default it has room for about a hundred messages, and drops the rest of a burst.
            ("-buff_size", "4194304".into()),
        ] {
            command.args([key.to_owned(), value]);
        }
        command.args(["-nostdin", "-trace_stat", "-trace_err", "-trace_rtt"]);
        if self.lenient {
            command.args(["-default_behaviors", "all,-abortunexp"]);
        }
        if let Some(calls) = self.calls {
            let (rate, calls) = (self.rate.to_string(), calls.to_string());
            command.args(["-s", &self.number, "-r", &rate, "-m", &calls, "-l", "100000"]);
        }
        command.current_dir(&folder).stdin(Stdio::null()).stdout(output).stderr(errors);
        let child = command.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => SippError::Missing,
            _ => SippError::Process(error),
        })?;
        Ok(Sipp { child, started: Instant::now(), folder })
    }
}

impl Sipp {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until all its calls are over.
    ///
    /// # Errors
    /// If that takes longer than `limit`, or it left no statistics.
    pub async fn wait(mut self, limit: Duration) -> Result<SippReport, SippError> {
        self.wait_exit(limit).await?;
        self.report()
    }

    /// Waits until all its calls are over, and ends it when they are not within `limit`: those that
    /// are left are [`SippReport::unfinished`].
    ///
    /// # Errors
    /// If it cannot be ended, or left no statistics.
    pub async fn wait_or_end(mut self, limit: Duration) -> Result<SippReport, SippError> {
        match self.wait_exit(limit).await {
            Err(SippError::Late { .. }) => self.end().await,
            other => other.and_then(|()| self.report()),
        }
    }

    /// Tells it to end: first when its calls are over, after 10 s at once. One that does not hear is
    /// killed; its statistics are then a second old at most.
    ///
    /// # Errors
    /// As [`Sipp::wait`].
    pub async fn end(mut self) -> Result<SippReport, SippError> {
        self.tell_to_end()?;
        if let Err(SippError::Late { .. }) = self.wait_exit(END_LIMIT).await {
            self.tell_to_end()?;
            if let Err(SippError::Late { .. }) = self.wait_exit(END_LIMIT).await {
                self.child.kill().map_err(SippError::Process)?;
                self.child.wait().map_err(SippError::Process)?;
            }
        }
        self.report()
    }

    fn tell_to_end(&self) -> Result<(), SippError> {
        let signal = kill_process(Pid::from_child(&self.child), Signal::USR1);
        signal.map_err(|errno| SippError::Process(errno.into()))
    }

    async fn wait_exit(&mut self, limit: Duration) -> Result<(), SippError> {
        let deadline = Instant::now() + limit;
        while self.child.try_wait().map_err(SippError::Process)?.is_none() {
            if Instant::now() >= deadline {
                return Err(SippError::Late { limit, folder: self.folder.clone() });
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    fn report(&self) -> Result<SippReport, SippError> {
        let missing = || SippError::NoStatistics {
            folder: self.folder.clone(),
            said: fs::read_to_string(self.folder.join("output")).unwrap_or_default(),
        };
        let text = fs::read_to_string(self.folder.join("statistics.csv")).map_err(|_| missing())?;
        let mut report = read_statistics(&text).ok_or_else(missing)?;
        report.errors = fs::read_to_string(self.folder.join("errors.log")).unwrap_or_default();
        for entry in fs::read_dir(&self.folder).map_err(SippError::Process)?.flatten() {
            if entry.file_name().to_string_lossy().ends_with("_rtt.csv") {
                let text = fs::read_to_string(entry.path()).unwrap_or_default();
                for (after, name, time) in text.lines().filter_map(response_time) {
                    report.response_times.entry(name.to_owned()).or_default().push(time);
                    let end = self.started + after;
                    let begin = end.checked_sub(time).unwrap_or(end);
                    report.measured.entry(name.to_owned()).or_default().push((begin, end));
                }
            }
        }
        report.response_times.values_mut().for_each(|times| times.sort_unstable());
        report.measured.values_mut().for_each(|times| times.sort_unstable_by_key(|(_, end)| *end));
        Ok(report)
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A scenario file of this crate.
fn scenario_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sipp").join(name)
}

/// The last line of SIPp's statistics has the totals, in columns named in the first line.
fn read_statistics(text: &str) -> Option<SippReport> {
    let mut lines = text.lines().filter(|line| !line.is_empty());
    let names: Vec<&str> = lines.next()?.split(';').collect();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(';').collect()).collect();
    let last = rows.last()?;
    let column = |name: &str| {
        let place = names.iter().position(|other| *other == name)?;
        last.get(place)?.parse::<u64>().ok()
    };
    Some(SippReport {
        successful: column("SuccessfulCall(C)")?,
        failed: column("FailedCall(C)")?,
        unfinished: column("CurrentCall")?,
        retransmissions: column("Retransmissions(C)")?,
        placed_per_s: placed_per_s(&names, &rows, column("OutgoingCall(C)")?),
        ..SippReport::default()
    })
}

/// The mean rate in the last line before all calls were placed; lines are a second apart.
fn placed_per_s(names: &[&str], rows: &[Vec<&str>], all: u64) -> f64 {
    let place = |name: &str| names.iter().position(|other| *other == name);
    let (Some(count), Some(rate)) = (place("OutgoingCall(C)"), place("CallRate(C)")) else {
        return 0.0;
    };
    let placed = |row: &Vec<&str>| row.get(count).and_then(|n| n.parse::<u64>().ok());
    let rate_of = |row: &Vec<&str>| row.get(rate).and_then(|n| n.parse::<f64>().ok());
    let before = rows.iter().rev().find(|row| placed(row).is_some_and(|n| n > 0 && n < all));
    let first = || rows.iter().find(|row| placed(row) == Some(all));
    before.or_else(first).and_then(rate_of).unwrap_or(0.0)
}

/// A line of SIPp's response times: milliseconds since it began, milliseconds, name.
fn response_time(line: &str) -> Option<(Duration, &str, Duration)> {
    let mut fields = line.split(';');
    let mut ms = || Duration::try_from_secs_f64(fields.next()?.parse::<f64>().ok()? / 1000.0).ok();
    let (after, time) = (ms()?, ms()?);
    Some((after, fields.next()?, time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_totals_of_the_last_line() {
        let names = "CurrentCall;SuccessfulCall(C);FailedCall(C);Retransmissions(C);\
                     OutgoingCall(C);CallRate(C)";
        let text = format!("{names};\n9;1;0;0;10;9.5\n9;1;0;0;12;5.1\n1;9;2;3;12;4.2;\n");
        let text = text.as_str();
        let report = read_statistics(text).unwrap();
        assert_eq!((report.successful, report.failed, report.retransmissions), (9, 2, 3));
        assert_eq!(report.unfinished, 1);
        assert_eq!(report.placed_per_s, 9.5);
        assert!(read_statistics("A;B;\n").is_none());
    }

    #[test]
    fn reads_response_times() {
        let (after, time) = (Duration::from_millis(1_004), Duration::from_micros(2500));
        assert_eq!(response_time("1004;2.5;invite"), Some((after, "invite", time)));
        assert_eq!(response_time("Date_ms;response_time_ms;rtd_no"), None);
    }
}
