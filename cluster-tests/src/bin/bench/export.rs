//! Call detail records exported beside the load: what that costs, and whether calls notice.
//!
//! One reader takes the export of the node that is called, which has most to do, at a steady pace,
//! from the first record on, and again from there when it has come to the end.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use holdline_cluster_tests::cluster::ClusterOptions;
use serde::Serialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::figures::round;
use super::run::{Plan, Run, Stand};
use super::system::Kind;
use super::{load, note, say};

/// The load with an export beside it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Export {
    /// MiB per second that the reader meant to take; 0: there was none.
    pub(crate) asked_mib_per_s: u32,
    /// What it got.
    pub(crate) reached_mib_per_s: f64,
    /// The load.
    pub(crate) run: Run,
}

/// Measures each pace on a fresh cluster, and none first.
pub(crate) async fn measure(
    paces: &[u32],
    options: &ClusterOptions,
    plan: &Plan,
    broken: &mut Vec<String>,
) -> Vec<Export> {
    let mut all = Vec::new();
    for pace in std::iter::once(&0).chain(paces) {
        match one(*pace, options, plan).await {
            Ok(export) => {
                say(&format!(
                    "export {pace} MiB/s ({} reached): {}",
                    export.reached_mib_per_s,
                    load::line(&export.run)
                ));
                all.push(export);
            }
            Err(error) => note(broken, format!("export at {pace} MiB/s: {error:#}")),
        }
    }
    all
}

async fn one(pace: u32, options: &ClusterOptions, plan: &Plan) -> Result<Export> {
    let mut stand = Stand::open(Kind::Holdline3, options).await?;
    stand.warm_up(plan).await?;
    let admin = admin(&mut stand)?;
    let reader = Reader { admin, pace, taken: 0, began: Instant::now() };
    let mut taken = reader;
    let run = tokio::select! {
        run = stand.load(plan) => run?,
        error = taken.read() => return Err(error),
    };
    let reached = taken.mib_per_s();
    stand.end_now()?;
    Ok(Export { asked_mib_per_s: pace, reached_mib_per_s: round(reached), run })
}

/// The API of the node that is called.
fn admin(stand: &mut Stand) -> Result<SocketAddr> {
    let called = stand.system.ingress().first().copied().context("nobody to call")?;
    let cluster = stand.system.cluster().context("not a cluster")?;
    let id = cluster.running().find(|id| cluster.sip(*id) == called);
    let url = cluster.admin(id.context("no node has that address")?).url().to_owned();
    url.trim_start_matches("http://").parse().context("the API's address")
}

struct Reader {
    admin: SocketAddr,
    pace: u32,
    taken: u64,
    began: Instant,
}

impl Reader {
    /// Reads until it is dropped, or until something is wrong.
    async fn read(&mut self) -> anyhow::Error {
        if self.pace == 0 {
            std::future::pending::<()>().await;
        }
        loop {
            if let Err(error) = self.once().await {
                return error;
            }
        }
    }

    async fn once(&mut self) -> Result<()> {
        let mut stream = TcpStream::connect(self.admin).await.context("the export's node")?;
        let host = self.admin;
        let ask =
            format!("GET /v1/cdrs/export HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        stream.write_all(ask.as_bytes()).await?;
        let mut buffer = vec![0; CHUNK];
        let mut first = true;
        loop {
            let read = stream.read(&mut buffer).await.context("the export broke off")?;
            let bytes = buffer.get(..read).unwrap_or_default();
            if std::mem::take(&mut first) {
                let head = String::from_utf8_lossy(bytes);
                ensure!(head.starts_with("HTTP/1.1 200"), "the export is refused: {head}");
            }
            if read == 0 {
                return Ok(());
            }
            self.taken += u64::try_from(read)?;
            let due = self.taken as f64 / (f64::from(self.pace) * MIB);
            tokio::time::sleep_until(self.began + Duration::from_secs_f64(due)).await;
        }
    }

    fn mib_per_s(&self) -> f64 {
        self.taken as f64 / MIB / self.began.elapsed().as_secs_f64()
    }
}

/// Bytes read at a time.
const CHUNK: usize = 64 << 10;

const MIB: f64 = 1_048_576.0;
