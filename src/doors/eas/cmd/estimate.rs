//! GetItemEstimate: how many changes a Sync would bring. MS-ASCMD §2.2.1.9.

use std::collections::BTreeMap;

use wbxml::{Element, Version, airsync, getitemestimate as tags};

use super::super::ids::folder_id;
use super::super::render::{Kept, cut_off, has_filter};
use super::super::reply::{Failure, Reply, Status};
use super::super::session::Session;
use super::super::state;
use crate::mailbox::Error;
use crate::mailbox::sync::Round;

/// Most collections of a request: MS-ASCMD §2.2.3.29.1.
const COLLECTIONS_MAX: usize = 300;
/// The estimates of a request are not counted further than this.
const ESTIMATE_MAX: usize = 100_000;

/// Statuses. MS-ASCMD §2.2.3.177.7.
const OK: u8 = 1;
const BAD_COLLECTION: u8 = 2;
const NOT_PRIMED: u8 = 3;
const BAD_KEY: u8 = 4;

/// Handles GetItemEstimate. It never advances a key.
pub(in crate::doors::eas) async fn run(
    session: &Session,
    request: Option<&Element<'_>>,
) -> Result<Reply, Failure> {
    let request = request.filter(|r| r.tag() == tags::GET_ITEM_ESTIMATE).ok_or(Status::InvalidXml)?;
    let collections = request.child(tags::COLLECTIONS).ok_or(Status::InvalidXml)?;
    let asked: Vec<_> = collections.children_of(tags::COLLECTION).take(COLLECTIONS_MAX + 1).collect();
    if asked.is_empty() || asked.len() > COLLECTIONS_MAX {
        return Err(Status::InvalidXml.into());
    }
    let asked: Vec<_> = asked.into_iter().map(|c| Asked::read(session, c)).collect::<Result<_, _>>()?;
    let counting = session.clone();
    session.eas.blocking(move || answer(&counting, &asked)).await
}

/// What is asked of one collection.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Asked {
    id: String,
    key: String,
    /// FilterType, where the request says it.
    filter: Option<u8>,
}

impl Asked {
    fn read(session: &Session, collection: &Element<'_>) -> Result<Self, Failure> {
        let text = |tag| collection.text_of(tag).map(str::to_owned).ok_or(Status::InvalidXml);
        let filter = filter(session, collection)?;
        Ok(Self { id: text(tags::COLLECTION_ID)?, key: text(airsync::SYNC_KEY)?, filter })
    }
}

/// Counts all that is asked; the same only once, and not more than [`ESTIMATE_MAX`] of it all.
fn answer(session: &Session, asked: &[Asked]) -> Result<Reply, Failure> {
    let mut counted = BTreeMap::new();
    let mut left = ESTIMATE_MAX;
    let mut answer = Element::new(tags::GET_ITEM_ESTIMATE);
    for collection in asked {
        let known = counted.get(collection).copied();
        let result = match known {
            Some(result) => result,
            None => count(session, collection, left)?,
        };
        if known.is_none() {
            left = left.saturating_sub(result.unwrap_or(0));
            counted.insert(collection, result);
        }
        answer.push(told(collection, result));
    }
    Ok(Reply::Document(answer))
}

fn told(collection: &Asked, result: Result<usize, u8>) -> Element<'static> {
    let (status, estimate) = match result {
        Ok(estimate) => (OK, i64::try_from(estimate).unwrap_or(i64::MAX)),
        Err(status) => (status, 0),
    };
    let named = Element::new(tags::COLLECTION).with_text(tags::COLLECTION_ID, collection.id.clone());
    Element::new(tags::RESPONSE)
        .with_number(tags::STATUS, status)
        .with(named.with_number(tags::ESTIMATE, estimate))
}

/// Counts to `most`, or to one where nothing may be counted any more: that there is something must be told.
fn count(session: &Session, asked: &Asked, most: usize) -> Result<Result<usize, u8>, Failure> {
    let view = session.eas.mailbox.view(session.acting())?;
    let folder = match folder_id(&asked.id).map(|id| view.readable(id)) {
        Some(Ok(folder)) => folder,
        None | Some(Err(Error::Missing | Error::Denied)) => return Ok(Err(BAD_COLLECTION)),
        Some(Err(e)) => return Err(e.into()),
    };
    if asked.key == "0" {
        return Ok(Err(NOT_PRIMED));
    }
    let Some(mut row) = state::collection(view.reader(), session, folder.id)? else {
        return Ok(Err(NOT_PRIMED));
    };
    let same_history =
        row.epoch == session.eas.mailbox.store().epoch()? && row.uid_validity == folder.uid_validity;
    if !same_history || !asked.key.parse().is_ok_and(|key| row.accept(key)) {
        return Ok(Err(BAD_KEY));
    }
    let wishes = Kept::read(&row.options).wishes;
    let filter = asked.filter.unwrap_or(wishes.filter);
    let now = session.eas.mailbox.clock().now();
    if !has_filter(&folder, filter, now) {
        let known = filter < 9;
        return Err(if known { Status::ServerError } else { Status::InvalidXml }.into());
    }
    let wanted = cut_off(&folder, filter, now);
    let round = Round { device: session.device, wanted, window: most.max(1) };
    match round.run(&view.synced(&folder), &row.state) {
        Ok(told) => Ok(Ok(told.steps.len())),
        Err(Error::Stale) => Ok(Err(BAD_KEY)),
        Err(e) => Err(e.into()),
    }
}

/// FilterType stands in the collection at 12.1 and in its options from 14.0 on. §2.2.3.68.1.
fn filter(session: &Session, collection: &Element<'_>) -> Result<Option<u8>, Failure> {
    let place = match session.version {
        Version::V12_1 => Some(collection),
        _ => collection.child(airsync::OPTIONS),
    };
    Ok(place.map(|place| place.parse_of(airsync::FILTER_TYPE)).transpose()?.flatten())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doors::eas::cmd::sync;
    use crate::doors::eas::sample::{Sample, document};
    use crate::mailbox::Role;

    fn request(named: &[(&str, &str)]) -> Element<'static> {
        let collections = named.iter().map(|(id, key)| {
            Element::new(tags::COLLECTION)
                .with_text(airsync::SYNC_KEY, (*key).to_owned())
                .with_text(tags::COLLECTION_ID, (*id).to_owned())
        });
        Element::new(tags::GET_ITEM_ESTIMATE).with(Element::new(tags::COLLECTIONS).with_all(collections))
    }

    async fn estimates(session: &Session, named: &[(&str, &str)]) -> Vec<(u8, usize)> {
        let answer = document(run(session, Some(&request(named))).await.unwrap());
        let estimate = |response: &Element<'_>| {
            let collection = response.child(tags::COLLECTION).unwrap();
            let estimate = collection.parse_of(tags::ESTIMATE).unwrap().unwrap();
            (response.parse_of(tags::STATUS).unwrap().unwrap(), estimate)
        };
        answer.children().iter().map(estimate).collect()
    }

    #[tokio::test]
    async fn counted_once_and_only_of_this_history() {
        let sample = Sample::new().await;
        let (session, inbox) = (sample.session(Version::V16_1), sample.folder(Role::Inbox).id);
        let id = inbox.0.to_string();
        let begin = Element::new(airsync::COLLECTION)
            .with_text(airsync::SYNC_KEY, "0")
            .with_text(airsync::COLLECTION_ID, id.clone());
        let begin = Element::new(airsync::SYNC).with(Element::new(airsync::COLLECTIONS).with(begin));
        let asked = sync::read(&session, Some(&begin)).unwrap();
        let begun = document(sync::run(&session, asked).await.unwrap());
        let key = begun.at(&[airsync::COLLECTIONS, airsync::COLLECTION, airsync::SYNC_KEY]);
        let key = key.and_then(Element::text).unwrap().to_owned();
        for _ in 0..3 {
            sample.deliver(inbox, b"Subject: s\r\n\r\nt").await;
        }
        let named = (id.as_str(), key.as_str());
        assert_eq!(estimates(&session, &vec![named; 300]).await, vec![(OK, 3); 300]);
        let others = [(id.as_str(), "0"), (id.as_str(), "1.0000000000000000"), ("99", key.as_str()), named];
        let expected = [(NOT_PRIMED, 0), (BAD_KEY, 0), (BAD_COLLECTION, 0), (OK, 3)];
        assert_eq!(estimates(&session, &others).await, expected);
        assert!(run(&session, Some(&request(&vec![named; 301]))).await.is_err());
        // Once nothing may be counted any more, that there is something is told still.
        let asked = Asked { id: id.clone(), key: key.clone(), filter: None };
        assert_eq!(count(&session, &asked, 2).unwrap(), Ok(2));
        assert_eq!(count(&session, &asked, 0).unwrap(), Ok(1));
        // A store that was restored has another history.
        sample.eas.mailbox.store().raise_epoch().unwrap();
        assert_eq!(estimates(&session, &[named]).await, [(BAD_KEY, 0)]);
    }
}
