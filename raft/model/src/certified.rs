//! Who is at the other end of a connection between nodes, as its certificate says.

use crate::NodeId;

/// The node that the certificate of a connection names. The server for other nodes hands it to its
/// services with each request; without certificates there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certified(pub NodeId);

impl Certified {
    /// Whether somebody with this certificate (`None`: connections have none) may speak as `from`.
    #[must_use]
    pub fn permits(shown: Option<Self>, from: NodeId) -> bool {
        shown.is_none_or(|shown| shown.0 == from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_permits_its_own_node_only() {
        assert!(Certified::permits(Some(Certified(NodeId(2))), NodeId(2)));
        assert!(!Certified::permits(Some(Certified(NodeId(2))), NodeId(1)));
        assert!(Certified::permits(None, NodeId(1)), "without certificates the token decides");
    }
}
