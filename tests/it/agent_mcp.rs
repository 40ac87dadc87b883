//! The tools of MCP servers: a small server of these tests over a pair of streams, over standard input and output, and over
//! HTTP; and the reference server, if it is installed.

use std::io::Write as _;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures_util::{StreamExt, stream};
use openrouter_kit::agent::*;
use openrouter_kit::mock::MockServer;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::process::Command;

use crate::a_limit::tokio;
use crate::agent::{calls, outputs, says, scripted};
use crate::support::{KEY, soon};

/// What a server has: its tools, and what it received.
#[derive(Debug, Default)]
struct Small {
    tools: Mutex<Vec<Value>>,
    seen: Mutex<Vec<Value>>,
    /// It speaks only this version of the protocol, and has no handshake.
    version: Option<&'static str>,
    /// It responds to unknown requests with nothing instead of an error.
    is_sloppy: bool,
    /// The id of the request that follows the list of tools.
    follower: Mutex<Option<Value>>,
}

fn tool(name: &str, annotations: Value) -> Value {
    let schema = json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
        "properties": {"text": {"type": "string"}}, "required": ["text"]});
    json!({"name": name, "description": format!("Does {name}"), "inputSchema": schema, "annotations": annotations})
}

fn error(code: i32, message: &str) -> Value {
    json!({"error": {"code": code, "message": message}})
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

fn media() -> Value {
    json!([
        text("See:"),
        {"type": "image", "mimeType": "image/png", "data": "iVBO"},
        {"type": "audio", "mimeType": "audio/x-wav", "data": "UklG"},
        {"type": "resource", "resource": {"uri": "file:///a.txt", "mimeType": "text/plain", "text": "A"}},
        {"type": "resource", "resource": {"uri": "file:///b.pdf", "mimeType": "application/pdf", "blob": "JVBE"}},
        {"type": "resource", "resource": {"uri": "file:///c.gif", "mimeType": "image/gif", "blob": "R0lG"}},
        {"type": "resource_link", "uri": "file:///d.txt", "name": "d"},
    ])
}

impl Small {
    fn new() -> Arc<Self> {
        Self::with(["echo", "grow", "count", "fail", "broken", "picky", "crash", "wait", "pid"].map(|name| {
            let annotations = json!({"readOnlyHint": name == "echo"});
            tool(name, annotations)
        }))
    }

    fn with(tools: impl IntoIterator<Item = Value>) -> Arc<Self> {
        Arc::new(Self { tools: Mutex::new(tools.into_iter().collect()), ..Self::default() })
    }

    /// The same without a handshake.
    fn of_version(version: &'static str) -> Arc<Self> {
        let tools = Self::new().tools.lock().unwrap().clone();
        Arc::new(Self { tools: Mutex::new(tools), version: Some(version), ..Self::default() })
    }

    fn seen(&self, method: &str) -> Vec<Value> {
        self.seen.lock().unwrap().iter().filter(|message| message["method"] == method).cloned().collect()
    }

    /// The messages that follow a message; the last one is `null` if the server then crashes.
    fn answer(&self, message: &Value) -> Vec<Value> {
        self.seen.lock().unwrap().push(message.clone());
        let params = &message["params"];
        let mut before = Vec::new();
        let answer = match message["method"].as_str().unwrap() {
            "server/discover" if self.version.is_some() => {
                json!({"result": {"resultType": "complete", "supportedVersions": [self.version],
                "capabilities": {"tools": {"listChanged": true}}, "instructions": "Be gentle.", "ttlMs": 0,
                "cacheScope": "private", "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "small", "version": "1"}}}})
            }
            "subscriptions/listen" if self.version.is_some() => {
                *self.follower.lock().unwrap() = Some(message["id"].clone());
                let meta = json!({"io.modelcontextprotocol/subscriptionId": message["id"]});
                return vec![json!({"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged",
                    "params": {"_meta": meta, "notifications": params["notifications"]}})];
            }
            "initialize" if self.version.is_none() => {
                json!({"result": {"protocolVersion": "2025-06-18", "capabilities": {"tools": {"listChanged": true}},
                "serverInfo": {"name": "small", "version": "1"}, "instructions": "Be gentle."}})
            }
            "tools/list" => self.page(params["cursor"].as_str()),
            "tools/call" => match params["name"].as_str().unwrap() {
                "wait" => return Vec::new(),
                "crash" => return vec![Value::Null],
                "echo" | "later" => {
                    let said = params["arguments"]["text"].as_str().unwrap_or_default();
                    json!({"result": {"content": [text(said)]}})
                }
                "pid" => json!({"result": {"content": [text(&std::process::id().to_string())]}}),
                "grow" => {
                    self.tools.lock().unwrap().push(tool("later", json!({})));
                    before.push(match &*self.follower.lock().unwrap() {
                        Some(id) => json!({"method": "notifications/tools/list_changed",
                            "params": {"_meta": {"io.modelcontextprotocol/subscriptionId": id}}}),
                        None => json!({"method": "notifications/tools/list_changed"}),
                    });
                    json!({"result": {"content": [text("grown")]}})
                }
                "count" => {
                    let token = &params["_meta"]["progressToken"];
                    before.extend((1..=20).map(|n| {
                        json!({"method": "notifications/progress",
                        "params": {"progressToken": token, "progress": n, "total": 20, "message": format!("step {n}")}})
                    }));
                    json!({"result": {"content": [text("counted")]}})
                }
                "fail" => json!({"result": {"content": [text("The disk"), text("is full.")], "isError": true}}),
                "broken" => error(-32603, "secret path /etc/shadow"),
                "picky" => error(-32602, "`text` is too long"),
                "media" => json!({"result": {"content": media(), "structuredContent": {"n": 1}}}),
                "unknown_block" => json!({"result": {"content": [{"type": "hologram", "data": 1}]}}),
                "structured" => json!({"result": {"content": [text(r#"{ "n": 1 }"#)], "structuredContent": {"n": 1}}}),
                "nothing" => json!({"result": {"content": []}}),
                "asks" => json!({"result": {"resultType": "input_required", "requestState": "s"}}),
                other => error(-32602, &format!("Unknown tool: {other}")),
            },
            _ if message.get("id").is_none() => return Vec::new(),
            _ if self.is_sloppy => json!({"result": {}}),
            _ => error(-32601, "Method not found"),
        };
        let mut answer = answer;
        answer["id"] = message["id"].clone();
        before.push(answer);
        for message in &mut before {
            message["jsonrpc"] = "2.0".into();
        }
        before
    }

    /// Two tools at a time. With the tool `endless`, the list begins anew after each page.
    fn page(&self, cursor: Option<&str>) -> Value {
        let tools = self.tools.lock().unwrap();
        let start = cursor.map_or(0, |cursor| cursor.parse().unwrap());
        let page: Vec<_> = tools.iter().skip(start).take(2).collect();
        let mut result = json!({"tools": page});
        if tools.iter().any(|tool| tool["name"] == "endless") {
            result["nextCursor"] = "0".into();
        } else if start + 2 < tools.len() {
            result["nextCursor"] = (start + 2).to_string().into();
        }
        json!({"result": result})
    }
}

/// Serves over byte streams, with a line per message.
async fn serve(small: Arc<Small>, reader: impl AsyncRead + Unpin, mut writer: impl AsyncWrite + Unpin) {
    let mut lines = BufReader::new(reader).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        for answer in small.answer(&serde_json::from_str(&line).unwrap()) {
            if answer.is_null() {
                return;
            }
            writer.write_all(format!("{answer}\n").as_bytes()).await.unwrap();
            writer.flush().await.unwrap();
        }
    }
}

async fn connect(small: &Arc<Small>) -> Result<McpServer, McpError> {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let (reader, writer) = tokio::io::split(theirs);
    tokio::spawn(serve(Arc::clone(small), reader, writer));
    let (reader, writer) = tokio::io::split(ours);
    soon(McpServer::io(reader, writer)).await
}

/// How a call of a tool went.
#[derive(Debug)]
struct Called {
    output: Value,
    error: Option<Arc<ToolError>>,
    progress: Vec<Value>,
    model: MockServer,
}

impl Called {
    fn mcp_error(&self) -> &McpError {
        self.error.as_ref().expect("an error").source().downcast_ref().expect("an MCP error")
    }
}

/// The model calls a tool.
async fn call(tools: impl Into<McpTools>, name: &str, arguments: &str) -> Called {
    let (model, agent) = scripted([calls(&[("c1", name, arguments)]), says("done")]).await;
    let mut events = agent.mcp(tools).run("Hi").stream();
    let (mut failed, mut progress, mut is_finished) = (None, Vec::new(), false);
    while let Some(event) = soon(events.next()).await {
        match event.unwrap() {
            Event::ToolProgress { progress: json, .. } => {
                assert!(!is_finished, "progress after the result");
                progress.push(json.to_value());
            }
            Event::ToolFinished { error, .. } => (failed, is_finished) = (error, true),
            _ => {}
        }
    }
    assert_eq!(events.finish().await.unwrap().text(), Ok("done"));
    Called { output: outputs(&model)[0].1.clone(), error: failed, progress, model }
}

fn offered(model: &MockServer) -> Vec<Vec<String>> {
    let requests = model.requests().into_iter().map(|request| request.json().to_value());
    let names = |request: Value| {
        request["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    };
    requests.map(names).collect()
}

#[tokio::test]
async fn the_model_calls_the_tools_of_a_server_over_any_streams() {
    let small = Small::new();
    let server = connect(&small).await.unwrap();
    assert_eq!((server.name(), server.instructions()), ("small", Some("Be gentle.")));
    let called = call(&server, "echo", r#"{"text": "hello"}"#).await;
    assert_eq!((called.output, called.error.is_none()), (json!("hello"), true));
    let request = called.model.requests()[0].json().to_value();
    assert_eq!(request["tools"].as_array().unwrap().len(), 9, "not all pages of the list were read");
    let expected = json!({"type": "function", "name": "echo", "description": "Does echo", "strict": false, "parameters":
        {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}});
    assert_eq!(request["tools"][0], expected);
}

/// Waits until the server got a message.
async fn got(small: &Arc<Small>, method: &str) -> Value {
    soon(async {
        loop {
            match small.seen(method).pop() {
                Some(message) => return message,
                None => tokio::task::yield_now().await,
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_server_without_a_handshake_is_asked_for_its_versions() {
    let small = Small::of_version("2026-07-28");
    let server = connect(&small).await.unwrap();
    assert_eq!((server.name(), server.instructions()), ("small", Some("Be gentle.")));
    let counted = call(&server, "count", "{}").await;
    assert_eq!((counted.output, counted.progress.len()), (json!("counted"), 20));
    assert_eq!(small.seen("initialize"), [] as [Value; 0]);
    // Each request says by itself what the handshake said for all.
    let meta = &small.seen("tools/call")[0]["params"]["_meta"];
    assert_eq!(meta["io.modelcontextprotocol/protocolVersion"], "2026-07-28", "{meta}");
    assert_eq!(meta["io.modelcontextprotocol/clientInfo"]["name"], "openrouter-kit", "{meta}");
}

#[tokio::test]
async fn a_server_that_responds_to_unknown_requests_with_nothing_gets_a_handshake() {
    let small = Small::new();
    let tools = small.tools.lock().unwrap().clone();
    let small = Arc::new(Small { tools: Mutex::new(tools), is_sloppy: true, ..Small::default() });
    let server = connect(&small).await.unwrap();
    assert_eq!(small.seen("initialize").len(), 1);
    assert_eq!(call(&server, "echo", r#"{"text": "hello"}"#).await.output, "hello");
}

#[tokio::test]
async fn changes_of_the_tools_of_a_server_without_a_handshake_are_followed() {
    let small = Small::of_version("2026-07-28");
    let server = connect(&small).await.unwrap();
    assert_eq!(got(&small, "subscriptions/listen").await["params"]["notifications"], json!({"toolsListChanged": true}));
    let script = [calls(&[("c1", "grow", "{}")]), calls(&[("c2", "later", r#"{"text": "new"}"#)]), says("done")];
    let (model, agent) = scripted(script).await;
    assert_eq!(soon(agent.mcp(&server).run("Hi")).await.unwrap().text(), Ok("done"));
    assert_eq!(outputs(&model)[1].1, "new");
}

#[tokio::test]
async fn a_server_of_an_unknown_version_is_an_error_that_names_the_versions() {
    let error = connect(&Small::of_version("2031-01-01")).await.unwrap_err();
    assert_eq!(error.kind(), McpErrorKind::Server);
    let text = "the MCP server speaks only the protocol versions 2031-01-01, and this client 2026-07-28 and those up to \
                2025-11-25";
    assert_eq!(error.to_string(), text);
}

#[tokio::test]
async fn names_that_providers_do_not_accept_are_changed_and_stay_distinct() {
    let long = "x".repeat(70);
    let small = Small::with(["a.b", "a/b", "a_b", "c", &long].map(|name| tool(name, json!({}))));
    let server = connect(&small).await.unwrap();
    let names = |tools: McpTools| tools.into_iter().map(|tool| tool.name().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(server.tools()), ["a_b", "a_b_2", "a_b_3", "c", &"x".repeat(64)]);
    assert_eq!(names(server.tools().prefix("fs").include(["c", "a/b"])), ["fs_a_b", "fs_c"]);
    assert_eq!(names(server.tools().exclude(["c", "a/b", &long])), ["a_b", "a_b_2"]);
    // The server gets its own names.
    call(server.tools().prefix("fs"), "fs_a_b_2", "{}").await;
    assert_eq!(small.seen("tools/call")[0]["params"]["name"], "a/b");
}

#[tokio::test]
async fn a_tool_that_a_call_adds_is_offered_with_the_result_of_the_call() {
    let small = Small::new();
    let server = connect(&small).await.unwrap();
    let script = [calls(&[("c1", "grow", "{}")]), calls(&[("c2", "later", r#"{"text": "new"}"#)]), says("done")];
    let (model, agent) = scripted(script).await;
    let fixed = agent.clone().tools(server.tools());
    assert_eq!(soon(agent.mcp(&server).run("Hi")).await.unwrap().text(), Ok("done"));
    let offered = offered(&model);
    assert!(!offered[0].contains(&"later".to_owned()) && offered[1].contains(&"later".to_owned()), "{offered:?}");
    assert_eq!(outputs(&model)[1].1, "new");
    // What was taken as a list does not change.
    assert!(!format!("{fixed:?}").contains("later"), "{fixed:?}");
}

#[tokio::test]
async fn progress_comes_in_order_and_before_the_result() {
    let server = connect(&Small::new()).await.unwrap();
    let called = call(&server, "count", "{}").await;
    let expected: Vec<_> =
        (1..=20).map(|n| json!({"progress": f64::from(n), "total": 20.0, "message": format!("step {n}")})).collect();
    assert_eq!((called.output, called.progress), (json!("counted"), expected));
}

#[tokio::test]
async fn errors_of_tools_servers_and_connections_are_told_apart() {
    let server = connect(&Small::new()).await.unwrap();
    let table = [
        ("fail", "The disk\nis full.", McpErrorKind::Tool, None),
        ("broken", "The tool failed.", McpErrorKind::Server, Some(-32603)),
        (
            "picky",
            "the MCP server responded with the error -32602: `text` is too long",
            McpErrorKind::Server,
            Some(-32602),
        ),
        ("crash", "The tool failed.", McpErrorKind::Transport, None),
        ("echo", "The tool failed.", McpErrorKind::Transport, None),
    ];
    for (name, expected, kind, code) in table {
        let called = call(&server, name, "{}").await;
        assert_eq!(called.output, expected, "{name}");
        let error = called.mcp_error();
        assert_eq!((error.kind(), error.code()), (kind, code), "{name}: {error:?}");
    }
}

#[tokio::test]
async fn nothing_of_a_result_is_lost() {
    let names = ["media", "unknown_block", "structured", "nothing", "asks"];
    let server = connect(&Small::with(names.map(|name| tool(name, json!({}))))).await.unwrap();
    let part = |text: &str| json!({"type": "input_text", "text": text});
    let link = json!({"type": "resource_link", "uri": "file:///d.txt", "name": "d"});
    let media = call(&server, "media", "{}").await.output;
    let link_text: Value = serde_json::from_str(media[8]["text"].as_str().unwrap()).unwrap();
    assert_eq!(link_text, link);
    let expected = json!([
        part("See:"),
        {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,iVBO"},
        {"type": "input_file", "filename": "audio.wav", "file_data": "data:audio/x-wav;base64,UklG"},
        part("file:///a.txt\nA"),
        part("file:///b.pdf"),
        {"type": "input_file", "filename": "b.pdf", "file_data": "data:application/pdf;base64,JVBE"},
        part("file:///c.gif"),
        {"type": "input_image", "detail": "auto", "image_url": "data:image/gif;base64,R0lG"},
        media[8].clone(),
        part(r#"{"n":1}"#),
    ]);
    assert_eq!(media, expected);
    let unknown = call(&server, "unknown_block", "{}").await.output;
    assert_eq!(
        serde_json::from_str::<Value>(unknown.as_str().unwrap()).unwrap(),
        json!({"type": "hologram", "data": 1})
    );
    // Servers send structured content as text, too.
    assert_eq!(call(&server, "structured", "{}").await.output, r#"{ "n": 1 }"#);
    assert_eq!(call(&server, "nothing", "{}").await.output, "(empty)");
    let asks = call(&server, "asks", "{}").await;
    assert_eq!(asks.mcp_error().kind(), McpErrorKind::Server);
}

#[tokio::test]
async fn a_call_that_is_dropped_is_cancelled_on_the_server() {
    let small = Small::new();
    let server = connect(&small).await.unwrap();
    let tools = server.tools().configure(|tool| tool.timeout(Duration::from_millis(20)));
    let called = call(tools, "wait", "{}").await;
    assert_eq!(called.output, "The tool did not finish within 20ms.");
    soon(async {
        while small.seen("notifications/cancelled").is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let canceled_id = small.seen("notifications/cancelled")[0]["params"]["requestId"].clone();
    assert_eq!(canceled_id, small.seen("tools/call")[0]["id"]);
    // The connection goes on.
    assert_eq!(call(&server, "echo", r#"{"text": "still here"}"#).await.output, "still here");
}

#[tokio::test]
async fn approval_goes_by_what_the_server_says_about_its_tools() {
    let tools = [
        tool("reads", json!({"readOnlyHint": true, "destructiveHint": true})),
        tool("silent", json!({})),
        tool("adds", json!({"readOnlyHint": false, "destructiveHint": false})),
        tool("deletes", json!({"readOnlyHint": false, "destructiveHint": true})),
    ];
    let server = connect(&Small::with(tools)).await.unwrap();
    let table: [(McpApproval, &[&str]); 4] = [
        (McpApproval::Never, &[]),
        (McpApproval::default(), &["deletes"]),
        (McpApproval::UnlessReadOnly, &["silent", "adds", "deletes"]),
        (McpApproval::Always, &["reads", "silent", "adds", "deletes"]),
    ];
    for (approval, expected) in table {
        let all = ["reads", "silent", "adds", "deletes"].map(|name| (name, name, "{}"));
        let (_model, agent) = scripted([calls(&all), says("done")]).await;
        let agent = agent.mcp(server.tools().approval(approval));
        let outcome = soon(agent.run("Hi")).await.unwrap();
        let asked: Vec<&str> = outcome.run().pending().map(ToolCall::name).collect();
        assert_eq!(asked, expected, "{approval:?}");
        let mut run = outcome.into_run();
        for name in expected {
            run.approve(name).unwrap();
        }
        assert_eq!(soon(agent.resume(run)).await.unwrap().text(), Ok("done"));
    }
}

#[tokio::test]
async fn a_list_of_tools_without_an_end_is_an_error() {
    let error = connect(&Small::with([tool("endless", json!({}))])).await.unwrap_err();
    assert_eq!(error.to_string(), "the list of tools has no end");
}

/// Not a test, unless this is the process that [`process`] starts.
#[test]
fn serves_on_standard_input_if_another_test_asks_for_it() {
    if std::env::var_os("SERVE_MCP").is_none() {
        return;
    }
    // The test harness has written the beginning of a line.
    println!();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(serve(Small::new(), tokio::io::stdin(), tokio::io::stdout()));
}

fn process() -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let test = "agent_mcp::serves_on_standard_input_if_another_test_asks_for_it";
    command.args([test, "--exact", "--nocapture"]).env("SERVE_MCP", "1").stderr(Stdio::null());
    command
}

#[tokio::test]
async fn the_process_of_a_server_ends_with_the_connection() {
    for closes in [true, false] {
        let server = soon(McpServer::stdio(&mut process())).await.unwrap();
        let pid = call(&server, "pid", "{}").await.output.as_str().unwrap().to_owned();
        assert_ne!(pid, std::process::id().to_string());
        let entry = std::path::Path::new("/proc").join(pid);
        assert!(entry.exists() || !cfg!(target_os = "linux"));
        if closes {
            soon(server.close()).await;
            assert!(!entry.exists());
            let called = call(&server, "pid", "{}").await;
            assert_eq!(called.mcp_error().kind(), McpErrorKind::Transport);
        }
        drop(server);
        soon(async {
            while entry.exists() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_program_that_does_not_speak_mcp_is_an_error_that_names_it() {
    let error = McpServer::stdio(&mut Command::new("there-is-no-such-program")).await.unwrap_err();
    assert_eq!(error.to_string(), r#"cannot start "there-is-no-such-program""#);
    assert!(format!("{error:?}").contains("No such file") || cfg!(windows), "{error:?}");
    let mut listing = process();
    let error = soon(McpServer::stdio(listing.arg("--list"))).await.unwrap_err();
    assert_eq!(error.kind(), McpErrorKind::Transport, "{error:?}");
}

/// Serves over streamable HTTP, with the session `s1`. It wants a token.
async fn http_server(small: &Arc<Small>) -> String {
    async fn message(State(small): State<Arc<Small>>, headers: HeaderMap, body: String) -> Response {
        if headers.get("authorization").is_none_or(|token| token != &format!("Bearer {KEY}")) {
            let body = format!("no access with {:?}", headers.get("authorization"));
            return (StatusCode::UNAUTHORIZED, body).into_response();
        }
        let mut message: Value = serde_json::from_str(&body).unwrap();
        let is_first = message["method"] == "initialize";
        let has_session = small.version.is_none();
        if has_session && headers.get("mcp-session-id").is_none_or(|id| id != "s1") && !is_first {
            return StatusCode::BAD_REQUEST.into_response();
        }
        if message["params"]["name"] == "crash" {
            return (StatusCode::BAD_GATEWAY, "<html>secret</html>").into_response();
        }
        message["headers"] = json!({"x-team": headers.get("x-team").map(|team| team.to_str().unwrap()),
            "version": headers.get("mcp-protocol-version").map(|version| version.to_str().unwrap())});
        let mut answers = small.answer(&message);
        let mut response = match (answers.len(), message.get("id")) {
            (_, None) => StatusCode::ACCEPTED.into_response(),
            (1, _) => axum::Json(answers.remove(0)).into_response(),
            (count, _) => {
                let events = answers.into_iter().map(|answer| Ok::<_, std::io::Error>(format!("data: {answer}\n\n")));
                let events = stream::iter(events.collect::<Vec<_>>());
                let body = if count == 0 {
                    Body::from_stream(events.chain(stream::pending()))
                } else {
                    Body::from_stream(events)
                };
                ([("content-type", "text/event-stream; charset=utf-8")], body).into_response()
            }
        };
        if is_first {
            response.headers_mut().insert("mcp-session-id", HeaderValue::from_static("s1"));
        }
        response
    }
    async fn end(State(small): State<Arc<Small>>, headers: HeaderMap) {
        let session = headers.get("mcp-session-id").map(|id| id.to_str().unwrap());
        small.seen.lock().unwrap().push(json!({"method": "DELETE", "session": session}));
    }
    let router = axum::Router::new().route("/mcp", post(message).delete(end)).with_state(Arc::clone(small));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[tokio::test]
async fn the_model_calls_the_tools_of_a_server_over_http() {
    let small = Small::new();
    let url = http_server(&small).await;
    let connect = McpServer::http(&*url).bearer_token(KEY).header("x-team", "blue");
    assert!(!format!("{connect:?}").contains(KEY) && !format!("{connect:?}").contains("blue"), "{connect:?}");
    let server = soon(connect.into_future()).await.unwrap();
    assert_eq!(call(&server, "echo", r#"{"text": "hello"}"#).await.output, "hello");
    let counted = call(&server, "count", "{}").await;
    assert_eq!((counted.output, counted.progress.len()), (json!("counted"), 20));
    let headers = &small.seen("tools/call")[0]["headers"];
    assert_eq!(*headers, json!({"x-team": "blue", "version": "2025-06-18"}));

    let crashed = call(&server, "crash", "{}").await;
    assert_eq!(crashed.output, "The tool failed.");
    let error = crashed.mcp_error();
    assert_eq!((error.kind(), error.status()), (McpErrorKind::Transport, Some(StatusCode::BAD_GATEWAY)), "{error:?}");
    assert_eq!(error.to_string(), "the MCP server responded with HTTP 502");

    let tools = server.tools().configure(|tool| tool.timeout(Duration::from_millis(20)));
    assert_eq!(call(tools, "wait", "{}").await.output, "The tool did not finish within 20ms.");
    soon(async {
        while small.seen("notifications/cancelled").is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    soon(server.close()).await;
    assert_eq!(small.seen("DELETE"), [json!({"method": "DELETE", "session": "s1"})]);
}

#[tokio::test]
async fn a_server_without_a_handshake_works_over_http() {
    let small = Small::of_version("2026-07-28");
    let url = http_server(&small).await;
    let server = soon(McpServer::http(&*url).bearer_token(KEY).into_future()).await.unwrap();
    assert_eq!(call(&server, "echo", r#"{"text": "hello"}"#).await.output, "hello");
    assert_eq!(small.seen("tools/call")[0]["headers"]["version"], "2026-07-28");
    soon(server.close()).await;
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_an_error_without_secrets() {
    let url = http_server(&Small::new()).await;
    let error = soon(McpServer::http(&*url).bearer_token("wrong-secret").into_future()).await.unwrap_err();
    assert_eq!(error.status(), Some(StatusCode::UNAUTHORIZED));
    let text = "the MCP server responded with HTTP 401; set a valid header or `bearer_token`";
    assert_eq!((error.to_string().as_str(), format!("{error:?}").contains("wrong-secret")), (text, false));

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("http://{}/mcp?key={KEY}", listener.local_addr().unwrap());
    drop(listener);
    let error = soon(McpServer::http(closed).into_future()).await.unwrap_err();
    assert_eq!(error.to_string(), "the connection to the MCP server failed");
    let shown = format!("{error:?}");
    assert!(shown.contains("refused") && !shown.contains(KEY), "{shown}");

    for (url, reason) in [
        ("mcp.example.com", "does not begin with https://"),
        ("ftp://mcp.example.com", "does not begin with https://"),
        ("https://me:sk-or-v1-5ec2e7@mcp.example.com", "holds a user name or a password"),
    ] {
        let shown = format!("{:?}", McpServer::http(url).into_future().await.unwrap_err());
        assert!(shown.contains(reason) && !shown.contains(KEY), "{shown}");
    }
    let shown = format!("{:?}", McpServer::http("https://a.example").bearer_token("a\nb").await.unwrap_err());
    assert!(shown.contains("control characters"), "{shown}");
}

/// The reference server, `@modelcontextprotocol/server-everything`. Tests install nothing and use no network, so it must be
/// there (`npm install @modelcontextprotocol/server-everything`), and `MCP_EVERYTHING` must be the path of its
/// `dist/index.js`.
fn everything(transport: &str) -> Option<Command> {
    let Some(script) = std::env::var_os("MCP_EVERYTHING") else {
        // The test harness keeps what `eprintln!` prints, and the run should say what it did not test.
        let text = "skipped: MCP_EVERYTHING does not name the reference server for MCP\n";
        std::io::stderr().write_all(text.as_bytes()).ok();
        return None;
    };
    let mut command = Command::new("node");
    command.arg(script).arg(transport).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    Some(command)
}

async fn use_everything(server: &McpServer) {
    assert_eq!(server.name(), "mcp-servers/everything");
    assert_eq!(call(server, "echo", r#"{"message": "hello"}"#).await.output, "Echo: hello");
    assert_eq!(call(server, "get-sum", r#"{"a": 2, "b": 3}"#).await.output, "The sum of 2 and 3 is 5.");
    let refused = call(server, "get-sum", r#"{"a": "two"}"#).await;
    assert!(refused.output.as_str().unwrap().contains("nvalid"), "{refused:?}");
    let long = call(server, "trigger-long-running-operation", r#"{"duration": 0.2, "steps": 4}"#).await;
    let steps: Vec<_> = long.progress.iter().map(|progress| progress["progress"].as_f64().unwrap()).collect();
    assert_eq!(steps, [1.0, 2.0, 3.0, 4.0]);
    let image = call(server, "get-tiny-image", "{}").await.output;
    assert!(image[1]["image_url"].as_str().unwrap().starts_with("data:image/png;base64,iVBOR"), "{image}");
    let weather = call(server, "get-structured-content", r#"{"location": "Chicago"}"#).await.output;
    assert!(weather.as_str().unwrap().contains("temperature"), "{weather}");
    let links = call(server, "get-resource-links", r#"{"count": 2}"#).await.output;
    assert!(links[1]["text"].as_str().unwrap().contains(r#""type":"resource_link""#), "{links}");
    let reference = call(server, "get-resource-reference", r#"{"resourceType": "Blob", "resourceId": 1}"#).await.output;
    assert!(reference.as_array().unwrap().iter().any(|part| part["type"] == "input_file"), "{reference}");
}

#[tokio::test]
async fn the_reference_server_works_over_standard_input_and_output() {
    let Some(mut command) = everything("stdio") else { return };
    let server = soon(McpServer::stdio(&mut command)).await.unwrap();
    use_everything(&server).await;
    soon(server.close()).await;
}

#[tokio::test]
async fn the_reference_server_works_over_http() {
    let Some(mut command) = everything("streamableHttp") else { return };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let mut process = command.env("PORT", port.to_string()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
    while !soon(lines.next_line()).await.unwrap().expect("the server ends").contains("listening") {}
    let server = soon(McpServer::http(format!("http://127.0.0.1:{port}/mcp")).into_future()).await.unwrap();
    use_everything(&server).await;
    soon(server.close()).await;
    process.kill().await.unwrap();
}
