//! Generates the gRPC service from this description; there is no `.proto` file and no `protoc`.
//!
//! Messages are the Rust types of `src/network/wire.rs`, encoded by `src/network/codec.rs`.

use tonic_build::manual::{Builder, Method, MethodBuilder, Service};

/// Name, route, input, output, comment of each method with one message each way.
const UNARY: [[&str; 5]; 7] = [
    ["vote", "Vote", "Vote", "VoteAnswer", "A candidate asks for a vote."],
    ["pre_vote", "PreVote", "Vote", "VoteAnswer", "Would a vote be granted?"],
    [
        "transfer_leader",
        "TransferLeader",
        "TransferLeader",
        "TransferLeaderAnswer",
        "The leader hands leadership over.",
    ],
    [
        "snapshot_offer",
        "SnapshotOffer",
        "SnapshotOffer",
        "SnapshotWanted",
        "Where is a snapshot to begin?",
    ],
    ["probe", "Probe", "Probe", "ProbeAnswer", "Are you alive?"],
    ["members", "Members", "ChangeAsk", "ChangeAnswer", "The leader changes the members."],
    ["read_index", "ReadIndex", "ReadIndex", "ReadIndexAnswer", "How far must I be to read?"],
];
/// The same, of the door.
const DOOR: [[&str; 5]; 2] = [
    ["greet", "Greet", "Greeting", "Greeted", "How is the cluster?"],
    ["join", "Join", "JoinAsk", "JoinAnswer", "A node asks to be let in."],
];
const SNAPSHOT: [&str; 5] =
    ["snapshot", "Snapshot", "SnapshotFrame", "SnapshotAnswer", "A snapshot, in chunks."];
/// The same, of each method with a stream of messages both ways.
const BOTH_WAYS: [[&str; 5]; 3] = [
    ["appends", "Appends", "Append", "AppendOutcome", "Log entries and heartbeats, in order."],
    ["proposals", "Proposals", "Propose", "ProposeAnswer", "Commands for the leader."],
    ["leases", "Leases", "LeaseRequest", "LeaseAnswer", "A node renews its lease."],
];
const CODEC: &str = "crate::network::codec::WireCodec";

fn main() {
    let mut service = Service::builder()
        .name("Raft")
        .package("holdline.raft.v1")
        .comment("What the nodes of one Raft group ask of each other.")
        .method(method(SNAPSHOT).client_streaming().build());
    for both_ways in BOTH_WAYS {
        service = service.method(method(both_ways).client_streaming().server_streaming().build());
    }
    for unary in UNARY {
        service = service.method(method(unary).build());
    }
    let mut door = Service::builder()
        .name("Door")
        .package("holdline.raft.v1")
        .comment("What a node asks that is no member, or may be none.");
    for unary in DOOR {
        door = door.method(method_of("crate::door", unary).build());
    }
    Builder::new().compile(&[service.build(), door.build()]);
    println!("cargo::rerun-if-changed=build.rs");
}

fn method(of: [&str; 5]) -> MethodBuilder {
    method_of("crate::network::wire", of)
}

fn method_of(module: &str, of: [&str; 5]) -> MethodBuilder {
    let [name, route, input, output, comment] = of;
    let wire = |message: &str| format!("{module}::{message}");
    Method::builder()
        .name(name)
        .route_name(route)
        .comment(comment)
        .input_type(wire(input))
        .output_type(wire(output))
        .codec_path(CODEC)
}
