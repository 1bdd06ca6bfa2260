//! Messages to a registered device whose connection is gone, and of which this node knows no other.
//!
//! A device that comes back registers at any node, and has its answer when that node has applied it; the
//! others follow within milliseconds. What is for the device meanwhile, a BYE say, is not repeated over a
//! connection: lost is lost. So it waits until this node has applied everything that is committed by now, and
//! the device is looked for once more.
//!
//! One question to the leader serves all messages that came before it was asked.
//!
//! Invariant: what waits is bounded, in number and in time; what comes beyond goes by what is known.

use std::time::Duration;

use holdline_model::Hop;
use holdline_raft::RaftHandle;
use holdline_sip::message::Message;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::catch_up;
use super::egress::Egress;

/// What was put by.
pub(crate) type PutBy = mpsc::Receiver<(Hop, Message)>;

/// Where messages are put by. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Again {
    to: mpsc::Sender<(Hop, Message)>,
}

impl Again {
    /// With what is put by, for [`run`].
    pub(crate) fn new() -> (Self, PutBy) {
        let (to, waiting) = mpsc::channel(MAX_WAITING);
        (Self { to }, waiting)
    }

    /// Puts a message by; false if there is no room.
    pub(crate) fn put(&self, hop: Hop, message: &Message) -> bool {
        self.to.try_send((hop, message.clone())).is_ok()
    }
}

/// Sends what was put by, until `stop` is cancelled.
pub(crate) async fn run(
    mut waiting: PutBy,
    egress: Egress,
    raft: RaftHandle,
    stop: CancellationToken,
) {
    let mut messages = Vec::new();
    loop {
        let caught_up = async {
            let count = waiting.recv_many(&mut messages, MAX_WAITING).await;
            if count > 0 {
                // If no majority answers it goes by what is known: nobody else would send it.
                catch_up::caught_up(&raft, LONGEST).await;
            }
            count
        };
        let count = tokio::select! {
            () = stop.cancelled() => return,
            count = caught_up => count,
        };
        if count == 0 {
            return;
        }
        for (hop, message) in messages.drain(..) {
            egress.send_again(hop, &message);
        }
    }
}

/// Messages that wait at the same time, at most.
const MAX_WAITING: usize = 256;

/// How long a message waits: longer than an election inside a `PoP`.
const LONGEST: Duration = Duration::from_secs(2);
