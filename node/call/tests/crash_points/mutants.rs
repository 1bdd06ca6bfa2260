//! The proof that the checks find what they are for: a rule is broken on purpose, and the sweep must
//! notice. Each broken rule says by which complaint.

use super::point::{Fault, InFlight, Mutant, Point};
use super::script::{Flavour, script};
use super::verdict::{Run, against, run};

/// Runs a script with a broken rule at all points of one kind; returns every complaint.
fn complaints(
    name: &str,
    mutant: Mutant,
    in_flight: InFlight,
    faults: impl Fn(&Run) -> Vec<Fault>,
) -> Vec<String> {
    let point = Point::new(script(name), Flavour::Rfc);
    let undisturbed = run(&point);
    assert_eq!(undisturbed.faults, Vec::<String>::new());
    let mut complaints = Vec::new();
    for fault in faults(&undisturbed) {
        let struck = Point { faults: vec![fault], mutant, in_flight, ..point.clone() };
        complaints.extend(against(&run(&struck), &undisturbed));
    }
    complaints
}

fn after_each_send(undisturbed: &Run) -> Vec<Fault> {
    (1..=undisturbed.counts.sends).map(Fault::AfterSend).collect()
}

fn before_each_decision(undisturbed: &Run) -> Vec<Fault> {
    (1..=undisturbed.counts.decisions).map(Fault::BeforeDecision).collect()
}

fn at_each_input(undisturbed: &Run) -> Vec<Fault> {
    (1..=undisturbed.counts.inputs).map(Fault::Handover).collect()
}

#[track_caller]
fn assert_found(complaints: &[String], what: &str) {
    let found = complaints.iter().any(|complaint| complaint.contains(what));
    assert!(found, "{what:?} is not among {complaints:#?}");
}

#[test]
fn speaking_before_the_commit_is_noticed_on_the_wire_and_by_the_far_ends() {
    let found = complaints("caller_hangs_up", Mutant::SpeaksEarly, InFlight::Lost, after_each_send);
    assert_found(&found, "spoke before the admission");
    assert_found(&found, "spoke before the answer");
    assert_found(&found, "spoke before the end");
    assert_found(&found, "does not come to an end");
    assert_found(&found, "ms are billed instead of");
}

#[test]
fn dropped_tombstones_are_noticed() {
    let found = complaints(
        "caller_hangs_up",
        Mutant::DropsTombstones,
        InFlight::Lost,
        before_each_decision,
    );
    assert_found(&found, "481");
    assert_found(&found, "a callee is left up");
}

#[test]
fn forgotten_calls_are_noticed() {
    let found =
        complaints("callee_hangs_up", Mutant::ForgetsCalls, InFlight::Lost, before_each_decision);
    assert_found(&found, "481");
}

#[test]
fn branches_of_the_next_owners_own_are_noticed() {
    let found = complaints("no_answer", Mutant::NewBranches, InFlight::Lost, after_each_send);
    assert_found(&found, "a second INVITE");
    assert_found(&found, "INVITEs of two branches");
}

#[test]
fn bytes_of_the_next_owners_own_are_noticed() {
    let found = complaints("no_answer", Mutant::NewBytes, InFlight::Lost, after_each_send);
    assert_found(&found, "did not resend the same");
    assert_found(&found, "the INVITE was not resent byte for byte");
}

/// Each row of the rule-one table has a script in which speaking early breaks it.
#[test]
fn each_row_of_the_table_is_watched() {
    for (name, entry) in [
        ("busy", "the admission"),
        ("failover_503", "the attempt"),
        ("failover_503", "what follows from the failure"),
        ("early_media", "the provisional answer"),
        ("cancel", "the cancellation"),
        ("answered_at_once", "the answer"),
        ("late_offer", "the answer, or the caller's ACK"),
        ("busy", "the failure, or the refusal"),
        ("callee_hangs_up", "the end"),
        ("reinvite_by_caller", "the changed session"),
        ("reinvite_by_callee", "the changed session, or its ACK"),
        ("reinvite_late_offer", "the changed session, or its ACK"),
        ("reinvite_slow", "the change that takes long"),
        ("update_both_ways", "the update"),
        ("reliable_early_media", "the provisional answer"),
        ("reliable_early_media", "the acknowledged provisional answer"),
        ("alive", "its number"),
        ("fork_all_fail", "what follows from the failure"),
        ("fork_first_answers", "the answer"),
        ("fork_early_media", "the provisional answer"),
    ] {
        let mutant = Mutant::SpeaksEarly;
        let early = run(&Point { mutant, ..Point::new(script(name), Flavour::Rfc) });
        assert_found(&early.faults, &format!("spoke before {entry}: "));
    }
}

#[test]
fn a_missing_fence_is_noticed() {
    let found = complaints("caller_hangs_up", Mutant::NoFence, InFlight::Kept, at_each_input);
    assert!(!found.is_empty(), "a deposed owner changed the state, and nobody noticed");
}

#[test]
fn a_second_bill_is_noticed() {
    let found = complaints("busy", Mutant::BillsTwice, InFlight::Lost, after_each_send);
    assert_found(&found, "2 bills instead of one");
}
