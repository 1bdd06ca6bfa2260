//! `holdline node drain ID` and `holdline node undrain ID`.

use std::process::ExitCode;

use crate::admin::view::NodeView;
use crate::cli::CliError;
use crate::cli::args::{Format, Target};
use crate::cli::client::Client;
use crate::cli::output::Output;

pub(in crate::cli) fn run(
    target: &Target,
    id: u64,
    draining: bool,
    output: &mut Output,
) -> Result<ExitCode, CliError> {
    let client = Client::new(target);
    let path = format!("/v1/nodes/{id}/drain");
    let answer = if draining { client.post(&path)? } else { client.delete(&path)? };
    if target.output == Format::Json {
        output.line(&answer.body)?;
        return Ok(ExitCode::SUCCESS);
    }
    let node: NodeView = answer.read()?;
    let line = if draining {
        let (slots, calls) = (node.slots_owned, node.calls);
        format!(
            "node {id} is being drained: {slots} slots with {calls} calls move; watch: holdline status"
        )
    } else {
        format!("node {id} may own slots again: its {} home slots come back to it", node.slots_home)
    };
    output.line(&line)?;
    Ok(ExitCode::SUCCESS)
}
