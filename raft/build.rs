//! Generates the gRPC service from this description; there is no `.proto` file and no `protoc`.
//!
//! Messages are the Rust types of `src/network/wire.rs`, encoded by `src/network/codec.rs`.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    let unary = |name: &str, route: &str, input: &str, output: &str, comment: &str| {
        Method::builder()
            .name(name)
            .route_name(route)
            .comment(comment)
            .input_type(input)
            .output_type(output)
            .codec_path("crate::network::codec::WireCodec")
            .build()
    };
    let wire = |name: &str| format!("crate::network::wire::{name}");
    let snapshot = Method::builder()
        .name("snapshot")
        .route_name("Snapshot")
        .comment("A snapshot, in chunks.")
        .input_type(wire("SnapshotFrame"))
        .output_type(wire("SnapshotAnswer"))
        .codec_path("crate::network::codec::WireCodec")
        .client_streaming()
        .build();
    let service = Service::builder()
        .name("Raft")
        .package("holdline.raft.v1")
        .comment("What the nodes of one Raft group ask of each other.")
        .method(unary(
            "append",
            "Append",
            &wire("Append"),
            &wire("AppendAnswer"),
            "Log entries, or a heartbeat.",
        ))
        .method(unary(
            "vote",
            "Vote",
            &wire("Vote"),
            &wire("VoteAnswer"),
            "A candidate asks for a vote.",
        ))
        .method(unary(
            "pre_vote",
            "PreVote",
            &wire("Vote"),
            &wire("VoteAnswer"),
            "Would a vote be granted?",
        ))
        .method(snapshot)
        .method(unary(
            "transfer_leader",
            "TransferLeader",
            &wire("TransferLeader"),
            &wire("TransferLeaderAnswer"),
            "The leader hands leadership over.",
        ))
        .method(unary(
            "propose",
            "Propose",
            &wire("Propose"),
            &wire("ProposeAnswer"),
            "Commands for the leader.",
        ))
        .method(unary(
            "lease",
            "Lease",
            &wire("LeaseRequest"),
            &wire("LeaseAnswer"),
            "A node renews its lease.",
        ))
        .method(unary("probe", "Probe", &wire("Probe"), &wire("ProbeAnswer"), "Are you alive?"))
        .build();
    Builder::new().compile(&[service]);
    println!("cargo::rerun-if-changed=build.rs");
}
