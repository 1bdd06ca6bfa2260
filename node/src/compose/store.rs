//! Opens what a node keeps on its disk. A store that is found to be damaged is set aside, and the
//! node goes on without: as one that has lost its data, it gets it from the others.
//!
//! Damage is found when the store is opened, when it is read or written, and by `scrub`. Whoever finds
//! it notes it in the data folder; the database takes no more writes then, so that the node ends; and
//! it is set aside at the next start.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use holdline_model::GroupId;
use holdline_raft::Storage;
use holdline_storage::engine::OnDamage;
use holdline_storage::{
    DataDir, DataDirError, EngineError, LogError, LogOptions, LogStore, SnapshotStore, StateStore,
    SyncMark, note_damage,
};
use metrics::gauge;
use tracing::{error, warn};

use super::NodeError;
use super::machine::open_engine;
use super::scrub;
use crate::config::Config;

/// Opens the store in the data folder, or makes it.
pub(super) fn open(config: &Config, group: GroupId) -> Result<(DataDir, Storage), NodeError> {
    let data_dir = DataDir::open(&config.node.data_dir, &config.identity())?;
    let (has, at_most) = (data_dir.format(), config.cluster.format_at_most);
    if has > at_most {
        return Err(NodeError::Format { path: data_dir.path().to_owned(), has, at_most });
    }
    if let Some(what) = data_dir.damage()? {
        set_aside(&data_dir, config, &what)?;
    }
    let logs = write_ahead_logs(&data_dir.db_path());
    let opened = open_as_it_is(&data_dir, config, group).or_else(|failed| {
        let Some(what) = damage(&failed, &logs) else { return Err(failed) };
        note(data_dir.path(), &what)?;
        set_aside(&data_dir, config, &what)?;
        open_as_it_is(&data_dir, config, group)
    })?;
    let aside = data_dir.was_set_aside();
    gauge!("holdline_storage_set_aside").set(if aside { 1.0 } else { 0.0 });
    Ok((data_dir, opened))
}

fn open_as_it_is(
    data_dir: &DataDir,
    config: &Config,
    group: GroupId,
) -> Result<Storage, NodeError> {
    let (engine, keys) = open_engine(data_dir.path(), config)?;
    let snapshots = SnapshotStore::open_sealed(&data_dir.snapshots_path(), keys)?;
    let state = StateStore::open(Arc::clone(&engine), group, &snapshots)?;
    let path = data_dir.path().join("SYNCED");
    let mark = SyncMark::open(&path).map_err(|cause| DataDirError::Io { path, cause })?;
    let log = LogStore::open_marked(Arc::clone(&engine), group, LogOptions::default(), mark)?;
    if let Some(every) = config.storage.scrub_every {
        scrub::start(&engine, group, every);
    }
    Ok(Storage { log, state, snapshots, lease: data_dir.lease() })
}

/// What is damaged, if that is why the store cannot be opened.
fn damage(failed: &NodeError, logs: &str) -> Option<String> {
    match failed {
        NodeError::DataDir(DataDirError::Engine(EngineError::Corrupt { cause, .. })) => {
            Some(cause.to_string())
        }
        NodeError::Log(lost @ LogError::Lost { .. }) => Some(format!("{lost} ({logs})")),
        _ => None,
    }
}

/// The names of the write-ahead logs, for words about them: opening the database replaces them.
fn write_ahead_logs(db: &Path) -> String {
    let Ok(entries) = fs::read_dir(db) else { return String::new() };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut logs: Vec<_> = names.filter(|name| name.ends_with(".log")).collect();
    logs.sort_unstable();
    logs.join(", ")
}

/// Moves a damaged store aside, if another node has what was in it.
fn set_aside(data_dir: &DataDir, config: &Config, what: &str) -> Result<(), NodeError> {
    let cluster = &config.cluster;
    if cluster.members.len() < 2 && cluster.join.is_empty() {
        return Err(NodeError::Damaged { path: data_dir.path().to_owned(), what: what.to_owned() });
    }
    let aside = data_dir.set_aside()?;
    error!(
        damage = what,
        aside = %aside.display(),
        "the store is damaged and was set aside: this node comes back as a learner and gets everything from the others; check the disk, then remove the folder"
    );
    Ok(())
}

/// Notes damage that is found while the node runs.
pub(super) fn teller(folder: &Path) -> OnDamage {
    let folder = folder.to_owned();
    Box::new(move |what| {
        error!(
            damage = what,
            "the store is damaged: nothing is written any more, and this node will stop"
        );
        if let Err(error) = note(&folder, what) {
            warn!(%error, "the damage is not noted: it will be found again");
        }
    })
}

fn note(folder: &Path, what: &str) -> Result<(), NodeError> {
    note_damage(folder, what).map_err(|cause| NodeError::Note { path: folder.to_owned(), cause })
}
