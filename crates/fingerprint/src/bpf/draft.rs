//! What a program tests, header by header, before it is put in instructions.

use std::ops::RangeInclusive;

use super::assembler::{
    ADD_X, Assembler, Condition, Place, SUB_X, TAX, Test, Width, and, ipv4_header_len_to_x, recall,
    recall_to_x, right_shift, store,
};
use super::bits::Bits;
use super::multiple::OfAnyMss;
use super::{BpfError, Instruction, Link, Program};
use crate::kinds::{EOL, MAX_OPTION_BYTES, NOP};
use crate::p0f::IpVersion;

/// Bytes of a TCP header without options (RFC 9293 section 3.1).
const TCP_HEADER: u32 = 20;
/// Bytes of an IPv6 header (RFC 8200 section 3).
const IPV6_HEADER: u32 = 40;
/// The number of TCP among the protocols of IP.
const TCP: u32 = 6;
/// The most that two bytes hold. A difference that is negative is above it.
const MAX_LENGTH: u32 = u16::MAX as u32;

/// The place in the memory for the end of the TCP header.
const HEADER_END: u32 = 0;
/// The place in the memory for a number that is kept.
const KEPT: u32 = 1;

/// Where the options may end in a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Behind the last one.
    Exact,
    /// Anywhere behind an EOL.
    Anywhere,
    /// Behind the zeros that were asked for, or anywhere if the next byte is not zero.
    BehindZeros,
}

/// A part of the packet whose fields are all at the same distance from X, or from the start.
#[derive(Debug, Default)]
struct Region {
    /// What brings X to its value for this region, with what it tests in passing.
    entry: Vec<Step>,
    indexed: bool,
    bits: Bits,
    /// Behind the bits.
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    Run(Vec<Instruction>),
    /// At least one of these holds.
    AnyOf(Vec<Test>),
    Window(OfAnyMss),
}

/// A program to be. What is asked of the TCP header is asked before the options; these then come one after the other.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) version: IpVersion,
    /// Offset of the IP header.
    ip: u32,
    /// Bytes of the IP header, if the signature says how many.
    ip_header_len: Option<u32>,
    /// The TCP header, as long as no option of unknown length is passed.
    tcp: Place,
    /// Where the options start, and where the next one is. Their distance counts an option of unknown length as none.
    options: u32,
    next_option: Place,
    /// Whether there is an option of unknown length.
    walks: bool,
    end: End,
    before: Vec<Region>,
    region: Region,
}

impl Draft {
    /// Tests for TCP in IP of this version, in a packet that is no fragment other than the first.
    ///
    /// `ip_options`: bytes of IPv4 options, or `None` for any.
    pub(super) fn new(link: Link, version: IpVersion, ip_options: Option<u32>) -> Result<Draft, BpfError> {
        let ip = link.header_len();
        let ip_header_len = match version {
            IpVersion::V4 => ip_options.map(|bytes| 20 + bytes),
            IpVersion::V6 => Some(IPV6_HEADER),
        };
        let tcp = Place { offset: ip + ip_header_len.unwrap_or(0), indexed: ip_header_len.is_none() };
        let next_option = tcp.plus(TCP_HEADER);
        let mut draft = Draft {
            version,
            ip,
            ip_header_len,
            tcp,
            options: next_option.offset,
            next_option,
            walks: false,
            end: End::Exact,
            before: Vec::new(),
            region: Region::default(),
        };
        draft.ask_link(link)?;
        match version {
            IpVersion::V4 => draft.ask_ipv4()?,
            IpVersion::V6 => {
                draft.ask_ip(0, Width::Byte, 0xf0, 6 << 4)?;
                draft.ask_ip(6, Width::Byte, 0xff, TCP)?;
            }
        }
        Ok(draft)
    }

    fn ask_link(&mut self, link: Link) -> Result<(), BpfError> {
        let ether_type = match self.version {
            IpVersion::V4 => 0x0800,
            IpVersion::V6 => 0x86dd,
        };
        match link {
            Link::Ethernet => self.region.bits.require(12, Width::Half, 0xffff, ether_type),
            Link::RawIp => Ok(()),
        }
    }

    fn ask_ipv4(&mut self) -> Result<(), BpfError> {
        match self.ip_header_len {
            Some(bytes) => self.ask_ip(0, Width::Byte, 0xff, 0x40 + bytes / 4)?,
            // Version 4, and at least the five words that are always there.
            None => self.ask_ip_within(0, Width::Byte, 0x45..=0x4f)?,
        }
        self.ask_ip(6, Width::Half, 0x1fff, 0)?;
        self.ask_ip(9, Width::Byte, 0xff, TCP)
    }

    /// Bits of the IP header.
    pub(super) fn ask_ip(
        &mut self,
        offset: u32,
        width: Width,
        mask: u32,
        value: u32,
    ) -> Result<(), BpfError> {
        self.ask(self.ip_at(offset), width, mask, value)
    }

    /// A number in the IP header.
    pub(super) fn ask_ip_within(
        &mut self,
        offset: u32,
        width: Width,
        range: RangeInclusive<u32>,
    ) -> Result<(), BpfError> {
        self.ask_within(self.ip_at(offset), width, range)
    }

    /// The TTL or hop limit.
    pub(super) fn ask_ttl(&mut self, range: RangeInclusive<u32>) -> Result<(), BpfError> {
        let offset = match self.version {
            IpVersion::V4 => 8,
            IpVersion::V6 => 7,
        };
        self.ask_ip_within(offset, Width::Byte, range)
    }

    /// Whether an ECN bit of the IP header, ECE, CWR or AE is set.
    pub(super) fn ask_ecn(&mut self, is_set: bool) -> Result<(), BpfError> {
        let in_ip = match self.version {
            IpVersion::V4 => 0x03,
            IpVersion::V6 => 0x30,
        };
        let fields = [(self.ip_at(1), Width::Byte, in_ip), (self.tcp_at(12), Width::Half, 0x01c0)];
        if is_set {
            let any = |(place, width, bits): (Place, Width, u32)| Test {
                value: vec![place.load(width)],
                is: Condition::AnyBitOf(bits),
            };
            self.check_any(fields.map(any).to_vec());
            return Ok(());
        }
        fields.into_iter().try_for_each(|(place, width, bits)| self.ask(place, width, bits, 0))
    }

    /// Bytes of the IP header, if the signature says how many, and of a TCP header without options.
    pub(super) fn headers_without_options(&self) -> u32 {
        self.ip_header_len.unwrap_or(0) + TCP_HEADER
    }

    /// The place so many bytes into the IP header.
    pub(super) fn ip_at(&self, offset: u32) -> Place {
        Place::at(self.ip + offset)
    }

    /// The place so many bytes into the TCP header.
    pub(super) fn tcp_at(&self, offset: u32) -> Place {
        self.tcp.plus(offset)
    }

    /// Goes on to the TCP header, to what of it is the same for all: SYN set, ACK and RST clear.
    ///
    /// `walks`: whether there will be an option of unknown length.
    pub(super) fn enter_tcp(&mut self, walks: bool, end: End) -> Result<(), BpfError> {
        if self.tcp.indexed {
            self.begin(vec![Step::Run(vec![ipv4_header_len_to_x(self.ip)])], true);
        }
        (self.walks, self.end) = (walks, end);
        if self.stores_header_end() {
            self.run([self.measure(), vec![store(HEADER_END)]].concat());
        }
        self.ask(self.tcp_at(13), Width::Byte, 0x16, 0x02)
    }

    /// Whether the end of the header is needed where it cannot be measured any more.
    fn stores_header_end(&self) -> bool {
        self.end != End::Exact || self.walks && self.tcp.indexed
    }

    /// What brings the end of the header to A, at any place. It counts from where the TCP header starts if that is
    /// known, or else from where the IP header does.
    fn header_end(&self) -> Vec<Instruction> {
        if self.stores_header_end() { vec![recall(HEADER_END)] } else { self.measure() }
    }

    /// What brings it to A as long as the TCP header can be reached. The upper half of its byte 12 counts words.
    fn measure(&self) -> Vec<Instruction> {
        let mut end = vec![self.tcp_at(12).load(Width::Byte), and(0xf0), right_shift(2)];
        end.extend(self.tcp.indexed.then_some(ADD_X));
        end
    }

    /// Bits of the number at this place of the region.
    pub(super) fn ask(&mut self, place: Place, width: Width, mask: u32, value: u32) -> Result<(), BpfError> {
        if place.indexed == self.region.indexed {
            return self.region.bits.require(place.offset, width, mask, value);
        }
        // A field of the IP header, asked for together with one of TCP.
        let mut bits = Bits::default();
        bits.require(place.offset, width, mask, value)?;
        bits.tests(place.indexed).into_iter().for_each(|test| self.check(test));
        Ok(())
    }

    /// The number at this place of the region.
    pub(super) fn ask_within(
        &mut self,
        place: Place,
        width: Width,
        range: RangeInclusive<u32>,
    ) -> Result<(), BpfError> {
        let most = u32::MAX >> (32 - 8 * width.bytes());
        match (*range.start(), *range.end()) {
            (first, last) if first == last => return self.ask(place, width, most, first),
            (0, last) if last >= most => {}
            (first, last) => {
                let last = if last >= most { u32::MAX } else { last };
                self.check(Test {
                    value: vec![place.load(width)],
                    is: Condition::Within(vec![first..=last]),
                });
            }
        }
        Ok(())
    }

    /// A test of this region, behind all of its bits.
    pub(super) fn check(&mut self, test: Test) {
        self.check_any(vec![test]);
    }

    /// Tests of which one has to hold.
    pub(super) fn check_any(&mut self, tests: Vec<Test>) {
        self.region.steps.push(Step::AnyOf(tests));
    }

    /// Keeps the number at this place of the region; returns what brings it to A later. One can be kept.
    pub(super) fn keep(&mut self, place: Place, width: Width) -> Instruction {
        if !place.indexed {
            return place.load(width);
        }
        self.run(vec![place.load(width), store(KEPT)]);
        recall(KEPT)
    }

    /// Instructions without jumps, behind all of the region's bits.
    fn run(&mut self, instructions: Vec<Instruction>) {
        self.region.steps.push(Step::Run(instructions));
    }

    /// A relation of window and MSS. It changes X: nothing in the region can be reached any more.
    pub(super) fn check_window(&mut self, relation: OfAnyMss) {
        self.region.steps.push(Step::Window(relation));
    }

    fn begin(&mut self, entry: Vec<Step>, indexed: bool) {
        let region = Region { entry, indexed, ..Region::default() };
        self.before.push(std::mem::replace(&mut self.region, region));
    }

    /// Bytes of options so far, as far as they are known.
    pub(super) fn option_bytes(&self) -> u32 {
        self.next_option.offset - self.options
    }

    /// Goes over so many bytes; returns where they are.
    pub(super) fn skip(&mut self, bytes: u32) -> Place {
        let place = self.next_option;
        self.next_option = place.plus(bytes);
        place
    }

    /// The next option, of so many bytes; returns where it is.
    pub(super) fn option(&mut self, kind: u8, bytes: u32) -> Result<Place, BpfError> {
        let place = self.skip(bytes);
        self.ask(place, Width::Byte, 0xff, kind.into())?;
        Ok(place)
    }

    /// The next option, and its length byte, as its RFC has it.
    pub(super) fn whole_option(&mut self, kind: u8, bytes: u32) -> Result<Place, BpfError> {
        let place = self.option(kind, bytes)?;
        if kind != EOL && kind != NOP {
            self.ask(place.plus(1), Width::Byte, 0xff, bytes)?;
        }
        Ok(place)
    }

    /// The next option, whose length byte alone tells where it ends.
    pub(super) fn option_of_any_length(
        &mut self,
        kind: u8,
        lengths: RangeInclusive<u32>,
    ) -> Result<(), BpfError> {
        let place = self.option(kind, 0)?;
        let length =
            Test { value: vec![place.plus(1).load(Width::Byte)], is: Condition::Within(vec![lengths]) };
        // A holds the length still when the test has passed.
        let advance = if place.indexed { vec![ADD_X, TAX] } else { vec![TAX] };
        self.begin(vec![Step::AnyOf(vec![length]), Step::Run(advance)], true);
        self.next_option = Place { indexed: true, ..place };
        Ok(())
    }

    /// Ends the options, and asks for a payload or for none, if that is asked.
    pub(super) fn end(&mut self, payload: Option<bool>) -> Result<(), BpfError> {
        let bytes = self.option_bytes();
        if bytes as usize > MAX_OPTION_BYTES {
            return Err(BpfError::NeverMatches("its options do not fit into a TCP header"));
        }
        if self.walks || self.end != End::Exact {
            self.check_end();
        } else if bytes.is_multiple_of(4) {
            self.ask(self.tcp_at(12), Width::Byte, 0xf0, (TCP_HEADER + bytes) << 2)?;
        } else {
            return Err(BpfError::NeverMatches("options end on a multiple of four bytes, and these do not"));
        }
        self.check_payload(payload)
    }

    /// The data offset of the packet says where the options end.
    fn check_end(&mut self) {
        let next = self.next_option;
        let mut value = self.header_end();
        value.extend(next.indexed.then_some(SUB_X));
        let here = next.offset - self.tcp.offset;
        let ends_here = Test { value: value.clone(), is: Condition::Equal(here) };
        if self.end == End::Exact {
            return self.check(ends_here);
        }
        let most = if next.indexed { MAX_LENGTH } else { u32::MAX };
        self.check(Test { value, is: Condition::Within(vec![here..=most]) });
        if self.end == End::BehindZeros {
            let not_zero = Test { value: vec![next.load(Width::Byte)], is: Condition::NotEqual(0) };
            self.check_any(vec![ends_here, not_zero]);
        }
    }

    /// The IP header says where the packet ends: not before the TCP header does, and not behind it without a
    /// payload.
    fn check_payload(&mut self, payload: Option<bool>) -> Result<(), BpfError> {
        // The length in an IPv6 header does not count the header.
        let (length, uncounted) = match self.version {
            IpVersion::V4 => (self.ip_at(2), 0),
            IpVersion::V6 => (self.ip_at(4), IPV6_HEADER),
        };
        let load = length.load(Width::Half);
        let counted_to = |place: Place| place.offset - self.ip - uncounted;
        let next = self.next_option;
        let (value, headers) = match self.end {
            End::Exact if next.indexed => (vec![load, SUB_X], counted_to(next)),
            End::Exact => return self.ask_within(length, Width::Half, lengths(counted_to(next), payload)),
            _ => (vec![recall_to_x(HEADER_END), load, SUB_X], counted_to(self.tcp)),
        };
        self.check(Test { value, is: Condition::Within(vec![lengths(headers, payload)]) });
        Ok(())
    }

    pub(super) fn assemble(self) -> Result<Program, BpfError> {
        let mut assembler = Assembler::new();
        for Region { entry, indexed, bits, steps } in self.before.iter().chain([&self.region]).rev() {
            steps.iter().rev().for_each(|step| step.assemble(&mut assembler));
            for test in bits.tests(*indexed).iter().rev() {
                let pass = assembler.here();
                assembler.test(test, pass, Assembler::REJECT);
            }
            entry.iter().rev().for_each(|step| step.assemble(&mut assembler));
        }
        assembler.finish()
    }
}

impl Step {
    fn assemble(&self, assembler: &mut Assembler) {
        let pass = assembler.here();
        match self {
            Step::Run(instructions) => assembler.run(instructions),
            Step::Window(relation) => relation.assemble(assembler),
            Step::AnyOf(tests) => {
                let mut otherwise = Assembler::REJECT;
                for test in tests.iter().rev() {
                    assembler.test(test, pass, otherwise);
                    otherwise = assembler.here();
                }
            }
        }
    }
}

/// The lengths that a packet can have: of the headers alone, or more.
fn lengths(headers: u32, payload: Option<bool>) -> RangeInclusive<u32> {
    match payload {
        None => headers..=MAX_LENGTH,
        Some(false) => headers..=headers,
        Some(true) => headers + 1..=MAX_LENGTH,
    }
}
