//! MoveItems: items into other folders. MS-ASCMD §2.2.1.12.

use std::collections::{BTreeMap, BTreeSet};

use wbxml::{Element, moveitems as tags};

use super::super::ids::{folder_id, item_id, server_id};
use super::super::reply::{Failure, Reply, Status};
use super::super::session::Session;
use crate::mailbox::{Error, FolderId, Kind, Placed, Uid, View};

/// Most moves of a request; more are Status 103. MS-ASCMD §3.1.5.10.
const MOVES_MAX: usize = 1_000;

/// Statuses. MS-ASCMD §2.2.3.177.10.
const BAD_SOURCE: u8 = 1;
const BAD_DESTINATION: u8 = 2;
const OK: u8 = 3;
const SAME_FOLDER: u8 = 4;
const NOT_MOVED: u8 = 5;

/// One move as it was asked for.
struct Move {
    /// SrcMsgId, as it came.
    named: String,
    /// What it comes to; a status if it cannot be tried.
    step: Result<Step, u8>,
}

#[derive(Clone, Copy)]
struct Step {
    from: FolderId,
    uid: Uid,
    to: FolderId,
}

/// Handles MoveItems. Each move stands alone; what the client has been told once, it is told again when it
/// repeats the request.
pub(in crate::doors::eas) async fn run(
    session: &Session,
    request: Option<&Element<'_>>,
) -> Result<Reply, Failure> {
    let request = request.filter(|r| r.tag() == tags::MOVE_ITEMS).ok_or(Status::InvalidXml)?;
    let asked: Vec<_> = request.children_of(tags::MOVE).take(MOVES_MAX + 1).collect();
    if asked.is_empty() || asked.len() > MOVES_MAX {
        return Err(Status::InvalidXml.into());
    }
    let moves = {
        let view = session.eas.mailbox.view(session.acting())?;
        let mut kinds = Kinds { view, known: BTreeMap::new() };
        asked.into_iter().map(|element| Move::read(element, &mut kinds)).collect::<Result<Vec<_>, _>>()?
    };
    // Each move is a transaction of its own; they are all on their way before the first is awaited.
    let steps: Vec<_> = moves.iter().map(|asked| asked.step.map(|step| begin(session, step))).collect();
    let mut results = Vec::with_capacity(moves.len());
    for step in steps {
        results.push(match step {
            Err(status) => Err(status),
            Ok(step) => match step.await {
                Ok(placed) => Ok((placed.folder, placed.uid)),
                Err(e) => Err(status(e)?),
            },
        });
    }
    repeat(session, &moves, &mut results)?;
    let responses = moves.iter().zip(results).map(|(asked, result)| asked.told(result));
    Ok(Reply::Document(Element::new(tags::MOVE_ITEMS).with_all(responses)))
}

fn begin(session: &Session, step: Step) -> impl Future<Output = Result<Placed, Error>> + use<> {
    session.eas.mailbox.shrink(session.acting(), session.device, move |tx| {
        let from = tx.granted(step.from)?;
        let to = tx.granted(step.to)?;
        tx.move_to(&from, step.uid, &to)
    })
}

/// An item that fails fails alone; a store that fails, fails everything.
fn status(e: Error) -> Result<u8, Failure> {
    match e {
        Error::Missing => Ok(BAD_SOURCE),
        Error::Denied | Error::Exists | Error::Invalid(_) | Error::OverQuota | Error::Stale => Ok(NOT_MOVED),
        Error::Store(_) => Err(e.into()),
    }
}

/// The kinds of the folders named, looked up once.
struct Kinds {
    view: View,
    known: BTreeMap<FolderId, Option<Kind>>,
}

impl Kinds {
    fn of(&mut self, folder: FolderId) -> Result<Option<Kind>, Failure> {
        if let Some(known) = self.known.get(&folder) {
            return Ok(*known);
        }
        let kind = match self.view.folder(folder) {
            Ok(seen) => Some(seen.folder.kind),
            Err(Error::Missing) => None,
            Err(e) => return Err(e.into()),
        };
        self.known.insert(folder, kind);
        Ok(kind)
    }
}

impl Move {
    fn read(element: &Element<'_>, kinds: &mut Kinds) -> Result<Self, Failure> {
        let text = |tag| element.text_of(tag).ok_or(Status::InvalidXml);
        let named = text(tags::SRC_MSG_ID)?.to_owned();
        let (from, to) = (folder_id(text(tags::SRC_FLD_ID)?), folder_id(text(tags::DST_FLD_ID)?));
        let step = Self::step(&named, from, to, kinds)?;
        Ok(Self { named, step })
    }

    fn step(
        named: &str,
        from: Option<FolderId>,
        to: Option<FolderId>,
        kinds: &mut Kinds,
    ) -> Result<Result<Step, u8>, Failure> {
        let Some((folder, uid)) = item_id(named).filter(|(folder, _)| Some(*folder) == from) else {
            return Ok(Err(BAD_SOURCE));
        };
        let Some(to) = to else { return Ok(Err(BAD_DESTINATION)) };
        let Some(kind) = kinds.of(folder)? else { return Ok(Err(BAD_SOURCE)) };
        if folder == to {
            return Ok(Err(SAME_FOLDER));
        }
        // A folder holds items of one kind.
        if kinds.of(to)? != Some(kind) {
            return Ok(Err(BAD_DESTINATION));
        }
        Ok(Ok(Step { from: folder, uid, to }))
    }

    fn told(&self, result: Result<(FolderId, Uid), u8>) -> Element<'static> {
        let response = Element::new(tags::RESPONSE).with_text(tags::SRC_MSG_ID, self.named.clone());
        match result {
            Ok((folder, uid)) => {
                response.with_number(tags::STATUS, OK).with_text(tags::DST_MSG_ID, server_id(folder, uid))
            }
            Err(status) => response.with_number(tags::STATUS, status),
        }
    }
}

/// What is gone from its folder may have been moved by this very request, whose answer got lost: the client
/// is told where the item is, if that is where it wants it.
fn repeat(
    session: &Session,
    moves: &[Move],
    results: &mut [Result<(FolderId, Uid), u8>],
) -> Result<(), Failure> {
    let mut gone: BTreeMap<FolderId, BTreeSet<Uid>> = BTreeMap::new();
    for (asked, result) in moves.iter().zip(&*results) {
        if let (Ok(step), Err(BAD_SOURCE)) = (asked.step, result) {
            gone.entry(step.from).or_default().insert(step.uid);
        }
    }
    if gone.is_empty() {
        return Ok(());
    }
    let view = session.eas.mailbox.view(session.acting())?;
    let mut went = BTreeMap::new();
    for (folder, uids) in gone {
        let Ok(folder) = view.readable(folder) else { continue };
        for (uid, to) in view.lately_moved(&folder, &uids)? {
            went.insert((folder.id, uid), to);
        }
    }
    for (asked, result) in moves.iter().zip(results) {
        let (Ok(step), Err(BAD_SOURCE)) = (asked.step, &*result) else { continue };
        let Some((folder, uid)) = went.get(&(step.from, step.uid)).filter(|(to, _)| *to == step.to) else {
            continue;
        };
        let Ok(there) = view.readable(*folder) else { continue };
        if view.item(&there, *uid)?.is_some() {
            *result = Ok((*folder, *uid));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doors::eas::sample::{Sample, document};
    use crate::mailbox::Role;
    use wbxml::Version;

    async fn moves(sample: &Sample, asked: &[(&str, FolderId, FolderId)]) -> Vec<(String, Option<String>)> {
        let elements = asked.iter().map(|(item, from, to)| {
            Element::new(tags::MOVE)
                .with_text(tags::SRC_MSG_ID, *item)
                .with_text(tags::SRC_FLD_ID, from.0.to_string())
                .with_text(tags::DST_FLD_ID, to.0.to_string())
        });
        let request = Element::new(tags::MOVE_ITEMS).with_all(elements);
        let answer = document(run(&sample.session(Version::V14_1), Some(&request)).await.unwrap());
        let responses: Vec<_> = answer.children_of(tags::RESPONSE).collect();
        let named = responses.iter().filter_map(|r| r.text_of(tags::SRC_MSG_ID));
        assert_eq!(named.collect::<Vec<_>>(), asked.iter().map(|a| a.0).collect::<Vec<_>>());
        let told = |r: &&Element<'_>| {
            (r.text_of(tags::STATUS).unwrap().to_owned(), r.text_of(tags::DST_MSG_ID).map(str::to_owned))
        };
        responses.iter().map(told).collect()
    }

    fn only(told: &[(String, Option<String>)]) -> (&str, Option<&str>) {
        let [(status, to)] = told else { panic!("{told:?}") };
        (status.as_str(), to.as_deref())
    }

    #[tokio::test]
    async fn moved_and_asked_again() {
        let sample = Sample::new().await;
        let (inbox, junk) = (sample.folder(Role::Inbox).id, sample.folder(Role::Junk).id);
        let placed = sample.deliver(inbox, b"Subject: x\r\n\r\ny").await;
        let id = server_id(inbox, placed.uid);
        let first = moves(&sample, &[(&id, inbox, junk)]).await;
        let (status, to) = only(&first);
        assert_eq!(status, "3");
        let there = item_id(to.unwrap()).unwrap();
        assert_eq!(there.0, junk);
        assert!(sample.view().item(&sample.folder(Role::Junk), there.1).unwrap().is_some());
        // The answer got lost.
        assert_eq!(moves(&sample, &[(&id, inbox, junk)]).await, first);
        // Asked for another place, or once it is gone from there, it is no repetition.
        let trash = sample.folder(Role::Trash).id;
        assert_eq!(only(&moves(&sample, &[(&id, inbox, trash)]).await), ("1", None));
        assert_eq!(only(&moves(&sample, &[(to.unwrap(), junk, inbox)]).await).0, "3");
        assert_eq!(only(&moves(&sample, &[(&id, inbox, junk)]).await), ("1", None));
    }

    #[tokio::test]
    async fn what_cannot_be_moved() {
        let sample = Sample::new().await;
        let (inbox, junk) = (sample.folder(Role::Inbox).id, sample.folder(Role::Junk).id);
        let calendar = sample.folder(Role::Calendar).id;
        let placed = sample.deliver(inbox, b"Subject: x\r\n\r\ny").await;
        let id = server_id(inbox, placed.uid);
        let elsewhere = sample.other("berta@example.test").await.folder(Role::Inbox).id;
        let absent = server_id(inbox, Uid(99));
        let told = moves(
            &sample,
            &[
                ("no-such-item", inbox, junk),
                (&absent, inbox, junk),
                (&id, junk, inbox),
                (&id, inbox, inbox),
                (&id, inbox, FolderId(987_654)),
                (&id, inbox, elsewhere),
                (&id, inbox, calendar),
                (&server_id(elsewhere, Uid(1)), elsewhere, junk),
                (&id, inbox, junk),
            ],
        )
        .await;
        let statuses: Vec<&str> = told.iter().map(|(status, _)| status.as_str()).collect();
        assert_eq!(statuses, ["1", "1", "1", "4", "2", "2", "2", "1", "3"]);
    }

    #[tokio::test]
    async fn too_many_are_refused_whole() {
        let sample = Sample::new().await;
        let session = sample.session(Version::V14_0);
        let one = Element::new(tags::MOVE)
            .with_text(tags::SRC_MSG_ID, "1:1")
            .with_text(tags::SRC_FLD_ID, "1")
            .with_text(tags::DST_FLD_ID, "2");
        let many = Element::new(tags::MOVE_ITEMS).with_all(std::iter::repeat_n(one, MOVES_MAX + 1));
        for request in [&many, &Element::new(tags::MOVE_ITEMS), &Element::new(tags::MOVE)] {
            let answer = run(&session, Some(request)).await;
            assert!(matches!(answer, Err(Failure::Common(Status::InvalidXml))), "{answer:?}");
        }
    }
}
