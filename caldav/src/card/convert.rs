//! From one version of vCard to the other. RFC 2426; RFC 6350 appendix A.
//!
//! What a version has no word for keeps the one that it has: both allow properties and parameters that they
//! do not know.

use std::cell::Cell;
use std::collections::HashSet;

use super::entry::{Photo, type_parameter, types_of};
use super::{CardDate, CardVersion, Relation};
use crate::line::is_token;
use crate::value::escape;
use crate::{Component, ContentLine, Invalid, Parameter};

/// Properties that hold something binary, or a URI of it.
const BINARY: [&str; 4] = ["PHOTO", "LOGO", "SOUND", "KEY"];

/// Properties of lists, of which one may be liked best.
const PREFERRED: [&str; 12] =
    ["EMAIL", "TEL", "ADR", "IMPP", "URL", "NICKNAME", "ORG", "TITLE", "ROLE", "PHOTO", "RELATED", "LABEL"];

/// Makes a card one of another version; one that is that already, or of none that is known, stays as it is.
///
/// Lines that mean the same in both versions keep their bytes.
pub fn convert(card: &mut Component, version: CardVersion) {
    let own = card.line("VERSION").and_then(|line| CardVersion::of(line.value()));
    if own.is_none_or(|own| own == version) {
        return;
    }
    let whole = card.clone();
    let context = Context::of(&whole);
    card.replace_lines(|line| {
        let done = match version {
            CardVersion::V4 => upward(line, &context),
            CardVersion::V3 => downward(line, &context),
        };
        match done {
            Ok(Change::Into(lines)) => Some(lines),
            // What cannot be written otherwise stays as it is.
            Ok(Change::Keep) | Err(_) => None,
        }
    });
    if let Ok(line) = ContentLine::new("VERSION", version.as_str()) {
        card.replace(line);
    }
    // RFC 2426 §3.1.2 demands a name.
    if version == CardVersion::V3 && card.line("N").is_none() {
        let empty = ContentLine::new("N", ";;;;");
        empty.into_iter().for_each(|line| card.push(line));
    }
}

/// What becomes of a line, which may have been changed in its place.
enum Change {
    Keep,
    /// It goes, and these come, if any.
    Into(Vec<ContentLine>),
}

/// What of the rest of the card matters for a line.
struct Context {
    /// Groups with their labels, in upper case.
    labels: Vec<(String, String)>,
    /// LABEL properties: their words of TYPE and their text.
    labels_of_addresses: Vec<(Vec<String>, String)>,
    /// Words of TYPE of each ADR.
    addresses: Vec<Vec<String>>,
    sort_string: Option<String>,
    /// The best PREF of each property.
    best: Vec<(String, u8)>,
    /// Groups that there are, in lower case, and the number of the last one that was made.
    groups: HashSet<String>,
    last_group: Cell<usize>,
    /// N stands in the card.
    has_name: bool,
}

impl Context {
    fn of(card: &Component) -> Self {
        let labels = card.lines_named("X-ABLABEL");
        let labels = labels.filter_map(|line| Some((line.group()?.to_ascii_uppercase(), line.to_text())));
        let words = |line: &ContentLine| {
            let mut words = types_of(line).0;
            words.sort();
            words
        };
        let mut best: Vec<(String, u8)> = Vec::new();
        for line in card.lines() {
            let Some(preference) = types_of(line).1 else { continue };
            let name = line.name().to_ascii_uppercase();
            match best.iter_mut().find(|(own, _)| *own == name) {
                Some((_, least)) => *least = preference.min(*least),
                None => best.push((name, preference)),
            }
        }
        Self {
            labels: labels.collect(),
            labels_of_addresses: card
                .lines_named("LABEL")
                .map(|line| (words(line), line.to_text()))
                .collect(),
            addresses: card.lines_named("ADR").map(words).collect(),
            sort_string: card.line("SORT-STRING").map(ContentLine::to_text),
            best,
            groups: card.lines().filter_map(|line| line.group().map(str::to_ascii_lowercase)).collect(),
            last_group: Cell::new(0),
            has_name: card.line("N").is_some(),
        }
    }

    fn label(&self, line: &ContentLine) -> Option<&str> {
        let group = line.group()?.to_ascii_uppercase();
        self.labels.iter().find(|(own, _)| *own == group).map(|(_, label)| label.as_str())
    }

    /// A group that no line has.
    fn free_group(&self) -> String {
        let mut number = self.last_group.get();
        loop {
            number += 1;
            self.last_group.set(number);
            let name = format!("item{number}");
            // There are fewer groups than numbers.
            if !self.groups.contains(&name) {
                return name;
            }
        }
    }
}

/// To vCard 4.0.
fn upward(line: &mut ContentLine, context: &Context) -> Result<Change, Invalid> {
    if let Some(relation) = Relation::of(line, context.label(line)).filter(|_| !line.is("RELATED")) {
        return Ok(Change::Into(relation.lines(&line.to_text(), CardVersion::V4, "")?));
    }
    // The label of a line that has become a relation or an anniversary says nothing any more.
    if line.is("X-ABLABEL") && is_label_of_replaced(line) {
        return Ok(Change::Into(Vec::new()));
    }
    line.remove_parameter("CHARSET");
    preferences_upward(line);
    let name = line.name().to_ascii_uppercase();
    match name.as_str() {
        "PROFILE" => return Ok(Change::Into(Vec::new())),
        name if BINARY.contains(&name) => return binary(line, CardVersion::V4),
        "BDAY" | "ANNIVERSARY" => date(line, CardVersion::V4)?,
        "X-ANNIVERSARY" | "X-EVOLUTION-ANNIVERSARY" | "X-MS-ANNIVERSARY" | "X-KADDRESSBOOK-X-ANNIVERSARY" => {
            return renamed(line, "ANNIVERSARY", Some(CardVersion::V4));
        }
        "X-ABDATE" if is_anniversary(context.label(line)) => {
            return renamed(line, "ANNIVERSARY", Some(CardVersion::V4));
        }
        "X-ADDRESSBOOKSERVER-KIND" => return renamed(line, "KIND", None),
        "X-ADDRESSBOOKSERVER-MEMBER" => return renamed(line, "MEMBER", None),
        "REV" => line.set_value(line.value().replace(['-', ':'], ""))?,
        "GEO" => {
            if let Ok((latitude, longitude)) = line.geo() {
                line.set_value(format!("geo:{latitude},{longitude}"))?;
            }
        }
        "TZ" => {
            if let Some(offset) = basic_offset(line.value()) {
                line.set_value(offset)?;
                line.set_parameter(Parameter::new("VALUE", ["utc-offset"])?);
            }
        }
        "N" => {
            if let Some(sort) = &context.sort_string {
                line.set_parameter(Parameter::new("SORT-AS", [sort.as_str()])?);
            }
        }
        "SORT-STRING" if context.has_name => return Ok(Change::Into(Vec::new())),
        "ADR" => {
            let words = sorted_types(line);
            let label = context.labels_of_addresses.iter().find(|(own, _)| *own == words);
            if let Some((_, text)) = label {
                line.set_parameter(Parameter::new("LABEL", [text.as_str()])?);
            }
        }
        "LABEL" if context.addresses.contains(&sorted_types(line)) => return Ok(Change::Into(Vec::new())),
        "AGENT" => return agent_upward(line),
        _ => {}
    }
    Ok(Change::Keep)
}

/// To vCard 3.0.
fn downward(line: &mut ContentLine, context: &Context) -> Result<Change, Invalid> {
    if let Some(relation) = Relation::of(line, None).filter(|_| line.is("RELATED")) {
        let group = match line.group() {
            Some(group) => group.to_owned(),
            None => context.free_group(),
        };
        return Ok(Change::Into(relation.lines(&line.to_text(), CardVersion::V3, &group)?));
    }
    preferences_downward(line, context)?;
    let name = line.name().to_ascii_uppercase();
    match name.as_str() {
        name if BINARY.contains(&name) => return binary(line, CardVersion::V3),
        "TEL" => {
            let text = line.value().trim();
            if let Some(number) = text.get(..4).filter(|s| s.eq_ignore_ascii_case("tel:")).and(text.get(4..))
            {
                let number = escape(number);
                line.set_value(number)?;
                line.remove_parameter("VALUE");
            }
        }
        "BDAY" => date(line, CardVersion::V3)?,
        "ANNIVERSARY" => return renamed(line, "X-ANNIVERSARY", Some(CardVersion::V3)),
        "KIND" if line.value().trim().eq_ignore_ascii_case("group") => {
            return renamed(line, "X-ADDRESSBOOKSERVER-KIND", None);
        }
        "MEMBER" => return renamed(line, "X-ADDRESSBOOKSERVER-MEMBER", None),
        "GEO" => {
            let text = line.value().trim();
            let place = text.get(..4).filter(|s| s.eq_ignore_ascii_case("geo:")).and(text.get(4..));
            let place = place.and_then(|place| place.split(';').next()?.split_once(','));
            if let Some((latitude, rest)) = place {
                let longitude = rest.split(',').next().unwrap_or_default();
                line.set_value(format!("{latitude};{longitude}"))?;
            }
        }
        "TZ" => {
            if let Some(offset) = extended_offset(line.value()) {
                line.set_value(offset)?;
                line.remove_parameter("VALUE");
            }
        }
        "N" => {
            if let Some(sort) = line.parameter("SORT-AS").map(str::to_owned) {
                line.remove_parameter("SORT-AS");
                let new = vec![line.clone(), ContentLine::text("SORT-STRING", &sort)?];
                return Ok(Change::Into(new));
            }
        }
        "ADR" => {
            if let Some(label) = line.parameter("LABEL").map(str::to_owned) {
                line.remove_parameter("LABEL");
                let mut new = ContentLine::text("LABEL", &label)?;
                let types = line.parameters().iter().filter(|parameter| parameter.is("TYPE"));
                types.for_each(|parameter| new.push(parameter.clone()));
                return Ok(Change::Into(vec![line.clone(), new]));
            }
        }
        "RELATED" if types_of(line).0.iter().any(|word| word == "AGENT") => {
            let mut agent = ContentLine::new("AGENT", line.value())?;
            agent.push(Parameter::new("VALUE", ["uri"])?);
            return Ok(Change::Into(vec![agent]));
        }
        _ => {}
    }
    Ok(Change::Keep)
}

/// RFC 2426 §3.3.1 has `TYPE=pref`, RFC 6350 §5.3 PREF; only the former has a type for the Internet's mail.
fn preferences_upward(line: &mut ContentLine) {
    let drop = |word: &str| {
        word.eq_ignore_ascii_case("pref") || (line.is("EMAIL") && word.eq_ignore_ascii_case("internet"))
    };
    let types: Vec<&Parameter> = line.parameters().iter().filter(|parameter| parameter.is("TYPE")).collect();
    let words: Vec<&str> =
        types.iter().flat_map(|p| p.values()).flat_map(|v| v.split(',')).map(str::trim).collect();
    if !words.iter().any(|word| drop(word)) {
        return;
    }
    let liked = words.iter().any(|word| word.eq_ignore_ascii_case("pref"));
    let kept: Vec<&str> = words.iter().copied().filter(|word| !drop(word) && !word.is_empty()).collect();
    let kept = type_parameter(&kept, CardVersion::V4);
    let has_preference = line.parameters().iter().any(|parameter| parameter.is("PREF"));
    line.remove_parameter("TYPE");
    kept.into_iter().for_each(|parameter| line.push(parameter));
    if liked && !has_preference {
        let one = Parameter::new("PREF", ["1"]);
        one.into_iter().for_each(|parameter| line.push(parameter));
    }
}

fn preferences_downward(line: &mut ContentLine, context: &Context) -> Result<(), Invalid> {
    let (types, preference) = types_of(line);
    let name = line.name().to_ascii_uppercase();
    let listed = line.parameters().iter().any(|p| p.is("TYPE") && p.values().iter().any(|v| v.contains(',')));
    let best = context.best.iter().any(|(own, best)| *own == name && Some(*best) == preference);
    let best = best && PREFERRED.contains(&name.as_str());
    if !best && !listed {
        return Ok(());
    }
    let mut words: Vec<&str> = types.iter().map(String::as_str).collect();
    if best {
        words.push("PREF");
        // 1 is what the word says; another number stays beside it.
        if preference == Some(1) {
            line.remove_parameter("PREF");
        }
    }
    line.remove_parameter("TYPE");
    if let Some(parameter) = type_parameter(&words, CardVersion::V3) {
        line.push(parameter);
    }
    Ok(())
}

/// PHOTO and its like: RFC 2426 §3.1.4, RFC 6350 §6.2.4.
fn binary(line: &ContentLine, version: CardVersion) -> Result<Change, Invalid> {
    let Some(photo) = Photo::of(line) else { return Ok(Change::Keep) };
    // A KEY as text.
    let is_uri = |uri: &str| uri.split_once(':').is_some_and(|(scheme, _)| is_token(scheme));
    if matches!(&photo, Photo::Uri(uri) if !is_uri(uri)) {
        return Ok(Change::Keep);
    }
    let mut new = photo.line(line.name(), version)?;
    for parameter in line.parameters() {
        let is_of_value = ["ENCODING", "VALUE", "MEDIATYPE", "TYPE"].iter().any(|name| parameter.is(name));
        if !is_of_value && !parameter.values().is_empty() {
            new.push(parameter.clone());
        }
    }
    match line.group() {
        Some(group) => Ok(Change::Into(vec![new.in_group(group)?])),
        None => Ok(Change::Into(vec![new])),
    }
}

/// A date as the version writes it. One that is not understood stays.
fn date(line: &mut ContentLine, version: CardVersion) -> Result<(), Invalid> {
    let has_time = line.value().contains(['T', 't']);
    match (CardDate::of(line), version) {
        (Some(_), CardVersion::V4) if has_time => line.set_value(line.value().replace(['-', ':'], "")),
        (Some(_), CardVersion::V3) if has_time => Ok(()),
        // vCard 3.0 has no words for less than a day.
        (Some(CardDate { day: None, .. } | CardDate { month: None, .. }), CardVersion::V3) => Ok(()),
        (Some(date), _) => {
            let (value, parameter) = date.write(version);
            line.set_value(value)?;
            line.remove_parameter("X-APPLE-OMIT-YEAR");
            if let Some((name, value)) = parameter {
                line.push(Parameter::new(name, [value.as_str()])?);
            }
            Ok(())
        }
        (None, _) => Ok(()),
    }
}

/// The line by another name; a date is written as a version has it.
fn renamed(line: &ContentLine, name: &str, dated: Option<CardVersion>) -> Result<Change, Invalid> {
    let mut new = ContentLine::new(name, line.value())?;
    line.parameters().iter().filter(|p| !p.values().is_empty()).for_each(|p| new.push(p.clone()));
    if let Some(version) = dated {
        date(&mut new, version)?;
    }
    match line.group().filter(|_| !line.is("X-ABDATE")) {
        Some(group) => Ok(Change::Into(vec![new.in_group(group)?])),
        None => Ok(Change::Into(vec![new])),
    }
}

/// RFC 2426 §3.5.4: a card within the card, or a URI.
fn agent_upward(line: &ContentLine) -> Result<Change, Invalid> {
    let is_uri = line.parameter("VALUE").is_some_and(|kind| kind.eq_ignore_ascii_case("uri"));
    let mut new = ContentLine::new("RELATED", line.value())?;
    if !is_uri {
        return Ok(Change::Keep);
    }
    new.push(Parameter::new("TYPE", ["agent"])?);
    Ok(Change::Into(vec![new]))
}

fn is_anniversary(label: Option<&str>) -> bool {
    label.and_then(super::read::builtin_label).is_some_and(|label| label.eq_ignore_ascii_case("Anniversary"))
}

fn is_label_of_replaced(label: &ContentLine) -> bool {
    let text = label.to_text();
    let word = super::read::builtin_label(&text);
    word.is_some_and(|word| {
        ["Anniversary", "Spouse", "Manager", "Assistant", "Child"]
            .iter()
            .any(|own| own.eq_ignore_ascii_case(word))
    })
}

fn sorted_types(line: &ContentLine) -> Vec<String> {
    let mut types = types_of(line).0;
    types.sort();
    types
}

/// `-05:00` as `-0500`. RFC 2426 §3.4.1.
fn basic_offset(text: &str) -> Option<String> {
    let text = text.trim();
    let (sign, digits) = text.split_at_checked(1).filter(|(sign, _)| matches!(*sign, "+" | "-"))?;
    let (hours, minutes) = digits.split_once(':')?;
    let two = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    (two(hours) && two(minutes)).then(|| format!("{sign}{hours}{minutes}"))
}

/// The other way round.
fn extended_offset(text: &str) -> Option<String> {
    let text = text.trim();
    let (sign, digits) = text.split_at_checked(1).filter(|(sign, _)| matches!(*sign, "+" | "-"))?;
    let good = matches!(digits.len(), 2 | 4) && digits.bytes().all(|b| b.is_ascii_digit());
    let (hours, minutes) = digits.split_at_checked(2).filter(|_| good)?;
    Some(format!("{sign}{hours}:{}", if minutes.is_empty() { "00" } else { minutes }))
}

#[cfg(test)]
#[path = "convert_tests.rs"]
mod tests;
