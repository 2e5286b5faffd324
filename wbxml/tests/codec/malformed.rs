//! Every way a document can be wrong, with the fault and the place that are reported.

use wbxml::{Element, Error, ErrorKind as Kind, Limits, MAX_DEPTH, airsync, composemail, decode, encode};

/// Header without a string table.
const HEAD: &[u8] = b"\x03\x01\x6A\x00";

/// A document: header and body.
fn doc(body: &[u8]) -> Vec<u8> {
    [HEAD, body].concat()
}

#[track_caller]
fn refused(document: &[u8], offset: usize, kind: Kind) {
    assert_eq!(decode(document, &Limits::default()), Err(Error { offset, kind }));
}

#[track_caller]
fn read(document: &[u8]) -> Element<'_> {
    decode(document, &Limits::default()).expect("a valid document")
}

#[test]
fn headers() {
    let truncated = |expected| Kind::Truncated { expected };
    refused(b"", 0, truncated("the version"));
    refused(b"\x03", 1, truncated("the public identifier"));
    refused(b"\x03\x01", 2, truncated("the character set"));
    refused(b"\x03\x01\x6A", 3, truncated("the length of the string table"));
    refused(HEAD, 4, truncated("the root element"));
    refused(b"\x02\x01\x6A\x00\x05", 0, Kind::Version(2));
    refused(b"\x00\x01\x6A\x00\x05", 0, Kind::Version(0));
    refused(b"<?xml version=\"1.0\"?><Sync/>", 0, Kind::Version(b'<'));
    refused(b"\x03\x00\x00\x6A\x02a\0\x05", 1, Kind::PublicId(0));
    refused(b"\x03\x02\x6A\x00\x05", 1, Kind::PublicId(2));
    refused(b"\x03\x01\x00\x00\x05", 2, Kind::Charset(0));
    refused(b"\x03\x01\x04\x00\x05", 2, Kind::Charset(4));
    refused(b"\x03\x01\x87\x67\x00\x05", 2, Kind::Charset(999));
}

#[test]
fn string_table_lengths() {
    refused(b"\x03\x01\x6A\x05abc\0", 3, Kind::StringTableTooLong { length: 5, left: 4 });
    let most = Kind::StringTableTooLong { length: u32::MAX, left: 1 };
    refused(b"\x03\x01\x6A\x8F\xFF\xFF\xFF\x7F\x05", 3, most);
    refused(b"\x03\x01\x6A\x90\x80\x80\x80\x00\x05", 3, Kind::IntegerTooLarge);
    refused(b"\x03\x01\x6A\xFF\xFF\xFF\xFF\x7F\x05", 3, Kind::IntegerTooLarge);
    refused(b"\x03\x01\x6A\x80\x80\x80\x80\x80\x00\x05", 3, Kind::IntegerTooLong);
    refused(b"\x03\x01\x6A\x80\x80", 5, Kind::Truncated { expected: "the length of the string table" });
    // Padded to five octets it is still the number it is.
    assert_eq!(read(b"\x03\x01\x6A\x80\x80\x80\x80\x00\x05"), Element::new(airsync::SYNC));
}

#[test]
fn string_table_references() {
    let sync = |text| Element::leaf(airsync::SYNC, text);
    let table = |table: &[u8], body: &[u8]| {
        let length = u8::try_from(table.len()).expect("a short table");
        [&b"\x03\x01\x6A"[..], &[length], table, body].concat()
    };
    assert_eq!(read(&table(b"ab\0cd\0", b"\x45\x83\x03\x01")), sync("cd"));
    assert_eq!(read(&table(b"ab\0cd\0", b"\x45\x83\x01\x01")), sync("b"), "into the middle");
    assert_eq!(read(&table(b"ab\0cd\0", b"\x45\x83\x02\x01")), sync(""));
    assert_eq!(read(&table(b"ab\0cd\0", b"\x45\x83\x03\x03-\0\x83\x00\x01")), sync("cd-ab"));
    refused(&table(b"ab\0", b"\x45\x83\x03\x01"), 8, Kind::StringOffset { offset: 3, table: 3 });
    refused(
        &table(b"ab\0", b"\x45\x83\x8F\xFF\xFF\xFF\x7F\x01"),
        8,
        Kind::StringOffset { offset: u32::MAX, table: 3 },
    );
    refused(&doc(b"\x45\x83\x00\x01"), 5, Kind::StringOffset { offset: 0, table: 0 });
    refused(&table(b"ab", b"\x45\x83\x00\x01"), 7, Kind::UnterminatedString);
    refused(&table(b"\xC3\xA9\0", b"\x45\x83\x01\x01"), 8, Kind::NotUtf8);
    refused(&table(b"\x07\0", b"\x45\x83\x00\x01"), 7, Kind::ForbiddenCharacter('\x07'));
    refused(&table(b"ab\0", b"\x45\x83\x80\x80\x80\x80\x80\x00\x01"), 9, Kind::IntegerTooLong);
}

/// Three octets can stand for a string as long as the table: what they add up to has a bound.
#[test]
fn string_table_bomb() {
    let length = 16_383_usize;
    let mut document = b"\x03\x01\x6A\xFF\x7F".to_vec();
    document.extend(std::iter::repeat_n(b'a', length - 1));
    document.push(0);
    document.push(0x45);
    for _ in 0..100 {
        document.extend_from_slice(b"\x83\x00");
    }
    document.push(0x01);
    let text = read(&document).bytes().map(<[u8]>::len);
    assert_eq!(text, Some(100 * (length - 1)));
    let limits = Limits { bytes: 50 * length, ..Limits::default() };
    let error = decode(&document, &limits).expect_err("too much text");
    assert_eq!(error.kind, Kind::TextTooLarge { limit: 50 * length });
    assert!(error.is_limit());
}

#[test]
fn strings() {
    refused(&doc(b"\x45\x03abc"), 5, Kind::UnterminatedString);
    refused(&doc(b"\x45\x03"), 5, Kind::UnterminatedString);
    refused(&doc(b"\x45\x03ab\xFF\0\x01"), 8, Kind::NotUtf8);
    refused(&doc(b"\x45\x03ab\xC3\0\x01"), 8, Kind::NotUtf8);
    refused(&doc(b"\x45\x03\xED\xA0\x80\0\x01"), 6, Kind::NotUtf8);
    refused(&doc(b"\x45\x03\xC0\x80\0\x01"), 6, Kind::NotUtf8);
    refused(&doc(b"\x45\x03ab\x1B\0\x01"), 8, Kind::ForbiddenCharacter('\x1B'));
    refused(&doc(b"\x45\x03\xEF\xBF\xBF\0\x01"), 6, Kind::ForbiddenCharacter('\u{FFFF}'));
    // A NUL ends the string; what follows is read as tokens.
    refused(&doc(b"\x45\x03a\0b\0\x01"), 8, Kind::MixedContent { element: airsync::SYNC });
    let long = [&b"\x45\x03"[..], &[b'a'; 5000], b"\x01\0\x01"].concat();
    refused(&doc(&long), 5006, Kind::ForbiddenCharacter('\x01'));
    assert_eq!(read(&doc(b"\x45\x03a\t\r\n\x7F\xC2\x85\0\x01")).text(), Some("a\t\r\n\x7F\u{85}"));
}

#[test]
fn opaque_data() {
    let too_long = |length, left| Kind::OpaqueTooLong { length, left };
    refused(&doc(b"\x45\xC3\x05abc\x01"), 5, too_long(5, 4));
    refused(&doc(b"\x45\xC3\x8F\xFF\xFF\xFF\x7Fabc\x01"), 5, too_long(u32::MAX, 4));
    refused(&doc(b"\x45\xC3\x80\x80\x80\x80\x80\x01a\x01"), 6, Kind::IntegerTooLong);
    refused(&doc(b"\x45\xC3"), 6, Kind::Truncated { expected: "the length of opaque data" });
    refused(&doc(b"\x45\xC3\x03abc"), 10, Kind::MissingEnd { open: airsync::SYNC });
    let data = doc(b"\x45\xC3\x03\0\x01\xFF\x01");
    assert_eq!(read(&data), Element::opaque(airsync::SYNC, &[0, 1, 0xFF][..]));
    let pieces = doc(b"\x45\xC3\x01a\xC3\x00\xC3\x02bc\xC3\x01d\x01");
    assert_eq!(read(&pieces), Element::opaque(airsync::SYNC, &b"abcd"[..]));
}

#[test]
fn pages_and_tokens() {
    refused(&doc(b"\x00\x1A\x05"), 4, Kind::UnknownPage(26));
    refused(&doc(b"\x00\xFF\x05"), 4, Kind::UnknownPage(255));
    refused(&doc(b"\x00"), 5, Kind::Truncated { expected: "a code page" });
    refused(&doc(b"\x45\x3F\x01"), 5, Kind::UnknownToken { page: 0, token: 0x3F });
    refused(&doc(b"\x45\x7F\x01\x01"), 5, Kind::UnknownToken { page: 0, token: 0x3F });
    // A token that 2.5 had and the specification has no more.
    refused(&doc(b"\x45\x51\x01\x01"), 5, Kind::UnknownToken { page: 0, token: 0x11 });
    // AirNotify is a page, with nothing on it.
    refused(&doc(b"\x00\x03\x05"), 6, Kind::UnknownToken { page: 3, token: 5 });
    assert_eq!(read(&doc(b"\x00\x03\x00\x00\x05")), Element::new(airsync::SYNC));
    // A page lasts until the next switch, also past the END of the element it was made for.
    let document = doc(b"\x45\x00\x15\x05\x7E\x01\x01");
    refused(&document, 8, Kind::UnknownToken { page: 21, token: 0x3E });
    let document = doc(b"\x45\x00\x15\x45\x01\x05\x00\x00\x01");
    let send = Element::new(composemail::SEND_MAIL);
    assert_eq!(read(&document), Element::new(airsync::SYNC).with(send.clone()).with(send));
}

#[test]
fn parts_of_wbxml_that_activesync_does_not_use() {
    let unused = [
        (0x02, "ENTITY"),
        (0x04, "LITERAL"),
        (0x40, "EXT_I_0"),
        (0x41, "EXT_I_1"),
        (0x42, "EXT_I_2"),
        (0x43, "PI"),
        (0x44, "LITERAL_C"),
        (0x80, "EXT_T_0"),
        (0x81, "EXT_T_1"),
        (0x82, "EXT_T_2"),
        (0x84, "LITERAL_A"),
        (0xC0, "EXT_0"),
        (0xC1, "EXT_1"),
        (0xC2, "EXT_2"),
        (0xC4, "LITERAL_AC"),
    ];
    for (token, name) in unused {
        refused(&doc(&[token, 0x41, 0x00]), 4, Kind::UnusedToken(name));
        refused(&doc(&[0x45, token, 0x41, 0x00, 0x01]), 5, Kind::UnusedToken(name));
    }
    refused(&doc(b"\x85\x05\x01"), 4, Kind::Attributes);
    refused(&doc(b"\xC5\x05\x01\x01"), 4, Kind::Attributes);
    refused(&doc(b"\x45\xFF\x01"), 5, Kind::Attributes);
}

#[test]
fn structure() {
    refused(&doc(b"\x45"), 5, Kind::MissingEnd { open: airsync::SYNC });
    refused(&doc(b"\x45\x5C\x01"), 7, Kind::MissingEnd { open: airsync::SYNC });
    refused(&doc(b"\x45\x5C\x00\x07"), 8, Kind::MissingEnd { open: airsync::COLLECTIONS });
    refused(&doc(b"\x01"), 4, Kind::UnexpectedEnd);
    refused(&doc(b"\x45\x01\x01"), 6, Kind::TrailingBytes { count: 1 });
    refused(&doc(b"\x05\x05"), 5, Kind::TrailingBytes { count: 1 });
    refused(&doc(b"\x05\x00\x00"), 5, Kind::TrailingBytes { count: 2 });
    refused(&doc(b"\x05garbage"), 5, Kind::TrailingBytes { count: 7 });
    refused(&doc(b"\x03a\0"), 4, Kind::ContentOutsideRoot);
    refused(&doc(b"\xC3\x01a"), 4, Kind::ContentOutsideRoot);
}

#[test]
fn mixed_content() {
    let content = Kind::MixedContent { element: airsync::SYNC };
    let value = Kind::MixedValue { element: airsync::SYNC };
    refused(&doc(b"\x45\x03a\0\x1C\x01"), 8, content);
    refused(&doc(b"\x45\x1C\x03a\0\x01"), 6, content);
    refused(&doc(b"\x45\x5C\x01\x03\n\0\x01"), 7, content);
    refused(&doc(b"\x45\xC3\x01a\x1C\x01"), 8, content);
    refused(&doc(b"\x45\x1C\xC3\x01a\x01"), 6, content);
    refused(&doc(b"\x45\x03a\0\xC3\x01a\x01"), 8, value);
    refused(&doc(b"\x45\xC3\x01a\x03a\0\x01"), 8, value);
    refused(&doc(b"\x45\x03a\0\x03b\0\xC3\x01a\x01"), 11, value);
    // What is empty is nothing, wherever it stands.
    let sync = Element::new(airsync::SYNC);
    for body in [&b"\x05"[..], b"\x45\x01", b"\x45\x03\0\x01", b"\x45\xC3\x00\x01", b"\x45\x03\0\xC3\x00\x01"]
    {
        assert_eq!(read(&doc(body)), sync);
    }
    let child = Element::new(airsync::COLLECTIONS);
    assert_eq!(read(&doc(b"\x45\x03\0\x1C\x03\0\xC3\x00\x01")), sync.with(child));
    assert_eq!(read(&doc(b"\x45\x03ab\0\x03\0\x03c\0\x01")), Element::leaf(airsync::SYNC, "abc"));
}

#[test]
fn depth() {
    let nested = |levels: usize| doc(&[vec![0x45; levels], vec![0x01; levels]].concat());
    let too_deep = |limit| Kind::TooDeep { limit };
    assert_eq!(read(&nested(64)).descendants().count(), 64);
    refused(&nested(65), 4 + 64, too_deep(64));
    refused(&nested(100_000), 4 + 64, too_deep(64));
    refused(&doc(&[0x45; 100_000]), 4 + 64, too_deep(64));
    refused(&doc(&[&[0x45; 64][..], &[0x05], &[0x01; 64]].concat()), 4 + 64, too_deep(64));
    refused(&doc(&[&[0x45; 64][..], b"\x4B\x031\0\x01", &[0x01; 64]].concat()), 4 + 64, too_deep(64));
    // A setting cannot go past what is safe for cloning, comparing and printing.
    let limits = Limits { depth: usize::MAX, ..Limits::default() };
    let error = decode(&nested(100_000), &limits).map(drop);
    assert_eq!(error, Err(Error { offset: 4 + MAX_DEPTH, kind: too_deep(MAX_DEPTH) }));
    let deepest = nested(MAX_DEPTH);
    let tree = decode(&deepest, &limits).expect("as deep as can be");
    assert_eq!(tree.clone().into_owned(), tree);
    assert_eq!(encode(&tree).len(), 4 + 2 * MAX_DEPTH - 1, "the innermost is a bare tag");
    assert!(!format!("{tree:?}").is_empty());
    let flat = Limits { depth: 0, ..Limits::default() };
    assert_eq!(decode(&doc(b"\x05"), &flat).map_err(|e| e.kind), Err(too_deep(0)));
}

#[test]
fn counts_and_sizes() {
    let document = doc(&[&[0x45][..], &[0x06; 9], &[0x01]].concat());
    let limits = |elements, bytes| Limits { elements, bytes, ..Limits::default() };
    assert!(decode(&document, &limits(10, 15)).is_ok());
    let too_many = Error { offset: 4 + 9, kind: Kind::TooManyElements { limit: 9 } };
    assert_eq!(decode(&document, &limits(9, 15)), Err(too_many));
    let too_large = Error { offset: 14, kind: Kind::TooLarge { limit: 14 } };
    assert_eq!(decode(&document, &limits(10, 14)), Err(too_large));
    assert!(too_many.is_limit() && too_large.is_limit());
    assert!(!Error { offset: 0, kind: Kind::Attributes }.is_limit());
    // Two million elements in as many octets.
    let flood = doc(&[&[0x45][..], &vec![0x06; 2_000_000], &[0x01]].concat());
    let error = decode(&flood, &Limits::default()).map(drop).map_err(|e| e.kind);
    assert_eq!(error, Err(Kind::TooManyElements { limit: 250_000 }));
}

/// Every document cut short is refused, at the cut or before it.
#[test]
fn every_cut() {
    let document = doc(b"\x45\x5C\x00\x15\x4D\x03h\xC3\xA9llo there, this is no short string any more\0\x01\x50\xC3\x03abc\x01\x01\x01");
    read(&document);
    for length in 0..document.len() {
        let cut = document.get(..length).expect("shorter");
        let error = decode(cut, &Limits::default()).expect_err("cut short");
        assert!(error.offset <= length, "{length}: {error}");
    }
}

#[test]
fn errors_say_what_and_where() {
    let say = |body: &[u8]| decode(&doc(body), &Limits::default()).map(drop).map_err(|e| e.to_string());
    let said = |text: &str| Err(text.to_owned());
    assert_eq!(say(b"\x00\x11\x7F\x01"), said("byte 6: unknown token 0x3f on code page 17 (AirSyncBase)"));
    assert_eq!(say(b"\x00\x1A\x05"), said("byte 4: unknown code page 26"));
    assert_eq!(say(b"\x45\x02\x41\x01"), said("byte 5: token ENTITY, which ActiveSync does not use"));
    assert_eq!(say(b"\x45\x03\x01\0\x01"), said("byte 6: U+0001 in a string"));
    assert_eq!(say(b"\x45"), said("byte 5: document ends inside AirSync:Sync"));
}
