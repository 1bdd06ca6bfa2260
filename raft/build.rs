//! Generates the gRPC service from this description; there is no `.proto` file and no `protoc`.
//!
//! Messages are the Rust types of `src/network/wire.rs`, encoded by `src/network/codec.rs`.

use tonic_build::manual::{Builder, Method, Service};

/// Name, route, input, output, comment of each method with one message each way.
const UNARY: [[&str; 5]; 7] = [
    ["append", "Append", "Append", "AppendAnswer", "Log entries, or a heartbeat."],
    ["vote", "Vote", "Vote", "VoteAnswer", "A candidate asks for a vote."],
    ["pre_vote", "PreVote", "Vote", "VoteAnswer", "Would a vote be granted?"],
    [
        "transfer_leader",
        "TransferLeader",
        "TransferLeader",
        "TransferLeaderAnswer",
        "The leader hands leadership over.",
    ],
    ["propose", "Propose", "Propose", "ProposeAnswer", "Commands for the leader."],
    ["lease", "Lease", "LeaseRequest", "LeaseAnswer", "A node renews its lease."],
    ["probe", "Probe", "Probe", "ProbeAnswer", "Are you alive?"],
];
const SNAPSHOT: [&str; 5] =
    ["snapshot", "Snapshot", "SnapshotFrame", "SnapshotAnswer", "A snapshot, in chunks."];
const CODEC: &str = "crate::network::codec::WireCodec";

fn main() {
    let mut service = Service::builder()
        .name("Raft")
        .package("holdline.raft.v1")
        .comment("What the nodes of one Raft group ask of each other.")
        .method(method(SNAPSHOT, true));
    for unary in UNARY {
        service = service.method(method(unary, false));
    }
    Builder::new().compile(&[service.build()]);
    println!("cargo::rerun-if-changed=build.rs");
}

fn method([name, route, input, output, comment]: [&str; 5], streams: bool) -> Method {
    let wire = |message: &str| format!("crate::network::wire::{message}");
    let method = Method::builder()
        .name(name)
        .route_name(route)
        .comment(comment)
        .input_type(wire(input))
        .output_type(wire(output))
        .codec_path(CODEC);
    if streams { method.client_streaming().build() } else { method.build() }
}
