//! The spans of calls, as a subscriber sees them. What a collector makes of them is tested in `examples/opentelemetry`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Method;
use openrouter_kit::OpenRouterCore;
use openrouter_kit::core::transport::TransportErrorKind as Kind;
use openrouter_kit::core::{Call, EventStream, Operation, Parts};
use openrouter_kit::hooks::Tracing;
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::a_limit::tokio;
use crate::support::{Script, Step, Thing, answer, get, response, slow_body};

static CHAT: Operation = Operation::new("sendChatCompletionRequest", Method::POST, "/chat/completions");
static RESPONSES: Operation = Operation::new("createResponses", Method::POST, "/responses");
static MESSAGES: Operation = Operation::new("createMessages", Method::POST, "/messages");

/// A span as it was seen.
#[derive(Clone, Debug, Default)]
struct Seen {
    fields: BTreeMap<String, String>,
    parent: Option<u64>,
    events: Vec<String>,
    is_closed: bool,
}

#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<(Seen, usize)>>>, Arc<Mutex<Vec<u64>>>);

struct Fields<'a>(&'a mut BTreeMap<String, String>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}

impl Subscriber for Spans {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let current = self.1.lock().unwrap().last().copied();
        let mut seen = Seen { parent: attributes.parent().map(Id::into_u64).or(current), ..Seen::default() };
        attributes.record(&mut Fields(&mut seen.fields));
        let mut spans = self.0.lock().unwrap();
        spans.push((seen, 1));
        Id::from_u64(spans.len() as u64)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        values.record(&mut Fields(&mut self.0.lock().unwrap()[span.into_u64() as usize - 1].0.fields));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = BTreeMap::new();
        event.record(&mut Fields(&mut fields));
        if let Some(parent) = event.parent() {
            self.0.lock().unwrap()[parent.into_u64() as usize - 1].0.events.push(format!("{fields:?}"));
        }
    }

    fn enter(&self, span: &Id) {
        self.1.lock().unwrap().push(span.into_u64());
    }

    fn exit(&self, _: &Id) {
        self.1.lock().unwrap().pop();
    }

    fn clone_span(&self, id: &Id) -> Id {
        self.0.lock().unwrap()[id.into_u64() as usize - 1].1 += 1;
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        let (seen, count) = &mut self.0.lock().unwrap()[id.into_u64() as usize - 1];
        *count -= 1;
        seen.is_closed = *count == 0;
        seen.is_closed
    }
}

impl Spans {
    fn seen(&self) -> Vec<Seen> {
        self.0.lock().unwrap().iter().map(|(seen, _)| seen.clone()).collect()
    }
}

fn traced(script: &Script) -> OpenRouterCore {
    script.client().tracing(Tracing::new()).build().unwrap()
}

fn chat(core: &OpenRouterCore) -> Call<Thing> {
    let body = Thing::of(json!({"model": "a/b", "messages": [{"content": "marked-secret"}], "temperature": 0.5,
        "stop": ["END", "\n"]}));
    Call::new(core, Parts::new(&CHAT).json(&body))
}

#[tokio::test(start_paused = true)]
async fn a_call_is_a_span_that_ends_with_it() {
    let spans = Spans::default();
    let _guard = tracing::subscriber::set_default(spans.clone());
    let script =
        Script::new([answer(503, "marked-secret"), answer(200, r#"{"model":"c","usage":{"input_tokens":3}}"#)]);
    let core = traced(&script);
    let outer = tracing::info_span!("outer");
    let entered = outer.enter();
    chat(&core).header("x-secret", "marked-secret").await.unwrap();
    drop(entered);
    let seen = spans.seen();
    assert_eq!(seen.len(), 2, "{seen:?}");
    let span = &seen[1];
    assert_eq!((span.parent, span.is_closed), (Some(1), true));
    for (name, value) in [
        ("otel.name", "chat a/b"),
        ("otel.kind", "client"),
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "openrouter"),
        ("gen_ai.request.model", "a/b"),
        ("gen_ai.request.stop_sequences", r#"["END","\n"]"#),
        ("gen_ai.response.model", "c"),
        ("gen_ai.usage.input_tokens", "3"),
        ("openrouter.attempts", "2"),
        ("openrouter.outcome", "completed"),
        ("server.address", "openrouter.ai"),
        ("server.port", "443"),
    ] {
        assert_eq!(span.fields.get(name).map(String::as_str), Some(value), "{name} of {span:?}");
    }
    // It has no events, so none of them was the first.
    for absent in ["gen_ai.response.time_to_first_chunk", "gen_ai.response.finish_reasons", "error.type"] {
        assert!(!span.fields.contains_key(absent), "{absent} of {span:?}");
    }
    // Two responses with their first bytes, a failed attempt, the metrics.
    assert_eq!(span.events.len(), 6, "{:?}", span.events);
    assert!(!format!("{seen:?}").contains("secret"), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn the_options_of_a_request_are_in_its_span() {
    let options = |body: serde_json::Value| async move {
        let spans = Spans::default();
        let _guard = tracing::subscriber::set_default(spans.clone());
        let core = traced(&Script::new([answer(200, "{}")]));
        Call::<Thing>::new(&core, Parts::new(&CHAT).json(&Thing::of(body))).await.unwrap();
        let of_request = |(name, value): (&String, &String)| {
            let name = name.strip_prefix("gen_ai.")?;
            let is_option = ["request.", "output.type", "conversation."].iter().any(|start| name.starts_with(start));
            is_option.then(|| format!("{} = {value}", name.trim_start_matches("request.")))
        };
        spans.seen()[0].fields.iter().filter_map(of_request).collect::<Vec<_>>()
    };
    let body = json!({"model": "a/b", "session_id": "s", "previous_response_id": "p", "reasoning": {"effort": "low"},
        "max_output_tokens": 7, "seed": 8, "n": 2, "top_k": 9, "temperature": 0.5, "top_p": 0.25,
        "frequency_penalty": 0.125, "presence_penalty": -0.5, "stop": "END", "text": {"format": {"type": "json_schema"}}});
    let expected = [
        "conversation.id = s",
        "output.type = json",
        "choice.count = 2",
        "frequency_penalty = 0.125",
        "max_tokens = 7",
        "model = a/b",
        "presence_penalty = -0.5",
        "previous_response.id = p",
        "reasoning.level = low",
        "seed = 8",
        "stop_sequences = [\"END\"]",
        "temperature = 0.5",
        "top_k = 9",
        "top_p = 0.25",
    ];
    assert_eq!(options(body).await, expected);
    for limit in ["max_tokens", "max_completion_tokens"] {
        assert_eq!(
            options(json!({limit: 7, "reasoning_effort": "high", "n": 1})).await,
            ["max_tokens = 7", "reasoning.level = high"]
        );
    }
    let long = "x".repeat(257);
    for nothing in [
        json!({"model": "", "session_id": long, "stop": []}),
        json!({"model": long, "session_id": 5, "stop": [long]}),
        json!({"model": null}),
        json!({"stop": [1, 2]}),
    ] {
        assert_eq!(options(nothing.clone()).await, Vec::<String>::new(), "{nothing}");
    }
    let longest = &long[1..];
    assert_eq!(options(json!({"model": longest})).await, [format!("model = {longest}")]);
    for (format, output) in
        [("json_object", Some("json")), ("json_schema", Some("json")), ("text", Some("text")), ("grammar", None)]
    {
        let expected: Vec<_> = output.map(|output| format!("output.type = {output}")).into_iter().collect();
        assert_eq!(options(json!({"response_format": {"type": format}})).await, expected, "{format}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_span_of_a_stream_lasts_until_it_is_read_or_dropped() {
    let spans = Spans::default();
    let _guard = tracing::subscriber::set_default(spans.clone());
    for (ends, outcome, error) in
        [(true, "completed", None), (false, "failed", Some("connection")), (true, "dropped", None)]
    {
        spans.0.lock().unwrap().clear();
        let mut events = response(200, "");
        events.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
        let second = Duration::from_secs(1);
        let chunks = vec![(second, "data: {}\n\n"), (second, "data: [DONE]\n\n")];
        let (chunks, end) = if ends { (chunks, None) } else { (chunks[..1].to_vec(), Some(Kind::Body)) };
        *events.body_mut() = slow_body(chunks, end);
        let core = traced(&Script::new([Step::Answer(events)]));
        let mut stream: EventStream<Thing> =
            Call::new(&core, Parts::new(&CHAT).json(&Thing::of(json!({})))).await.unwrap();
        assert!(!spans.seen()[0].is_closed);
        stream.next().await.unwrap().unwrap();
        if outcome != "dropped" {
            while stream.next().await.is_some() {}
        }
        drop(stream);
        let span = &spans.seen()[0];
        assert!(span.is_closed);
        assert_eq!(span.fields["openrouter.outcome"], outcome);
        assert_eq!(span.fields.get("error.type").map(String::as_str), error);
        assert_eq!(span.fields["gen_ai.request.stream"], "true");
        assert_eq!(span.fields["gen_ai.response.time_to_first_chunk"], "1.0");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_has_no_spans_unless_it_asks_for_them() {
    let spans = Spans::default();
    let _guard = tracing::subscriber::set_default(spans.clone());
    chat(&Script::new([answer(200, "{}")]).core()).await.unwrap();
    assert_eq!(spans.seen().len(), 0);
}

#[cfg(all(feature = "agent", feature = "mock"))]
#[tokio::test(start_paused = true)]
async fn a_run_of_an_agent_and_its_tools_are_spans_if_those_of_its_client_are() {
    use crate::agent::{call_item, echo, response, text_item};
    for is_traced in [true, false] {
        let spans = Spans::default();
        let _guard = tracing::subscriber::set_default(spans.clone());
        let outputs = [call_item("c1", "echo", "{}"), text_item("done")];
        let script = Script::new(outputs.map(|output| answer(200, &response(&[output]).to_string())));
        let core = if is_traced { traced(&script) } else { script.core() };
        let agent = openrouter_kit::OpenRouter::from(core).agent("a/b").tool(echo("echo"));
        assert_eq!(agent.run("Hi").await.unwrap().text(), Ok("done"));
        let seen = spans.seen();
        let names: Vec<_> = seen.iter().map(|span| (&*span.fields["otel.name"], span.parent)).collect();
        let expected =
            [("invoke_agent", None), ("chat a/b", Some(1)), ("execute_tool echo", Some(1)), ("chat a/b", Some(1))];
        assert_eq!(names, if is_traced { &expected[..] } else { &[] });
        assert!(seen.iter().all(|span| span.is_closed));
        if let [run, _, tool, _] = &seen[..] {
            assert!(
                run.events[0].contains("inference_calls\": \"2\"") && run.events[0].contains("tool_calls\": \"1\"")
            );
            assert_eq!((&*tool.fields["gen_ai.tool.name"], &*tool.fields["gen_ai.tool.call.id"]), ("echo", "c1"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_generates_nothing_is_a_span_of_its_method_and_path() {
    let spans = Spans::default();
    let _guard = tracing::subscriber::set_default(spans.clone());
    get(&traced(&Script::new([answer(404, "{}")]))).query("key", "secret").await.unwrap_err();
    let span = &spans.seen()[0];
    assert_eq!(span.fields["otel.name"], "GET /things/{id}");
    assert_eq!((&*span.fields["error.type"], &*span.fields["http.response.status_code"]), ("404", "404"));
    assert!(!span.fields.keys().any(|name| name.starts_with("gen_ai.")), "{span:?}");
    assert!(!format!("{span:?}").contains("secret"), "{span:?}");
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_generates_is_a_span_of_its_kind() {
    const DURATION: &str = "gen_ai.client.operation.duration";
    const INFERENCE: &str = "gen_ai.client.inference.duration";
    static SPEECH: Operation = Operation::new("createAudioSpeech", Method::POST, "/audio/speech");
    static COMPLETIONS: Operation = Operation::new("sendCompletion", Method::POST, "/completions");
    static EMBEDDINGS: Operation = Operation::new("createEmbeddings", Method::POST, "/embeddings");
    static IMAGES: Operation = Operation::new("createImages", Method::POST, "/images");
    static PRESET: Operation = Operation::new("createPreset", Method::POST, "/presets/{slug}/responses");
    static RERANK: Operation = Operation::new("createRerank", Method::POST, "/rerank");
    static TRANSCRIPTIONS: Operation = Operation::new("createText", Method::POST, "/audio/transcriptions");
    static VIDEOS: Operation = Operation::new("createVideos", Method::POST, "/videos");
    static LIST_VIDEOS: Operation = Operation::new("listVideos", Method::GET, "/videos");
    static FILES: Operation = Operation::new("createFiles", Method::POST, "/files");
    for (operation, name, output, metric) in [
        (&CHAT, "chat m", None, Some(INFERENCE)),
        (&RESPONSES, "chat m", None, Some(INFERENCE)),
        (&MESSAGES, "chat m", None, Some(INFERENCE)),
        (&PRESET, "chat m", None, Some(INFERENCE)),
        (&COMPLETIONS, "text_completion m", Some("text"), Some(INFERENCE)),
        (&EMBEDDINGS, "embeddings m", None, Some(DURATION)),
        (&IMAGES, "generate_content m", Some("image"), Some(INFERENCE)),
        (&SPEECH, "generate_content m", Some("speech"), Some(INFERENCE)),
        (&TRANSCRIPTIONS, "generate_content m", Some("text"), Some(INFERENCE)),
        (&VIDEOS, "generate_content m", Some("video"), Some(INFERENCE)),
        (&RERANK, "rerank m", None, Some(DURATION)),
        (&LIST_VIDEOS, "GET /videos", None, None),
        (&FILES, "POST /files", None, None),
    ] {
        let spans = Spans::default();
        let _guard = tracing::subscriber::set_default(spans.clone());
        let core = traced(&Script::new([answer(200, "{}")]));
        let mut parts = Parts::new(operation).json(&Thing::of(json!({"model": "m"})));
        if operation.path().contains("{slug}") {
            parts = parts.path("slug", "a");
        }
        Call::<Thing>::new(&core, parts).await.unwrap();
        let span = &spans.seen()[0];
        assert_eq!(span.fields["otel.name"], name);
        assert_eq!(span.fields.get("gen_ai.output.type").map(String::as_str), output, "{name}");
        for known in [DURATION, INFERENCE] {
            let is_measured = span.events.iter().any(|event| event.contains(known));
            assert_eq!(is_measured, metric == Some(known), "{known} of {name}: {:?}", span.events);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_span_tells_why_the_model_stopped_or_what_failed() {
    let stopped = r#"{"choices":[{"index":0,"finish_reason":"stop"},{"index":1,"finish_reason":"length"}]}"#;
    for (step, reasons, error) in [
        (answer(200, stopped), Some(r#"["stop","length"]"#), None),
        (answer(402, "{}"), None, Some("402")),
        (answer(200, r#"{"error":{"code":402,"message":"no"}}"#), None, Some("paymentrequired")),
        (answer(200, r#"{"mismatch":1}"#), None, Some("response_validation")),
        (answer(302, ""), None, Some("_OTHER")),
        (Step::Fail(Kind::Exchange), None, Some("connection")),
        (Step::Never, None, Some("timeout")),
    ] {
        let spans = Spans::default();
        let _guard = tracing::subscriber::set_default(spans.clone());
        let is_ok = chat(&traced(&Script::new([step]))).await.is_ok();
        assert_eq!(is_ok, error.is_none());
        let span = &spans.seen()[0];
        assert_eq!(span.fields.get("gen_ai.response.finish_reasons").map(String::as_str), reasons);
        assert_eq!(span.fields.get("error.type").map(String::as_str), error);
        assert_eq!(span.fields.get("otel.status_code").map(String::as_str), error.map(|_| "ERROR"));
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_subscriber_no_trace_ids_are_requested() {
    let script = Script::new([answer(200, "{}")]);
    let ids = || panic!("trace ids were requested without a span");
    let core = script.client().tracing(Tracing::new().trace_ids(ids)).build().unwrap();
    Call::<Thing>::new(&core, Parts::new(&CHAT).json(&Thing::of(json!({"model": "m"})))).await.unwrap();
    assert_eq!(script.sent()[0].body, r#"{"model":"m"}"#);
}

#[cfg(all(feature = "agent", feature = "mock"))]
#[tokio::test(start_paused = true)]
async fn the_span_of_a_tool_or_a_run_says_that_it_failed_but_not_why() {
    use openrouter_kit::agent::{Tool, UnknownTool};

    use crate::agent::{call_item, no_parameters, response, text_item};

    let spans = Spans::default();
    let _guard = tracing::subscriber::set_default(spans.clone());
    let outputs = [
        vec![call_item("c1", "works", "{}"), call_item("c2", "breaks", "{}")],
        vec![text_item("done")],
        vec![call_item("c3", "unknown", "{}")],
    ];
    let script = Script::new(outputs.map(|output| answer(200, &response(&output).to_string())));
    let works = Tool::with_schema("works", "A tool", no_parameters(), async || "done");
    let breaks = Tool::with_schema("breaks", "A tool", no_parameters(), async || {
        Err::<String, _>(std::io::Error::other("marked-secret"))
    });
    let agent = openrouter_kit::OpenRouter::from(traced(&script)).agent("a/b").tool(works).tool(breaks);
    let agent = agent.unknown_tool(UnknownTool::Fail);
    assert_eq!(agent.run("Hi").await.unwrap().text(), Ok("done"));
    agent.run("Hi").await.unwrap_err();

    let mut seen = spans.seen();
    assert!(!format!("{seen:?}").contains("secret"), "{seen:?}");
    seen.retain(|span| span.fields["otel.kind"] == "internal");
    let expected = [
        ("invoke_agent", "gen_ai.invoke_agent.duration", false),
        ("execute_tool works", "gen_ai.execute_tool.duration", false),
        ("execute_tool breaks", "gen_ai.execute_tool.duration", true),
        ("invoke_agent", "gen_ai.invoke_agent.duration", true),
    ];
    assert_eq!(seen.len(), expected.len(), "{seen:?}");
    for (span, (name, metric, has_failed)) in seen.iter().zip(expected) {
        let of = |name: &str| span.fields.get(name).map(String::as_str);
        assert_eq!(of("otel.name"), Some(name));
        assert_eq!(of("error.type"), has_failed.then_some("_OTHER"), "{name}");
        assert_eq!(of("otel.status_code"), has_failed.then_some("ERROR"), "{name}");
        let [event] = &span.events[..] else { panic!("{span:?}") };
        assert!(event.contains(metric) && event.contains("_OTHER") == has_failed, "{event}");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_carry_the_ids_of_their_trace_if_asked_to() {
    let spans = Spans::default();
    let _guard = tracing::subscriber::set_default(spans.clone());
    let script = Script::new((0..4).map(|_| answer(200, "{}")));
    let entered = spans.1.clone();
    let ids = move || Some(("trace".to_owned(), entered.lock().unwrap().last()?.to_string()));
    let core = script.client().tracing(Tracing::new().trace_ids(ids)).build().unwrap();
    let bodies = [
        (json!({"model": "m"}), json!({"model": "m", "trace": {"trace_id": "trace", "parent_span_id": "1"}})),
        (
            json!({"trace": {"trace_name": "n"}, "model": "m"}),
            json!({"model": "m", "trace": {"trace_name": "n", "trace_id": "trace", "parent_span_id": "2"}}),
        ),
        (json!({"trace": {"trace_id": "own"}}), json!({"trace": {"trace_id": "own"}})),
    ];
    for (sent, expected) in bodies {
        Call::<Thing>::new(&core, Parts::new(&CHAT).json(&Thing::of(sent))).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&script.sent().last().unwrap().body).unwrap();
        assert_eq!(body, expected);
    }
    // Operations that do not generate have no such member.
    get(&core).await.unwrap();
    assert!(script.sent().last().unwrap().body.is_empty());
}

#[tokio::test(start_paused = true)]
async fn messages_are_in_the_span_of_a_call_if_asked_for() {
    const KEY: &str = "sk-or-v1-0123456789abcdef";
    let spans = Spans::default();
    let _guard = tracing::subscriber::set_default(spans.clone());
    let chat_request = json!({"model": "m", "messages": [
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": [{"type": "text", "text": KEY}, {"type": "image_url", "image_url": {"url": "u"}}]},
        {"role": "assistant", "content": null, "reasoning": "Hm",
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "2"},
        {"role": "assistant", "content": ""},
        {"role": "assistant", "content": [
            {"type": "refusal", "refusal": "No"}, {"type": "thinking", "thinking": "Hm"}]},
    ]});
    let chat_input = json!([
        {"role": "system", "parts": [{"type": "text", "content": "Be brief"}]},
        {"role": "user", "parts": [{"type": "text", "content": "sk-[redacted]"},
            {"type": "image_url", "image_url": {"url": "u"}}]},
        {"role": "assistant", "parts": [{"type": "reasoning", "content": "Hm"},
            {"type": "tool_call", "id": "c", "name": "f", "arguments": {"a": 1}}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c", "response": "2"}]},
        {"role": "assistant", "parts": []},
        {"role": "assistant", "parts": [{"type": "text", "content": "No"}, {"type": "reasoning", "content": "Hm"}]},
    ]);
    let said = json!({"role": "assistant", "parts": [{"type": "text", "content": "Hello"}]});
    let called = json!({"type": "tool_call", "id": "c", "name": "f", "arguments": {"a": 1}});
    let cases = [
        (
            &CHAT,
            chat_request,
            json!({"choices": [{"message": {"role": "assistant", "content": "Hello"}}]}),
            vec![],
            [Some(chat_input), None, Some(json!([said]))],
        ),
        (
            &CHAT,
            json!({"messages": []}),
            json!(null),
            vec![
                json!({"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hel"}}]}),
                json!({"choices": [{"index": 0, "delta": {"role": "assistant", "content": null}}]}),
                json!({"choices": [{"index": 0, "delta": {"content": "lo", "tool_calls": [
                {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{\"a\""}}]}}]}),
                json!({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]},
                "finish_reason": "tool_calls"}]}),
            ],
            [None, None, Some(json!([{"role": "assistant", "parts": [{"type": "text", "content": "Hello"}, called]}]))],
        ),
        (
            &RESPONSES,
            json!({"input": [
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm"}],
                    "content": [{"type": "reasoning_text", "text": "So"}]},
                {"type": "function_call_output", "call_id": "c", "output": "2"},
            ]}),
            json!({"output": [{"type": "reasoning", "summary": []}]}),
            vec![],
            [
                Some(json!([
                    {"role": "assistant", "parts": [{"type": "reasoning", "content": "Hm\nSo"}]},
                    {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c", "response": "2"}]},
                ])),
                None,
                Some(json!([{"role": "assistant", "parts": [{"type": "reasoning", "content": ""}]}])),
            ],
        ),
        (
            &RESPONSES,
            json!({"instructions": "Be brief", "input": "Hi"}),
            json!(null),
            vec![
                json!({"type": "response.output_text.delta", "delta": "Hello"}),
                json!({"type": "response.output_item.done", "item": {"type": "message", "role": "assistant",
                "content": [{"type": "output_text", "text": "Hello"}]}}),
                json!({"type": "response.output_item.done", "item": {"type": "function_call", "call_id": "c", "name": "f",
                "arguments": "{\"a\":1}"}}),
                json!({"type": "response.completed", "response": {}}),
            ],
            [
                Some(json!([{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}])),
                Some(json!([{"type": "text", "content": "Be brief"}])),
                Some(json!([said, {"role": "assistant", "parts": [called]}])),
            ],
        ),
        (
            &MESSAGES,
            json!({"system": [{"type": "text", "text": "Be brief"}], "messages": [{"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "c", "content": "2"}]}]}),
            json!(null),
            vec![
                json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
                json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}}),
                json!({"type": "content_block_start", "index": 1,
                "content_block": {"type": "tool_use", "id": "c", "name": "f", "input": {}}}),
                json!({"type": "content_block_delta", "index": 1,
                "delta": {"type": "input_json_delta", "partial_json": "{\"a\""}}),
                json!({"type": "content_block_delta", "index": 1,
                "delta": {"type": "input_json_delta", "partial_json": ":1}"}}),
            ],
            [
                Some(json!([{"role": "user", "parts": [{"type": "tool_call_response", "id": "c", "response": "2"}]}])),
                Some(json!([{"type": "text", "content": "Be brief"}])),
                Some(json!([{"role": "assistant", "parts": [{"type": "text", "content": "Hello"}, called]}])),
            ],
        ),
    ];
    for (operation, sent, whole, events, expected) in cases {
        spans.0.lock().unwrap().clear();
        let second = if events.is_empty() {
            answer(200, &whole.to_string())
        } else {
            let text: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
            let mut events = response(200, &text);
            events.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
            Step::Answer(events)
        };
        // What the first attempt returned is not the output.
        let busy = json!({"choices": [{"message": {"role": "assistant", "content": "busy"}}]}).to_string();
        let script = Script::new([answer(503, &busy), second]);
        let core = script.client().tracing(Tracing::new().content(true)).build().unwrap();
        let parts = Parts::new(operation).json(&Thing::of(sent));
        if events.is_empty() {
            Call::<Thing>::new(&core, parts).await.unwrap();
        } else {
            let mut stream: EventStream<Thing> = Call::new(&core, parts).await.unwrap();
            while stream.next().await.is_some() {}
        }
        let fields = &spans.seen()[0].fields;
        for (name, expected) in ["input.messages", "system_instructions", "output.messages"].iter().zip(expected) {
            let written = fields.get(&format!("gen_ai.{name}"));
            let written: Option<serde_json::Value> = written.map(|text| serde_json::from_str(text).unwrap());
            assert_eq!(written, expected, "{name} of {fields:?}");
        }
        assert!(!format!("{fields:?}").contains("0123456789abcdef"), "{fields:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_messages_of_a_response_of_over_16_mib_are_not_recorded() {
    const LARGEST: usize = 16 << 20;
    for (length, is_recorded) in [(LARGEST, true), (LARGEST + 1, false), (LARGEST + 5, false)] {
        let spans = Spans::default();
        let _guard = tracing::subscriber::set_default(spans.clone());
        let text = r#"{"choices":[{"message":{"role":"assistant","content":"Hello"}}]}"#;
        let script = Script::new([answer(200, &format!("{text}{}", " ".repeat(length - text.len())))]);
        let core = script.client().tracing(Tracing::new().content(true)).build().unwrap();
        chat(&core).await.unwrap();
        assert_eq!(spans.seen()[0].fields.contains_key("gen_ai.output.messages"), is_recorded, "{length}");
    }
}
