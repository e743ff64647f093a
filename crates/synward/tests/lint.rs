//! `synward lint`, of lists and of p0f's database.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that fails by panicking is a test that works"
)]

mod console;

use console::Folder;
use serde_json::Value;

#[test]
fn a_clean_list_is_said_to_be_one() {
    let folder = Folder::new("lint-clean");
    folder.write("list.txt", "# masscan\n1024:::;ttl=65..\n1024:2:1460:;name=\"nmap -sS\"\n");
    let (code, said, complaint) = folder.run(&["lint", "list.txt"]);
    let nothing = "list.txt: nothing found in 2 entries\n";
    assert_eq!((code, said.as_str(), complaint.as_str()), (Some(0), nothing, ""));
    let (code, said, complaint) = folder.run(&["lint", "list.txt", "--json"]);
    assert_eq!((code, said.as_str(), complaint.as_str()), (Some(0), "", ""));
}

#[test]
fn findings_are_told_in_the_order_of_the_lines() {
    let folder = Folder::new("lint-findings");
    let list = "*:_00_00_00\n64240:2-1-1-4:14560:\n 1024:::  # nmap\n\n1024:::;name=x\n64240:2-1-3-1-1-4:1460:8\n1024:::;dir=SA\n";
    folder.write("list.txt", list);
    let (code, said, complaint) = folder.run(&["lint", "list.txt", "--json"]);
    assert_eq!((code, complaint.as_str()), (Some(1), "synward: list.txt: 6 findings\n"));
    let found: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let places: Vec<_> =
        found.iter().map(|f| (f["line"].as_u64(), f["column"].as_u64(), f["kind"].as_str())).collect();
    let expected = [
        (1, 1, "refused"),
        (2, 15, "typo"),
        (3, 2, "mislabelled"),
        (5, 1, "duplicate"),
        (6, 1, "stock-client"),
        (7, 1, "never"),
    ];
    assert_eq!(places, expected.map(|(line, column, kind)| (Some(line), Some(column), Some(kind))));
    assert_eq!(found[1]["help"], "did you mean an MSS of 1460?");
    assert_eq!((&found[3]["other_line"], &found[1]["other_line"]), (&Value::from(3), &Value::Null));
    assert!(found[4]["message"].as_str().unwrap().ends_with("Windows 10 and 11"), "{said}");
    let (_, said, _) = folder.run(&["lint", "list.txt"]);
    assert!(said.starts_with("error: ") && said.contains("list.txt:1:1"), "{said}");
    assert!(said.contains("list.txt:2:15") && said.contains("^^^^^\n"), "{said}");
}

#[test]
fn what_is_no_list_cannot_be_read() {
    let folder = Folder::new("lint-unreadable");
    folder.write("bytes.txt", [0xff, b'\n']);
    for (file, why) in [("none.txt", "cannot be read"), ("bytes.txt", "not UTF-8")] {
        let (code, said, complaint) = folder.run(&["lint", file]);
        assert_eq!((code, said.as_str()), (Some(78), ""), "{complaint}");
        assert!(complaint.contains(why), "{complaint}");
    }
}

#[test]
fn a_list_of_addresses_is_read_as_such() {
    let folder = Folder::new("lint-addresses");
    folder
        .write("list.txt", "# office\n8.8.8.0/24\n8.8.8.7  # twice\n 10.1.2.3/16\n1.2.3.4:80\n8.8.8.0/24\n");
    let (code, said, complaint) = folder.run(&["lint", "list.txt", "--json"]);
    assert_eq!((code, complaint.as_str()), (Some(1), "synward: list.txt: 5 findings\n"));
    let found: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let places: Vec<_> = found
        .iter()
        .map(|f| (f["line"].as_u64(), f["column"].as_u64(), f["kind"].as_str(), f["other_line"].as_u64()))
        .collect();
    let expected = [
        (3, 1, "shadowed", Some(2)),
        (4, 2, "masked", None),
        (4, 2, "special", None),
        (5, 8, "refused", None),
        (6, 1, "duplicate", Some(2)),
    ];
    assert_eq!(
        places,
        expected.map(|(line, column, kind, other)| (Some(line), Some(column), Some(kind), other))
    );
    let (_, said, _) = folder.run(&["lint", "list.txt"]);
    assert!(
        said.contains("error: an entry has no port") && said.contains("1.2.3.4:80\n  |        ^^^\n"),
        "{said}"
    );
    folder.write("clean.txt", "8.8.8.0/24\n9.9.9.9-9.9.9.12\n");
    let (code, said, _) = folder.run(&["lint", "clean.txt"]);
    assert_eq!((code, said.as_str()), (Some(0), "clean.txt: nothing found in 2 entries\n"));
}

#[test]
fn a_database_of_p0f_is_read_as_such() {
    let folder = Folder::new("lint-p0f");
    let database = "classes = unix\n[tcp:request]\nlabel = s:unix:Linux:a\nsig   = *:64:0:1460:512,0:mss:df:0\n\
        sig = *:64:0:1460:512,0:mss,sok:df:0\nlabel = g:unix:Linux:b\nsig = *:64:0:1460:*,0:mss:df:0\n\
        [tcp:response]\nlabel = s:unix:Linux:c\nsig = *:64:0:0:512,0::df:0\n";
    folder.write("p0f.fp", database);
    let (code, said, _) = folder.run(&["lint", "p0f.fp"]);
    assert_eq!(code, Some(1));
    assert!(said.starts_with("warning: no SYN matches this: its options take 6 bytes"), "{said}");
    assert!(said.contains("p0f.fp:5:7") && said.matches("warning: ").count() == 1, "{said}");
}

#[test]
fn the_page_of_the_documentation_is_right() {
    Folder::new("lint-page").check_page("lint.md");
}
