//! A message's body as text or as safe HTML, whatever it is made of.

use super::html::{self, Image, Links};
use super::mime::{Message, Part};
use super::record::NativeBody;
use super::select::{self, Bodies};
use super::{charset, decode, limits};

/// The best plain text: text/plain parts, or HTML rendered as text. Lines end in CR LF; control
/// characters other than tabs are gone. Cut at [`limits::BODY`].
pub fn text(message: &Message<'_>) -> String {
    with_crlf(&plain_text(message))
}

/// The best HTML as a safe fragment: text/html parts sanitised, or text rendered as HTML.
/// `cid:` images and remote images keep their addresses. Cut at [`limits::BODY`].
pub fn html(message: &Message<'_>) -> String {
    html_with(message, &html::keep_image)
}

/// As [`html()`], with each image's address put through `image`.
pub fn html_with(message: &Message<'_>, image: &Image<'_>) -> String {
    let bodies = select::bodies(message);
    let mut out = String::new();
    for part in text_parts(message, &bodies.html) {
        let room = limits::BODY.saturating_sub(out.len());
        let source = part_text(message, part, room);
        if !out.is_empty() {
            out.push_str("<br>\r\n");
        }
        if part.subtype == "html" {
            out.push_str(&html::sanitise(&source, image));
        } else {
            out.push_str("<div>");
            out.push_str(&html::from_text(&unflow(message, part, source)));
            out.push_str("</div>");
        }
        if out.len() >= limits::BODY {
            break;
        }
    }
    out
}

/// A whole document around a fragment, for clients that want one.
pub fn document(fragment: &str) -> String {
    format!(
        "<html><head><meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\"></head><body>{fragment}</body></html>"
    )
}

/// The body type the message itself has. MS-ASAIRS NativeBodyType.
pub fn native(message: &Message<'_>) -> NativeBody {
    native_of(message, &select::bodies(message))
}

pub(super) fn native_of(message: &Message<'_>, bodies: &Bodies) -> NativeBody {
    let is_html = text_parts(message, &bodies.html).any(|part| part.subtype == "html");
    if is_html { NativeBody::Html } else { NativeBody::Text }
}

/// The part's content as text, decoded by its charset; at most about `most` bytes of it.
/// Without a declared charset HTML's own declaration counts, then UTF-8, then windows-1252.
pub fn part_text(message: &Message<'_>, part: &Part, most: usize) -> String {
    let mut bytes = decode::prefix(part.encoding, message.body_bytes(part), most);
    bytes.truncate(most);
    let mut label = message.content_type_params(part).value("charset");
    if part.subtype == "html" && label.as_deref().is_none_or(|label| !charset::is_known(label)) {
        label = html::declared_charset(&bytes).or(label);
    }
    let text = charset::decode(label.as_deref(), &bytes);
    // Neither XML nor WBXML can carry these.
    let forbidden = |ch: char| ch.is_control() && !matches!(ch, '\t' | '\r' | '\n');
    if text.contains(forbidden) { text.replace(forbidden, "") } else { text.into_owned() }
}

/// As [`text`], with lines that end in LF.
pub(super) fn plain_text(message: &Message<'_>) -> String {
    let bodies = select::bodies(message);
    let mut out = String::new();
    for part in text_parts(message, &bodies.text) {
        let room = limits::BODY.saturating_sub(out.len());
        let source = part_text(message, part, room);
        let text = if part.subtype == "html" {
            html::to_text(&source, Links::Shown, room)
        } else {
            with_lf(&unflow(message, part, source))
        };
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        out.push_str(&text);
        if out.len() >= limits::BODY {
            break;
        }
    }
    out
}

/// Joins the soft line breaks of format=flowed text. RFC 3676 §4; quoted lines keep their marks.
pub fn flowed(text: &str, delete_space: bool) -> String {
    let mut out = String::with_capacity(text.len());
    // Quote depth of the paragraph that is open, if its last line flows on.
    let mut open: Option<usize> = None;
    for (index, line) in text.lines().enumerate() {
        let (depth, content) = quoted(line);
        let signature = content == "-- ";
        if open != Some(depth) || signature {
            if index > 0 {
                out.push('\n');
            }
            (0..depth).for_each(|_| out.push('>'));
            if depth > 0 && !content.is_empty() {
                out.push(' ');
            }
        }
        let flows = content.ends_with(' ') && !signature;
        let kept = if flows && delete_space { content.strip_suffix(' ').unwrap_or(content) } else { content };
        out.push_str(kept);
        open = flows.then_some(depth);
    }
    if text.ends_with('\n') {
        out.push('\n');
    }
    out
}

/// Quote depth and content, unstuffed. RFC 3676 §4.4, §4.5.
fn quoted(line: &str) -> (usize, &str) {
    let content = line.trim_start_matches('>');
    let depth = line.len() - content.len();
    (depth, content.strip_prefix(' ').unwrap_or(content))
}

fn unflow(message: &Message<'_>, part: &Part, text: String) -> String {
    let params = message.content_type_params(part);
    let says =
        |name: &str, wanted: &str| params.value(name).is_some_and(|value| value.eq_ignore_ascii_case(wanted));
    if part.subtype == "plain" && says("format", "flowed") {
        flowed(&text, says("delsp", "yes"))
    } else {
        text
    }
}

fn text_parts<'m>(message: &'m Message<'_>, indexes: &'m [usize]) -> impl Iterator<Item = &'m Part> {
    indexes.iter().filter_map(|index| message.parts().get(*index)).filter(|part| part.media_type == "text")
}

fn with_lf(text: &str) -> String {
    if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text.to_owned() }
}

/// Lines ended by CR LF.
pub(super) fn with_crlf(text: &str) -> String {
    with_lf(text).replace('\n', "\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::parse;

    #[test]
    fn flowed_text_joins() {
        for (source, want) in [
            ("a \nb\n", "a b\n"),
            ("a\nb", "a\nb"),
            ("\na \nb", "\na b"),
            ("> a \n> b\n>> c\nd", "> a b\n>> c\nd"),
            ("> a \nb", "> a \nb"),
            (" From x\n >y", "From x\n>y"),
            ("a \n-- \nb", "a \n-- \nb"),
            ("", ""),
        ] {
            assert_eq!(flowed(source, false), want, "{source:?}");
        }
        assert_eq!(flowed("日本 \n語", true), "日本語");
    }

    fn text_of(raw: &str) -> String {
        text(&parse(raw.as_bytes()))
    }

    fn html_of(raw: &str) -> String {
        html(&parse(raw.as_bytes()))
    }

    #[test]
    fn either_form_is_made_from_the_other() {
        let plain = "Content-Type: text/plain\r\n\r\n1 < 2\r\n";
        assert_eq!(
            (text_of(plain).as_str(), native(&parse(plain.as_bytes()))),
            ("1 < 2\r\n", NativeBody::Text)
        );
        assert_eq!(html_of(plain), "<div>1 &lt; 2<br>\r\n</div>");
        let page = "Content-Type: text/html\r\n\r\n<p>1 &lt; 2<script>x</script><p>b";
        assert_eq!(
            (text_of(page).as_str(), native(&parse(page.as_bytes()))),
            ("1 < 2\r\n\r\nb", NativeBody::Html)
        );
        assert_eq!(html_of(page), "<p>1 &lt; 2</p><p>b</p>");
    }

    #[test]
    fn alternatives_and_footers() {
        let raw = "Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n\
            Content-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\n\r\ntext\r\n--a\r\n\
            Content-Type: text/html\r\n\r\n<b>html</b>\r\n--a--\r\n--m\r\n\r\nfooter\r\n--m\r\n\
            Content-Type: text/plain; name=a.txt\r\n\r\nfile\r\n--m--\r\n";
        assert_eq!(text_of(raw), "text\r\nfooter");
        assert_eq!(html_of(raw), "<b>html</b><br>\r\n<div>footer</div>");
    }

    #[test]
    fn charsets_of_html() {
        let raw = b"Content-Type: text/html\r\n\r\n<meta charset=\"koi8-r\"><p>\xf0\xd2";
        assert_eq!(text(&parse(raw)), "Пр");
        let raw = b"Content-Type: text/html; charset=utf-8\r\n\r\n<meta charset=koi8-r>\xc3\xa9";
        assert_eq!(text(&parse(raw)), "é");
    }

    #[test]
    fn control_characters_go() {
        assert_eq!(text_of("\r\na\0b\u{b}c\td\re"), "abc\td\r\ne");
    }
}
