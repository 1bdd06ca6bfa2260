//! One of the three processes: a Raft node with its store, told over standard input what to do.
//!
//! It says on standard output, a line each: `leads` when it is asked `who` and leads, else `follows`; and
//! what was measured, as JSON, when it is told `load WRITERS SECONDS BYTES`. It ends when its input does, or is
//! killed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use holdline_model::{
    ClusterId, Command, FormCluster, GroupId, Incarnation, Millis, NodeId, NodeRole, NodeUp, Reply,
};
use holdline_raft::{
    ClusterToken, Connect, Member, Options, RaftHandle, RaftNode, Storage, Tuning, Wall,
};
use holdline_storage::{
    Kept, LogOptions, LogStore, MemoryEngine, RocksEngine, RocksOptions, SnapshotStore, StateStore,
};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::{Engine, NodeArgs, say, writers};

/// Runs until standard input ends.
pub(crate) fn run(args: &NodeArgs) -> Result<()> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build()?;
    let outcome = runtime.block_on(serve(args));
    runtime.shutdown_background();
    outcome
}

async fn serve(args: &NodeArgs) -> Result<()> {
    let ids = (1..).map(NodeId);
    let members: BTreeMap<NodeId, Member> = ids
        .zip(&args.addresses)
        .map(|(id, rpc)| (id, Member { rpc: *rpc, pop: "bench".into(), role: NodeRole::Full }))
        .collect();
    let me = NodeId(args.id);
    let member = members.get(&me).cloned().context("its address is not among them")?;
    let listener = TcpListener::bind(member.rpc).await?;
    let options = Options {
        node: me,
        cluster: CLUSTER,
        group: GROUP,
        name: "bench".to_owned(),
        members: members.clone(),
        member,
        seeds: Vec::new(),
        is_new: false,
        set_aside: false,
        wall: Wall::new(|| Millis(1_000_000)),
        token: TOKEN.parse::<ClusterToken>()?,
        tuning: tuning(args.engine),
        connect: Connect::default(),
    };
    let (tasks, cancel) = (TaskTracker::new(), CancellationToken::new());
    let node = RaftNode::start(options, storage(args)?, tasks.clone(), cancel).await?;
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let server = Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(1)))
        .add_routes(node.routes)
        .serve_with_incoming(incoming);
    tasks.spawn(server);
    let mut applied = node.applied;
    tasks.spawn(async move { while applied.recv().await.is_some() {} });
    let mut lines = lines();
    while let Some(line) = lines.recv().await {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["who"] => {
                let leads = node.handle.leadership().borrow().is_me;
                say(if leads { "leads" } else { "follows" });
            }
            ["form"] => {
                form(&node.handle, &members).await?;
                say("formed");
            }
            ["load", writers, seconds, bytes] => {
                let (writers, bytes) = (writers.parse()?, bytes.parse()?);
                let measured =
                    writers::load(&node.handle, writers, seconds.parse()?, bytes).await?;
                say(&serde_json::to_string(&measured)?);
            }
            _ => bail!("told what it does not know: {line}"),
        }
    }
    Ok(())
}

fn tuning(engine: Engine) -> Tuning {
    match engine {
        Engine::Disk => Tuning::default(),
        Engine::Prompt | Engine::Memory => {
            let none = Duration::ZERO;
            Tuning { propose_interval: none, spare_hold: none, ..Tuning::default() }
        }
    }
}

/// What it is told, as it comes.
fn lines() -> mpsc::Receiver<std::io::Result<String>> {
    let (send, lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            if send.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

fn storage(args: &NodeArgs) -> Result<Storage> {
    std::fs::create_dir_all(&args.folder)?;
    let engine: Arc<dyn holdline_storage::Engine> = match args.engine {
        Engine::Disk | Engine::Prompt => {
            Arc::new(RocksEngine::open(&args.folder.join("db"), &RocksOptions::default())?)
        }
        Engine::Memory => Arc::new(MemoryEngine::new()),
    };
    let snapshots = SnapshotStore::open(&args.folder.join("snapshots"))?;
    let state = StateStore::open(Arc::clone(&engine), GROUP, &snapshots)?;
    let log = LogStore::open(engine, GROUP, LogOptions::default())?;
    Ok(Storage { log, state, snapshots, lease: Kept::new(&args.folder, "LEASE") })
}

/// Forms the cluster: one slot, which node 1 owns; who owns it is no matter to a REGISTER.
async fn form(raft: &RaftHandle, members: &BTreeMap<NodeId, Member>) -> Result<()> {
    for (node, member) in members {
        let admin: SocketAddr = ([127, 0, 0, 1], 1).into();
        let up = NodeUp {
            node: *node,
            incarnation: Incarnation(1),
            pop: member.pop.clone(),
            sip: Vec::new(),
            rpc: member.rpc,
            admin,
            version: String::new(),
            at: Millis(1),
            listeners: Vec::new(),
            gossip: member.rpc,
            role: NodeRole::Full,
        };
        raft.propose(&Command::NodeUp(Box::new(up))).await?;
    }
    let members = members.keys().copied().collect::<Vec<_>>();
    let slots = u16::try_from(members.len())?;
    let form = FormCluster { cluster: CLUSTER, slots, members, at: Millis(1) };
    let reply = raft.propose(&Command::FormCluster(form)).await?;
    ensure!(reply == Reply::Done, "the cluster was not formed: {reply:?}");
    Ok(())
}

const CLUSTER: ClusterId = ClusterId(77);
const GROUP: GroupId = GroupId(1);
const TOKEN: &str = "00112233445566778899aabbccddeeff";
