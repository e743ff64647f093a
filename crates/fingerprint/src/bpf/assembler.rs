//! From tests to instructions.
//!
//! Classic BPF only jumps forward. So a program is put together from its end: where a jump goes to is there
//! already, and how far it is can be told at once.

use std::ops::RangeInclusive;

use super::{BpfError, Instruction, Program};

/// The operations (`linux/bpf_common.h`), and no others of the machine.
mod code {
    pub(super) const LD_WORD: u16 = 0x20;
    pub(super) const LD_HALF: u16 = 0x28;
    pub(super) const LD_BYTE: u16 = 0x30;
    /// To add to one of the three: at X and the operand, not at the operand.
    pub(super) const INDEXED: u16 = 0x20;
    pub(super) const LD_MEMORY: u16 = 0x60;
    pub(super) const LDX_MEMORY: u16 = 0x61;
    pub(super) const LDX_IPV4_HEADER_LEN: u16 = 0xb1;
    pub(super) const STORE: u16 = 0x02;
    pub(super) const ADD: u16 = 0x04;
    pub(super) const ADD_X: u16 = 0x0c;
    pub(super) const SUB_X: u16 = 0x1c;
    pub(super) const DIV_X: u16 = 0x3c;
    pub(super) const AND: u16 = 0x54;
    pub(super) const RIGHT_SHIFT: u16 = 0x74;
    pub(super) const MOD: u16 = 0x94;
    pub(super) const MOD_X: u16 = 0x9c;
    pub(super) const TAX: u16 = 0x07;
    pub(super) const JUMP_IF_EQUAL: u16 = 0x15;
    pub(super) const JUMP_IF_ABOVE: u16 = 0x25;
    pub(super) const JUMP_IF_AT_LEAST: u16 = 0x35;
    pub(super) const JUMP_IF_ANY_BIT: u16 = 0x45;
    pub(super) const RETURN: u16 = 0x06;
}

const fn plain(code: u16, k: u32) -> Instruction {
    Instruction { code, jt: 0, jf: 0, k }
}

/// X to A.
pub(super) const TAX: Instruction = plain(code::TAX, 0);
/// X added to A.
pub(super) const ADD_X: Instruction = plain(code::ADD_X, 0);
/// X taken from A, modulo 2^32.
pub(super) const SUB_X: Instruction = plain(code::SUB_X, 0);
/// A divided by X; the machine rejects the packet if that is 0.
pub(super) const DIV_X: Instruction = plain(code::DIV_X, 0);
/// What is left of A divided by X; the machine rejects the packet if that is 0.
pub(super) const MOD_X: Instruction = plain(code::MOD_X, 0);

pub(super) const fn add(k: u32) -> Instruction {
    plain(code::ADD, k)
}

pub(super) const fn and(k: u32) -> Instruction {
    plain(code::AND, k)
}

pub(super) const fn right_shift(bits: u32) -> Instruction {
    plain(code::RIGHT_SHIFT, bits)
}

/// What is left of A divided by `k`, which is not 0.
pub(super) const fn modulo(k: u32) -> Instruction {
    plain(code::MOD, k)
}

/// A to this place of the memory.
pub(super) const fn store(place: u32) -> Instruction {
    plain(code::STORE, place)
}

/// What was stored at this place to A.
pub(super) const fn recall(place: u32) -> Instruction {
    plain(code::LD_MEMORY, place)
}

/// What was stored at this place to X.
pub(super) const fn recall_to_x(place: u32) -> Instruction {
    plain(code::LDX_MEMORY, place)
}

/// To X the bytes of the IPv4 header that starts at this offset.
pub(super) const fn ipv4_header_len_to_x(offset: u32) -> Instruction {
    plain(code::LDX_IPV4_HEADER_LEN, offset)
}

/// A place in the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Bytes from the start of the packet, or from X on.
    pub(super) offset: u32,
    pub(super) indexed: bool,
}

impl Place {
    pub(super) const fn at(offset: u32) -> Place {
        Place { offset, indexed: false }
    }

    /// So many bytes further on.
    pub(super) const fn plus(self, bytes: u32) -> Place {
        Place { offset: self.offset + bytes, ..self }
    }

    /// The number of so many bytes that is here, to A. The machine rejects a packet that ends before.
    pub(super) const fn load(self, width: Width) -> Instruction {
        let absolute = match width {
            Width::Byte => code::LD_BYTE,
            Width::Half => code::LD_HALF,
            Width::Word => code::LD_WORD,
        };
        plain(if self.indexed { absolute + code::INDEXED } else { absolute }, self.offset)
    }
}

/// How many bytes a number in a packet has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    Byte = 1,
    Half = 2,
    Word = 4,
}

impl Width {
    /// Those that the machine can load, the widest first.
    pub(super) const ALL: [Width; 3] = [Width::Word, Width::Half, Width::Byte];

    pub(super) const fn bytes(self) -> u32 {
        self as u32
    }
}

/// A number, and what it must be.
#[derive(Clone, Debug)]
pub(super) struct Test {
    /// What brings it to A.
    pub(super) value: Vec<Instruction>,
    pub(super) is: Condition,
}

#[derive(Clone, Debug)]
pub(super) enum Condition {
    Equal(u32),
    NotEqual(u32),
    /// In one of these, which are in ascending order.
    Within(Vec<RangeInclusive<u32>>),
    AnyBitOf(u32),
    NoBitOf(u32),
}

/// A point in a program: how many instructions there are from it to the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point(usize);

/// A program that is put together from its end.
pub(super) struct Assembler {
    reversed: Vec<Instruction>,
}

impl Assembler {
    /// Where a packet that does not match is sent.
    pub(super) const REJECT: Point = Point(1);

    /// The end: the two verdicts, of which the one to accept is reached from above.
    pub(super) fn new() -> Assembler {
        let reversed = vec![plain(code::RETURN, 0), plain(code::RETURN, Program::ACCEPT)];
        Assembler { reversed }
    }

    /// The point before all that is there.
    pub(super) fn here(&self) -> Point {
        Point(self.reversed.len())
    }

    /// Puts instructions without jumps before all that is there.
    pub(super) fn run(&mut self, instructions: &[Instruction]) {
        self.reversed.extend(instructions.iter().rev());
    }

    /// Puts a rejection before all that is there, for what is only reached from above.
    pub(super) fn reject(&mut self) {
        self.reversed.push(plain(code::RETURN, 0));
    }

    /// Puts the test before all that is there.
    pub(super) fn test(&mut self, Test { value, is }: &Test, pass: Point, fail: Point) {
        match is {
            Condition::Equal(k) => self.jump(code::JUMP_IF_EQUAL, *k, pass, fail),
            Condition::NotEqual(k) => self.jump(code::JUMP_IF_EQUAL, *k, fail, pass),
            Condition::AnyBitOf(k) => self.jump(code::JUMP_IF_ANY_BIT, *k, pass, fail),
            Condition::NoBitOf(k) => self.jump(code::JUMP_IF_ANY_BIT, *k, fail, pass),
            Condition::Within(ranges) => {
                let mut otherwise = fail;
                for range in ranges.iter().rev() {
                    self.within(range, pass, otherwise, fail);
                    otherwise = self.here();
                }
            }
        }
        self.run(value);
    }

    /// A number below the range is below all that follow, too: it goes to `below`.
    fn within(&mut self, range: &RangeInclusive<u32>, pass: Point, above: Point, below: Point) {
        match (*range.start(), *range.end()) {
            (first, last) if first == last => self.jump(code::JUMP_IF_EQUAL, first, pass, above),
            (0, last) => self.jump(code::JUMP_IF_ABOVE, last, above, pass),
            (first, u32::MAX) => self.jump(code::JUMP_IF_AT_LEAST, first, pass, below),
            (first, last) => {
                self.jump(code::JUMP_IF_ABOVE, last, above, pass);
                let not_below = self.here();
                self.jump(code::JUMP_IF_AT_LEAST, first, not_below, below);
            }
        }
    }

    fn jump(&mut self, code: u16, k: u32, then: Point, otherwise: Point) {
        let (jt, jf) = (self.distance(then), self.distance(otherwise));
        self.reversed.push(Instruction { code, jt, jf, k });
    }

    /// Instructions between the one to come and the point. What does not fit is in a program that is too long.
    fn distance(&self, Point(to_end): Point) -> u8 {
        u8::try_from(self.reversed.len() - to_end).unwrap_or(u8::MAX)
    }

    pub(super) fn finish(mut self) -> Result<Program, BpfError> {
        let instructions = self.reversed.len();
        if instructions > Program::MAX_INSTRUCTIONS {
            return Err(BpfError::TooLong { instructions });
        }
        self.reversed.reverse();
        Ok(Program::new(self.reversed))
    }
}
