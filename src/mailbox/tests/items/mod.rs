//! Items: added, edited, replaced, moved, copied; counters, quota, modseqs, indexes, conversations.

mod added;
mod edited;
mod moved;
mod threads;
mod told;

use super::*;

async fn edit(home: &Home, folder: FolderId, uid: Uid, edit: Edit) -> Result<Placed, Error> {
    home.act(Origin::OTHER, move |tx| {
        let at = tx.granted(folder)?;
        tx.edit(&at, uid, &edit, Knew(None))
    })
    .await
}

async fn append(home: &Home, folder: FolderId, item: NewItem) -> Result<Placed, Error> {
    home.act(Origin::OTHER, move |tx| {
        let to = tx.granted(folder)?;
        tx.append(&to, item)
    })
    .await
}

async fn move_to(home: &Home, from: FolderId, uid: Uid, to: FolderId) -> Result<Placed, Error> {
    home.act(Origin::OTHER, move |tx| {
        let (from, to) = (tx.granted(from)?, tx.granted(to)?);
        tx.move_to(&from, uid, &to)
    })
    .await
}

async fn copy(home: &Home, from: FolderId, uid: Uid, to: FolderId) -> Result<Placed, Error> {
    home.act(Origin::OTHER, move |tx| {
        let (from, to) = (tx.granted(from)?, tx.granted(to)?);
        tx.copy(&from, uid, &to)
    })
    .await
}

async fn expunge(home: &Home, folder: FolderId, uid: Uid) -> Result<Placed, Error> {
    home.act(Origin::OTHER, move |tx| {
        let at = tx.granted(folder)?;
        tx.expunge(&at, uid)
    })
    .await
}

async fn replace(
    home: &Home,
    folder: FolderId,
    uid: Uid,
    text: &str,
    date: Option<i64>,
) -> Result<Placed, Error> {
    let NewItem { body, prefix, record, .. } = home.item(text, 0);
    let new = NewContent { body, prefix, record, filter_date: date, properties: Vec::new() };
    home.act(Origin::OTHER, move |tx| {
        let at = tx.granted(folder)?;
        tx.replace(&at, uid, new, Knew(None))
    })
    .await
}

fn text(home: &Home, folder: FolderId, uid: Uid) -> String {
    let view = home.view();
    let item = home.get(folder, uid).unwrap();
    let message = home.mailbox.message(&view, &home.folder(folder), &item).unwrap();
    String::from_utf8(message.to_vec()).unwrap()
}

fn counts(home: &Home, folder: FolderId) -> (u64, u64, u64) {
    let folder = home.folder(folder);
    (folder.items, folder.unseen, folder.bytes)
}

/// `Return-Path: <>` and its line end, which every test item begins with.
const PREFIX: u64 = 17;
