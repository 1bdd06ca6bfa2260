//! `holdline protection`: overload control, shield and bans of the node that answers.

use std::process::ExitCode;

use crate::admin::view::{ProtectionView, TokenLeaseView};
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
    if !view.leases.is_empty() {
        output.line("  tokens leased since the start, for what rides on no admission:")?;
        let rows = view.leases.iter().map(|lease| {
            let held =
                if lease.valid { lease.held.clone() } else { format!("{} (over)", lease.held) };
            let TokenLeaseView { class, leased, spent, returned, missed, .. } = lease.clone();
            vec![class, leased, spent, returned, missed, held]
        });
        let header = ["CLASS", "LEASED", "SPENT", "RETURNED", "MISSED", "HELD"];
        output.table(&header, &[1, 2, 3, 4, 5], rows.collect())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn millis(us: u64) -> String {
    format!("{}.{} ms", us / 1000, us % 1000 / 100)
}
