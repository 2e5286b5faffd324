use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<Document, XmlError> {
    Document::parse(text.as_bytes(), &XmlLimits::default())
}

#[test]
fn names_have_their_namespaces() {
    let text = "\u{FEFF}<?xml version='1.0' encoding=\"UTF-8\"?><!-- a --><a xmlns='DAV:' xmlns:c=\"urn:ietf:params:xml:ns:caldav\" \
         b='1' c:b='2'><c:d/><e xmlns=''>x<![CDATA[<&]]>&#65;&lt;</e><f xmlns:c='urn:x' c:g='&quot;&#x9;'/></a> ";
    let document = parse(text).unwrap();
    let root = document.root();
    assert!(root.name().is_dav("a"));
    assert_eq!(root.attribute("b"), Some("1"));
    let children: Vec<_> = root.children().map(|child| child.name().clark()).collect();
    assert_eq!(children, ["{urn:ietf:params:xml:ns:caldav}d", "{}e", "{DAV:}f"]);
    assert_eq!(root.child(&Name::read(Namespace::None, "e").unwrap()).unwrap().text(), "x<&A<");
    let f = root.child(&Name::dav("f")).unwrap();
    assert_eq!(f.attributes, [(Name::read(Namespace::of("urn:x"), "g").unwrap(), "\"\t".to_owned())]);
}

#[test]
fn what_is_not_well_formed_is_refused() {
    for bad in [
        "",
        " ",
        "a",
        "<a>",
        "<a></b>",
        "<a/><b/>",
        "<a/>x",
        "x<a/>",
        "<a/>&amp;",
        "<a/><![CDATA[x]]>",
        "<x:a/>",
        "<a x:b='1'/>",
        "<a b='1' b='2'/>",
        "<a xmlns:x='u' xmlns:y='u' x:b='1' y:b='2'/>",
        "<a b=1/>",
        "<a b/>",
        "<a b='<'/>",
        "<a xmlns:x=''/>",
        "<a xmlns:xmlns='u'/>",
        "<a xmlns:xml='u'/>",
        "<a>&#0;</a>",
        "<a>&#xD800;</a>",
        "<a>\u{1}</a>",
        "<a>\u{FFFE}</a>",
        "<1/>",
        "<a:b:c xmlns:a='u'/>",
        "<:a/>",
        "<a:/>",
        "<a><!-- -- --></a>",
        "<a><?xml x?></a>",
        "<?xml version='1.0' encoding='latin1'?><a/>",
        "<a><",
        "<a>&",
        "<a>&amp</a>",
        "<a",
        "<a>]]></b>",
        " <?xml version='1.0'?><a/>",
        "<a b='\u{2}'/>",
    ] {
        assert!(matches!(parse(bad), Err(XmlError::NotWellFormed(_))), "{bad} {:?}", parse(bad));
    }
    assert!(Document::parse(b"<a>\xFF</a>", &XmlLimits::default()).is_err());
}

#[test]
fn entities_and_doctypes_are_refused() {
    for bad in [
        "<!DOCTYPE a><a/>",
        "<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><a>&e;</a>",
        "<!DOCTYPE a [<!ENTITY a 'aa'><!ENTITY b '&a;&a;'>]><a>&b;</a>",
        "<a>&e;</a>",
        "<a b='&e;'/>",
    ] {
        assert_eq!(parse(bad).err(), Some(XmlError::Entities), "{bad}");
    }
}

#[test]
fn bounds_hold() {
    let deep = |n: usize| format!("{}{}", "<a>".repeat(n), "</a>".repeat(n));
    assert!(parse(&deep(32)).is_ok());
    assert!(matches!(parse(&deep(33)), Err(XmlError::TooLarge(_))));
    assert!(matches!(parse(&"<a>".repeat(1_000_000)), Err(XmlError::TooLarge(_))));
    assert!(matches!(parse(&format!("<a>{}</a>", "<b/>".repeat(50_000))), Err(XmlError::TooLarge(_))));
    let attributes: String = (0..65).map(|n| format!(" a{n}=''")).collect();
    assert!(matches!(parse(&format!("<a{attributes}/>")), Err(XmlError::TooLarge(_))));
    let namespaces: String = (0..33).map(|n| format!(" xmlns:a{n}='u'")).collect();
    assert!(matches!(parse(&format!("<a{namespaces}/>")), Err(XmlError::TooLarge(_))));
    assert!(matches!(parse(&" ".repeat(5 << 20)), Err(XmlError::TooLarge(_))));
}

#[test]
fn utf_16_is_read() {
    let text = "<a>\u{20AC}\u{1F600}</a>";
    for big in [false, true] {
        let bytes = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
        let encoded: Vec<u8> = std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(bytes).collect();
        let document = Document::parse(&encoded, &XmlLimits::default()).unwrap();
        assert_eq!(document.root().text(), "\u{20AC}\u{1F600}");
    }
    assert!(Document::parse(&[0xFF, 0xFE, 0x3C], &XmlLimits::default()).is_err());
}

/// What is cut out keeps its bytes, and gets what it needs from around it.
#[test]
fn fragments_stand_by_themselves() {
    let text = "<p xmlns='DAV:' xmlns:x='urn:x' xmlns:y='urn:y' xml:lang='de'><q xmlns:x='urn:z'>\
                <x:r  a = '1'>\r\n &#38; <s/><!-- c --><![CDATA[ & ]]></x:r><t xmlns='urn:t' xml:lang=''/></q></p>";
    let document = parse(text).unwrap();
    let q = document.root().children().next().unwrap();
    let fragments: Vec<_> = q.children().map(|child| document.fragment(child)).collect();
    assert_eq!(
        fragments[0].xml(),
        "<x:r xmlns:x=\"urn:z\" xmlns=\"DAV:\" xml:lang=\"de\"  a = '1'>\r\n &#38; <s/><!-- c --><![CDATA[ & ]]></x:r>"
    );
    assert_eq!(fragments[1].xml(), "<t xmlns='urn:t' xml:lang=''/>");
    let again = Fragment::parse(fragments[0].xml(), &XmlLimits::default()).unwrap();
    assert_eq!(again, fragments[0]);
    assert_eq!(q.children().next().unwrap().lang(), Some("de"));
    assert_eq!(q.children().nth(1).unwrap().lang(), None);
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(text in "[<>/&;!?a-c:= '\"\\[\\]xmlns#-]{0,80}") {
        let _ = parse(&text);
    }

    #[test]
    fn bytes_do_not_either(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = Document::parse(&bytes, &XmlLimits::default());
    }

    /// A fragment of anything reads back as itself, wherever it is put.
    #[test]
    fn fragments_read_back(text in "<(a|x:a)( b='[a-z&;]{0,3}'| xmlns='v'| xml:lang='en')?>(<b/>|&lt;|t| |<x:c>|</x:c>|<!--k-->){0,6}</(a|x:a)>") {
        let outer = format!("<o xmlns='DAV:' xmlns:x='urn:x'>{text}</o>");
        if let Ok(document) = parse(&outer) {
            let fragment = document.fragment(document.root().children().next().unwrap());
            let mut xml = crate::dav::XmlWriter::new(&Name::dav("prop"));
            xml.fragment(&fragment);
            let bytes = xml.finish();
            let again = Document::parse(&bytes, &XmlLimits::default()).unwrap();
            let inner = again.root().children().next().unwrap();
            prop_assert_eq!(inner.name(), fragment.name());
            prop_assert_eq!(again.fragment(inner), fragment);
        }
    }
}
