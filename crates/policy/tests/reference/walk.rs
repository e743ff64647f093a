//! A slow walk through a frame, byte by byte, written from the RFCs and from `docs/odd-frames.md`. It shares nothing with the parser
//! that it is held against.

use std::net::IpAddr;

/// What is odd about frames, mild first: the worst is told.
const SEVERITY: [&str; 21] = [
    "ip_options",
    "tunnel",
    "tcp_options",
    "xmas",
    "null_scan",
    "llc_snap",
    "source_route",
    "fragment",
    "opaque_tunnel",
    "extension_headers",
    "too_many_tags",
    "spoofed_source",
    "syn_rst",
    "syn_fin",
    "tcp_header",
    "fragment_offset_one",
    "tiny_fragment",
    "ipv6_incomplete_chain",
    "routing_type_0",
    "truncated_ip",
    "runt",
];

pub(crate) type Odd = Option<&'static str>;

pub(crate) fn worst(one: Odd, other: Odd) -> Odd {
    let rank = |odd: Odd| odd.map(|name| SEVERITY.iter().position(|known| *known == name).unwrap());
    if rank(one) >= rank(other) { one } else { other }
}

/// What is in a frame.
pub(crate) enum Found {
    NotIp,
    Odd(&'static str),
    Packet(Packet),
}

pub(crate) struct Packet {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) odd: Odd,
    /// The signature of a SYN in MuonFP's notation.
    pub(crate) syn: Option<String>,
    pub(crate) tunnel: Option<Tunnel>,
    protocol: u8,
    /// What is odd about the TCP segment, if its header is whole.
    segment: Option<Odd>,
}

/// A tunnel and what follows its IP header; nothing of a later fragment.
pub(crate) struct Tunnel {
    protocol: u8,
    port: u16,
    content: Option<Vec<u8>>,
    is_whole: bool,
}

fn number(bytes: &[u8], at: usize) -> usize {
    usize::from(bytes[at]) << 8 | usize::from(bytes[at + 1])
}

fn is_tag(kind: usize) -> bool {
    [0x8100, 0x88a8, 0x9100, 0x9200, 0x9300].contains(&kind)
}

pub(crate) fn ethernet(bytes: &[u8]) -> Found {
    if bytes.len() < 14 { Found::Odd("runt") } else { ether_type(number(bytes, 12), &bytes[14..], 0) }
}

fn ether_type(kind: usize, rest: &[u8], tags: usize) -> Found {
    match kind {
        0x0800 => ipv4(rest),
        0x86dd => ipv6(rest),
        _ if is_tag(kind) && tags == 4 => Found::Odd("too_many_tags"),
        _ if is_tag(kind) && rest.len() < 4 => Found::Odd("runt"),
        _ if is_tag(kind) => ether_type(number(rest, 2), &rest[4..], tags + 1),
        0x8864 => pppoe(rest),
        0x8847 | 0x8848 => mpls(rest),
        length if length < 0x600 => llc(&rest[..if length <= rest.len() { length } else { rest.len() }]),
        _ => Found::NotIp,
    }
}

fn llc(bytes: &[u8]) -> Found {
    let found = if bytes.starts_with(&[0xaa, 0xaa, 3, 0, 0, 0, 0x08, 0x00]) {
        ipv4(&bytes[8..])
    } else if bytes.starts_with(&[0xaa, 0xaa, 3, 0, 0, 0, 0x86, 0xdd]) {
        ipv6(&bytes[8..])
    } else if bytes.starts_with(&[6, 6, 3]) {
        ipv4(&bytes[3..])
    } else {
        Found::NotIp
    };
    match found {
        Found::Packet(packet) => Found::Packet(Packet { odd: worst(packet.odd, Some("llc_snap")), ..packet }),
        found => found,
    }
}

fn pppoe(rest: &[u8]) -> Found {
    if rest.len() < 8 {
        return Found::Odd("runt");
    }
    let (protocol, start) = if rest[6] % 2 == 1 { (usize::from(rest[6]), 7) } else { (number(rest, 6), 8) };
    let end = number(rest, 4) + 6;
    let packet = if start <= end && end <= rest.len() { &rest[start..end] } else { &rest[start..] };
    match protocol {
        0x0021 => ipv4(packet),
        0x0057 => ipv6(packet),
        _ => Found::NotIp,
    }
}

fn mpls(rest: &[u8]) -> Found {
    for label in 0..8 {
        let at = label * 4;
        if rest.len() < at + 4 {
            return Found::Odd("runt");
        }
        if rest[at + 2] & 1 == 1 {
            return behind_labels(&rest[at + 4..]);
        }
    }
    Found::Odd("too_many_tags")
}

fn behind_labels(bytes: &[u8]) -> Found {
    match bytes.first().map_or(0, |first| first / 16) {
        4 if fits_ipv4(bytes) => ipv4(bytes),
        6 if fits_ipv6(bytes) => ipv6(bytes),
        _ => Found::NotIp,
    }
}

fn fits_ipv4(bytes: &[u8]) -> bool {
    let header = usize::from(bytes[0] % 16) * 4;
    if header < 20 || bytes.len() < header {
        return false;
    }
    let mut sum: usize = (0..header).step_by(2).map(|at| number(bytes, at)).sum();
    while sum > 0xffff {
        sum = sum % 0x10000 + sum / 0x10000;
    }
    let total = number(bytes, 2);
    sum == 0xffff && header <= total && total <= bytes.len()
}

fn fits_ipv6(bytes: &[u8]) -> bool {
    if bytes.len() < 40 {
        return false;
    }
    let total = 40 + number(bytes, 4);
    let like_ethernet = is_tag(number(bytes, 12)) || [0x0800, 0x0806, 0x86dd].contains(&number(bytes, 12));
    bytes.len() == total || bytes.len() > total && !like_ethernet
}

fn ipv4(bytes: &[u8]) -> Found {
    if bytes.len() < 20 {
        return Found::Odd("truncated_ip");
    }
    let address = |at: usize| IpAddr::from([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let (header, total) = (usize::from(bytes[0] % 16) * 4, number(bytes, 2));
    let is_sane = bytes[0] / 16 == 4 && header >= 20;
    let is_right = is_sane && header <= total && total <= bytes.len();
    let end = total.min(bytes.len());
    let payload =
        if is_right || is_sane && total > bytes.len() && header <= end { &bytes[header..end] } else { &[] };
    let mut packet = Packet {
        source: address(12),
        destination: address(16),
        odd: (!is_right).then_some("truncated_ip"),
        syn: None,
        tunnel: None,
        protocol: bytes[9],
        segment: None,
    };
    if header > 20 {
        let is_routed = header <= bytes.len() && has_source_route(&bytes[20..header]);
        packet.note(Some(if is_routed { "source_route" } else { "ip_options" }));
    }
    let (more, offset) = (bytes[6] & 0x20 != 0, number(bytes, 6) % 0x2000);
    match (more, offset) {
        (false, 0) => packet.transport(payload, "tcp_header"),
        (true, 0) => packet.transport(payload, "tiny_fragment"),
        _ => packet.later_fragment(offset),
    }
    Found::Packet(packet)
}

fn has_source_route(options: &[u8]) -> bool {
    let mut at = 0;
    while at < options.len() && options[at] != 0 {
        if options[at] == 131 || options[at] == 137 {
            return true;
        }
        let length = if options[at] == 1 { 1 } else { options.get(at + 1).copied().unwrap_or(0) };
        if options[at] != 1 && length < 2 {
            return false;
        }
        at += usize::from(length);
    }
    false
}

fn is_walked(next: u8) -> bool {
    [0, 43, 44, 51, 60].contains(&next)
}

fn is_extension(next: u8) -> bool {
    is_walked(next) || [135, 139, 140, 253, 254].contains(&next)
}

fn ipv6(bytes: &[u8]) -> Found {
    if bytes.len() < 40 {
        return Found::Odd("truncated_ip");
    }
    let address = |at: usize| IpAddr::from(<[u8; 16]>::try_from(&bytes[at..at + 16]).unwrap());
    let (is_six, end) = (bytes[0] / 16 == 6, 40 + number(bytes, 4));
    let is_right = is_six && end <= bytes.len();
    let payload = if is_six { &bytes[40..end.min(bytes.len())] } else { &[] };
    let mut packet = Packet {
        source: address(8),
        destination: address(24),
        odd: (!is_right).then_some("truncated_ip"),
        syn: None,
        tunnel: None,
        protocol: bytes[6],
        segment: None,
    };
    packet.chain(payload);
    Found::Packet(packet)
}

impl Packet {
    fn note(&mut self, odd: Odd) {
        self.odd = worst(self.odd, odd);
    }

    /// The extension headers of IPv6, and what follows them.
    fn chain(&mut self, payload: &[u8]) {
        if self.protocol == 0 && payload.is_empty() {
            self.note(Some("truncated_ip"));
        }
        let (mut at, mut headers, mut cut) = (0, 0, "tcp_header");
        while is_walked(self.protocol) && headers < 8 {
            let rest = &payload[at..];
            if rest.len() < 4 || rest.len() < extension_length(self.protocol, rest[1]) {
                return self.note(Some("ipv6_incomplete_chain"));
            }
            let kind = self.protocol;
            self.protocol = rest[0];
            if kind == 43 && rest[2] == 0 {
                self.note(Some("routing_type_0"));
            }
            let offset = number(rest, 2) / 8;
            if kind == 44 && offset > 0 {
                if offset == 1 {
                    self.note(Some("fragment_offset_one"));
                }
                if is_extension(self.protocol) {
                    self.note(Some("extension_headers"));
                }
                return self.later_fragment(offset);
            }
            if kind == 44 && rest[3] % 2 == 1 {
                cut = "ipv6_incomplete_chain";
            }
            at += extension_length(kind, rest[1]);
            headers += 1;
        }
        if is_extension(self.protocol) {
            return self.note(Some("extension_headers"));
        }
        let rest = &payload[at..];
        let least =
            [(17, 8), (58, 4), (132, 12)].into_iter().find(|(protocol, _)| *protocol == self.protocol);
        if cut == "ipv6_incomplete_chain" && least.is_some_and(|(_, least)| rest.len() < least) {
            self.note(Some(cut));
        }
        self.transport(rest, cut);
    }

    fn later_fragment(&mut self, offset: usize) {
        if self.protocol == 6 {
            self.note(Some(if offset == 1 { "fragment_offset_one" } else { "fragment" }));
        }
        if [4, 41, 47].contains(&self.protocol) {
            self.tunnel = Some(Tunnel { protocol: self.protocol, port: 0, content: None, is_whole: false });
            self.note(Some("tunnel"));
        }
    }

    fn transport(&mut self, payload: &[u8], cut: &'static str) {
        if self.protocol == 6 {
            return self.tcp(payload, cut);
        }
        let port = if payload.len() >= 4 { number(payload, 2) } else { 0 };
        let content = match (self.protocol, port) {
            (4 | 41 | 47, _) => payload,
            (17, 4789 | 6081) => udp(payload),
            _ => return,
        };
        self.tunnel = Some(Tunnel {
            protocol: self.protocol,
            port: if self.protocol == 17 { port as u16 } else { 0 },
            content: Some(content.to_vec()),
            is_whole: cut == "tcp_header",
        });
        self.note(Some("tunnel"));
    }

    fn tcp(&mut self, payload: &[u8], cut: &'static str) {
        if payload.len() < 20 || payload.len() < usize::from(payload[12] / 16) * 4 {
            return self.note(Some(cut));
        }
        let header = usize::from(payload[12] / 16) * 4;
        if header < 20 {
            return self.note(Some("tcp_header"));
        }
        let (flags, options) = (payload[13], &payload[20..header]);
        let has = |flag: u8| flags & flag != 0;
        let (fin, syn, rst, ack) = (has(1), has(2), has(4), has(16));
        let is_syn = syn && !ack && !rst;
        let odd = if syn && fin {
            Some("syn_fin")
        } else if syn && rst {
            Some("syn_rst")
        } else if flags % 64 == 0 {
            Some("null_scan")
        } else if flags % 64 == 0b10_1001 {
            Some("xmas")
        } else if is_syn && !are_well_formed(options) {
            Some("tcp_options")
        } else {
            None
        };
        self.note(odd);
        self.segment = Some(odd);
        self.syn = is_syn.then(|| muonfp(number(payload, 14), options));
    }

    /// As it is when only its beginning is here.
    fn in_first_fragment(mut self) -> Self {
        if self.odd == Some("truncated_ip") {
            self.odd = match self.segment {
                Some(odd) => odd,
                None if self.protocol == 6 => Some("tiny_fragment"),
                None if self.source.is_ipv6() && is_extension(self.protocol) => Some("ipv6_incomplete_chain"),
                None => None,
            };
        }
        self
    }
}

fn extension_length(kind: u8, length: u8) -> usize {
    match kind {
        44 => 8,
        51 => usize::from(length) * 4 + 8,
        _ => usize::from(length) * 8 + 8,
    }
}

fn are_well_formed(options: &[u8]) -> bool {
    let mut at = 0;
    while at < options.len() {
        let (kind, length) = (options[at], options.get(at + 1).copied().map_or(0, usize::from));
        let is_right = match kind {
            0 => return true,
            1 => true,
            2 => length == 4,
            3 => length == 3,
            4 => length == 2,
            5 => (10..=34).contains(&length),
            8 => length == 10,
            _ => length >= 2,
        };
        if !is_right {
            return false;
        }
        at += if kind == 1 { 1 } else { length };
    }
    at == options.len()
}

/// As the reference program of MuonFP prints it.
fn muonfp(window: usize, options: &[u8]) -> String {
    let (mut at, mut kinds, mut mss, mut scale) = (0, Vec::new(), String::new(), String::new());
    while at < options.len() {
        let kind = options[at];
        kinds.push(kind.to_string());
        if kind == 2 && at + 4 <= options.len() {
            mss = number(options, at + 2).to_string();
        }
        if kind == 3 && at + 3 <= options.len() {
            scale = options[at + 2].to_string();
        }
        let length = options.get(at + 1).copied().map_or(0, usize::from);
        at += match kind {
            0 => break,
            1 => 1,
            2 => 4,
            3 => 3,
            _ if length >= 2 => length,
            _ => break,
        };
    }
    format!("{window}:{}:{mss}:{scale}", kinds.join("-"))
}

fn udp(payload: &[u8]) -> &[u8] {
    let length = if payload.len() >= 6 { number(payload, 4) } else { 0 };
    match length {
        8.. if length <= payload.len() => &payload[8..length],
        _ if payload.len() >= 8 => &payload[8..],
        _ => &[],
    }
}

impl Tunnel {
    /// None for what is not opened.
    pub(crate) fn open(&self) -> Option<Found> {
        let content = self.content.as_ref()?;
        let found = match (self.protocol, self.port) {
            (4, _) => ipv4(content),
            (41, _) => ipv6(content),
            (47, _) => gre(content)?,
            (_, 4789) if content.len() < 8 => Found::Odd("runt"),
            (_, 4789) if content[0] & 8 == 0 => Found::NotIp,
            (_, 4789) => ethernet(&content[8..]),
            _ => return None,
        };
        Some(match found {
            Found::Odd("runt" | "truncated_ip") if !self.is_whole => Found::Odd("tiny_fragment"),
            Found::Packet(packet) if !self.is_whole => Found::Packet(packet.in_first_fragment()),
            found => found,
        })
    }
}

fn gre(content: &[u8]) -> Option<Found> {
    if content.len() < 4 {
        return Some(Found::Odd("runt"));
    }
    if content[0] & 0x40 != 0 || content[1] & 7 != 0 {
        return None;
    }
    let words = [0x80, 0x20, 0x10].into_iter().filter(|flag| content[0] & flag != 0).count();
    if content.len() < 4 + words * 4 {
        return Some(Found::Odd("runt"));
    }
    let rest = &content[4 + words * 4..];
    Some(if number(content, 2) == 0x6558 { ethernet(rest) } else { ether_type(number(content, 2), rest, 0) })
}
