//! Bodies that clients send with items that are not mail. MS-ASAIRS §2.2.2.9.

use wbxml::{Element, airsyncbase};

use super::{CONVERSION, Refused};
use crate::message::html::{Links, to_text};

/// Longest body, in octets: what a client's whole request may hold is bounded elsewhere.
const BODY_MAX: usize = 4 << 20;

/// A body as a client sent it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::doors::eas) struct Sent {
    /// As text, with bare line feeds.
    pub(in crate::doors::eas) text: String,
    /// As HTML, where the client sent that.
    pub(in crate::doors::eas) html: Option<String>,
}

impl Sent {
    /// Reads the Body of ApplicationData. `None` where there is none, or one without Data: then it stays
    /// as it is. MS-ASCMD §2.2.3.24.
    pub(in crate::doors::eas) fn read(data: Option<&Element<'_>>) -> Result<Option<Self>, Refused> {
        let Some(body) = data.and_then(|data| data.child(airsyncbase::BODY)) else { return Ok(None) };
        let Some(element) = body.child(airsyncbase::DATA) else { return Ok(None) };
        let octets = element.bytes().unwrap_or_default();
        if octets.len() > BODY_MAX {
            return Err(Refused(CONVERSION));
        }
        let text = std::str::from_utf8(octets).map_err(|_| Refused(CONVERSION))?;
        match body.parse_of::<u8>(airsyncbase::TYPE)?.unwrap_or(1) {
            1 => Ok(Some(Self { text: lines(text), html: None })),
            2 => {
                let plain = to_text(text, Links::Shown, BODY_MAX);
                Ok(Some(Self { text: lines(plain.trim_end()), html: Some(text.to_owned()) }))
            }
            // RTF, and a message, which only mail is.
            _ => Err(Refused(CONVERSION)),
        }
    }
}

fn lines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}
