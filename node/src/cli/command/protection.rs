//! `holdline protection`: overload control, shield and bans of the node that answers.

use std::process::ExitCode;

use crate::admin::view::ProtectionView;
use crate::cli::CliError;
use crate::cli::args::{Format, Target};
use crate::cli::client::Client;
use crate::cli::output::Output;

pub(in crate::cli) fn run(target: &Target, output: &mut Output) -> Result<ExitCode, CliError> {
    let answer = Client::new(target).get("/v1/protection", &[])?;
    if target.output == Format::Json {
        output.line(&answer.body)?;
        return Ok(ExitCode::SUCCESS);
    }
    let view: ProtectionView = answer.read()?;
    let overload = &view.overload;
    let state = match overload.calls_per_second {
        None => "lets all new calls in".to_owned(),
        Some(rate) => format!("is overloaded: it lets {rate} new calls per second in"),
    };
    output.line(&format!("node {} {state}", view.node))?;
    output.line(&format!(
        "  least delays lately: messages {}, timers {}, commits {}",
        millis(overload.queue_us),
        millis(overload.lag_us),
        millis(overload.commit_us)
    ))?;
    output.line(&format!(
        "  new calls since the start: {} let in, {} refused; {} emergency calls",
        view.calls_admitted, view.calls_refused, view.emergency_calls
    ))?;
    let shield = match view.max_sources {
        0 => "the shield is off".to_owned(),
        most => format!("the shield remembers {} of {most} sources", view.sources),
    };
    output.line(&format!("  {shield}; {} bans are in force", view.bans))?;
    Ok(ExitCode::SUCCESS)
}

fn millis(us: u64) -> String {
    format!("{}.{} ms", us / 1000, us % 1000 / 100)
}
