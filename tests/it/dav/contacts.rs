//! Address books.

use super::{ann, sound};

fn card(version: &str, uid: &str, name: &str, more: &str) -> String {
    format!(
        "BEGIN:VCARD\r\nVERSION:{version}\r\nUID:{uid}\r\nFN:{name}\r\nN:{name};;;;\r\n{more}END:VCARD\r\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn cards_are_kept_found_and_given_in_the_version_that_is_asked_for() {
    let (server, ann) = ann().await;
    let book = ann.path("contacts", "contacts/");
    let zoe = card("3.0", "urn:1", "Zoë Müller", "EMAIL;TYPE=INTERNET,PREF:zoe@example.org\r\n");
    ann.put(&format!("{book}zoe.vcf"), &zoe).await.is(201);
    ann.put(&format!("{book}max.vcf"), &card("4.0", "urn:2", "Max", "TEL:+49 30 1\r\n")).await.is(201);
    assert_eq!(ann.get(&format!("{book}zoe.vcf")).await.is(200).body, zoe);
    let accept = [("accept", "text/vcard; version=4.0")];
    let four = ann.ask("GET", &format!("{book}zoe.vcf"), &accept, "").await.is(200);
    assert!(four.body.contains("VERSION:4.0") && four.body.contains("PREF=1"), "{}", four.body);

    ann.put(&format!("{book}3.vcf"), &card("3.0", "urn:1", "Other", ""))
        .await
        .refused(409, "no-uid-conflict");
    ann.put(&format!("{book}3.vcf"), &card("2.1", "urn:3", "Old", ""))
        .await
        .refused(403, "supported-address-data");
    ann.put(&format!("{book}3.vcf"), "BEGIN:VCARD\r\nVERSION:3.0\r\n")
        .await
        .refused(403, "valid-address-data");

    let query = async |filter: &str| {
        let inner = format!("<D:prop><D:getetag/><CR:address-data/></D:prop><CR:filter>{filter}</CR:filter>");
        ann.report(&book, "CR:addressbook-query", &inner).await.is(207)
    };
    let by = |name: &str, text: &str| {
        format!("<CR:prop-filter name=\"{name}\"><CR:text-match>{text}</CR:text-match></CR:prop-filter>")
    };
    assert_eq!(query(&by("FN", "müller")).await.hrefs(), [format!("{book}zoe.vcf")]);
    assert_eq!(query(&by("TEL", "30")).await.hrefs(), [format!("{book}max.vcf")]);
    assert_eq!(query("").await.hrefs().len(), 2);
    let get = format!(
        "<D:prop><CR:address-data content-type=\"text/vcard\" version=\"4.0\"><CR:prop name=\"FN\"/>\
         </CR:address-data></D:prop><D:href>{book}zoe.vcf</D:href>"
    );
    let answer = ann.report(&book, "CR:addressbook-multiget", &get).await.is(207);
    assert!(answer.body.contains("VERSION:4.0") && !answer.body.contains("EMAIL"), "{}", answer.body);
    let (all, _) = ann.sync(&book, "").await;
    assert_eq!(all.hrefs().len(), 2);
    sound(&server);
}
