//! One point of the sweep: everything that a run depends on. It has a text form, which a failing run
//! prints and which replays exactly that run.

use super::script::{FLAVOURS, Flavour, Script, script};

/// The environment variable that narrows every sweep to one point.
pub(crate) const REPLAY: &str = "HOLDLINE_CRASH_POINT";

/// What is done to the owner, counted from when it became owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It dies when it has received its k-th message, tick or hang-up, before it proposes anything.
    BeforeInput(usize),
    /// It dies when its k-th proposal is committed, before it hears of that.
    BeforeDecision(usize),
    /// It dies right after its k-th send; what it wanted to do next is lost.
    AfterSend(usize),
    /// Its slots are moved when its k-th message, tick or hang-up arrives; it hears of that later.
    Handover(usize),
    /// It loses its lease when its k-th message, tick or hang-up arrives, and holds it again before
    /// anybody takes over.
    Suspended(usize),
    /// It loses its lease and its address when its k-th message, tick or hang-up arrives, and comes
    /// back, alive, after another one has taken over.
    CutOff(usize),
    /// It lives, but hears that the outcome of its k-th proposal is unknown, which was committed.
    UnknownCommitted(usize),
    /// It lives, but hears that the outcome of its k-th proposal is unknown, which was lost.
    UnknownLost(usize),
}

/// What becomes of the proposals that a dying owner has in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InFlight {
    /// They are committed after its death.
    Kept,
    /// They are lost.
    Lost,
}

/// A rule broken on purpose, to prove the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutant {
    None,
    /// The engine is told that a proposal is committed before it is: outputs are released early.
    SpeaksEarly,
    /// Finished calls are not handed to the next owner.
    DropsTombstones,
    /// No calls are handed to the next owner.
    ForgetsCalls,
    /// The next owner makes branches of its own.
    NewBranches,
    /// The next owner sends an INVITE that differs in a header field.
    NewBytes,
    /// Apply does not look at epochs.
    NoFence,
    /// The CDR is written twice.
    BillsTwice,
}

/// Everything that a run depends on.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) script: &'static Script,
    pub(crate) flavour: Flavour,
    /// The first is done to the first owner, the second to the second.
    pub(crate) faults: Vec<Fault>,
    pub(crate) in_flight: InFlight,
    /// From proposal to apply.
    pub(crate) commit_ms: u64,
    /// From an owner's death to the entry that gives its slots away.
    pub(crate) takeover_ms: u64,
    /// Of 1,000 datagrams so many are lost, and half as many come twice; those that
    /// come take different times, if there is a seed.
    pub(crate) loss: u64,
    pub(crate) seed: u64,
    pub(crate) mutant: Mutant,
}

impl Point {
    pub(crate) fn new(script: &'static Script, flavour: Flavour) -> Self {
        Self {
            script,
            flavour,
            faults: Vec::new(),
            in_flight: InFlight::Lost,
            commit_ms: 3,
            takeover_ms: 600,
            loss: 0,
            seed: 0,
            mutant: Mutant::None,
        }
    }

    /// The same run without any fault.
    pub(crate) fn undisturbed(&self) -> Self {
        Self { faults: Vec::new(), loss: 0, seed: 0, mutant: Mutant::None, ..self.clone() }
    }

    /// The text form.
    pub(crate) fn text(&self) -> String {
        let faults: Vec<String> = self.faults.iter().map(|fault| fault_text(*fault)).collect();
        format!(
            "{},{:?},{},{:?},{},{},{},{},{:?}",
            self.script.name,
            self.flavour,
            if faults.is_empty() { "None".to_owned() } else { faults.join("+") },
            self.in_flight,
            self.commit_ms,
            self.takeover_ms,
            self.loss,
            self.seed,
            self.mutant
        )
    }

    /// Reads the text form.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(',');
        let mut next = || parts.next();
        let script = script(next()?);
        let flavour_text = next()?;
        let flavour = FLAVOURS.into_iter().find(|f| format!("{f:?}") == flavour_text)?;
        let faults = match next()? {
            "None" => Vec::new(),
            faults => faults.split('+').map(parse_fault).collect::<Option<Vec<Fault>>>()?,
        };
        let in_flight = if next()? == "Kept" { InFlight::Kept } else { InFlight::Lost };
        let commit_ms = next()?.parse().ok()?;
        let takeover_ms = next()?.parse().ok()?;
        let loss = next()?.parse().ok()?;
        let seed = next()?.parse().ok()?;
        let mutant_text = next()?;
        let mutant = MUTANTS.into_iter().find(|m| format!("{m:?}") == mutant_text)?;
        Some(Self {
            script,
            flavour,
            faults,
            in_flight,
            commit_ms,
            takeover_ms,
            loss,
            seed,
            mutant,
        })
    }

    /// How to run only this point.
    pub(crate) fn replay(&self) -> String {
        format!(
            "{REPLAY}='{}' cargo test -p holdline-call --test crash_points replay -- --nocapture",
            self.text()
        )
    }
}

const MUTANTS: [Mutant; 8] = [
    Mutant::None,
    Mutant::SpeaksEarly,
    Mutant::DropsTombstones,
    Mutant::ForgetsCalls,
    Mutant::NewBranches,
    Mutant::NewBytes,
    Mutant::NoFence,
    Mutant::BillsTwice,
];

fn fault_text(fault: Fault) -> String {
    let (name, k) = match fault {
        Fault::BeforeInput(k) => ("BeforeInput", k),
        Fault::BeforeDecision(k) => ("BeforeDecision", k),
        Fault::AfterSend(k) => ("AfterSend", k),
        Fault::Handover(k) => ("Handover", k),
        Fault::Suspended(k) => ("Suspended", k),
        Fault::CutOff(k) => ("CutOff", k),
        Fault::UnknownCommitted(k) => ("UnknownCommitted", k),
        Fault::UnknownLost(k) => ("UnknownLost", k),
    };
    format!("{name}:{k}")
}

fn parse_fault(text: &str) -> Option<Fault> {
    let (name, k) = text.split_once(':')?;
    let k = k.parse().ok()?;
    Some(match name {
        "BeforeInput" => Fault::BeforeInput(k),
        "BeforeDecision" => Fault::BeforeDecision(k),
        "AfterSend" => Fault::AfterSend(k),
        "Handover" => Fault::Handover(k),
        "Suspended" => Fault::Suspended(k),
        "CutOff" => Fault::CutOff(k),
        "UnknownCommitted" => Fault::UnknownCommitted(k),
        "UnknownLost" => Fault::UnknownLost(k),
        _ => return None,
    })
}
