//! What the documents say of the code is there: every path, and every function that they name with its
//! type or module, in the file that they name with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::rust_files;

const DOCUMENTS: [&str; 2] = ["docs/flow.md", "docs/architecture.md"];

#[test]
fn paths_in_the_documents_exist() {
    for document in DOCUMENTS {
        let text = fs::read_to_string(document).unwrap();
        let paths = quoted(&text).filter(|name| {
            let first = name.split('/').next().unwrap_or_default();
            name.contains('/')
                && !name.contains('<')
                && ["src", "tests", "docs", "wbxml", "caldav"].contains(&first)
        });
        let mut count = 0;
        for path in paths {
            assert!(Path::new(path).exists(), "{document} names {path}, which is not there");
            count += 1;
        }
        assert!(count > 5, "{document} was not read");
    }
}

/// A function that is named with its type or module stands in one of the files that the same chapter names,
/// beside its type or in that module.
#[test]
fn functions_stand_in_the_files_named_with_them() {
    let code: BTreeMap<PathBuf, String> = rust_files(&["src", "wbxml/src"])
        .into_iter()
        .map(|file| (file.clone(), fs::read_to_string(file).unwrap()))
        .collect();
    let mut found = 0;
    for document in DOCUMENTS {
        let text = fs::read_to_string(document).unwrap();
        for chapter in text.split("\n## ") {
            let named = files(chapter, document, &code);
            for name in quoted(chapter) {
                let Some((owner, last)) = name.rsplit_once("::") else { continue };
                let owner = owner.rsplit("::").next().unwrap_or(owner);
                let is_there = |file: &&PathBuf| stands_in(owner, last, file, &code[*file]);
                // A variant is named for what it means, not for where it stands.
                let is_variant = last.starts_with(|c: char| c.is_ascii_uppercase());
                let place = if is_variant { code.keys().find(is_there) } else { named.iter().find(is_there) };
                assert!(place.is_some(), "{document} names {name}, which is in none of {named:?}");
                found += 1;
            }
        }
    }
    assert!(found > 30, "the documents were not read");
}

/// The files that a chapter names: in full, or as they are called in the folder of one named before.
fn files(chapter: &str, document: &str, code: &BTreeMap<PathBuf, String>) -> BTreeSet<PathBuf> {
    let mut folders: Vec<&Path> = Vec::new();
    let mut files = BTreeSet::new();
    for name in quoted(chapter).filter(|name| name.ends_with(".rs")) {
        let path = Path::new(name);
        if name.contains('/') {
            folders.extend(path.parent().into_iter().chain(path.parent().and_then(Path::parent)));
            files.extend(code.contains_key(path).then(|| path.to_owned()));
            continue;
        }
        let beside: Vec<_> =
            folders.iter().map(|folder| folder.join(path)).filter(|file| code.contains_key(file)).collect();
        assert!(!beside.is_empty(), "{document} names {name}, which is beside nothing named before it");
        files.extend(beside);
    }
    files
}

/// Whether `last` is a function or variant there, and `owner` its type or module.
fn stands_in(owner: &str, last: &str, file: &Path, text: &str) -> bool {
    if last.starts_with(|c: char| c.is_ascii_uppercase()) {
        return text.contains(&format!("enum {owner}")) && text.contains(last);
    }
    let is_there = text.contains(&format!("fn {last}(")) || text.contains(&format!("fn {last}<"));
    let owns = if owner.starts_with(|c: char| c.is_ascii_uppercase()) {
        text.lines().any(|line| {
            line.starts_with("impl") && line.split(|c: char| !c.is_alphanumeric()).any(|word| word == owner)
        })
    } else {
        file.with_extension("").iter().any(|part| part == owner)
    };
    is_there && owns
}

/// What stands between backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}
