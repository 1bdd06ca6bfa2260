//! Histories made by hand, for the tests of the checkers.

use serde::Serialize;
use serde_json::json;

use crate::fact::{Call, Inject, Register};
use crate::history::{EntryRecord, EventRecord, History, Op, OpType, Process, edn};

/// Builds a history; every line is a millisecond after the one before.
#[derive(Debug, Default)]
pub(super) struct Forge {
    ops: Vec<Op>,
}

impl Forge {
    pub(super) fn done(self) -> History {
        History { ops: self.ops }
    }

    fn add(mut self, ty: OpType, process: Process, f: &str, value: &impl Serialize) -> Self {
        let index = self.ops.len() as u64;
        let value = edn::to_value(value);
        let op =
            Op { index, time: index * 1_000_000, ty, process, f: f.into(), value, error: None };
        self.ops.push(op);
        self
    }

    pub(super) fn fact(self, f: &str, value: &impl Serialize) -> Self {
        self.add(OpType::Info, Process::named("probe"), f, value)
    }

    pub(super) fn inject(self, id: u64, fault: &str) -> Self {
        let inject = Inject { id, fault: fault.into(), targets: vec![1], leader: Some(1) };
        self.fact("inject", &inject)
    }

    pub(super) fn op(self, ty: OpType, process: u64, f: &str, value: &impl Serialize) -> Self {
        self.add(ty, Process::Client(process), f, value)
    }

    pub(super) fn write(self, ty: OpType, process: u64, value: bool, index: Option<u64>) -> Self {
        let register = Register { key: 1, value: Some(value), index, via: 1 };
        self.op(ty, process, "write", &register)
    }

    pub(super) fn read(self, process: u64, value: bool, index: u64) -> Self {
        let register = |value| Register { key: 1, value, index: Some(index), via: 1 };
        self.op(OpType::Invoke, process, "read", &register(None)).op(
            OpType::Ok,
            process,
            "read",
            &register(Some(value)),
        )
    }

    pub(super) fn call(self, process: u64, number: &str, under: Option<u64>) -> Self {
        let call = Call {
            number: number.into(),
            phase: "talking".into(),
            via: 1,
            expect: "answered".into(),
            under,
        };
        self.op(OpType::Invoke, process, "call", &call).op(OpType::Ok, process, "call", &call)
    }

    /// Both ledgers of a call that went well, answered for `talk_ms`, with the events given left out.
    pub(super) fn ledgers(self, number: &str, talk_ms: u64, without: &[&str]) -> Self {
        let event = |at: u64, sent, kind: &str| EventRecord {
            at: at * 1_000_000,
            sent,
            kind: kind.into(),
            again: false,
        };
        let bye = 20 + talk_ms;
        let caller = vec![
            event(0, true, "INVITE"),
            event(5, false, "100 INVITE"),
            event(20, false, "200 INVITE"),
            event(20, true, "ACK"),
            event(bye, true, "BYE"),
            event(bye + 5, false, "200 BYE"),
        ];
        let callee = vec![
            event(6, false, "INVITE"),
            event(10, true, "200 INVITE"),
            event(22, false, "ACK"),
            event(bye + 4, false, "BYE"),
            event(bye + 4, true, "200 BYE"),
        ];
        let entry = |side: &str, mut events: Vec<EventRecord>| {
            events.retain(|event| !without.contains(&format!("{side} {}", event.kind).as_str()));
            EntryRecord {
                number: number.into(),
                call_id: format!("{side}-{number}"),
                over: !without.contains(&format!("{side} over").as_str()),
                anomalies: Vec::new(),
                events,
            }
        };
        self.fact("caller-call", &entry("caller", caller))
            .fact("callee-call", &entry("callee", callee))
    }

    /// A call detail record of a call that was admitted then.
    pub(super) fn cdr_admitted(self, id: &str, number: &str, admitted_at: &str) -> Self {
        self.record(id, number, 10, admitted_at)
    }

    /// A call detail record of an answered call.
    pub(super) fn cdr(self, id: &str, number: &str, duration_ms: u64) -> Self {
        self.record(id, number, duration_ms, "")
    }

    fn record(self, id: &str, number: &str, duration_ms: u64, admitted_at: &str) -> Self {
        self.fact(
            "cdr",
            &json!({
                "id": id, "call": number, "to": format!("sip:{number}@h"),
                "caller_call_id": "a", "callee_call_id": "b", "disposition": "ANSWERED",
                "hangup_by": "caller", "status": 200, "started_at": "", "answered_at": "",
                "admitted_at": admitted_at, "ended_at": "", "duration_ms": duration_ms, "takeovers": 0,
                "owners": [{"node": 1, "epoch": 1, "reason": "formed"}],
            }),
        )
    }
}
