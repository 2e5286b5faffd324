//! The numbers of WBXML 1.3 §7.1 and of the header (§5.4-5.6).

/// WBXML 1.3: (major version - 1) in the high bits, minor in the low (§5.4).
pub(crate) const VERSION: u8 = 0x03;
/// "Unknown or missing public identifier" (§7.2), the one which ActiveSync uses.
pub(crate) const PUBLIC_ID: u32 = 0x01;
/// MIBenum of UTF-8 (§5.6).
pub(crate) const UTF_8: u32 = 0x6A;

pub(crate) const SWITCH_PAGE: u8 = 0x00;
pub(crate) const END: u8 = 0x01;
pub(crate) const STR_I: u8 = 0x03;
pub(crate) const STR_T: u8 = 0x83;
pub(crate) const OPAQUE: u8 = 0xC3;

/// Bit of a tag octet: attributes follow (§5.8.2).
pub(crate) const HAS_ATTRIBUTES: u8 = 0x80;
/// Bit of a tag octet: content and END follow.
pub(crate) const HAS_CONTENT: u8 = 0x40;
/// The token itself.
pub(crate) const TOKEN: u8 = 0x3F;

/// The name of a global token that ActiveSync does not use (MS-ASWBXML §2.1: entities, processing
/// instructions and attributes are no part of the algorithm; literals and extensions have no meaning
/// in its code pages).
pub(crate) const fn unused(token: u8) -> Option<&'static str> {
    Some(match token {
        0x02 => "ENTITY",
        0x04 => "LITERAL",
        0x40 => "EXT_I_0",
        0x41 => "EXT_I_1",
        0x42 => "EXT_I_2",
        0x43 => "PI",
        0x44 => "LITERAL_C",
        0x80 => "EXT_T_0",
        0x81 => "EXT_T_1",
        0x82 => "EXT_T_2",
        0x84 => "LITERAL_A",
        0xC0 => "EXT_0",
        0xC1 => "EXT_1",
        0xC2 => "EXT_2",
        0xC4 => "LITERAL_AC",
        _ => return None,
    })
}
