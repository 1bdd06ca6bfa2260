//! What the parts of a node are told, from its configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdline_cluster::forward::{self, ForwardOptions, Token};
use holdline_model::{GroupId, Millis, NodeId, NodeRole, NodeUp};
use holdline_raft::{ClusterToken, Member, Wall};
use holdline_storage::DataDir;
use holdline_transport::floating::{Bind, Command, CommandOptions, Mover, Netlink, NetlinkOptions};

use super::NodeError;
use super::parts::Place;
use crate::config::{ClusterConfig, Config, FloatingConfig};
use crate::node_runner::NodeContext;
use crate::switch::ownership;

pub(super) fn raft_options(
    context: &NodeContext,
    place: &Place,
    data_dir: &DataDir,
    token: &str,
    connect: holdline_raft::Connect,
) -> Result<holdline_raft::Options, NodeError> {
    let config = &context.config;
    let member = |member: &crate::config::Member| {
        let crate::config::Member { rpc, pop, role, .. } = member.clone();
        Member { rpc, pop, role }
    };
    let members = config.cluster.members.iter();
    let members: BTreeMap<NodeId, Member> = members.map(|it| (it.id, member(it))).collect();
    let clock = context.clock.clone();
    Ok(holdline_raft::Options {
        node: config.node.id,
        cluster: config.cluster.id(),
        name: config.cluster.name.clone(),
        group: GROUP,
        members,
        member: member(&config.this_member()),
        seeds: place.seeds.clone(),
        is_new: place.is_new,
        set_aside: data_dir.was_set_aside(),
        wall: Wall::new(move || clock.now()),
        token: token.parse::<ClusterToken>().map_err(|e| NodeError::Failed(e.to_string()))?,
        tuning: config.cluster.raft.clone(),
        connect,
    })
}

pub(super) fn forward_options(
    config: &Config,
    token: &str,
    connect: forward::Connect,
) -> Result<ForwardOptions, NodeError> {
    let token = token.parse::<Token>().map_err(|e| NodeError::Failed(e.to_string()))?;
    let options = ForwardOptions::new(config.cluster.id(), config.node.id, token);
    Ok(ForwardOptions { connect, ..options })
}

/// The first members that own calls, in order.
pub(super) fn owners(cluster: &ClusterConfig) -> Vec<NodeId> {
    let full = cluster.members.iter().filter(|member| member.role == NodeRole::Full);
    full.map(|member| member.id).collect()
}

pub(super) fn mover(floating: &FloatingConfig) -> Arc<dyn Mover> {
    match floating {
        FloatingConfig::Bind => Arc::new(Bind),
        FloatingConfig::Netlink { interface, prefix } => {
            let mut options = NetlinkOptions::new(interface.clone());
            options.prefix = *prefix;
            Arc::new(Netlink::new(options))
        }
        FloatingConfig::Command { program, args, timeout } => {
            let (program, args, timeout) = (program.clone(), args.clone(), *timeout);
            Arc::new(Command::new(CommandOptions { program, args, timeout }))
        }
    }
}

pub(super) fn announcement(config: &Config) -> Result<NodeUp, NodeError> {
    Ok(NodeUp {
        node: config.node.id,
        incarnation: ownership::incarnation()?,
        pop: config.node.pop.clone(),
        sip: config.sip.addresses.clone(),
        rpc: config.cluster.advertise,
        admin: config.admin.listen,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        at: Millis(0),
        listeners: config.sip.listeners.clone(),
        gossip: config.cluster.gossip,
        role: config.node.role,
    })
}

/// The one Raft group there is so far; it is part of every key and every call between nodes.
pub(super) const GROUP: GroupId = GroupId(0);
