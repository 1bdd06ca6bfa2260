//! Floating addresses: they go where the slots go.
//!
//! A [`Mover`] brings one address to this host or gives it up. There are three:
//!
//! | kind | what it does | for |
//! |---|---|---|
//! | [`Bind`] | nothing: binding the socket is enough | loopback, addresses routed to every node |
//! | [`Netlink`] | adds the address to an interface and tells the neighbours | nodes on one layer-2 network |
//! | [`Command`] | runs a program with `acquire ADDR` or `release ADDR` | BGP, cloud APIs |
//!
//! [`FloatingAddresses`] is told which addresses to hold, and keeps trying until that is so. It
//! does not decide who holds what: that follows from the replicated slot table and from the lease.
//!
//! Invariant: when [`FloatingAddresses::hold`] returns, no address is bound that is not in the set,
//! and none will be until a later call names it. A node that lost its lease is therefore silent at
//! once, even if removing the address from an interface takes longer.

mod announce;
mod bind;
mod command;
mod error;
mod frame;
mod netlink;
mod options;
mod reconcile;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use bind::Bind;
pub use command::{Command, CommandOptions};
pub use error::MoveError;
pub use netlink::{Netlink, NetlinkOptions};
pub use options::FloatingOptions;

use crate::Ports;
use reconcile::Reconciler;

/// Brings one address to this host, or gives it up. One implementation per kind.
#[async_trait]
pub trait Mover: Debug + Send + Sync + 'static {
    /// Makes `addr` an address of this host. Idempotent; one attempt, the caller repeats it.
    async fn acquire(&self, addr: IpAddr) -> Result<(), MoveError>;

    /// Makes `addr` no address of this host. Idempotent; one attempt, the caller repeats it.
    async fn release(&self, addr: IpAddr) -> Result<(), MoveError>;

    /// Tells the neighbours that `addr` is here. Called once its sockets are bound, and again at
    /// each of [`Mover::announce_again_after`].
    fn announce(&self, _addr: IpAddr) -> Result<(), MoveError> {
        Ok(())
    }

    /// When to announce again, counted from the first announcement.
    fn announce_again_after(&self) -> &[Duration] {
        &[]
    }
}

/// The addresses that this node is to hold. Cloning gives another handle.
#[derive(Clone, Debug)]
pub struct FloatingAddresses {
    wish: Arc<Wish>,
    ports: Ports,
    held: watch::Receiver<BTreeSet<SocketAddr>>,
}

/// What is to be held. The lock also orders binding against the wish, so that an address that was
/// just given up cannot be bound again by a move that began before.
#[derive(Debug, Default)]
struct Wish {
    addresses: Mutex<BTreeSet<SocketAddr>>,
    changed: Notify,
}

impl FloatingAddresses {
    /// Starts to hold addresses; none at first.
    ///
    /// When `stop` is cancelled, everything is given up, within
    /// [`FloatingOptions::release_timeout`], and the task ends.
    #[must_use]
    pub fn start(
        options: FloatingOptions,
        mover: Arc<dyn Mover>,
        ports: impl Into<Ports>,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let ports = ports.into();
        let wish = Arc::new(Wish::default());
        let (publish, held) = watch::channel(BTreeSet::new());
        let reconciler =
            Reconciler::new(options, mover, ports.clone(), Arc::clone(&wish), publish, stop);
        tasks.spawn(reconciler.run());
        Self { wish, ports, held }
    }

    /// Says which addresses to hold from now on; replaces what was said before. Does not wait:
    /// addresses no longer wanted are unbound when it returns, the rest happens in the background,
    /// and is tried again, with growing pauses, for as long as it is wanted.
    pub fn hold(&self, addresses: BTreeSet<SocketAddr>) {
        let mut wanted = self.wish.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if *wanted == addresses {
            return;
        }
        for gone in wanted.difference(&addresses) {
            self.ports.unbind(*gone);
        }
        *wanted = addresses;
        drop(wanted);
        self.wish.changed.notify_one();
    }

    /// The addresses that are on this host and bound, as far as they are wanted.
    #[must_use]
    pub fn held(&self) -> watch::Receiver<BTreeSet<SocketAddr>> {
        self.held.clone()
    }
}
