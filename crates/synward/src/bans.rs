//! `synward ban`, `synward unban` and `synward bans`: one address, for a time, without a reload.

use std::fmt::Write;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Result, bail};
use jiff::{Span, SpanRelativeTo};
use serde::{Deserialize, Serialize};

use crate::cli::{BanOptions, BansOptions, UnbanOptions};
use crate::status::{Answer, Request, ask, unexpected};
use crate::{complain, print_out};

/// The longest ban.
pub(crate) const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What became of the wish for a ban.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Banned {
    /// How long it lasts.
    pub(crate) seconds: u64,
    /// The list that allows the address in spite of it, if one does.
    pub(crate) allowed_by: Option<String>,
    /// Whether frames are dropped for it: not in monitor mode.
    pub(crate) enforced: bool,
}

/// The bans in force.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct BanList {
    /// How many there can be.
    pub(crate) capacity: u32,
    /// By address.
    pub(crate) bans: Vec<Ban>,
}

/// One of them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ban {
    pub(crate) address: IpAddr,
    pub(crate) seconds_left: u64,
}

pub(crate) fn ban(options: &BanOptions) -> Result<()> {
    let BanOptions { address, time, reach } = options;
    let request = Request::Ban { address: *address, seconds: time.as_secs() };
    let Banned { seconds, allowed_by, enforced } = match ask(reach, &request)? {
        Answer::Banned(banned) => banned,
        other => bail!(unexpected(&other)),
    };
    if let Some(list) = allowed_by {
        complain(&format!("warning: list {list} allows {address}, and beats the ban"));
    }
    if !enforced {
        complain("warning: the bridge is in monitor mode: frames are counted, not dropped");
    }
    print_out(&format!("{address} is banned for {}\n", spoken(seconds)))
}

pub(crate) fn unban(options: &UnbanOptions) -> Result<()> {
    let UnbanOptions { address, reach } = options;
    match ask(reach, &Request::Unban { address: *address })? {
        Answer::Unbanned => print_out(&format!("{address} is no longer banned\n")),
        other => bail!(unexpected(&other)),
    }
}

pub(crate) fn print(options: &BansOptions) -> Result<()> {
    match ask(&options.reach, &Request::Bans)? {
        Answer::Bans(list) if options.json => print_out(&(serde_json::to_string(&list)? + "\n")),
        Answer::Bans(list) => print_out(&text(&list)),
        other => bail!(unexpected(&other)),
    }
}

/// The bans for a person.
fn text(BanList { capacity, bans }: &BanList) -> String {
    let mut text = String::new();
    for Ban { address, seconds_left } in bans {
        // A String takes whatever is written to it.
        let _ = writeln!(text, "{:<39}  {}", address.to_string(), spoken(*seconds_left));
    }
    text + &format!("{} of at most {capacity} bans\n", bans.len())
}

/// A time as a person writes it: `1h 30m`.
fn spoken(seconds: u64) -> String {
    let units =
        [("d", seconds / 86_400), ("h", seconds / 3600 % 24), ("m", seconds / 60 % 60), ("s", seconds % 60)];
    let words =
        units.into_iter().filter(|(_, count)| *count > 0).map(|(unit, count)| format!("{count}{unit}"));
    words.collect::<Vec<_>>().join(" ")
}

/// Reads an address of the command line.
pub(crate) fn address(text: &str) -> Result<IpAddr, String> {
    if text.contains('/') {
        return Err("a ban is for one address; a prefix belongs into a list (docs/rules.md)".to_owned());
    }
    let address: IpAddr =
        text.parse().map_err(|_| "write an address, like 192.0.2.1 or 2001:db8::1".to_owned())?;
    match address.to_canonical() {
        canonical if canonical != address => {
            Err(format!("no frame shows such an address: write {canonical}"))
        }
        _ => Ok(address),
    }
}

/// Reads a time of the command line: whole seconds, up to [`LONGEST`].
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let wrong = || "write a time, like 90s, 10m, 1h 30m or 7d".to_owned();
    let span: Span = text.parse().map_err(|_| wrong())?;
    let signed = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    let time = Duration::try_from(signed).map_err(|_| "a ban cannot end in the past".to_owned())?;
    if time > LONGEST {
        return Err("a ban lasts 365d at most; what is to last belongs into a list".to_owned());
    }
    if time.subsec_nanos() > 0 || time.is_zero() {
        return Err("a ban lasts whole seconds, 1s at least".to_owned());
    }
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let seconds = |text| time(text).map(|time| time.as_secs());
        for (text, expected) in [
            ("90s", 90),
            ("10m", 600),
            ("1h 30m", 5400),
            ("1h", 3600),
            ("7d", 604_800),
            ("2 weeks", 1_209_600),
            ("365d", 31_536_000),
        ] {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        for (text, help) in [
            ("10", "like 90s"),
            ("soon", "like 90s"),
            ("", "like 90s"),
            ("1 month", "like 90s"),
            ("-5m", "the past"),
            ("0s", "1s at least"),
            ("1500ms", "whole seconds"),
            ("366d", "365d at most"),
        ] {
            let said = seconds(text).unwrap_err();
            assert!(said.contains(help), "{text}: {said}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_what_to_write() {
        for (text, help) in [
            ("192.0.2.0/24", "belongs into a list"),
            ("::ffff:192.0.2.1", "write 192.0.2.1"),
            ("192.0.2", "like 192.0.2.1"),
            ("example.org", "like 192.0.2.1"),
            ("fe80::1%eth0", "like 192.0.2.1"),
        ] {
            let said = address(text).unwrap_err();
            assert!(said.contains(help), "{text}: {said}");
        }
        assert_eq!(address("2001:db8::1").map(|address| address.to_string()), Ok("2001:db8::1".to_owned()));
    }

    #[test]
    fn times_are_told_as_people_read_them() {
        let told = [1, 60, 5400, 90_061].map(spoken);
        assert_eq!(told, ["1s", "1m", "1h 30m", "1d 1h 1m 1s"]);
    }
}
