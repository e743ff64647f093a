//! SYNs of real programs: as tshark and p0f read them, and with the fingerprints that these programs are known for.
//!
//! It needs root, and Debian's packages `curl`, `hping3`, `iproute2`, `iputils-ping`, `masscan`, `netcat-openbsd`,
//! `nmap`, `p0f`, `procps`, `tcpdump`, `tshark` and `zmap`. All traffic is between two network namespaces of its own.
#![cfg(test)]

#[path = "../namespace/mod.rs"]
mod namespace;
#[path = "../programs/mod.rs"]
mod programs;
mod scene;

use std::path::Path;

use programs::capture::Capture;
use programs::{p0f, tshark};
use scene::{Ecn, Scene, syns_of_client};
use synward_fingerprint::{Fingerprint, Signature};

/// A program that sends SYNs.
struct Program {
    /// It ends with the version of IP, where the program can do both.
    name: &'static str,
    /// How many SYNs it sends at least.
    syns: usize,
    sends: Sends,
    /// Its command line; see [`Scene::record`] for the words in capitals.
    line: &'static str,
}

/// What the SYNs of a program look like.
enum Sends {
    /// Each has one of these signatures, and each of these is seen.
    Own(&'static [&'static str]),
    /// They are the kernel's.
    Kernel,
}

const MASSCAN: Sends = Sends::Own(&["1024:::;ttl=255"]);
const ZMAP: Sends = Sends::Own(&["65535:::;ttl=255;df=0;ipid=54321"]);
const NMAP: Sends = Sends::Own(&["1024:2:1460:"]);
const HPING3: Sends = Sends::Own(&["512:::;ttl=64;df=0"]);
const HPING3_TIMESTAMP: Sends = Sends::Own(&["512:1-1-8::;ttl=64;df=0"]);

/// The look for an open port, the six SEQ probes, the ECN probe, T3 and T5.
const NMAP_O: Sends = Sends::Own(&[
    "1024:2:1460:",
    "1:3-1-2-8-4:1460:10",
    "63:2-3-4-8-0:1400:0",
    "4:8-1-1-3-1-2:640:5",
    "4:4-8-3-0::10",
    "16:2-4-8-3-0:536:10",
    "512:2-4-8:265:",
    "3:3-1-2-4-1-1:1460:10",
    "256:3-1-2-8-4:265:10;flags=SFPU",
    "31337:3-1-2-8-4:265:10",
]);

const PROGRAMS: [Program; 15] = [
    Program {
        name: "masscan-4",
        syns: 3,
        sends: MASSCAN,
        line: "masscan --interface DEVICE --router-mac SERVER_MAC --adapter-ip CLIENT4 --ports 22,80,443 --rate 100 --wait 1 SERVER4",
    },
    Program {
        name: "masscan-6",
        syns: 3,
        sends: MASSCAN,
        line: "masscan --interface DEVICE --router-mac-ipv6 SERVER_MAC --adapter-ip CLIENT6 --ports 22,80,443 --rate 100 --wait 1 SERVER6",
    },
    Program {
        name: "zmap",
        syns: 3,
        sends: ZMAP,
        // With one seed of 256, zmap 2.1.1 aborts where there is one target; 1 is a good one.
        line: "zmap --quiet --seed=1 --config=/dev/null --blacklist-file=/dev/null --interface=DEVICE --gateway-mac=SERVER_MAC --source-ip=CLIENT4 --target-port=80 --probes=3 --rate=100 --cooldown-time=1 SERVER4",
    },
    Program {
        name: "nmap-sS-4",
        syns: 3,
        sends: NMAP,
        line: "nmap -n -Pn --max-retries 0 --host-timeout 10s -sS -p 22,80,443 SERVER4",
    },
    Program {
        name: "nmap-sS-6",
        syns: 3,
        sends: NMAP,
        line: "nmap -n -Pn --max-retries 0 --host-timeout 10s -6 -sS -p 22,80,443 SERVER6",
    },
    Program {
        name: "nmap-sT-4",
        syns: 3,
        sends: Sends::Kernel,
        line: "nmap -n -Pn --max-retries 0 --host-timeout 10s -sT -p 22,80,443 SERVER4",
    },
    Program {
        name: "nmap-sT-6",
        syns: 3,
        sends: Sends::Kernel,
        line: "nmap -n -Pn --max-retries 0 --host-timeout 10s -6 -sT -p 22,80,443 SERVER6",
    },
    Program {
        name: "nmap-O-4",
        syns: 11,
        sends: NMAP_O,
        line: "nmap -n -Pn --max-retries 0 --max-os-tries 1 --host-timeout 15s -O -p 80,443 SERVER4",
    },
    Program {
        name: "nmap-O-6",
        syns: 11,
        sends: NMAP_O,
        line: "nmap -n -Pn --max-retries 0 --max-os-tries 1 --host-timeout 15s -6 -O -p 80,443 SERVER6",
    },
    Program { name: "hping3", syns: 3, sends: HPING3, line: "hping3 -S -p 80 -c 3 -i u100000 SERVER4" },
    Program {
        name: "hping3-ts",
        syns: 3,
        sends: HPING3_TIMESTAMP,
        line: "hping3 -S --tcp-timestamp -p 80 -c 3 -i u100000 SERVER4",
    },
    Program {
        name: "curl-4",
        syns: 1,
        sends: Sends::Kernel,
        line: "curl --silent --max-time 1 http://SERVER4/",
    },
    Program {
        name: "curl-6",
        syns: 1,
        sends: Sends::Kernel,
        line: "curl --silent --max-time 1 --globoff http://[SERVER6]/",
    },
    Program { name: "nc-4", syns: 1, sends: Sends::Kernel, line: "nc -z -w 1 SERVER4 80" },
    Program { name: "nc-6", syns: 1, sends: Sends::Kernel, line: "nc -z -w 1 SERVER6 80" },
];

/// The SYNs of Linux by the MTU, over IPv4 and IPv6: a window of as many whole segments as 16 bits can hold. The scale
/// comes from the memory that the kernel grants.
struct Kernel {
    ipv4: &'static str,
    ipv6: &'static str,
}

const MTU_1500: Kernel =
    Kernel { ipv4: "64240:2-4-8-1-3:1460:%;ver=4", ipv6: "64800:2-4-8-1-3:1440:%;ver=6" };
const MTU_1400: Kernel =
    Kernel { ipv4: "65280:2-4-8-1-3:1360:%;ver=4", ipv6: "64320:2-4-8-1-3:1340:%;ver=6" };
const MTU_9000: Kernel =
    Kernel { ipv4: "62720:2-4-8-1-3:8960:%;ver=4", ipv6: "62580:2-4-8-1-3:8940:%;ver=6" };

/// Runs each program, and compares what it sends with what it is known for, and what we read with what others read.
fn run_all(scene: &Scene, kernel: &Kernel) {
    for program in &PROGRAMS {
        let capture = scene.record(program.name, program.line, program.syns);
        match program.sends {
            Sends::Own(signatures) => sends_exactly(&capture, signatures),
            Sends::Kernel if program.name.ends_with('6') => sends_exactly(&capture, &[kernel.ipv6]),
            Sends::Kernel => sends_exactly(&capture, &[kernel.ipv4]),
        }
        assert!(tshark::compare(&capture) >= program.syns, "{}", program.name);
        let by_p0f = p0f::compare(&capture, Path::new(p0f::DATABASE));
        assert!(by_p0f.seen > 0, "{}", program.name);
    }
}

/// Asserts that each SYN has one of the signatures, and each signature a SYN.
fn sends_exactly(capture: &Capture, signatures: &[&str]) {
    let mut unseen: Vec<Signature> = signatures.iter().map(|text| text.parse().unwrap()).collect();
    let known = unseen.clone();
    for syn in syns_of_client(capture) {
        let seen = Fingerprint::of(&syn.facts);
        assert!(known.iter().any(|one| one.matches(&seen)), "{}: {} {syn:?}", capture.name(), seen.muonfp);
        unseen.retain(|signature| !signature.matches(&seen));
    }
    assert_eq!(unseen, [], "{}", capture.name());
}

#[test]
fn on_ethernet() {
    run_all(&Scene::new("ethernet", 1500, Ecn::Off), &MTU_1500);
}

#[test]
fn with_a_small_mtu() {
    run_all(&Scene::new("mtu1400", 1400, Ecn::Off), &MTU_1400);
}

#[test]
fn with_jumbo_frames() {
    run_all(&Scene::new("mtu9000", 9000, Ecn::Off), &MTU_9000);
}

#[test]
fn with_ecn() {
    let with_ecn = Kernel {
        ipv4: "64240:2-4-8-1-3:1460:%;ver=4;flags=SEC",
        ipv6: "64800:2-4-8-1-3:1440:%;ver=6;flags=SEC",
    };
    run_all(&Scene::new("ecn", 1500, Ecn::On), &with_ecn);
}
