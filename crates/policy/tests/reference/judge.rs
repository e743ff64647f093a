//! A slow judge: [`walk`](super::walk) through the frame, then every list and every signature in turn, in the order of verdicts. And the rules
//! that it and the real judge are given.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use synward_policy::{
    Action, BanKeeper, Config, Decision, Direction, ListNames, Moment, Reason, RuleSet, Snapshot,
};

use super::walk::{Found, Odd, Packet, ethernet, worst};

/// A list: its name, whether it allows, whether it is enforced, its direction, its lines.
type List = (&'static str, bool, bool, &'static str, &'static [&'static str]);

/// That overlap in every way.
const ADDRESSES: [List; 5] = [
    ("trial", false, false, "in", &["192.0.2.0/24", "2001:db8::/32"]),
    ("good", true, true, "both", &["192.0.2.4/30", "2001:db8:0:1::/64"]),
    ("bad", false, true, "both", &["192.0.2.0/28", "2001:db8::/47", "203.0.113.66/32"]),
    ("quiet", true, false, "in", &["192.0.2.12/31", "203.0.113.66/32"]),
    ("out", false, true, "out", &["192.0.2.99/32"]),
];

/// Of each list the signatures without wildcards come first.
const SIGNATURES: [List; 3] = [
    ("browsers", true, true, "in", &["64240:2-4-8-1-3:1460:7"]),
    ("scanners", false, true, "in", &["1024:::", "1024:2:1460:"]),
    ("candidates", false, false, "in", &["65535:::", "%:::"]),
];

const BANNED: &str = "198.51.100.9";
const PROTECTED: [&str; 2] = ["198.51.100.0/29", "2001:db8:0:2::/64"];
const NOW: Moment = Moment::from_millis(5_000);

/// How the bridge is set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) enforces: bool,
    pub(crate) profile: &'static str,
    pub(crate) opens_tunnels: bool,
}

impl Settings {
    /// All there are.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let profiles = ["transparent", "balanced", "strict"].into_iter();
        let both = |profile| [(profile, false), (profile, true)];
        profiles.flat_map(both).flat_map(|(profile, enforces)| {
            [false, true].map(|opens_tunnels| Self { enforces, profile, opens_tunnels })
        })
    }

    /// The rules as the real judge takes them, and the names of their lists.
    pub(crate) fn snapshot(self, folder: &Path) -> (Snapshot, ListNames) {
        fs::create_dir_all(folder).unwrap();
        let mode = |enforces| if enforces { "enforce" } else { "monitor" };
        let tunnels = if self.opens_tunnels { "inner" } else { "outer" };
        let mut text = format!(
            "[bridge]\noutside = 'a'\ninside = 'b'\nmode = '{}'\nprofile = '{}'\ntunnels = '{tunnels}'\n\
             protect = {PROTECTED:?}\n",
            mode(self.enforces),
            self.profile
        );
        let kinds = [(&ADDRESSES[..], "ip"), (&SIGNATURES, "fingerprint")];
        for ((name, allows, enforced, direction, lines), kind) in
            kinds.iter().flat_map(|(lists, kind)| lists.iter().map(move |list| (list, kind)))
        {
            fs::write(folder.join(name), lines.join("\n")).unwrap();
            let action = if *allows { "allow" } else { "block" };
            text += &format!(
                "[[list]]\nname = '{name}'\nfile = '{name}'\nkind = '{kind}'\naction = '{action}'\nmode = '{}'\n\
                 direction = '{direction}'\n",
                mode(*enforced)
            );
        }
        let mut names = ListNames::default();
        let config = Config::parse(&folder.join("synward.toml"), &text).unwrap();
        let rules = RuleSet::compile(&config, &mut names);
        fs::remove_dir_all(folder).unwrap();
        let mut keeper = BanKeeper::new(2);
        for (address, seconds) in [(BANNED, 10), ("198.51.100.10", 1)] {
            keeper.ban(address.parse().unwrap(), Moment::START, Duration::from_secs(seconds)).unwrap();
        }
        let bans = Arc::clone(keeper.bans());
        (Snapshot { rules: Arc::new(rules.unwrap().rules), bans, generation: 1 }, names)
    }

    fn drops(self, odd: &str) -> bool {
        match self.profile {
            "strict" => !["ip_options", "tunnel"].contains(&odd),
            "balanced" => [
                "syn_rst",
                "syn_fin",
                "tcp_header",
                "fragment_offset_one",
                "tiny_fragment",
                "ipv6_incomplete_chain",
                "routing_type_0",
                "truncated_ip",
                "runt",
            ]
            .contains(&odd),
            _ => false,
        }
    }
}

/// What is decided, in words: whether to drop, why, and the list.
pub(crate) type Said = (bool, String, Option<String>);

/// What the real judge says of a frame, and what it would if everything were enforced, where that differs.
pub(crate) fn real(
    (snapshot, names): &(Snapshot, ListNames),
    direction: Direction,
    frame: &[u8],
) -> (Said, Option<Said>) {
    let verdict = snapshot.judge_seen(direction, frame, NOW, &mut ());
    let mut batch = Vec::new();
    snapshot.judge_batch(direction, [frame, frame], NOW, &mut (), |verdict| batch.push(verdict));
    assert_eq!(batch, [verdict, verdict]);
    let said = |Decision { action, reason, rule }: Decision| {
        let list = rule.map(|rule| names.name(snapshot.rules.list_of(rule).unwrap()).to_owned());
        (action == Action::Drop, Reason::name(reason).to_owned(), list)
    };
    let actual = Decision { action: verdict.action, reason: verdict.reason, rule: verdict.rule };
    (said(actual), verdict.would.map(said))
}

/// What the slow judge says.
pub(crate) fn slow(settings: Settings, direction: Direction, frame: &[u8]) -> (Said, Option<Said>) {
    let found = ethernet(frame);
    let side = |enforced_only| Judge { settings, direction, enforced_only };
    let actual = if settings.enforces { side(true).decide(&found) } else { None };
    let assumed = side(false).decide(&found);
    let forward = (false, side(false).otherwise(&found).unwrap_or("clean").to_owned(), None);
    let actual = actual.unwrap_or_else(|| forward.clone());
    let would = Some(assumed.unwrap_or(forward)).filter(|assumed| *assumed != actual);
    (actual, would)
}

/// One side of a verdict: by what is enforced, or by everything.
#[derive(Clone, Copy)]
struct Judge {
    settings: Settings,
    direction: Direction,
    enforced_only: bool,
}

impl Judge {
    fn decide(self, found: &Found) -> Option<Said> {
        match found {
            Found::NotIp => None,
            Found::Odd(odd) => self.odd(Some(odd)),
            Found::Packet(packet) => {
                let odd = self.oddities(packet);
                self.by_itself(packet, odd).or_else(|| self.inner(packet)?.0)
            }
        }
    }

    /// By a packet's own headers.
    fn by_itself(self, packet: &Packet, odd: Odd) -> Option<Said> {
        let address = if self.direction == Direction::In { packet.source } else { packet.destination };
        self.addresses(address).or_else(|| {
            let ban = (packet.source.to_string() == BANNED).then(|| (true, "ban".to_owned(), None));
            let later = ban.or_else(|| self.odd(odd)).or_else(|| self.signatures(packet.syn.as_ref()?));
            later.filter(|_| self.direction == Direction::In)
        })
    }

    fn addresses(self, address: IpAddr) -> Option<Said> {
        let applies = |direction: &str| match self.direction {
            Direction::In => direction != "out",
            Direction::Out => direction != "in",
        };
        let covering = ADDRESSES.iter().filter(|(_, _, enforced, direction, lines)| {
            (*enforced || !self.enforced_only)
                && applies(direction)
                && lines.iter().any(|line| covers(line, address))
        });
        let covering: Vec<_> = covering.collect();
        let (name, allows, ..) =
            covering.iter().find(|(_, allows, ..)| *allows).or_else(|| covering.first())?;
        let reason = if *allows { "allow_list" } else { "block_list" };
        Some((!allows, reason.to_owned(), Some((*name).to_owned())))
    }

    fn odd(self, odd: Odd) -> Option<Said> {
        let drops = odd.filter(|odd| self.direction == Direction::In && self.settings.drops(odd))?;
        Some((true, drops.to_owned(), None))
    }

    fn signatures(self, syn: &str) -> Option<Said> {
        let lists = SIGNATURES.iter().filter(|(_, _, enforced, ..)| *enforced || !self.enforced_only);
        let lines =
            lists.flat_map(|(name, allows, _, _, lines)| lines.iter().map(move |line| (name, allows, line)));
        let matching = lines.filter(|(.., line)| match line.strip_prefix('%') {
            Some(rest) => syn.trim_start_matches(|c: char| c.is_ascii_digit()) == rest,
            None => syn == **line,
        });
        let (name, allows, _) =
            matching.min_by_key(|(_, allows, line)| (!**allows, line.starts_with('%')))?;
        let reason = if *allows { "fingerprint_allow" } else { "fingerprint_block" };
        Some((!allows, reason.to_owned(), Some((*name).to_owned())))
    }

    /// What is decided about the contents of a tunnel, and what is odd about them; nothing if they are not looked at.
    fn inner(self, packet: &Packet) -> Option<(Option<Said>, Odd)> {
        let tunnel = packet.tunnel.as_ref()?;
        if !self.settings.opens_tunnels || self.direction == Direction::Out {
            return None;
        }
        Some(match tunnel.open() {
            None => (self.odd(Some("opaque_tunnel")), Some("opaque_tunnel")),
            Some(Found::NotIp) => (None, None),
            Some(Found::Odd(odd)) => (self.odd(Some(odd)), Some(odd)),
            Some(Found::Packet(inner)) => {
                let odd = worst(inner.odd, inner.tunnel.as_ref().map(|_| "opaque_tunnel"));
                (self.by_itself(&inner, odd), odd)
            }
        })
    }

    fn oddities(self, packet: &Packet) -> Odd {
        let is_spoofed =
            self.direction == Direction::In && PROTECTED.iter().any(|line| covers(line, packet.source));
        worst(packet.odd, is_spoofed.then_some("spoofed_source"))
    }

    /// The reason to forward what nobody objects to. Of a frame about which all is said the lists are the last to look at it.
    fn otherwise(self, found: &Found) -> Odd {
        let packet = match found {
            Found::NotIp => return Some("not_ip"),
            Found::Odd(odd) => return Some(odd),
            Found::Packet(packet) => packet,
        };
        let odd = self.oddities(packet);
        let address = if self.direction == Direction::In { packet.source } else { packet.destination };
        let is_settled = |decided: &dyn Fn(Self) -> bool| {
            let enforced = Self { enforced_only: true, ..self };
            decided(self) && (!self.settings.enforces || decided(enforced))
        };
        if is_settled(&|side| side.addresses(address).is_some()) {
            packet.odd
        } else if is_settled(&|side| side.by_itself(packet, odd).is_some()) {
            odd
        } else {
            worst(odd, self.inner(packet).and_then(|(_, odd)| odd))
        }
    }
}

/// Whether an address is within a prefix.
fn covers(prefix: &str, address: IpAddr) -> bool {
    let (network, length) = prefix.split_once('/').unwrap();
    let length: usize = length.parse().unwrap();
    let bits = |address: IpAddr| -> String {
        let bytes = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        bytes.iter().map(|byte| format!("{byte:08b}")).collect()
    };
    let (network, address) = (bits(network.parse().unwrap()), bits(address));
    network.len() == address.len() && network[..length] == address[..length]
}
