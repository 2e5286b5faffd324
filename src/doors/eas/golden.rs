//! Answers octet for octet, as they stand in `fixtures/eas` with their text beside them.
//! `UPDATE_FIXTURES=1` rewrites both; the difference of the text is then read by eye.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use wbxml::{Element, Limits, Version, airsync, airsyncbase as base, email, itemoperations};

use super::cmd::{item_operations, sync};
use super::ids::{file_reference, server_id};
use super::render::{CATEGORIES_PROPERTY, FLAG_PROPERTY, VERB_PROPERTY, Verb};
use super::reply::Reply;
use super::respond::multipart;
use super::sample::{NOW, Sample, document};
use super::session::Session;
use crate::mailbox::{Edit, Flags, FolderId, Knew, Role, Uid};

fn fixture(name: &str) -> PathBuf {
    Path::new("fixtures/eas").join(name)
}

/// Compares with a fixture, or writes it.
fn check(name: &str, octets: &[u8], text: &str) {
    let update = std::env::var_os("UPDATE_FIXTURES").is_some();
    assert!(!(update && std::env::var_os("CI").is_some()), "CI does not rewrite fixtures");
    let (file, beside) = (fixture(name), fixture(name).with_extension("txt"));
    if update {
        fs::write(&file, octets).unwrap();
        fs::write(&beside, text).unwrap();
    }
    assert_eq!(text, fs::read_to_string(&beside).unwrap(), "{}", beside.display());
    assert!(octets == fs::read(&file).unwrap(), "{} differs in its octets alone", file.display());
}

fn text(root: &Element<'_>) -> String {
    root.dump().elements(100_000).values(100_000).to_string()
}

/// The sample messages in an Inbox; the first two have flags, the first was answered.
async fn inbox() -> (Sample, FolderId, Vec<(String, Uid)>) {
    let sample = Sample::new().await;
    let inbox = sample.folder(Role::Inbox).id;
    let mut paths: Vec<_> =
        fs::read_dir("fixtures/mail").unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "eml"));
    paths.sort();
    assert!(paths.len() >= 15);
    let mut placed = Vec::new();
    for path in paths {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        placed.push((name, sample.deliver(inbox, &fs::read(&path).unwrap()).await.uid));
    }
    let done = Element::new(email::FLAG)
        .with_number(email::STATUS, 1)
        .with_text(email::COMPLETE_TIME, "2026-11-24T12:00:00.000Z");
    let names = postcard::to_stdvec(&vec!["red", "work"]).unwrap();
    let [(_, first), (_, second), ..] = placed[..] else { panic!("too few") };
    sample
        .act(move |tx| {
            let at = tx.granted(inbox)?;
            let answered = Edit {
                set: Flags::SEEN.and(Flags::ANSWERED),
                properties: vec![
                    (FLAG_PROPERTY.to_owned(), Some(wbxml::encode(&done))),
                    (VERB_PROPERTY.to_owned(), Some(Verb { verb: Verb::REPLY, at: NOW }.kept())),
                    (CATEGORIES_PROPERTY.to_owned(), Some(names)),
                ],
                ..Edit::default()
            };
            tx.edit(&at, first, &answered, Knew::default())?;
            tx.edit(&at, second, &Edit { set: Flags::FLAGGED, ..Edit::default() }, Knew::default())
        })
        .await;
    (sample, inbox, placed)
}

fn preference(kind: u8, most: Option<u32>, preview: Option<u8>) -> Element<'static> {
    Element::new(base::BODY_PREFERENCE)
        .with_number(base::TYPE, kind)
        .with_all(most.map(|most| Element::number(base::TRUNCATION_SIZE, most)))
        .with_all(preview.map(|most| Element::number(base::PREVIEW, most)))
}

/// What a phone of each version asks for.
fn options(version: Version) -> Element<'static> {
    let options = Element::new(airsync::OPTIONS);
    match version {
        Version::V12_1 => options.with(preference(1, Some(100), None)),
        Version::V14_1 => {
            let part = Element::new(base::BODY_PART_PREFERENCE)
                .with_number(base::TYPE, 2)
                .with_number(base::TRUNCATION_SIZE, 300);
            options
                .with_number(airsync::MIME_SUPPORT, 1)
                .with(preference(2, Some(400), Some(40)))
                .with(preference(1, None, Some(40)))
                .with(preference(4, Some(200), None))
                .with(part)
        }
        _ => options.with_number(airsync::MIME_SUPPORT, 2).with(preference(4, None, Some(255))),
    }
}

async fn sync(
    session: &Session,
    folder: FolderId,
    key: &str,
    options: Option<Element<'static>>,
) -> Element<'static> {
    let collection = Element::new(airsync::COLLECTION)
        .with_text(airsync::SYNC_KEY, key.to_owned())
        .with_text(airsync::COLLECTION_ID, folder.0.to_string())
        .with_all(options);
    let request = Element::new(airsync::SYNC).with(Element::new(airsync::COLLECTIONS).with(collection));
    document(sync::run(session, sync::read(session, Some(&request)).unwrap()).await.unwrap())
}

/// The same answer with a key that is always the same.
fn with_key(element: Element<'static>, key: &'static str) -> Element<'static> {
    if element.tag() == airsync::SYNC_KEY {
        return Element::leaf(airsync::SYNC_KEY, key);
    }
    if element.children().is_empty() {
        return element;
    }
    let tag = element.tag();
    Element::new(tag).with_all(element.into_children().into_iter().map(|child| with_key(child, key)))
}

#[tokio::test]
async fn first_pages_of_the_sample_messages() {
    let (sample, inbox, _) = inbox().await;
    for (name, version) in [("12.1", Version::V12_1), ("14.1", Version::V14_1), ("16.1", Version::V16_1)] {
        let session = sample.session(version);
        let begun = sync(&session, inbox, "0", None).await;
        let key = begun.at(&[airsync::COLLECTIONS, airsync::COLLECTION, airsync::SYNC_KEY]).unwrap();
        let page = sync(&session, inbox, key.text().unwrap(), Some(options(version))).await;
        let page = with_key(page, "2.0123456789abcdef");
        let octets = wbxml::encode(&page);
        // What was written reads back as it was meant.
        let read = wbxml::decode(&octets, &Limits::default()).unwrap();
        assert_eq!(text(&read), text(&page));
        check(&format!("sync-{name}.wbxml"), &octets, &text(&page));
        // The next device's first page is the same.
        sample.eas.mailbox.store().write_async(forget_states(&session)).await.unwrap();
    }
}

/// Lets the phone begin again at once.
fn forget_states(
    session: &Session,
) -> impl FnOnce(&mut crate::store::Tx<'_>) -> Result<(), crate::store::Error> + Send + use<> {
    use crate::store::keys::{Key, Table};
    let rows = Key::of(Table::CollectionState).u64(session.login.account.id.0).range();
    move |tx| {
        use crate::store::Read;
        let mut keys = Vec::new();
        tx.scan(&rows, crate::store::Order::Forward, &mut |key, _| {
            keys.push(key.to_vec());
            std::ops::ControlFlow::Continue(())
        })?;
        keys.into_iter().for_each(|key| tx.delete(key));
        Ok(())
    }
}

#[tokio::test]
async fn parts_of_a_multipart_answer() {
    let (sample, inbox, placed) = inbox().await;
    let uid = |name: &str| placed.iter().find(|(n, _)| n == name).unwrap().1;
    let fetch = |children: Vec<Element<'static>>| {
        Element::new(itemoperations::FETCH).with_text(itemoperations::STORE, "Mailbox").with_all(children)
    };
    let whole = Element::new(itemoperations::OPTIONS).with(preference(2, None, None));
    let range = Element::new(itemoperations::OPTIONS).with_text(itemoperations::RANGE, "0-9");
    let related = uid("mixed-related");
    let request = Element::new(itemoperations::ITEM_OPERATIONS).with_all([
        fetch(vec![
            Element::leaf(airsync::COLLECTION_ID, inbox.0.to_string()),
            Element::leaf(airsync::SERVER_ID, server_id(inbox, related)),
            whole,
        ]),
        fetch(vec![Element::leaf(base::FILE_REFERENCE, file_reference(inbox, related, "2")), range]),
        fetch(vec![Element::leaf(base::FILE_REFERENCE, "no-such-reference".to_owned())]),
    ]);
    let mut session = sample.session(Version::V16_1);
    session.query.accept_multipart = true;
    let answer = item_operations::run(&session, Some(&request)).await.unwrap();
    let Reply::Multipart(root, parts) = answer else { panic!("not in parts") };
    let shown = |(n, part): (usize, &Bytes)| format!("-- part {}\n{}\n", n + 1, part.escape_ascii());
    let parts_text: String = parts.iter().enumerate().map(shown).collect();
    check(
        "item-operations.multipart",
        &multipart(&wbxml::encode(&root), &parts),
        &(text(&root) + &parts_text),
    );
}

/// The folder has no stray files, and the README names all that are there.
#[test]
fn the_readme_tells_of_every_fixture() {
    let readme = fs::read_to_string(fixture("README.md")).unwrap();
    for entry in fs::read_dir("fixtures/eas").unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy();
        assert!(name == "README" || readme.contains(&format!("`{name}`")), "the README lacks {name}");
    }
}
