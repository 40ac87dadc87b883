//! Exports of recorded calls for other programs.

use std::fmt::Write as _;
use std::fs::File;
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Write};

use openrouter_kit::serde_json::{self, Value, json};

use super::detail::{self, Attempt, Body, LONGEST_BODY, Recorded};
use super::index::{Call, Index, Outcome};
use super::json::Raw;
use super::lines::Lines;
use super::time;

/// The server that exported requests name. Recordings only have the path, and must not choose who gets the key.
const SERVER: &str = "https://openrouter.ai/api/v1";

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// HTTP archive (HAR 1.2), for the developer tools of browsers.
    Har,
    /// OpenTelemetry spans (OTLP in JSON), by the conventions for generative AI.
    Otlp,
    /// A recording of these calls only, for `openrouter replay`.
    Jsonl,
    /// curl commands, with the key as a variable.
    Curl,
    /// Rust programs that repeat the calls.
    Rust,
    /// Rust tests that repeat the calls against a local server with the recorded responses.
    Test,
}

impl Format {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        <Self as clap::ValueEnum>::from_str(name, true).ok()
    }
}

/// Writes calls in a format.
pub(crate) fn export(format: Format, index: &Index, calls: &[&Call], out: &mut dyn Write) -> io::Result<()> {
    let (start, between, end) = match format {
        Format::Har => {
            let creator = json!({"name": "openrouter", "version": env!("CARGO_PKG_VERSION")});
            (format!("{{\"log\":{{\"version\":\"1.2\",\"creator\":{creator},\"entries\":["), ",", "]}}\n")
        }
        Format::Otlp => {
            let resource = json!({"attributes": [attribute("service.name", json!("openrouter-kit"))]});
            let scope = json!({"name": "openrouter_kit", "version": env!("CARGO_PKG_VERSION")});
            let start = format!(
                "{{\"resourceSpans\":[{{\"resource\":{resource},\"scopeSpans\":[{{\"scope\":{scope},\"spans\":["
            );
            (start, ",", "]}]}]}\n")
        }
        Format::Jsonl | Format::Curl | Format::Rust | Format::Test => (String::new(), "\n", ""),
    };
    out.write_all(start.as_bytes())?;
    let mut is_first = true;
    for call in calls {
        let recorded = match format {
            Format::Jsonl => {
                lines(index, call, out)?;
                continue;
            }
            _ => detail::read(&index.places(call), call.number)?,
        };
        let pieces = match format {
            Format::Har => har(call, &recorded),
            Format::Otlp => vec![span(index, call, &recorded).to_string()],
            Format::Curl => recorded.attempts.first().map(curl).into_iter().collect(),
            Format::Rust => vec![rust(&recorded)],
            Format::Test => vec![test(index, call, &recorded)],
            Format::Jsonl => Vec::new(),
        };
        for piece in pieces {
            if !std::mem::take(&mut is_first) {
                out.write_all(between.as_bytes())?;
            }
            out.write_all(piece.as_bytes())?;
        }
    }
    out.write_all(end.as_bytes())
}

/// Writes the recorded lines of a call, after the first line of its file.
fn lines(index: &Index, call: &Call, out: &mut dyn Write) -> io::Result<()> {
    for (path, begin, end) in index.places(call) {
        if let Some(line) = Lines::new(File::open(&path)?, 0, LONGEST_BODY)?.next()? {
            out.write_all(line.head)?;
            out.write_all(b"\n")?;
        }
        let mut lines = Lines::new(File::open(&path)?, begin, LONGEST_BODY)?;
        while let Some(line) = lines.next()?.filter(|line| line.offset < end) {
            // The rest of a line that was cut off is missing.
            let is_whole = line.head.len() as u64 + 1 == line.length;
            if is_whole && Raw::new(line.head).member("call").and_then(Raw::count) == Some(call.number) {
                out.write_all(line.head)?;
                out.write_all(b"\n")?;
            }
        }
    }
    Ok(())
}

/// Returns the path and query of an attempt. Without a slash at its start, a path could turn into another host.
fn target(attempt: &Attempt) -> String {
    let slash = if attempt.path.starts_with('/') { "" } else { "/" };
    let mark = if attempt.query.is_empty() { "" } else { "?" };
    format!("{slash}{}{mark}{}", attempt.path, attempt.query)
}

fn text(body: Option<&Body>) -> &str {
    body.map_or("", |body| &body.text)
}

fn har(call: &Call, recorded: &Recorded) -> Vec<String> {
    let pairs = |pairs: &[(String, String)]| {
        pairs.iter().map(|(name, value)| json!({"name": name, "value": value})).collect::<Value>()
    };
    let find = |headers: &[(String, String)], name: &str| {
        headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let length = |body: Option<&Body>| body.and_then(|body| body.length).map_or(json!(-1), Value::from);
    let entries = recorded.attempts.iter().map(|attempt| {
        let mut request = json!({
            "method": attempt.method,
            "url": format!("{SERVER}{}", target(attempt)),
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": pairs(&attempt.headers),
            "queryString": attempt.query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                json!({"name": name, "value": value})
            }).collect::<Value>(),
            "headersSize": -1,
            "bodySize": length(attempt.request.as_ref()),
        });
        if let (Some(body), Some(object)) = (&attempt.request, request.as_object_mut()) {
            let kind = find(&attempt.headers, "content-type");
            object.insert("postData".to_owned(), json!({"mimeType": kind, "text": body.text}));
        }
        let events = || attempt.events.iter().map(|event| format!("{}\n\n", event.text)).collect::<String>();
        let body = attempt.response.as_ref().map_or_else(events, |body| body.text.clone());
        let (status, headers) = attempt.head.as_ref().map_or((0, &[][..]), |head| (head.status, &*head.headers));
        let mut content = json!({"size": body.len(), "mimeType": find(headers, "content-type"), "text": body});
        if attempt.response.as_ref().is_some_and(|body| body.base64)
            && let Some(content) = content.as_object_mut()
        {
            content.insert("encoding".to_owned(), json!("base64"));
        }
        let end = attempt.end.max(recorded.end.filter(|_| attempt.failed.is_none()).unwrap_or_default());
        let head = attempt.head.as_ref().map_or(end, |head| head.at);
        json!({
            "startedDateTime": time::text(call.at + attempt.at),
            "time": end - attempt.at,
            "request": request,
            "response": {
                "status": status,
                "statusText": "",
                "httpVersion": "HTTP/1.1",
                "cookies": [],
                "headers": pairs(headers),
                "content": content,
                "redirectURL": "",
                "headersSize": -1,
                "bodySize": -1,
            },
            "cache": {},
            "timings": {"send": 0, "wait": head - attempt.at, "receive": end - head},
            "comment": attempt.failed.as_ref().map_or("", |failed| &failed.error),
        })
        .to_string()
    });
    entries.collect()
}

fn attribute(name: &str, value: Value) -> Value {
    let value = match value {
        Value::Number(number) if number.is_f64() => json!({"doubleValue": number}),
        // Protobuf's JSON writes 64-bit integers as strings.
        Value::Number(number) => json!({"intValue": number.to_string()}),
        Value::Bool(flag) => json!({"boolValue": flag}),
        Value::Array(items) => {
            let items = items.iter().map(|item| json!({"stringValue": item.as_str().unwrap_or_default()}));
            json!({"arrayValue": {"values": items.collect::<Value>()}})
        }
        value => json!({"stringValue": value.as_str().unwrap_or_default()}),
    };
    json!({"key": name, "value": value})
}

/// Returns `gen_ai.operation.name` and `gen_ai.output.type` of an operation, as in the spans of the SDK.
fn generation(path: &str) -> Option<(&'static str, Option<&'static str>)> {
    match path {
        "/chat/completions" | "/responses" | "/messages" => Some(("chat", None)),
        "/completions" => Some(("text_completion", Some("text"))),
        "/embeddings" => Some(("embeddings", None)),
        "/images" => Some(("generate_content", Some("image"))),
        "/audio/speech" => Some(("generate_content", Some("speech"))),
        "/audio/transcriptions" => Some(("generate_content", Some("text"))),
        "/videos" => Some(("generate_content", Some("video"))),
        "/rerank" => Some(("rerank", None)),
        _ => None,
    }
}

/// Returns a call as a span, with the attributes of the spans of the SDK.
fn span(index: &Index, call: &Call, recorded: &Recorded) -> Value {
    let nanoseconds = |at: f64| ((call.at + at) * 1e6).max(0.0).round().to_string();
    let id = index.id(call);
    let hash = |salt: &str| {
        let mut hasher = DefaultHasher::new();
        hasher.write(salt.as_bytes());
        hasher.write(id.as_bytes());
        hasher.write(&call.at.to_bits().to_le_bytes());
        format!("{:016x}", hasher.finish())
    };
    let body = recorded.attempts.first().and_then(|attempt| attempt.request.as_ref()?.json()).unwrap_or_default();
    let asked = |name: &str| body.get(name).filter(|value| !value.is_null() && !value.is_object()).cloned();
    let float = |name: &str| body.get(name).and_then(Value::as_f64).map(Value::from);
    let error = match (&call.outcome, call.status) {
        (Outcome::Failed, 400..) => Some(call.status.to_string()),
        (Outcome::Failed, _) => {
            let reasons = recorded.attempts.iter().rev().filter_map(|attempt| attempt.failed.as_ref()?.reason.clone());
            Some(reasons.into_iter().next().unwrap_or_else(|| "_OTHER".to_owned()))
        }
        _ => None,
    };
    let method = recorded.attempts.first().map_or("", |attempt| &attempt.method);
    let kind = generation(&call.path).filter(|_| method == "POST");
    let model = asked("model").and_then(|model| Some(model.as_str()?.to_owned()));
    let text = |text: &str| Some(text).filter(|text| !text.is_empty()).map(Value::from);
    let count = |count: Option<u64>| count.map(Value::from);
    let common = [
        ("error.type", error.as_deref().map(Value::from)),
        ("openrouter.operation", text(&call.operation)),
        ("openrouter.attempts", count(Some(u64::from(call.attempts)))),
        ("openrouter.outcome", text(call.outcome.name())),
    ];
    let mut attributes: Vec<(&str, Option<Value>)> = common.into();
    let name = if let Some((operation, output)) = kind {
        let finish: Vec<&str> = call.finish.split(", ").filter(|reason| !reason.is_empty()).collect();
        let format = body.pointer("/response_format/type").or_else(|| body.pointer("/text/format/type"));
        let format = format.and_then(Value::as_str).and_then(|format| match format {
            "json_object" | "json_schema" => Some("json"),
            "text" => Some("text"),
            _ => None,
        });
        let max = ["max_completion_tokens", "max_tokens", "max_output_tokens"].into_iter().find_map(asked);
        let stop = asked("stop").or_else(|| asked("stop_sequences"));
        let level = body.pointer("/reasoning/effort").cloned().or_else(|| asked("reasoning_effort"));
        let first = call.to_first.filter(|_| call.events > 0).map(|first| json!(first / 1e3));
        attributes.extend([
            ("gen_ai.operation.name", text(operation)),
            ("gen_ai.provider.name", text("openrouter")),
            ("gen_ai.request.model", model.as_deref().map(Value::from)),
            ("gen_ai.request.stream", call.is_stream.then_some(json!(true))),
            ("gen_ai.request.max_tokens", max),
            ("gen_ai.request.seed", asked("seed")),
            ("gen_ai.request.top_k", asked("top_k")),
            ("gen_ai.request.temperature", float("temperature")),
            ("gen_ai.request.top_p", float("top_p")),
            ("gen_ai.request.frequency_penalty", float("frequency_penalty")),
            ("gen_ai.request.presence_penalty", float("presence_penalty")),
            ("gen_ai.request.stop_sequences", stop.map(|stop| if stop.is_string() { json!([stop]) } else { stop })),
            ("gen_ai.request.reasoning.level", level),
            ("gen_ai.request.previous_response.id", asked("previous_response_id")),
            ("gen_ai.conversation.id", asked("session_id")),
            ("gen_ai.output.type", output.or(format).map(Value::from)),
            ("gen_ai.response.id", text(&call.generation)),
            ("gen_ai.response.model", text(&call.model).filter(|_| call.outcome != Outcome::Unfinished)),
            ("gen_ai.response.finish_reasons", Some(json!(finish)).filter(|_| !finish.is_empty())),
            ("gen_ai.response.time_to_first_chunk", first),
            ("gen_ai.usage.input_tokens", count(call.input_tokens)),
            ("gen_ai.usage.output_tokens", count(call.output_tokens)),
            ("gen_ai.usage.cache_read.input_tokens", count(call.cache_read_tokens)),
            ("gen_ai.usage.cache_write.input_tokens", count(call.cache_write_tokens)),
            ("gen_ai.usage.reasoning.output_tokens", count(call.reasoning_tokens)),
            ("openrouter.provider", text(&call.provider)),
            ("openrouter.cost", call.cost.map(|cost| json!(cost.as_f64()))),
        ]);
        model.as_deref().map_or_else(|| operation.to_owned(), |model| format!("{operation} {model}"))
    } else {
        attributes.push(("http.request.method", text(method)));
        attributes
            .push(("http.response.status_code", count(Some(u64::from(call.status)).filter(|status| *status > 0))));
        format!("{method} {}", call.path)
    };
    let attributes = attributes.into_iter().filter_map(|(name, value)| Some(attribute(name, value?)));
    let events = recorded.attempts.iter().filter_map(|attempt| {
        let failed = attempt.failed.as_ref()?;
        let mut attributes = vec![
            attribute("openrouter.attempt", attempt.number.into()),
            attribute("error.type", failed.reason.as_deref().unwrap_or("_OTHER").into()),
        ];
        attributes.extend(failed.wait.map(|wait| attribute("openrouter.retry.wait", json!(wait / 1e3))));
        Some(json!({"name": "attempt failed", "timeUnixNano": nanoseconds(failed.at), "attributes": attributes}))
    });
    let end = call.elapsed.or(recorded.end).or_else(|| Some(recorded.attempts.last()?.end)).unwrap_or_default();
    json!({
        "traceId": format!("{}{}", hash("trace"), hash("of")),
        "spanId": hash("span"),
        "name": name,
        "kind": 3,
        "startTimeUnixNano": nanoseconds(0.0),
        "endTimeUnixNano": nanoseconds(end),
        "attributes": attributes.collect::<Value>(),
        "events": events.collect::<Value>(),
        "status": if error.is_some() { json!({"code": 2}) } else { json!({}) },
    })
}

/// Returns a request as a curl command for a POSIX shell.
fn curl(attempt: &Attempt) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let mut command =
        format!("curl -X {} {}", quoted(&attempt.method), quoted(&format!("{SERVER}{}", target(attempt))));
    let mut option = |text: &str| {
        command.push_str(" \\\n  ");
        command.push_str(text);
    };
    option("-H \"Authorization: Bearer $OPENROUTER_API_KEY\"");
    if attempt.is_stream {
        option("--no-buffer");
    }
    for (name, value) in &attempt.headers {
        let is_curls_own = matches!(&**name, "user-agent" | "accept" | "accept-encoding" | "content-length" | "host");
        if !is_curls_own && name != "authorization" && value != "[redacted]" {
            option(&format!("-H {}", quoted(&format!("{name}: {value}"))));
        }
    }
    match &attempt.request {
        Some(Body { missing: Some(why), .. }) => option(&format!("--data-binary @- # the body is not here: {why}")),
        Some(body) if body.base64 => option("--data-binary @- # the body is not text and is not shown"),
        Some(body) if !body.text.is_empty() => option(&format!("--data-raw {}", quoted(&body.text))),
        _ => {}
    }
    command.push('\n');
    command
}

/// Returns a string literal of Rust: raw if that is more legible, and escaped if there are control characters.
fn literal(text: &str) -> String {
    if text.chars().any(|letter| letter.is_control() && letter != '\n') || !text.contains(['"', '\\']) {
        return format!("{text:?}");
    }
    let longest = text.split('"').skip(1).map(|rest| rest.bytes().take_while(|byte| *byte == b'#').count()).max();
    let hashes = "#".repeat(longest.unwrap_or_default() + 1);
    format!("r{hashes}\"{text}\"{hashes}")
}

/// Returns Rust statements that bind the call of an attempt to `call`.
fn request(attempt: &Attempt) -> String {
    let typed = match (&*attempt.method, &*attempt.path, attempt.is_stream) {
        ("POST", "/chat/completions", false) => Some(("ChatRequest", "chat().send")),
        ("POST", "/chat/completions", true) => Some(("ChatRequest", "chat().stream")),
        ("POST", "/responses", false) => Some(("ResponsesRequest", "responses().send")),
        ("POST", "/responses", true) => Some(("ResponsesRequest", "responses().stream")),
        ("POST", "/messages", false) => Some(("MessagesRequest", "messages().create")),
        ("POST", "/messages", true) => Some(("MessagesRequest", "messages().stream")),
        ("POST", "/embeddings", _) => Some(("CreateEmbeddingsRequest", "embeddings().generate")),
        _ => None,
    };
    let json = attempt.request.as_ref().and_then(Body::json);
    let json = json.and_then(|json| serde_json::to_string_pretty(&json).ok());
    match (typed, json) {
        (Some((name, method)), Some(json)) => format!(
            "    let request: {name} = serde_json::from_str(\n        {},\n    )?;\n    \
             let call = client.{method}(request);\n",
            literal(&json)
        ),
        (_, json) => {
            let method = literal(&attempt.method);
            let mut call = format!(
                "    let method = Method::from_bytes({method}.as_bytes())?;\n    \
                 let call = client.request(method, {})",
                literal(&target(&Attempt { path: attempt.path.clone(), ..Attempt::default() }))
            );
            for pair in attempt.query.split('&').filter(|pair| !pair.is_empty()) {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                let _ = write!(call, ".query({}, {})", literal(name), literal(value));
            }
            if let Some(json) = json {
                let value = "serde_json::from_str::<serde_json::Value>";
                let _ = write!(call, ".json({value}({})?)", literal(&json));
            }
            call + if attempt.is_stream { ".events();\n" } else { ";\n" }
        }
    }
}

const READ_STREAM: &str = "    let mut events = call.await?;
    while let Some(event) = events.next().await {
        println!(\"{:?}\", event?);
    }
";

fn rust(recorded: &Recorded) -> String {
    let Some(attempt) = recorded.attempts.first() else { return String::new() };
    let read = if attempt.is_stream { READ_STREAM } else { "    println!(\"{:#?}\", call.await?);\n" };
    let body = format!("    let client = OpenRouter::from_env()?;\n{}{read}", request(attempt));
    function("#[tokio::main]\nasync fn main()", &body)
}

/// Returns a function with these statements and the declarations that they need.
fn function(head: &str, body: &str) -> String {
    let mut uses = String::new();
    for (module, names) in [
        ("http::", &["Method"][..]),
        ("mock::", &["Answer", "Event", "Fault", "MockServer", "Place"]),
        ("models::", &["ChatRequest", "CreateEmbeddingsRequest", "MessagesRequest", "ResponsesRequest"]),
        ("", &["OpenRouter", "serde_json"]),
    ] {
        let is_used = |name: &&&str| body.contains(&format!("{name}::")) || body.contains(&format!(": {name} = "));
        let used: Vec<&str> = names.iter().filter(is_used).copied().collect();
        match *used {
            [] => {}
            [one] => uses.push_str(&format!("    use openrouter_kit::{module}{one};\n")),
            _ => uses.push_str(&format!("    use openrouter_kit::{module}{{{}}};\n", used.join(", "))),
        }
    }
    format!("{head} -> Result<(), Box<dyn std::error::Error>> {{\n{uses}\n{body}    Ok(())\n}}\n")
}

fn test(index: &Index, call: &Call, recorded: &Recorded) -> String {
    let Some(first) = recorded.attempts.first() else { return String::new() };
    let name = index.id(call).replace(|letter: char| !letter.is_ascii_alphanumeric(), "_");
    let mut test = "    let server = MockServer::start().await;\n".to_owned();
    let is_failure = call.outcome == Outcome::Failed;
    for (index, attempt) in recorded.attempts.iter().enumerate() {
        let path = target(&Attempt { path: attempt.path.clone(), ..Attempt::default() });
        let (method, path) = (literal(&attempt.method), literal(&path));
        // The client of the test may retry more often than the program did.
        let is_last = is_failure && index + 1 == recorded.attempts.len();
        let always = if is_last { ".always()" } else { "" };
        let answer = answer(attempt);
        let _ = writeln!(test, "    server.on(\n        {method},\n        {path},\n        {answer}{always},\n    );");
    }
    test.push_str("    let client = server.client();\n");
    test.push_str(&request(first));
    if is_failure {
        let _ = writeln!(test, "    // {}", call.error.replace(char::is_control, " "));
        if first.is_stream {
            test.push_str(
                "    let outcome = match call.await {\n        Ok(mut events) => loop {\n            \
                 match events.next().await {\n                Some(Ok(_)) => {}\n                \
                 Some(Err(error)) => break Err(error),\n                None => break Ok(()),\n            }\n        \
                 },\n        Err(error) => Err(error),\n    };\n    assert!(outcome.is_err());\n",
            );
        } else {
            test.push_str("    assert!(call.await.is_err());\n");
        }
    } else if first.is_stream {
        test.push_str(READ_STREAM);
    } else {
        test.push_str("    println!(\"{:#?}\", call.await?);\n");
    }
    if !is_failure {
        let _ = writeln!(test, "    assert_eq!(server.requests().len(), {});", recorded.attempts.len());
    }
    function(&format!("#[tokio::test]\nasync fn call_{name}()"), &test)
}

/// Returns the `Answer` of the server in a test.
fn answer(attempt: &Attempt) -> String {
    let broken = "fault(Fault::Reset, Place";
    let Some(head) = &attempt.head else {
        return format!("Answer::status(500).{broken}::BeforeHead)");
    };
    let mut answer = if attempt.response.is_none() && attempt.is_stream && (200..300).contains(&head.status) {
        let events = attempt.events.iter().map(|event| {
            let event = match event.text.strip_prefix("data: ").filter(|data| !data.contains('\n')) {
                Some(data) => format!("data({})", literal(data)),
                None => format!("raw({})", literal(&format!("{}\n\n", event.text))),
            };
            format!("            Event::{event},\n")
        });
        format!("Answer::events([\n{}        ])", events.collect::<String>())
    } else {
        let body = literal(text(attempt.response.as_ref()));
        format!("Answer::bytes({}, {body})", head.status)
    };
    for (name, value) in &head.headers {
        if matches!(&**name, "content-type" | "retry-after" | "retry-after-ms" | "x-generation-id") {
            let _ = write!(answer, "\n            .header({}, {})", literal(name), literal(value));
        }
    }
    if attempt.failed.is_some() && (200..300).contains(&head.status) {
        let _ = write!(answer, "\n            .chunked().{broken}::BeforeEnd)");
    }
    answer
}
