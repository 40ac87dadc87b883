//! Spans and events of calls, by the OpenTelemetry conventions for generative AI. Only this file
//! contains their names.

use std::fmt;
#[cfg(feature = "agent")]
use std::future::Future;
#[cfg(feature = "agent")]
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Method, Response};
#[cfg(feature = "agent")]
use tracing::Instrument;
use tracing::field::Empty;
use tracing::{Level, Span};

use super::content;
use super::context::HookContext;
use super::observer::{CallEnd, Observer, Outcome, Retry};
use super::{Hook, HookFuture, RequestInput};
#[cfg(feature = "agent")]
use crate::core::OpenRouterCore;
use crate::core::body::Body;
#[cfg(feature = "agent")]
use crate::core::time::Instant;
use crate::core::wire::{Reader, members};
use crate::errors::Error;

/// Options for the spans of a client (feature `tracing`), which
/// [`ClientBuilder::tracing`](crate::core::ClientBuilder::tracing) turns on.
///
/// Every call is a span of the target `openrouter_kit`, a child of the span that is current when
/// the call is first polled, and lasts until its response was read, including retries. Its fields
/// have the names of the OpenTelemetry conventions for generative AI, so the layer of
/// `tracing-opentelemetry` exports spans that follow them. Messages are recorded only with
/// [`content`](Self::content); headers and keys never are.
///
/// ```no_run
/// # #[cfg(feature = "_tls")]
/// # fn main() -> Result<(), openrouter_kit::Error> {
/// use openrouter_kit::OpenRouter;
/// use openrouter_kit::hooks::Tracing;
///
/// let ids = || Some(("4bf92f3577b34da6a3ce929d0e0e4736".to_owned(), "00f067aa0ba902b7".to_owned()));
/// let client = OpenRouter::builder().env().tracing(Tracing::new().trace_ids(ids)).build()?;
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "_tls"))]
/// # fn main() {}
/// ```
#[derive(Clone, Default)]
pub struct Tracing {
    trace_ids: Option<Arc<TraceIds>>,
    content: bool,
}

/// A function that returns the ids of the trace and of the current span.
type TraceIds = dyn Fn() -> Option<(String, String)> + Send + Sync;

impl Tracing {
    /// The version of the OpenTelemetry conventions for generative AI whose names are used.
    pub const CONVENTIONS: &str = "0.1.0";

    /// Creates spans with the default options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a function that returns the ids of the trace and of the current span in hexadecimal. It
    /// is called inside the span of the call, and the ids are sent in the field `trace` of the
    /// request (`trace_id`, `parent_span_id`), so that what OpenRouter itself reports (Broadcast)
    /// joins the trace. A request that already has a trace id keeps it.
    #[must_use]
    pub fn trace_ids(mut self, ids: impl Fn() -> Option<(String, String)> + Send + Sync + 'static) -> Self {
        self.trace_ids = Some(Arc::new(ids));
        self
    }

    /// Sets whether the messages that are sent to a model and that it returns are recorded, as JSON
    /// in the fields `gen_ai.input.messages`, `gen_ai.system_instructions` and
    /// `gen_ai.output.messages` of chat, Responses and Messages. Default: `false`. Messages may
    /// contain personal data, and images and files make them large.
    #[must_use]
    pub const fn content(mut self, is_recorded: bool) -> Self {
        self.content = is_recorded;
        self
    }

    /// Returns whether any subscriber is interested in the span of a call. Without a subscriber
    /// this is one comparison.
    pub(crate) fn is_enabled() -> bool {
        tracing::enabled!(target: "openrouter_kit", Level::INFO)
    }
}

impl fmt::Debug for Tracing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracing").field("trace_ids", &self.trace_ids.is_some()).field("content", &self.content).finish()
    }
}

/// The data kept for a call.
#[derive(Default)]
struct CallSpan {
    open: Mutex<Option<Open>>,
    has_first_chunk: AtomicBool,
    /// The response so far, if its messages are recorded.
    received: Mutex<Option<Vec<u8>>>,
}

#[derive(Clone)]
struct Open {
    span: Span,
    kind: Option<Kind>,
    model: Option<String>,
    address: (String, u16),
    trace_ids: Option<(String, String)>,
}

impl CallSpan {
    fn open(&self) -> Option<Open> {
        lock(&self.open).clone()
    }

    fn span(context: &HookContext) -> Option<Span> {
        context.state::<Self>().open().map(|open| open.span)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The kind of a generating operation in the conventions.
#[derive(Clone, Copy)]
struct Kind {
    /// `gen_ai.operation.name`.
    operation: &'static str,
    /// `gen_ai.output.type`, if the operation decides it.
    output: Option<&'static str>,
    /// Whether the metrics are those of inference.
    is_inference: bool,
}

impl Kind {
    /// Returns the kind of an operation; `None` for one that generates nothing.
    fn of(method: &Method, path: &str) -> Option<Self> {
        let kind = |operation, output, is_inference| Some(Self { operation, output, is_inference });
        let path = path.strip_prefix("/presets/{slug}").unwrap_or(path);
        match path {
            _ if method != Method::POST => None,
            "/chat/completions" | "/responses" | "/messages" => kind("chat", None, true),
            "/completions" => kind("text_completion", Some("text"), true),
            "/embeddings" => kind("embeddings", None, false),
            "/images" => kind("generate_content", Some("image"), true),
            "/audio/speech" => kind("generate_content", Some("speech"), true),
            "/audio/transcriptions" => kind("generate_content", Some("text"), true),
            "/videos" => kind("generate_content", Some("video"), true),
            "/rerank" => kind("rerank", None, false),
            _ => None,
        }
    }
}

/// The fields of a request that are attributes of its span.
#[derive(Default)]
struct Asked<'a> {
    model: Option<String>,
    conversation: Option<String>,
    previous_response: Option<String>,
    reasoning_level: Option<String>,
    max_tokens: Option<i64>,
    seed: Option<i64>,
    choices: Option<i64>,
    top_k: Option<i64>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    frequency_penalty: Option<f64>,
    presence_penalty: Option<f64>,
    stop_sequences: Option<String>,
    output: Option<&'a str>,
}

impl Asked<'_> {
    fn read(body: Option<&Bytes>) -> Self {
        let mut asked = Self::default();
        let Some(text) = body.and_then(|body| str::from_utf8(body).ok()) else { return asked };
        // A body that is not an object has none of them.
        let _ = Reader::new(text).object(&mut |key, reader| {
            let value = reader.raw()?;
            match &*key {
                "model" => asked.model = string(value),
                "session_id" => asked.conversation = string(value),
                "previous_response_id" => asked.previous_response = string(value),
                "reasoning_effort" => asked.reasoning_level = string(value),
                "reasoning" => asked.reasoning_level = member(value, "effort").and_then(string),
                "max_tokens" | "max_completion_tokens" | "max_output_tokens" => asked.max_tokens = value.parse().ok(),
                "seed" => asked.seed = value.parse().ok(),
                "n" => asked.choices = value.parse().ok().filter(|choices| *choices != 1),
                "top_k" => asked.top_k = value.parse().ok(),
                "temperature" => asked.temperature = value.parse().ok(),
                "top_p" => asked.top_p = value.parse().ok(),
                "frequency_penalty" => asked.frequency_penalty = value.parse().ok(),
                "presence_penalty" => asked.presence_penalty = value.parse().ok(),
                "stop" | "stop_sequences" => asked.stop_sequences = strings(value),
                "response_format" => asked.output = output(member(value, "type")),
                "text" => asked.output = output(member(value, "format").and_then(|format| member(format, "type"))),
                _ => {}
            }
            Ok(())
        });
        asked
    }
}

fn output(format: Option<&str>) -> Option<&'static str> {
    match format {
        Some("\"json_object\"" | "\"json_schema\"") => Some("json"),
        Some("\"text\"") => Some("text"),
        _ => None,
    }
}

fn member<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    Reader::new(object).find(name).ok().flatten()
}

/// Returns strings as JSON, since a field cannot be a list, and a single one unchanged.
fn strings(json: &str) -> Option<String> {
    let strings = match serde_json::from_str(json).ok()? {
        serde_json::Value::String(one) => vec![one],
        many => serde_json::from_value::<Vec<String>>(many).ok()?,
    };
    let json = serde_json::json!(strings).to_string();
    (json.len() <= LONGEST && !strings.is_empty()).then(|| crate::core::hidden::text(&json).into_owned())
}

/// Longer values are not recorded.
const LONGEST: usize = 256;

/// Returns a string that may be a name or an id.
fn string(json: &str) -> Option<String> {
    let text = Reader::new(json).string().ok()?;
    (text.len() <= LONGEST && !text.is_empty()).then(|| crate::core::hidden::text(&text).into_owned())
}

impl Open {
    fn new(context: &HookContext, body: &Body) -> Self {
        let operation = context.operation();
        let kind = Kind::of(operation.method(), operation.path());
        let address = address(context.base_url());
        let Some(kind) = kind else {
            let span = tracing::info_span!(
                target: "openrouter_kit",
                "openrouter.call",
                otel.name = format_args!("{} {}", operation.method(), operation.path()),
                otel.kind = "client",
                otel.status_code = Empty,
                http.request.method = operation.method().as_str(),
                http.response.status_code = Empty,
                url.template = operation.path(),
                server.address = address.0,
                server.port = i64::from(address.1),
                error.type = Empty,
                openrouter.operation = context.operation_id(),
                openrouter.attempts = Empty,
                openrouter.outcome = Empty,
            );
            return Self { span, kind: None, model: None, address, trace_ids: None };
        };
        let asked = Asked::read(body.as_bytes());
        let name = match &asked.model {
            Some(model) => format!("{} {model}", kind.operation),
            None => kind.operation.to_owned(),
        };
        let span = tracing::info_span!(
            target: "openrouter_kit",
            "openrouter.generation",
            otel.name = name,
            otel.kind = "client",
            otel.status_code = Empty,
            gen_ai.operation.name = kind.operation,
            gen_ai.provider.name = "openrouter",
            gen_ai.request.model = asked.model,
            gen_ai.request.stream = context.is_stream().then_some(true),
            gen_ai.request.max_tokens = asked.max_tokens,
            gen_ai.request.seed = asked.seed,
            gen_ai.request.choice.count = asked.choices,
            gen_ai.request.top_k = asked.top_k,
            gen_ai.request.temperature = asked.temperature,
            gen_ai.request.top_p = asked.top_p,
            gen_ai.request.frequency_penalty = asked.frequency_penalty,
            gen_ai.request.presence_penalty = asked.presence_penalty,
            gen_ai.request.stop_sequences = asked.stop_sequences,
            gen_ai.request.reasoning.level = asked.reasoning_level,
            gen_ai.request.previous_response.id = asked.previous_response,
            gen_ai.conversation.id = asked.conversation,
            gen_ai.output.type = kind.output.or(asked.output),
            gen_ai.input.messages = Empty,
            gen_ai.system_instructions = Empty,
            gen_ai.output.messages = Empty,
            server.address = address.0,
            server.port = i64::from(address.1),
            gen_ai.response.id = Empty,
            gen_ai.response.model = Empty,
            gen_ai.response.finish_reasons = Empty,
            gen_ai.response.time_to_first_chunk = Empty,
            gen_ai.usage.input_tokens = Empty,
            gen_ai.usage.output_tokens = Empty,
            gen_ai.usage.cache_read.input_tokens = Empty,
            gen_ai.usage.cache_write.input_tokens = Empty,
            gen_ai.usage.reasoning.output_tokens = Empty,
            error.type = Empty,
            openrouter.operation = context.operation_id(),
            openrouter.provider = Empty,
            openrouter.cost = Empty,
            openrouter.attempts = Empty,
            openrouter.outcome = Empty,
        );
        Self { span, kind: Some(kind), model: asked.model, address, trace_ids: None }
    }

    fn end(&self, end: &CallEnd<'_>) {
        let Self { span, kind, .. } = self;
        let (outcome, error) = match end.outcome {
            Outcome::Completed => ("completed", None),
            Outcome::Failed(error) => ("failed", Some(error_type(error))),
            Outcome::Dropped => ("dropped", None),
        };
        span.record("openrouter.outcome", outcome);
        span.record("openrouter.attempts", i64::from(end.attempts));
        if let Some(error) = &error {
            span.record("error.type", &**error);
            span.record("otel.status_code", "ERROR");
        }
        let Some(kind) = kind else {
            span.record("http.response.status_code", end.status.map(|status| i64::from(status.as_u16())));
            return;
        };
        let usage = &end.usage;
        span.record("gen_ai.response.id", end.generation_id);
        span.record("gen_ai.response.model", end.model);
        if !end.finish_reasons.is_empty() {
            // A field cannot be a list.
            span.record("gen_ai.response.finish_reasons", serde_json::json!(end.finish_reasons).to_string());
        }
        let first_chunk = end.time_to_first_event.filter(|_| end.events > 0).map(|time| time.as_secs_f64());
        span.record("gen_ai.response.time_to_first_chunk", first_chunk);
        span.record("gen_ai.usage.input_tokens", signed(usage.input_tokens));
        span.record("gen_ai.usage.output_tokens", signed(usage.output_tokens));
        span.record("gen_ai.usage.cache_read.input_tokens", signed(usage.cache_read_tokens));
        span.record("gen_ai.usage.cache_write.input_tokens", signed(usage.cache_write_tokens));
        span.record("gen_ai.usage.reasoning.output_tokens", signed(usage.reasoning_tokens));
        span.record("openrouter.provider", end.provider);
        span.record("openrouter.cost", usage.cost.map(|cost| cost.as_f64()));
        self.measure(*kind, end, first_chunk, error.as_deref());
    }

    /// Writes the metrics of the conventions, in the form that the metrics layer of
    /// `tracing-opentelemetry` reads.
    fn measure(&self, kind: Kind, end: &CallEnd<'_>, first_chunk: Option<f64>, error: Option<&str>) {
        macro_rules! metrics {
            ($($metric:tt)*) => {
                tracing::event!(
                    target: "openrouter_kit::metrics",
                    parent: &self.span,
                    Level::DEBUG,
                    gen_ai.operation.name = kind.operation,
                    gen_ai.provider.name = "openrouter",
                    gen_ai.request.model = self.model,
                    gen_ai.response.model = end.model,
                    server.address = self.address.0,
                    server.port = i64::from(self.address.1),
                    error.type = error,
                    openrouter.provider = end.provider,
                    $($metric)*
                )
            };
        }
        let (elapsed, usage) = (end.elapsed.as_secs_f64(), &end.usage);
        if !kind.is_inference {
            metrics!(histogram.gen_ai.client.operation.duration = elapsed);
            return;
        }
        metrics!(
            histogram.gen_ai.client.inference.duration = elapsed,
            histogram.gen_ai.client.inference.time_to_first_chunk = first_chunk,
            monotonic_counter.gen_ai.client.inference.usage.input_tokens = usage.input_tokens,
            monotonic_counter.gen_ai.client.inference.usage.output_tokens = usage.output_tokens,
            monotonic_counter.gen_ai.client.inference.usage.cache_read.input_tokens = usage.cache_read_tokens,
            monotonic_counter.gen_ai.client.inference.usage.cache_write.input_tokens = usage.cache_write_tokens,
            monotonic_counter.gen_ai.client.inference.usage.reasoning.output_tokens = usage.reasoning_tokens,
            histogram.gen_ai.client.inference.operation.input_tokens = usage.input_tokens,
            histogram.gen_ai.client.inference.operation.output_tokens = usage.output_tokens,
        );
    }
}

/// Converts a count for attributes: OpenTelemetry has no unsigned integers.
fn signed(count: Option<u64>) -> Option<i64> {
    count.map(|count| i64::try_from(count).unwrap_or(i64::MAX))
}

/// Returns the value of `error.type`: the status of an error response, or the kind of the error.
fn error_type(error: &Error) -> String {
    match error {
        Error::Api(error) if error.status().is_success() => format!("{:?}", error.kind()).to_ascii_lowercase(),
        Error::Api(error) => error.status().as_str().to_owned(),
        Error::Connection(_) => "connection".to_owned(),
        Error::Timeout(_) => "timeout".to_owned(),
        Error::Cancelled(_) => "cancelled".to_owned(),
        Error::InvalidRequest(_) => "invalid_request".to_owned(),
        Error::ResponseValidation(_) => "response_validation".to_owned(),
        Error::Hook(_) => "hook".to_owned(),
        Error::Unexpected(_) => "_OTHER".to_owned(),
    }
}

/// Returns the host and the port of a server URL.
fn address(url: &str) -> (String, u16) {
    let uri = url.parse::<http::Uri>().unwrap_or_default();
    let port = if uri.scheme_str() == Some("http") { 80 } else { 443 };
    (uri.host().unwrap_or_default().to_owned(), uri.port_u16().unwrap_or(port))
}

/// Returns the JSON of a request with the ids of a trace added; `None` if it already has a trace id
/// or is not an object.
fn with_trace(body: &Bytes, (trace_id, span_id): &(String, String)) -> Option<String> {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let object = |members: &[(String, &str)], added: &[(&str, String)]| {
        let old = members.iter().map(|(name, value)| format!("{}:{value}", quoted(name)));
        let new = added.iter().map(|(name, value)| format!("{}:{value}", quoted(name)));
        format!("{{{}}}", old.chain(new).collect::<Vec<_>>().join(","))
    };
    let ids = [("trace_id", quoted(trace_id)), ("parent_span_id", quoted(span_id))];
    let mut request = members(str::from_utf8(body).ok()?).ok()?;
    let trace = match request.iter().position(|(name, _)| name == "trace") {
        Some(at) => members(request.remove(at).1).ok()?,
        None => Vec::new(),
    };
    if trace.iter().any(|(name, _)| ids.iter().any(|(id, _)| name == id)) {
        return None;
    }
    Some(object(&request, &[("trace", object(&trace, &ids))]))
}

/// Runs an agent inside its span, if its client has spans. `counts` returns how many model calls
/// and tool calls it made.
#[cfg(feature = "agent")]
pub(crate) async fn in_agent_span<T, E>(
    core: &OpenRouterCore,
    run_id: &str,
    run: impl Future<Output = Result<T, E>>,
    counts: impl FnOnce() -> (u64, u64),
) -> Result<T, E> {
    if !core.inner().is_traced() {
        return run.await;
    }
    let span = tracing::info_span!(
        target: "openrouter_kit",
        "openrouter.agent",
        otel.name = "invoke_agent",
        otel.kind = "internal",
        otel.status_code = Empty,
        gen_ai.operation.name = "invoke_agent",
        error.type = Empty,
        openrouter.run.id = run_id,
    );
    let began = Instant::now();
    let result = run.instrument(span.clone()).await;
    let error = failed(&span, &result);
    let (inference_calls, tool_calls) = counts();
    tracing::event!(
        target: "openrouter_kit::metrics",
        parent: &span,
        Level::DEBUG,
        error.type = error,
        histogram.gen_ai.invoke_agent.duration = began.elapsed().as_secs_f64(),
        histogram.gen_ai.invoke_agent.inference_calls = inference_calls,
        histogram.gen_ai.invoke_agent.tool_calls = tool_calls,
    );
    result
}

/// Runs a tool of the program inside its span, if the client of the agent has spans.
#[cfg(feature = "agent")]
pub(crate) fn in_tool_span<T: 'static, E: 'static>(
    core: &OpenRouterCore,
    name: &str,
    call_id: &str,
    tool: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Pin<Box<dyn Future<Output = Result<T, E>> + Send>> {
    if !core.inner().is_traced() {
        return Box::pin(tool);
    }
    let (name, call_id) = (name.to_owned(), call_id.to_owned());
    Box::pin(async move {
        let span = tracing::info_span!(
            target: "openrouter_kit",
            "openrouter.tool",
            otel.name = format_args!("execute_tool {name}"),
            otel.kind = "internal",
            otel.status_code = Empty,
            gen_ai.operation.name = "execute_tool",
            gen_ai.tool.name = name,
            gen_ai.tool.call.id = call_id,
            gen_ai.tool.type = "function",
            error.type = Empty,
        );
        let began = Instant::now();
        let result = tool.instrument(span.clone()).await;
        let error = failed(&span, &result);
        tracing::event!(
            target: "openrouter_kit::metrics",
            parent: &span,
            Level::DEBUG,
            gen_ai.tool.name = name,
            error.type = error,
            histogram.gen_ai.execute_tool.duration = began.elapsed().as_secs_f64(),
        );
        result
    })
}

/// Records that the work of a span failed. The errors of a program may contain anything.
#[cfg(feature = "agent")]
fn failed<T, E>(span: &Span, result: &Result<T, E>) -> Option<&'static str> {
    let error = result.is_err().then_some("_OTHER");
    if let Some(error) = error {
        span.record("error.type", error);
        span.record("otel.status_code", "ERROR");
    }
    error
}

impl Hook for Tracing {
    fn before_create_request<'a>(
        &'a self,
        context: &'a HookContext,
        input: &'a mut RequestInput,
    ) -> HookFuture<'a, ()> {
        let state = context.state::<CallSpan>();
        let open = state.open().unwrap_or_else(|| {
            let mut open = Open::new(context, &input.body);
            if let Some(ids) = self.trace_ids.as_ref().filter(|_| open.kind.is_some()) {
                open.trace_ids = open.span.in_scope(|| ids());
            }
            if self.content && open.kind.is_some_and(|kind| kind.operation == "chat") {
                let (messages, instructions) =
                    input.body.as_bytes().map_or((None, None), |body| content::of_request(body));
                open.span.record("gen_ai.input.messages", messages);
                open.span.record("gen_ai.system_instructions", instructions);
                *lock(&state.received) = Some(Vec::new());
            }
            *lock(&state.open) = Some(open.clone());
            open
        });
        if let Some(ids) = &open.trace_ids
            && let Some(json) = input.body.as_bytes().and_then(|body| with_trace(body, ids))
        {
            input.body = json.into();
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn observer(&self) -> Option<&dyn Observer> {
        Some(self)
    }
}

impl Observer for Tracing {
    fn response(&self, context: &HookContext, response: &Response<Body>) {
        if let Some(span) = CallSpan::span(context) {
            tracing::event!(
                target: "openrouter_kit",
                parent: &span,
                Level::DEBUG,
                openrouter.attempt = i64::from(context.attempt()),
                http.response.status_code = i64::from(response.status().as_u16()),
                "response"
            );
        }
    }

    fn chunk(&self, context: &HookContext, chunk: &Bytes) {
        let state = context.state::<CallSpan>();
        if self.content {
            let mut received = lock(&state.received);
            received.as_mut().into_iter().for_each(|received| received.extend_from_slice(chunk));
            received.take_if(|received| received.len() > content::LARGEST_RESPONSE);
        }
        if !state.has_first_chunk.swap(true, Ordering::Relaxed)
            && let Some(Open { span, .. }) = state.open()
        {
            tracing::event!(target: "openrouter_kit", parent: &span, Level::DEBUG, "first byte");
        }
    }

    fn attempt_failed(&self, context: &HookContext, error: &Error, retry: Option<Retry>) {
        let state = context.state::<CallSpan>();
        state.has_first_chunk.store(false, Ordering::Relaxed);
        if retry.is_some() {
            lock(&state.received).as_mut().into_iter().for_each(Vec::clear);
        }
        if let Some(Open { span, .. }) = state.open() {
            tracing::event!(
                target: "openrouter_kit",
                parent: &span,
                Level::DEBUG,
                openrouter.attempt = i64::from(context.attempt()),
                error.type = error_type(error),
                openrouter.retry.wait = retry.map(|retry| retry.wait.as_secs_f64()),
                "attempt failed"
            );
        }
    }

    fn call_end(&self, context: &HookContext, end: &CallEnd<'_>) {
        let state = context.state::<CallSpan>();
        let open = lock(&state.open).take();
        if let Some(open) = open {
            if let Some(received) = lock(&state.received).take() {
                open.span.record("gen_ai.output.messages", content::of_response(&received));
            }
            open.end(end);
        }
    }
}
