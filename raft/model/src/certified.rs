//! Who is at the other end of a connection between nodes, as its certificate says.

use crate::NodeId;

/// The node that the certificate of a connection names. The server for other nodes hands it to its
/// services with each request; without certificates there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certified(pub NodeId);

impl Certified {
    /// Who really speaks, if it is not `from`, by the certificate that was shown (`None`: connections have
    /// none).
    #[must_use]
    pub fn other_than(shown: Option<Self>, from: NodeId) -> Option<NodeId> {
        shown.map(|shown| shown.0).filter(|node| *node != from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_permits_its_own_node_only() {
        assert_eq!(Certified::other_than(Some(Certified(NodeId(2))), NodeId(2)), None);
        assert_eq!(Certified::other_than(Some(Certified(NodeId(2))), NodeId(1)), Some(NodeId(2)));
        let none = Certified::other_than(None, NodeId(1));
        assert_eq!(none, None, "without certificates the token decides");
    }
}
