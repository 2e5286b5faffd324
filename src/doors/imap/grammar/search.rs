//! What SEARCH looks for. RFC 9051 §6.4.4.

use std::borrow::Cow;

use encoding_rs::Encoding;
use jiff::civil;

use super::Refusal;
use super::input::{Input, Parsed};
use super::set::Set;
use crate::mailbox::Flags;

/// Deepest nesting of parentheses and NOT.
const DEPTH_MAX: usize = 32;
/// Most keys of one SEARCH.
const KEYS_MAX: usize = 1_000;
/// Most result options.
const RETURNS_MAX: usize = 8;

/// SEARCH or UID SEARCH.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::doors::imap) struct Search {
    /// Whether the answer has UIDs.
    pub(in crate::doors::imap) by_uid: bool,
    /// `RETURN (...)`, if it was there.
    pub(in crate::doors::imap) returns: Option<Returns>,
    pub(in crate::doors::imap) key: Key,
}

/// `search-return-opts`
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(in crate::doors::imap) struct Returns {
    pub(in crate::doors::imap) min: bool,
    pub(in crate::doors::imap) max: bool,
    pub(in crate::doors::imap) all: bool,
    pub(in crate::doors::imap) count: bool,
    pub(in crate::doors::imap) save: bool,
}

/// One `search-key`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::doors::imap) enum Key {
    All,
    /// Nothing: what nothing has, such as `\Recent`.
    None,
    /// All of the flags set, or with `false` none of them.
    Flag(Flags, bool),
    /// A keyword set or not, as the client wrote it.
    Keyword(String, bool),
    Numbers(Set),
    Uids(Set),
    /// When it arrived.
    Arrived(Day, civil::Date),
    /// Its Date field.
    Sent(Day, civil::Date),
    /// More bytes than this.
    Larger(u64),
    /// Fewer bytes than this.
    Smaller(u64),
    /// Arrived within so many seconds, or with `false` before. RFC 5032 §2.
    Younger(u64, bool),
    /// Changed at or after this. RFC 7162 §3.1.5.
    ModSeq(u64),
    /// RFC 8474 §5.
    EmailId(String),
    /// RFC 8474 §5.
    ThreadId(String),
    /// Text in a place, as the client wrote it.
    Text(Place, String),
    Not(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
}

/// How a message's day compares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::doors::imap) enum Day {
    Before,
    On,
    Since,
}

/// Where text is looked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::doors::imap) enum Place {
    From,
    To,
    Cc,
    Bcc,
    Subject,
    /// A header field by name; empty text finds any message that has it.
    Header(String),
    /// The text of the body.
    Body,
    /// The header or the body.
    Text,
}

impl Search {
    /// After the command's name.
    pub(super) fn parse(input: &mut Input<'_>, by_uid: bool) -> Parsed<Self> {
        input.space()?;
        let mut returns = None;
        if input.eat_word("RETURN") {
            input.space()?;
            returns = Some(Returns::parse(input)?);
            input.space()?;
        }
        let mut charset = None;
        if input.eat_word("CHARSET") {
            input.space()?;
            charset = Some(self::charset(&input.astring()?)?);
            input.space()?;
        }
        Ok(Self { by_uid, returns, key: Key::parse_all(input, charset)? })
    }
}

impl Key {
    /// `search-key *(SP search-key)`, all of which must hold.
    pub(super) fn parse_all(input: &mut Input<'_>, charset: Option<&'static Encoding>) -> Parsed<Self> {
        let mut keys = Keys { charset, left: KEYS_MAX };
        let mut all = vec![keys.key(input, 0)?];
        while input.eat(b' ') {
            all.push(keys.key(input, 0)?);
        }
        Ok(one_or(all, Self::And))
    }
}

/// The charset that a search is written in.
pub(super) fn charset(label: &[u8]) -> Parsed<&'static Encoding> {
    if label.eq_ignore_ascii_case(b"US-ASCII") {
        return Ok(encoding_rs::UTF_8);
    }
    Encoding::for_label_no_replacement(label).ok_or(Refusal::Charset)
}

fn one_or(mut keys: Vec<Key>, many: fn(Vec<Key>) -> Key) -> Key {
    match keys.pop() {
        Some(key) if keys.is_empty() => key,
        Some(key) => {
            keys.push(key);
            many(keys)
        }
        None => Key::All,
    }
}

impl Returns {
    pub(super) fn parse(input: &mut Input<'_>) -> Parsed<Self> {
        let mut returns = Self::default();
        let options = input.list(RETURNS_MAX, true, |input| input.keyword("expected a result option"))?;
        for option in &options {
            match option.as_str() {
                "MIN" => returns.min = true,
                "MAX" => returns.max = true,
                "ALL" => returns.all = true,
                "COUNT" => returns.count = true,
                "SAVE" => returns.save = true,
                _ => return Err(Refusal::Syntax("unknown result option")),
            }
        }
        // RFC 9051 §6.4.4: an empty list means ALL.
        returns.all |= returns == Self::default();
        Ok(returns)
    }
}

struct Keys {
    charset: Option<&'static Encoding>,
    left: usize,
}

impl Keys {
    fn key(&mut self, input: &mut Input<'_>, depth: usize) -> Parsed<Key> {
        self.left = self.left.checked_sub(1).ok_or(Refusal::TooMany)?;
        if depth > DEPTH_MAX {
            return Err(Refusal::TooMany);
        }
        match input.peek() {
            Some(b'(') => {
                let all = input.list(KEYS_MAX, false, |input| self.key(input, depth + 1))?;
                return Ok(one_or(all, Key::And));
            }
            Some(b'0'..=b'9' | b'*' | b'$') => return Ok(Key::Numbers(Set::parse(input)?)),
            _ => {}
        }
        let word = input.keyword("expected a search key")?;
        if let Some(key) = flag(&word) {
            return Ok(key);
        }
        input.space()?;
        if let Some(key) = self.text(&word, input)? {
            return Ok(key);
        }
        match word.as_str() {
            "NOT" => Ok(Key::Not(Box::new(self.key(input, depth + 1)?))),
            "OR" => self.or(input, depth),
            _ => plain(&word, input),
        }
    }

    /// Clients write long alternatives as `OR a OR b OR c d`; that is one level, not three.
    fn or(&mut self, input: &mut Input<'_>, depth: usize) -> Parsed<Key> {
        let mut any = vec![self.key(input, depth + 1)?];
        input.space()?;
        while input.eat_word("OR") {
            input.space()?;
            any.push(self.key(input, depth + 1)?);
            input.space()?;
        }
        any.push(self.key(input, depth + 1)?);
        Ok(Key::Or(any))
    }

    fn text(&self, word: &str, input: &mut Input<'_>) -> Parsed<Option<Key>> {
        let place = match word {
            "FROM" => Place::From,
            "TO" => Place::To,
            "CC" => Place::Cc,
            "BCC" => Place::Bcc,
            "SUBJECT" => Place::Subject,
            "BODY" => Place::Body,
            "TEXT" => Place::Text,
            "HEADER" => {
                let name = String::from_utf8_lossy(&input.astring()?).into_owned();
                input.space()?;
                Place::Header(name)
            }
            _ => return Ok(None),
        };
        let text = input.astring()?;
        Ok(Some(Key::Text(place, self.decode(text)?)))
    }

    fn decode(&self, text: Cow<'_, [u8]>) -> Parsed<String> {
        match self.charset {
            Some(charset) => match charset.decode_without_bom_handling_and_without_replacement(&text) {
                Some(text) => Ok(text.into_owned()),
                None => Err(Refusal::Syntax("the text is not in the charset named")),
            },
            None => match String::from_utf8(text.into_owned()) {
                Ok(text) => Ok(text),
                Err(_) => Err(Refusal::Syntax("text beyond ASCII needs its CHARSET named")),
            },
        }
    }
}

/// The keys without an argument.
fn flag(word: &str) -> Option<Key> {
    let flag = |flags, set| Some(Key::Flag(flags, set));
    match word {
        "ALL" | "OLD" => Some(Key::All),
        "RECENT" | "NEW" => Some(Key::None),
        "SEEN" => flag(Flags::SEEN, true),
        "UNSEEN" => flag(Flags::SEEN, false),
        "ANSWERED" => flag(Flags::ANSWERED, true),
        "UNANSWERED" => flag(Flags::ANSWERED, false),
        "FLAGGED" => flag(Flags::FLAGGED, true),
        "UNFLAGGED" => flag(Flags::FLAGGED, false),
        "DRAFT" => flag(Flags::DRAFT, true),
        "UNDRAFT" => flag(Flags::DRAFT, false),
        "DELETED" => flag(Flags::DELETED, true),
        "UNDELETED" => flag(Flags::DELETED, false),
        _ => None,
    }
}

/// The keys with an argument that is neither a key nor text.
fn plain(word: &str, input: &mut Input<'_>) -> Parsed<Key> {
    Ok(match word {
        "KEYWORD" => Key::Keyword(keyword(input)?, true),
        "UNKEYWORD" => Key::Keyword(keyword(input)?, false),
        "UID" => Key::Uids(Set::parse(input)?),
        "BEFORE" => Key::Arrived(Day::Before, date(input)?),
        "ON" => Key::Arrived(Day::On, date(input)?),
        "SINCE" => Key::Arrived(Day::Since, date(input)?),
        "SENTBEFORE" => Key::Sent(Day::Before, date(input)?),
        "SENTON" => Key::Sent(Day::On, date(input)?),
        "SENTSINCE" => Key::Sent(Day::Since, date(input)?),
        "LARGER" => Key::Larger(input.number("expected a size")?),
        "SMALLER" => Key::Smaller(input.number("expected a size")?),
        "YOUNGER" => Key::Younger(interval(input)?, true),
        "OLDER" => Key::Younger(interval(input)?, false),
        "MODSEQ" => mod_seq(input)?,
        "EMAILID" => Key::EmailId(keyword(input)?),
        "THREADID" => Key::ThreadId(keyword(input)?),
        _ => return Err(Refusal::Syntax("unknown search key")),
    })
}

/// Seconds. RFC 5032 §3: `nz-number`.
fn interval(input: &mut Input<'_>) -> Parsed<u64> {
    input.nz_number("expected an interval in seconds").map(u64::from)
}

fn keyword(input: &mut Input<'_>) -> Parsed<String> {
    Ok(String::from_utf8_lossy(input.atom("expected a keyword")?).into_owned())
}

/// RFC 7162 §3.1.5: `[search-modseq-ext] SP mod-sequence-valzer`. One modseq serves all of a message's
/// metadata, so the entry named says nothing more.
fn mod_seq(input: &mut Input<'_>) -> Parsed<Key> {
    if input.peek() == Some(b'"') {
        input.string()?;
        input.space()?;
        if !["ALL", "PRIV", "SHARED"].into_iter().any(|kind| input.eat_word(kind)) {
            return Err(Refusal::Syntax("expected all, priv or shared"));
        }
        input.space()?;
    }
    Ok(Key::ModSeq(input.number("expected a modseq")?))
}

/// `date = date-text / DQUOTE date-text DQUOTE`, with `date-text = 1*2DIGIT "-" month "-" 4DIGIT`.
fn date(input: &mut Input<'_>) -> Parsed<civil::Date> {
    const WHAT: &str = "expected a date such as 7-Feb-1994";
    let is_quoted = input.eat(b'"');
    let day = input.number(WHAT)?;
    input.expect(b'-', WHAT)?;
    let month = MONTHS.iter().position(|month| input.eat_text(month)).ok_or(Refusal::Syntax(WHAT))?;
    input.expect(b'-', WHAT)?;
    let year = input.number(WHAT)?;
    if is_quoted {
        input.expect(b'"', WHAT)?;
    }
    let (Ok(year), Ok(month), Ok(day)) = (i16::try_from(year), i8::try_from(month + 1), i8::try_from(day))
    else {
        return Err(Refusal::Syntax(WHAT));
    };
    civil::Date::new(year, month, day).map_err(|_| Refusal::Syntax("there is no such date"))
}

/// `date-month`
pub(in crate::doors::imap) const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
