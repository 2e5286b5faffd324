//! A client's reply or forward put together with the message it is about.
//!
//! ActiveSync's SmartReply and SmartForward send only what the user wrote; the server adds the
//! original. MS-ASCMD §2.2.1.20, §2.2.1.19.

use std::collections::HashSet;

use super::tree::Node;
use super::{draft, trace};
use crate::message::mime::{Message, Part};
use crate::message::record::{Address, Envelope, Flags, MailRecord, NativeBody};
use crate::message::section::Tree as _;
use crate::message::{body, charset, date, header, html, limits, mime, param, select, thread};

/// Whether the original is answered or passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Quoted; its attachments stay behind.
    Reply,
    /// Given in full with its attachments.
    Forward,
}

/// The words put before the original.
#[derive(Clone, Copy, Debug)]
pub struct Labels<'a> {
    /// The dividing line.
    pub divider: &'a str,
    /// Names of the fields shown: author, date, recipients, copies, subject.
    pub fields: [&'a str; 5],
}

impl Default for Labels<'_> {
    fn default() -> Self {
        Self { divider: "-----Original Message-----", fields: ["From", "Sent", "To", "Cc", "Subject"] }
    }
}

/// What is put together.
#[derive(Clone, Copy, Debug)]
pub struct Merge<'a> {
    /// The client's message as it came.
    pub new: &'a [u8],
    /// The message replied to or forwarded.
    pub original: &'a [u8],
    /// Which of the two.
    pub mode: Mode,
    /// The words to use.
    pub labels: Labels<'a>,
    /// 128 random bits.
    pub unique: u128,
}

impl Merge<'_> {
    /// The combined message: the client's header with In-Reply-To and References added where
    /// missing; text and, if either message has HTML, HTML too, both with the original's; the
    /// client's attachments; the images the HTML shows; in a forward the original's attachments.
    ///
    /// A signed or encrypted new message is not touched inside: a forward encloses the original
    /// beside it, a reply goes without. An encrypted original is forwarded enclosed.
    pub fn build(&self) -> Vec<u8> {
        let (new, original) = (mime::parse(self.new), mime::parse(self.original));
        let record = MailRecord::from_message(&original);
        let mut out = self.header(&new, &record);
        if is_sealed(&new) {
            let content = new.parts().first().map(|root| Node::copy(&new, root));
            let enclosed = (self.mode == Mode::Forward).then(|| enclosed(&original));
            Node::group("mixed", content.into_iter().chain(enclosed).collect()).write(self.unique, &mut out);
            return out;
        }
        let combined = Combined::new(self, &new, &original, &record);
        combined.content().write(self.unique, &mut out);
        out
    }

    /// The client's header fields but those that describe the content.
    fn header(&self, new: &Message<'_>, original: &MailRecord<'_>) -> Vec<u8> {
        let is_content = |name: &[u8]| {
            name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"Content-"))
                || name.eq_ignore_ascii_case(b"MIME-Version")
        };
        let whole = trace::without_fields(self.new, is_content);
        let kept = mime::parse(&whole);
        let mut out = Vec::with_capacity(self.new.len() + self.original.len() + 2_048);
        if let Some(root) = kept.parts().first() {
            for line in kept.header_bytes(root).split(|byte| *byte == b'\n') {
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                if !line.is_empty() {
                    out.extend_from_slice(line);
                    out.extend_from_slice(b"\r\n");
                }
            }
        }
        self.threading(new, original, &mut out);
        out.extend_from_slice(b"MIME-Version: 1.0\r\n");
        out
    }

    /// RFC 5322 §3.6.4.
    fn threading(&self, new: &Message<'_>, original: &MailRecord<'_>, out: &mut Vec<u8>) {
        let Some(root) = new.parts().first() else { return };
        let id = original.envelope.message_id.as_ref();
        let Some(id) = id.and_then(|id| thread::message_id(id.as_bytes())) else { return };
        if self.mode == Mode::Reply && new.field(root, "In-Reply-To").is_none() {
            draft::id_field("In-Reply-To", std::slice::from_ref(&id), out);
        }
        if new.field(root, "References").is_none() {
            let mut ids = thread::keys(original).ids;
            ids.retain(|known| *known != id);
            ids.push(id);
            draft::id_field("References", &ids, out);
        }
    }
}

/// The pieces of a message that may be changed.
struct Combined {
    text: String,
    html: Option<String>,
    renditions: Vec<Node>,
    inline: Vec<Node>,
    attached: Vec<Node>,
}

impl Combined {
    fn new(merge: &Merge<'_>, new: &Message<'_>, original: &Message<'_>, record: &MailRecord<'_>) -> Self {
        let sealed =
            record.flags.contains(Flags::SMIME_ENCRYPTED) || record.flags.contains(Flags::SMIME_OPAQUE);
        let forward = merge.mode == Mode::Forward;
        let has_html = body::native(new) == NativeBody::Html || record.native_body == NativeBody::Html;
        let lines = quoted_fields(&merge.labels, record);
        let mut combined = Self {
            text: joined_text(merge, new, original, &lines),
            html: has_html.then(|| joined_html(merge, new, original, &lines)),
            renditions: Vec::new(),
            inline: Vec::new(),
            attached: Vec::new(),
        };
        combined.take_files(new, true);
        combined.take_calendar(new);
        if forward && sealed {
            combined.attached.push(enclosed(original));
        } else {
            combined.take_files(original, forward);
            if forward {
                combined.take_hidden_calendar(original);
            }
        }
        combined
    }

    /// The images the HTML shows, and with `all` every other attachment.
    fn take_files(&mut self, message: &Message<'_>, all: bool) {
        let found = select::bodies(message).attachments;
        let files: Vec<&Part> = found.iter().filter_map(|index| message.parts().get(*index)).collect();
        let ids: HashSet<String> = files.iter().filter_map(|part| content_id(message, part)).collect();
        let shown = self.html.as_ref().map(|html| shown(html, &ids)).unwrap_or_default();
        for part in files {
            if content_id(message, part).is_some_and(|id| shown.contains(&id)) {
                self.inline.push(Node::copy(message, part));
            } else if all {
                self.attached.push(Node::copy(message, part));
            }
        }
    }

    /// An invitation or answer the client sends stays an alternative.
    fn take_calendar(&mut self, new: &Message<'_>) {
        let listed = select::bodies(new).attachments;
        for (index, part) in new.parts().iter().enumerate() {
            if part.is("text", "calendar") && !listed.contains(&index) && !is_within_enclosed(new, index) {
                self.renditions.push(Node::copy(new, part));
            }
        }
    }

    /// An invitation that is passed on goes along as a file.
    fn take_hidden_calendar(&mut self, original: &Message<'_>) {
        let listed = select::bodies(original).attachments;
        for (index, part) in original.parts().iter().enumerate() {
            if part.is("text", "calendar") && !listed.contains(&index) && !is_within_enclosed(original, index)
            {
                let data = original.decoded(part);
                self.attached.push(Node::file("invite.ics", "text/calendar", None, &data));
            }
        }
    }

    fn content(self) -> Node {
        let mut forms = vec![Node::text("plain", &self.text)];
        forms.extend(self.html.map(|html| Node::text("html", &html)));
        forms.extend(self.renditions);
        let alternative = Node::group("alternative", forms);
        let related = Node::group("related", std::iter::once(alternative).chain(self.inline).collect());
        Node::group("mixed", std::iter::once(related).chain(self.attached).collect())
    }
}

/// Signed or encrypted by whatever means: its content must stay as it is.
fn is_sealed(message: &Message<'_>) -> bool {
    message.parts().first().is_some_and(|root| match root.media_type.as_str() {
        "multipart" => matches!(root.subtype.as_str(), "signed" | "encrypted"),
        "application" => matches!(root.subtype.as_str(), "pkcs7-mime" | "x-pkcs7-mime"),
        _ => false,
    })
}

fn enclosed(original: &Message<'_>) -> Node {
    let subject = original.header("Subject").filter(|subject| !subject.is_empty());
    Node::enclosed(original.raw(), &format!("{}.eml", subject.as_deref().unwrap_or("message")))
}

fn is_within_enclosed(message: &Message<'_>, index: usize) -> bool {
    let mut at = index;
    while at != 0 {
        if message.is_enclosed(at) {
            return true;
        }
        at = message.parent(at).min(at - 1);
    }
    false
}

fn content_id(message: &Message<'_>, part: &Part) -> Option<String> {
    let id = header::raw_text(message.field(part, "Content-ID")?);
    let id = id.trim_matches(['<', '>']);
    (!id.is_empty() && id.len() <= limits::MESSAGE_ID).then(|| id.to_owned())
}

/// Those of `ids` that the HTML refers to by a `cid:` address, in one pass over it. RFC 2392.
fn shown(html: &str, ids: &HashSet<String>) -> HashSet<String> {
    let mut shown = HashSet::new();
    let mut rest = html;
    while let Some((before, after)) = rest.split_once(':').filter(|_| shown.len() < ids.len()) {
        rest = after;
        let is_cid = before.len().checked_sub(3).and_then(|at| before.get(at..));
        if !is_cid.is_some_and(|scheme| scheme.eq_ignore_ascii_case("cid")) {
            continue;
        }
        // Escaped, an id may be several times as long.
        let window = charset::truncate_bytes(after, 6 * limits::MESSAGE_ID);
        let ends = |ch: char| ch.is_whitespace() || matches!(ch, '"' | '<' | '>');
        let address = window.split(ends).next().unwrap_or_default();
        rest = after.get(address.len()..).unwrap_or_default();
        // Within single quotes, or a style's parentheses.
        let inner = address.split(['\'', ')']).next().unwrap_or_default();
        for written in [address, inner] {
            let plain = html::unescape(written);
            let decoded = param::percent_decoded(plain.as_bytes());
            shown.extend(
                [plain, String::from_utf8_lossy(&decoded).into_owned()]
                    .into_iter()
                    .filter(|id| ids.contains(id)),
            );
        }
    }
    shown
}

fn quoted_fields<'l>(labels: &Labels<'l>, record: &MailRecord<'_>) -> Vec<(&'l str, String)> {
    let Envelope { from, to, cc, date: sent, .. } = &record.envelope;
    let sent = record.sent.map(date::format).or_else(|| sent.as_ref().map(|sent| header::decode_text(sent)));
    let values = [list(from), sent.unwrap_or_default(), list(to), list(cc), record.subject()];
    labels.fields.into_iter().zip(values).filter(|(_, value)| !value.is_empty()).collect()
}

/// `Name <address>; ...`, as many as anyone reads.
fn list(addresses: &[Address<'_>]) -> String {
    const MOST: usize = 200;
    let shown = addresses.iter().filter_map(|address| {
        let plain = address.address()?;
        match address.display_name() {
            Some(name) if name != plain => Some(format!("{name} <{plain}>")),
            _ => Some(plain),
        }
    });
    shown.take(MOST).collect::<Vec<_>>().join("; ")
}

fn joined_text(
    merge: &Merge<'_>,
    new: &Message<'_>,
    original: &Message<'_>,
    lines: &[(&str, String)],
) -> String {
    let mut out = body::plain_text(new);
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    out.push_str(&format!("\n{}\n", merge.labels.divider));
    for (label, value) in lines {
        out.push_str(&format!("{label}: {value}\n"));
    }
    out.push('\n');
    let quoted = body::plain_text(original);
    for line in quoted.lines() {
        if merge.mode == Mode::Reply {
            // Quotes of quotes stay together. RFC 3676 §4.5.
            out.push_str(if line.starts_with('>') { ">" } else { "> " });
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

fn joined_html(
    merge: &Merge<'_>,
    new: &Message<'_>,
    original: &Message<'_>,
    lines: &[(&str, String)],
) -> String {
    let mut quote = String::from("<br>\r\n<hr>\r\n<div>");
    for (label, value) in lines {
        quote.push_str(&format!("<b>{}:</b> {}<br>\r\n", html::escape(label), html::escape(value)));
    }
    quote.push_str("</div><br>\r\n");
    let fragment = body::html(original);
    match merge.mode {
        Mode::Reply => quote.push_str(&format!(
            "<blockquote type=\"cite\" style=\"margin: 0 0 0 0.8ex; border-left: 1px solid #ccc; padding-left: 1ex\">\
             {fragment}</blockquote>\r\n"
        )),
        Mode::Forward => quote.push_str(&format!("<div>{fragment}</div>\r\n")),
    }
    let mut page = own_html(new);
    let at = end_of_body(&page);
    page.insert_str(at, &quote);
    page
}

/// What the client wrote as HTML, its own style sheet kept; or its text as HTML.
fn own_html(new: &Message<'_>) -> String {
    let bodies = select::bodies(new);
    let parts: Vec<&Part> = bodies.html.iter().filter_map(|index| new.parts().get(*index)).collect();
    match parts.as_slice() {
        [only] if only.is("text", "html") => body::part_text(new, only, limits::BODY),
        _ => body::html(new),
    }
}

/// Where `</body>` stands, else `</html>`, else the end.
fn end_of_body(page: &str) -> usize {
    let lower = page.to_ascii_lowercase();
    lower.rfind("</body").or_else(|| lower.rfind("</html")).unwrap_or(page.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::parse;
    use crate::message::record::PartRecord;

    fn merge(new: &[u8], original: &[u8], mode: Mode) -> Vec<u8> {
        let raw = Merge { new, original, mode, labels: Labels::default(), unique: 42 }.build();
        for line in raw.split(|byte| *byte == b'\n') {
            assert!(line.len() < 1_000);
        }
        raw
    }

    fn sample(name: &str) -> Vec<u8> {
        std::fs::read(format!("fixtures/mail/{name}.eml")).unwrap()
    }

    fn shape(message: &Message<'_>) -> Vec<String> {
        MailRecord::from_message(message).parts.iter().map(PartRecord::content_type).collect()
    }

    const TEXT: &[u8] = b"From: joe@example.com\r\nTo: jane@example.org\r\nSubject: Re: x\r\nX-Own: kept\r\n\
        MIME-Version: 1.0\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
        Sch\xf6n!\r\n";

    #[test]
    fn text_to_text() {
        let raw = merge(TEXT, &sample("koi8-r"), Mode::Reply);
        let message = parse(&raw);
        assert_eq!(shape(&message), ["text/plain"]);
        assert_eq!(
            body::text(&message),
            "Schön!\r\n\r\n-----Original Message-----\r\nFrom: Jane Doe <jane@example.org>\r\n\
             Sent: Tue, 1 Jul 2003 10:52:37 +0200\r\nTo: Joe Bloggs <joe@example.com>\r\nSubject: Привет, мир\r\n\r\n\
             > Добрый день!\r\n> До встречи.\r\n"
        );
        let root = message.parts().first().unwrap();
        assert_eq!(message.header("In-Reply-To").as_deref(), Some("<koi8@example.org>"));
        assert_eq!(message.header("References").as_deref(), Some("<koi8@example.org>"));
        assert_eq!(message.header("X-Own").as_deref(), Some("kept"));
        for name in [&b"Content-Type"[..], b"MIME-Version", b"Content-Transfer-Encoding"] {
            assert_eq!(message.fields(root).filter(|field| field.0.eq_ignore_ascii_case(name)).count(), 1);
        }
    }

    #[test]
    fn text_to_html_gives_both() {
        let raw = merge(TEXT, &sample("mixed-related"), Mode::Reply);
        let message = parse(&raw);
        assert_eq!(
            shape(&message),
            ["multipart/related", "multipart/alternative", "text/plain", "text/html", "image/png"]
        );
        let (text, page) = (body::text(&message), body::html(&message));
        assert!(text.starts_with("Schön!") && text.contains("> Please find the report"));
        assert!(
            page.starts_with("<div>Schön!")
                && page.contains("<b>From:</b> Jane Doe &lt;jane@example.org&gt;")
        );
        assert!(page.contains("<blockquote") && page.contains("cid:logo@example.org"));
        assert_eq!(
            message.header("References").as_deref(),
            Some("<first@example.com> <second@example.com> <mixed@example.org>")
        );
    }

    #[test]
    fn forwards_carry_the_files() {
        let original = sample("mixed-related");
        let raw = merge(TEXT, &original, Mode::Forward);
        let message = parse(&raw);
        assert_eq!(
            shape(&message),
            [
                "multipart/mixed",
                "multipart/related",
                "multipart/alternative",
                "text/plain",
                "text/html",
                "image/png",
                "application/pdf"
            ]
        );
        let before = parse(&original);
        let pdf = |message: &Message<'_>| message.decoded(message.part_at("2").unwrap());
        assert_eq!(pdf(&message), pdf(&before));
        let record = MailRecord::from_message(&message);
        assert_eq!(record.attachments.last().map(|file| &*file.name), Some("Übersicht € für Joe.pdf"));
        assert!(message.header("In-Reply-To").is_none());
        assert!(!body::text(&message).contains("> Please"));
    }

    #[test]
    fn html_of_the_client_keeps_its_frame() {
        let new = b"Subject: x\r\nContent-Type: text/html; charset=utf-8\r\n\r\n\
            <html><head><style>p{color:red}</style></head><body><p>Mine</p></BODY></html>";
        let raw = merge(new, &sample("iso-8859-1"), Mode::Reply);
        let message = parse(&raw);
        let page = body::part_text(&message, message.part_at("2").unwrap(), 1 << 20);
        assert!(page.contains("<style>p{color:red}</style>"));
        let (own, quote, end) =
            (page.find("Mine").unwrap(), page.find("Schöne Grüße").unwrap(), page.find("</BODY>").unwrap());
        assert!(own < quote && quote < end);
        assert!(body::text(&message).starts_with("Mine\r\n\r\n-----Original"));
    }

    #[test]
    fn sealed_messages() {
        let raw = merge(TEXT, &sample("smime-encrypted"), Mode::Forward);
        assert_eq!(
            shape(&parse(&raw)),
            ["multipart/mixed", "text/plain", "message/rfc822", "application/pkcs7-mime"]
        );
        let signed = sample("smime-signed");
        let raw = merge(&signed, &sample("koi8-r"), Mode::Reply);
        let (before, message) = (parse(&signed), parse(&raw));
        let body = |message: &Message<'_>| message.body_bytes(message.parts().first().unwrap()).to_vec();
        assert_eq!(body(&message), body(&before));
        let raw = merge(&signed, &sample("koi8-r"), Mode::Forward);
        let message = parse(&raw);
        assert_eq!(
            shape(&message),
            [
                "multipart/mixed",
                "multipart/signed",
                "text/plain",
                "application/pkcs7-signature",
                "message/rfc822",
                "text/plain"
            ]
        );
    }

    #[test]
    fn single_files_and_invitations_go_along() {
        let pdf = b"From: a@x\r\nSubject: s\r\nContent-Type: application/pdf; name=a.pdf\r\n\
            Content-Transfer-Encoding: base64\r\n\r\nJVBERg==\r\n";
        let raw = merge(TEXT, pdf, Mode::Forward);
        let message = parse(&raw);
        assert_eq!(shape(&message), ["multipart/mixed", "text/plain", "application/pdf"]);
        assert!(
            !String::from_utf8_lossy(message.header_bytes(message.part_at("2").unwrap())).contains("From")
        );
        let raw = merge(TEXT, &sample("invitation"), Mode::Forward);
        let record_raw = parse(&raw);
        let names: Vec<_> = MailRecord::from_message(&record_raw)
            .attachments
            .iter()
            .map(|file| file.name.to_string())
            .collect();
        assert_eq!(names, ["invite.ics"]);
    }

    #[test]
    fn ids_shown_are_found_in_one_pass() {
        let ids = |list: &[&str]| list.iter().map(|id| (*id).to_owned()).collect::<HashSet<_>>();
        let known = ids(&["a@x", "b&c@x", "d e@x", "f@x", "f@x.test", "o'g@x"]);
        for (html, want) in [
            ("<img src=\"cid:a@x\">", &["a@x"][..]),
            ("<img src=CID:a@x>", &["a@x"]),
            ("<p style='background: url(cid:a@x)'>", &["a@x"]),
            ("<p style=\"background: url('cid:a@x')\">", &["a@x"]),
            ("<img src=\"cid:b&amp;c@x\"><img src='cid:d%20e@x'>", &["b&c@x", "d e@x"]),
            ("<img src=\"cid:o'g@x\">", &["o'g@x"]),
            ("<img src=\"cid:f@x.test\">", &["f@x.test"]),
            ("acid:a@x lucid: a@x cid:other@x cid:", &["a@x"]),
            ("cid", &[]),
        ] {
            assert_eq!(shown(html, &known), ids(want), "{html}");
        }
        let many: HashSet<String> = (0..1_000).map(|n| format!("{n}@x")).collect();
        for run in ["cid:", "cid:x ", "cid:0@x\" ", ":", "%", "cid:%", "cid:&amp;"] {
            assert!(shown(&run.repeat(2_000_000 / run.len()), &many).len() <= 1);
        }
    }

    proptest::proptest! {
        #[test]
        fn anything_can_be_merged(new: Vec<u8>, original: Vec<u8>, forward: bool) {
            let mode = if forward { Mode::Forward } else { Mode::Reply };
            let raw = Merge { new: &new, original: &original, mode, labels: Labels::default(), unique: 1 }.build();
            let _ = parse(&raw);
        }
    }
}
