//! Requests that are too large for UDP (RFC 3261 section 18.1.1): above 1,300 bytes they go over TCP,
//! which is not known to be there; if no connection can be opened they go over UDP after all.
//!
//! Of an INVITE that begins a call both are targets, one after the other, so that whoever owns it later goes
//! on where it was. A request within a dialog that goes through differs by its Via alone: its Contact stays,
//! and with it the way of the dialog. Its sender repeats it to whoever owns the call.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use holdline_model::{Admit, CallId, Epoch, Hop, Millis, Target, Transport, limits};
use holdline_sip::message::Message;

use crate::{CallEngine, Listeners, Options, messages, mirror};

/// Peers that do not answer over TCP, for a while. Bounded; the one that is due first goes first.
#[derive(Debug, Default)]
pub(crate) struct WithoutTcp(BTreeMap<SocketAddr, Millis>);

impl WithoutTcp {
    fn has(&self, now: Millis, peer: SocketAddr) -> bool {
        self.0.get(&peer).is_some_and(|until| now < *until)
    }

    fn add(&mut self, now: Millis, peer: SocketAddr) {
        if self.0.len() >= MAX_PEERS && !self.0.contains_key(&peer) {
            let first = self.0.iter().min_by_key(|(_, until)| **until).map(|(peer, _)| *peer);
            if let Some(first) = first {
                self.0.remove(&first);
            }
        }
        self.0.insert(peer, now.plus_ms(FORGET_AFTER_MS));
    }
}

/// What goes over TCP because it is too large for UDP.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Large<'a> {
    is_on: bool,
    listeners: &'a Listeners,
    without_tcp: &'a WithoutTcp,
}

impl<'a> Large<'a> {
    pub(crate) const fn new(
        options: &Options,
        listeners: &'a Listeners,
        without_tcp: &'a WithoutTcp,
    ) -> Self {
        Self { is_on: options.large_over_tcp, listeners, without_tcp }
    }

    /// The same hop over TCP for a request of so many bytes, if it is too large for this one, which is over
    /// UDP, and TCP may be there at both ends.
    pub(crate) fn instead(&self, now: Millis, hop: Hop, length: usize) -> Option<Hop> {
        let is_too_large = self.is_on && length > MAX_DATAGRAM_BYTES;
        self.over_tcp(now, hop).filter(|_| is_too_large)
    }

    fn over_tcp(&self, now: Millis, hop: Hop) -> Option<Hop> {
        if self.without_tcp.has(now, hop.peer) { None } else { self.known_over_tcp(hop) }
    }

    /// The same hop over TCP, by which the peer was reached before, if this one is over UDP.
    pub(crate) fn known_over_tcp(&self, hop: Hop) -> Option<Hop> {
        if hop.transport != Transport::Udp {
            return None;
        }
        let local = self.listeners.known_address_for(hop.local, Transport::Tcp, hop.peer)?;
        Some(Hop { transport: Transport::Tcp, local, ..hop })
    }
}

impl CallEngine {
    /// What a call needs to know of it.
    pub(crate) fn large(&self) -> Large<'_> {
        Large::new(&self.options, &self.listeners, &self.without_tcp)
    }

    /// Puts a target over TCP before each one over UDP for which our INVITE would be too large.
    pub(crate) fn avoid_large_datagrams(
        &self,
        now: Millis,
        call: CallId,
        epoch: Epoch,
        admit: &mut Admit,
        invite: &Message,
    ) {
        // Ours differs from the caller's by its Via, Contact and Routes.
        if !self.options.large_over_tcp || invite.bytes().len() < MAX_DATAGRAM_BYTES / 2 {
            return;
        }
        let record = mirror::admitted(call, epoch, now, admit);
        let mut targets = Vec::with_capacity(admit.targets.len());
        for (target, index) in admit.targets.drain(..).zip(0_u16..) {
            let is_too_large = || {
                let ours = messages::invite(&record, invite, index);
                ours.is_some_and(|ours| ours.len() > MAX_DATAGRAM_BYTES)
            };
            if let Some(hop) = self.large().over_tcp(now, target.hop).filter(|_| is_too_large()) {
                targets.push(Target { hop, ..target.clone() });
            }
            targets.push(target);
        }
        targets.truncate(limits::MAX_TARGETS);
        admit.targets = targets;
    }

    /// A request of a call could not be sent: if it went over TCP for its size, its peer has no TCP.
    pub(crate) fn remember_without_tcp(&mut self, now: Millis, call: CallId, suffix: &str) {
        let peer = self.calls.get(&call).and_then(|call| call.tried_over_tcp(suffix));
        if let Some(peer) = peer {
            self.without_tcp.add(now, peer);
        }
    }
}

/// Within 200 bytes of a path's usual MTU.
const MAX_DATAGRAM_BYTES: usize = 1_300;

/// How long a peer is not tried over TCP again, in milliseconds.
const FORGET_AFTER_MS: u64 = 600_000;

/// Peers that are remembered.
const MAX_PEERS: usize = 1_024;
