//! Hosts that talk: iperf3 and ping.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::bed::{Bed, Side, attempt};

/// An iperf3 server for one client; killed when dropped. What it has to say must find a reader until then.
struct Server(Child, #[expect(dead_code, reason = "held open")] BufReader<ChildStdout>);

impl Server {
    fn start(bed: &Bed, side: Side) -> Self {
        let mut child = Command::new("ip")
            .args(["netns", "exec", bed.end(side).namespace.name()])
            .args(["iperf3", "--server", "--one-off", "--forceflush"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("Server listening") {
            line.clear();
            assert!(output.read_line(&mut line).unwrap() > 0, "the iperf3 server has ended");
        }
        Self(child, output)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs iperf3 from one side to the other, and answers the bits per second that arrived.
pub(crate) fn iperf(bed: &Bed, from: Side, arguments: &str) -> f64 {
    let to = from.other();
    let server = Server::start(bed, to);
    let address = if arguments.contains("-6") { to.ipv6() } else { to.ipv4() };
    let client = format!("iperf3 --json --connect-timeout 3000 --client {address} {arguments}");
    let output = attempt(&bed.end(from).namespace.inside(&client));
    drop(server);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(output.status.success(), "{arguments}: {report}");
    report["end"]["sum_received"]["bits_per_second"].as_f64().unwrap()
}

/// Pings the inside host from the outside one so many times, a millisecond apart, and answers what ping says.
pub(crate) fn ping(bed: &Bed, address: &str, count: u32) -> String {
    let line = format!("ping -n -q -i 0.001 -W 2 -c {count} {address}");
    String::from_utf8(attempt(&bed.outside.namespace.inside(&line)).stdout).unwrap()
}
