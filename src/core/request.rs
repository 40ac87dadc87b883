//! Requests for operations that this crate does not know, with method and path known at run time.

use bytes::Bytes;
use http::{HeaderValue, Method};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::call::Call;
use super::client::OpenRouterCore;
use super::download::Download;
use super::event_stream::StreamItem;
use super::exchange::Exchange;
use super::multipart::is_media_type;
use super::operation::{Operation, Parts};
use super::raw_events::RawEvents;
use super::wire::{Json, Root};
use super::{hidden, wire};
use crate::errors::{Error, InvalidRequestError};

impl OpenRouterCore {
    /// Creates a request for an operation that this crate does not know. Retries, hooks, time
    /// limits and errors are those of every other call.
    ///
    /// ```no_run
    /// use openrouter_kit::OpenRouterCore;
    /// use openrouter_kit::http::Method;
    /// use openrouter_kit::serde_json::json;
    ///
    /// # async fn eval(core: &OpenRouterCore) -> Result<(), openrouter_kit::Error> {
    /// let eval = core.request(Method::POST, "/evals").json(json!({"name": "Weather"})).await?;
    /// println!("{eval}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// `path` is appended to the server URL. It starts with `/` and is already percent-encoded;
    /// [`path`](Call::path) fills `{name}` with any text. A path that could lead elsewhere (`..`,
    /// `//`) or that has a query fails when the call is awaited, before anything is sent.
    /// [`query`](Call::query) adds query parameters.
    ///
    /// The call returns the body as JSON; [`decode`](Call::decode), [`events`](Call::events),
    /// [`download`](Call::download) and [`raw`](Call::raw) return it in another form. The API key
    /// is sent if there is one. The request is retried like others: after a failure in which the
    /// server may have processed it, only if the method is idempotent.
    pub fn request(&self, method: Method, path: impl Into<String>) -> Call<Json> {
        let path = path.into();
        let checked = check_path(&path);
        let mut parts = Parts::of_program(Operation::of_program(method, path));
        if let Err(error) = checked {
            parts.keep(error);
        }
        Call::new(self, parts)
    }
}

impl Call<Json> {
    /// Fills `{name}` of the path with `value`, percent-encoded. An empty value, `.` and `..` are
    /// errors, since they would name another resource.
    pub fn path(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        let (name, parts) = (name.as_ref(), self.parts());
        if parts.target().contains(&format!("{{{name}}}")) {
            parts.fill("path", name, value.as_ref());
        } else {
            parts.fail("path", format!("has no placeholder `{{{name}}}`; add it to the path of the request"));
        }
        self
    }

    /// Sets the JSON body.
    pub fn json(mut self, body: impl Serialize) -> Self {
        match serde_json::to_vec(&body) {
            Ok(json) => self.parts().set_json(json),
            Err(error) => {
                let wrong = InvalidRequestError::new("json", "cannot be encoded as JSON; see the source of this error");
                self.parts().keep(wrong.caused_by(error));
            }
        }
        self
    }

    /// Sets a body other than JSON, such as a CSV file, with its media type.
    ///
    /// ```no_run
    /// # async fn upload(client: &openrouter_kit::OpenRouter) -> Result<(), openrouter_kit::Error> {
    /// use openrouter_kit::http::Method;
    ///
    /// let prices = client.request(Method::PUT, "/prices").body("text/csv", "model,price\na/b,1\n").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn body(mut self, media_type: impl AsRef<str>, body: impl Into<Bytes>) -> Self {
        let media_type = media_type.as_ref();
        match HeaderValue::from_str(media_type).ok().filter(|_| is_media_type(media_type)) {
            Some(media_type) => self.parts().set_body(media_type, body.into()),
            None => {
                let shown = hidden::text(media_type);
                self.parts().fail("body", format!("has the media type {shown:?}; write it as in `text/csv`"));
            }
        }
        self
    }

    /// Returns the events of a stream as they are received. The body of the request must ask for a
    /// stream if the operation requires that.
    ///
    /// ```no_run
    /// use openrouter_kit::OpenRouter;
    /// use openrouter_kit::http::Method;
    /// use openrouter_kit::serde_json::json;
    ///
    /// # async fn run(client: &OpenRouter) -> Result<(), openrouter_kit::Error> {
    /// let call = client.request(Method::POST, "/evals/run").json(json!({"id": "eval-1", "stream": true}));
    /// let mut events = call.events().await?;
    /// while let Some(event) = events.next().await {
    ///     println!("{}", event?.data());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn events(self) -> Call<RawEvents<Json>> {
        self.returning()
    }

    /// Returns the body as a file that is read as it arrives.
    ///
    /// ```no_run
    /// use openrouter_kit::OpenRouter;
    /// use openrouter_kit::http::Method;
    ///
    /// # async fn run(client: &OpenRouter) -> Result<(), openrouter_kit::Error> {
    /// client.request(Method::GET, "/evals/eval-1/report").download().await?.save_to("report.pdf").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn download(self) -> Call<Download> {
        self.returning()
    }
}

impl<T: Root> Call<T> {
    /// Decodes the response into a type of the program with serde. An error in the body is still
    /// [`Error::Api`].
    ///
    /// ```no_run
    /// use openrouter_kit::OpenRouter;
    /// use openrouter_kit::http::Method;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Eval {
    ///     id: String,
    /// }
    ///
    /// # async fn eval(client: &OpenRouter) -> Result<(), openrouter_kit::Error> {
    /// let eval: Eval = client.request(Method::GET, "/evals/{id}").path("id", "eval-1").decode().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn decode<U: DeserializeOwned>(self) -> Call<U> {
        self.read_with(decode)
    }
}

fn decode<T: DeserializeOwned>(exchange: Exchange) -> Result<T, Error> {
    if exchange.is_error_body() {
        return Err(exchange.into_api_error());
    }
    match exchange.text().map(serde_json::from_str) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(exchange.into_invalid(String::new(), error)),
        Err(error) => Err(exchange.into_decode_error(error)),
    }
}

/// Any JSON as an event, for streams of an unknown protocol: such a stream is complete when its
/// body is.
impl StreamItem for Json {
    const END_IS_MARKED: bool = false;

    fn is_terminal(&self) -> bool {
        false
    }

    fn reports_error(&self) -> bool {
        Root::reports_error(self)
    }

    fn from_response(json: &str) -> Vec<Json> {
        wire::decode(json).into_iter().collect()
    }
}

/// Checks that a path stays below the server URL and needs no encoding.
fn check_path(path: &str) -> Result<(), InvalidRequestError> {
    let wrong = |message: &str| Err(InvalidRequestError::new("path", format!("is {:?}, {message}", hidden::url(path))));
    let Some(segments) = path.strip_prefix('/') else {
        return wrong("which does not start with `/`; pass one such as /evals");
    };
    if path.contains(['?', '#']) {
        return wrong("which has a query or a fragment; set query parameters with `query`");
    }
    if !segments.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%{}".contains(&byte)) {
        return wrong(
            "which has a character that is not allowed in a path; write `{name}` there and set it with `path`",
        );
    }
    if segments.split('%').skip(1).any(|after| !after.bytes().take(2).filter(u8::is_ascii_hexdigit).count().eq(&2)) {
        return wrong(
            "in which a `%` does not start an encoded character; write `{name}` there and set it with `path`",
        );
    }
    // Servers and proxies decode before they resolve.
    let decoded = percent_decode_str(segments).decode_utf8_lossy();
    let parts: Vec<_> = decoded.split(['/', '\\']).collect();
    if parts.iter().any(|part| matches!(*part, "." | "..")) || parts.iter().rev().skip(1).any(|part| part.is_empty()) {
        return wrong("which would resolve to another resource; leave out `.`, `..` and empty segments");
    }
    Ok(())
}
