//! The run: seven phases, one kill each, then the reckoning.

use std::time::Duration;

use anyhow::{Context, Result};
use holdline_cluster_tests::cluster::{ADMIN_PORT, ClusterOptions, Site};
use holdline_cluster_tests::reconcile::Batch;
use holdline_cluster_tests::stage::{Phase, Scene, Stage, Victim};
use holdline_cluster_tests::ua::Stray;
use tokio::time::Instant;

use super::Args;
use super::screen::Screen;
use super::summary::{Row, Summary};

/// The demo's network: nodes at .11, .12 and .13, caller at .101, callee at .102.
const NETWORK: [u8; 3] = [127, 0, 0];
/// How many nodes there are.
const NODES: u8 = 3;
/// Within which time the last CDRs have to appear.
const CDR_LIMIT: Duration = Duration::from_secs(5);

const INTRODUCTION: &str = "\
Three `holdline node` processes run on this machine, at 127.0.0.11, .12 and .13. A caller and a callee,
which share no code with Holdline, place real SIP calls through them over UDP. In every phase of a call,
the node that owns the calls is killed with SIGKILL. A survivor takes its address and its calls over, the
calls go on and are hung up, the dead node is started again and gets its address back. Then the caller's
notes, the callee's notes and the call detail records (CDRs) are compared.";

/// Runs the demo; true if nothing was lost.
pub(crate) async fn play(args: &Args, seed: u32, screen: &Screen) -> Result<bool> {
    let calls = usize::try_from(args.calls)?;
    screen.line(&format!("Holdline demo: {calls} calls a phase, seed {seed}\n\n{INTRODUCTION}\n"));
    let site = Site::exactly(NETWORK, NODES)
        .context("another demo or `holdline dev` may be running on these addresses")?;
    let options = ClusterOptions { name: "demo".into(), ..ClusterOptions::default() };
    let mut stage = Stage::open_at(site, &options, u64::from(seed))?;
    screen.step("Starting three nodes");
    let start = Instant::now();
    stage.cluster.start_all().await.context("the cluster did not start")?;
    stage.cluster.set_quiet(true);
    let ms = start.elapsed().as_millis();
    screen.line(&format!("Three nodes are up and share the calls, after {ms} ms.\n"));
    let result = phases(args, seed, screen, &mut stage, calls).await;
    // Whatever went wrong: keep the folder and show the ends of the logs.
    stage.cluster.set_quiet(matches!(result, Ok(true)));
    if result.is_ok() && args.keep {
        keep(screen, &stage).await;
    }
    result
}

async fn phases(
    args: &Args,
    seed: u32,
    screen: &Screen,
    stage: &mut Stage,
    calls: usize,
) -> Result<bool> {
    let mut played: Vec<(Phase, String, Batch)> = Vec::new();
    let mut summary = Summary::default();
    let total = Phase::ALL.len();
    for (place, phase) in Phase::ALL.into_iter().enumerate() {
        let leader_dies = (place + usize::try_from(seed % 2)?) % 2 == 0;
        let victim = if leader_dies { Victim::Leader } else { Victim::Follower };
        let title = format!("[{}/{total}] {}", place + 1, phase.title());
        let mut progress = |line: &str| screen.step(&format!("{title}: {line}"));
        let scene = Scene { phase, victim, calls };
        let (node, batch) = scene.play(stage, &mut progress).await.context(title.clone())?;
        screen.step(&format!("{title}: bringing node {node} back"));
        Scene::bring_back(stage, node).await.context(format!("{title}: node {node} is back"))?;
        let row = judge(stage, phase, who(victim, node), &batch).await?;
        screen.line(&format!("{title}: {}", row.sentence()));
        screen.line(&format!("       ({})", phase.moment()));
        played.push((phase, who(victim, node), batch));
    }
    // Judged again at the end: a late second CDR or a late BYE would show only now.
    screen.step("Reading the CDRs");
    let expected = played.iter().map(|(_, _, batch)| batch.numbers.len()).sum();
    let billed = stage.cluster.wait_cdrs(expected, CDR_LIMIT).await;
    for (phase, who, batch) in &played {
        summary.rows.push(judge(stage, *phase, who.clone(), batch).await?);
    }
    summary.cdrs = billed.map_or(0, |cdrs| cdrs.len());
    summary.strays = stage.strays().iter().map(describe).collect();
    screen.clear();
    for line in summary.lines(args.verbose) {
        screen.line(&line);
    }
    if !summary.clean() {
        screen.line(&format!("Replay: make demo ARGS='--seed {seed} --calls {calls}'"));
    }
    Ok(summary.clean())
}

async fn judge(stage: &Stage, phase: Phase, killed: String, batch: &Batch) -> Result<Row> {
    Ok(Row { phase, killed, verdict: stage.judge(batch).await? })
}

fn who(victim: Victim, node: u64) -> String {
    match victim {
        Victim::Leader => format!("node {node} (leader)"),
        Victim::Follower => format!("node {node}"),
    }
}

fn describe(stray: &Stray) -> String {
    match stray.what {
        Ok(kind) => format!("{kind:?} from {}, Call-ID {}", stray.from, stray.call_id),
        Err(fault) => format!("unreadable datagram from {}: {fault}", stray.from),
    }
}

/// Leaves the cluster up until Ctrl-C.
async fn keep(screen: &Screen, stage: &Stage) {
    let holdline = stage.cluster.program().display();
    screen.line("\nThe cluster is left up (--keep). Press Ctrl-C to end it.");
    for node in stage.cluster.nodes() {
        let (sip, admin) = (stage.cluster.sip(node.id), stage.cluster.admin(node.id));
        let pid = node.pid().unwrap_or_default();
        screen.line(&format!(
            "  node {}: SIP {sip}, admin {}, process {pid}",
            node.id,
            admin.url()
        ));
    }
    let admin = stage.cluster.site().node(1, ADMIN_PORT);
    screen.line("\nTry:");
    for command in [
        format!("{holdline} status --url http://{admin}"),
        format!("{holdline} cdr list --url http://{admin}"),
        format!("curl -s http://{admin}/v1/cluster/health"),
        "kill -9 PROCESS    # any one of the three; then ask the status of another node".into(),
    ] {
        screen.line(&format!("  {command}"));
    }
    super::interrupted().await;
}
