//! What a Sync request asks. MS-ASCMD §2.2.3.

use std::collections::BTreeSet;
use std::time::Duration;

use wbxml::{Element, airsync, email2};

use super::remember;
use crate::doors::eas::class::Supported;
use crate::doors::eas::render::Wishes;
use crate::doors::eas::reply::{Failure, Status};
use crate::doors::eas::session::Session;
use crate::doors::eas::state;

/// WindowSize when a client says nothing, and at the most. MS-ASCMD §2.2.3.199.
const WINDOW_DEFAULT: usize = 100;
const WINDOW_MAX: usize = 512;
/// Most commands of one collection: more than a phone's longest backlog in one request.
const COMMANDS_MAX: usize = 2_048;

/// A whole request, with what it left out filled in.
#[derive(Clone, Debug)]
pub(in crate::doors::eas) struct Asked {
    /// The collections, in the client's order.
    pub(super) collections: Vec<Collection>,
    /// How long to wait for a change.
    pub(super) wait: Option<Duration>,
    /// Most changes over all collections.
    pub(super) window: usize,
}

/// One collection of a request.
#[derive(Clone, Debug)]
pub(super) struct Collection {
    /// CollectionId, as it came.
    pub(super) id: String,
    /// SyncKey, as it came.
    pub(super) key: String,
    /// What a later short request repeats.
    pub(super) sticky: Sticky,
    /// New options; `None` keeps those of the last request.
    pub(super) wishes: Option<Wishes>,
    /// What the client manages of the items; said when it begins, and of no account later.
    pub(super) supported: Supported,
    /// The client's changes.
    pub(super) commands: Vec<Command>,
    /// Whether it says what the protocol does not. That is told of this collection alone.
    pub(super) is_wrong: bool,
}

/// What a short request repeats of a collection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Sticky {
    /// WindowSize, within its bounds.
    pub(super) window: u16,
    /// GetChanges; absent depends on the key.
    pub(super) get_changes: Option<bool>,
    /// DeletesAsMoves.
    pub(super) deletes_as_moves: bool,
}

/// A client's change. Each keeps its element as a whole: that is what it is recognised by when the
/// request is repeated.
#[derive(Clone, Debug)]
pub(super) struct Command {
    /// Add, Change, Delete or Fetch.
    pub(super) kind: Kind,
    /// Digest of the element.
    pub(super) digest: u64,
    /// The element.
    pub(super) element: Element<'static>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Add,
    Change,
    Delete,
    Fetch,
}

/// Why a request as a whole cannot be served. MS-ASCMD §2.2.3.177.17.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::doors::eas) enum Problem {
    /// 4: not what the protocol says.
    Protocol,
    /// 12: the folders changed, synchronise them first.
    FoldersChanged,
    /// 13: a short request, and nothing to fill it in from.
    NotRemembered,
    /// 14: the wait is out of bounds; the nearest one allowed, in the unit that was used.
    Wait(u64),
    /// 15: too many collections; how many are allowed.
    TooMany(u64),
}

impl Problem {
    pub(super) fn status(self) -> u8 {
        match self {
            Self::Protocol => 4,
            Self::FoldersChanged => 12,
            Self::NotRemembered => 13,
            Self::Wait(_) => 14,
            Self::TooMany(_) => 15,
        }
    }

    pub(super) fn limit(self) -> Option<u64> {
        match self {
            Self::Wait(limit) | Self::TooMany(limit) => Some(limit),
            Self::Protocol | Self::FoldersChanged | Self::NotRemembered => None,
        }
    }
}

impl From<wbxml::BadValue> for Problem {
    fn from(_: wbxml::BadValue) -> Self {
        Self::Protocol
    }
}

impl Asked {
    /// Reads a request; an absent one repeats the last.
    pub(super) fn read(
        session: &Session,
        request: Option<&Element<'_>>,
    ) -> Result<Result<Self, Problem>, Failure> {
        let Some(request) = request else {
            return Ok(remember::last(session, &BTreeSet::new())?.ok_or(Problem::NotRemembered));
        };
        if request.tag() != airsync::SYNC {
            return Err(Status::InvalidXml.into());
        }
        let asked = match Self::parse(session, request) {
            Ok(asked) => asked,
            Err(problem) => return Ok(Err(problem)),
        };
        for wishes in asked.collections.iter().filter_map(|c| c.wishes.as_ref()) {
            wishes.check(session.version)?;
        }
        if !request.has(airsync::PARTIAL) {
            return Ok(if asked.collections.is_empty() { Err(Problem::Protocol) } else { Ok(asked) });
        }
        // Partial says that the collections not named are as in the last request. §2.2.3.131.
        if request.children().len() < 2 {
            return Ok(Err(Problem::Protocol));
        }
        let named = asked.collections.iter().map(|c| c.id.as_str()).collect();
        let Some(last) = remember::last(session, &named)? else { return Ok(Err(Problem::NotRemembered)) };
        let window = if request.has(airsync::WINDOW_SIZE) { asked.window } else { last.window };
        let mut collections = last.collections;
        collections.extend(asked.collections);
        let asked = Self { collections, wait: asked.wait.or(last.wait), window };
        Ok(check_count(session, asked))
    }

    fn parse(session: &Session, request: &Element<'_>) -> Result<Self, Problem> {
        let collections = request.child(airsync::COLLECTIONS);
        let collections: Vec<_> = collections
            .into_iter()
            .flat_map(|c| c.children_of(airsync::COLLECTION))
            .take(usize::try_from(session.eas.config.eas.collections_max).unwrap_or(usize::MAX) + 1)
            .map(|c| Collection::parse(session, c))
            .collect::<Result<_, _>>()?;
        let named: BTreeSet<&str> = collections.iter().map(|c| c.id.as_str()).collect();
        if named.len() != collections.len() {
            return Err(Problem::Protocol);
        }
        let window = window(request.parse_of(airsync::WINDOW_SIZE)?, WINDOW_MAX, session);
        check_count(session, Self { wait: wait(session, request)?, window: usize::from(window), collections })
    }
}

fn check_count(session: &Session, asked: Asked) -> Result<Asked, Problem> {
    let most = session.eas.config.eas.collections_max;
    if asked.collections.len() > usize::try_from(most).unwrap_or(usize::MAX) {
        return Err(Problem::TooMany(most.into()));
    }
    Ok(asked)
}

/// Wait is in minutes, HeartbeatInterval in seconds; both at once are an error. §2.2.3.88.2, §2.2.3.198.
fn wait(session: &Session, request: &Element<'_>) -> Result<Option<Duration>, Problem> {
    let eas = &session.eas.config.eas;
    let (low, high) = (eas.heartbeat_min.as_secs(), eas.heartbeat_max.as_secs());
    let minutes = request.parse_of::<u32>(airsync::WAIT)?.map(u64::from);
    let seconds = request.parse_of::<u32>(airsync::HEARTBEAT_INTERVAL)?.map(u64::from);
    let (asked, unit) = match (minutes, seconds) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => return Err(Problem::Protocol),
        (Some(minutes), None) => (minutes.saturating_mul(60), 60),
        (None, Some(seconds)) => (seconds, 1),
    };
    if asked < low {
        return Err(Problem::Wait(low.div_ceil(unit)));
    }
    if asked > high {
        return Err(Problem::Wait(high / unit));
    }
    Ok(Some(Duration::from_secs(asked)))
}

fn window(asked: Option<u32>, default: usize, session: &Session) -> u16 {
    let most = usize::try_from(session.eas.config.eas.window_max).unwrap_or(WINDOW_MAX).clamp(1, WINDOW_MAX);
    let asked = match asked {
        None => default,
        Some(0) => WINDOW_MAX,
        Some(n) => usize::try_from(n).unwrap_or(WINDOW_MAX),
    };
    u16::try_from(asked.min(most)).unwrap_or(u16::MAX)
}

impl Collection {
    /// `Err` when it does not even say of what it speaks.
    fn parse(session: &Session, element: &Element<'_>) -> Result<Self, Problem> {
        let text = |tag| element.text_of(tag).filter(|text| !text.is_empty() && text.len() <= 64);
        let id = text(airsync::COLLECTION_ID).ok_or(Problem::Protocol)?;
        let key = text(airsync::SYNC_KEY).ok_or(Problem::Protocol)?;
        let mut collection = Self {
            id: id.to_owned(),
            key: key.to_owned(),
            sticky: Sticky { window: 0, get_changes: Some(false), deletes_as_moves: true },
            wishes: None,
            supported: Supported::All,
            commands: Vec::new(),
            is_wrong: false,
        };
        collection.is_wrong = collection.read(session, element).is_err();
        Ok(collection)
    }

    fn read(&mut self, session: &Session, element: &Element<'_>) -> Result<(), Problem> {
        let get_changes = element.flag_of(airsync::GET_CHANGES)?;
        let commands = element.child(airsync::COMMANDS).map(Element::children).unwrap_or_default();
        // Key 0 primes the state and brings nothing. §2.2.3.84.
        if self.begins() && (get_changes == Some(true) || !commands.is_empty()) {
            return Err(Problem::Protocol);
        }
        if commands.len() > COMMANDS_MAX {
            return Err(Problem::Protocol);
        }
        // A second block of options is for SMS, which we have none of.
        let wishes = element.children_of(airsync::OPTIONS).find(|o| o.text_of(airsync::CLASS) != Some("SMS"));
        self.wishes = wishes.map(Wishes::parse).transpose()?;
        self.supported = Supported::read(element.child(airsync::SUPPORTED));
        self.sticky = Sticky {
            window: window(element.parse_of(airsync::WINDOW_SIZE)?, WINDOW_DEFAULT, session),
            get_changes,
            deletes_as_moves: element.flag_of(airsync::DELETES_AS_MOVES)?.unwrap_or(true),
        };
        self.commands = commands.iter().map(Command::parse).collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Whether the client begins with this collection.
    pub(super) fn begins(&self) -> bool {
        self.key == "0"
    }

    /// Whether the client wants the server's changes.
    pub(super) fn wants_changes(&self) -> bool {
        !self.begins() && self.sticky.get_changes.unwrap_or(true)
    }
}

impl Command {
    /// Whether the same command twice in one request is one: an Add's ClientId is its own (§2.2.3.28.2), a
    /// message is not sent twice, and what is gone is gone.
    pub(super) fn runs_once(&self) -> bool {
        self.kind != Kind::Change || self.element.has(email2::SEND)
    }

    fn parse(element: &Element<'_>) -> Result<Self, Problem> {
        let kind = match element.tag() {
            airsync::ADD => Kind::Add,
            airsync::CHANGE => Kind::Change,
            airsync::DELETE => Kind::Delete,
            airsync::FETCH => Kind::Fetch,
            _ => return Err(Problem::Protocol),
        };
        let named = match kind {
            Kind::Add => element.text_of(airsync::CLIENT_ID),
            _ => element.text_of(airsync::SERVER_ID),
        };
        if named.is_none_or(|id| id.is_empty() || id.len() > 64) {
            return Err(Problem::Protocol);
        }
        let digest = state::digest(&wbxml::encode(element));
        Ok(Self { kind, digest, element: element.clone().into_owned() })
    }
}
