//! Which parts are the body and which are attachments. RFC 8621 §4.1.4.

use super::mime::{Message, Part};
use super::section::{Kind, Tree};
use super::{header, limits};

/// Indexes into [`Message::parts`], in order of display.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bodies {
    /// What to show when plain text is preferred; holds text/html where nothing else is there.
    pub text: Vec<usize>,
    /// What to show when HTML is preferred; holds text/plain where nothing else is there.
    pub html: Vec<usize>,
    /// Files, inline images included.
    pub attachments: Vec<usize>,
}

/// Sorts the parts of a message. Images, sound and video shown among the text are attachments
/// too; other renditions inside a multipart/alternative (a calendar, AMP) are not.
pub fn bodies(message: &Message<'_>) -> Bodies {
    let mut found = Bodies::default();
    // The message is the one part of an imagined multipart/mixed.
    let walk = Walk { message, multipart: "mixed", in_alternative: false, to_text: true, to_html: true };
    walk.run(std::iter::once(0), &mut found);
    found
}

/// Decoded file name of a part, safe as a file name. Made up where the message names none.
pub fn file_name(message: &Message<'_>, index: usize) -> String {
    let Some(part) = message.parts().get(index) else { return String::new() };
    let given = given_name(message, part).map(|name| safe_name(&name)).filter(|name| !name.is_empty());
    if is_message(part) {
        let name = given.or_else(|| enclosed_subject(message, index)).unwrap_or_else(|| "message".to_owned());
        return if name.to_ascii_lowercase().ends_with(".eml") { name } else { name + ".eml" };
    }
    given.unwrap_or_else(|| match part.subtype.as_str() {
        "delivery-status" | "global-delivery-status" => "delivery-status.txt".to_owned(),
        "rfc822-headers" | "global-headers" => "headers.txt".to_owned(),
        _ => format!("attachment.{}", extension(part)),
    })
}

/// Whether the part is an enclosed message, however it is encoded.
pub(super) fn is_message(part: &Part) -> bool {
    part.media_type == "message" && matches!(part.subtype.as_str(), "rfc822" | "global")
}

/// Whether the HTML body shows this attachment by its Content-ID.
pub(super) fn is_inline(message: &Message<'_>, part: &Part) -> bool {
    if message.field(part, "Content-ID").is_none_or(|id| id.trim_ascii().is_empty()) {
        return false;
    }
    let disposition = message.disposition(part).map(|disposition| disposition.0);
    let related = message.parts().get(part.parent).is_some_and(|parent| parent.is("multipart", "related"));
    match disposition.as_deref() {
        Some("attachment") => false,
        Some("inline") => true,
        _ => related,
    }
}

/// Whether the part is a signature or a report's data: for programs, no file to a reader.
pub(super) fn is_for_programs(part: &Part) -> bool {
    match part.media_type.as_str() {
        "application" => matches!(
            part.subtype.as_str(),
            "pkcs7-signature" | "x-pkcs7-signature" | "pgp-signature" | "pgp-encrypted"
        ),
        "message" => !is_message(part),
        "text" => part.subtype == "rfc822-headers",
        _ => false,
    }
}

fn given_name(message: &Message<'_>, part: &Part) -> Option<String> {
    let from_disposition = message.disposition(part).and_then(|(_, params)| params.value("filename"));
    from_disposition.or_else(|| message.content_type_params(part).value("name"))
}

fn enclosed_subject(message: &Message<'_>, index: usize) -> Option<String> {
    let child = message.children(index).next()?;
    let subject = message.field(message.parts().get(child)?, "Subject")?;
    Some(safe_name(&header::decode_text(&header::raw_text(subject)))).filter(|name| !name.is_empty())
}

/// No separators, controls or leading dots; bounded; an extension survives the cut.
fn safe_name(name: &str) -> String {
    let name: String = name
        .chars()
        .filter(|ch| !is_invisible(*ch))
        .map(|ch| if matches!(ch, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|') { '_' } else { ch })
        .collect();
    let name = name.trim().trim_start_matches('.').trim();
    let length = name.chars().count();
    if length <= limits::FILE_NAME {
        return name.to_owned();
    }
    let extension = name.rsplit_once('.').map(|(_, extension)| extension).filter(|text| text.len() <= 16);
    let extension = extension.map(|text| format!(".{text}")).unwrap_or_default();
    let kept = limits::FILE_NAME.saturating_sub(extension.chars().count());
    name.chars().take(kept).collect::<String>() + &extension
}

/// Controls and the marks that make a name read backwards.
fn is_invisible(ch: char) -> bool {
    ch.is_control()
        || matches!(ch, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn extension(part: &Part) -> &str {
    match (part.media_type.as_str(), part.subtype.as_str()) {
        ("text", "plain") => "txt",
        ("text", "html") => "html",
        ("text", "calendar") => "ics",
        ("text", "vcard" | "x-vcard" | "directory") => "vcf",
        ("image", "jpeg") => "jpg",
        ("image", "svg+xml") => "svg",
        ("image", subtype @ ("png" | "gif" | "webp" | "bmp" | "tiff" | "heic")) => subtype,
        ("application", subtype @ ("pdf" | "zip" | "rtf" | "json" | "xml")) => subtype,
        ("application", "ms-tnef") => "dat",
        ("application", "pkcs7-mime" | "x-pkcs7-mime") => "p7m",
        ("application", "pkcs7-signature" | "x-pkcs7-signature") => "p7s",
        ("application", "pgp-signature") => "asc",
        ("message", _) => "txt",
        ("audio", "mpeg") => "mp3",
        ("video", "mp4") => "mp4",
        _ => "bin",
    }
}

/// The walk over the children of one multipart; as deep as [`limits::DEPTH`] lets them nest.
#[derive(Clone, Copy)]
struct Walk<'m> {
    message: &'m Message<'m>,
    multipart: &'m str,
    in_alternative: bool,
    /// Whether what is met still counts for the text body, and for the HTML body.
    to_text: bool,
    to_html: bool,
}

impl<'m> Walk<'m> {
    fn run(mut self, children: impl Iterator<Item = usize>, found: &mut Bodies) {
        let (text_before, html_before) = (found.text.len(), found.html.len());
        for (position, index) in children.enumerate() {
            let Some(part) = self.message.parts().get(index) else { continue };
            if part.kind == Kind::Multipart {
                let inner = Walk {
                    multipart: &part.subtype,
                    in_alternative: self.in_alternative || part.subtype == "alternative",
                    ..self
                };
                inner.run(self.message.children(index), found);
            } else if self.is_body(part, position) {
                self.body(part, index, found);
            } else if !self.is_rendition(part) {
                found.attachments.push(index);
            }
        }
        if self.multipart == "alternative" && self.to_text && self.to_html {
            let (texts, htmls) = (found.text.len(), found.html.len());
            if text_before == texts && html_before != htmls {
                let only = found.html.get(html_before..).unwrap_or_default().to_vec();
                found.text.extend(only);
            } else if html_before == htmls && text_before != texts {
                let only = found.text.get(text_before..).unwrap_or_default().to_vec();
                found.html.extend(only);
            }
        }
    }

    fn body(&mut self, part: &Part, index: usize, found: &mut Bodies) {
        if self.multipart == "alternative" {
            match part.subtype.as_str() {
                "plain" if part.media_type == "text" => found.text.push(index),
                "html" if part.media_type == "text" => found.html.push(index),
                _ => found.attachments.push(index),
            }
            return;
        }
        if self.in_alternative && part.is("text", "plain") {
            self.to_html = false;
        }
        if self.in_alternative && part.is("text", "html") {
            self.to_text = false;
        }
        if self.to_text {
            found.text.push(index);
        }
        if self.to_html {
            found.html.push(index);
        }
        if is_media(part) {
            found.attachments.push(index);
        }
    }

    fn is_body(&self, part: &Part, position: usize) -> bool {
        let disposition = self.message.disposition(part).map(|disposition| disposition.0);
        if disposition.as_deref() == Some("attachment") {
            return false;
        }
        let text = part.is("text", "plain") || part.is("text", "html");
        if !text && !is_media(part) {
            return false;
        }
        position == 0
            || (self.multipart != "related" && (is_media(part) || given_name(self.message, part).is_none()))
    }

    /// Another form of the same text that a mail reader does not list as a file.
    fn is_rendition(&self, part: &Part) -> bool {
        self.multipart == "alternative"
            && part.media_type == "text"
            && given_name(self.message, part).is_none()
    }
}

fn is_media(part: &Part) -> bool {
    matches!(part.media_type.as_str(), "image" | "audio" | "video")
}
