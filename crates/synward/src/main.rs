//! Synward: a transparent inline bridge that drops frames of listed sources and the SYNs of scanners.

mod bans;
mod capture;
mod cli;
mod control;
mod convert;
mod crew;
mod events;
mod explain;
mod fingerprint;
mod harden;
mod lint;
mod reload;
mod replay;
mod run;
mod signatures;
mod status;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Command};
use synward_policy::Faults;

/// The configuration cannot be used (`EX_CONFIG`, sysexits.h).
const EXIT_CONFIG: u8 = 78;

fn main() -> ExitCode {
    let Cli { command } = Cli::parse();
    let outcome = match command {
        Command::Run { config } => run::run(&config),
        Command::Release { config } => run::release(&config),
        Command::Check { config } => reload::check(&config),
        Command::Replay(options) => replay::replay(&options),
        Command::Explain(options) => explain::explain(&options),
        Command::Convert(options) => convert::convert(&options),
        Command::Lint(options) => lint::lint(&options),
        Command::Fingerprint(options) => fingerprint::fingerprint(&options),
        Command::Reload(options) => reload::ask_to_reload(&options.reach),
        Command::Status(options) => status::print(&options),
        Command::Ban(options) => bans::ban(&options),
        Command::Unban(options) => bans::unban(&options),
        Command::Bans(options) => bans::print(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// Says what went wrong; the exit code tells a fault in a file of the operator's from any other.
fn fail(error: &anyhow::Error) -> ExitCode {
    match error.downcast_ref::<Faults>() {
        Some(faults) => {
            complain(&faults.to_string());
            ExitCode::from(EXIT_CONFIG)
        }
        None => {
            complain(&format!("synward: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Writes a line to stderr. Where nobody reads it, there is nobody to tell.
fn complain(message: &str) {
    let _ = writeln!(io::stderr(), "{message}");
}

/// A reader that has seen enough, as `head` has, is no error.
fn ignore_closed_pipe(error: anyhow::Error) -> anyhow::Result<()> {
    let io =
        |cause: &(dyn std::error::Error + 'static)| cause.downcast_ref::<io::Error>().map(io::Error::kind);
    let closed = error.chain().filter_map(io).any(|kind| kind == io::ErrorKind::BrokenPipe);
    if closed { Ok(()) } else { Err(error) }
}

/// Writes to stdout. A reader that has seen enough, as `head` has, is no error.
fn print_out(text: &str) -> anyhow::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
