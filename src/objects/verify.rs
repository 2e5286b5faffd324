//! Whether what is kept beside objects follows from them.

use std::ops::ControlFlow;

use super::entry::{Entry, Spot};
use super::prepared::{Limits, Prepared};
use crate::mailbox::{Error, Folder, Item, Kind, SPAN, Uid, View, owners};
use crate::store::BodyId;

/// Computes again what is kept beside the objects of all owners and tells what differs; `view` is the
/// server's own. Reads every object.
///
/// # Errors
/// The store's.
pub fn verify(view: &View) -> Result<Vec<String>, Error> {
    let mut told = Vec::new();
    for owner in owners(view.reader())? {
        for seen in view.folders(owner)? {
            if !matches!(seen.folder.kind, Kind::Mail) {
                folder(view, &seen.folder, &mut told)?;
            }
        }
    }
    Ok(told)
}

fn folder(view: &View, folder: &Folder, told: &mut Vec<String>) -> Result<(), Error> {
    let mut items = Vec::new();
    view.items(folder, Uid(0), &mut |item| {
        items.push(item);
        ControlFlow::Continue(())
    })?;
    for item in items {
        if let Some(what) = differs(view, folder, &item)? {
            told.push(format!("item {}:{}: {what}", folder.id.0, item.uid.0));
        }
    }
    Ok(())
}

fn differs(view: &View, folder: &Folder, item: &Item) -> Result<Option<&'static str>, Error> {
    let bytes = match view.reader().body(&BodyId(item.body)) {
        Ok(bytes) => bytes,
        // The store's own check tells of it.
        Err(crate::store::Error::Damaged(_)) => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    // Bounds may have been other ones when it came.
    let limits = Limits { bytes: usize::MAX, attendees: usize::MAX - 1, ..Limits::default() };
    let Ok(prepared) = Prepared::of(folder.kind, bytes, &limits) else {
        return Ok(Some("it is not an object that its folder keeps"));
    };
    let entry = prepared.entry();
    let record = view.record(folder, item.uid)?;
    Ok(if record.as_ref().and_then(Entry::of).as_ref() != Some(entry) {
        Some("what is kept beside it does not follow from it")
    } else if item.property(SPAN) != Some(Spot::of(entry, &item.body).encode().as_slice()) {
        Some("its span in the index by date does not follow from it")
    } else if entry.filter_date(folder.kind == Kind::Calendar).is_some_and(|date| date != item.filter_date) {
        Some("its filter date does not follow from it")
    } else if item.dav_name.is_none() {
        Some("it has no DAV name")
    } else if item.ical_uid.as_deref().unwrap_or_default() != entry.uid {
        Some("its UID is not that of its item")
    } else {
        None
    })
}
