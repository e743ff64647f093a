//! The program in a shell, and the examples of the documentation.
#![allow(dead_code, reason = "each test file uses its share")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder of its own to work in, removed on drop.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("synward-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.0.join(name), content).unwrap();
    }

    /// The exit code of the program, and what it says on both streams.
    pub(crate) fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let program =
            Command::new(env!("CARGO_BIN_EXE_synward")).args(arguments).current_dir(&self.0).output();
        let Output { status, stdout, stderr } = program.expect("the program runs");
        let text = |bytes| String::from_utf8(bytes).expect("it says text");
        (status.code(), text(stdout), text(stderr))
    }

    /// All that a shell says of a command line, with the program on its path.
    fn shell(&self, line: &str) -> String {
        let programs = Path::new(env!("CARGO_BIN_EXE_synward")).parent().unwrap();
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("sh");
        let shell = shell.args(["-c", &format!("{{ {line}\n}} 2>&1")]).env("PATH", path);
        let output = shell.current_dir(&self.0).output().expect("a shell");
        String::from_utf8(output.stdout).expect("it says text")
    }

    /// Runs each command of the `console` blocks of a page of the documentation and compares what it says. What stands in
    /// a `list` block is the file `scanners.txt`.
    pub(crate) fn check_page(&self, page: &str) {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page);
        let text = fs::read_to_string(page).unwrap();
        let mut compared = 0;
        for block in text.split("\n```").skip(1).step_by(2) {
            if let Some(list) = block.strip_prefix("list\n") {
                self.write("scanners.txt", list);
            }
            let Some(console) = block.strip_prefix("console\n") else { continue };
            for command in format!("\n{console}").split("\n$ ").skip(1) {
                let (line, expected) = command.split_once('\n').unwrap();
                assert_eq!(self.shell(line).trim_end(), expected.trim_end(), "{line}");
                compared += 1;
            }
        }
        assert!(compared > 0, "the page has examples");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
