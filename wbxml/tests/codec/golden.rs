//! The documents of `fixtures/wbxml`; its README says where each comes from.

use std::fs;
use std::path::{Path, PathBuf};

use wbxml::{Limits, decode, encode};

use crate::xml::Node;

/// Fixtures that are valid but not written as [`encode`] writes: what they decode to is encoded
/// otherwise.
const NOT_CANONICAL: [&str; 2] = ["forms-of-nothing", "string-table"];

/// The fixtures' names, without extension, and paths of the WBXML.
pub(crate) fn fixtures() -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/wbxml");
    let mut found: Vec<_> = fs::read_dir(folder)
        .expect("the folder of fixtures")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|e| e == "wbxml"))
        .map(|path| (path.file_stem().expect("a name").to_string_lossy().into_owned(), path))
        .collect();
    found.sort();
    assert!(found.len() >= 15, "only {} fixtures", found.len());
    found
}

/// Every document decodes to the XML beside it. `UPDATE_FIXTURES=1` rewrites the XML; look at the
/// difference before keeping it.
#[test]
fn documents_decode_to_their_xml() {
    let update = std::env::var_os("UPDATE_FIXTURES").is_some();
    assert!(!(update && std::env::var_os("CI").is_some()), "CI does not rewrite fixtures");
    for (name, path) in fixtures() {
        let document = fs::read(&path).expect("a fixture");
        let tree = decode(&document, &Limits::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
        let got = Node::of(&tree).to_xml("\n") + "\n";
        let xml = path.with_extension("xml");
        if update {
            fs::write(&xml, &got).expect("a writable fixture");
        }
        assert_eq!(got, fs::read_to_string(&xml).expect("the XML beside it"), "{name}");
    }
}

#[test]
fn documents_encode_to_their_octets() {
    for (name, path) in fixtures() {
        let document = fs::read(&path).expect("a fixture");
        let tree = decode(&document, &Limits::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
        let canonical = !NOT_CANONICAL.contains(&name.as_str());
        assert_eq!(encode(&tree) == document, canonical, "{name}");
    }
}

/// The folder has no stray files, and the README names all that are there.
#[test]
fn the_readme_tells_of_every_fixture() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/wbxml");
    let readme = fs::read_to_string(folder.join("README.md")).expect("a README");
    for (name, _) in fixtures() {
        assert!(readme.contains(&format!("`{name}`")), "the README lacks {name}");
    }
}
