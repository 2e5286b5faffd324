//! Who may import whom. The table is the architecture's; a new edge is a decision to be made there first.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::support::rust_files;

/// Modules of `src/` and the modules and crates of ours that each imports, beside itself and `clock`, the
/// one source of time and chance, which all may.
const MAY_IMPORT: [(&str, &[&str]); 16] = [
    ("clock", &[]),
    ("config", &[]),
    ("metrics", &[]),
    ("store", &[]),
    ("policy", &[]),
    ("mailbox", &["store", "policy"]),
    ("objects", &["store", "mailbox", "caldav"]),
    ("directory", &["store"]),
    ("message", &[]),
    ("scheduling", &["store", "mailbox", "objects", "directory", "message", "caldav"]),
    (
        "delivery",
        &[
            "mailbox",
            "objects",
            "scheduling",
            "directory",
            "message",
            "store",
            "config",
            "metrics",
            "net",
            "caldav",
        ],
    ),
    ("net", &["config"]),
    ("services", &["config", "metrics", "store", "mailbox", "directory", "delivery", "net", "objects"]),
    // Doors see all beneath them and never each other.
    ("doors", DOORS),
    ("server", &["services", "doors", "config", "net"]),
    // The command line is a binary of its own and sees the library as `folkmoot`.
    ("cli", &[]),
];

const DOORS: &[&str] = &[
    "config",
    "metrics",
    "store",
    "policy",
    "mailbox",
    "objects",
    "scheduling",
    "directory",
    "message",
    "delivery",
    "net",
    "services",
    "wbxml",
    "caldav",
];

/// Our crates beside the root; they import nothing of ours.
const CRATES: [&str; 2] = ["wbxml", "caldav"];

/// Nothing is imported that the table does not have, and nothing stands in the table that is not imported.
#[test]
fn imports_follow_the_table() {
    let mut wrong = Vec::new();
    let mut idle: BTreeSet<(&str, &str)> =
        MAY_IMPORT.iter().flat_map(|(module, may)| may.iter().map(|import| (*module, *import))).collect();
    let files = rust_files(&["src"]);
    assert!(files.len() > 30, "the sources were not found");
    for file in files {
        let Some(module) = module(&file) else { continue };
        let Some((_, may)) = MAY_IMPORT.iter().find(|(name, _)| *name == module) else {
            wrong.push(format!("{}: module {module} is not in the table", file.display()));
            continue;
        };
        let text = code(&fs::read_to_string(&file).unwrap());
        for import in imports(&text) {
            idle.retain(|edge| *edge != (module.as_str(), import.as_str()));
            if import != module && import != "clock" && !may.contains(&import.as_str()) {
                wrong.push(format!("{}: {module} may not import {import}", file.display()));
            }
        }
        let door = (module == "doors").then(|| part(&file, 2)).flatten();
        for other in paths(&text, "crate::doors::") {
            if door.as_ref().is_some_and(|door| *door != other) {
                wrong.push(format!("{}: doors do not import each other", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(idle.is_empty(), "nobody uses these edges any more: {idle:?}");
}

#[test]
fn our_crates_import_nothing_of_ours() {
    for name in CRATES {
        for file in rust_files(&[&format!("{name}/src")]) {
            let text = code(&fs::read_to_string(&file).unwrap());
            for other in CRATES.iter().chain(&["folkmoot"]).filter(|other| **other != name) {
                assert!(!text.contains(&format!("{other}::")), "{}: imports {other}", file.display());
            }
        }
    }
}

/// The table's own reader must see what it is to judge.
#[test]
fn the_reader_sees_imports_of_every_shape() {
    let text = code(
        "use crate::{store::{self, Tx}, config};\n// crate::doors\nfn f() -> crate::net::Peer { wbxml::decode() }\n\
         use crate::doors::eas;",
    );
    let seen: Vec<_> = imports(&text).into_iter().collect();
    assert_eq!(seen, ["config", "doors", "net", "store", "wbxml"]);
    assert_eq!(paths(&text, "crate::doors::").into_iter().collect::<Vec<_>>(), ["eas"]);
}

/// The module of `src/` that a file belongs to; `lib.rs` and `main.rs` tie all together.
fn module(file: &Path) -> Option<String> {
    let name = part(file, 1)?;
    (name != "lib" && name != "main").then_some(name)
}

/// The `n`th part of a path below the package, without `.rs`.
fn part(file: &Path, n: usize) -> Option<String> {
    let part = file.iter().nth(n)?.to_str()?;
    Some(part.strip_suffix(".rs").unwrap_or(part).to_owned())
}

/// A file without comments: documentation may point anywhere.
fn code(text: &str) -> String {
    let lines = text.lines().map(|line| line.split_once("//").map_or(line, |(code, _)| code));
    lines.collect::<Vec<_>>().join("\n")
}

/// The modules and crates of ours that a text names.
fn imports(text: &str) -> BTreeSet<String> {
    let mut names = paths(text, "crate::");
    let crates = CRATES.iter().filter(|name| {
        text.match_indices(&format!("{name}::"))
            .any(|(at, _)| !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'))
    });
    names.extend(crates.map(|name| (*name).to_owned()));
    names
}

/// The names that follow `prefix`, also those of a list in braces.
fn paths(text: &str, prefix: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in text.match_indices(prefix) {
        let rest = &text[at + prefix.len()..];
        match rest.strip_prefix('{') {
            Some(list) => names.extend(top_level(list)),
            None => names.extend(name(rest)),
        }
    }
    names
}

/// The first names of a list, up to the brace that ends it.
fn top_level(list: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0;
    let mut starts = true;
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => starts = true,
            c if starts && !c.is_whitespace() => {
                names.extend(name(&list[at..]));
                starts = false;
            }
            _ => {}
        }
    }
    names
}

fn name(text: &str) -> Option<String> {
    let name: String = text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    // Types at the root of the crate would begin in upper case; there are none.
    name.starts_with(|c: char| c.is_ascii_lowercase()).then_some(name)
}
