//! The ledger of standards, `docs/specs.txt`, says what the code says: every standard that it cites is
//! there, and what is there as supported is cited somewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use crate::support::rust_files;

const LEDGER: &str = "docs/specs.txt";
const SOURCES: [&str; 3] = ["src", "wbxml/src", "caldav/src"];

/// A line of the ledger.
struct Entry {
    /// Which of the parts between blank lines it stands in.
    part: usize,
    document: String,
    support: String,
}

#[test]
fn every_standard_the_code_cites_is_in_the_ledger() {
    let listed: BTreeSet<String> = ledger().into_iter().map(|entry| entry.document).collect();
    let missing: Vec<String> = cited()
        .into_iter()
        .filter(|(document, _)| !listed.contains(document))
        .map(|(document, file)| format!("{document}, cited in {}, is not in {LEDGER}", file.display()))
        .collect();
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
}

#[test]
fn what_the_ledger_lists_as_supported_is_cited() {
    let cited = cited();
    let idle: Vec<String> = ledger()
        .into_iter()
        .filter(|entry| entry.support != "no" && !cited.contains_key(&entry.document))
        .map(|entry| format!("{LEDGER} has {} as {}, but nothing cites it", entry.document, entry.support))
        .collect();
    assert!(idle.is_empty(), "\n{}", idle.join("\n"));
}

#[test]
fn each_part_of_the_ledger_is_in_order_and_nothing_is_named_twice() {
    let ledger = ledger();
    assert!(ledger.len() > 50, "the ledger was not read");
    let mut seen = BTreeSet::new();
    for entry in &ledger {
        assert!(seen.insert(&entry.document), "{} is named twice", entry.document);
    }
    let key = |entry: &Entry| {
        let number = entry.document.strip_prefix("RFC ").and_then(|n| n.parse::<u32>().ok());
        (entry.part, number, entry.document.clone())
    };
    for (one, next) in ledger.iter().zip(ledger.iter().skip(1)) {
        assert!(key(one) < key(next), "{} stands before {}", one.document, next.document);
    }
}

/// The reader must see what it is to judge.
#[test]
fn the_reader_sees_citations_and_nothing_else() {
    let text = "//! RFC 9051 §2, RFC 7162\n/// [MS-ASCMD] and MS-ASEMAIL's, MS-OXDSCLI.\n\
                let x = \"RFC822 MS-ASProtocolVersion: MS-EAS-Provisioning-WBXML MS-RP X-MS-ODD\"; // RFC 5321\n";
    let seen: Vec<_> = citations(text).into_iter().collect();
    assert_eq!(seen, ["MS-ASCMD", "MS-ASEMAIL", "MS-OXDSCLI", "RFC 5321", "RFC 7162", "RFC 9051"]);
}

fn ledger() -> Vec<Entry> {
    let mut part = 0;
    let mut entries = Vec::new();
    for line in fs::read_to_string(LEDGER).unwrap().lines() {
        if line.is_empty() {
            part += 1;
        } else if !line.starts_with('#') {
            let fields: Vec<_> = line.split('|').map(str::trim).collect();
            let [document, revision, support, scope] = fields[..] else {
                panic!("{line:?} is not DOCUMENT | REVISION | SUPPORT | SCOPE")
            };
            assert!(["yes", "partial", "no"].contains(&support), "{line:?}");
            assert!(!revision.is_empty() && !scope.is_empty(), "{line:?}");
            entries.push(Entry { part, document: document.to_owned(), support: support.to_owned() });
        }
    }
    entries
}

/// Every standard cited, and a file that cites it.
fn cited() -> BTreeMap<String, PathBuf> {
    let mut all = BTreeMap::new();
    for file in rust_files(&SOURCES) {
        for document in citations(&fs::read_to_string(&file).unwrap()) {
            all.entry(document).or_insert_with(|| file.clone());
        }
    }
    assert!(all.len() > 30, "the sources were not found");
    all
}

/// The standards that a text cites: `RFC 9051`, `MS-ASCMD`. Names of headers and the like, which are not
/// all in upper case, go on with a hyphen or begin with `X-`, are none.
fn citations(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("RFC ") {
        let digits: String = text[at + 4..].chars().take_while(char::is_ascii_digit).collect();
        if digits.len() >= 3 {
            found.insert(format!("RFC {digits}"));
        }
    }
    for (at, _) in text.match_indices("MS-") {
        let rest = &text[at + 3..];
        let word: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
        let whole = !rest[word.len()..].starts_with('-') && !text[..at].ends_with("X-");
        if whole && word.len() >= 3 && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit()) {
            found.insert(format!("MS-{word}"));
        }
    }
    found
}
