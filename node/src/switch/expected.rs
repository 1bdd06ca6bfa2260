//! Slots whose owner this node is but whose calls it has not read yet, and what comes for them meanwhile.
//!
//! With many calls reading takes some tenths of a second. An engine without a slot's calls would take what comes for
//! them for something strange, and what is not answered is said again half a second later at the earliest, or, over a
//! connection, not at all. So it waits here, in order, and goes to the engine right after the calls.

use std::collections::BTreeMap;

use holdline_call::Input;
use holdline_model::SlotId;
use metrics::counter;

use super::dispatcher::dropped;

/// The slots that are expected, and what waits for each.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    waiting: BTreeMap<SlotId, Vec<Input>>,
    held: usize,
}

impl Expected {
    /// From now on what comes for these slots waits.
    pub(crate) fn expect(&mut self, slots: impl IntoIterator<Item = SlotId>) {
        for slot in slots {
            self.waiting.entry(slot).or_default();
        }
    }

    /// Keeps what is for an expected slot, and gives anything else back.
    pub(crate) fn pass(&mut self, input: Input) -> Option<Input> {
        // Nearly always.
        if self.waiting.is_empty() {
            return Some(input);
        }
        let slot = match &input {
            Input::Sip { slot, .. } => *slot,
            Input::HangUp { call } => call.slot,
            Input::Lost { slot } => {
                for _ in self.arrived(*slot) {
                    dropped("slot_lost");
                }
                return Some(input);
            }
            _ => return Some(input),
        };
        let Some(waiting) = self.waiting.get_mut(&slot) else { return Some(input) };
        if self.held < MOST {
            self.held += 1;
            counter!("holdline_sip_awaited_calls_total").increment(1);
            waiting.push(input);
        } else {
            dropped("awaiting_calls");
        }
        None
    }

    /// The slot's calls are here: what has waited for them, in order.
    pub(crate) fn arrived(&mut self, slot: SlotId) -> Vec<Input> {
        let waiting = self.waiting.remove(&slot).unwrap_or_default();
        self.held = self.held.saturating_sub(waiting.len());
        waiting
    }
}

/// Messages that wait in one shard, at most: what 3,000 calls a second say within half a second. Each takes a few KiB.
const MOST: usize = 8_192;

#[cfg(test)]
mod tests {
    use holdline_model::{CallId, Hop};
    use holdline_sip::message::Message;

    use super::*;

    fn input(slot: u16, call_id: &str) -> Input {
        let hop = Hop::udp("192.0.2.1:5060".parse().unwrap(), "192.0.2.7:5060".parse().unwrap());
        let text = format!(
            "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1\r\n\
             From: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: {call_id}\r\nCSeq: 1 OPTIONS\r\n\
             Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        let message = Message::parse(text.into_bytes().into()).unwrap();
        Input::Sip { hop, message, slot: SlotId(slot) }
    }

    fn call_ids(inputs: Vec<Input>) -> Vec<String> {
        let call_id = |input| match input {
            Input::Sip { message, .. } => message.call_id().to_owned(),
            other => panic!("{other:?}"),
        };
        inputs.into_iter().map(call_id).collect()
    }

    #[test]
    fn what_is_for_a_slot_whose_calls_are_awaited_waits_in_order_and_nothing_else_does() {
        let mut expected = Expected::default();
        assert!(expected.pass(input(1, "before")).is_some());
        expected.expect([SlotId(1), SlotId(2)]);
        for (slot, call_id) in [(1, "a"), (2, "b"), (1, "c")] {
            assert!(expected.pass(input(slot, call_id)).is_none());
        }
        assert!(expected.pass(input(3, "another's")).is_some());
        assert!(expected.pass(Input::Tick).is_some());
        assert_eq!(call_ids(expected.arrived(SlotId(1))), ["a", "c"]);
        assert!(expected.pass(input(1, "after")).is_some());
        let call = CallId { slot: SlotId(2), nonce: 7 };
        assert!(expected.pass(Input::HangUp { call }).is_none());
        assert_eq!(expected.held, 2);
        assert!(expected.pass(Input::Lost { slot: SlotId(2) }).is_some());
        assert_eq!(expected.held, 0);
        assert!(expected.arrived(SlotId(2)).is_empty());
    }

    #[test]
    fn no_more_wait_than_there_is_room_for() {
        let mut expected = Expected::default();
        expected.expect([SlotId(1)]);
        for _ in 0..MOST + 5 {
            assert!(expected.pass(input(1, "a")).is_none());
        }
        assert_eq!(expected.arrived(SlotId(1)).len(), MOST);
        assert_eq!(expected.held, 0);
    }
}
