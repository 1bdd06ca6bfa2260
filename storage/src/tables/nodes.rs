//! Table `nodes`: key group, node (u64); value [`holdline_model::NodeRecord`].

use holdline_model::{GroupId, NodeId};

use crate::tables::Key;

/// A node's key.
pub(super) fn key(group: GroupId, node: NodeId) -> Key {
    Key::new(group).u64(node.0)
}
