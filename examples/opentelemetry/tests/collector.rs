//! What a collector receives, compared with the names of the conventions.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use openrouter_kit::agent::{Tool, ToolOutput};
use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::models::{ChatMessage, ChatRequest, CreateEmbeddingsRequest, Json};
use openrouter_kit::{OpenRouter, RetryConfig};
use openrouter_kit_opentelemetry::{joining, subscriber};
use serde_json::{Value, json};

/// The attributes of the conventions 0.1.0 that a span of inference may have, and those of their general part.
const SPAN_ATTRIBUTES: &[&str] = &[
    "error.type",
    "gen_ai.conversation.id",
    "gen_ai.operation.name",
    "gen_ai.output.type",
    "gen_ai.provider.name",
    "gen_ai.request.choice.count",
    "gen_ai.request.frequency_penalty",
    "gen_ai.request.max_tokens",
    "gen_ai.request.model",
    "gen_ai.request.presence_penalty",
    "gen_ai.request.previous_response.id",
    "gen_ai.request.reasoning.level",
    "gen_ai.request.seed",
    "gen_ai.request.stop_sequences",
    "gen_ai.request.stream",
    "gen_ai.request.temperature",
    "gen_ai.request.top_k",
    "gen_ai.request.top_p",
    "gen_ai.response.finish_reasons",
    "gen_ai.response.id",
    "gen_ai.response.model",
    "gen_ai.response.time_to_first_chunk",
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_write.input_tokens",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.reasoning.output_tokens",
    "server.address",
    "server.port",
];

/// The metrics of the conventions 0.1.0, with their units.
const METRICS: &[(&str, &str)] = &[
    ("gen_ai.client.inference.duration", "s"),
    ("gen_ai.client.inference.operation.input_tokens", "{token}"),
    ("gen_ai.client.inference.operation.output_tokens", "{token}"),
    ("gen_ai.client.inference.time_to_first_chunk", "s"),
    ("gen_ai.client.inference.usage.cache_read.input_tokens", "{token}"),
    ("gen_ai.client.inference.usage.cache_write.input_tokens", "{token}"),
    ("gen_ai.client.inference.usage.input_tokens", "{token}"),
    ("gen_ai.client.inference.usage.output_tokens", "{token}"),
    ("gen_ai.client.inference.usage.reasoning.output_tokens", "{token}"),
    ("gen_ai.client.operation.duration", "s"),
    ("gen_ai.execute_tool.duration", "s"),
    ("gen_ai.invoke_agent.duration", "s"),
    ("gen_ai.invoke_agent.inference_calls", "{inference_call}"),
    ("gen_ai.invoke_agent.tool_calls", "{tool_call}"),
];

/// Attributes that may identify the span of inference in a metric.
const METRIC_ATTRIBUTES: &[&str] = &[
    "error.type",
    "gen_ai.operation.name",
    "gen_ai.provider.name",
    "gen_ai.request.model",
    "gen_ai.response.model",
    "gen_ai.tool.name",
    "openrouter.provider",
    "server.address",
    "server.port",
];

/// What must never be exported.
const SECRET: &str = "marked-secret";
const KEY: &str = "sk-or-v1-0123456789abcdef";

type Received = Arc<Mutex<Vec<(String, Value)>>>;

/// An OTLP collector over HTTP, which keeps what it receives.
fn collector() -> (String, Received) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let received = Received::default();
    let kept = received.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, kept) = (stream.unwrap(), kept.clone());
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut writer = stream;
                loop {
                    let mut first = String::new();
                    if reader.read_line(&mut first).unwrap_or_default() == 0 {
                        return;
                    }
                    let mut length = 0;
                    loop {
                        let mut line = String::new();
                        reader.read_line(&mut line).unwrap();
                        let line = line.trim().to_ascii_lowercase();
                        if line.is_empty() {
                            break;
                        }
                        if let Some(value) = line.strip_prefix("content-length:") {
                            length = value.trim().parse().unwrap();
                        }
                    }
                    let mut body = vec![0; length];
                    reader.read_exact(&mut body).unwrap();
                    let path = first.split(' ').nth(1).unwrap().to_owned();
                    kept.lock().unwrap().push((path, serde_json::from_slice(&body).unwrap()));
                    let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
                    writer.write_all(answer.as_bytes()).unwrap();
                }
            });
        }
    });
    (url, received)
}

fn attributes(list: &Value) -> BTreeMap<String, Value> {
    let plain = |value: &Value| {
        let (kind, inner) = value.as_object().unwrap().iter().next().unwrap();
        match (kind.as_str(), inner.as_str()) {
            ("intValue", Some(text)) => json!(text.parse::<i64>().unwrap()),
            _ => inner.clone(),
        }
    };
    let pairs = list.as_array().into_iter().flatten();
    pairs.map(|pair| (pair["key"].as_str().unwrap().to_owned(), plain(&pair["value"]))).collect()
}

/// Everything in the lists of this name, however deep.
fn all<'a>(value: &'a Value, name: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                if key == name {
                    found.extend(value.as_array().into_iter().flatten());
                }
                all(value, name, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| all(value, name, found)),
        _ => {}
    }
}

async fn calls(server: &MockServer, client: &OpenRouter) {
    let request = || {
        let message = ChatMessage::user(format!("Say {SECRET}"));
        ChatRequest::new([message]).model("openai/gpt-4o-mini").temperature(0.5).max_tokens(100).session_id("session-1").stop("END")
    };
    let usage = json!({
        "prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18, "cost": 0.0002,
        "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 5},
    });
    let result = json!({
        "id": "gen-1", "object": "chat.completion", "created": 1, "model": "openai/gpt-4o-mini-2024", "provider": "Azure",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": SECRET}}],
        "usage": usage,
    });
    // A chat.
    server.answer(Answer::json(200, result.clone()).header("set-cookie", SECRET));
    client.chat().send(request()).header("x-secret", SECRET).await.unwrap();
    // A stream.
    let chunk = |delta: Value, finish: Value| {
        json!({"id": "gen-2", "object": "chat.completion.chunk", "created": 1, "model": "m", "provider": "Azure",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    };
    let mut last = chunk(json!({}), json!("length"));
    last["usage"] = usage.clone();
    server.answer(Answer::stream([chunk(json!({"content": SECRET}), Value::Null), last]));
    let mut stream = client.chat().stream(request()).await.unwrap();
    while let Some(event) = stream.next().await {
        event.unwrap();
    }
    // A call that is retried.
    server.answer(Answer::error(503, SECRET)).answer(Answer::json(200, result));
    client.chat().send(request()).await.unwrap();
    // One that fails.
    server.answer(Answer::error(402, SECRET));
    client.chat().send(request()).await.unwrap_err();
    // Embeddings, and an operation that generates nothing.
    let embeddings =
        json!({"object": "list", "model": "e", "data": [], "usage": {"prompt_tokens": 4, "total_tokens": 4}});
    server.answer(Answer::json(200, embeddings));
    client.embeddings().generate(CreateEmbeddingsRequest::new(SECRET, "openai/e")).await.unwrap();
    server.answer(Answer::json(200, json!({"data": []})));
    client.models().list().await.unwrap();
    // An agent with a tool of the program.
    let output = |item: Value| {
        json!({"id": "gen-3", "object": "response", "created_at": 1, "status": "completed", "model": "a/b",
            "output": [item], "parallel_tool_calls": true, "tool_choice": "auto", "tools": [],
            "usage": {"input_tokens": 10, "output_tokens": 1, "total_tokens": 11, "cost": 0.01,
                "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}})
    };
    server.answer(Answer::json(
        200,
        output(json!({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look_up",
            "arguments": format!("{{\"text\":\"{SECRET}\"}}"), "status": "completed"})),
    ));
    server.answer(Answer::json(
        200,
        output(json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": SECRET, "annotations": []}]})),
    ));
    let schema = json!({"type": "object", "properties": {}});
    let look_up = Tool::with_schema("look_up", "Looks up", schema, async |arguments: Json| ToolOutput::json(arguments));
    let outcome = client.agent("a/b").tool(look_up).run(format!("Look up {SECRET}")).await.unwrap();
    assert_eq!(outcome.text().unwrap(), SECRET);
}

#[test]
fn a_collector_receives_spans_and_metrics_with_the_names_of_the_conventions() {
    let (url, received) = collector();
    let (subscriber, exporters) = subscriber(&url).unwrap();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let requests = runtime.block_on(async {
        let server = MockServer::start().await;
        let retries = RetryConfig::backoff().initial_interval(std::time::Duration::from_millis(1));
        let client = server.client_builder().api_key(KEY).tracing(joining()).retry_config(retries).build().unwrap();
        calls(&server, &client).await;
        server.requests()
    });
    drop(runtime);
    exporters.shut_down().unwrap();
    let received = received.lock().unwrap().clone();
    let text = format!("{received:?}");
    assert!(!text.contains(SECRET) && !text.contains("0123456789abcdef"), "{text}");

    let mut spans = Vec::new();
    received.iter().filter(|(path, _)| path == "/v1/traces").for_each(|(_, body)| all(body, "spans", &mut spans));
    let named = |name: &str| {
        spans.iter().filter(|span| span["name"] == name).map(|span| attributes(&span["attributes"])).collect::<Vec<_>>()
    };
    let chats = named("chat openai/gpt-4o-mini");
    assert_eq!(chats.len(), 4, "{spans:#?}");
    let is_call =
        |span: &&&Value| !span["name"].as_str().unwrap().contains("_agent") && span["name"] != "execute_tool look_up";
    assert!(spans.iter().filter(is_call).all(|span| span["kind"] == 3), "calls are of the kind client");
    for span in &chats {
        for (name, value) in span {
            assert!(SPAN_ATTRIBUTES.contains(&&**name) || name.starts_with("openrouter."), "{name} {value}");
        }
        let expected = [
            ("gen_ai.operation.name", json!("chat")),
            ("gen_ai.provider.name", json!("openrouter")),
            ("gen_ai.request.model", json!("openai/gpt-4o-mini")),
            ("gen_ai.request.max_tokens", json!(100)),
            ("gen_ai.request.stop_sequences", json!("[\"END\"]")),
            ("gen_ai.request.temperature", json!(0.5)),
            ("gen_ai.conversation.id", json!("session-1")),
            ("server.address", json!("127.0.0.1")),
        ];
        for (name, value) in expected {
            assert_eq!(span.get(name), Some(&value), "{name} of {span:?}");
        }
    }
    let (chat, stream, retried, failed) = (&chats[0], &chats[1], &chats[2], &chats[3]);
    for (name, value) in [
        ("gen_ai.response.id", json!("gen-1")),
        ("gen_ai.response.model", json!("openai/gpt-4o-mini-2024")),
        ("gen_ai.response.finish_reasons", json!("[\"stop\"]")),
        ("gen_ai.usage.input_tokens", json!(11)),
        ("gen_ai.usage.output_tokens", json!(7)),
        ("gen_ai.usage.cache_read.input_tokens", json!(3)),
        ("gen_ai.usage.cache_write.input_tokens", json!(2)),
        ("gen_ai.usage.reasoning.output_tokens", json!(5)),
        ("openrouter.provider", json!("Azure")),
        ("openrouter.cost", json!(0.0002)),
        ("openrouter.attempts", json!(1)),
        ("openrouter.outcome", json!("completed")),
    ] {
        assert_eq!(chat.get(name), Some(&value), "{name} of {chat:?}");
        let is_same =
            !matches!(name, "gen_ai.response.id" | "gen_ai.response.model" | "gen_ai.response.finish_reasons");
        assert!(!is_same || stream.get(name) == Some(&value), "{name} of {stream:?}");
    }
    assert_eq!(stream["gen_ai.request.stream"], true);
    assert!(stream["gen_ai.response.time_to_first_chunk"].as_f64().unwrap() > 0.0);
    assert_eq!(stream["gen_ai.response.finish_reasons"], "[\"length\"]");
    assert!(!chat.contains_key("gen_ai.request.stream") && !chat.contains_key("gen_ai.response.time_to_first_chunk"));
    assert_eq!((&retried["openrouter.attempts"], retried.get("error.type")), (&json!(2), None));
    assert_eq!((&failed["error.type"], &failed["openrouter.outcome"]), (&json!("402"), &json!("failed")));
    let status = |name: &str, outcome: &str| {
        let span = spans
            .iter()
            .find(|span| span["name"] == name && attributes(&span["attributes"])["openrouter.outcome"] == outcome);
        span.unwrap()["status"]["code"].clone()
    };
    assert_eq!(status("chat openai/gpt-4o-mini", "failed"), 2);
    let embeddings = named("embeddings openai/e");
    assert_eq!(embeddings[0]["gen_ai.usage.input_tokens"], 4);
    let models = named("GET /models");
    assert!(models[0].keys().all(|name| !name.starts_with("gen_ai.")), "{models:?}");
    assert_eq!(models[0]["http.response.status_code"], 200);

    // The agent: its run has the model calls and the tool as children.
    let one = |name: &str| *spans.iter().find(|span| span["name"] == name).unwrap_or_else(|| panic!("{name}"));
    let (run, tool) = (one("invoke_agent"), one("execute_tool look_up"));
    assert_eq!((&run["kind"], &tool["kind"]), (&json!(1), &json!(1)), "both are internal");
    assert_eq!(attributes(&run["attributes"])["gen_ai.operation.name"], "invoke_agent");
    let of_tool = attributes(&tool["attributes"]);
    for (name, value) in [
        ("gen_ai.operation.name", "execute_tool"),
        ("gen_ai.tool.name", "look_up"),
        ("gen_ai.tool.call.id", "call_1"),
        ("gen_ai.tool.type", "function"),
    ] {
        assert_eq!(of_tool[name], value);
    }
    assert_eq!(tool["parentSpanId"], run["spanId"]);
    let inside = spans.iter().filter(|span| span["name"] == "chat a/b" && span["parentSpanId"] == run["spanId"]);
    assert_eq!(inside.count(), 2);

    // The events of the call that was retried.
    let retried = spans
        .iter()
        .find(|span| attributes(&span["attributes"]).get("openrouter.attempts") == Some(&json!(2)))
        .unwrap();
    let events: Vec<_> =
        retried["events"].as_array().unwrap().iter().map(|event| event["name"].as_str().unwrap()).collect();
    assert_eq!(events, ["response", "first byte", "attempt failed", "response", "first byte"]);

    // Each request names the span it belongs to.
    let ids: BTreeSet<_> =
        spans.iter().map(|span| (span["traceId"].as_str().unwrap(), span["spanId"].as_str().unwrap())).collect();
    for request in requests.iter().filter(|request| request.path.ends_with("/chat/completions")) {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let trace = &body["trace"];
        assert!(
            ids.contains(&(trace["trace_id"].as_str().unwrap(), trace["parent_span_id"].as_str().unwrap())),
            "{trace}"
        );
    }

    let mut metrics = Vec::new();
    received.iter().filter(|(path, _)| path == "/v1/metrics").for_each(|(_, body)| all(body, "metrics", &mut metrics));
    let found: BTreeSet<_> =
        metrics.iter().map(|metric| (metric["name"].as_str().unwrap(), metric["unit"].as_str().unwrap())).collect();
    assert_eq!(found, METRICS.iter().copied().collect());
    for (name, calls) in [("gen_ai.invoke_agent.inference_calls", 2), ("gen_ai.invoke_agent.tool_calls", 1)] {
        let metric = metrics.iter().find(|metric| metric["name"] == name).unwrap();
        let point = &metric["histogram"]["dataPoints"][0];
        assert_eq!((&point["count"], &point["sum"]), (&json!("1"), &json!(f64::from(calls))), "{name}");
    }
    let mut points = Vec::new();
    metrics.iter().for_each(|metric| all(metric, "dataPoints", &mut points));
    for point in points {
        for name in attributes(&point["attributes"]).keys() {
            assert!(METRIC_ATTRIBUTES.contains(&&**name), "{name}");
        }
    }
}
