//! What is measured: Holdline and its peers, started so that all do the same work.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;
use clap::ValueEnum;
use holdline_cluster_tests::cluster::{Cluster, ClusterOptions, Metrics, SIP_PORT, Site};
use serde::Serialize;

use super::interrupted;
use super::kamailio::{self, Kamailio};
use super::process::{Used, memory_mib};

/// A system in a given size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// Three Holdline nodes with fsync; all callers call one of them, which does not lead.
    Holdline3,
    /// The same, with all callers at the node that leads.
    Holdline3Leader,
    /// The same, with the callers spread over all three nodes.
    Holdline3Spread,
    /// A cluster of one Holdline node, with fsync.
    Holdline1,
    /// One Kamailio with dialog tracking, which replicates and stores nothing.
    Kamailio1,
    /// Three Kamailio that replicate dialogs over DMQ, asynchronously, in memory.
    Kamailio3,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Holdline3 => "Holdline, 3 nodes, fsync",
            Self::Holdline3Leader => "Holdline, 3 nodes, fsync, at the leader",
            Self::Holdline3Spread => "Holdline, 3 nodes, fsync, callers spread",
            Self::Holdline1 => "Holdline, 1 node, fsync",
            Self::Kamailio1 => "Kamailio, 1 node, dialogs",
            Self::Kamailio3 => "Kamailio, 3 nodes, DMQ",
        }
    }

    /// For tables.
    pub(crate) const fn short(self) -> &'static str {
        match self {
            Self::Holdline3 => "Holdline ×3",
            Self::Holdline3Leader => "Holdline ×3 leader",
            Self::Holdline3Spread => "Holdline ×3 spread",
            Self::Holdline1 => "Holdline ×1",
            Self::Kamailio1 => "Kamailio ×1",
            Self::Kamailio3 => "Kamailio ×3 DMQ",
        }
    }

    /// Whether it is Holdline.
    pub(crate) const fn ours(self) -> bool {
        match self {
            Self::Holdline3 | Self::Holdline3Leader | Self::Holdline3Spread | Self::Holdline1 => {
                true
            }
            Self::Kamailio1 | Self::Kamailio3 => false,
        }
    }

    /// What is missing, if it cannot be measured here.
    pub(crate) fn missing(self) -> Option<String> {
        match self {
            Self::Holdline3 | Self::Holdline3Leader | Self::Holdline3Spread | Self::Holdline1 => {
                None
            }
            Self::Kamailio1 => kamailio::version(false).err(),
            Self::Kamailio3 => kamailio::version(true).err(),
        }
    }
}

/// Which node of Holdline's the callers call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ingress {
    /// One that does not lead: the worse case, and that of most calls in a cluster of three. It has
    /// to ask another node for every commit.
    Follower,
    /// The Raft leader.
    Leader,
    /// All of them.
    Spread,
}

/// A system that runs.
#[derive(Debug)]
pub(crate) struct System {
    servers: Servers,
    ingress: Vec<SocketAddr>,
    ingress_leads: Option<bool>,
}

#[derive(Debug)]
enum Servers {
    Holdline(Box<Cluster>),
    Kamailio(Kamailio),
}

impl System {
    /// Starts it and waits until it serves.
    pub(crate) async fn start(kind: Kind, options: &ClusterOptions) -> Result<Self> {
        let holdline = |nodes| Cluster::prepare(&ClusterOptions { nodes, ..options.clone() });
        match kind {
            Kind::Holdline3 => Self::holdline(holdline(3)?, Ingress::Follower).await,
            Kind::Holdline3Leader => Self::holdline(holdline(3)?, Ingress::Leader).await,
            Kind::Holdline3Spread => Self::holdline(holdline(3)?, Ingress::Spread).await,
            Kind::Holdline1 => Self::holdline(holdline(1)?, Ingress::Leader).await,
            Kind::Kamailio1 => Self::kamailio(1).await,
            Kind::Kamailio3 => Self::kamailio(3).await,
        }
    }

    /// Starts a cluster that was prepared.
    pub(crate) async fn holdline(mut cluster: Cluster, ingress: Ingress) -> Result<Self> {
        cluster.start_all().await?;
        let servers = Servers::Holdline(Box::new(cluster));
        let mut system = Self { servers, ingress: Vec::new(), ingress_leads: None };
        system.call(ingress).await?;
        Ok(system)
    }

    /// From now on, callers call there. A peer has but one node that is called.
    pub(crate) async fn call(&mut self, ingress: Ingress) -> Result<()> {
        let Servers::Holdline(cluster) = &mut self.servers else { return Ok(()) };
        let leader = cluster.leader().await?;
        let nodes: Vec<u64> = match ingress {
            Ingress::Follower => cluster.running().find(|id| *id != leader).into_iter().collect(),
            Ingress::Leader => vec![leader],
            Ingress::Spread => cluster.running().collect(),
        };
        self.ingress = nodes.iter().map(|id| cluster.sip(*id)).collect();
        self.ingress_leads = (nodes.len() == 1).then(|| nodes.contains(&leader));
        Ok(())
    }

    async fn kamailio(nodes: u8) -> Result<Self> {
        let peer = Kamailio::start(nodes).await?;
        let ingress = vec![peer.site().node(1, SIP_PORT)];
        Ok(Self { servers: Servers::Kamailio(peer), ingress, ingress_leads: None })
    }

    /// Where callers call.
    pub(crate) fn ingress(&self) -> &[SocketAddr] {
        &self.ingress
    }

    /// Whether the one node that is called is the Raft leader; `None`: there is no such node.
    pub(crate) const fn ingress_leads(&self) -> Option<bool> {
        self.ingress_leads
    }

    pub(crate) fn site(&self) -> &Site {
        match &self.servers {
            Servers::Holdline(cluster) => cluster.site(),
            Servers::Kamailio(peer) => peer.site(),
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        match &self.servers {
            Servers::Holdline(cluster) => cluster.folder(),
            Servers::Kamailio(peer) => peer.folder(),
        }
    }

    /// The cluster, if it is Holdline.
    pub(crate) fn cluster(&mut self) -> Option<&mut Cluster> {
        match &mut self.servers {
            Servers::Holdline(cluster) => Some(cluster),
            Servers::Kamailio(_) => None,
        }
    }

    /// The processes of each node.
    pub(crate) fn pids(&self) -> Vec<Vec<u32>> {
        match &self.servers {
            Servers::Holdline(cluster) => {
                cluster.nodes().map(|node| node.pid().into_iter().collect()).collect()
            }
            Servers::Kamailio(peer) => peer.pids(),
        }
    }

    /// What all its processes have used so far.
    pub(crate) fn used(&self) -> Used {
        Used::by(&self.pids().concat())
    }

    /// Memory of each node, in MiB.
    pub(crate) fn memory_mib(&self) -> Vec<f64> {
        self.pids().iter().map(|pids| memory_mib(pids)).collect()
    }

    /// The metrics of every node; none of a peer.
    pub(crate) async fn metrics(&self) -> Result<Vec<Metrics>> {
        let Servers::Holdline(cluster) = &self.servers else { return Ok(Vec::new()) };
        let mut all = Vec::new();
        for id in cluster.running() {
            all.push(cluster.admin(id).metrics().await?);
        }
        Ok(all)
    }

    /// An error if a process has ended by itself.
    pub(crate) fn check_alive(&mut self) -> Result<()> {
        match &mut self.servers {
            Servers::Holdline(cluster) => Ok(cluster.check_alive()?),
            Servers::Kamailio(peer) => peer.check_alive(),
        }
    }

    /// Dropping it shall not show its logs: nothing is wrong with it.
    pub(crate) fn hush(&mut self) {
        match &mut self.servers {
            Servers::Holdline(cluster) => cluster.set_quiet(true),
            Servers::Kamailio(_) => {}
        }
    }

    /// Ends it; its folder is removed. Dropped without this, Holdline shows its logs.
    pub(crate) fn end(mut self) -> Result<()> {
        self.check_alive()?;
        self.hush();
        Ok(())
    }
}

impl Drop for System {
    fn drop(&mut self) {
        if interrupted() {
            self.hush();
        }
    }
}
