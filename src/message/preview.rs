//! The first words of a message for lists.

use super::body;
use super::html::Links;
use super::limits;
use super::mime::Message;
use super::select::Bodies;

/// Up to [`limits::PREVIEW`] characters of text without links, images and runs of white space.
pub(super) fn of(message: &Message<'_>, bodies: &Bodies) -> String {
    let mut out = Collector::default();
    for part in bodies.text.iter().filter_map(|index| message.parts().get(*index)) {
        if part.media_type != "text" {
            continue;
        }
        let text = body::part_text(message, part, limits::PREVIEW_SOURCE);
        let text = if part.subtype == "html" {
            super::html::to_text(&text, Links::Hidden, limits::PREVIEW * 8)
        } else {
            text
        };
        if out.take(&text) {
            break;
        }
    }
    out.text
}

#[derive(Default)]
struct Collector {
    text: String,
    chars: usize,
}

impl Collector {
    /// Adds the words of `text`; `true` once there is no more room.
    fn take(&mut self, text: &str) -> bool {
        for word in text.split(is_blank).filter(|word| is_shown(word)) {
            let room = limits::PREVIEW.saturating_sub(self.chars + usize::from(self.chars > 0));
            if room == 0 {
                return true;
            }
            if self.chars > 0 {
                self.text.push(' ');
                self.chars += 1;
            }
            let kept = super::charset::truncate_chars(word, room);
            self.text.push_str(kept);
            self.chars += kept.chars().count();
        }
        false
    }
}

/// White space, and the invisible padding bulk mailers fill previews with.
fn is_blank(ch: char) -> bool {
    ch.is_whitespace()
        || ch.is_control()
        || matches!(ch, '\u{200b}'..='\u{200f}' | '\u{feff}' | '\u{ad}' | '\u{34f}' | '\u{2060}' | '\u{fffc}')
}

/// Not a link, a placeholder for an image, a quote mark or a drawn line.
fn is_shown(word: &str) -> bool {
    let inner = word.trim_matches(['<', '>', '[', ']', '(', ')', '"', '\'']);
    let drawn = |ch: char| matches!(ch, '-' | '_' | '=' | '*' | '~' | '#' | '+');
    let starts =
        |prefix: &str| inner.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    !inner.is_empty()
        && !inner.contains("://")
        && !["www.", "cid:", "mailto:", "image:"].into_iter().any(starts)
        && (word.chars().count() < 3 || !word.chars().all(drawn))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{MailRecord, parse};

    fn preview(raw: &str) -> String {
        MailRecord::from_message(&parse(raw.as_bytes())).preview.to_string()
    }

    #[test]
    fn links_images_and_blanks_go() {
        assert_eq!(
            preview("\r\n Hello\r\n\r\n  you  <https://x.test/a>\r\n-----\r\n[cid:a@b] > bye"),
            "Hello you bye"
        );
        assert_eq!(
            preview(
                "Content-Type: text/html\r\n\r\n<style>p{}</style><p>Hi&nbsp;<a href=http://x>there</a><img src=y>\u{200b}"
            ),
            "Hi there"
        );
    }

    #[test]
    fn length_is_in_characters() {
        let raw = format!("Content-Type: text/plain; charset=utf-8\r\n\r\n{}", "äö ".repeat(1_000));
        let preview = preview(&raw);
        assert_eq!(preview.chars().count(), limits::PREVIEW - usize::from(preview.ends_with(' ')));
        assert!(preview.starts_with("äö äö"));
        let long = super::Collector::default();
        let mut long = long;
        assert!(!long.take(&"x".repeat(10_000)));
        assert!(long.take("more"));
        assert_eq!(long.text.len(), limits::PREVIEW);
    }
}
