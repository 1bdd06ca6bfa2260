//! The number of a probe, in the branch that its answer brings back: so the node that asked finds it
//! among the answers to calls.

use std::fmt;

use holdline_model::NodeId;

/// Names one probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProbeId {
    /// The node that asked.
    pub node: NodeId,
    /// Which of its probes.
    pub number: u64,
}

/// Ours, and no call's: a call's branch goes on with hexadecimal digits.
const MARK: &str = "z9hG4bKhlprobe";

impl ProbeId {
    /// Reads the branch of an answer; `None` if it answers no probe.
    #[must_use]
    pub fn from_branch(branch: &str) -> Option<Self> {
        let (node, number) = branch.strip_prefix(MARK)?.split_once('.')?;
        let node = NodeId(node.parse().ok()?);
        Some(Self { node, number: u64::from_str_radix(number, 16).ok()? })
    }
}

/// The branch.
impl fmt::Display for ProbeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{MARK}{}.{:016x}", self.node, self.number)
    }
}

#[cfg(test)]
mod tests {
    use holdline_model::Token;

    use super::*;

    #[test]
    fn a_branch_tells_the_probe_and_names_no_call() {
        let id = ProbeId { node: NodeId(3), number: 0xfeed };
        assert_eq!(ProbeId::from_branch(&id.to_string()), Some(id));
        assert_eq!(Token::from_branch(id.to_string().as_bytes()), None);
        for other in ["z9hG4bKhlprobe", "z9hG4bKhlprobe3", "z9hG4bKhlprobex.1", "z9hG4bK3.1"] {
            assert_eq!(ProbeId::from_branch(other), None);
        }
    }
}
