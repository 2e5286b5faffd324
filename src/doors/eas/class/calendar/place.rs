//! Where an event is. MS-ASCAL §2.2.2.27; from 16.0 on MS-ASAIRS §2.2.2.28.

use caldav::{Component, ContentLine};
use wbxml::{Element, Tag, Version, airsyncbase as base, calendar};

use super::super::ical::text_of;
use super::super::out::clean;
use super::super::{CONVERSION, Refused};

/// What LOCATION and GEO do not hold, as a structured value (RFC 6350 §4) that begins with the LOCATION it
/// belongs to: another client may have moved the event since.
const DETAILS: &str = "X-FOLKMOOT-LOCATION";
/// The details in their order there.
const PARTS: [Tag; 10] = [
    base::ANNOTATION,
    base::STREET,
    base::CITY,
    base::STATE,
    base::COUNTRY,
    base::POSTAL_CODE,
    base::ACCURACY,
    base::ALTITUDE,
    base::ALTITUDE_ACCURACY,
    base::LOCATION_URI,
];
/// Where Apple's clients keep the coordinates. Its value is a `geo:` URI (RFC 5870).
const APPLE: &str = "X-APPLE-STRUCTURED-LOCATION";

/// The element of the version in use, if the event is anywhere.
pub(in crate::doors::eas) fn show(
    event: &Component,
    version: Version,
    plain: Tag,
) -> Option<Element<'static>> {
    let name = event.line("LOCATION").map(|line| clean(&line.to_text())).unwrap_or_default();
    if version < Version::V16_0 {
        return (!name.is_empty()).then(|| Element::leaf(plain, name));
    }
    let mut place = Element::new(base::LOCATION);
    if !name.is_empty() {
        place.push(Element::leaf(base::DISPLAY_NAME, name));
    }
    for (tag, text) in PARTS.iter().zip(details(event)) {
        if !text.is_empty() {
            place.push(Element::leaf(*tag, clean(&text)));
        }
    }
    if let Some((latitude, longitude)) = coordinates(event) {
        place.push(Element::leaf(base::LATITUDE, latitude));
        place.push(Element::leaf(base::LONGITUDE, longitude));
    }
    (!place.children().is_empty()).then_some(place)
}

fn details(event: &Component) -> Vec<String> {
    let Some(line) = event.line(DETAILS) else { return Vec::new() };
    let mut fields = line.fields().into_iter().map(|field| field.join(","));
    let name = event.line("LOCATION").map(ContentLine::to_text).unwrap_or_default();
    if fields.next() == Some(name) { fields.collect() } else { Vec::new() }
}

/// Latitude and longitude as they are written.
fn coordinates(event: &Component) -> Option<(String, String)> {
    let (geo, at) = match event.line("GEO") {
        Some(line) => (line.clone(), ';'),
        None => {
            let uri = event.line(APPLE)?.value().trim();
            let numbers = uri.strip_prefix("geo:")?.split(';').next()?;
            (ContentLine::new("GEO", numbers.replacen(',', ";", 1)).ok()?, ';')
        }
    };
    geo.geo().ok()?;
    let (latitude, longitude) = geo.value().split_once(at)?;
    Some((latitude.trim().to_owned(), longitude.trim().to_owned()))
}

/// Takes over where a client says it is; `None` for nowhere.
pub(super) fn set(
    event: &mut Component,
    element: Option<&Element<'_>>,
    version: Version,
) -> Result<(), Refused> {
    let shown = show(event, version, calendar::LOCATION);
    if version < Version::V16_0 {
        let text = element.map(text_of).transpose()?.unwrap_or_default();
        if shown.as_ref().and_then(Element::text).unwrap_or_default() != text {
            set_name(event, &text)?;
        }
        return Ok(());
    }
    let text = |tag: Tag| -> Result<String, Refused> {
        let child = element.and_then(|element| element.child(tag));
        Ok(child.map(text_of).transpose()?.unwrap_or_default())
    };
    let had = |tag: Tag| shown.as_ref().and_then(|shown| shown.text_of(tag)).unwrap_or_default();
    let name = text(base::DISPLAY_NAME)?;
    let parts = PARTS.iter().map(|tag| text(*tag)).collect::<Result<Vec<_>, _>>()?;
    let degrees = |tag| text(tag).map(|text| text.trim().to_owned());
    let (latitude, longitude) = (degrees(base::LATITUDE)?, degrees(base::LONGITUDE)?);
    let moved = had(base::LATITUDE) != latitude || had(base::LONGITUDE) != longitude;
    let same =
        had(base::DISPLAY_NAME) == name && PARTS.iter().zip(&parts).all(|(tag, text)| had(*tag) == text);
    if same && !moved {
        return Ok(());
    }
    let geo = event.line("GEO").cloned();
    if had(base::DISPLAY_NAME) != name {
        set_name(event, &name)?;
    }
    // The details are of the name that was put.
    event.remove(DETAILS);
    if parts.iter().any(|part| !part.is_empty()) {
        let mut value = ContentLine::text(DETAILS, &name)?.value().to_owned();
        for part in &parts {
            value.push(';');
            value.push_str(ContentLine::text(DETAILS, part)?.value());
        }
        event.push(ContentLine::new(DETAILS, value)?);
    }
    if !moved {
        geo.into_iter().for_each(|geo| event.set(geo));
        return Ok(());
    }
    event.remove("GEO");
    event.remove(APPLE);
    if !(latitude.is_empty() && longitude.is_empty()) {
        let line = ContentLine::new("GEO", format!("{latitude};{longitude}"))?;
        line.geo().map_err(|_| Refused(CONVERSION))?;
        event.push(line);
    }
    Ok(())
}

/// Another name is another place: what else is known of the old one goes.
fn set_name(event: &mut Component, name: &str) -> Result<(), Refused> {
    event.retain_lines(|line| !["GEO", APPLE, DETAILS].iter().any(|known| line.is(known)));
    if name.is_empty() {
        event.remove("LOCATION");
    } else {
        event.set(ContentLine::text("LOCATION", name)?);
    }
    Ok(())
}
