//! The first words of a message for lists.

use super::mime::Message;
use super::select::Bodies;
use super::{charset, decode, limits};

/// Up to [`limits::PREVIEW`] characters of text without links, images and runs of white space.
pub(super) fn of(message: &Message<'_>, bodies: &Bodies) -> String {
    let mut out = String::new();
    for index in &bodies.text {
        let Some(part) = message.parts().get(*index) else { continue };
        let bytes = decode::prefix(part.encoding, message.body_bytes(part), limits::PREVIEW_SOURCE);
        let label = message.content_type_params(part).value("charset");
        out.push_str(&charset::decode(label.as_deref(), &bytes));
    }
    charset::truncate_chars(&out, limits::PREVIEW).to_owned()
}
