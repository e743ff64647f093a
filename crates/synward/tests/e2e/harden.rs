//! What the running program has given up, as the kernel tells it; and that everything works without.

use std::fs;
#[cfg(feature = "fault-injection")]
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
#[cfg(feature = "fault-injection")]
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::fs::Mode;
use rustix::process::umask;
use serde_json::Value;

use crate::bed::{Bed, Case, Config, Fate, PORTS, Program, SYNWARD, Side, Wire, attempt, eventually, run};
use crate::frames::{Flow, noise};

// capabilities(7), linux/capability.h.
const DAC_OVERRIDE: u64 = 1 << 1;
const DAC_READ_SEARCH: u64 = 1 << 2;
const NET_ADMIN: u64 = 1 << 12;
const NET_RAW: u64 = 1 << 13;
const IPC_LOCK: u64 = 1 << 14;

/// A user that is not root.
const NOBODY: u32 = 65534;

/// A thread by the name it has, and what the kernel says of it.
struct Thread {
    name: String,
    status: String,
}

impl Thread {
    fn field(&self, name: &str) -> &str {
        let value = self.status.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
        value.unwrap_or_else(|| panic!("no {name} in {}", self.status)).trim()
    }

    /// Its effective, permitted, inheritable and bounding capabilities.
    fn capabilities(&self) -> [u64; 4] {
        ["CapEff", "CapPrm", "CapInh", "CapBnd"].map(|set| u64::from_str_radix(self.field(set), 16).unwrap())
    }

    fn is_worker(&self) -> bool {
        self.name.starts_with("synward-q")
    }
}

fn pid(wire: &Wire<'_>) -> i32 {
    wire.status()["pid"].as_i64().unwrap().try_into().unwrap()
}

fn threads(wire: &Wire<'_>) -> Vec<Thread> {
    let tasks = fs::read_dir(format!("/proc/{}/task", pid(wire))).unwrap();
    let read = |task: &Path, file: &str| fs::read_to_string(task.join(file)).unwrap();
    tasks
        .map(|task| task.unwrap().path())
        .map(|task| Thread { name: read(&task, "comm").trim().to_owned(), status: read(&task, "status") })
        .collect()
}

/// What the control thread keeps where all files are its own: on a kernel from 6.0 on, and with a limit on locked memory.
fn promised(wire: &Wire<'_>) -> u64 {
    let limits = fs::read_to_string(format!("/proc/{}/limits", pid(wire))).unwrap();
    let locked = limits.lines().find_map(|line| line.strip_prefix("Max locked memory")).unwrap();
    let unlimited = locked.trim_start().starts_with("unlimited");
    NET_ADMIN | NET_RAW | if unlimited { 0 } else { IPC_LOCK }
}

fn part<'a>(status: &'a Value, name: &str) -> &'a Value {
    let parts = status["hardening"].as_array().unwrap();
    parts.iter().find(|part| part["part"] == name).unwrap_or_else(|| panic!("no {name} in {parts:?}"))
}

fn last_error(wire: &Wire<'_>) -> String {
    wire.status()["reloads"]["last_error"].as_str().unwrap_or_default().to_owned()
}

fn judge(wire: &Wire<'_>, source: &str, fate: Fate) {
    let frame = Flow::new(source, "192.0.2.2").udp(&noise(9));
    wire.judge(Side::Outside, &[Case::new(source, frame, fate)]);
}

const DROPPED: Fate = Fate::Dropped("block_list");

#[test]
fn every_thread_has_given_up_what_it_does_not_need() {
    let bed = Bed::new();
    let wire = bed.start(&Config::enforce().block("blocked", "203.0.113.66\n").events(10));
    // A reload has come and gone: it leaves a thread behind that waits for more work.
    wire.hang_up();
    let threads = threads(&wire);
    assert_eq!(threads.iter().filter(|thread| thread.is_worker()).count(), 2);
    assert!(
        threads.len() > 3,
        "no thread of the reload: {:?}",
        threads.iter().map(|t| &t.name).collect::<Vec<_>>()
    );
    let promised = promised(&wire);
    for thread in &threads {
        let (kept, filters) = if thread.is_worker() { (0, "1") } else { (promised, "2") };
        assert_eq!(thread.capabilities(), [kept, kept, 0, 0], "{}: {:#x}", thread.name, kept);
        assert_eq!(
            (thread.field("Seccomp"), thread.field("Seccomp_filters")),
            ("2", filters),
            "{}",
            thread.name
        );
        assert_eq!(thread.field("NoNewPrivs"), "1", "{}", thread.name);
    }

    let (status, metrics) = (wire.status(), wire.metrics());
    for name in ["core_dumps", "new_privileges", "capabilities", "seccomp", "landlock"] {
        assert_eq!(part(&status, name)["in_force"], true, "{status}");
        assert_eq!(metrics.get("synward_hardening", &[("part", name)]), 1);
    }
    let named = part(&status, "capabilities")["detail"].as_str().unwrap().to_owned();
    assert!(named.starts_with("CAP_NET_ADMIN CAP_NET_RAW"), "{named}");
    assert!(wire.program.log().contains("hardened: core dumps: none"), "{}", wire.program.log());
    assert!(!wire.program.log().contains("not in force"), "{}", wire.program.log());
    wire.stop();
}

/// Needs `--features fault-injection`.
#[cfg(feature = "fault-injection")]
#[test]
fn a_worker_that_replaces_another_is_made_within_the_sandbox_and_gives_up_as_much() {
    let bed = Bed::new();
    let wire = bed.start(&Config::enforce().block("blocked", "203.0.113.66\n"));
    for replacements in 1..=3 {
        let mut socket = UnixStream::connect(bed.folder().join("control.sock")).unwrap();
        writeln!(socket, "{{\"panic\":{{\"queue\":1}}}}").unwrap();
        let look =
            || (wire.program.log().matches("the worker is replaced").count() == replacements).then_some(());
        eventually("another worker", look, || wire.program.log());
        judge(&wire, "203.0.113.66", DROPPED);
        judge(&wire, "203.0.113.1", Fate::Passes);
    }
    for worker in threads(&wire).iter().filter(|thread| thread.is_worker()) {
        assert_eq!((worker.capabilities(), worker.field("Seccomp")), ([0; 4], "2"), "{}", worker.name);
        // Its own, behind those of the control thread that started it.
        let filters = if worker.name == "synward-q1" { "3" } else { "1" };
        assert_eq!(worker.field("Seccomp_filters"), filters, "{}", worker.name);
    }
    assert_eq!(part(&wire.status(), "capabilities")["in_force"], true);
    assert!(wire.program.log().contains("panicked at"), "{}", wire.program.log());
    wire.stop();
}

#[test]
fn nothing_that_it_makes_is_open_to_all() {
    let bed = Bed::new();
    let before = umask(Mode::empty());
    let wire = bed.start(&Config::enforce().events(10).socket("made/for/it/control.sock"));
    umask(before);
    let mode = |file: &str| fs::metadata(bed.folder().join(file)).unwrap().permissions().mode() & 0o777;
    assert_eq!([mode("made"), mode("made/for"), mode("made/for/it")], [0o755; 3]);
    assert_eq!((mode("made/for/it/control.sock"), mode("events.json")), (0o660, 0o640));
    wire.stop();
}

/// What becomes of a program that is killed by a signal for which the kernel dumps core: how it ended, and the dumps in its folder.
fn dumped(folder: &Path, end: ExitStatus) -> (bool, usize) {
    let is_dump =
        |file: &PathBuf| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("core"));
    let dumps = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).filter(is_dump);
    (end.core_dumped(), dumps.inspect(|dump| fs::remove_file(dump).unwrap()).count())
}

#[test]
fn it_leaves_no_core_dump() {
    let bed = Bed::new();
    // A shell has what it runs in the background ignore SIGQUIT, and the program inherits that.
    let env = format!("env --default-signal=QUIT --chdir={}", bed.folder().display());
    let prefix = format!("prlimit --core=unlimited:unlimited {env}");
    // Any other program leaves one, where it goes to a file; or else the kernel says that it went elsewhere.
    let mut words = prefix.split_whitespace();
    let mut other = Command::new(words.next().unwrap()).args(words).args(["sleep", "20"]).spawn().unwrap();
    let pid = Pid::from_raw(other.id().try_into().unwrap());
    let is_asleep = || fs::read_to_string(format!("/proc/{pid}/comm")).unwrap() == "sleep\n";
    eventually("sleep to run", || is_asleep().then_some(()), String::new);
    kill(pid, Signal::SIGSEGV).unwrap();
    assert!(
        dumped(bed.folder(), other.wait().unwrap()).0,
        "this machine dumps no cores: the test can tell nothing"
    );
    for signal in [Signal::SIGQUIT, Signal::SIGABRT] {
        let wire = bed.start_as(&prefix, &Config::enforce());
        let limits = fs::read_to_string(format!("/proc/{}/limits", self::pid(&wire))).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().filter(|word| *word == "0").count(), 2, "{core}");
        wire.program.signal(signal);
        let (end, _) = wire.program.end();
        assert_eq!(end.signal(), Some(signal as i32));
        assert_eq!(dumped(bed.folder(), end), (false, 0));
    }
}

#[test]
fn its_memory_is_closed_to_others_of_its_user() {
    let bed = Bed::new();
    let wire = bed.start(&Config::enforce());
    // Root without the rights to trace is a user like any other: he may look into processes of his own that can do no more than he.
    let user = "setpriv --bounding-set=-sys_ptrace,-perfmon,-sys_admin --inh-caps=-all";
    let mut own =
        Command::new("setpriv").args(user.split_whitespace().skip(1)).args(["sleep", "20"]).spawn().unwrap();
    let looks_into = |pid: i32| attempt(&format!("{user} head -c 1 /proc/{pid}/maps")).status.success();
    let look = || looks_into(own.id().try_into().unwrap()).then_some(());
    eventually("a process to be looked into", look, String::new);
    assert!(!looks_into(pid(&wire)));
    own.kill().unwrap();
    own.wait().unwrap();
    wire.stop();
}

#[test]
fn all_that_an_operator_does_still_works() {
    let bed = Bed::new();
    let socket = bed.folder().join("control.sock");
    let wire = bed.start(&Config::enforce().block("blocked", "203.0.113.66\n").events(100));
    judge(&wire, "203.0.113.66", DROPPED);
    run(&format!("{SYNWARD} ban 203.0.113.7 --socket {}", socket.display()));
    judge(&wire, "203.0.113.7", Fate::Dropped("ban"));

    // Another list, in the folder that is known; the log moved away.
    let (log, moved) = (bed.folder().join("events.json"), bed.folder().join("events.json.1"));
    let lines = |file: &Path| fs::read_to_string(file).unwrap().lines().count();
    eventually("both events", || (lines(&log) == 2).then_some(()), || wire.program.log());
    fs::rename(&log, &moved).unwrap();
    wire.reload(&Config::enforce().block("other", "203.0.113.67\n").events(100));
    assert_eq!(last_error(&wire), "");
    judge(&wire, "203.0.113.67", DROPPED);
    judge(&wire, "203.0.113.66", Fate::Passes);
    eventually("the event in the new log", || (lines(&log) == 1).then_some(()), || wire.program.log());
    assert_eq!(lines(&moved), 2);

    assert!(wire.metrics().get("process_open_fds", &[]) > 0);
    assert!(wire.metrics().get("synward_shim_frames_total", &[("action", "redirected")]) > 0);
    // Somebody who is in the group of the socket only by the way: the program looks that up in /proc.
    let program = bed.folder().join("synward");
    fs::copy(SYNWARD, &program).unwrap();
    let member = format!("setpriv --reuid {NOBODY} --regid {NOBODY} --groups 0");
    run(&format!("{member} {} status --socket {}", program.display(), socket.display()));

    wire.stop();
    assert!(!socket.exists());
}

#[test]
fn the_host_gets_its_ports_back_with_ipv6() {
    let bed = Bed::new();
    for port in PORTS {
        bed.wire.run(&format!("sysctl -q net.ipv6.conf.{port}.disable_ipv6=0"));
    }
    let is_off = || PORTS.map(|port| bed.wire.run(&format!("sysctl -n net.ipv6.conf.{port}.disable_ipv6")));
    let wire = bed.start(&Config::enforce());
    assert_eq!(is_off(), ["1\n"; 2]);
    wire.stop();
    assert_eq!(is_off(), ["0\n"; 2]);
}

#[test]
fn a_folder_that_the_sandbox_does_not_know_needs_a_restart() {
    let bed = Bed::new();
    // Beside the folder of the configuration: a bed of its own is the simplest way to one that goes again.
    let other = Bed::new();
    fs::write(other.folder().join("far.txt"), "203.0.113.1\n").unwrap();
    let near = Config::enforce().block("near", "203.0.113.66\n");
    let section = format!(
        "[[list]]\nname = \"far\"\nkind = \"ip\"\naction = \"block\"\nfile = \"{}\"",
        other.folder().join("far.txt").display()
    );
    let far = Config::enforce().section(&section);

    let wire = bed.start(&near);
    let hint = format!("without the folder {}: restart synward", other.folder().display());
    wire.reload(&far);
    let error = last_error(&wire);
    assert!(error.contains("cannot read list far") && error.contains(&hint), "{error}");
    assert!(wire.program.log().contains(&hint), "{}", wire.program.log());
    wire.reload(&near.clone().events_in(&other.folder().join("events.json").display().to_string()));
    let error = last_error(&wire);
    assert!(error.contains("cannot write the event log") && error.contains(&hint), "{error}");
    judge(&wire, "203.0.113.66", DROPPED);
    judge(&wire, "203.0.113.1", Fate::Passes);
    wire.stop();

    // A restart takes the folder in.
    let wire = bed.start(&far);
    judge(&wire, "203.0.113.1", DROPPED);
    wire.stop();
}

#[test]
fn the_sandbox_can_be_turned_off_and_the_rest_stays() {
    let bed = Bed::new();
    let other = Bed::new();
    let wire = bed.start(&Config::enforce().control("sandbox = false"));
    let promised = promised(&wire);
    for thread in threads(&wire) {
        let kept = if thread.is_worker() { 0 } else { promised };
        assert_eq!(thread.capabilities(), [kept, kept, 0, 0], "{}", thread.name);
        assert_eq!((thread.field("Seccomp"), thread.field("NoNewPrivs")), ("0", "1"));
    }
    let status = wire.status();
    for name in ["seccomp", "landlock"] {
        assert_eq!(part(&status, name)["in_force"], false);
        assert_eq!(part(&status, name)["detail"], "[control] sandbox = false");
        assert_eq!(wire.metrics().get("synward_hardening", &[("part", name)]), 0);
    }
    wire.program.wait_for("not in force: seccomp: [control] sandbox = false");
    let elsewhere = other.folder().join("events.json").display().to_string();
    wire.reload(&Config::enforce().control("sandbox = false").events_in(&elsewhere));
    assert_eq!(last_error(&wire), "");
    wire.reload(&Config::enforce());
    assert!(last_error(&wire).contains("control.sandbox has changed"), "{}", last_error(&wire));
    wire.stop();
}

fn give(file: &Path, user: u32, mode: u32) {
    fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
    chown(file, Some(user), Some(user)).unwrap();
}

/// The capabilities of the control thread.
fn kept(wire: &Wire<'_>) -> u64 {
    let threads = threads(wire);
    threads.iter().find(|thread| !thread.is_worker()).unwrap().capabilities()[0]
}

#[test]
fn files_of_other_users_are_read_or_it_is_said_what_to_do() {
    let bed = Bed::new();
    let config = Config::enforce().block("blocked", "203.0.113.66\n");
    config.write(bed.folder());
    let list = bed.folder().join("blocked.txt");
    let wire = bed.start(&config);
    let promised = promised(&wire);
    assert_eq!(kept(&wire), promised);
    fs::write(&list, "203.0.113.67\n").unwrap();
    give(&list, NOBODY, 0o600);
    wire.hang_up();
    let error = last_error(&wire);
    assert!(error.contains("given up the right to read the files of all users"), "{error}");
    assert!(error.contains("chown, chmod), or restart synward"), "{error}");
    judge(&wire, "203.0.113.66", DROPPED);
    wire.stop();

    // Known from the start, it is no obstacle.
    let program = Program::start(&bed.wire, "", &bed.folder().join("synward.toml"));
    program.wait_for("forwarding");
    let wire = Wire { bed: &bed, program };
    assert_eq!(kept(&wire), promised | DAC_READ_SEARCH);
    wire.program.wait_for("blocked.txt");
    fs::write(&list, "203.0.113.68\n").unwrap();
    wire.hang_up();
    assert_eq!(last_error(&wire), "");
    judge(&wire, "203.0.113.68", DROPPED);
    wire.stop();
}

#[test]
fn a_log_in_the_folder_of_another_user_is_made_anew() {
    let bed = Bed::new();
    let folder = bed.folder().join("log");
    fs::create_dir(&folder).unwrap();
    give(&folder, NOBODY, 0o755);
    let wire = bed.start(&Config::enforce().events_in("log/events.json"));
    assert_eq!(kept(&wire), promised(&wire) | DAC_OVERRIDE);
    fs::rename(folder.join("events.json"), folder.join("events.json.1")).unwrap();
    wire.hang_up();
    assert_eq!(last_error(&wire), "");
    assert_eq!(fs::metadata(folder.join("events.json")).unwrap().uid(), 0);
    wire.stop();
}
