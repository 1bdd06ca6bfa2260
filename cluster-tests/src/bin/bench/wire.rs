//! Bytes between the nodes: what the kernel counts for their TCP connections.

use std::process::Command;

use holdline_cluster_tests::cluster::{RPC_PORT, Site};

/// Bytes sent so far over all TCP connections to the nodes' RPC ports, both ways; without headers.
/// `None` if `ss` is not there. A connection that has ended is not counted any more.
pub(crate) fn between_nodes(site: &Site) -> Option<f64> {
    let output = Command::new("ss").args(["-tinOH", "state", "established"]).output().ok()?;
    output.status.success().then_some(())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let nodes: Vec<String> = (1..=15).map(|id| site.node(id, RPC_PORT).to_string()).collect();
    // Both ends are on this machine, so each direction is some end's sent bytes.
    let ours = text
        .lines()
        .filter(|line| line.split_whitespace().any(|field| nodes.iter().any(|node| node == field)));
    Some(ours.filter_map(sent).sum())
}

fn sent(line: &str) -> Option<f64> {
    line.split_whitespace().find_map(|field| field.strip_prefix("bytes_sent:")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_connection_sent() {
        let line = "0 0 127.1.2.11:7420 127.1.2.12:5 cubic bytes_sent:42 bytes_acked:42 segs_in:3";
        assert_eq!(sent(line), Some(42.0));
        assert_eq!(sent("0 0 a b cubic segs_in:3"), None);
    }
}
