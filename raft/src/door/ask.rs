//! Asks at the doors of nodes whose addresses are all that is known of them.

use std::net::SocketAddr;
use std::time::Duration;

use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::door::service::door_client::DoorClient;
use crate::door::{Greeted, Greeting, JoinAnswer, JoinAsk, Refusal};
use crate::network::peers::endpoint;
use crate::network::token::{FORMAT_REFUSED, Show, Spoken};
use crate::network::{ClusterToken, Connect};
use crate::options::Tuning;

/// Calls at doors. Clones are the same.
#[derive(Clone, Debug)]
pub struct Callers {
    show: Show,
    connect: Connect,
    tuning: Tuning,
}

impl Callers {
    /// Calls with this token.
    #[must_use]
    pub fn new(token: &ClusterToken, connect: Connect, tuning: Tuning) -> Self {
        Self { show: Show::new(token, Spoken::Oldest), connect, tuning }
    }

    fn client(&self, address: SocketAddr) -> DoorClient<InterceptedService<Channel, Show>> {
        // A connection of its own each time: doors are asked seldom.
        let channel = self.connect.channel(endpoint(address, &self.tuning));
        DoorClient::with_interceptor(channel, self.show.clone())
            .max_decoding_message_size(ANSWER_BYTES)
            .max_encoding_message_size(ANSWER_BYTES)
    }

    pub(super) async fn greet(
        &self,
        address: SocketAddr,
        greeting: Greeting,
    ) -> Result<Greeted, Status> {
        let mut client = self.client(address);
        let asked = tokio::time::timeout(WITHIN, client.greet(greeting)).await;
        let answered = asked.map_err(|_| Status::deadline_exceeded("no answer in time"))?;
        Ok(answered?.into_inner())
    }

    pub(super) async fn join(
        &self,
        address: SocketAddr,
        ask: JoinAsk,
    ) -> Result<JoinAnswer, Status> {
        let mut client = self.client(address);
        let asked = tokio::time::timeout(WITHIN * 5, client.join(ask)).await;
        let answered = asked.map_err(|_| Status::deadline_exceeded("no answer in time"))?;
        Ok(answered?.into_inner())
    }
}

/// Whether a status says that asking again is of no use.
pub(super) fn refusal(status: &Status) -> Option<Refusal> {
    match status.code() {
        Code::Unauthenticated => Some(Refusal::OtherKey),
        Code::FailedPrecondition if status.message().starts_with(FORMAT_REFUSED) => {
            Some(Refusal::OtherFormat(status.message().to_owned()))
        }
        Code::InvalidArgument => Some(Refusal::OtherFormat(status.message().to_owned())),
        _ => None,
    }
}

const WITHIN: Duration = Duration::from_secs(2);

/// Larger than any question or answer.
const ANSWER_BYTES: usize = 64 << 10;
