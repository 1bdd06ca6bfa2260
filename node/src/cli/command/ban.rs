//! `holdline ban add BLOCK`, `holdline ban list`, `holdline ban remove BLOCK`.

use std::process::ExitCode;

use crate::admin::view::{BanView, PageView};
use crate::cli::args::{BanCommand, Format, Target};
use crate::cli::client::{Client, encoded};
use crate::cli::output::Output;
use crate::cli::{CliError, human};

pub(in crate::cli) fn run(
    target: &Target,
    command: &BanCommand,
    output: &mut Output,
) -> Result<ExitCode, CliError> {
    let client = Client::new(target);
    match command {
        BanCommand::List => list(&client, target, output)?,
        BanCommand::Add { block, for_s, all } => {
            let scope = if *all { "all" } else { "new" };
            let path = format!("/v1/bans/{}?for_s={for_s}&scope={scope}", encoded(block));
            let answer = client.post(&path)?;
            if target.output == Format::Json {
                output.line(&answer.body)?;
            } else {
                let ban: BanView = answer.read()?;
                output.line(&format!(
                    "{} is banned until {}; calls that are up {}",
                    ban.block,
                    human::time(&ban.until),
                    if *all { "are cut off, too" } else { "go on" }
                ))?;
            }
        }
        BanCommand::Remove { block } => {
            client.delete(&format!("/v1/bans/{}", encoded(block)))?;
            if target.output == Format::Table {
                output.line(&format!("{block} is not banned any more"))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(client: &Client, target: &Target, output: &mut Output) -> Result<(), CliError> {
    let answer = client.get("/v1/bans", &[])?;
    if target.output == Format::Json {
        output.line(&answer.body)?;
        return Ok(());
    }
    let page: PageView<BanView> = answer.read()?;
    let row = |ban: &BanView| {
        vec![
            ban.block.clone(),
            human::time(&ban.until),
            ban.reason.clone(),
            ban.scope.clone(),
            ban.by.to_string(),
        ]
    };
    let header = ["BLOCK", "UNTIL", "REASON", "SCOPE", "BY NODE"];
    output.table(&header, &[4], page.items.iter().map(row).collect())?;
    Ok(())
}
