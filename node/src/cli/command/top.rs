//! `holdline top [DIMENSION]`: who comes most often.

use std::process::ExitCode;

use crate::admin::view::{TopItemView, TopView};
use crate::cli::args::{Format, Target, TopArgs};
use crate::cli::client::{Client, encoded};
use crate::cli::output::Output;
use crate::cli::{CliError, human};

pub(in crate::cli) fn run(
    target: &Target,
    args: &TopArgs,
    output: &mut Output,
) -> Result<ExitCode, CliError> {
    let scope = args.here.then(|| "node".to_owned());
    let query = [("limit", Some(args.limit.to_string())), ("scope", scope)];
    let path = format!("/v1/top/{}", encoded(&args.dimension));
    let answer = Client::new(target).get(&path, &query)?;
    if target.output == Format::Json {
        output.line(&answer.body)?;
        return Ok(ExitCode::SUCCESS);
    }
    let top: TopView = answer.read()?;
    let what = if top.dimension == "sources" { "datagrams" } else { "new calls" };
    let nodes = if top.nodes == 1 { "node" } else { "nodes" };
    output.line(&format!(
        "{} {what} in the last {} at {} {nodes}; a count may be {} too high",
        top.total,
        human::duration(top.over_ms),
        top.nodes,
        top.error
    ))?;
    let row = |item: &TopItemView| {
        let per_mille = (item.count * 1000).checked_div(top.total).unwrap_or(0).min(1000);
        vec![
            item.key.clone(),
            item.count.to_string(),
            format!("{}.{}", item.per_second_milli / 1000, item.per_second_milli % 1000 / 100),
            format!("{}.{}%", per_mille / 10, per_mille % 10),
        ]
    };
    output.table(
        &["KEY", "COUNT", "PER S", "SHARE"],
        &[1, 2, 3],
        top.items.iter().map(row).collect(),
    )?;
    Ok(ExitCode::SUCCESS)
}
