//! Bans as the control socket asks for them.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use synward_policy::{Direction, ListAction, Moment};

use super::view::View;
use crate::bans::{Ban, BanList, Banned, LONGEST};
use crate::status::Answer;

/// Bans an address, and says what stands against it.
pub(super) fn ban(view: &View, address: IpAddr, seconds: u64) -> Answer {
    if seconds == 0 || seconds > LONGEST.as_secs() {
        return Answer::Error(format!("a ban lasts from 1 to {} seconds", LONGEST.as_secs()));
    }
    let mut keeper = view.bans();
    let now = keeper.bans().moment(Instant::now());
    if let Err(full) = keeper.ban(address, now, Duration::from_secs(seconds)) {
        return Answer::Error(format!("{full}; lift others (synward unban), or raise [bans] capacity"));
    }
    tracing::info!(%address, seconds, "banned");
    let mode = view.rules().mode;
    Answer::Banned(Banned {
        seconds,
        allowed_by: allowed_by(view, address),
        enforced: mode == synward_policy::Mode::Enforce,
    })
}

/// Lifts a ban.
pub(super) fn unban(view: &View, address: IpAddr) -> Answer {
    let mut keeper = view.bans();
    let now = keeper.bans().moment(Instant::now());
    if keeper.unban(address, now) {
        tracing::info!(%address, "no longer banned");
        Answer::Unbanned
    } else {
        Answer::Error(format!(
            "{address} is not banned; `synward explain` says which list blocks it, if one does"
        ))
    }
}

/// All bans in force, by address.
pub(super) fn list(view: &View) -> BanList {
    let keeper = view.bans();
    let now = keeper.bans().moment(Instant::now());
    let ban = |(address, until): (IpAddr, Moment)| {
        // A ban with a part of a second left is not over.
        Ban { address, seconds_left: until.since(now).as_millis().div_ceil(1000) as u64 }
    };
    let mut bans: Vec<_> = keeper.in_force(now).map(ban).collect();
    bans.sort_by_key(|ban| ban.address);
    BanList { capacity: keeper.capacity(), bans }
}

/// Number of the bans in force.
pub(super) fn in_force(view: &View) -> usize {
    let keeper = view.bans();
    keeper.in_force(keeper.bans().moment(Instant::now())).count()
}

/// Makes room: workers do not look at a ban that has ended.
pub(super) fn purge(view: &View) {
    let mut keeper = view.bans();
    let now = keeper.bans().moment(Instant::now());
    let purged = keeper.purge(now);
    if purged > 0 {
        tracing::debug!(bans = purged, "bans have ended");
    }
}

/// The first list that allows an address, and so beats its ban.
fn allowed_by(view: &View, address: IpAddr) -> Option<String> {
    let rules = view.rules().rules;
    let matches = rules.explain_address(Direction::In, address).matches;
    let allowing = matches.into_iter().find(|found| found.action == ListAction::Allow)?.description.list;
    rules.lists().iter().find(|list| list.id == allowing).map(|list| list.name.clone())
}
