//! Compiles the program that looks addresses up in the kernel.

use std::env;
use std::path::PathBuf;

use libbpf_cargo::SkeletonBuilder;

const SOURCE: &str = "src/bpf/lpm.bpf.c";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed={SOURCE}");
    println!("cargo:rerun-if-env-changed=CLANG");
    let object = PathBuf::from(env::var("OUT_DIR")?).join("lpm.bpf.o");
    // Debian keeps <asm/types.h> in the folder of the host's architecture, where clang does not look for BPF.
    let headers = format!("-I/usr/include/{}-linux-gnu", env::var("CARGO_CFG_TARGET_ARCH")?);
    SkeletonBuilder::new().source(SOURCE).obj(object).clang_args(["-Wall", "-Werror", &headers]).build()?;
    Ok(())
}
