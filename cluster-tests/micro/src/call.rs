//! The call engine: a call as its owner sees it, without reading and sending of datagrams and
//! without consensus. Every command is decided at once.

use crate::calibrate;
use crate::meter::{Group, Meter, Pace};
use crate::script::{CALLS, Script, engine, play};

const GROUP: Group = Group { name: "call", pace: Pace::Processor };

pub(crate) fn run(meter: &mut dyn Meter) {
    if !meter.wants(&GROUP) {
        return;
    }
    calibrate::run(meter, &GROUP);
    let script = Script::record();
    part(meter, &script, "whole", |_| true);
    for step in &script.steps {
        part(meter, &script, step.name, |name| name == step.name);
    }
}

/// Measures some of a call's steps; the others are played, too, but do not count.
fn part(meter: &mut dyn Meter, script: &Script, name: &str, counts: impl Fn(&str) -> bool) {
    meter.case(&GROUP, name, CALLS, &mut |stopwatch| {
        let mut engine = engine();
        for step in &script.steps {
            // The messages are copied beforehand: a real one comes from the parser.
            let mut inputs = step.inputs.clone().into_iter();
            let mut run = || {
                for (now, input) in inputs.by_ref() {
                    play(&mut engine, now, input);
                }
            };
            if counts(step.name) {
                stopwatch.time(&mut run);
            } else {
                run();
            }
        }
    });
}
