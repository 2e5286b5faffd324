//! What the classes' tests have in common.

use caldav::Object;
use wbxml::{Element, Tag, Version, airsync, airsyncbase};

use super::{Asker, Change, Out, Refused, Supported, agrees, apply, show};
use crate::directory::{Account, AccountId, Address, DomainId, Kind as AccountKind, Profile};
use crate::doors::eas::render::{BodyPreference, Wishes};
use crate::mailbox::{FolderId, Kind, Uid};

/// 2026-11-24T12:00:00Z.
pub(super) const NOW: i64 = 1_795_521_600;

/// All versions that there are.
pub(super) const VERSIONS: [Version; 5] =
    [Version::V12_1, Version::V14_0, Version::V14_1, Version::V16_0, Version::V16_1];

pub(super) fn account() -> Account {
    Account {
        id: AccountId(7),
        domain: DomainId(1),
        address: Address::parse("anna@example.test").unwrap(),
        aliases: Vec::new(),
        created: 0,
        display_name: "Anna Berg".to_owned(),
        kind: AccountKind::User,
        enabled: true,
        quota_bytes: None,
        services: None,
        listed: None,
        profile: Profile::default(),
    }
}

/// Wishes for whole bodies of a type.
pub(super) fn wishes(kind: u8) -> Wishes {
    let body = BodyPreference { kind, truncation: None, all_or_none: false, preview: None };
    Wishes { bodies: vec![body], ..Wishes::default() }
}

pub(super) fn data(children: impl IntoIterator<Item = Element<'static>>) -> Element<'static> {
    Element::new(airsync::APPLICATION_DATA).with_all(children)
}

pub(super) fn leaf(tag: Tag, text: &str) -> Element<'static> {
    Element::leaf(tag, text.to_owned())
}

pub(super) fn body(kind: u8, text: &str) -> Element<'static> {
    Element::new(airsyncbase::BODY)
        .with_number(airsyncbase::TYPE, kind)
        .with_text(airsyncbase::DATA, text.to_owned())
}

/// One class at one version, of a client that named what it supports, or did not.
pub(super) struct Class {
    pub(super) kind: Kind,
    pub(super) version: Version,
    pub(super) supported: Supported,
}

impl Class {
    pub(super) fn new(kind: Kind, version: Version) -> Self {
        Self { kind, version, supported: Supported::All }
    }

    pub(super) fn apply(&self, current: Option<&[u8]>, data: &Element<'_>) -> Result<String, Refused> {
        let account = account();
        let asker = Asker { version: self.version, account: &account, now: NOW };
        let change = Change {
            data: Some(data),
            instance: None,
            supported: &self.supported,
            version: self.version,
            unique: 0x1234_5678_9abc_def0_1234_5678_9abc_def0,
        };
        let current = current.map(|octets| Object::parse(octets).unwrap());
        let octets = apply(self.kind, current.as_ref(), &change, asker)?;
        Ok(String::from_utf8(octets).unwrap())
    }

    pub(super) fn show(&self, octets: &[u8]) -> Option<Element<'static>> {
        self.show_with(octets, &wishes(1))
    }

    pub(super) fn show_with(&self, octets: &[u8], wishes: &Wishes) -> Option<Element<'static>> {
        let account = account();
        let asker = Asker { version: self.version, account: &account, now: NOW };
        let mut out = Out::new(airsync::APPLICATION_DATA, self.version, wishes, None);
        let object = Object::parse(octets).unwrap();
        show(self.kind, &object, asker, (FolderId(1), Uid(2)), &mut out).then(|| out.into_element())
    }

    /// Asserts that what is sent as something new comes back the same, and is a valid object.
    #[track_caller]
    pub(super) fn survives(&self, sent: &Element<'_>) -> String {
        let stored = self.apply(None, sent).unwrap();
        let told = self.show(stored.as_bytes()).unwrap();
        assert!(
            agrees(None, sent, &told, &self.supported),
            "{:?}\nsent {sent}\nstored {stored}\ntold {told}",
            self.version
        );
        let prepared = crate::objects::Prepared::of(
            self.kind,
            stored.clone().into(),
            &crate::objects::Limits::default(),
        );
        prepared.unwrap_or_else(|e| panic!("{e}\n{stored}"));
        // The same once more changes nothing but what says when.
        let again = self.apply(Some(stored.as_bytes()), sent).unwrap();
        assert_eq!(again, stored);
        stored
    }
}
