//! The program, run on a capture.

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::thread;

use serde_json::Value;

/// Runs `synward fingerprint` with the arguments, and gives it the capture on stdin.
pub(crate) fn run(arguments: &[&str], capture: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_synward"))
        .arg("fingerprint")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    thread::scope(|scope| {
        // It may end before it has read all.
        scope.spawn(move || input.write_all(capture));
        child.wait_with_output().unwrap()
    })
}

/// What is printed of a capture without a fault.
pub(crate) fn told(arguments: &[&str], capture: &[u8]) -> Vec<Value> {
    let output = run(&[&["-", "--json"], arguments].concat(), capture);
    assert_eq!((output.status.code(), complaint(&output).as_str()), (Some(0), ""));
    objects(&output)
}

/// The JSON objects on stdout.
pub(crate) fn objects(output: &Output) -> Vec<Value> {
    let text = str::from_utf8(&output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(crate) fn complaint(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The numbers of the frames that were told.
pub(crate) fn frames(told: &[Value]) -> Vec<u64> {
    told.iter().map(|line| line["frame"].as_u64().unwrap()).collect()
}
