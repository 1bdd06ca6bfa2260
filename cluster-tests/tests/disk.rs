//! Disks that fail. One that is really full, on a file system of its own, in a file: the node takes no
//! new calls, those that are up end and are billed, and all is well again when there is room. One that
//! cannot sync: the node stops, and does not try again.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use holdline_cluster_tests::cluster::{Admin, ClusterOptions, Site, Volume, faulty_sync};
use holdline_cluster_tests::stage::Stage;
use tokio::time::Instant;

const LIMIT: Duration = Duration::from_secs(20);
const VOLUME_BYTES: u64 = 256 << 20;
const RESERVE_BYTES: u64 = 16 << 20;

fn options() -> ClusterOptions {
    let storage = vec![("reserve_bytes".to_owned(), RESERVE_BYTES)];
    ClusterOptions { storage, ..ClusterOptions::default() }
}

/// Waits until `/readyz` says of the room that it is as `well` as this.
async fn wait_room(admin: &Admin, well: bool) {
    let deadline = Instant::now() + LIMIT;
    loop {
        let said = admin.request("GET", "/readyz?verbose").await.unwrap().body;
        let line = said.lines().find(|line| line.contains("room")).unwrap_or_default().to_owned();
        if line.contains("nearly full") != well && !line.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "well: {well}, /readyz: {said}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn gauge(admin: &Admin, name: &str) -> f64 {
    admin.metrics().await.unwrap().sum(name, &[])
}

async fn wait_log(stage: &mut Stage, words: &str) {
    let deadline = Instant::now() + LIMIT;
    loop {
        let log = stage.cluster.node(1).unwrap().log_tail(400);
        if log.contains(words) {
            return;
        }
        assert!(Instant::now() < deadline, "\"{words}\" is not in {log}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What a node answers to an INVITE of the caller's trunk that nobody follows up.
fn invited(from: SocketAddr, to: SocketAddr) -> String {
    let socket = UdpSocket::bind(from).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let body = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                m=audio 9 RTP/AVP 0\r\n";
    let invite = format!(
        "INVITE sip:1000@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKfull\r\n\
         From: <sip:f@{from}>;tag=f\r\nTo: <sip:1000@{to}>\r\nCall-ID: full@{from}\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:f@{from}>\r\nMax-Forwards: 70\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.send_to(invite.as_bytes(), to).unwrap();
    let mut buffer = [0_u8; 2_048];
    let length = socket.recv(&mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_ends_admission_and_no_call_and_heals_when_there_is_room() {
    if let Some(why) = Volume::cannot() {
        eprintln!("LEFT OUT: the full disk: {why}");
        return;
    }
    let mut stage = Stage::open_at(Site::claim(3).unwrap(), &options(), 1).unwrap();
    let at = stage.cluster.node(1).unwrap().data_dir.clone();
    let image = stage.cluster.folder().join("disk-1.img");
    let volume = Volume::make(&image, &at, VOLUME_BYTES).unwrap();
    stage.cluster.start_all().await.unwrap();
    let admin = stage.cluster.admin(1);
    wait_room(&admin, true).await;
    let held = stage.bring_up(30, 1).await.unwrap();

    let all = volume.free_bytes().unwrap().max(VOLUME_BYTES * 9 / 10);
    volume.fill("to-85", all * 15 / 100).unwrap();
    wait_log(&mut stage, "is filling up").await;
    assert!(gauge(&admin, "holdline_disk_used_ratio").await >= 0.8);
    assert!(gauge(&admin, "holdline_disk_protected").await < 0.5, "it only warns");
    wait_room(&admin, true).await;

    volume.fill("to-94", all * 6 / 100).unwrap();
    wait_room(&admin, false).await;
    assert!(gauge(&admin, "holdline_disk_protected").await > 0.5);
    let mut from = stage.cluster.site().caller();
    from.set_port(from.port() + 1);
    let answer = invited(from, stage.cluster.sip(1));
    assert!(answer.starts_with("SIP/2.0 503") && answer.contains("Retry-After: "), "{answer}");
    let elsewhere = stage.bring_up(5, 2).await.unwrap();

    // Nothing at all is left; the reserve is what the calls end with.
    volume.fill("to-100", 0).unwrap();
    wait_log(&mut stage, "the reserve is given to calls that are up").await;
    assert!(!volume.path().join("RESERVE").exists());
    stage.hang_up(&held).await.unwrap();
    stage.hang_up(&elsewhere).await.unwrap();
    stage.cluster.check_alive().unwrap();
    for numbers in [held, elsewhere] {
        let verdict = stage.judge_answered(numbers).await.unwrap();
        assert!(verdict.clean(), "{verdict:#?}");
    }
    let (here, there) = (admin.cdrs().await.unwrap(), stage.cluster.admin(2).cdrs().await.unwrap());
    assert_eq!(here.len(), there.len(), "the full node has every record that the others have");

    for name in ["to-85", "to-94", "to-100"] {
        volume.empty(name).unwrap();
    }
    wait_room(&admin, true).await;
    wait_log(&mut stage, "there is room on the disk again").await;
    assert!(volume.path().join("RESERVE").exists(), "it is taken anew");
    let after = stage.bring_up(5, 1).await.unwrap();
    stage.hang_up(&after).await.unwrap();
    let verdict = stage.judge_answered(after).await.unwrap();
    assert!(verdict.clean(), "{verdict:#?}");
    for id in 1..=3 {
        stage.cluster.kill(id).unwrap();
    }
    drop(volume);
    stage.cluster.pass().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_sync_fails_stops_and_does_not_sync_again() {
    let mut stage = Stage::open_at(Site::claim(3).unwrap(), &ClusterOptions::default(), 1).unwrap();
    let folder = stage.cluster.folder().to_owned();
    let Some(library) = faulty_sync(&folder) else {
        eprintln!("LEFT OUT: a sync that fails: there is no C compiler (cc)");
        stage.cluster.set_quiet(true);
        return;
    };
    let trigger = folder.join("fail-sync");
    let node = stage.cluster.node(2).unwrap();
    let (data, text) = (node.data_dir.clone(), |path: &Path| path.to_str().unwrap().to_owned());
    node.env = vec![
        ("LD_PRELOAD".to_owned(), text(&library)),
        ("FAIL_SYNC".to_owned(), text(&trigger)),
        ("FAIL_SYNC_UNDER".to_owned(), text(&data)),
    ];
    stage.cluster.start_all().await.unwrap();
    let held = stage.bring_up(30, 2).await.unwrap();
    fs::write(&trigger, "").unwrap();
    // The calls' ends have to be synced.
    stage.hang_up(&held).await.unwrap();
    let status = stage.cluster.node(2).unwrap().wait_exit(LIMIT).await.unwrap();
    assert!(!status.success(), "it ended as if all were well");
    let said = stage.cluster.node(2).unwrap().log_tail(5);
    assert!(said.contains("see the system's log for the disk's health"), "{said}");
    let refused = fs::read_to_string(trigger.with_extension("refused")).unwrap();
    let logs = refused.lines().filter(|path| path.ends_with(".log")).count();
    assert_eq!(logs, 1, "the sync that failed is not tried again: {refused}");
    // Nobody missed anything, and with a good disk the node is back.
    fs::remove_file(&trigger).unwrap();
    stage.cluster.restart(2).unwrap();
    stage.cluster.wait_home(LIMIT).await.unwrap();
    let verdict = stage.judge_answered(held).await.unwrap();
    assert!(verdict.clean(), "{verdict:#?}");
    stage.cluster.pass().unwrap();
}
