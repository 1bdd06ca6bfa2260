//! Calls of a class that is limited: four times as many as it may admit, over all nodes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use holdline_cluster_tests::cluster::Cluster;
use holdline_cluster_tests::ua::{AgentError, CalleeScript, CallerPlan, Order};

use super::dice::Dice;
use crate::fact::Limit;
use crate::history::Recorder;
use crate::world::Agents;

/// What their numbers begin with: no other kind of call's do.
const PREFIX: &str = "102";
/// Calls a second that are admitted.
const RATE: u64 = 3;
/// Calls that are admitted at once, when none came for long. So many that no takeover takes as long as
/// the class needs to save them up.
const BURST: u64 = 24;
/// How many times the rate comes.
const TIMES: u64 = 4;

/// Limits these calls, and writes down how.
///
/// # Errors
/// If the cluster does not take the limits.
pub fn limit(cluster: &Cluster, recorder: &Recorder) -> anyhow::Result<()> {
    let text = format!(
        "[[class]]\nname = \"limited\"\nmatch = {{ called = [\"{PREFIX}\"] }}\n\
         assured = \"{RATE}/s\"\nburst = {BURST}\n"
    );
    let file = cluster.folder().join("limits.toml");
    std::fs::write(&file, text).with_context(|| file.display().to_string())?;
    let set = cluster.operator(&["limit", "set", &file.display().to_string()]).output()?;
    anyhow::ensure!(set.status.success(), "{}", String::from_utf8_lossy(&set.stderr));
    let limit = Limit { prefix: PREFIX.into(), rate: RATE, burst: BURST };
    recorder.fact("run", "limit", &limit);
    Ok(())
}

/// Places them, until dropped.
///
/// # Errors
/// If an agent has stopped.
pub async fn storm(
    agents: Arc<Agents>,
    to: Vec<(u64, SocketAddr)>,
    mut dice: Dice,
) -> Result<(), AgentError> {
    let script = CalleeScript::answer_after_ms(20);
    agents.callee.order(vec![Order::Script(PREFIX.into(), script)]).await?;
    let apart_us = 1_000_000 / (RATE * TIMES);
    for place in 0_u64.. {
        let Some((_, to)) = dice.pick(&to).copied() else { break };
        let plan = CallerPlan::hold(format!("{PREFIX}{place:06}"), to).hang_up_after_ms(200);
        agents.caller.order(vec![Order::Place(plan)]).await?;
        tokio::time::sleep(Duration::from_micros(dice.between(apart_us / 2, apart_us * 3 / 2)))
            .await;
    }
    Ok(())
}
