//! The examples of `docs/rules.md` are read, or refused, as it says.
#![cfg(all(test, feature = "ja4t"))]

use synward_fingerprint::{P0fSignature, Signature, without_comment};

const RULES: &str = include_str!("../../../docs/rules.md");

/// The lines of all blocks of one kind, without their comments.
fn examples(kind: &str) -> Vec<&'static str> {
    let fence = format!("```{kind}");
    let mut inside = false;
    let mut found = Vec::new();
    for line in RULES.lines() {
        match line.strip_prefix("```") {
            Some(_) => inside = line == fence,
            None if inside => found.push(without_comment(line).trim()),
            None => {}
        }
    }
    found
}

#[test]
fn what_it_shows_as_signatures_are_some() {
    let signatures = examples("signatures");
    assert!(signatures.len() > 15, "{signatures:?}");
    for text in signatures {
        if let Err(fault) = text.parse::<Signature>() {
            panic!("{text}: {fault}");
        }
    }
}

#[test]
fn what_it_shows_as_p0f_is() {
    let signatures = examples("p0f");
    assert_eq!(signatures.len(), 3);
    for text in signatures {
        if let Err(fault) = text.parse::<P0fSignature>() {
            panic!("{text}: {fault}");
        }
    }
}

#[test]
fn what_it_shows_as_refused_is() {
    let refused = examples("refused");
    assert!(refused.len() > 20, "{refused:?}");
    for text in refused {
        assert!(text.parse::<Signature>().is_err(), "{text} is read");
    }
}

/// Each key of the grammar is one that is read, and the other way round.
#[test]
fn the_traits_of_its_table_are_those_that_there_are() {
    let fault = "1024:::;q=0".parse::<Signature>().unwrap_err();
    let known = fault.help.unwrap().replace("the traits are ", "");
    let in_table: Vec<&str> = RULES
        .lines()
        .skip_while(|line| *line != "| trait | value | holds when |")
        .skip(2)
        .map_while(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    assert_eq!(in_table.join(", "), known);
}
