//! `jepsen mutants`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use comfy_table::Table;
use jepsen::mutant::{ALL, Mutant};
use serde_json::Value;

use super::run::out_folder;

/// Which bugs.
#[derive(Debug, clap::Args)]
pub(super) struct MutantsArgs {
    /// Only these; several with commas.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Picks everything that is random.
    #[arg(long, default_value_t = 5)]
    seed: u64,
    /// Without a control run of the same switch without a bug for each of them.
    #[arg(long)]
    no_control: bool,
}

const BUILD: &str = "cargo build -p holdline --features mutants --bin holdline-mutant";

pub(super) fn carry_out(args: &MutantsArgs) -> anyhow::Result<bool> {
    let own = std::env::current_exe()?;
    let switch = own.with_file_name("holdline-mutant");
    anyhow::ensure!(switch.is_file(), "there is no {}: {BUILD}", switch.display());
    let mut table = Table::new();
    table.set_header(["mutant", "what is wrong", "run", "meant for", "found by", "without it"]);
    let mut all_caught = true;
    for mutant in
        ALL.iter().filter(|it| args.only.is_empty() || args.only.iter().any(|n| n == it.name))
    {
        println!("jepsen: mutant {}", mutant.name);
        let red = strike(&own, &switch, mutant, args.seed, true)?;
        let caught = red.iter().any(|name| name == mutant.checker);
        all_caught &= caught;
        let control = if args.no_control {
            "not run".to_owned()
        } else {
            let red = strike(&own, &switch, mutant, args.seed, false)?;
            all_caught &= red.is_empty();
            if red.is_empty() { "passed".to_owned() } else { format!("RED: {}", red.join(", ")) }
        };
        let found = if caught { red.join(", ") } else { format!("NOT CAUGHT: {}", red.join(", ")) };
        let (name, about, run, checker) = (mutant.name, mutant.about, mutant.run, mutant.checker);
        println!("jepsen: mutant {name}: {found}; without it: {control}");
        table.add_row([name, about, run, checker, &found, &control]);
    }
    println!("{table}");
    Ok(all_caught)
}

/// Runs the switch with or without the bug; the checkers that were not satisfied.
fn strike(
    own: &Path,
    switch: &Path,
    mutant: &Mutant,
    seed: u64,
    with: bool,
) -> anyhow::Result<Vec<String>> {
    let name = if with { mutant.name.to_owned() } else { format!("{}-control", mutant.name) };
    let folder: PathBuf = out_folder().join("mutants").join(&name);
    let mut command = Command::new(own);
    command
        .arg("run")
        .args(mutant.run.split(' '))
        .args(["--minutes", "0.1", "--seed", &seed.to_string(), "--out"])
        .arg(&folder)
        .env("HOLDLINE_BIN", switch)
        .env("HOLDLINE_MUTANT", if with { mutant.name } else { "none" });
    // Its output is in the history and the reports, which are kept.
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let file = text.lines().find_map(|line| line.strip_prefix("history: ")?.split(' ').next());
    let file = file.with_context(|| format!("{name} did not run: {text}"))?;
    let json = std::fs::read_to_string(Path::new(file).with_extension("json"))?;
    let json: Value = serde_json::from_str(&json)?;
    let opinions = json.get("opinions").and_then(Value::as_array).cloned().unwrap_or_default();
    let red = |opinion: &Value| {
        let verdict = opinion.get("verdict")?.as_str()?;
        let checker = opinion.get("checker")?.as_str()?;
        matches!(verdict, "invalid" | "unknown").then(|| checker.to_owned())
    };
    Ok(opinions.iter().filter_map(red).collect())
}
