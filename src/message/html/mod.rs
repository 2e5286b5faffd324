//! HTML bodies: to safe HTML, to text, and from text.
//!
//! Everything here reads a flat stream of tags, so neither depth nor disorder of a body costs
//! more than its length. Only what `balance` has put in order, and cut to a small depth, is
//! given to the sanitiser's tree.

mod balance;
mod entity;
mod sanitise;
mod text;
mod token;

pub use sanitise::{Image, keep_image, sanitise};
pub(super) use text::unescape;
pub use text::{Links, escape, from_text, to_text};

/// Control characters that mean nothing in HTML, and that neither XML nor WBXML can carry.
fn is_forbidden(ch: char) -> bool {
    ch.is_control() && !matches!(ch, '\t' | '\r' | '\n')
}

/// The charset a document declares about itself in its first kilobyte, if it does.
pub(super) fn declared_charset(bytes: &[u8]) -> Option<String> {
    let start = bytes.get(..1024).unwrap_or(bytes);
    let text = String::from_utf8_lossy(start).to_ascii_lowercase();
    let meta = text.split("<meta").skip(1).find_map(|meta| meta.split('>').next()?.split_once("charset"))?;
    let value = meta.1.trim_start().strip_prefix('=')?.trim_start().trim_start_matches(['"', '\'']);
    let end = value.find(|ch: char| !(ch.is_ascii_alphanumeric() || matches!(ch, '-' | '_' | ':' | '.')));
    value.get(..end.unwrap_or(value.len())).filter(|label| !label.is_empty()).map(str::to_owned)
}
