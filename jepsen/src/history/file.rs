//! Histories as files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::History;
use super::edn::{self, ParseFault};
use super::op::{NotAnOp, Op};

/// A history cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The file.
    #[error("{}: {cause}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// A line that is no EDN.
    #[error("line {line}: {fault}")]
    Edn {
        /// From 1.
        line: usize,
        /// What is wrong.
        fault: ParseFault,
    },
    /// A line that is no operation.
    #[error("line {line}: {fault}")]
    Op {
        /// From 1.
        line: usize,
        /// What is wrong.
        fault: NotAnOp,
    },
}

/// Writes a history, one operation a line.
///
/// # Errors
/// If the file cannot be written.
pub fn write(path: &Path, history: &History) -> Result<(), HistoryError> {
    let mut text = String::new();
    for op in &history.ops {
        text.push_str(&edn::text(&op.to_edn()));
        text.push('\n');
    }
    fs::write(path, text).map_err(|cause| HistoryError::File { path: path.to_owned(), cause })
}

/// Reads a history.
///
/// # Errors
/// If the file cannot be read, or a line is not an operation.
pub fn read(path: &Path) -> Result<History, HistoryError> {
    let text = fs::read_to_string(path);
    let text = text.map_err(|cause| HistoryError::File { path: path.to_owned(), cause })?;
    let mut ops = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        if line.trim().is_empty() {
            continue;
        }
        let value = edn::parse(line).map_err(|fault| HistoryError::Edn { line: number, fault })?;
        let op = Op::from_edn(&value).map_err(|fault| HistoryError::Op { line: number, fault })?;
        ops.push(op);
    }
    Ok(History { ops })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::edn::Value;
    use crate::history::{OpType, Process};
    use proptest::prelude::*;

    fn ops() -> impl Strategy<Value = Op> {
        let ty = prop::sample::select(vec![OpType::Invoke, OpType::Ok, OpType::Fail, OpType::Info]);
        let process = prop_oneof![
            (0..1_000_000_u64).prop_map(Process::Client),
            "[a-z]{1,8}".prop_map(Process::Named),
        ];
        let value = any::<String>().prop_map(Value::Text);
        let error = prop::option::of(any::<String>());
        (0..u64::MAX / 4, ty, process, "[a-z-]{1,8}", value, error).prop_map(
            |(time, ty, process, f, value, error)| Op {
                index: time / 2,
                time,
                ty,
                process,
                f,
                value,
                error,
            },
        )
    }

    proptest! {
        #[test]
        fn a_file_is_read_back_as_it_was(ops in prop::collection::vec(ops(), 0..20)) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("history.edn");
            let history = History { ops };
            write(&path, &history).unwrap();
            prop_assert_eq!(read(&path).unwrap(), history);
        }
    }

    #[test]
    fn a_bad_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.edn");
        std::fs::write(&path, "\n{:type :ok}\n").unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
    }
}
