//! Address lists as text: what To, Cc, From, ReplyTo and Sender hold.

use crate::message::{Address, charset, header};

/// Longest list in characters. MS-ASEMAIL §2.2.2.18, §2.2.2.79.
const LIST_MAX: usize = 32_768;
/// Longest display name in characters; a longer one is no name.
const NAME_MAX: usize = 512;

/// `"Name" <local@domain>, other@domain`; `None` where there is nobody. A list without a mailbox shows the
/// name of its group, as in `undisclosed-recipients:;`.
pub(super) fn list(addresses: &[Address<'_>]) -> Option<String> {
    let mut out = String::new();
    for one in addresses.iter().filter_map(one) {
        if out.len() + one.len() + 2 > LIST_MAX {
            break;
        }
        if !out.is_empty() {
            out.push_str(", ");
        }
        out.push_str(&one);
    }
    if out.is_empty() { group(addresses) } else { Some(out) }
}

fn group(addresses: &[Address<'_>]) -> Option<String> {
    addresses.iter().find_map(|address| match address {
        Address::GroupStart(name) => {
            let name = header::decode_text(name);
            Some(format!("{}:;", charset::truncate_chars(&name, NAME_MAX)))
        }
        _ => None,
    })
}

/// One mailbox of a list.
fn one(address: &Address<'_>) -> Option<String> {
    let plain = address.address()?;
    let Address::Mailbox { name: Some(name), .. } = address else { return Some(plain) };
    let name = header::decode_text(name);
    let name = charset::truncate_chars(name.trim(), NAME_MAX);
    if name.is_empty() {
        return Some(plain);
    }
    let mut out = String::with_capacity(name.len() + plain.len() + 5);
    out.push('"');
    for c in name.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push_str("\" <");
    out.push_str(&plain);
    out.push('>');
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::parse_addresses;

    fn shown(field: &str) -> Option<String> {
        list(&parse_addresses(field.as_bytes()).0)
    }

    #[test]
    fn names_are_decoded_and_quoted() {
        assert_eq!(shown("a@x.test").as_deref(), Some("a@x.test"));
        assert_eq!(
            shown("=?utf-8?q?J=C3=B6rg?= <j@x.test>, \"B \\\"C\\\"\" <b@x.test>").as_deref(),
            Some("\"J\u{f6}rg\" <j@x.test>, \"B \\\"C\\\"\" <b@x.test>")
        );
        assert_eq!(shown("undisclosed-recipients:;").as_deref(), Some("undisclosed-recipients:;"));
        assert_eq!(shown("friends: a@x.test, b@x.test;").as_deref(), Some("a@x.test, b@x.test"));
        assert_eq!(shown(""), None);
    }

    #[test]
    fn a_list_ends_with_a_whole_address() {
        let many = vec!["somebody@example.test"; 5_000].join(", ");
        let shown = shown(&many).unwrap();
        assert!(shown.len() <= LIST_MAX && shown.ends_with("somebody@example.test"));
    }
}
