//! A caller or a callee: a test agent's protocol machine on the simulated network.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use holdline_cluster_tests::ua::{Endpoint, Ledger, Order};
use tokio::time::Instant;

use crate::net::Place;

/// A far end. Its clock is the true one.
#[derive(Debug)]
pub struct FarEnd {
    /// Its address.
    pub local: SocketAddr,
    /// What happened to its calls.
    pub ledger: Ledger,
    endpoint: Endpoint,
    place: Place,
    base: Instant,
}

impl FarEnd {
    /// A far end at an address; `base` is the beginning of the simulation.
    #[must_use]
    pub fn new(local: SocketAddr, place: Place, seed: u64, base: Instant) -> Self {
        place.bind_far_end(local);
        let endpoint = Endpoint::new(local, seed);
        Self { local, ledger: Ledger::default(), endpoint, place, base }
    }

    /// Carries out an order.
    pub fn order(&mut self, now_ms: u64, order: Order) {
        let now = self.at(now_ms);
        self.endpoint.order(now, &mut self.ledger, order);
        self.flush();
    }

    /// Takes a datagram.
    pub fn receive(&mut self, now_ms: u64, from: SocketAddr, bytes: &Bytes) {
        let now = self.at(now_ms);
        self.endpoint.receive(now, &mut self.ledger, from, bytes);
        self.flush();
    }

    /// Does what is due.
    pub fn tick(&mut self, now_ms: u64) {
        let now = self.at(now_ms);
        if self.endpoint.next_deadline().is_some_and(|at| at <= now) {
            self.endpoint.tick(now, &mut self.ledger);
            self.flush();
        }
    }

    fn at(&self, now_ms: u64) -> Instant {
        self.base + Duration::from_millis(now_ms)
    }

    fn flush(&mut self) {
        while let Some(datagram) = self.endpoint.poll() {
            self.place.send_from_far_end(self.local, datagram.to, datagram.bytes);
        }
    }
}
