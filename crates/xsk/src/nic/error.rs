//! What can go wrong with a port, told with its remedy.

use std::fmt;
use std::fs;

use rustix::io::Errno;

/// Why a port could not be read or set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NicError {
    /// No interface has this name.
    #[error("no interface is named {name:?}{}", there_are(.existing))]
    NoSuchPort {
        /// The name that was asked for.
        name: String,
        /// The names there are in this network namespace; empty where /proc is missing.
        existing: Vec<String>,
    },
    /// The kernel or the driver refused.
    #[error("{port}: cannot {operation}: {errno}{}", remedy(*.operation, *.errno))]
    Refused {
        /// The name of the interface.
        port: String,
        /// What was asked.
        operation: Operation,
        /// The kernel's answer.
        errno: Errno,
    },
    /// The interface cannot have this number of queues.
    #[error("{port}: cannot have {asked} queues: its driver offers 1 to {most}")]
    QueuesOutOfRange {
        /// The name of the interface.
        port: String,
        /// The number of queues asked for.
        asked: u32,
        /// The most the interface can have.
        most: u32,
    },
    /// Nobody here can read the frames of the interface.
    #[error(
        "{port}: its frames (hardware type {hardware}) cannot be read: only Ethernet, loopback and raw IP can"
    )]
    UnknownHardware {
        /// The name of the interface.
        port: String,
        /// ARPHRD_* (linux/if_arp.h).
        hardware: u16,
    },
}

impl NicError {
    pub(super) fn no_such_port(name: &str) -> Self {
        Self::NoSuchPort { name: name.to_owned(), existing: existing_names() }
    }

    /// The kernel's error number, where the kernel refused.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Refused { errno, .. } => Some(*errno),
            Self::NoSuchPort { .. } | Self::QueuesOutOfRange { .. } | Self::UnknownHardware { .. } => None,
        }
    }
}

/// What was asked of the kernel; its text completes "cannot …".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A socket to ask through (netdevice(7)).
    OpenControlSocket,
    /// SIOCGIFINDEX and SIOCGIFNAME (linux/sockios.h).
    Find,
    /// SIOCGIFFLAGS (linux/sockios.h).
    ReadFlags,
    /// SIOCGIFMTU (linux/sockios.h).
    ReadMtu,
    /// ETHTOOL_GLINK (linux/ethtool.h).
    ReadCarrier,
    /// SIOCSIFFLAGS (linux/sockios.h) with IFF_UP.
    BringUp,
    /// SIOCSIFFLAGS (linux/sockios.h) without IFF_UP.
    TakeDown,
    /// ETHTOOL_GCHANNELS (linux/ethtool.h).
    ReadQueues,
    /// ETHTOOL_SCHANNELS (linux/ethtool.h).
    SetQueues,
    /// ETHTOOL_GSSET_INFO, ETHTOOL_GSTRINGS and ETHTOOL_GFEATURES (linux/ethtool.h).
    ReadFeatures,
    /// ETHTOOL_SFEATURES (linux/ethtool.h).
    ChangeFeatures,
    /// An AF_PACKET socket (packet(7)).
    OpenPacketSocket,
    /// PACKET_ADD_MEMBERSHIP (linux/if_packet.h).
    BecomePromiscuous,
    /// SIOCGIFHWADDR (linux/sockios.h).
    ReadHardware,
    /// bind(2) of an AF_PACKET socket, and its options (packet(7)).
    Listen,
    /// recv(2) on an AF_PACKET socket.
    Receive,
    /// PACKET_STATISTICS (linux/if_packet.h).
    CountLost,
}

impl Operation {
    fn text(self) -> &'static str {
        match self {
            Self::OpenControlSocket => "open a control socket",
            Self::Find => "look it up",
            Self::ReadFlags => "read its flags",
            Self::ReadMtu => "read its MTU",
            Self::ReadCarrier => "read its link state",
            Self::BringUp => "bring it up",
            Self::TakeDown => "take it down",
            Self::ReadQueues => "read its number of queues",
            Self::SetQueues => "set its number of queues",
            Self::ReadFeatures => "read its offload features",
            Self::ChangeFeatures => "change its offload features",
            Self::OpenPacketSocket => "open a packet socket",
            Self::BecomePromiscuous => "make it promiscuous",
            Self::ReadHardware => "read its hardware type",
            Self::Listen => "listen on it",
            Self::Receive => "receive its frames",
            Self::CountLost => "count the frames that were lost",
        }
    }

    /// The capability (capabilities(7)) without which the kernel answers EPERM.
    fn capability(self) -> &'static str {
        match self {
            Self::OpenPacketSocket => "CAP_NET_RAW",
            _ => "CAP_NET_ADMIN",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

fn remedy(operation: Operation, errno: Errno) -> String {
    let advice = match (operation, errno) {
        (_, Errno::PERM | Errno::ACCESS) => return permission(operation.capability()),
        (_, Errno::BUSY) => "; another program holds it: end that one and try again",
        (_, Errno::OPNOTSUPP) => "; its driver does not offer this",
        (Operation::Receive, Errno::NETDOWN) => "; it is down or gone: bring it up (ip link set dev NAME up)",
        (_, Errno::NODEV | Errno::NXIO) => "; the interface is gone",
        (Operation::SetQueues, Errno::INVAL) => {
            "; its driver refuses this number: an XDP program or AF_XDP socket may need the queues"
        }
        _ => "",
    };
    advice.to_owned()
}

fn permission(capability: &str) -> String {
    format!(
        "; this needs {capability}: run as root, or give the program that capability \
         (AmbientCapabilities= of systemd, or setcap)"
    )
}

fn there_are(existing: &[String]) -> String {
    match existing {
        [] => String::new(),
        names => format!("; there are {}", names.join(", ")),
    }
}

/// From procfs, which unlike /sys shows the namespace of the calling thread wherever it was mounted.
fn existing_names() -> Vec<String> {
    fs::read_to_string("/proc/thread-self/net/dev").map(|table| names_in(&table)).unwrap_or_default()
}

/// The names in a `/proc/net/dev` table: what stands before the colon of each line; the two headings have
/// none.
fn names_in(table: &str) -> Vec<String> {
    table.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(operation: Operation, errno: Errno) -> String {
        NicError::Refused { port: "enp1s0".to_owned(), operation, errno }.to_string()
    }

    #[test]
    fn a_lacking_permission_names_the_capability() {
        assert_eq!(
            text(Operation::ChangeFeatures, Errno::PERM),
            "enp1s0: cannot change its offload features: Operation not permitted (os error 1); this needs \
             CAP_NET_ADMIN: run as root, or give the program that capability \
             (AmbientCapabilities= of systemd, or setcap)"
        );
        assert!(text(Operation::OpenPacketSocket, Errno::PERM).contains("needs CAP_NET_RAW: run as root"));
    }

    #[test]
    fn a_refusal_names_its_remedy() {
        assert!(
            text(Operation::BringUp, Errno::BUSY)
                .ends_with("; another program holds it: end that one and try again")
        );
        assert!(text(Operation::SetQueues, Errno::OPNOTSUPP).ends_with("; its driver does not offer this"));
        assert!(text(Operation::SetQueues, Errno::INVAL).contains("; its driver refuses this number"));
        assert!(text(Operation::ReadMtu, Errno::NODEV).ends_with("; the interface is gone"));
        assert_eq!(
            text(Operation::BringUp, Errno::INVAL),
            "enp1s0: cannot bring it up: Invalid argument (os error 22)"
        );
    }

    #[test]
    fn a_missing_port_lists_the_others() {
        let error = |existing| NicError::NoSuchPort { name: "eht0".to_owned(), existing };
        let both = vec!["lo".to_owned(), "eth0".to_owned()];
        assert_eq!(error(both).to_string(), r#"no interface is named "eht0"; there are lo, eth0"#);
        assert_eq!(error(Vec::new()).to_string(), r#"no interface is named "eht0""#);
    }

    #[test]
    fn too_many_queues_are_told_with_the_range() {
        let error = NicError::QueuesOutOfRange { port: "enp1s0".to_owned(), asked: 9, most: 4 };
        assert_eq!(error.to_string(), "enp1s0: cannot have 9 queues: its driver offers 1 to 4");
    }

    #[test]
    fn only_a_refusal_has_an_errno() {
        let refused =
            NicError::Refused { port: String::new(), operation: Operation::ReadMtu, errno: Errno::NODEV };
        assert_eq!(refused.errno(), Some(Errno::NODEV));
        assert_eq!(NicError::NoSuchPort { name: String::new(), existing: Vec::new() }.errno(), None);
    }

    #[test]
    fn names_come_from_the_lines_with_a_colon() {
        let headings = "Inter-|   Receive      |  Transmit\n face |bytes    packets |bytes\n";
        let table = format!("{headings}    lo: 12 3 4\nenp1s0:123456 7 8\n");
        assert_eq!(names_in(&table), ["lo", "enp1s0"]);
    }
}
