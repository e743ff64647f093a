//! Sends frames through an interface at a steady rate, for a time, and prints how many it sent.
//!
//! ```text
//! flood INTERFACE FRAMES_A_SECOND SECONDS
//! ```
//!
//! The frames are UDP over IPv4, 60 bytes, from addresses by chance. To be run with priority over everything else on its
//! core, say by `chrt --fifo 1`: a sender that waits its turn sends in bursts.

use std::env;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use etherparse::PacketBuilder;
use fastrand::Rng;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, bind, send, socket};

/// Frames that are sent in turn.
const FRAMES: usize = 1 << 14;

/// How long it rests between two bursts.
const REST: Duration = Duration::from_micros(100);

/// The most frames of a burst: well below the 256 that the queue of a veth holds.
const BURST: u64 = 64;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [interface, rate, seconds] = &arguments[..] else {
        return Err(io::Error::other("usage: flood INTERFACE FRAMES_A_SECOND SECONDS"));
    };
    let rate: f64 = rate.parse().map_err(io::Error::other)?;
    let seconds: u64 = seconds.parse().map_err(io::Error::other)?;
    let socket = packet_socket(interface)?;
    println!("{}", flood(&socket, &frames()?, rate, Duration::from_secs(seconds))?);
    Ok(())
}

/// Sends what is due, rests, and so on. Answers how many frames were sent.
fn flood(socket: &OwnedFd, frames: &[Vec<u8>], rate: f64, duration: Duration) -> io::Result<u64> {
    let began = Instant::now();
    let mut frames = frames.iter().cycle();
    let mut sent = 0;
    while began.elapsed() < duration {
        let due = (began.elapsed().as_secs_f64() * rate) as u64;
        let burst = due.saturating_sub(sent).min(BURST);
        for frame in frames.by_ref().take(burst as usize) {
            send(socket.as_raw_fd(), frame, MsgFlags::empty())?;
        }
        sent += burst;
        if burst < BURST {
            thread::sleep(REST);
        }
    }
    Ok(sent)
}

fn frames() -> io::Result<Vec<Vec<u8>>> {
    let mut rng = Rng::with_seed(5);
    (0..FRAMES).map(|_| frame(rng.u32(..))).collect()
}

fn frame(source: u32) -> io::Result<Vec<u8>> {
    let mut frame = Vec::new();
    let ip = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(source.to_be_bytes(), [198, 51, 100, 1], 64);
    ip.udp(40000, 443).write(&mut frame, &[0; 18]).map_err(io::Error::other)?;
    Ok(frame)
}

/// A packet socket that sends through the interface, and receives nothing.
fn packet_socket(name: &str) -> io::Result<OwnedFd> {
    let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)?;
    let mut addresses = getifaddrs()?.filter(|interface| interface.interface_name == name);
    let link: Option<LinkAddr> = addresses.find_map(|interface| interface.address?.as_link_addr().copied());
    let link = link.ok_or_else(|| io::Error::other(format!("there is no interface {name}")))?;
    bind(socket.as_raw_fd(), &link)?;
    Ok(socket)
}
