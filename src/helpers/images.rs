//! Helpers for the Images API.

use std::collections::BTreeMap;
use std::path::Path;

use super::media::{bytes_of, save};
use super::{objects, whole_stream};
use crate::Error;
use crate::core::StreamItem;
use crate::core::wire::{self, Json, Root, Wire};
use crate::models::{ImageGenerationResponse, ImageGenerationResponseData, ImageStreamEvent};

impl Root for ImageGenerationResponse {
    /// Each completed image is one of the response.
    #[inline]
    fn from_events(events: &[&str]) -> Option<Self> {
        let mut response = Self::missing();
        for event in whole_stream(events)? {
            let ImageStreamEvent::ImageGenerationCompleted(event) = event else { continue };
            let mut data = ImageGenerationResponseData::missing();
            data.b64_json = event.b64_json;
            data.media_type = event.media_type;
            response.data.push(data);
            response.created = event.created;
            response.usage = event.usage.or(response.usage);
        }
        Some(response).filter(|response| !response.data.is_empty())
    }
}

impl StreamItem for ImageStreamEvent {
    const END_IS_MARKED: bool = true;

    #[inline]
    fn is_terminal(&self) -> bool {
        match self {
            Self::ImageGenerationCompleted(_) => true,
            // An event that does not match its type still ends the stream, and so does another kind
            // of work.
            Self::Unrecognized(kept) => kept.tag("type").is_some_and(|tag| tag.ends_with(".completed")),
            _ => false,
        }
    }

    #[inline]
    fn reports_error(&self) -> bool {
        match self {
            Self::Error(_) => true,
            Self::Unrecognized(kept) => match kept.tag("type") {
                Some(tag) => tag == "error",
                None => kept.json().find("error").is_some_and(|error| !error.is_null()),
            },
            _ => false,
        }
    }

    /// An event for each image, the last one with the usage and everything else.
    #[inline]
    fn from_response(json: &str) -> Vec<Json> {
        let events = || {
            let created = wire::decode_to(json, |response: &ImageGenerationResponse| response.created)?;
            let mut members: BTreeMap<String, Json> = wire::decode(json).ok()?;
            let mut pictures = objects(&members.remove("data")?);
            for picture in &mut pictures {
                picture.insert("type".to_owned(), "image_generation.completed".into());
                picture.insert("created".to_owned(), Json::of(&created).ok()?);
            }
            pictures.last_mut()?.extend(members);
            pictures.iter().map(|picture| Json::of(picture).ok()).collect::<Option<Vec<_>>>()
        };
        events().unwrap_or_default()
    }
}

impl ImageGenerationResponseData {
    /// Returns the bytes of the image.
    ///
    /// # Errors
    /// [`Error::Unexpected`] if it is not valid base64.
    #[inline]
    pub fn bytes(&self) -> Result<Vec<u8>, Error> {
        bytes_of(&self.b64_json)
    }

    /// Writes the image to a file, as [`Download::save_to`](crate::core::Download::save_to) does,
    /// and returns its size.
    ///
    /// ```no_run
    /// # async fn run(client: openrouter_kit::OpenRouter) -> Result<(), openrouter_kit::Error> {
    /// # use openrouter_kit::models::ImageGenerationRequest;
    /// let request = ImageGenerationRequest::new("google/gemini-2.5-flash-image", "A cat on a roof");
    /// for (number, image) in client.images().generate(request).await?.data.iter().enumerate() {
    ///     image.save_to(format!("{number}.png")).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The errors of [`bytes`](Self::bytes), and [`Error::Unexpected`] if the file cannot be
    /// written.
    #[inline]
    pub async fn save_to(&self, path: impl AsRef<Path>) -> Result<u64, Error> {
        save(&self.b64_json, path.as_ref()).await
    }
}

impl ImageGenerationResponse {
    /// Writes the first image to a file, as [`Download::save_to`](crate::core::Download::save_to)
    /// does, and returns its size. Each image in `data` has a method of this name too.
    ///
    /// # Errors
    /// [`Error::Unexpected`] if there is no image, if it is not valid base64, or if the file cannot
    /// be written.
    #[inline]
    pub async fn save_to(&self, path: impl AsRef<Path>) -> Result<u64, Error> {
        save(self.data.first().map(|image| &*image.b64_json).unwrap_or_default(), path.as_ref()).await
    }
}
