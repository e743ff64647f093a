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
