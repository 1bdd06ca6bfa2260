//! Answers that wait until it is known where a name in them leads.
//!
//! The dialog that a 2xx makes is committed with the address of its peer. If that is a name which is not
//! known yet, the 2xx waits for the name server, here and alone: its shard goes on with everything
//! else. Names in requests are asked for as well, but nothing waits for them: their dialog is made
//! by an answer, later.
//!
//! Invariant: what waits is bounded, in number and in time; then it goes on without the name.

use std::collections::VecDeque;
use std::future::pending;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use holdline_call::{Input, next_hop_name};
use holdline_sip::locate::Asked;
use holdline_transport::dns::Locator;
use metrics::counter;
use tokio::time::timeout;

/// What waits in one shard.
#[derive(Debug)]
pub(crate) struct Lookups {
    locator: Locator,
    waiting: VecDeque<(Asked, Input)>,
    asking: FuturesUnordered<BoxFuture<'static, Asked>>,
}

impl Lookups {
    pub(crate) fn new(locator: Locator) -> Self {
        Self { locator, waiting: VecDeque::new(), asking: FuturesUnordered::new() }
    }

    /// Gives the input back if it need not wait.
    pub(crate) fn pass(&mut self, input: Input) -> Option<Input> {
        let Input::Sip { hop, message, .. } = &input else { return Some(input) };
        let Some(asked) = next_hop_name(message, *hop) else { return Some(input) };
        if self.locator.is_fresh(&asked, Duration::ZERO) {
            return Some(input);
        }
        let is_asked = self.waiting.iter().any(|(known, _)| *known == asked);
        if self.waiting.len() >= MAX_WAITING || self.asking.len() >= MAX_WAITING {
            counter!("holdline_dns_waits_total", "outcome" => "full").increment(1);
            return Some(input);
        }
        if !is_asked {
            let (locator, asked) = (self.locator.clone(), asked.clone());
            self.asking.push(Box::pin(async move {
                // What came of it is remembered there.
                let _outcome = timeout(LONGEST, locator.find(&asked, Duration::ZERO)).await;
                asked
            }));
        }
        if message.status().is_none_or(|status| status < 200) {
            return Some(input);
        }
        let repeats = |(_, known): &(Asked, Input)| match known {
            Input::Sip { message: known, .. } => known.bytes() == message.bytes(),
            _ => false,
        };
        if !self.waiting.iter().any(repeats) {
            counter!("holdline_dns_waits_total", "outcome" => "waited").increment(1);
            self.waiting.push_back((asked, input));
        }
        None
    }

    /// The inputs that need not wait any longer; pends while there are none. Cancel-safe.
    pub(crate) async fn ready(&mut self) -> Vec<Input> {
        let Some(asked) = self.asking.next().await else { return pending().await };
        let (ready, waiting): (VecDeque<_>, _) =
            self.waiting.drain(..).partition(|(known, _)| *known == asked);
        self.waiting = waiting;
        ready.into_iter().map(|(_, input)| input).collect()
    }
}

/// Answers that wait in a shard, and names that are asked for because of its messages.
const MAX_WAITING: usize = 64;

/// How long a 2xx waits at most: shorter than its sender would wait for the ACK by far.
const LONGEST: Duration = Duration::from_secs(3);
