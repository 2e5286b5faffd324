//! The encoder piece by piece: what it writes, and what it refuses to write.

use std::io::{self, Read, Write};

use wbxml::{Element, Encoder, Limits, airsync, airsyncbase, composemail, decode, email, encode};

fn started() -> Encoder<Vec<u8>> {
    let mut out = Encoder::new(Vec::new()).expect("memory");
    out.start(airsync::SYNC).expect("a root");
    out
}

fn finished(mut out: Encoder<Vec<u8>>) -> Vec<u8> {
    out.end().expect("the root is open");
    out.finish().expect("complete")
}

/// A reader that gives a few octets at a time, with interruptions.
struct Trickle<'a> {
    data: &'a [u8],
    step: usize,
    interrupt: bool,
}

impl Read for Trickle<'_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.interrupt = !self.interrupt;
        if self.interrupt {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let most = space.len().min(self.step);
        self.data.read(&mut space[..most])
    }
}

struct Failing;

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("disk on fire"))
    }
}

#[test]
fn octets_are_as_expected() {
    let mut out = started();
    out.leaf(airsync::STATUS, "1").expect("memory");
    out.start(email::FLAG).expect("memory");
    out.end().expect("memory");
    out.empty(email::SUBJECT).expect("memory");
    out.start(composemail::MIME).expect("memory");
    out.opaque(b"ab").expect("memory");
    out.opaque(&[0; 200]).expect("memory");
    out.end().expect("memory");
    let want = [
        &b"\x03\x01\x6A\x00\x45\x4E\x031\0\x01\x00\x02\x3A\x14\x00\x15\x50\xC3\x02ab\xC3\x81\x48"[..],
        &[0; 200],
        b"\x01\x01",
    ];
    assert_eq!(finished(out), want.concat());
}

#[test]
fn trees_and_pieces_give_the_same_octets() {
    let body =
        Element::new(airsyncbase::BODY).with_number(airsyncbase::TYPE, 1).with_text(airsyncbase::DATA, "é");
    let tree = Element::new(airsync::SYNC).with(body.clone()).with_empty(airsync::MORE_AVAILABLE);
    let mut out = started();
    out.element(&body).expect("memory");
    out.empty(airsync::MORE_AVAILABLE).expect("memory");
    assert_eq!(finished(out), encode(&tree));
}

#[test]
fn text_is_made_sendable() {
    for (text, sent) in [
        ("a\0b", "ab"),
        ("\0", ""),
        ("\x01\x1F\t\r\n\x7F", "\u{FFFD}\u{FFFD}\t\r\n\x7F"),
        ("\u{FFFE}x\u{FFFF}", "\u{FFFD}x\u{FFFD}"),
        ("\u{FF21}\u{10FFFF}", "\u{FF21}\u{10FFFF}"),
    ] {
        let want = encode(&Element::leaf(airsync::SYNC, sent));
        assert_eq!(encode(&Element::leaf(airsync::SYNC, text)), want, "{text:?}");
        let mut out = started();
        out.text(text).expect("memory");
        assert_eq!(finished(out), want, "{text:?}");
        let mut out = started();
        let written = out.text_from(&mut text.as_bytes()).expect("memory");
        assert_eq!((finished(out), written), (want, sent.len() as u64), "{text:?}");
    }
}

#[test]
fn text_from_a_reader_survives_any_cut() {
    // Characters of one to four octets, broken ones, a NUL, a forbidden one, an unfinished one.
    let mut data = "aé€\u{1F600}".repeat(3000).into_bytes();
    data.extend_from_slice(b"\xFF\xE2\x82x\xF0\x9F\0\x01\xEF\xBF\xBE\xC3");
    let text = String::from_utf8_lossy(&data);
    let want = encode(&Element::leaf(airsync::SYNC, &*text));
    for step in [1, 2, 3, 7, 4096, 8192, usize::MAX] {
        let mut out = started();
        out.text_from(&mut Trickle { data: &data, step, interrupt: false }).expect("memory");
        assert_eq!(finished(out), want, "steps of {step}");
    }
    let tree = decode(&want, &Limits::default()).expect("valid");
    assert!(tree.text().is_some_and(|t| t.ends_with("\u{FFFD}\u{FFFD}x\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}")));
}

#[test]
fn opaque_from_a_reader() {
    let data: Vec<u8> = (0..=u8::MAX).cycle().take(20_000).collect();
    let mut reader = Trickle { data: &data, step: 999, interrupt: false };
    let mut out = started();
    out.opaque_from(&mut reader, 19_000).expect("memory");
    assert_eq!(finished(out), encode(&Element::opaque(airsync::SYNC, &data[..19_000])));
    assert_eq!(reader.data.len(), 1000, "the rest is the caller's");
    let mut out = started();
    out.opaque_from(&mut reader, 0).expect("memory");
    assert_eq!(finished(out), encode(&Element::new(airsync::SYNC)));
}

#[test]
fn what_a_document_does_not_allow_is_refused_and_does_no_harm() {
    let invalid = |result: io::Result<()>| {
        assert_eq!(result.map_err(|e| e.kind()), Err(io::ErrorKind::InvalidInput));
    };
    let mut out = Encoder::new(Vec::new()).expect("memory");
    invalid(out.end());
    invalid(out.text("a"));
    invalid(out.text(""));
    invalid(out.opaque(b"a"));
    invalid(out.text_from(&mut &b"a"[..]).map(drop));
    invalid(out.opaque_from(&mut &b"a"[..], 1));
    out.start(airsync::SYNC).expect("memory");
    out.start(airsync::SYNC_KEY).expect("memory");
    out.text("1").expect("memory");
    invalid(out.start(airsync::STATUS));
    invalid(out.empty(airsync::STATUS));
    invalid(out.opaque(b"a"));
    out.text("2").expect("memory");
    out.end().expect("memory");
    invalid(out.text("a"));
    invalid(out.opaque(b"a"));
    out.end().expect("memory");
    invalid(out.start(airsync::SYNC));
    invalid(out.empty(airsync::SYNC));
    invalid(out.element(&Element::new(airsync::SYNC)));
    let document = out.finish().expect("complete");
    let want = Element::new(airsync::SYNC).with_text(airsync::SYNC_KEY, "12");
    assert_eq!(decode(&document, &Limits::default()), Ok(want));
}

#[test]
fn unfinished_documents_are_not_handed_out() {
    assert!(Encoder::new(Vec::new()).and_then(Encoder::finish).is_err());
    assert!(started().finish().is_err());
}

#[test]
fn a_failed_reader_breaks_the_document() {
    let broken = |mut out: Encoder<Vec<u8>>| {
        assert!(out.text("a").is_err() || out.end().is_err());
        assert!(out.empty(airsync::STATUS).is_err());
        assert!(out.finish().is_err());
    };
    let mut out = started();
    assert!(out.text_from(&mut (&b"begun"[..]).chain(Failing)).is_err());
    broken(out);
    let mut out = started();
    assert!(out.opaque_from(&mut (&b"begun"[..]).chain(Failing), 100).is_err());
    broken(out);
    let mut out = started();
    let error = out.opaque_from(&mut &b"short"[..], 100).map_err(|e| e.kind());
    assert_eq!(error, Err(io::ErrorKind::UnexpectedEof));
    broken(out);
}

#[test]
fn a_failed_writer_breaks_the_document() {
    let mut space = [0; 6];
    let mut out = Encoder::new(&mut space[..]).expect("room for the header");
    out.start(airsync::SYNC).expect("nothing written yet");
    assert!(out.leaf(airsync::STATUS, "1").is_err());
    assert!(out.end().is_err());
    assert!(out.finish().is_err());
}

/// Ten megabytes of text pass through without being held.
#[test]
fn large_bodies_are_not_held() {
    struct Largest(usize);
    impl Write for Largest {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.max(bytes.len());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut out = Encoder::new(Largest(0)).expect("no error");
    out.start(airsyncbase::DATA).expect("no error");
    let written = out.text_from(&mut io::repeat(b'x').take(10 << 20)).expect("no error");
    out.end().expect("no error");
    assert_eq!(written, 10 << 20);
    assert!(out.finish().expect("complete").0 <= 8 << 10);
}
