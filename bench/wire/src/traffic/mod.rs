//! What is sent: workloads made of templates, and sources for each frame.

mod frames;
mod rules;
mod sources;

use anyhow::{Context, Result};
use fastrand::Rng;

pub(crate) use frames::{Block, Template};
pub(crate) use rules::{FEW, Rules, short};
pub(crate) use sources::{Order, Population};

use frames::{Family, datagram, segment, syn};

/// The most shots of a run, which then begins again (`SHOTS` in the program): sources enough to be in no cache.
pub(crate) const MOST_SHOTS: usize = 1 << 20;

/// Bytes of the shortest and the longest frame, without the frame check sequence (IEEE 802.3 clause 3.2.7).
const SHORTEST: usize = 60;
const LONGEST: usize = 1514;

/// Frames of a run: what they look like, and of which template and source each is.
#[derive(Debug, Clone)]
pub(crate) struct Workload {
    pub(crate) name: String,
    pub(crate) templates: Vec<Template>,
    /// The template of each shot and its source: an IPv4 address in the first four bytes, or an IPv6 address.
    pub(crate) shots: Vec<(u32, [u8; 16])>,
}

impl Workload {
    /// Datagrams of one source that nothing blocks.
    pub(crate) fn greeting(rules: &Rules) -> Result<Self> {
        let source = Population::new(rules, 1).walk(Order::Turn).next().unwrap_or_default();
        let mut address = [0; 16];
        address.iter_mut().zip(source.to_be_bytes()).for_each(|(byte, value)| *byte = value);
        let templates = vec![datagram(Family::V4, SHORTEST, Block::No)?];
        Ok(Self { name: "greeting".into(), templates, shots: vec![(0, address)] })
    }
}

/// What the workloads of a run are made of.
#[derive(Debug)]
pub(crate) struct Traffic {
    pub(crate) rules: Rules,
    population: Population,
    order: Order,
    shots: usize,
}

/// Templates, and how many of a hundred frames are of each.
type Mix = Vec<(u32, Template)>;

impl Traffic {
    /// So many sources that nothing blocks, which take turns in an order, and at most [`MOST_SHOTS`] shots.
    pub(crate) fn new(rules: Rules, sources: usize, order: Order, shots: usize) -> Self {
        let population = Population::new(&rules, sources);
        Self { rules, population, order, shots: shots.min(MOST_SHOTS) }
    }

    /// Frames of the shortest length: of a hundred 45 segments of connections, 30 datagrams, 20 SYNs of clients, and 5 that are blocked.
    pub(crate) fn shortest(&self) -> Result<Workload> {
        let mix = vec![
            (45, segment(Family::V4, SHORTEST, Block::No)?),
            (30, datagram(Family::V4, SHORTEST, Block::No)?),
            (20, syn(29200, &CLIENT, Block::No)?),
        ];
        self.workload("60-byte frames", [mix, blocked(SHORTEST)?].concat())
    }

    /// Datagrams of one length, and 5 frames of a hundred that are blocked.
    pub(crate) fn sized(&self, length: usize) -> Result<Workload> {
        let mix = vec![(95, datagram(Family::V4, length, Block::No)?)];
        self.workload(&format!("{}-byte frames", length + 4), [mix, blocked(length)?].concat())
    }

    /// The simple IMIX, frames of 64, 594 and 1518 bytes on the wire at 7:4:1; four of five over IPv4; and 5 of a hundred that are
    /// blocked.
    pub(crate) fn imix(&self) -> Result<Workload> {
        let mut mix = Vec::new();
        for (length, weights) in [(SHORTEST, [44, 11]), (590, [26, 6]), (LONGEST, [6, 2])] {
            let v6 = segment(Family::V6, length.max(SHORTEST6), Block::No)?;
            mix.extend([(weights[0], segment(Family::V4, length, Block::No)?), (weights[1], v6)]);
        }
        self.workload("IMIX", [mix, blocked(590)?].concat())
    }

    /// SYNs of a scanner, from sources that nothing blocks.
    pub(crate) fn syn_flood(&self) -> Result<Workload> {
        self.workload("SYN flood, every SYN blocked", vec![(100, syn(1024, &[], Block::Syn)?)])
    }

    /// Segments from blocked sources.
    pub(crate) fn listed_flood(&self) -> Result<Workload> {
        let (few, many) =
            (segment(Family::V4, SHORTEST, Block::Few)?, segment(Family::V4, SHORTEST, Block::Many)?);
        self.workload("flood from listed addresses", vec![(50, few), (50, many)])
    }

    /// Numbered datagrams that nothing blocks, and 5 frames of a hundred that are blocked.
    pub(crate) fn probes(&self) -> Result<Workload> {
        let mix = vec![(95, datagram(Family::V4, SHORTEST, Block::No)?.numbered())];
        self.workload("numbered datagrams", [mix, blocked(SHORTEST)?].concat())
    }

    fn workload(&self, name: &str, mix: Mix) -> Result<Workload> {
        let mut rng = Rng::with_seed(7);
        let deck =
            (0..).zip(&mix).flat_map(|(place, (weight, _))| std::iter::repeat_n(place, *weight as usize));
        let deck: Vec<u32> = deck.collect();
        let templates: Vec<Template> = mix.into_iter().map(|(_, template)| template).collect();
        let mut shots = Vec::with_capacity(self.shots);
        let mut sources = self.population.walk(self.order);
        for _ in 0..self.shots {
            let place = *rng.choice(&deck).context("a mix of nothing")?;
            let template = templates.get(place as usize).context("no such template")?;
            shots.push((place, self.source(template, &mut sources, &mut rng)));
        }
        Ok(Workload { name: name.to_owned(), templates, shots })
    }

    fn source(
        &self,
        template: &Template,
        sources: &mut impl Iterator<Item = u32>,
        rng: &mut Rng,
    ) -> [u8; 16] {
        let address = match template.block {
            Block::Few => self.rules.inside_few(rng),
            Block::Many => self.rules.inside_many(rng),
            Block::No | Block::Syn => sources.next().unwrap_or_default(),
        };
        // 2001:db8::/32 is for documentation (RFC 3849).
        let mut source = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let place = if template.is_ipv6() { 12 } else { 0 };
        source.iter_mut().skip(place).zip(address.to_be_bytes()).for_each(|(byte, value)| *byte = value);
        source
    }
}

/// A segment without data over IPv6: 14 bytes of Ethernet, 40 of IPv6 and 20 of TCP.
const SHORTEST6: usize = 74;

/// Options of a client whose SYN is as short as a frame can be: a maximum segment size of 1460.
const CLIENT: [u8; 4] = [2, 4, 5, 180];

/// 5 frames of a hundred that are blocked: 4 by their source, 1 for its fingerprint.
fn blocked(length: usize) -> Result<Mix> {
    Ok(vec![
        (2, segment(Family::V4, length, Block::Few)?),
        (2, segment(Family::V4, length, Block::Many)?),
        (1, syn(1024, &[], Block::Syn)?),
    ])
}
