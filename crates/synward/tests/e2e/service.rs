//! What systemd hears, on a real datagram socket, and `synward reload`.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::process::Output;
use std::time::{Duration, Instant};

use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

use crate::bed::{Bed, Config, SYNWARD, Side, Wire, attempt, eventually};
use crate::frames::{Flow, noise};

/// How long the watchdog waits: Synward is to feed it twice in that time.
const WATCHDOG: Duration = Duration::from_secs(1);

/// How long nothing may be heard before it counts as silence.
const SILENCE: Duration = Duration::from_millis(2500);

/// systemd's end of the socket.
struct Manager(UnixDatagram);

impl Manager {
    fn listen(bed: &Bed) -> Self {
        let socket = UnixDatagram::bind(bed.folder().join("notify")).unwrap();
        socket.set_read_timeout(Some(SILENCE)).unwrap();
        Self(socket)
    }

    /// Words before the program's name that have it talk to this.
    fn prefix(bed: &Bed) -> String {
        let socket = bed.folder().join("notify");
        format!("env NOTIFY_SOCKET={} WATCHDOG_USEC={}", socket.display(), WATCHDOG.as_micros())
    }

    /// Lets messages pile up until there is room for none, whoever sends it: how many there are. Senders go on living, for what they have sent counts as theirs.
    fn be_busy(bed: &Bed) -> (usize, Vec<UnixDatagram>) {
        let (mut count, mut senders) = (0, Vec::new());
        loop {
            let sender = UnixDatagram::unbound().unwrap();
            sender.connect(bed.folder().join("notify")).unwrap();
            sender.set_nonblocking(true).unwrap();
            let heard = (0..).take_while(|_| sender.send(b"of another service").is_ok()).count();
            if heard == 0 {
                return (count, senders);
            }
            count += heard;
            senders.push(sender);
        }
    }

    /// The next message; none after a silence.
    fn hear(&self) -> Option<String> {
        let mut message = [0; 1024];
        match self.0.recv(&mut message) {
            Ok(length) => Some(String::from_utf8(message[..length].to_vec()).unwrap()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// The next message that is about this; those about other things are passed over.
    fn expect(&self, about: &str) -> String {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(10) {
            match self.hear() {
                Some(message) if message.starts_with(about) => return message,
                _ => {}
            }
        }
        panic!("{about} was never heard");
    }

    /// The next message that is neither about the watchdog nor about the state of the bridge.
    fn next_step(&self) -> String {
        let is_step = |message: &String| !message.starts_with("WATCHDOG") && !message.starts_with("STATUS");
        std::iter::from_fn(|| self.hear()).find(is_step).expect("nothing was heard")
    }

    /// Forgets what has come so far.
    fn forget(&self) {
        self.0.set_nonblocking(true).unwrap();
        while self.0.recv(&mut [0; 1024]).is_ok() {}
        self.0.set_nonblocking(false).unwrap();
    }
}

/// Microseconds of the clock that RELOADING=1 is told with.
fn monotonic() -> i128 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap();
    i128::from(now.tv_sec()) * 1_000_000 + i128::from(now.tv_nsec()) / 1000
}

/// `synward reload`, to its end.
fn reload(wire: &Wire<'_>) -> Output {
    attempt(&format!("{SYNWARD} reload --socket {}", wire.bed.folder().join("control.sock").display()))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

/// Every worker counts when it has no fallback to be trusted by.
fn config(list: &str) -> Config {
    Config::enforce().bridge("on_failure = \"closed\"").block("blocked", list)
}

#[test]
fn the_service_manager_hears_of_each_step_when_it_is_done() {
    let bed = Bed::new();
    let manager = Manager::listen(&bed);
    let wire = bed.start_as(&Manager::prefix(&bed), &config("203.0.113.1\n"));
    assert_eq!(manager.hear().unwrap(), "READY=1\n");
    let frame = Flow::new("198.51.100.7", "192.0.2.2").udp(&noise(20));
    assert_eq!(wire.relay(Side::Outside, [&frame]).len(), 1);
    assert_eq!(manager.expect("STATUS"), "STATUS=forwarding\n");

    config("203.0.113.2\n").write(bed.folder());
    let before = monotonic();
    let output = reload(&wire);
    // Not a moment later: the command waits for the workers.
    assert_eq!(wire.generations(), [2, 2]);
    assert!(output.status.success() && said(&output).contains("generation 2 after"), "{}", said(&output));
    let reloading = manager.next_step();
    let time =
        reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().trim().parse::<i128>().unwrap();
    assert!((before..monotonic()).contains(&time), "{reloading}");
    assert_eq!(manager.next_step(), "READY=1\n");

    config("nonsense\n").write(bed.folder());
    let output = reload(&wire);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("blocked.txt:1:1"), "{}", said(&output));
    assert!(manager.next_step().starts_with("RELOADING=1\n"));
    assert_eq!(manager.next_step(), "READY=1\n");
    assert_eq!(wire.generations(), [2, 2]);

    config("203.0.113.3\n").write(bed.folder());
    wire.program.signal(Signal::SIGHUP);
    assert!(manager.next_step().starts_with("RELOADING=1\n"));
    assert_eq!(manager.next_step(), "READY=1\n");
    assert_eq!(wire.generations(), [3, 3]);

    wire.stop();
    assert_eq!(manager.next_step(), "STOPPING=1\n");
}

#[test]
fn a_service_manager_that_was_busy_hears_all_steps_later() {
    let bed = Bed::new();
    let manager = Manager::listen(&bed);
    let (waiting, _senders) = Manager::be_busy(&bed);
    let wire = bed.start_as(&Manager::prefix(&bed), &config("203.0.113.1\n"));
    config("203.0.113.2\n").write(bed.folder());
    assert!(reload(&wire).status.success());
    for _ in 0..waiting {
        assert_eq!(manager.hear().unwrap(), "of another service");
    }
    assert_eq!(manager.next_step(), "READY=1\n");
    assert!(manager.next_step().starts_with("RELOADING=1\n"));
    assert_eq!(manager.next_step(), "READY=1\n");
    manager.expect("STATUS=forwarding");
    manager.expect("WATCHDOG=1");
    wire.stop();
    assert_eq!(manager.next_step(), "STOPPING=1\n");
}

#[test]
fn the_watchdog_is_fed_in_time_and_only_while_the_control_thread_moves() {
    let bed = Bed::new();
    let manager = Manager::listen(&bed);
    let wire = bed.start_as(&Manager::prefix(&bed), &config("203.0.113.1\n"));
    manager.expect("WATCHDOG=1");
    for _ in 0..3 {
        let began = Instant::now();
        manager.expect("WATCHDOG=1");
        assert!(began.elapsed() < WATCHDOG, "{:?}", began.elapsed());
    }
    wire.program.halt();
    manager.forget();
    assert_eq!(manager.hear(), None);
    wire.program.signal(Signal::SIGCONT);
    manager.expect("WATCHDOG=1");
    wire.stop();
}

/// A worker that is kept from moving, as a debugger does it; it goes on when this is dropped.
struct Halted(Pid);

impl Halted {
    fn worker(wire: &Wire<'_>, queue: u32) -> Self {
        let tasks = format!("/proc/{}/task", wire.status()["pid"]);
        let name = |task: &fs::DirEntry| fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        let task = fs::read_dir(tasks).unwrap().map(Result::unwrap);
        let task = task.into_iter().find(|task| name(task).trim() == format!("synward-q{queue}")).unwrap();
        let thread = Pid::from_raw(task.file_name().to_str().unwrap().parse().unwrap());
        ptrace::seize(thread, ptrace::Options::empty()).unwrap();
        ptrace::interrupt(thread).unwrap();
        waitpid(thread, Some(WaitPidFlag::__WALL)).unwrap();
        Self(thread)
    }
}

impl Drop for Halted {
    fn drop(&mut self) {
        let _ = ptrace::detach(self.0, None);
    }
}

#[test]
fn one_worker_that_hangs_degrades_its_queue_and_all_of_them_starve_the_watchdog() {
    let bed = Bed::new();
    let manager = Manager::listen(&bed);
    let wire = bed.start_as(&Manager::prefix(&bed), &config("203.0.113.1\n"));
    manager.expect("STATUS=forwarding");

    let one = Halted::worker(&wire, 1);
    assert_eq!(manager.expect("STATUS"), "STATUS=degraded, no worker: queue 1\n");
    let health = wire.fetch("/healthz");
    assert!(health.starts_with("HTTP/1.1 503 "), "{health}");
    assert!(health.ends_with("\r\n\r\ndegraded, no worker: queue 1\n"), "{health}");
    manager.forget();
    manager.expect("WATCHDOG=1");
    manager.expect("WATCHDOG=1");
    let output = reload(&wire);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("the workers of queues [1] did not adopt"), "{}", said(&output));
    assert_eq!(wire.generations(), [2, 1]);

    let other = Halted::worker(&wire, 0);
    manager.expect("STATUS=degraded, no worker: queue 0, degraded, no worker: queue 1");
    manager.forget();
    assert_eq!(manager.hear(), None);

    drop((one, other));
    manager.expect("STATUS=forwarding");
    manager.expect("WATCHDOG=1");
    let adopted = || (wire.generations() == [2, 2]).then_some(());
    eventually("the worker that was halted to go on", adopted, || format!("{:?}", wire.generations()));
    wire.stop();
}

#[test]
fn a_service_manager_that_is_not_there_is_named() {
    let bed = Bed::new();
    let missing = bed.folder().join("nobody");
    let (code, log) = bed.refused(&format!("env NOTIFY_SOCKET={}", missing.display()), &Config::monitor());
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains(&*missing.to_string_lossy()) && log.contains("unset NOTIFY_SOCKET"), "{log}");
    let output = attempt(&format!("{SYNWARD} reload --socket {}", missing.display()));
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("is synward running"), "{}", said(&output));
}
