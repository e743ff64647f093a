//! Whether a turn counts: what a contender did to the frames must be what it says it does.

use std::time::Duration;

use crate::contender::Role;
use crate::meter::{Counts, Flow, Tally};
use crate::traffic::Block;

/// The longest that nothing may arrive while frames are sent as fast as can be: shorter than the shortest turn, longer than what others take
/// a shared core for.
const LONGEST_SILENCE: Duration = Duration::from_millis(200);

/// By how much the share of a template among the frames that arrive may differ from that among those sent: a tenth of it, and a half
/// per cent of all for chance.
const TOLERANCE: (f64, f64) = (0.1, 0.005);

/// The most frames that may wait for a contender when its turn begins: those of its rings, and of the kernel's.
const MOST_WAITING: f64 = 16384.0;

/// What is wrong with a turn under as many frames as can be sent; nothing, if it counts.
pub(crate) fn faults(role: Role, flow: &Flow) -> Vec<String> {
    let Flow { counts, .. } = flow;
    let mut faults = faults_of_any(role, counts);
    if counts.tallies.iter().any(|tally| tally.arrived > 0) && counts.longest_silence > LONGEST_SILENCE {
        faults.push(format!("slept for {:?}", counts.longest_silence));
    }
    faults.extend(faults_of_word(flow));
    if role != Role::DropsAll {
        faults.extend(share_faults(role, counts));
    }
    faults
}

/// What a contender says that it took can be held against what was sent only, and against nothing where it says nothing.
fn faults_of_word(flow: &Flow) -> Option<String> {
    let sent: u64 = flow.window.iter().map(|tally| tally.sent).sum();
    match flow.taken? {
        0 => Some("took nothing".to_owned()),
        taken if taken as f64 > (1.0 + TOLERANCE.0) * sent as f64 + MOST_WAITING => {
            Some("says it took more than was sent".to_owned())
        }
        _ => None,
    }
}

/// What may never be, however many frames are lost.
pub(crate) fn faults_of_any(role: Role, counts: &Counts) -> Vec<String> {
    let mut faults = Vec::new();
    if counts.echoed() > 0 {
        faults.push(format!("sent {} frames back", counts.echoed()));
    }
    if counts.foreign > 0 {
        faults.push(format!("sent {} frames that nobody sent to it", counts.foreign));
    }
    let blocked = counts.tallies.iter().filter(|tally| role.drops(tally.block)).map(|tally| tally.arrived);
    match blocked.sum::<u64>() {
        0 => {}
        passed => faults.push(format!("let {passed} frames pass that it is to drop")),
    }
    if counts.tallies.iter().any(|tally| tally.arrived > tally.sent) {
        faults.push("sent more frames of a kind than it was given".to_owned());
    }
    faults
}

/// Of what it forwards, each kind must arrive as often as it was sent: the kinds come by chance, and so are lost.
fn share_faults(role: Role, counts: &Counts) -> Vec<String> {
    let forwarded: Vec<_> = counts.tallies.iter().filter(|tally| !role.drops(tally.block)).collect();
    let sent: u64 = forwarded.iter().map(|tally| tally.sent).sum();
    let arrived: u64 = forwarded.iter().map(|tally| tally.arrived).sum();
    if sent > 0 && arrived == 0 {
        return vec!["forwarded nothing".to_owned()];
    }
    let share = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
    let differs = |sent: f64, arrived: f64| (sent - arrived).abs() > TOLERANCE.0 * sent + TOLERANCE.1;
    let shares =
        forwarded.iter().map(|tally| (tally.block, share(tally.sent, sent), share(tally.arrived, arrived)));
    let told = |(block, sent, arrived): (Block, f64, f64)| {
        format!(
            "{:.1} % of what arrived is {}, and {:.1} % of what was sent",
            100.0 * arrived,
            block.told(),
            100.0 * sent
        )
    };
    shares.filter(|(_, sent, arrived)| differs(*sent, *arrived)).map(told).collect()
}

/// Frames that ought to arrive.
pub(crate) fn expected(role: Role, tallies: &[Tally]) -> u64 {
    tallies.iter().filter(|tally| !role.drops(tally.block)).map(|tally| tally.sent).sum()
}

/// Frames that ought to have arrived and did not.
pub(crate) fn lost(role: Role, counts: &Counts) -> u64 {
    let forwarded = counts.tallies.iter().filter(|tally| !role.drops(tally.block));
    forwarded.map(|tally| tally.sent.saturating_sub(tally.arrived)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(tallies: &[(Block, u64, u64, u64)], taken: Option<u64>) -> Flow {
        let tally = |(block, sent, arrived, echoed): &(Block, u64, u64, u64)| Tally {
            block: *block,
            sent: *sent,
            arrived: *arrived,
            echoed: *echoed,
        };
        let counts = Counts { tallies: tallies.iter().map(tally).collect(), ..Counts::default() };
        Flow { window: counts.tallies.clone(), counts, taken, ..Flow::default() }
    }

    #[test]
    fn who_does_what_he_says_has_no_faults() {
        let plain = [(Block::No, 9500, 4750, 0), (Block::Few, 500, 250, 0)];
        assert_eq!(faults(Role::Forwards, &flow(&plain, None)), [] as [String; 0]);
        let filtered = [(Block::No, 9500, 4750, 0), (Block::Few, 500, 0, 0)];
        assert_eq!(faults(Role::DropsFew, &flow(&filtered, None)), [] as [String; 0]);
        assert_eq!(faults(Role::DropsAll, &flow(&[(Block::Syn, 100, 0, 0)], Some(90))), [] as [String; 0]);
    }

    #[test]
    fn each_fault_is_told() {
        let told = |role, tallies: &[_], taken| faults(role, &flow(tallies, taken)).join("; ");
        assert_eq!(
            told(Role::Forwards, &[(Block::No, 9, 0, 9)], None),
            "sent 9 frames back; forwarded nothing"
        );
        let passed = told(Role::DropsBlocked, &[(Block::No, 950, 950, 0), (Block::Few, 50, 1, 0)], None);
        assert_eq!(passed, "let 1 frames pass that it is to drop");
        assert_eq!(
            told(Role::Forwards, &[(Block::No, 9, 10, 0)], None),
            "sent more frames of a kind than it was given"
        );
        assert_eq!(told(Role::DropsAll, &[(Block::No, 9, 0, 0)], Some(0)), "took nothing");
        let more = told(Role::DropsBlocked, &[(Block::Syn, 100_000, 0, 0)], Some(200_000));
        assert_eq!(more, "says it took more than was sent");
        // A forwarder that drops what is blocked without saying so has less to send than the others.
        let secret = told(Role::Forwards, &[(Block::No, 9500, 9500, 0), (Block::Few, 500, 0, 0)], None);
        assert!(
            secret.contains("from a prefix that a small set has, too, and 5.0 % of what was sent"),
            "{secret}"
        );
        let mut sleeper = flow(&[(Block::No, 10, 10, 0)], None);
        sleeper.counts.longest_silence = Duration::from_millis(500);
        assert_eq!(faults(Role::Forwards, &sleeper), ["slept for 500ms"]);
        sleeper.counts.longest_silence = Duration::ZERO;
        sleeper.counts.foreign = 3;
        assert_eq!(faults(Role::Forwards, &sleeper), ["sent 3 frames that nobody sent to it"]);
    }

    #[test]
    fn what_is_to_be_dropped_is_not_lost() {
        let counts = flow(&[(Block::No, 10, 8, 0), (Block::Syn, 5, 0, 0)], None).counts;
        assert_eq!(
            (lost(Role::DropsBlocked, &counts), expected(Role::DropsBlocked, &counts.tallies)),
            (2, 10)
        );
        assert_eq!(lost(Role::Forwards, &counts), 7);
    }
}
