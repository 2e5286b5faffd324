//! What devices say about themselves, in Provision and Settings. MS-ASCMD §2.2.3.45.

use wbxml::{Element, settings};

use crate::directory::device::{Information, clipped};

/// Takes over what a device says: the children of DeviceInformation's Set. What it does not say stays
/// as it was.
pub(super) fn take(known: &mut Information, set: &Element<'_>) {
    for (tag, kept) in [
        (settings::MODEL, &mut known.model),
        (settings::IMEI, &mut known.imei),
        (settings::FRIENDLY_NAME, &mut known.friendly_name),
        (settings::OS, &mut known.os),
        (settings::OS_LANGUAGE, &mut known.os_language),
        (settings::PHONE_NUMBER, &mut known.phone_number),
        (settings::MOBILE_OPERATOR, &mut known.mobile_operator),
        (settings::USER_AGENT, &mut known.user_agent),
    ] {
        if let Some(text) = set.text_of(tag) {
            *kept = Some(clipped(text)).filter(|text| !text.is_empty());
        }
    }
}
