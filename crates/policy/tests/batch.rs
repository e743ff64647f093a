//! A batch of frames is judged as each of them alone.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that fails by panicking is a test that works"
)]

use std::cell::RefCell;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use etherparse::{IpHeaders, Ipv4Header, Ipv6Header, PacketBuilder, TcpHeader, VlanId, ip_number};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use synward_policy::{
    BATCH, BanKeeper, Config, Direction, ListId, ListNames, ListSetId, Moment, RuleSet, Snapshot, Verdict,
    Witness,
};

/// Lists of every kind that overlap: name, section, lines.
const LISTS: [(&str, &str, &str); 5] = [
    ("good", "kind = 'ip'\naction = 'allow'\ndirection = 'both'", "192.0.2.4/30\n2001:db8:0:1::/64"),
    ("bad", "kind = 'ip'\naction = 'block'\ndirection = 'both'", "192.0.2.0/28\n2001:db8::/47"),
    ("seen", "kind = 'ip'\naction = 'block'\nmode = 'monitor'", "192.0.2.0/24"),
    ("browsers", "kind = 'fingerprint'\naction = 'allow'", "64240:2-4-8-1-3:1460:7"),
    ("scanners", "kind = 'fingerprint'\naction = 'block'", "1024:::\n%:2-4-8-1-3:%:%"),
];

/// Rules of every kind, in a bridge of this mode and profile.
fn snapshot(mode: &str, profile: &str) -> Snapshot {
    let folder = std::env::temp_dir().join(format!("synward-batch-{}-{mode}-{profile}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let mut text = format!("[bridge]\noutside = 'a'\ninside = 'b'\nmode = '{mode}'\nprofile = '{profile}'\n");
    for (name, section, lines) in LISTS {
        fs::write(folder.join(name), lines).unwrap();
        text += &format!("[[list]]\nname = '{name}'\nfile = '{name}'\n{section}\n");
    }
    let config = Config::parse(&folder.join("synward.toml"), &text).unwrap();
    let rules = RuleSet::compile(&config, &mut ListNames::default());
    fs::remove_dir_all(&folder).unwrap();
    // Of two banned addresses one's ban has ended by [`NOW`].
    let mut keeper = BanKeeper::new(2);
    for (last, seconds) in [(7, 10), (6, 1)] {
        keeper.ban([198, 51, 100, last].into(), Moment::START, Duration::from_secs(seconds)).unwrap();
    }
    Snapshot { rules: Arc::new(rules.unwrap().rules), bans: Arc::clone(keeper.bans()), generation: 1 }
}

const NOW: Moment = Moment::from_millis(5_000);

static SNAPSHOTS: LazyLock<[Snapshot; 3]> = LazyLock::new(|| {
    [("enforce", "strict"), ("enforce", "balanced"), ("monitor", "balanced")]
        .map(|(mode, profile)| snapshot(mode, profile))
});

/// Near the edges of what is listed, banned, or neither.
fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        (0..40_u8).prop_map(|host| Ipv4Addr::new(192, 0, 2, host).into()),
        (5..9_u8).prop_map(|host| Ipv4Addr::new(198, 51, 100, host).into()),
        (0..4_u16).prop_map(|net| Ipv6Addr::new(0x2001, 0xdb8, 0, net, 0, 0, 0, 1).into()),
    ]
}

fn ip(source: IpAddr, destination: u8) -> IpHeaders {
    match source {
        IpAddr::V4(source) => {
            let destination = [192, 0, 2, destination];
            let header = Ipv4Header::new(0, 64, ip_number::TCP, source.octets(), destination).unwrap();
            IpHeaders::Ipv4(header, Default::default())
        }
        IpAddr::V6(source) => {
            let destination = Ipv6Addr::new(0x2001, 0xdb8, 0, destination.into(), 0, 0, 0, 2).octets();
            let header =
                Ipv6Header { source: source.octets(), destination, hop_limit: 64, ..Default::default() };
            IpHeaders::Ipv6(header, Default::default())
        }
    }
}

/// SYNs of listed programs and of others, SYN-ACKs, segments of connections.
fn tcp() -> impl Strategy<Value = TcpHeader> {
    let options: [&[u8]; 3] = [
        &[],
        &[2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7],
        &[2, 4, 5, 100, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 8],
    ];
    (select(vec![1024, 64240, 501]), any::<bool>(), any::<bool>(), select(options.to_vec())).prop_map(
        |(window, syn, ack, options)| {
            let mut header = TcpHeader::new(40000, 443, 1, window);
            (header.syn, header.ack) = (syn, ack);
            header.set_options_raw(options).unwrap();
            header
        },
    )
}

/// A frame with TCP or UDP in it, tagged or not.
fn whole_frame() -> impl Strategy<Value = Vec<u8>> {
    (address(), 0..40_u8, tcp(), any::<bool>(), 0..8_u8).prop_map(
        |(source, destination, tcp, tagged, kind)| {
            let builder = PacketBuilder::ethernet2([2; 6], [4; 6]);
            let builder = match tagged {
                true => builder.single_vlan(VlanId::try_new(7).unwrap()).ip(ip(source, destination)),
                false => builder.ip(ip(source, destination)),
            };
            let mut frame = Vec::new();
            match kind {
                0 => builder.udp(40000, 443).write(&mut frame, &[0; 30]).unwrap(),
                _ => builder.tcp_header(tcp).write(&mut frame, &[]).unwrap(),
            }
            frame
        },
    )
}

/// Whole frames, and some with bytes changed or cut off.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let changes = prop_oneof![3 => Just(vec![]), 1 => vec((any::<Index>(), any::<u8>()), 1..4)];
    let cut = prop_oneof![7 => Just(None), 1 => any::<Index>().prop_map(Some)];
    (whole_frame(), changes, cut).prop_map(|(mut frame, changes, cut)| {
        for (at, byte) in changes {
            let at = at.index(frame.len());
            frame[at] = byte;
        }
        frame.truncate(cut.map_or(usize::MAX, |cut| cut.index(200)));
        frame
    })
}

/// What a judgement tells, in the order it is told.
#[derive(Debug, PartialEq)]
enum Told {
    Covered(ListSetId),
    Hit(ListId),
    Verdict(Verdict),
}

struct Record<'a>(&'a RefCell<Vec<Told>>);

impl Witness for Record<'_> {
    fn covered(&mut self, by: ListSetId) {
        self.0.borrow_mut().push(Told::Covered(by));
    }

    fn hit(&mut self, list: ListId) {
        self.0.borrow_mut().push(Told::Hit(list));
    }
}

fn one_by_one(snapshot: &Snapshot, direction: Direction, frames: &[Vec<u8>]) -> Vec<Told> {
    let told = RefCell::default();
    for frame in frames {
        let verdict = snapshot.judge_seen(direction, frame, NOW, &mut Record(&told));
        told.borrow_mut().push(Told::Verdict(verdict));
    }
    told.into_inner()
}

fn at_once(snapshot: &Snapshot, direction: Direction, frames: &[Vec<u8>]) -> Vec<Told> {
    let told = RefCell::default();
    let frames = frames.iter().map(Vec::as_slice);
    snapshot.judge_batch(direction, frames, NOW, &mut Record(&told), |verdict| {
        told.borrow_mut().push(Told::Verdict(verdict));
    });
    told.into_inner()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_batch_is_judged_as_its_frames(
        frames in vec(frame(), 0..2 * BATCH + 2),
        direction in select(vec![Direction::In, Direction::Out]),
    ) {
        for snapshot in SNAPSHOTS.iter() {
            prop_assert_eq!(
                at_once(snapshot, direction, &frames),
                one_by_one(snapshot, direction, &frames)
            );
        }
    }

    #[test]
    fn a_batch_of_noise_is_judged_as_its_frames(frames in vec(vec(any::<u8>(), 0..100), 0..70)) {
        let [snapshot, ..] = &*SNAPSHOTS;
        prop_assert_eq!(
            at_once(snapshot, Direction::In, &frames),
            one_by_one(snapshot, Direction::In, &frames)
        );
    }
}

/// The generator reaches what the property is about: were all verdicts the same, the property would say nothing.
#[test]
fn the_frames_get_verdicts_of_many_kinds() {
    let mut runner = TestRunner::deterministic();
    let frames: Vec<_> = (0..2000).map(|_| frame().new_tree(&mut runner).unwrap().current()).collect();
    let mut reasons = std::collections::BTreeSet::new();
    let snapshot = &SNAPSHOTS[0];
    snapshot.judge_batch(Direction::In, frames.iter().map(Vec::as_slice), NOW, &mut (), |verdict| {
        reasons.insert(verdict.reason.name());
    });
    for reason in [
        "clean",
        "allow_list",
        "block_list",
        "ban",
        "fingerprint_allow",
        "fingerprint_block",
        "not_ip",
        "runt",
    ] {
        assert!(reasons.contains(reason), "{reason} is not among {reasons:?}");
    }
}

#[test]
fn a_batch_is_judged_without_allocating() {
    let mut runner = TestRunner::deterministic();
    let frames: Vec<_> = (0..200).map(|_| frame().new_tree(&mut runner).unwrap().current()).collect();
    let (snapshot, mut verdicts) = (&SNAPSHOTS[0], 0);
    let allocated = allocation_counter::measure(|| {
        let frames = frames.iter().map(Vec::as_slice);
        snapshot.judge_batch(Direction::In, frames, NOW, &mut (), |_| verdicts += 1);
    });
    assert_eq!((verdicts, allocated.count_total), (200, 0));
}
