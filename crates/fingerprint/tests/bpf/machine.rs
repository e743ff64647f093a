//! The classic BPF machine, as `linux/filter.h` and the paper of McCanne and Jacobson describe it: slow, and with no
//! mercy for a program that a kernel would refuse.

use synward_fingerprint::bpf::{Instruction, Program};

/// What the program returns for the packet. A packet that ends before what is read of it is rejected, and so is one
/// for which the program divides by zero.
pub(crate) fn run(program: &Program, packet: &[u8]) -> u32 {
    let mut machine = Machine { packet, a: 0xdead_beef, x: 0xdead_beef, memory: [None; 16] };
    let mut at = 0;
    for _ in 0..program.instructions().len() {
        let instruction = program.instructions()[at];
        match machine.step(instruction) {
            Some(Next::Skip(instructions)) => at += 1 + instructions,
            Some(Next::Return(value)) => return value,
            None => return 0,
        }
    }
    panic!("no return at the end");
}

/// Whether the program takes the packet.
pub(crate) fn accepts(program: &Program, packet: &[u8]) -> bool {
    match run(program, packet) {
        0 => false,
        Program::ACCEPT => true,
        other => panic!("returned {other}"),
    }
}

enum Next {
    Skip(usize),
    Return(u32),
}

struct Machine<'a> {
    packet: &'a [u8],
    /// Garbage at first: a program does not rely on zeros.
    a: u32,
    x: u32,
    memory: [Option<u32>; 16],
}

impl Machine<'_> {
    fn step(&mut self, Instruction { code, jt, jf, k }: Instruction) -> Option<Next> {
        let stored = |place: u32| self.memory[place as usize].expect("stored before");
        let jump = |is: bool| Some(Next::Skip(usize::from(if is { jt } else { jf })));
        match code {
            0x06 => return Some(Next::Return(k)),
            0x15 => return jump(self.a == k),
            0x25 => return jump(self.a > k),
            0x35 => return jump(self.a >= k),
            0x45 => return jump(self.a & k != 0),
            0x20 => self.a = self.load(k, 4)?,
            0x28 => self.a = self.load(k, 2)?,
            0x30 => self.a = self.load(k, 1)?,
            0x40 => self.a = self.load(self.x.checked_add(k)?, 4)?,
            0x48 => self.a = self.load(self.x.checked_add(k)?, 2)?,
            0x50 => self.a = self.load(self.x.checked_add(k)?, 1)?,
            0xb1 => self.x = (self.load(k, 1)? & 0x0f) * 4,
            0x60 => self.a = stored(k),
            0x61 => self.x = stored(k),
            0x02 => self.memory[k as usize] = Some(self.a),
            0x04 => self.a = self.a.wrapping_add(k),
            0x0c => self.a = self.a.wrapping_add(self.x),
            0x1c => self.a = self.a.wrapping_sub(self.x),
            0x3c => self.a = self.a.checked_div(self.x)?,
            0x54 => self.a &= k,
            0x74 => self.a = self.a.checked_shr(k).expect("a shift below 32"),
            0x94 => self.a = self.a.checked_rem(k).expect("a divisor that is not 0"),
            0x9c => self.a = self.a.checked_rem(self.x)?,
            0x07 => self.x = self.a,
            _ => panic!("no such instruction: {code:#x}"),
        }
        Some(Next::Skip(0))
    }

    fn load(&self, offset: u32, bytes: usize) -> Option<u32> {
        let number = self.packet.get(offset as usize..)?.get(..bytes)?;
        Some(number.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
    }
}
