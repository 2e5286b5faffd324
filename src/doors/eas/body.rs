//! Compressed request bodies, bounded in size.

use std::io::Read;

use axum::http::header::CONTENT_ENCODING;
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;

/// Up to here a compressed body may be as dense as it likes.
const DENSE_MAX: usize = 1 << 20;
/// Beyond, it may hold this many times its size: no document of ActiveSync is denser.
const RATIO_MAX: usize = 100;

/// How a body is encoded. RFC 9110 §8.4.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Coding {
    Identity,
    Gzip,
}

impl Coding {
    /// `Err` is 415: a coding that we do not read.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, StatusCode> {
        match headers.get(CONTENT_ENCODING).map(|v| v.as_bytes().trim_ascii()) {
            None | Some(b"") => Ok(Self::Identity),
            Some(name) if name.eq_ignore_ascii_case(b"identity") => Ok(Self::Identity),
            Some(name) if name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip") => {
                Ok(Self::Gzip)
            }
            Some(_) => Err(StatusCode::UNSUPPORTED_MEDIA_TYPE),
        }
    }
}

/// Unpacks a gzip body into at most `most` octets.
pub(super) fn unpack(packed: &[u8], most: usize) -> Result<Bytes, StatusCode> {
    let most = most.min(DENSE_MAX.max(packed.len().saturating_mul(RATIO_MAX)));
    let mut unpacked = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let read = MultiGzDecoder::new(packed).take(limit).read_to_end(&mut unpacked);
    if unpacked.len() > most {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    read.map_err(|_| StatusCode::BAD_REQUEST)?;
    Ok(unpacked.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn gzip_within_bounds() {
        assert_eq!(unpack(&packed(b"hello"), 5).unwrap(), "hello");
        assert_eq!(unpack(&packed(b"hello"), 4), Err(StatusCode::PAYLOAD_TOO_LARGE));
        assert_eq!(unpack(b"hello", 100), Err(StatusCode::BAD_REQUEST));
        let whole = packed(&[7; 1_000]);
        assert_eq!(unpack(&whole[..whole.len() - 4], 2_000), Err(StatusCode::BAD_REQUEST));
    }

    #[test]
    fn a_bomb_is_not_unpacked() {
        let bomb = packed(&vec![0; 4 << 20]);
        assert!(bomb.len() < 16 << 10);
        assert_eq!(unpack(&bomb, 1 << 30), Err(StatusCode::PAYLOAD_TOO_LARGE));
    }
}
