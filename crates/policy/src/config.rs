//! The configuration file.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::ByteSize;
use jiff::SignedDuration;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::bans::MAX_BANS;
use crate::diagnostic::{Diagnostic, Faults, Place, Warning};
use crate::profile::Profile;
use crate::protect::Network;

/// A configuration, as read and validated. Its paths are absolute, or relative to where the program runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The file that it came from.
    pub file: PathBuf,
    /// Section `[bridge]`.
    pub bridge: Bridge,
    /// Each `[[list]]`, in the order of the file.
    pub lists: Vec<List>,
    /// Section `[control]`.
    pub control: Control,
    /// Section `[bans]`.
    pub bans: BanSettings,
    /// Section `[events]`, if there is one.
    pub events: Option<Events>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    bridge: Bridge,
    #[serde(default)]
    list: Vec<toml::Spanned<List>>,
    #[serde(default)]
    control: Control,
    #[serde(default)]
    bans: BanSettings,
    events: Option<Events>,
}

/// Section `[bridge]`: the ports, and how frames are treated between them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bridge {
    /// The port towards the router: frames that arrive here are judged.
    pub outside: String,
    /// The port towards the LAN.
    pub inside: String,
    /// Whether anything is dropped at all.
    #[serde(default)]
    pub mode: Mode,
    /// What happens to odd frames.
    #[serde(default)]
    pub profile: Profile,
    /// How far tunnels are looked into.
    #[serde(default)]
    pub tunnels: Tunnels,
    /// The LAN's own networks, from which no frame should come at the outside port.
    #[serde(default)]
    pub protect: Vec<Network>,
    /// How frames get from the driver to the worker.
    #[serde(default)]
    pub xdp: Xdp,
    /// What becomes of frames while no worker lives.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// How long a worker may say nothing before it counts as dead.
    #[serde(default = "Bridge::default_stale_after", deserialize_with = "stale_after")]
    pub stale_after: Duration,
    /// Where a bpffs is mounted: the kernel's part of the bridge is kept there while no process runs.
    #[serde(default = "Bridge::default_bpffs")]
    pub bpffs: PathBuf,
    /// What a worker does while no frame comes.
    #[serde(default)]
    pub wait: Wait,
    /// Whether the kernel forwards frames of known sources on its own.
    #[serde(default)]
    pub fast_path: FastPath,
    /// Whether a port is taken down when the other loses its link.
    #[serde(default)]
    pub link_loss: LinkLoss,
    /// Number of queues of each port. As the ports have them, when it is not given.
    pub queues: Option<std::num::NonZeroU32>,
}

/// Whether a block takes place, or is only told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Every frame is forwarded; what would have been dropped is counted and told.
    #[default]
    Monitor,
    /// What is blocked is dropped.
    Enforce,
}

/// How far tunnels are looked into: GRE, IPv4 and IPv6 in IP, VXLAN.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tunnels {
    /// A packet of a tunnel is judged by its outer header, and counted.
    #[default]
    Outer,
    /// So it is; and if nothing is decided then, by what it carries, one level deep.
    Inner,
}

/// How frames get from the driver to the worker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Xdp {
    /// The first that works of `zerocopy`, `copy` and `skb`.
    #[default]
    Auto,
    /// The driver works on the worker's memory.
    Zerocopy,
    /// The driver runs the XDP program, the kernel copies the frame.
    Copy,
    /// The network stack runs the XDP program: slow, and works with any driver.
    Skb,
}

impl Bridge {
    /// The section of a configuration file of which nothing else need be right: the ports are to be let go whatever else is wrong.
    ///
    /// # Errors
    /// When the file cannot be read, or the section is wrong.
    pub fn load(file: &Path) -> Result<Self, Faults> {
        #[derive(Deserialize)]
        struct Part {
            bridge: Bridge,
        }
        let text = read(file)?;
        let Part { bridge } = toml::from_str(&text).map_err(|error| explain(file, &text, &error))?;
        Ok(bridge)
    }

    /// The shortest and the longest time that a worker may be allowed to say nothing. One that sleeps speaks every 50 ms, and the clock
    /// ticks every 4 ms at best; whoever waits for longer than some seconds has lost his connections.
    const STALE_AFTER: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(10);

    const fn default_stale_after() -> Duration {
        Duration::from_millis(250)
    }

    fn default_bpffs() -> PathBuf {
        PathBuf::from("/sys/fs/bpf")
    }
}

/// A time such as `250ms`.
fn stale_after<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let time = text.parse::<SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
    time.filter(|time| Bridge::STALE_AFTER.contains(time)).ok_or_else(|| {
        let (start, end) = Bridge::STALE_AFTER.into_inner();
        D::Error::custom(format!("`{text}` is no time from {start:?} to {end:?}, such as \"250ms\""))
    })
}

/// What becomes of frames while no worker lives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// The kernel sends them straight out of the other port. It drops those of sources that workers dropped shortly before.
    #[default]
    Open,
    /// They are dropped.
    Closed,
}

/// What a worker does while no frame comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wait {
    /// It looks again for a short while, then sleeps until the kernel wakes it.
    #[default]
    Adaptive,
    /// It never sleeps: the least latency, for a whole core. In copy mode, where the driver lets it, it does the kernel's work of receiving,
    /// too. Linux 5.11.
    Busy,
    /// It sleeps at once: the least power.
    Poll,
}

/// Whether the kernel forwards frames of known sources on its own. This version has no such path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FastPath {
    /// Where it can be had.
    #[default]
    Auto,
    /// Never.
    Off,
}

/// Whether a port is taken down when the other loses its link.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkLoss {
    /// It is, as if there were one cable; and brought up again after the other.
    #[default]
    Propagate,
    /// It stays as it is.
    Ignore,
}

/// One `[[list]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Its name in metrics and events: unique.
    pub name: String,
    /// What its entries are.
    pub kind: Kind,
    /// What happens to a frame that an entry matches.
    pub action: ListAction,
    /// Where the entries are.
    pub file: PathBuf,
    /// `monitor` takes the list out of force when the bridge enforces. The bridge's mode, when it is not given.
    pub mode: Option<Mode>,
    /// Which frames a list of addresses applies to.
    pub direction: Option<ListDirection>,
    /// Whether prefixes wider than /8 (IPv4) or /16 (IPv6) are taken.
    #[serde(default)]
    pub allow_wide: bool,
    /// The most entries that it may have. All lists that do not say it may have [`List::MAX_ENTRIES`] together.
    pub max_entries: Option<NonZeroUsize>,
    /// Whether a reload may leave nothing of the list.
    #[serde(default)]
    pub allow_empty: bool,
    /// What the EOLs at the end of the options mean to a list of signatures.
    pub eol: Option<Eol>,
    /// How p0f's signatures of the list are matched: strictly, when it is not given.
    pub p0f: Option<P0fMode>,
}

/// What the EOLs (option kind 0) at the end of a layout mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Eol {
    /// A SYN has as many as the signature.
    Exact,
    /// Nothing: for lists made by programs that leave them out, as Zeek does, or that list another number.
    Ignore,
}

/// How the signatures of a list in p0f's notation are matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum P0fMode {
    /// To the letter: the IP version, the reach of the TTL and every quirk count.
    Strict,
    /// As p0f 3.09b does: with its fuzzy matches, and one of the list at most.
    Compat,
}

/// What the entries of a list are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Addresses and prefixes.
    Ip,
    /// Signatures of TCP SYNs.
    Fingerprint,
}

/// What happens to a frame that a list matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListAction {
    /// It is forwarded, whatever other lists say.
    Allow,
    /// It is dropped.
    Block,
}

/// Which frames a list of addresses applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListDirection {
    /// Those from outside, by their source.
    In,
    /// Those from inside, by their destination.
    Out,
    /// Both.
    Both,
}

/// Section `[control]`: how the running program is reached.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Control {
    /// Address and port of `/metrics` and `/healthz`.
    pub listen: SocketAddr,
    /// The Unix socket of `synward status`.
    pub socket: PathBuf,
    /// The most memory for rules: for those in force and, during a reload, the new ones together. Half of the machine's, when it
    /// is not given.
    pub memory: Option<ByteSize>,
    /// Whether the running program is kept to the system calls and folders that it needs (seccomp, landlock).
    pub sandbox: bool,
}

impl Default for Control {
    fn default() -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 9469));
        let socket = PathBuf::from("/run/synward/control.sock");
        Self { listen, socket, memory: None, sandbox: true }
    }
}

/// Section `[bans]`: addresses that are blocked for a time.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BanSettings {
    /// The most bans at a time.
    #[serde(deserialize_with = "capacity")]
    pub capacity: u32,
}

impl Default for BanSettings {
    fn default() -> Self {
        Self { capacity: 65_536 }
    }
}

/// As many bans as a set can be made for.
fn capacity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let capacity = u32::deserialize(deserializer)?;
    if capacity > MAX_BANS {
        return Err(D::Error::custom(format!(
            "there is room for {MAX_BANS} bans at most: for more, write a list"
        )));
    }
    Ok(capacity)
}

/// Section `[events]`: where drops are told.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Events {
    /// File that JSON lines are appended to.
    pub file: PathBuf,
    /// At most so many lines a second are written; the rest is counted.
    #[serde(default = "Events::default_rate")]
    pub per_second: std::num::NonZeroU32,
}

impl Events {
    const fn default_rate() -> std::num::NonZeroU32 {
        std::num::NonZeroU32::MIN.saturating_add(999)
    }
}

impl Control {
    /// The section of a configuration file of which nothing else need be right: the running program may be asked what is wrong with it.
    ///
    /// # Errors
    /// When the file cannot be read or is no TOML.
    pub fn load(file: &Path) -> Result<Self, Faults> {
        #[derive(Deserialize)]
        struct Part {
            #[serde(default)]
            control: Control,
        }
        let text = read(file)?;
        let Part { mut control } = toml::from_str(&text).map_err(|error| explain(file, &text, &error))?;
        control.socket = file.parent().unwrap_or(Path::new("")).join(&control.socket);
        Ok(control)
    }
}

impl List {
    /// The most entries of all lists together that have no `max_entries`: ten million, for which the memory of a small machine is enough.
    pub const MAX_ENTRIES: usize = 10_000_000;

    /// The most entries that the list may have by itself.
    pub fn max_entries(&self) -> usize {
        self.max_entries.map_or(Self::MAX_ENTRIES, NonZeroUsize::get)
    }

    /// Whether its decisions are carried out in a bridge of this mode.
    pub fn is_enforced(&self, bridge: Mode) -> bool {
        bridge == Mode::Enforce && self.mode != Some(Mode::Monitor)
    }

    /// Which frames the list applies to.
    pub fn direction(&self) -> ListDirection {
        self.direction.unwrap_or(ListDirection::In)
    }
}

impl Config {
    /// Reads a configuration file. The lists that it names are not looked at.
    ///
    /// # Errors
    /// When the file cannot be read, is no TOML, or says something that cannot be.
    pub fn load(file: &Path) -> Result<Self, Faults> {
        let text = read(file)?;
        Self::parse(file, &text)
    }

    /// Reads the text of a configuration file; its paths are relative to the folder of `file`.
    ///
    /// # Errors
    /// When the text is no TOML, or says something that cannot be.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Faults> {
        let document: Document = toml::from_str(text).map_err(|error| explain(file, text, &error))?;
        let Document { bridge, list: lists, mut control, bans, mut events } = document;
        Faults::check(faults(file, text, &bridge, &lists))?;
        let folder = file.parent().unwrap_or(Path::new(""));
        let mut lists: Vec<List> = lists.into_iter().map(toml::Spanned::into_inner).collect();
        let paths = lists.iter_mut().map(|list| &mut list.file).chain([&mut control.socket]);
        for path in paths.chain(events.iter_mut().map(|events| &mut events.file)) {
            *path = folder.join(&path);
        }
        Ok(Self { file: file.to_owned(), bridge, lists, control, bans, events })
    }

    /// Lists that ask for more than the bridge does.
    pub(crate) fn contradictions(&self) -> impl Iterator<Item = Warning> {
        let asks = |list: &&List| self.bridge.mode == Mode::Monitor && list.mode == Some(Mode::Enforce);
        self.lists.iter().filter(asks).map(|list| {
            let message =
                format!("list {} asks to be enforced, but the bridge is in monitor mode", list.name);
            let help = "nothing is dropped until [bridge] says mode = \"enforce\"";
            Warning(Diagnostic::file(&self.file, message).with_help(help))
        })
    }

    /// What the new configuration changes that a reload cannot: the name of the first such setting.
    pub fn needs_restart(&self, new: &Self) -> Option<&'static str> {
        let (old, ours) = (&self.bridge, &new.bridge);
        [
            (old.outside != ours.outside, "bridge.outside"),
            (old.inside != ours.inside, "bridge.inside"),
            (old.xdp != ours.xdp, "bridge.xdp"),
            (old.queues != ours.queues, "bridge.queues"),
            (old.on_failure != ours.on_failure, "bridge.on_failure"),
            (old.stale_after != ours.stale_after, "bridge.stale_after"),
            (old.bpffs != ours.bpffs, "bridge.bpffs"),
            (self.control.listen != new.control.listen, "control.listen"),
            (self.control.socket != new.control.socket, "control.socket"),
            (self.control.sandbox != new.control.sandbox, "control.sandbox"),
            (self.bans != new.bans, "bans.capacity"),
        ]
        .into_iter()
        .find_map(|(changed, name)| changed.then_some(name))
    }
}

fn read(file: &Path) -> Result<String, Faults> {
    let said = |error| Diagnostic::file(file, format!("cannot read the configuration: {error}"));
    std::fs::read_to_string(file).map_err(|error| said(error).into())
}

/// What is wrong in a document that is well-formed.
fn faults(file: &Path, text: &str, bridge: &Bridge, lists: &[toml::Spanned<List>]) -> Vec<Diagnostic> {
    let mut faults = Vec::new();
    if bridge.outside == bridge.inside {
        let at = text.find("inside").map_or(0..0, |start| start..start + "inside".len());
        let message = format!("outside and inside are the same port, {}", bridge.inside);
        let fault = Diagnostic::at(file, Place::in_text(text, at), message);
        faults.push(fault.with_help("a bridge needs two: name the port towards the LAN as inside"));
    }
    let mut names = std::collections::HashSet::new();
    for list in lists {
        let place = || Place::in_text(text, list.span());
        let list = list.get_ref();
        if !names.insert(list.name.as_str()) {
            let message = format!("there are two lists named {}", list.name);
            faults.push(Diagnostic::at(file, place(), message).with_help("give each list a name of its own"));
        }
        if list.name.is_empty() {
            faults.push(Diagnostic::at(file, place(), "a list needs a name"));
        }
        let misplaced =
            misplaced_options(list).map(|(m, help)| Diagnostic::at(file, place(), m).with_help(help));
        faults.extend(misplaced);
    }
    faults
}

/// What a list says that has no meaning for its kind, and what to do about it.
fn misplaced_options(list: &List) -> impl Iterator<Item = (String, &'static str)> {
    let List { name, kind, direction, eol, p0f, .. } = list;
    let (of_addresses, of_signatures) = (*kind == Kind::Ip, *kind == Kind::Fingerprint);
    let not_inward = direction.is_some_and(|direction| direction != ListDirection::In);
    [
        (
            of_signatures && not_inward,
            format!("list {name} holds fingerprints: they judge SYNs from outside only"),
            "remove `direction`, or write \"in\"",
        ),
        (
            of_addresses && eol.is_some(),
            format!("list {name} holds addresses, which have no EOL"),
            "remove `eol`",
        ),
        (
            of_addresses && p0f.is_some(),
            format!("list {name} holds addresses, which are no p0f signatures"),
            "remove `p0f`",
        ),
    ]
    .into_iter()
    .filter_map(|(is_misplaced, message, help)| is_misplaced.then_some((message, help)))
}

/// A fault of the TOML reader, with its place and, for a name that it does not know, the nearest that it does.
fn explain(file: &Path, text: &str, error: &toml::de::Error) -> Diagnostic {
    let place = Place::in_text(text, error.span().unwrap_or(0..0));
    let fault = Diagnostic::at(file, place, error.message());
    match nearest_known(error.message()) {
        Some(nearest) => fault.with_help(format!("did you mean `{nearest}`?")),
        None => fault,
    }
}

/// serde names the unknown word and then those it knows, each between backticks.
fn nearest_known(message: &str) -> Option<&str> {
    let is_unknown = message.starts_with("unknown field") || message.starts_with("unknown variant");
    let mut words = message.split('`').skip(1).step_by(2);
    let unknown = words.next().filter(|_| is_unknown)?;
    let likeness = |word: &&str| (strsim::normalized_damerau_levenshtein(unknown, word) * 1000.0) as u32;
    words.max_by_key(likeness).filter(|word| likeness(word) >= 500)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
[bridge]
outside = "enp1s0"
inside = "enp2s0"
mode = "enforce"
profile = "strict"
tunnels = "inner"
protect = ["192.0.2.0/24", "2001:db8::/32"]
xdp = "copy"
queues = 2
on_failure = "closed"
stale_after = "500ms"
bpffs = "/run/bpf"
wait = "adaptive"
fast_path = "auto"
link_loss = "ignore"

[[list]]
name = "customers"
kind = "ip"
action = "allow"
file = "lists/customers.txt"
direction = "both"
max_entries = 5000

[[list]]
name = "scanners"
kind = "fingerprint"
action = "block"
mode = "monitor"
file = "/abs/scanners.txt"
eol = "ignore"
p0f = "strict"

[control]
listen = "[::1]:1"
socket = "run/control.sock"
memory = "1.5 GiB"
sandbox = false

[events]
file = "events.json"
"#;

    fn parse(text: &str) -> Result<Config, Faults> {
        Config::parse(Path::new("/etc/synward/synward.toml"), text)
    }

    fn fault(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_whole_configuration_is_read_and_its_paths_start_at_its_folder() {
        let config = parse(WHOLE).unwrap();
        assert_eq!(config.bridge.profile, Profile::Strict);
        assert_eq!(config.bridge.tunnels, Tunnels::Inner);
        let protect: Vec<_> = config.bridge.protect.iter().map(ToString::to_string).collect();
        assert_eq!(protect, ["192.0.2.0/24", "2001:db8::/32"]);
        assert_eq!(config.lists[0].file, Path::new("/etc/synward/lists/customers.txt"));
        assert_eq!(config.lists[1].file, Path::new("/abs/scanners.txt"));
        assert_eq!((config.lists[0].eol, config.lists[1].eol), (None, Some(Eol::Ignore)));
        assert_eq!((config.lists[0].max_entries(), config.lists[1].max_entries()), (5000, List::MAX_ENTRIES));
        assert_eq!((config.lists[0].p0f, config.lists[1].p0f), (None, Some(P0fMode::Strict)));
        assert_eq!(config.control.socket, Path::new("/etc/synward/run/control.sock"));
        assert_eq!((config.control.memory, config.control.sandbox), (Some(ByteSize::mib(1536)), false));
        assert_eq!(config.events.unwrap().file, Path::new("/etc/synward/events.json"));
    }

    #[test]
    fn the_socket_is_found_in_a_configuration_that_is_wrong() {
        let folder = std::env::temp_dir().join(format!("synward-config-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("synward.toml");
        std::fs::write(&file, "nonsense = 1\n[control]\nsocket = 'x.sock'\n").unwrap();
        let socket = Control::load(&file).unwrap().socket;
        assert!(Config::load(&file).is_err());
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(socket, folder.join("x.sock"));
    }

    #[test]
    fn two_ports_are_enough() {
        let config = parse("[bridge]\noutside = 'a'\ninside = 'b'\n").unwrap();
        assert_eq!((config.bridge.mode, config.bridge.profile), (Mode::Monitor, Profile::Balanced));
        assert_eq!(
            (config.control.listen.to_string().as_str(), config.control.sandbox),
            ("127.0.0.1:9469", true)
        );
        assert_eq!((config.bridge.tunnels, config.bridge.protect.len()), (Tunnels::Outer, 0));
        assert_eq!(config.events, None);
    }

    #[test]
    fn a_list_is_enforced_only_when_the_bridge_and_the_list_both_are() {
        let config = parse(WHOLE).unwrap();
        let enforced = |mode| config.lists.iter().map(|list| list.is_enforced(mode)).collect::<Vec<_>>();
        assert_eq!(enforced(Mode::Enforce), [true, false]);
        assert_eq!(enforced(Mode::Monitor), [false, false]);
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_place_and_the_nearest_known_one() {
        let shown = fault("[bridge]\noutsid = 'a'\ninside = 'b'\n");
        assert!(shown.contains("unknown field `outsid`"), "{shown}");
        assert!(shown.contains("/etc/synward/synward.toml:2:1"), "{shown}");
        assert!(shown.contains("did you mean `outside`?"), "{shown}");
        let shown = fault(&WHOLE.replace("[events]", "[evnts]"));
        assert!(shown.contains("did you mean `events`?"), "{shown}");
        let shown = fault(&WHOLE.replace("xdp =", "xpd ="));
        assert!(shown.contains("did you mean `xdp`?"), "{shown}");
    }

    #[test]
    fn a_value_that_this_version_cannot_keep_is_refused() {
        let shown = fault(&WHOLE.replace("fast_path = \"auto\"", "fast_path = \"on\""));
        assert!(shown.contains("unknown variant `on`, expected `auto` or `off`"), "{shown}");
        assert!(shown.contains("synward.toml:15:13"), "{shown}");
    }

    #[test]
    fn a_worker_waits_in_one_of_three_ways() {
        let wait = |text: &str| parse(&WHOLE.replace("\"adaptive\"", text)).map(|config| config.bridge.wait);
        assert_eq!(wait("\"busy\"").unwrap(), Wait::Busy);
        assert_eq!(wait("\"poll\"").unwrap(), Wait::Poll);
        let shown = wait("\"spin\"").unwrap_err().to_string();
        assert!(
            shown.contains("unknown variant `spin`, expected one of `adaptive`, `busy`, `poll`"),
            "{shown}"
        );
    }

    #[test]
    fn a_worker_may_be_silent_for_a_sensible_time() {
        let time =
            |text: &str| parse(&WHOLE.replace("\"500ms\"", text)).map(|config| config.bridge.stale_after);
        assert_eq!(time("\"500ms\"").unwrap(), Duration::from_millis(500));
        assert_eq!(time("\"2 s\"").unwrap(), Duration::from_secs(2));
        for odd in ["50ms", "11s", "-1s", "soon", ""] {
            let shown = time(&format!("\"{odd}\"")).unwrap_err().to_string();
            assert!(shown.contains(&format!("`{odd}` is no time from 100ms to 10s")), "{shown}");
            assert!(shown.contains("synward.toml:12:"), "{shown}");
        }
    }

    #[test]
    fn a_network_to_protect_that_is_none_is_refused_with_its_place_and_what_to_write() {
        for (written, said) in [
            (
                "192.0.2.0/33",
                "\"192.0.2.0/33\" is no network: `33` is not a prefix length; write a number from 0 to 32",
            ),
            (
                "192.0.2.7/24",
                "192.0.2.7/24 has bits set behind its prefix: write 192.0.2.0/24, or the address",
            ),
            ("lan", "`lan` is not an IP address; names are not looked up"),
            ("0.0.0.0/0", "0.0.0.0/0 is every address there is: write the networks of the LAN"),
            ("::ffff:192.0.2.0/120", "write 192.0.2.0/24"),
            ("", "\"\" is no network: write one, such as 192.0.2.0/24"),
        ] {
            let shown = fault(&WHOLE.replace("192.0.2.0/24", written));
            assert!(shown.contains("synward.toml:8:12") && shown.contains(said), "{shown}");
        }
        let shown = fault(&WHOLE.replace("\"2001:db8::/32\"", "7"));
        assert!(shown.contains("synward.toml:8:28"), "{shown}");
        assert!(shown.contains("expected a network such as \"192.0.2.0/24\""), "{shown}");
    }

    #[test]
    fn tunnels_and_networks_to_protect_are_changed_by_a_reload() {
        let old = parse(WHOLE).unwrap();
        let new = WHOLE.replace("\"inner\"", "\"outer\"").replace("192.0.2.0/24", "192.0.3.0/24");
        assert_eq!(old.needs_restart(&parse(&new).unwrap()), None);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert!(fault("[bridge]\noutside = 'a'\ninside = 'a'\n").contains("synward.toml:3:1"));
        let twice = WHOLE.replace("\"scanners\"", "\"customers\"");
        assert!(fault(&twice).contains("two lists named customers"));
        let outward = WHOLE.replace("mode = \"monitor\"", "direction = \"out\"");
        assert!(fault(&outward).contains("judge SYNs from outside only"));
        let padded = WHOLE.replace("direction = \"both\"", "eol = \"ignore\"");
        assert!(fault(&padded).contains("list customers holds addresses, which have no EOL"));
        let matched = WHOLE.replace("direction = \"both\"", "p0f = \"strict\"");
        assert!(fault(&matched).contains("list customers holds addresses, which are no p0f signatures"));
        let crowd = fault(&format!("{WHOLE}[bans]\ncapacity = 1048577\n"));
        assert!(crowd.contains("room for 1048576 bans at most"), "{crowd}");
        assert!(fault("[bridge").contains("synward.toml:1:"));
    }

    #[test]
    fn a_list_that_asks_for_more_than_the_bridge_is_warned_of() {
        let monitor = WHOLE.replace("mode = \"enforce\"", "mode = \"monitor\"");
        assert_eq!(parse(&monitor).unwrap().contradictions().count(), 0);
        let contradicting = monitor.replace("direction = \"both\"", "mode = \"enforce\"");
        let warnings: Vec<_> = parse(&contradicting).unwrap().contradictions().collect();
        assert!(warnings[0].to_string().contains("list customers asks to be enforced"), "{}", warnings[0]);
    }

    #[test]
    fn what_needs_a_restart_is_named() {
        let old = parse(WHOLE).unwrap();
        assert_eq!(old.needs_restart(&old), None);
        let new = parse(&WHOLE.replace("enp2s0", "enp3s0")).unwrap();
        assert_eq!(old.needs_restart(&new), Some("bridge.inside"));
        let new = parse(&format!("{WHOLE}[bans]\ncapacity = 10\n")).unwrap();
        assert_eq!(old.needs_restart(&new), Some("bans.capacity"));
        let new = parse(&WHOLE.replace("sandbox = false", "sandbox = true")).unwrap();
        assert_eq!(old.needs_restart(&new), Some("control.sandbox"));
    }
}
