//! Embedding vectors as numbers, whatever form they were sent in.

use crate::core::base64;
use crate::core::wire::DecodeError;
use crate::models::{CreateEmbeddingsResponse, Embedding, EmbeddingVector};

impl CreateEmbeddingsResponse {
    /// Returns the vectors in the order of the inputs, whatever form they were sent in.
    ///
    /// ```
    /// # async fn embed(client: openrouter_kit::OpenRouter) -> Result<(), Box<dyn std::error::Error>> {
    /// use openrouter_kit::models::CreateEmbeddingsRequest;
    ///
    /// // As base64 a vector takes about half the bytes.
    /// let inputs = ["a question".to_owned(), "an answer".to_owned()];
    /// let request = CreateEmbeddingsRequest::new(inputs, "openai/text-embedding-3-small").encoding_format("base64");
    /// let vectors = client.embeddings().generate(request).await?.vectors()?;
    /// assert_eq!(vectors.len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`DecodeError`] with the path of the first invalid vector; see [`Embedding::vector`].
    #[inline]
    pub fn vectors(&self) -> Result<Vec<Vec<f32>>, DecodeError> {
        let mut vectors = Vec::with_capacity(self.data.len());
        for (at, entry) in self.data.iter().enumerate() {
            let vector = entry.vector().map_err(|error| error.inside_element(at).inside("data"))?;
            vectors.push((entry.index.unwrap_or(at as i64), vector));
        }
        // Stable, so that entries without an index keep their order.
        vectors.sort_by_key(|(index, _)| *index);
        Ok(vectors.into_iter().map(|(_, vector)| vector).collect())
    }
}

impl Embedding {
    /// Returns the vector, whatever form it was sent in: a list of numbers, or base64 of `f32`
    /// numbers in little-endian order.
    ///
    /// # Errors
    /// [`DecodeError`] for text that is not base64 of whole numbers, a number beyond the range of
    /// `f32`, and a value of another form.
    #[inline]
    pub fn vector(&self) -> Result<Vec<f32>, DecodeError> {
        vector(&self.embedding).map_err(|error| error.inside("embedding"))
    }
}

#[inline]
fn vector(embedding: &EmbeddingVector) -> Result<Vec<f32>, DecodeError> {
    match embedding {
        EmbeddingVector::Numbers(numbers) => {
            numbers.iter().enumerate().map(|(at, number)| narrow(*number).map_err(|e| e.inside_element(at))).collect()
        }
        EmbeddingVector::Text(text) => {
            let bytes = base64::decode(text).map_err(|at| {
                DecodeError::new(format!("expected numbers or base64, found text with an invalid byte at {at}"))
            })?;
            let (numbers, rest) = bytes.as_chunks();
            if rest.is_empty() {
                return Ok(numbers.iter().copied().map(f32::from_le_bytes).collect());
            }
            let length = bytes.len();
            Err(DecodeError::new(format!("expected base64 of 4-byte numbers, found {length} bytes in total")))
        }
        EmbeddingVector::Unrecognized(value) => {
            Err(value.error().cloned().unwrap_or_else(|| DecodeError::new("expected numbers or base64, found neither")))
        }
    }
}

/// Models compute with `f32` or less, so only insignificant digits are lost.
#[inline]
fn narrow(number: f64) -> Result<f32, DecodeError> {
    let narrow = number as f32;
    if narrow.is_finite() {
        return Ok(narrow);
    }
    Err(DecodeError::new(format!("expected a number in the range of `f32`, found {number}")))
}
