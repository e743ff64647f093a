//! The whole of it: who takes part, and in what.

use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;

use crate::bed::Receiver;
use crate::contender::{
    BareVeth, Bridge, BridgeOnItsOwnCore, Contender, Driver, Filter, Load, Null, OuterBox, Suricata, Synward,
    Testpmd, Wait, Xdp,
};
use crate::latency::{LatencyRow, latency};
use crate::meter::Meter;
use crate::rfc2544::{Burst, LossCurve, Search, Throughput, burst, loss_curve, throughput};
use crate::throughput::{Entrant, Row, in_turns, race};
use crate::traffic::{MOST_SHOTS, Traffic};

/// Lengths on the wire that RFC 2544 section 9.1 names for Ethernet.
const LENGTHS: [usize; 7] = [64, 128, 256, 512, 1024, 1280, 1518];

/// Bytes of the frame check sequence, which no program sees.
const FCS: usize = 4;

/// Rates at which the latency is looked at, beside shares of what a contender forwards: frames a second.
pub(crate) const FIXED_RATES: [u64; 2] = [1_000, 100_000];

/// Shares of the rate without loss at which the latency is looked at, in per cent.
const SHARES: [u64; 3] = [10, 50, 90];

/// A part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// As many frames as can be sent
    Throughput,
    /// Rates and bursts without loss, and the loss at rates
    Loss,
    /// How long frames are under way
    Latency,
}

/// How much is measured.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) rounds: u32,
    /// Frames of a run, which then begins again.
    pub(crate) shots: usize,
    /// Of a turn under as many frames as can be sent.
    pub(crate) turn: Duration,
    pub(crate) search: Search,
    /// How many of the lengths.
    pub(crate) lengths: usize,
    /// Of a run for the latency, and for the loss at a load.
    pub(crate) run: Duration,
    /// Frames of a run for the latency, at least.
    pub(crate) enough: u64,
    /// Contenders whose name has one of these in it; all, where there is none.
    pub(crate) only: Vec<String>,
    /// All parts, where there is none.
    pub(crate) parts: Vec<Part>,
}

impl Plan {
    /// For figures that are to be quoted.
    pub(crate) fn full(rounds: u32, turn: Duration) -> Self {
        let (trial, proof) = (Duration::from_millis(200), Duration::from_millis(600));
        let search = Search { trial, proof, tries: 2, steps: 5 };
        Self {
            rounds,
            shots: MOST_SHOTS,
            turn,
            search,
            lengths: LENGTHS.len(),
            run: Duration::from_millis(500),
            enough: 2000,
            only: Vec::new(),
            parts: Vec::new(),
        }
    }

    /// To see that everything works.
    pub(crate) fn smoke() -> Self {
        let (trial, proof) = (Duration::from_millis(50), Duration::from_millis(50));
        let search = Search { trial, proof, tries: 1, steps: 2 };
        let (turn, run) = (Duration::from_millis(150), Duration::from_millis(100));
        let (only, parts) = (Vec::new(), Vec::new());
        Self { rounds: 1, shots: 1 << 16, turn, search, lengths: 1, run, enough: 100, only, parts }
    }
}

/// Which workloads a contender takes part in: a race takes minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Joins {
    All,
    /// Those of which some frames are blocked.
    Mixes,
    /// Those of which all frames are.
    Floods,
}

/// Somebody who does not take part.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Absent {
    pub(crate) contender: String,
    pub(crate) reason: String,
    /// Whether it is here, and could not be started.
    pub(crate) is_installed: bool,
}

/// What was measured.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Results {
    pub(crate) absent: Vec<Absent>,
    pub(crate) throughput: Vec<Row>,
    pub(crate) without_loss: Vec<Throughput>,
    pub(crate) bursts: Vec<Burst>,
    pub(crate) loss: Vec<LossCurve>,
    pub(crate) latency: Vec<LatencyRow>,
}

impl Results {
    /// The row of a contender and a workload.
    pub(crate) fn row(&self, workload: &str, contender: &str) -> Option<&Row> {
        self.throughput.iter().find(|row| row.workload == workload && row.contender == contender)
    }
}

/// Runs the suite.
pub(crate) struct Suite<'a> {
    pub(crate) traffic: &'a Traffic,
    pub(crate) plan: Plan,
    /// Path of the program of Synward.
    pub(crate) synward: String,
    /// The only contender, where it is a box between two ports of this machine.
    pub(crate) outer: Option<OuterBox>,
    pub(crate) results: Results,
}

impl Suite<'_> {
    pub(crate) fn synward(&self, load: Load, wait: Wait) -> Synward {
        Synward { program: self.synward.clone(), load, wait, receiver: Receiver::Sender }
    }

    /// All of it.
    pub(crate) fn run(&mut self) -> Result<()> {
        let parts = [
            (Part::Throughput, Self::saturate as fn(&mut Self) -> _),
            (Part::Loss, Self::pace),
            (Part::Latency, Self::delay),
        ];
        let is_wanted = |part: &Part| self.plan.parts.is_empty() || self.plan.parts.contains(part);
        let wanted: Vec<_> = parts.into_iter().filter(|(part, _)| is_wanted(part)).collect();
        wanted.into_iter().try_for_each(|(_, measure)| measure(self))
    }

    /// Who takes part under as many frames as can be sent, and in which workloads.
    pub(crate) fn all(&self) -> Vec<(Box<dyn Contender>, Joins)> {
        if let Some(outer) = &self.outer {
            return vec![(Box::new(outer.clone()), Joins::Mixes)];
        }
        let one_core = |wait| Synward { receiver: Receiver::Thread, ..self.synward(Load::AllRules, wait) };
        let iptables = Bridge(Filter::Iptables(self.synward.clone()));
        vec![
            (Box::new(self.synward(Load::AllRules, Wait::Busy)), Joins::All),
            (Box::new(self.synward(Load::NoRules, Wait::Busy)), Joins::Mixes),
            (Box::new(self.synward(Load::Swapped, Wait::Busy)), Joins::All),
            (Box::new(self.synward(Load::AllRules, Wait::Adaptive)), Joins::All),
            (Box::new(one_core(Wait::Adaptive)), Joins::Mixes),
            (Box::new(one_core(Wait::Busy)), Joins::Mixes),
            (Box::new(Null(Wait::Busy)), Joins::Floods),
            (Box::new(Null(Wait::Adaptive)), Joins::Floods),
            (Box::new(Testpmd(Driver::AfXdp)), Joins::Mixes),
            (Box::new(Testpmd(Driver::AfPacket)), Joins::Mixes),
            (Box::new(Bridge(Filter::Nothing)), Joins::All),
            (Box::new(Bridge(Filter::NftFew)), Joins::Mixes),
            (Box::new(Bridge(Filter::NftAll)), Joins::Mixes),
            (Box::new(iptables), Joins::Mixes),
            (Box::new(Suricata), Joins::Mixes),
            (Box::new(Xdp::WIRE), Joins::Mixes),
            (Box::new(Xdp::WIRE_AGAIN), Joins::Mixes),
            (Box::new(Xdp::DROP), Joins::Floods),
        ]
    }

    /// Who takes part where frames come by the clock. It takes minutes for each.
    pub(crate) fn few(&self) -> Vec<Box<dyn Contender>> {
        if let Some(outer) = &self.outer {
            return vec![Box::new(outer.clone())];
        }
        vec![
            Box::new(self.synward(Load::AllRules, Wait::Busy)),
            Box::new(self.synward(Load::AllRules, Wait::Adaptive)),
            Box::new(self.synward(Load::AllRules, Wait::Poll)),
            Box::new(Testpmd(Driver::AfXdp)),
            Box::new(Bridge(Filter::Nothing)),
            Box::new(Xdp::WIRE),
        ]
    }

    /// Who is beside them where it is about latency.
    pub(crate) fn beside(&self) -> Vec<Box<dyn Contender>> {
        if self.outer.is_some() { Vec::new() } else { vec![Box::new(BridgeOnItsOwnCore), Box::new(BareVeth)] }
    }

    /// How frames get to programs that use AF_XDP.
    pub(crate) fn driver_mode(&self) -> &'static str {
        match self.outer {
            None => "veth, copy mode: compare, do not quote as throughput",
            Some(_) => "a box between two ports",
        }
    }

    /// Puts those on their beds who can take part, and notes the others.
    fn enter(
        &mut self,
        contenders: &[Box<dyn Contender>],
        meter: &mut Meter,
        receiver: impl Fn(&dyn Contender) -> Receiver,
    ) -> Result<Vec<Entrant>> {
        let mut entrants = Vec::new();
        for contender in contenders {
            let name = contender.name(&self.traffic.rules);
            let Plan { only, .. } = &self.plan;
            if !only.is_empty() && !only.iter().any(|word| name.contains(word)) {
                continue;
            }
            crate::interrupt::check()?;
            eprintln!("starting: {name}");
            if let Some(reason) = contender.missing() {
                self.note(Absent { contender: name, reason, is_installed: false });
                continue;
            }
            let receiver = receiver(&**contender);
            match Entrant::start(receiver, &**contender, &self.traffic.rules, meter) {
                Ok(entrant) => entrants.push(entrant),
                // Nobody is left to measure.
                Err(error) if self.outer.is_some() => return Err(error),
                Err(error) => {
                    crate::interrupt::check()?;
                    self.note(Absent { contender: name, reason: format!("{error:#}"), is_installed: true });
                }
            }
        }
        Ok(entrants)
    }

    fn note(&mut self, absent: Absent) {
        eprintln!("absent: {}: {}", absent.contender, absent.reason);
        if !self.results.absent.iter().any(|known| known.contender == absent.contender) {
            self.results.absent.push(absent);
        }
    }

    /// As many frames as can be sent.
    fn saturate(&mut self) -> Result<()> {
        let traffic = self.traffic;
        let mixes = [traffic.shortest()?, traffic.imix()?];
        let floods = [traffic.syn_flood()?, traffic.listed_flood()?];
        for (workloads, others) in [(mixes, Joins::Floods), (floods, Joins::Mixes)] {
            let all = self.all().into_iter().filter(|(_, joins)| *joins != others);
            let contenders: Vec<_> = all.map(|(contender, _)| contender).collect();
            let mut meter = Meter::new()?;
            let mut entrants = self.enter(&contenders, &mut meter, |contender| contender.receiver())?;
            if contenders.is_empty() {
                continue;
            }
            for workload in workloads {
                let rows = race(&mut meter, &mut entrants, &workload, self.plan.rounds, self.plan.turn)?;
                self.results.throughput.extend(rows);
            }
        }
        Ok(())
    }

    /// As many as are forwarded without loss, and fewer and more.
    fn pace(&mut self) -> Result<()> {
        let mut meter = Meter::new()?;
        let mut entrants = self.enter(&self.few(), &mut meter, |contender| contender.receiver())?;
        let Plan { search, lengths, turn, run, .. } = self.plan;
        let mut workloads = vec![self.traffic.imix()?];
        for length in LENGTHS.into_iter().take(lengths) {
            workloads.push(self.traffic.sized(length - FCS)?);
        }
        for workload in &workloads {
            for entrant in &mut entrants {
                eprintln!("without loss: {}: {}", workload.name, entrant.name);
                let found = throughput(&mut meter, entrant, workload, turn, search)?;
                self.results.without_loss.push(found);
            }
        }
        let shortest = self.traffic.shortest()?;
        for entrant in &mut entrants {
            eprintln!("bursts, and loss at loads: {}", entrant.name);
            self.results.bursts.push(burst(&mut meter, entrant, &shortest, search)?);
            self.results.loss.push(loss_curve(&mut meter, entrant, &shortest, turn, run)?);
        }
        Ok(())
    }

    /// How long frames are under way. Another core receives, as it does where a card interrupts one.
    fn delay(&mut self) -> Result<()> {
        let mut meter = Meter::new()?;
        let mut entrants = self.enter(&self.few(), &mut meter, |_| Receiver::Sender)?;
        entrants.extend(self.enter(&self.beside(), &mut meter, |_| Receiver::Thread)?);
        let probes = self.traffic.probes()?;
        let Plan { rounds, search, turn, run, enough, .. } = self.plan;
        let mut rows = Vec::new();
        for entrant in &mut entrants {
            eprintln!("latency: {}", entrant.name);
            let full = throughput(&mut meter, entrant, &probes, turn, search)?;
            rows.push(loads(&entrant.name, &full));
        }
        in_turns("latency", rounds, &mut entrants, &mut rows, |entrant, rows| {
            for (rate, row) in rows {
                row.turns.push(latency(&mut meter, entrant, &probes, *rate, run, enough)?);
            }
            Ok(())
        })?;
        self.results.latency.extend(rows.into_iter().flatten().map(|(_, row)| row));
        Ok(())
    }
}

/// The rates at which the latency of a contender is looked at: fixed ones, and shares of what it forwards without loss, if there is such a rate.
fn loads(contender: &str, full: &Throughput) -> Vec<(u64, LatencyRow)> {
    let fixed = FIXED_RATES.map(|rate| (format!("{rate} frames/s"), rate));
    let shares = SHARES.map(|share| (format!("{share} %"), full.rate * share / 100));
    let loads = fixed.into_iter().chain(shares).filter(|(_, rate)| *rate > 0);
    let row = |load| LatencyRow { contender: contender.to_owned(), load, turns: Vec::new() };
    loads.map(|(load, rate)| (rate, row(load))).collect()
}
