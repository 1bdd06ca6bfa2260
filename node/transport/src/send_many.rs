//! Many datagrams with one system call (`sendmmsg`), each to its own peer.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::AsFd;

use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, sendmmsg};

use crate::Datagram;

/// Sends the datagrams in order from one socket, without waiting, and tells what became of each. An
/// error concerns one datagram only; those after it are sent all the same.
pub(crate) fn send_many(
    socket: &impl AsFd,
    mut datagrams: &[Datagram],
    mut sent: impl FnMut(&Datagram, io::Result<()>),
) {
    while !datagrams.is_empty() {
        let (now, _) = datagrams.split_at(datagrams.len().min(MOST));
        match send_some(socket, now) {
            Ok(count) => {
                let (done, rest) = datagrams.split_at(count.min(datagrams.len()));
                done.iter().for_each(|datagram| sent(datagram, Ok(())));
                datagrams = rest;
            }
            Err(error) => {
                let [first, rest @ ..] = datagrams else { return };
                sent(first, Err(error));
                datagrams = rest;
            }
        }
    }
}

/// Sends the first of them; how many, at least one.
fn send_some(socket: &impl AsFd, datagrams: &[Datagram]) -> io::Result<usize> {
    let peers: Vec<SocketAddrAny> =
        datagrams.iter().map(|datagram| SocketAddr::into(datagram.peer)).collect();
    let slices: Vec<_> = datagrams.iter().map(|datagram| [IoSlice::new(&datagram.bytes)]).collect();
    let mut controls: Vec<_> = datagrams.iter().map(|_| SendAncillaryBuffer::default()).collect();
    let mut headers: Vec<_> = peers
        .iter()
        .zip(&slices)
        .zip(&mut controls)
        .map(|((peer, slice), control)| MMsgHdr::new_with_addr(peer, slice, control))
        .collect();
    match sendmmsg(socket, &mut headers, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        count => Ok(count),
    }
}

/// Datagrams of one system call.
const MOST: usize = 64;
