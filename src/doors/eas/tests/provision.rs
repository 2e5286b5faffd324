//! Policies and wipes, as phones of all versions meet them.

use wbxml::{Element, ping, provision, settings};

use super::phone::policy;
use super::{Answer, Home, Phone};
use crate::directory::device::{self, Device, WipeState};
use crate::mailbox::{OwnerId, Place};

const VERSIONS: [&str; 5] = ["12.1", "14.0", "14.1", "16.0", "16.1"];

fn stored(home: &Home, id: &str) -> Device {
    device::device(&home.eas.mailbox.store().read().unwrap(), home.ann, id).unwrap().unwrap()
}

async fn wipe(home: &Home, id: &'static str, account_only: bool) {
    let (account, now) = (home.ann, home.clock.now());
    let store = home.eas.mailbox.store();
    let asked = store.write_async(move |tx| device::request_wipe(tx, now, account, id, account_only));
    asked.await.unwrap();
}

fn acknowledgement(account_only: bool, status: u8) -> Element<'static> {
    let tag = if account_only { provision::ACCOUNT_ONLY_REMOTE_WIPE } else { provision::REMOTE_WIPE };
    Element::new(provision::PROVISION).with(Element::new(tag).with_number(provision::STATUS, status))
}

#[tokio::test]
async fn no_folders_without_a_policy_at_any_version() {
    let home = Home::new().await;
    for (n, version) in VERSIONS.into_iter().enumerate() {
        let due = |status: u16| if version == "12.1" { 449 } else { status };
        let mut phone = Phone { version, ..home.phone(&format!("V{n}")) };
        assert_eq!(phone.folder_sync("0").await.status(), due(142));
        let temporary = phone.ask_policy().await;
        assert_eq!(Phone { key: temporary, ..phone.clone() }.folder_sync("0").await.status(), due(144));
        assert_eq!(phone.acknowledge(temporary ^ 1, 1).await, (5, None));
        let (status, key) = phone.acknowledge(temporary, 1).await;
        assert_eq!(status, 1);
        assert_ne!(key, Some(temporary));
        assert_eq!(phone.acknowledge(temporary, 1).await, (1, key), "the answer got lost");
        phone.key = key.unwrap();
        assert_eq!(phone.folder_sync("0").await.status(), 1);
        for wrong in [phone.key ^ 1, 1, u32::MAX] {
            assert_eq!(Phone { key: wrong, ..phone.clone() }.folder_sync("0").await.status(), due(144));
        }
        assert_eq!(Phone { key: 0, ..phone.clone() }.folder_sync("0").await.status(), due(142));
    }
    let first = home.ready("A").await;
    let second = Phone { key: first.key, ..home.phone("B") };
    assert_eq!(second.folder_sync("0").await.status(), 144, "the key of another device");
}

#[tokio::test]
async fn a_changed_policy_is_asked_for() {
    let before = Home::new().await;
    let phone = before.ready("A").await;
    assert_eq!(phone.folder_sync("0").await.status(), 1);
    // The same store under another policy, as after a restart.
    let mut config = (*before.eas.config).clone();
    config.eas.policy.device_password_enabled = true;
    let eas = crate::doors::eas::Eas::new(
        before.eas.mailbox.clone(),
        before.eas.directory.clone(),
        before.eas.delivery.clone(),
        std::sync::Arc::new(config),
        before.eas.shutdown.clone(),
        before.eas.metrics.clone(),
    );
    let mut phone = Phone { router: crate::doors::eas::router(std::sync::Arc::new(eas)), ..phone };
    assert_eq!(phone.folder_sync("0").await.status(), 143);
    let temporary = phone.ask_policy().await;
    for (status, refusal) in [(2, 139), (3, 139), (4, 145)] {
        let asked = policy(&[(provision::POLICY_KEY, temporary), (provision::STATUS, status)]);
        assert_eq!(phone.post("Provision", &asked).await.status(), refusal);
    }
    assert_eq!(phone.folder_sync("0").await.status(), 143);
    phone.key = phone.acknowledge(temporary, 1).await.1.unwrap();
    assert_eq!(phone.folder_sync("0").await.status(), 1);
}

#[tokio::test]
async fn an_optional_policy_is_served_and_not_enforced() {
    let home = Home::with(|c| c.eas.require_provisioning = false).await;
    let mut phone = home.phone("A");
    assert_eq!(phone.folder_sync("0").await.status(), 1);
    phone.provision().await;
    assert_eq!(phone.folder_sync("0").await.status(), 1);
}

#[tokio::test]
async fn device_information_comes_with_it_or_not() {
    let home = Home::new().await;
    let phone = home.phone("A");
    let information = Element::new(settings::DEVICE_INFORMATION).with(
        Element::new(settings::SET)
            .with_text(settings::MODEL, "iPhone\u{1}17")
            .with_text(settings::OS, "x".repeat(10_000))
            .with_text(settings::IMEI, ""),
    );
    let asked = policy(&[]).with(information.clone());
    let answer = phone.post("Provision", &asked).await.tree();
    let told = answer.children().iter().map(Element::tag).collect::<Vec<_>>();
    assert_eq!(told, [settings::DEVICE_INFORMATION, provision::STATUS, provision::POLICIES]);
    let known = stored(&home, "A").information;
    assert_eq!(known.os.unwrap().len(), 256);
    assert_eq!(known.imei, None);
    assert!(!known.model.unwrap().contains('\u{1}'));
    let alone = phone.post("Provision", &Element::new(provision::PROVISION).with(information)).await;
    assert_eq!(alone.status(), 1);
    // What it does not say again stays.
    let number = Element::new(settings::SET).with_text(settings::PHONE_NUMBER, "+49 1");
    let number = policy(&[]).with(Element::new(settings::DEVICE_INFORMATION).with(number));
    assert_eq!(phone.post("Provision", &number).await.status(), 1);
    let known = stored(&home, "A").information;
    assert_eq!((known.os.unwrap().len(), known.phone_number.as_deref()), (256, Some("+49 1")));
    assert!(!phone.post("Provision", &policy(&[])).await.tree().has(settings::DEVICE_INFORMATION));
}

#[tokio::test]
async fn other_types_and_nonsense() {
    let home = Home::new().await;
    let phone = home.phone("A");
    let ask = |policy: Element<'static>| {
        Element::new(provision::PROVISION).with(Element::new(provision::POLICIES).with(policy))
    };
    let old =
        ask(Element::new(provision::POLICY).with_text(provision::POLICY_TYPE, "MS-WAP-Provisioning-XML"));
    let answer = phone.post("Provision", &old).await.tree();
    let told = answer.at(&[provision::POLICIES, provision::POLICY, provision::STATUS]).unwrap();
    assert_eq!(told.text(), Some("3"));
    for bad in [
        ask(Element::new(provision::POLICY)),
        ask(Element::new(provision::STATUS)),
        policy(&[]).with_empty(settings::DEVICE_INFORMATION),
        acknowledgement(false, 9),
    ] {
        assert_eq!(phone.post("Provision", &bad).await.status(), 2, "{bad:?}");
    }
}

#[tokio::test]
async fn a_full_wipe_at_every_version() {
    for version in VERSIONS {
        let due = |status: u16| if version == "12.1" { 449 } else { status };
        let home = Home::new().await;
        let phone = Phone { version, ..home.phone("A") };
        let mut phone = phone;
        phone.provision().await;
        let other = home.ready("B").await;
        wipe(&home, "A", false).await;
        assert_eq!(phone.folder_sync("0").await.status(), due(140));
        let none = other.post("Provision", &acknowledgement(false, 1)).await;
        assert_eq!(none.status(), 2, "another device cannot acknowledge it");
        assert_eq!(stored(&home, "A").wipe.unwrap().state, WipeState::Requested);
        let told = phone.post("Provision", &policy(&[])).await.tree();
        assert!(told.has(provision::REMOTE_WIPE) && !told.has(provision::POLICIES));
        assert_eq!(stored(&home, "A").wipe.unwrap().state, WipeState::Sent, "known before it was told");
        assert_eq!(phone.folder_sync("0").await.status(), due(140));
        assert_eq!(phone.post("Provision", &acknowledgement(false, 1)).await.status(), 1);
        assert_eq!(stored(&home, "A").wipe.unwrap().state, WipeState::Acknowledged);
        assert_eq!(phone.post("Provision", &acknowledgement(false, 1)).await.status(), 1, "asked again");
        let out = if version == "12.1" { 403 } else { 129 };
        assert_eq!(phone.folder_sync("0").await.status(), out);
        assert_eq!(phone.post("Provision", &policy(&[])).await.status(), out);
        assert_eq!(other.folder_sync("0").await.status(), 1, "nobody else is affected");
        let account = home.ann;
        home.eas.mailbox.store().write_async(move |tx| device::allow(tx, account, "A")).await.unwrap();
        assert_eq!(phone.folder_sync("0").await.status(), due(144), "it has to provision anew");
        phone.provision().await;
        assert_eq!(phone.folder_sync("0").await.status(), 1);
    }
}

#[tokio::test]
async fn an_account_only_wipe_needs_16_1() {
    let home = Home::new().await;
    let phone = home.ready("A").await;
    wipe(&home, "A", true).await;
    assert_eq!(phone.folder_sync("0").await.status(), 140);
    let older = Phone { version: "16.0", ..phone.clone() };
    assert_eq!(older.folder_sync("0").await.status(), 129, "an older version gets nothing either");
    assert_eq!(older.post("Provision", &policy(&[])).await.status(), 129);
    let told = phone.post("Provision", &Element::new(provision::PROVISION)).await.tree();
    assert!(told.has(provision::ACCOUNT_ONLY_REMOTE_WIPE));
    assert!(
        phone
            .post("Provision", &acknowledgement(false, 1))
            .await
            .tree()
            .has(provision::ACCOUNT_ONLY_REMOTE_WIPE)
    );
    let failed: Answer = phone.post("Provision", &acknowledgement(true, 2)).await;
    assert_eq!(failed.status(), 1);
    assert_eq!(stored(&home, "A").wipe.unwrap().state, WipeState::Failed);
    assert_eq!(phone.folder_sync("0").await.status(), 140, "it is asked again");
    assert!(phone.post("Provision", &policy(&[])).await.tree().has(provision::ACCOUNT_ONLY_REMOTE_WIPE));
    assert_eq!(phone.post("Provision", &acknowledgement(true, 1)).await.status(), 1);
    assert_eq!(phone.folder_sync("0").await.status(), 129);
}

/// A stolen phone must not sit out its heartbeat.
#[tokio::test]
async fn a_phone_that_waits_hears_of_its_wipe() {
    let home = Home::new().await;
    let phone = home.ready("A").await;
    let ping = Element::new(ping::PING).with_number(ping::HEARTBEAT_INTERVAL, 3_540).with(
        Element::new(ping::FOLDERS)
            .with(Element::new(ping::FOLDER).with_text(ping::ID, "4").with_text(ping::CLASS, "Email")),
    );
    let waiting = tokio::spawn({
        let phone = phone.clone();
        async move { phone.post("Ping", &ping).await.status() }
    });
    while home.eas.parked.is_empty() {
        tokio::task::yield_now().await;
    }
    let place = Place::Tree(OwnerId(home.ann.0));
    home.eas.mailbox.notifier().wake(place);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished(), "woken for nothing it waits on");
    wipe(&home, "A", false).await;
    home.eas.mailbox.notifier().wake(place);
    assert_eq!(waiting.await.unwrap(), 1);
    assert_eq!(phone.folder_sync("0").await.status(), 140);
}
