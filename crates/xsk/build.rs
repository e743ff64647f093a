//! Compiles the XDP shim and generates its skeleton.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use libbpf_cargo::SkeletonBuilder;

const SOURCE: &str = "src/bpf/shim.bpf.c";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed={SOURCE}");
    println!("cargo:rerun-if-env-changed=CLANG");
    let skeleton = PathBuf::from(env::var("OUT_DIR")?).join("shim.skel.rs");
    // Debian keeps <asm/types.h> in the folder of the host's architecture, where clang does not look for BPF.
    let headers = format!("-I/usr/include/{}-linux-gnu", env::var("CARGO_CFG_TARGET_ARCH")?);
    SkeletonBuilder::new()
        .source(SOURCE)
        .clang_args([OsString::from("-Wall"), OsString::from("-Werror"), OsString::from(headers)])
        .build_and_generate(skeleton)?;
    Ok(())
}
