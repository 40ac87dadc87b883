//! Base64 (RFC 4648): for the credentials of a proxy and for files inside JSON.

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Encodes with the standard alphabet and padding.
#[allow(dead_code, reason = "a build without files and a transport has no use for it")]
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, &byte| (bits << 8) | u32::from(byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = STANDARD.get((bits >> (18 - 6 * place)) as usize & 63).copied().unwrap_or(b'=');
            text.push(if place <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

/// Decodes the standard or the URL-safe alphabet, with or without padding; line breaks are skipped. Returns the position
/// of the first byte that does not belong there as an error.
#[allow(dead_code, reason = "a build without files and a transport has no use for it")]
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, usize> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    let (mut bits, mut digits, mut padding) = (0_u32, 0, 0);
    for (at, byte) in text.bytes().enumerate() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'\r' | b'\n' => continue,
            b'=' if digits >= 2 && digits + padding < 4 => {
                padding += 1;
                continue;
            }
            _ => return Err(at),
        };
        if padding > 0 {
            return Err(at);
        }
        bits = (bits << 6) | u32::from(digit);
        digits += 1;
        if digits == 4 {
            bytes.extend(bits.to_be_bytes().into_iter().skip(1));
            (bits, digits) = (0, 0);
        }
    }
    match digits {
        0 => {}
        // Six bits are no byte.
        1 => return Err(text.len()),
        _ => bytes.extend((bits << (6 * (4 - digits))).to_be_bytes().into_iter().skip(1).take(digits - 1)),
    }
    Ok(bytes)
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
        for (text, at) in [("Zg=x", 3), ("Z", 1), ("=", 0), ("Z===", 1), ("Zm9v!", 4), ("Zg===", 4), ("é", 0)] {
            assert_eq!(decode(text), Err(at), "{text}");
        }
    }
}
