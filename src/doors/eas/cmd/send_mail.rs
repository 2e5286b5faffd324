//! SendMail: a message that the client wrote as a whole. MS-ASCMD §2.2.1.17.

use wbxml::{Element, composemail as tags};

use super::super::compose::Request;
use super::super::reply::{Failure, Reply, Status};
use super::super::session::Session;

/// Handles SendMail.
pub(in crate::doors::eas) async fn run(
    session: &Session,
    request: Option<&Element<'_>>,
) -> Result<Reply, Failure> {
    let mut request = Request::read(session, request, tags::SEND_MAIL)?;
    if let Some(answer) = request.repeated(session)? {
        return Ok(answer);
    }
    let mime = request.mime.take().ok_or(Status::InvalidXml)?;
    request.send(session, mime, None).await
}
