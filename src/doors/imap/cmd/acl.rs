//! SETACL, DELETEACL, GETACL, LISTRIGHTS and MYRIGHTS. RFC 4314.
//!
//! Identifiers are addresses of this server's accounts, `anyone` for all of them, and for whoever has no address
//! any more `#` and a number; a `-` before one denies. The owner may do everything and is no identifier that
//! could be changed.

use std::fmt;

use crate::directory::{self, AccountId, Address};
use crate::doors::imap::conn::{self, Session};
use crate::doors::imap::grammar::{Acl, Change, Identifier};
use crate::doors::imap::name::Form;
use crate::doors::imap::out::Out;
use crate::doors::imap::reply::{Answer, Code, Stop};
use crate::doors::imap::state::User;
use crate::doors::imap::tree;
use crate::mailbox::{Error, Granted, MailTx, Mailbox, Origin, OwnerId, Seen, View};
use crate::policy::{Grant, Rights};
use crate::store::Read;

/// The letters of RFC 4314 §2.1, and a digit for the one right more: that the seen state is shared.
const LETTERS: [(char, Rights); 12] = [
    ('l', Rights::LOOKUP),
    ('r', Rights::READ),
    ('s', Rights::SEEN),
    ('w', Rights::WRITE),
    ('i', Rights::INSERT),
    ('p', Rights::POST),
    ('k', Rights::CREATE),
    ('x', Rights::DELETE_FOLDER),
    ('t', Rights::DELETE_ITEM),
    ('e', Rights::EXPUNGE),
    ('a', Rights::ADMIN),
    ('0', Rights::SHARE_SEEN),
];
/// The letters of RFC 2086 that became several. RFC 4314 §2.1.1.
const OBSOLETE: [(char, Rights); 2] =
    [('c', Rights::CREATE.and(Rights::DELETE_FOLDER)), ('d', Rights::DELETE_ITEM.and(Rights::EXPUNGE))];

/// Everybody with an account.
const ANYONE: &str = "anyone";
/// The grantee that stands for everybody.
const EVERYBODY: u64 = 0;

pub(in crate::doors::imap) async fn acl(session: &mut Session, asked: Acl) -> Result<Answer, Stop> {
    let Some(user) = session.state.user().cloned() else { return Ok(Answer::bad("log in first")) };
    let (mailbox, form) = (session.services.mailbox.clone(), session.enabled.form());
    match asked {
        Acl::Set { name, who, change, rights } => match read(&rights) {
            Some(rights) => set(&mailbox, &user, name, who, (change, rights)).await,
            None => Ok(Answer::bad("there is no such right")),
        },
        Acl::Delete { name, who } => set(&mailbox, &user, name, who, (Change::Replace, Rights::NONE)).await,
        Acl::Get(name) => {
            tell(session, move || {
                let (view, seen) = administered(&mailbox, &user, &name)?;
                let mut out = Out::default();
                list(&view, &seen, &name, form, &mut out)?;
                Ok(out)
            })
            .await
        }
        Acl::List { name, who } => {
            tell(session, move || {
                let (view, seen) = administered(&mailbox, &user, &name)?;
                let grantee = grantee(view.reader(), &who)?;
                let mut out = Out::default();
                possible(&name, &who, grantee == seen.folder.owner.0, form, &mut out);
                Ok(out)
            })
            .await
        }
        Acl::Mine(name) => {
            tell(session, move || {
                let view = mailbox.view(user.acting)?;
                let seen = tree::look_up(&view, user.owner, &name)?;
                let mut out = Out::default();
                my_rights(&name, seen.rights, form, &mut out);
                Ok(out)
            })
            .await
        }
    }
}

async fn tell(
    session: &mut Session,
    f: impl FnOnce() -> Result<Out, Error> + Send + 'static,
) -> Result<Answer, Stop> {
    let out = conn::blocking(f).await??;
    session.wire.send(out).await?;
    Ok(Answer::ok("those are the rights"))
}

/// A mailbox whose rights the user may see and change.
fn administered(mailbox: &Mailbox, user: &User, name: &str) -> Result<(View, Seen), Error> {
    let view = mailbox.view(user.acting.clone())?;
    let seen = tree::look_up(&view, user.owner, name)?;
    if seen.rights.has(Rights::ADMIN) { Ok((view, seen)) } else { Err(Error::Denied) }
}

/// Changes what a folder says about somebody.
async fn set(
    mailbox: &Mailbox,
    user: &User,
    name: String,
    who: Identifier,
    (change, rights): (Change, Rights),
) -> Result<Answer, Stop> {
    let (reading, asking) = (mailbox.clone(), user.clone());
    let found = conn::blocking(move || -> Result<_, Error> {
        let (view, seen) = administered(&reading, &asking, &name)?;
        Ok((seen.folder.id, seen.folder.owner, grantee(view.reader(), &who)?, who.is_negative))
    });
    let (id, owner, grantee, denies) = match found.await? {
        Err(Error::Invalid(why)) => return Ok(Answer::no(Code::Nonexistent, why)),
        found => found?,
    };
    if OwnerId(grantee) == owner {
        return Ok(Answer::no(Code::Cannot, "the owner has all rights"));
    }
    let set = mailbox.write(user.acting.clone(), Origin::OTHER, move |tx| {
        let folder = tx.granted(id)?;
        let was = present(tx, &folder, grantee)?;
        let side = if denies { was.deny } else { was.allow };
        let side = match change {
            Change::Replace => rights,
            Change::Add => side.and(rights),
            Change::Remove => side.without(rights),
        };
        let grant = if denies { Grant { deny: side, ..was } } else { Grant { allow: side, ..was } };
        tx.set_grant(&folder, grant)
    });
    match set.await {
        Ok(()) => Ok(Answer::ok("the rights are set")),
        Err(Error::Invalid(why)) => Ok(Answer::no(Code::Limit, why)),
        Err(e) => Err(e.into()),
    }
}

/// What a folder says about somebody now.
fn present<'g>(tx: &mut MailTx<'_, 'g>, folder: &Granted<'g>, grantee: u64) -> Result<Grant, Error> {
    let grants = tx.grants(folder)?;
    let nothing = Grant { grantee, allow: Rights::NONE, deny: Rights::NONE };
    Ok(grants.into_iter().find(|grant| grant.grantee == grantee).unwrap_or(nothing))
}

/// The rights that letters stand for; `None` for a letter without one.
fn read(letters: &str) -> Option<Rights> {
    letters.chars().try_fold(Rights::NONE, |rights, letter| {
        let all = LETTERS.iter().chain(&OBSOLETE);
        let (_, right) = all.into_iter().find(|(known, _)| *known == letter)?;
        Some(rights.and(*right))
    })
}

/// Rights as letters, with those obsolete ones of which any part is there. RFC 4314 §2.1.1.
struct Letters(Rights);

impl fmt::Display for Letters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        for (letter, _) in LETTERS.iter().filter(|(_, right)| self.0.has(*right)) {
            f.write_char(*letter)?;
        }
        for (letter, _) in OBSOLETE.iter().filter(|(_, all)| self.0.without(*all) != self.0) {
            f.write_char(*letter)?;
        }
        Ok(())
    }
}

/// Who an identifier is.
///
/// # Errors
/// `Invalid` for one that is nobody.
fn grantee(read: &impl Read, who: &Identifier) -> Result<u64, Error> {
    const NOBODY: Error = Error::Invalid("nobody here has that address");
    if who.name == ANYONE {
        return Ok(EVERYBODY);
    }
    if let Some(number) = who.name.strip_prefix('#') {
        let number = u64::from_str_radix(number, 16).map_err(|_| NOBODY)?;
        return if number == EVERYBODY { Err(NOBODY) } else { Ok(number) };
    }
    let address = match who.name.contains('@') {
        true => Address::parse(&who.name),
        false => match directory::primary_domain(read).map_err(tree::of_directory)? {
            Some(domain) => Address::of_parts(&who.name, &domain.name),
            None => return Err(NOBODY),
        },
    };
    let account = directory::account_by_address(read, &address.map_err(|_| NOBODY)?);
    Ok(account.map_err(tree::of_directory)?.ok_or(NOBODY)?.id.0)
}

/// What somebody is called.
fn identifier(read: &impl Read, grantee: u64) -> Result<String, Error> {
    if grantee == EVERYBODY {
        return Ok(ANYONE.to_owned());
    }
    let account = directory::account(read, AccountId(grantee)).map_err(tree::of_directory)?;
    Ok(account.map_or_else(|| format!("#{grantee:x}"), |account| account.address.to_string()))
}

/// `* ACL "INBOX" alice@example.org lrs -bob@example.org w`
fn list(view: &View, seen: &Seen, name: &str, form: Form, out: &mut Out) -> Result<(), Error> {
    out.text("* ACL ");
    out.mailbox(name, form);
    let mut entry = |name: &str, rights: Rights| {
        out.byte(b' ');
        out.string(name);
        out.format(format_args!(" {}", Letters(rights)));
    };
    entry(&identifier(view.reader(), seen.folder.owner.0)?, Rights::ALL);
    for grant in &seen.folder.grants {
        let name = identifier(view.reader(), grant.grantee)?;
        if !grant.allow.is_none() {
            entry(&name, grant.allow);
        }
        if !grant.deny.is_none() {
            entry(&format!("-{name}"), grant.deny);
        }
    }
    out.text("\r\n");
    Ok(())
}

/// `* LISTRIGHTS "INBOX" bob "" l r s ...`: the owner has all, others have what they are given.
fn possible(name: &str, who: &Identifier, is_owner: bool, form: Form, out: &mut Out) {
    out.text("* LISTRIGHTS ");
    out.mailbox(name, form);
    out.byte(b' ');
    let sign = if who.is_negative { "-" } else { "" };
    out.string(&format!("{sign}{}", who.name));
    if is_owner {
        out.format(format_args!(" {}\r\n", Letters(Rights::ALL)));
        return;
    }
    out.text(" \"\"");
    for (letter, _) in LETTERS.iter().chain(&OBSOLETE) {
        out.format(format_args!(" {letter}"));
    }
    out.text("\r\n");
}

/// `* MYRIGHTS "INBOX" lrs`
pub(super) fn my_rights(name: &str, rights: Rights, form: Form, out: &mut Out) {
    out.text("* MYRIGHTS ");
    out.mailbox(name, form);
    out.format(format_args!(" {}\r\n", Letters(rights)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters() {
        assert_eq!(Letters(Rights::ALL).to_string(), "lrswipkxtea0cd");
        assert_eq!(Letters(Rights::LOOKUP.and(Rights::EXPUNGE)).to_string(), "led");
        assert_eq!(Letters(Rights::NONE).to_string(), "");
        assert_eq!(read("lc"), Some(Rights::LOOKUP.and(Rights::CREATE).and(Rights::DELETE_FOLDER)));
        assert_eq!(read(""), Some(Rights::NONE));
        assert_eq!(read("lq"), None);
        for (letter, right) in LETTERS {
            assert_eq!(read(&letter.to_string()), Some(right));
        }
    }
}
