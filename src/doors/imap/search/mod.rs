//! SEARCH: which messages match, from the items' rows where these tell, else from the records, and only
//! then from the messages. RFC 9051 §6.4.4.

mod sort;
mod text;
mod thread;

use std::cell::{Cell, OnceCell};
use std::ops::ControlFlow;

use jiff::civil;
use jiff::tz::Offset;
use jiff::{Span, Timestamp};

use super::fetch::{self, Opened, Source, flags};
use super::grammar::{Algorithm, Criterion, Day, Key, Place};
use super::state::Selected;
use crate::clock::Millis;
use crate::mailbox::{Acting, Error, Flags, Folder, Item, Mailbox, View};
use crate::message::{self, MailRecord, Message};
use crate::store;
use text::{Needle, Texts};
pub(super) use thread::Forest;

/// A batch ends when so many messages were looked at.
const ITEMS_MAX: usize = 2_000;
/// A batch ends when so many bytes of messages were looked at; one message may go beyond.
const BATCH_BYTES: u64 = 4 << 20;
/// A search that has looked at so many bytes is given up, in the middle of a message if it must be: each
/// test counts what it reads, makes and looks through.
const BYTES_MAX: u64 = 2 << 30;
/// Most memory for what is kept of the messages found, in bytes.
const KEPT_MAX: usize = 64 << 20;

/// What a message must fulfil.
#[derive(Debug)]
enum Test {
    /// Always, or never.
    Is(bool),
    Flag(Flags, bool),
    Keyword(String, bool),
    /// Ordered ranges.
    Uids(Vec<(u32, u32)>),
    Arrived(Day, civil::Date),
    Sent(Day, civil::Date),
    Larger(u64),
    Smaller(u64),
    /// Arrived at this time or after, or with `false` before.
    ArrivedFrom(Millis, bool),
    ModSeq(u64),
    EmailId(String),
    ThreadId(String),
    Text(Place, Needle),
    Not(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
}

/// A SEARCH under way.
#[derive(Debug)]
pub(super) struct Hunt {
    test: Test,
    /// What is left to look at.
    left: Option<(u32, u32)>,
    read: u64,
    /// Most that may be read.
    most: u64,
    found: Vec<u32>,
    highest: u64,
    keep: Keep,
    kept: usize,
}

/// What is kept of each message that is found, beside its UID.
#[derive(Debug)]
enum Keep {
    Nothing,
    Sort(Vec<Criterion>, Vec<sort::Row>),
    Thread(Vec<thread::Row>),
}

impl Keep {
    /// Takes what it needs and says how many bytes that are.
    fn take(&mut self, message: &Candidate<'_>) -> Result<usize, Halt> {
        Ok(match self {
            Self::Nothing => 0,
            Self::Sort(criteria, rows) => {
                let row = if criteria.iter().any(sort::needs_record) {
                    sort::Row::new(message.item, &message.opened()?.record, criteria)
                } else {
                    sort::Row::new(message.item, &MailRecord::default(), criteria)
                };
                let bytes = row.bytes();
                rows.push(row);
                bytes
            }
            Self::Thread(rows) => {
                let row = thread::Row::new(message.item, &message.opened()?.record);
                let bytes = row.bytes();
                rows.push(row);
                bytes
            }
        })
    }
}

/// What a search found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// UIDs in order: that of the mailbox, unless they were sorted.
    pub(super) uids: Vec<u32>,
    /// The highest modseq of what was found.
    pub(super) highest: u64,
}

/// Whether a batch brought the search to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Progress {
    More,
    Done,
    /// It reads too much.
    TooMuch,
}

impl Hunt {
    /// A search in the selected mailbox, begun `now`.
    pub(super) fn new(key: Key, selected: &Selected, now: Millis) -> Self {
        Self::bounded(key, selected, now, BYTES_MAX)
    }

    /// A search that is given up once it has looked at `most` bytes.
    pub(super) fn bounded(key: Key, selected: &Selected, now: Millis, most: u64) -> Self {
        let test = Test::new(key, selected, now);
        let last = selected.uids.last_uid().unwrap_or(0);
        let (low, high) = test.span();
        let left = Some((low.max(1), high.min(last))).filter(|(low, high)| low <= high);
        Self { test, left, read: 0, most, found: Vec::new(), highest: 0, keep: Keep::Nothing, kept: 0 }
    }

    /// What it finds is to be sorted.
    pub(super) fn sorting(mut self, criteria: Vec<Criterion>) -> Self {
        self.keep = Keep::Sort(criteria, Vec::new());
        self
    }

    /// What it finds is to be threaded.
    pub(super) fn threading(mut self) -> Self {
        self.keep = Keep::Thread(Vec::new());
        self
    }

    /// What was found, sorted if that was asked for. May take a while.
    pub(super) fn into_found(self) -> Found {
        let uids = match self.keep {
            Keep::Sort(criteria, rows) => sort::sorted(rows, &criteria),
            Keep::Nothing | Keep::Thread(_) => self.found,
        };
        Found { uids, highest: self.highest }
    }

    /// What was found, as threads. May take a while.
    pub(super) fn into_threads(self, algorithm: Algorithm) -> Forest {
        match (self.keep, algorithm) {
            (Keep::Thread(rows), Algorithm::References) => Forest::by_references(&rows),
            (Keep::Thread(rows), Algorithm::OrderedSubject) => Forest::by_subject(&rows),
            _ => Forest::default(),
        }
    }

    /// Looks at the next messages. Blocks.
    pub(super) fn batch(
        &mut self,
        mailbox: &Mailbox,
        acting: &Acting,
        selected: &Selected,
    ) -> Result<Progress, Error> {
        let Some((low, high)) = self.left.take() else { return Ok(Progress::Done) };
        let view = mailbox.view(acting.clone())?;
        let folder = view.readable(selected.folder)?;
        let most = self.read.saturating_add(BATCH_BYTES);
        let (mut items, mut failed) = (ITEMS_MAX, None);
        fetch::each(&view, &folder, low, high, &mut |item| {
            let uid = item.uid.0;
            if items == 0 || self.read > most {
                self.left = Some((uid, high));
                return ControlFlow::Break(());
            }
            items -= 1;
            if selected.uids.seq(uid).is_none() {
                return ControlFlow::Continue(());
            }
            let source = OnceCell::new();
            let candidate = Candidate {
                view: &view,
                folder: &folder,
                item: &item,
                source: &source,
                opened: OnceCell::new(),
                parsed: OnceCell::new(),
                texts: Texts::default(),
                read: Cell::new(self.read),
                most: self.most,
            };
            let result = match self.test.matches(&candidate) {
                Ok(true) => self.keep.take(&candidate).map(Some),
                other => other.map(|_| None),
            };
            self.read = candidate.read.get();
            match result {
                Ok(Some(bytes)) => {
                    self.kept = self.kept.saturating_add(bytes);
                    if self.kept > KEPT_MAX {
                        failed = Some(Halt::TooMuch);
                        return ControlFlow::Break(());
                    }
                    self.found.push(uid);
                    self.highest = self.highest.max(item.modseq.0);
                }
                Ok(None) => {}
                // A damaged message has nothing that could match.
                Err(Halt::Failed(Error::Store(store::Error::Damaged(what)))) => {
                    tracing::error!(uid, what, "a damaged message was not searched");
                }
                Err(halt) => {
                    failed = Some(halt);
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })?;
        match failed {
            Some(Halt::Failed(e)) => Err(e),
            Some(Halt::TooMuch) => Ok(Progress::TooMuch),
            None if self.left.is_some() => Ok(Progress::More),
            None => Ok(Progress::Done),
        }
    }
}

/// Why a test has no answer.
#[derive(Debug)]
enum Halt {
    /// The search reads too much.
    TooMuch,
    Failed(Error),
}

impl From<Error> for Halt {
    fn from(e: Error) -> Self {
        Self::Failed(e)
    }
}

/// A message that is looked at; what a test needs of it is read, parsed and decoded once.
struct Candidate<'c> {
    view: &'c View,
    folder: &'c Folder,
    item: &'c Item,
    source: &'c OnceCell<Source<'c>>,
    opened: OnceCell<Opened<'c>>,
    parsed: OnceCell<Message<'c>>,
    texts: Texts,
    /// Bytes that the search has looked at, with those of the messages before.
    read: Cell<u64>,
    most: u64,
}

impl<'c> Candidate<'c> {
    fn opened(&self) -> Result<&Opened<'c>, Halt> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let source = match self.source.get() {
            Some(source) => source,
            None => {
                let source = Source::new(self.view, self.folder, self.item)?;
                self.source.get_or_init(|| source)
            }
        };
        let opened = Opened::new(source)?;
        // The record, and the message where that was no good.
        self.count(usize::try_from(source.work()).unwrap_or(usize::MAX))?;
        Ok(self.opened.get_or_init(|| opened))
    }

    /// The message itself.
    fn parsed(&self) -> Result<&Message<'c>, Halt> {
        if let Some(parsed) = self.parsed.get() {
            return Ok(parsed);
        }
        let source = self.opened()?.source;
        self.count(usize::try_from(self.item.size).unwrap_or(usize::MAX))?;
        let parsed = message::parse(source.whole()?);
        Ok(self.parsed.get_or_init(|| parsed))
    }

    /// Counts bytes that a test has to look at.
    fn count(&self, bytes: usize) -> Result<(), Halt> {
        let read = self.read.get().saturating_add(bytes as u64);
        self.read.set(read);
        if read > self.most { Err(Halt::TooMuch) } else { Ok(()) }
    }
}

impl Test {
    fn new(key: Key, selected: &Selected, now: Millis) -> Self {
        let all = |keys: Vec<Key>| {
            let mut tests: Vec<Self> = keys.into_iter().map(|key| Self::new(key, selected, now)).collect();
            // What is cheap to tell comes first.
            tests.sort_by_key(Self::cost);
            tests
        };
        match key {
            Key::All => Self::Is(true),
            Key::None => Self::Is(false),
            Key::Flag(flag, set) => Self::Flag(flag, set),
            Key::Keyword(word, set) => Self::Keyword(word, set),
            Key::Numbers(set) => Self::Uids(selected.resolve(&set, false)),
            Key::Uids(set) => Self::Uids(selected.resolve(&set, true)),
            Key::Arrived(day, date) => Self::Arrived(day, date),
            Key::Sent(day, date) => Self::Sent(day, date),
            Key::Larger(size) => Self::Larger(size),
            Key::Smaller(size) => Self::Smaller(size),
            Key::Younger(seconds, younger) => {
                let interval = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000);
                Self::ArrivedFrom(now.saturating_sub(interval), younger)
            }
            Key::ModSeq(modseq) => Self::ModSeq(modseq),
            Key::EmailId(id) => Self::EmailId(id),
            Key::ThreadId(id) => Self::ThreadId(id),
            Key::Text(place, text) => Self::Text(place, Needle::new(&text)),
            Key::Not(key) => Self::Not(Box::new(Self::new(*key, selected, now))),
            Key::And(keys) => Self::And(all(keys)),
            Key::Or(keys) => Self::Or(all(keys)),
        }
    }

    /// 0 for the item's row, 1 for the record, 2 for the message.
    fn cost(&self) -> u8 {
        match self {
            Self::Sent(..) => 1,
            Self::Text(Place::Body | Place::Text | Place::Header(_), _) => 2,
            Self::Text(..) => 1,
            Self::Not(test) => test.cost(),
            Self::And(tests) | Self::Or(tests) => tests.iter().map(Self::cost).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// The UIDs outside of which nothing can match.
    fn span(&self) -> (u32, u32) {
        match self {
            Self::Uids(ranges) => match (ranges.first(), ranges.last()) {
                (Some((low, _)), Some((_, high))) => (*low, *high),
                _ => (1, 0),
            },
            Self::And(tests) => tests
                .iter()
                .map(Self::span)
                .fold((0, u32::MAX), |(low, high), (a, b)| (low.max(a), high.min(b))),
            Self::Is(false) => (1, 0),
            _ => (0, u32::MAX),
        }
    }

    fn matches(&self, message: &Candidate<'_>) -> Result<bool, Halt> {
        let item = message.item;
        Ok(match self {
            Self::Is(answer) => *answer,
            Self::Flag(flag, set) => item.flags.has(*flag) == *set,
            Self::Keyword(word, set) => flags::has_keyword(item, word) == *set,
            Self::Uids(ranges) => contains(ranges, item.uid.0),
            Self::Arrived(day, date) => day.holds(day_of(item.internal_date, 0), *date),
            Self::Sent(day, date) => match message.opened()?.record.sent {
                Some(sent) => day.holds(day_of(sent.unix.saturating_mul(1_000), sent.offset_minutes), *date),
                // Without a date of its own it has that of its arrival.
                None => day.holds(day_of(item.internal_date, 0), *date),
            },
            Self::Larger(size) => item.size > *size,
            Self::Smaller(size) => item.size < *size,
            Self::ArrivedFrom(at, from) => (item.internal_date >= *at) == *from,
            Self::ModSeq(modseq) => item.modseq.0 >= *modseq,
            Self::EmailId(id) => fetch::email_id(item) == *id,
            Self::ThreadId(id) => fetch::thread_id(item) == *id,
            Self::Text(place, needle) => text::matches(message, place, needle)?,
            Self::Not(test) => !test.matches(message)?,
            Self::And(tests) => {
                for test in tests {
                    if !test.matches(message)? {
                        return Ok(false);
                    }
                }
                true
            }
            Self::Or(tests) => {
                for test in tests {
                    if test.matches(message)? {
                        return Ok(true);
                    }
                }
                false
            }
        })
    }
}

impl Day {
    fn holds(self, day: civil::Date, than: civil::Date) -> bool {
        match self {
            Self::Before => day < than,
            Self::On => day == than,
            Self::Since => day >= than,
        }
    }
}

/// The day at a place so many minutes east of Greenwich; times are told in UTC, so days are too.
fn day_of(at: Millis, offset_minutes: i16) -> civil::Date {
    let at = Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH);
    let offset = Span::new().minutes(i64::from(offset_minutes));
    let local = Offset::UTC.to_datetime(at);
    local.checked_add(offset).unwrap_or(local).date()
}

fn contains(ranges: &[(u32, u32)], uid: u32) -> bool {
    let after = ranges.partition_point(|(low, _)| *low <= uid);
    after.checked_sub(1).and_then(|i| ranges.get(i)).is_some_and(|(_, high)| uid <= *high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_place() {
        // 2024-03-01 23:30 UTC.
        let at = 1_709_335_800_000;
        assert_eq!(day_of(at, 0), civil::date(2024, 3, 1));
        assert_eq!(day_of(at, 60), civil::date(2024, 3, 2));
        assert_eq!(day_of(at, -1410), civil::date(2024, 3, 1));
        assert_eq!(day_of(at, -1411), civil::date(2024, 2, 29));
        assert_eq!(day_of(i64::MAX, i16::MAX), day_of(0, i16::MAX));
    }

    #[test]
    fn ranges_contain() {
        let ranges = [(2, 4), (9, 9)];
        assert_eq!((1..12).filter(|n| contains(&ranges, *n)).collect::<Vec<_>>(), [2, 3, 4, 9]);
        assert!(!contains(&[], 1));
    }
}
