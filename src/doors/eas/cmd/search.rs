//! Search: the mailbox and the address list. MS-ASCMD §2.2.1.16.

use wbxml::{Content, Element, airsync, email, search as tags};

use super::super::gal;
use super::super::ids::{folder_id, long_id};
use super::super::render::{Renderer, Wishes, parse_time, thread_of};
use super::super::reply::{Failure, Reply};
use super::super::request::Version;
use super::super::scan::{NoFolder, Question, Range};
use super::super::session::Session;

/// Most results of one answer.
const RESULTS_MAX: usize = 100;
/// Most octets of results in one answer; what comes after is asked for with the next Range.
const ANSWER_MAX: usize = 16 << 20;

/// Statuses of Store. MS-ASCMD §2.2.3.177.13.
const OK: u16 = 1;
const INVALID: u16 = 2;
const TOO_COMPLEX: u16 = 8;
const TIMED_OUT: u16 = 10;
const FOLDER_SYNC_NEEDED: u16 = 11;
const PAST_THE_END: u16 = 12;
const BLOCKED: u16 = 13;

/// Results as elements, the Range they are, and how many there are altogether.
struct Page {
    results: Vec<Element<'static>>,
    range: String,
    total: usize,
}

/// Handles Search.
pub(in crate::doors::eas) async fn run(
    session: &Session,
    request: Option<&Element<'_>>,
) -> Result<Reply, Failure> {
    let store = match request.map(Element::children) {
        Some([store]) if store.tag() == tags::STORE => store,
        _ => return Ok(Reply::Document(told(Err(INVALID)))),
    };
    let page = match store.text_of(tags::NAME).unwrap_or_default().to_ascii_lowercase().as_str() {
        "mailbox" => mailbox(session, store).await?,
        "gal" => address_list(session, store).await?,
        // There are no document libraries behind this server.
        "documentlibrary" => Err(BLOCKED),
        _ => Err(INVALID),
    };
    Ok(Reply::Document(told(page)))
}

fn told(page: Result<Page, u16>) -> Element<'static> {
    let status = |status: u16| Element::new(tags::STORE).with_number(tags::STATUS, status);
    let store = match page {
        Err(failed) => status(failed),
        Ok(page) => {
            let total = i128::try_from(page.total).unwrap_or_default();
            // Nothing found is one empty Result.
            let none = page.results.is_empty().then(|| Element::new(tags::RESULT));
            status(OK)
                .with_all(page.results)
                .with_all(none)
                .with_text(tags::RANGE, page.range)
                .with_number(tags::TOTAL, total)
        }
    };
    Element::new(tags::SEARCH).with_number(tags::STATUS, OK).with(Element::new(tags::RESPONSE).with(store))
}

/// The Range asked for; the first results if none is.
fn range(store: &Element<'_>) -> Result<Range, u16> {
    let asked = store.at(&[tags::OPTIONS, tags::RANGE]).and_then(Element::text);
    Range::parse(asked, RESULTS_MAX).map_err(|()| INVALID)
}

async fn address_list(session: &Session, store: &Element<'_>) -> Result<Result<Page, u16>, Failure> {
    let (Some(query), Ok(range)) = (store.text_of(tags::QUERY), range(store)) else {
        return Ok(Err(INVALID));
    };
    let picture = session.at_least(Version::V14_1) && store.at(&[tags::OPTIONS, tags::PICTURE]).is_some();
    let (asking, query) = (session.clone(), query.to_owned());
    let page = session.eas.blocking(move || {
        let found = gal::find(&asking, &query, gal::FOUND_MAX)?;
        let told = range.of(&found);
        if told.is_empty() && !found.is_empty() {
            return Ok(Err(PAST_THE_END));
        }
        let results = told.iter().map(|e| Element::new(tags::RESULT).with(gal::searched(e, picture)));
        Ok(Ok(Page { results: results.collect(), range: range.told(told.len()), total: found.len() }))
    });
    page.await
}

async fn mailbox(session: &Session, store: &Element<'_>) -> Result<Result<Page, u16>, Failure> {
    let wishes = store.child(tags::OPTIONS).map(Wishes::parse).transpose();
    let (question, range, wishes) = match (question(session, store), range(store), wishes) {
        (Ok(question), Ok(range), Ok(wishes)) => (question, range, wishes.unwrap_or_default()),
        (Err(status), ..) | (_, Err(status), _) => return Ok(Err(status)),
        (_, _, Err(_)) => return Ok(Err(INVALID)),
    };
    wishes.check(session.version)?;
    let asking = session.clone();
    session.eas.scanning(move || search(&asking, &question, range, &wishes)).await
}

fn search(
    session: &Session,
    question: &Question,
    range: Range,
    wishes: &Wishes,
) -> Result<Result<Page, u16>, Failure> {
    let view = session.eas.mailbox.view(session.acting())?;
    let found = match question.run(session, &view)? {
        Ok(found) => found,
        Err(NoFolder) => return Ok(Err(FOLDER_SYNC_NEEDED)),
    };
    let asked = range.of(&found.messages);
    if asked.is_empty() {
        return Ok(match (found.messages.is_empty(), found.is_complete) {
            (false, _) => Err(PAST_THE_END),
            // Neither "here it is" nor "there is none" would be true.
            (true, false) => Err(TIMED_OUT),
            (true, true) => Ok(Page { results: Vec::new(), range: range.told(0), total: 0 }),
        });
    }
    let mut results = Vec::new();
    let mut size = 0_usize;
    for (folder, uid) in asked {
        let Some(item) = view.item(folder, *uid)? else { continue };
        let shown = Renderer::new(session, &view, folder, wishes).properties(&item, tags::PROPERTIES, None);
        let properties = match shown {
            Ok(Some(properties)) => properties,
            Ok(None) => continue,
            Err(e) => {
                tracing::error!(folder = folder.id.0, uid = uid.0, error = %e, "cannot show a message");
                continue;
            }
        };
        size = size.saturating_add(octets(&properties));
        if size > ANSWER_MAX && !results.is_empty() {
            break;
        }
        let result = Element::new(tags::RESULT)
            .with_text(airsync::CLASS, "Email")
            .with_text(tags::LONG_ID, long_id(folder.id, *uid))
            .with_text(airsync::COLLECTION_ID, folder.id.0.to_string());
        results.push(result.with(properties));
    }
    let range = range.told(results.len());
    Ok(Ok(Page { results, range, total: found.messages.len() }))
}

/// The octets of all values below an element.
fn octets(element: &Element<'_>) -> usize {
    element.descendants().filter_map(Element::bytes).map(<[u8]>::len).fold(0, usize::saturating_add)
}

/// Reads a Query over the mailbox. `Err` is the Status. MS-ASCMD §2.2.3.142.2.
fn question(session: &Session, store: &Element<'_>) -> Result<Question, u16> {
    let query = store.child(tags::QUERY).ok_or(INVALID)?;
    let mut question = Question::default();
    let conditions = match query.content() {
        Content::Text(text) => {
            question.text(text).map_err(|_| TOO_COMPLEX)?;
            return if question.is_empty() { Err(INVALID) } else { Ok(question) };
        }
        Content::Children([and]) if and.tag() == tags::AND => and.children(),
        Content::Children(all) => all,
        Content::Empty | Content::Opaque(_) => return Err(INVALID),
    };
    let mut classes = Vec::new();
    for condition in conditions {
        match condition.tag() {
            airsync::CLASS => classes.push(condition.text().ok_or(INVALID)?),
            airsync::COLLECTION_ID => collection(&mut question, condition.text().unwrap_or_default())?,
            tags::FREE_TEXT => {
                question.text(condition.text().ok_or(INVALID)?).map_err(|_| TOO_COMPLEX)?;
            }
            tags::CONVERSATION_ID => {
                let thread = condition.bytes().and_then(|id| thread_of(session.owner(), id));
                question.nothing |= thread.is_none();
                question.thread = Some(thread.unwrap_or_default());
            }
            tags::GREATER_THAN => question.after = Some(date(condition)?),
            tags::LESS_THAN => question.before = Some(date(condition)?),
            tags::AND | tags::OR => return Err(TOO_COMPLEX),
            _ => return Err(INVALID),
        }
    }
    question.nothing |= !classes.is_empty() && !classes.contains(&"Email");
    question.deep = store.at(&[tags::OPTIONS, tags::DEEP_TRAVERSAL]).is_some();
    if question.is_empty() { Err(INVALID) } else { Ok(question) }
}

/// Adds a folder to those searched; the top of the tree is all of them.
pub(super) fn collection(question: &mut Question, id: &str) -> Result<(), u16> {
    if id != "0" {
        question.folders.push(folder_id(id).ok_or(FOLDER_SYNC_NEEDED)?);
    }
    Ok(())
}

fn date(condition: &Element<'_>) -> Result<crate::clock::Millis, u16> {
    if !condition.has(email::DATE_RECEIVED) {
        return Err(INVALID);
    }
    condition.text_of(tags::VALUE).and_then(parse_time).ok_or(INVALID)
}
