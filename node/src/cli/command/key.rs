//! `holdline key new`, `rotate` and `prune`: files with the keys of a sealed data folder. Asks no node.
//!
//! A file has a key a line. The first one writes, all of them read. What is taken out by `prune` is
//! kept beside the file, so that nothing is lost by a mistake.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use holdline_storage::seal::SealKey;

use crate::cli::CliError;
use crate::cli::args::KeyCommand;
use crate::cli::output::Output;
use crate::config::read_secret;
use crate::files;
use crate::hex::hex;

pub(in crate::cli) fn run(command: &KeyCommand, output: &mut Output) -> Result<ExitCode, CliError> {
    let line = match command {
        KeyCommand::New { file } => {
            let key = fresh()?;
            write(file, std::slice::from_ref(&key), true)?;
            format!("{} holds key {}: name it in [storage.encryption]", file.display(), id(&key)?)
        }
        KeyCommand::Rotate { file } => {
            let mut keys = read(file)?;
            keys.insert(0, fresh()?);
            write(file, &keys, false)?;
            format!(
                "{} begins with key {} now, before {} older: restart the node; when its log says that nothing is sealed with older keys any more: holdline key prune {0}",
                file.display(),
                id(&keys[0])?,
                keys.len() - 1
            )
        }
        KeyCommand::Prune { file } => {
            let mut keys = read(file)?;
            let older = keys.split_off(1);
            if older.is_empty() {
                format!("{} holds no older key", file.display())
            } else {
                let aside = aside(file);
                let mut kept = if aside.exists() { read(&aside)? } else { Vec::new() };
                kept.splice(0..0, older.iter().cloned());
                write(&aside, &kept, false)?;
                write(file, &keys, false)?;
                format!(
                    "{} older keys went to {}: remove it when the node has started without them",
                    older.len(),
                    aside.display()
                )
            }
        }
    };
    output.line(&line)?;
    Ok(ExitCode::SUCCESS)
}

/// Where keys go that are taken out.
fn aside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".old");
    PathBuf::from(name)
}

fn fresh() -> Result<String, CliError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| CliError::Output(io::Error::other(error)))?;
    Ok(hex(&bytes))
}

fn id(key: &str) -> Result<String, CliError> {
    let key = key.parse::<SealKey>();
    Ok(key.map_err(|error| CliError::Output(io::Error::other(error)))?.id().to_string())
}

/// The keys of a file, each of which is one.
fn read(file: &Path) -> Result<Vec<String>, CliError> {
    let failed =
        |error: String| CliError::KeyFile { path: file.to_owned(), error: io::Error::other(error) };
    let text = read_secret(file).map_err(failed)?;
    let keys: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    for key in &keys {
        key.parse::<SealKey>().map_err(|error| failed(error.to_string()))?;
    }
    Ok(keys)
}

/// Writes a file so that it is there whole or as it was; a `new` one must not be there.
fn write(file: &Path, keys: &[String], new: bool) -> Result<(), CliError> {
    let failed = |error| CliError::KeyFile { path: file.to_owned(), error };
    if new && file.exists() {
        return Err(failed(io::Error::from(io::ErrorKind::AlreadyExists)));
    }
    files::replace(file, &(keys.join("\n") + "\n"), 0o600).map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_rotated_file_begins_with_a_new_key_and_a_pruned_one_loses_none() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("storage.key");
        let run = |command| {
            let (out, err) = (Box::new(io::sink()), Box::new(io::sink()));
            run(&command, &mut Output::plain(out, err)).map(drop)
        };
        run(KeyCommand::New { file: file.clone() }).unwrap();
        let first = read(&file).unwrap();
        assert!(run(KeyCommand::New { file: file.clone() }).is_err(), "none is overwritten");
        run(KeyCommand::Rotate { file: file.clone() }).unwrap();
        run(KeyCommand::Rotate { file: file.clone() }).unwrap();
        let three = read(&file).unwrap();
        assert_eq!((three.len(), &three[2]), (3, &first[0]));
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        run(KeyCommand::Prune { file: file.clone() }).unwrap();
        assert_eq!(read(&file).unwrap(), three[..1]);
        assert_eq!(read(&aside(&file)).unwrap(), three[1..]);
        std::fs::write(&file, "no key\n").unwrap();
        assert!(run(KeyCommand::Rotate { file: file.clone() }).is_err());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "no key\n", "left as it was");
    }
}
