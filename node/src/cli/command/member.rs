//! `holdline member list`, `add`, `promote`, `demote`, `remove`, `replace`, and `holdline leader transfer`.

use std::process::ExitCode;

use crate::admin::view::{ChangedView, MemberView, MembersView, ToleranceView};
use crate::cli::args::{Format, LeaderCommand, MemberCommand, Target};
use crate::cli::client::{Answer, Client, encoded};
use crate::cli::output::Output;
use crate::cli::{CliError, human};

pub(in crate::cli) fn run(
    target: &Target,
    command: &MemberCommand,
    output: &mut Output,
) -> Result<ExitCode, CliError> {
    let client = Client::new(target);
    match command {
        MemberCommand::List => list(&client, target, output)?,
        MemberCommand::Add { rpc, pop, witness } => {
            let role = if *witness { "witness" } else { "full" };
            let rpc = encoded(&rpc.to_string());
            let path = format!("/v1/members?rpc={rpc}&pop={}&role={role}", encoded(pop));
            say(target, &client.post(&path)?, output, |done| {
                format!(
                    "a node at that address will be node {}: start it with: holdline node --config FILE --join SEED",
                    done.node
                )
            })?;
        }
        MemberCommand::Promote { id } => {
            let answer = client.post(&format!("/v1/members/{id}/promote"))?;
            say(target, &answer, output, |_| format!("node {id} votes"))?;
        }
        MemberCommand::Demote { id } => {
            let answer = client.post(&format!("/v1/members/{id}/demote"))?;
            say(target, &answer, output, |_| {
                format!("node {id} votes no more, and owns nothing; it stays a learner")
            })?;
        }
        MemberCommand::Remove { id, heir } => {
            let heir = heir.map(|heir| format!("?heir={heir}")).unwrap_or_default();
            let answer = client.delete(&format!("/v1/members/{id}{heir}"))?;
            say(target, &answer, output, |_| format!("node {id} is removed for good"))?;
        }
        MemberCommand::Replace { old, new } => {
            let answer = client.post(&format!("/v1/members/{old}/replace?with={new}"))?;
            say(target, &answer, output, |_| {
                format!("node {new} is in the place of node {old}, which is removed for good")
            })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(in crate::cli) fn leader(
    target: &Target,
    command: &LeaderCommand,
    output: &mut Output,
) -> Result<ExitCode, CliError> {
    let LeaderCommand::Transfer { id } = command;
    let to = id.map(|id| format!("?to={id}")).unwrap_or_default();
    let answer = Client::new(target).post(&format!("/v1/leader/transfer{to}"))?;
    if target.output == Format::Json {
        output.line(&answer.body)?;
    } else {
        let done: ChangedView = answer.read()?;
        output.line(&format!("node {} leads", done.node))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn say(
    target: &Target,
    answer: &Answer,
    output: &mut Output,
    line: impl FnOnce(&ChangedView) -> String,
) -> Result<(), CliError> {
    if target.output == Format::Json {
        return Ok(output.line(&answer.body)?);
    }
    let done: ChangedView = answer.read()?;
    output.line(&line(&done))?;
    output.line(&format!("before: {}", votes(&done.before)))?;
    Ok(output.line(&format!("now:    {}", votes(&done.after)))?)
}

fn votes(votes: &ToleranceView) -> String {
    let ToleranceView { voters, alive, needed, may_fail } = votes;
    format!("{voters} voters, {alive} alive, {needed} needed; {may_fail} more may fail")
}

fn list(client: &Client, target: &Target, output: &mut Output) -> Result<(), CliError> {
    let answer = client.get("/v1/members", &[])?;
    if target.output == Format::Json {
        return Ok(output.line(&answer.body)?);
    }
    let view: MembersView = answer.read()?;
    output.line(&votes(&view.votes))?;
    for advice in &view.advice {
        output.line(&format!("  {advice}"))?;
    }
    output.line("")?;
    let header =
        ["NODE", "STANDING", "ROLE", "POP", "STATE", "SAFE", "LAG", "SLOTS", "CALLS", "RTT", "RPC"];
    output.table(&header, &[0, 6, 7, 8, 9], view.members.iter().map(row).collect())?;
    Ok(())
}

fn row(member: &MemberView) -> Vec<String> {
    let state = match (member.alive, member.leader) {
        (true, true) => "leader",
        (true, false) => "up",
        (false, _) if member.standing == "removed" || member.standing == "expected" => "-",
        (false, _) => "down",
    };
    let standing =
        if member.held && member.standing == "learner" { "held" } else { &member.standing };
    vec![
        member.id.to_string(),
        standing.to_owned(),
        member.role.clone(),
        member.pop.clone(),
        state.to_owned(),
        if member.safe { "yes" } else { "no" }.to_owned(),
        human::dash(member.lag),
        member.slots_owned.to_string(),
        member.calls.to_string(),
        member.round_trip_us.map_or_else(|| "-".to_owned(), super::pop::millis),
        member.rpc.to_string(),
    ]
}
