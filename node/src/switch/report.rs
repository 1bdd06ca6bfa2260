//! What the engines report, as metrics and log lines. No numbers, addresses or Call-IDs of peers.

use std::time::Duration;

use holdline_call::{DropReason, Event, Gate, Heard, TrunkEvent, TrunkView};
use holdline_model::{Epoch, SlotId};
use metrics::{counter, gauge, histogram};
use tracing::{debug, error, info, warn};

use crate::protect::allowances;

/// Counts and logs an event of an engine.
pub(crate) fn event(event: &Event) {
    match event {
        Event::Request { method } => {
            counter!("holdline_sip_requests_total", "method" => *method).increment(1);
        }
        Event::ResponseReceived { method, class } => {
            let class = class_label(*class);
            counter!("holdline_sip_responses_received_total", "method" => *method, "class" => class)
                .increment(1);
        }
        Event::ResponseSent { method, class } => {
            let class = class_label(*class);
            counter!("holdline_sip_responses_sent_total", "method" => *method, "class" => class)
                .increment(1);
        }
        Event::Admitted { .. }
        | Event::Limited { .. }
        | Event::Marked { .. }
        | Event::Attempted { .. }
        | Event::Answered { .. }
        | Event::Ended { .. } => progress(event),
        Event::Throttled { class, operation, status } => {
            allowances::refused(*operation, *status);
            debug!(%class, operation = operation.as_str(), status, "no tokens for a request");
        }
        Event::Recovered { call, resent } => {
            counter!("holdline_calls_recovered_total").increment(1);
            debug!(%call, resent, "recovered");
        }
        Event::Authenticated { outcome, .. } => {
            counter!("holdline_sip_authentications_total", "outcome" => outcome.as_str())
                .increment(1);
        }
        Event::Registered { outcome } => {
            counter!("holdline_registrations_total", "outcome" => outcome.as_str()).increment(1);
        }
        Event::Refused { reason } => {
            counter!("holdline_sip_refused_total", "reason" => reason.as_str()).increment(1);
        }
        Event::Dropped { reason } => dropped(*reason),
        Event::Undecided { call } => {
            counter!("holdline_calls_undecided_total").increment(1);
            debug!(%call, "the outcome of a proposal is unknown; proposing it again");
        }
        Event::Rejected { call, reason } => {
            counter!("holdline_calls_rejected_total").increment(1);
            error!(%call, reason, "a proposal was rejected that no correct owner makes");
        }
        Event::GaveUp { call, what } => {
            counter!("holdline_sip_unconfirmed_total", "what" => what.as_str()).increment(1);
            info!(%call, what = what.as_str(), "the peer never confirmed; gave up");
        }
        // The keeper of the trunks counts what it makes of them.
        Event::Trunk(_) => {}
    }
}

/// Counts and logs how far a call got.
fn progress(event: &Event) {
    match event {
        Event::Admitted { call, trunk } => {
            counter!("holdline_calls_admitted_total").increment(1);
            debug!(%call, %trunk, "admitted");
        }
        Event::Limited { class, shortage, status } => {
            let (shortage, status) = (shortage.as_str(), status.to_string());
            counter!("holdline_limit_refused_total", "shortage" => shortage, "status" => status)
                .increment(1);
            debug!(%class, shortage, "a limit refused a call");
        }
        Event::Marked { call } => {
            counter!("holdline_limit_marked_total").increment(1);
            debug!(%call, "admitted over a limit, and marked");
        }
        Event::Attempted { call, trunk } => {
            counter!("holdline_calls_failed_over_total").increment(1);
            debug!(%call, %trunk, "trying the next target");
        }
        Event::Answered { call, setup_ms } => {
            counter!("holdline_calls_answered_total").increment(1);
            histogram!("holdline_call_setup_seconds")
                .record(Duration::from_millis(*setup_ms).as_secs_f64());
            debug!(%call, setup_ms, "answered");
        }
        Event::Ended { call, disposition, by, cdr } => {
            counter!("holdline_calls_ended_total", "disposition" => disposition.as_str(), "by" => by.as_str())
                .increment(1);
            debug!(%call, disposition = disposition.as_str(), by = by.as_str(), ?cdr, "ended");
        }
        _ => {}
    }
}

/// Counts a slot's calls as recovered, and how long it took from seeing the change of owner.
pub(crate) fn recovered(slot: SlotId, epoch: Epoch, calls: usize, took: Duration) {
    histogram!("holdline_call_recovery_seconds").record(took.as_secs_f64());
    info!(%slot, %epoch, calls, ?took, "acting for the slot");
}

/// Counts and logs what the keeper of the trunks tells. Trunks are named by the configuration: their
/// names are no personal data, and there are few.
pub(crate) fn trunk_event(event: &TrunkEvent) {
    match event {
        TrunkEvent::Probed { trunk, is_alive } => {
            let outcome = if *is_alive { "answered" } else { "missed" };
            counter!("holdline_trunk_probes_total", "trunk" => trunk.to_string(), "outcome" => outcome)
                .increment(1);
        }
        TrunkEvent::Stands { trunk, standing } => {
            info!(%trunk, %standing, "probing has come to another verdict on a trunk");
        }
        TrunkEvent::Gated { trunk, gate } => gated(trunk, gate),
        TrunkEvent::Failed { trunk, heard } => {
            let reason = match heard {
                Heard::Silent => "silent",
                Heard::Unreachable => "unreachable",
                Heard::OtherPlace => "address",
                Heard::Failed { .. } | Heard::First { .. } | Heard::Progress => "status",
            };
            counter!("holdline_trunk_failures_total", "trunk" => trunk.to_string(), "reason" => reason)
                .increment(1);
        }
    }
}

fn gated(trunk: &str, gate: &Gate) {
    match gate {
        Gate::Shut { .. } => {
            counter!("holdline_trunk_shut_total", "trunk" => trunk.to_owned()).increment(1);
            warn!(
                trunk,
                "calls are kept from a trunk that fails; see: holdline trunk show {trunk}"
            );
        }
        Gate::Disabled => info!(trunk, "a trunk is disabled by an administrator"),
        Gate::Trial(_) => info!(trunk, "a trunk gets calls on trial"),
        Gate::Open => info!(trunk, "a trunk gets calls again"),
    }
}

/// Sets the gauges of all trunks.
pub(crate) fn trunks(view: &TrunkView) {
    for (trunk, health) in &view.trunks {
        let label = trunk.to_string();
        let usable = matches!(health.gate, Gate::Open | Gate::Trial(_));
        gauge!("holdline_trunk_usable", "trunk" => label.clone()).set(f64::from(u8::from(usable)));
        let standing = health.standing as u8;
        gauge!("holdline_trunk_standing", "trunk" => label.clone()).set(f64::from(standing));
        let calls = u32::try_from(health.calls).unwrap_or(u32::MAX);
        gauge!("holdline_trunk_calls", "trunk" => label.clone()).set(f64::from(calls));
        if let Some(ms) = health.latency_ms {
            gauge!("holdline_trunk_latency_seconds", "trunk" => label).set(f64::from(ms) / 1_000.0);
        }
    }
}

fn dropped(reason: DropReason) {
    counter!("holdline_sip_dropped_total", "reason" => reason.as_str()).increment(1);
    if reason == DropReason::BadRecord {
        counter!("holdline_calls_lost_total").increment(1);
        error!(
            "a call's record could not be rebuilt: the call is lost; its tombstone and CDR remain"
        );
    }
}

const fn class_label(class: u16) -> &'static str {
    match class {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        5 => "5xx",
        6 => "6xx",
        _ => "other",
    }
}
