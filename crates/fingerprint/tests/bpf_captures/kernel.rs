//! The classic BPF machine of the kernel, without a network: what is sent into one end of a pair of Unix sockets goes
//! through the filter of the other, as a frame goes through that of a packet socket.

use std::io::{ErrorKind, Read, Write};

use socket2::{Domain, SockFilter, Socket, Type};
use synward_fingerprint::bpf::Program;

pub(crate) struct Filter {
    sender: Socket,
    receiver: Socket,
}

impl Filter {
    /// The kernel checks the program, and compiles it where it can.
    pub(crate) fn new(program: &Program) -> Filter {
        let (sender, receiver) = Socket::pair(Domain::UNIX, Type::DGRAM, None).unwrap();
        let filters: Vec<SockFilter> =
            program.instructions().iter().map(|i| SockFilter::new(i.code, i.jt, i.jf, i.k)).collect();
        receiver.attach_filter(&filters).unwrap();
        receiver.set_nonblocking(true).unwrap();
        Filter { sender, receiver }
    }

    /// Whether the program takes the frame. What it takes it takes whole.
    pub(crate) fn takes(&self, frame: &[u8]) -> bool {
        (&self.sender).write_all(frame).unwrap();
        let mut taken = vec![0; frame.len() + 1];
        match (&self.receiver).read(&mut taken) {
            Ok(length) => {
                assert_eq!(&taken[..length], frame);
                true
            }
            Err(fault) if fault.kind() == ErrorKind::WouldBlock => false,
            Err(fault) => panic!("{fault}"),
        }
    }
}
