//! The judge against a slow one that shares no code with it: the same action, reason and list, whatever the frame.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that fails by panicking is a test that works"
)]

mod frames;
mod judge;
mod walk;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use synward_policy::{Direction, ListNames, Snapshot};

use judge::{Settings, real, slow};

static JUDGES: LazyLock<Vec<(Settings, (Snapshot, ListNames))>> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("synward-reference-{}", std::process::id()));
    Settings::all().map(|settings| (settings, settings.snapshot(&folder))).collect()
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn every_frame_is_judged_as_by_the_slow_judge(frame in frames::frame()) {
        for (settings, judge) in JUDGES.iter() {
            for direction in [Direction::In, Direction::Out] {
                let (real, slow) = (real(judge, direction, &frame), slow(*settings, direction, &frame));
                prop_assert_eq!(real, slow, "{:?} {:?} {:02x?}", settings, direction, frame);
            }
        }
    }
}

/// A packet that is cut short carries a labelled one in a tunnel: whether that is an IP packet is guessed by what is there, and not by
/// what the outer header promises.
#[test]
fn what_a_cut_packet_carries_is_judged_by_what_is_there() {
    let outer =
        [&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0][..], &[69, 0, 0, 82, 0, 7, 0, 0, 64, 47, 142, 66]]
            .concat();
    let tunnel =
        [&[198, 51, 100, 0, 192, 0, 2, 0, 0, 0, 101, 88][..], &[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1]].concat();
    let inner = [
        &[136, 71, 0, 1, 1, 64][..],
        &[69, 0, 0, 40, 0, 7, 0, 0, 64, 6, 246, 200, 192, 0, 2, 0, 192, 0, 2, 0],
    ]
    .concat();
    let frame = [outer, tunnel, inner].concat();
    for (settings, judge) in JUDGES.iter() {
        assert_eq!(
            real(judge, Direction::In, &frame),
            slow(*settings, Direction::In, &frame),
            "{settings:?}"
        );
    }
}

/// The generator reaches what the property is about.
#[test]
fn the_frames_get_every_reason_that_a_judge_can_give() {
    let mut runner = TestRunner::deterministic();
    let mut reasons = BTreeSet::new();
    for _ in 0..5_000 {
        let frame = frames::frame().new_tree(&mut runner).unwrap().current();
        for (_, judge) in JUDGES.iter() {
            let ((_, reason, _), would) = real(judge, Direction::In, &frame);
            reasons.insert(reason);
            reasons.extend(would.map(|(_, reason, _)| reason));
        }
    }
    let never = ["tx_full", "link_down", "stale"];
    let missing: Vec<_> = synward_policy::Reason::all()
        .map(|reason| reason.name())
        .filter(|name| !never.contains(name) && !reasons.contains(*name))
        .collect();
    assert_eq!(missing, [""; 0]);
}
