//! SmartReply: an answer to a message, which the server quotes. MS-ASCMD §2.2.1.20.

use wbxml::{Element, composemail as tags};

use super::super::compose::{Request, merged};
use super::super::reply::{Failure, Reply, Status};
use super::super::session::Session;
use crate::message::build::Mode;

/// Handles SmartReply.
pub(in crate::doors::eas) async fn run(
    session: &Session,
    request: Option<&Element<'_>>,
) -> Result<Reply, Failure> {
    let mut request = Request::read(session, request, tags::SMART_REPLY)?;
    if let Some(answer) = request.repeated(session)? {
        return Ok(answer);
    }
    let mime = request.mime.take().ok_or(Status::InvalidXml)?;
    let original = request.original(session).await?;
    let mime = if request.replace {
        mime
    } else {
        merged(session, mime, original.message.clone(), Mode::Reply).await?
    };
    request.send(session, mime, Some((original, Mode::Reply))).await
}
