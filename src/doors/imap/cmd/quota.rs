//! GETQUOTA, GETQUOTAROOT and SETQUOTA. RFC 9208.
//!
//! Each account is one quota root, with the empty name; of how much room others have nobody else is told.

use crate::doors::imap::conn::{self, Session};
use crate::doors::imap::grammar::Quota;
use crate::doors::imap::out::Out;
use crate::doors::imap::reply::{Answer, Code, Stop};
use crate::doors::imap::tree;
use crate::mailbox::{Error, Owner};

/// What STORAGE counts in. RFC 9208 §5.1.
const UNIT: u64 = 1_024;

pub(in crate::doors::imap) async fn quota(session: &mut Session, asked: Quota) -> Result<Answer, Stop> {
    let Some(user) = session.state.user().cloned() else { return Ok(Answer::bad("log in first")) };
    let (mailbox, form) = (session.services.mailbox.clone(), session.enabled.form());
    let answered = conn::blocking(move || -> Result<Result<Out, Answer>, Error> {
        let view = mailbox.view(user.acting)?;
        let mut out = Out::default();
        match asked {
            Quota::Set(_) => return Ok(Err(Answer::no(Code::NoPerm, "an administrator sets quotas"))),
            Quota::Get(root) if !root.is_empty() => {
                return Ok(Err(Answer::no(Code::Nonexistent, "no such quota root")));
            }
            Quota::Get(_) => write(&view.owner(user.owner)?, &mut out),
            Quota::GetRoot(name) => {
                let folder = tree::find(&view, user.owner, &name)?;
                out.text("* QUOTAROOT ");
                out.mailbox(&name, form);
                if folder.owner == user.owner {
                    out.text(" \"\"\r\n");
                    write(&view.owner(user.owner)?, &mut out);
                } else {
                    out.text("\r\n");
                }
            }
        }
        Ok(Ok(out))
    });
    match answered.await?? {
        Ok(out) => session.wire.send(out).await?,
        Err(answer) => return Ok(answer),
    }
    Ok(Answer::ok("that is the quota"))
}

/// `* QUOTA "" (STORAGE 10 512)`; without a limit the list is empty.
fn write(owner: &Owner, out: &mut Out) {
    out.text("* QUOTA \"\" (");
    if let Some(quota) = owner.quota {
        out.format(format_args!("STORAGE {} {}", owner.bytes.div_ceil(UNIT), quota / UNIT));
    }
    out.text(")\r\n");
}
