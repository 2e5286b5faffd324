//! Requests, good and bad, up to the command.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::stream;
use wbxml::{Element, airsync, encode, folderhierarchy, ping};

use super::phone::PATH;
use super::{Home, Phone};
use crate::directory::device::devices;
use crate::mailbox::{Acting, OwnerId, Role};

fn hierarchy(key: &str) -> Vec<u8> {
    encode(&Element::new(folderhierarchy::FOLDER_SYNC).with_text(folderhierarchy::SYNC_KEY, key))
}

#[tokio::test]
async fn options_needs_a_login_and_says_what_there_is() {
    let home = Home::new().await;
    let phone = home.phone("A");
    let options = |phone: &Phone| phone.request("OPTIONS", PATH).body(Body::empty()).unwrap();
    let answer = phone.send(options(&phone)).await;
    assert_eq!(answer.http, 200);
    assert_eq!(answer.header("MS-ASProtocolVersions"), "12.1,14.0,14.1,16.0,16.1");
    let commands = answer.header("MS-ASProtocolCommands");
    assert!(commands.contains("FolderSync") && commands.contains("MeetingResponse"), "{commands}");
    assert!(answer.body.is_empty());
    let wrong = Phone { password: "x".into(), ..phone.clone() };
    let answer = phone.send(options(&wrong)).await;
    assert_eq!(answer.http, 401);
    assert!(answer.header("WWW-Authenticate").starts_with("Basic realm="));
    for path in
        ["/microsoft-server-activesync", "/Microsoft-Server-Activesync/", "/MICROSOFT-SERVER-ACTIVESYNC"]
    {
        let request = phone.request("OPTIONS", path).body(Body::empty()).unwrap();
        assert_eq!(phone.send(request).await.http, 200, "{path}");
    }
    let request = phone.request("OPTIONS", "/other").body(Body::empty()).unwrap();
    assert_eq!(phone.send(request).await.http, 404);
    for method in ["GET", "PUT", "DELETE", "PROPFIND"] {
        let answer = phone.send(phone.request(method, PATH).body(Body::empty()).unwrap()).await;
        assert_eq!(answer.http, 405);
        assert_eq!(answer.header("Allow"), "OPTIONS, POST");
    }
    assert!(devices(&home.eas.mailbox.store().read().unwrap(), home.ann).unwrap().is_empty());
}

#[tokio::test]
async fn logins_are_refused_in_http() {
    let home = Home::new().await;
    let phone = home.phone("A");
    let with = |authorization: &[u8]| {
        Request::builder()
            .method("POST")
            .uri(phone.query("FolderSync"))
            .header("Authorization", authorization)
            .body(Body::empty())
            .unwrap()
    };
    for bad in [&b"Basic"[..], b"Basic ====", b"Bearer x", b"Negotiate \xFF", b"Basic YW5u"] {
        assert_eq!(phone.send(with(bad)).await.http, 401, "{bad:?}");
    }
    let none = Request::builder().method("POST").uri(phone.query("Sync")).body(Body::empty()).unwrap();
    assert_eq!(phone.send(none).await.http, 401);
    let unknown = Phone { user: "nobody".into(), ..phone.clone() };
    assert_eq!(unknown.folder_sync("0").await.http, 401);
    let mut last = StatusCode::OK;
    let mut retry_after = String::new();
    for guess in 0..200 {
        let guesser = Phone { user: "bob".into(), password: format!("guess{guess}"), ..phone.clone() };
        let answer = guesser.folder_sync("0").await;
        last = answer.http;
        retry_after = answer.header("Retry-After").to_owned();
        if last != 401 {
            break;
        }
    }
    assert_eq!(last, 503);
    assert!(retry_after.parse::<u64>().unwrap() > 0);
}

#[tokio::test]
async fn who_is_logged_in_counts_and_not_who_is_named() {
    let home = Home::with(|c| c.eas.require_provisioning = false).await;
    let phone = home.phone("A");
    let target = format!("{PATH}?Cmd=FolderSync&User=bob&DeviceId=A&DeviceType=Phone");
    let request = phone.request("POST", &target).body(Body::from(hierarchy("0"))).unwrap();
    assert_eq!(phone.send(request).await.status(), 1);
    let read = home.eas.mailbox.store().read().unwrap();
    assert_eq!(devices(&read, home.ann).unwrap().len(), 1);
    assert!(devices(&read, home.bob).unwrap().is_empty());
}

#[tokio::test]
async fn request_lines_that_are_none() {
    let home = Home::new().await;
    let phone = home.phone("A");
    let long = format!("{PATH}?Cmd=Sync&DeviceId={}&DeviceType=P", "a".repeat(60_000));
    for (target, http) in [
        (PATH.to_owned(), 400),
        (format!("{PATH}?Cmd=Sync"), 400),
        (format!("{PATH}?Cmd=Fly&DeviceId=A&DeviceType=P"), 501),
        (format!("{PATH}?Cmd=Sync&DeviceId=..%2Fx&DeviceType=P"), 400),
        (format!("{PATH}?Cmd=Sync&DeviceId=a%0D%0Ab&DeviceType=P"), 400),
        (format!("{PATH}?jAAJBAp2MTQwRGV2aWNlAApTbWFydFBob25l&Cmd=Sync"), 400),
        (format!("{PATH}?jP8JBAp2MTQwRGV2aWNlAApTbWFydFBob25l"), 501),
        (format!("{PATH}?jAAJBP"), 400),
        (long, 400),
    ] {
        let request = phone.request("POST", &target).body(Body::from(hierarchy("0"))).unwrap();
        assert_eq!(phone.send(request).await.http, http, "{}", &target[..target.len().min(120)]);
    }
    let strange = Phone { version: "2.5", ..phone };
    assert_eq!(strange.folder_sync("0").await.http, 400);
    assert!(devices(&home.eas.mailbox.store().read().unwrap(), home.ann).unwrap().is_empty());
}

#[tokio::test]
async fn the_base64_form_does_the_same() {
    let home = Home::with(|c| c.eas.require_provisioning = false).await;
    let phone = home.phone("A");
    // 16.1, FolderSync, 0x0409, "A", no key, "P".
    let target = format!("{PATH}?oQkJBAFBAAFQ");
    let request = Request::builder()
        .method("POST")
        .uri(target)
        .header("Authorization", phone.basic())
        .body(Body::from(hierarchy("0")))
        .unwrap();
    assert_eq!(phone.send(request).await.status(), 1);
}

/// Each is refused at once and in the protocol's words; the next request works.
#[tokio::test]
async fn documents_that_are_none() {
    let home = Home::with(|c| c.eas.require_provisioning = false).await;
    let mut deep = b"\x03\x01\x6A\x00\x00\x07".to_vec();
    deep.extend([0x56; 100_000]);
    let cases: Vec<Vec<u8>> = vec![
        vec![0x03],
        b"\x02\x01\x6A\x00\x00\x07\x16".to_vec(),
        b"\x03\x01\x04\x00\x00\x07\x16".to_vec(),
        b"\x03\x01\x6A\x7F\x00\x07\x16".to_vec(),
        b"\x03\x01\x6A\x8F\xFF\xFF\xFF\x7F\x00\x07\x16".to_vec(),
        b"\x03\x01\x6A\x83\xFF\xFF\xFF\xFF\xFF\x7F".to_vec(),
        b"\x03\x01\x6A\x00\x00\x07\x56\x52\x030\x00\x01".to_vec(),
        b"\x03\x01\x6A\x00\x00\x63\x56\x01".to_vec(),
        b"\x03\x01\x6A\x00\x00\x07\x56\x7F\x01\x01".to_vec(),
        b"\x03\x01\x6A\x00\x00\x07\x56\x52\xC3\x7Fab\x01\x01".to_vec(),
        b"\x03\x01\x6A\x00\x00\x07\x56\x52\x03abc".to_vec(),
        b"\x03\x01\x6A\x00\x00\x07\x56\x52\x03\xFF\xFE\x00\x01\x01".to_vec(),
        b"\x03\x01\x6A\x00\x00\x07\xD6\x01\x01".to_vec(),
        b"\x03\x01\x6A\x00\x00\x07\x56\x52\x02\x81\x01\x01\x01".to_vec(),
        deep,
    ];
    for (version, status) in [("16.1", 102), ("14.0", 102), ("12.1", 400)] {
        let phone = Phone { version, ..home.phone("A") };
        for case in &cases {
            let answer = phone.post_bytes("FolderSync", case.clone()).await;
            assert_eq!(answer.status(), status, "{:02X?}", &case[..case.len().min(20)]);
        }
        let other = Element::new(folderhierarchy::FOLDER_CREATE);
        assert_eq!(
            phone.post("FolderSync", &other).await.status(),
            if version == "12.1" { 400 } else { 103 }
        );
        let empty = phone.post_bytes("FolderSync", Vec::new()).await;
        assert_eq!(empty.status(), if version == "12.1" { 400 } else { 101 });
        assert_eq!(phone.folder_sync("0").await.status(), 1);
    }
}

#[tokio::test]
async fn bodies_are_bounded_however_they_come() {
    let home = Home::with(|c| {
        c.eas.require_provisioning = false;
        c.eas.request_max = 64 << 10;
    })
    .await;
    let phone = home.phone("A");
    let request = |body: Body| phone.request("POST", &phone.query("FolderSync")).body(body).unwrap();
    assert_eq!(phone.send(request(Body::from(vec![3; 65 << 10]))).await.http, 413);
    let endless = stream::repeat_with(|| Ok::<_, std::convert::Infallible>(Bytes::from_static(&[3; 1024])));
    assert_eq!(phone.send(request(Body::from_stream(endless))).await.http, 413);

    let packed = |text: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    let coded = |coding: &str, body: Vec<u8>| {
        let request = phone.request("POST", &phone.query("FolderSync"));
        request.header("Content-Encoding", coding).body(Body::from(body)).unwrap()
    };
    assert_eq!(phone.send(coded("gzip", packed(&hierarchy("0")))).await.status(), 1);
    assert_eq!(phone.send(coded("gzip", packed(&vec![3; 1 << 20]))).await.http, 413);
    assert_eq!(phone.send(coded("gzip", b"no gzip".to_vec())).await.http, 400);
    assert_eq!(phone.send(coded("br", hierarchy("0"))).await.http, 415);
}

#[tokio::test]
async fn large_answers_are_compressed_for_those_who_read_it() {
    let home = Home::with(|c| c.eas.require_provisioning = false).await;
    let phone = home.phone("A");
    for n in 0..40 {
        let name = format!("A folder with a long name, number {n}");
        let request = Element::new(folderhierarchy::FOLDER_CREATE)
            .with_text(
                folderhierarchy::SYNC_KEY,
                phone.folder_sync("0").await.tree().text_of(folderhierarchy::SYNC_KEY).unwrap().to_owned(),
            )
            .with_text(folderhierarchy::PARENT_ID, "0")
            .with_text(folderhierarchy::DISPLAY_NAME, name)
            .with_text(folderhierarchy::TYPE, "12");
        assert_eq!(phone.post("FolderCreate", &request).await.status(), 1);
    }
    let request = phone
        .request("POST", &phone.query("FolderSync"))
        .header("Accept-Encoding", "gzip, deflate")
        .body(Body::from(hierarchy("0")))
        .unwrap();
    let packed = phone.send(request).await;
    let plain = phone.folder_sync("0").await;
    assert_eq!(packed.header("Content-Encoding"), "gzip");
    assert_eq!(plain.header("Content-Encoding"), "");
    let mut unpacked = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&packed.body[..]), &mut unpacked).unwrap();
    assert_eq!(unpacked.len(), plain.body.len());
    assert!(packed.body.len() < plain.body.len() / 2);
}

/// Android tries an account with the same id on every phone: nothing is kept.
#[tokio::test]
async fn a_probe_leaves_no_trace() {
    let home = Home::new().await;
    let mut probe = home.phone("validate");
    assert_eq!(probe.folder_sync("0").await.status(), 142);
    probe.provision().await;
    assert_eq!(probe.folder_sync("0").await.status(), 144);
    let open = Home::with(|c| c.eas.require_provisioning = false).await;
    let probe = open.phone("validate");
    let answer = probe.folder_sync("0").await.tree();
    let key = answer.text_of(folderhierarchy::SYNC_KEY).unwrap();
    assert_eq!(probe.folder_sync(key).await.status(), 9);
    let sync = Element::new(wbxml::airsync::SYNC);
    assert_eq!(probe.post("Sync", &sync).await.status(), 108);
    for home in [home, open] {
        assert!(devices(&home.eas.mailbox.store().read().unwrap(), home.ann).unwrap().is_empty());
    }
}

/// A request that waits keeps what it asks and nothing of its body.
#[tokio::test]
async fn what_waits_keeps_no_body() {
    struct Whole(Vec<u8>, Arc<AtomicBool>);
    impl AsRef<[u8]> for Whole {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    impl Drop for Whole {
        fn drop(&mut self) {
            self.1.store(true, Ordering::SeqCst);
        }
    }
    let home = Home::new().await;
    let phone = home.ready("PHONE1").await;
    let folder = home.eas.mailbox.view(Acting::account(home.ann.0)).unwrap();
    let inbox = folder.by_role(OwnerId(home.ann.0), Role::Inbox).unwrap().id.0.to_string();
    let collection = |key: String| {
        let one = Element::new(airsync::COLLECTION)
            .with_text(airsync::SYNC_KEY, key)
            .with_text(airsync::COLLECTION_ID, inbox.clone());
        Element::new(airsync::SYNC).with(Element::new(airsync::COLLECTIONS).with(one))
    };
    let begun = phone.post("Sync", &collection("0".into())).await.tree();
    let path = [airsync::COLLECTIONS, airsync::COLLECTION, airsync::SYNC_KEY];
    let key = begun.at(&path).and_then(Element::text).unwrap().to_owned();
    let synced = phone.post("Sync", &collection(key.clone())).await;
    let key = match synced.body.is_empty() {
        true => key,
        false => synced.tree().at(&path).and_then(Element::text).unwrap().to_owned(),
    };
    let folders =
        Element::new(ping::FOLDERS).with(Element::new(ping::FOLDER).with_text(ping::ID, inbox.clone()));
    for (command, asked) in [
        ("Sync", collection(key).with_number(airsync::HEARTBEAT_INTERVAL, 600)),
        ("Ping", Element::new(ping::PING).with_number(ping::HEARTBEAT_INTERVAL, 600).with(folders)),
    ] {
        let gone = Arc::new(AtomicBool::new(false));
        let body = Bytes::from_owner(Whole(encode(&asked), gone.clone()));
        let request = phone.request("POST", &phone.query(command)).body(Body::from(body)).unwrap();
        let parked = async {
            while home.eas.parked.is_empty() || !gone.load(Ordering::SeqCst) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            answer = phone.send(request) => panic!("{command}: {answer:?}"),
            () = parked => {}
            () = tokio::time::sleep(Duration::from_secs(20)) => panic!("{command} keeps its body"),
        }
    }
    assert_eq!(phone.post_bytes("Ping", vec![0; (64 << 10) + 1]).await.http, 413);
}
