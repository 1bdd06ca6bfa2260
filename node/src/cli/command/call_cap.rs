//! `holdline call cap list`, `set` and `remove`: caps on calls that are up, which are part of the limits.

use serde_json::json;

use crate::admin::view::CapsView;
use crate::cli::CliError;
use crate::cli::args::{CapCommand, CapSetArgs, Format, Target};
use crate::cli::client::{Client, encoded};
use crate::cli::human;
use crate::cli::output::Output;

pub(super) fn run(
    target: &Target,
    command: &CapCommand,
    output: &mut Output,
) -> Result<(), CliError> {
    match command {
        CapCommand::List => list(target, output),
        CapCommand::Set(args) => set(target, args, output),
        CapCommand::Remove { name, version } => {
            Client::new(target).delete(&path(name, *version))?;
            if target.output == Format::Json {
                return Ok(());
            }
            Ok(output.line(&format!("the cap {name} is gone"))?)
        }
    }
}

fn list(target: &Target, output: &mut Output) -> Result<(), CliError> {
    let answer = Client::new(target).get("/v1/caps", &[])?;
    if target.output == Format::Json {
        return Ok(output.line(&answer.body)?);
    }
    let caps: CapsView = answer.read()?;
    output.line(&format!("version {}, {} calls up", caps.version, caps.calls_up))?;
    let rows = caps.items.iter().map(|cap| {
        let most = cap.fullest.first();
        let up = most.map_or(0, |most| most.calls);
        let value = most.map(|most| most.value.clone()).filter(|value| !value.is_empty());
        let (name, by) = (cap.name.clone(), human::dash(cap.by.clone()));
        vec![name, by, cap.calls.to_string(), up.to_string(), human::dash(value)]
    });
    Ok(output.table(&["CAP", "BY", "CALLS", "MOST UP", "OF"], &[2, 3], rows.collect())?)
}

fn set(target: &Target, args: &CapSetArgs, output: &mut Output) -> Result<(), CliError> {
    let body = json!({
        "calls": args.calls,
        "by": args.by,
        "status": args.status,
        "match": {
            "tenant": args.tenant,
            "trunk": args.trunk,
            "trunk_out": args.trunk_out,
            "called": args.called,
        },
    });
    let answer = Client::new(target).put(&path(&args.name, args.version), &body.to_string())?;
    if target.output == Format::Json {
        return Ok(output.line(&answer.body)?);
    }
    let caps: CapsView = answer.read()?;
    let (name, calls, version) = (&args.name, args.calls, caps.version);
    Ok(output.line(&format!("the cap {name} is {calls} calls, as of version {version}"))?)
}

fn path(name: &str, version: Option<u64>) -> String {
    let query = version.map(|version| format!("?version={version}")).unwrap_or_default();
    format!("/v1/caps/{}{query}", encoded(name))
}
