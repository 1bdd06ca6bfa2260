//! The reckoning: a table, what its columns mean, a verdict in words.

use std::time::Duration;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use holdline_cluster_tests::reconcile::{Verdict, percentile};
use holdline_cluster_tests::stage::Phase;

/// Lost calls and oddities that are printed unless all are asked for.
const SHOWN: usize = 10;

const LEGEND: &str = "\
up: calls in that phase when their owner died. lost: calls that either side did not get to the end of.
481: \"call does not exist\" answers, by which a cluster betrays that it forgot one. first, median, max
answer: from the kill until the survivor answered a request or a retransmission of these calls. CDRs:
call detail records due and found; twice: calls billed more than once. billing: largest difference between
a record's duration and the caller's own watch.";

/// One phase.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) phase: Phase,
    pub(crate) killed: String,
    pub(crate) verdict: Verdict,
}

/// All phases.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) rows: Vec<Row>,
    /// All CDRs of the cluster.
    pub(crate) cdrs: usize,
    /// Messages that belonged to no call.
    pub(crate) strays: Vec<String>,
}

impl Row {
    /// One sentence, while the demo goes on.
    pub(crate) fn sentence(&self) -> String {
        let verdict = &self.verdict;
        let killed = &self.killed;
        let takeover = verdict.takeover.first().map_or_else(
            || "no call waited for an answer".to_owned(),
            |first| format!("first answer after {} ms", first.as_millis()),
        );
        let (calls, lost) = (verdict.calls, verdict.lost.len());
        format!("{killed} killed, {calls} calls up, {lost} lost, {takeover}")
    }

    fn cells(&self) -> Vec<String> {
        let verdict = &self.verdict;
        let ms = |time: Option<Duration>| time.map_or("–".into(), |t| t.as_millis().to_string());
        vec![
            self.phase.title().into(),
            self.killed.clone(),
            verdict.calls.to_string(),
            verdict.lost.len().to_string(),
            verdict.not_found.to_string(),
            ms(verdict.takeover.first().copied()),
            ms(verdict.takeover_percentile(50)),
            ms(verdict.takeover.last().copied()),
            format!("{}/{}", verdict.cdrs_found, verdict.cdrs_expected),
            verdict.cdr_duplicates.to_string(),
            verdict.duration_error.as_millis().to_string(),
        ]
    }

    /// A CDR may be wrong by the time to takeover and a second.
    fn billing_ok(&self) -> bool {
        let takeover = self.verdict.takeover.last().copied().unwrap_or_default();
        self.verdict.duration_error <= takeover + Duration::from_secs(1)
    }
}

impl Summary {
    pub(crate) fn clean(&self) -> bool {
        let all = self.rows.iter().all(|row| row.verdict.clean() && row.billing_ok());
        let due: usize = self.rows.iter().map(|row| row.verdict.cdrs_expected).sum();
        all && !self.rows.is_empty() && self.strays.is_empty() && self.cdrs == due
    }

    pub(crate) fn lines(&self, verbose: bool) -> Vec<String> {
        let mut lines = vec![String::new(), self.table(), String::new(), LEGEND.into()];
        lines.push(String::new());
        lines.extend(self.oddities(if verbose { usize::MAX } else { SHOWN }));
        lines.push(self.verdict());
        lines
    }

    fn table(&self) -> String {
        let mut table = Table::new();
        table.load_preset(presets::UTF8_FULL_CONDENSED);
        table.set_content_arrangement(ContentArrangement::Disabled);
        table.set_header([
            "owner killed while",
            "killed",
            "up",
            "lost",
            "481",
            "first ms",
            "median ms",
            "max ms",
            "CDRs",
            "twice",
            "billing ms",
        ]);
        for row in &self.rows {
            table.add_row(row.cells());
        }
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table.to_string()
    }

    fn oddities(&self, limit: usize) -> Vec<String> {
        let mut all = Vec::new();
        for row in &self.rows {
            let title = row.phase.title();
            let verdict = &row.verdict;
            all.extend(
                verdict.lost.iter().map(|(call, loss)| format!("{title}: call {call} {loss}")),
            );
            let odd = verdict.anomalies.iter();
            all.extend(odd.map(|(call, what)| format!("{title}: call {call}: {what:?}")));
            if verdict.spoke_too_soon > 0 {
                all.push(format!(
                    "{title}: {} calls got an answer that no majority stood behind",
                    verdict.spoke_too_soon
                ));
            }
            if !row.billing_ok() {
                let ms = verdict.duration_error.as_millis();
                all.push(format!("{title}: a CDR's duration is wrong by {ms} ms"));
            }
        }
        all.extend(self.strays.iter().map(|stray| format!("belongs to no call: {stray}")));
        let more = all.len().saturating_sub(limit);
        all.truncate(limit);
        if more > 0 {
            all.push(format!("… and {more} more (--verbose shows them)"));
        }
        all
    }

    fn verdict(&self) -> String {
        let sum = |count: fn(&Verdict) -> usize| -> usize {
            self.rows.iter().map(|row| count(&row.verdict)).sum()
        };
        let (calls, lost) = (sum(|v| v.calls), sum(|v| v.lost.len()));
        let (due, found) = (sum(|v| v.cdrs_expected), sum(|v| v.cdrs_found));
        let twice = sum(|v| v.cdr_duplicates);
        let kills = self.rows.len();
        let mut times: Vec<Duration> =
            self.rows.iter().filter_map(|row| row.verdict.takeover.first().copied()).collect();
        times.sort_unstable();
        let median = percentile(&times, 50).unwrap_or_default().as_millis();
        let longest = times.last().copied().unwrap_or_default().as_millis();
        if self.clean() {
            return format!(
                "NOTHING WAS LOST. {kills} owners killed with {calls} calls up: every call went on and ended as its \
                 callers wished,\nand each was billed exactly once ({found} CDRs for {due} calls). A survivor answered \
                 after {median} ms (median), {longest} ms at most."
            );
        }
        format!(
            "SOMETHING WAS LOST OR WRONG. {kills} owners killed with {calls} calls up: {lost} calls lost, {} of {due} \
             CDRs missing, {twice} billed twice,\n{} CDRs in all, {} messages that belonged to no call. See the lines \
             above; the nodes' logs are kept.",
            due - found,
            self.cdrs,
            self.strays.len()
        )
    }
}
