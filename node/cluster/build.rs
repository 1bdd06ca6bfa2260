//! Generates the gRPC service from this description; there is no `.proto` file and no `protoc`.
//!
//! Messages are the Rust types of `src/forward/wire.rs`, encoded by `src/forward/codec.rs`.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    let method = |name: &str, route: &str, input: &str, output: &str, comment: &str| {
        Method::builder()
            .name(name)
            .route_name(route)
            .comment(comment)
            .input_type(format!("crate::forward::wire::{input}"))
            .output_type(format!("crate::forward::wire::{output}"))
            .codec_path("crate::forward::codec::WireCodec")
    };
    let datagrams = method("datagrams", "Datagrams", "Batch", "Hello", "Datagrams, one way.")
        .client_streaming()
        .server_streaming()
        .build();
    let hang_up = method("hang_up", "HangUp", "HangUp", "HangUpAnswer", "Hang up a call.").build();
    let ask = method("ask", "Ask", "Ask", "Answer", "A question of the admin API.").build();
    let service = Service::builder()
        .name("Forward")
        .package("holdline.forward.v1")
        .comment("What reached the wrong node goes to the right one.")
        .method(datagrams)
        .method(hang_up)
        .method(ask)
        .build();
    Builder::new().compile(&[service]);
    println!("cargo::rerun-if-changed=build.rs");
}
