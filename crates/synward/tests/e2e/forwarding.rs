//! What goes in comes out: every byte, in order, both ways.

use etherparse::IpNumber;

use crate::bed::{Bed, Config, Side, Wire};
use crate::frames::{
    self, Flow, SERVICE_VLAN, Segment, VLAN, arp, ethernet, ethernet_to, neighbour_solicitation, noise,
    tagged,
};

/// The largest frame of an MTU of 1500, without tags.
const LARGEST: usize = 1514;

/// Group addresses of IEEE 802.1 and of Cisco: a switch would keep such frames to itself, a wire passes them.
const SPANNING_TREE: [u8; 6] = [1, 0x80, 0xc2, 0, 0, 0];
const SLOW_PROTOCOLS: [u8; 6] = [1, 0x80, 0xc2, 0, 0, 2];
const PORT_ACCESS: [u8; 6] = [1, 0x80, 0xc2, 0, 0, 3];
const NEAREST_BRIDGE: [u8; 6] = [1, 0x80, 0xc2, 0, 0, 0xe];
const CISCO: [u8; 6] = [1, 0, 0xc, 0xcc, 0xcc, 0xcc];

#[test]
fn every_kind_of_frame_crosses_unchanged_while_monitoring() {
    every_kind_crosses(&Config::monitor());
}

#[test]
fn every_kind_of_frame_crosses_unchanged_while_enforcing() {
    let lists = Config::enforce().block("blocked", "203.0.113.0/24\n").block_syns("scanners", "1024:::\n");
    every_kind_crosses(&lists);
}

#[test]
fn every_kind_of_frame_crosses_unchanged_through_the_stack() {
    every_kind_crosses(&Config::enforce().bridge("xdp = \"skb\""));
}

fn every_kind_crosses(config: &Config) {
    let bed = Bed::new();
    let wire = bed.start(config);
    for (from, _) in Side::WAYS {
        crosses(&wire, from, &[layer_2(), layer_3(), sizes()].concat());
    }
    wire.stop();
}

/// All frames arrive, and no other, whatever the order.
fn crosses(wire: &Wire<'_>, from: Side, frames: &[Vec<u8>]) {
    let mut arrived = wire.relay(from, frames);
    for frame in frames {
        let place = arrived.iter().position(|seen| seen == frame);
        let place = place.unwrap_or_else(|| panic!("from {from:?}, {} bytes: {frame:02x?}", frame.len()));
        arrived.swap_remove(place);
    }
    assert!(arrived.is_empty());
}

fn flow() -> Flow {
    Flow::new("198.51.100.7", "192.0.2.2")
}

fn flow6() -> Flow {
    Flow::new("2001:db8::7", "2001:db8:0:2::2")
}

/// What is no IP, or hides it.
fn layer_2() -> Vec<Vec<u8>> {
    let ip = &flow().udp(&noise(50))[14..];
    let inner = flow().tcp(&Segment::LINUX);
    vec![
        arp(),
        neighbour_solicitation(),
        ethernet_to(NEAREST_BRIDGE, 0x88cc, &noise(90)),
        ethernet_to(SLOW_PROTOCOLS, 0x8809, &[&[1], &*noise(109)].concat()),
        ethernet_to(PORT_ACCESS, 0x888e, &noise(46)),
        // Spanning tree and Cisco's discovery come with a length and an LLC header (IEEE 802.3, 802.2).
        ethernet_to(SPANNING_TREE, 38, &[&[0x42, 0x42, 3], &*noise(43)].concat()),
        ethernet_to(CISCO, 100, &[&[0xaa, 0xaa, 3, 0, 0, 0xc, 0x20, 0], &*noise(92)].concat()),
        ethernet(46, &noise(46)),
        // MPLS: two labels before IPv4, one before a pseudowire's control word.
        ethernet(0x8847, &[&[0, 1, 0, 64, 0, 2, 1, 64], ip].concat()),
        ethernet(0x8847, &[&[0, 1, 1, 64, 0, 0, 0, 0], &*noise(60)].concat()),
        // PPPoE: discovery, a session's IPv4, and its link control.
        ethernet_to([0xff; 6], 0x8863, &noise(60)),
        ethernet(0x8864, &[&[0x11, 0, 0, 9, 0, 80, 0, 0x21], ip].concat()),
        ethernet(0x8864, &[&[0x11, 0, 0, 9, 0, 40, 0xc0, 0x21], &*noise(60)].concat()),
        tagged(&[VLAN], &inner),
        // Priority 5, and VLAN 0: the tag is all priority.
        tagged(&[(0x8100, 5 << 13)], &flow().udp(&noise(60))),
        tagged(&[SERVICE_VLAN, VLAN], &flow6().udp(&noise(60))),
        tagged(&[(0x9100, 3), VLAN], &inner),
        tagged(&[SERVICE_VLAN], &ethernet(0x88b6, &noise(60))),
        tagged(&[VLAN], &arp()),
        // The longest frame with a tag that the MTU knows nothing of.
        tagged(&[VLAN], &ethernet(0x88b5, &noise(1500))),
        // Precision time, over Ethernet.
        ethernet_to([1, 0x1b, 0x19, 0, 0, 0], 0x88f7, &noise(50)),
        ethernet(0x1234, &noise(60)),
        ethernet(0xffff, &noise(60)),
        ethernet_to([0x33, 0x33, 0, 0, 0, 1], 0x88b6, &noise(60)),
        ethernet_to([0, 0x11, 0x22, 0x33, 0x44, 0x55], 0x88b6, &noise(60)),
    ]
}

/// IP of all sorts, none of them odd.
fn layer_3() -> Vec<Vec<u8>> {
    let of = |flow: Flow| {
        let data = noise(1440);
        vec![
            flow.ping(),
            flow.udp(&[]),
            flow.udp(&noise(1000)),
            flow.tcp(&Segment::LINUX),
            flow.tcp(&Segment::LINUX.with_flags(frames::SYN | frames::ACK)),
            flow.tcp(&Segment::DATA),
            flow.tcp(&Segment { payload: &data, ..Segment::DATA }),
            flow.tcp(&Segment::DATA.with_flags(frames::RST | frames::ACK)),
            flow.tcp(&Segment::DATA.with_flags(frames::FIN | frames::ACK)),
            // GRE, SCTP, ESP, OSPF and a protocol that nobody has.
            flow.frame(IpNumber(47), &noise(70)),
            flow.frame(IpNumber(132), &noise(70)),
            flow.frame(IpNumber(50), &noise(70)),
            flow.frame(IpNumber(89), &noise(70)),
            flow.frame(IpNumber(252), &noise(70)),
            // Bytes behind the packet, as of a frame that was padded.
            [flow.udp(&[1]), noise(17)].concat(),
        ]
    };
    [of(flow()), of(flow6())].concat()
}

/// Frames of every size that is common or at an edge, as no IP and as IP.
fn sizes() -> Vec<Vec<u8>> {
    let sizes = || (60..=200).chain((201..LARGEST).step_by(37)).chain([LARGEST - 1, LARGEST]);
    let plain = sizes().map(|size| ethernet(0x88b6, &noise(size - 14)));
    let udp = sizes().map(|size| flow().udp(&noise(size - 42)));
    let tiny = [14, 15, 18, 46, 59].map(|size| ethernet(0x88b6, &noise(size - 14)));
    plain.chain(udp).chain(tiny).collect()
}

#[test]
fn the_frames_of_a_flow_stay_in_order() {
    const FLOWS: usize = 8;
    const FRAMES: u32 = 500;
    let bed = Bed::new();
    let wire = bed.start(&Config::enforce());
    for (from, _) in Side::WAYS {
        let flows: Vec<Flow> =
            (1..=FLOWS).map(|n| Flow::new(&format!("198.51.100.{n}"), "192.0.2.2")).collect();
        let numbered = |number: u32| flows.iter().map(move |flow| flow.udp(&number.to_be_bytes()));
        let frames: Vec<_> = (0..FRAMES).flat_map(numbered).collect();
        let arrived = wire.relay(from, &frames);
        for flow in flows {
            let head = flow.udp(&[])[26..34].to_vec();
            let of_flow = arrived.iter().filter(|frame| frame[26..34] == head);
            let numbers: Vec<_> =
                of_flow.map(|frame| u32::from_be_bytes(*frame[42..].first_chunk().unwrap())).collect();
            assert_eq!(numbers, (0..FRAMES).collect::<Vec<_>>(), "from {from:?}, {flow:?}");
        }
    }
    let metrics = wire.metrics();
    for queue in ["0", "1"] {
        let frames = metrics.get("synward_rx_frames_total", &[("queue", queue), ("port", "outside")]);
        assert!(frames > 0, "no flow came through queue {queue}");
    }
    wire.stop();
}
