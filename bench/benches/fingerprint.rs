//! What a SYN costs: reading its fingerprint, and looking it up among signatures, beside other ways to do so.
//!
//! The floor is one look-up of the packed fingerprint in the standard hash map: what no exact matcher can do without.
//! `strings` builds MuonFP's text and looks it up; `huginn-net-tcp` reads and matches p0f's database.

use std::collections::HashMap;
use std::hint::black_box;
use std::io;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use fastrand::Rng;
use huginn_net_db::{TcpDatabase, TcpSignatureMatcher};
use huginn_net_tcp::{ConnectionTracker, process_ipv4_packet};
use pnet_packet::ipv4::Ipv4Packet;
use synward_bench::signatures::{any_syn, exact, facts, frame, signatures};
use synward_fingerprint::{Fingerprint, MuonFp, Signature, SignatureTable};
use synward_wire::SynFacts;

/// SYNs that are looked up in turn: half of them are listed.
const SYNS: usize = 4096;
/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;

/// A fingerprint, packed.
type Packed = [u8; 48];

fn packed(seen: &MuonFp) -> Packed {
    let mut key = [0; 48];
    let kinds = seen.kinds.as_slice();
    let mss = seen.mss.map_or(1 << 16, u32::from).to_le_bytes();
    let scale = seen.window_scale.map_or(1 << 8, u16::from).to_le_bytes();
    let fields = [&seen.window.to_le_bytes()[..], &mss[..3], &scale[..], kinds];
    for (to, from) in key.iter_mut().zip(fields.into_iter().flatten()) {
        *to = *from;
    }
    key
}

fn main() -> io::Result<()> {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    for count in [100, 10_000, 200_000] {
        let mut rng = Rng::with_seed(1);
        let (mixed, listed) = signatures(&mut rng, count, 1);
        let plain: Vec<(Signature, u32)> = listed.iter().map(exact).zip(0..).collect();
        let syns = queries(&mut rng, &listed);
        let tables = (SignatureTable::build(plain.clone()), SignatureTable::build(mixed));
        matching(&mut criterion, count, &plain, &tables, &syns);
        whole(&mut criterion, count, &plain, &tables, &syns)?;
    }
    reading(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

fn queries(rng: &mut Rng, listed: &[SynFacts]) -> Vec<SynFacts> {
    (0..SYNS)
        .map(|place| match place % 2 {
            0 => rng.choice(listed).copied().unwrap_or_default(),
            _ => any_syn(rng),
        })
        .collect()
}

/// Calls `judge` with the next of `items`, over and over.
fn in_turn<T>(bencher: &mut criterion::Bencher<'_>, items: &[T], mut judge: impl FnMut(&T) -> Option<u32>) {
    let mut turn = items.iter().cycle();
    bencher.iter(|| turn.next().map(|item| judge(black_box(item))));
}

/// From a fingerprint to what the signatures say of it.
fn matching(
    criterion: &mut Criterion,
    count: u32,
    plain: &[(Signature, u32)],
    (exact, mixed): &(SignatureTable<u32>, SignatureTable<u32>),
    syns: &[SynFacts],
) {
    let seen: Vec<Fingerprint> = syns.iter().map(Fingerprint::of).collect();
    let keys: Vec<Packed> = seen.iter().map(|seen| packed(&seen.muonfp)).collect();
    let floor: HashMap<Packed, u32> =
        plain.iter().filter_map(|(signature, place)| Some((packed(&muonfp(signature)?), *place))).collect();
    let mut group = criterion.benchmark_group(format!("match, {count} signatures"));
    group.throughput(Throughput::Elements(1));
    group.bench_function("floor: packed in a HashMap", |b| in_turn(b, &keys, |key| floor.get(key).copied()));
    group.bench_function("exact", |b| in_turn(b, &seen, |seen| exact.find(seen)));
    group.bench_function("1 % wildcards, 1 % p0f", |b| in_turn(b, &seen, |seen| mixed.find(seen)));
    group.finish();
}

fn muonfp(signature: &Signature) -> Option<MuonFp> {
    match signature.notation {
        synward_fingerprint::Notation::MuonFp(signature) => signature.exact(),
        _ => None,
    }
}

/// From a frame to what the signatures say of it.
fn whole(
    criterion: &mut Criterion,
    count: u32,
    plain: &[(Signature, u32)],
    (exact, mixed): &(SignatureTable<u32>, SignatureTable<u32>),
    syns: &[SynFacts],
) -> io::Result<()> {
    let frames: Vec<Vec<u8>> = syns.iter().map(frame).collect::<io::Result<_>>()?;
    let strings: HashMap<String, u32> =
        plain.iter().map(|(signature, place)| (signature.to_string(), *place)).collect();
    let database = TcpDatabase::load_default().map_err(io::Error::other)?;
    let matcher = TcpSignatureMatcher::new(&database);
    let mut tracker = ConnectionTracker::new(1);
    let mut group = criterion.benchmark_group(format!("frame to verdict, {count} signatures"));
    group.throughput(Throughput::Elements(1));
    // Like for like: the strings know no wildcards.
    group.bench_function("synward, exact", |b| in_turn(b, &frames, |frame| exact.find_in(&facts(frame)?)));
    group.bench_function("synward", |b| in_turn(b, &frames, |frame| mixed.find_in(&facts(frame)?)));
    group.bench_function("strings", |b| {
        in_turn(b, &frames, |frame| {
            let syn = facts(frame)?;
            strings.get(&MuonFp::of(syn.window, syn.options.as_slice()).to_string()).copied()
        })
    });
    group.bench_function("huginn-net-tcp, with p0f's database", |b| {
        in_turn(b, &frames, |frame| {
            let packet = Ipv4Packet::new(frame.get(ETHERNET..)?)?;
            let result = process_ipv4_packet(&packet, &mut tracker, Some(&matcher)).ok()?;
            black_box(result.syn).map(|_| 0)
        })
    });
    group.finish();
    Ok(())
}

/// From a frame to its fingerprint.
fn reading(criterion: &mut Criterion) -> io::Result<()> {
    let mut rng = Rng::with_seed(2);
    let syns: Vec<SynFacts> = (0..SYNS).map(|_| any_syn(&mut rng)).collect();
    let frames: Vec<Vec<u8>> = syns.iter().map(frame).collect::<io::Result<_>>()?;
    let mut group = criterion.benchmark_group("read");
    group.throughput(Throughput::Elements(1));
    group.bench_function("frame to SYN facts", |b| {
        in_turn(b, &frames, |frame| facts(frame).map(|syn| black_box(syn).window.into()))
    });
    group.bench_function("frame to fingerprint in all notations", |b| {
        in_turn(b, &frames, |frame| {
            facts(frame).map(|syn| black_box(Fingerprint::of(&syn)).muonfp.window.into())
        })
    });
    group.finish();
    Ok(())
}
