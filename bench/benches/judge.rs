//! What the judgement of one frame costs, by kind of frame and size of the rules.

use std::hint::black_box;
use std::io;
use std::net::Ipv4Addr;

use criterion::{Criterion, Throughput};
use synward_bench::{FIRST_BLOCKED, Size, established, linux_syn, snapshot};
use synward_policy::Direction;

const SIZES: [(&str, Size); 3] = [
    ("no rules", Size { addresses: 0, signatures: 0 }),
    ("10 k addresses, 1 k signatures", Size { addresses: 10_000, signatures: 1_000 }),
    ("1 M addresses, 10 k signatures", Size { addresses: 1_000_000, signatures: 10_000 }),
];

fn main() -> io::Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    let stranger = Ipv4Addr::new(192, 0, 2, 1);
    let frames = [
        ("established TCP", established(stranger)?),
        ("SYN of Linux", linux_syn(stranger)?),
        ("listed source", established(FIRST_BLOCKED)?),
    ];
    for (name, size) in SIZES {
        let snapshot = snapshot(size)?;
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(1));
        for (kind, frame) in &frames {
            group.bench_function(*kind, |bencher| {
                bencher.iter(|| snapshot.judge(Direction::In, black_box(frame)))
            });
        }
        group.finish();
    }
    criterion.final_summary();
    Ok(())
}
