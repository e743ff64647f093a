//! What a worker does while no frame comes: the setting `wait`.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::bed::{Bed, Case, Config, Fate, Layout, PORTS, Side, Wire, run};
use crate::frames::Flow;

const WAYS: [&str; 3] = ["adaptive", "busy", "poll"];

/// Turns that a worker which never sleeps makes in [`IDLE`] at the very least, and that one which sleeps does not come near.
const MANY_TURNS: u64 = 5_000;

const IDLE: Duration = Duration::from_millis(500);

fn config(wait: &str) -> Config {
    Config::enforce().bridge(&format!("wait = \"{wait}\"")).block("blocked", "203.0.113.0/24\n")
}

fn turns(wire: &Wire<'_>) -> u64 {
    wire.metrics().get("synward_worker_loops_total", &[])
}

#[test]
fn workers_judge_however_they_wait() {
    for wait in WAYS {
        let bed = Bed::new();
        let wire = bed.start(&config(wait));
        let cases = [
            Case::new("of a stranger", Flow::new("198.51.100.7", "192.0.2.2").ping(), Fate::Passes),
            Case::new("blocked", Flow::new("203.0.113.66", "192.0.2.2").ping(), Fate::Dropped("block_list")),
        ];
        wire.judge(Side::Outside, &cases);
        wire.stop();
    }
}

#[test]
fn only_a_busy_worker_never_sleeps() {
    for wait in WAYS {
        let bed = Bed::new();
        let wire = bed.start(&config(wait));
        let before = turns(&wire);
        thread::sleep(IDLE);
        let made = turns(&wire) - before;
        assert_eq!(made > MANY_TURNS, wait == "busy", "{wait}: {made} turns while no frame came");
        wire.stop();
    }
}

/// A busy worker whose core is also that of the kernel's thread that receives for it: if it kept the core, no frame would come.
#[test]
fn a_busy_worker_lets_the_kernel_receive_on_its_core() {
    let bed = Bed::with(Layout { queues: 1, ..Layout::default() });
    let wire = bed.start(&config("busy"));
    for port in PORTS {
        receive_by_thread(&bed, port, worker_core(&wire));
    }
    let frame = Flow::new("198.51.100.7", "192.0.2.2").ping();
    for side in [Side::Outside, Side::Inside] {
        let frames = vec![frame.clone(); 2000];
        assert_eq!(wire.relay(side, &frames).len(), frames.len());
    }
    wire.stop();
}

/// The core that the worker of queue 0 is kept on.
fn worker_core(wire: &Wire<'_>) -> String {
    let pid = wire.status()["pid"].as_u64().unwrap();
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().map(|task| task.unwrap().path());
    let is_worker =
        |task: &std::path::PathBuf| fs::read_to_string(task.join("comm")).unwrap().starts_with("synward-q0");
    let status = fs::read_to_string(tasks.into_iter().find(is_worker).unwrap().join("status")).unwrap();
    let cores = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
    cores.trim().to_owned()
}

/// Has a thread of the kernel receive for a port, on a core.
fn receive_by_thread(bed: &Bed, port: &str, core: String) {
    let script = bed.folder().join("threaded.sh");
    fs::write(&script, format!("echo 1 >/sys/class/net/{port}/threaded")).unwrap();
    let before = receivers(port);
    bed.wire.run(&format!("sh -e {}", script.display()));
    let threads: Vec<_> = receivers(port).into_iter().filter(|thread| !before.contains(thread)).collect();
    assert!(!threads.is_empty(), "nobody receives for {port}");
    for thread in threads {
        run(&format!("taskset --pid --cpu-list {core} {thread}"));
    }
}

/// The kernel's threads that receive for interfaces of this name.
fn receivers(port: &str) -> Vec<u32> {
    let name = format!("napi/{port}-");
    let pids =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let is_receiver =
        |pid: &u32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.starts_with(&name));
    pids.filter(is_receiver).collect()
}
