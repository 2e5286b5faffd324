//! Looking for messages in the store itself: what Search and Find stand on until there is an index.
//!
//! First the records of all messages in question are looked through, newest first; then, as far as
//! count, size and time allow, the bodies of those whose record alone does not tell. So a match in a
//! subject, an address or the first 500 characters is found in any mailbox, one further down only in the
//! newest messages: an answer may be less than all, and says so by [`Found::is_complete`] alone.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use icu_normalizer::DecomposingNormalizerBorrowed;

use super::reply::Failure;
use super::session::Session;
use crate::clock::{Millis, instant};
use crate::mailbox::sync::{Position, View as _};
use crate::mailbox::{Folder, FolderId, Kind, Uid, View};
use crate::message::{self, Address, MailRecord, body};
use crate::store::Order;

/// Longest text asked for, in octets, and most words of it.
const TEXT_MAX: usize = 1_024;
const WORDS_MAX: usize = 16;
/// Most messages whose records are looked at, over all folders.
const RECORDS_MAX: usize = 100_000;
/// The clock is asked once in so many messages that are only listed.
const LOOK_AT_CLOCK: u32 = 1_024;
/// Most bodies opened, and most octets of them.
const BODIES_MAX: usize = 5_000;
const BODY_OCTETS_MAX: u64 = 256 << 20;
/// Longest time.
const TIME_MAX: Duration = Duration::from_secs(5);
/// Most messages found.
pub(super) const FOUND_MAX: usize = 500;

/// Where a word must stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Anywhere,
    Subject,
    From,
    To,
}

/// What is asked for; all of it must hold.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Question {
    words: Vec<(Place, String)>,
    /// Only in these folders; in all if empty.
    pub(super) folders: Vec<FolderId>,
    /// Also in what stands below them.
    pub(super) deep: bool,
    /// Received after this.
    pub(super) after: Option<Millis>,
    /// Received before this.
    pub(super) before: Option<Millis>,
    /// In this conversation.
    pub(super) thread: Option<u64>,
    /// Of a class that no folder holds messages of.
    pub(super) nothing: bool,
}

/// The text asked for is longer or has more parts than is looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TooComplex;

/// A folder asked for is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NoFolder;

/// Messages that fit, newest first.
pub(super) struct Found {
    pub(super) messages: Vec<(Folder, Uid)>,
    /// False when there may be more that fit.
    pub(super) is_complete: bool,
}

impl Question {
    /// Adds text: words, or phrases in quotes, each of which must be there. `subject:`, `from:` and
    /// `to:` say where, as clients of Exchange write it. Nothing in it is a pattern.
    pub(super) fn text(&mut self, text: &str) -> Result<(), TooComplex> {
        if text.len() > TEXT_MAX {
            return Err(TooComplex);
        }
        let mut place = Place::Anywhere;
        let mut in_quotes = false;
        for piece in text.split('"') {
            if in_quotes {
                self.word(std::mem::replace(&mut place, Place::Anywhere), piece);
            } else {
                for word in piece.split_whitespace() {
                    let (named, rest) = named_place(word);
                    match (named, rest) {
                        // The phrase follows in quotes.
                        (Some(named), "") => place = named,
                        (named, rest) => self.word(named.unwrap_or(Place::Anywhere), rest),
                    }
                }
            }
            in_quotes = !in_quotes;
        }
        if self.words.len() > WORDS_MAX { Err(TooComplex) } else { Ok(()) }
    }

    fn word(&mut self, place: Place, word: &str) {
        // A star behind a word is how some clients ask for its beginning, which is what is looked for.
        let plain = word.trim().strip_suffix('*').filter(|word| word.ends_with(char::is_alphanumeric));
        let folded = fold(plain.unwrap_or(word.trim()));
        if !folded.is_empty() && word != "AND" {
            self.words.push((place, folded));
        }
    }

    /// Whether it asks for anything: a whole mailbox is no answer.
    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty() && self.after.is_none() && self.before.is_none() && self.thread.is_none()
    }

    /// Looks for what is asked. Takes up to [`TIME_MAX`]: not to be called where sockets wait.
    pub(super) fn run(&self, session: &Session, view: &View) -> Result<Result<Found, NoFolder>, Failure> {
        let Some(folders) = self.in_folders(session, view)? else { return Ok(Err(NoFolder)) };
        if self.nothing || folders.is_empty() {
            return Ok(Ok(Found { messages: Vec::new(), is_complete: true }));
        }
        let mut scan = Scan { question: self, session, view, folders, deadline: instant() + TIME_MAX };
        Ok(Ok(scan.run()?))
    }

    /// `None` when one of them is not there.
    fn in_folders(&self, session: &Session, view: &View) -> Result<Option<Vec<Folder>>, Failure> {
        let all: Vec<Folder> = view.folders(session.owner())?.into_iter().map(|seen| seen.folder).collect();
        let wanted = |folder: &Folder| self.folders.is_empty() || self.folders.contains(&folder.id);
        if !self.folders.iter().all(|id| all.iter().any(|folder| folder.id == *id)) {
            return Ok(None);
        }
        // Folders stand after those they are in, so one pass finds all that is below.
        let mut chosen: Vec<FolderId> = Vec::new();
        for folder in &all {
            if wanted(folder) || self.deep && chosen.contains(&folder.parent) {
                chosen.push(folder.id);
            }
        }
        let mail = all.into_iter().filter(|f| f.kind == Kind::Mail && chosen.contains(&f.id));
        Ok(Some(mail.collect()))
    }
}

/// `subject:word` and the like.
fn named_place(word: &str) -> (Option<Place>, &str) {
    let Some((name, rest)) = word.split_once(':') else { return (None, word) };
    match name.to_ascii_lowercase().as_str() {
        "subject" => (Some(Place::Subject), rest),
        "from" => (Some(Place::From), rest),
        "to" | "cc" | "participants" => (Some(Place::To), rest),
        "body" => (Some(Place::Anywhere), rest),
        _ => (None, word),
    }
}

/// A message in question.
#[derive(Clone, Copy)]
struct Candidate {
    at: Position,
    /// Its folder, by its place among those in question.
    folder: usize,
}

/// The newest of many, however many folders they come from: never more than twice as many are held.
struct Newest {
    most: usize,
    held: Vec<Candidate>,
    /// What is older was left out.
    oldest: Option<Position>,
}

impl Newest {
    fn new(most: usize) -> Self {
        Self { most, held: Vec::new(), oldest: None }
    }

    /// Takes one. `Break` when it is left out, and so is all that is older.
    fn take(&mut self, candidate: Candidate) -> ControlFlow<()> {
        if self.oldest.is_some_and(|oldest| candidate.at < oldest) {
            return ControlFlow::Break(());
        }
        self.held.push(candidate);
        if self.held.len() > self.most.saturating_mul(2) {
            self.cut();
        }
        ControlFlow::Continue(())
    }

    fn cut(&mut self) {
        self.held.sort_by_key(|candidate| std::cmp::Reverse(candidate.at));
        if self.held.len() > self.most {
            self.held.truncate(self.most);
            self.oldest = self.held.last().map(|last| last.at);
        }
    }

    /// Them, newest first, and whether none was left out.
    fn done(mut self) -> (Vec<Candidate>, bool) {
        self.cut();
        (self.held, self.oldest.is_none())
    }
}

struct Scan<'q> {
    question: &'q Question,
    session: &'q Session,
    view: &'q View,
    folders: Vec<Folder>,
    deadline: Instant,
}

impl Scan<'_> {
    fn run(&mut self) -> Result<Found, Failure> {
        let (all, mut is_complete) = self.in_question()?;
        let mut hits: Vec<Candidate> = Vec::new();
        let mut rest: Vec<Candidate> = Vec::new();
        for place in all {
            if hits.len() >= FOUND_MAX || self.is_late() {
                is_complete = false;
                break;
            }
            match self.by_record(place)? {
                Fits::Yes => hits.push(place),
                Fits::Perhaps => rest.push(place),
                Fits::No => {}
            }
        }
        is_complete &= self.by_bodies(rest, &mut hits)?;
        hits.sort_by_key(|hit| std::cmp::Reverse(hit.at));
        is_complete &= hits.len() <= FOUND_MAX;
        hits.truncate(FOUND_MAX);
        let messages = hits.into_iter().filter_map(|hit| {
            let folder = self.folders.get(hit.folder)?;
            Some((folder.clone(), Uid(hit.at.uid)))
        });
        Ok(Found { messages: messages.collect(), is_complete })
    }

    fn is_late(&self) -> bool {
        instant() >= self.deadline
    }

    /// The newest messages within the dates asked for, newest first, and whether these are all.
    fn in_question(&self) -> Result<(Vec<Candidate>, bool), Failure> {
        let low = Position::cut_off(self.question.after.map_or(Millis::MIN, |after| after.saturating_add(1)));
        let high = self.question.before.map_or(Position::TOP, Position::cut_off);
        let mut newest = Newest::new(RECORDS_MAX);
        let mut is_late = false;
        for (folder, row) in self.folders.iter().enumerate() {
            let mut seen = 0_u32;
            self.view.synced(row).positions(low, high, Order::Backward, &mut |at| {
                seen = seen.wrapping_add(1);
                is_late = seen.is_multiple_of(LOOK_AT_CLOCK) && self.is_late();
                if is_late { ControlFlow::Break(()) } else { newest.take(Candidate { at, folder }) }
            })?;
            is_late |= self.is_late();
            if is_late {
                break;
            }
        }
        let (all, is_complete) = newest.done();
        Ok((all, is_complete && !is_late))
    }

    fn by_record(&self, place: Candidate) -> Result<Fits, Failure> {
        let Some(folder) = self.folders.get(place.folder) else { return Ok(Fits::No) };
        let uid = Uid(place.at.uid);
        if let Some(thread) = self.question.thread
            && self.view.item(folder, uid)?.is_none_or(|item| item.thread != thread)
        {
            return Ok(Fits::No);
        }
        if self.question.words.is_empty() {
            return Ok(Fits::Yes);
        }
        let Some(row) = self.view.record(folder, uid)? else { return Ok(Fits::No) };
        // One damaged record must not spoil the whole search.
        let Ok(record) = MailRecord::decode(row.record()) else { return Ok(Fits::No) };
        Ok(self.question.fits(&Texts::of(&record), None))
    }

    /// Opens the bodies of those that the record did not decide, newest first. False when not all were.
    fn by_bodies(&self, rest: Vec<Candidate>, hits: &mut Vec<Candidate>) -> Result<bool, Failure> {
        // What is older than as many hits as there can be is not told anyway.
        let oldest = (hits.len() >= FOUND_MAX).then(|| hits.last().map(|hit| hit.at)).flatten();
        let mut octets = 0_u64;
        for (count, place) in rest.into_iter().enumerate() {
            if oldest.is_some_and(|oldest| place.at < oldest) {
                return Ok(true);
            }
            if count >= BODIES_MAX || octets > BODY_OCTETS_MAX || self.is_late() {
                return Ok(false);
            }
            let Some(folder) = self.folders.get(place.folder) else { continue };
            let Some(item) = self.view.item(folder, Uid(place.at.uid))? else { continue };
            octets = octets.saturating_add(item.size);
            let raw = match self.session.eas.mailbox.message(self.view, folder, &item) {
                Ok(raw) => raw,
                Err(e) => {
                    tracing::error!(folder = folder.id.0, uid = item.uid.0, error = %e, "cannot search a message");
                    continue;
                }
            };
            let message = message::parse(&raw);
            let record = MailRecord::from_message(&message);
            let text = fold(&body::text(&message));
            if self.question.fits(&Texts::of(&record), Some(&text)) == Fits::Yes {
                hits.push(place);
            }
        }
        Ok(true)
    }
}

/// Whether a message is what is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fits {
    Yes,
    /// Its body decides.
    Perhaps,
    No,
}

/// What of a message is looked at, folded.
struct Texts {
    subject: String,
    from: String,
    to: String,
    preview: String,
}

impl Texts {
    fn of(record: &MailRecord<'_>) -> Self {
        let envelope = &record.envelope;
        let list = |lists: &[&Vec<Address<'_>>]| {
            let mut text = String::new();
            for address in lists.iter().flat_map(|list| list.iter()) {
                for part in [address.display_name(), address.address()].into_iter().flatten() {
                    text.push_str(&part);
                    text.push(' ');
                }
            }
            fold(&text)
        };
        Self {
            subject: fold(&record.subject()),
            from: list(&[&envelope.from, &envelope.sender]),
            to: list(&[&envelope.to, &envelope.cc, &envelope.bcc]),
            preview: fold(&record.preview),
        }
    }
}

impl Question {
    fn fits(&self, texts: &Texts, body: Option<&str>) -> Fits {
        let mut fits = Fits::Yes;
        for (place, word) in &self.words {
            let word = word.as_str();
            let is_there = match place {
                Place::Subject => texts.subject.contains(word),
                Place::From => texts.from.contains(word),
                Place::To => texts.to.contains(word),
                Place::Anywhere => {
                    let all = [&texts.subject, &texts.from, &texts.to, &texts.preview];
                    let in_record = all.into_iter().any(|text| text.contains(word));
                    match body {
                        _ if in_record => true,
                        Some(body) => body.contains(word),
                        None => {
                            fits = Fits::Perhaps;
                            true
                        }
                    }
                }
            };
            if !is_there {
                return Fits::No;
            }
        }
        fits
    }
}

/// Case, accents, compatibility forms and kinds of blanks taken away.
fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let plain = DecomposingNormalizerBorrowed::new_nfkd().normalize(text);
    let letters = plain.chars().filter(|c| !matches!(c, '\u{300}'..='\u{36F}'));
    letters.flat_map(char::to_lowercase).collect()
}

/// A Range of results, `first-last`. MS-ASCMD §2.2.3.143.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Range {
    pub(super) first: usize,
    last: usize,
}

impl Range {
    /// Reads a Range; `None` is the first `most`. `Err` for one that is none.
    pub(super) fn parse(text: Option<&str>, most: usize) -> Result<Self, ()> {
        let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else {
            return Ok(Self { first: 0, last: most.saturating_sub(1) });
        };
        let number = |text: &str| {
            let digits = !text.is_empty() && text.len() <= 10 && text.bytes().all(|b| b.is_ascii_digit());
            if digits { text.parse::<usize>().map_err(|_| ()) } else { Err(()) }
        };
        let (first, last) = text.split_once('-').ok_or(())?;
        let (first, last) = (number(first.trim())?, number(last.trim())?);
        if last < first {
            return Err(());
        }
        Ok(Self { first, last: last.min(first.saturating_add(most.saturating_sub(1))) })
    }

    /// The results of the range.
    pub(super) fn of<'t, T>(&self, all: &'t [T]) -> &'t [T] {
        let rest = all.get(self.first..).unwrap_or_default();
        let count = self.last.saturating_sub(self.first).saturating_add(1);
        rest.get(..count).unwrap_or(rest)
    }

    /// The range of `count` results that were told.
    pub(super) fn told(&self, count: usize) -> String {
        format!("{}-{}", self.first, self.first.saturating_add(count.saturating_sub(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<(Place, String)> {
        let mut question = Question::default();
        question.text(text).unwrap();
        question.words
    }

    #[test]
    fn the_newest_of_many_folders() {
        let mut newest = Newest::new(3);
        let mut looked_at = 0;
        for folder in 0..10 {
            for age in 0..5 {
                let at = Position { date: 100 - age, uid: u32::try_from(folder).unwrap() };
                looked_at += 1;
                if newest.take(Candidate { at, folder }).is_break() {
                    break;
                }
                assert!(newest.held.len() <= 6);
            }
        }
        assert!(looked_at < 40, "{looked_at}");
        let (held, is_complete) = newest.done();
        let held: Vec<_> = held.into_iter().map(|c| (c.at.date, c.folder)).collect();
        assert_eq!((held, is_complete), (vec![(100, 9), (100, 8), (100, 7)], false));
        let mut few = Newest::new(3);
        let _ = few.take(Candidate { at: Position { date: 1, uid: 1 }, folder: 0 });
        assert_eq!(few.done().0.len(), 1);
    }

    #[test]
    fn words_phrases_and_places() {
        let any = |word: &str| (Place::Anywhere, word.to_owned());
        assert_eq!(words("Grün \"zwei  Worte\" foo*"), [any("grun"), any("zwei  worte"), any("foo")]);
        assert_eq!(
            words("subject:Plan from:\"Ann Able\" body:x other:y AND \"\""),
            [(Place::Subject, "plan".into()), (Place::From, "ann able".into()), any("x"), any("other:y")]
        );
        assert_eq!(words("a.*[b(c"), [any("a.*[b(c")], "nothing is a pattern");
        assert_eq!(words("   "), []);
        assert_eq!(Question::default().text(&"x".repeat(1_000_000)), Err(TooComplex));
        assert_eq!(Question::default().text(&"x ".repeat(17)), Err(TooComplex));
    }

    #[test]
    fn ranges() {
        let range = |text| Range::parse(Some(text), 100);
        assert_eq!(range("0-9"), Ok(Range { first: 0, last: 9 }));
        assert_eq!(range("5-999999999"), Ok(Range { first: 5, last: 104 }));
        assert_eq!(Range::parse(None, 100), Ok(Range { first: 0, last: 99 }));
        for bad in ["5-4", "x", "1", "-1-5", "1-", "+1-2", "99999999999-99999999999", "0x1-2"] {
            assert_eq!(range(bad), Err(()), "{bad}");
        }
        let all: Vec<usize> = (0..12).collect();
        assert_eq!(range("10-19").unwrap().of(&all), [10, 11]);
        assert_eq!(range("10-19").unwrap().told(2), "10-11");
        assert!(range("12-19").unwrap().of(&all).is_empty());
        assert_eq!(range("0-0").unwrap().of(&all), [0]);
    }
}
