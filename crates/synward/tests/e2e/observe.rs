//! What the program shows of itself: metrics, health and status, and to whom.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::bed::{Bed, Config, SYNWARD, Side, Wire, attempt, run};
use crate::frames::{FIN, Flow, SYN, Segment, arp, noise};

/// Where every metric is explained.
const REFERENCE: &str = include_str!("../../../../docs/metrics.md");

/// Every metric that the reference names, and its labels in their order: a row is ``| `name` | `label`, `label` | …``.
fn promised() -> BTreeMap<&'static str, String> {
    let rows = REFERENCE.lines().map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    let name = |cell: &'static str| cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`'));
    let metric = |row: Vec<&'static str>| {
        let name =
            name(row.get(1)?).filter(|name| name.starts_with("synward_") || name.starts_with("process_"))?;
        assert_eq!(row.len(), 7, "a row of another table, or a cell too many: {row:?}");
        let mut labels: Vec<_> = row[2].split(", ").map(|label| label.trim_matches('`')).collect();
        labels.sort_unstable();
        assert!(!row[4].is_empty() || name == "process_threads", "{name} is not explained");
        Some((name, labels.join(" ")))
    };
    rows.filter_map(metric).collect()
}

fn lists() -> Config {
    Config::enforce()
        .block("blocked", "203.0.113.0/24\n2001:db8:bad::/48\n")
        .block_syns("scanners", "1024:::\n1024:2:1460:\n")
        .events(1000)
}

/// Drops for several reasons, and frames that pass.
fn some_traffic(wire: &Wire<'_>) {
    let flow = |source| Flow::new(source, "192.0.2.2");
    let frames = [
        flow("203.0.113.66").udp(&noise(10)),
        flow("198.51.100.7").tcp(&Segment::MASSCAN),
        flow("198.51.100.7").tcp(&Segment::LINUX.with_flags(SYN | FIN)),
        flow("198.51.100.7").tcp(&Segment::LINUX),
        Flow::new("2001:db8:bad::1", "2001:db8:0:2::2").ping(),
        arp(),
    ];
    assert_eq!(wire.relay(Side::Outside, &frames).len(), 2);
}

#[test]
fn the_reference_names_every_metric_with_its_labels_and_no_other() {
    let bed = Bed::new();
    let wire = bed.start(&lists());
    some_traffic(&wire);
    let metrics = wire.metrics();
    let promised = promised();
    for (name, labels) in &promised {
        assert!(metrics.has(name), "there is no {name}");
        for sample in metrics.all(name, &[]) {
            let names: Vec<_> = sample.labels.keys().map(String::as_str).collect();
            assert_eq!(names.join(" "), *labels, "{name}");
            assert!(sample.value.is_finite() && sample.value >= 0.0, "{sample:?}");
        }
    }
    let mut seen = BTreeSet::new();
    for sample in &metrics.0 {
        assert!(seen.insert((&sample.name, &sample.labels)), "{sample:?} is there twice");
        assert!(promised.contains_key(&*sample.name), "docs/metrics.md does not explain {}", sample.name);
    }
    assert_eq!(
        metrics.get("synward_syns_total", &[]),
        2,
        "masscan's and Linux's; SYN and FIN are odd before"
    );
    for reason in ["block_list", "fingerprint_block", "runt", "tx_full", "link_down"] {
        for mode in ["enforce", "monitor"] {
            metrics.get("synward_drops_total", &[("reason", reason), ("mode", mode)]);
        }
    }
    let blocked = |port| metrics.get("synward_drops_total", &[("port", port), ("reason", "block_list")]);
    assert_eq!((blocked("outside"), blocked("inside")), (2, 0));
    wire.stop();
}

#[test]
fn no_label_ever_holds_an_address_or_a_fingerprint() {
    let bed = Bed::new();
    let wire = bed.start(&lists());
    some_traffic(&wire);
    for sample in &wire.metrics().0 {
        for value in sample.labels.values() {
            assert!(value.parse::<IpAddr>().is_err(), "{sample:?}");
            assert!(!value.contains(':') && value.matches('_').count() < 3, "{sample:?}");
        }
    }
    wire.stop();
}

#[test]
fn the_exposition_is_well_formed() {
    let bed = Bed::new();
    let wire = bed.start(&lists());
    let page = wire.fetch("/metrics");
    let (head, body) = page.split_once("\r\n\r\n").unwrap();
    assert!(head.to_lowercase().contains("content-type: text/plain; version=0.0.4"), "{head}");
    let mut families = BTreeSet::new();
    for line in body.lines().filter(|line| line.starts_with("# TYPE ")) {
        let [_, _, name, kind] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        assert!(families.insert(name), "{name} has two types");
        assert!(body.contains(&format!("# HELP {name} ")), "{name} is not explained");
        assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
    }
    let (head, body) =
        wire.fetch("/healthz").split_once("\r\n\r\n").map(|(h, b)| (h.to_owned(), b.to_owned())).unwrap();
    assert!(head.starts_with("HTTP/1.1 200 ") && body == "ok\n", "{head}{body}");
    assert!(wire.fetch("/nothing").starts_with("HTTP/1.1 404 "));
    wire.stop();
}

#[test]
fn clients_that_say_nothing_hold_nobody_up() {
    let bed = Bed::new();
    let wire = bed.start(&lists());
    let silent_http = bed.wire.enter(|| TcpStream::connect("127.0.0.1:9469").unwrap());
    let silent = UnixStream::connect(socket(&bed)).unwrap();
    assert!(wire.metrics().has("synward_build_info"));
    assert!(wire.status()["pid"].is_u64());

    // What is no request is answered with what is wrong, and harms nobody.
    let mut odd = UnixStream::connect(socket(&bed)).unwrap();
    odd.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    odd.write_all(b"\"shutdown\"\n").unwrap();
    let mut answer = String::new();
    BufReader::new(odd).read_line(&mut answer).unwrap();
    assert!(answer.contains("error") && answer.contains("cannot be understood"), "{answer}");
    assert!(wire.status()["pid"].is_u64());
    drop((silent, silent_http));
    wire.stop();
}

fn socket(bed: &Bed) -> PathBuf {
    bed.folder().join("control.sock")
}

#[test]
fn status_says_what_the_metrics_say() {
    let bed = Bed::new();
    let wire = bed.start(&lists());
    some_traffic(&wire);
    let status = wire.status();
    assert_eq!((&status["mode"], &status["generation"]), (&"enforce".into(), &1.into()));
    let ports = status["ports"].as_array().unwrap();
    let port = |number: usize, name: &str, interface: &str, rx: u64, tx: u64| {
        let port: &Value = &ports[number];
        assert_eq!((port["port"].as_str(), port["interface"].as_str()), (Some(name), Some(interface)));
        assert_eq!((port["rx_frames"].as_u64(), port["tx_frames"].as_u64()), (Some(rx), Some(tx)), "{port}");
        assert_eq!(port["queues"].as_array().unwrap().len(), 2);
    };
    port(0, "outside", "outside0", 6, 0);
    port(1, "inside", "inside0", 0, 2);
    let list = |number: usize| status["lists"][number].clone();
    let (blocked, scanners) = (list(0), list(1));
    assert_eq!(
        (&blocked["name"], &blocked["entries"], &blocked["decisions"]),
        (&"blocked".into(), &2.into(), &2.into())
    );
    assert_eq!(
        (&scanners["name"], &scanners["hits"], &scanners["decisions"]),
        (&"scanners".into(), &1.into(), &1.into())
    );
    let drops: Vec<_> = status["drops"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| (d["reason"].as_str().unwrap(), d["dropped"].as_u64().unwrap()))
        .collect();
    assert_eq!(drops, [("block_list", 2), ("fingerprint_block", 1), ("syn_fin", 1)]);
    assert_eq!(status["reloads"]["successes"], 0);

    // The same for a person, who names the configuration.
    let text = run(&format!("{SYNWARD} status -c {}", bed.folder().join("synward.toml").display()));
    for words in [
        "mode enforce",
        "outside  outside0: link up, MTU 1500, 6 frames in",
        "block_list: 2 dropped",
        "scanners: 2 entries, 1 hits",
    ] {
        assert!(text.contains(words), "{words:?} is not in\n{text}");
    }
    wire.stop();
    let gone = attempt(&format!("{SYNWARD} status --socket {}", socket(&bed).display()));
    let complaint = String::from_utf8_lossy(&gone.stderr).into_owned();
    assert!(!gone.status.success() && complaint.contains("is synward running"), "{complaint}");
}

#[test]
fn only_those_who_may_are_answered() {
    let bed = Bed::new();
    let wire = bed.start(&lists());
    let mode = |mode| fs::set_permissions(socket(&bed), fs::Permissions::from_mode(mode)).unwrap();
    assert_eq!(fs::metadata(socket(&bed)).unwrap().permissions().mode() & 0o777, 0o660);
    // Others may not be able to reach the program where it was built.
    let program = bed.folder().join("synward");
    fs::copy(SYNWARD, &program).unwrap();
    let ask = |group: u32| {
        let rights = format!("setpriv --reuid 65534 --regid {group} --clear-groups");
        let line =
            format!("{rights} {} status --json --socket {}", program.display(), socket(&bed).display());
        let output = attempt(&line);
        (
            output.status.success(),
            String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
        )
    };
    let (answered, said) = ask(65534);
    assert!(!answered && said.contains("may you reach its socket"), "{said}");
    mode(0o666);
    let (answered, said) = ask(65534);
    assert!(!answered && said.contains("only root"), "{said}");
    assert!(wire.program.log().contains("refused a client"), "{}", wire.program.log());
    mode(0o660);
    let (answered, said) = ask(0);
    assert!(answered && said.contains("\"pid\""), "{said}");
    wire.stop();
}
