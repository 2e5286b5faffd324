//! APPEND, of one message or of several at once: all of them or none. RFC 9051 §6.3.12; RFC 3502.

use bytes::Bytes;

use super::transfer::target;
use crate::delivery::Parsed;
use crate::doors::imap::conn::{self, Session};
use crate::doors::imap::grammar::{After, Append, Appended, Refused};
use crate::doors::imap::reply::{Answer, Code, Stop};
use crate::doors::imap::room::{SMALL, Taken};
use crate::doors::imap::state::ranges;
use crate::doors::imap::wire::Literal;
use crate::mailbox::{Error, FolderId, MailTx, NewItem, Origin};
use crate::store::{self, INLINE_MAX};

/// Most messages of one APPEND. What is staged of each takes up to 64 KiB of memory.
const MESSAGES_MAX: usize = 256;
/// Longest line between two messages.
const LINE_MAX: usize = 16 << 10;

/// Reads the messages of an APPEND, of which all up to the first one has come, and puts them into their
/// mailbox. Returns the command's tag with the answer.
pub(in crate::doors::imap) async fn append(
    session: &mut Session,
    start: &[u8],
    literal: Literal,
) -> Result<(Option<String>, Answer), Stop> {
    let Append { tag, to, first } = match Append::parse(start, session.enabled.form()) {
        Ok(append) => append,
        Err(Refused { tag, why }) => {
            pass_over(session, literal).await?;
            return Ok((tag, why.into()));
        }
    };
    let tag = Some(tag);
    let folder = match target(session, &to).await? {
        Ok(folder) => folder,
        Err(answer) => {
            pass_over(session, literal).await?;
            return Ok((tag, answer));
        }
    };
    match collect(session, first, literal).await {
        Ok(messages) => match insert(session, folder, messages).await {
            Ok(answer) | Err(Stop::Answer(answer)) => Ok((tag, answer)),
            Err(stop) => Err(stop),
        },
        Err(Stop::Answer(answer)) => Ok((tag, answer)),
        Err(stop) => Err(stop),
    }
}

/// Reads one message after the other to the end of the command.
async fn collect(
    session: &mut Session,
    mut next: Appended,
    mut literal: Literal,
) -> Result<Vec<NewItem>, Stop> {
    let mut messages = Vec::new();
    loop {
        if let Err(answer) = check(session, &next, literal, messages.len()) {
            pass_over(session, literal).await?;
            return Err(answer.into());
        }
        let staged = message(session, literal, &next).await?;
        // The command must be read to its end in any case, or it would be taken for others.
        let line = rest_of_line(session).await?;
        let after = After::parse(&line, next.utf8, session.enabled.form());
        let failure = match (&staged, &after) {
            (Err(answer), _) => Some(answer.clone()),
            (_, Err(why)) => Some((*why).into()),
            _ => None,
        };
        if let Some(answer) = failure {
            if let Some(literal) = Literal::at_end(&line) {
                pass_over(session, literal).await?;
            }
            return Err(answer.into());
        }
        messages.extend(staged);
        match after {
            Ok(After::Message(more)) => {
                // A line that ends in a message's length has one.
                let Some(more_literal) = Literal::at_end(&line) else { return Err(Stop::Gone) };
                (next, literal) = (more, more_literal);
            }
            _ => return Ok(messages),
        }
    }
}

/// Whether a message that is announced may come.
fn check(session: &Session, next: &Appended, literal: Literal, before: usize) -> Result<(), Answer> {
    if literal.len > session.services.config.smtp.max_message {
        return Err(Answer::no(Code::TooBig, "the message is too large"));
    }
    if before >= MESSAGES_MAX {
        return Err(Answer::no(Code::Limit, "too many messages at once"));
    }
    if literal.len == 0 {
        // RFC 3502 §6.3.11: what a client sends when it gives up.
        return Err(Answer::no(Code::Cannot, "the message is empty"));
    }
    if next.utf8 && !session.enabled.utf8 && !session.enabled.rev2 {
        return Err(Answer::bad("enable UTF8=ACCEPT first"));
    }
    Ok(())
}

/// Reads a message and makes it ready; the inner error is for a message that came whole.
async fn message(
    session: &mut Session,
    literal: Literal,
    about: &Appended,
) -> Result<Result<NewItem, Answer>, Stop> {
    let room = if literal.len > SMALL {
        match take_room(session, literal.len).await? {
            Some(room) => Some(room),
            None => {
                pass_over(session, literal).await?;
                return Err(
                    Answer::no(Code::Unavailable, "too much is being received; try again later").into()
                );
            }
        }
    } else {
        None
    };
    if !literal.unasked {
        session.wire.write(b"+ OK\r\n").await?;
    }
    let within = Taken::patience(literal.len);
    let len = usize::try_from(literal.len).map_err(|_| Stop::Gone)?;
    let message = tokio::select! {
        message = session.wire.message(len) => message?,
        () = session.services.shutdown.begun() => return Err(Stop::Bye("the server is going down")),
        () = tokio::time::sleep(within) => return Err(Stop::Bye("the message took too long")),
    };
    let staged = stage(session, message.into(), about).await?;
    drop(room);
    Ok(staged)
}

async fn take_room(session: &mut Session, bytes: u64) -> Result<Option<Taken>, Stop> {
    tokio::select! {
        room = session.room.take(bytes) => Ok(room),
        () = session.services.shutdown.begun() => Err(Stop::Bye("the server is going down")),
    }
}

/// Parses a message and stages its body, as delivery does.
async fn stage(
    session: &mut Session,
    message: Bytes,
    about: &Appended,
) -> Result<Result<NewItem, Answer>, Stop> {
    let Some(user) = session.state.user() else { return Err(Stop::Bye("nobody is logged in")) };
    let domain = user.login.account.domain.0;
    let store = session.services.store.clone();
    let (flags, keywords) = (about.flags.flags, about.flags.keywords.clone());
    let received = about.date.unwrap_or_else(|| session.services.clock.now());
    let is_small = message.len() <= INLINE_MAX;
    let stage = move || -> Result<NewItem, store::Error> {
        let staged = store.stage_body(&store.body_key(domain), &message)?;
        let item = Parsed::of(&message).item(staged, Bytes::new(), received, flags);
        Ok(NewItem { keywords, ..item })
    };
    // A small one is quicker done than handed to another thread.
    let staged = if is_small { stage() } else { conn::blocking(stage).await? };
    match staged {
        Ok(item) => Ok(Ok(item)),
        Err(e) => match Stop::from(Error::from(e)) {
            Stop::Answer(answer) => Ok(Err(answer)),
            stop => Err(stop),
        },
    }
}

/// What follows a message up to the end of the line.
async fn rest_of_line(session: &mut Session) -> Result<Vec<u8>, Stop> {
    let wait = session.services.config.limits.imap_login;
    let line = tokio::select! {
        line = session.wire.line(LINE_MAX) => line?,
        () = session.services.shutdown.begun() => return Err(Stop::Bye("the server is going down")),
        () = tokio::time::sleep(wait) => return Err(Stop::Bye("nothing was heard for too long")),
    };
    line.ok_or(Stop::Bye("that is more than may be sent unasked"))
}

/// Passes over the rest of a command that is refused, as far as it comes unasked.
async fn pass_over(session: &mut Session, mut literal: Literal) -> Result<(), Stop> {
    let most = session.services.config.smtp.max_message;
    let mut passed = 0_u64;
    while literal.unasked {
        passed = passed.saturating_add(literal.len);
        if passed > most {
            return Err(Stop::Bye("that is more than may be sent unasked"));
        }
        let within = Taken::patience(literal.len);
        tokio::select! {
            skipped = session.wire.skip(literal.len) => skipped?,
            () = session.services.shutdown.begun() => return Err(Stop::Bye("the server is going down")),
            () = tokio::time::sleep(within) => return Err(Stop::Bye("the message took too long")),
        }
        match Literal::at_end(&rest_of_line(session).await?) {
            Some(next) => literal = next,
            None => break,
        }
    }
    Ok(())
}

/// Puts the messages into the mailbox, in one transaction.
async fn insert(session: &mut Session, folder: FolderId, messages: Vec<NewItem>) -> Result<Answer, Stop> {
    let Some(user) = session.state.user() else { return Err(Stop::Bye("nobody is logged in")) };
    let acting = user.acting.clone();
    let write = move |tx: &mut MailTx<'_, '_>| -> Result<(u32, Vec<u32>), Error> {
        let to = tx.granted(folder)?;
        let mut uids = Vec::with_capacity(messages.len());
        for message in messages {
            uids.push(tx.append(&to, message)?.uid.0);
        }
        Ok((tx.uid_validity(&to)?, uids))
    };
    match session.services.mailbox.write(acting, Origin::OTHER, write).await {
        Ok((validity, uids)) => Ok(Answer::ok_with(Code::AppendUid(validity, ranges(&uids)), "APPEND done")),
        Err(Error::Missing) => Ok(Answer::no(Code::TryCreate, "no such mailbox; create it first")),
        Err(e) => Err(e.into()),
    }
}
