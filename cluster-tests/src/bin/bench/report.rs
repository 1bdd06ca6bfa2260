//! The report: Markdown for people, JSON for programs.

use std::fmt::Write;

use serde::Serialize;

use super::load::Load;
use super::machine::Machine;
use super::takeover::Takeover;

/// Seconds between two memory samples in the Markdown table.
const RSS_STEP: usize = 10;

/// All that was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) takeovers: Vec<Takeover>,
    pub(crate) load: Option<Load>,
}

impl Report {
    pub(crate) const fn new(machine: Machine) -> Self {
        Self { machine, takeovers: Vec::new(), load: None }
    }

    pub(crate) fn nothing_lost(&self) -> bool {
        let load = self.load.as_ref();
        let billed = load.is_none_or(|load| u64::try_from(load.cdrs) == Ok(load.calls));
        let failed = load.map_or(0, |load| load.failed + load.callee_failed);
        self.takeovers.iter().all(|takeover| takeover.lost == 0) && failed == 0 && billed
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _infallible = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let machine = &self.machine;
        writeln!(text, "\n# Holdline benchmark\n")?;
        writeln!(text, "- machine: {} × {}", machine.processors, machine.processor)?;
        writeln!(text, "- memory: {} MiB, Linux {}", machine.memory_mib, machine.kernel)?;
        writeln!(text, "- commit: {}, profile: {}", machine.commit, machine.profile)?;
        writeln!(text, "- command: `{}`", machine.command)?;
        writeln!(text, "- three nodes, callers and callees on this one machine\n")?;
        writeln!(text, "## Takeover after SIGKILL: kill to first correct answer to a BYE\n")?;
        writeln!(text, "| victim | kills | p50 ms | p99 ms | max ms | ± ms | calls up | lost |")?;
        writeln!(text, "|---|--:|--:|--:|--:|--:|--:|--:|")?;
        for takeover in &self.takeovers {
            let Takeover { victim, p50_ms, p99_ms, max_ms, resolution_ms, .. } = takeover;
            let (kills, calls, lost) =
                (takeover.first_answer_ms.len(), takeover.calls, takeover.lost);
            writeln!(
                text,
                "| {victim} | {kills} | {p50_ms} | {p99_ms} | {max_ms} | {resolution_ms} | {calls} | {lost} |"
            )?;
        }
        self.load.as_ref().map_or(Ok(()), |load| load.write(text))
    }
}

impl Load {
    fn write(&self, text: &mut String) -> std::fmt::Result {
        writeln!(
            text,
            "\n## Load: {} calls/s for {} s through three nodes\n",
            self.rate, self.seconds
        )?;
        writeln!(text, "| what | number |\n|---|--:|")?;
        for (what, number) in [
            ("calls placed", self.calls.to_string()),
            ("calls/s reached", self.rate_reached.to_string()),
            ("calls failed, caller's side", self.failed.to_string()),
            ("calls failed, callee's side", self.callee_failed.to_string()),
            ("CDRs of answered calls", self.cdrs.to_string()),
            ("retransmissions by SIPp", self.retransmissions.to_string()),
            ("INVITE to 200, p50 ms", self.setup_p50_ms.to_string()),
            ("INVITE to 200, p99 ms", self.setup_p99_ms.to_string()),
            ("INVITE to 200, max ms", self.setup_max_ms.to_string()),
            ("CPU seconds of all nodes per 1,000 calls", self.cpu_s_per_1000_calls.to_string()),
            ("memory growth in the last third, MiB/min", self.rss_growth_mib_per_min.to_string()),
        ] {
            writeln!(text, "| {what} | {number} |")?;
        }
        let samples = self.rss_mib.iter().zip(1_usize..).filter(|(_, at)| at % RSS_STEP == 0);
        let series: Vec<String> = samples.map(|(mib, at)| format!("{at} s: {mib}")).collect();
        writeln!(text, "\nMemory of all nodes together, in MiB: {}", series.join(", "))
    }
}
