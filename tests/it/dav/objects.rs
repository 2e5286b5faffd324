//! Objects put, got, changed and removed, and what a client that synchronises is told.

use super::{ANN, BOB, ann, event, sound, user};
use crate::dav_client::Dav;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_finds_its_homes_from_nothing_but_a_host() {
    let (server, ann) = ann().await;
    for service in ["caldav", "carddav"] {
        let answer = ann.ask("PROPFIND", &format!("/.well-known/{service}"), &[], "").await.is(301);
        assert_eq!(answer.field("location"), Some("/dav/"));
    }
    let answer = ann.propfind("/dav/", "0", "<D:current-user-principal/>").await.is(207);
    let principal = format!("/dav/principals/{ANN}/");
    assert!(answer.body.contains(&principal), "{}", answer.body);
    let wanted = "<C:calendar-home-set/><CR:addressbook-home-set/><C:schedule-inbox-URL/>\
                  <C:schedule-outbox-URL/><C:calendar-user-address-set/><D:displayname/>";
    let answer = ann.propfind(&principal, "0", wanted).await.is(207);
    for found in ["/dav/calendars/", "/dav/contacts/", "/inbox/", "/outbox/", "mailto:ann@example.test"] {
        assert!(answer.body.contains(found), "{found}: {}", answer.body);
    }
    assert!(!answer.body.contains("404"), "{}", answer.body);
    let home = ann.propfind(&ann.path("calendars", ""), "1", "<D:resourcetype/>").await.is(207);
    for part in ["calendar/", "tasks/", "notes/", "<C:schedule-inbox/>", "<C:schedule-outbox/>"] {
        assert!(home.body.contains(part), "{part}: {}", home.body);
    }
    let options = ann.ask("OPTIONS", &ann.path("calendars", "calendar/"), &[], "").await.is(200);
    let classes = options.field("dav").unwrap();
    assert!(
        ["1", "3", "calendar-access", "addressbook", "extended-mkcol", "calendar-auto-schedule"]
            .iter()
            .all(|class| classes.split(", ").any(|own| own == *class))
    );
    // Nobody sees anybody else's, nor without a password.
    let bob = user(&server, BOB).await;
    bob.propfind(&ann.path("calendars", ""), "0", "<D:displayname/>").await.is(404);
    let nobody = Dav::new(server.address(folkmoot::net::Listener::Http), ANN, "wrong");
    nobody.get("/dav/").await.is(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_what_was_put_and_its_tag_guards_it() {
    let (server, ann) = ann().await;
    let path = ann.path("calendars", "calendar/a%20b.ics");
    let first = event("1", "DTSTART:20270101T100000Z\r\nSUMMARY:Ümläut\r\nX-ODD;P=\"a;b\":  kept ");
    let put = ann.ask("PUT", &path, &[("if-none-match", "*")], &first).await.is(201);
    let tag = put.field("etag").unwrap().to_owned();
    let got = ann.get(&path).await.is(200);
    assert_eq!((got.body.as_str(), got.field("etag")), (first.as_str(), Some(tag.as_str())));
    assert_eq!(got.field("content-type"), Some("text/calendar; charset=utf-8; component=VEVENT"));
    assert!(got.field("last-modified").is_some());
    ann.ask("GET", &path, &[("if-none-match", &tag)], "").await.is(304);
    let head = ann.ask("HEAD", &path, &[], "").await.is(200);
    assert_eq!(
        (head.body.as_str(), head.field("content-length")),
        ("", Some(first.len().to_string().as_str()))
    );

    ann.ask("PUT", &path, &[("if-none-match", "*")], &first).await.is(412);
    let second = event("1", "DTSTART:20270101T110000Z");
    ann.ask("PUT", &path, &[("if-match", "\"other\"")], &second).await.is(412);
    let put = ann.ask("PUT", &path, &[("if-match", &tag)], &second).await.is(204);
    assert_ne!(put.field("etag"), Some(tag.as_str()));
    ann.ask("DELETE", &path, &[("if-match", &tag)], "").await.is(412);
    let current = put.field("etag").unwrap();
    ann.ask("DELETE", &path, &[("if", &format!("([{current}] Not <DAV:no-lock>)"))], "").await.is(204);
    ann.get(&path).await.is(404);
    ann.delete(&path).await.is(404);
    sound(&server);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_a_precondition_is_told_by_its_name() {
    let (server, ann) = ann().await;
    let calendar = ann.path("calendars", "calendar/");
    let at = |name: &str| format!("{calendar}{name}");
    ann.put(&at("1.ics"), &event("1", "DTSTART:20270101T100000Z")).await.is(201);
    let put = async |name: &str, text: &str| ann.put(&at(name), text).await;
    put("2.ics", &event("1", "DTSTART:20270101T100000Z")).await.refused(409, "no-uid-conflict");
    put("1.ics", &event("2", "DTSTART:20270101T100000Z")).await.refused(409, "no-uid-conflict");
    put("3.ics", "BEGIN:VCALENDAR\nBEGIN:VEVENT\n").await.refused(403, "valid-calendar-data");
    put("3.ics", &event("3", "SUMMARY:no time")).await.refused(403, "valid-calendar-data");
    let method = event("3", "DTSTART:20270101T100000Z").replace("PRODID", "METHOD:REQUEST\r\nPRODID");
    put("3.ics", &method).await.refused(403, "valid-calendar-object-resource");
    let to_do = event("3", "SUMMARY:x").replace("VEVENT", "VTODO");
    put("3.ics", &to_do).await.refused(403, "supported-calendar-component");
    let html = ann.ask("PUT", &at("3.ics"), &[("content-type", "text/html")], "<p>").await;
    html.refused(403, "supported-calendar-data");
    let long = event("3", &format!("DTSTART:20270101T100000Z\r\nSUMMARY:{}", "x".repeat(11 << 20)));
    put("3.ics", &long).await.refused(403, "max-resource-size");
    ann.put(&calendar, "x").await.is(405);
    ann.put(&ann.path("calendars", "nowhere/1.ics"), "x").await.is(409);
    ann.propfind(&calendar, "infinity", "<D:getetag/>").await.refused(403, "propfind-finite-depth");
    ann.delete(&calendar).await.refused(403, "default-calendar-needed");
    let broken = ann.ask("PROPFIND", &calendar, &[("depth", "0")], "<D:propfind").await;
    broken.is(400);
    sound(&server);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_hears_of_each_change_once() {
    let (server, ann) = ann().await;
    let calendar = ann.path("calendars", "calendar/");
    let at = |n: usize| format!("{calendar}{n}.ics");
    for n in 0..10 {
        ann.put(&at(n), &event(&n.to_string(), "DTSTART:20270101T100000Z")).await.is(201);
    }
    let (all, first) = ann.sync(&calendar, "").await;
    assert_eq!(all.hrefs().len(), 10);
    let (none, same) = ann.sync(&calendar, &first).await;
    assert_eq!((none.hrefs().len(), same.as_str()), (0, first.as_str()));

    ann.put(&at(3), &event("3", "DTSTART:20270102T100000Z")).await.is(204);
    ann.delete(&at(4)).await.is(204);
    ann.put(&at(10), &event("10", "DTSTART:20270101T100000Z")).await.is(201);
    ann.put(&at(11), &event("11", "DTSTART:20270101T100000Z")).await.is(201);
    ann.delete(&at(11)).await.is(204);
    // Gone, and there again under its name.
    ann.delete(&at(5)).await.is(204);
    ann.put(&at(5), &event("5b", "DTSTART:20270101T100000Z")).await.is(201);
    // Under another name.
    let destination = [("destination", at(60)), ("overwrite", "F".to_owned())];
    let destination: Vec<(&str, &str)> = destination.iter().map(|(n, v)| (*n, v.as_str())).collect();
    ann.ask("MOVE", &at(6), &destination, "").await.is(201);
    let (changes, second) = ann.sync(&calendar, &first).await;
    let mut changed = changes.hrefs();
    changed.sort_unstable();
    let wanted = [at(10), at(3), at(4), at(5), at(6), at(60)];
    assert_eq!(changed, wanted.iter().map(String::as_str).collect::<Vec<_>>());
    let gone: Vec<&str> = changes
        .body
        .split("<D:response>")
        .filter(|part| part.contains("<D:status>HTTP/1.1 404"))
        .filter_map(|part| part.split("<D:href>").nth(1)?.split('<').next())
        .collect();
    assert_eq!(gone.len(), 2, "{}", changes.body);
    assert!(gone.contains(&at(4).as_str()) && gone.contains(&at(6).as_str()));
    assert_ne!(first, second);

    // In pieces.
    let mut token = String::new();
    let mut seen = Vec::new();
    for _ in 0..20 {
        let inner = format!(
            "<D:sync-token>{token}</D:sync-token><D:sync-level>1</D:sync-level>\
             <D:limit><D:nresults>3</D:nresults></D:limit><D:prop><D:getetag/></D:prop>"
        );
        let answer = ann.report(&calendar, "D:sync-collection", &inner).await.is(207);
        let here = answer.body.split("<D:response>").filter(|part| part.contains("<D:getetag>"));
        let here = here.filter_map(|part| part.split("<D:href>").nth(1)?.split('<').next());
        seen.extend(here.map(str::to_owned));
        token = answer.between("<D:sync-token>", "</D:sync-token>").pop().unwrap().to_owned();
        if !answer.body.contains("507") {
            break;
        }
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 10);
    assert_eq!(token, second);
    let tag = ann.propfind(&calendar, "0", "<CS:getctag/><D:sync-token/>").await.is(207);
    assert_eq!(tag.between("<CS:getctag>", "<"), [second.as_str()]);
    sound(&server);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_are_made_up_or_of_another_folder_start_again() {
    let (_server, ann) = ann().await;
    let calendar = ann.path("calendars", "calendar/");
    let (_, token) = ann.sync(&calendar, "").await;
    let (_, others) = ann.sync(&ann.path("calendars", "tasks/"), "").await;
    let ahead = format!("{token}0");
    for bad in
        ["x", "urn:folkmoot:sync:", "urn:folkmoot:sync:1-2-3-4", &others, &ahead, &format!("{token}-1")]
    {
        let inner = format!(
            "<D:sync-token>{bad}</D:sync-token><D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop>"
        );
        let answer = ann.report(&calendar, "D:sync-collection", &inner).await;
        if *bad == ahead && answer.status == 207 {
            // A folder without a change has the token 0.
            continue;
        }
        answer.refused(403, "valid-sync-token");
    }
}
