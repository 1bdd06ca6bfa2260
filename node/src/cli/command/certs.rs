//! `holdline certs init`, `issue` and `list`: the cluster's own authority. Asks no node.

use std::process::ExitCode;

use holdline_model::NodeId;
use serde_json::json;
use time::OffsetDateTime;

use crate::cli::CliError;
use crate::cli::args::{CertsCommand, Format, Target};
use crate::cli::output::Output;
use crate::clock::Clock;
use crate::config::cluster_id;
use crate::trust::authority::Authority;

pub(in crate::cli) fn run(
    target: &Target,
    command: &CertsCommand,
    output: &mut Output,
) -> Result<ExitCode, CliError> {
    let json = target.output == Format::Json;
    match command {
        CertsCommand::Init { cluster, dir } => {
            Authority::init(dir, cluster, cluster_id(cluster), now())?;
            output.line(&format!(
                "{} holds the authority of cluster {cluster}: keep ca.key safe and off the nodes; next: holdline certs issue 1",
                dir.display()
            ))?;
        }
        CertsCommand::Issue { id, days, dir } => {
            let authority = Authority::open(dir, cluster_id)?;
            let issued = authority.issue(NodeId(*id), *days, now())?;
            output.line(&format!(
                "{dir}/node-{id}.pem and {dir}/node-{id}.key are node {id}'s of cluster {} until {}: copy them and ca.pem to it, and name them in [cluster.tls]",
                authority.cluster(),
                issued.not_after,
                dir = dir.display(),
            ))?;
        }
        CertsCommand::List { dir } => {
            let issued = Authority::open(dir, cluster_id)?.list()?;
            if json {
                let all: Vec<_> = issued
                    .iter()
                    .map(|it| json!({ "node": it.node.0, "serial": it.serial, "not_after": it.not_after, "fingerprint": it.fingerprint }))
                    .collect();
                output.line(&json!({ "items": all }).to_string())?;
            } else {
                let rows = issued.into_iter().map(|it| {
                    vec![
                        it.node.to_string(),
                        it.not_after,
                        it.serial,
                        it.fingerprint[..16].to_owned(),
                    ]
                });
                output.table(&["NODE", "UNTIL", "SERIAL", "SHA-256"], &[0], rows.collect())?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn now() -> OffsetDateTime {
    let seconds = i64::try_from(Clock::start().now().0 / 1_000).unwrap_or(0);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
