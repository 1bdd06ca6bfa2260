//! Real clusters: `holdline node` processes on loopback addresses of their own.
//!
//! Each [`Cluster`] has a [`Site`] (a /24 of 127.0.0.0/8 that no other test uses), a temporary
//! folder with configuration, data and logs, and an [`Admin`] client per node. Processes end when
//! the cluster is dropped, on a panic too. A cluster dropped without [`Cluster::pass`] keeps its
//! folder and prints the ends of its logs.

mod admin;
mod binary;
mod config;
mod metrics;
mod node;
mod preload;
mod running;
mod site;
mod view;
mod volume;

pub use admin::{Admin, AdminError, Answer};
pub use binary::{BinaryMissing, holdline_binary};
pub use config::{
    ADMIN_PORT, ClusterOptions, GOSSIP_PORT, Joiner, RPC_PORT, SIP_PORT, Transport, V6_PORT,
    WS_PORT, v6_port,
};
pub use metrics::Metrics;
pub use node::{Node, NodeError, Usage};
pub use preload::faulty_sync;
pub use running::{Cluster, ClusterError};
pub use site::{Site, SiteTaken};
pub use view::{
    CallView, CdrView, Changed, Health, MemberView, Members, OwnerView, SlotView, Standing, Votes,
};
pub use volume::Volume;
