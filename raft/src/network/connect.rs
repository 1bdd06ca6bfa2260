//! How an endpoint becomes a channel: over TCP, unless a simulation says otherwise.

use std::fmt;
use std::sync::Arc;

use tonic::transport::{Channel, Endpoint};

/// Asked once for each channel, never for a message.
#[derive(Clone)]
pub struct Connect(Arc<dyn Fn(Endpoint) -> Channel + Send + Sync>);

impl Connect {
    /// Channels are made by `make`, which must not wait for the connection.
    pub fn new(make: impl Fn(Endpoint) -> Channel + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }

    pub(crate) fn channel(&self, endpoint: Endpoint) -> Channel {
        (self.0)(endpoint)
    }
}

impl Default for Connect {
    /// TCP, connected when it is first used.
    fn default() -> Self {
        Self::new(|endpoint| endpoint.connect_lazy())
    }
}

impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connect(…)")
    }
}
