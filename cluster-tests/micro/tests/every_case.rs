//! Each benchmark's case is run twice: one that breaks is noticed before somebody measures.

use holdline_micro::meter::{Group, Meter, Stopwatch};

/// Runs what it is given, and counts the cases.
struct Twice {
    cases: usize,
}

struct Plain {
    parts: usize,
}

impl Stopwatch for Plain {
    fn time(&mut self, part: &mut dyn FnMut()) {
        part();
        self.parts += 1;
    }
}

impl Meter for Twice {
    fn wants(&self, _group: &Group) -> bool {
        true
    }

    fn case(
        &mut self,
        group: &Group,
        name: &str,
        _operations: u32,
        round: &mut dyn FnMut(&mut dyn Stopwatch),
    ) {
        for _ in 0..2 {
            let mut plain = Plain { parts: 0 };
            round(&mut plain);
            assert!(plain.parts > 0, "{}/{name} measures nothing", group.name);
        }
        self.cases += 1;
    }
}

#[test]
fn every_case_runs_and_runs_again() {
    let mut twice = Twice { cases: 0 };
    holdline_micro::run(&mut twice);
    assert!(twice.cases > 60, "{} cases", twice.cases);
}
