//! Items edited and replaced.

use super::*;
use crate::mailbox::item::{KEYWORD_OCTETS_MAX, KEYWORDS_MAX, PROPERTY_OCTETS_MAX, RECORD_MAX};

#[tokio::test]
async fn an_edit_without_a_difference_logs_and_writes_nothing() {
    let home = Home::new().await;
    let inbox = home.role(Role::Inbox).id;
    let property = Edit {
        set: Flags::FLAGGED,
        add_keywords: vec!["k".into()],
        properties: vec![("p".into(), Some(b"1".to_vec()))],
        ..Edit::default()
    };
    let uid = home.add(inbox, "a", 1).await.uid;
    let first = edit(&home, inbox, uid, property.clone()).await.unwrap();
    assert!(first.changed);
    let before = (home.folder(inbox), home.counters(), home.log(inbox));
    let nothing = [
        Edit::default(),
        property,
        Edit { clear: Flags::SEEN.and(Flags::DRAFT), ..Edit::default() },
        Edit { remove_keywords: vec!["x".into()], ..Edit::default() },
        Edit { properties: vec![("q".into(), None)], ..Edit::default() },
    ];
    for change in nothing {
        let done = edit(&home, inbox, uid, change.clone()).await.unwrap();
        assert_eq!((done.changed, done.modseq), (false, first.modseq), "{change:?}");
    }
    assert_eq!((home.folder(inbox), home.counters(), home.log(inbox)), before);
    home.check();
}

#[tokio::test]
async fn an_edit_moves_the_row_of_the_latest_change_and_keeps_the_birth() {
    let home = Home::new().await;
    let inbox = home.role(Role::Inbox).id;
    let born = home.add(inbox, "a", 1).await;
    let mut last = born.modseq;
    for (set, clear) in
        [(Flags::SEEN, Flags::NONE), (Flags::FLAGGED, Flags::SEEN), (Flags::SEEN, Flags::FLAGGED)]
    {
        let done = edit(&home, inbox, born.uid, Edit { set, clear, ..Edit::default() }).await.unwrap();
        assert!(done.modseq > last);
        last = done.modseq;
        assert_eq!(
            home.log(inbox),
            [(born.modseq, LogRow::Birth { uid: born.uid }), (last, LogRow::Change { uid: born.uid })]
        );
        assert_eq!(counts(&home, inbox).1, u64::from(!set.has(Flags::SEEN)));
    }
    let item = home.get(inbox, born.uid).unwrap();
    assert_eq!((item.content_modseq, item.flags_modseq, item.modseq), (born.modseq, last, last));
    let keyword = Edit { add_keywords: vec!["z".into(), "a".into()], ..Edit::default() };
    edit(&home, inbox, born.uid, keyword).await.unwrap();
    let less = Edit { remove_keywords: vec!["z".into()], ..Edit::default() };
    edit(&home, inbox, born.uid, less).await.unwrap();
    assert_eq!(home.get(inbox, born.uid).unwrap().keywords, ["a"]);
    home.check();
}

#[tokio::test]
async fn properties_are_kept_by_name() {
    let home = Home::new().await;
    let inbox = home.role(Role::Inbox).id;
    let uid = home.add(inbox, "a", 1).await.uid;
    let set = |name: &str, value: Option<&[u8]>| Edit {
        properties: vec![(name.into(), value.map(<[u8]>::to_vec))],
        ..Edit::default()
    };
    for change in [set("b", Some(b"1")), set("a", Some(b"2")), set("b", Some(b"3"))] {
        assert!(edit(&home, inbox, uid, change).await.unwrap().changed);
    }
    let item = home.get(inbox, uid).unwrap();
    assert_eq!(item.properties, [("a".to_owned(), b"2".to_vec()), ("b".to_owned(), b"3".to_vec())]);
    assert_eq!((item.property("b"), item.property("c")), (Some(b"3".as_slice()), None));
    edit(&home, inbox, uid, set("a", None)).await.unwrap();
    assert_eq!(home.get(inbox, uid).unwrap().properties.len(), 1);
}

#[tokio::test]
async fn keywords_are_limited_in_number() {
    let home = Home::new().await;
    let inbox = home.role(Role::Inbox).id;
    let uid = home.add(inbox, "a", 1).await.uid;
    let many: Vec<String> = (0..KEYWORDS_MAX).map(|n| n.to_string()).collect();
    edit(&home, inbox, uid, Edit { add_keywords: many, ..Edit::default() }).await.unwrap();
    let more = Edit { add_keywords: vec!["more".into()], ..Edit::default() };
    assert!(matches!(edit(&home, inbox, uid, more).await, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn a_new_content_keeps_the_ids_and_changes_sizes_and_dates() {
    let home = Home::new().await;
    let inbox = home.role(Role::Inbox).id;
    let born = home.add(inbox, "before", 100).await;
    let done = replace(&home, inbox, born.uid, "after that", Some(200)).await.unwrap();
    assert_eq!((done.uid, done.content), (born.uid, born.content));
    let item = home.get(inbox, born.uid).unwrap();
    assert_eq!((item.content_modseq, item.flags_modseq), (done.modseq, born.modseq));
    assert_eq!((item.filter_date, item.former_dates.as_slice()), (200, [(done.modseq, 100)].as_slice()));
    assert_eq!((item.internal_date, item.size), (100, PREFIX + 10));
    assert_eq!(counts(&home, inbox), (1, 1, PREFIX + 10));
    assert_eq!(text(&home, inbox, born.uid), "Return-Path: <>\r\nafter that");
    home.check();
    // The same content again is a change all the same: the client sent it.
    assert!(replace(&home, inbox, born.uid, "after that", None).await.unwrap().modseq > done.modseq);
    assert_eq!(text(&home, inbox, born.uid), "Return-Path: <>\r\nafter that");
    home.check();
}

#[tokio::test]
async fn former_dates_are_limited_and_who_is_older_starts_again() {
    let home = Home::new().await;
    let inbox = home.role(Role::Inbox).id;
    let uid = home.add(inbox, "x", 0).await.uid;
    for n in 1..=40 {
        replace(&home, inbox, uid, &n.to_string(), Some(n)).await.unwrap();
        home.check();
    }
    let item = home.get(inbox, uid).unwrap();
    assert_eq!(item.former_dates.len(), 32);
    assert!(home.folder(inbox).purged > item.born && home.folder(inbox).purged < item.former_dates[0].0);
}

/// A row over the bound of records would be stored and never read again, and with it the folder would stop.
#[tokio::test]
async fn what_an_item_carries_is_bounded_and_a_refusal_leaves_it_as_it_was() {
    let home = Home::new().await;
    let inbox = home.role(Role::Inbox).id;
    let uid = home.add(inbox, "a", 1).await.uid;
    let property = |name: &str, octets| Edit {
        properties: vec![(name.to_owned(), Some(vec![7; octets]))],
        ..Edit::default()
    };
    let half = PROPERTY_OCTETS_MAX / 2;
    edit(&home, inbox, uid, property("a", half)).await.unwrap();
    let before = home.get(inbox, uid).unwrap();
    let keywords = (0..3).map(|n| n.to_string().repeat(KEYWORD_OCTETS_MAX / 3 + 1)).collect();
    for much in [
        property("b", half),
        property("a", 5 << 20),
        property(&"n".repeat(5 << 20), 0),
        Edit { add_keywords: keywords, ..Edit::default() },
    ] {
        assert!(matches!(edit(&home, inbox, uid, much).await, Err(Error::Invalid(_))));
    }
    assert_eq!(home.get(inbox, uid).unwrap(), before);
    edit(&home, inbox, uid, property("b", half - 2)).await.unwrap();
    assert_eq!(home.get(inbox, uid).unwrap().property_octets(), PROPERTY_OCTETS_MAX);

    let long = |item: NewItem| append(&home, inbox, item);
    let item = || home.item("b", 1);
    let properties = vec![("p".to_owned(), vec![0; PROPERTY_OCTETS_MAX])];
    assert!(matches!(long(NewItem { properties, ..item() }).await, Err(Error::Invalid(_))));
    let dav_name = |octets| Some("x".repeat(octets));
    assert!(matches!(long(NewItem { dav_name: dav_name(1_001), ..item() }).await, Err(Error::Invalid(_))));
    assert!(matches!(long(NewItem { ical_uid: dav_name(5_000), ..item() }).await, Err(Error::Invalid(_))));
    let record = Bytes::from(vec![0; RECORD_MAX]);
    assert!(matches!(long(NewItem { record: record.clone(), ..item() }).await, Err(Error::Invalid(_))));
    let new = item();
    let replaced = home.act(Origin::OTHER, move |tx| {
        let at = tx.granted(inbox)?;
        let new = NewContent {
            body: new.body,
            prefix: new.prefix,
            record,
            filter_date: None,
            properties: Vec::new(),
        };
        tx.replace(&at, uid, new, Knew(None))
    });
    assert!(matches!(replaced.await, Err(Error::Invalid(_))));
    long(NewItem { dav_name: dav_name(1_000), ..item() }).await.unwrap();
    expunge(&home, inbox, uid).await.unwrap();
    home.check();
}

/// One that was stored under wider bounds can be changed, but not further in that direction.
#[tokio::test]
async fn an_item_that_is_over_a_bound_can_still_be_changed() {
    let home = Home::new().await;
    let inbox = home.role(Role::Inbox).id;
    let uid = home.add(inbox, "a", 1).await.uid;
    home.as_system(move |tx| {
        let at = tx.granted(inbox)?;
        let mut item = tx.item(&at, uid)?;
        item.properties = vec![("p".to_owned(), vec![7; 2 * PROPERTY_OCTETS_MAX])];
        tx.store().put(rows::item_key(inbox, uid), rows::row(&item));
        Ok(())
    })
    .await
    .unwrap();
    edit(&home, inbox, uid, Edit { set: Flags::SEEN, ..Edit::default() }).await.unwrap();
    let more = Edit { properties: vec![("q".into(), Some(Vec::new()))], ..Edit::default() };
    assert!(matches!(edit(&home, inbox, uid, more).await, Err(Error::Invalid(_))));
    let less = Edit { properties: vec![("p".into(), None)], ..Edit::default() };
    edit(&home, inbox, uid, less).await.unwrap();
    home.check();
}
