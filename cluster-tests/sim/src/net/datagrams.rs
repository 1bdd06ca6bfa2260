//! UDP. An address may be bound on several machines: what is sent to it goes to the one that bound
//! it last, as neighbours follow the last announcement.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use holdline_transport::Datagram;
use tokio::sync::mpsc;

use super::{Arrived, Event, HostId, Later, Net, State};
use crate::trace::{FNV_OFFSET, fnv};

/// Who takes what arrives at an address.
#[derive(Clone, Debug)]
pub enum Inbox {
    /// A node's SIP sockets.
    Sip(mpsc::Sender<Vec<Datagram>>),
    /// A node's gossip.
    Gossip(mpsc::Sender<(SocketAddr, Bytes)>),
    /// A far end.
    FarEnd,
}

/// Is shown what nodes say to far ends.
pub trait Tap: std::fmt::Debug + Send {
    /// A node sends a SIP datagram.
    fn sent(&mut self, at_us: u64, host: HostId, from: SocketAddr, to: SocketAddr, bytes: &Bytes);
}

#[derive(Debug)]
pub(super) struct Binding {
    pub(super) host: HostId,
    inbox: Inbox,
}

impl Inbox {
    pub(super) fn give(self, local: SocketAddr, peer: SocketAddr, bytes: Bytes) {
        // A full queue loses datagrams, as a kernel does.
        match self {
            Self::Sip(queue) => {
                let _lost = queue.try_send(vec![Datagram { local, peer, bytes }]);
            }
            Self::Gossip(queue) => {
                let _lost = queue.try_send((peer, bytes));
            }
            Self::FarEnd => {}
        }
    }
}

impl Net {
    pub(super) fn bind(&self, host: HostId, addr: SocketAddr, inbox: Inbox) -> io::Result<()> {
        let mut state = self.lock();
        let now = state.now_us;
        state.trace.note(now, format_args!("{host} binds {addr}"));
        let bindings = state.bindings.entry(addr).or_default();
        bindings.retain(|binding| binding.host != host);
        bindings.push(Binding { host, inbox });
        Ok(())
    }

    pub(super) fn unbind(&self, host: HostId, addr: SocketAddr) {
        let mut state = self.lock();
        let now = state.now_us;
        state.trace.note(now, format_args!("{host} unbinds {addr}"));
        if let Some(bindings) = state.bindings.get_mut(&addr) {
            bindings.retain(|binding| binding.host != host);
        }
    }

    pub(super) fn send(
        &self,
        host: HostId,
        from: SocketAddr,
        to: SocketAddr,
        bytes: Bytes,
        sip: bool,
    ) {
        let mut state = self.lock();
        if sip {
            let now = state.now_us;
            if let Some(tap) = &mut state.tap {
                tap.sent(now, host, from, to, &bytes);
            }
        }
        state.send(host, from, to, bytes, sip);
    }

    /// Sends a SIP datagram that is not a node's.
    pub(super) fn send_untapped(
        &self,
        host: HostId,
        from: SocketAddr,
        to: SocketAddr,
        bytes: Bytes,
    ) {
        self.lock().send(host, from, to, bytes, true);
    }
}

impl State {
    fn send(&mut self, host: HostId, from: SocketAddr, to: SocketAddr, bytes: Bytes, sip: bool) {
        self.counts.sent += 1;
        let holder = self.bindings.get(&to).and_then(|all| all.last());
        let Some(holder) = holder.map(|binding| binding.host) else {
            self.counts.homeless += 1;
            self.trace.note(self.now_us, format_args!("{host} {from} > {to}: nobody is there"));
            return;
        };
        let link = self.link(host, holder);
        let copies = 1 + u64::from(self.random.chance(link.double));
        self.counts.doubled += copies - 1;
        for _ in 0..copies {
            match link.datagram(&mut self.random) {
                Some(takes) => {
                    let bytes = bytes.clone();
                    let event = Event::Datagram { from_host: host, from, to, bytes, sip };
                    self.push(self.now_us + takes, event);
                }
                None => self.lose(host, from, to),
            }
        }
    }

    fn lose(&mut self, host: HostId, from: SocketAddr, to: SocketAddr) {
        self.counts.lost += 1;
        self.trace.note(self.now_us, format_args!("{host} {from} > {to}: lost"));
    }

    pub(super) fn datagram_arrives(
        &mut self,
        from_host: HostId,
        from: SocketAddr,
        to: SocketAddr,
        bytes: Bytes,
        sip: bool,
    ) -> Option<Arrived> {
        let binding = self.bindings.get(&to).and_then(|all| all.last());
        let Some(Binding { host, inbox }) = binding else {
            self.counts.homeless += 1;
            return None;
        };
        let (host, inbox) = (*host, inbox.clone());
        if self.link(from_host, host).cut {
            self.lose(from_host, from, to);
            return None;
        }
        // Gossip is sealed with a nonce that comes from the kernel past every seam.
        let said = if sip { fnv(FNV_OFFSET, &bytes) } else { 0 };
        let length = bytes.len();
        let first = if sip { first_line(&bytes) } else { "gossip" };
        self.trace.note(
            self.now_us,
            format_args!("{from_host} {from} > {host} {to}: {first} {length} {said:016x}"),
        );
        match inbox {
            Inbox::FarEnd => Some(Arrived { from, to, bytes }),
            inbox @ (Inbox::Sip(_) | Inbox::Gossip(_)) => {
                self.later.push(Later::Give(inbox, to, from, bytes));
                None
            }
        }
    }
}

fn first_line(bytes: &[u8]) -> &str {
    let end = bytes.iter().position(|byte| *byte == b'\r').unwrap_or(bytes.len());
    bytes.get(..end).and_then(|line| std::str::from_utf8(line).ok()).unwrap_or("?")
}
