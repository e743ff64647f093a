//! The program p0f, run over a capture.

use std::collections::HashMap;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use synward_fingerprint::p0f::{Found, InitialTtl, MAX_DISTANCE, P0f, P0fDatabase};

use super::capture::{self, Capture, Syn};

/// The database of Debian's package.
pub(crate) const DATABASE: &str = "/etc/p0f/p0f.fp";

/// What p0f calls a sender of which it has no signature.
const UNKNOWN: &str = "???";

/// What p0f logs of a SYN or a SYN-ACK.
#[derive(Debug)]
struct Logged {
    /// The address and the port of the client, and those of the server.
    connection: [(IpAddr, u16); 2],
    syn_ack: bool,
    raw: String,
    verdict: Verdict,
}

/// What p0f takes the sender for.
#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    /// The name, or [`UNKNOWN`].
    name: String,
    /// The distance in hops, for whom has a name: else the raw signature tells it, or p0f leaves it at 0.
    distance: Option<String>,
    /// Those of the `params` that come from the match.
    params: String,
}

/// Of how many packets p0f says anything, and to how many it gives a name.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Compared {
    pub(crate) seen: usize,
    pub(crate) named: usize,
}

/// The database of Debian's package, as we read it.
pub(crate) fn p0f_fp() -> P0fDatabase {
    read_database(Path::new(DATABASE))
}

pub(crate) fn read_database(path: &Path) -> P0fDatabase {
    let text = fs::read_to_string(path).expect("p0f's database: apt-get install p0f");
    let (database, faults) = P0fDatabase::parse(&text);
    assert_eq!(faults, [], "{}", path.display());
    database
}

/// Asserts that p0f with the database at this path says of each SYN and SYN-ACK what we say.
pub(crate) fn compare(capture: &Capture, path: &Path) -> Compared {
    let database = read_database(path);
    let mut log = run(capture, path).into_iter().peekable();
    let mut asked = HashMap::new();
    let mut compared = Compared::default();
    for syn in capture.syns() {
        let Some(alone) = P0f::of(&syn.facts) else { continue };
        let before = asked.get(&syn.connection()).copied();
        let seen = before.filter(|_| syn.is_syn_ack()).map_or(alone, |asked| alone.answering(&asked));
        match log.next_if(|line| line.is_of(&syn)) {
            Some(line) => compared.count(&line, &seen, &database, &format!("{} {syn:?}", capture.name())),
            None => assert!(may_be_ignored(&syn, before.is_some()), "p0f is silent on {syn:?}"),
        }
        if !syn.is_syn_ack() {
            asked.insert(syn.connection(), seen);
        }
    }
    assert!(log.peek().is_none(), "{}: only p0f sees {:?}", capture.name(), log.peek());
    compared
}

/// Whether p0f may say nothing of a packet: of a fragment or a frame with tags, of a SYN that it has seen before, and of
/// an answer to a SYN of which it has said nothing, or that is answered already.
fn may_be_ignored(syn: &Syn, connection_is_known: bool) -> bool {
    !syn.is_plain || syn.is_syn_ack() || connection_is_known
}

impl Compared {
    fn count(&mut self, line: &Logged, seen: &P0f, database: &P0fDatabase, context: &str) {
        assert_eq!(seen.to_string(), line.raw, "{context}");
        assert_eq!(verdict(seen, database.find(seen)), line.verdict, "{context}");
        self.seen += 1;
        self.named += usize::from(line.verdict.name != UNKNOWN);
    }
}

impl Logged {
    fn is_of(&self, syn: &Syn) -> bool {
        (self.connection, self.syn_ack) == (syn.connection(), syn.is_syn_ack())
    }
}

fn verdict(seen: &P0f, found: Option<Found<'_>>) -> Verdict {
    let (name, params) = name_and_params(found);
    Verdict { name, distance: found.map(|found| distance(seen, found.entry.signature.ttl)), params }
}

/// What p0f logs as `os` (or `app`) and as those of the `params` that come from the match.
pub(crate) fn name_and_params(found: Option<Found<'_>>) -> (String, String) {
    let Some(found) = found else { return (UNKNOWN.to_owned(), "none".to_owned()) };
    let said =
        [(found.is_generic(), "generic"), (found.fuzzy, "fuzzy"), (found.has_random_ttl(), "random_ttl")];
    let params: Vec<&str> = said.iter().filter(|(is_said, _)| *is_said).map(|(_, word)| *word).collect();
    (found.entry.label.to_string(), if params.is_empty() { "none".to_owned() } else { params.join(" ") })
}

/// The hops from the initial TTL of the signature; from the one that is guessed where that is out of reach.
fn distance(seen: &P0f, initial: InitialTtl) -> String {
    let hops_from = |ttl: u8| ttl.checked_sub(seen.ttl).filter(|hops| *hops <= MAX_DISTANCE);
    match initial {
        InitialTtl::Is(ttl) => hops_from(ttl).unwrap_or(seen.distance()).to_string(),
        InitialTtl::UpTo(ttl) => format!("<= {}", ttl - seen.ttl),
    }
}

/// Those of p0f's `params` that come from the match: not the ones that tell the distance and the traffic class.
pub(crate) fn params_of_match(params: &str) -> String {
    let of_match = |word: &&str| *word != "excess_dist" && !word.starts_with("tos:");
    let words: Vec<&str> = params.split(' ').filter(of_match).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(" ") }
}

fn run(capture: &Capture, database: &Path) -> Vec<Logged> {
    let log = capture::file(&format!("{}.p0f.log", capture.name()));
    // p0f appends.
    let _ = fs::remove_file(&log);
    let mut command = Command::new("timeout");
    command
        .args(["15", "/usr/sbin/p0f", "-f"])
        .arg(database)
        .arg("-r")
        .arg(&capture.path)
        .arg("-o")
        .arg(&log);
    let output = command.output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "p0f: {} {complaint} (apt-get install p0f)", output.status);
    fs::read_to_string(&log).unwrap().lines().filter_map(logged).collect()
}

fn logged(line: &str) -> Option<Logged> {
    let (_, fields) = line.split_once("] ")?;
    let field = |key: &str| fields.split('|').find_map(|field| field.strip_prefix(key)?.strip_prefix('='));
    let syn_ack = match field("mod")? {
        "syn" | "sendsyn probe" => false,
        "syn+ack" | "sendsyn response" => true,
        _ => return None,
    };
    let end = |key| {
        let (address, port) = field(key)?.split_once('/')?;
        Some((address.parse().ok()?, port.parse().ok()?))
    };
    let name = field("os").or_else(|| field("app"))?.to_owned();
    let distance = Some(field("dist")?.to_owned()).filter(|_| name != UNKNOWN);
    let verdict = Verdict { name, distance, params: params_of_match(field("params")?) };
    Some(Logged {
        connection: [end("cli")?, end("srv")?],
        syn_ack,
        raw: field("raw_sig")?.to_owned(),
        verdict,
    })
}
