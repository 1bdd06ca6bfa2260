//! What has become better or worse.

use crate::baseline::Baseline;
use crate::measured::{Case, Measured};

/// More than this is worth a word.
const LIMIT: f64 = 1.10;

/// All cases that were measured, in order of name.
#[derive(Debug)]
pub(crate) struct Verdicts {
    pub(crate) rows: Vec<Row>,
}

/// One case beside its baseline.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) now: Case,
    pub(crate) before: Option<Case>,
}

/// What is worse, by how much.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Worse {
    /// Time, after calibration; instructions too, or they are not known.
    Slower(f64),
    /// Time, though not more instructions: caches, the kernel, or a busy machine.
    SlowerWithSameInstructions(f64),
    /// Instructions, though the time does not show it.
    MoreInstructions(f64),
    /// Allocations: so many more.
    MoreAllocations(f64),
}

impl Verdicts {
    pub(crate) fn of(measured: &Measured, baseline: Option<&Baseline>) -> Self {
        let before = |name: &str| baseline?.cases.get(name).copied();
        let row = |(name, now): (&String, &Case)| Row {
            name: name.clone(),
            now: *now,
            before: before(name),
        };
        Self { rows: measured.cases.iter().map(row).collect() }
    }

    pub(crate) fn has_regressions(&self) -> bool {
        self.rows.iter().any(|row| !row.worse().is_empty())
    }
}

impl Row {
    /// Time against the baseline, after calibration.
    pub(crate) fn time_ratio(&self) -> Option<f64> {
        self.before.map(|before| self.now.relative() / before.relative())
    }

    /// Instructions against the baseline.
    pub(crate) fn instruction_ratio(&self) -> Option<f64> {
        let now = self.now.count?.instructions?;
        let before = self.before?.count?.instructions?;
        Some(now / before)
    }

    /// What has become worse.
    pub(crate) fn worse(&self) -> Vec<Worse> {
        let mut worse = Vec::new();
        let (time, instructions) = (self.time_ratio(), self.instruction_ratio());
        match (time.filter(|ratio| *ratio > LIMIT), instructions) {
            (Some(ratio), Some(same)) if same < SAME => {
                worse.push(Worse::SlowerWithSameInstructions(ratio));
            }
            (Some(ratio), _) => worse.push(Worse::Slower(ratio)),
            (None, Some(ratio)) if ratio > LIMIT => worse.push(Worse::MoreInstructions(ratio)),
            (None, _) => {}
        }
        let allocations = |case: &Case| case.count.map(|count| count.allocations);
        let before = self.before.as_ref().and_then(allocations);
        if let (Some(now), Some(before)) = (allocations(&self.now), before)
            && now - before > HALF
        {
            worse.push(Worse::MoreAllocations(now - before));
        }
        worse
    }
}

/// Instructions repeat to within this, from run to run of the same program.
const SAME: f64 = 1.02;
/// An allocation more is counted as one even if a table's growth makes it a little less.
const HALF: f64 = 0.5;

#[cfg(test)]
mod tests {
    use holdline_micro_results::Count;

    use super::*;

    fn case(ns: f64, calibration_ns: f64, instructions: Option<f64>, allocations: f64) -> Case {
        let count = Some(Count { allocations, allocated_bytes: 0.0, instructions });
        Case { ns, calibration_ns, count }
    }

    fn row(now: Case, before: Case) -> Row {
        Row { name: "sip/parse".to_owned(), now, before: Some(before) }
    }

    #[test]
    fn a_slower_machine_is_no_regression() {
        let before = case(100.0, 10.0, Some(500.0), 2.0);
        assert_eq!(row(case(200.0, 20.0, Some(500.0), 2.0), before).worse(), []);
        let slower = row(case(240.0, 20.0, Some(600.0), 2.0), before).worse();
        assert_eq!(slower, [Worse::Slower(1.2)]);
    }

    #[test]
    fn time_alone_is_told_apart() {
        let before = case(100.0, 10.0, Some(500.0), 2.0);
        let worse = row(case(120.0, 10.0, Some(505.0), 2.0), before).worse();
        assert_eq!(worse, [Worse::SlowerWithSameInstructions(1.2)]);
        let unknown = row(case(120.0, 10.0, None, 2.0), before).worse();
        assert_eq!(unknown, [Worse::Slower(1.2)]);
        let hidden = row(case(100.0, 10.0, Some(600.0), 2.0), before).worse();
        assert_eq!(hidden, [Worse::MoreInstructions(1.2)]);
    }

    #[test]
    fn one_more_allocation_is_a_regression() {
        let before = case(100.0, 10.0, None, 20.0);
        let worse = row(case(100.0, 10.0, None, 21.0), before).worse();
        assert_eq!(worse, [Worse::MoreAllocations(1.0)]);
        assert_eq!(row(case(100.0, 10.0, None, 20.1), before).worse(), []);
    }

    #[test]
    fn a_new_case_has_nothing_to_be_worse_than() {
        let new = Row { name: "a/b".to_owned(), now: case(1.0, 1.0, None, 1.0), before: None };
        assert_eq!((new.time_ratio(), new.worse()), (None, vec![]));
    }
}
