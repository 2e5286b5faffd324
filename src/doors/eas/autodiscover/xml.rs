//! Reading an Autodiscover request: elements and text, and nothing else of XML.

use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::Event;

/// Deepest element; the schema nests three.
const DEPTH_MAX: usize = 16;

/// Not an Autodiscover request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Bad;

/// The AcceptableResponseSchema of a request. MS-ASCMD §2.2.3.1.
///
/// A DOCTYPE is refused whatever it says, and so is every entity but XML's own five: nothing is ever
/// expanded or fetched.
pub(super) fn schema(body: &[u8]) -> Result<String, Bad> {
    let text = std::str::from_utf8(body).map_err(|_| Bad)?;
    let mut reader = Reader::from_str(text.strip_prefix('\u{FEFF}').unwrap_or(text));
    let mut path: Vec<String> = Vec::new();
    let mut schema: Option<String> = None;
    let mut has_address = false;
    loop {
        match reader.read_event().map_err(|_| Bad)? {
            Event::Start(start) => {
                if path.len() >= DEPTH_MAX {
                    return Err(Bad);
                }
                path.push(start.local_name().as_ref().to_owned());
                if stands_at(&path, "AcceptableResponseSchema") {
                    schema = Some(String::new());
                }
                has_address |= stands_at(&path, "EMailAddress");
            }
            Event::End(_) => {
                path.pop().ok_or(Bad)?;
            }
            Event::Text(text) => push(&path, &mut schema, &text.xml10_content()),
            Event::CData(text) => push(&path, &mut schema, &text.xml10_content()),
            Event::GeneralRef(reference) => {
                let character = reference.resolve_char_ref().map_err(|_| Bad)?;
                match (character, resolve_xml_entity(&reference)) {
                    (Some(character), _) => push(&path, &mut schema, character.encode_utf8(&mut [0; 4])),
                    (None, Some(text)) => push(&path, &mut schema, text),
                    (None, None) => return Err(Bad),
                }
            }
            Event::DocType(_) => return Err(Bad),
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    // The reader takes an end of input inside an element for an end like any other.
    match schema {
        Some(schema) if path.is_empty() && has_address && !schema.trim().is_empty() => {
            Ok(schema.trim().to_owned())
        }
        _ => Err(Bad),
    }
}

fn push(path: &[String], schema: &mut Option<String>, text: &str) {
    if let Some(schema) = schema.as_mut().filter(|_| stands_at(path, "AcceptableResponseSchema")) {
        schema.push_str(text);
    }
}

/// Whether `path` is that of a child of Request.
fn stands_at(path: &[String], name: &str) -> bool {
    matches!(path, [root, request, child] if root == "Autodiscover" && request == "Request" && child == name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(inside: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Autodiscover xmlns=\"urn:x\"><Request>\
             <EMailAddress>a@example.test</EMailAddress>{inside}</Request></Autodiscover>"
        )
    }

    #[test]
    fn what_phones_send() {
        let inside = "<AcceptableResponseSchema> http://a/b&amp;c&#100; </AcceptableResponseSchema>";
        assert_eq!(schema(request(inside).as_bytes()), Ok("http://a/b&cd".into()));
        let with_bom = format!("\u{FEFF}{}", request(inside));
        assert_eq!(schema(with_bom.as_bytes()), Ok("http://a/b&cd".into()));
        let prefixed = "<x:Autodiscover xmlns:x=\"u\"><x:Request><x:EMailAddress>a</x:EMailAddress>\
             <x:AcceptableResponseSchema>s</x:AcceptableResponseSchema></x:Request></x:Autodiscover>";
        assert_eq!(schema(prefixed.as_bytes()), Ok("s".into()));
    }

    #[test]
    fn everything_else_is_refused() {
        let whole = request("<AcceptableResponseSchema>s</AcceptableResponseSchema>");
        let doctype = format!(
            "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>{}",
            whole.split_once("?>\n").unwrap().1
        );
        let laughs =
            "<!DOCTYPE l [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;\">]><Autodiscover>&b;</Autodiscover>";
        let entity = request("<AcceptableResponseSchema>&xxe;</AcceptableResponseSchema>");
        let deep = "<a>".repeat(10_000);
        for bad in [
            "",
            "x",
            "<Autodiscover/>",
            &request(""),
            &doctype,
            laughs,
            &entity,
            &deep,
            &whole[..whole.len() - 5],
            &whole.replace("<EMailAddress>a@example.test</EMailAddress>", ""),
            &whole.replace("</Request>", "</Other>"),
        ] {
            assert_eq!(schema(bad.as_bytes()), Err(Bad), "{}", &bad[..bad.len().min(100)]);
        }
        assert_eq!(schema(b"\xFF\xFE<\0"), Err(Bad));
    }

    proptest! {
        #[test]
        fn never_panics(text in "[<>/&;!?a-z\\[\\]\" ]{0,200}") {
            let _ = schema(text.as_bytes());
        }
    }
}
