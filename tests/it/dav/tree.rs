//! Collections made, described, moved and removed.

use folkmoot::mailbox::{Acting, Origin, OwnerId, Role};
use folkmoot::policy::{Grant, Rights};

use super::{BOB, ann, event, sound, user};
use crate::dav_client::xml;

#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_is_made_with_all_that_a_client_says_of_it() {
    let (server, ann) = ann().await;
    let path = ann.path("calendars", "7E1A/");
    let set = "<D:set><D:prop><D:displayname>Föhn &amp; co</D:displayname><A:calendar-color>#FF00AAFF</A:calendar-color>\
               <A:calendar-order>3</A:calendar-order><C:calendar-description>d</C:calendar-description>\
               <C:supported-calendar-component-set><C:comp name=\"VEVENT\"/><C:comp name=\"VTODO\"/>\
               </C:supported-calendar-component-set><X:own xmlns:X=\"urn:x\"><X:deep a=\"1\"/></X:own></D:prop></D:set>";
    ann.ask("MKCALENDAR", &path, &[("content-type", "application/xml")], &xml("C:mkcalendar", set))
        .await
        .is(201);
    ann.ask("MKCALENDAR", &path, &[], "").await.refused(403, "resource-must-be-null");
    let wanted = "<D:displayname/><A:calendar-color/><A:calendar-order/><C:calendar-description/>\
                  <C:supported-calendar-component-set/><D:resourcetype/><X:own xmlns:X=\"urn:x\"/>\
                  <D:current-user-privilege-set/><D:supported-report-set/><D:owner/><D:quota-used-bytes/>";
    let answer = ann.propfind(&path, "0", wanted).await.is(207);
    for part in [
        "Föhn &amp; co",
        "#FF00AAFF",
        ">3<",
        "VTODO",
        "<C:calendar/>",
        "deep a=\"1\"",
        "<D:all/>",
        "sync-collection",
    ] {
        assert!(answer.body.contains(part), "{part}: {}", answer.body);
    }
    assert!(!answer.body.contains("404"), "{}", answer.body);
    ann.put(&format!("{path}t.ics"), &event("1", "SUMMARY:x").replace("VEVENT", "VTODO")).await.is(201);
    let journal = event("2", "SUMMARY:x").replace("VEVENT", "VJOURNAL");
    ann.put(&format!("{path}j.ics"), &journal).await.refused(403, "supported-calendar-component");

    let change = "<D:set><D:prop><D:displayname>New</D:displayname></D:prop></D:set>\
                  <D:remove><D:prop><X:own xmlns:X=\"urn:x\"/><A:calendar-color/></D:prop></D:remove>";
    ann.ask("PROPPATCH", &path, &[], &xml("D:propertyupdate", change)).await.is(207);
    let answer = ann.propfind(&path, "0", wanted).await.is(207);
    assert!(answer.body.contains(">New<") && !answer.body.contains("deep"), "{}", answer.body);
    assert!(answer.body.contains("404"), "{}", answer.body);
    let forbidden =
        "<D:set><D:prop><A:calendar-color>#00</A:calendar-color><D:getetag>x</D:getetag></D:prop></D:set>";
    let answer = ann.ask("PROPPATCH", &path, &[], &xml("D:propertyupdate", forbidden)).await.is(207);
    assert!(answer.body.contains("cannot-modify-protected-property") && answer.body.contains("424"));

    let other = ann.path("calendars", "other/");
    ann.ask("MOVE", &path, &[("destination", &other)], "").await.is(201);
    ann.get(&format!("{other}t.ics")).await.is(200);
    ann.propfind(&path, "0", "<D:displayname/>").await.is(404);
    ann.delete(&other).await.is(204);
    ann.propfind(&other, "0", "<D:displayname/>").await.is(404);
    sound(&server);
}

#[tokio::test(flavor = "multi_thread")]
async fn collections_are_made_where_they_belong() {
    let (server, ann) = ann().await;
    let kinds = |kind: &str| {
        xml(
            "D:mkcol",
            &format!(
                "<D:set><D:prop><D:resourcetype><D:collection/>{kind}</D:resourcetype></D:prop></D:set>"
            ),
        )
    };
    let make = async |home: &str, rest: &str, kind: &str| {
        let body = kinds(kind);
        ann.ask("MKCOL", &ann.path(home, rest), &[("content-type", "text/xml")], &body).await
    };
    make("contacts", "friends/", "<CR:addressbook/>").await.is(201);
    make("contacts", "cal/", "<C:calendar/>").await.refused(403, "calendar-collection-location-ok");
    make("calendars", "book/", "<CR:addressbook/>").await.refused(403, "addressbook-collection-location-ok");
    make("calendars", "plain/", "").await.refused(403, "valid-resourcetype");
    make("calendars", "odd/", "<D:odd/>").await.refused(403, "valid-resourcetype");
    make("calendars", "calendar/inner/", "<C:calendar/>")
        .await
        .refused(403, "calendar-collection-location-ok");
    // Two of the same title are two.
    for path in ["a/", "b/"] {
        let set = "<D:set><D:prop><D:displayname>Same</D:displayname></D:prop></D:set>";
        ann.ask("MKCALENDAR", &ann.path("calendars", path), &[], &xml("C:mkcalendar", set)).await.is(201);
    }
    let titles = ann.propfind(&ann.path("calendars", ""), "1", "<D:displayname/>").await.is(207);
    assert_eq!(titles.body.matches(">Same<").count(), 2, "{}", titles.body);
    let files = ann.path("files", "");
    ann.ask("MKCOL", &format!("{files}x/"), &[], "").await.is(201);
    ann.ask("MKCOL", &format!("{files}x/"), &[], "").await.is(405);
    ann.ask("MKCOL", &format!("{files}no/such/"), &[], "").await.is(409);
    let put =
        ann.ask("PUT", &format!("{files}x/a.bin"), &[("content-type", "image/png")], "\u{1}\u{2}").await;
    put.is(201);
    let got = ann.get(&format!("{files}x/a.bin")).await.is(200);
    assert_eq!((got.body.as_str(), got.field("content-type")), ("\u{1}\u{2}", Some("image/png")));
    assert!(got.field("content-security-policy").is_some_and(|policy| policy.contains("sandbox")));
    ann.ask("COPY", &format!("{files}x/"), &[("destination", &format!("{files}y/"))], "").await.is(201);
    ann.get(&format!("{files}y/a.bin")).await.is(200);
    let event = event("1", "DTSTART:20270101T100000Z");
    ann.put(&ann.path("calendars", "a/1.ics"), &event).await.is(201);
    let across = ann.path("calendars", "b/2.ics");
    ann.ask("COPY", &ann.path("calendars", "a/1.ics"), &[("destination", &across)], "").await.is(201);
    let same = ann.path("calendars", "a/2.ics");
    let copy = ann.ask("COPY", &across, &[("destination", &same)], "").await;
    copy.refused(409, "no-uid-conflict");
    let card = ann.path("contacts", "friends/1.ics");
    ann.ask("MOVE", &across, &[("destination", &card)], "").await.refused(403, "supported-address-data");
    let elsewhere = "http://elsewhere.example/dav/x";
    ann.ask("COPY", &across, &[("destination", elsewhere)], "").await.is(502);
    sound(&server);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_show_is_in_the_users_own_home_with_the_rights_that_it_has() {
    let (server, ann) = ann().await;
    let bob = user(&server, BOB).await;
    ann.put(&ann.path("calendars", "calendar/1.ics"), &event("1", "DTSTART:20270101T100000Z")).await.is(201);
    let services = server.running.services();
    let id = |address: &str| services.directory.resolve(address).unwrap().unwrap().account.id.0;
    let (owner, grantee) = (OwnerId(id(super::ANN)), id(BOB));
    let folder = services.mailbox.view(Acting::System).unwrap().by_role(owner, Role::Calendar).unwrap().id;
    let share = async |allow: Rights| {
        let grant = Grant { grantee, allow, deny: Rights::NONE };
        let shared = services.mailbox.write(Acting::account(owner.0), Origin::OTHER, move |tx| {
            let folder = tx.granted(folder)?;
            tx.set_grant(&folder, grant)
        });
        shared.await.unwrap();
    };
    let home = bob.path("calendars", "");
    let shared = format!("{home}shared-{:x}/", folder.0);
    let listed = async || bob.propfind(&home, "1", "<D:owner/>").await.is(207);
    assert!(!listed().await.body.contains("shared-"));
    share(Rights::LOOKUP.and(Rights::READ)).await;
    let home = listed().await;
    assert!(
        home.hrefs().contains(&shared.as_str()) && home.body.contains("/dav/principals/ann@"),
        "{}",
        home.body
    );
    let path = format!("{shared}1.ics");
    bob.get(&path).await.is(200);
    let change = event("1", "DTSTART:20270101T110000Z");
    bob.put(&path, &change).await.refused(403, "need-privileges");
    bob.put(&format!("{shared}2.ics"), &event("2", "DTSTART:20270101T110000Z"))
        .await
        .refused(403, "need-privileges");
    bob.delete(&path).await.is(403);
    bob.delete(&shared).await.is(403);
    share(Rights::LOOKUP.and(Rights::READ).and(Rights::INSERT).and(Rights::WRITE)).await;
    let rights = bob.propfind(&shared, "0", "<D:current-user-privilege-set/>").await.is(207);
    assert!(rights.body.contains("<D:write-content/>") && !rights.body.contains("<D:unbind/>"));
    bob.put(&path, &change).await.is(204);
    assert_eq!(ann.get(&ann.path("calendars", "calendar/1.ics")).await.is(200).body, change);
    share(Rights::NONE).await;
    bob.get(&path).await.is(404);
    sound(&server);
}
