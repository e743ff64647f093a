//! A configuration with its lists, and their files.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// What is to be written into the configuration file and beside it.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    outside: String,
    inside: String,
    bridge: String,
    rest: String,
    lists: Vec<(String, String)>,
}

impl Config {
    /// The least that is needed: nothing is dropped.
    pub(crate) fn monitor() -> Self {
        Self {
            outside: "outside0".to_owned(),
            inside: "inside0".to_owned(),
            bridge: String::new(),
            rest: "[control]\nsocket = \"control.sock\"\n".to_owned(),
            lists: Vec::new(),
        }
    }

    pub(crate) fn enforce() -> Self {
        Self::monitor().bridge("mode = \"enforce\"")
    }

    /// With other ports.
    pub(crate) fn ports(mut self, outside: &str, inside: &str) -> Self {
        (self.outside, self.inside) = (outside.to_owned(), inside.to_owned());
        self
    }

    /// With one more line in `[control]`.
    pub(crate) fn control(mut self, line: &str) -> Self {
        self.rest = self.rest.replacen('\n', &format!("\n{line}\n"), 1);
        self
    }

    /// With the control socket at a path.
    pub(crate) fn socket(mut self, file: &str) -> Self {
        self.rest = self.rest.replace("control.sock", file);
        self
    }

    /// With one more line in `[bridge]`.
    pub(crate) fn bridge(mut self, line: &str) -> Self {
        writeln!(self.bridge, "{line}").unwrap();
        self
    }

    /// With a list. `settings` are its kind, action and what else it has.
    pub(crate) fn list(mut self, name: &str, settings: &str, entries: &str) -> Self {
        writeln!(self.rest, "[[list]]\nname = \"{name}\"\nfile = \"{name}.txt\"\n{settings}").unwrap();
        self.lists.push((name.to_owned(), entries.to_owned()));
        self
    }

    /// With addresses to block.
    pub(crate) fn block(self, name: &str, entries: &str) -> Self {
        self.list(name, "kind = \"ip\"\naction = \"block\"", entries)
    }

    /// With addresses to allow.
    pub(crate) fn allow(self, name: &str, entries: &str) -> Self {
        self.list(name, "kind = \"ip\"\naction = \"allow\"", entries)
    }

    /// With signatures to block.
    pub(crate) fn block_syns(self, name: &str, entries: &str) -> Self {
        self.list(name, "kind = \"fingerprint\"\naction = \"block\"", entries)
    }

    /// With signatures to allow.
    pub(crate) fn allow_syns(self, name: &str, entries: &str) -> Self {
        self.list(name, "kind = \"fingerprint\"\naction = \"allow\"", entries)
    }

    /// With a section, or more.
    pub(crate) fn section(mut self, text: &str) -> Self {
        writeln!(self.rest, "{text}").unwrap();
        self
    }

    /// With an event log at a path.
    pub(crate) fn events_in(mut self, file: &str) -> Self {
        writeln!(self.rest, "[events]\nfile = \"{file}\"").unwrap();
        self
    }

    /// With an event log.
    pub(crate) fn events(mut self, per_second: u32) -> Self {
        writeln!(self.rest, "[events]\nfile = \"events.json\"\nper_second = {per_second}").unwrap();
        self
    }

    /// Writes it into a folder, and answers the path of the configuration file.
    pub(crate) fn write(&self, folder: &Path) -> PathBuf {
        let Self { outside, inside, bridge, rest, lists } = self;
        for (name, entries) in lists {
            replace(&folder.join(format!("{name}.txt")), entries);
        }
        let file = folder.join("synward.toml");
        let text = format!("[bridge]\noutside = \"{outside}\"\ninside = \"{inside}\"\n{bridge}{rest}");
        replace(&file, &text);
        file
    }
}

/// Writes a file as an editor does that lets nobody read half of it.
fn replace(file: &Path, text: &str) {
    let new = file.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, file).unwrap();
}
