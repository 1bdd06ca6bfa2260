//! Which node of which cluster a certificate is for: two names of its own kind.
//!
//! `c` and the cluster's id in hexadecimal, `.holdline`: what is asked of whoever is connected to; and
//! the same with `node-` and the node's number in front.

use holdline_model::{ClusterId, NodeId};
use rustls::pki_types::CertificateDer;

/// Who a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// The cluster.
    pub cluster: ClusterId,
    /// The node.
    pub node: NodeId,
}

/// The name that every node of a cluster has.
#[must_use]
pub fn of_cluster(cluster: ClusterId) -> String {
    format!("c{:016x}.holdline", cluster.0)
}

/// The name that one node has.
#[must_use]
pub fn of_node(cluster: ClusterId, node: NodeId) -> String {
    format!("node-{}.{}", node.0, of_cluster(cluster))
}

/// Who a certificate (DER) is for; `None` if it names no node.
#[must_use]
pub fn of_certificate(der: &[u8]) -> Option<Named> {
    let der = CertificateDer::from(der);
    let certificate = webpki::EndEntityCert::try_from(&der).ok()?;
    certificate.valid_dns_names().find_map(parse)
}

fn parse(name: &str) -> Option<Named> {
    let (node, rest) = name.strip_prefix("node-")?.split_once('.')?;
    let cluster = rest.strip_prefix('c')?.strip_suffix(".holdline")?;
    let node = NodeId(node.parse().ok()?);
    let cluster = ClusterId(u64::from_str_radix(cluster, 16).ok()?);
    // Only what is written as we write it.
    (of_node(cluster, node) == name).then_some(Named { cluster, node })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_back_and_nothing_else_is_one() {
        let (cluster, node) = (ClusterId(0xbeef), NodeId(4));
        assert_eq!(of_node(cluster, node), "node-4.c000000000000beef.holdline");
        assert_eq!(parse(&of_node(cluster, node)), Some(Named { cluster, node }));
        for odd in [
            "c000000000000beef.holdline",
            "node-4.cbeef.holdline",
            "node-04.c000000000000beef.holdline",
            "node-4.c000000000000beef.example",
            "node-.c000000000000beef.holdline",
            "node-4.c000000000000BEEF.holdline",
        ] {
            assert_eq!(parse(odd), None, "{odd}");
        }
    }
}
