//! A restore drill: a cluster is backed up while calls go on, lost with all its disks, and made anew.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use holdline_cluster_tests::cluster::{Cluster, ClusterOptions};
use holdline_cluster_tests::phone::Phone;
use holdline_cluster_tests::stage::Stage;
use serde_json::Value;
use tokio::time::Instant;

const PASSWORD: &str = "correct horse battery";
const LIMITS: &str = r#"
status = 429
[[class]]
name = "all"
assured = "500/s"
burst = 500
"#;

/// The command line, as an operator uses it.
fn holdline(cluster: &Cluster, args: &[&str]) -> Output {
    let urls: Vec<_> = cluster.running().map(|id| cluster.admin(id).url().to_owned()).collect();
    let mut command = Command::new(cluster.program());
    if !urls.is_empty() {
        command.arg("--url").arg(urls.join(","));
    }
    command.args(args).output().unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a command said that must fail.
fn complained(output: &Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn secret(folder: &Path, name: &str, text: &str) -> String {
    use std::io::Write as _;
    let path = folder.join(name);
    let open = fs::File::options().create(true).truncate(true).write(true).mode(0o600).open(&path);
    open.unwrap().write_all(text.as_bytes()).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Waits for a document that meets a condition at every running node.
async fn wait_known(cluster: &Cluster, path: &str, known: impl Fn(&Value) -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    for node in cluster.running() {
        loop {
            let seen = cluster.admin(node).document(path).await.unwrap();
            if known(&seen) {
                break;
            }
            assert!(Instant::now() < end, "node {node}: {path}: {seen}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// What must be the same afterwards.
async fn documents(cluster: &Cluster) -> Vec<(&'static str, Value)> {
    let admin = cluster.any_admin().unwrap();
    let mut all = Vec::new();
    for path in [
        "/v1/users?limit=1000",
        "/v1/registrations?limit=1000",
        "/v1/cdrs/retention",
        "/v1/trunks/backup",
    ] {
        all.push((path, admin.document(path).await.unwrap()));
    }
    all.push(("/v1/limits", admin.document("/v1/limits").await.unwrap()["config"].clone()));
    for (path, document) in &mut all {
        if *path == "/v1/trunks/backup" {
            *document = document["disabled_since"].clone();
        }
    }
    all
}

async fn prepare(stage: &mut Stage, folder: &Path) {
    let cluster = &stage.cluster;
    let users = folder.join("users.csv");
    fs::write(&users, format!("8001@users.test,{PASSWORD},acme\n8002@users.test,{PASSWORD}\n"))
        .unwrap();
    said(&holdline(cluster, &["user", "import", users.to_str().unwrap()]));
    let limits = folder.join("limits.toml");
    fs::write(&limits, LIMITS).unwrap();
    said(&holdline(cluster, &["limit", "set", limits.to_str().unwrap()]));
    said(&holdline(cluster, &["cdr", "retention", "set", "30d"]));
    said(&holdline(cluster, &["trunk", "disable", "backup"]));
    let two = |page: &Value| page["items"].as_array().is_some_and(|items| items.len() == 2);
    wait_known(cluster, "/v1/users", two).await;
    let local = cluster.site().backup();
    let mut phone = Phone::new(local, "8001", "users.test", PASSWORD, local).await.unwrap();
    assert_eq!(phone.register(cluster.sip(1), 3_600).await.unwrap().status, 200);
    let one = |page: &Value| page["items"].as_array().is_some_and(|items| items.len() == 1);
    wait_known(cluster, "/v1/registrations", one).await;
}

/// Files that are not whole backups, or of another key, are refused by name, and nothing is made.
fn refuse_bad_files(cluster: &Cluster, file: &Path, key: &str, other: &str) {
    let folder = cluster.folder();
    let whole = fs::read(file).unwrap();
    let spoilt = |name: &str, bytes: &[u8]| -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    let config = folder.join("node-1.toml");
    let restore = |file: &Path, key: &str| {
        let (file, config) = (file.to_str().unwrap(), config.to_str().unwrap());
        complained(&holdline(
            cluster,
            &["snapshot", "restore", file, "--config", config, "--key-file", key],
        ))
    };
    for (text, what) in [
        (restore(&spoilt("cut", &whole[..whole.len() - 1]), key), "ends too early"),
        (restore(&spoilt("flipped", &damaged), key), "is damaged at byte"),
        (restore(&spoilt("alien", b"PK\x03\x04 something else"), key), "not a backup of holdline"),
        (restore(file, other), "is sealed with key"),
        (restore(&folder.join("missing"), key), "missing: No such file"),
    ] {
        assert!(text.contains(what), "{what}: {text}");
        assert!(!folder.join("node-1").exists(), "{what}: nothing was made");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_lost_all_its_disks_is_made_anew_from_a_backup() {
    let options = ClusterOptions { registrar: true, ..ClusterOptions::default() };
    let mut stage = Stage::open(&options, 1).await.unwrap();
    let folder = stage.cluster.folder().to_owned();
    prepare(&mut stage, &folder).await;
    let finished = stage.bring_up(20, 1).await.unwrap();
    stage.hang_up(&finished).await.unwrap();
    let billed = stage.cdrs_of(&finished).await.unwrap();
    let last = billed.iter().map(|cdr| cdr.id.clone()).next_back().unwrap();
    said(&holdline(&stage.cluster, &["cdr", "sink", "commit", "billing", &last]));
    let up = stage.bring_up(10, 2).await.unwrap();

    let key = secret(&folder, "backup.key", &"07".repeat(32));
    let other = secret(&folder, "other.key", &"08".repeat(32));
    let file = folder.join("cluster.hlb");
    let path = file.to_str().unwrap();
    let before = documents(&stage.cluster).await;
    let save = ["snapshot", "save", path, "--key-file", &key];
    let output = holdline(&stage.cluster, &save);
    said(&output);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("sealed with key") && told.contains("as of entry"), "{told}");
    let again = complained(&holdline(&stage.cluster, &save));
    assert!(again.contains("exists"), "{again}");
    let bytes = fs::read(&file).unwrap();
    assert!(!bytes.windows(11).any(|it| it == b"@users.test"), "the file is sealed");
    let piped = holdline(&stage.cluster, &["snapshot", "save", "-", "--key-file", &key]);
    assert!(piped.stdout.starts_with(b"HLBKUP\0"), "a backup on standard output");
    let text = said(&holdline(&stage.cluster, &["snapshot", "inspect", path, "--key-file", &key]));
    assert!(text.contains("cdrs       20\n") && text.contains("users      2\n"), "{text}");
    assert!(
        said(&holdline(&stage.cluster, &["snapshot", "inspect", path])).contains("whole by its")
    );

    // Calls that are up when it is taken end with it; those of later are not in it.
    stage.hang_up(&up).await.unwrap();
    for id in 1..=3 {
        stage.cluster.kill(id).unwrap();
    }
    let config = folder.join("node-1.toml");
    let restore = ["snapshot", "restore", path, "--key-file", &key, "--config"];
    let refused = holdline(&stage.cluster, &[&restore[..], &[config.to_str().unwrap()]].concat());
    assert!(complained(&refused).contains("is not empty"), "a folder in use is left alone");
    for id in 1..=3 {
        fs::rename(folder.join(format!("node-{id}")), folder.join(format!("lost-{id}"))).unwrap();
    }
    refuse_bad_files(&stage.cluster, &file, &key, &other);
    for id in 1..=3 {
        let config = folder.join(format!("node-{id}.toml"));
        let output =
            holdline(&stage.cluster, &[&restore[..], &[config.to_str().unwrap()]].concat());
        assert!(said(&output).contains("10 calls ended"), "{output:?}");
    }
    stage.cluster.start_all().await.unwrap();

    let wanted = |page: &Value| page["items"].as_array().is_some_and(|items| items.len() == 30);
    wait_known(&stage.cluster, "/v1/cdrs?limit=1000", wanted).await;
    assert_eq!(documents(&stage.cluster).await, before);
    let after = stage.cluster.any_admin().unwrap().cdrs().await.unwrap();
    let kept = after.iter().filter(|cdr| finished.iter().any(|n| n == cdr.number()));
    let kept: Vec<_> = kept.map(|cdr| format!("{cdr:?}")).collect();
    let billed: Vec<_> = billed.iter().map(|cdr| format!("{cdr:?}")).collect();
    assert_eq!(kept, billed, "CDRs of calls that had ended before");
    let ended: Vec<_> = after.iter().filter(|cdr| up.iter().any(|n| n == cdr.number())).collect();
    assert_eq!(ended.len(), 10, "each call that was up is billed once, up to the backup");
    assert!(ended.iter().all(|cdr| cdr.hangup_by == "switch"), "{ended:?}");
    assert_eq!(stage.cluster.any_admin().unwrap().calls().await.unwrap().len(), 0);
    let fresh = stage.bring_up(5, 3).await.unwrap();
    stage.hang_up(&fresh).await.unwrap();
    let verdict = stage.judge_answered(fresh).await.unwrap();
    assert!(verdict.clean(), "{verdict:#?}");
    stage.cluster.pass().unwrap();
}
