//! Many datagrams with one system call (`recvmmsg`).
//!
//! The buffers belong to the thread: they are used between two awaits only, and a socket that has
//! nothing to read needs none. Of their address space only what datagrams have filled is memory.

use std::cell::RefCell;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;

use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, SockaddrIn6, SockaddrLike, recvmmsg};

use crate::waiting::{self, Stamp};

/// How much one call takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchSize {
    /// Datagrams at most.
    pub(crate) datagrams: usize,
    /// Bytes of each at most; what is longer is cut off there.
    pub(crate) bytes: usize,
}

/// Reads what the socket, bound to `local`, has now. Returns how many datagrams that was, each
/// given to `take` with its sender, and the first one's stamp; never waits.
///
/// # Errors
/// As of `recvmmsg`; `WouldBlock` if there is nothing.
pub(crate) fn receive_many(
    socket: &impl AsRawFd,
    local: SocketAddr,
    size: BatchSize,
    take: impl FnMut(SocketAddr, &[u8]),
) -> io::Result<(usize, Stamp)> {
    BUFFERS.with_borrow_mut(|kept| {
        if kept.as_ref().is_none_or(|buffers| buffers.size != size) {
            *kept = Some(Buffers::new(size));
        }
        match (kept, local) {
            (Some(buffers), SocketAddr::V4(_)) => {
                let peer = |peer: SockaddrIn| SocketAddrV4::from(peer).into();
                read(socket, &mut buffers.from_v4, &mut buffers.space, size, peer, take)
            }
            (Some(buffers), SocketAddr::V6(_)) => {
                let peer = |peer: SockaddrIn6| SocketAddrV6::from(peer).into();
                read(socket, &mut buffers.from_v6, &mut buffers.space, size, peer, take)
            }
            (None, _) => Ok((0, Stamp::default())),
        }
    })
}

struct Buffers {
    size: BatchSize,
    space: Vec<u8>,
    // Apart, because the kernel leaves the length of an address in its header.
    from_v4: MultiHeaders<SockaddrIn>,
    from_v6: MultiHeaders<SockaddrIn6>,
}

impl Buffers {
    fn new(size: BatchSize) -> Self {
        Self {
            size,
            space: vec![0; size.datagrams.saturating_mul(size.bytes)],
            from_v4: headers(size),
            from_v6: headers(size),
        }
    }
}

fn headers<S: SockaddrLike + Copy>(size: BatchSize) -> MultiHeaders<S> {
    MultiHeaders::preallocate(size.datagrams, Some(waiting::room()))
}

fn read<S: SockaddrLike + Copy>(
    socket: &impl AsRawFd,
    headers: &mut MultiHeaders<S>,
    space: &mut [u8],
    size: BatchSize,
    address: impl Fn(S) -> SocketAddr,
    mut take: impl FnMut(SocketAddr, &[u8]),
) -> io::Result<(usize, Stamp)> {
    let mut slices: Vec<_> =
        space.chunks_exact_mut(size.bytes).map(|space| [IoSliceMut::new(space)]).collect();
    let fd = socket.as_raw_fd();
    let received = recvmmsg(fd, headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None)?;
    let (mut count, mut stamp) = (0, Stamp::default());
    for message in received {
        // It waited longest of them, and came before what was dropped for want of its room.
        if count == 0 {
            stamp = message.cmsgs().map(Stamp::read).unwrap_or_default();
        }
        count += 1;
        let Some(peer) = message.address.map(&address) else { continue };
        take(peer, message.iovs().next().unwrap_or_default());
    }
    if count >= SEVERAL {
        // What the kernel left of the room for a stamp is all that the next one will have: without a
        // count of drops in this, there is none for it in the next. Drops come with long queues.
        *headers = self::headers(size);
    }
    Ok((count, stamp))
}

/// So many datagrams at once are worth new headers.
const SEVERAL: usize = 4;

thread_local! {
    static BUFFERS: RefCell<Option<Buffers>> = const { RefCell::new(None) };
}
