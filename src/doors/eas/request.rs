//! The request line's two query forms and the headers. MS-ASHTTP §2.2.1.1.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub use wbxml::Version;

/// Longest query, in octets.
const QUERY_MAX: usize = 4_096;
/// Longest DeviceId and DeviceType: MS-ASHTTP §2.2.1.1.1.2.5 allows 32 letters and digits for the id.
const DEVICE_ID_MAX: usize = 32;
const DEVICE_TYPE_MAX: usize = 64;

macro_rules! commands {
    ($($name:ident = $code:literal,)*) => {
        /// A command, with its code in the base64 query. MS-ASHTTP §2.2.1.1.1.1.2.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[expect(missing_docs, reason = "the names are the specification's")]
        pub enum Command { $($name = $code,)* }

        impl Command {
            /// Every command.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The command's name in the plain query.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
        }
    };
}

commands! {
    Sync = 0,
    SendMail = 1,
    SmartForward = 2,
    SmartReply = 3,
    GetAttachment = 4,
    FolderSync = 9,
    FolderCreate = 10,
    FolderDelete = 11,
    FolderUpdate = 12,
    MoveItems = 13,
    GetItemEstimate = 14,
    MeetingResponse = 15,
    Search = 16,
    Settings = 17,
    Ping = 18,
    ItemOperations = 19,
    Provision = 20,
    ResolveRecipients = 21,
    ValidateCert = 22,
    Find = 23,
}

impl Command {
    fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|c| c.name() == name)
    }

    fn of_code(code: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|c| *c as u8 == code)
    }
}

/// Why a request line is no request of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadQuery {
    /// Not of either form, or a field out of its bounds: HTTP 400.
    Malformed,
    /// A command that does not exist: HTTP 501.
    UnknownCommand,
    /// A version that we do not speak: HTTP 400 or Status 138.
    UnknownVersion,
}

/// What a request line says, in either form.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Query {
    /// The command.
    pub command: Command,
    /// The protocol version; the plain form has it in a header.
    pub version: Option<Version>,
    /// The device, as it calls itself.
    pub device_id: String,
    /// What sort of device it is.
    pub device_type: String,
    /// The user named in the query; who is logged in counts, not this.
    pub user: Option<String>,
    /// The policy key of the base64 form; the plain form has it in a header.
    pub policy_key: Option<u32>,
    /// AttachmentName.
    pub attachment_name: Option<String>,
    /// CollectionId.
    pub collection_id: Option<String>,
    /// ItemId.
    pub item_id: Option<String>,
    /// LongId.
    pub long_id: Option<String>,
    /// Occurrence.
    pub occurrence: Option<String>,
    /// SaveInSent.
    pub save_in_sent: bool,
    /// AcceptMultiPart; the plain form has it in a header.
    pub accept_multipart: bool,
}

impl Query {
    /// Reads the part of the request line behind the question mark.
    pub fn parse(query: &str) -> Result<Self, BadQuery> {
        if query.len() > QUERY_MAX {
            return Err(BadQuery::Malformed);
        }
        // Only the plain form has a name before its first `=`; base64 ends in it, if at all.
        let trimmed = query.trim_end_matches('=');
        if trimmed.contains('=') || trimmed.contains('&') { plain(query) } else { base64(trimmed) }
    }

    /// True for the device id with which Android tries an account.
    pub fn is_probe(&self) -> bool {
        self.device_id.eq_ignore_ascii_case("validate")
    }

    fn new(command: Command, device_id: &str, device_type: &str) -> Result<Self, BadQuery> {
        let id_fits = (1..=DEVICE_ID_MAX).contains(&device_id.len());
        let type_fits = (1..=DEVICE_TYPE_MAX).contains(&device_type.len());
        // Some clients put a hyphen or a dot into their id; nothing that could be a path or a header.
        let id_good = device_id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.{}".contains(&b));
        let type_good = device_type.chars().all(|c| !c.is_control());
        if !(id_fits && type_fits && id_good && type_good) || device_id.contains("..") {
            return Err(BadQuery::Malformed);
        }
        Ok(Self {
            command,
            version: None,
            device_id: device_id.to_owned(),
            device_type: device_type.to_owned(),
            user: None,
            policy_key: None,
            attachment_name: None,
            collection_id: None,
            item_id: None,
            long_id: None,
            occurrence: None,
            save_in_sent: false,
            accept_multipart: false,
        })
    }
}

/// A version as it stands in MS-ASProtocolVersion.
pub(super) fn version_text(version: Version) -> &'static str {
    match version {
        Version::V12_1 => "12.1",
        Version::V14_0 => "14.0",
        Version::V14_1 => "14.1",
        Version::V16_0 => "16.0",
        Version::V16_1 => "16.1",
    }
}

/// Reads a version as it stands in MS-ASProtocolVersion. Versions before 12.1 are not spoken.
pub(super) fn version_of(text: &str) -> Option<Version> {
    match text.trim() {
        "12.1" => Some(Version::V12_1),
        "14.0" => Some(Version::V14_0),
        "14.1" => Some(Version::V14_1),
        "16.0" => Some(Version::V16_0),
        "16.1" => Some(Version::V16_1),
        _ => None,
    }
}

/// MS-ASHTTP §2.2.1.1.1.2. Parameters may stand in any order; unknown ones are left alone.
fn plain(query: &str) -> Result<Query, BadQuery> {
    let mut values: HashMap<String, String> = HashMap::new();
    for pair in query.split('&').filter(|p| !p.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or(BadQuery::Malformed)?;
        let value = percent_decoded(value).ok_or(BadQuery::Malformed)?;
        if values.insert(name.to_ascii_lowercase(), value).is_some() {
            return Err(BadQuery::Malformed);
        }
    }
    let get = |name: &str| values.get(name).map_or("", String::as_str);
    let command = match get("cmd") {
        "" => return Err(BadQuery::Malformed),
        name => Command::of_name(name).ok_or(BadQuery::UnknownCommand)?,
    };
    let mut parsed = Query::new(command, get("deviceid"), get("devicetype"))?;
    let mut take = |name: &str| values.remove(name);
    parsed.user = take("user");
    parsed.attachment_name = take("attachmentname");
    parsed.collection_id = take("collectionid");
    parsed.item_id = take("itemid");
    parsed.long_id = take("longid");
    parsed.occurrence = take("occurrence");
    parsed.save_in_sent = take("saveinsent").as_deref() == Some("T");
    Ok(parsed)
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let high = char::from(rest.next()?).to_digit(16)?;
                let low = char::from(rest.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            b'+' => b' ',
            other => other,
        });
    }
    // Outlook writes the user in ISO-8859-1; it is only shown in the log.
    Some(String::from_utf8(bytes).unwrap_or_else(|e| e.into_bytes().into_iter().map(char::from).collect()))
}

/// MS-ASHTTP §2.2.1.1.1.1: octets in a fixed order, then parameters.
fn base64(trimmed: &str) -> Result<Query, BadQuery> {
    let padded = format!("{trimmed}{}", "=".repeat((4 - trimmed.len() % 4) % 4));
    let bytes = STANDARD.decode(percent_decoded_base64(&padded)).map_err(|_| BadQuery::Malformed)?;
    let mut fields = Fields(&bytes);
    let version = match fields.octet()? {
        121 => Version::V12_1,
        140 => Version::V14_0,
        141 => Version::V14_1,
        160 => Version::V16_0,
        161 => Version::V16_1,
        _ => return Err(BadQuery::UnknownVersion),
    };
    let command = Command::of_code(fields.octet()?).ok_or(BadQuery::UnknownCommand)?;
    let _locale = (fields.octet()?, fields.octet()?);
    let device_id = device_id(fields.counted()?);
    let policy_key = match fields.counted()? {
        [] => None,
        key => Some(u32::from_le_bytes(key.try_into().map_err(|_| BadQuery::Malformed)?)),
    };
    let device_type = text(fields.counted()?)?;
    let mut parsed = Query::new(command, &device_id, &device_type)?;
    parsed.version = Some(version);
    parsed.policy_key = policy_key;
    while !fields.0.is_empty() {
        let tag = fields.octet()?;
        let value = fields.counted()?;
        match tag {
            0 => parsed.attachment_name = Some(text(value)?),
            1 => parsed.collection_id = Some(text(value)?),
            3 => parsed.item_id = Some(text(value)?),
            4 => parsed.long_id = Some(text(value)?),
            6 => parsed.occurrence = Some(text(value)?),
            7 => {
                let [options] = value else { return Err(BadQuery::Malformed) };
                parsed.save_in_sent = options & 0x01 != 0;
                parsed.accept_multipart = options & 0x02 != 0;
            }
            8 => parsed.user = Some(text(value)?),
            // Reserved; a later version may use them.
            _ => {}
        }
    }
    Ok(parsed)
}

/// A `+` or `/` may come percent-encoded; a `+` never means a space here.
fn percent_decoded_base64(text: &str) -> Vec<u8> {
    text.replace("%2B", "+").replace("%2b", "+").replace("%2F", "/").replace("%2f", "/").into_bytes()
}

/// A device id may be text, or the octets of a GUID, which are written in hexadecimal.
fn device_id(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.bytes().all(|b| b.is_ascii_graphic()) => text.to_owned(),
        _ => bytes.iter().map(|b| format!("{b:02X}")).collect(),
    }
}

fn text(bytes: &[u8]) -> Result<String, BadQuery> {
    String::from_utf8(bytes.to_vec()).map_err(|_| BadQuery::Malformed)
}

struct Fields<'b>(&'b [u8]);

impl<'b> Fields<'b> {
    fn octet(&mut self) -> Result<u8, BadQuery> {
        let (first, rest) = self.0.split_first().ok_or(BadQuery::Malformed)?;
        self.0 = rest;
        Ok(*first)
    }

    fn counted(&mut self) -> Result<&'b [u8], BadQuery> {
        let len = usize::from(self.octet()?);
        let (value, rest) = self.0.split_at_checked(len).ok_or(BadQuery::Malformed)?;
        self.0 = rest;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The sample of MS-ASHTTP §4.
    #[test]
    fn base64_query() {
        let query = Query::parse("jAAJBAp2MTQwRGV2aWNlAApTbWFydFBob25l").unwrap();
        assert_eq!(query.command, Command::Sync);
        assert_eq!(query.version, Some(Version::V14_0));
        assert_eq!((query.device_id.as_str(), query.device_type.as_str()), ("v140Device", "SmartPhone"));
        assert_eq!(query.policy_key, None);
    }

    #[test]
    fn plain_query_in_any_order() {
        let query = Query::parse(
            "DeviceType=SP&SaveInSent=T&Cmd=SmartReply&User=a%40b&ItemId=5%3a7&CollectionId=5&DeviceId=X1",
        )
        .unwrap();
        assert_eq!(query.command, Command::SmartReply);
        assert_eq!((query.item_id.as_deref(), query.collection_id.as_deref()), (Some("5:7"), Some("5")));
        assert!(query.save_in_sent);
        assert_eq!(query.user.as_deref(), Some("a@b"));
    }

    #[test]
    fn what_is_refused() {
        for (query, why) in [
            ("", BadQuery::Malformed),
            ("Cmd=Sync", BadQuery::Malformed),
            ("Cmd=Fly&DeviceId=a&DeviceType=b", BadQuery::UnknownCommand),
            ("Cmd=Sync&DeviceId=../x&DeviceType=b", BadQuery::Malformed),
            ("Cmd=Sync&DeviceId=a%0d%0ab&DeviceType=b", BadQuery::Malformed),
            ("Cmd=Sync&Cmd=Ping&DeviceId=a&DeviceType=b", BadQuery::Malformed),
            ("jP8JBAp2MTQwRGV2aWNlAApTbWFydFBob25l", BadQuery::UnknownCommand),
            ("jAAJBAp2MTQwRGV2aWNl", BadQuery::Malformed),
            ("jAAJBAAACg==", BadQuery::Malformed),
            ("!!!!", BadQuery::Malformed),
        ] {
            assert_eq!(Query::parse(query), Err(why), "{query}");
        }
        let long = format!("Cmd=Sync&DeviceId={}&DeviceType=b", "a".repeat(65_536));
        assert_eq!(Query::parse(&long), Err(BadQuery::Malformed));
    }

    proptest! {
        #[test]
        fn never_panics(query in ".{0,200}") {
            let _ = Query::parse(&query);
        }

        #[test]
        fn never_panics_on_octets(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Query::parse(&STANDARD.encode(bytes));
        }
    }
}
