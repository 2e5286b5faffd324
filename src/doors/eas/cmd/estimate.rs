//! GetItemEstimate: how many changes a Sync would bring. MS-ASCMD §2.2.1.9.

use wbxml::{Element, Version, airsync, getitemestimate as tags};

use super::super::ids::folder_id;
use super::super::render::{Wishes, cut_off, email_cut_off};
use super::super::reply::{Failure, Reply, Status};
use super::super::session::Session;
use super::super::state;
use crate::mailbox::Error;
use crate::mailbox::sync::Round;

/// Most collections of a request: MS-ASCMD §2.2.3.29.1.
const COLLECTIONS_MAX: usize = 300;
/// An estimate is not counted further than this.
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
    let mut answer = Element::new(tags::GET_ITEM_ESTIMATE);
    for collection in asked {
        answer.push(estimate(session, collection)?);
    }
    Ok(Reply::Document(answer))
}

fn estimate(session: &Session, collection: &Element<'_>) -> Result<Element<'static>, Failure> {
    let id = collection.text_of(tags::COLLECTION_ID).ok_or(Status::InvalidXml)?;
    let key = collection.text_of(airsync::SYNC_KEY).ok_or(Status::InvalidXml)?;
    let response = |status| Element::new(tags::RESPONSE).with_number(tags::STATUS, status);
    match count(session, collection, id, key)? {
        Err(status) => {
            let named = Element::new(tags::COLLECTION).with_text(tags::COLLECTION_ID, id.to_owned());
            Ok(response(status).with(named.with_number(tags::ESTIMATE, 0)))
        }
        Ok(estimate) => {
            let estimate = i64::try_from(estimate).unwrap_or(i64::MAX);
            let named = Element::new(tags::COLLECTION).with_text(tags::COLLECTION_ID, id.to_owned());
            Ok(response(OK).with(named.with_number(tags::ESTIMATE, estimate)))
        }
    }
}

fn count(
    session: &Session,
    collection: &Element<'_>,
    id: &str,
    key: &str,
) -> Result<Result<usize, u8>, Failure> {
    let view = session.eas.mailbox.view(session.acting())?;
    let folder = match folder_id(id).map(|id| view.readable(id)) {
        Some(Ok(folder)) => folder,
        None | Some(Err(Error::Missing | Error::Denied)) => return Ok(Err(BAD_COLLECTION)),
        Some(Err(e)) => return Err(e.into()),
    };
    if key == "0" {
        return Ok(Err(NOT_PRIMED));
    }
    let Some(mut row) = state::collection(view.reader(), session, folder.id)? else {
        return Ok(Err(NOT_PRIMED));
    };
    if row.uid_validity != folder.uid_validity || !key.parse().is_ok_and(|key| row.accept(key)) {
        return Ok(Err(BAD_KEY));
    }
    let wishes: Wishes = postcard::from_bytes(&row.options).unwrap_or_default();
    let filter = filter(session, collection)?.unwrap_or(wishes.filter);
    let now = session.eas.mailbox.clock().now();
    if email_cut_off(filter, now).is_none() && folder.kind == crate::mailbox::Kind::Mail {
        let known = filter < 9;
        return Err(if known { Status::ServerError } else { Status::InvalidXml }.into());
    }
    let wanted = cut_off(&folder, filter, now);
    let round = Round { device: session.device, wanted, window: ESTIMATE_MAX };
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
