//! Images, documents, audio and video in JSON: read from a file or from memory, and written to
//! files.

use std::path::Path;

use crate::Error;
use crate::core::base64;
use crate::errors::{InvalidRequestError, UnexpectedError};

/// The kind of a content part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Image,
    Audio,
    Video,
    /// A file of any kind; the server reads or rejects it.
    Document,
    Pdf,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Image => "an image",
            Self::Audio => "audio",
            Self::Video => "a video",
            Self::Document => "a document",
            Self::Pdf => "a PDF",
        }
    }
}

/// A format: its kind, its media type, and the extensions of its files; the first is its name if an
/// API asks for one.
struct Format(Kind, &'static str, &'static [&'static str]);

const FORMATS: &[Format] = &[
    Format(Kind::Image, "image/png", &["png"]),
    Format(Kind::Image, "image/jpeg", &["jpeg", "jpg"]),
    Format(Kind::Image, "image/gif", &["gif"]),
    Format(Kind::Image, "image/webp", &["webp"]),
    Format(Kind::Image, "image/avif", &["avif"]),
    Format(Kind::Image, "image/heic", &["heic", "heif"]),
    Format(Kind::Image, "image/bmp", &["bmp"]),
    Format(Kind::Image, "image/tiff", &["tiff", "tif"]),
    Format(Kind::Image, "image/svg+xml", &["svg"]),
    Format(Kind::Audio, "audio/wav", &["wav"]),
    Format(Kind::Audio, "audio/mpeg", &["mp3"]),
    Format(Kind::Audio, "audio/flac", &["flac"]),
    Format(Kind::Audio, "audio/ogg", &["ogg", "oga", "opus"]),
    Format(Kind::Audio, "audio/mp4", &["m4a"]),
    Format(Kind::Audio, "audio/aac", &["aac"]),
    Format(Kind::Audio, "audio/aiff", &["aiff", "aif"]),
    Format(Kind::Video, "video/mp4", &["mp4", "m4v"]),
    Format(Kind::Video, "video/quicktime", &["mov"]),
    Format(Kind::Video, "video/webm", &["webm"]),
    Format(Kind::Video, "video/mpeg", &["mpeg", "mpg"]),
    Format(Kind::Pdf, "application/pdf", &["pdf"]),
    Format(Kind::Document, "text/plain", &["txt", "text", "log"]),
    Format(Kind::Document, "text/markdown", &["md"]),
    Format(Kind::Document, "text/csv", &["csv"]),
    Format(Kind::Document, "text/html", &["html", "htm"]),
    Format(Kind::Document, "application/json", &["json"]),
    Format(Kind::Document, "application/xml", &["xml"]),
    Format(Kind::Document, "application/vnd.openxmlformats-officedocument.wordprocessingml.document", &["docx"]),
    Format(Kind::Document, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", &["xlsx"]),
    Format(Kind::Document, "application/vnd.openxmlformats-officedocument.presentationml.presentation", &["pptx"]),
];

/// Returns the extension of the format that begins like these bytes.
fn recognized(bytes: &[u8]) -> Option<&'static str> {
    Some(match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => "png",
        [0xff, 0xd8, 0xff, ..] => "jpeg",
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => "gif",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "webp",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => "wav",
        [b'F', b'O', b'R', b'M', _, _, _, _, b'A', b'I', b'F', b'F' | b'C', ..] => "aiff",
        [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] => match brand {
            [b'a', b'v', b'i', b'f' | b's', ..] => "avif",
            [b'h', b'e', b'i' | b'v', b'c' | b'x' | b'm' | b's', ..] | [b'm', b'i', b'f', b'1', ..] => "heic",
            [b'M', b'4', b'A' | b'B', b' ', ..] => "m4a",
            [b'q', b't', b' ', b' ', ..] => "mov",
            _ => "mp4",
        },
        [b'I', b'I', b'*', 0, ..] | [b'M', b'M', 0, b'*', ..] => "tiff",
        [b'f', b'L', b'a', b'C', ..] => "flac",
        [b'O', b'g', b'g', b'S', ..] => "ogg",
        [b'I', b'D', b'3', ..] => "mp3",
        // The layer bits of an ADTS frame are zero, those of MP3 are not.
        [0xff, 0xf0 | 0xf1 | 0xf8 | 0xf9, ..] => "aac",
        [0xff, second, ..] if second & 0xe6 == 0xe2 => "mp3",
        [0x1a, 0x45, 0xdf, 0xa3, ..] => "webm",
        [0, 0, 1, 0xb3 | 0xba, ..] => "mpeg",
        [b'%', b'P', b'D', b'F', b'-', ..] => "pdf",
        _ => return None,
    })
}

fn by_extension(extension: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|Format(_, _, extensions)| extensions.iter().any(|own| own.eq_ignore_ascii_case(extension)))
}

fn extension_of(name: &str) -> Option<&'static Format> {
    by_extension(Path::new(name).extension()?.to_str()?)
}

/// A file in the form in which JSON contains it.
pub(super) struct Media {
    pub(super) name: String,
    pub(super) media_type: &'static str,
    /// The name of the format, such as `png` or `mp3`.
    pub(super) format: &'static str,
    pub(super) base64: String,
}

impl Media {
    /// Reads a file of this kind. Its first bytes determine its format, or else its extension.
    #[inline(never)]
    pub(super) fn read(path: &Path, kind: Kind) -> Result<Self, Error> {
        let bytes = std::fs::read(path).map_err(|error| {
            InvalidRequestError::new("path", format!("{path:?} cannot be read; check the path and its permissions"))
                .caused_by(error)
        })?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Self::new(&name, &bytes, kind)
    }

    /// Takes bytes of this kind. The first of them determine the format, or else the extension of
    /// the name.
    #[inline(never)]
    pub(super) fn new(name: &str, bytes: &[u8], kind: Kind) -> Result<Self, Error> {
        let subject = if name.is_empty() { String::new() } else { format!("{name:?} ") };
        let Some(Format(own, media_type, extensions)) =
            recognized(bytes).and_then(by_extension).or_else(|| extension_of(name))
        else {
            let message = format!(
                "{subject}is not in a known format of {}; pass a name with an extension, or a `data:` URL with the \
                 media type",
                kind.name()
            );
            return Err(InvalidRequestError::new("content", message).into());
        };
        if *own != kind && kind != Kind::Document {
            let message = format!("{subject}is {media_type}, not {}; use the constructor for that format", kind.name());
            return Err(InvalidRequestError::new("content", message).into());
        }
        let format = extensions.first().copied().unwrap_or_default();
        let name = if name.is_empty() { format!("file.{format}") } else { name.to_owned() };
        Ok(Self { name, media_type, format, base64: base64::encode(bytes) })
    }

    /// Reads a file of any kind.
    #[inline(never)]
    pub(super) fn read_any(path: &Path) -> Result<(Self, Kind), Error> {
        Self::read(path, Kind::Document).map(Self::with_kind)
    }

    /// Takes bytes of any kind.
    #[inline(never)]
    pub(super) fn of_any(name: &str, bytes: &[u8]) -> Result<(Self, Kind), Error> {
        Self::new(name, bytes, Kind::Document).map(Self::with_kind)
    }

    fn with_kind(self) -> (Self, Kind) {
        let kind = by_extension(self.format).map_or(Kind::Document, |Format(kind, ..)| *kind);
        (self, kind)
    }

    /// Returns the file as a `data:` URL.
    pub(super) fn into_data_url(self) -> String {
        data_url(self.media_type, &self.base64)
    }
}

/// Returns a `data:` URL of bytes in base64.
pub(super) fn data_url(media_type: &str, base64: &str) -> String {
    format!("data:{media_type};base64,{base64}")
}

/// Returns the bytes of an image that arrived in base64, as a `data:` URL or without its prefix.
pub(super) fn bytes_of(text: &str) -> Result<Vec<u8>, Error> {
    let wrong = |message: String| UnexpectedError::without_source("", message).into();
    if text.is_empty() {
        return Err(wrong("the response contains no image".to_owned()));
    }
    let base64 = match text.split_once(',') {
        Some((head, base64)) if head.starts_with("data:") && head.ends_with(";base64") => base64,
        _ if text.starts_with("data:") || text.contains("://") => {
            return Err(wrong(
                "the response has the URL of the image, not its bytes; download it from there".to_owned(),
            ));
        }
        _ => text,
    };
    base64::decode(base64.trim_ascii()).map_err(|at| wrong(format!("the image is not valid base64, at byte {at}")))
}

/// Writes the bytes of an image to a file, as [`Download::save_to`](crate::core::Download::save_to)
/// does.
pub(super) async fn save(text: &str, path: &Path) -> Result<u64, Error> {
    let bytes = bytes_of(text)?;
    crate::core::save(path, bytes).await
}

/// Defines the constructors of content parts that take bytes or a file. The example is for
/// `image_path`.
#[cfg(any(feature = "chat", feature = "responses"))]
macro_rules! media_parts {
    ($type:ident $(#[$example:meta])*) => {
        impl $type {
            /// Creates an image part from its bytes and their media type, such as `image/png`.
            #[inline]
            pub fn image_data(media_type: impl AsRef<str>, bytes: impl AsRef<[u8]>) -> Self {
                Self::image_url(data_url(media_type.as_ref(), &base64::encode(bytes.as_ref())))
            }

            /// Creates an image part from its bytes, whose format is recognized.
            ///
            /// # Errors
            /// [`Error::InvalidRequest`] if they are not in a known image format;
            /// [`image_data`](Self::image_data) takes any.
            #[inline]
            pub fn image_bytes(bytes: impl AsRef<[u8]>) -> Result<Self, Error> {
                Media::new("", bytes.as_ref(), Kind::Image).map(|image| Self::image_url(image.into_data_url()))
            }

            /// Creates an image part from a file, which is read immediately; its format is
            /// recognized.
            ///
            $(#[$example])*
            ///
            /// # Errors
            /// [`Error::InvalidRequest`] if the file cannot be read or is not in a known image
            /// format.
            #[inline]
            pub fn image_path(path: impl AsRef<Path>) -> Result<Self, Error> {
                Media::read(path.as_ref(), Kind::Image).map(|image| Self::image_url(image.into_data_url()))
            }

            /// Creates an audio part from its bytes, whose format is recognized.
            ///
            /// # Errors
            /// [`Error::InvalidRequest`] if they are not in a known audio format.
            #[inline]
            pub fn audio_bytes(bytes: impl AsRef<[u8]>) -> Result<Self, Error> {
                Media::new("", bytes.as_ref(), Kind::Audio).map(|audio| Self::input_audio(audio.base64, audio.format))
            }

            /// Creates an audio part from a file, which is read immediately; its format is
            /// recognized.
            ///
            /// # Errors
            /// [`Error::InvalidRequest`] if the file cannot be read or is not in a known audio
            /// format.
            #[inline]
            pub fn audio_path(path: impl AsRef<Path>) -> Result<Self, Error> {
                Media::read(path.as_ref(), Kind::Audio).map(|audio| Self::input_audio(audio.base64, audio.format))
            }

            /// Creates a video part from its bytes, whose format is recognized.
            ///
            /// # Errors
            /// [`Error::InvalidRequest`] if they are not in a known video format.
            #[inline]
            pub fn video_bytes(bytes: impl AsRef<[u8]>) -> Result<Self, Error> {
                Media::new("", bytes.as_ref(), Kind::Video).map(|video| Self::video_url(video.into_data_url()))
            }

            /// Creates a video part from a file, which is read immediately; its format is
            /// recognized.
            ///
            /// # Errors
            /// [`Error::InvalidRequest`] if the file cannot be read or is not in a known video
            /// format.
            #[inline]
            pub fn video_path(path: impl AsRef<Path>) -> Result<Self, Error> {
                Media::read(path.as_ref(), Kind::Video).map(|video| Self::video_url(video.into_data_url()))
            }

            /// Creates a document part, such as a PDF, from its name and its bytes. Its format is
            /// recognized by its first bytes, or else by the extension of the name.
            ///
            /// # Errors
            /// [`Error::InvalidRequest`] if neither is of a known format.
            #[inline]
            pub fn file_bytes(filename: impl AsRef<str>, bytes: impl AsRef<[u8]>) -> Result<Self, Error> {
                Media::new(filename.as_ref(), bytes.as_ref(), Kind::Document).map(Self::document)
            }

            /// Creates a document part, such as a PDF, from a file, which is read immediately; its
            /// format is recognized.
            ///
            /// # Errors
            /// [`Error::InvalidRequest`] if the file cannot be read or is not in a known format.
            #[inline]
            pub fn file_path(path: impl AsRef<Path>) -> Result<Self, Error> {
                Media::read(path.as_ref(), Kind::Document).map(Self::document)
            }

            /// Creates the part that fits a file, from its name and its bytes: an image, audio, a
            /// video or a document. Its format is recognized by its first bytes, or else by the
            /// extension of the name.
            ///
            /// # Errors
            /// [`Error::InvalidRequest`] if neither is of a known format.
            #[inline]
            pub fn from_bytes(filename: impl AsRef<str>, bytes: impl AsRef<[u8]>) -> Result<Self, Error> {
                Media::of_any(filename.as_ref(), bytes.as_ref()).map(Self::of_kind)
            }

            /// Creates the part that fits a file, which is read immediately; see
            /// [`from_bytes`](Self::from_bytes).
            ///
            /// # Errors
            /// [`Error::InvalidRequest`] if the file cannot be read or is not in a known format.
            #[inline]
            pub fn from_path(path: impl AsRef<Path>) -> Result<Self, Error> {
                Media::read_any(path.as_ref()).map(Self::of_kind)
            }

            #[inline]
            fn of_kind((media, kind): (Media, Kind)) -> Self {
                match kind {
                    Kind::Image => Self::image_url(media.into_data_url()),
                    Kind::Audio => Self::input_audio(media.base64, media.format),
                    Kind::Video => Self::video_url(media.into_data_url()),
                    Kind::Document | Kind::Pdf => Self::document(media),
                }
            }

            #[inline]
            fn document(media: Media) -> Self {
                Self::file(media.name.clone(), media.into_data_url())
            }
        }
    };
}

#[cfg(any(feature = "chat", feature = "responses"))]
pub(super) use media_parts;
