//! `synward convert`: signatures in another notation, or as programs of the classic BPF machine.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use anyhow::{Result, anyhow, bail};
use synward_fingerprint::bpf::{self, BpfError, Program};
use synward_fingerprint::convert::{self, Keep, Loss};
use synward_fingerprint::p0f::IpVersion;
use synward_fingerprint::{Notation as Of, Signature, SignatureError};
use synward_policy::{Diagnostic, Faults, Place};

use crate::cli::{BpfOptions, ConvertOptions, Form, Ip, Link, Notation, To};
use crate::signatures::{Content, Entry, Line, Signatures, named};
use crate::{complain, print_out};

/// What a program does not match and its signature does, whichever it is.
const OF_EVERY_PROGRAM: &str =
    "a program matches no SYN with malformed options, IPv6 extension headers or VLAN tags";

pub(crate) fn convert(options: &ConvertOptions) -> Result<()> {
    let file = Path::new(&options.given);
    if file.exists() { convert_file(file, options) } else { convert_one(options) }
}

fn convert_one(options: &ConvertOptions) -> Result<()> {
    let signature = read(&options.given)?;
    in_notation(&signature, options.from).map_err(|message| anyhow!(message))?;
    let written = write(&signature, options).map_err(|why| anyhow!("{}: {why}", options.given))?;
    for loss in &written.losses {
        complain(&format!("synward: {}: {}", loss.effect.name(), loss.message));
    }
    print_out(&format!("{}\n", written.text))
}

fn read(text: &str) -> Result<Signature, Faults> {
    let is_path = text.contains(['/', '.']) && !text.contains([':', '_']);
    if is_path {
        return Err(
            Diagnostic::file(Path::new(text), "there is no such file, and this is no signature").into()
        );
    }
    text.parse().map_err(|fault: SignatureError| {
        let place = Place::in_line(1, text, fault.span);
        let located = Diagnostic::at(Path::new("signature"), place, fault.message);
        Diagnostic { help: fault.help, ..located }.into()
    })
}

/// A signature as it is to be printed.
struct Written {
    text: String,
    losses: Vec<Loss>,
}

fn write(signature: &Signature, options: &ConvertOptions) -> Result<Written, String> {
    let to = match options.to {
        To::MuonFp => convert::To::MuonFp,
        #[cfg(feature = "ja4t")]
        To::Ja4t => convert::To::Ja4t,
        To::P0f => convert::To::P0f,
        To::Bpf => return write_program(signature, &options.bpf),
    };
    let keep = if options.traits { Keep::Traits } else { Keep::Plain };
    let converted = convert::convert(signature, to, keep).map_err(|why| why.to_string())?;
    Ok(Written { text: converted.signature.to_string(), losses: converted.losses })
}

fn write_program(signature: &Signature, options: &BpfOptions) -> Result<Written, String> {
    let link = match (options.link, options.form) {
        (Some(Link::Ethernet), _) | (None, Form::Ddd) => bpf::Link::Ethernet,
        (Some(Link::Raw), _) | (None, Form::Iptables) => bpf::Link::RawIp,
    };
    let asked = options.ip.map(|ip| if ip == Ip::V4 { IpVersion::V4 } else { IpVersion::V6 });
    let mut losses = vec![Loss {
        effect: convert::Effect::Narrower,
        of: "programs",
        message: OF_EVERY_PROGRAM.to_owned(),
    }];
    let program = match bpf::compile(signature, link, asked) {
        Err(BpfError::VersionNeeded) => {
            let message = "this program is for IPv4: `--ip 6` makes the one for IPv6".to_owned();
            losses.push(Loss { effect: convert::Effect::Narrower, of: "IP version", message });
            bpf::compile(signature, link, Some(IpVersion::V4))
        }
        compiled => compiled,
    };
    let program = program.map_err(|why| why.to_string())?;
    Ok(Written { text: in_form(&program, options.form), losses })
}

fn in_form(program: &Program, form: Form) -> String {
    match form {
        Form::Iptables => program.to_bytecode(),
        Form::Ddd => program.to_ddd(),
    }
}

/// Refuses a signature in another notation than it is said to be in.
fn in_notation(signature: &Signature, from: Notation) -> Result<(), String> {
    let name = match (&signature.notation, from) {
        (_, Notation::Auto) | (Of::MuonFp(_), Notation::MuonFp) | (Of::P0f(_), Notation::P0f) => {
            return Ok(());
        }
        #[cfg(feature = "ja4t")]
        (Of::Ja4t(_), Notation::Ja4t) => return Ok(()),
        (Of::MuonFp(_), _) => "MuonFP",
        (Of::P0f(_), _) => "p0f",
        _ => "JA4T",
    };
    Err(format!("`{signature}` is in the notation of {name}, and `--from` asks for another"))
}

/// What was lost in a file: the loss of the first line, that line, and how many lines lost the same.
type Lost = BTreeMap<(&'static str, &'static str), (Loss, usize, usize)>;

fn convert_file(file: &Path, options: &ConvertOptions) -> Result<()> {
    let read = Signatures::load(file)?;
    let (mut out, mut lost, mut refused) = (String::new(), Lost::new(), 0);
    for line in &read.lines {
        match convert_line(line, options) {
            Ok(Some(written)) => {
                // A string takes all that is written to it.
                let _ = writeln!(out, "{}", written.text);
                gather(written.losses, line.number, &mut lost);
            }
            Ok(None) => {}
            Err(fault) => {
                refused += 1;
                let _ = writeln!(out, "# not converted: {}", line.text.trim());
                complain(&line.diagnostic(file, &fault).to_string());
            }
        }
    }
    tell(&lost);
    print_out(&out)?;
    if refused > 0 {
        bail!("{}: not converted: {refused} lines", file.display());
    }
    Ok(())
}

/// What becomes of the line; none where that is nothing.
fn convert_line(line: &Line, options: &ConvertOptions) -> Result<Option<Written>, SignatureError> {
    match &line.content {
        Content::Frame => Ok(None),
        Content::Comment(comment) => Ok(Some(Written { text: commented("", comment), losses: Vec::new() })),
        Content::Fault(fault) => Err(fault.clone()),
        Content::Entry(entry) => {
            let whole = |message| SignatureError { span: entry.span.clone(), message, help: None };
            convert_entry(entry, options).map(Some).map_err(whole)
        }
    }
}

fn convert_entry(entry: &Entry, options: &ConvertOptions) -> Result<Written, String> {
    in_notation(&entry.signature, options.from)?;
    // Only in a list that is to keep its traits does a remark become one.
    let signature =
        if options.traits { named(&entry.signature, &entry.remark) } else { entry.signature.clone() };
    let Written { text, losses } = write(&signature, options)?;
    let text = match options.to {
        // Programs have no place for a remark.
        To::Bpf => format!("{}\n{text}", commented("", &with_remark(entry))),
        _ if options.traits => text,
        _ => commented(&text, &entry.remark),
    };
    Ok(Written { text, losses })
}

fn with_remark(entry: &Entry) -> String {
    if entry.remark.is_empty() {
        entry.signature.to_string()
    } else {
        format!("{}  {}", entry.signature, entry.remark)
    }
}

fn commented(text: &str, comment: &str) -> String {
    match (text, comment) {
        (text, "") => text.to_owned(),
        ("", comment) => format!("# {comment}"),
        (text, comment) => format!("{text}  # {comment}"),
    }
}

fn gather(losses: Vec<Loss>, line: usize, lost: &mut Lost) {
    for loss in losses {
        lost.entry((loss.effect.name(), loss.of)).or_insert((loss, line, 0)).2 += 1;
    }
}

fn tell(lost: &Lost) {
    for (loss, line, count) in lost.values() {
        let others = if *count > 1 { format!(", and {} lines more", count - 1) } else { String::new() };
        complain(&format!("synward: {}: {} (line {line}{others})", loss.effect.name(), loss.message));
    }
}
