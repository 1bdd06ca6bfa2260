//! Messages that came over connections and wait for room in a shard's queue.
//!
//! A datagram is sent again if it is dropped; what came over a connection is not (RFC 3261 section 17).

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use holdline_call::Input;
use metrics::counter;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Permit, Sender};

use super::shard::ToShard;

/// What waits, in order. The lock guards nothing but the queue.
#[derive(Debug, Default)]
pub(crate) struct Held(Mutex<VecDeque<(usize, Input)>>);

impl Held {
    /// Gives an input to a shard, or keeps it until there is room; false if it is to be dropped.
    pub(crate) fn offer(&self, shards: &[Sender<ToShard>], shard: usize, input: Input) -> bool {
        let may_wait = is_said_once(&input);
        if may_wait && !self.is_empty() {
            // Not before those that came first.
            self.wait(shard, input);
            return true;
        }
        let Some(queue) = shards.get(shard) else { return false };
        match queue.try_send(ToShard::Engine(input)) {
            Ok(()) => true,
            Err(TrySendError::Full(ToShard::Engine(input))) if may_wait => {
                self.wait(shard, input);
                true
            }
            Err(_) => false,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Waits until the shard of what waits first has room; `None` if there is none. Cancel-safe.
    pub(crate) async fn room<'a>(
        &self,
        shards: &'a [Sender<ToShard>],
    ) -> Option<(usize, Permit<'a, ToShard>)> {
        let shard = self.lock().front().map(|(shard, _)| *shard)?;
        let permit = shards.get(shard)?.reserve().await.ok()?;
        Some((shard, permit))
    }

    /// Gives what waits first to its shard.
    pub(crate) fn give(&self, shard: usize, permit: Permit<'_, ToShard>) {
        let mut held = self.lock();
        if held.front().is_some_and(|(of, _)| *of == shard)
            && let Some((_, input)) = held.pop_front()
        {
            drop(held);
            permit.send(ToShard::Engine(input));
        }
    }

    fn wait(&self, shard: usize, input: Input) {
        counter!("holdline_sip_held_total").increment(1);
        self.lock().push_back((shard, input));
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(usize, Input)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether its sender will not say it again: it came over a connection.
const fn is_said_once(input: &Input) -> bool {
    match input {
        Input::Sip { hop, .. } | Input::Malformed { hop, .. } => hop.transport.is_reliable(),
        Input::Unsent { .. } => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use holdline_model::{Hop, SlotId, Transport};
    use holdline_sip::message::Message;
    use tokio::sync::mpsc;

    use super::*;

    fn input(transport: Transport, call_id: &str) -> Input {
        let (local, peer) = ("192.0.2.1:5060".parse().unwrap(), "192.0.2.7:5060".parse().unwrap());
        let text = format!(
            "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.7;branch=z9hG4bK1\r\n\
             From: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: {call_id}\r\nCSeq: 1 OPTIONS\r\n\
             Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        let message = Message::parse(text.into_bytes().into()).unwrap();
        Input::Sip { hop: Hop { transport, local, peer }, message, slot: SlotId(0) }
    }

    fn call_id(taken: ToShard) -> String {
        match taken {
            ToShard::Engine(Input::Sip { message, .. }) => message.call_id().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn what_came_over_a_connection_waits_in_order_and_a_datagram_is_dropped() {
        let (queue, mut shard) = mpsc::channel(1);
        let (shards, held) = ([queue], Held::default());
        assert!(held.offer(&shards, 0, input(Transport::Udp, "1")));
        assert!(!held.offer(&shards, 0, input(Transport::Udp, "dropped")));
        assert!(held.offer(&shards, 0, input(Transport::Tcp, "2")));
        assert!(held.offer(&shards, 0, input(Transport::Tls, "3")));
        assert!(!held.is_empty());
        assert_eq!(call_id(shard.recv().await.unwrap()), "1");
        // There is room now, but not for what comes after those that wait.
        assert!(held.offer(&shards, 0, input(Transport::Ws, "4")));
        for expected in ["2", "3", "4"] {
            let (of, permit) = held.room(&shards).await.unwrap();
            held.give(of, permit);
            assert_eq!(call_id(shard.recv().await.unwrap()), expected);
        }
        assert!(held.is_empty());
    }
}
