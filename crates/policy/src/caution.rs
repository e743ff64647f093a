//! What a reload does not do to a list unless it is told to: an empty file or one that is cut off is more often an accident than
//! a wish, and would let pass what was blocked.

use crate::config::{Config, List};
use crate::diagnostic::{Diagnostic, Faults, Warning};
use crate::entry::Ending;
use crate::rules::{ListSummary, RuleSet};

/// A list that had so many entries and has fewer than half of them is told. A file that is cut at the end of a line looks like this.
const MANY: usize = 100;

impl RuleSet {
    /// Compares the lists with those in force of the same names, and answers what is odd.
    ///
    /// # Errors
    /// When a list that had entries has none, without `allow_empty`, or when its file seems to be cut off.
    pub fn check_against(&self, in_force: &Self, config: &Config) -> Result<Vec<Warning>, Faults> {
        let (mut faults, mut warnings) = (Vec::new(), Vec::new());
        for (list, new) in self.lists_named_in(config) {
            let Some(old) = in_force.lists().iter().find(|old| old.name == list.name) else { continue };
            faults.extend(emptied(list, old, new).or_else(|| cut(list, old, new)));
            warnings.extend(shrunk(list, old, new));
        }
        Faults::check(faults).map(|()| warnings)
    }

    /// A warning for each list without an entry, unless the list says that it may be empty.
    pub fn empty_lists(&self, config: &Config) -> Vec<Warning> {
        let empty = self.lists_named_in(config).filter(|(list, new)| new.entries == 0 && !list.allow_empty);
        let warning = |list: &List| {
            let message = format!("list {} is empty", list.name);
            Warning(
                Diagnostic::file(&list.file, message)
                    .with_help("if it is meant to be, say `allow_empty = true`"),
            )
        };
        empty.map(|(list, _)| warning(list)).collect()
    }

    /// The lists of the configuration that this was compiled from.
    fn lists_named_in<'a>(&'a self, config: &'a Config) -> impl Iterator<Item = (&'a List, &'a ListSummary)> {
        config
            .lists
            .iter()
            .filter_map(|list| Some((list, self.lists().iter().find(|new| new.name == list.name)?)))
    }
}

fn emptied(list: &List, old: &ListSummary, new: &ListSummary) -> Option<Diagnostic> {
    let is_emptied = new.entries == 0 && old.entries > 0 && !list.allow_empty;
    is_emptied.then(|| {
        let message =
            format!("list {} is empty, and the one in force has {} entries", list.name, old.entries);
        Diagnostic::file(&list.file, message).with_help(
            "if that is meant, say `allow_empty = true`, or take the list out of the configuration",
        )
    })
}

fn cut(list: &List, old: &ListSummary, new: &ListSummary) -> Option<Diagnostic> {
    let why = match (old.ending, new.ending) {
        (_, Ending::Cut) => "and what there is of it cannot be understood",
        (Ending::Ended, Ending::Open) => "and the one in force does not",
        _ => return None,
    };
    let message = format!("list {} ends in the middle of a line, {why}: it may be cut off", list.name);
    Some(Diagnostic::file(&list.file, message).with_help("write the file whole, and end its last line"))
}

fn shrunk(list: &List, old: &ListSummary, new: &ListSummary) -> Option<Warning> {
    let has_shrunk = old.entries >= MANY && new.entries < old.entries / 2;
    has_shrunk.then(|| {
        let message = format!("list {} has {} entries, and had {}", list.name, new.entries, old.entries);
        Warning(Diagnostic::file(&list.file, message).with_help("look whether the file is whole"))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::names::ListNames;

    /// A folder with one list; removed on drop.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("synward-caution-{name}-{}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        /// The rules of a list with this text and more settings.
        fn rules(&self, text: &str, settings: &str) -> (Config, RuleSet) {
            fs::write(self.0.join("list.txt"), text).unwrap();
            let list = format!("[[list]]\nname = 'bad'\naction = 'block'\nfile = 'list.txt'\n{settings}");
            let text = format!("[bridge]\noutside = 'a'\ninside = 'b'\n{list}");
            let config = Config::parse(&self.0.join("synward.toml"), &text).unwrap();
            let rules = RuleSet::compile(&config, &mut ListNames::default()).unwrap().rules;
            (config, rules)
        }

        /// What is said of a reload from one text to another.
        fn reload(&self, old: &str, new: &str, settings: &str) -> Result<String, String> {
            let (_, old) = self.rules(old, settings);
            let (config, new) = self.rules(new, settings);
            let told = new.check_against(&old, &config).map_err(|faults| faults.to_string())?;
            Ok(told.iter().map(Warning::to_string).collect())
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const IP: &str = "kind = 'ip'\n";

    #[test]
    fn a_list_is_not_emptied_unless_it_may_be() {
        let folder = Folder::new("empty");
        for empty in ["", "# nothing\n", "\n\n"] {
            let said = folder.reload("192.0.2.1\n192.0.2.2\n", empty, IP).unwrap_err();
            assert!(said.contains("list bad is empty, and the one in force has 2 entries"), "{said}");
            assert!(said.contains("allow_empty = true") && said.contains("list.txt"), "{said}");
            assert_eq!(folder.reload(empty, "", IP), Ok(String::new()));
            let allowed = format!("{IP}allow_empty = true");
            assert_eq!(folder.reload("192.0.2.1\n", empty, &allowed), Ok(String::new()));
            let (config, rules) = folder.rules(empty, IP);
            assert!(rules.empty_lists(&config)[0].to_string().contains("list bad is empty"));
            let (config, rules) = folder.rules(empty, &allowed);
            assert_eq!(rules.empty_lists(&config), []);
        }
    }

    #[test]
    fn a_list_that_is_cut_is_refused() {
        let folder = Folder::new("cut");
        let whole = "192.0.2.1\n192.0.2.17\n";
        for cut in ["192.0.2.1\n192.0.2.1", "192.0.2.1\n192.0.2", "192.0.2.1\n192.0.2.17", "192.0.2.1\n# c"] {
            let said = folder.reload(whole, cut, IP).unwrap_err();
            assert!(said.contains("list bad ends in the middle of a line"), "{cut:?}: {said}");
            assert!(said.contains("end its last line"), "{said}");
        }
        let signatures = "kind = 'fingerprint'\n";
        let said = folder.reload("1024:::\n65535:::\n", "1024:::\n6553", signatures).unwrap_err();
        assert!(said.contains("cannot be understood"), "{said}");
    }

    #[test]
    fn edits_are_taken() {
        let folder = Folder::new("edits");
        for (old, new) in [
            ("192.0.2.1\n", "192.0.2.2\n"),
            ("192.0.2.1\n192.0.2.2\n", "192.0.2.1\n"),
            // Files that never ended their last line.
            ("192.0.2.1", "192.0.2.2\n192.0.2.3"),
            ("192.0.2.1", "192.0.2.2\n"),
            ("192.0.2.1\r\n", "192.0.2.2\r\n"),
            // A bad line that is ended is left out, as ever.
            ("192.0.2.1\n", "192.0.2.1\n192.0.2\n"),
        ] {
            assert_eq!(folder.reload(old, new, IP), Ok(String::new()), "{old:?} to {new:?}");
        }
    }

    #[test]
    fn a_list_that_shrinks_much_is_told() {
        let folder = Folder::new("shrunk");
        let lines = |count| (0..count).map(|n| format!("192.0.2.{n}\n")).collect::<String>();
        let told = folder.reload(&lines(200), &lines(99), IP).unwrap();
        assert!(told.contains("list bad has 99 entries, and had 200"), "{told}");
        assert_eq!(folder.reload(&lines(200), &lines(100), IP), Ok(String::new()));
        assert_eq!(folder.reload(&lines(99), &lines(1), IP), Ok(String::new()));
    }
}
