//! `synward explain`: which entry of a list decides, and which others match.

use std::net::IpAddr;
use std::path::Path;

use anyhow::{Result, anyhow, bail};
use serde::Serialize;
use synward_fingerprint::{Direction as Segment, Signature, SignatureError};
use synward_policy::{
    Config, Diagnostic, Direction, Explanation, ListAction, ListDirection, ListNames, Match, P0fRank, Part,
    Place, RuleSet,
};

use crate::cli::ExplainOptions;
use crate::print_out;
use crate::reload::{self, Loaded};

/// All that is said.
#[derive(Serialize)]
struct Report {
    asked: String,
    answers: Vec<Answer>,
}

/// What is said of frames at one port.
#[derive(Serialize)]
struct Answer {
    /// Which frames it is about, in words.
    frames: String,
    port: &'static str,
    /// As `synward replay` says it; none where nothing can be said of all of them.
    verdict: Option<&'static str>,
    reason: Option<&'static str>,
    entries: Vec<Entry>,
    /// What else there is to know.
    note: Option<&'static str>,
}

#[derive(Serialize)]
struct Entry {
    role: Role,
    list: String,
    line: u32,
    action: &'static str,
    mode: &'static str,
    entry: String,
    /// What it asks for beyond what was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<String>,
    /// The ranks of a p0f signature in a list with `p0f = "compat"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    compat: Option<Vec<&'static str>>,
}

/// What an entry has to do with the verdict.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Role {
    Decides,
    /// If everything in monitor mode were enforced.
    WouldDecide,
    Matches,
    /// On its condition.
    WouldMatch,
    /// It says the same.
    Equal,
}

impl Role {
    const fn words(self) -> &'static str {
        match self {
            Self::Decides => "decides",
            Self::WouldDecide => "would decide",
            Self::Matches => "matches",
            Self::WouldMatch => "would match",
            Self::Equal => "is the same",
        }
    }
}

pub(crate) fn explain(options: &ExplainOptions) -> Result<()> {
    let asked = Asked::read(&options.asked)?;
    let Loaded { config, rules, names, refused, .. } = reload::load(&options.config, ListNames::default())?;
    reload::complain_of_refused(refused);
    let answers = match &asked {
        Asked::Address(address) => of_address(*address, &rules, &names),
        Asked::Signature(signature) => vec![of_signature(signature, &rules, &names)],
    };
    let report = Report { asked: options.asked.clone(), answers };
    if options.json {
        print_out(&(serde_json::to_string(&report)? + "\n"))
    } else {
        print_out(&text(&report, &config))
    }
}

enum Asked {
    Address(IpAddr),
    Signature(Box<Signature>),
}

impl Asked {
    fn read(text: &str) -> Result<Self> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        if let Some(first) = text.split_once('/').and_then(|(first, _)| first.parse::<IpAddr>().ok()) {
            bail!(
                "{text} is a prefix, whose addresses need not share a verdict: ask for one of them, such as {first}"
            );
        }
        let signature: Signature = text.parse().map_err(|error| not_understood(text, error))?;
        if signature.traits.direction == Segment::SynAck {
            bail!("{text} is of a SYN-ACK, and only SYNs are judged: leave `dir=SA` off if a SYN is meant");
        }
        Ok(Self::Signature(Box::new(signature)))
    }
}

fn not_understood(text: &str, error: SignatureError) -> anyhow::Error {
    let place = Place::in_line(1, text, error.span);
    let fault = Diagnostic::at(Path::new("SIGNATURE|IP"), place, error.message);
    let fault = Diagnostic { help: error.help, ..fault };
    anyhow!("{text} is no IP address, and no fingerprint either\n{fault}")
}

fn of_address(address: IpAddr, rules: &RuleSet, names: &ListNames) -> Vec<Answer> {
    let undecided = if rules.protects(address) {
        "it is of a network in `protect`: its frames count as spoofed_source, and the strict profile drops them"
    } else {
        "no list of addresses decides alone: signatures judge its SYNs, and the profile its odd frames"
    };
    let answer = |direction, frames| {
        let explained = rules.explain_address(direction, address);
        let note = (direction == Direction::In && explained.verdict.rule.is_none()).then_some(undecided);
        answer(frames, direction, &explained, names, note)
    };
    let mut answers = vec![answer(Direction::In, format!("frames from {address}"))];
    if rules.lists().iter().any(|list| list.direction != ListDirection::In) {
        answers.push(answer(Direction::Out, format!("frames to {address}")));
    }
    answers
}

fn of_signature(signature: &Signature, rules: &RuleSet, names: &ListNames) -> Answer {
    const FIRST: &str = "lists of addresses and the profile are asked before any signature";
    const OPEN: &str =
        "a verdict needs an exact fingerprint of well-formed options: with window, kinds, MSS and scale";
    let frames = format!("SYNs that show {signature}");
    match rules.explain_syn(signature) {
        Some(explained) => answer(frames, Direction::In, &explained, names, Some(FIRST)),
        None => {
            let same = rules.same_signatures(signature);
            let entries = same.into_iter().map(|found| entry(found, Role::Equal, names)).collect();
            let port = Direction::In.port();
            Answer { frames, port, verdict: None, reason: None, entries, note: Some(OPEN) }
        }
    }
}

fn answer(
    frames: String,
    direction: Direction,
    explained: &Explanation,
    names: &ListNames,
    note: Option<&'static str>,
) -> Answer {
    let verdict = &explained.verdict;
    let told = verdict.noteworthy().map_or(verdict.reason, |told| told.decision.reason);
    let entries = explained.matches.iter();
    Answer {
        frames,
        port: direction.port(),
        verdict: Some(verdict.name()),
        reason: Some(told.name()),
        entries: entries.map(|found| entry(found.clone(), role(found), names)).collect(),
        note,
    }
}

fn role(found: &Match) -> Role {
    match found.part {
        _ if found.condition.is_some() => Role::WouldMatch,
        Part::Decides => Role::Decides,
        Part::WouldDecide => Role::WouldDecide,
        Part::Matches => Role::Matches,
    }
}

fn entry(found: Match, role: Role, names: &ListNames) -> Entry {
    let Match { description, action, enforced, condition, compat, .. } = found;
    Entry {
        role,
        list: names.name(description.list).to_owned(),
        line: description.line,
        action: match action {
            ListAction::Allow => "allow",
            ListAction::Block => "block",
        },
        mode: if enforced { "enforce" } else { "monitor" },
        entry: description.entry,
        condition,
        compat: compat.map(ranks),
    }
}

fn ranks(P0fRank { generic, program }: P0fRank) -> Vec<&'static str> {
    [if generic { "generic" } else { "specific" }, if program { "program" } else { "system" }].to_vec()
}

/// The report for a person.
fn text(report: &Report, config: &Config) -> String {
    let mut lines = Vec::new();
    for Answer { frames, port, verdict, reason, entries, note } in &report.answers {
        let verdict = verdict.zip(*reason).map(|(verdict, reason)| format!(": {verdict} ({reason})"));
        lines.push(format!("{frames}, at the {port} port{}", verdict.unwrap_or_default()));
        lines.extend(entries.iter().map(entry_text));
        if entries.is_empty() {
            lines.push("  no entry matches".to_owned());
        }
        lines.extend(note.map(|note| format!("  ({note})")));
    }
    if config.bridge.mode == synward_policy::Mode::Monitor {
        lines.push("the bridge is in monitor mode: nothing is dropped".to_owned());
    }
    lines.join("\n") + "\n"
}

fn entry_text(entry: &Entry) -> String {
    let Entry { role, list, line, action, mode, entry, condition, compat } = entry;
    let mode = if *mode == "monitor" { ", monitor" } else { "" };
    let place = format!("{list}:{line}");
    let compat = compat.iter().map(|ranks| format!("  (p0f compat: {})", ranks.join(", ")));
    let condition = condition.iter().map(|condition| format!("  if {condition}"));
    let rest: String = compat.chain(condition).collect();
    format!("  {:<12}  {place:<20}  {action}{mode}  {entry}{rest}", role.words())
}
