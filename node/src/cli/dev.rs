//! `holdline dev`: a cluster of child processes on loopback, for trying things out. Nothing to
//! configure; Ctrl-C ends it. It starts the same `holdline node` that a real node is, and ends only
//! what it started.

mod children;
mod error;
mod plan;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use super::CliError;
use super::args::DevArgs;
use super::output::Output;
use crate::hex::hex;
use children::Children;
pub(super) use error::DevError;
use plan::Plan;

pub(super) fn run(args: &DevArgs, output: &mut Output) -> Result<(), CliError> {
    let (dir, temporary) = folder(args.dir.as_deref())?;
    let plan = Plan::new(dir, args.nodes, args.callee.clone(), key)?;
    plan.check_ports()?;
    plan.write()?;
    // One thread: the children end with the thread that started them.
    let runtime = Builder::new_current_thread().enable_all().build().map_err(DevError::Runtime)?;
    let ended = runtime.block_on(supervise(&plan, output));
    if ended.is_ok() && temporary {
        std::fs::remove_dir_all(plan.dir()).map_err(|source| DevError::file(plan.dir(), source))?;
    }
    ended
}

async fn supervise(plan: &Plan, output: &mut Output) -> Result<(), CliError> {
    let mut term = signal(SignalKind::terminate()).map_err(DevError::Runtime)?;
    let mut int = signal(SignalKind::interrupt()).map_err(DevError::Runtime)?;
    let mut children = Children::start(plan)?;
    let up = tokio::select! {
        up = children.ready(READY) => up.map(|()| true),
        _ = int.recv() => Ok(false),
        _ = term.recv() => Ok(false),
    };
    if let Ok(true) = up {
        introduce(plan, &children, output)?;
        tokio::select! {
            _ = int.recv() => {}
            _ = term.recv() => {}
        }
        output.line("ending")?;
    }
    children.end(END).await;
    Ok(up.map(|_| ())?)
}

/// What a newcomer needs.
fn introduce(plan: &Plan, children: &Children, output: &mut Output) -> Result<(), CliError> {
    output.line("Holdline is up. Ctrl-C ends it.")?;
    output.line("")?;
    let row = |(node, pid): (&plan::DevNode, u32)| {
        vec![
            node.id.to_string(),
            node.sip.to_string(),
            format!("http://{}", node.admin),
            pid.to_string(),
        ]
    };
    let rows = plan.nodes().iter().zip(children.pids()).map(row).collect();
    output.table(&["NODE", "SIP (UDP)", "ADMIN", "PID"], &[0], rows)?;
    let callees: Vec<_> = plan.callees().iter().map(ToString::to_string).collect();
    output.line("")?;
    output.line(&format!(
        "Calls go to {}; data and logs are in {}",
        callees.join(", "),
        plan.dir().display()
    ))?;
    output.line("Three commands to try, each in another terminal:")?;
    output.line("  holdline status")?;
    for line in plan.calls_to_try() {
        output.line(&format!("  {line}"))?;
    }
    if let Some(pid) = children.pids().next() {
        output.line(&format!("  kill -9 {pid}; sleep 1; holdline status; holdline call list"))?;
    }
    Ok(())
}

/// The folder, and whether it goes when the cluster ends well.
fn folder(wanted: Option<&Path>) -> Result<(PathBuf, bool), DevError> {
    match wanted {
        Some(dir) => {
            std::fs::create_dir_all(dir).map_err(|source| DevError::file(dir, source))?;
            let dir = dir.canonicalize().map_err(|source| DevError::file(dir, source))?;
            Ok((dir, false))
        }
        None => {
            let name = format!("holdline-dev-{}", key()?.get(..12).unwrap_or_default());
            let dir = std::env::temp_dir().join(name);
            std::fs::create_dir(&dir).map_err(|source| DevError::file(&dir, source))?;
            Ok((dir, true))
        }
    }
}

/// 32 random bytes in hexadecimal.
fn key() -> Result<String, DevError> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(DevError::Random)?;
    Ok(hex(&bytes))
}

/// How long the cluster may take until every node is ready.
const READY: Duration = Duration::from_secs(30);

/// How long the nodes may take to end before they are killed.
const END: Duration = Duration::from_secs(12);
