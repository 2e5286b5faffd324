//! Sync requests that leave collections to the server's memory, and answers to them that get lost.

use folkmoot::net::Listener;

use crate::lmtp::{Lmtp, message};
use crate::phone::{Ask, Form, Phone};
use crate::support::TestServer;

const USER: &str = "alice@example.test";
const PASSWORD: &str = "correct horse battery";
const VERSIONS: [&str; 3] = ["12.1", "14.1", "16.1"];

/// A server, and phones of all versions that have caught up with Inbox and Trash.
async fn world() -> (TestServer, Vec<Phone>, String, String) {
    let server = TestServer::start().await;
    server.account(USER, PASSWORD).await;
    let mut phones = Vec::new();
    for version in VERSIONS {
        let device = format!("PHONE{}", phones.len());
        let mut phone = Phone::new(server.address(Listener::Http), USER, PASSWORD, &device).version(version);
        phone.provision().await;
        phone.folder_sync().await;
        for kind in [2, 4] {
            assert!(phone.sync_all(&phone.folder(kind), &Ask::default()).await);
        }
        phones.push(phone);
    }
    let (inbox, trash) = (phones[0].folder(2), phones[0].folder(4));
    (server, phones, inbox, trash)
}

async fn deliver(server: &TestServer, subject: &str) {
    let mut lmtp = Lmtp::connect(server.address(Listener::Lmtp)).await.unwrap();
    assert_eq!(lmtp.deliver(USER, &message(subject, "Some text.")).await.unwrap(), 250);
}

/// Sends a request that names no collection; the items it adds to `folder`, or the status of the request.
async fn short(phone: &mut Phone, form: Form, folder: &str, lost: bool) -> Result<usize, u8> {
    let brought = phone.sync_many(&[], &Ask { form, lost, ..Ask::default() }).await;
    match brought.get("") {
        Some(refused) => Err(refused.status),
        None => Ok(brought.get(folder).map_or(0, |brought| brought.added.len())),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_a_short_request_loses_no_mail() {
    let (server, phones, inbox, _) = world().await;
    for mut phone in phones {
        for form in [Form::Empty, Form::Partial] {
            let whole = Ask::default();
            assert!(phone.sync_all(&inbox, &whole).await);
            assert_eq!(short(&mut phone, form, &inbox, false).await, Ok(0));
            deliver(&server, "first").await;
            assert_eq!(short(&mut phone, form, &inbox, true).await, Ok(0), "the answer is lost");
            assert_eq!(short(&mut phone, form, &inbox, false).await, Err(13), "which answer has it?");
            assert_eq!(phone.sync(&inbox, &whole).await.added.len(), 1);

            // What it has is certain again once it says so.
            assert_eq!(short(&mut phone, form, &inbox, false).await, Err(13));
            assert!(phone.sync(&inbox, &whole).await.empty);
            deliver(&server, "second").await;
            assert_eq!(short(&mut phone, form, &inbox, false).await, Ok(1));
        }
    }
    assert!(server.running.shutdown().await, "something had to be cut");
}

/// Who asks on the connection on which an answer was sent has it: nothing is lost or told twice.
#[tokio::test(flavor = "multi_thread")]
async fn on_one_connection_answers_have_arrived() {
    let (server, phones, inbox, _) = world().await;
    for mut phone in phones {
        phone.keep_line();
        assert!(phone.sync_all(&inbox, &Ask::default()).await);
        for form in [Form::Empty, Form::Partial, Form::Empty] {
            deliver(&server, "more").await;
            assert_eq!(short(&mut phone, form, &inbox, false).await, Ok(1));
            assert_eq!(short(&mut phone, form, &inbox, false).await, Ok(0));
        }
        // On another one nobody knows, nor behind a proxy.
        deliver(&server, "more").await;
        assert_eq!(short(&mut phone, Form::Empty, &inbox, false).await, Ok(1));
        phone.keep_line();
        assert_eq!(short(&mut phone, Form::Empty, &inbox, false).await, Err(13));
        phone.headers = "X-Forwarded-For: 192.0.2.1\r\n";
        assert!(phone.sync(&inbox, &Ask::default()).await.empty);
        deliver(&server, "more").await;
        assert_eq!(short(&mut phone, Form::Empty, &inbox, false).await, Ok(1));
        assert_eq!(short(&mut phone, Form::Empty, &inbox, false).await, Err(13));
    }
    assert!(server.running.shutdown().await, "something had to be cut");
}

/// Of two answers to one key the first arrived: the server does not take the later one for it.
#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_answer_that_arrived_late() {
    let (server, phones, inbox, _) = world().await;
    for mut phone in phones {
        assert!(phone.sync_all(&inbox, &Ask::default()).await);
        let before = phone.collection(&inbox).key.clone();
        deliver(&server, "first").await;
        assert_eq!(phone.sync(&inbox, &Ask::default()).await.added.len(), 1);
        let arrived = std::mem::replace(&mut phone.collection(&inbox).key, before);
        deliver(&server, "second").await;
        phone.sync(&inbox, &Ask { lost: true, ..Ask::default() }).await;
        phone.collection(&inbox).key = arrived;
        assert_eq!(short(&mut phone, Form::Empty, &inbox, false).await, Err(13));
        assert_eq!(phone.sync(&inbox, &Ask::default()).await.added.len(), 1);
    }
    assert!(server.running.shutdown().await, "something had to be cut");
}

#[tokio::test(flavor = "multi_thread")]
async fn partial_requests_name_what_is_new() {
    let (server, phones, inbox, trash) = world().await;
    for mut phone in phones {
        let whole = Ask::default();
        for folder in [&inbox, &trash] {
            assert!(phone.sync_all(folder, &whole).await);
        }
        assert!(phone.sync_many(&[&inbox, &trash], &whole).await.is_empty());
        deliver(&server, "first").await;
        assert_eq!(short(&mut phone, Form::Partial, &inbox, false).await, Ok(1));
        assert_eq!(short(&mut phone, Form::Partial, &inbox, false).await, Err(13));
        // With the new key of the one, the other is as it was.
        let partial = Ask { form: Form::Partial, ..Ask::default() };
        assert!(phone.sync_many(&[&inbox], &partial).await.is_empty());
        let item = phone.collection(&inbox).items.keys().next().unwrap().clone();
        assert_eq!(phone.move_item(&item, &inbox, &trash).await.0, 3);
        phone.collection(&inbox).items.remove(&item);
        deliver(&server, "second").await;
        let brought = phone.sync_many(&[], &partial).await;
        assert_eq!(brought[&inbox].added.len(), 1);
        assert_eq!(brought[&trash].added.len(), 1, "its own move is new to it");
    }
    assert!(server.running.shutdown().await, "something had to be cut");
}

/// Key 0 and commands are never repeated for the client.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_remembered() {
    let (server, phones, inbox, _) = world().await;
    deliver(&server, "first").await;
    for mut phone in phones {
        assert!(phone.sync_all(&inbox, &Ask::default()).await);
        let item = phone.collection(&inbox).items.keys().next().unwrap().clone();
        let read = wbxml::Element::new(wbxml::airsync::APPLICATION_DATA).with_number(wbxml::email::READ, 1);
        let change =
            wbxml::Element::new(wbxml::airsync::CHANGE).with_text(wbxml::airsync::SERVER_ID, item).with(read);
        let commands = Ask { commands: vec![change], ..Ask::default() };
        assert_eq!(phone.sync(&inbox, &commands).await.status, 1);
        for form in [Form::Empty, Form::Partial] {
            assert_eq!(short(&mut phone, form, &inbox, false).await, Err(13));
        }
        phone.collections.remove(&inbox);
        assert_eq!(phone.sync(&inbox, &Ask::default()).await.status, 1);
        for form in [Form::Empty, Form::Partial] {
            assert_eq!(short(&mut phone, form, &inbox, false).await, Err(13));
        }
    }
    assert!(server.running.shutdown().await, "something had to be cut");
}
