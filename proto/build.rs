//! Compiles the .proto files with protox, so that no protoc is needed.

use std::path::Path;

const FILES: [&str; 5] = [
    "cofferdam/intent/v1/intent.proto",
    "cofferdam/exec/v1/exec.proto",
    "cofferdam/file/v1/file.proto",
    "cofferdam/host/v1/host.proto",
    "cofferdam/join/v1/join.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for file in FILES {
        println!("cargo::rerun-if-changed={file}");
    }
    // Asked for when it runs: builds of several trees may share this program.
    let root = std::env::var("CARGO_MANIFEST_DIR")?;
    let descriptors = protox::compile(FILES, [root])?;
    let out = std::env::var("OUT_DIR")?;
    std::fs::write(
        Path::new(&out).join("descriptors.bin"),
        prost::Message::encode_to_vec(&descriptors),
    )?;
    let mut config = tonic_prost_build::Config::new();
    // The full name of an action is part of its digest.
    config.enable_type_names();
    // What comes in streams is passed on without a copy.
    config.bytes([".cofferdam.file.v1.FileChunk.data", ".cofferdam.exec.v1.Output.data"]);
    tonic_prost_build::configure().compile_fds_with_config(descriptors, config)?;
    Ok(())
}
