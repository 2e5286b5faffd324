//! Data folders of every released layout can still be opened. They stand in `fixtures/store`.

use std::path::PathBuf;

use super::*;
use crate::clock::Clock;
use crate::store::{BodyId, Depth, INLINE_MAX, Referrer, SCHEMA};

const SMALL: &str = "A small body, kept as a row.\r\n";
const ITEM: Referrer = Referrer::Item { folder: 5, uid: 1 };

fn large() -> Bytes {
    Bytes::from("A large body, kept as an object. ".repeat(INLINE_MAX / 32 + 1))
}

/// Long enough to be kept apart from its key.
fn medium() -> Bytes {
    Bytes::from((0..2000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect::<Vec<_>>())
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/store/v1")
}

fn open(path: &Path) -> Store {
    Store::open(path, &options(), &Clock::system()).unwrap()
}

/// Makes the fixture of the present layout:
/// `cargo nextest run --lib --run-ignored only write_the_fixture`, with the folder removed before.
#[test]
#[ignore = "writes into the source tree"]
fn write_the_fixture() {
    let folder = fixture();
    assert!(!folder.exists(), "a released fixture is never written again");
    let store = open(&folder);
    store.raise_epoch().unwrap();
    let attach = |body: Bytes, row: &'static [u8], referrer| {
        let staged = store.stage_body(&store.body_key(3), &body).unwrap();
        write(&store, move |tx| {
            tx.put(row.to_vec(), staged.id().0.to_vec());
            tx.attach_body(&staged, referrer)
        })
        .unwrap();
    };
    attach(Bytes::from(SMALL), b"\xF0small", ITEM);
    attach(medium(), b"\xF0medium", ITEM);
    attach(large(), b"\xF0large", Referrer::Queue { id: 6 });
    attach(Bytes::from("mentioned twice"), b"\xF0twice", ITEM);
    attach(Bytes::from("mentioned twice"), b"\xF0twice", Referrer::Expunged { owner: 1, folder: 5, uid: 9 });
    let secret = store.secret("named").unwrap();
    write(&store, move |tx| {
        assert_eq!(tx.new_id()?, 1);
        tx.put(b"\xF0secret".to_vec(), secret.to_vec());
        (0..300_u16).for_each(|n| tx.put([b"\xF1", &n.to_be_bytes()[..]].concat(), n.to_string()));
        Ok(())
    })
    .unwrap();
    drop(store);
    // Some of it in tables, some in the journal.
    Fjall::open(&folder.join("fjall"), &options()).unwrap().flush().unwrap();
    let store = open(&folder);
    write(&store, |tx| {
        tx.delete(b"\xF1\x00\x07".to_vec());
        tx.put(b"\xF1\x00\x08".to_vec(), "changed");
        Ok(())
    })
    .unwrap();
    drop(store);
    // Opening cuts the journal's empty space off.
    drop(open(&folder));
    std::fs::remove_file(folder.join("lock")).unwrap();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn layout_1_is_read() {
    let folder = tempfile::tempdir().unwrap();
    copy(&fixture(), folder.path());
    let store = open(folder.path());
    let reader = store.read().unwrap();
    let body = |row: &[u8]| {
        let id = reader.get(row).unwrap().unwrap();
        reader.body(&BodyId((*id).try_into().unwrap())).unwrap()
    };
    assert_eq!(body(b"\xF0small"), SMALL);
    assert_eq!(body(b"\xF0medium"), medium());
    assert_eq!(body(b"\xF0large"), large());
    assert_eq!(body(b"\xF0twice"), "mentioned twice");
    assert_eq!(store.epoch().unwrap(), 2);
    assert_eq!(store.secret("named").unwrap()[..], reader.get(b"\xF0secret").unwrap().unwrap()[..]);
    let numbers = rows(&reader, Space::Rows, &crate::store::prefixed(b"\xF1"), Order::Forward, usize::MAX);
    assert_eq!(numbers.len(), 299);
    assert_eq!(numbers[7], (b"\xF1\x00\x08".to_vec(), b"changed".to_vec()));
    assert_eq!(numbers[298], (b"\xF1\x01\x2B".to_vec(), b"299".to_vec()));
    let report = store.verify(Depth::Bodies).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.schema, report.bodies, report.references), (SCHEMA, 4, 5));
    assert_eq!(store.write(|tx| tx.new_id()).unwrap(), 2);
}
