//! Why ports cannot be opened, and what to do about it.

use crate::nic::NicError;
use crate::ports::MAX_MTU;
use crate::shim::MAX_QUEUES;

/// Why the ports could not be opened: each with what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A setting of a port could not be read or changed.
    #[error(transparent)]
    Nic(#[from] NicError),
    /// Two names of one interface.
    #[error("outside and inside are the same port, {0}: a bridge needs two")]
    SamePort(String),
    /// Frames of the one port might not fit through the other.
    #[error(
        "the MTUs differ: {outside} has {outside_mtu}, {inside} has {inside_mtu}; set both to the same value with \
         `ip link set dev PORT mtu VALUE`"
    )]
    MtusDiffer {
        /// The outside port.
        outside: String,
        /// Its MTU.
        outside_mtu: u32,
        /// The inside port.
        inside: String,
        /// Its MTU.
        inside_mtu: u32,
    },
    /// Frames might not fit into a buffer.
    #[error("{port} has an MTU of {mtu}, and at most {MAX_MTU} can be served; lower the MTU of both ports")]
    MtuTooLarge {
        /// The port.
        port: String,
        /// Its MTU.
        mtu: u32,
    },
    /// Some queues would have no worker.
    #[error(
        "{outside} has {outside_queues} queues and {inside} has {inside_queues}: frames of the surplus queues would \
         be lost; give both the same number with `queues = N` in [bridge], or with `ethtool -L PORT combined N`"
    )]
    QueuesDiffer {
        /// The outside port.
        outside: String,
        /// Number of its queues.
        outside_queues: u32,
        /// The inside port.
        inside: String,
        /// Number of its queues.
        inside_queues: u32,
    },
    /// Frames for the surplus queues could not be sent.
    #[error(
        "{port} receives on {rx} queues and sends on {tx} only: a worker needs both; give it the same number of both with \
         `queues = N` in [bridge], or with `ethtool -L {port} rx N tx N`"
    )]
    TooFewTxQueues {
        /// The port.
        port: String,
        /// Number of queues that receive.
        rx: u32,
        /// Number of queues that send.
        tx: u32,
    },
    /// A port without queues: a tap that no program holds.
    #[error("{0} has no queue: if it is a tap, start the program that holds its other end first")]
    NoQueues(String),
    /// More queues than the maps of the shim have room for.
    #[error(
        "{port} has {queues} queues, and {MAX_QUEUES} can be served; write `queues = {MAX_QUEUES}` in [bridge]"
    )]
    TooManyQueues {
        /// The port.
        port: String,
        /// Number of its queues.
        queues: u32,
    },
    /// Another instance is at work.
    #[error(
        "another synward runs on {0}: stop that one first (`synward status` tells whether it is yours), or take off what it left \
         behind with `synward release`"
    )]
    AlreadyRunning(String),
    /// Somebody else's XDP program is on the port.
    #[error(
        "{port} has an XDP program already: {name} (id {id}); take it off with `ip link set dev {port} xdp off`, or \
         end the program that put it there"
    )]
    ForeignProgram {
        /// The port.
        port: String,
        /// The name of the program.
        name: String,
        /// Its id, as `bpftool prog` shows it.
        id: u32,
    },
    /// The place where the shim is kept cannot be used.
    #[error("cannot use {folder}, where the XDP program is kept: {error}", folder = .folder.display())]
    Pins {
        /// The folder in the bpffs.
        folder: std::path::PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The kernel does not load the shim.
    #[error("the kernel does not load the XDP program: {0}{remedy}", remedy = load_remedy(.0))]
    Load(libbpf_rs::Error),
    /// None of the modes that were tried works.
    #[error("no XDP mode works on these ports:{0}")]
    NoMode(String),
}

fn load_remedy(error: &libbpf_rs::Error) -> &'static str {
    match error.kind() {
        libbpf_rs::ErrorKind::PermissionDenied => {
            "; run as root, or with CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF"
        }
        _ => "; synward needs Linux 5.11 or newer with BPF and AF_XDP",
    }
}
