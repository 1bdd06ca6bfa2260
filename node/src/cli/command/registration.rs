//! `holdline registration list`, `show` and `remove`.

use std::process::ExitCode;

use crate::admin::view::{BindingView, PageView, RegistrationView};
use crate::cli::args::{Format, RegistrationCommand, Target};
use crate::cli::client::{Client, encoded};
use crate::cli::output::Output;
use crate::cli::{CliError, human};

pub(in crate::cli) fn run(
    target: &Target,
    command: &RegistrationCommand,
    output: &mut Output,
) -> Result<ExitCode, CliError> {
    match command {
        RegistrationCommand::List { limit, cursor } => {
            list(target, *limit, cursor.as_ref(), output)?;
        }
        RegistrationCommand::Show { aor } => show(target, aor, output)?,
        RegistrationCommand::Remove { aor, key } => remove(target, aor, key.as_ref(), output)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn path(aor: &str) -> String {
    format!("/v1/registrations/{}", encoded(aor))
}

fn list(
    target: &Target,
    limit: Option<usize>,
    cursor: Option<&String>,
    output: &mut Output,
) -> Result<(), CliError> {
    let query = [("limit", limit.map(|limit| limit.to_string())), ("cursor", cursor.cloned())];
    let answer = Client::new(target).get("/v1/registrations", &query)?;
    if target.output == Format::Json {
        return Ok(output.line(&answer.body)?);
    }
    let page: PageView<RegistrationView> = answer.read()?;
    let rows = page.items.iter().flat_map(|known| known.bindings.iter().map(|b| row(known, b)));
    output.table(&["USER", "CONTACT", "FROM", "ENDS"], &[], rows.collect())?;
    if let Some(next) = page.next {
        output.line(&format!("more: --cursor {next}"))?;
    }
    Ok(())
}

fn row(known: &RegistrationView, binding: &BindingView) -> Vec<String> {
    let from = format!("{} {}", binding.transport, binding.peer);
    vec![known.aor.clone(), binding.contact.clone(), from, human::clock(&binding.ends_at)]
}

fn show(target: &Target, aor: &str, output: &mut Output) -> Result<(), CliError> {
    let answer = Client::new(target).get(&path(aor), &[])?;
    if target.output == Format::Json {
        return Ok(output.line(&answer.body)?);
    }
    let known: RegistrationView = answer.read()?;
    if known.bindings.is_empty() {
        output.line(&format!("user {} is registered nowhere", known.aor))?;
    }
    for binding in &known.bindings {
        for (name, value) in [
            ("contact", binding.contact.clone()),
            ("key", binding.key.clone()),
            ("from", format!("{} {} to {}", binding.transport, binding.peer, binding.local)),
            ("path", human::dash(Some(binding.path.join(", ")).filter(|path| !path.is_empty()))),
            ("registered", human::time(&binding.registered_at)),
            (
                "ends",
                format!("{} ({} s granted)", human::time(&binding.ends_at), binding.granted_s),
            ),
        ] {
            output.line(&format!("{name:<10} {value}"))?;
        }
    }
    Ok(())
}

fn remove(
    target: &Target,
    aor: &str,
    key: Option<&String>,
    output: &mut Output,
) -> Result<(), CliError> {
    let key = key.map_or(String::new(), |key| format!("?key={}", encoded(key)));
    Client::new(target).delete(&format!("{}{key}", path(aor)))?;
    if target.output == Format::Table {
        output.line(&format!("bindings of {aor} are ended; its devices may register again"))?;
    }
    Ok(())
}
