//! The generator and the sink, told what to do, and what they counted.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use libbpf_rs::ProgramInput;
use nix::time::{ClockId, clock_gettime};

use crate::bed::{Bed, Host, cores};
use crate::interrupt;
use crate::kernel::{Kernel, METER};
use crate::traffic::{Block, Template, Workload};

/// Numbered frames that there are records for (`NUMBERS` in the program).
pub(crate) const NUMBERS: u64 = 1 << 21;

/// Slices of time that arrivals are counted in, and how long one is (`SLICES`, `SLICE_SHIFT`).
const SLICES: u32 = 1024;
const SLICE: Duration = Duration::from_nanos(1 << 24);

/// Calls of the program in a batch of the kernel's (`BATCH`).
const BATCH: u64 = 64;

/// More frames a second than the generator can send: its program takes more than 60 ns for each.
const FASTEST: f64 = 16e6;

/// The buffer that the program makes its frames in must hold the longest head (`HEAD`).
const SHORTEST_BUFFER: usize = 128;

/// `BPF_F_TEST_XDP_LIVE_FRAMES` (linux/bpf.h): what the program redirects really leaves.
const LIVE: u32 = 1 << 1;

/// How long frames that are still under way may take.
const SETTLE: Duration = Duration::from_millis(100);

/// How long frames flow before their rate counts.
const WARM_UP: Duration = Duration::from_millis(150);

/// Frames of one template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) block: Block,
    pub(crate) sent: u64,
    pub(crate) arrived: u64,
    /// Came back to where they were sent from.
    pub(crate) echoed: u64,
}

impl Tally {
    fn since(&self, before: &Self) -> Self {
        Self {
            block: self.block,
            sent: self.sent - before.sent,
            arrived: self.arrived - before.arrived,
            echoed: self.echoed - before.echoed,
        }
    }
}

/// What a run came to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    pub(crate) tallies: Vec<Tally>,
    /// Frames that arrived and were none of the run.
    pub(crate) foreign: u64,
    /// The longest that nothing arrived while the generator ran.
    pub(crate) longest_silence: Duration,
    /// Frames a second that left, where they were sent by the clock: fewer than asked for, if the generator is too slow.
    pub(crate) offered: Option<f64>,
}

impl Counts {
    pub(crate) fn echoed(&self) -> u64 {
        self.tallies.iter().map(|tally| tally.echoed).sum()
    }
}

/// What was seen in a stretch of time under as many frames as can be sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flow {
    /// Of the whole run.
    pub(crate) counts: Counts,
    pub(crate) time: Duration,
    /// Of that time, by template.
    pub(crate) window: Vec<Tally>,
    /// Frames that the contender says it took in that time, if it can tell.
    pub(crate) taken: Option<u64>,
    /// How long the contender's core worked in that time.
    pub(crate) busy: Duration,
}

/// Frames that are sent by the clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Frames a second; 0: as fast as can be.
    pub(crate) rate: u64,
    pub(crate) frames: u64,
}

impl Pace {
    /// So many frames, as fast as can be.
    pub(crate) fn burst_of(frames: u64) -> Self {
        Self { rate: 0, frames }
    }

    /// Frames that leave together: as few as the generator can part at this rate, for it has to fill a batch of the kernel's each time.
    fn together(self) -> u64 {
        if self.rate == 0 { BATCH } else { (self.rate / 100_001 + 1).next_power_of_two().min(BATCH) }
    }
}

/// The generator and the sink of all beds.
#[derive(Debug)]
pub(crate) struct Meter {
    kernel: Kernel,
    nonce: u16,
}

impl Meter {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { kernel: Kernel::load(METER)?, nonce: fastrand::u16(..) })
    }

    /// Puts the sink of a bed, and what looks for frames that come back, in their places.
    pub(crate) fn watch(&mut self, bed: &Bed) -> Result<()> {
        for (Host { namespace, device, .. }, program) in [(&bed.source, "source"), (&bed.sink, "sink")] {
            self.kernel.attach(namespace, device, program)?;
        }
        Ok(())
    }

    /// Sends frames as fast as can be, and looks at a stretch of time in the middle of them.
    pub(crate) fn saturate(
        &mut self,
        bed: &Bed,
        workload: &Workload,
        time: Duration,
        mut taken: impl FnMut() -> Result<Option<u64>>,
    ) -> Result<Flow> {
        self.prepare(workload)?;
        let device = bed.source.index()?;
        let order = Order { device, shots: workload.shots.len(), rate: 0, burst: 0, limit: u64::MAX };
        self.kernel.set("orders", 0, &order.record()?)?;
        let calls = (FASTEST * (WARM_UP + time + SETTLE).as_secs_f64()) as u64;
        let began = monotonic()?;
        let (flow, ended) = thread::scope(|scope| {
            let kernel = &self.kernel;
            let sending = scope.spawn(move || generate(kernel, &bed.source, workload, calls));
            let seen = self.observe(workload, time, &mut taken);
            let is_early = sending.is_finished();
            let stopped = self.kernel.set("orders", 0, &Order { limit: 0, ..order }.record()?);
            // The calls that are left send nothing.
            let ended = monotonic();
            sending.join().map_err(|_| anyhow!("the generator panicked"))??;
            stopped?;
            ensure!(!is_early, "the generator came to its end too early");
            Ok::<_, anyhow::Error>((seen?, ended?))
        })?;
        thread::sleep(SETTLE);
        let counts =
            Counts { longest_silence: self.longest_silence(began, ended)?, ..self.counts(workload)? };
        Ok(Flow { counts, ..flow })
    }

    fn observe(
        &self,
        workload: &Workload,
        time: Duration,
        taken: &mut impl FnMut() -> Result<Option<u64>>,
    ) -> Result<Flow> {
        interrupt::sleep(WARM_UP)?;
        let mut look = || -> Result<_> {
            // To ask the contender takes long on a busy core: what it answers is of the moment at the end of that.
            let taken = taken()?;
            let (at, busy) = (Instant::now(), cores::busy_time(cores::WORKER)?);
            Ok((at, busy, self.tallies(workload)?, taken))
        };
        let (began, busy, before, first) = look()?;
        interrupt::sleep(time)?;
        let (ended, busy_then, after, last) = look()?;
        Ok(Flow {
            counts: Counts::default(),
            time: ended - began,
            window: after.iter().zip(&before).map(|(after, before)| after.since(before)).collect(),
            taken: first.zip(last).map(|(first, last)| last.saturating_sub(first)),
            busy: busy_then.saturating_sub(busy),
        })
    }

    /// Sends frames by the clock, and waits until none is under way any more.
    pub(crate) fn send(&mut self, bed: &Bed, workload: &Workload, pace: Pace) -> Result<Counts> {
        self.prepare(workload)?;
        if workload.templates.iter().any(Template::is_numbered) {
            let none = vec![0; 8 * usize::try_from(pace.frames.min(NUMBERS))?];
            self.kernel.fill("departures", &none)?;
            self.kernel.fill("delays", &none)?;
        }
        let (device, burst) = (bed.source.index()?, pace.together());
        let order = Order { device, shots: workload.shots.len(), rate: pace.rate, burst, limit: pace.frames };
        self.kernel.set("orders", 0, &order.record()?)?;
        generate(&self.kernel, &bed.source, workload, pace.frames.div_ceil(burst) * BATCH)?;
        interrupt::sleep(SETTLE)?;
        Ok(Counts { offered: self.offered()?, ..self.counts(workload)? })
    }

    /// How long each numbered frame of the last run was under way, in ns, those left out that did not arrive.
    pub(crate) fn delays(&self, frames: u64) -> Result<Vec<u64>> {
        let delays = self.kernel.words("delays", usize::try_from(frames.min(NUMBERS))?)?;
        Ok(delays.into_iter().filter(|delay| *delay > 0).collect())
    }

    /// Gives the program the frames, with a tag that no frame of another run has, and clears what it counted.
    fn prepare(&mut self, workload: &Workload) -> Result<()> {
        self.nonce = self.nonce.wrapping_add(1);
        for (place, template) in (0..).zip(&workload.templates) {
            self.kernel.set("templates", place, &template.record(self.tag(place))?)?;
            self.kernel.clear("tallies", place)?;
        }
        self.kernel.fill("shots", &self.shots(workload)?)?;
        for slice in 0..SLICES {
            self.kernel.clear("slices", slice)?;
        }
        // `struct run`: when it began, the nonce, frames of others.
        let run = [0, u64::from(self.nonce), 0].map(u64::to_ne_bytes);
        self.kernel.set("runs", 0, run.as_flattened())
    }

    /// The records of all shots (`struct shot`).
    fn shots(&self, workload: &Workload) -> Result<Vec<u8>> {
        let mut records = Vec::with_capacity(24 * workload.shots.len());
        for (place, source) in &workload.shots {
            let template = workload.templates.get(*place as usize).context("no such template")?;
            records.extend(source);
            records.extend(place.to_ne_bytes());
            records.extend(template.checksums(source, self.tag(*place)).as_flattened());
        }
        Ok(records)
    }

    fn tag(&self, template: u32) -> u32 {
        u32::from(self.nonce) << 16 | template
    }

    fn tallies(&self, workload: &Workload) -> Result<Vec<Tally>> {
        let tally = |(place, template): (u32, &Template)| {
            let [sent, arrived, echoed] = self.kernel.sum("tallies", place)?;
            Ok(Tally { block: template.block, sent, arrived, echoed })
        };
        (0..).zip(&workload.templates).map(tally).collect()
    }

    fn counts(&self, workload: &Workload) -> Result<Counts> {
        let run = self.kernel.get("runs", 0)?;
        let foreign = crate::kernel::words(&run).nth(2).unwrap_or_default();
        Ok(Counts { tallies: self.tallies(workload)?, foreign, ..Counts::default() })
    }

    /// Frames a second that the generator has sent by the clock; nothing, where that was all at once.
    fn offered(&self) -> Result<Option<f64>> {
        let order = self.kernel.get("orders", 0)?;
        let words: Vec<u64> = crate::kernel::words(&order).collect();
        let [.., began, _, last, before] = words[..] else { bail!("an order of another size") };
        Ok((last > began).then(|| before as f64 * 1e9 / (last - began) as f64))
    }

    /// The longest that nothing arrived between two moments, by CLOCK_MONOTONIC in ns.
    fn longest_silence(&self, began: u64, ended: u64) -> Result<Duration> {
        let counts = (0..SLICES).map(|slice| self.kernel.sum::<1>("slices", slice).map(|[count]| count));
        let counts = counts.collect::<Result<Vec<_>>>()?;
        let run = self.kernel.get("runs", 0)?;
        let first = crate::kernel::words(&run).next().filter(|first| *first > 0).unwrap_or(ended);
        let slices = ended.saturating_sub(first) / SLICE.as_nanos() as u64;
        let gap = SLICE * u32::try_from(longest_gap(&counts, usize::try_from(slices)?))?;
        Ok(gap.max(Duration::from_nanos(first.saturating_sub(began))))
    }
}

/// The longest run of slices without an arrival, among the first so many.
fn longest_gap(counts: &[u64], slices: usize) -> usize {
    let counts = counts.get(..slices).unwrap_or(counts);
    counts.split(|count| *count > 0).map(<[u64]>::len).max().unwrap_or_default()
}

fn monotonic() -> Result<u64> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    Ok(u64::try_from(now.tv_sec())? * 1_000_000_000 + u64::try_from(now.tv_nsec())?)
}

/// What the generator is told (`struct order`).
#[derive(Debug, Clone, Copy)]
struct Order {
    device: u32,
    shots: usize,
    rate: u64,
    burst: u64,
    limit: u64,
}

impl Order {
    fn record(self) -> Result<Vec<u8>> {
        let shots = u32::try_from(self.shots)?;
        let mut record = [self.device.to_ne_bytes(), shots.to_ne_bytes()].concat();
        record.extend(
            [self.rate, self.burst, self.limit, 0, 0, 0, 0, 0, 0].map(u64::to_ne_bytes).as_flattened(),
        );
        Ok(record)
    }
}

/// Has the kernel call the generator so often, on its core, as somebody on the host that sends.
fn generate(kernel: &Kernel, source: &Host, workload: &Workload, calls: u64) -> Result<()> {
    let longest = workload.templates.iter().map(Template::len).max().unwrap_or_default();
    let buffer = vec![0; longest.max(SHORTEST_BUFFER)];
    let repeat = u32::try_from(calls).context("more frames than one call can send")?;
    source.namespace.enter(|| {
        cores::pin(0, cores::SENDER)?;
        let mut programs = kernel.object.progs_mut();
        let program = programs.find(|known| known.name() == "generate").context("no generator")?;
        let input = ProgramInput { data_in: Some(&buffer), flags: LIVE, repeat, ..ProgramInput::default() };
        program.test_run(input).context("the generator failed")?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_ends_with_an_arrival_or_with_the_generator() {
        assert_eq!(longest_gap(&[5, 0, 0, 7, 0, 1, 0, 0, 0, 0], 6), 2);
        assert_eq!(longest_gap(&[5, 0, 0, 7, 0, 0, 0, 0, 0, 0], 8), 4);
        assert_eq!(longest_gap(&[5, 6], 2), 0);
        assert_eq!(longest_gap(&[0, 0], 0), 0);
    }

    #[test]
    fn few_frames_leave_together_where_the_generator_can_part_them() {
        let together = |rate| Pace { rate, frames: 1 }.together();
        assert_eq!([1_000, 100_000, 200_000, 1_750_000, 100_000_000].map(together), [1, 1, 2, 32, 64]);
        assert_eq!(Pace::burst_of(10).together(), BATCH);
    }
}
