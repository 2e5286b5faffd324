//! SmartForward: a message passed on with all it holds. MS-ASCMD §2.2.1.19.

use bytes::Bytes;
use wbxml::{Element, Version, airsyncbase, composemail as tags};

use super::super::compose::{Original, Request, merged};
use super::super::outbox::{from_field, unique};
use super::super::reply::{Failure, Reply, Status};
use super::super::session::Session;
use crate::message::build::{Draft, Mode, address_field, text_field, without_fields};
use crate::message::{Address, html, parse, parse_addresses};

/// Most Forwardee elements of a request.
const FORWARDEES_MAX: usize = 1_000;

/// Handles SmartForward.
pub(in crate::doors::eas) async fn run(
    session: &Session,
    request: Option<&Element<'_>>,
) -> Result<Reply, Failure> {
    let forwardees =
        request.and_then(|r| r.child(tags::FORWARDEES)).filter(|_| session.at_least(Version::V16_0));
    let read = Request::read(session, request, tags::SMART_FORWARD)?;
    match (forwardees, request) {
        (Some(_), Some(_)) if read.mime.is_some() => Err(Status::InvalidSmartForwardParameters.into()),
        (Some(forwardees), Some(request)) => {
            let words = Words { to: addressees(forwardees)?, body: request.child(airsyncbase::BODY) };
            forward(session, read, Some(words)).await
        }
        _ => forward(session, read, None).await,
    }
}

/// What a client says that leaves the message to the server. MS-ASCMD §2.2.3.79.
struct Words<'r> {
    to: Vec<Address<'static>>,
    body: Option<&'r Element<'r>>,
}

async fn forward(
    session: &Session,
    mut request: Request,
    words: Option<Words<'_>>,
) -> Result<Reply, Failure> {
    if let Some(answer) = request.repeated(session)? {
        return Ok(answer);
    }
    let mime = request.mime.take();
    let original = request.original(session).await?;
    let mime = match (mime, words) {
        (Some(mime), _) => mime,
        (None, Some(words)) => written(session, &original, &words)?,
        (None, None) => return Err(Status::InvalidXml.into()),
    };
    let mime = if request.replace {
        mime
    } else {
        merged(session, mime, original.message.clone(), Mode::Forward).await?
    };
    request.send(session, mime, Some((original, Mode::Forward))).await
}

fn addressees(forwardees: &Element<'_>) -> Result<Vec<Address<'static>>, Failure> {
    let mut all = Vec::new();
    for forwardee in forwardees.children_of(tags::FORWARDEE) {
        let email = forwardee.text_of(tags::EMAIL).ok_or(Status::InvalidXml)?;
        let (read, _) = parse_addresses(email.as_bytes());
        let [Address::Mailbox { local, domain, .. }] = read.as_slice() else {
            return Err(Status::MessageRecipientUnresolved.into());
        };
        let name = forwardee.text_of(tags::NAME).filter(|name| !name.is_empty());
        all.push(Address::Mailbox {
            name: name.map(|name| name.to_owned().into()),
            local: local.clone(),
            domain: domain.clone(),
        });
        if all.len() > FORWARDEES_MAX {
            return Err(Status::SendQuotaExceeded.into());
        }
    }
    if all.is_empty() { Err(Status::MessageHasNoRecipient.into()) } else { Ok(all) }
}

/// The message around a forwarded one.
fn written(session: &Session, original: &Original, words: &Words<'_>) -> Result<Bytes, Failure> {
    let subject = parse(&original.message).header("Subject").unwrap_or_default();
    let given = words.body.and_then(|body| body.text_of(airsyncbase::DATA)).unwrap_or_default();
    let is_html = match words.body {
        Some(body) => body.parse_of::<u8>(airsyncbase::TYPE)? == Some(2),
        None => false,
    };
    let text = if is_html { html::to_text(given, html::Links::Shown, given.len()) } else { given.to_owned() };
    let content =
        Draft { text: Some(&text), html: is_html.then_some(given), unique: unique()?, ..Draft::default() }
            .build();
    let content = without_fields(&content, |name| !is_content(name));
    let fields = [
        from_field(&session.login.account),
        address_field("To", &words.to),
        text_field("Subject", &format!("Fwd: {subject}")),
    ];
    Ok([fields.concat().as_slice(), &content].concat().into())
}

fn is_content(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"MIME-Version")
        || name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"Content-"))
}
