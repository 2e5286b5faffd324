//! Settings and ResolveRecipients.

use wbxml::{Element, Tag, resolverecipients, settings as tags};

use super::{Home, Phone};
use crate::directory::device;
use crate::directory::{NewAccount, OutOfOffice};

async fn ask(phone: &Phone, property: Element<'static>) -> Element<'static> {
    phone.post("Settings", &Element::new(tags::SETTINGS).with(property)).await.tree()
}

fn status(answer: &Element<'_>, property: Tag) -> u16 {
    assert_eq!(answer.text_of(tags::STATUS), Some("1"), "{answer:?}");
    answer.child(property).unwrap().parse_of(tags::STATUS).unwrap().unwrap()
}

fn oof(state: u8, more: Vec<Element<'static>>) -> Element<'static> {
    let set = Element::new(tags::SET).with_number(tags::OOF_STATE, state).with_all(more);
    Element::new(tags::OOF).with(set)
}

fn message(audience: Tag, enabled: bool, text: &str, kind: &str) -> Element<'static> {
    Element::new(tags::OOF_MESSAGE)
        .with_empty(audience)
        .with_flag(tags::ENABLED, enabled)
        .with_text(tags::REPLY_MESSAGE, text.to_owned())
        .with_text(tags::BODY_TYPE, kind.to_owned())
}

fn times(start: &str, end: &str) -> Vec<Element<'static>> {
    vec![Element::leaf(tags::START_TIME, start.to_owned()), Element::leaf(tags::END_TIME, end.to_owned())]
}

fn get(kind: &str) -> Element<'static> {
    let get = Element::new(tags::GET).with_text(tags::BODY_TYPE, kind.to_owned());
    Element::new(tags::OOF).with(get)
}

#[tokio::test]
async fn out_of_office_is_kept_and_converted() {
    let home = Home::new().await;
    let phone = home.ready("A").await;
    let nothing = ask(&phone, get("Text")).await;
    assert_eq!(nothing.at(&[tags::OOF, tags::GET, tags::OOF_STATE]).unwrap().text(), Some("0"));
    let set = oof(
        2,
        [
            times("2027-01-01T00:00:00.000Z", "2027-01-08T00:00:00.000Z"),
            vec![
                message(tags::APPLIES_TO_INTERNAL, true, "<p>Away &amp; out</p>", "HTML"),
                message(tags::APPLIES_TO_EXTERNAL_UNKNOWN, false, "Gone <b>", "Text"),
            ],
        ]
        .concat(),
    );
    assert_eq!(status(&ask(&phone, set).await, tags::OOF), 1);
    let text = ask(&phone, get("Text")).await;
    let got = text.at(&[tags::OOF, tags::GET]).unwrap();
    assert_eq!(got.text_of(tags::OOF_STATE), Some("2"));
    assert_eq!(got.text_of(tags::START_TIME), Some("2027-01-01T00:00:00.000Z"));
    let texts: Vec<_> =
        got.children_of(tags::OOF_MESSAGE).map(|m| m.text_of(tags::REPLY_MESSAGE).unwrap()).collect();
    assert_eq!(texts, ["Away & out", "", "Gone <b>"]);
    let html = ask(&phone, get("HTML")).await;
    let got = html.at(&[tags::OOF, tags::GET]).unwrap();
    let texts: Vec<_> =
        got.children_of(tags::OOF_MESSAGE).map(|m| m.text_of(tags::REPLY_MESSAGE).unwrap()).collect();
    assert_eq!(texts, ["<p>Away &amp; out</p>", "", "Gone &lt;b&gt;"]);
    assert_eq!(status(&ask(&phone, oof(0, vec![])).await, tags::OOF), 1);
    let kept: OutOfOffice = home.eas.directory.setting(home.ann, OutOfOffice::SETTING).unwrap().unwrap();
    assert!(kept.internal.enabled && !kept.is_away(home.clock.now()), "the texts stay for the next time");
    let bob = home.eas.directory.setting::<OutOfOffice>(home.bob, OutOfOffice::SETTING).unwrap();
    assert_eq!(bob, None);
}

#[tokio::test]
async fn out_of_office_that_is_refused() {
    let home = Home::new().await;
    let phone = home.ready("A").await;
    let (early, late) = ("2027-01-01T00:00:00.000Z", "2027-01-08T00:00:00.000Z");
    let internal = || message(tags::APPLIES_TO_INTERNAL, true, "x", "Text");
    for (set, want) in [
        (oof(1, times(early, late)), 6),
        (oof(2, vec![]), 6),
        (oof(2, vec![Element::leaf(tags::START_TIME, early)]), 6),
        (oof(2, times(late, early)), 5),
        (oof(2, times("tomorrow", late)), 5),
        (oof(3, vec![]), 5),
        (oof(1, vec![internal(), internal()]), 6),
        (oof(1, vec![message(tags::APPLIES_TO_INTERNAL, true, "x", "RTF")]), 5),
        (oof(1, vec![message(tags::APPLIES_TO_INTERNAL, true, &"x".repeat(40_000), "Text")]), 5),
        (oof(1, vec![Element::new(tags::OOF_MESSAGE).with_flag(tags::ENABLED, true)]), 2),
        (Element::new(tags::OOF), 2),
        (Element::new(tags::OOF).with_empty(tags::SET), 2),
        (get("RTF"), 2),
    ] {
        assert_eq!(status(&ask(&phone, set.clone()).await, tags::OOF), want, "{set:?}");
    }
    assert_eq!(home.eas.directory.setting::<OutOfOffice>(home.ann, OutOfOffice::SETTING).unwrap(), None);
}

#[tokio::test]
async fn the_device_says_who_it_is_before_it_provisions() {
    let home = Home::new().await;
    let phone = home.phone("A");
    let set = Element::new(tags::SET).with_text(tags::MODEL, "M").with_text(tags::FRIENDLY_NAME, "Ann's");
    let answer = ask(&phone, Element::new(tags::DEVICE_INFORMATION).with(set)).await;
    assert_eq!(status(&answer, tags::DEVICE_INFORMATION), 1);
    let read = home.eas.mailbox.store().read().unwrap();
    let known = device::device(&read, home.ann, "A").unwrap().unwrap().information;
    assert_eq!((known.model.as_deref(), known.friendly_name.as_deref()), (Some("M"), Some("Ann's")));
    let user = Element::new(tags::USER_INFORMATION).with_empty(tags::GET);
    let both = Element::new(tags::SETTINGS).with(user);
    assert_eq!(phone.post("Settings", &both).await.status(), 142);
}

#[tokio::test]
async fn the_user_by_version() {
    let home = Home::new().await;
    let user = || Element::new(tags::USER_INFORMATION).with_empty(tags::GET);
    let new = home.ready("A").await;
    let answer = ask(&new, user()).await;
    let account = [tags::USER_INFORMATION, tags::GET, tags::ACCOUNTS, tags::ACCOUNT];
    let account = answer.at(&account).unwrap();
    assert_eq!(account.text_of(tags::USER_DISPLAY_NAME), Some("Ann Able"));
    let addresses = account.child(tags::EMAIL_ADDRESSES).unwrap();
    assert_eq!(addresses.text_of(tags::PRIMARY_SMTP_ADDRESS), Some("ann@example.test"));
    let mut old = Phone { version: "14.0", ..home.phone("B") };
    old.provision().await;
    let answer = ask(&old, user()).await;
    let addresses = answer.at(&[tags::USER_INFORMATION, tags::GET, tags::EMAIL_ADDRESSES]).unwrap();
    assert_eq!(addresses.text_of(tags::SMTP_ADDRESS), Some("ann@example.test"));
    assert!(!addresses.has(tags::PRIMARY_SMTP_ADDRESS));
}

#[tokio::test]
async fn recovery_passwords_are_kept_only_by_policy() {
    let password = |text: &str| {
        let set = Element::new(tags::SET).with_text(tags::PASSWORD, text.to_owned());
        Element::new(tags::DEVICE_PASSWORD).with(set)
    };
    let home = Home::new().await;
    let phone = home.ready("A").await;
    assert_eq!(status(&ask(&phone, password("1234")).await, tags::DEVICE_PASSWORD), 7);
    let home = Home::with(|c| c.eas.policy.password_recovery_enabled = true).await;
    let phone = home.ready("A").await;
    assert_eq!(status(&ask(&phone, password("1234")).await, tags::DEVICE_PASSWORD), 1);
    assert_eq!(status(&ask(&phone, password(&"x".repeat(257))).await, tags::DEVICE_PASSWORD), 5);
    let read = home.eas.mailbox.store().read().unwrap();
    let known = device::device(&read, home.ann, "A").unwrap().unwrap();
    assert_eq!(known.recovery_password.as_ref().unwrap().0, "1234");
    assert!(!format!("{known:?}").contains("1234"));
}

#[tokio::test]
async fn the_rest_of_settings() {
    let home = Home::new().await;
    let phone = home.ready("A").await;
    let rights = || Element::new(tags::RIGHTS_MANAGEMENT_INFORMATION).with_empty(tags::GET);
    assert_eq!(status(&ask(&phone, rights()).await, tags::RIGHTS_MANAGEMENT_INFORMATION), 168);
    let mut old = Phone { version: "14.0", ..home.phone("B") };
    old.provision().await;
    for (phone, bad) in [
        (&old, Element::new(tags::SETTINGS).with(rights())),
        (&phone, Element::new(tags::SETTINGS)),
        (&phone, Element::new(tags::SETTINGS).with_empty(tags::SET)),
        (&phone, Element::new(tags::SETTINGS).with(get("Text")).with(get("Text"))),
    ] {
        assert_eq!(phone.post("Settings", &bad).await.status(), 2, "{bad:?}");
    }
}

fn resolve(names: &[&str], options: Element<'static>) -> Element<'static> {
    Element::new(resolverecipients::RESOLVE_RECIPIENTS)
        .with_all(names.iter().map(|name| Element::leaf(resolverecipients::TO, (*name).to_owned())))
        .with(options)
}

#[tokio::test]
async fn recipients_are_found_or_not() {
    use resolverecipients as tags;
    let home = Home::new().await;
    for n in 0..30 {
        let new = NewAccount {
            address: format!("carl{n}@example.test"),
            display_name: format!("Carl {n}"),
            ..NewAccount::default()
        };
        home.eas.directory.insert_account(new, None).await.unwrap();
    }
    let phone = home.ready("A").await;
    let options = Element::new(tags::OPTIONS)
        .with_number(tags::CERTIFICATE_RETRIEVAL, 2)
        .with_number(tags::MAX_AMBIGUOUS_RECIPIENTS, 5)
        .with(
            Element::new(tags::AVAILABILITY)
                .with_text(tags::START_TIME, "2026-11-24T08:00:00.000Z")
                .with_text(tags::END_TIME, "2026-11-24T10:00:00.000Z"),
        )
        .with_empty(tags::PICTURE);
    let asked = resolve(&["bob@example.test", "nobody", "carl", "Carl 7", "bob@other.test"], options);
    let answer = phone.post("ResolveRecipients", &asked).await;
    assert_eq!(answer.status(), 1);
    let answer = answer.tree();
    let told: Vec<_> = answer
        .children_of(tags::RESPONSE)
        .map(|r| {
            let count: usize = r.parse_of(tags::RECIPIENT_COUNT).unwrap().unwrap();
            (r.text_of(tags::STATUS).unwrap(), count, r.children_of(tags::RECIPIENT).count())
        })
        .collect();
    assert_eq!(told, [("1", 1, 1), ("4", 0, 0), ("3", 30, 5), ("1", 1, 1), ("4", 0, 0)]);
    let bob = answer.at(&[tags::RESPONSE, tags::RECIPIENT]).unwrap();
    let order: Vec<_> = bob.children().iter().map(Element::tag).collect();
    assert_eq!(
        order,
        [
            tags::TYPE,
            tags::DISPLAY_NAME,
            tags::EMAIL_ADDRESS,
            tags::AVAILABILITY,
            tags::CERTIFICATES,
            tags::PICTURE
        ]
    );
    let merged = bob.at(&[tags::AVAILABILITY, tags::MERGED_FREE_BUSY]).unwrap();
    assert_eq!(merged.text(), Some("0000"), "an empty calendar is free");
    assert_eq!(bob.at(&[tags::CERTIFICATES, tags::STATUS]).unwrap().text(), Some("7"));
    assert_eq!(bob.at(&[tags::PICTURE, tags::STATUS]).unwrap().text(), Some("173"));
}

#[tokio::test]
async fn the_directory_cannot_be_taken_home() {
    use resolverecipients as tags;
    let home = Home::new().await;
    let phone = home.ready("A").await;
    let none = || Element::new(tags::OPTIONS);
    let many: Vec<String> = (0..10_000).map(|n| format!("name{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let bad_span = none().with(
        Element::new(tags::AVAILABILITY)
            .with_text(tags::START_TIME, "2026-01-01T00:00:00.000Z")
            .with_text(tags::END_TIME, "2027-01-01T00:00:00.000Z"),
    );
    for bad in [
        resolve(&many, none()),
        resolve(&[], none()),
        resolve(&[""], none()),
        resolve(&["bob"], bad_span),
        resolve(&["bob"], none().with_text(tags::MAX_AMBIGUOUS_RECIPIENTS, "-1")),
    ] {
        assert_eq!(phone.post("ResolveRecipients", &bad).await.status(), 5);
    }
}
