//! `holdline snapshot restore`: makes the data folder of a node of a new cluster.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use holdline_model::{Format, GroupId};
use holdline_raft::{Member, Restore, Restored};
use holdline_storage::backup::{BackupHeader, load, read_through};
use holdline_storage::data_dir::NewFolder;
use holdline_storage::seal::SealKey;
use holdline_storage::{Engine, SnapshotStore};

use super::{SnapshotError, bad, open};
use crate::admin::view::time;
use crate::cli::CliError;
use crate::cli::output::Output;
use crate::compose;
use crate::config::Config;

pub(super) fn run(
    file: &Path,
    config: &Path,
    key: &SealKey,
    output: &mut Output,
) -> Result<(), CliError> {
    let config = Config::load(config)?;
    // Every byte is checked before the data folder is touched.
    let mut reader = open(file)?;
    reader.unlock(Some(key)).map_err(|cause| bad(file, cause))?;
    let contents = read_through(&mut reader).map_err(|cause| bad(file, cause))?;
    let header = reader.header().clone();
    if header.group != GROUP {
        let cause = format!("the backup is of group {}", header.group);
        return Err(SnapshotError::Restore(cause).into());
    }
    let format = Format(u8::try_from(header.format).unwrap_or(u8::MAX));
    let folder = NewFolder::begin(&config.node.data_dir, &config.identity(), format);
    let folder = folder.map_err(SnapshotError::Folder)?;
    let mut reader = open(file)?;
    reader.unlock(Some(key)).map_err(|cause| bad(file, cause))?;
    let opened = compose::open_engine(folder.path(), &config);
    let (engine, _) = opened.map_err(|cause| SnapshotError::Restore(cause.to_string()))?;
    load(&mut reader, engine.as_ref()).map_err(|cause| bad(file, cause))?;
    let restored = put_in_place(engine, &folder, &header, &config)?;
    folder.finish().map_err(SnapshotError::Folder)?;
    let records: u64 = contents.tables.iter().map(|(_, count)| count).sum();
    let Restored { calls_ended, slots_dealt, .. } = restored;
    output.line(&format!(
        "{} holds the state of cluster {} as of {}: {records} records, {calls_ended} calls ended, \
         {slots_dealt} slots dealt out anew",
        config.node.data_dir.display(),
        header.facts.cluster,
        time::format(header.facts.at),
    ))?;
    output.line(&format!(
        "restore all {} members of cluster {} from this file before any of them is started",
        config.cluster.members.len(),
        config.cluster.name,
    ))?;
    Ok(())
}

fn put_in_place(
    engine: Arc<dyn Engine>,
    folder: &NewFolder,
    header: &BackupHeader,
    config: &Config,
) -> Result<Restored, SnapshotError> {
    let failed = |error: &dyn std::error::Error| SnapshotError::Restore(error.to_string());
    let snapshots =
        SnapshotStore::open(&folder.snapshots_path()).map_err(|error| failed(&error))?;
    let members: BTreeMap<_, _> = config
        .cluster
        .members
        .iter()
        .cloned()
        .map(|member| (member.id, Member { rpc: member.rpc, pop: member.pop, role: member.role }))
        .collect();
    let restore = Restore {
        engine,
        snapshots: &snapshots,
        group: GROUP,
        cluster: config.cluster.id(),
        members,
        at: header.facts.at,
    };
    restore.run().map_err(|error| failed(&error))
}

const GROUP: GroupId = GroupId(0);
