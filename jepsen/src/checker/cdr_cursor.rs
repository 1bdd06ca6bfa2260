//! A consumer of call detail records that remembers its cursor gets every record once, in order,
//! whichever node it asks, whatever happens meanwhile.

use std::collections::BTreeSet;

use holdline_cluster_tests::cluster::CdrView;

use super::{Checker, Finding, Opinion};
use crate::fact::CdrPage;
use crate::history::History;

pub(super) const CHECKER: Checker = Checker {
    name: "cdr-cursor",
    about: "a consumer with a cursor gets every CDR exactly once, in order",
    check,
};

fn check(history: &History) -> Opinion {
    let pages: Vec<_> = history.facts::<CdrPage>("cdr-page").collect();
    if pages.is_empty() {
        return Opinion::idle(CHECKER.name, "no consumer");
    }
    let mut findings = Vec::new();
    let mut last: Option<(u64, u64)> = None;
    let mut got = BTreeSet::new();
    for (op, page) in &pages {
        for id in &page.ids {
            let place = place(id);
            if place.is_none() || place <= last {
                findings.push(Finding::new(format!("record {id} comes after {last:?}"), &[op]));
            }
            last = place.max(last);
            got.insert(id.clone());
        }
    }
    for (op, cdr) in history.facts::<CdrView>("cdr") {
        if !got.contains(&cdr.id) {
            findings.push(Finding::new(format!("record {} was never delivered", cdr.id), &[op]));
        }
    }
    let summary = format!("{} records in {} pages", got.len(), pages.len());
    Opinion::of(CHECKER.name, summary, findings)
}

/// An id as its place in the log.
fn place(id: &str) -> Option<(u64, u64)> {
    let (index, position) = id.split_once('.')?;
    Some((index.parse().ok()?, position.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::forge::Forge;
    use super::*;

    fn verdict(pages: &[&[&str]]) -> Verdict {
        let mut forge = Forge::default();
        for ids in pages {
            let ids = ids.iter().map(|&id| id.to_owned()).collect();
            forge = forge.fact("cdr-page", &CdrPage { node: 1, after: None, ids });
        }
        check(&forge.cdr("5.0", "1", 1).cdr("10.1", "2", 1).done()).verdict
    }

    #[test]
    fn repeated_missing_and_disordered_records_are_found() {
        assert_eq!(verdict(&[&["5.0"], &["10.1"]]), Verdict::Valid);
        assert_eq!(verdict(&[&["5.0", "10.1"], &["10.1"]]), Verdict::Invalid);
        assert_eq!(verdict(&[&["10.1"], &["5.0"]]), Verdict::Invalid);
        assert_eq!(verdict(&[&["5.0"]]), Verdict::Invalid);
        assert_eq!(verdict(&[]), Verdict::Idle);
    }
}
