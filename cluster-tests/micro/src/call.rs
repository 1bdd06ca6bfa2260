//! The call engine: a call as its owner sees it, without reading and sending of datagrams and
//! without consensus. Every command is decided at once.

use holdline_call::Input;
use holdline_sip::message::Message;

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
    from_bytes(meter, &script);
}

/// The first step with the reading of the INVITE: parse, route, and write the 100 and the INVITE.
fn from_bytes(meter: &mut dyn Meter, script: &Script) {
    meter.case(&GROUP, "admit_from_bytes", CALLS, &mut |stopwatch| {
        let mut engine = engine();
        let mut inputs = script.step("admit").inputs.clone().into_iter();
        stopwatch.time(&mut || {
            for (now, input) in inputs.by_ref() {
                play(&mut engine, now, read_again(input));
            }
        });
    });
}

fn read_again(input: Input) -> Input {
    match input {
        Input::Sip { hop, message, slot } => {
            let message = Message::parse(message.bytes().clone()).expect("it was read before");
            Input::Sip { hop, message, slot }
        }
        other => other,
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
