//! What the classes that are kept as iCalendar have in common: reading and writing its properties.

use caldav::{Component, ContentLine, Invalid, Object, Parameter};
use wbxml::{Element, Tag};

use super::body::Sent;
use super::out::{Out, clean};
use super::{CONVERSION, Change, Refused, Said};

/// Who made an object. RFC 5545 §3.7.3.
pub(super) const PRODID: &str = concat!("-//Folkmoot//Folkmoot ", env!("CARGO_PKG_VERSION"), "//EN");
/// A body as HTML beside DESCRIPTION, as Outlook writes it.
const ALT_DESC: &str = "X-ALT-DESC";
/// Most categories of an item. MS-ASTASK §2.2.2.5, MS-ASNOTE §2.2.2.3.
pub(super) const CATEGORIES_MAX: usize = 300;
/// Longest text of one line, in octets.
const TEXT_MAX: usize = 32 << 10;

/// The first component called `name` in the object's calendar: the master of a series, if there is one.
pub(super) fn master<'o>(object: &'o Object, name: &str) -> Option<&'o Component> {
    let calendar = object.calendar()?;
    let mut all = calendar.components().filter(|c| c.is(name));
    let first = all.next()?;
    let is_master = |c: &&Component| c.line("RECURRENCE-ID").is_none();
    Some(std::iter::once(first).chain(all).find(is_master).unwrap_or(first))
}

/// As [`master`], to be changed.
pub(super) fn master_mut<'o>(object: &'o mut Object, name: &str) -> Option<&'o mut Component> {
    let calendar = object.calendar_mut()?;
    let at = |c: &Component| c.is(name) && c.line("RECURRENCE-ID").is_none();
    let position =
        calendar.components().position(at).or_else(|| calendar.components().position(|c| c.is(name)));
    calendar.components_mut().nth(position?)
}

/// The object a change is made of: the current one, or a new one with one component called `name`.
pub(super) fn object(current: Option<&Object>, name: &str, unique: u128) -> Result<Object, Refused> {
    if let Some(current) = current {
        return Ok(current.clone());
    }
    let mut component = Component::new(name)?;
    component.push(ContentLine::new("UID", uid(unique))?);
    let mut calendar = Component::new("VCALENDAR")?;
    calendar.push(ContentLine::new("VERSION", "2.0")?);
    calendar.push(ContentLine::new("PRODID", PRODID)?);
    calendar.push_component(component);
    Ok(calendar.into())
}

/// A UID in the form of RFC 9562 §5.4, from 128 random bits.
pub(super) fn uid(unique: u128) -> String {
    let bits = (unique & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// Takes over what the client says of a property that is one text.
pub(super) fn set_text(
    component: &mut Component,
    name: &str,
    change: &Change<'_>,
    tag: Tag,
) -> Result<(), Refused> {
    match change.said(tag) {
        Said::Leave => {}
        Said::Gone => drop(component.remove(name)),
        Said::Is(element) => {
            let text = text_of(element)?;
            if text.is_empty() {
                component.remove(name);
            } else if component.line(name).map(ContentLine::to_text).as_deref() != Some(&text) {
                component.set(ContentLine::text(name, &text)?);
            }
        }
    }
    Ok(())
}

/// The text of an element, without what no line can hold.
pub(super) fn text_of(element: &Element<'_>) -> Result<String, Refused> {
    let text = element.text().filter(|text| text.len() <= TEXT_MAX).ok_or(Refused(CONVERSION))?;
    Ok(printable(text))
}

/// A text without control characters other than tabs and line ends, which are bare.
pub(super) fn printable(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.chars().filter(|c| !c.is_ascii_control() || matches!(c, '\t' | '\n')).collect()
}

/// All categories of a component.
pub(super) fn categories(component: &Component) -> Vec<String> {
    let all = component.lines_named("CATEGORIES").flat_map(ContentLine::texts);
    all.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// Shows categories as a container of theirs.
pub(super) fn show_categories(names: &[String], (list, one): (Tag, Tag), out: &mut Out<'_>) {
    let names = names.iter().take(CATEGORIES_MAX).map(|name| Element::leaf(one, clean(name)));
    let names: Vec<_> = names.collect();
    if !names.is_empty() {
        out.add(Element::new(list).with_all(names));
    }
}

/// Takes over the client's categories.
pub(super) fn set_categories(
    component: &mut Component,
    change: &Change<'_>,
    (list, one): (Tag, Tag),
) -> Result<(), Refused> {
    let names = match change.said(list) {
        Said::Leave => return Ok(()),
        Said::Gone => Vec::new(),
        Said::Is(element) => sent_categories(element, one)?,
    };
    if names == categories(component) {
        return Ok(());
    }
    if names.is_empty() {
        component.remove("CATEGORIES");
    } else {
        component.set(category_line(&names)?);
    }
    Ok(())
}

/// The names in a Categories element.
pub(super) fn sent_categories(element: &Element<'_>, one: Tag) -> Result<Vec<String>, Refused> {
    let mut names = Vec::new();
    for child in element.children_of(one).take(CATEGORIES_MAX + 1) {
        let name = text_of(child)?.trim().to_owned();
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    if names.len() > CATEGORIES_MAX { Err(Refused(CONVERSION)) } else { Ok(names) }
}

/// CATEGORIES with all names in one line.
pub(super) fn category_line(names: &[String]) -> Result<ContentLine, Invalid> {
    let mut value = String::new();
    for name in names {
        if !value.is_empty() {
            value.push(',');
        }
        value.push_str(ContentLine::text("CATEGORIES", name)?.value());
    }
    ContentLine::new("CATEGORIES", value)
}

/// Shows DESCRIPTION, with the HTML that stands beside it, as the body.
pub(super) fn show_body(component: &Component, out: &mut Out<'_>) {
    let text = component.line("DESCRIPTION").map(ContentLine::to_text).unwrap_or_default();
    out.body(&text, html(component).as_deref());
}

/// The HTML that stands beside DESCRIPTION.
pub(super) fn html(component: &Component) -> Option<String> {
    component.lines().find(|line| is_html_body(line)).map(ContentLine::to_text)
}

/// Whether a line is the HTML that stands beside DESCRIPTION.
pub(super) fn is_html_body(line: &ContentLine) -> bool {
    line.is(ALT_DESC) && is_html(line)
}

/// Takes over the client's body.
pub(super) fn set_body(component: &mut Component, change: &Change<'_>) -> Result<(), Refused> {
    let Some(sent) = Sent::read(change.data)? else { return Ok(()) };
    let text = printable(&sent.text);
    let had = component.line("DESCRIPTION").map(ContentLine::to_text).unwrap_or_default();
    if text.trim_end().is_empty() {
        component.remove("DESCRIPTION");
        component.retain_lines(|line| !(line.is(ALT_DESC) && is_html(line)));
        return Ok(());
    }
    let changed = had.trim_end() != text.trim_end();
    if changed {
        component.set(ContentLine::text("DESCRIPTION", &text)?);
    }
    match sent.html {
        Some(html) => {
            let mut line = ContentLine::text(ALT_DESC, &printable(&html))?;
            line.push(Parameter::new("FMTTYPE", ["text/html"])?);
            component.retain_lines(|line| !(line.is(ALT_DESC) && is_html(line)));
            component.push(line);
        }
        // What says something else now must not be shown.
        None if changed => {
            component.retain_lines(|line| !(line.is(ALT_DESC) && is_html(line)));
        }
        None => {}
    }
    Ok(())
}

fn is_html(line: &ContentLine) -> bool {
    line.parameter("FMTTYPE").is_some_and(|kind| kind.eq_ignore_ascii_case("text/html"))
}

/// `20261124T120000Z`, from seconds since 1970.
pub(super) fn compact(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Puts the time of the change where readers look for it. RFC 5545 §3.8.7.2, §3.8.7.3.
pub(super) fn stamp(component: &mut Component, now: i64) -> Result<(), Refused> {
    let now = compact(now);
    component.set(ContentLine::new("DTSTAMP", now.clone())?);
    component.set(ContentLine::new("LAST-MODIFIED", now)?);
    Ok(())
}
