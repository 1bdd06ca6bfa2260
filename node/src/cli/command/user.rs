//! `holdline user add`, `list`, `show`, `remove` and `import`.
//!
//! A password is read from standard input or a file, or made here; what is sent is what the cluster
//! keeps of it (HA1). It is never an argument, which every user of the machine could see.

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use holdline_model::Aor;
use holdline_sip::digest::ha1;
use serde_json::json;

use crate::admin::view::{PageView, UserView};
use crate::cli::args::{Format, PasswordArgs, Target, UserAddArgs, UserCommand};
use crate::cli::client::{Client, encoded};
use crate::cli::output::Output;
use crate::cli::{CliError, human};
use crate::hex::hex;

pub(in crate::cli) fn run(
    target: &Target,
    command: &UserCommand,
    output: &mut Output,
) -> Result<ExitCode, CliError> {
    match command {
        UserCommand::Add(args) => add(target, args, output)?,
        UserCommand::List { limit, cursor } => list(target, *limit, cursor.as_ref(), output)?,
        UserCommand::Show { aor } => show(target, aor, output)?,
        UserCommand::Remove { aor } => {
            Client::new(target).delete(&path(aor))?;
            if target.output == Format::Table {
                output.line(&format!("user {aor} is removed, with its bindings"))?;
            }
        }
        UserCommand::Import { file, replace } => import(target, file, *replace, output)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn path(aor: &str) -> String {
    format!("/v1/users/{}", encoded(aor))
}

fn add(target: &Target, args: &UserAddArgs, output: &mut Output) -> Result<(), CliError> {
    let aor = read_aor(&args.aor)?;
    let made = args.password.generate.then(generate).transpose()?;
    let password = match &made {
        Some(made) => made.clone(),
        None => read_password(&args.password)?,
    };
    let user = Written {
        password: &password,
        tenant: args.tenant.as_deref(),
        max_bindings: args.max_bindings,
        replace: args.replace,
    };
    let answer = user.send(&Client::new(target), &aor)?;
    if target.output == Format::Json && made.is_none() {
        return Ok(output.line(&answer)?);
    }
    match made {
        Some(made) => output.line(&made)?,
        None => output.line(&format!("user {aor} is written"))?,
    }
    Ok(())
}

struct Written<'a> {
    password: &'a str,
    tenant: Option<&'a str>,
    max_bindings: Option<u16>,
    replace: bool,
}

impl Written<'_> {
    fn send(&self, client: &Client, aor: &Aor) -> Result<String, CliError> {
        let length = self.password.chars().count();
        if length < MIN_PASSWORD {
            return Err(CliError::Password { aor: aor.to_string(), length, min: MIN_PASSWORD });
        }
        let ha1 = ha1(aor.user(), aor.domain(), self.password);
        let mut body = json!({
            "ha1_md5": hex(&ha1.md5),
            "ha1_sha256": hex(&ha1.sha256),
            "replace": self.replace,
        });
        if let Some(tenant) = self.tenant {
            body["tenant"] = tenant.into();
        }
        if let Some(max) = self.max_bindings {
            body["max_bindings"] = max.into();
        }
        Ok(client.put(&path(aor.as_str()), &body.to_string())?.body)
    }
}

fn read_aor(text: &str) -> Result<Aor, CliError> {
    let text = text.strip_prefix("sip:").unwrap_or(text);
    text.parse().map_err(|error| CliError::User { found: text.to_owned(), error })
}

fn read_password(args: &PasswordArgs) -> Result<String, CliError> {
    let text = match &args.password_file {
        Some(file) => read_file(file)?,
        None => {
            let mut text = String::new();
            std::io::stdin()
                .take(MAX_FILE)
                .read_to_string(&mut text)
                .map_err(|error| CliError::File { path: "standard input".into(), error })?;
            text
        }
    };
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn read_file(path: &Path) -> Result<String, CliError> {
    let unreadable = |error| CliError::File { path: path.to_owned(), error };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut text = String::new();
    file.take(MAX_FILE).read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

/// 24 characters of 32: 120 bits.
fn generate() -> Result<String, CliError> {
    let mut bytes = [0_u8; 24];
    getrandom::fill(&mut bytes).map_err(|error| CliError::Output(error.into()))?;
    let alphabet = b"abcdefghijkmnpqrstuvwxyz23456789";
    Ok(bytes.iter().map(|byte| char::from(alphabet[usize::from(byte & 31)])).collect())
}

fn list(
    target: &Target,
    limit: Option<usize>,
    cursor: Option<&String>,
    output: &mut Output,
) -> Result<(), CliError> {
    let query = [("limit", limit.map(|limit| limit.to_string())), ("cursor", cursor.cloned())];
    let answer = Client::new(target).get("/v1/users", &query)?;
    if target.output == Format::Json {
        return Ok(output.line(&answer.body)?);
    }
    let page: PageView<UserView> = answer.read()?;
    let rows = page.items.iter().map(|user| {
        let changed = human::time(&user.changed_at);
        vec![user.aor.clone(), user.tenant.clone(), human::dash(user.max_bindings), changed]
    });
    output.table(&["USER", "TENANT", "BINDINGS", "CHANGED"], &[2], rows.collect())?;
    if let Some(next) = page.next {
        output.line(&format!("more: --cursor {next}"))?;
    }
    Ok(())
}

fn show(target: &Target, aor: &str, output: &mut Output) -> Result<(), CliError> {
    let answer = Client::new(target).get(&path(aor), &[])?;
    if target.output == Format::Json {
        return Ok(output.line(&answer.body)?);
    }
    let user: UserView = answer.read()?;
    for (name, value) in [
        ("user", user.aor),
        ("tenant", user.tenant),
        ("bindings", user.max_bindings.map_or("as configured".to_owned(), |max| max.to_string())),
        ("changed", human::time(&user.changed_at)),
    ] {
        output.line(&format!("{name:<10} {value}"))?;
    }
    Ok(())
}

/// Lines of `user@domain,password` or `user@domain,password,tenant`. All lines are read before the
/// first user is written; what was written before a failure stays, and may be written again.
fn import(
    target: &Target,
    file: &Path,
    replace: bool,
    output: &mut Output,
) -> Result<(), CliError> {
    let text = read_file(file)?;
    let mut users = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim_end_matches('\r');
        if line.is_empty() || line.starts_with('#') || (number == 1 && line.starts_with("aor,")) {
            continue;
        }
        let mut fields = line.split(',');
        let (Some(aor), Some(password), tenant, None) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(CliError::Line { path: file.to_owned(), line: number });
        };
        let aor = read_aor(aor)?;
        let length = password.chars().count();
        if length < MIN_PASSWORD {
            return Err(CliError::Password { aor: aor.to_string(), length, min: MIN_PASSWORD });
        }
        users.push((aor, password, tenant.filter(|tenant| !tenant.is_empty())));
    }
    let client = Client::new(target);
    for (aor, password, tenant) in &users {
        let user = Written { password, tenant: *tenant, max_bindings: None, replace };
        user.send(&client, aor)?;
    }
    output.line(&format!("{} users are written", users.len()))?;
    Ok(())
}

use crate::admin::MIN_PASSWORD;

/// No password and no import is larger.
const MAX_FILE: u64 = 64 << 20;
