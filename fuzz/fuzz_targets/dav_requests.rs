//! Any octets are the body of a request: read within bounds or refused, and what is kept of it reads back.

#![no_main]

use caldav::dav::{
    Document, ETags, Fragment, If, Mkcol, Multistatus, Name, Patch, Prefer, Propfind, Proppatch, Report, Target,
    Value, XmlLimits,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|raw: &[u8]| {
    let limits = XmlLimits::default();
    let _ = (Propfind::parse(raw, &limits), Mkcol::parse(raw, &limits), Mkcol::parse_calendar(raw, &limits));
    let _ = Report::parse(raw, &limits);
    if let Ok(update) = Proppatch::parse(raw, &limits) {
        let mut answer = Multistatus::new();
        let mut response = answer.response(&caldav::dav::Href::new(["x"], false));
        for patch in &update.patches {
            if let Patch::Set(property) = patch {
                let again = Fragment::parse(property.fragment.xml(), &limits).expect("it was well-formed");
                assert_eq!(again.name(), property.name());
                response.value(property.name(), &Value::Dead(&property.fragment));
            }
            response.missing(patch.name());
        }
        response.end();
        // It is larger than what it was made of.
        let wide = XmlLimits { bytes: usize::MAX, elements: usize::MAX, depth: 64, namespaces: 64 };
        let read = Document::parse(&answer.finish(), &wide).expect("answers are well-formed");
        assert!(read.root().name().is_dav("multistatus"));
    }
    if let Ok(text) = std::str::from_utf8(raw) {
        let _ = (If::parse(text), ETags::parse(text), Prefer::parse([text], None), Name::from_clark(text));
        if let Some(target) = Target::parse(text) {
            assert!(target.segments.iter().all(|segment| !segment.contains('/') && segment != ".."));
        }
    }
});
