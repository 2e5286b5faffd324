//! Drafts that more than one phone writes.

use folkmoot::net::Listener;
use wbxml::{Element, airsync, email};

use crate::phone::{Ask, Phone};
use crate::support::TestServer;

const USER: &str = "ann@example.test";
const PASSWORD: &str = "password of ann";
/// The type of the Drafts folder. MS-ASCMD §2.2.3.186.3.
const DRAFTS: u8 = 3;

fn subject(text: &str) -> Element<'static> {
    Element::new(airsync::APPLICATION_DATA).with_text(email::SUBJECT, text.to_owned())
}

fn change(id: &str, text: &str) -> Ask {
    let change =
        Element::new(airsync::CHANGE).with_text(airsync::SERVER_ID, id.to_owned()).with(subject(text));
    Ask { commands: vec![change], ..Ask::default() }
}

/// A phone that was asleep does not undo what was written meanwhile. MS-ASCMD §2.2.3.34.
#[tokio::test(flavor = "multi_thread")]
async fn a_stale_draft_does_not_replace_a_newer_one() {
    let server = TestServer::start().await;
    server.account(USER, PASSWORD).await;
    let mut phones = Vec::new();
    for device in ["OLD", "NEW"] {
        let mut phone = Phone::new(server.address(Listener::Http), USER, PASSWORD, device);
        phone.provision().await;
        phone.folder_sync().await;
        phones.push(phone);
    }
    let [old, new] = &mut phones[..] else { panic!("two phones") };
    let drafts = old.folder(DRAFTS);
    assert!(old.sync_all(&drafts, &Ask::default()).await);
    let add = Element::new(airsync::ADD).with_text(airsync::CLIENT_ID, "c1").with(subject("first"));
    let added = old.sync(&drafts, &Ask { commands: vec![add], ..Ask::default() }).await;
    let [(id, 1)] = &added.responses[..] else { panic!("{added:?}") };
    assert!(new.sync_all(&drafts, &Ask::default()).await);
    assert_eq!(new.sync(&drafts, &change(id, "newer")).await.responses, []);

    // The phone's own copy of what it added, as it would have kept it.
    old.collection(&drafts).items.insert(id.clone(), Default::default());
    let refused = old.sync(&drafts, &change(id, "stale")).await;
    assert_eq!((refused.responses, refused.changed), (vec![(id.clone(), 7)], vec![id.clone()]));
    assert_eq!(old.collection(&drafts).items[id]["Email:Subject"], "newer");
    assert!(new.sync(&drafts, &Ask::default()).await.empty, "nothing changed");

    assert_eq!(old.sync(&drafts, &change(id, "agreed")).await.responses, []);
    assert_eq!(&new.sync(&drafts, &Ask::default()).await.changed, std::slice::from_ref(id));
    assert_eq!(new.collection(&drafts).items[id]["Email:Subject"], "agreed");
    assert!(server.running.shutdown().await);
}
