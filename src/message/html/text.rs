//! HTML to readable text, and text to HTML.

use super::token::{Attributes, Token, Tokens};
use super::{entity, is_forbidden};

/// Whether text made from HTML shows what is not text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Links {
    /// Link targets in angle brackets, images by their alternative text.
    #[default]
    Shown,
    /// Neither; for previews.
    Hidden,
}

/// Renders HTML as text of at most `most` bytes: paragraphs apart, list items marked, quotes
/// behind `>`, table cells separated. Lines end in LF and are not wrapped.
pub fn to_text(html: &str, links: Links, most: usize) -> String {
    let mut writer =
        Writer { links, out: String::with_capacity(html.len().min(most) / 2), ..Writer::default() };
    for token in Tokens::new(html) {
        match token {
            Token::Text(text) => writer.text(text),
            Token::Start { name, attributes, .. } => writer.start(name, attributes),
            Token::End(name) => writer.end(name),
        }
        if writer.out.len() > most {
            let end = crate::message::charset::truncate_bytes(&writer.out, most).len();
            writer.out.truncate(end);
            break;
        }
    }
    let length = writer.out.trim_end().len();
    writer.out.truncate(length);
    writer.out
}

/// Renders text as an HTML fragment: escaped, line ends and runs of blanks kept, web and mail
/// addresses made links.
pub fn from_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            out.push_str("<br>\r\n");
        }
        line_to_html(line.strip_suffix('\r').unwrap_or(line), &mut out);
    }
    out
}

/// `text` with the characters that mean something to HTML replaced, and those that it may not hold left out.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    escape_into(text, &mut out);
    out
}

/// `text` with its character references decoded.
pub(in crate::message) fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    entity::decode(text, &mut out);
    out
}

pub(super) fn escape_into(text: &str, out: &mut String) {
    for ch in text.chars() {
        match ch {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ if is_forbidden(ch) => {}
            _ => out.push(ch),
        }
    }
}

fn line_to_html(line: &str, out: &mut String) {
    let mut rest = line;
    let mut at_start = true;
    while !rest.is_empty() {
        let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        let (space, after) = rest.split_at(blanks);
        blanks_to_html(space, at_start, out);
        let word_end = after.find([' ', '\t']).unwrap_or(after.len());
        let (word, after) = after.split_at(word_end);
        word_to_html(word, out);
        rest = after;
        at_start = false;
    }
}

/// All blanks but the last of a run would collapse; at a line's start that one too.
fn blanks_to_html(space: &str, at_start: bool, out: &mut String) {
    let width: usize = space.chars().map(|ch| if ch == '\t' { 4 } else { 1 }).sum();
    let hard = if at_start { width } else { width.saturating_sub(1) };
    (0..hard).for_each(|_| out.push_str("&nbsp;"));
    if width > hard {
        out.push(' ');
    }
}

fn word_to_html(word: &str, out: &mut String) {
    let opening = word.len() - word.trim_start_matches(['<', '(', '[', '"', '\'', '>']).len();
    let (before, word) = word.split_at(opening);
    let link_length = word.trim_end_matches(['>', ')', ']', '"', '\'', '.', ',', ';', ':', '!', '?']).len();
    let (link, after) = word.split_at(link_length);
    escape_into(before, out);
    let target = match link {
        _ if starts_with(link, "http://") || starts_with(link, "https://") => Some(link.to_owned()),
        _ if starts_with(link, "www.") && link.len() > 7 => Some(format!("http://{link}")),
        _ if is_address(link) => Some(format!("mailto:{link}")),
        _ => None,
    };
    match target {
        Some(target) if !link.contains(['<', '>', '"']) => {
            out.push_str("<a href=\"");
            escape_into(&target, out);
            out.push_str("\">");
            escape_into(link, out);
            out.push_str("</a>");
        }
        _ => escape_into(link, out),
    }
    escape_into(after, out);
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn is_address(word: &str) -> bool {
    let atom = |ch: char| ch.is_ascii_alphanumeric() || matches!(ch, '.' | '_' | '+' | '-');
    word.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty() && domain.contains('.') && local.chars().all(atom) && domain.chars().all(atom)
    })
}

/// Deepest quote and list marked as such.
const MARKED_DEPTH: usize = 16;

/// Text under construction.
#[derive(Default)]
struct Writer {
    out: String,
    links: Links,
    /// Line ends due before the next text.
    breaks: usize,
    /// White space was passed since the last text.
    gap: bool,
    quotes: usize,
    preformatted: usize,
    /// For each open list the number of its next item, or none for bullets.
    lists: Vec<Option<usize>>,
    /// Target of the open link and where its text began.
    link: Option<(String, usize)>,
    scratch: String,
}

impl Writer {
    fn text(&mut self, text: &str) {
        let mut decoded = std::mem::take(&mut self.scratch);
        decoded.clear();
        entity::decode(text, &mut decoded);
        if self.preformatted > 0 {
            for (index, line) in decoded.split('\n').enumerate() {
                if index > 0 {
                    self.breaks += 1;
                }
                let line = line.strip_suffix('\r').unwrap_or(line);
                if !line.is_empty() {
                    self.push(line);
                }
            }
        } else {
            self.flow(&decoded);
        }
        self.scratch = decoded;
    }

    /// Text in which white space only separates.
    fn flow(&mut self, text: &str) {
        let blank =
            |ch: char| ch.is_whitespace() || matches!(ch, '\u{200b}' | '\u{feff}' | '\u{ad}' | '\u{34f}');
        self.gap |= text.starts_with(blank);
        for (index, word) in text.split(blank).filter(|word| !word.is_empty()).enumerate() {
            self.gap |= index > 0;
            self.push(word);
        }
        self.gap |= text.ends_with(blank);
    }

    fn push(&mut self, text: &str) {
        let breaks = std::mem::take(&mut self.breaks);
        let gap = std::mem::take(&mut self.gap);
        if self.out.is_empty() {
            self.mark_quotes();
        } else if breaks > 0 {
            for _ in 0..breaks.min(MARKED_DEPTH) {
                self.out.push('\n');
                self.mark_quotes();
            }
        } else if gap && !self.out.ends_with([' ', '\t']) {
            self.out.push(' ');
        }
        self.out.extend(text.chars().filter(|ch| !ch.is_control() || *ch == '\t'));
    }

    fn mark_quotes(&mut self) {
        (0..self.quotes.min(MARKED_DEPTH)).for_each(|_| self.out.push_str("> "));
    }

    /// Makes sure that what follows stands on a line of its own, `lines - 1` empty ones before it.
    fn separate(&mut self, lines: usize) {
        self.breaks = self.breaks.max(lines);
        self.gap = false;
    }

    fn start(&mut self, name: &str, attributes: &str) {
        match lower(name).as_str() {
            "br" => {
                self.breaks += 1;
                self.gap = false;
            }
            "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "dl" | "table" | "figure" => self.separate(2),
            "div" | "tr" | "dt" | "dd" | "center" | "address" | "article" | "section" | "header"
            | "footer" | "main" | "caption" | "form" | "option" => self.separate(1),
            "td" | "th" => self.cell(),
            "hr" => {
                self.separate(1);
                self.push("---");
                self.separate(1);
            }
            "blockquote" => {
                self.separate(1);
                self.quotes += 1;
            }
            "pre" => {
                self.separate(2);
                self.preformatted += 1;
            }
            "ul" => self.list(None),
            "ol" => self.list(Some(1)),
            "li" => self.item(),
            "a" => self.open_link(attributes),
            "img" => self.image(attributes),
            _ => {}
        }
    }

    fn end(&mut self, name: &str) {
        match lower(name).as_str() {
            "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "dl" | "table" | "figure" => self.separate(2),
            "div" | "tr" | "dt" | "dd" | "center" | "address" | "article" | "section" | "header"
            | "footer" | "main" | "caption" | "li" | "option" => self.separate(1),
            "blockquote" => {
                self.separate(1);
                self.quotes = self.quotes.saturating_sub(1);
            }
            "pre" => {
                self.preformatted = self.preformatted.saturating_sub(1);
                self.separate(2);
            }
            "ul" | "ol" => {
                self.lists.pop();
                self.separate(if self.lists.is_empty() { 2 } else { 1 });
            }
            "a" => self.close_link(),
            _ => {}
        }
    }

    /// Cells of one row stay on a line unless the cell is the row's first.
    fn cell(&mut self) {
        if self.breaks == 0 && !self.out.is_empty() {
            self.gap = true;
        }
    }

    fn list(&mut self, first: Option<usize>) {
        self.separate(if self.lists.is_empty() { 2 } else { 1 });
        if self.lists.len() < MARKED_DEPTH {
            self.lists.push(first);
        }
    }

    fn item(&mut self) {
        self.separate(1);
        let indent = "  ".repeat(self.lists.len().saturating_sub(1));
        let mark = match self.lists.last_mut() {
            Some(Some(number)) => {
                let mark = format!("{indent}{number}. ");
                *number += 1;
                mark
            }
            _ => format!("{indent}- "),
        };
        self.push(&mark);
    }

    fn open_link(&mut self, attributes: &str) {
        if self.links == Links::Hidden {
            return;
        }
        let target = attribute(attributes, "href").filter(|target| {
            ["http://", "https://", "mailto:"].iter().any(|scheme| starts_with(target, scheme))
        });
        self.link = target.map(|target| (target, self.out.len()));
    }

    fn close_link(&mut self) {
        let Some((target, start)) = self.link.take() else { return };
        let shown = self.out.get(start..).unwrap_or_default().trim();
        let address = target.strip_prefix("mailto:").unwrap_or(&target);
        let bare = address.trim_end_matches('/');
        if !shown.is_empty() && !address.is_empty() && !bare.ends_with(shown.trim_end_matches('/')) {
            self.gap = true;
            self.push(&format!("<{address}>"));
        }
    }

    fn image(&mut self, attributes: &str) {
        if self.links == Links::Shown
            && let Some(text) = attribute(attributes, "alt")
        {
            self.flow(&text);
        }
    }
}

/// Names of elements are short; longer ones are none we know.
fn lower(name: &str) -> String {
    if name.len() > 12 { String::new() } else { name.to_ascii_lowercase() }
}

fn attribute(attributes: &str, wanted: &str) -> Option<String> {
    const MOST: usize = 2_000;
    let (_, value) = Attributes::new(attributes).find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
    let mut decoded = String::new();
    entity::decode(value, &mut decoded);
    let decoded = decoded.trim();
    (!decoded.is_empty() && decoded.len() <= MOST).then(|| decoded.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(html: &str) -> String {
        to_text(html, Links::Shown, 1 << 20)
    }

    #[test]
    fn html_to_text() {
        for (html, want) in [
            ("<p>a  b\n c</p><p>d</p>", "a b c\n\nd"),
            ("a<br>b<br><br>c", "a\nb\n\nc"),
            ("<div>a</div><div>b</div>", "a\nb"),
            ("<b>bo</b>ld <i> x</i>", "bold x"),
            ("<ul><li>a<li>b</ul>c", "- a\n- b\n\nc"),
            ("<ol><li>a<ul><li>b</ul><li>c</ol>", "1. a\n  - b\n2. c"),
            ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
            ("x<blockquote>a<br>b<blockquote>c</blockquote></blockquote>y", "x\n> a\n> b\n> > c\ny"),
            ("<pre>a\n  b</pre>", "a\n  b"),
            ("<a href=\"https://x.test/\">here</a>!", "here <https://x.test/>!"),
            ("<a href=\"https://x.test/\">https://x.test</a>", "https://x.test"),
            ("<a href=\"mailto:a@x.test\">a@x.test</a>", "a@x.test"),
            ("<img src=x alt=\"a logo\">b", "a logob"),
            ("&lt;tag&gt;&nbsp;&amp;", "<tag> &"),
            ("<head><title>t</title><style>p{}</style></head><body>b", "b"),
            ("a<hr>b", "a\n---\nb"),
            ("", ""),
            ("<p></p><br>  <br>", ""),
        ] {
            assert_eq!(text(html), want, "{html}");
        }
        assert_eq!(to_text("<a href=http://x>a</a><img alt=b>", Links::Hidden, 99), "a");
        assert_eq!(to_text("<p>日本語", Links::Hidden, 5), "日");
    }

    #[test]
    fn text_to_html() {
        for (text, want) in [
            ("a <b> & \"c\"", "a &lt;b&gt; &amp; &quot;c&quot;"),
            ("a\r\nb\nc", "a<br>\r\nb<br>\r\nc"),
            ("  a  b", "&nbsp;&nbsp;a&nbsp; b"),
            (
                "see http://x.test/?a=1&b=2.",
                "see <a href=\"http://x.test/?a=1&amp;b=2\">http://x.test/?a=1&amp;b=2</a>.",
            ),
            ("<https://x.test>", "&lt;<a href=\"https://x.test\">https://x.test</a>&gt;"),
            ("mail a.b@x.test!", "mail <a href=\"mailto:a.b@x.test\">a.b@x.test</a>!"),
            ("www.x.test", "<a href=\"http://www.x.test\">www.x.test</a>"),
            ("http://x\"onclick=y", "http://x&quot;onclick=y"),
        ] {
            assert_eq!(from_text(text), want, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn text_survives_both_ways(lines in proptest::collection::vec("[a-z<>&\"]{1,8}( [a-z;#]{1,8}){0,3}", 1..5)) {
            let original = lines.join("\n");
            proptest::prop_assert_eq!(to_text(&from_text(&original), Links::Hidden, 1 << 20), original);
        }
    }
}
