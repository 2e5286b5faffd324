//! Editing a card in place.

use std::collections::HashSet;

use super::entry::{Entry, type_parameter};
use super::read::{ANNIVERSARIES, MESSENGERS};
use super::{
    Address, Card, CardDate, CardVersion, Organization, PersonName, PhoneKind, Photo, Place, Relation,
};
use crate::value::{escape, split};
use crate::{Component, ContentLine, Invalid};

/// A vCard, to be changed. What a setter is given as `None`, or as empty, is taken away.
///
/// Setters that would change nothing change nothing, not a byte.
///
/// ```
/// use caldav::Object;
/// use caldav::card::{CardMut, PhoneKind};
///
/// let mut object = Object::parse(
///     b"BEGIN:VCARD\nVERSION:3.0\nFN:Ann\nitem1.TEL;TYPE=CELL;X-A=1:2\nX-SKIN:1\nEND:VCARD\n",
/// )?;
/// let mut card = CardMut::new(object.card_mut().unwrap());
/// card.set_phone(PhoneKind::Mobile, 0, Some("+1 3"))?;
/// card.set_text("TITLE", Some("Cook, chief"))?;
/// assert_eq!(
///     String::from_utf8(object.write())?,
///     "BEGIN:VCARD\nVERSION:3.0\nFN:Ann\nitem1.TEL;TYPE=CELL;X-A=1:+1 3\nX-SKIN:1\nTITLE:Cook\\, chief\n\
///      END:VCARD\n",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct CardMut<'c> {
    component: &'c mut Component,
}

impl<'c> CardMut<'c> {
    /// The view of a VCARD.
    pub fn new(component: &'c mut Component) -> Self {
        Self { component }
    }

    /// To read it.
    pub fn card(&self) -> Card<'_> {
        Card::new(self.component)
    }

    /// The component itself.
    pub fn component(&mut self) -> &mut Component {
        self.component
    }

    /// Sets a property with a TEXT, such as FN, NOTE or X-CUSTOMERID: its first line; any others stay.
    ///
    /// # Errors
    /// [`Invalid`] for control characters; the card is unchanged then, as for all setters.
    pub fn set_text(&mut self, name: &str, text: Option<&str>) -> Result<(), Invalid> {
        let at = self.component.lines().position(|line| line.is(name));
        let text = text.filter(|text| !text.is_empty());
        if at.and_then(|at| self.line(at)).map(ContentLine::to_text).as_deref() == text {
            return Ok(());
        }
        self.set(at, text.map(|text| ContentLine::text(name, text)).transpose()?);
        Ok(())
    }

    /// Sets a property whose value is no TEXT, such as URL, as [`CardMut::set_text`] does.
    ///
    /// # Errors
    /// [`Invalid`] for control characters.
    pub fn set_uri(&mut self, name: &str, uri: Option<&str>) -> Result<(), Invalid> {
        let at = self.component.lines().position(|line| line.is(name));
        let uri = uri.filter(|uri| !uri.is_empty());
        self.set(at, uri.map(|uri| ContentLine::new(name, uri)).transpose()?);
        Ok(())
    }

    /// Sets the first of these properties that there is, or else makes one of the first name.
    ///
    /// # Errors
    /// [`Invalid`] for control characters.
    pub fn set_text_of(&mut self, names: &[&str], text: Option<&str>) -> Result<(), Invalid> {
        let there = names.iter().find(|name| self.card().text(name).is_some()).or(names.first());
        there.map_or(Ok(()), |name| self.set_text(name, text))
    }

    /// Sets N. vCard 3.0 must have one, so that an empty name is written as such there.
    ///
    /// # Errors
    /// [`Invalid`] for control characters.
    pub fn set_name(&mut self, name: &PersonName) -> Result<(), Invalid> {
        let at = self.component.lines().position(|line| line.is("N"));
        if at.is_some() && self.card().name() == *name {
            return Ok(());
        }
        let wanted = !name.is_empty() || self.version() == CardVersion::V3;
        self.set(
            at,
            wanted.then(|| structured("N", &name.fields(), at.and_then(|at| self.line(at)))).transpose()?,
        );
        Ok(())
    }

    /// Sets ORG.
    ///
    /// # Errors
    /// [`Invalid`] for control characters.
    pub fn set_organization(&mut self, organization: &Organization) -> Result<(), Invalid> {
        let at = self.component.lines().position(|line| line.is("ORG"));
        if self.card().organization() == *organization {
            return Ok(());
        }
        let mut fields = vec![organization.name.as_str()];
        fields.extend(organization.units.iter().map(String::as_str));
        let wanted = fields.iter().any(|field| !field.is_empty());
        self.set(
            at,
            wanted.then(|| structured("ORG", &fields, at.and_then(|at| self.line(at)))).transpose()?,
        );
        Ok(())
    }

    /// Sets the `n`th EMAIL, from 0; one beyond the last becomes the last.
    ///
    /// # Errors
    /// [`Invalid`] for control characters.
    pub fn set_email(&mut self, n: usize, address: Option<&str>) -> Result<(), Invalid> {
        let found = self.card().emails().into_iter().nth(n);
        self.set_entry(
            found,
            address,
            || ContentLine::text("EMAIL", address.unwrap_or_default()),
            &["internet"],
        )
    }

    /// Sets the `n`th telephone number of a kind, from 0; one beyond the last becomes the last.
    ///
    /// # Errors
    /// [`Invalid`] for control characters.
    pub fn set_phone(&mut self, kind: PhoneKind, n: usize, number: Option<&str>) -> Result<(), Invalid> {
        let phones = self.card().phones().into_iter();
        let found = phones.filter(|phone| PhoneKind::of(&phone.types) == kind).nth(n);
        let uri = found.as_ref().and_then(|phone| self.line(phone.line)).is_some_and(|line| {
            line.value().trim().get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("tel:"))
        });
        let number = number.filter(|number| !number.is_empty());
        let value = number.map(|number| if uri { tel(number) } else { number.to_owned() });
        let line = || ContentLine::text("TEL", value.as_deref().unwrap_or_default());
        self.set_entry(found, number, line, kind.types())
    }

    /// Sets the first address of a place.
    ///
    /// # Errors
    /// [`Invalid`] for control characters.
    pub fn set_address(&mut self, place: Place, address: Option<&Address>) -> Result<(), Invalid> {
        let address = address.filter(|address| !address.is_empty());
        let found = self.card().addresses().into_iter().find(|entry| Place::of(&entry.types) == place);
        if found.as_ref().map(|entry| &entry.value) == address {
            return Ok(());
        }
        let old = found.as_ref().and_then(|entry| self.line(entry.line));
        let line = address.map(|address| structured("ADR", &address.fields(), old)).transpose()?;
        match (found, line) {
            (Some(entry), line) => self.set(Some(entry.line), line),
            (None, Some(line)) => self.add(line, place.types()),
            (None, None) => {}
        }
        Ok(())
    }

    /// Sets the `n`th address of an instant messenger, from 0; one beyond the last becomes the last. Without
    /// a scheme it gets `im:`, which readers take away. RFC 3860.
    ///
    /// # Errors
    /// [`Invalid`] for control characters.
    pub fn set_messenger(&mut self, n: usize, address: Option<&str>) -> Result<(), Invalid> {
        let found = self.card().messengers().into_iter().nth(n);
        let line = found.as_ref().and_then(|entry| self.line(entry.line));
        let name = line.and_then(|line| MESSENGERS.into_iter().find(|name| line.is(name))).unwrap_or("IMPP");
        let value = || {
            let address = address.unwrap_or_default();
            match name == "IMPP" && !has_scheme(address) {
                true => ContentLine::text(name, &format!("im:{address}")),
                false => ContentLine::text(name, address),
            }
        };
        self.set_entry(found, address.filter(|address| !address.is_empty()), value, &[])
    }

    /// Sets BDAY.
    ///
    /// # Errors
    /// None that a date could cause.
    pub fn set_birthday(&mut self, date: Option<CardDate>) -> Result<(), Invalid> {
        let at = self.component.lines().position(|line| line.is("BDAY"));
        if self.card().birthday() == date && (date.is_some() || at.is_none()) {
            return Ok(());
        }
        let line = date.map(|date| self.date_line("BDAY", date)).transpose()?;
        self.set_date(at, line);
        Ok(())
    }

    /// Sets the anniversary where it stands, or makes one: ANNIVERSARY, and X-ANNIVERSARY in vCard 3.0.
    ///
    /// # Errors
    /// None that a date could cause.
    pub fn set_anniversary(&mut self, date: Option<CardDate>) -> Result<(), Invalid> {
        let at = self.card().anniversary_line();
        if self.card().anniversary() == date && (date.is_some() || at.is_none()) {
            return Ok(());
        }
        let [v4, v3, ..] = ANNIVERSARIES;
        let own = at.and_then(|at| self.line(at)).map(|line| line.name().to_owned());
        let name = own.unwrap_or_else(|| if self.version() == CardVersion::V4 { v4 } else { v3 }.to_owned());
        let line = date.map(|date| self.date_line(&name, date)).transpose()?;
        self.set_date(at, line);
        Ok(())
    }

    /// Sets CATEGORIES. Where all are the same but for their order, nothing changes.
    ///
    /// # Errors
    /// [`Invalid`] for control characters.
    pub fn set_categories<'t>(
        &mut self,
        categories: impl IntoIterator<Item = &'t str>,
    ) -> Result<(), Invalid> {
        let categories: Vec<&str> = categories.into_iter().filter(|text| !text.is_empty()).collect();
        let old = self.card().categories();
        let (is, was): (HashSet<&str>, HashSet<&str>) =
            (categories.iter().copied().collect(), old.iter().map(String::as_str).collect());
        if is == was {
            return Ok(());
        }
        let list: Vec<String> = categories.into_iter().map(escape).collect();
        let line = (!list.is_empty()).then(|| ContentLine::new("CATEGORIES", list.join(","))).transpose()?;
        match line {
            Some(line) => self.component.set(line),
            None => drop(self.component.remove("CATEGORIES")),
        }
        Ok(())
    }

    /// Sets PHOTO.
    ///
    /// # Errors
    /// [`Invalid`] for control characters.
    pub fn set_photo(&mut self, photo: Option<&Photo>) -> Result<(), Invalid> {
        if self.card().photo().as_ref() == photo {
            return Ok(());
        }
        let line = photo.map(|photo| photo.line("PHOTO", self.version())).transpose()?;
        // What TYPE and MEDIATYPE said belongs to the old picture.
        self.component.remove("PHOTO");
        line.into_iter().for_each(|line| self.component.push(line));
        Ok(())
    }

    /// Sets the names of those who stand in a relation to the person; the first ones keep their lines.
    ///
    /// # Errors
    /// [`Invalid`] for control characters.
    pub fn set_related<'t>(
        &mut self,
        relation: Relation,
        names: impl IntoIterator<Item = &'t str>,
    ) -> Result<(), Invalid> {
        let names: Vec<&str> = names.into_iter().filter(|name| !name.is_empty()).collect();
        let old = self.card().related_lines(relation);
        if old.iter().map(|(_, name)| name.as_str()).eq(names.iter().copied()) {
            return Ok(());
        }
        let values: Vec<String> = names.iter().map(|name| escape(name)).collect();
        let mut new = Vec::new();
        for name in names.iter().skip(old.len()) {
            let group = self.free_group(new.len());
            new.push(relation.lines(name, self.version(), &group)?);
        }
        for ((at, _), value) in old.iter().zip(&values) {
            if let Some(line) = self.component.lines_mut().nth(*at) {
                line.set_value(value.as_str())?;
            }
        }
        // From behind, so that the numbers before stay right.
        old.iter().skip(values.len()).rev().for_each(|(at, _)| self.remove(*at));
        new.into_iter().flatten().for_each(|line| self.component.push(line));
        Ok(())
    }

    fn version(&self) -> CardVersion {
        self.card().version().unwrap_or(CardVersion::V3)
    }

    fn line(&self, at: usize) -> Option<&ContentLine> {
        self.component.lines().nth(at)
    }

    fn date_line(&self, name: &str, date: CardDate) -> Result<ContentLine, Invalid> {
        let (value, parameter) = date.write(self.version());
        let line = ContentLine::new(name, value)?;
        match parameter {
            Some((name, value)) => line.with(name, &value),
            None => Ok(line),
        }
    }

    fn set_date(&mut self, at: Option<usize>, line: Option<ContentLine>) {
        let old = at.and_then(|at| self.component.lines_mut().nth(at));
        if let (Some(old), Some(_)) = (old, &line) {
            // Whether the year counts, and that the value was a text, was said of the old one.
            ["X-APPLE-OMIT-YEAR", "VALUE", "CALSCALE"].iter().for_each(|name| old.remove_parameter(name));
        }
        self.set(at, line);
    }

    /// Changes a value of a list, takes it away, or adds one.
    fn set_entry(
        &mut self,
        found: Option<Entry<String>>,
        value: Option<&str>,
        line: impl FnOnce() -> Result<ContentLine, Invalid>,
        types: &[&str],
    ) -> Result<(), Invalid> {
        let value = value.filter(|value| !value.is_empty());
        match (found, value) {
            (Some(entry), Some(value)) if entry.value == value => {}
            (Some(entry), Some(_)) => self.set(Some(entry.line), Some(line()?)),
            (Some(entry), None) => self.set(Some(entry.line), None),
            (None, Some(_)) => self.add(line()?, types),
            (None, None) => {}
        }
        Ok(())
    }

    /// Adds a line with these words of TYPE.
    fn add(&mut self, mut line: ContentLine, types: &[&str]) {
        let version = self.version();
        // Only vCard 3.0 knows `internet`.
        let types: Vec<&str> =
            types.iter().copied().filter(|word| version == CardVersion::V3 || *word != "internet").collect();
        if let Some(parameter) = type_parameter(&types, version) {
            line.push(parameter);
        }
        self.component.push(line);
    }

    /// Puts the value and the parameters of `line` into the line that there is, or removes or adds one.
    fn set(&mut self, at: Option<usize>, line: Option<ContentLine>) {
        match (at, line) {
            (Some(at), Some(new)) => {
                if let Some(old) = self.component.lines_mut().nth(at) {
                    for name in ["ENCODING", "CHARSET"] {
                        old.remove_parameter(name);
                    }
                    // It was checked when `new` was made.
                    let _ = old.set_value(new.value());
                    new.parameters().iter().for_each(|parameter| old.set_parameter(parameter.clone()));
                }
            }
            (Some(at), None) => self.remove(at),
            (None, Some(new)) => self.component.push(new),
            (None, None) => {}
        }
    }

    /// Takes a line away, and with it what only explains it: what else is in a group of its own with a label.
    fn remove(&mut self, at: usize) {
        let Some(line) = self.line(at) else { return };
        let group = line.group().map(str::to_ascii_uppercase);
        let in_group =
            |line: &ContentLine| group.is_some() && line.group().map(str::to_ascii_uppercase) == group;
        let explains = |line: &ContentLine| line.is("X-ABLABEL") || line.is("X-ABADR");
        let alone = self.component.lines().filter(|line| in_group(line) && !explains(line)).count() == 1;
        let mut n = 0;
        self.component.retain_lines(|line| {
            n += 1;
            n - 1 != at && !(alone && in_group(line) && explains(line))
        });
    }

    /// A name for a group that no line has; `skip` of them are taken already.
    fn free_group(&self, skip: usize) -> String {
        let used: HashSet<String> =
            self.component.lines().filter_map(|line| line.group().map(str::to_ascii_lowercase)).collect();
        let mut free = (1_usize..).map(|n| format!("item{n}")).filter(|name| !used.contains(name));
        // There are more numbers than lines.
        free.nth(skip).unwrap_or_default()
    }
}

/// A structured value: fields with semicolons between them. What a field says already keeps its bytes, such
/// as the commas between several values; and so do fields that nobody here knows. RFC 6350 §6.2.2.
fn structured(name: &str, fields: &[&str], old: Option<&ContentLine>) -> Result<ContentLine, Invalid> {
    let raw: Vec<&str> = old.map(|line| split(line.value(), ';').collect()).unwrap_or_default();
    let meant = old.map(ContentLine::fields).unwrap_or_default();
    let mut written: Vec<String> = Vec::new();
    for (n, field) in fields.iter().enumerate() {
        let same = meant.get(n).is_some_and(|meant| meant.join(",") == *field);
        // Half an escape at its end would take away the meaning of what follows.
        let half = |raw: &&&str| raw.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1;
        let kept = raw.get(n).filter(|raw| same && !half(raw));
        written.push(kept.map_or_else(|| escape(field), |raw| (*raw).to_owned()));
    }
    // An organization has as many units as are given.
    if name != "ORG" {
        written.extend(raw.iter().skip(fields.len()).map(|raw| (*raw).to_owned()));
    }
    ContentLine::new(name, written.join(";"))
}

/// A `tel:` URI. RFC 3966 §3: digits and visual separators only; anything else is a local number.
fn tel(number: &str) -> String {
    let digits = number.chars().filter(|c| !c.is_whitespace());
    format!("tel:{}", digits.collect::<String>())
}

fn has_scheme(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    })
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
