//! The out-of-office message. MS-ASCMD §2.2.3.122.

use wbxml::{Element, Tag, settings as tags};

use super::{CONFLICTING, INVALID, OK, PROTOCOL, status_of};
use crate::clock::Millis;
use crate::directory::{
    OUT_OF_OFFICE_TEXT_MAX, OutOfOffice, OutOfOfficeMessage, OutOfOfficeState, set_setting, setting,
};
use crate::doors::eas::render::{dashed, parse_time};
use crate::doors::eas::reply::Failure;
use crate::doors::eas::session::Session;
use crate::message::html::{self, Links};

/// Handles Oof: Get or Set.
pub(super) async fn run(session: &Session, property: &Element<'_>) -> Result<Element<'static>, Failure> {
    let [asked] = property.children() else { return Ok(status_of(tags::OOF, PROTOCOL)) };
    match asked.tag() {
        tags::GET => get(session, asked),
        tags::SET => set(session, asked).await,
        _ => Ok(status_of(tags::OOF, PROTOCOL)),
    }
}

fn get(session: &Session, asked: &Element<'_>) -> Result<Element<'static>, Failure> {
    let Some(html) = asked.text_of(tags::BODY_TYPE).and_then(is_html) else {
        return Ok(status_of(tags::OOF, PROTOCOL));
    };
    let found: Option<OutOfOffice> =
        session.eas.directory.setting(session.login.account.id, OutOfOffice::SETTING)?;
    Ok(status_of(tags::OOF, OK).with(told(&found.unwrap_or_default(), html)))
}

fn told(oof: &OutOfOffice, html: bool) -> Element<'static> {
    let (state, times) = match oof.state {
        OutOfOfficeState::Off => (0, None),
        OutOfOfficeState::On => (1, None),
        OutOfOfficeState::Between { start, end } => (2, Some((start, end))),
    };
    let mut get = Element::new(tags::GET).with_number(tags::OOF_STATE, state);
    if let Some((start, end)) = times {
        get.push(Element::leaf(tags::START_TIME, dashed(start)));
        get.push(Element::leaf(tags::END_TIME, dashed(end)));
    }
    let all = [&oof.internal, &oof.external_known, &oof.external_unknown];
    get.with_all(AUDIENCES.iter().zip(all).map(|(tag, message)| message_told(*tag, message, html)))
}

const AUDIENCES: [Tag; 3] =
    [tags::APPLIES_TO_INTERNAL, tags::APPLIES_TO_EXTERNAL_KNOWN, tags::APPLIES_TO_EXTERNAL_UNKNOWN];

/// MS-ASCMD §2.2.3.123.
fn message_told(audience: Tag, message: &OutOfOfficeMessage, html: bool) -> Element<'static> {
    let text = match (message.is_html, html) {
        (true, false) => html::to_text(&message.text, Links::Shown, OUT_OF_OFFICE_TEXT_MAX),
        (false, true) => html::from_text(&message.text),
        _ => message.text.clone(),
    };
    Element::new(tags::OOF_MESSAGE)
        .with_empty(audience)
        .with_flag(tags::ENABLED, message.enabled)
        .with_text(tags::REPLY_MESSAGE, text)
        .with_text(tags::BODY_TYPE, if html { "HTML" } else { "Text" })
}

async fn set(session: &Session, asked: &Element<'_>) -> Result<Element<'static>, Failure> {
    let change = match Change::read(asked) {
        Ok(change) => change,
        Err(status) => return Ok(status_of(tags::OOF, status)),
    };
    let (account, now) = (session.login.account.id, session.eas.mailbox.clock().now());
    let write = session.eas.mailbox.store().write_async(move |tx| {
        let mut oof: OutOfOffice = setting(tx, account, OutOfOffice::SETTING)?.unwrap_or_default();
        change.apply(&mut oof, now);
        set_setting(tx, account, OutOfOffice::SETTING, &oof)
    });
    write.await?;
    Ok(status_of(tags::OOF, OK))
}

/// What a Set says about one message.
struct Said {
    enabled: bool,
    /// The text and whether it is HTML; the old one stays if there is none.
    text: Option<(String, bool)>,
}

/// What a Set changes; messages that it does not name stay.
struct Change {
    state: OutOfOfficeState,
    /// By audience.
    messages: [Option<Said>; 3],
}

impl Change {
    /// `Err` is the Status of Oof.
    fn read(set: &Element<'_>) -> Result<Self, u16> {
        let state = match set.parse_of::<u8>(tags::OOF_STATE).map_err(|_| INVALID)? {
            Some(state @ 0..=2) => state,
            Some(_) => return Err(INVALID),
            None => return Err(PROTOCOL),
        };
        let time = |tag| {
            let text = set.text_of(tag).filter(|text| !text.is_empty());
            text.map(|text| parse_time(text).ok_or(INVALID)).transpose()
        };
        // Times stand there exactly when the state is 2.
        let state = match (state, time(tags::START_TIME)?, time(tags::END_TIME)?) {
            (0, None, None) => OutOfOfficeState::Off,
            (1, None, None) => OutOfOfficeState::On,
            (2, Some(start), Some(end)) if start < end => OutOfOfficeState::Between { start, end },
            (2, Some(_), Some(_)) => return Err(INVALID),
            _ => return Err(CONFLICTING),
        };
        let mut messages = [None, None, None];
        for message in set.children_of(tags::OOF_MESSAGE) {
            let (audience, said) = read_message(message)?;
            let place = messages.get_mut(audience).filter(|place| place.is_none()).ok_or(CONFLICTING)?;
            *place = Some(said);
        }
        Ok(Self { state, messages })
    }

    fn apply(self, oof: &mut OutOfOffice, now: Millis) {
        oof.set_state(self.state, now);
        let kept = [&mut oof.internal, &mut oof.external_known, &mut oof.external_unknown];
        for (message, said) in kept.into_iter().zip(self.messages) {
            let Some(said) = said else { continue };
            message.enabled = said.enabled;
            if let Some((text, is_html)) = said.text {
                message.text = text;
                message.is_html = is_html;
            }
        }
    }
}

/// For whom a message is, by its place in [`AUDIENCES`], and what it says.
fn read_message(message: &Element<'_>) -> Result<(usize, Said), u16> {
    let mut audiences = (0..).zip(AUDIENCES).filter(|(_, tag)| message.has(*tag));
    let (Some((audience, _)), None) = (audiences.next(), audiences.next()) else { return Err(PROTOCOL) };
    let enabled = message.flag_of(tags::ENABLED).map_err(|_| INVALID)?.unwrap_or(false);
    let text = match message.text_of(tags::REPLY_MESSAGE) {
        None => None,
        Some(text) if text.len() > OUT_OF_OFFICE_TEXT_MAX => return Err(INVALID),
        Some(text) => {
            let html =
                message.text_of(tags::BODY_TYPE).map_or(Ok(false), |kind| is_html(kind).ok_or(INVALID));
            Some((text.to_owned(), html?))
        }
    };
    Ok((audience, Said { enabled, text }))
}

/// BodyType: `Text` or `HTML`. MS-ASCMD §2.2.3.17.
fn is_html(body_type: &str) -> Option<bool> {
    match body_type.trim() {
        kind if kind.eq_ignore_ascii_case("html") => Some(true),
        kind if kind.eq_ignore_ascii_case("text") => Some(false),
        _ => None,
    }
}
