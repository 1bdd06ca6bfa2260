//! Bytes of what is replicated and stored.

use bytes::Bytes;
use holdline_model::{CallRecord, Command};
use holdline_raft::Batch;
use holdline_storage::codec;

use crate::calibrate;
use crate::meter::{Group, Meter, Pace, repeat};
use crate::script::Script;

const GROUP: Group = Group { name: "codec", pace: Pace::Processor };

pub(crate) fn run(meter: &mut dyn Meter) {
    if !meter.wants(&GROUP) {
        return;
    }
    calibrate::run(meter, &GROUP);
    let script = Script::record();
    for step in ["admit", "answer", "ack", "end"] {
        let command = script.proposed(step).first().expect("every one of these proposes");
        let bytes = codec::encode_command(command).expect("our own commands are encodable");
        repeat(meter, &GROUP, &format!("encode_{step}"), || codec::encode_command(command));
        repeat(meter, &GROUP, &format!("decode_{step}"), || codec::decode::<Command>(&bytes));
    }
    for (name, record) in
        [("record_answered", &script.answered), ("record_confirmed", &script.confirmed)]
    {
        let bytes = codec::encode(record).expect("our own records are encodable");
        repeat(meter, &GROUP, &format!("encode_{name}"), || codec::encode(record));
        repeat(meter, &GROUP, &format!("decode_{name}"), || codec::decode::<CallRecord>(&bytes));
    }
    // What openraft puts around it (index, term, leader) is its own type: some ten bytes, three numbers.
    let entry = Batch { commands: encoded(script.proposed("admit")) };
    let bytes = codec::encode_message(&entry).expect("our own entries are encodable");
    repeat(meter, &GROUP, "encode_entry_of_64_admits", || codec::encode_message(&entry));
    repeat(meter, &GROUP, "decode_entry_of_64_admits", || codec::decode_message::<Batch>(&bytes));
}

/// Commands as they are replicated.
pub(crate) fn encoded(commands: &[Command]) -> Vec<Bytes> {
    commands
        .iter()
        .map(|command| {
            codec::encode_command(command).expect("our own commands are encodable").into()
        })
        .collect()
}
