//! As much XML as the fixtures and libwbxml's tools need: elements with a default namespace, text,
//! character references.

use std::fmt::Write;

use wbxml::{Content, Element};

/// An element as XML sees it. Opaque data is base64, as libwbxml writes it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Node {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) children: Vec<Self>,
}

impl Node {
    pub(crate) fn of(element: &Element<'_>) -> Self {
        let text = match element.content() {
            Content::Text(text) => text.to_owned(),
            Content::Opaque(data) => base64(data),
            Content::Empty | Content::Children(_) => String::new(),
        };
        Self {
            namespace: element.tag().namespace().to_owned(),
            name: element.tag().name().to_owned(),
            text,
            children: element.into_iter().map(Self::of).collect(),
        }
    }

    /// Calls `change` on this node and on every one below.
    pub(crate) fn for_each(&mut self, change: &mut impl FnMut(&mut Self)) {
        change(self);
        self.children.iter_mut().for_each(|child| child.for_each(change));
    }

    /// The XML of a document. `newline` begins each line of a child; empty for all on one line.
    pub(crate) fn to_xml(&self, newline: &str) -> String {
        let mut out = String::new();
        self.write(&mut out, "", newline);
        out
    }

    fn write(&self, out: &mut String, around: &str, newline: &str) {
        write!(out, "<{}", self.name).expect("a String");
        if self.namespace != around {
            write!(out, " xmlns=\"{}:\"", self.namespace).expect("a String");
        }
        if self.text.is_empty() && self.children.is_empty() {
            out.push_str("/>");
            return;
        }
        out.push('>');
        escape(&self.text, out);
        let deeper = if newline.is_empty() { String::new() } else { format!("{newline}  ") };
        for child in &self.children {
            out.push_str(&deeper);
            child.write(out, &self.namespace, &deeper);
        }
        if !self.children.is_empty() {
            out.push_str(newline);
        }
        write!(out, "</{}>", self.name).expect("a String");
    }

    /// Reads a document. It is the tests' own, so what is not as expected is a panic.
    pub(crate) fn parse(document: &str) -> Self {
        let mut open = vec![Self::default()];
        let mut rest = document;
        while let Some((text, after)) = rest.split_once('<') {
            let (markup, after) = after.split_once('>').expect("a closed tag");
            rest = after;
            let current = open.last_mut().expect("the outermost node");
            current.text.push_str(&unescape(text));
            if markup.starts_with(['?', '!']) {
                current.text.clear();
            } else if let Some(name) = markup.strip_prefix('/') {
                let node = open.pop().expect("an open element");
                assert_eq!(node.name, name);
                close(&mut open, node);
            } else {
                let bare = markup.strip_suffix('/').unwrap_or(markup);
                let (name, attributes) = bare.split_once(' ').unwrap_or((bare, ""));
                let declared = attributes.strip_prefix("xmlns=\"").and_then(|ns| ns.strip_suffix(":\""));
                assert_eq!(declared.is_none(), attributes.is_empty(), "{markup}");
                let namespace = declared.unwrap_or(&current.namespace).to_owned();
                let node = Self { namespace, name: name.to_owned(), ..Self::default() };
                if markup.ends_with('/') { close(&mut open, node) } else { open.push(node) }
            }
        }
        let outermost = open.pop().expect("the outermost node");
        assert!(open.is_empty() && outermost.children.len() == 1, "one root, closed");
        outermost.children.into_iter().next().expect("the root")
    }
}

fn close(open: &mut [Node], mut node: Node) {
    if !node.children.is_empty() {
        assert!(node.text.trim().is_empty(), "mixed content in {}", node.name);
        node.text.clear();
    }
    open.last_mut().expect("the outermost node").children.push(node);
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // XML turns CR into LF; white space at either end is easily lost.
            '\r' | '\n' | '\t' => write!(out, "&#{};", u32::from(c)).expect("a String"),
            c => out.push(c),
        }
    }
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        let (name, after) = after.split_once(';').expect("a closed reference");
        out.push_str(before);
        out.push(match name {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "quot" => '"',
            "apos" => '\'',
            number => {
                let number = number.strip_prefix('#').and_then(|digits| digits.parse().ok());
                number.and_then(char::from_u32).expect("a character reference")
            }
        });
        rest = after;
    }
    out + rest
}

/// RFC 4648 §4.
fn base64(data: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in data.chunks(3) {
        let bits =
            group.iter().fold(0_u32, |bits, &octet| bits << 8 | u32::from(octet)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let sextet = (bits >> (18 - 6 * place) & 0x3F) as usize;
            out.push(if place > group.len() { '=' } else { char::from(ALPHABET[sextet]) });
        }
    }
    out
}

#[test]
fn the_reader_reads_what_the_writer_writes() {
    let document =
        "<?xml version=\"1.0\"?><A xmlns=\"X:\">\n <B>a&lt;&amp;&#13;&#10;</B><C xmlns=\"Y:\"><D/></C>\n</A>";
    let node = Node::parse(document);
    let compact = "<A xmlns=\"X:\"><B>a&lt;&amp;&#13;&#10;</B><C xmlns=\"Y:\"><D/></C></A>";
    assert_eq!(node.to_xml(""), compact);
    assert_eq!(Node::parse(compact), node);
    assert_eq!(Node::parse(&node.to_xml("\n")), node);
    assert_eq!(["", "f", "fo", "foo"].map(|s| base64(s.as_bytes())), ["", "Zg==", "Zm8=", "Zm9v"]);
}
