use super::super::sample::Sample;
use super::*;

const HTML: &str = "From: Anna <anna@example.test>\r\nTo: a@x.test\r\nBcc: hidden@x.test\r\nSubject: plan\r\n\
    X-Mailer: kept\r\nReferences: <r@x>\r\nMessage-ID: <m@x>\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n\
    Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\nContent-Type: text/html; charset=utf-8\r\n\r\n\
    <style>p{color:red}</style><p>Gr\u{fc}\u{df}e</p>\r\n--m\r\nContent-Type: text/plain; name=a.txt\r\n\
    Content-Disposition: attachment; filename=a.txt\r\n\r\nfile a\r\n--m\r\n\
    Content-Type: application/pdf; name=b.pdf\r\nContent-Disposition: attachment; filename=b.pdf\r\n\r\nfile b\r\n--m--\r\n";
const HERE: (FolderId, Uid) = (FolderId(5), Uid(7));

fn data(children: impl IntoIterator<Item = Element<'static>>) -> Element<'static> {
    Element::new(airsync::APPLICATION_DATA).with_all(children)
}

fn with_body(kind: u8, text: &'static str) -> Element<'static> {
    Element::new(base::BODY).with_number(base::TYPE, kind).with_text(base::DATA, text)
}

async fn written(data: &Element<'_>, stored: Option<&str>) -> Result<String, u16> {
    let sample = Sample::new().await;
    let writer = Writer { account: &sample.account, host: "mail.test", now: 1_795_521_600, unique: 42 };
    let stored = stored.map(|raw| (raw.as_bytes(), HERE.0, HERE.1));
    let raw = Changes::read(Some(data))?.write(&writer, stored)?;
    Ok(String::from_utf8(raw).unwrap())
}

fn add(id: &'static str, name: &'static str, content: Element<'static>) -> Element<'static> {
    Element::new(base::ADD)
        .with_text(base::CLIENT_ID, id)
        .with_text(base::DISPLAY_NAME, name)
        .with_text(base::CONTENT_TYPE, "image/png")
        .with(content)
}

#[tokio::test]
async fn a_new_draft() {
    let raw = written(
        &data([
            Element::leaf(email::TO, "\"B; C\" <b@x.test>; d@x.test, Group: e@x.test;"),
            Element::leaf(email::CC, "J\u{f6}rg <j@x.test>\r\nBcc: evil@x.test"),
            Element::leaf(email2::BCC, "h@x.test"),
            Element::leaf(email::SUBJECT, "Gr\u{fc}\u{df}e"),
            Element::number(email::IMPORTANCE, 2),
            with_body(1, "First words.\n"),
        ]),
        None,
    )
    .await
    .unwrap();
    let message = parse(raw.as_bytes());
    let record = MailRecord::from_message(&message);
    assert_eq!(record.display_to(), "B; C; d@x.test; Group; e@x.test");
    assert_eq!(record.subject(), "Gr\u{fc}\u{df}e");
    assert_eq!(record.importance as u8, 2);
    let address =
        |list: &[message::Address<'_>]| list.iter().filter_map(message::Address::address).collect::<Vec<_>>();
    assert_eq!(address(&record.envelope.bcc), ["h@x.test"]);
    assert_eq!(address(&record.envelope.from), ["anna@example.test"]);
    assert_eq!(record.sent.map(|sent| sent.unix), Some(1_795_521_600));
    assert!(record.envelope.message_id.unwrap().ends_with("@mail.test>"));
    assert_eq!(body::text(&message), "First words.\r\n");
    assert_eq!(raw.matches("\r\n\r\n").count(), 1);
}

#[tokio::test]
async fn what_is_not_named_survives() {
    let raw = written(&data([Element::leaf(email::SUBJECT, "other")]), Some(HTML)).await.unwrap();
    let (header, body) = raw.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, HTML.split_once("\r\n\r\n").unwrap().1);
    for line in
        ["Subject: other", "To: a@x.test", "Bcc: hidden@x.test", "X-Mailer: kept", "Message-ID: <m@x>"]
    {
        assert!(header.lines().any(|l| l == line), "{line} in {header}");
    }
    assert!(!header.contains("plan") && !header.contains("2024"));
    assert_eq!(header.matches("Message-ID").count() + header.matches("From").count(), 2);
    // An empty list is named, and gone.
    let raw = written(&data([Element::leaf(email2::BCC, "")]), Some(HTML)).await.unwrap();
    assert!(!raw.contains("Bcc") && raw.contains("To: a@x.test"));
    // New words; files, references and all else stay.
    let raw = written(&data([with_body(2, "<p>new <b>words</b>")]), Some(HTML)).await.unwrap();
    let message = parse(raw.as_bytes());
    let record = MailRecord::from_message(&message);
    let names: Vec<_> = record.attachments.iter().map(|file| &*file.name).collect();
    assert_eq!(names, ["a.txt", "b.pdf"]);
    assert_eq!(record.references.len(), 1);
    assert!(raw.contains("X-Mailer: kept") && raw.contains("<p>new <b>words</b>"));
    assert_eq!(body::text(&message), "new words");
    let mut file = Vec::new();
    message.copy_part("2", 0..99, &mut file).unwrap().unwrap();
    assert_eq!(file, b"file a");
}

#[tokio::test]
async fn files_come_and_go() {
    let attachments = Element::new(base::ATTACHMENTS).with_all([
        Element::new(base::DELETE).with_text(base::FILE_REFERENCE, "5:7:2"),
        add("c1", "new.png", Element::opaque(base::CONTENT, b"\x89PNG".to_vec())),
        add("c2", "text.png", Element::leaf(base::CONTENT, "aGVsbG8=")),
        add("c3", "in.png", Element::leaf(base::CONTENT, "aW5saW5l")).with_text(base::CONTENT_ID, "pic@x"),
    ]);
    let change = data([attachments]);
    let raw = written(&change, Some(HTML)).await.unwrap();
    let message = parse(raw.as_bytes());
    let record = MailRecord::from_message(&message);
    let names: Vec<_> = record.attachments.iter().map(|file| (&*file.name, file.is_inline)).collect();
    assert_eq!(names, [("in.png", true), ("b.pdf", false), ("new.png", false), ("text.png", false)]);
    // The words are those of the stored draft, its style included.
    assert!(body::html(&message).contains("Gr\u{fc}\u{df}e"));
    assert!(raw.contains("<style>p{color:red}</style>"));
    let told = added_files(&change, &record, HERE.0, HERE.1).unwrap();
    let told: Vec<_> = told
        .descendants()
        .filter(|e| e.tag() == base::ATTACHMENT)
        .map(|file| (file.text_of(base::CLIENT_ID).unwrap(), file.text_of(base::FILE_REFERENCE).unwrap()))
        .collect();
    let ids: Vec<_> = told.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, ["c3", "c1", "c2"]);
    for (reference, content) in told.iter().map(|(_, r)| *r).zip([&b"inline"[..], b"\x89PNG", b"hello"]) {
        let named = FileReference::parse(reference).unwrap();
        let part = message.parts().get(message.find(&named.path).unwrap()).unwrap();
        assert_eq!(message.decoded(part), content, "{reference}");
    }
    assert!(added_files(&data([Element::leaf(email::TO, "x")]), &record, HERE.0, HERE.1).is_none());
}

#[tokio::test]
async fn mime_is_taken_whole() {
    let mime = "To: m@x.test\r\nSubject: mine\r\nX-Own: yes\r\n\r\nwords";
    let raw = written(&data([with_body(4, mime)]), Some(HTML)).await.unwrap();
    assert!(raw.contains("X-Own: yes") && raw.ends_with("\r\n\r\nwords") && !raw.contains("X-Mailer"));
    assert!(raw.contains("From: \"anna\" <anna@example.test>") || raw.contains("From: anna"));
    let raw = written(&data([Element::leaf(email::TO, "n@x.test"), with_body(4, mime)]), None).await.unwrap();
    assert!(raw.contains("To: <n@x.test>") || raw.contains("To: n@x.test"), "{raw}");
    assert!(!raw.contains("m@x.test"));
}

#[tokio::test]
async fn what_is_refused() {
    let delete = |reference: &'static str| {
        data([Element::new(base::ATTACHMENTS)
            .with(Element::new(base::DELETE).with_text(base::FILE_REFERENCE, reference))])
    };
    for (change, status) in [
        (delete("5:7:1"), CONVERSION),
        (delete("5:7:9"), CONVERSION),
        (delete("5:8:2"), CONVERSION),
        (delete("nonsense"), CONVERSION),
        (data([with_body(3, "rtf")]), CONVERSION),
        (data([Element::leaf(email::IMPORTANCE, "x")]), CONVERSION),
        (data([Element::new(base::ATTACHMENTS).with_empty(base::ADD)]), CONVERSION),
        (data([Element::new(base::ATTACHMENTS).with_empty(base::TYPE)]), PROTOCOL),
        (
            data([
                with_body(4, "x"),
                Element::new(base::ATTACHMENTS).with(add("c", "n", Element::leaf(base::CONTENT, "aa"))),
            ]),
            INVALID_MIME_BODY_COMBINATION,
        ),
    ] {
        assert_eq!(written(&change, Some(HTML)).await, Err(status), "{change:?}");
    }
    assert!(Changes::read(None).unwrap().is_empty());
    assert!(Changes::read(Some(&data([Element::leaf(email::READ, "1")]))).unwrap().is_empty());
    assert!(!Changes::read(Some(&data([Element::leaf(email::TO, "")]))).unwrap().is_empty());
}

/// A part that stays is not written anew: RFC 2046 §5.2.1 forbids to encode an enclosed message, and a text
/// keeps its charset.
#[tokio::test]
async fn attachments_stay_as_they_are() {
    let parts = [
        "Content-Type: text/plain; charset=iso-8859-1; name=\"a.txt\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\
         Content-Disposition: attachment; filename=\"a.txt\"; size=7\r\nContent-Description: words\r\n\r\nGr=FC=DFe",
        "Content-Type: message/rfc822\r\nContent-Disposition: attachment\r\n\r\n\
         Subject: enclosed\r\nX-Own: kept\r\n\r\nwords within",
        "Content-Type: application/pdf\r\nContent-Location: https://x.test/b.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\naGVs\r\nbG8=",
        "Content-Type: image/png\r\nContent-ID: <pic@x>\r\nContent-Disposition: inline\r\n\r\npicture",
    ];
    let files = parts.map(|part| format!("--m\r\n{part}\r\n")).concat();
    let stored = format!(
        "From: a@x.test\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\nContent-Type: text/html\r\n\r\n\
         <p>old <img src=\"cid:pic@x\"></p>\r\n{files}--m--\r\n"
    );
    let change = data([
        with_body(2, "<p>new <img src=\"cid:pic@x\"></p>"),
        Element::new(base::ATTACHMENTS).with(add("c1", "new.png", Element::leaf(base::CONTENT, "aGVsbG8="))),
    ]);
    let raw = written(&change, Some(&stored)).await.unwrap();
    for part in parts {
        assert!(raw.contains(&format!("\r\n{part}\r\n--=_")), "{part}\n---\n{raw}");
    }
    let message = parse(raw.as_bytes());
    let record = MailRecord::from_message(&message);
    let shape: Vec<_> = record.attachments.iter().map(|file| (&*file.name, file.is_inline)).collect();
    assert_eq!(
        shape,
        [
            ("attachment.png", true),
            ("a.txt", false),
            ("enclosed.eml", false),
            ("attachment.pdf", false),
            ("new.png", false)
        ]
    );
    let told = added_files(&change, &record, HERE.0, HERE.1).unwrap();
    let reference = told.descendants().find_map(|e| e.text_of(base::FILE_REFERENCE)).unwrap();
    let named = FileReference::parse(reference).unwrap();
    let part = message.parts().get(message.find(&named.path).unwrap()).unwrap();
    assert_eq!(message.decoded(part), b"hello");
}
