//! Messages as clients of each version see them.

use wbxml::{Element, Version, airsync, airsyncbase as base, email, email2};

use super::super::ids::FileReference;
use super::super::sample::Sample;
use super::*;
use crate::mailbox::{Edit, Flags, Knew, Placed, Role};
use crate::message::{self, MailRecord};

const PLAIN: &str = "From: =?utf-8?Q?J=C3=B6rg?= <joerg@example.org>\r\nTo: anna@example.test, \"B, C\" <b@example.org>\r\n\
    Cc: c@example.org\r\nReply-To: r@example.org\r\nSender: s@example.org\r\nSubject: Re: Plan\r\nImportance: high\r\n\
    Message-ID: <m1@example.org>\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\r\nGr\u{fc}\u{df}e an alle\r\n";

const ALTERNATIVE: &str = "From: a@example.org\r\nTo: anna@example.test\r\nSubject: both\r\n\
    Content-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\n\r\nplain words\r\n--a\r\n\
    Content-Type: text/html; charset=utf-8\r\n\r\n<p>html <b>words</b> &amp; more of them</p>\r\n--a--\r\n";

const FILES: &str = "From: a@example.org\r\nTo: anna@example.test\r\nSubject: files\r\n\
    Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n\r\nsee there\r\n--m\r\n\
    Content-Type: application/pdf; name=\"a b.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\
    Content-Disposition: attachment; filename=\"a b.pdf\"\r\nContent-ID: <id@x>\r\n\
    Content-Location: http://x.test/a\r\n\r\naGVsbG8gd29ybGQ=\r\n--m\r\nContent-Type: message/rfc822\r\n\r\n\
    Subject: inner\r\n\r\ninner text\r\n--m--\r\n";

const SIGNED: &str = "From: a@example.org\r\nTo: anna@example.test\r\nSubject: signed\r\n\
    Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; micalg=sha-256; boundary=s\r\n\r\n\
    --s\r\n\r\nsigned words\r\n--s\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\n\
    Content-Transfer-Encoding: base64\r\n\r\nMIA=\r\n--s--\r\n";

pub(in crate::doors::eas) fn wanted(kind: u8, truncation: Option<u32>) -> wishes::BodyPreference {
    wishes::BodyPreference { kind, truncation, all_or_none: false, preview: None }
}

fn wishes(bodies: Vec<wishes::BodyPreference>) -> Wishes {
    Wishes { bodies, ..Wishes::default() }
}

struct Shelf {
    sample: Sample,
    placed: Placed,
}

impl Shelf {
    async fn with(raw: &str) -> Self {
        let sample = Sample::new().await;
        let inbox = sample.folder(Role::Inbox);
        let placed = sample.deliver(inbox.id, raw.as_bytes()).await;
        Self { sample, placed }
    }

    fn show(&self, version: Version, wishes: &Wishes) -> Element<'static> {
        let session = self.sample.session(version);
        let view = self.sample.view();
        let folder = view.readable(self.placed.folder).unwrap();
        let item = view.item(&folder, self.placed.uid).unwrap().unwrap();
        Renderer::new(&session, &view, &folder, wishes).whole(&item).unwrap().unwrap()
    }

    fn flags(&self, version: Version) -> Element<'static> {
        let (session, wishes) = (self.sample.session(version), Wishes::default());
        let view = self.sample.view();
        let folder = view.readable(self.placed.folder).unwrap();
        let item = view.item(&folder, self.placed.uid).unwrap().unwrap();
        Renderer::new(&session, &view, &folder, &wishes).flags(&item).unwrap().unwrap()
    }

    async fn edit(&self, edit: Edit) {
        let (folder, uid) = (self.placed.folder, self.placed.uid);
        self.sample
            .act(move |tx| {
                let at = tx.granted(folder)?;
                tx.edit(&at, uid, &edit, Knew::default())
            })
            .await;
    }

    /// Type, Data, Truncated and EstimatedDataSize of the body.
    fn body(&self, wishes: &Wishes) -> (u8, Option<String>, bool, usize) {
        let shown = self.show(Version::V14_1, wishes);
        let body = shown.child(base::BODY).unwrap();
        (
            body.parse_of(base::TYPE).unwrap().unwrap(),
            body.text_of(base::DATA).map(str::to_owned),
            body.flag_of(base::TRUNCATED).unwrap().unwrap_or(false),
            body.parse_of(base::ESTIMATED_DATA_SIZE).unwrap().unwrap(),
        )
    }
}

#[tokio::test]
async fn headers_of_each_version() {
    let shelf = Shelf::with(PLAIN).await;
    for version in [Version::V12_1, Version::V14_0, Version::V14_1, Version::V16_0, Version::V16_1] {
        let shown = shelf.show(version, &wishes(vec![wanted(1, None)]));
        assert_eq!(shown.tag(), airsync::APPLICATION_DATA);
        for (tag, text) in [
            (email::TO, "anna@example.test, \"B, C\" <b@example.org>"),
            (email::CC, "c@example.org"),
            (email::FROM, "\"J\u{f6}rg\" <joerg@example.org>"),
            (email::REPLY_TO, "r@example.org"),
            (email::SUBJECT, "Re: Plan"),
            (email::DATE_RECEIVED, "2026-11-24T12:00:00.000Z"),
            (email::DISPLAY_TO, "anna@example.test; B, C"),
            (email::THREAD_TOPIC, "Plan"),
            (email::IMPORTANCE, "2"),
            (email::READ, "0"),
            (email::MESSAGE_CLASS, "IPM.Note"),
            (email::INTERNET_CPID, "65001"),
            (email::FLAG, ""),
            (email::CONTENT_CLASS, "urn:content-classes:message"),
            (base::NATIVE_BODY_TYPE, "1"),
        ] {
            assert_eq!(shown.text_of(tag), Some(text), "{tag} at {version:?}");
        }
        let all = shown.descendants().map(Element::tag);
        assert_eq!(all.filter(|tag| !tag.is_in(version)).collect::<Vec<_>>(), []);
        let later = version >= Version::V14_0;
        assert_eq!(shown.bytes_of(email2::CONVERSATION_ID).map(<[u8]>::len), later.then_some(16));
        assert_eq!(shown.bytes_of(email2::CONVERSATION_INDEX).map(<[u8]>::len), later.then_some(5));
        assert_eq!(shown.text_of(email2::SENDER), later.then_some("s@example.org"));
        assert!(!shown.has(email2::RECEIVED_AS_BCC));
        assert_eq!(shown.text_of(email2::IS_DRAFT), (version >= Version::V16_0).then_some("0"));
        assert!(!shown.has(email2::BCC) && !shown.has(base::ATTACHMENTS));
    }
}

#[tokio::test]
async fn a_blind_copy_says_so() {
    let shelf = Shelf::with("From: a@example.org\r\nTo: others@example.org\r\n\r\nx").await;
    let shown = shelf.show(Version::V14_0, &Wishes::default());
    assert_eq!(shown.text_of(email2::RECEIVED_AS_BCC), Some("1"));
    for named in ["To: Anna+lists@Example.test", "Cc: anna.berg@example.test", "To: x@y\r\nList-Id: <l.y>"] {
        let shelf = Shelf::with(&format!("From: a@example.org\r\n{named}\r\n\r\nx")).await;
        assert!(!shelf.show(Version::V14_0, &Wishes::default()).has(email2::RECEIVED_AS_BCC), "{named}");
    }
}

#[tokio::test]
async fn attachments_are_listed() {
    let shelf = Shelf::with(FILES).await;
    let shown = shelf.show(Version::V12_1, &Wishes::default());
    let files = shown.child(base::ATTACHMENTS).unwrap().children();
    let [pdf, inner] = files else { panic!("{files:?}") };
    assert_eq!(pdf.text_of(base::DISPLAY_NAME), Some("a b.pdf"));
    let id = crate::doors::eas::ids::server_id(shelf.placed.folder, shelf.placed.uid);
    assert_eq!(pdf.text_of(base::FILE_REFERENCE), Some(format!("{id}:2").as_str()));
    assert_eq!(pdf.text_of(base::METHOD), Some("1"));
    assert_eq!(pdf.text_of(base::ESTIMATED_DATA_SIZE), Some("12"));
    assert_eq!(pdf.text_of(base::CONTENT_ID), Some("id@x"));
    assert_eq!(pdf.text_of(base::CONTENT_LOCATION), Some("http://x.test/a"));
    assert_eq!(inner.text_of(base::DISPLAY_NAME), Some("inner.eml"));
    assert_eq!(inner.text_of(base::METHOD), Some("5"));
    assert!(inner.has(base::ESTIMATED_DATA_SIZE));
}

/// The row of a message with very many recipients is cut; what the client is shown of it is not.
#[tokio::test]
async fn nobody_is_left_out_of_a_long_list() {
    let people: Vec<String> = (0..1_200).map(|n| format!("recipient{n:04}@example.org")).collect();
    let people = people.join(",\r\n ");
    let raw = format!(
        "From: a@example.org\r\nTo: {people}\r\nCc: {people}\r\nSubject: s\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n\
         --m\r\n\r\nt\r\n--m\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nkept\r\n--m--\r\n"
    );
    let shelf = Shelf::with(&raw).await;
    let view = shelf.sample.view();
    let folder = view.readable(shelf.placed.folder).unwrap();
    let row = view.record(&folder, shelf.placed.uid).unwrap().unwrap();
    let record = MailRecord::decode(row.record()).unwrap();
    assert!(record.flags.contains(message::Flags::TRUNCATED) && record.envelope.cc.len() < 1_200);
    let shown = shelf.show(Version::V16_1, &Wishes::default());
    for list in [email::TO, email::CC] {
        assert!(shown.text_of(list).unwrap().ends_with("recipient1199@example.org"));
    }
    let files = shown.child(base::ATTACHMENTS).unwrap().children();
    let [file] = files else { panic!("not one file") };
    let named = FileReference::parse(file.text_of(base::FILE_REFERENCE).unwrap()).unwrap();
    let read = Attached::read(&shelf.sample.session(Version::V16_1), named, 1 << 20).await.unwrap();
    assert_eq!(&read.unwrap().unwrap().octets[..], b"kept");
}

#[tokio::test]
async fn the_native_type_is_preferred() {
    let both = Shelf::with(ALTERNATIVE).await;
    let plain = Shelf::with(PLAIN).await;
    let (text, html) = (wanted(1, None), wanted(2, None));
    let kind = |shelf: &Shelf, bodies: &[&wishes::BodyPreference]| {
        shelf.body(&wishes(bodies.iter().map(|&b| b.clone()).collect())).0
    };
    assert_eq!(kind(&both, &[&text, &html]), 2);
    assert_eq!(kind(&plain, &[&html, &text]), 1);
    assert_eq!(kind(&both, &[&text]), 1);
    assert_eq!(kind(&plain, &[&html]), 2);
    // RTF is not made: text is.
    assert_eq!(kind(&both, &[&wanted(3, None)]), 1);
    assert_eq!(kind(&both, &[&wanted(3, None), &html]), 2);
    // Nothing asked for.
    assert_eq!(kind(&both, &[]), 1);
    // MIME, which MIMESupport forbids.
    assert_eq!(kind(&both, &[&wanted(4, None)]), 1);
    assert_eq!(kind(&both, &[&wanted(9, None), &text]), 1);
}

#[tokio::test]
async fn mime_as_mime_support_allows() {
    let (signed, plain) = (Shelf::with(SIGNED).await, Shelf::with(PLAIN).await);
    for (support, of_signed, of_plain) in [(0, 1, 1), (1, 4, 1), (2, 4, 4)] {
        let all = Wishes {
            mime_support: support,
            bodies: vec![wanted(1, None), wanted(2, None), wanted(4, None)],
            ..Wishes::default()
        };
        assert_eq!(signed.body(&all).0, of_signed, "MIMESupport {support}");
        assert_eq!(plain.body(&all).0, of_plain, "MIMESupport {support}");
        let without = Wishes { bodies: vec![wanted(1, None)], ..all };
        assert_eq!(signed.body(&without).0, 1, "MIMESupport {support} without type 4");
    }
    let only = Wishes { mime_support: 2, bodies: vec![wanted(4, None)], ..Wishes::default() };
    let (_, data, truncated, size) = signed.body(&only);
    let data = data.unwrap();
    assert!(data.starts_with("Return-Path: <>\r\n") && data.ends_with("--s--\r\n"));
    assert_eq!((truncated, size), (false, data.len()));
    let shown = signed.show(Version::V12_1, &only);
    assert_eq!(shown.child(base::BODY).unwrap().text_of(base::TRUNCATED), Some("0"));
    assert_eq!(shown.text_of(email::MESSAGE_CLASS), Some("IPM.Note.SMIME.MultipartSigned"));
}

#[tokio::test]
async fn mime_is_cut_as_the_table_says() {
    let long = format!("Subject: long\r\n\r\n{}", "0123456789\r\n".repeat(20_000));
    let shelf = Shelf::with(&long).await;
    for (value, most) in [(0, None), (1, Some(4_096)), (2, Some(5_120)), (3, Some(7_168)), (4, Some(10_240))]
    {
        let wishes = Wishes {
            mime_support: 2,
            mime_truncation: Some(value),
            bodies: vec![wanted(4, None)],
            ..Wishes::default()
        };
        let (_, data, truncated, size) = shelf.body(&wishes);
        assert_eq!((data.map(|d| d.len()), truncated), (most, true), "MIMETruncation {value}");
        assert!(size > long.len());
    }
    let wishes = Wishes {
        mime_support: 2,
        mime_truncation: Some(8),
        bodies: vec![wanted(4, Some(100))],
        ..Wishes::default()
    };
    assert_eq!(shelf.body(&wishes).1.map(|data| data.len()), Some(100));
}

#[tokio::test]
async fn octets_that_are_no_text_stay_as_they_are() {
    let sample = Sample::new().await;
    let raw = b"Subject: x\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\nGr\xfc\xdfe \x00";
    let placed = sample.deliver(sample.folder(Role::Inbox).id, raw).await;
    let shelf = Shelf { sample, placed };
    let wishes = Wishes { mime_support: 2, bodies: vec![wanted(4, None)], ..Wishes::default() };
    let shown = shelf.show(Version::V14_1, &wishes);
    let data = shown.child(base::BODY).unwrap().bytes_of(base::DATA).unwrap();
    assert!(data.ends_with(raw));
    assert_eq!(shelf.body(&self::wishes(vec![wanted(1, None)])).1.as_deref(), Some("Gr\u{fc}\u{df}e "));
}

#[tokio::test]
async fn text_is_cut_between_characters() {
    let shelf = Shelf::with(PLAIN).await;
    let whole = "Gr\u{fc}\u{df}e an alle\r\n";
    for most in 1..=u32::try_from(whole.len()).unwrap() + 1 {
        let (kind, data, truncated, size) = shelf.body(&wishes(vec![wanted(1, Some(most))]));
        let data = data.unwrap();
        assert!(whole.starts_with(&data) && data.len() <= usize::try_from(most).unwrap());
        assert!(data.len() + 2 > usize::try_from(most).unwrap() || data == whole);
        assert_eq!((kind, truncated, size), (1, data != whole, whole.len()));
    }
}

#[tokio::test]
async fn html_is_cut_between_tags() {
    let shelf = Shelf::with(ALTERNATIVE).await;
    let (_, whole, truncated, size) = shelf.body(&wishes(vec![wanted(2, None)]));
    let whole = whole.unwrap();
    assert!(whole.starts_with("<html>") && whole.contains("<p>html <b>words</b> &amp; more") && !truncated);
    assert_eq!(size, whole.len());
    for most in 1..u32::try_from(whole.len()).unwrap() {
        let (_, data, truncated, size) = shelf.body(&wishes(vec![wanted(2, Some(most))]));
        let data = data.unwrap();
        assert!(truncated && data.len() <= usize::try_from(most).unwrap() && size == whole.len());
        let inner = data.split("<body>").nth(1).unwrap_or(&data);
        let inner = inner.split("</body>").next().unwrap();
        assert_eq!(inner.matches('<').count(), inner.matches('>').count(), "{data}");
        assert!(inner.matches('&').count() == inner.matches(';').count(), "{data}");
    }
}

#[tokio::test]
async fn all_or_none_takes_the_next() {
    let shelf = Shelf::with(ALTERNATIVE).await;
    let all = |kind, most| wishes::BodyPreference { all_or_none: true, ..wanted(kind, Some(most)) };
    let (kind, data, truncated, _) = shelf.body(&wishes(vec![all(2, 20), all(1, 100)]));
    assert_eq!((kind, data.as_deref(), truncated), (1, Some("plain words"), false));
    let (kind, data, truncated, size) = shelf.body(&wishes(vec![all(2, 20), all(1, 5)]));
    assert_eq!((kind, data, truncated), (2, None, true));
    assert!(size > 20);
    let (kind, data, ..) = shelf.body(&wishes(vec![all(2, 1_000), all(1, 5)]));
    assert!(kind == 2 && data.is_some());
}

#[tokio::test]
async fn a_preview_needs_no_look_at_the_message() {
    let shelf = Shelf::with(ALTERNATIVE).await;
    let preview = wishes::BodyPreference { preview: Some(7), ..wanted(1, Some(0)) };
    let shown = shelf.show(Version::V14_0, &wishes(vec![preview.clone()]));
    let body = shown.child(base::BODY).unwrap();
    assert_eq!(body.text_of(base::PREVIEW), Some("plain w"));
    assert!(!body.has(base::DATA));
    assert_eq!(body.text_of(base::TRUNCATED), Some("1"));
    assert_eq!(body.text_of(base::ESTIMATED_DATA_SIZE), Some("11"));
    // 12.1 has no previews.
    let shown = shelf.show(Version::V12_1, &wishes(vec![preview]));
    assert!(!shown.child(base::BODY).unwrap().has(base::PREVIEW));
    let long = wishes::BodyPreference { preview: Some(255), ..wanted(1, Some(500)) };
    let words = "word ".repeat(200);
    let shelf = Shelf::with(&format!("Subject: x\r\n\r\n{words}")).await;
    let shown = shelf.show(Version::V16_1, &wishes(vec![long]));
    let body = shown.child(base::BODY).unwrap();
    assert_eq!(body.text_of(base::PREVIEW).map(|p| p.chars().count()), Some(254));
    assert_eq!(body.text_of(base::DATA).map(str::len), Some(500));
}

#[tokio::test]
async fn an_empty_body_is_whole() {
    let shelf = Shelf::with("Subject: nothing\r\n\r\n").await;
    for (kind, most) in [(1, None), (1, Some(0)), (1, Some(100)), (2, None), (2, Some(10))] {
        let (shown, data, truncated, size) = shelf.body(&wishes(vec![wanted(kind, most)]));
        assert_eq!((shown, truncated, size), (kind, false, 0), "{kind} {most:?}");
        assert_eq!(data.unwrap_or_default(), "");
    }
}

#[tokio::test]
async fn body_parts_from_14_1() {
    let shelf = Shelf::with(ALTERNATIVE).await;
    let wishes = Wishes { body_part: Some(wanted(2, Some(130))), ..wishes(vec![wanted(1, None)]) };
    assert!(!shelf.show(Version::V14_0, &wishes).has(base::BODY_PART));
    let shown = shelf.show(Version::V14_1, &wishes);
    let part = shown.child(base::BODY_PART).unwrap();
    assert_eq!(part.text_of(base::STATUS), Some("1"));
    assert_eq!(part.text_of(base::TYPE), Some("2"));
    assert_eq!(part.text_of(base::TRUNCATED), Some("1"));
    assert!(part.bytes_of(base::DATA).unwrap().len() <= 130);
    assert_eq!(shown.child(base::BODY).unwrap().text_of(base::TYPE), Some("1"));
}

#[tokio::test]
async fn flags_categories_and_verbs() {
    let shelf = Shelf::with(PLAIN).await;
    let status = |shelf: &Shelf| {
        let shown = shelf.flags(Version::V14_0);
        shown.child(email::FLAG).unwrap().text_of(email::STATUS).map(str::to_owned)
    };
    assert_eq!(shelf.flags(Version::V12_1).children().len(), 2, "Read and Flag");
    // As another client sets it.
    shelf.edit(Edit { set: Flags::FLAGGED.and(Flags::SEEN).and(Flags::ANSWERED), ..Edit::default() }).await;
    let shown = shelf.flags(Version::V14_0);
    assert_eq!(shown.text_of(email::READ), Some("1"));
    assert_eq!(shown.text_of(email2::LAST_VERB_EXECUTED), Some("1"));
    assert!(!shown.has(email2::LAST_VERB_EXECUTION_TIME));
    assert_eq!(status(&shelf).as_deref(), Some("2"));
    // As a phone completes it.
    let complete = Element::new(email::FLAG)
        .with_number(email::STATUS, 1)
        .with_text(email::FLAG_TYPE, "done")
        .with_text(email::COMPLETE_TIME, "2026-11-24T12:00:00.000Z");
    let verb = Verb { verb: Verb::FORWARD, at: 1_795_521_600_000 };
    let names = postcard::to_stdvec(&vec!["red", "work"]).unwrap();
    shelf
        .edit(Edit {
            clear: Flags::FLAGGED,
            properties: vec![
                (FLAG_PROPERTY.to_owned(), Some(wbxml::encode(&complete))),
                (VERB_PROPERTY.to_owned(), Some(verb.kept())),
                (CATEGORIES_PROPERTY.to_owned(), Some(names)),
            ],
            ..Edit::default()
        })
        .await;
    let shown = shelf.flags(Version::V16_1);
    assert_eq!(shown.child(email::FLAG), Some(&complete));
    assert_eq!(shown.text_of(email2::LAST_VERB_EXECUTED), Some("3"));
    assert_eq!(shown.text_of(email2::LAST_VERB_EXECUTION_TIME), Some("2026-11-24T12:00:00.000Z"));
    let names = shown.child(email::CATEGORIES).unwrap().children_of(email::CATEGORY);
    assert_eq!(names.filter_map(Element::text).collect::<Vec<_>>(), ["red", "work"]);
    assert!(!shelf.flags(Version::V12_1).has(email::CATEGORIES));
    // Another client flags it anew: what the phone wrote about the old flag is void.
    shelf.edit(Edit { set: Flags::FLAGGED, ..Edit::default() }).await;
    assert_eq!(status(&shelf).as_deref(), Some("2"));
}

#[tokio::test]
async fn classes_of_messages() {
    for (header, class) in [
        ("Content-Type: application/pkcs7-mime; smime-type=enveloped-data", "IPM.Note.SMIME"),
        ("Content-Type: application/pkcs7-mime; smime-type=signed-data", "IPM.Note.SMIME"),
        ("Content-Type: multipart/report; report-type=delivery-status; boundary=x", "REPORT.IPM.Note.NDR"),
        (
            "Content-Type: multipart/report; report-type=disposition-notification; boundary=x",
            "REPORT.IPM.Note.IPNRN",
        ),
        ("X: y", "IPM.Note"),
    ] {
        let shelf = Shelf::with(&format!("{header}\r\n\r\n--x\r\n\r\na\r\n--x--\r\n")).await;
        let shown = shelf.show(Version::V14_1, &Wishes::default());
        assert_eq!(shown.text_of(email::MESSAGE_CLASS), Some(class), "{header}");
    }
}

#[tokio::test]
async fn drafts_show_whom_they_hide() {
    let sample = Sample::new().await;
    let drafts = sample.folder(Role::Drafts);
    let placed = sample.deliver(drafts.id, b"To: a@x.test\r\nBcc: b@x.test\r\n\r\nx").await;
    let shelf = Shelf { sample, placed };
    let shown = shelf.show(Version::V16_0, &Wishes::default());
    assert_eq!(shown.text_of(email2::IS_DRAFT), Some("1"));
    assert_eq!(shown.text_of(email2::BCC), Some("b@x.test"));
    assert!(!shelf.show(Version::V14_1, &Wishes::default()).has(email2::BCC));
}
