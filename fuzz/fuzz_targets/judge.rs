//! A frame before the whole judge: it says what a slow judge says that shares no code with it. The first byte chooses how the bridge
//! is set, and which way the frame goes.
#![no_main]

#[path = "../../crates/policy/tests/reference/judge.rs"]
mod judge;
#[path = "../../crates/policy/tests/reference/walk.rs"]
mod walk;

use std::sync::LazyLock;

use judge::{Settings, real, slow};
use libfuzzer_sys::fuzz_target;
use synward_policy::{Direction, ListNames, Snapshot};

static JUDGES: LazyLock<Vec<(Settings, (Snapshot, ListNames))>> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("synward-fuzz-{}", std::process::id()));
    Settings::all().map(|settings| (settings, settings.snapshot(&folder))).collect()
});

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, frame)) = bytes.split_first() else { return };
    let (settings, judge) = &JUDGES[usize::from(choice / 2) % JUDGES.len()];
    let direction = if choice % 2 == 0 { Direction::In } else { Direction::Out };
    assert_eq!(
        real(judge, direction, frame),
        slow(*settings, direction, frame),
        "{settings:?} {direction:?}"
    );
});
