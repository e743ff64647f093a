//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use synward_policy::Direction;

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
    /// SIGHUP reads the configuration and all lists again; SIGTERM and SIGINT take everything off the ports and end
    /// the program.
    Run {
        /// The configuration file
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
    /// Say what the running program does
    Status(StatusOptions),
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
pub(crate) struct StatusOptions {
    /// The configuration file of the running program, which names its socket
    #[arg(short, long, value_name = "FILE", conflicts_with = "socket")]
    pub(crate) config: Option<PathBuf>,
    /// The socket of the running program
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
    /// Print the answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
}
