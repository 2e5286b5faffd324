//! What holds for all trees and all octets.

use proptest::collection::vec;
use proptest::prelude::*;
use wbxml::{Content, Element, Encoder, Limits, Tag, decode, encode};

fn tag() -> impl Strategy<Value = Tag> {
    prop::sample::select(Tag::all().collect::<Vec<_>>())
}

/// Text that XML can hold.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[ -~]{0,40}",
        1 => "[\\t\\r\\n -\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]{0,100}",
    ]
}

fn tree() -> impl Strategy<Value = Element<'static>> {
    let leaf = prop_oneof![
        1 => tag().prop_map(Element::new),
        4 => (tag(), text()).prop_map(|(tag, text)| Element::leaf(tag, text)),
        1 => (tag(), vec(any::<u8>(), 0..300)).prop_map(|(tag, data)| Element::opaque(tag, data)),
    ];
    leaf.prop_recursive(8, 200, 12, |inner| {
        (tag(), vec(inner, 0..12)).prop_map(|(tag, children)| Element::new(tag).with_all(children))
    })
}

/// Tokens that are likely to make something of a document, so that random ones get past its first octets.
fn tokens() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        3 => (0x05_u8..0x40).prop_map(|token| vec![token]),
        3 => (0x45_u8..0x80).prop_map(|token| vec![token]),
        6 => Just(vec![0x01]),
        2 => (0_u8..27).prop_map(|page| vec![0x00, page]),
        2 => "[a-z]{0,5}".prop_map(|text| [&[0x03], text.as_bytes(), &[0]].concat()),
        1 => (0_u8..9).prop_map(|offset| vec![0x83, offset]),
        1 => vec(any::<u8>(), 0..5).prop_map(|data| [&[0xC3, data.len() as u8], &data[..]].concat()),
        1 => vec(any::<u8>(), 0..3),
    ];
    vec(token, 0..60).prop_map(|tokens| [&b"\x03\x01\x6A\x06ab\0cd\0"[..], &tokens.concat()].concat())
}

/// What can be read can be written, and reads as the same again.
fn assert_canonical(document: &[u8]) -> Result<(), TestCaseError> {
    let Ok(tree) = decode(document, &Limits::default()) else { return Ok(()) };
    let canonical = encode(&tree);
    let again = decode(&canonical, &Limits::default());
    prop_assert_eq!(again.as_ref(), Ok(&tree));
    let encoded_again = again.map(|tree| encode(&tree));
    prop_assert_eq!(encoded_again.as_ref(), Ok(&canonical));
    Ok(())
}

proptest! {
    #[test]
    fn tree_to_octets_to_tree(tree in tree()) {
        let document = encode(&tree);
        let read = decode(&document, &Limits::default());
        prop_assert_eq!(read.as_ref(), Ok(&tree));
        let owned = read.map(Element::into_owned);
        prop_assert_eq!(owned.as_ref(), Ok(&tree));
        // The encoding is canonical: a tree has one.
        prop_assert_eq!(owned.map(|tree| encode(&tree)), Ok(document));
    }

    /// Any tree, also one of text that XML cannot hold, becomes a document that can be read.
    #[test]
    fn any_text_can_be_sent(tag in tag(), text in any::<String>(), nul in 0_usize..9) {
        let text: String = text.chars().chain("\0\x01\u{FFFF}".chars().take(nul)).collect();
        let sent = encode(&Element::leaf(tag, &*text));
        let read = decode(&sent, &Limits::default());
        let read = read.as_ref().map(|el| (el.tag(), el.text()));
        prop_assert!(matches!(read, Ok((t, Some(_))) if t == tag), "{read:?}");
        assert_canonical(&sent)?;
    }

    #[test]
    fn streamed_text_is_lossy_text(data in vec(any::<u8>(), 0..200), head in 0_usize..8200) {
        let data = [vec![b'x'; head], data].concat();
        let mut out = Encoder::new(Vec::new()).expect("memory");
        out.start(wbxml::airsync::SYNC).expect("memory");
        out.text_from(&mut &data[..]).expect("memory");
        out.end().expect("memory");
        let text = String::from_utf8_lossy(&data);
        prop_assert_eq!(out.finish().expect("complete"), encode(&Element::leaf(wbxml::airsync::SYNC, text)));
    }

    #[test]
    fn random_octets(document in vec(any::<u8>(), 0..400)) {
        assert_canonical(&document)?;
    }

    #[test]
    fn random_tokens(document in tokens()) {
        assert_canonical(&document)?;
    }

    /// One octet changed, inserted or removed.
    #[test]
    fn damaged_documents(tree in tree(), at in any::<prop::sample::Index>(), octet: u8, how in 0_u8..3) {
        let mut document = encode(&tree);
        let at = at.index(document.len());
        match how {
            0 => document[at] = octet,
            1 => document.insert(at, octet),
            _ => drop(document.remove(at)),
        }
        assert_canonical(&document)?;
    }

    #[test]
    fn printing_is_bounded(tree in tree(), elements in 0_usize..20, values in 0_usize..20) {
        let text = tree.dump().elements(elements).values(values).to_string();
        // An opening and a closing line each, and what was left out.
        prop_assert!(text.lines().count() <= 2 * elements + 1);
        prop_assert!(text.lines().all(|line| line.chars().count() < 400), "{text}");
    }

    #[test]
    fn walking_sees_every_element(tree in tree()) {
        fn count(el: &Element<'_>) -> usize {
            1 + el.into_iter().map(count).sum::<usize>()
        }
        prop_assert_eq!(tree.descendants().count(), count(&tree));
        for el in tree.descendants() {
            prop_assert_eq!(el.bytes().is_none(), matches!(el.content(), Content::Children(_)));
        }
    }
}
