//! `synward explain` on lists of addresses and of signatures.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that fails by panicking is a test that works"
)]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};

/// A configuration and its lists in a folder of their own, removed on drop.
struct Folder(PathBuf);

/// Each list with its kind, the rest of its section, and its lines.
const LISTS: [(&str, &str, &str, &str); 5] = [
    ("customers", "ip", "action = 'allow'", "192.0.2.0/28\n"),
    ("blocked", "ip", "action = 'block'\ndirection = 'both'", "192.0.2.0/24\n# more\n2001:db8::/32\n"),
    ("trial", "ip", "action = 'block'\nmode = 'monitor'", "192.0.0.0/16\n198.51.100.7\n"),
    (
        "scanners",
        "fingerprint",
        "action = 'block'",
        "1024:2:1460:;name=\"nmap -sS\"\n1024::::\n%:2:1460:\n65535:2-1-3-1-1-4:1460:8;df=0;ttl=..64;name=zmap\n",
    ),
    ("p0f.fp", "fingerprint", "action = 'block'\nmode = 'monitor'", P0F_FP),
];

const P0F_FP: &str = "classes = win\n[tcp:request]\nlabel = s:!:NMap:SYN scan\nsys = @win\n\
    sig = *:64-:0:1460:1024,0:mss::0\n";

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("synward-explain-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut config = "[bridge]\noutside = 'a'\ninside = 'b'\nmode = 'enforce'\n".to_owned();
        for (name, kind, section, lines) in LISTS {
            fs::write(folder.join(name), lines).unwrap();
            config += &format!("[[list]]\nname = '{name}'\nkind = '{kind}'\nfile = '{name}'\n{section}\n");
        }
        fs::write(folder.join("synward.toml"), config).unwrap();
        Self(folder)
    }

    /// The exit code, and what is said on both streams.
    fn explain(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut program = Command::new(env!("CARGO_BIN_EXE_synward"));
        program.arg("explain").args(arguments).arg("-c").arg(self.0.join("synward.toml"));
        let Output { status, stdout, stderr } = program.output().expect("the program runs");
        let text = |bytes| String::from_utf8(bytes).expect("it says text");
        (status.code(), text(stdout), text(stderr))
    }

    fn json(&self, asked: &str) -> Value {
        let (code, said, complaint) = self.explain(&[asked, "--json"]);
        assert_eq!(code, Some(0), "{complaint}");
        serde_json::from_str(&said).expect("it says JSON")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// An answer in short: verdict, reason, and of each entry its role, place and condition.
fn short(answer: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let entry = |entry: &Value| {
        let condition = entry["condition"].as_str().map(|condition| format!(" if {condition}"));
        let (role, list, line) = (text(&entry["role"]), text(&entry["list"]), &entry["line"]);
        format!("{role} {list}:{line}{}", condition.unwrap_or_default())
    };
    let verdict = format!("{} {}", text(&answer["verdict"]), text(&answer["reason"]));
    [verdict].into_iter().chain(answer["entries"].as_array().unwrap().iter().map(entry)).collect()
}

#[test]
fn an_address_of_a_network_to_protect_is_named_as_that() {
    let folder = Folder::new("protect");
    let file = folder.0.join("synward.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("mode = 'enforce'\n[[", "mode = 'enforce'\nprotect = ['10.0.0.0/8']\n[["))
        .unwrap();
    let note = |address: &str| {
        let said = folder.json(address);
        said["answers"][0]["note"].as_str().unwrap_or_default().to_owned()
    };
    assert!(note("10.1.2.3").contains("count as spoofed_source"));
    assert!(note("11.1.2.3").contains("no list of addresses decides alone"));
}

#[test]
fn an_address_is_explained_as_source_and_as_destination() {
    let folder = Folder::new("address");
    let said = folder.json("192.0.2.9");
    let answers = said["answers"].as_array().unwrap();
    assert_eq!(said["asked"], "192.0.2.9");
    assert_eq!(answers.len(), 2);
    assert_eq!((&answers[0]["port"], &answers[1]["port"]), (&json!("outside"), &json!("inside")));
    let expected = ["forward allow_list", "decides customers:1", "matches blocked:1", "matches trial:1"];
    assert_eq!(short(&answers[0]), expected);
    assert_eq!(short(&answers[1]), ["drop block_list", "decides blocked:1"]);
    let entry = json!({
        "role": "matches", "list": "trial", "line": 1, "action": "block", "mode": "monitor", "entry": "192.0.0.0/16",
    });
    assert_eq!(answers[0]["entries"][2], entry);

    let spared = folder.json("198.51.100.7");
    assert_eq!(short(&spared["answers"][0]), ["would-drop block_list", "would_decide trial:2"]);
    let v6 = folder.json("2001:db8::1");
    assert_eq!(short(&v6["answers"][0]), ["drop block_list", "decides blocked:3"]);
    let unlisted = folder.json("203.0.113.1");
    assert_eq!(short(&unlisted["answers"][0]), ["forward clean"]);
    assert!(unlisted["answers"][0]["note"].as_str().unwrap().contains("signatures judge its SYNs"));
}

#[test]
fn a_fingerprint_is_explained_with_what_it_does_not_tell() {
    let folder = Folder::new("fingerprint");
    let said = folder.json("1024:2:1460:");
    let p0f = "would_match p0f.fp:5 if *:64-:0:1460:1024,0:mss::0";
    let expected = ["drop fingerprint_block", "decides scanners:1", "matches scanners:3", p0f];
    assert_eq!(short(&said["answers"][0]), expected);
    let zmap = folder.json("65535:2-1-3-1-1-4:1460:8");
    let expected = ["forward clean", "would_match scanners:4 if ttl=..64;df=0"];
    assert_eq!(short(&zmap["answers"][0]), expected);
    let told = folder.json("65535:2-1-3-1-1-4:1460:8;ttl=50;df=0");
    assert_eq!(short(&told["answers"][0]), ["drop fingerprint_block", "decides scanners:4"]);
    // What is told in p0f's notation leaves nothing open.
    let p0f = folder.json("4:64:0:1460:1024,0:mss::0");
    let expected = ["drop fingerprint_block", "decides scanners:1", "matches scanners:3", "matches p0f.fp:5"];
    assert_eq!(short(&p0f["answers"][0]), expected);
    let wild = folder.json("*:2:1460:");
    assert_eq!(short(&wild["answers"][0]), ["- -", "equal scanners:3"]);
}

#[test]
fn a_person_reads_words_and_hears_of_refused_lines() {
    let folder = Folder::new("words");
    let (code, said, complaint) = folder.explain(&["1024:2:1460:"]);
    assert_eq!(code, Some(0));
    let expected = "\
SYNs that show 1024:2:1460:, at the outside port: drop (fingerprint_block)
  decides       scanners:1            block  1024:2:1460:;name=\"nmap -sS\"
  matches       scanners:3            block  %:2:1460:
  would match   p0f.fp:5              block, monitor  *:64-:0:1460:1024,0:mss::0;name=\"NMap SYN scan\"  if *:64-:0:1460:1024,0:mss::0
  (lists of addresses and the profile are asked before any signature)
";
    assert_eq!(said, expected);
    assert!(
        complaint.contains("scanners:2:") && complaint.contains("these lines are refused"),
        "{complaint}"
    );
    let (_, said, _) = folder.explain(&["203.0.113.1"]);
    assert!(
        said.contains("frames from 203.0.113.1, at the outside port: forward (clean)\n  no entry matches\n")
    );
}

#[test]
fn what_is_neither_is_refused_with_its_place_and_a_remedy() {
    let folder = Folder::new("neither");
    for (asked, complaints) in [
        ("1024:2:1460:;tttl=3", ["^^^^", "did you mean `ttl`"]),
        ("192.0.2.0/24", ["is a prefix", "such as 192.0.2.0"]),
        ("1024:::;dir=SA", ["is of a SYN-ACK", "leave `dir=SA` off"]),
        ("192.0.2.300", ["no IP address", "window:kinds:mss:scale"]),
    ] {
        let (code, said, complaint) = folder.explain(&[asked]);
        assert_eq!((code, said.as_str()), (Some(1), ""), "{asked}");
        assert!(complaints.iter().all(|text| complaint.contains(text)), "{asked}: {complaint}");
    }
    fs::write(folder.0.join("synward.toml"), "[bridge").unwrap();
    assert_eq!(folder.explain(&["192.0.2.1"]).0, Some(78));
}
