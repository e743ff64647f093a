//! `synward convert`, of signatures and of files.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that fails by panicking is a test that works"
)]

mod console;

use console::Folder;

const LINUX: &str = "4:64+0:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:0";

#[test]
fn the_signature_goes_to_stdout_and_the_losses_to_stderr() {
    let folder = Folder::new("convert-one");
    let (code, said, complaint) = folder.run(&["convert", LINUX, "--to", "muonfp"]);
    assert_eq!((code, said.as_str()), (Some(0), "64240:2-4-8-1-3:1460:7\n"));
    assert_eq!(complaint.lines().count(), 9, "{complaint}");
    assert!(
        complaint.contains("synward: wider: the initial TTL (64) is no longer asked for\n"),
        "{complaint}"
    );
    let (code, said, _) = folder.run(&["convert", LINUX, "--to", "muonfp", "--traits"]);
    let kept = "64240:2-4-8-1-3:1460:7;ttl=29..64;df=1;ipid=1..;ecn=0;payload=0;ver=4\n";
    assert_eq!((code, said.as_str()), (Some(0), kept));
}

#[test]
fn what_cannot_be_converted_or_read_is_an_error() {
    let folder = Folder::new("convert-errors");
    for (arguments, code, expected) in [
        (["1024:2-%:1460:", "--to", "p0f"].as_slice(), 1, "there is no `%` for them"),
        (
            &["4:64:0:1460:1024,0::df,id+:0", "--to", "muonfp"],
            1,
            "never matches: it gives a value for the MSS",
        ),
        (&["1024:::", "--to", "p0f", "--from", "p0f"], 1, "is in the notation of MuonFP"),
        (&["1024:2-%:1460:", "--to", "bpf"], 1, "classic BPF has no loops"),
        (&["1024:2-8-1-1:%:", "--to", "bpf", "--ip", "6"], 0, "narrower"),
        (&["1024:::;ver=4", "--to", "bpf", "--ip", "6"], 1, "can never match IPv6"),
        (&["1024:2::", "--to", "p0f"], 78, "--> signature:1:8"),
        (&["lists/scanners.txt", "--to", "p0f"], 78, "there is no such file"),
        (&[".", "--to", "p0f"], 78, "cannot be read"),
    ] {
        let (found, _, complaint) = folder.run(&[&["convert"], arguments].concat());
        assert_eq!(found, Some(code), "{arguments:?}: {complaint}");
        assert!(complaint.contains(expected), "{arguments:?}: {complaint}");
    }
}

#[test]
fn a_list_is_converted_line_by_line() {
    let folder = Folder::new("convert-list");
    let list = "# scanners\n\n  1024:::   # masscan\n1024:2::\n4:64:0:0:512,0::ack+:0;name=\"hping \\\"3\\\"\"\n65535:::;dir=SA\n";
    folder.write("list.txt", list);
    let (code, said, complaint) = folder.run(&["convert", "list.txt", "--to", "muonfp"]);
    let expected = "# scanners\n\n1024:::  # masscan\n# not converted: 1024:2::\n512:::;name=\"hping \\\"3\\\"\"\n65535:::;dir=SA\n";
    assert_eq!((code, said.as_str()), (Some(1), expected));
    assert!(complaint.contains("list.txt:4:8") && complaint.contains("^"), "{complaint}");
    assert!(complaint.contains("other quirks (`ack+`) are no longer asked for (line 5)\n"), "{complaint}");
    assert!(complaint.ends_with("list.txt: not converted: 1 lines\n"), "{complaint}");
    let (code, said, complaint) = folder.run(&["convert", "list.txt", "--to", "p0f", "--from", "muonfp"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("# not converted: 4:64") && said.contains("*:255-:0:0:1024,0::"), "{said}");
    assert!(complaint.contains("list.txt:5:1"), "{complaint}");
}

#[test]
fn a_database_of_p0f_becomes_a_list() {
    let folder = Folder::new("convert-p0f");
    let database = "; scanners\nclasses = win,unix\n[mtu]\nlabel = Ethernet\nsig = 1500\n[tcp:request]\n\
        label = s:!:NMap:SYN scan\nsys = @unix\nsig   = *:64-:0:1460:1024,0:mss::0\nsig = x\n\
        [tcp:response]\nlabel = g:unix:Linux:\nsig = *:64:0:0:512,0::df:0\n";
    folder.write("p0f.fp", database);
    let (code, said, complaint) = folder.run(&["convert", "p0f.fp", "--to", "muonfp"]);
    let expected =
        "# scanners\n1024:2:1460:  # NMap SYN scan\n# not converted: sig = x\n512:::;dir=SA  # Linux\n";
    assert_eq!((code, said.as_str()), (Some(1), expected));
    assert!(complaint.contains("p0f.fp:10:7"), "{complaint}");
    let (_, said, _) = folder.run(&["convert", "p0f.fp", "--to", "muonfp", "--traits"]);
    assert!(
        said.contains("1024:2:1460:;ttl=..64;df=0;ipid=1..;ecn=0;payload=0;name=\"NMap SYN scan\"\n"),
        "{said}"
    );
}

#[test]
fn all_of_p0fs_own_database_is_converted_and_every_line_is_a_signature() {
    let folder = Folder::new("convert-p0f-fp");
    let (code, said, complaint) = folder.run(&["convert", "/etc/p0f/p0f.fp", "--to", "muonfp"]);
    assert_eq!(code, Some(0), "the Debian package p0f holds it: {complaint}");
    let lines: Vec<&str> = said.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert_eq!(lines.len(), 91 + 101);
    folder.write("list.txt", &said);
    let (code, again, complaint) = folder.run(&["convert", "list.txt", "--to", "muonfp"]);
    assert_eq!((code, again, complaint.as_str()), (Some(0), said, ""));
}

#[test]
fn programs_have_a_form_and_a_link() {
    let folder = Folder::new("convert-bpf");
    let program = |more: &[&str]| {
        let (code, said, _) = folder.run(&[&["convert", "1024:::", "--to", "bpf"], more].concat());
        assert_eq!(code, Some(0), "{more:?}");
        said
    };
    let iptables = program(&[]);
    let instructions: Vec<&str> = iptables.trim_end().split(',').collect();
    assert_eq!(instructions[0].parse::<usize>().unwrap(), instructions.len() - 1);
    assert_eq!(
        program(&["--form", "ddd", "--link", "raw"]).trim_end().replace('\n', ","),
        iptables.trim_end()
    );
    // On Ethernet the type of the frame is looked at first, at byte 12.
    assert_eq!(program(&["--form", "ddd"]).lines().nth(1), Some("40 0 0 12"));
    assert_ne!(program(&["--ip", "6"]), iptables);
}

#[cfg(feature = "ja4t")]
#[test]
fn the_page_of_the_documentation_is_right() {
    Folder::new("convert-page").check_page("convert.md");
}
