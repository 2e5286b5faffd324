//! Autodiscover, for those who know an address only.

use axum::body::Body;
use axum::http::Request;

use super::{Answer, Home, Phone};
use crate::net::{Listener, Peer};

const XML: &str = "/autodiscover/autodiscover.xml";
const MOBILE_SYNC: &str = "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006";

fn body(address: &str, schema: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><Autodiscover xmlns=\"x\"><Request>\
         <EMailAddress>{address}</EMailAddress>\
         <AcceptableResponseSchema>{schema}</AcceptableResponseSchema></Request></Autodiscover>"
    )
}

async fn post(phone: &Phone, path: &str, body: impl Into<Body>) -> Answer {
    let request = phone.request("POST", path).header("Host", "mail.example.test:8443");
    phone.send(request.header("Content-Type", "text/xml").body(body.into()).unwrap()).await
}

fn text(answer: &Answer) -> String {
    assert_eq!(answer.http, 200);
    assert_eq!(answer.header("Content-Type"), "text/xml; charset=utf-8");
    String::from_utf8(answer.body.to_vec()).unwrap()
}

#[tokio::test]
async fn phones_are_told_the_url() {
    let home = Home::new().await;
    let phone = home.phone("A");
    let answer = text(&post(&phone, XML, body("ann@example.test", MOBILE_SYNC)).await);
    let url = "https://mail.example.test:8443/Microsoft-Server-ActiveSync";
    assert!(answer.contains(&format!("<Type>MobileSync</Type><Url>{url}</Url>")), "{answer}");
    assert!(answer.contains("<EMailAddress>ann@example.test</EMailAddress>"));
    for path in ["/Autodiscover/Autodiscover.xml", "/AutoDiscover/AUTODISCOVER.XML"] {
        assert_eq!(text(&post(&phone, path, body("ann@example.test", MOBILE_SYNC)).await), answer);
    }
    for other in
        ["bob@example.test", "nobody@example.test", "x@elsewhere.test", "<![CDATA[<b>]]>", "&lt;script&gt;"]
    {
        assert_eq!(text(&post(&phone, XML, body(other, MOBILE_SYNC)).await), answer, "{other}: no oracle");
    }
}

#[tokio::test]
async fn nothing_without_a_login() {
    let home = Home::new().await;
    let wrong = Phone { password: "x".into(), ..home.phone("A") };
    assert_eq!(post(&wrong, XML, body("ann@example.test", MOBILE_SYNC)).await.http, 401);
    let unknown = Phone { user: "nobody".into(), ..home.phone("A") };
    let answer = post(&unknown, XML, body("nobody@example.test", MOBILE_SYNC)).await;
    assert_eq!((answer.http.as_u16(), answer.body.len()), (401, 0));
}

#[tokio::test]
async fn other_schemas_and_bad_xml() {
    let home = Home::new().await;
    let phone = home.phone("A");
    let outlook = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";
    let answer = text(&post(&phone, XML, body("ann@example.test", outlook)).await);
    assert!(answer.contains("<ErrorCode>601</ErrorCode>"));
    let doctype = body("ann@example.test", MOBILE_SYNC)
        .replace("<Autodiscover", "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><Autodiscover");
    for bad in [
        String::new(),
        "not XML".into(),
        doctype,
        body("ann@example.test", "&e;"),
        body("ann@example.test", ""),
        "<a>".repeat(20_000),
    ] {
        let answer = text(&post(&phone, XML, bad.clone()).await);
        let code = if bad.contains("Schema></AcceptableResponseSchema>") || bad.contains("ResponseSchema></")
        {
            "<ErrorCode>60"
        } else {
            "<ErrorCode>600</ErrorCode>"
        };
        assert!(answer.contains(code), "{answer}");
    }
    assert_eq!(post(&phone, XML, vec![b'<'; 100 << 10]).await.http, 413);
    let get = phone.send(phone.request("GET", XML).body(Body::empty()).unwrap()).await;
    assert!(text(&get).contains("<ErrorCode>600</ErrorCode>"));
}

async fn get(phone: &Phone, target: &str, host: &str) -> Answer {
    let request = Request::builder().uri(target).header("Host", host).body(Body::empty()).unwrap();
    phone.send(request).await
}

#[tokio::test]
async fn json_for_anybody() {
    let home = Home::new().await;
    let phone = home.phone("A");
    let host = "mail.example.test";
    let found =
        "{\"Protocol\":\"ActiveSync\",\"Url\":\"https://mail.example.test/Microsoft-Server-ActiveSync\"}";
    for target in [
        "/autodiscover/autodiscover.json?Email=ann@example.test&Protocol=ActiveSync",
        "/Autodiscover/Autodiscover.json?Protocol=activesync&Email=nobody@example.test",
        "/autodiscover/autodiscover.json/v1.0/x@elsewhere.test?Protocol=ActiveSync&RedirectCount=1",
    ] {
        let answer = get(&phone, target, host).await;
        assert_eq!((answer.http.as_u16(), &answer.body[..]), (200, found.as_bytes()), "{target}");
    }
    for target in [
        "/autodiscover/autodiscover.json?Email=a@b&Protocol=%3Cscript%3E",
        "/autodiscover/autodiscover.json?Email=%3Cscript%3E&Protocol=Ews",
        "/autodiscover/autodiscover.json",
    ] {
        let answer = get(&phone, target, host).await;
        assert_eq!(answer.http, 400);
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        assert!(!text.contains("script") && !text.contains("Ews"), "{text}");
        assert_eq!(answer.header("Content-Type"), "application/json; charset=utf-8");
    }
    let evil = get(&phone, "/autodiscover/autodiscover.json?Protocol=ActiveSync", "evil\"/x?@h").await;
    assert!(String::from_utf8(evil.body.to_vec()).unwrap().contains("https://localhost/"));
    let post = phone.request("POST", "/autodiscover/autodiscover.json").body(Body::empty()).unwrap();
    assert_eq!(phone.send(post).await.http, 405);
}

#[tokio::test]
async fn the_scheme_is_how_one_came_in() {
    let home = Home::new().await;
    let phone = home.phone("A");
    let address = "127.0.0.1:5000".parse().unwrap();
    let url = async |proxied: bool| {
        let target = "/autodiscover/autodiscover.json?Protocol=ActiveSync";
        let mut request = Request::builder().uri(target).header("Host", "h.test");
        if proxied {
            request = request.header("X-Forwarded-Proto", "https");
        }
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(Peer::new(Listener::Http, address, address));
        String::from_utf8(phone.send(request).await.body.to_vec()).unwrap()
    };
    assert!(url(false).await.contains("\"http://h.test/"));
    assert!(url(true).await.contains("\"https://h.test/"));
    let home = Home::with(|c| c.eas.public_url = Some("https://mail.example.org".into())).await;
    let answer = get(&home.phone("A"), "/autodiscover/autodiscover.json?Protocol=ActiveSync", "h.test").await;
    assert!(String::from_utf8(answer.body.to_vec()).unwrap().contains("https://mail.example.org/Micro"));
}
