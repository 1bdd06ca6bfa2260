//! What could be seen from outside, in order: every datagram that a node sent, every command that
//! was applied.

use std::net::SocketAddr;

use bytes::Bytes;
use holdline_model::{CallCommand, NodeId, Reply};

use super::text::Text;

/// One thing seen.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    /// A node sent a datagram.
    Sent { at: u64, node: NodeId, from: SocketAddr, to: SocketAddr, bytes: Bytes },
    /// A far end sent one, whether or not it arrives.
    Peer { at: u64, from: SocketAddr, to: SocketAddr, brief: String, arrives: bool },
    /// A command was applied.
    Applied { at: u64, node: NodeId, command: Box<CallCommand>, reply: Reply },
    /// Something happened to the cluster.
    Note { at: u64, what: String },
}

impl Seen {
    /// For people.
    pub(crate) fn line(&self, start: u64) -> String {
        match self {
            Self::Sent { at, node, from, to, bytes } => {
                let brief = Text::parse(bytes).map_or("garbage".to_owned(), |text| text.brief());
                format!("{:>7} node {node} {from} -> {to}  {brief}", at - start)
            }
            Self::Peer { at, from, to, brief, arrives } => {
                let lost = if *arrives { "" } else { " (lost)" };
                format!("{:>7} peer   {from} -> {to}{lost}  {brief}", at - start)
            }
            Self::Applied { at, node, command, reply } => {
                let change = format!("{:?}", command.change);
                let change: String = change.chars().take_while(|c| *c != '(').collect();
                let (call, step) = (command.call, command.step);
                format!(
                    "{:>7} log    node {node} {call} step {step} {change} => {reply:?}",
                    at - start
                )
            }
            Self::Note { at, what } => format!("{:>7} ---- {what}", at - start),
        }
    }
}
