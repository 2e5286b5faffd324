//! Puts the tags of a document in order: every element closed, in the right place, none too deep.
//!
//! A tree builder repairs disorder at a price that grows faster than the document (formatting
//! reopened in each paragraph, content moved out of tables, long searches up the tree). What
//! leaves here needs no repair.

use super::sanitise::Image;
use super::text::escape_into;
use super::token::{Attributes, Token, Tokens};
use super::{entity, is_forbidden};
use crate::message::{charset, limits};

/// Rewrites `html` as well-formed HTML of known elements only. `image` gives the address an image
/// is to be loaded from, or nothing to leave it without one.
pub(super) fn balance(html: &str, image: &Image<'_>) -> String {
    let mut balancer = Balancer {
        out: String::with_capacity(html.len()),
        open: Vec::new(),
        dropped: [0; ELEMENTS.len()],
        image,
        run: 0,
    };
    let mut skipped: Option<(&str, usize)> = None;
    for token in Tokens::new(html) {
        if let Some((name, depth)) = skipped {
            skipped = skip(token, name, depth);
            continue;
        }
        match token {
            Token::Text(text) => balancer.text(text),
            Token::Start { name, self_closing, .. } if is_foreign(name) => {
                skipped = (!self_closing).then_some((name, 1));
            }
            Token::Start { name, attributes, .. } => balancer.start(name, attributes),
            Token::End(name) => balancer.end(name),
        }
    }
    balancer.close_to(0);
    balancer.out
}

/// Elements kept; the position in this list is how they are known below.
pub(super) const ELEMENTS: [&str; 64] = [
    "p",
    "div",
    "span",
    "br",
    "hr",
    "a",
    "img",
    "b",
    "strong",
    "i",
    "em",
    "u",
    "s",
    "strike",
    "del",
    "ins",
    "small",
    "big",
    "sub",
    "sup",
    "font",
    "center",
    "blockquote",
    "pre",
    "code",
    "tt",
    "kbd",
    "samp",
    "var",
    "cite",
    "q",
    "abbr",
    "acronym",
    "dfn",
    "address",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "ul",
    "ol",
    "li",
    "dl",
    "dt",
    "dd",
    "table",
    "caption",
    "thead",
    "tbody",
    "tfoot",
    "tr",
    "td",
    "th",
    "article",
    "section",
    "header",
    "footer",
    "main",
    "figure",
    "figcaption",
    "mark",
    "wbr",
];

type Element = &'static str;

const VOID: [Element; 4] = ["br", "hr", "img", "wbr"];
/// Start tags that close an open paragraph.
const BLOCKS: [Element; 28] = [
    "p",
    "div",
    "hr",
    "center",
    "blockquote",
    "pre",
    "address",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "ul",
    "ol",
    "li",
    "dl",
    "dt",
    "dd",
    "table",
    "article",
    "section",
    "header",
    "footer",
    "main",
    "figure",
    "figcaption",
    "caption",
];
const HEADINGS: [Element; 6] = ["h1", "h2", "h3", "h4", "h5", "h6"];
/// Where the search for something to close stops.
const CELLS: [Element; 3] = ["td", "th", "caption"];
const GROUPS: [Element; 3] = ["thead", "tbody", "tfoot"];
/// Most attributes kept of one tag.
const ATTRIBUTES: usize = 24;
/// Longest attribute kept, in bytes; inline images are the longest.
const ATTRIBUTE_BYTES: usize = 1 << 20;
/// Longest text, and attribute with something to escape, given to the tree in one piece.
const TEXT_RUN: usize = 4 << 10;

fn element(name: &str) -> Option<(usize, Element)> {
    // The body's colours and fonts are worth keeping; its name is not.
    let name = if name.eq_ignore_ascii_case("body") { "div" } else { name };
    ELEMENTS
        .iter()
        .enumerate()
        .find(|(_, known)| known.eq_ignore_ascii_case(name))
        .map(|(at, known)| (at, *known))
}

/// Elements left out with their content.
fn is_foreign(name: &str) -> bool {
    ["svg", "math", "object", "applet", "audio", "video", "canvas", "template", "select", "datalist"]
        .iter()
        .any(|foreign| foreign.eq_ignore_ascii_case(name))
}

fn skip<'a>(token: Token<'a>, name: &'a str, depth: usize) -> Option<(&'a str, usize)> {
    match token {
        Token::Start { name: inner, self_closing: false, .. } if inner.eq_ignore_ascii_case(name) => {
            Some((name, depth + 1))
        }
        Token::End(inner) if inner.eq_ignore_ascii_case(name) => (depth > 1).then(|| (name, depth - 1)),
        _ => Some((name, depth)),
    }
}

struct Balancer<'i> {
    out: String,
    open: Vec<Element>,
    /// How many start tags of each element were dropped for depth, so that their end tags close
    /// nothing else.
    dropped: [u32; ELEMENTS.len()],
    image: &'i Image<'i>,
    /// Bytes of text since the last tag or cut.
    run: usize,
}

impl Balancer<'_> {
    fn text(&mut self, text: &str) {
        if !text.trim_ascii().is_empty() {
            self.enter_cell();
        }
        // Only what certainly is a reference stays one: searching for the end of the others costs
        // the tree builder more than their length.
        let mut rest = text;
        while let Some(at) = rest.find('&') {
            let (before, reference) = rest.split_at(at);
            self.plain(before);
            let length = entity::length(reference);
            let (whole, after) = reference.split_at(length.unwrap_or(1));
            // A control character that may not stand in text may not be referred to either.
            let is_control = entity::character(reference).is_some_and(|(ch, _)| is_forbidden(ch));
            if !(length.is_some() && is_control) {
                self.out.push_str(if length.is_some() { whole } else { "&amp;" });
            }
            self.split(whole.len());
            rest = after;
        }
        self.plain(rest);
    }

    fn plain(&mut self, text: &str) {
        let mut rest = text;
        while !rest.is_empty() {
            let piece = charset::truncate_bytes(rest, TEXT_RUN);
            escape_into(piece, &mut self.out);
            self.split(piece.len());
            rest = rest.get(piece.len()..).unwrap_or_default();
        }
    }

    /// Cuts long text with comments, which the sanitiser drops: the tree's writer looks through
    /// all of a text for each character it has to escape.
    fn split(&mut self, length: usize) {
        self.run += length;
        if self.run >= TEXT_RUN {
            self.out.push_str("<!---->");
            self.run = 0;
        }
    }

    fn start(&mut self, name: &str, attributes: &str) {
        let Some((index, name)) = element(name) else { return };
        if !self.make_room(name) {
            return;
        }
        let void = VOID.contains(&name);
        if !void && self.open.len() >= limits::HTML_DEPTH {
            if let Some(count) = self.dropped.get_mut(index) {
                *count = count.saturating_add(1);
            }
            return;
        }
        self.run = 0;
        self.out.push('<');
        self.out.push_str(name);
        self.attributes(name, attributes);
        self.out.push('>');
        if !void {
            self.open.push(name);
        }
    }

    fn end(&mut self, name: &str) {
        let Some((index, name)) = element(name) else { return };
        if let Some(count) = self.dropped.get_mut(index).filter(|count| **count > 0) {
            *count -= 1;
            return;
        }
        // An end tag does not reach out of its table cell, nor out of its table.
        let fences: &[&[Element]] = if CELLS.contains(&name) || GROUPS.contains(&name) || name == "tr" {
            &[&["table"]]
        } else if name == "table" {
            &[]
        } else {
            &[&CELLS, &["table"]]
        };
        if let Some(at) = self.nearest(&[&[name]], fences) {
            self.close_to(at);
        }
    }

    /// Closes what may not contain `name`. `false` where `name` has no place at all.
    fn make_room(&mut self, name: Element) -> bool {
        if CELLS.contains(&name) || GROUPS.contains(&name) || name == "tr" {
            return self.make_room_in_table(name);
        }
        if name == "table"
            && let Some(at) = self.nearest(&[&["table"]], &[&CELLS])
        {
            // A table within a table but in no cell replaces it.
            self.close_to(at);
        }
        self.enter_cell();
        let fences: &[&[Element]] = &[&CELLS, &["table"]];
        if BLOCKS.contains(&name) {
            self.close_nearest(&[&["p"]], fences);
        }
        match name {
            "a" => self.close_nearest(&[&["a"]], fences),
            "li" => self.close_nearest(&[&["li"]], &[&CELLS, &["table", "ul", "ol"]]),
            "dt" | "dd" => self.close_nearest(&[&["dt", "dd"]], &[&CELLS, &["table", "dl"]]),
            name if HEADINGS.contains(&name) => self.close_nearest(&[&HEADINGS], fences),
            _ => {}
        }
        true
    }

    /// Rows and cells close everything up to the row group or row they belong to.
    fn make_room_in_table(&mut self, name: Element) -> bool {
        let holders: &[&[Element]] = match name {
            "td" | "th" => &[&["tr", "table"], &GROUPS],
            "tr" => &[&["table"], &GROUPS],
            _ => &[&["table"]],
        };
        let Some(at) = self.nearest(holders, &[]) else { return false };
        self.close_to(at + 1);
        true
    }

    /// Content directly in a table or row gets a cell, instead of being moved out of the table.
    fn enter_cell(&mut self) {
        if let Some(&top) = self.open.last() {
            if top == "table" || GROUPS.contains(&top) {
                self.out.push_str("<tr>");
                self.open.push("tr");
            }
            if self.open.last() == Some(&"tr") {
                self.out.push_str("<td>");
                self.open.push("td");
            }
        }
    }

    fn close_nearest(&mut self, names: &[&[Element]], fences: &[&[Element]]) {
        if let Some(at) = self.nearest(names, fences) {
            self.close_to(at);
        }
    }

    /// The innermost open element of `names` that is not behind one of `fences`.
    fn nearest(&self, names: &[&[Element]], fences: &[&[Element]]) -> Option<usize> {
        let among = |sets: &[&[Element]], name: &Element| sets.iter().any(|set| set.contains(name));
        let at = self.open.iter().rposition(|name| among(names, name) || among(fences, name))?;
        self.open.get(at).filter(|name| among(names, name)).map(|_| at)
    }

    fn close_to(&mut self, depth: usize) {
        while self.open.len() > depth {
            if let Some(name) = self.open.pop() {
                self.out.push_str("</");
                self.out.push_str(name);
                self.out.push('>');
            }
        }
    }

    fn attributes(&mut self, element: Element, attributes: &str) {
        for (name, value) in Attributes::new(attributes).take(ATTRIBUTES) {
            let known =
                name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-') && name.len() <= 24;
            if !known || value.len() > ATTRIBUTE_BYTES {
                continue;
            }
            let mut decoded = String::with_capacity(value.len());
            entity::decode(value, &mut decoded);
            if decoded.contains(is_forbidden) {
                decoded.retain(|ch| !is_forbidden(ch));
            }
            if name.eq_ignore_ascii_case("src") || name.eq_ignore_ascii_case("href") {
                decoded = address(&decoded);
            }
            if element == "img" && name.eq_ignore_ascii_case("src") {
                match (self.image)(&decoded) {
                    Some(address) => decoded = address,
                    None => continue,
                }
            }
            if decoded.len() > TEXT_RUN && decoded.bytes().any(|byte| byte == b'&' || !byte.is_ascii()) {
                continue;
            }
            self.out.push(' ');
            self.out.push_str(&name.to_ascii_lowercase());
            self.out.push_str("=\"");
            escape_into(&decoded, &mut self.out);
            self.out.push('"');
        }
    }
}

/// The address as a browser understands it, so that whoever looks at its beginning sees what will be
/// loaded: without what is left out of addresses, its scheme in lower case, and `http://` even where
/// slashes are missing, too many or the wrong way round. URL Standard §4.4.
fn address(value: &str) -> String {
    let mut address: String = value.chars().filter(|ch| !matches!(ch, '\t' | '\r' | '\n')).collect();
    address.truncate(address.trim_end().len());
    let address = address.trim_start();
    let Some((scheme, rest)) = address.split_once(':') else { return address.to_owned() };
    if !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')) {
        return address.to_owned();
    }
    let scheme = scheme.to_ascii_lowercase();
    if matches!(scheme.as_str(), "http" | "https") {
        return format!("{scheme}://{}", rest.trim_start_matches(['/', '\\']));
    }
    format!("{scheme}:{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balanced(html: &str) -> String {
        balance(html, &|address: &str| Some(address.to_owned()))
    }

    #[test]
    fn order_is_restored() {
        for (html, want) in [
            ("<p>a<p>b", "<p>a</p><p>b</p>"),
            ("<b><p>a</b>b</p>", "<b><p>a</p></b>b"),
            ("<ul><li><b>a<li>b</ul>c", "<ul><li><b>a</b></li><li>b</li></ul>c"),
            ("<li>a<ul><li>b</ul>c", "<li>a<ul><li>b</li></ul>c</li>"),
            ("<a href=x>1<a href=y>2", "<a href=\"x\">1</a><a href=\"y\">2</a>"),
            (
                "<table><tr><td>a<td>b<tr><td>c</table>d",
                "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>d",
            ),
            ("<table>x<tr>y</table>", "<table><tr><td>x</td></tr><tr><td>y</td></tr></table>"),
            ("<table><tr><td><p>a</table></div>b", "<table><tr><td><p>a</p></td></tr></table>b"),
            (
                "<table><tr><td><table><tr><td>a</td></table>b</td></tr></table>",
                "<table><tr><td><table><tr><td>a</td></tr></table>b</td></tr></table>",
            ),
            ("<div><table><tr><td>a</div>b", "<div><table><tr><td>ab</td></tr></table></div>"),
            ("<td>a</td>", "a"),
            ("<BODY bgcolor=red>a</BODY>", "<div bgcolor=\"red\">a</div>"),
            ("<svg><title>x</title><p>y</svg>z", "z"),
            ("a<br>b<hr/>", "a<br>b<hr>"),
            ("<p title='\"x\"&amp;<y>'>1 < 2</p>", "<p title=\"&quot;x&quot;&amp;&lt;y&gt;\">1 &lt; 2</p>"),
        ] {
            assert_eq!(balanced(html), want, "{html}");
        }
    }

    #[test]
    fn addresses_are_what_browsers_load() {
        for (value, want) in [
            ("http://x.test/a:b", "http://x.test/a:b"),
            (" HTTPS://X.test ", "https://X.test"),
            ("ht\tt\r\np://x", "http://x"),
            ("http:x", "http://x"),
            ("http:/x", "http://x"),
            ("http:\\\\/x", "http://x"),
            ("Data:image/png;base64,A A", "data:image/png;base64,A A"),
            ("a/b:c", "a/b:c"),
            ("//x", "//x"),
            ("", ""),
        ] {
            assert_eq!(address(value), want, "{value:?}");
            assert_eq!(address(want), want);
        }
    }

    #[test]
    fn controls_do_not_come_back() {
        for html in ["&#1;", "&#x0000000000000001;", "\u{1}&#127;&#129;", "<p title='&#1;&#x7;a'>&#8;"] {
            let out = balanced(html);
            assert!(!out.contains(is_forbidden) && !out.contains('#'), "{html} -> {out}");
        }
        assert_eq!(balanced("a&#9;b&#10;&#233;"), "a&#9;b&#10;&#233;");
    }

    #[test]
    fn depth_is_bounded_and_text_kept() {
        let html = format!("{}x{}y", "<div>".repeat(100_000), "</div>".repeat(100_000));
        let out = balanced(&html);
        assert_eq!(out.matches("<div>").count(), limits::HTML_DEPTH);
        assert!(out.ends_with("</div>y") && out.contains('x'));
    }

    proptest::proptest! {
        #[test]
        fn tags_always_match(html in "(<(/?)(p|b|a|table|tr|td|li|ul|div|br)>|x| ){0,60}") {
            let out = balanced(&html);
            let mut open: Vec<String> = Vec::new();
            for token in Tokens::new(&out) {
                match token {
                    Token::Start { name, .. } if !VOID.contains(&name) => open.push(name.to_owned()),
                    Token::End(name) => {
                        let last = open.pop();
                        proptest::prop_assert_eq!(last.as_deref(), Some(name));
                    }
                    _ => {}
                }
            }
            proptest::prop_assert!(open.is_empty());
            // Balanced HTML is left alone.
            proptest::prop_assert_eq!(balanced(&out), out);
        }
    }
}
