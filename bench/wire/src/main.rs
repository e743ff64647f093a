//! `bench-wire`: how fast Synward and its peers get frames from one port to the other, how fast they drop them, and how long frames are
//! under way, on beds of network namespaces. bench/README.md tells how to read what it prints.

mod bed;
mod changes;
mod check;
mod contender;
mod honest;
mod interrupt;
mod kernel;
mod latency;
mod meter;
mod report;
mod rfc2544;
mod suite;
mod targets;
mod throughput;
mod traffic;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use jiff::Timestamp;
use synward_bench::machine::Machine;

use changes::Build;
use contender::{OuterBox, Role, Wait, receive_and_drop};
use suite::{Part, Plan, Results, Suite};
use traffic::{MOST_SHOTS, Order, Rules, Traffic};

/// Sources of frames that nothing blocks, if nobody says otherwise.
const SOURCES: usize = 1 << 18;

#[derive(Parser)]
#[command(about = "Throughput and latency of Synward beside its peers")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure all, and write the tables and plots
    All {
        #[command(flatten)]
        options: Options,
        /// How often the contenders take turns
        #[arg(long, default_value_t = 9)]
        rounds: u32,
        /// How long a turn is, in milliseconds
        #[arg(long, default_value_t = 250)]
        turn: u64,
        /// Blocked prefixes
        #[arg(long, default_value_t = 1_000_000)]
        prefixes: usize,
        /// Blocked signatures
        #[arg(long, default_value_t = 10_000)]
        signatures: u32,
        /// Contenders whose name has this in it, and no others
        #[arg(long)]
        only: Vec<String>,
        /// Parts of it, and no others
        #[arg(long, value_enum)]
        part: Vec<Part>,
    },
    /// Try everything for a moment: that broken contenders are found out, that equal ones come out equal, and that no row is empty
    Smoke {
        #[command(flatten)]
        options: Options,
    },
    /// Measure a box between two ports of this machine (bench/NIC.md)
    Between {
        #[command(flatten)]
        options: Options,
        /// The port that frames are sent by, to the outside port of the box
        source: String,
        /// The port that they arrive at, from the inside port of the box
        sink: String,
        /// What the tables call the box
        #[arg(long)]
        name: String,
        /// What it is to do with frames
        #[arg(long, value_enum)]
        role: Role,
        /// How often it is measured
        #[arg(long, default_value_t = 5)]
        rounds: u32,
        /// Blocked prefixes
        #[arg(long, default_value_t = 1_000_000)]
        prefixes: usize,
        /// Blocked signatures
        #[arg(long, default_value_t = 10_000)]
        signatures: u32,
    },
    /// Measure builds of Synward in turns, each beside the first: what a change makes of it (scripts/bench-tuning)
    Changes {
        /// What is different in it, and the program: NAME=PATH
        #[arg(required = true)]
        builds: Vec<Build>,
        /// How often they take turns
        #[arg(long, default_value_t = 31)]
        rounds: u32,
        /// How long a turn is, in milliseconds
        #[arg(long, default_value_t = 150)]
        turn: u64,
    },
    /// Write the lists that the frames are blocked by, for a box: prefixes.txt and signatures.txt
    Lists {
        folder: PathBuf,
        /// Blocked prefixes
        #[arg(long, default_value_t = 1_000_000)]
        prefixes: usize,
        /// Blocked signatures
        #[arg(long, default_value_t = 10_000)]
        signatures: u32,
    },
    /// Receive on two ports by AF_XDP and drop, for comparison
    #[command(hide = true)]
    Null {
        outside: String,
        inside: String,
        #[arg(long)]
        wait: Wait,
    },
}

#[derive(Args)]
struct Options {
    /// The program of Synward
    #[arg(long, default_value = "target/release/synward")]
    synward: PathBuf,
    /// The folder for what is written
    #[arg(long, default_value = "bench/results")]
    out: PathBuf,
    /// Sources of frames that nothing blocks
    #[arg(long, default_value_t = SOURCES)]
    sources: usize,
    /// The order in which they come
    #[arg(long, value_enum, default_value_t = Order::Uniform)]
    order: Order,
    /// What was typed to run this, for the report
    #[arg(long, default_value = "bench-wire")]
    typed: String,
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Null { outside, inside, wait } => receive_and_drop(&outside, &inside, wait),
        Command::All { options, rounds, turn, prefixes, signatures, only, part } => {
            let rules = Rules::new(prefixes, signatures)?;
            let plan = Plan { only, parts: part, ..Plan::full(rounds, Duration::from_millis(turn)) };
            measure(options, rules, plan, None, false)
        }
        Command::Smoke { options } => measure(options, Rules::new(30_000, 1000)?, Plan::smoke(), None, true),
        Command::Between { options, source, sink, name, role, rounds, prefixes, signatures } => {
            let outer = OuterBox { name, role, ports: [source, sink] };
            let plan = Plan::full(rounds, Duration::from_secs(2));
            measure(options, Rules::new(prefixes, signatures)?, plan, Some(outer), false)
        }
        Command::Changes { builds, rounds, turn } => {
            prepare()?;
            let traffic = Traffic::new(Rules::new(1_000_000, 10_000)?, SOURCES, Order::Uniform, MOST_SHOTS);
            // A bed of veth pairs has no other mode.
            println!("**veth, copy mode: compare, do not quote as throughput.**\n");
            print!("{}", changes::compare(&traffic, &builds, rounds, Duration::from_millis(turn))?);
            Ok(())
        }
        Command::Lists { folder, prefixes, signatures } => {
            let rules = Rules::new(prefixes, signatures)?;
            fs::write(folder.join("prefixes.txt"), rules.prefix_list(rules.count()))?;
            Ok(fs::write(folder.join("signatures.txt"), rules.signatures.join("\n") + "\n")?)
        }
    }
}

/// What was left behind by a run that was killed is no longer in the way.
fn prepare() -> Result<()> {
    interrupt::listen()?;
    bed::remove_orphans()
}

fn measure(options: Options, rules: Rules, plan: Plan, outer: Option<OuterBox>, checks: bool) -> Result<()> {
    prepare()?;
    let Options { synward, out, sources, order, typed } = options;
    let synward = if outer.is_none() { find(&synward)? } else { String::new() };
    let machine = Machine::look(&Timestamp::now().strftime("%F").to_string(), &typed)?;
    let traffic = Traffic::new(rules, sources, order, plan.shots);
    if checks {
        check::broken_contenders_are_void(&traffic)?;
        check::equal_contenders_come_out_equal(&traffic)?;
    }
    let mut suite = Suite { traffic: &traffic, plan, synward, outer, results: Results::default() };
    suite.run()?;
    let page = report::write(&suite, &machine, &out)?;
    println!("\nwritten: {page}");
    if checks { check::no_row_is_empty(&suite) } else { Ok(()) }
}

/// The whole path of a program.
fn find(program: &Path) -> Result<String> {
    let path = program.canonicalize();
    let path = path.with_context(|| format!("there is no {}: build it first", program.display()))?;
    Ok(path.to_str().context("the path of Synward is no text")?.to_owned())
}
