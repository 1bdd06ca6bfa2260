//! The format of the data folder: what a later version wrote is refused, with the reason, and left alone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::time::Duration;

use holdline_cluster_tests::cluster::{Cluster, ClusterOptions};
use tokio::time::Instant;

/// The format of this version.
const FORMAT: u32 = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_of_a_later_format_is_refused_with_the_reason() {
    let options = ClusterOptions { nodes: 1, ..ClusterOptions::default() };
    let mut cluster = Cluster::prepare(&options).unwrap();
    let data = cluster.folder().join("node-1");
    fs::create_dir(&data).unwrap();
    let identity = format!("format {}\nnode 1\ncluster {}\n", FORMAT + 1, options.name);
    fs::write(data.join("IDENTITY"), &identity).unwrap();
    cluster.restart(1).unwrap();
    let log = cluster.folder().join("node-1.log");
    let end = Instant::now() + Duration::from_secs(20);
    let wanted = format!("has format {}, but this version reads format {FORMAT}", FORMAT + 1);
    while !fs::read_to_string(&log).unwrap_or_default().contains(&wanted) {
        assert!(Instant::now() < end, "{}", fs::read_to_string(&log).unwrap_or_default());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(fs::read_to_string(data.join("IDENTITY")).unwrap(), identity, "left as it was");
    assert_eq!(fs::read_dir(&data).unwrap().count(), 1, "nothing was added");
    cluster.set_quiet(true);
}
