//! COPY and MOVE. RFC 9051 §6.4.7, §6.4.8; RFC 4315 §3; RFC 6851.

use super::store::{BATCH, read_only};
use crate::doors::imap::conn::{self, Session, tell};
use crate::doors::imap::grammar::Transfer;
use crate::doors::imap::reply::{Answer, Code, Stop};
use crate::doors::imap::state::{Updates, ranges};
use crate::doors::imap::tree;
use crate::mailbox::{Acting, Error, FolderId, MailTx, Origin, Placed, Uid};

/// Which messages went where.
#[derive(Debug, Default)]
struct Moved {
    validity: u32,
    from: Vec<u32>,
    to: Vec<u32>,
}

/// Copies all of the messages or none.
pub(in crate::doors::imap) async fn copy(session: &mut Session, asked: Transfer) -> Result<Answer, Stop> {
    let (from, uids, to) = match places(session, &asked).await? {
        Ok(places) => places,
        Err(answer) => return Ok(answer),
    };
    let mut copied = Moved::default();
    for batch in uids.chunks(BATCH) {
        let by_number = !asked.by_uid;
        let done = go(session, batch, move |tx, uids| {
            let (from, to) = (tx.granted(from)?, granted_target(tx, to)?);
            let validity = tx.uid_validity(&to)?;
            let copied = each(uids, by_number, |uid| Ok(tx.copy(&from, uid, &to)?))?;
            Ok(Moved { validity, ..copied })
        });
        match done.await {
            Ok(more) => copied.add(more),
            Err(stop) => {
                undo(session, to, copied.to).await?;
                return Err(stop);
            }
        }
    }
    Ok(match copied.code() {
        Some(code) => Answer::ok_with(code, "COPY done"),
        None => Answer::ok("there is no such message"),
    })
}

/// Moves messages, each of them wholly or not at all.
pub(in crate::doors::imap) async fn transfer(session: &mut Session, asked: Transfer) -> Result<Answer, Stop> {
    if session.state.selected().is_some_and(|selected| selected.read_only) {
        return Ok(read_only());
    }
    let (from, uids, to) = match places(session, &asked).await? {
        Ok(places) => places,
        Err(answer) => return Ok(answer),
    };
    let mut moved = Moved::default();
    let mut failed = None;
    for batch in uids.chunks(BATCH) {
        let done = go(session, batch, move |tx, uids| {
            let (from, to) = (tx.granted(from)?, granted_target(tx, to)?);
            let validity = tx.uid_validity(&to)?;
            let moved = each(uids, false, |uid| Ok(tx.move_to(&from, uid, &to)?))?;
            Ok(Moved { validity, ..moved })
        });
        match done.await {
            Ok(more) => moved.add(more),
            Err(stop) => {
                failed = Some(stop);
                break;
            }
        }
    }
    let missing = moved.from.len() < uids.len();
    if let Some(code) = moved.code() {
        // RFC 6851 §4.3: before the messages are said to be gone.
        let told = Answer::ok_with(code, "moved");
        session.wire.write(format!("* {told}\r\n").as_bytes()).await?;
    }
    if let Some(stop) = failed {
        return Err(stop);
    }
    tell(session, Updates::All).await?;
    if missing && !asked.by_uid {
        return Ok(Answer::no(Code::ExpungeIssued, "some of the messages are not there any more"));
    }
    Ok(with_modseq(session, "MOVE done"))
}

/// An answer that says up to where the client was told of changes, if it knows what that means. RFC 7162
/// §3.2.7.
pub(super) fn with_modseq(session: &mut Session, text: &'static str) -> Answer {
    let condstore = session.enabled.condstore;
    match session.state.selected().filter(|_| condstore) {
        Some(selected) => Answer::ok_with(Code::HighestModSeq(selected.seen().0.max(1)), text),
        None => Answer::ok(text),
    }
}

/// From where, which messages, and whereto.
async fn places(
    session: &mut Session,
    asked: &Transfer,
) -> Result<Result<(FolderId, Vec<u32>, FolderId), Answer>, Stop> {
    let Some(selected) = session.state.selected() else {
        return Ok(Err(Answer::bad("no mailbox is selected")));
    };
    let (from, uids) = (selected.folder, selected.members(&asked.set, asked.by_uid));
    Ok(target(session, &asked.to).await?.map(|to| (from, uids, to)))
}

/// The folder that messages are to be put into. RFC 9051 §7.1, TRYCREATE.
pub(super) async fn target(session: &mut Session, name: &str) -> Result<Result<FolderId, Answer>, Stop> {
    let Some(user) = session.state.user().cloned() else { return Ok(Err(Answer::bad("log in first"))) };
    let (mailbox, name) = (session.services.mailbox.clone(), name.to_owned());
    // RFC 4314 §4: who may put messages there need not be allowed to read them.
    let found = conn::blocking(move || tree::look_up(&mailbox.view(user.acting)?, user.owner, &name));
    Ok(match found.await? {
        Ok(seen) => Ok(seen.folder.id),
        Err(Error::Missing) => Err(try_create()),
        Err(other) => Err(other.into()),
    })
}

fn try_create() -> Answer {
    Answer::no(Code::TryCreate, "no such mailbox; create it first")
}

/// What ends a batch.
enum Failure {
    Mailbox(Error),
    Answer(Answer),
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        Self::Mailbox(e)
    }
}

impl From<crate::store::Error> for Failure {
    fn from(e: crate::store::Error) -> Self {
        Self::Mailbox(e.into())
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Mailbox(e) => e.into(),
            Failure::Answer(answer) => answer.into(),
        }
    }
}

fn granted_target<'g>(tx: &mut MailTx<'_, 'g>, to: FolderId) -> Result<crate::mailbox::Granted<'g>, Failure> {
    match tx.granted(to) {
        // It was there a moment ago.
        Err(Error::Missing) => Err(Failure::Answer(try_create())),
        granted => Ok(granted?),
    }
}

/// Runs one batch as a transaction.
async fn go(
    session: &mut Session,
    uids: &[u32],
    f: impl FnOnce(&mut MailTx<'_, '_>, &[u32]) -> Result<Moved, Failure> + Send + 'static,
) -> Result<Moved, Stop> {
    let Some(user) = session.state.user() else { return Err(Stop::Bye("nobody is logged in")) };
    let (acting, uids) = (user.acting.clone(), uids.to_vec());
    let written = session.services.mailbox.write(acting, Origin::OTHER, move |tx| f(tx, &uids));
    Ok(written.await?)
}

/// Does `one` to each of the messages; those that are gone are passed over, or end it all with `all`.
fn each(
    uids: &[u32],
    all: bool,
    mut one: impl FnMut(Uid) -> Result<Placed, Failure>,
) -> Result<Moved, Failure> {
    let mut moved = Moved::default();
    for uid in uids {
        match one(Uid(*uid)) {
            Ok(placed) => {
                moved.from.push(*uid);
                moved.to.push(placed.uid.0);
            }
            Err(Failure::Mailbox(Error::Missing)) if all => {
                let answer = Answer::no(Code::ExpungeIssued, "some of the messages are not there any more");
                return Err(Failure::Answer(answer));
            }
            Err(Failure::Mailbox(Error::Missing)) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(moved)
}

/// Takes copies away again: RFC 9051 §6.4.7 wants all or none.
async fn undo(session: &mut Session, to: FolderId, uids: Vec<u32>) -> Result<(), Stop> {
    for batch in uids.chunks(BATCH) {
        let batch = batch.to_vec();
        // Whoever may put a message there need not be allowed to remove one.
        let removed = session.services.mailbox.shrink(Acting::System, Origin::OTHER, move |tx| {
            let to = tx.granted(to)?;
            for uid in &batch {
                match tx.expunge(&to, Uid(*uid)) {
                    Ok(_) | Err(Error::Missing) => {}
                    Err(e) => return Err(e),
                }
            }
            Ok(())
        });
        removed.await?;
    }
    Ok(())
}

impl Moved {
    fn add(&mut self, more: Self) {
        self.validity = more.validity;
        self.from.extend(more.from);
        self.to.extend(more.to);
    }

    fn code(&self) -> Option<Code> {
        let some = !self.from.is_empty();
        some.then(|| Code::CopyUid(self.validity, ranges(&self.from), ranges(&self.to)))
    }
}
