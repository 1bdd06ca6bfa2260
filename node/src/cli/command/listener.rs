//! `holdline listener list`: what listens for calls, and which node has it.

use std::process::ExitCode;

use crate::admin::view::{ListenerView, PageView};
use crate::cli::args::{Format, Target};
use crate::cli::client::Client;
use crate::cli::output::Output;
use crate::cli::{CliError, human};

pub(in crate::cli) fn list(target: &Target, output: &mut Output) -> Result<ExitCode, CliError> {
    let answer = Client::new(target).get("/v1/listeners", &[])?;
    if target.output == Format::Json {
        output.line(&answer.body)?;
        return Ok(ExitCode::SUCCESS);
    }
    let page: PageView<ListenerView> = answer.read()?;
    let row = |listener: &ListenerView| {
        let advertised = listener.advertised.map(|address| format!(" as {address}"));
        vec![
            format!("{}{}", listener.address, advertised.unwrap_or_default()),
            listener.transport.clone(),
            listener.home.to_string(),
            human::dash(listener.holder),
            if listener.open_here { "yes" } else { "no" }.to_owned(),
            human::dash(listener.connections),
        ]
    };
    let header = ["ADDRESS", "TRANSPORT", "HOME", "HOLDER", "OPEN HERE", "CONNECTIONS"];
    output.table(&header, &[2, 3, 5], page.items.iter().map(row).collect())?;
    Ok(ExitCode::SUCCESS)
}
