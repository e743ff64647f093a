//! Who passes and who does not, on the wire, and how it is counted.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use etherparse::{IpFragOffset, IpNumber, Ipv4Header};
use serde_json::Value;

use crate::bed::{Bed, Case, Config, Fate, Metrics, Records, Side, Wire};
use crate::frames::{
    ACK, CWR, ECE, FIN, Flow, IPV4, LINUX_OPTIONS, PSH, RST, SERVICE_VLAN, SYN, Segment, URG, VLAN, arp,
    ethernet, ipv4, noise, tagged,
};

const HOST: &str = "192.0.2.2";
const HOST6: &str = "2001:db8:0:2::2";

/// On no list.
fn stranger() -> Flow {
    Flow::new("198.51.100.7", HOST)
}

/// On no list.
fn stranger6() -> Flow {
    Flow::new("2001:db8:1::7", HOST6)
}

/// On the block list.
fn blocked() -> Flow {
    Flow::new("203.0.113.66", HOST)
}

/// On the block list.
fn blocked6() -> Flow {
    Flow::new("2001:db8:bad::66", HOST6)
}

/// On the block list and on the allow list.
fn customer() -> Flow {
    Flow::new("203.0.113.200", HOST)
}

/// On the block list and on the allow list.
fn customer6() -> Flow {
    Flow::new("2001:db8:bad:c::1", HOST6)
}

/// The block list names the customer's very address, the allow list only a network that it lies in.
fn enforce() -> Config {
    Config::enforce()
        .block("blocked", "203.0.113.0/24\n203.0.113.200\n2001:db8:bad::/48\n2001:db8:bad:c::1/128\n")
        .allow("customers", "203.0.113.192/26\n2001:db8:bad:c::/64\n")
}

/// An IPv4 frame with a header of the test's own.
fn with_header(
    flow: Flow,
    protocol: IpNumber,
    change: impl FnOnce(&mut Ipv4Header),
    payload: &[u8],
) -> Vec<u8> {
    let (std::net::IpAddr::V4(source), std::net::IpAddr::V4(destination)) = (flow.source, flow.destination)
    else {
        panic!("{flow:?} is not IPv4")
    };
    let mut header = Ipv4Header::new(0, 61, protocol, source.octets(), destination.octets()).unwrap();
    change(&mut header);
    ethernet(IPV4, &ipv4(header, payload))
}

/// A fragment; `offset` in units of 8 bytes.
fn fragment(flow: Flow, protocol: IpNumber, offset: u16, payload: &[u8]) -> Vec<u8> {
    let change = |header: &mut Ipv4Header| {
        header.fragment_offset = IpFragOffset::try_new(offset).unwrap();
        (header.more_fragments, header.dont_fragment) = (true, false);
    };
    with_header(flow, protocol, change, payload)
}

fn with_ip_options(flow: Flow, options: &[u8]) -> Vec<u8> {
    let segment = flow.segment(&Segment::LINUX);
    with_header(flow, IpNumber::TCP, |header| header.options = options.try_into().unwrap(), &segment)
}

/// Record route, RFC 791.
const RECORD_ROUTE: [u8; 8] = [7, 7, 4, 0, 0, 0, 0, 0];

/// Traffic of all sorts between two hosts, none of which says anything against itself.
fn traffic(flow: Flow) -> Vec<(String, Vec<u8>)> {
    let mut frames = vec![
        ("ping", flow.ping()),
        ("UDP", flow.udp(&noise(30))),
        ("SYN", flow.tcp(&Segment::LINUX)),
        ("SYN-ACK", flow.tcp(&Segment::LINUX.with_flags(SYN | ACK))),
        ("data", flow.tcp(&Segment::DATA)),
        ("RST", flow.tcp(&Segment::DATA.with_flags(RST))),
        ("GRE", flow.frame(IpNumber(47), &noise(50))),
        ("unknown protocol", flow.frame(IpNumber(252), &noise(50))),
    ];
    if flow.source.is_ipv4() {
        frames.extend([
            ("IP options", with_ip_options(flow, &RECORD_ROUTE)),
            ("first fragment", fragment(flow, IpNumber::TCP, 0, &flow.segment(&Segment::LINUX))),
            ("later TCP fragment", fragment(flow, IpNumber::TCP, 185, &noise(64))),
            ("later UDP fragment", fragment(flow, IpNumber::UDP, 185, &noise(64))),
            ("later ICMP fragment", fragment(flow, IpNumber::ICMP, 1, &noise(64))),
        ]);
    } else {
        // Fragment headers: next header, reserved, offset and flags, identification (RFC 8200 section 4.5).
        let later = [&[17, 0, 1, 1, 0, 0, 0, 1], &*noise(64)].concat();
        let hop_by_hop = [&[6, 0, 1, 4, 0, 0, 0, 0], &*flow.segment(&Segment::LINUX)].concat();
        frames.push(("later fragment", flow.frame(IpNumber(44), &later)));
        frames.push(("hop-by-hop options", flow.frame(IpNumber(0), &hop_by_hop)));
    }
    frames.into_iter().flat_map(|(name, frame)| encapsulated(name, &frame)).collect()
}

/// A frame as it is, and behind everything that must be looked through.
fn encapsulated(name: &str, frame: &[u8]) -> Vec<(String, Vec<u8>)> {
    let (packet, version) = (&frame[14..], frame[14] >> 4);
    let ppp = if version == 4 { 0x21 } else { 0x57 };
    let session = u16::try_from(packet.len() + 2).unwrap().to_be_bytes();
    let pppoe = [&[0x11, 0, 0, 9], &session[..], &[0, ppp], packet].concat();
    let mpls = [&[0, 1, 0, 64, 0, 2, 1, 64], packet].concat();
    vec![
        (name.to_owned(), frame.to_vec()),
        (format!("{name} in a VLAN"), tagged(&[VLAN], frame)),
        (format!("{name} in QinQ"), tagged(&[SERVICE_VLAN, VLAN], frame)),
        (format!("{name} in old QinQ"), tagged(&[(0x9100, 1), VLAN], frame)),
        (format!("{name} in four tags"), tagged(&[SERVICE_VLAN, SERVICE_VLAN, VLAN, VLAN], frame)),
        (format!("{name} in PPPoE"), ethernet(0x8864, &pppoe)),
        (format!("{name} in PPPoE in a VLAN"), tagged(&[VLAN], &ethernet(0x8864, &pppoe))),
        (format!("{name} in MPLS"), ethernet(0x8847, &mpls)),
    ]
}

/// All of these frames have the same fate.
fn cases(frames: Vec<(String, Vec<u8>)>, who: &str, fate: Fate) -> Vec<Case> {
    frames.into_iter().map(|(name, frame)| Case::new(format!("{who}: {name}"), frame, fate)).collect()
}

#[test]
fn a_blocked_source_gets_nothing_through_whatever_it_sends_and_however_it_is_wrapped() {
    let bed = Bed::new();
    let wire = bed.start(&enforce());
    let block = Fate::Dropped("block_list");
    for (flow, who, fate) in [
        (blocked(), "blocked", block),
        (blocked6(), "blocked, IPv6", block),
        (stranger(), "a stranger", Fate::Passes),
        (stranger6(), "a stranger, IPv6", Fate::Passes),
        (customer(), "on both lists", Fate::Passes),
        (customer6(), "on both lists, IPv6", Fate::Passes),
    ] {
        wire.judge(Side::Outside, &cases(traffic(flow), who, fate));
    }
    // What is odd besides is still dropped for the list, and ARP is of no IP address.
    let odd = [
        ("SYN+FIN", blocked().tcp(&Segment::LINUX.with_flags(SYN | FIN))),
        ("tiny fragment", fragment(blocked(), IpNumber::TCP, 0, &noise(8))),
        ("source route", with_ip_options(blocked(), &[131, 7, 4, 192, 0, 2, 9, 0])),
    ];
    wire.judge(Side::Outside, &odd.map(|(name, frame)| Case::new(name, frame, block)));
    wire.judge(Side::Outside, &[Case::new("ARP", arp(), Fate::Passes)]);
    wire.stop();
}

#[test]
fn lists_apply_to_their_direction_only() {
    let bed = Bed::new();
    let kind = "kind = \"ip\"\naction = \"block\"\ndirection";
    let config = Config::enforce()
        .list("to", &format!("{kind} = \"out\""), "203.0.113.1\n2001:db8:bad::1\n")
        .list("between", &format!("{kind} = \"both\""), "203.0.113.2\n2001:db8:bad::2\n")
        .list("from", &format!("{kind} = \"in\""), "203.0.113.3\n2001:db8:bad::3\n")
        .list("partner", "kind = \"ip\"\naction = \"allow\"\ndirection = \"out\"", "203.0.113.2\n");
    let wire = bed.start(&config);
    let block = Fate::Dropped("block_list");
    // By address: what becomes of frames from it, and of frames to it.
    for (source, host, from, to) in [
        ("203.0.113.1", HOST, Fate::Passes, block),
        ("2001:db8:bad::1", HOST6, Fate::Passes, block),
        ("203.0.113.2", HOST, block, Fate::Passes),
        ("2001:db8:bad::2", HOST6, block, block),
        ("203.0.113.3", HOST, block, Fate::Passes),
        ("2001:db8:bad::3", HOST6, block, Fate::Passes),
    ] {
        let flow = Flow::new(source, host);
        let ways = [(Side::Outside, flow, from), (Side::Outside, flow.back(), Fate::Passes)];
        let back = [(Side::Inside, flow.back(), to), (Side::Inside, flow, Fate::Passes)];
        for (side, flow, fate) in ways.into_iter().chain(back) {
            wire.judge(side, &cases(traffic(flow), &format!("{flow:?} from {side:?}"), fate));
        }
    }
    wire.stop();
}

/// The same SYN over IPv4 and IPv6, wrapped in all ways, and with flags and data that must not hide it.
fn syns(syn: Segment<'_>) -> Vec<(String, Vec<u8>)> {
    let variants = [
        ("SYN", syn),
        ("SYN with ECN", syn.with_flags(SYN | ECE | CWR)),
        ("SYN with PSH and URG", syn.with_flags(SYN | PSH | URG)),
        ("SYN with data", Segment { payload: b"GET /", ..syn }),
    ];
    let options = with_header(
        stranger(),
        IpNumber::TCP,
        |header| header.options = RECORD_ROUTE.into(),
        &stranger().segment(&syn),
    );
    let over = |flow: Flow| variants.map(|(name, syn)| (name, flow.tcp(&syn)));
    let frames = [&over(stranger())[..], &over(stranger6()), &[("SYN behind IP options", options)]].concat();
    frames.into_iter().flat_map(|(name, frame)| encapsulated(name, &frame)).collect()
}

#[test]
fn signatures_drop_the_syns_they_mean_and_no_other() {
    /// `LINUX_OPTIONS` with window scale and SACK permitted changed round.
    const PERMUTED: [u8; 20] = [2, 4, 5, 180, 1, 3, 3, 7, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 4, 2];
    const MSS_1461: [u8; 4] = [2, 4, 5, 181];
    let permuted = Segment::syn(64240, &PERMUTED);
    let (nmap_1461, linux_1025) = (Segment::syn(1024, &MSS_1461), Segment::syn(1025, &LINUX_OPTIONS));
    let (masscan, zmap, nmap, linux) = (Segment::MASSCAN, Segment::ZMAP, Segment::NMAP, Segment::LINUX);
    let all = [masscan, zmap, nmap, linux, permuted, nmap_1461, linux_1025];
    let mut signatures = vec![
        ("1024:::", vec![0]),
        ("65535:::", vec![1]),
        ("1024:2:1460:", vec![2]),
        ("64240:2-4-8-1-3:1460:7", vec![3]),
        ("%:::", vec![0, 1]),
        ("1024:*:*:", vec![0, 2, 5]),
        ("%:2-4-8-1-3:%:%", vec![3, 6]),
        ("64240:%:1460:7", vec![3, 4]),
        ("1024:2:%:", vec![2, 5]),
    ];
    if cfg!(feature = "ja4t") {
        signatures.extend([
            ("1024_00_00_00", vec![0]),
            ("1024_2_1460_00", vec![2]),
            ("64240_2-4-8-1-3_1460_07", vec![3]),
            ("%_00_00_00", vec![0, 1]),
            ("*_2-4-8-1-3_1460_*", vec![3, 6]),
        ]);
    }
    let bed = Bed::new();
    let wire = bed.start(&Config::enforce());
    for (signature, meant) in signatures {
        wire.reload(&Config::enforce().block_syns("scanners", signature));
        let cases = (0..).zip(all).flat_map(|(number, syn)| {
            let fate =
                if meant.contains(&number) { Fate::Dropped("fingerprint_block") } else { Fate::Passes };
            cases(syns(syn), &format!("{signature} on SYN {number}"), fate)
        });
        wire.judge(Side::Outside, &cases.collect::<Vec<_>>());
    }
    wire.stop();
}

/// The SYNs of these three scanners are known.
const SCANNERS: &str = "1024:::\n65535:::\n1024:2:1460:\n";

#[test]
fn signatures_judge_nothing_but_syns_from_outside() {
    let bed = Bed::new();
    let wire = bed.start(&Config::enforce().block_syns("scanners", SCANNERS));
    for flow in [stranger(), stranger6()] {
        let harmless =
            [SYN | ACK, ACK, ACK | PSH, RST, RST | ACK, FIN | ACK, FIN, SYN | ACK | ECE].map(|flags| {
                let frame = flow.tcp(&Segment::MASSCAN.with_flags(flags));
                Case::new(format!("flags {flags:#x}"), frame, Fate::Passes)
            });
        wire.judge(Side::Outside, &harmless);
        let passes = [Segment::MASSCAN, Segment::ZMAP, Segment::NMAP];
        let passes = passes.map(|syn| Case::new("a scan from inside", flow.back().tcp(&syn), Fate::Passes));
        wire.judge(Side::Inside, &passes);
        let drop = Fate::Dropped("fingerprint_block");
        let scan = Case::new("the same from outside", flow.tcp(&Segment::MASSCAN), drop);
        wire.judge(Side::Outside, &[scan]);
    }
    wire.stop();
}

#[test]
fn allow_beats_block_and_no_fingerprint_beats_an_address() {
    let bed = Bed::new();
    let config = enforce().block_syns("scanners", "%:::\n").allow_syns("monitoring", "65535:::\n");
    let wire = bed.start(&config);
    let syn = |name: &str, flow: Flow, syn: &Segment<'_>, fate| Case::new(name, flow.tcp(syn), fate);
    let (masscan, zmap) = (Segment::MASSCAN, Segment::ZMAP);
    wire.judge(
        Side::Outside,
        &[
            syn("a blocked SYN", stranger(), &masscan, Fate::Dropped("fingerprint_block")),
            syn("a SYN both blocked and allowed", stranger(), &zmap, Fate::Passes),
            syn("a blocked SYN of an allowed source", customer(), &masscan, Fate::Passes),
            syn("an allowed SYN of a blocked source", blocked(), &zmap, Fate::Dropped("block_list")),
            syn(
                "an allowed SYN that is odd",
                stranger(),
                &zmap.with_flags(SYN | FIN),
                Fate::Dropped("syn_fin"),
            ),
            syn("the odd SYN of an allowed source", customer(), &zmap.with_flags(SYN | FIN), Fate::Passes),
        ],
    );
    wire.stop();
}

#[test]
fn monitor_mode_forwards_everything_and_counts_what_it_would_have_dropped() {
    let bed = Bed::new();
    let lists = |config: Config| config.block("blocked", "203.0.113.66\n").block_syns("scanners", SCANNERS);
    let wire = bed.start(&lists(Config::monitor()));
    let frames = || {
        let syn_fin = stranger().tcp(&Segment::LINUX.with_flags(SYN | FIN));
        let wrapped = |reason, frame: Vec<u8>| {
            encapsulated(reason, &frame).into_iter().map(move |(name, frame)| (name, frame, reason))
        };
        wrapped("block_list", blocked().udp(&noise(9)))
            .chain(wrapped("fingerprint_block", stranger().tcp(&Segment::NMAP)))
            .chain(wrapped("syn_fin", syn_fin))
    };
    let spared: Vec<_> =
        frames().map(|(name, frame, reason)| Case::new(name, frame, Fate::Spared(reason))).collect();
    wire.judge(Side::Outside, &spared);
    wire.reload(&lists(Config::enforce()));
    let dropped: Vec<_> =
        frames().map(|(name, frame, reason)| Case::new(name, frame, Fate::Dropped(reason))).collect();
    wire.judge(Side::Outside, &dropped);
    wire.stop();
}

#[test]
fn a_list_on_trial_drops_nothing_and_hides_nothing() {
    let bed = Bed::new();
    let trial = |kind: &str| format!("kind = \"{kind}\"\naction = \"block\"\nmode = \"monitor\"");
    let config = Config::enforce()
        .list("suspects", &trial("ip"), "203.0.113.0/24\n")
        .list("candidates", &trial("fingerprint"), "65535:::\n")
        .block("blocked", "203.0.113.66\n")
        .block_syns("scanners", "1024:::\n");
    let wire = bed.start(&config);
    let suspect = Flow::new("203.0.113.5", HOST);
    wire.judge(
        Side::Outside,
        &[
            Case::new("a suspect", suspect.ping(), Fate::Spared("block_list")),
            Case::new("a suspect that is blocked", blocked().ping(), Fate::Dropped("block_list")),
            Case::new("a candidate", stranger().tcp(&Segment::ZMAP), Fate::Spared("fingerprint_block")),
            Case::new("a scanner", stranger().tcp(&Segment::MASSCAN), Fate::Dropped("fingerprint_block")),
            Case::new(
                "a suspect that scans",
                suspect.tcp(&Segment::MASSCAN),
                Fate::Dropped("fingerprint_block"),
            ),
            Case::new("a suspect's candidate", suspect.tcp(&Segment::ZMAP), Fate::Spared("block_list")),
            Case::new("a stranger", stranger().tcp(&Segment::LINUX), Fate::Passes),
        ],
    );
    wire.stop();
}

/// A frame for each oddity, by the reason's name, and whether the balanced profile drops it.
fn oddities() -> Vec<(&'static str, Vec<u8>, bool)> {
    let (flow, flow6) = (stranger(), stranger6());
    let syn = |flags| flow.tcp(&Segment::LINUX.with_flags(flags));
    let changed = |mut frame: Vec<u8>, at: usize, byte: u8| {
        frame[at] = byte;
        frame
    };
    let routing = [&[6, 2, 0, 1, 0, 0, 0, 0], &noise(16)[..], &flow6.segment(&Segment::LINUX)].concat();
    let incomplete = [&[6, 0, 0, 1, 0, 0, 0, 1], &*noise(8)].concat();
    let nine_headers: Vec<u8> =
        (0..9).flat_map(|_| [60, 0, 1, 4, 0, 0, 0, 0]).chain(flow6.segment(&Segment::LINUX)).collect();
    let five_tags = tagged(&[VLAN; 5], &flow.udp(&noise(9)));
    vec![
        // A cut label. A cut VLAN tag is a runt, too, but the kernel at the end of the wire does not let a capture see it.
        ("runt", ethernet(0x8847, &[0, 1]), true),
        ("truncated_ip", changed(flow.udp(&noise(30)), 16, 9), true),
        ("truncated_ip", ethernet(IPV4, &noise(12)), true),
        ("tiny_fragment", fragment(flow, IpNumber::TCP, 0, &noise(8)), true),
        ("fragment_offset_one", fragment(flow, IpNumber::TCP, 1, &noise(24)), true),
        ("ipv6_incomplete_chain", flow6.frame(IpNumber(44), &incomplete), true),
        ("routing_type_0", flow6.frame(IpNumber(43), &routing), true),
        ("syn_fin", syn(SYN | FIN), true),
        ("syn_rst", syn(SYN | RST), true),
        ("tcp_header", changed(flow.tcp(&Segment::LINUX), 46, 0x40), true),
        ("fragment", fragment(flow, IpNumber::TCP, 185, &noise(40)), false),
        ("source_route", with_ip_options(flow, &[137, 7, 4, 192, 0, 2, 9, 0]), false),
        ("null_scan", syn(0), false),
        ("xmas", syn(FIN | PSH | URG), false),
        ("tcp_options", flow.tcp(&Segment::syn(64240, &[2, 40, 5, 180])), false),
        ("extension_headers", flow6.frame(IpNumber(60), &nine_headers), false),
        ("extension_headers", flow6.frame(IpNumber(139), &noise(24)), false),
        ("too_many_tags", five_tags, false),
    ]
}

#[test]
fn each_profile_treats_odd_frames_in_its_way_and_names_the_reason() {
    let bed = Bed::new();
    let profile = |name: &str| Config::enforce().bridge(&format!("profile = \"{name}\""));
    let wire = bed.start(&profile("balanced"));
    odd_frames(&wire, |balanced_drops| balanced_drops);
    wire.reload(&profile("strict"));
    odd_frames(&wire, |_| true);
    wire.reload(&profile("transparent"));
    odd_frames(&wire, |_| false);
    wire.stop();
}

/// `drops` says what becomes of a frame, given what the balanced profile does with it.
fn odd_frames(wire: &Wire<'_>, drops: impl Fn(bool) -> bool) {
    let before = uninspected(&wire.metrics());
    let (mut cases, mut passing) = (Vec::new(), BTreeMap::<String, u64>::new());
    for (reason, frame, balanced_drops) in oddities() {
        let dropped = drops(balanced_drops);
        cases.push(Case::new(reason, frame, if dropped { Fate::Dropped(reason) } else { Fate::Passes }));
        if !dropped {
            *passing.entry(reason.to_owned()).or_default() += 1;
        }
    }
    wire.judge(Side::Outside, &cases);
    let mut after = uninspected(&wire.metrics());
    for (reason, count) in before {
        *after.get_mut(&reason).unwrap() -= count;
    }
    after.retain(|_, count| *count > 0);
    assert_eq!(after, passing, "forwarded without being inspected");
    // The LAN's own frames are no business of the profile.
    let from_inside: Vec<_> =
        oddities().into_iter().map(|(reason, frame, _)| Case::new(reason, frame, Fate::Passes)).collect();
    wire.judge(Side::Inside, &from_inside);
}

fn uninspected(metrics: &Metrics) -> BTreeMap<String, u64> {
    let samples = metrics.all("synward_uninspected_frames_total", &[]);
    samples.map(|sample| (sample.labels["reason"].clone(), sample.value as u64)).collect()
}

#[test]
fn every_frame_is_counted_once_where_it_belongs() {
    let bed = Bed::new();
    let trial = "kind = \"fingerprint\"\naction = \"block\"\nmode = \"monitor\"";
    let config =
        enforce().block_syns("scanners", "1024:::\n").list("trial", trial, "# a comment\n\n65535:::\n");
    let wire = bed.start(&config);
    let times = |count: usize, frame: &dyn Fn() -> Vec<u8>| (0..count).map(|_| frame()).collect::<Vec<_>>();
    let passing = [
        times(3, &|| customer().udp(&noise(11))),
        times(4, &|| stranger().tcp(&Segment::ZMAP)),
        times(6, &|| stranger6().tcp(&Segment::LINUX)),
        times(7, &arp),
    ]
    .concat();
    let dropped =
        [times(5, &|| blocked6().udp(&noise(13))), times(2, &|| stranger().tcp(&Segment::MASSCAN))].concat();
    let frames = [&passing[..], &dropped[..]].concat();
    assert_eq!(wire.relay(Side::Outside, &frames).len(), passing.len());

    let metrics = wire.metrics();
    let total = |name: &str, port: &str| metrics.get(name, &[("port", port)]);
    let bytes = |frames: &[Vec<u8>]| frames.iter().map(|frame| frame.len() as u64).sum::<u64>();
    assert_eq!(total("synward_rx_frames_total", "outside"), 27);
    assert_eq!(total("synward_rx_bytes_total", "outside"), bytes(&frames));
    assert_eq!(total("synward_tx_frames_total", "inside"), 20);
    assert_eq!(total("synward_tx_bytes_total", "inside"), bytes(&passing));
    assert_eq!(total("synward_rx_frames_total", "inside"), 0);
    assert_eq!(total("synward_tx_frames_total", "outside"), 0);
    let drops = [
        ("block_list", "enforce", 5),
        ("fingerprint_block", "enforce", 2),
        ("fingerprint_block", "monitor", 4),
    ];
    let drops = drops.map(|(reason, mode, count)| ((reason.to_owned(), mode.to_owned()), count));
    assert_eq!(metrics.drops(), drops.into());
    assert_eq!(metrics.get("synward_uninspected_frames_total", &[("reason", "not_ip")]), 7);
    // By list: entries, frames that match, frames it decided about.
    for (list, entries, hits, decisions) in
        [("blocked", 4, 8, 5), ("customers", 2, 3, 3), ("scanners", 1, 2, 2), ("trial", 1, 4, 4)]
    {
        let of = |name: &str| metrics.get(name, &[("list", list)]);
        assert_eq!(of("synward_list_entries"), entries, "{list}");
        assert_eq!(of("synward_list_hits_total"), hits, "{list}");
        assert_eq!(of("synward_list_decisions_total"), decisions, "{list}");
    }
    let shim = |port: &str| {
        let redirected =
            metrics.get("synward_shim_frames_total", &[("port", port), ("action", "redirected")]);
        (redirected, metrics.get("synward_shim_frames_total", &[("port", port), ("action", "bypassed")]))
    };
    assert_eq!((shim("outside"), shim("inside")), ((27, 0), (0, 0)));
    wire.stop();
}

#[test]
fn the_captures_of_real_scanners_get_their_verdicts_on_the_wire() {
    let bed = Bed::new();
    let list = |name: &str| fs::read_to_string(pcaps().join(format!("lists/{name}.txt"))).unwrap();
    let trial = "kind = \"fingerprint\"\naction = \"block\"\nmode = \"monitor\"";
    let config = Config::enforce()
        .allow("customers", &list("customers"))
        .block("blocked", &list("blocked"))
        .block_syns("scanners", &list("scanners"))
        .list("candidates", trial, &list("candidates"));
    let wire = bed.start(&config);
    let captures: Vec<_> = fs::read_dir(pcaps()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let captures = || captures.iter().filter(|path| path.extension().is_some_and(|kind| kind == "pcap"));
    assert!(captures().count() > 9);
    for capture in captures() {
        wire.judge(Side::Outside, &captured(capture));
    }
    wire.stop();
}

fn pcaps() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pcaps")
}

/// The frames of a capture, with the verdicts that are written beside it.
fn captured(capture: &Path) -> Vec<Case> {
    let mut records = Records::new(File::open(capture).unwrap());
    let frames = std::iter::from_fn(|| records.next_frame().ok());
    let verdicts = fs::read_to_string(capture.with_extension("jsonl")).unwrap();
    let verdicts = verdicts.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let name = capture.file_stem().unwrap().to_string_lossy();
    frames
        .zip(verdicts)
        .map(|(frame, verdict)| Case::new(format!("{name}: {verdict}"), frame, fate(&verdict)))
        .collect()
}

fn fate(verdict: &Value) -> Fate {
    let reason = || verdict["reason"].as_str().unwrap().to_owned().leak();
    match verdict["verdict"].as_str() {
        Some("forward") => Fate::Passes,
        Some("drop") => Fate::Dropped(reason()),
        Some("would-drop") => Fate::Spared(reason()),
        other => panic!("{other:?} is no verdict"),
    }
}
