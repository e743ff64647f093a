//! Compiles the programs that run in the kernel.

use std::env;
use std::path::PathBuf;

use libbpf_cargo::SkeletonBuilder;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-env-changed=CLANG");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    // Debian keeps <asm/types.h> in the folder of the host's architecture, where clang does not look for BPF.
    let headers = format!("-I/usr/include/{}-linux-gnu", env::var("CARGO_CFG_TARGET_ARCH")?);
    for name in ["meter", "contenders"] {
        let source = format!("src/bpf/{name}.bpf.c");
        println!("cargo:rerun-if-changed={source}");
        let arguments = ["-Wall", "-Werror", "-mcpu=v3", &headers];
        SkeletonBuilder::new()
            .source(source)
            .obj(out.join(format!("{name}.bpf.o")))
            .clang_args(arguments)
            .build()?;
    }
    Ok(())
}
