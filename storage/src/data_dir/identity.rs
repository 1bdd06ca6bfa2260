//! Whose data a folder holds: a small text file that an operator can read.

use std::path::Path;

use holdline_model::{Format, NodeId};

use crate::data_dir::DataDirError;

/// The longest name of a cluster, in bytes.
const MAX_NAME_BYTES: usize = 255;

/// Whose data a folder holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The cluster's name in the configuration.
    pub cluster: String,
    /// The node.
    pub node: NodeId,
}

impl Identity {
    /// The text of the file of a folder that holds what this format has.
    ///
    /// # Errors
    /// [`DataDirError::BadName`] if the cluster's name cannot be a line.
    pub(super) fn to_text(&self, format: Format) -> Result<String, DataDirError> {
        let name = &self.cluster;
        if name.is_empty() || name.len() > MAX_NAME_BYTES || name.contains(char::is_control) {
            return Err(DataDirError::BadName { name: name.clone() });
        }
        Ok(format!("format {format}\nnode {}\ncluster {name}\n", self.node))
    }

    /// Reads the text of the file at `path`, in the folder `folder`, and the format.
    ///
    /// # Errors
    /// [`DataDirError::OtherFormat`], [`DataDirError::Malformed`].
    pub(super) fn from_text(
        text: &str,
        folder: &Path,
        path: &Path,
    ) -> Result<(Self, Format), DataDirError> {
        let mut lines = text.lines();
        let mut field = |name: &str| {
            let line = lines.next().unwrap_or("(end of file)");
            let value = line.strip_prefix(name).and_then(|rest| rest.strip_prefix(' '));
            let path = path.to_owned();
            value.ok_or_else(|| DataDirError::Malformed { path, line: line.to_owned() })
        };
        let malformed =
            |line: &str| DataDirError::Malformed { path: path.to_owned(), line: line.to_owned() };
        let format = field("format")?;
        let found = format.parse::<u32>().map_err(|_| malformed(format))?;
        let Some(format) = Format::known(found) else {
            return Err(DataDirError::OtherFormat { path: folder.to_owned(), found });
        };
        let node = field("node")?;
        let node = node.parse().map_err(|_| malformed(node))?;
        let cluster = field("cluster")?.to_owned();
        match lines.next() {
            Some(line) => Err(malformed(line)),
            None => Ok((Self { cluster, node }, format)),
        }
    }

    /// Checks that the folder is that of `expected`.
    pub(super) fn check(&self, expected: &Self, folder: &Path) -> Result<(), DataDirError> {
        let path = folder.to_owned();
        if self.cluster != expected.cluster {
            let (found, expected) = (self.cluster.clone(), expected.cluster.clone());
            return Err(DataDirError::OtherCluster { path, found, expected });
        }
        if self.node != expected.node {
            let (found, expected) = (self.node, expected.node);
            return Err(DataDirError::OtherNode { path, found, expected });
        }
        Ok(())
    }
}
