//! Frames of every kind, header by header, some of them bent.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Bytes, and the EtherType of what they begin with.
type Layer = (u16, Vec<u8>);

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

fn word(number: usize) -> [u8; 2] {
    (number as u16).to_be_bytes()
}

/// Whole frames, and some with bytes changed, cut off or added.
pub(crate) fn frame() -> impl Strategy<Value = Vec<u8>> {
    let changes = prop_oneof![4 => Just(vec![]), 1 => vec((any::<Index>(), any::<u8>()), 1..4)];
    let cut = prop_oneof![8 => Just(None), 1 => any::<Index>().prop_map(Some)];
    (ethernet(ip(tunnelled())), changes, cut, vec(any::<u8>(), 0..12)).prop_map(
        |(mut frame, changes, cut, padding)| {
            for (at, byte) in changes {
                let at = at.index(frame.len());
                frame[at] = byte;
            }
            match cut {
                Some(cut) => frame.truncate(cut.index(frame.len() + 1)),
                None => frame.extend(padding),
            }
            frame
        },
    )
}

/// What a packet with a tunnel carries: a packet without one, or with one that is not opened.
fn tunnelled() -> BoxedStrategy<(u8, Vec<u8>)> {
    let in_ip = |(kind, packet): Layer| (if kind == IPV4 { 4 } else { 41 }, packet);
    let flags = select(vec![0_u8, 0, 0x80, 0x20, 0x10, 0xb0, 0x40]);
    let version = prop_oneof![8 => Just(0_u8), 1 => Just(1)];
    let gre = |(flags, version, kind, packet): (u8, u8, u16, Vec<u8>)| {
        let words = vec![0; (flags & 0xb0).count_ones() as usize * 4];
        (47, [&[flags, version][..], &kind.to_be_bytes(), &words, &packet].concat())
    };
    let inner = || ip(transport().boxed());
    prop_oneof![
        6 => transport(),
        1 => inner().prop_map(in_ip),
        1 => ip(inner().prop_map(in_ip).boxed()).prop_map(in_ip),
        1 => (flags.clone(), version.clone(), inner()).prop_map(move |(f, v, (kind, packet))| gre((f, v, kind, packet))),
        1 => (flags, version, ethernet(inner())).prop_map(move |(f, v, frame)| gre((f, v, 0x6558, frame))),
        1 => (select(vec![8_u8, 8, 0]), select(vec![4789_usize, 4789, 6081]), ethernet(inner())).prop_map(
            |(flags, port, frame)| {
                let vxlan = [&[flags, 0, 0, 0, 0, 0, 7, 0], &*frame].concat();
                (17, [&word(4000)[..], &word(port), &word(vxlan.len() + 8), &[0, 0], &vxlan].concat())
            }
        ),
    ]
    .boxed()
}

/// A protocol and its payload: TCP of all sorts, UDP, ICMP.
fn transport() -> impl Strategy<Value = (u8, Vec<u8>)> {
    let flags = prop_oneof![
        4 => Just(0x02_u8),
        3 => select(vec![0x10, 0x12, 0x18, 0x03, 0x06, 0x00, 0x29, 0xc2, 0x2a]),
        1 => any::<u8>(),
    ];
    let options = select(vec![
        &[][..],
        &[],
        &[2, 4, 5, 180],
        &[2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7],
        &[2, 9, 5, 180],
        &[1, 1, 3, 0],
    ]);
    let offset = prop_oneof![9 => Just(None), 1 => (0_u8..16).prop_map(Some)];
    let tcp = (flags, options, offset, select(vec![1024_usize, 65535, 64240, 7])).prop_map(
        |(flags, options, offset, window)| {
            let offset = offset.unwrap_or(5 + (options.len() / 4) as u8) << 4;
            let fixed =
                [&[0x9c, 0x40, 0, 80, 1, 2, 3, 4, 0, 0, 0, 0, offset, flags][..], &word(window), &[0; 4]];
            (6, [&fixed.concat()[..], options].concat())
        },
    );
    let other = (select(vec![17_u8, 1, 58, 132, 50]), vec(any::<u8>(), 0..30));
    prop_oneof![4 => tcp, 1 => other]
}

/// The last byte of an address near the edges of what is listed.
fn host() -> impl Strategy<Value = (u8, u8)> {
    (0_u8..6, 0_u8..18)
}

fn address4((kind, last): (u8, u8)) -> [u8; 4] {
    match kind {
        0 | 1 => [192, 0, 2, last],
        2 => [198, 51, 100, last],
        3 => [203, 0, 113, 66],
        4 => [192, 0, 2, 99],
        _ => [10, 9, 8, last],
    }
}

fn address6((kind, last): (u8, u8)) -> [u8; 16] {
    [0x20, 1, 0x0d, 0xb8, 0, 0, 0, kind, 0, 0, 0, 0, 0, 0, 0, last]
}

/// A packet of either version around what it carries, whole or a fragment.
fn ip(carried: BoxedStrategy<(u8, Vec<u8>)>) -> BoxedStrategy<Layer> {
    let fragment = prop_oneof![
        6 => Just((0_usize, false)),
        1 => (0_usize..4, any::<bool>()),
        1 => Just((0, true)),
    ];
    let lie = prop_oneof![15 => Just(0_i32), 1 => -30..30_i32];
    let first = prop_oneof![30 => Just(None), 1 => any::<u8>().prop_map(Some)];
    let chain = prop_oneof![
        8 => Just(vec![]),
        2 => vec(select(vec![0_u8, 60, 43, 51, 44, 139]), 1..3),
        1 => (0..11_usize).prop_map(|count| vec![60; count]),
    ];
    let cut = prop_oneof![12 => Just(usize::MAX), 1 => 0..40_usize];
    (carried, (host(), host()), fragment, (lie, first, cut), chain, any::<bool>())
        .prop_map(|((protocol, mut payload), hosts, fragment, (lie, first, cut), chain, is_six)| {
            payload.truncate(cut);
            if is_six {
                (IPV6, ipv6(hosts, fragment, lie, first, &chain, protocol, &payload))
            } else {
                (IPV4, ipv4(hosts, fragment, lie, first, chain.len(), protocol, &payload))
            }
        })
        .boxed()
}

type Hosts = ((u8, u8), (u8, u8));

fn ipv4(
    (source, destination): Hosts,
    (offset, more): (usize, bool),
    lie: i32,
    first: Option<u8>,
    words: usize,
    protocol: u8,
    payload: &[u8],
) -> Vec<u8> {
    // Router alert, no operation, and once in a while a source route.
    let option: &[u8] = if words == 2 { &[131, 3, 4, 0] } else { &[148, 4, 0, 0] };
    let options = option.repeat(words.min(10));
    let total = (20 + options.len() + payload.len()) as i32 + lie;
    let flags = offset + if more { 0x2000 } else { 0 };
    let mut header = [
        &[first.unwrap_or(0x45 + (options.len() / 4) as u8), 0][..],
        &word(total.max(0) as usize),
        &[0, 7],
        &word(flags),
        &[64, protocol, 0, 0],
        &address4(source),
        &address4(destination),
        &options,
    ]
    .concat();
    // Behind MPLS labels the checksum counts.
    let mut sum: u32 = header.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    header[10..12].copy_from_slice(&word(!sum as u16 as usize));
    [&header, payload].concat()
}

fn ipv6(
    (source, destination): Hosts,
    (offset, more): (usize, bool),
    lie: i32,
    first: Option<u8>,
    chain: &[u8],
    protocol: u8,
    payload: &[u8],
) -> Vec<u8> {
    let fragments = (offset, more) != (0, false);
    let kinds: Vec<u8> = chain.iter().copied().chain(fragments.then_some(44)).chain([protocol]).collect();
    let headers = kinds.windows(2).flat_map(|pair| {
        let field =
            if pair[0] == 44 { offset * 8 + usize::from(more) } else { 0x0200 * usize::from(offset != 2) };
        [[pair[1], 0], word(field), [0, 0], [0, 7]].concat()
    });
    // An authentication header of 8 bytes.
    let rest: Vec<u8> = headers.chain(payload.iter().copied()).collect();
    let length = (rest.len() as i32 + lie).max(0) as usize;
    let fixed = [&[first.unwrap_or(0x60), 0, 0, 0][..], &word(length), &[kinds[0], 64]].concat();
    [&fixed, &address6(source)[..], &address6(destination), &rest].concat()
}

/// A frame around a packet: bare, tagged, in PPPoE, behind labels, behind LLC, or of another EtherType.
fn ethernet(packet: BoxedStrategy<Layer>) -> BoxedStrategy<Vec<u8>> {
    let tags = prop_oneof![3 => Just(vec![]), 1 => vec(select(vec![0x8100_u16, 0x88a8, 0x9100, 0x9200, 0x9300]), 1..6)];
    (packet, tags, 0..12_usize, any::<u8>())
        .prop_map(|(packet, tags, wrapping, any)| {
            let (kind, rest) = wrapped(packet, wrapping, any);
            let kinds: Vec<u16> = tags.iter().copied().chain([kind]).collect();
            let tagged = kinds.windows(2).flat_map(|pair| [[0, 9], pair[1].to_be_bytes()].concat());
            let head = [&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1][..], &kinds[0].to_be_bytes()].concat();
            head.into_iter().chain(tagged).chain(rest).collect()
        })
        .boxed()
}

fn wrapped((kind, packet): Layer, wrapping: usize, any: u8) -> Layer {
    let is_lie = any > 240;
    let lying = |length: usize| word(if is_lie { usize::from(any) } else { length });
    match wrapping {
        0 => {
            let protocol = if kind == IPV4 { 0x21 } else { 0x57 };
            let number: &[u8] = if any & 1 == 0 { &[0, protocol] } else { &[protocol] };
            let length = lying(packet.len() + number.len());
            (0x8864, [&[0x11, 0, 0, 9][..], &length, number, &packet].concat())
        }
        1 => {
            let labels = if is_lie { 9 } else { usize::from(any % 3) + 1 };
            let stack = (1..=labels).flat_map(|label| [0, 1, u8::from(label == labels), 64]);
            (0x8847, stack.chain(packet.iter().copied()).collect())
        }
        2 => {
            let snap = [&[0xaa, 0xaa, 3, 0, 0, 0][..], &kind.to_be_bytes(), &packet].concat();
            (u16::from_be_bytes(lying(snap.len().min(0x5ff))), snap)
        }
        3 if any < 100 => (u16::from_be_bytes([any / 20, any]), [&[6, 6, 3][..], &packet].concat()),
        4 if any < 50 => (0x0806, packet),
        _ => (kind, packet),
    }
}
