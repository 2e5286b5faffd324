//! HTML as a stream of tags and text, in one linear pass without a tree.
//!
//! It follows the tokenisation of the HTML Living Standard (§13.2.5) as far as mail needs it, so
//! that what a browser takes for text is text here.

/// A piece of HTML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// Text with its character references still in it.
    Text(&'a str),
    /// A start tag: its name as it stood, and what stood between the name and `>`.
    Start { name: &'a str, attributes: &'a str, self_closing: bool },
    /// An end tag's name as it stood.
    End(&'a str),
}

/// Splits HTML. Comments, declarations and the content of scripts, style sheets and the like
/// are left out. A tag that never ends is dropped with all that follows, as browsers do.
pub(super) struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    pub(super) const fn new(html: &'a str) -> Self {
        Self { rest: html }
    }

    fn tag(&mut self, after: &'a str) -> Option<Token<'a>> {
        let (closing, body) = match after.strip_prefix('/') {
            Some(body) => (true, body),
            None => (false, after),
        };
        let name_end = body.find(|ch: char| ch.is_ascii_whitespace() || matches!(ch, '/' | '>'));
        let (name, inner) = body.split_at(name_end.unwrap_or(body.len()));
        let end = tag_end(inner)?;
        let attributes = inner.get(..end).unwrap_or_default();
        self.rest = inner.get(end + 1..).unwrap_or_default();
        if closing {
            return Some(Token::End(name));
        }
        if !attributes.ends_with('/') {
            self.skip_raw_text(name);
        }
        Some(Token::Start { name, attributes, self_closing: attributes.ends_with('/') })
    }

    /// Passes the content of elements whose content is no markup and not for reading.
    fn skip_raw_text(&mut self, name: &str) {
        const RAW: [&str; 6] = ["script", "style", "title", "iframe", "noembed", "noframes"];
        let Some(raw) = RAW.iter().find(|raw| raw.eq_ignore_ascii_case(name)) else { return };
        let mut from = 0;
        while let Some(at) = self.rest.get(from..).and_then(|rest| rest.find("</")) {
            let end = from + at;
            let after = self.rest.get(end + 2..).unwrap_or_default();
            if after.get(..raw.len()).is_some_and(|start| start.eq_ignore_ascii_case(raw)) {
                self.rest = self.rest.get(end..).unwrap_or_default();
                return;
            }
            from = end + 2;
        }
        self.rest = "";
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let Some(after) = self.rest.strip_prefix('<') else {
                let end = self.rest.find('<').unwrap_or(self.rest.len());
                let (text, rest) = self.rest.split_at(end);
                self.rest = rest;
                return Some(Token::Text(text));
            };
            let first = after.bytes().next().unwrap_or(b' ');
            let second = after.as_bytes().get(1).copied().unwrap_or(b' ');
            if first.is_ascii_alphabetic() || (first == b'/' && second.is_ascii_alphabetic()) {
                let token = self.tag(after);
                if token.is_none() {
                    self.rest = "";
                }
                return token;
            }
            if let Some(comment) = after.strip_prefix("!--") {
                self.rest = after_comment(comment);
            } else if matches!(first, b'!' | b'?' | b'/') {
                self.rest = after.split_once('>').map_or("", |(_, rest)| rest);
            } else {
                // A lone "<" is text.
                let (text, rest) = self.rest.split_at(1);
                self.rest = rest;
                return Some(Token::Text(text));
            }
        }
    }
}

/// What follows a comment's `<!--`: `>` and `->` end it at once.
fn after_comment(comment: &str) -> &str {
    if let Some(rest) = comment.strip_prefix('>').or_else(|| comment.strip_prefix("->")) {
        return rest;
    }
    let mut rest = comment;
    while let Some((_, after)) = rest.split_once("--") {
        if let Some(after) = after.strip_prefix('>').or_else(|| after.strip_prefix("!>")) {
            return after;
        }
        // "--->" ends too: look again from the second dash.
        rest = rest.get(rest.len() - after.len() - 1..).unwrap_or_default();
    }
    ""
}

/// Where the tag's `>` is; quotes hide it only as values of attributes.
fn tag_end(inner: &str) -> Option<usize> {
    let mut attributes = Attributes { rest: inner };
    while attributes.next().is_some() {}
    let end = inner.len() - attributes.rest.len();
    attributes.rest.starts_with('>').then_some(end)
}

/// The attributes of a start tag: name and raw value.
pub(super) struct Attributes<'a> {
    rest: &'a str,
}

impl<'a> Attributes<'a> {
    pub(super) const fn new(attributes: &'a str) -> Self {
        Self { rest: attributes }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (&'a str, &'a str);

    /// Stops at `>` outside a value.
    fn next(&mut self) -> Option<Self::Item> {
        let blank = |ch: char| ch.is_ascii_whitespace() || ch == '/';
        self.rest = self.rest.trim_start_matches(blank);
        if self.rest.is_empty() || self.rest.starts_with('>') {
            return None;
        }
        // A name may begin with "=".
        let end_of_name = |ch: char| blank(ch) || matches!(ch, '=' | '>');
        let first = self.rest.chars().next().map_or(0, char::len_utf8);
        let tail = self.rest.get(first..).unwrap_or_default();
        let (name, rest) = self.rest.split_at(first + tail.find(end_of_name).unwrap_or(tail.len()));
        let Some(value) = rest.trim_start_matches(|ch: char| ch.is_ascii_whitespace()).strip_prefix('=')
        else {
            self.rest = rest;
            return Some((name, ""));
        };
        let value = value.trim_start_matches(|ch: char| ch.is_ascii_whitespace());
        let Some(quote) = value.chars().next().filter(|ch| matches!(ch, '"' | '\'')) else {
            let end = value.find(|ch: char| ch.is_ascii_whitespace() || ch == '>').unwrap_or(value.len());
            let (value, rest) = value.split_at(end);
            self.rest = rest;
            return Some((name, value));
        };
        let (value, rest) = value.get(1..).unwrap_or_default().split_once(quote).unwrap_or_default();
        self.rest = rest;
        Some((name, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(html: &str) -> String {
        let show = |token: Token<'_>| match token {
            Token::Text(text) => format!("[{text}]"),
            Token::Start { name, attributes, .. } => {
                let attributes = Attributes::new(attributes).map(|(name, value)| format!(" {name}={value}"));
                format!("<{name}{}>", attributes.collect::<String>())
            }
            Token::End(name) => format!("</{name}>"),
        };
        Tokens::new(html).map(show).collect()
    }

    #[test]
    fn tags_text_and_comments() {
        assert_eq!(tokens("<p>a<br/>b</p>"), "<p>[a]<br>[b]</p>");
        assert_eq!(tokens("<a href=\"x>y\" b='c' d=e f>t"), "<a href=x>y b=c d=e f=>[t]");
        assert_eq!(tokens("<p title=don't>a"), "<p title=don't>[a]");
        assert_eq!(tokens("a < b <!-- x > y -->c<!doctype html>d<?xml ?>e</>f"), "[a ][<][ b ][c][d][e][f]");
        assert_eq!(tokens("<!-->a<!--->b"), "[a][b]");
        assert_eq!(tokens("<script>if (a<b) '</p>'</SCRIPT >x<style>p{}"), "<script></SCRIPT>[x]<style>");
        assert_eq!(tokens("a<p title=\"never closed>b"), "[a]");
        assert_eq!(tokens("a<"), "[a][<]");
        assert_eq!(tokens("<a/b=c/>"), "<a b=c/>");
    }

    proptest::proptest! {
        #[test]
        fn never_panics(html: String, tags in "[<>/a='\" !-]{0,60}") {
            for text in [html, tags] {
                let length: usize = Tokens::new(&text).map(|token| match token {
                    Token::Text(text) => text.len(),
                    Token::Start { name, attributes, .. } => name.len() + attributes.len(),
                    Token::End(name) => name.len(),
                }).sum();
                proptest::prop_assert!(length <= text.len());
            }
        }
    }
}
