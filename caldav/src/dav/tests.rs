//! Requests of the standards and of clients, and answers.

use proptest::prelude::*;

use super::*;
use crate::recur::wall_of;

const LIMITS: XmlLimits = XmlLimits { bytes: 4 << 20, depth: 32, elements: 50_000, namespaces: 32 };

fn report(xml: &str) -> Result<Report, BadRequest> {
    Report::parse(xml.as_bytes(), &LIMITS)
}

fn at(text: &str) -> Option<i64> {
    Some(wall_of(text.parse().unwrap()))
}

fn refused(xml: &str) -> Option<Precondition> {
    report(xml).unwrap_err().precondition()
}

const NS: &str =
    "xmlns='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav' xmlns:R='urn:ietf:params:xml:ns:carddav'";

/// RFC 4918 §9.1.3 to §9.1.6.
#[test]
fn propfinds() {
    let parse = |inner: &str| {
        let xml = format!("<?xml version=\"1.0\" encoding=\"utf-8\" ?><propfind {NS}>{inner}</propfind>");
        Propfind::parse(xml.as_bytes(), &LIMITS).map(|propfind| propfind.wanted)
    };
    let names = |wanted: Wanted| -> Vec<String> {
        wanted.properties().unwrap().names.iter().map(|name| name.local().to_owned()).collect()
    };
    assert_eq!(Propfind::parse(b" \r\n", &LIMITS).unwrap().wanted, Wanted::All(Properties::default()));
    assert_eq!(parse("<propname/>"), Ok(Wanted::Names));
    let all = parse("<allprop/><include><supported-report-set/></include>").unwrap();
    assert!(matches!(all, Wanted::All(_)));
    assert_eq!(names(all), ["supported-report-set"]);
    let these = parse("<prop><getetag/> <x xmlns='u'/><getetag/></prop><unknown/>").unwrap();
    assert_eq!(names(these), ["getetag", "x"]);
    assert_eq!(names(parse("<prop/>").unwrap()), [""; 0]);
    for bad in ["", "<unknown/>", "<propname/><allprop/>", "<prop/><prop/>", "<include/>"] {
        assert_eq!(parse(bad).unwrap_err().status(), Status::BAD_REQUEST, "{bad}");
    }
    let many: String = (0..10_000).map(|n| format!("<p{n}/>")).collect();
    assert_eq!(parse(&format!("<prop>{many}</prop>")).unwrap_err().status(), Status::CONTENT_TOO_LARGE);
    assert!(Propfind::parse(b"<propfind/>", &LIMITS).is_err());
    let doctype = b"<!DOCTYPE x><propfind xmlns='DAV:'><allprop/></propfind>";
    let refused = Propfind::parse(doctype, &LIMITS).unwrap_err();
    assert_eq!(
        (refused.status(), refused.precondition()),
        (Status::FORBIDDEN, Some(Precondition::NoExternalEntities))
    );
}

/// RFC 4918 §9.2.2; RFC 5689 §3.5; RFC 4791 §5.3.1.2.
#[test]
fn what_clients_set() {
    let xml = format!(
        "<propertyupdate {NS} xmlns:Z='urn:z'><set><prop xml:lang='de'><Z:Authors><Z:Author>Jim</Z:Author></Z:Authors>\
         <displayname>Tee</displayname></prop></set><remove><prop><Z:Copyright-Owner/></prop></remove></propertyupdate>"
    );
    let update = Proppatch::parse(xml.as_bytes(), &LIMITS).unwrap();
    let [Patch::Set(authors), Patch::Set(name), Patch::Remove(owner)] = &update.patches[..] else { panic!() };
    assert_eq!(
        authors.fragment.xml(),
        "<Z:Authors xmlns:Z=\"urn:z\" xmlns=\"DAV:\" xml:lang=\"de\"><Z:Author>Jim</Z:Author></Z:Authors>"
    );
    assert_eq!((name.value.text().as_str(), name.value.lang()), ("Tee", Some("de")));
    assert_eq!(owner.clark(), "{urn:z}Copyright-Owner");
    assert_eq!(Name::from_clark(&owner.clark()).as_ref(), Some(owner));
    assert!(Proppatch::parse(format!("<propertyupdate {NS}/>").as_bytes(), &LIMITS).is_err());
    let calendar = format!(
        "<C:mkcalendar {NS}><set><prop><displayname>x</displayname><C:supported-calendar-component-set>\
         <C:comp name='VEVENT'/></C:supported-calendar-component-set></prop></set></C:mkcalendar>"
    );
    let made = Mkcol::parse_calendar(calendar.as_bytes(), &LIMITS).unwrap();
    assert_eq!((made.properties.len(), made.resource_type()), (2, None));
    assert!(Mkcol::parse(calendar.as_bytes(), &LIMITS).is_err());
    let book = format!(
        "<mkcol {NS}><set><prop><resourcetype><collection/><R:addressbook/></resourcetype></prop></set></mkcol>"
    );
    let made = Mkcol::parse(book.as_bytes(), &LIMITS).unwrap();
    assert!(made.resource_type().unwrap().contains(&&Name::carddav("addressbook")));
    assert!(Mkcol::parse(b"", &LIMITS).unwrap().properties.is_empty());
    let many: String = (0..501).map(|n| format!("<p{n}/>")).collect();
    let many = format!("<propertyupdate {NS}><set><prop>{many}</prop></set></propertyupdate>");
    assert_eq!(Proppatch::parse(many.as_bytes(), &LIMITS).unwrap_err().status(), Status::CONTENT_TOO_LARGE);
}

/// RFC 4791 §7.8.1 to §7.8.10.
#[test]
fn calendar_queries() {
    let query = |inner: &str| report(&format!("<C:calendar-query {NS}>{inner}</C:calendar-query>"));
    let filter = |inner: &str| {
        format!(
            "<C:filter><C:comp-filter name='VCALENDAR'><C:comp-filter name='VEVENT'>{inner}</C:comp-filter></C:comp-filter></C:filter>"
        )
    };
    let data = "<prop><getetag/><C:calendar-data><C:comp name='VCALENDAR'><C:prop name='VERSION'/><C:comp name='VEVENT'>\
        <C:prop name='summary'/></C:comp><C:comp name='VTIMEZONE'/></C:comp><C:limit-recurrence-set start='20060103T000000Z' \
        end='20060105T000000Z'/></C:calendar-data></prop>";
    let all = query(&format!("{data}{}", filter("<C:time-range start='20060104T000000Z'/>"))).unwrap();
    let Report::CalendarQuery(all) = all else { panic!() };
    let wanted = all.wanted.properties().unwrap().calendar_data.clone().unwrap();
    let limit = TimeRange { start: at("20060103T000000"), end: at("20060105T000000") };
    assert_eq!(wanted.recurrences, Recurrences::Limit(limit));
    let selection = wanted.selection.unwrap();
    let Selected::These(inner) = &selection.components else { panic!() };
    assert_eq!(
        inner[0].properties,
        Selected::These(vec![PropertySelection { name: "SUMMARY".into(), no_value: false }])
    );
    assert_eq!((&inner[1].properties, &inner[1].components), (&Selected::All, &Selected::All));
    let range = TimeRange { start: at("20060104T000000"), end: None };
    assert_eq!(all.filter.necessary_range("VEVENT"), Some(range));
    assert_eq!(all.filter.necessary_components().collect::<Vec<_>>(), ["VEVENT"]);
    assert!(all.zone.is_none() && all.limit.is_none());

    let berlin = query(&format!("{}<C:timezone-id>Europe/Berlin</C:timezone-id>", filter(""))).unwrap();
    assert!(
        matches!(berlin, Report::CalendarQuery(query) if query.zone.as_ref().unwrap().name() == "Europe/Berlin")
    );
    let own = "<C:timezone>BEGIN:VCALENDAR&#13;\nBEGIN:VTIMEZONE&#13;\nTZID:Own&#13;\nBEGIN:STANDARD&#13;\nDTSTART:19700101T000000&#13;\n\
        TZOFFSETFROM:+0200&#13;\nTZOFFSETTO:+0200&#13;\nEND:STANDARD&#13;\nEND:VTIMEZONE&#13;\nEND:VCALENDAR&#13;\n</C:timezone>";
    let own = query(&format!("{}{own}", filter(""))).unwrap();
    assert!(matches!(own, Report::CalendarQuery(query) if query.zone.as_ref().unwrap().offset_at(0) == 7200));

    use Precondition as P;
    let text = |inner: &str| filter(&format!("<C:prop-filter name='UID'>{inner}</C:prop-filter>"));
    for (inner, why) in [
        (String::new(), Some(P::ValidFilter)),
        ("<C:filter/>".into(), Some(P::ValidFilter)),
        ("<C:filter><C:comp-filter name='VEVENT'/></C:filter>".into(), Some(P::ValidFilter)),
        (filter("<C:time-range/>"), Some(P::ValidFilter)),
        (filter("<C:time-range start='20060104T000000'/>"), Some(P::ValidFilter)),
        (filter("<C:time-range start='20060104'/>"), Some(P::ValidFilter)),
        (filter("<C:time-range start='20060104T000000Z' end='20060104T000000Z'/>"), Some(P::ValidFilter)),
        (filter("<C:is-not-defined/><C:prop-filter name='UID'/>"), Some(P::ValidFilter)),
        (filter("<C:prop-filter/>"), Some(P::ValidFilter)),
        (filter("<C:unknown/>"), Some(P::SupportedFilter)),
        (
            filter("<C:comp-filter name='X-OWN'><C:time-range start='20060104T000000Z'/></C:comp-filter>"),
            Some(P::SupportedFilter),
        ),
        (text("<C:text-match collation='i;klingon'>x</C:text-match>"), Some(P::SupportedCollation)),
        (text("<C:is-not-defined/><C:text-match>x</C:text-match>"), Some(P::ValidFilter)),
        (format!("{}<C:timezone-id>Nowhere</C:timezone-id>", filter("")), Some(P::ValidTimezoneId)),
        (format!("{}<C:timezone>x</C:timezone>", filter("")), Some(P::ValidCalendarData)),
        (
            format!("<prop><C:calendar-data content-type='text/plain'/></prop>{}", filter("")),
            Some(P::SupportedCalendarData),
        ),
        (
            format!("<prop><C:calendar-data version='1.0'/></prop>{}", filter("")),
            Some(P::SupportedCalendarData),
        ),
        (
            format!(
                "<prop><C:calendar-data><C:expand start='20060104T000000Z'/></C:calendar-data></prop>{}",
                filter("")
            ),
            None,
        ),
    ] {
        let refused = query(&inner).unwrap_err();
        assert_eq!(refused.precondition(), why, "{inner}");
        assert!(why.is_some() || refused.status() == Status::BAD_REQUEST);
    }
    let many = filter(&"<C:prop-filter name='UID'/>".repeat(10_000));
    assert_eq!(query(&many).unwrap_err().status(), Status::CONTENT_TOO_LARGE);
}

/// RFC 4791 §7.9, §7.10; RFC 6352 §8.6, §8.7; RFC 6578 §3.2; RFC 3253 §3.8; RFC 3744 §9.
#[test]
fn other_reports() {
    let get = report(&format!(
        "<C:calendar-multiget {NS}><prop><getetag/></prop><href> /a%20b.ics\n</href><href>/c</href></C:calendar-multiget>"
    ));
    assert!(matches!(get, Ok(Report::CalendarMultiget(get)) if get.hrefs == ["/a%20b.ics", "/c"]));
    assert!(report(&format!("<C:calendar-multiget {NS}/>")).is_err());
    let many = "<href>/</href>".repeat(10_001);
    let many = report(&format!("<R:addressbook-multiget {NS}>{many}</R:addressbook-multiget>"));
    assert_eq!(many.unwrap_err().status(), Status::CONTENT_TOO_LARGE);
    let busy = report(&format!(
        "<C:free-busy-query {NS}><C:time-range start='20060104T140000Z' end='20060105T220000Z'/></C:free-busy-query>"
    ));
    assert!(
        matches!(busy, Ok(Report::FreeBusyQuery(range)) if range.range().start == at("20060104T140000").unwrap())
    );
    let book = report(&format!(
        "<R:addressbook-query {NS}><prop><R:address-data version='4.0'><R:prop name='FN'/></R:address-data></prop><R:filter test='allof'>\
         <R:prop-filter name='item1.email' test='allof'><R:text-match match-type='ends-with'>@x</R:text-match></R:prop-filter>\
         </R:filter><R:limit><R:nresults>3</R:nresults></R:limit></R:addressbook-query>"
    ));
    let Ok(Report::AddressbookQuery(book)) = book else { panic!("{book:?}") };
    assert_eq!((book.limit, book.filter.test), (Some(3), Test::AllOf));
    let filter = &book.filter.properties[0];
    assert_eq!(
        (filter.group.as_deref(), filter.name.as_str(), filter.test),
        (Some("ITEM1"), "EMAIL", Test::AllOf)
    );
    assert_eq!(
        (filter.texts[0].matching, filter.texts[0].collation),
        (Matching::EndsWith, Collation::UnicodeCasemap)
    );
    let data = book.wanted.properties().unwrap().address_data.clone().unwrap();
    assert_eq!((data.version.as_deref(), data.properties.unwrap().len()), (Some("4.0"), 1));

    let sync = report(&format!(
        "<sync-collection {NS}><sync-token/><sync-level>1</sync-level><limit><nresults>100</nresults></limit><prop/></sync-collection>"
    ));
    let Ok(Report::SyncCollection(sync)) = sync else { panic!("{sync:?}") };
    assert_eq!((sync.token, sync.level, sync.limit), (None, Some(Depth::One), Some(100)));
    assert!(report(&format!("<sync-collection {NS}><sync-level>2</sync-level></sync-collection>")).is_err());
    assert!(
        report(&format!("<sync-collection {NS}><limit><nresults>0</nresults></limit></sync-collection>"))
            .is_err()
    );

    let expand = report(&format!(
        "<expand-property {NS}><property name='version-history'><property name='a' namespace='urn:x'/></property><property name='b'/></expand-property>"
    ));
    let Ok(Report::ExpandProperty(expand)) = expand else { panic!("{expand:?}") };
    assert_eq!((expand.len(), expand[0].properties[0].name.clark().as_str()), (2, "{urn:x}a"));
    let search = report(&format!(
        "<principal-property-search {NS} test='anyof'><property-search><prop><displayname/></prop><match>doE</match></property-search>\
         <prop><displayname/></prop><apply-to-principal-collection-set/></principal-property-search>"
    ));
    let Ok(Report::PrincipalPropertySearch(search)) = search else { panic!("{search:?}") };
    assert_eq!(
        (search.test, search.searches[0].text.as_str(), search.everywhere),
        (Test::AnyOf, "doE", true)
    );
    assert!(
        matches!(report(&format!("<principal-match {NS}><self/></principal-match>")), Ok(Report::PrincipalMatch(m)) if m.property.is_none())
    );
    assert!(matches!(
        report(&format!("<principal-search-property-set {NS}/>")),
        Ok(Report::PrincipalSearchPropertySet)
    ));
    assert!(matches!(
        report(&format!("<acl-principal-prop-set {NS}><prop/></acl-principal-prop-set>")),
        Ok(Report::AclPrincipalPropSet(_))
    ));
    assert_eq!(refused(&format!("<version-tree {NS}/>")), Some(Precondition::SupportedReport));
}

fn text(bytes: Vec<u8>) -> String {
    let text = String::from_utf8(bytes).unwrap();
    let (head, rest) = text.split_once("http://apple.com/ns/ical/\">").unwrap();
    assert!(head.starts_with("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<"), "{head}");
    rest.to_owned()
}

#[test]
fn answers_in_several_parts() {
    let mut answer = Multistatus::new();
    let home = Href::new(["cal", "a b"], true);
    let mut response = answer.response(&home);
    response.value(
        &Name::dav("resourcetype"),
        &Value::Names(&[Name::dav("collection"), Name::caldav("calendar")]),
    );
    response.missing(&Name::dav("getetag"));
    response.value(&Name::caldav("supported-calendar-component-set"), &Value::Components(&["VEVENT"]));
    response.refused(
        &Name::dav("acl"),
        Status::FORBIDDEN,
        Some(Precondition::NeedPrivileges(vec![(home.clone(), Privilege::ReadAcl)])),
    );
    response.missing(&Name::read(Namespace::of("urn:x"), "y").unwrap());
    response.end();
    let first = text(answer.take());
    assert_eq!(
        first,
        "<D:response><D:href>/cal/a%20b/</D:href><D:propstat><D:prop><D:resourcetype><D:collection/><C:calendar/></D:resourcetype>\
         <C:supported-calendar-component-set><C:comp name=\"VEVENT\"/></C:supported-calendar-component-set></D:prop>\
         <D:status>HTTP/1.1 200 OK</D:status></D:propstat><D:propstat><D:prop><D:acl/></D:prop><D:status>HTTP/1.1 403 Forbidden</D:status>\
         <D:error><D:need-privileges><D:resource><D:href>/cal/a%20b/</D:href><D:privilege><D:read-acl/></D:privilege></D:resource>\
         </D:need-privileges></D:error></D:propstat><D:propstat><D:prop><D:getetag/><X:y xmlns:X=\"urn:x\"/></D:prop>\
         <D:status>HTTP/1.1 404 Not Found</D:status></D:propstat></D:response>"
    );
    answer.status(&Href::new(["gone"], false), Status::NOT_FOUND, None);
    let response = answer.response(&Href::new(["none"], false));
    drop(response);
    answer.sync_token("data:,1");
    assert_eq!(
        String::from_utf8(answer.finish()).unwrap(),
        "<D:response><D:href>/gone</D:href><D:status>HTTP/1.1 404 Not Found</D:status></D:response><D:response><D:href>/none</D:href>\
         <D:propstat><D:prop></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>\
         <D:sync-token>data:,1</D:sync-token></D:multistatus>"
    );
}

#[test]
fn values_of_properties() {
    let href = Href::new(["p", "1"], true);
    let ace = Ace {
        principal: Principal::Owner,
        grant: true,
        privileges: vec![Privilege::All],
        protected: true,
        inherited: None,
    };
    for (value, inner) in [
        (Value::Empty, "<D:x/>"),
        (Value::Text("a<b\r\n\u{1}"), "<D:x>a&lt;b&#13;\n\u{FFFD}</D:x>"),
        (Value::Number(7), "<D:x>7</D:x>"),
        (Value::DateTime(0), "<D:x>19700101T000000Z</D:x>"),
        (Value::Hrefs(std::slice::from_ref(&href)), "<D:x><D:href>/p/1/</D:href></D:x>"),
        (Value::Unauthenticated, "<D:x><D:unauthenticated/></D:x>"),
        (
            Value::Reports(&[Name::dav("r")]),
            "<D:x><D:supported-report><D:report><D:r/></D:report></D:supported-report></D:x>",
        ),
        (Value::Methods(&["GET"]), "<D:x><D:supported-method name=\"GET\"/></D:x>"),
        (Value::Privileges(&[Privilege::Read]), "<D:x><D:privilege><D:read/></D:privilege></D:x>"),
        (
            Value::Acl(std::slice::from_ref(&ace)),
            "<D:x><D:ace><D:principal><D:property><D:owner/></D:property></D:principal><D:grant><D:privilege><D:all/></D:privilege>\
             </D:grant><D:protected/></D:ace></D:x>",
        ),
        (
            Value::CalendarData(&[("text/calendar", "2.0")]),
            "<D:x><C:calendar-data content-type=\"text/calendar\" version=\"2.0\"/></D:x>",
        ),
        (
            Value::AddressData(&[("text/vcard", "4.0")]),
            "<D:x><CR:address-data-type content-type=\"text/vcard\" version=\"4.0\"/></D:x>",
        ),
        (
            Value::Collations(&["i;octet"]),
            "<D:x><C:supported-collation>i;octet</C:supported-collation></D:x>",
        ),
        (
            Value::Data { text: "A&B", kind: Some(("text/vcard", "4.0")) },
            "<D:x content-type=\"text/vcard\" version=\"4.0\">A&amp;B</D:x>",
        ),
    ] {
        let mut xml = XmlWriter::new(&Name::dav("prop"));
        value.write(&Name::dav("x"), &mut xml);
        assert_eq!(text(xml.finish()), format!("{inner}</D:prop>"));
    }
    // Privileges contain each other without end to it.
    let mut xml = XmlWriter::new(&Name::dav("prop"));
    Value::SupportedPrivileges(&[Privilege::All, Privilege::ScheduleSend]).write(&Name::dav("x"), &mut xml);
    let all = text(xml.finish());
    assert!(all.matches("<D:supported-privilege>").count() == 16 && all.contains("<D:unbind/>"), "{all}");
}

#[test]
fn other_answers() {
    let conflict = Precondition::NoUidConflict(Some(Href::new(["a"], false)));
    assert_eq!(text(conflict.body()), "<C:no-uid-conflict><D:href>/a</D:href></C:no-uid-conflict></D:error>");
    let made = mkcol_response(
        true,
        [
            (Name::dav("displayname"), Status::FAILED_DEPENDENCY, None),
            (Name::dav("getetag"), Status::FORBIDDEN, Some(Precondition::CannotModifyProtectedProperty)),
        ],
    );
    assert_eq!(
        text(made),
        "<D:propstat><D:prop><D:getetag/></D:prop><D:status>HTTP/1.1 403 Forbidden</D:status><D:error>\
         <D:cannot-modify-protected-property/></D:error></D:propstat><D:propstat><D:prop><D:displayname/></D:prop>\
         <D:status>HTTP/1.1 424 Failed Dependency</D:status></D:propstat></C:mkcalendar-response>"
    );
    let recipient =
        Recipient { address: "mailto:a@x", request_status: "2.0;Success", data: Some("BEGIN"), error: None };
    assert_eq!(
        text(schedule_response([recipient])),
        "<C:response><C:recipient><D:href>mailto:a@x</D:href></C:recipient><C:request-status>2.0;Success</C:request-status>\
         <C:calendar-data>BEGIN</C:calendar-data></C:response></C:schedule-response>"
    );
    let set = text(principal_search_property_set(&[(Name::dav("displayname"), "Name")]));
    assert!(set.contains("<D:description xml:lang=\"en\">Name</D:description>"), "{set}");
    let mut answer = Multistatus::new();
    let mut outer = answer.response(&Href::new(["a"], false));
    outer
        .nested(&Name::dav("owner"), |inner| inner.status(&Href::new(["b"], false), Status::NOT_FOUND, None));
    outer.end();
    assert!(text(answer.finish()).contains("<D:owner><D:response><D:href>/b</D:href>"));
}

proptest! {
    /// What is written is well-formed, and says what was put in.
    #[test]
    fn answers_read_back(value in "\\PC{0,20}[\r\n\t]?", local in "[a-z]{1,4}", uri in "\\PC{1,10}") {
        prop_assume!(!uri.contains('\u{FFFE}') && !uri.contains('\u{FFFF}'));
        let name = Name::read(Namespace::of(&uri), &local).unwrap();
        let mut answer = Multistatus::new();
        let mut response = answer.response(&Href::new([value.as_str()], false));
        response.value(&name, &Value::Text(&value));
        response.end();
        let document = Document::parse(&answer.finish(), &LIMITS).unwrap();
        let response = document.root().children().next().unwrap();
        let prop = response.child(&Name::dav("propstat")).unwrap().child(&Name::dav("prop")).unwrap();
        prop_assert_eq!(prop.child(&name).unwrap().text(), value);
    }

    #[test]
    fn no_request_makes_it_panic(root in "(propfind|propertyupdate|mkcol|sync-collection|expand-property|C:calendar-query|C:free-busy-query|R:addressbook-query|principal-property-search)", inner in "(<(prop|set|C:filter|C:comp-filter|C:prop-filter|R:filter|C:time-range|C:expand|C:calendar-data|property|limit|match)( name='[A-Z]{0,2}'| start='[0-9TZ]{0,3}'| test='anyof')?>|</(prop|set|C:filter|C:comp-filter)>|<href/>|x|<allprop/>){0,10}", closed: bool) {
        let xml = format!("<{root} {NS}>{inner}{}", if closed { format!("</{root}>") } else { String::new() });
        let _ = (Propfind::parse(xml.as_bytes(), &LIMITS), Proppatch::parse(xml.as_bytes(), &LIMITS));
        let _ = (Mkcol::parse(xml.as_bytes(), &LIMITS), report(&xml));
    }
}
