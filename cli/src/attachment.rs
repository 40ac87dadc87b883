//! Files that go along with a prompt.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use openrouter_kit::models::ChatContentPart;

use crate::exit::Failure;

/// Reads an attachment: a path, a URL, or `-` for standard input.
pub(crate) fn read(source: &str) -> Result<ChatContentPart, Failure> {
    if source == "-" {
        return recognize("", &read_stdin_bytes()?);
    }
    if is_url(source) {
        return Ok(of_url(source));
    }
    let bytes = fs::read(source).map_err(|error| Failure::Usage(format!("{source}: {error}")))?;
    let name = Path::new(source).file_name().unwrap_or_default().to_string_lossy();
    recognize(&name, &bytes)
}

/// Reads an image as a URL: that of the user, or a `data:` URL of a file.
pub(crate) fn read_image(source: &str) -> Result<String, Failure> {
    match read(source)? {
        ChatContentPart::ImageUrl(image) => Ok(image.image_url.url),
        _ => Err(Failure::Usage(format!("{source} is not an image"))),
    }
}

fn is_url(source: &str) -> bool {
    ["https://", "http://", "data:"].iter().any(|scheme| source.starts_with(scheme))
}

/// The provider fetches the URL. Its path or media type determines what it is; without a hint it is an image.
fn of_url(url: &str) -> ChatContentPart {
    let path = url.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    let is = |kind: &str, extensions: &[&str]| {
        url.starts_with(&format!("data:{kind}")) || extensions.iter().any(|extension| path.ends_with(extension))
    };
    if is("video/", &[".mp4", ".mov", ".webm", ".mpeg"]) {
        return ChatContentPart::video_url(url);
    }
    if is("application/pdf", &[".pdf"]) {
        let name = path.rsplit('/').next().filter(|name| name.ends_with(".pdf")).unwrap_or("file.pdf");
        return ChatContentPart::file(name, url);
    }
    ChatContentPart::image_url(url)
}

/// Finds out what a file is by its first bytes, or else by its name.
fn recognize(name: &str, bytes: &[u8]) -> Result<ChatContentPart, Failure> {
    ChatContentPart::from_bytes(name, bytes).map_err(|_| {
        let name = if name.is_empty() { "standard input" } else { name };
        let advice = "is not an image, document, recording or video in a known format; add text with `-f`";
        Failure::Usage(format!("{name} {advice}"))
    })
}

/// Reads text to add to a prompt: a path, or `-` for standard input. Content of a file is marked with its name.
pub(crate) fn read_text(source: &str) -> Result<String, Failure> {
    if source == "-" {
        return read_stdin();
    }
    let text = fs::read_to_string(source).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => Failure::Usage(format!("{source} is not text; attach it with `-a`")),
        _ => Failure::Usage(format!("{source}: {error}")),
    })?;
    Ok(format!("--- {source} ---\n{}", text.trim_end()))
}

/// Reads standard input to its end.
pub(crate) fn read_stdin_bytes() -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes).map_err(|error| Failure::io("standard input cannot be read", error))?;
    Ok(bytes)
}

/// Reads text from standard input.
pub(crate) fn read_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => Failure::Usage("standard input is not text; attach it with `-a -`".to_owned()),
        _ => Failure::io("standard input cannot be read", error),
    })?;
    Ok(text.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_attached_as_what_its_path_says() {
        let kind = |url: &str| serde_json::to_value(of_url(url)).map(|part| part["type"].clone());
        for (url, expected) in [
            ("https://example.com/a.PNG?x=1.mp4", "image_url"),
            ("https://example.com/a.mp4?token=1", "video_url"),
            ("https://example.com/paper.pdf", "file"),
            ("data:application/pdf;base64,AA==", "file"),
            ("data:image/png;base64,AA==", "image_url"),
        ] {
            assert_eq!(kind(url).ok(), Some(expected.into()), "{url}");
        }
    }

    #[test]
    fn a_file_is_recognized_by_its_content() {
        assert!(recognize("x", b"\x89PNG\r\n\x1a\n....").is_ok());
        assert!(recognize("x", b"%PDF-1.7").is_ok());
        assert!(matches!(recognize("x", b"RIFF\0\0\0\0WAVEfmt "), Ok(ChatContentPart::InputAudio(_))));
        assert!(matches!(recognize("x.unknown", b"hello"), Err(Failure::Usage(_))));
    }
}
