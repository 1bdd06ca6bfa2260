//! Where the trunks' names lead: asked for before a call needs it, and again before what is known ends.
//!
//! Invariant: no message waits for a name server because of a trunk.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use holdline_call::Names;
use holdline_model::{Listener, Name};
use holdline_sip::locate::{Asked, LocateError, Location, Means};
use holdline_transport::dns::Locator;
use metrics::gauge;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// What the engines know of names.
#[derive(Clone, Debug)]
pub(crate) struct KnownNames(pub(crate) Locator);

impl Names for KnownNames {
    fn location(&self, asked: &Asked) -> Option<Arc<Location>> {
        self.0.last(asked)?.ok()
    }
}

/// What can be reached from these listeners; UDP before TCP before TLS where it is left to us.
pub(crate) fn means(listeners: &[Listener]) -> Means {
    let mut transports: Vec<_> = listeners.iter().map(|listener| listener.transport).collect();
    transports.sort_unstable();
    transports.dedup();
    Means {
        transports,
        v4: listeners.iter().any(|listener| listener.addr.is_ipv4()),
        v6: listeners.iter().any(|listener| listener.addr.is_ipv6()),
    }
}

/// Keeps the names of these trunks known until `stop` is cancelled.
pub(crate) async fn follow(
    locator: Locator,
    trunks: BTreeMap<Name, Asked>,
    stop: CancellationToken,
) {
    let mut told: BTreeMap<&Name, Result<Arc<Location>, LocateError>> = BTreeMap::new();
    loop {
        let due = trunks.iter().filter(|(_, asked)| !locator.is_fresh(asked, AHEAD));
        let locator = &locator;
        let asking =
            due.map(|(name, asked)| async move { (name, asked, locator.find(asked, AHEAD).await) });
        let found = tokio::select! {
            () = stop.cancelled() => return,
            found = join_all(asking) => found,
        };
        for (name, asked, outcome) in found {
            let addresses = outcome.as_ref().map_or(0, |location| location.places().count());
            gauge!("holdline_trunk_addresses", "trunk" => name.to_string())
                .set(u32::try_from(addresses).unwrap_or(u32::MAX));
            if told.get(name) == Some(&outcome) {
                continue;
            }
            match &outcome {
                Ok(_) => info!(trunk = %name, %asked, addresses, "a trunk's name leads somewhere"),
                Err(error) => warn!(
                    trunk = %name, %error,
                    "a trunk's name leads nowhere: it gets no calls; see: holdline trunk show {name}"
                ),
            }
            told.insert(name, outcome);
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// How long before its end something is asked for again.
const AHEAD: Duration = Duration::from_millis(500);

/// How often it is looked what is due.
const LOOK_EVERY: Duration = Duration::from_millis(100);
