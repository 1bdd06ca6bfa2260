//! The kind `bind`: the address is on every node's host already, and whoever binds it gets its
//! datagrams. For loopback addresses and for addresses that a router sends to all nodes.

use std::net::IpAddr;

use async_trait::async_trait;

use super::{MoveError, Mover};

/// Needs nothing but the bound socket.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bind;

#[async_trait]
impl Mover for Bind {
    async fn acquire(&self, _addr: IpAddr) -> Result<(), MoveError> {
        Ok(())
    }

    async fn release(&self, _addr: IpAddr) -> Result<(), MoveError> {
        Ok(())
    }
}
