//! Find: a word in the mailbox or the address list, as one types. MS-ASCMD §2.2.1.2; 16.1.

use wbxml::{Element, airsync, email, email2, find as tags, itemoperations};

use super::super::gal;
use super::super::ids::server_id;
use super::super::render::dashed;
use super::super::reply::{Failure, Reply, Status};
use super::super::request::Version;
use super::super::scan::{NoFolder, Question, Range};
use super::super::session::Session;
use super::search::collection;
use crate::mailbox::{Error, Flags, Folder, Item, View};
use crate::message::{Flags as Facts, MailRecord, charset};

/// Most results of one answer.
const RESULTS_MAX: usize = 100;
/// Longest Preview, in characters.
const PREVIEW_MAX: usize = 255;

/// Statuses. MS-ASCMD §2.2.3.177.2.
const OK: u16 = 1;
const INVALID: u16 = 2;
const FOLDER_SYNC_NEEDED: u16 = 3;
const BAD_RANGE: u16 = 4;

/// What Find comes to.
enum Outcome {
    /// A status of the root.
    Failed(u16),
    /// A status of the Response.
    Refused(u16),
    Found {
        store: &'static str,
        results: Vec<Element<'static>>,
        range: String,
        total: usize,
    },
}

/// Handles Find.
pub(in crate::doors::eas) async fn run(
    session: &Session,
    request: Option<&Element<'_>>,
) -> Result<Reply, Failure> {
    if !session.at_least(Version::V16_1) {
        return Err(Status::CommandNotSupported.into());
    }
    let criterion = request.and_then(|r| match r.child(tags::EXECUTE_SEARCH)?.children() {
        // SearchId only groups the searches of a client; each is answered on its own.
        [criterion] if r.text_of(tags::SEARCH_ID).is_some_and(|id| (1..=64).contains(&id.len())) => {
            Some(criterion)
        }
        _ => None,
    });
    let Some(criterion) = criterion else { return Ok(Outcome::Failed(INVALID).told()) };
    let asked = criterion.at(&[tags::OPTIONS, tags::RANGE]).and_then(Element::text);
    let range = match Range::parse(asked, RESULTS_MAX) {
        Ok(range) if range.first == 0 => range,
        Ok(_) => return Ok(Outcome::Refused(BAD_RANGE).told()),
        Err(()) => return Ok(Outcome::Failed(INVALID).told()),
    };
    let outcome = match criterion.tag() {
        tags::MAIL_BOX_SEARCH_CRITERION => mailbox(session, criterion, range).await?,
        tags::GAL_SEARCH_CRITERION => address_list(session, criterion, range).await?,
        _ => Outcome::Failed(INVALID),
    };
    Ok(outcome.told())
}

impl Outcome {
    fn told(self) -> Reply {
        let root = |status: u16| Element::new(tags::FIND).with_number(tags::STATUS, status);
        Reply::Document(match self {
            Self::Failed(status) => root(status),
            Self::Refused(status) => {
                root(OK).with(Element::new(tags::RESPONSE).with_number(tags::STATUS, status))
            }
            Self::Found { store, results, range, total } => {
                let range = (!results.is_empty()).then(|| Element::leaf(tags::RANGE, range));
                let total = i128::try_from(total).unwrap_or_default();
                let response = Element::new(tags::RESPONSE)
                    .with_text(itemoperations::STORE, store)
                    .with_number(tags::STATUS, OK)
                    .with_all(results)
                    .with_all(range)
                    .with_number(tags::TOTAL, total);
                root(OK).with(response)
            }
        })
    }
}

async fn address_list(session: &Session, criterion: &Element<'_>, range: Range) -> Result<Outcome, Failure> {
    let Some(query) = criterion.text_of(tags::QUERY).map(str::to_owned) else {
        return Ok(Outcome::Failed(INVALID));
    };
    let picture = criterion.at(&[tags::OPTIONS, tags::PICTURE]).is_some();
    let asking = session.clone();
    let outcome = session.eas.blocking(move || {
        let found = gal::find(&asking, &query, gal::FOUND_MAX)?;
        let told = range.of(&found);
        let results = told.iter().map(|entry| {
            let properties = Element::new(tags::PROPERTIES).with_all(gal::properties(entry, picture));
            Element::new(tags::RESULT).with(properties)
        });
        let (results, range) = (results.collect(), range.told(told.len()));
        Ok(Outcome::Found { store: "GAL", results, range, total: found.len() })
    });
    outcome.await
}

async fn mailbox(session: &Session, criterion: &Element<'_>, range: Range) -> Result<Outcome, Failure> {
    let question = match question(criterion) {
        Ok(question) => question,
        Err(status) => return Ok(Outcome::Failed(status)),
    };
    let asking = session.clone();
    let outcome = session.eas.scanning(move || {
        let view = asking.eas.mailbox.view(asking.acting())?;
        let found = match question.run(&asking, &view)? {
            Ok(found) => found,
            Err(NoFolder) => return Ok(Outcome::Failed(FOLDER_SYNC_NEEDED)),
        };
        let mut results = Vec::new();
        for (folder, uid) in range.of(&found.messages) {
            let Some(item) = view.item(folder, *uid)? else { continue };
            match result(&view, folder, &item) {
                Ok(result) => results.push(result),
                Err(e) => {
                    tracing::error!(folder = folder.id.0, uid = uid.0, error = %e, "cannot show a message");
                }
            }
        }
        let range = range.told(results.len());
        Ok(Outcome::Found { store: "Mailbox", results, range, total: found.messages.len() })
    });
    outcome.await
}

/// Reads a Query over the mailbox. `Err` is the Status of the root.
fn question(criterion: &Element<'_>) -> Result<Question, u16> {
    let query = criterion.child(tags::QUERY).ok_or(INVALID)?;
    let mut question = Question::default();
    question.text(query.text_of(tags::FREE_TEXT).ok_or(INVALID)?).map_err(|_| INVALID)?;
    if let Some(id) = query.text_of(airsync::COLLECTION_ID).filter(|id| !id.is_empty()) {
        collection(&mut question, id).map_err(|_| FOLDER_SYNC_NEEDED)?;
    }
    question.nothing = query.text_of(airsync::CLASS).is_some_and(|class| class != "Email");
    question.deep = criterion.at(&[tags::OPTIONS, tags::DEEP_TRAVERSAL]).is_some();
    if question.is_empty() { Err(INVALID) } else { Ok(question) }
}

/// A message as Find shows it: enough for a line in a list. MS-ASCMD §2.2.3.139.1.
fn result(view: &View, folder: &Folder, item: &Item) -> Result<Element<'static>, Error> {
    let row = view.record(folder, item.uid)?.ok_or(Error::Missing)?;
    let record = MailRecord::decode(row.record()).map_err(|_| Error::Invalid("a damaged record"))?;
    let names = |list: &[crate::message::Address<'_>]| {
        let names: Vec<_> = list.iter().filter_map(|address| address.display_name()).collect();
        names.join("; ")
    };
    let shown = |tag, text: String| (!text.is_empty()).then(|| Element::leaf(tag, text));
    let preview = charset::truncate_chars(&record.preview, PREVIEW_MAX).to_owned();
    let properties = Element::new(tags::PROPERTIES)
        .with_text(email::SUBJECT, record.subject())
        .with_text(email::DATE_RECEIVED, dashed(item.internal_date))
        .with_all(shown(email::DISPLAY_TO, record.display_to()))
        .with_all(shown(tags::DISPLAY_CC, names(&record.envelope.cc)))
        .with_all(shown(tags::DISPLAY_BCC, names(&record.envelope.bcc)))
        .with_number(email::IMPORTANCE, record.importance as u8)
        .with_flag(email::READ, item.flags.has(Flags::SEEN))
        .with_flag(email2::IS_DRAFT, item.flags.has(Flags::DRAFT))
        .with_all(shown(tags::PREVIEW, preview))
        .with_flag(tags::HAS_ATTACHMENTS, record.flags.contains(Facts::ATTACHMENTS))
        .with_all(shown(email::FROM, names(&record.envelope.from)));
    Ok(Element::new(tags::RESULT)
        .with_text(airsync::CLASS, "Email")
        .with_text(airsync::SERVER_ID, server_id(folder.id, item.uid))
        .with_text(airsync::COLLECTION_ID, folder.id.0.to_string())
        .with(properties))
}
