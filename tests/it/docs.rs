//! What the documents say of the code is there: every path, and every function that they name with its
//! type or module.

use std::fs;
use std::path::{Path, PathBuf};

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

#[test]
fn functions_in_the_documents_exist() {
    let code: String = ["src", "wbxml/src"]
        .iter()
        .flat_map(|folder| sources(Path::new(folder)))
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    for document in DOCUMENTS {
        let text = fs::read_to_string(document).unwrap();
        for name in quoted(&text).filter(|name| name.contains("::")) {
            let last = name.rsplit("::").next().unwrap_or_default();
            // A variant, where it is in upper case.
            let is_there = if last.starts_with(|c: char| c.is_ascii_uppercase()) {
                code.contains(last)
            } else {
                code.contains(&format!("fn {last}(")) || code.contains(&format!("fn {last}<"))
            };
            assert!(is_there, "{document} names {name}, which is not there");
        }
    }
}

/// What stands between backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files
}
