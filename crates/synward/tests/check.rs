//! `synward check` on good lists and bad ones.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that fails by panicking is a test that works"
)]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

/// A configuration with one list in a folder of its own, removed on drop.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, lines: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("synward-check-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("scanners.txt"), lines).unwrap();
        let config = "[bridge]\noutside = 'a'\ninside = 'b'\n\
            [[list]]\nname = 'scanners'\nkind = 'fingerprint'\naction = 'block'\nfile = 'scanners.txt'\n";
        fs::write(folder.join("synward.toml"), config).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The exit code of `synward check`, and what it says on both streams.
fn check(name: &str, lines: &str) -> (Option<i32>, String, String) {
    let folder = Folder::new(name, lines);
    let config = folder.0.join("synward.toml");
    let program = Command::new(env!("CARGO_BIN_EXE_synward")).args(["check", "-c"]).arg(config).output();
    let Output { status, stdout, stderr } = program.expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("it says text");
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn good_lists_are_valid() {
    let (code, said, complaint) = check("good", "1024:::;name=masscan\n");
    assert_eq!((code, complaint.as_str()), (Some(0), ""));
    assert!(said.contains("list scanners: 1 entries\n") && said.contains("is valid"), "{said}");
}

#[test]
fn a_bad_line_is_shown_with_its_place_and_the_exit_code_is_78() {
    let (code, said, complaint) = check("bad", "1024:::\n1025:::;tttl=64\n");
    assert_eq!((code, said.as_str()), (Some(78), "list scanners: 1 entries, 1 lines refused\n"));
    assert!(complaint.contains("scanners.txt:2:9") && complaint.contains("^^^^"), "{complaint}");
    assert!(complaint.contains("did you mean `ttl`"), "{complaint}");
}

#[test]
fn of_many_bad_lines_ten_are_shown_and_the_rest_is_counted() {
    let (code, said, complaint) = check("many", &("1024:::\n".to_owned() + &"1024::\n".repeat(25)));
    assert_eq!((code, said.as_str()), (Some(78), "list scanners: 1 entries, 25 lines refused\n"));
    assert_eq!(complaint.matches("scanners.txt:").count(), 10, "{complaint}");
    assert!(complaint.contains("and 15 more like these"), "{complaint}");
}

#[test]
fn a_list_without_a_good_line_is_refused_whole() {
    let (code, said, complaint) = check("none", "1025:::;tttl=64\n");
    assert_eq!((code, said.as_str()), (Some(78), ""));
    assert!(complaint.contains("scanners.txt:1:9"), "{complaint}");
}

#[test]
fn a_whole_p0f_fp_is_a_list_whose_syn_acks_are_warned_of_once() {
    let database = "classes = unix\n[tcp:request]\nlabel = s:!:NMap:SYN scan\nsys = @unix\n\
        sig = *:64-:0:1460:1024,0:mss::0\n[tcp:response]\nlabel = s:unix:Test:\n\
        sig = *:64:0:*:mss*10,0:mss:df:0\nsig = *:64:0:*:mss*4,0:mss:df:0\n";
    let (code, said, complaint) = check("p0f", database);
    assert_eq!(code, Some(0), "{complaint}");
    assert!(said.contains("list scanners: 3 entries\n"), "{said}");
    assert_eq!(complaint.matches("warning:").count(), 1, "{complaint}");
    assert!(complaint.contains("the 2 signatures of SYN-ACKs never block"), "{complaint}");
}

#[test]
fn a_signature_of_a_syn_ack_is_warned_of() {
    let (code, _, complaint) = check("syn-ack", "1024:::;dir=SA\n");
    assert_eq!(code, Some(0));
    assert!(complaint.starts_with("warning:") && complaint.contains("scanners.txt:1:1"), "{complaint}");
}
