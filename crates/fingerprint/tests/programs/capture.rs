//! Captures in the format of libpcap.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use pcap_parser::{Linktype, PcapCapture};
use synward_wire::{Located, SynFacts, TcpFlags, locate};

/// The captures of real programs that the repository holds.
const PCAPS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../pcaps");

/// Ethernet frames in a file.
pub(crate) struct Capture {
    pub(crate) path: PathBuf,
    pub(crate) frames: Vec<Vec<u8>>,
}

/// A SYN or a SYN-ACK of a capture.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Syn {
    /// The number of its frame; the first is 1.
    pub(crate) frame: usize,
    pub(crate) source: (IpAddr, u16),
    pub(crate) destination: (IpAddr, u16),
    pub(crate) facts: SynFacts,
    /// Whether its IP packet is whole, and nothing stands between that and the Ethernet header.
    pub(crate) is_plain: bool,
}

impl Capture {
    /// Writes a capture of these frames, all of the same second, into a file of this name.
    pub(crate) fn write(name: &str, frames: Vec<Vec<u8>>) -> Capture {
        let path = file(&format!("{name}.pcap"));
        let mut bytes = Vec::new();
        let header = [0xa1b2_c3d4, 4 << 16 | 2, 0, 0, 65535, 1];
        header.iter().for_each(|word: &u32| bytes.extend(word.to_le_bytes()));
        for frame in &frames {
            let length = frame.len() as u32;
            [1, 0, length, length].iter().for_each(|word: &u32| bytes.extend(word.to_le_bytes()));
            bytes.extend(frame);
        }
        fs::write(&path, bytes).unwrap();
        Capture { path, frames }
    }

    /// Reads a capture that a program may still be writing: a frame that is not whole is left out.
    pub(crate) fn read(path: &Path) -> Capture {
        let bytes = fs::read(path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
        let file =
            PcapCapture::from_file(&bytes).unwrap_or_else(|fault| panic!("{}: {fault:?}", path.display()));
        assert_eq!(file.header.network, Linktype::ETHERNET, "{}", path.display());
        let frames = file.blocks.iter().map(|block| block.data.to_vec()).collect();
        Capture { path: path.to_owned(), frames }
    }

    /// The SYNs and SYN-ACKs that we find.
    pub(crate) fn syns(&self) -> impl Iterator<Item = Syn> {
        (1..).zip(&self.frames).filter_map(|(number, frame)| syn(number, frame))
    }

    /// The name of the file, without its extension.
    pub(crate) fn name(&self) -> &str {
        self.path.file_stem().unwrap().to_str().unwrap()
    }
}

impl Syn {
    pub(crate) fn is_syn_ack(&self) -> bool {
        self.facts.flags.contains(TcpFlags::ACK)
    }

    /// The address and the port of the client, and those of the server.
    pub(crate) fn connection(&self) -> [(IpAddr, u16); 2] {
        let ends = [self.source, self.destination];
        if self.is_syn_ack() { [ends[1], ends[0]] } else { ends }
    }
}

fn syn(number: usize, frame: &[u8]) -> Option<Syn> {
    let Located::Packet(packet) = locate(frame) else { return None };
    let facts = SynFacts::of(&packet)?;
    Some(Syn {
        frame: number,
        source: (packet.source, facts.source_port),
        destination: (packet.destination, facts.destination_port),
        facts,
        is_plain: is_plain(frame),
    })
}

fn is_plain(frame: &[u8]) -> bool {
    match frame {
        // The flag MF and the fragment offset.
        [_, _, _, _, _, _, _, _, _, _, _, _, 0x08, 0x00, ip @ ..] => ip[6] & 0x3f == 0 && ip[7] == 0,
        [_, _, _, _, _, _, _, _, _, _, _, _, 0x86, 0xdd, ip @ ..] => ip[6] == 6,
        _ => false,
    }
}

/// All captures of the repository, by their names.
pub(crate) fn pcaps() -> Vec<Capture> {
    let paths = fs::read_dir(PCAPS).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|it| it == "pcap")).collect();
    paths.sort();
    paths.iter().map(|path| Capture::read(path)).collect()
}

/// A file of this name in a folder for what tests write.
pub(crate) fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}
