//! Header fields of WebDAV. RFC 4918 §10; RFC 9110 §13.1; RFC 7240; RFC 8144; RFC 6638 §8.

use super::Target;

/// Conditions in an If header, all in all.
const CONDITIONS_MAX: usize = 100;

/// Tags in a list of entity tags.
const TAGS_MAX: usize = 1000;

/// How far down a request reaches. RFC 4918 §10.2.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Depth {
    /// The resource.
    Zero,
    /// It and its members.
    One,
    /// It and all below.
    Infinity,
}

/// An entity tag. RFC 9110 §8.8.3.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ETag {
    /// What it says, without its quotes.
    pub tag: String,
    /// It promises no more than the same meaning.
    pub weak: bool,
}

/// The value of If-Match or If-None-Match. RFC 9110 §13.1.1, §13.1.2.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ETags {
    /// `*`: whatever there is.
    Any,
    /// One of these.
    List(Vec<ETag>),
}

/// The value of If: it holds when one of its lists does. RFC 4918 §10.4.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct If {
    /// The lists in their order.
    pub lists: Vec<IfList>,
}

/// One list: it holds when all of its conditions do. RFC 4918 §10.4.2.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IfList {
    /// The resource it is about, as its tag names it; that of the request when there is none.
    pub resource: Option<Target>,
    /// The conditions.
    pub conditions: Vec<IfCondition>,
}

/// One condition. RFC 4918 §10.4.3.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IfCondition {
    /// It holds when the state does not match.
    pub not: bool,
    /// What the resource's state is compared with.
    pub state: IfState,
}

/// What a condition names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum IfState {
    /// A state token, such as that of a lock or DAV:sync-token.
    Token(String),
    /// An entity tag.
    ETag(ETag),
}

/// What a client likes to get. RFC 7240; RFC 8144.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Prefer {
    /// `return=minimal`, or `Brief: t`: no propstat for what is missing, no body where none is needed.
    pub minimal: bool,
    /// `return=representation`: the new state of what was changed.
    pub representation: bool,
    /// `depth-noroot`: members without the collection. RFC 8144 §3.
    pub no_root: bool,
}

/// How long a lock is asked for. RFC 4918 §10.7.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Timeout {
    /// For so many seconds.
    Seconds(u32),
    /// For ever.
    Infinite,
}

impl Depth {
    /// Reads the value; `None` for another one. What an absent one means depends on the method.
    pub fn parse(value: &str) -> Option<Self> {
        match value.trim() {
            "0" => Some(Self::Zero),
            "1" => Some(Self::One),
            other if other.eq_ignore_ascii_case("infinity") => Some(Self::Infinity),
            _ => None,
        }
    }
}

impl ETag {
    /// Reads one tag; unquoted ones are met and taken for strong.
    pub fn parse(value: &str) -> Option<Self> {
        let value = value.trim();
        let (weak, value) = match value.strip_prefix("W/").or_else(|| value.strip_prefix("w/")) {
            Some(rest) => (true, rest),
            None => (false, value),
        };
        let tag = match value.strip_prefix('"') {
            Some(rest) => rest.strip_suffix('"')?,
            None => value,
        };
        let good = !tag.contains('"') && (!tag.is_empty() || value.len() == 2);
        good.then(|| Self { tag: tag.to_owned(), weak })
    }
}

impl ETags {
    /// Reads the value of If-Match or If-None-Match.
    pub fn parse(value: &str) -> Option<Self> {
        if value.trim() == "*" {
            return Some(Self::Any);
        }
        let mut tags = Vec::new();
        let mut rest = value.trim();
        while !rest.is_empty() {
            if tags.len() == TAGS_MAX {
                return None;
            }
            // A comma may stand within quotes.
            let mut quoted = false;
            let end = rest.find(|c| {
                quoted ^= c == '"';
                !quoted && c == ','
            });
            let (tag, after) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
            if !tag.trim().is_empty() {
                tags.push(ETag::parse(tag)?);
            }
            rest = after.strip_prefix(',').unwrap_or(after).trim_start();
        }
        (!tags.is_empty()).then_some(Self::List(tags))
    }

    /// For If-Match: whether the resource with this strong tag (without quotes) is meant; `None` for one that
    /// does not exist. RFC 9110 §13.1.1.
    pub fn matches(&self, tag: Option<&str>) -> bool {
        match (self, tag) {
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::List(tags), Some(tag)) => tags.iter().any(|own| !own.weak && own.tag == tag),
        }
    }

    /// For If-None-Match, where weak tags count, too. RFC 9110 §13.1.2.
    pub fn matches_weakly(&self, tag: Option<&str>) -> bool {
        match (self, tag) {
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::List(tags), Some(tag)) => tags.iter().any(|own| own.tag == tag),
        }
    }
}

impl If {
    /// Reads the value; `None` for one that is not of the grammar.
    pub fn parse(value: &str) -> Option<Self> {
        let mut lists = Vec::new();
        let mut resource = None;
        let mut count = 0;
        let mut rest = value.trim_start();
        // Tagged lists and untagged ones do not stand together, except that the former follow each tag.
        while !rest.is_empty() {
            if let Some(tagged) = rest.strip_prefix('<') {
                let (uri, after) = tagged.split_once('>')?;
                resource = Some(Target::parse(uri)?);
                rest = after.trim_start();
                if !rest.starts_with('(') {
                    return None;
                }
            }
            let (conditions, after) = conditions(rest.strip_prefix('(')?, &mut count)?;
            lists.push(IfList { resource: resource.clone(), conditions });
            rest = after.trim_start();
        }
        (!lists.is_empty()).then_some(Self { lists })
    }

    /// Whether it holds; `state` says whether a resource's state has what a condition names.
    pub fn holds(&self, mut state: impl FnMut(Option<&Target>, &IfState) -> bool) -> bool {
        self.lists.iter().any(|list| {
            list.conditions
                .iter()
                .all(|condition| state(list.resource.as_ref(), &condition.state) != condition.not)
        })
    }

    /// The state tokens that it submits. RFC 4918 §10.4.1.
    pub fn tokens(&self) -> impl Iterator<Item = &str> {
        self.lists.iter().flat_map(|list| &list.conditions).filter_map(|condition| match &condition.state {
            IfState::Token(token) => Some(token.as_str()),
            IfState::ETag(_) => None,
        })
    }
}

/// Reads conditions up to the end of their list.
fn conditions<'v>(text: &'v str, count: &mut usize) -> Option<(Vec<IfCondition>, &'v str)> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    loop {
        if let Some(after) = rest.strip_prefix(')') {
            return (!found.is_empty()).then_some((found, after));
        }
        *count += 1;
        if *count > CONDITIONS_MAX {
            return None;
        }
        let not = rest.get(..3).is_some_and(|word| word.eq_ignore_ascii_case("not"));
        if not {
            rest = rest.get(3..)?.trim_start();
        }
        let (state, after) = if let Some(token) = rest.strip_prefix('<') {
            let (token, after) = token.split_once('>')?;
            (IfState::Token(token.to_owned()), after)
        } else {
            let (tag, after) = rest.strip_prefix('[')?.split_once(']')?;
            (IfState::ETag(ETag::parse(tag)?), after)
        };
        found.push(IfCondition { not, state });
        rest = after.trim_start();
    }
}

/// Overwrite: false for `F`, true for `T` and when it is absent. RFC 4918 §10.6.
///
/// `None` for another value.
pub fn overwrite(value: Option<&str>) -> Option<bool> {
    match value.map(str::trim) {
        None | Some("T" | "t") => Some(true),
        Some("F" | "f") => Some(false),
        Some(_) => None,
    }
}

/// Schedule-Reply: whether a deletion is told to the organizer. RFC 6638 §8.1.
pub fn schedule_reply(value: Option<&str>) -> bool {
    !value.is_some_and(|value| value.trim().eq_ignore_ascii_case("F"))
}

/// Timeout: the wishes in their order; what is not understood is left out. RFC 4918 §10.7.
pub fn timeouts(value: &str) -> Vec<Timeout> {
    let one = |word: &str| match word.trim() {
        "Infinite" => Some(Timeout::Infinite),
        word => word.strip_prefix("Second-")?.parse().ok().map(Timeout::Seconds),
    };
    value.split(',').take(16).filter_map(one).collect()
}

impl Prefer {
    /// Reads the values of all Prefer fields, and that of Brief. RFC 7240 §2; RFC 8144 §2, §3.
    pub fn parse<'v>(prefer: impl IntoIterator<Item = &'v str>, brief: Option<&str>) -> Self {
        let mut found =
            Self { minimal: brief.is_some_and(|b| b.trim().eq_ignore_ascii_case("t")), ..Self::default() };
        for preference in prefer.into_iter().flat_map(|value| value.split(',')).take(32) {
            let word = preference.split(';').next().unwrap_or_default();
            let word: String = word.chars().filter(|c| !c.is_whitespace() && *c != '"').collect();
            match word.to_ascii_lowercase().as_str() {
                // Of two that exclude each other the first counts.
                "return=minimal" | "return-minimal" if !found.representation => found.minimal = true,
                "return=representation" | "return-representation" if !found.minimal => {
                    found.representation = true
                }
                "depth-noroot" => found.no_root = true,
                _ => {}
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn entity_tags() {
        let tags = ETags::parse("\"a,b\" , W/\"c\",\"\"").unwrap();
        assert!(tags.matches(Some("a,b")) && tags.matches(Some("")) && !tags.matches(Some("c")));
        assert!(tags.matches_weakly(Some("c")) && !tags.matches(None));
        assert!(ETags::parse(" * ").unwrap().matches(Some("x")) && !ETags::Any.matches(None));
        for bad in ["", ",", "\"a", "a\"b"] {
            assert_eq!(ETags::parse(bad), None, "{bad}");
        }
    }

    /// RFC 4918 §10.4.6 to §10.4.11.
    #[test]
    fn if_headers_of_the_standard() {
        let header =
            "(<urn:uuid:181d4fae-7d8c-11d0-a765-00a0c91e6bf2> [\"I am an ETag\"]) ([\"I am another ETag\"])";
        let parsed = If::parse(header).unwrap();
        assert_eq!((parsed.lists.len(), parsed.tokens().count()), (2, 1));
        let etag = |wanted: &'static str| move |_: Option<&Target>, state: &IfState| matches!(state, IfState::ETag(e) if e.tag == wanted);
        assert!(parsed.holds(etag("I am another ETag")) && !parsed.holds(etag("I am an ETag")));
        let not = If::parse("(Not <urn:uuid:1> <urn:uuid:2>)").unwrap();
        assert!(not.holds(|_, state| matches!(state, IfState::Token(t) if t.ends_with('2'))));
        let never = If::parse("(<urn:uuid:1>) (Not <DAV:no-lock>)").unwrap();
        assert!(never.holds(|_, _| false));
        let tagged =
            If::parse("<http://www.example.com/specs/> (<urn:uuid:1>)\r\n (Not [W/\"x\"]) </b> ([\"y\"])")
                .unwrap();
        assert_eq!(tagged.lists.len(), 3);
        assert_eq!(tagged.lists[1].resource.as_ref().unwrap().segments, ["specs"]);
        assert_eq!(tagged.lists[2].resource.as_ref().unwrap().segments, ["b"]);
        for bad in ["", "()", "(<a>", "<x> (<a>)", "</a>", "(a)", "(Not)", "([\"a)", "(<a>) x"] {
            assert_eq!(If::parse(bad), None, "{bad}");
        }
        assert_eq!(If::parse(&"(<a>)".repeat(101)), None);
    }

    #[test]
    fn small_ones() {
        assert_eq!((Depth::parse(" Infinity"), Depth::parse("2")), (Some(Depth::Infinity), None));
        assert_eq!(
            (overwrite(None), overwrite(Some("F")), overwrite(Some("x"))),
            (Some(true), Some(false), None)
        );
        assert!(schedule_reply(None) && schedule_reply(Some("T")) && !schedule_reply(Some("F")));
        assert_eq!(
            timeouts("Infinite, Second-4100000000, x"),
            [Timeout::Infinite, Timeout::Seconds(4_100_000_000)]
        );
        let prefer = Prefer::parse(["return=minimal;x=1, depth-noroot", "return=representation"], None);
        assert_eq!(prefer, Prefer { minimal: true, representation: false, no_root: true });
        assert!(Prefer::parse([], Some("t")).minimal && !Prefer::parse([], Some("f")).minimal);
    }

    proptest! {
        #[test]
        fn nothing_makes_them_panic(text in "[<>()\\[\\]\"W/Not a,;*=é]{0,40}") {
            let _ = (If::parse(&text), ETags::parse(&text), Prefer::parse([text.as_str()], None), timeouts(&text));
        }
    }
}
