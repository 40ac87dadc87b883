//! Base64 (RFC 4648): for the credentials of a proxy and for files inside JSON.

#![cfg_attr(not(feature = "full"), allow(dead_code, reason = "not every namespace needs both directions"))]

use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{DecodeError, Engine as _};

/// Encoding pads; decoding takes both forms, since servers differ.
const fn engine(alphabet: &Alphabet) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(alphabet, config)
}

/// Encodes with the standard alphabet and padding.
pub(crate) fn encode(bytes: &[u8]) -> String {
    engine(&STANDARD).encode(bytes)
}

/// Decodes the standard or the URL-safe alphabet, with or without padding; line breaks are skipped.
/// Returns the position of the first byte that does not belong there as an error.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, usize> {
    let lines: String;
    let digits = if text.contains(['\r', '\n']) {
        lines = text.replace(['\r', '\n'], "");
        &lines
    } else {
        text
    };
    let alphabet = if digits.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    engine(alphabet).decode(digits).map_err(|error| match error {
        DecodeError::InvalidByte(at, _) | DecodeError::InvalidLastSymbol { offset: at, .. } => at,
        DecodeError::InvalidLength(_) | DecodeError::InvalidPadding => digits.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_as_in_rfc_4648() {
        for (plain, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(plain.as_bytes()), encoded);
            assert_eq!(decode(encoded).as_deref(), Ok(plain.as_bytes()));
            assert_eq!(decode(encoded.trim_end_matches('=')).as_deref(), Ok(plain.as_bytes()), "without padding");
        }
        assert_eq!(encode(&[0xfb, 0xff, 0xfe]), "+//+");
        assert_eq!(decode("-__-").as_deref(), Ok(&[0xfb, 0xff, 0xfe][..]), "the alphabet for URLs");
        assert_eq!(decode("Zm9v\r\nYmFy").as_deref(), Ok(&b"foobar"[..]), "lines");
    }

    #[test]
    fn every_byte_survives_encoding_and_decoding() {
        let all: Vec<u8> = (0..=255).collect();
        for length in 0..=all.len() {
            let bytes = &all[..length];
            assert_eq!(decode(&encode(bytes)).as_deref(), Ok(bytes));
        }
    }

    #[test]
    fn what_is_not_base64_is_refused_with_its_position() {
        for (text, at) in [("Zg=x", 2), ("Z", 1), ("=", 0), ("Z===", 1), ("Zm9v!", 4), ("é", 0)] {
            assert_eq!(decode(text), Err(at), "{text}");
        }
    }
}
