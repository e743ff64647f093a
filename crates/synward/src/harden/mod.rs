//! What the running program gives up, so that whoever takes it over by a bug gains little: core dumps from the first moment, and,
//! once the ports are set up, capabilities, system calls (seccomp) and files (landlock) that forwarding does not need.
//!
//! Nothing of it is a reason not to forward: what a kernel lacks is told and done without. All of it but the core dumps belongs to
//! a thread, and threads inherit it from the one that starts them:
//!
//! ```text
//! early()     the first thread     no core dumps, no new privileges by execve
//! worker()    each worker          no capability, no file, the system calls of its loop
//! control()   the control thread   a few capabilities, the folders of its files, the system calls of its work;
//!                                  and with it all that it starts later: reloads, workers that replace others
//! ```

mod capabilities;
mod folders;
mod seccomp;
mod threads;

use std::fmt;
use std::path::Path;

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, dumpable_behavior, set_dumpable_behavior, setrlimit,
};
use rustix::thread::{CapabilitySet, no_new_privs, set_no_new_privs};
use synward_policy::{Config, Diagnostic, Faults};

use folders::Folders;
use seccomp::Role;
use threads::Thread;

/// Why a part of the sandbox is missing that the operator does not want.
const TURNED_OFF: &str = "[control] sandbox = false";

/// What is in force.
#[derive(Debug)]
pub(crate) struct Hardening {
    /// The capabilities of the control thread.
    kept: CapabilitySet,
    /// Whether system calls are filtered; if not, why.
    seccomp: Result<(), String>,
    /// The folders that files are confined to; if they are not, why.
    landlock: Result<Folders, String>,
}

/// A part of it, as the kernel has it now.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) in_force: bool,
    /// How far it goes, or why it is missing.
    pub(crate) detail: String,
}

/// Keeps frames out of core dumps, and new privileges out of reach. To be called before there is memory of frames, or any thread.
pub(crate) fn early() {
    // Beside the limit: it does not hold for core dumps that go to a program (core(5)).
    let dumps = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let limit = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    for (what, done) in [("core dumps", dumps.and(limit)), ("new privileges", set_no_new_privs(true))] {
        if let Err(error) = done {
            tracing::warn!(%error, "cannot rule out {what}");
        }
    }
}

/// Gives up all that a worker does not need. To be called by each, as the last thing before its work.
pub(crate) fn worker(sandbox: bool) {
    let files = if sandbox { folders::confine_to_none() } else { Ok(()) };
    let rights = capabilities::keep(CapabilitySet::empty()).map_err(|error| error.to_string());
    let calls = if sandbox { seccomp::apply(Role::Worker) } else { Ok(()) };
    for (part, done) in [("landlock", files), ("capabilities", rights), ("seccomp", calls)] {
        if let Err(reason) = done {
            // The control thread finds it out and tells it once.
            tracing::debug!(part, reason, "a worker is not hardened");
        }
    }
}

/// Gives up all that the control thread does not need from here on, and tells what is in force. To be called when the workers run.
pub(crate) fn control(config: &Config) -> Hardening {
    let kept = capabilities::needed(config);
    let sandbox = config.control.sandbox;
    let landlock = if sandbox { folders::confine(config) } else { Err(TURNED_OFF.to_owned()) };
    if let Err(error) = capabilities::keep(kept) {
        tracing::warn!(%error, "cannot give up capabilities");
    }
    let seccomp = if sandbox { seccomp::apply(Role::Control) } else { Err(TURNED_OFF.to_owned()) };
    let hardening = Hardening { kept, seccomp, landlock };
    hardening.tell();
    hardening
}

impl Hardening {
    /// All parts, as the kernel has them now: read back, not remembered, as far as it can be.
    pub(crate) fn parts(&self) -> [Part; 5] {
        let threads = threads::all();
        let may = |thread: &Thread| if thread.is_worker { CapabilitySet::empty() } else { self.kept };
        let limited = threads.iter().all(|thread| may(thread).contains(thread.permitted));
        let filtered = threads.iter().all(|thread| thread.is_filtered);
        let closed = dumpable_behavior() == Ok(DumpableBehavior::NotDumpable);
        let calls = self.seccomp.clone().map(|()| "listed system calls only".to_owned());
        let files = self.landlock.as_ref().map(Folders::describe).map_err(String::clone);
        [
            Part::new("core_dumps", Ok("none".to_owned()), closed),
            Part::new("new_privileges", Ok("none".to_owned()), no_new_privs().unwrap_or(false)),
            Part::new("capabilities", Ok(capabilities::describe(self.kept)), limited),
            Part::new("seccomp", calls, filtered),
            Part::new("landlock", files, true),
        ]
    }

    fn tell(&self) {
        let (inside, outside): (Vec<_>, Vec<_>) = self.parts().into_iter().partition(|part| part.in_force);
        let list = |parts: Vec<Part>| parts.iter().map(Part::to_string).collect::<Vec<_>>().join("; ");
        tracing::info!("hardened: {}", list(inside));
        if !outside.is_empty() {
            tracing::warn!("not in force: {}", list(outside));
        }
    }

    /// Says of files that could not be read what hardening has to do with it, and what to do about it.
    pub(crate) fn explain(&self, faults: Faults) -> Faults {
        faults.map(|fault| match self.why_unreadable(&fault) {
            Some(help) => fault.with_help(help),
            None => fault,
        })
    }

    fn why_unreadable(&self, fault: &Diagnostic) -> Option<String> {
        // What is wrong at a place was read.
        let file = fault.place.is_none().then_some(&fault.file)?;
        let outside = self.landlock.as_ref().ok().and_then(|folders| folders.unreadable(file));
        let outside = outside.filter(|_| file.exists());
        outside.map(|folder| missing_folder(&folder)).or_else(|| capabilities::why_unreadable(file))
    }

    /// Says what hardening has to do with it that a file could not be written, if anything.
    pub(crate) fn why_unwritable(&self, file: &Path) -> Option<String> {
        let folders = self.landlock.as_ref().ok()?;
        folders.unwritable(file).map(|folder| missing_folder(&folder))
    }
}

fn missing_folder(folder: &Path) -> String {
    format!(
        "the sandbox was set up at the start, without the folder {}: restart synward to let it reach there",
        folder.display()
    )
}

impl Part {
    /// A part that was put in force, or not, and that the kernel confirms, or not.
    fn new(name: &'static str, done: Result<String, String>, confirmed: bool) -> Self {
        let in_force = done.is_ok() && confirmed;
        let detail = match done {
            Ok(_) if !confirmed => "the kernel says otherwise of a thread".to_owned(),
            Ok(detail) | Err(detail) => detail,
        };
        Self { name, in_force, detail }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name.replace('_', " "), self.detail)
    }
}
