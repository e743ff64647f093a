//! Programs of the classic BPF machine, and the forms in which other programs read them.

use std::fmt::Write;

/// One instruction of the classic BPF machine, as `struct sock_filter` of `linux/filter.h` holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Instruction {
    /// What to do: class, size and mode, or class, operation and source.
    pub code: u16,
    /// How many instructions a conditional jump skips if its condition holds.
    pub jt: u8,
    /// How many it skips if not.
    pub jf: u8,
    /// The operand: an offset into the packet in bytes, a place in the memory, or a number.
    pub k: u32,
}

/// A compiled signature. It returns 0 for a packet that does not match, and [`Program::ACCEPT`] for one that does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Program {
    instructions: Vec<Instruction>,
}

impl Program {
    /// The most instructions that `xt_bpf` takes (`XT_BPF_MAX_NUM_INSTR` of `linux/netfilter/xt_bpf.h`).
    pub const MAX_INSTRUCTIONS: usize = 64;

    /// What is returned for a packet that matches: the most bytes of it that are to be captured, as by `tcpdump`.
    pub const ACCEPT: u32 = 262_144;

    pub(super) fn new(instructions: Vec<Instruction>) -> Program {
        Program { instructions }
    }

    /// The instructions, from the first on.
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// The program in one line, as `iptables -m bpf --bytecode` reads it: the number of instructions, and of each
    /// `code jt jf k` in decimal, with commas between.
    pub fn to_bytecode(&self) -> String {
        self.joined(",")
    }

    /// The program as `tcpdump -ddd` prints it: the number of instructions, and each in a line of its own. There is
    /// no newline behind the last.
    pub fn to_ddd(&self) -> String {
        self.joined("\n")
    }

    fn joined(&self, separator: &str) -> String {
        let mut text = self.instructions.len().to_string();
        for Instruction { code, jt, jf, k } in &self.instructions {
            // A string takes all that is written to it.
            let _ = write!(text, "{separator}{code} {jt} {jf} {k}");
        }
        text
    }
}
