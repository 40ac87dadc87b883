//! Batches from typed requests to typed results.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::holds_error;
use crate::core::head::Head;
use crate::core::time;
use crate::core::wire::{self, DecodeError, EncodeError, Json, Root, Wire};
use crate::errors::{ApiError, Error, InvalidRequestError, ResponseValidationError};
use crate::models::batch::{
    BatchEndpoint, BatchObject, BatchRequest, BatchResult, BatchResultBody, BatchResultResponse, CreateBatchRequest,
};
use crate::models::{
    ChatRequest, ChatResult, CreateEmbeddingsRequest, CreateEmbeddingsResponse, MessagesRequest, MessagesResult,
    ResponsesRequest, ResponsesResult,
};

/// The operation that returns results.
const OPERATION: &str = "getBatches";

impl CreateBatchRequest {
    /// Creates a batch of chat requests, each with an id that you choose and under which
    /// [`results_by_id`](BatchObject::results_by_id) returns its result. The batch takes its model
    /// from the requests.
    ///
    /// ```no_run
    /// # async fn ask(client: openrouter_kit::OpenRouter) -> Result<(), openrouter_kit::Error> {
    /// use openrouter_kit::models::ChatRequest;
    /// use openrouter_kit::models::batch::CreateBatchRequest;
    ///
    /// let ask = |text: &str| ChatRequest::new(text).model("openai/gpt-4o-mini");
    /// let request = CreateBatchRequest::chat([("capital", ask("Capital of Peru?")), ("sum", ask("6 * 7?"))])?;
    /// let batch = client.batch().create_batches(request).await?;
    /// println!("{}", batch.id);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] if there are no requests, an id is empty or not unique, a request
    /// asks for a stream, names no model or another one than the first request, or cannot be
    /// written as JSON.
    #[inline]
    pub fn chat<Id: Into<String>, Request: Borrow<ChatRequest>>(
        requests: impl IntoIterator<Item = (Id, Request)>,
    ) -> Result<Self, Error> {
        of_requests(BatchEndpoint::V1ChatCompletions, encoded(requests))
    }

    /// Creates a batch of requests to the Responses API; see [`chat`](Self::chat).
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] as for [`chat`](Self::chat).
    #[inline]
    pub fn responses<Id: Into<String>, Request: Borrow<ResponsesRequest>>(
        requests: impl IntoIterator<Item = (Id, Request)>,
    ) -> Result<Self, Error> {
        of_requests(BatchEndpoint::V1Responses, encoded(requests))
    }

    /// Creates a batch of requests to the Messages API; see [`chat`](Self::chat).
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] as for [`chat`](Self::chat).
    #[inline]
    pub fn messages<Id: Into<String>, Request: Borrow<MessagesRequest>>(
        requests: impl IntoIterator<Item = (Id, Request)>,
    ) -> Result<Self, Error> {
        of_requests(BatchEndpoint::V1Messages, encoded(requests))
    }

    /// Creates a batch of requests for embeddings; see [`chat`](Self::chat).
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] as for [`chat`](Self::chat).
    #[inline]
    pub fn embeddings<Id: Into<String>, Request: Borrow<CreateEmbeddingsRequest>>(
        requests: impl IntoIterator<Item = (Id, Request)>,
    ) -> Result<Self, Error> {
        of_requests(BatchEndpoint::V1Embeddings, encoded(requests))
    }
}

#[inline]
fn encoded<T: Wire, Id: Into<String>, Request: Borrow<T>>(
    requests: impl IntoIterator<Item = (Id, Request)>,
) -> impl Iterator<Item = (String, Result<Vec<u8>, EncodeError>)> {
    requests.into_iter().map(|(id, request)| (id.into(), wire::encode(request.borrow())))
}

/// The fields are read from the JSON, which also has those that the program added with `extra`.
#[inline]
fn of_requests(
    endpoint: BatchEndpoint,
    encoded: impl Iterator<Item = (String, Result<Vec<u8>, EncodeError>)>,
) -> Result<CreateBatchRequest, Error> {
    let refused = |message: String| InvalidRequestError::new("requests", message);
    let (mut requests, mut ids, mut shared) = (Vec::new(), HashSet::new(), None);
    for (id, body) in encoded {
        let body = body.map_err(|error| {
            let message = format!("cannot be encoded as JSON at id {id:?}; see the source of this error for the place");
            refused(message).caused_by(error)
        })?;
        let body = Json::checked(&String::from_utf8_lossy(&body));
        if id.is_empty() {
            return Err(refused("has an empty id; give every request a unique id".to_owned()).into());
        }
        if !ids.insert(id.clone()) {
            return Err(refused(format!("has two requests with the id {id:?}; give every request a unique id")).into());
        }
        if body.find("stream").and_then(|stream| stream.as_bool()) == Some(true) {
            let message =
                format!("has a request for a stream at id {id:?}, which batches do not support; remove `stream`");
            return Err(refused(message).into());
        }
        let model = body.find("model").and_then(|model| model.as_str().map(str::to_owned)).unwrap_or_default();
        if model.is_empty() {
            return Err(refused(format!("has no model at id {id:?}; set the same one on every request")).into());
        }
        match &shared {
            Some(shared) if *shared != model => {
                let message =
                    format!("has the model {model:?} at id {id:?} and {shared:?} before; create one batch per model");
                return Err(refused(message).into());
            }
            _ => shared = Some(model),
        }
        requests.push(BatchRequest::new(body, id));
    }
    match shared {
        Some(model) => Ok(CreateBatchRequest::new(endpoint, model, requests)),
        None => Err(refused("is empty; a batch needs at least one request".to_owned()).into()),
    }
}

/// A type of response that a batch can contain: [`ChatResult`], [`ResponsesResult`],
/// [`MessagesResult`] or [`CreateEmbeddingsResponse`]. Like [`Root`], this trait is sealed.
pub trait BatchResponse: Root {
    /// The name of the type in errors.
    #[doc(hidden)]
    const NAME: &'static str;

    /// Returns the response if the body is of this type.
    #[doc(hidden)]
    fn of(body: &BatchResultBody) -> Option<&Self>;
}

macro_rules! batch_responses {
    ($($variant:ident $type:ident $name:literal)*) => {
        $(impl BatchResponse for $type {
            const NAME: &'static str = $name;

            #[inline]
            fn of(body: &BatchResultBody) -> Option<&Self> {
                match body {
                    BatchResultBody::$variant(response) => Some(response),
                    _ => None,
                }
            }
        })*
    };
}

batch_responses! {
    ChatCompletion ChatResult "a chat completion"
    Response ResponsesResult "a response of the Responses API"
    MessagesResult MessagesResult "a response of the Messages API"
    List CreateEmbeddingsResponse "embeddings"
}

impl BatchObject {
    /// Returns the outcome of every request by its id: the response, or why there is none.
    ///
    /// An id without an entry has no result, such as that of a request that an expired batch did
    /// not reach. The map is empty until the batch is over, and for a batch from a list.
    ///
    /// ```no_run
    /// # async fn collect(client: openrouter_kit::OpenRouter) -> Result<(), openrouter_kit::Error> {
    /// use openrouter_kit::models::ChatResult;
    ///
    /// let batch = client.batch().get_batches("batch_abc123").until_done().await?;
    /// let results = batch.results_by_id::<ChatResult>();
    /// for id in ["capital", "sum"] {
    ///     match results.get(id) {
    ///         Some(Ok(answer)) => println!("{id}: {:?}", answer.text()),
    ///         Some(Err(error)) => println!("{id}: {error}"),
    ///         None => println!("{id}: no result"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The errors are those of [`BatchResult::response_as`].
    #[inline]
    pub fn results_by_id<T: BatchResponse>(&self) -> BTreeMap<&str, Result<&T, Error>> {
        let mut results = BTreeMap::new();
        for result in self.results.iter().flatten() {
            let outcome = result.response_as();
            // A request that was retried may have two results.
            if outcome.is_ok() || !results.contains_key(result.custom_id.as_str()) {
                results.insert(result.custom_id.as_str(), outcome);
            }
        }
        results
    }

    /// Returns what OpenRouter charged for the whole batch, in US dollars, if known.
    #[inline]
    pub fn cost(&self) -> Option<f64> {
        self.usage.as_ref()?.cost
    }
}

impl BatchResult {
    /// Returns the response to this request.
    ///
    /// A response with an error status is never a success, nor is one whose body is an error.
    ///
    /// # Errors
    /// - [`Error::Api`] if the request failed. It has the kind, message and status as if the
    ///   request had been sent alone; its [`is_transient`](Error::is_transient) says whether
    ///   another batch may succeed.
    /// - [`Error::ResponseValidation`] if the response is not of type `T`, or the result has
    ///   neither a response nor an error.
    #[inline]
    pub fn response_as<T: BatchResponse>(&self) -> Result<&T, Error> {
        let response = match &self.response {
            _ if self.reports_error() => return Err(self.api_error().into()),
            Some(response) if response.is_success() => response,
            Some(_) => return Err(self.api_error().into()),
            None => return Err(self.unreadable("a response or an error", "neither")),
        };
        match T::of(&response.body) {
            Some(value) if !value.reports_error() => Ok(value),
            Some(_) => Err(self.api_error().into()),
            None if ApiError::is_error_body(&json_of(&response.body)) => Err(self.api_error().into()),
            None => Err(self.unreadable(T::NAME, "another body")),
        }
    }

    /// Also for an error of an unknown form.
    #[inline]
    fn reports_error(&self) -> bool {
        self.error.is_some() || holds_error(&self.extra)
    }

    #[inline]
    fn api_error(&self) -> ApiError {
        let body = match &self.response {
            Some(response) if !self.reports_error() => json_of(&response.body),
            _ => json_of(self),
        };
        ApiError::read(self.head(), body, time::now())
    }

    #[inline]
    fn unreadable(&self, expected: &str, found: &str) -> Error {
        let error = DecodeError::new(format!("expected {expected}, found {found}"));
        ResponseValidationError::new(self.head(), json_of(self), "response.body", error.into()).into()
    }

    #[inline]
    fn head(&self) -> Head {
        let response = self.response.as_ref();
        let status = response.and_then(|response| u16::try_from(response.status_code).ok());
        let mut headers = HeaderMap::new();
        if let Some(id) = response.and_then(|response| HeaderValue::from_str(response.request_id.as_deref()?).ok()) {
            headers.insert("x-request-id", id);
        }
        let status = status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(StatusCode::OK);
        Head { operation_id: OPERATION, status, headers }
    }
}

impl BatchResultResponse {
    /// A missing status says nothing; one of an unknown form is not a success.
    #[inline]
    fn is_success(&self) -> bool {
        let is_absent = self.status_code == 0 && self.extra.get("status_code").is_none();
        is_absent || (200..300).contains(&self.status_code)
    }
}

/// Returns the JSON of a value that was read, and can therefore be written.
#[inline]
fn json_of<T: Wire>(value: &T) -> Bytes {
    wire::encode(value).unwrap_or_default().into()
}
