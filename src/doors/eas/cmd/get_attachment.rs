//! GetAttachment: an attachment by its name in the query, before 14.0. MS-ASCMD §2.2.1.8.

use axum::http::StatusCode;
use wbxml::{Element, Version};

use super::super::ids::FileReference;
use super::super::render::Attached;
use super::super::reply::{Failure, Reply, Status};
use super::super::session::Session;
use crate::mailbox::Error;

/// Handles GetAttachment. The name is the attachment's FileReference.
pub(in crate::doors::eas) async fn run(
    session: &Session,
    _request: Option<&Element<'_>>,
) -> Result<Reply, Failure> {
    if session.at_least(Version::V14_0) {
        return Err(Status::CommandNotSupported.into());
    }
    let name = session.query.attachment_name.as_deref().ok_or(Failure::Http(StatusCode::BAD_REQUEST))?;
    let missing = Failure::Http(StatusCode::NOT_FOUND);
    let named = FileReference::parse(name).ok_or(missing.clone())?;
    match Attached::read(session, named, usize::MAX).await? {
        Ok(Some(found)) => Ok(Reply::Octets(found.content_type, found.octets)),
        Ok(None) | Err(Error::Missing | Error::Denied) => Err(missing),
        Err(e) => Err(e.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doors::eas::sample::Sample;
    use crate::mailbox::Role;

    #[tokio::test]
    async fn by_name_before_14_0() {
        let sample = Sample::new().await;
        let inbox = sample.folder(Role::Inbox).id;
        let raw = "Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n\r\ntext\r\n--m\r\n\
            Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n\
            aGVsbG8=\r\n--m--\r\n";
        let placed = sample.deliver(inbox, raw.as_bytes()).await;
        let name = format!("{}:{}:2", inbox.0, placed.uid.0);
        let mut session = sample.session(Version::V12_1);
        session.query.attachment_name = Some(name.clone());
        match run(&session, None).await.unwrap() {
            Reply::Octets(content_type, octets) => {
                assert_eq!((content_type.as_str(), &octets[..]), ("application/pdf", &b"hello"[..]));
            }
            other => panic!("{other:?}"),
        }
        for bad in ["", "x", &format!("{}:{}:1", inbox.0, placed.uid.0), &format!("{}:99:2", inbox.0)] {
            session.query.attachment_name = Some(bad.to_owned());
            let answer = run(&session, None).await;
            assert!(matches!(answer, Err(Failure::Http(StatusCode::NOT_FOUND))), "{bad}: {answer:?}");
        }
        let mut later = sample.session(Version::V14_0);
        later.query.attachment_name = Some(name);
        assert!(matches!(run(&later, None).await, Err(Failure::Common(Status::CommandNotSupported))));
    }
}
