//! The command line.

use std::net::IpAddr;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use synward_policy::Direction;

use crate::bans;

/// A transparent inline bridge that drops frames of listed sources and the SYNs of scanners.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Forward frames between the two ports until told to stop
    ///
    /// SIGHUP reads the configuration and all lists again; SIGTERM and SIGINT end the program. The kernel then holds the
    /// wire, open or closed as `on_failure` says, until the next start; without a bpffs, everything is taken off the
    /// ports instead.
    Run {
        /// The configuration file
        #[arg(short, long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Take everything off the ports that a program which has ended left there, and give them back as they were
    ///
    /// From then on no frame crosses. Refused while a program is at work on the ports.
    Release {
        /// The configuration file: it names the ports
        #[arg(short, long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Read a configuration and its lists, and say what is wrong with them
    ///
    /// Touches no port. Exits with 0, or with 78 when the configuration cannot be used.
    Check {
        /// The configuration file
        #[arg(short, long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Say what would become of each frame of a capture
    Replay(ReplayOptions),
    /// Say which entry of a list decides about an address or a fingerprint, and which others match
    ///
    /// Of an address: what the lists of addresses decide about frames from it and, where a list has direction `out` or
    /// `both`, to it. Of a fingerprint: what the signatures decide about a SYN that shows it.
    Explain(ExplainOptions),
    /// Write a signature, or a list of them, in another notation
    ///
    /// Says on stderr what the other notation cannot say. Exits with 0 if all was converted.
    Convert(ConvertOptions),
    /// Say what is odd about a list of addresses or signatures
    ///
    /// Finds duplicate, shadowed and never-matching entries, those that also match stock systems, and likely slips.
    /// Exits with 0 if there is nothing, with 1 if there is something, and with 78 if the file cannot be read.
    Lint(LintOptions),
    /// Say which fingerprint each SYN of a capture or of an interface has
    ///
    /// A line for each SYN: its frame, when it was captured, from whom to whom, its fingerprint in each notation, and
    /// where its options are malformed.
    Fingerprint(FingerprintOptions),
    /// Have the running program read its configuration and all lists again, and wait until every worker judges by them
    ///
    /// As SIGHUP does, with an answer: prints how long it took. Exits with 0 when the new rules are in force with all workers, else with
    /// 1: what cannot be read changes nothing.
    Reload(ReloadOptions),
    /// Say what the running program does
    Status(StatusOptions),
    /// Block one address for a time, at once and without a reload
    ///
    /// A list of addresses that are allowed beats a ban. An address that is banned already is given the new end. Bans outlive a reload,
    /// not a restart.
    Ban(BanOptions),
    /// Lift the ban of an address
    Unban(UnbanOptions),
    /// Say which addresses are banned, and for how long
    Bans(BansOptions),
}

#[derive(Debug, Args)]
pub(crate) struct ReplayOptions {
    /// The configuration file
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// A pcap or pcapng file of Ethernet frames
    pub(crate) capture: PathBuf,
    /// The port that the frames arrive at
    #[arg(long, value_enum, default_value_t = From::Outside)]
    pub(crate) from: From,
    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainOptions {
    /// An IP address, or a fingerprint in the notation of MuonFP, JA4T or p0f, with traits behind it or without
    #[arg(value_name = "SIGNATURE|IP")]
    pub(crate) asked: String,
    /// The configuration file
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum From {
    Outside,
    Inside,
}

impl From {
    pub(crate) fn direction(self) -> Direction {
        match self {
            Self::Outside => Direction::In,
            Self::Inside => Direction::Out,
        }
    }
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("source").required(true)))]
pub(crate) struct FingerprintOptions {
    /// A pcap or pcapng file, of any usual link type; `-` for standard input
    #[arg(group = "source")]
    pub(crate) capture: Option<PathBuf>,
    /// Read from this interface instead, until SIGINT or SIGTERM
    #[arg(long, value_name = "INTERFACE", group = "source")]
    pub(crate) live: Option<String>,
    /// End after so many SYNs, SYN-ACKs among them where these are told
    #[arg(long, conflicts_with = "capture")]
    pub(crate) count: Option<NonZeroU64>,
    /// Tell SYN-ACKs too
    #[arg(long)]
    pub(crate) syn_ack: bool,
    /// Print how often there is each fingerprint, the most frequent first, instead of the lines
    #[arg(long)]
    pub(crate) summary: bool,
    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where the running program is asked.
#[derive(Debug, Args)]
pub(crate) struct Reach {
    /// The configuration file of the running program, which names its socket
    #[arg(short, long, value_name = "FILE", conflicts_with = "socket")]
    pub(crate) config: Option<PathBuf>,
    /// The socket of the running program
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ReloadOptions {
    #[command(flatten)]
    pub(crate) reach: Reach,
}

#[derive(Debug, Args)]
pub(crate) struct StatusOptions {
    #[command(flatten)]
    pub(crate) reach: Reach,
    /// Print the answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BanOptions {
    /// An IPv4 or IPv6 address
    #[arg(value_parser = bans::address)]
    pub(crate) address: IpAddr,
    /// For how long, in whole seconds: like 90s, 10m, 1h 30m or 7d
    #[arg(long = "for", value_name = "TIME", value_parser = bans::time, default_value = "1h")]
    pub(crate) time: Duration,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

#[derive(Debug, Args)]
pub(crate) struct UnbanOptions {
    /// An IPv4 or IPv6 address
    #[arg(value_parser = bans::address)]
    pub(crate) address: IpAddr,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

#[derive(Debug, Args)]
pub(crate) struct BansOptions {
    #[command(flatten)]
    pub(crate) reach: Reach,
    /// Print the answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ConvertOptions {
    /// A signature, or a file with one on each line; a `p0f.fp` is read as such
    #[arg(value_name = "SIGNATURE|FILE")]
    pub(crate) given: String,
    /// What to write
    #[arg(long, value_enum)]
    pub(crate) to: To,
    /// The notation of what is given
    #[arg(long, value_enum, default_value_t = Notation::Auto)]
    pub(crate) from: Notation,
    /// Keep as traits what p0f says of the IP header, as far as there are any for it
    #[arg(long)]
    pub(crate) traits: bool,
    #[command(flatten)]
    pub(crate) bpf: BpfOptions,
}

/// How a program is written; for `--to bpf` only.
#[derive(Debug, Args)]
pub(crate) struct BpfOptions {
    /// Who is to read the program
    #[arg(long, value_enum, default_value_t = Form::Iptables)]
    pub(crate) form: Form,
    /// What the packets start with [default: raw for iptables, ethernet for ddd]
    #[arg(long, value_enum)]
    pub(crate) link: Option<Link>,
    /// The version of IP [default: that of the signature, else 4]
    #[arg(long, value_enum)]
    pub(crate) ip: Option<Ip>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum To {
    #[value(name = "muonfp")]
    MuonFp,
    #[cfg(feature = "ja4t")]
    Ja4t,
    P0f,
    /// A program of the classic BPF machine
    Bpf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Notation {
    /// Told by the separators
    Auto,
    #[value(name = "muonfp")]
    MuonFp,
    #[cfg(feature = "ja4t")]
    Ja4t,
    P0f,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// One line, for `iptables -m bpf --bytecode`
    Iptables,
    /// As `tcpdump -ddd` prints it
    Ddd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Link {
    /// With the Ethernet header, without tags
    Ethernet,
    /// With the IP header
    Raw,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ip {
    #[value(name = "4")]
    V4,
    #[value(name = "6")]
    V6,
}

#[derive(Debug, Args)]
pub(crate) struct LintOptions {
    /// A list of addresses or signatures, or a `p0f.fp`
    pub(crate) file: PathBuf,
    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}
