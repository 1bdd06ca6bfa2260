//! Every call ends; one CDR per call that the switch took on; nothing acknowledged is lost.
//!
//! Three witnesses: the caller's ledger, the callees' ledgers, the call detail records as the log
//! says them. What the switch has said to the caller it must have kept: a provisional answer is the
//! word that the call was admitted, a 2xx that it was answered.

use std::collections::BTreeMap;

use holdline_cluster_tests::ua::{Anomaly, Entry, Kind, Ledger, Method, Way};
use holdline_model::{Cdr, Disposition};
use holdline_storage::{CdrQuery, StateReader};

/// Compares the witnesses when everything has ended. `rough` says that there were faults during
/// which a far end may have given up.
///
/// # Errors
/// The state cannot be read.
pub fn faults(
    caller: &Ledger,
    callees: &[&Ledger],
    state: &StateReader,
    rough: bool,
) -> anyhow::Result<Vec<String>> {
    let mut faults = Vec::new();
    for (slot, counts) in state.count_calls()? {
        if counts.up() > 0 {
            faults.push(format!("ends: slot {slot} still has {} calls", counts.up()));
        }
    }
    let records = records(state)?;
    for (call_id, cdrs) in &records {
        if cdrs.len() > 1 {
            faults.push(format!("CDRs: {} records for call {call_id}", cdrs.len()));
        }
    }
    for entry in caller.entries() {
        let record = records.get(&entry.call_id).and_then(|cdrs| cdrs.first());
        faults.extend(against_record(entry, record));
        faults.extend(ended(entry, rough));
    }
    for entry in callees.iter().flat_map(|ledger| ledger.entries()) {
        faults.extend(ended(entry, rough));
    }
    Ok(faults)
}

/// All call detail records, by the caller's Call-ID.
fn records(state: &StateReader) -> anyhow::Result<BTreeMap<String, Vec<Cdr>>> {
    let mut records: BTreeMap<String, Vec<Cdr>> = BTreeMap::new();
    let mut query = CdrQuery { limit: 1000, ..CdrQuery::default() };
    loop {
        let page = state.cdrs(&query)?;
        for cdr in page.cdrs {
            records.entry(cdr.caller_call_id.clone()).or_default().push(cdr);
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(records),
        }
    }
}

fn against_record(entry: &Entry, record: Option<&Cdr>) -> Option<String> {
    let what = &entry.number;
    let fault = |text: &str| Some(format!("CDRs: call {what}: {text}"));
    let answered = entry.received(Kind::Response(200, Method::Invite)).is_some();
    match record {
        None if answered => fault("was answered, and has no record"),
        None if was_promised(entry) => fault("was admitted, and has no record"),
        None => None,
        Some(record) if answered && record.disposition != Disposition::Answered => {
            fault(&format!("was answered, but its record says {:?}", record.disposition))
        }
        Some(record) if answered && record.answered_at.is_none() => {
            fault("was answered, but its record does not say when")
        }
        Some(_) => None,
    }
}

/// The switch said that it has the call.
fn was_promised(entry: &Entry) -> bool {
    let provisional = |kind| matches!(kind, Kind::Response(100..=199, Method::Invite));
    entry.events.iter().any(|event| event.way == Way::Received && provisional(event.kind))
}

/// What must not happen to a call.
fn ended(entry: &Entry, rough: bool) -> Vec<String> {
    let mut faults = Vec::new();
    let role = entry.role;
    let gave_up = |anomaly: &&Anomaly| {
        matches!(anomaly, Anomaly::Unanswered(_) | Anomaly::NoAck | Anomaly::FailureNotAcked)
    };
    // A late offer that is hung up before its ACK came: the 2xx is ACKed all the same, with no SDP.
    let unoffered = |anomaly: &&Anomaly| {
        let ack = Kind::Request(Method::Ack);
        **anomaly == Anomaly::NoSdp(ack) && entry.received(Kind::Request(Method::Bye)).is_some()
    };
    let anomalies = entry.anomalies.iter().filter(|it| !unoffered(it));
    for anomaly in anomalies.filter(|it| !(rough && gave_up(it))) {
        faults.push(format!("ledgers: {role:?} of {}: {anomaly:?}", entry.number));
    }
    let gave_up = entry.anomalies.iter().any(|it| gave_up(&it));
    let excused = rough && gave_up;
    if !entry.over && !excused {
        let status = entry.final_status();
        faults.push(format!(
            "ends: {role:?} of {}: never told the end (final answer {status:?})",
            entry.number
        ));
    }
    faults
}
