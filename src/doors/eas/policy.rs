//! The policy document, and whether a device has applied it. MS-ASPROV §2.2.2.

use ring::digest::{SHA256, digest};
use wbxml::{Element, Tag, provision};

use super::request::Version;
use crate::config::Policy;
use crate::directory::device::PolicyDigest;

/// The digest of the configured policy, whatever version a device reads it in.
pub(super) fn digest_of(policy: &Policy) -> PolicyDigest {
    // A struct of numbers and booleans always has a JSON form; were it otherwise, every policy would
    // have the digest of nothing and no change would be noticed, never a panic.
    let text = serde_json::to_vec(policy).unwrap_or_default();
    let mut short = [0; 16];
    short.iter_mut().zip(digest(&SHA256, &text).as_ref()).for_each(|(to, from)| *to = *from);
    PolicyDigest(short)
}

/// True when the policy asks nothing of a device: then each device has applied it.
pub(super) fn asks_nothing(policy: &Policy) -> bool {
    *policy == Policy::default()
}

/// The policy as a device of this version reads it. MS-ASPROV §2.2.2.28.
pub(super) fn document(policy: &Policy, version: Version) -> Element<'static> {
    let all = passwords(policy).into_iter().chain(contents(policy)).chain(permissions(policy));
    Element::new(provision::EAS_PROVISION_DOC).with_all(all.filter(|el| is_sent(el, version)))
}

/// MS-ASWBXML lists two settings for versions up to 16.0 only, MS-ASPROV for 16.1 too: where they demand
/// something a device of 16.1 must hear of it.
fn is_sent(setting: &Element<'_>, version: Version) -> bool {
    setting.tag().is_in(version)
        || version > setting.tag().last_version() && !matches!(setting.text(), Some("" | "0"))
}

/// In the order of MS-ASPROV §6, as are the others.
fn passwords(p: &Policy) -> Vec<Element<'static>> {
    vec![
        flag(provision::DEVICE_PASSWORD_ENABLED, p.device_password_enabled),
        flag(provision::ALPHANUMERIC_DEVICE_PASSWORD_REQUIRED, p.alphanumeric_device_password_required),
        flag(provision::PASSWORD_RECOVERY_ENABLED, p.password_recovery_enabled),
        flag(provision::REQUIRE_STORAGE_CARD_ENCRYPTION, p.require_storage_card_encryption),
        flag(provision::ATTACHMENTS_ENABLED, p.attachments_enabled),
        number(provision::MIN_DEVICE_PASSWORD_LENGTH, p.min_device_password_length),
        limit(provision::MAX_INACTIVITY_TIME_DEVICE_LOCK, p.max_inactivity_time_device_lock),
        limit(provision::MAX_DEVICE_PASSWORD_FAILED_ATTEMPTS, p.max_device_password_failed_attempts),
        limit(provision::MAX_ATTACHMENT_SIZE, p.max_attachment_size),
        flag(provision::ALLOW_SIMPLE_DEVICE_PASSWORD, p.allow_simple_device_password),
        number(provision::DEVICE_PASSWORD_EXPIRATION, p.device_password_expiration),
        number(provision::DEVICE_PASSWORD_HISTORY, p.device_password_history),
    ]
}

fn contents(p: &Policy) -> Vec<Element<'static>> {
    vec![
        flag(provision::ALLOW_STORAGE_CARD, p.allow_storage_card),
        flag(provision::ALLOW_CAMERA, p.allow_camera),
        flag(provision::REQUIRE_DEVICE_ENCRYPTION, p.require_device_encryption),
        flag(provision::ALLOW_UNSIGNED_APPLICATIONS, p.allow_unsigned_applications),
        flag(provision::ALLOW_UNSIGNED_INSTALLATION_PACKAGES, p.allow_unsigned_installation_packages),
        number(provision::MIN_DEVICE_PASSWORD_COMPLEX_CHARACTERS, p.min_device_password_complex_characters),
        flag(provision::ALLOW_WIFI, p.allow_wifi),
        flag(provision::ALLOW_TEXT_MESSAGING, p.allow_text_messaging),
        flag(provision::ALLOW_POP_IMAP_EMAIL, p.allow_popimap_email),
        number(provision::ALLOW_BLUETOOTH, p.allow_bluetooth),
        flag(provision::ALLOW_IRDA, p.allow_irda),
        flag(provision::REQUIRE_MANUAL_SYNC_WHEN_ROAMING, p.require_manual_sync_when_roaming),
        flag(provision::ALLOW_DESKTOP_SYNC, p.allow_desktop_sync),
        number(provision::MAX_CALENDAR_AGE_FILTER, p.max_calendar_age_filter),
        flag(provision::ALLOW_HTML_EMAIL, p.allow_html_email),
        number(provision::MAX_EMAIL_AGE_FILTER, p.max_email_age_filter),
        number(provision::MAX_EMAIL_BODY_TRUNCATION_SIZE, p.max_email_body_truncation_size),
        number(provision::MAX_EMAIL_HTML_BODY_TRUNCATION_SIZE, p.max_email_html_body_truncation_size),
    ]
}

/// The settings about S/MIME are not ours to make: they are sent as what they are without a policy, so
/// that a device that had others from elsewhere lets go of them.
fn permissions(p: &Policy) -> Vec<Element<'static>> {
    vec![
        flag(provision::REQUIRE_SIGNED_SMIME_MESSAGES, false),
        flag(provision::REQUIRE_ENCRYPTED_SMIME_MESSAGES, false),
        number(provision::REQUIRE_SIGNED_SMIME_ALGORITHM, 0_u8),
        number(provision::REQUIRE_ENCRYPTION_SMIME_ALGORITHM, 0_u8),
        number(provision::ALLOW_SMIME_ENCRYPTION_ALGORITHM_NEGOTIATION, 2_u8),
        flag(provision::ALLOW_SMIME_SOFT_CERTS, true),
        flag(provision::ALLOW_BROWSER, p.allow_browser),
        flag(provision::ALLOW_CONSUMER_EMAIL, p.allow_consumer_email),
        flag(provision::ALLOW_REMOTE_DESKTOP, p.allow_remote_desktop),
        flag(provision::ALLOW_INTERNET_SHARING, p.allow_internet_sharing),
        Element::new(provision::UNAPPROVED_IN_ROM_APPLICATION_LIST),
        Element::new(provision::APPROVED_APPLICATION_LIST),
    ]
}

fn flag(tag: Tag, value: bool) -> Element<'static> {
    Element::boolean(tag, value)
}

fn number(tag: Tag, value: impl Into<i128>) -> Element<'static> {
    Element::number(tag, value)
}

/// An element that is empty where there is no limit.
fn limit(tag: Tag, value: impl Into<i128>) -> Element<'static> {
    match value.into() {
        0 => Element::new(tag),
        limit => Element::number(tag, limit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_is_one_element_and_each_change_is_noticed() {
        let lenient = Policy::default();
        let strict = Policy {
            device_password_enabled: true,
            max_device_password_failed_attempts: 8,
            ..Policy::default()
        };
        assert!(asks_nothing(&lenient) && !asks_nothing(&strict));
        assert_ne!(digest_of(&lenient), digest_of(&strict));
        let doc = document(&strict, Version::V14_1);
        assert_eq!(doc.text_of(provision::DEVICE_PASSWORD_ENABLED), Some("1"));
        assert_eq!(doc.text_of(provision::MAX_DEVICE_PASSWORD_FAILED_ATTEMPTS), Some("8"));
        assert_eq!(doc.text_of(provision::MAX_ATTACHMENT_SIZE), Some(""), "no limit is an empty element");
        let mut tags: Vec<_> = doc.children().iter().map(Element::tag).collect();
        let before = tags.len();
        tags.sort();
        tags.dedup();
        assert_eq!(tags.len(), before, "an element stands twice");
    }

    #[test]
    fn only_elements_of_the_version_are_sent() {
        for version in [Version::V12_1, Version::V14_0, Version::V14_1, Version::V16_0, Version::V16_1] {
            let doc = document(&Policy::default(), version);
            assert!(doc.children().iter().all(|el| el.tag().is_in(version)));
        }
        let strict = Policy { max_device_password_failed_attempts: 4, ..Policy::default() };
        assert!(document(&strict, Version::V16_1).has(provision::MAX_DEVICE_PASSWORD_FAILED_ATTEMPTS));
    }
}
