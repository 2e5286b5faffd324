//! Search and Find, over the mailbox and the address list.

use bytes::Bytes;
use wbxml::{Element, airsync, airsyncbase, email, find, gal, search as tags};

use super::{Home, Phone};
use crate::mailbox::{Acting, Flags, FolderId, Kind, NewFolder, NewItem, Origin, OwnerId, Role, ThreadKeys};
use crate::message::{MailRecord, parse};

async fn deliver(home: &Home, folder: FolderId, date: i64, subject: &str, body: &str) {
    let raw = format!(
        "From: Eve Example <eve@other.test>\r\nTo: ann@example.test\r\nSubject: {subject}\r\n\r\n{body}\r\n"
    );
    let store = home.eas.mailbox.store();
    let body = store.stage_body(&store.body_key(1), &Bytes::from(raw.clone())).unwrap();
    let new = NewItem {
        body,
        prefix: Bytes::new(),
        record: MailRecord::from_message(&parse(raw.as_bytes())).encode().into(),
        internal_date: date,
        filter_date: None,
        flags: Flags::NONE,
        keywords: Vec::new(),
        thread: ThreadKeys::default(),
        dav_name: None,
        ical_uid: None,
        properties: Vec::new(),
    };
    let act = home.eas.mailbox.write(Acting::account(home.ann.0), Origin::OTHER, move |tx| {
        let to = tx.granted(folder)?;
        tx.append(&to, new)
    });
    act.await.unwrap();
}

fn inbox(home: &Home) -> FolderId {
    let view = home.eas.mailbox.view(Acting::account(home.ann.0)).unwrap();
    view.by_role(OwnerId(home.ann.0), Role::Inbox).unwrap().id
}

async fn folder(home: &Home, parent: FolderId, name: &'static str) -> FolderId {
    let owner = OwnerId(home.ann.0);
    let made = home.eas.mailbox.write(Acting::account(owner.0), Origin::OTHER, move |tx| {
        tx.create_folder(owner, &NewFolder { parent, name, kind: Kind::Mail })
    });
    made.await.unwrap()
}

/// Day `n` of the mailbox.
fn day(n: i64) -> i64 {
    1_790_000_000_000 + n * 86_400_000
}

async fn filled() -> (Home, Phone, FolderId, FolderId) {
    let home = Home::new().await;
    let inbox = inbox(&home);
    let below = folder(&home, inbox, "Below").await;
    let long = format!("{}\r\nburied treasure", "filler ".repeat(200));
    deliver(&home, inbox, day(1), "Grüße aus Köln", "first").await;
    deliver(&home, inbox, day(2), "Plan [v.*]", "the second plan").await;
    deliver(&home, inbox, day(3), "Long", &long).await;
    deliver(&home, below, day(4), "Plan", "in another folder").await;
    let phone = home.ready("A").await;
    (home, phone, inbox, below)
}

fn store(name: &str, query: Element<'static>, options: Vec<Element<'static>>) -> Element<'static> {
    let options = Element::new(tags::OPTIONS).with_all(options);
    let store = Element::new(tags::STORE).with_text(tags::NAME, name.to_owned()).with(query).with(options);
    Element::new(tags::SEARCH).with(store)
}

fn query(conditions: Vec<Element<'static>>) -> Element<'static> {
    Element::new(tags::QUERY).with(Element::new(tags::AND).with_all(conditions))
}

fn text(text: &str) -> Element<'static> {
    Element::leaf(tags::FREE_TEXT, text.to_owned())
}

fn collection(id: FolderId) -> Element<'static> {
    Element::leaf(airsync::COLLECTION_ID, id.0.to_string())
}

fn range(range: &str) -> Element<'static> {
    Element::leaf(tags::RANGE, range.to_owned())
}

/// Status, subjects, Range and Total.
async fn search(phone: &Phone, asked: &Element<'_>) -> (u16, Vec<String>, String, usize) {
    let answer = phone.post("Search", asked).await;
    assert_eq!(answer.status(), 1);
    let answer = answer.tree();
    let store = answer.at(&[tags::RESPONSE, tags::STORE]).unwrap();
    let results = store.children_of(tags::RESULT).filter(|r| !r.is_empty()).map(|r| {
        assert!(r.has(tags::LONG_ID) || r.at(&[tags::PROPERTIES, gal::ALIAS]).is_some());
        let properties = r.child(tags::PROPERTIES).unwrap();
        let name = properties.text_of(email::SUBJECT).or(properties.text_of(gal::DISPLAY_NAME));
        name.unwrap().to_owned()
    });
    (
        store.parse_of(tags::STATUS).unwrap().unwrap(),
        results.collect(),
        store.text_of(tags::RANGE).unwrap_or_default().to_owned(),
        store.parse_of(tags::TOTAL).unwrap().unwrap_or_default(),
    )
}

async fn subjects(
    phone: &Phone,
    conditions: Vec<Element<'static>>,
    options: Vec<Element<'static>>,
) -> Vec<String> {
    let (status, subjects, _, total) = search(phone, &store("Mailbox", query(conditions), options)).await;
    assert_eq!((status, total), (1, subjects.len()));
    subjects
}

#[tokio::test]
async fn words_are_found_wherever_they_stand() {
    let (_home, phone, inbox, below) = filled().await;
    let deep = || vec![Element::new(tags::DEEP_TRAVERSAL)];
    assert_eq!(subjects(&phone, vec![text("plan")], vec![]).await, ["Plan", "Plan [v.*]"], "newest first");
    assert_eq!(subjects(&phone, vec![collection(inbox), text("PLAN")], vec![]).await, ["Plan [v.*]"]);
    assert_eq!(subjects(&phone, vec![collection(inbox), text("plan")], deep()).await.len(), 2);
    assert_eq!(subjects(&phone, vec![collection(below), text("eve@other")], vec![]).await, ["Plan"]);
    assert_eq!(subjects(&phone, vec![text("grusse KOLN")], vec![]).await.len(), 0);
    assert_eq!(subjects(&phone, vec![text("gruße köln")], vec![]).await, ["Grüße aus Köln"]);
    assert_eq!(subjects(&phone, vec![text("\"buried treasure\"")], vec![]).await, ["Long"], "far down");
    assert_eq!(subjects(&phone, vec![text("buried plan")], vec![]).await.len(), 0);
    assert_eq!(subjects(&phone, vec![text("[v.*]")], vec![]).await, ["Plan [v.*]"], "no pattern");
    assert_eq!(subjects(&phone, vec![text(".*")], vec![]).await.len(), 1);
    assert_eq!(subjects(&phone, vec![text("from:eve subject:long")], vec![]).await, ["Long"]);
    let class = |name: &str| Element::leaf(airsync::CLASS, name.to_owned());
    assert_eq!(subjects(&phone, vec![class("Email"), text("second")], vec![]).await, ["Plan [v.*]"]);
    assert_eq!(subjects(&phone, vec![class("Calendar"), text("second")], vec![]).await.len(), 0);
}

#[tokio::test]
async fn dates_and_pages() {
    let (_home, phone, ..) = filled().await;
    let date = |tag, n: i64| {
        let time = jiff::Timestamp::from_millisecond(day(n)).unwrap();
        Element::new(tag).with_empty(email::DATE_RECEIVED).with_text(tags::VALUE, format!("{time:.3}"))
    };
    let between = vec![date(tags::GREATER_THAN, 1), date(tags::LESS_THAN, 4)];
    assert_eq!(subjects(&phone, between, vec![]).await, ["Long", "Plan [v.*]"]);
    let all = || query(vec![text("eve")]);
    let page = |text: &str| store("Mailbox", all(), vec![range(text)]);
    let (_, found, told, total) = search(&phone, &page("1-2")).await;
    assert_eq!((found, told.as_str(), total), (vec!["Long".to_owned(), "Plan [v.*]".to_owned()], "1-2", 4));
    let (_, found, told, _) = search(&phone, &page("2-999999999")).await;
    assert_eq!((found.len(), told.as_str()), (2, "2-3"));
    assert_eq!(search(&phone, &page("4-9")).await.0, 12);
    let body = Element::new(airsyncbase::BODY_PREFERENCE)
        .with_number(airsyncbase::TYPE, 1)
        .with_number(airsyncbase::TRUNCATION_SIZE, 200);
    let asked = store("Mailbox", all(), vec![body]);
    let answer = phone.post("Search", &asked).await.tree();
    let path =
        [tags::RESPONSE, tags::STORE, tags::RESULT, tags::PROPERTIES, airsyncbase::BODY, airsyncbase::DATA];
    assert!(answer.at(&path).unwrap().text().unwrap().contains("another folder"));
}

#[tokio::test]
async fn searches_that_are_refused_quickly() {
    let (home, phone, inbox, _) = filled().await;
    let nested = Element::new(tags::AND).with(Element::new(tags::AND).with(text("a")));
    let mut deep = text("a");
    for _ in 0..50 {
        deep = Element::new(tags::AND).with(deep);
    }
    let equal = Element::new(tags::EQUAL_TO).with_text(tags::VALUE, "x");
    for (asked, want) in [
        (store("Mailbox", query(vec![text("a")]), vec![range("5-1")]), 2),
        (store("Mailbox", query(vec![text("a")]), vec![range("all")]), 2),
        (store("Mailbox", query(vec![text(&"x".repeat(1 << 20))]), vec![]), 8),
        (store("Mailbox", query(vec![text(&"x ".repeat(400))]), vec![]), 8),
        (store("Mailbox", Element::new(tags::QUERY).with(nested), vec![]), 8),
        (store("Mailbox", Element::new(tags::QUERY).with(deep), vec![]), 8),
        (store("Mailbox", query(vec![collection(inbox)]), vec![]), 2),
        (store("Mailbox", query(vec![text("  ")]), vec![]), 2),
        (store("Mailbox", query(vec![equal]), vec![]), 2),
        (store("Mailbox", Element::new(tags::QUERY), vec![]), 2),
        (store("Mailbox", query(vec![collection(FolderId(999_999)), text("a")]), vec![]), 11),
        (store("Mailbox", query(vec![Element::leaf(airsync::COLLECTION_ID, "x"), text("a")]), vec![]), 11),
        (store("DocumentLibrary", query(vec![text("a")]), vec![]), 13),
        (store("Elsewhere", query(vec![text("a")]), vec![]), 2),
        (Element::new(tags::SEARCH), 2),
    ] {
        assert_eq!(search(&phone, &asked).await.0, want);
    }
    let bob = Phone { user: "bob".into(), password: "bob".into(), ..home.phone("B") };
    let mut bob = bob;
    bob.provision().await;
    let others = store("Mailbox", query(vec![collection(inbox), text("plan")]), vec![]);
    assert_eq!(search(&bob, &others).await.0, 11, "another's folder is not there");
    assert_eq!(search(&bob, &store("Mailbox", query(vec![text("plan")]), vec![])).await.3, 0);
}

#[tokio::test]
async fn the_address_list_is_searched() {
    let home = Home::new().await;
    let phone = home.ready("A").await;
    let asked = |text: &str, options| store("GAL", Element::leaf(tags::QUERY, text.to_owned()), options);
    let (status, found, told, total) = search(&phone, &asked("bak", vec![range("0-99")])).await;
    assert_eq!((status, found, told.as_str(), total), (1, vec!["Bob Baker".to_owned()], "0-0", 1));
    assert_eq!(search(&phone, &asked("zz", vec![])).await, (1, vec![], "0-0".to_owned(), 0));
    assert_eq!(search(&phone, &asked("", vec![])).await.3, 0, "nobody gets the whole list");
    assert_eq!(search(&phone, &asked("b", vec![range("7-9")])).await.0, 12);
    let answer = phone.post("Search", &asked("bob", vec![Element::new(tags::PICTURE)])).await.tree();
    let picture = [tags::RESPONSE, tags::STORE, tags::RESULT, tags::PROPERTIES, gal::PICTURE, gal::STATUS];
    assert_eq!(answer.at(&picture).unwrap().text(), Some("173"));
}

fn find(criterion: wbxml::Tag, query: Element<'static>, asked: &str) -> Element<'static> {
    let criterion = Element::new(criterion)
        .with(query)
        .with(Element::new(find::OPTIONS).with_text(find::RANGE, asked.to_owned()));
    Element::new(find::FIND)
        .with_text(find::SEARCH_ID, "6f1ad1ec-2c0a-4a4e-9d43-33e9c0c2a1b7")
        .with(Element::new(find::EXECUTE_SEARCH).with(criterion))
}

fn words(text: &str) -> Element<'static> {
    Element::new(find::QUERY).with_text(find::FREE_TEXT, text.to_owned()).with_text(airsync::CLASS, "Email")
}

#[tokio::test]
async fn find_looks_in_both() {
    let (_home, phone, inbox, _) = filled().await;
    let mail = find::MAIL_BOX_SEARCH_CRITERION;
    let answer = phone.post("Find", &find(mail, words("plan"), "0-9")).await;
    assert_eq!(answer.status(), 1);
    let answer = answer.tree();
    let response = answer.child(find::RESPONSE).unwrap();
    assert_eq!((response.text_of(find::RANGE), response.text_of(find::TOTAL)), (Some("0-1"), Some("2")));
    let first = response.child(find::RESULT).unwrap();
    let order: Vec<_> = first.children().iter().map(Element::tag).collect();
    assert_eq!(order, [airsync::CLASS, airsync::SERVER_ID, airsync::COLLECTION_ID, find::PROPERTIES]);
    let properties = first.child(find::PROPERTIES).unwrap();
    assert_eq!(properties.text_of(email::SUBJECT), Some("Plan"));
    assert_eq!(properties.text_of(find::PREVIEW), Some("in another folder"));
    let only = words("plan").with_text(airsync::COLLECTION_ID, inbox.0.to_string());
    let answer = phone.post("Find", &find(mail, only, "0-9")).await.tree();
    assert_eq!(answer.at(&[find::RESPONSE, find::TOTAL]).unwrap().text(), Some("1"));
    let people = Element::leaf(find::QUERY, "bob");
    let answer = phone.post("Find", &find(find::GAL_SEARCH_CRITERION, people, "0-9")).await.tree();
    let path = [find::RESPONSE, find::RESULT, find::PROPERTIES, gal::EMAIL_ADDRESS];
    assert_eq!(answer.at(&path).unwrap().text(), Some("bob@example.test"));
}

#[tokio::test]
async fn find_refuses() {
    let (home, phone, ..) = filled().await;
    let mail = find::MAIL_BOX_SEARCH_CRITERION;
    let answer = phone.post("Find", &find(mail, words("plan"), "5-9")).await.tree();
    assert_eq!(answer.text_of(find::STATUS), Some("1"));
    assert_eq!(answer.at(&[find::RESPONSE, find::STATUS]).unwrap().text(), Some("4"));
    let lost = words("plan").with_text(airsync::COLLECTION_ID, "999999");
    for (asked, want) in [
        (find(mail, lost, "0-9"), 3),
        (find(mail, words(""), "0-9"), 2),
        (find(mail, words(&"x".repeat(1 << 20)), "0-9"), 2),
        (find(mail, words("plan"), "9-0"), 2),
        (find(find::OPTIONS, words("plan"), "0-9"), 2),
        (Element::new(find::FIND), 2),
    ] {
        assert_eq!(phone.post("Find", &asked).await.status(), want);
    }
    let mut old = Phone { version: "16.0", ..home.phone("B") };
    old.provision().await;
    assert_eq!(old.post("Find", &find(mail, words("plan"), "0-9")).await.status(), 137);
}
