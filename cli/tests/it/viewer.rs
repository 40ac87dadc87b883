//! The page of `openrouter devtools`: who gets it, what it shows, and what a hostile recording can do to it.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "measurements, and what is skipped")]

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use openrouter_kit::serde_json::{self, Value, json};

use crate::browser::Browser;
use crate::devtools::WEATHER;
use crate::support::World;

/// A viewer of the folder `recordings`.
struct Viewer {
    child: Child,
    port: u16,
    token: String,
}

impl Viewer {
    fn start(world: &World) -> Self {
        Self::of(world.command(&["devtools", "recordings", "--port", "0"]))
    }

    fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (origin, token) = line.trim().strip_prefix("http://127.0.0.1:").unwrap().split_once("/#").unwrap();
        assert!(token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit()), "{line}");
        Self { child, port: origin.parse().unwrap(), token: token.to_owned() }
    }

    fn url(&self, more: &str) -> String {
        format!("http://127.0.0.1:{}/#{}{more}", self.port, self.token)
    }

    /// Sends the lines of a request and returns the whole response.
    fn send(&self, first: &str, headers: &[(&str, &str)]) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        write!(stream, "{first} HTTP/1.1\r\n{headers}connection: close\r\n\r\n").unwrap();
        let mut response = Vec::new();
        stream.read_to_end(&mut response).unwrap();
        String::from_utf8_lossy(&response).into_owned()
    }

    /// A request as the page sends it.
    fn get(&self, target: &str) -> (u16, String) {
        let host = format!("127.0.0.1:{}", self.port);
        let token = format!("Bearer {}", self.token);
        let response = self.send(&format!("GET {target}"), &[("host", &host), ("authorization", &token)]);
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        (status(head), body.to_owned())
    }

    fn json(&self, target: &str) -> Value {
        let (status, body) = self.get(target);
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Follows the events of the page until a filter matches this many calls, and returns the list.
    fn wait_for(&self, filter: &str, calls: usize) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let (port, token) = (self.port, &self.token);
        let headers = format!("host: 127.0.0.1:{port}\r\nauthorization: Bearer {token}\r\n");
        write!(stream, "GET /api/live HTTP/1.1\r\n{headers}\r\n").unwrap();
        for line in BufReader::new(stream).lines() {
            if line.unwrap().starts_with("data: ") {
                let list = self.json(&format!("/api/calls?limit=500&q={filter}"));
                if list["matched"] == calls {
                    return list;
                }
            }
        }
        panic!("the stream of events ended");
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn status(response: &str) -> u16 {
    response.split(' ').nth(1).unwrap().parse().unwrap()
}

fn world() -> World {
    let world = World::new();
    world.write("recordings/weather-1.jsonl", WEATHER);
    world
}

#[test]
fn only_the_user_and_the_page_get_what_is_recorded() {
    let world = world();
    let viewer = Viewer::start(&world);
    let host = format!("127.0.0.1:{}", viewer.port);
    let own = format!("http://{host}");
    let token = format!("Bearer {}", viewer.token);
    let wrong = format!("Bearer {}", viewer.token.replace(|digit: char| digit.is_ascii_digit(), "a"));
    let half = format!("Bearer {}", viewer.token.split_at(16).0);
    let local = format!("localhost:{}", viewer.port);
    let calls = "GET /api/calls";
    for (first, headers, expected) in [
        (calls, vec![("host", &*host), ("authorization", &*token)], 200),
        (calls, vec![("host", &*local), ("authorization", &*token)], 200),
        (calls, vec![("host", &*host), ("authorization", &*token), ("origin", &*own)], 200),
        (calls, vec![("host", &*host), ("authorization", &*token), ("sec-fetch-site", "same-origin")], 200),
        // No token, and wrong ones.
        (calls, vec![("host", &*host)], 401),
        (calls, vec![("host", &*host), ("authorization", &*wrong)], 401),
        (calls, vec![("host", &*host), ("authorization", &*half)], 401),
        (calls, vec![("host", &*host), ("authorization", "Bearer ")], 401),
        (calls, vec![("host", &*host), ("authorization", &*viewer.token)], 401),
        (calls, vec![("host", &*host), ("cookie", &*token)], 401),
        ("GET /api/live", vec![("host", &*host)], 401),
        ("GET /api/call?id=weather-1", vec![("host", &*host)], 401),
        ("GET /api/export?id=weather-1&format=har", vec![("host", &*host)], 401),
        ("GET /api/totals", vec![("host", &*host)], 401),
        // A name that leads here, as by DNS rebinding.
        (calls, vec![("host", "evil.example"), ("authorization", &*token)], 421),
        ("GET /", vec![("host", "evil.example")], 421),
        ("GET /", vec![("host", "127.0.0.1")], 421),
        ("GET /", vec![("host", &*host), ("host", "evil.example")], 421),
        ("GET /", vec![], 421),
        // Another page.
        (calls, vec![("host", &*host), ("authorization", &*token), ("origin", "http://evil.example")], 403),
        (calls, vec![("host", &*host), ("authorization", &*token), ("origin", "null")], 403),
        (calls, vec![("host", &*host), ("authorization", &*token), ("origin", "http://127.0.0.1")], 403),
        (calls, vec![("host", &*host), ("authorization", &*token), ("origin", "https://127.0.0.1:1")], 403),
        ("GET /", vec![("host", &*host), ("sec-fetch-site", "cross-site")], 403),
        ("GET /", vec![("host", &*host), ("sec-fetch-site", "same-site")], 403),
        // Methods that could change something.
        ("POST /api/calls", vec![("host", &*host), ("authorization", &*token)], 405),
        ("DELETE /api/calls", vec![("host", &*host), ("authorization", &*token)], 405),
        ("OPTIONS /api/calls", vec![("host", &*host), ("origin", &*own)], 405),
        ("PUT /", vec![("host", &*host)], 405),
        ("HEAD /", vec![("host", &*host)], 405),
        // Paths that lead elsewhere.
        ("GET /../recordings/weather-1.jsonl", vec![("host", &*host)], 404),
        ("GET /..%2f..%2fetc/passwd", vec![("host", &*host)], 404),
        ("GET //etc/passwd", vec![("host", &*host)], 404),
        ("GET /recordings/weather-1.jsonl", vec![("host", &*host), ("authorization", &*token)], 404),
        ("GET /api/../app.js", vec![("host", &*host), ("authorization", &*token)], 404),
        ("GET /api/call?id=../../etc/passwd", vec![("host", &*host), ("authorization", &*token)], 404),
        ("GET /api/call?id=%00", vec![("host", &*host), ("authorization", &*token)], 404),
        ("GET /api/export?id=weather-1&format=../har", vec![("host", &*host), ("authorization", &*token)], 400),
        ("GET /api/calls?q=status:bad", vec![("host", &*host), ("authorization", &*token)], 400),
    ] {
        let response = viewer.send(first, &headers);
        let head = response.split("\r\n\r\n").next().unwrap();
        assert_eq!(status(&response), expected, "{first} {headers:?}: {response}");
        assert!(!head.contains("access-control-"), "{head}");
        assert!(head.contains("content-security-policy: default-src 'none'; script-src 'self'"), "{head}");
        assert!(head.contains("x-content-type-options: nosniff") && head.contains("cache-control: no-store"), "{head}");
        if expected != 200 {
            assert!(!response.contains("Lisbon") && !response.contains(&viewer.token), "{response}");
        }
    }
    // The page itself has nothing that is secret, and nothing inline that its policy would have to allow.
    for (path, kind) in [("/", "text/html"), ("/style.css", "text/css"), ("/app.js", "text/javascript")] {
        let page = viewer.send(&format!("GET {path}"), &[("host", &host)]);
        assert!(status(&page) == 200 && page.contains(&format!("content-type: {kind}")), "{page}");
        assert!(!page.contains(&viewer.token) && !page.contains("<script>") && !page.contains("innerHTML"), "{path}");
    }
    assert!(TcpStream::connect(("127.0.0.2", viewer.port)).is_err());
}

#[test]
fn lists_filters_and_calls_are_returned_in_parts() {
    let world = world();
    let viewer = Viewer::start(&world);
    viewer.wait_for("", 4);
    let list = viewer.json("/api/calls?q=is:stream+lisbon&sort=cost");
    assert_eq!(
        (&list["matched"], &list["total"], &list["calls"][0]["id"]),
        (&json!(1), &json!(4), &json!("weather-1"))
    );
    let page = viewer.json("/api/calls?offset=1&limit=2");
    let ids: Vec<_> = page["calls"].as_array().unwrap().iter().map(|call| call["id"].clone()).collect();
    assert_eq!(ids, ["weather-3", "weather-2"]);
    assert_eq!((&page["runs"][0]["id"], &page["runs"][0]["calls"]), (&json!("weather"), &json!(4)));
    assert_eq!(viewer.json("/api/calls?run=weather")["matched"], 4);
    assert_eq!(viewer.json("/api/calls?run=other")["matched"], 0);
    let totals = viewer.json("/api/totals");
    assert_eq!((&totals["all"]["calls"], &totals["all"]["cost"]), (&json!(4), &json!("0.00000724")));
    assert_eq!(
        (&totals["days"][0]["name"], &totals["models"][0]["name"]),
        (&json!("2026-11-26"), &json!("openai/gpt-4o-mini"))
    );
    let call = viewer.json("/api/call?id=weather-1");
    assert_eq!(call["output"][0]["parts"][0]["text"], "It is sunny in Lisbon.");
    assert_eq!(call["attempts"][0]["failed"]["wait"], 20.0);
    let cut = viewer.json("/api/call?id=weather-1&limit=20");
    assert_eq!(cut["attempts"][0]["request"]["missing"], "cut off");
    assert_eq!(cut["attempts"][0]["request"]["text"].as_str().unwrap().len(), 20);
    assert!(cut["attempts"][1]["events"].to_string().contains("more events"), "{cut}");
    let (code, curl) = viewer.get("/api/export?id=weather-1&format=curl");
    assert!(code == 200 && curl.starts_with("curl -X 'POST'"), "{curl}");
}

#[test]
fn calls_appear_while_they_are_written() {
    let world = World::new();
    let viewer = Viewer::start(&world);
    // The folder does not exist yet.
    viewer.wait_for("", 0);
    let lines: Vec<&str> = WEATHER.lines().collect();
    let path = world.write("recordings/weather-1.jsonl", format!("{}\n{}\n", lines[0], lines[1]));
    viewer.wait_for("", 1);
    let append = |text: &str| OpenOptions::new().append(true).open(&path).unwrap().write_all(text.as_bytes()).unwrap();
    let (half, rest) = lines[7].split_at(40);
    append(half);
    append(&format!("{rest}\n{}\n", lines[8]));
    viewer.wait_for("", 2);
    // Rotation deletes the oldest file.
    world.write("recordings/zebra-1.jsonl", WEATHER.replace("4711", "4712"));
    viewer.wait_for("", 6);
    fs::remove_file(&path).unwrap();
    viewer.wait_for("", 4);
}

#[cfg(unix)]
#[test]
fn processes_that_record_at_once_are_kept_apart_when_one_is_killed() {
    let world = World::new();
    let slow = std::time::Duration::from_secs(600);
    let hello = || [crate::support::chunk(json!({"content": "Hello!"})), crate::support::last_chunk("stop")];
    world.server.on("POST", "/chat/completions", openrouter_kit::mock::Answer::stream(hello()).always());
    world.server.on("GET", "/models", openrouter_kit::mock::Answer::json(200, json!({})).delayed(slow));
    let viewer = Viewer::start(&world);
    let recorded = |args: &[&str]| {
        let mut command = world.command(args);
        command.env("OPENROUTER_DEVTOOLS", "1").env("OPENROUTER_DEVTOOLS_DIR", world.path("recordings"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut killed = recorded(&["api", "get", "/models"]);
    viewer.wait_for("", 1);
    let mut others: Vec<_> = (0..4).map(|_| recorded(&["Say hello", "-m", "a/b"])).collect();
    killed.kill().unwrap();
    killed.wait().unwrap();
    for other in &mut others {
        assert!(other.wait().unwrap().success());
    }
    viewer.wait_for("-is:unfinished", 4);
    let list = viewer.wait_for("", 5);
    let calls = list["calls"].as_array().unwrap();
    let of = |outcome: &str| calls.iter().filter(|call| call["outcome"] == outcome).count();
    assert_eq!((of("unfinished"), of("completed")), (1, 4), "{list}");
    let runs: std::collections::BTreeSet<_> = calls.iter().map(|call| call["run"].to_string()).collect();
    assert_eq!((runs.len(), &list["problems"]), (5, &json!([])));
    for call in calls.iter().filter(|call| call["outcome"] == "completed") {
        let detail = viewer.json(&format!("/api/call?id={}", call["id"].as_str().unwrap()));
        assert_eq!(detail["output"][0]["parts"][0]["text"], "Hello!");
    }
}

const TITLES: &str = "[...document.querySelectorAll('.row')].map((row) => row.querySelector('.prompt').textContent)";

#[cfg(unix)]
#[test]
fn the_page_lists_filters_shows_and_compares_calls() {
    let world = world();
    let viewer = Viewer::start(&world);
    let Some(mut browser) = Browser::start() else { return };
    browser.open(&viewer.url(""));
    browser.wait("document.querySelectorAll('.row').length === 4");
    assert!(!browser.run("location.href").to_string().contains(&viewer.token));
    // By keys alone: filter, choose, open, go through the parts.
    browser.key("/");
    browser.type_text("lisbon");
    browser.wait("document.querySelectorAll('.row').length === 1");
    assert_eq!(browser.run(TITLES), json!(["Is it sunny in \"Lisbon\"?"]));
    browser.key("Enter");
    browser.key("j");
    browser.key("Enter");
    browser.wait("document.querySelector('#detail h2').textContent === 'openai/gpt-4o-mini'");
    browser.wait("document.querySelectorAll('#detail svg rect').length > 4");
    let overview = browser.run("document.querySelector('.panel').innerText");
    for part in ["72 ms", "$0.0000072", "Rate limit exceeded; wait, or send fewer requests", "tried again after 20 ms"]
    {
        assert!(overview.as_str().unwrap().contains(part), "{part}: {overview}");
    }
    browser.key("]");
    let messages = browser.run("document.querySelector('.panel').innerText");
    for part in ["What the model saw", "Answer in one sentence.", "What it returned", "It is sunny in Lisbon."] {
        assert!(messages.as_str().unwrap().contains(part), "{part}: {messages}");
    }
    for (part, text) in [("Request", "\"stream\": true"), ("Response", "x-generation-id"), ("Events", "[DONE]")] {
        browser.key("]");
        let panel = browser.run("document.querySelector('.panel').textContent");
        assert!(panel.as_str().unwrap().contains(text), "{part}: {panel}");
    }
    browser.key("]");
    browser.run(
        "[...document.querySelectorAll('.copies button')].find((button) => button.textContent === 'curl').click()",
    );
    browser.wait("document.querySelector('.panel pre').textContent.startsWith(\"curl -X 'POST'\")");
    // A wrong filter says what is right.
    browser.run("document.getElementById('filter').focus(); document.getElementById('filter').select()");
    browser.type_text("is:odd");
    browser.wait("document.getElementById('filter-error').textContent.includes('is:error')");
    browser.run("document.getElementById('filter').select()");
    browser.type_text("is:stream op:chat");
    browser
        .wait("document.querySelectorAll('.row').length === 1 && !document.getElementById('filter-error').textContent");
    // Comparison of two calls.
    browser.run("document.getElementById('filter').select()");
    browser.type_text("-op:models");
    browser.wait("document.querySelectorAll('.row').length === 3");
    browser.key("Enter");
    browser.wait("document.querySelector('.row[aria-selected=true]')");
    browser.key("c");
    browser.wait("document.getElementById('marked').textContent.startsWith('weather-1 is marked')");
    browser.key("k");
    browser.wait("document.querySelector('#detail h2').textContent === 'openai/text-embedding-3-small'");
    browser.key("c");
    browser.wait("!document.getElementById('compare').hidden");
    let compared = browser.run("document.getElementById('compare').innerText");
    for part in ["weather-1", "weather-2", "-   \"model\": \"openai/gpt-4o-mini\"", "+     \"sunny\"", "−63 %"] {
        assert!(compared.as_str().unwrap().replace('\u{a0}', " ").contains(part), "{part}: {compared}");
    }
    // Totals, and back.
    browser.key("Escape");
    browser.key("t");
    browser.wait("document.querySelectorAll('#totals svg rect').length > 2");
    let totals = browser.run("document.getElementById('totals').innerText");
    assert!(totals.as_str().unwrap().contains("anthropic/claude-sonnet-4"), "{totals}");
    browser.key("Escape");
    browser.wait("!document.getElementById('calls').hidden");
    // What is new appears.
    browser.run("document.getElementById('filter').select()");
    browser.send(
        "Input.dispatchKeyEvent",
        json!({"type": "keyDown", "key": "Delete", "code": "Delete", "windowsVirtualKeyCode": 46}),
    );
    browser.wait("document.querySelectorAll('.row').length === 4");
    world.write("recordings/zebra-1.jsonl", WEATHER.replace("4711", "4712"));
    browser.wait("document.querySelectorAll('.row').length === 8");
    // Everything that can be used has a name.
    let nameless = "[...document.querySelectorAll('button, input, select, [role=listbox], section')].filter((element) => \
                    !(element.textContent.trim() || element.getAttribute('aria-label') || element.closest('label'))).length";
    assert_eq!(browser.run(nameless), 0);
    browser.complaints.retain(|complaint| !complaint.contains("400 (Bad Request)"));
    expect_only_local_requests(&browser, &viewer);
}

/// Neither an error nor a refused script was reported, and nothing was loaded from another server.
#[cfg(unix)]
fn expect_only_local_requests(browser: &Browser, viewer: &Viewer) {
    assert_eq!(browser.complaints, [""; 0]);
    let origin = format!("http://127.0.0.1:{}/", viewer.port);
    let mut urls = browser.requested.iter();
    assert!(urls.all(|url| url.starts_with(&origin) || url == "about:blank"), "{:?}", browser.requested);
}

#[cfg(unix)]
#[test]
fn a_hostile_recording_stays_text_in_the_page() {
    let world = World::new();
    let evil = "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=1><svg onload=window.hacked=1>\
                javascript:window.hacked=1 \u{202e}\u{1b}[31m\u{0}'\"`${window.hacked=1}{{hacked}}";
    let key = format!("run-{evil}");
    let body = json!({
        "model": evil,
        "messages": [
            {"role": evil, "content": evil},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://192.0.2.1/pixel.png"}},
                {"type": "image_url", "image_url": {"url": format!("data:image/svg+xml,{evil}")}}]},
        ],
        "__proto__": {"hacked": 1},
        "constructor": {"prototype": {"hacked": 1}},
    });
    let event = json!({"choices": [{"index": 0, "delta": {"content": evil, "tool_calls": [
        {"index": 0, "function": {"name": evil, "arguments": evil}}]}}]});
    let lines = [
        json!({"n": 0, "kind": "file", "version": 1, "crate": evil, "pid": 1, "started": "2026-11-26T09:00:00Z", "part": 1,
            "content": evil, "cwd": evil, "branch": evil}),
        json!({"n": 1, "kind": "request", "call": 1, "attempt": 1, "at": 0, "operation": evil, "method": evil, "path": evil,
            "query": evil, "stream": true, "headers": [[evil, evil]], "body": body.to_string()}),
        json!({"n": 2, "kind": "response", "call": 1, "attempt": 1, "at": 1, "status": 200, "headers": [[evil, evil]]}),
        json!({"n": 3, "kind": "events", "call": 1, "attempt": 1, "at": 2, "body": format!("event: {evil}\ndata: {event}\n\n")}),
        json!({"n": 4, "kind": "failed", "call": 1, "attempt": 1, "at": 3, "error": evil, "reason": evil, "wait": 1e308}),
        json!({"n": 5, "kind": "end", "call": 1, "attempt": 1, "at": 4, "outcome": "failed", "error": evil, "attempts": 4e9 as u64,
            "elapsed": 1e300, "time_to_head": 1e300, "time_to_first_event": 5, "events": u64::MAX, "provider": evil, "model": evil,
            "generation_id": evil, "finish_reasons": [evil], "input_tokens": u64::MAX, "output_tokens": u64::MAX, "cost": "1e9"}),
    ];
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    // A name of a file may have nearly anything in it, too.
    let name = key.replace(['/', '\0'], "_");
    world.write(&format!("recordings/{}-1.jsonl", name.get(..180).unwrap_or(&name)), &text);
    world.write("recordings/plain-1.jsonl", text);
    let viewer = Viewer::start(&world);
    let Some(mut browser) = Browser::start() else { return };
    for tab in ["overview", "messages", "request", "response", "events", "copy"] {
        browser.open(&viewer.url(&format!("&call=plain-1&tab={tab}")));
        browser.wait(
            "document.querySelectorAll('.row').length === 2 && document.querySelector('.panel').children.length > 0",
        );
        assert_eq!(
            browser.run("document.querySelectorAll('main script, main img, main iframe, main [onload]').length"),
            0
        );
    }
    for format in ["curl", "Rust", "As a test", "HAR", "OTLP", "Recording"] {
        let click = "[...document.querySelectorAll('.copies button')].find((button) => button.textContent === 'FORMAT').click()";
        browser.run("document.querySelector('.panel pre').textContent = ''");
        browser.run(&click.replace("FORMAT", format));
        browser.wait("document.querySelector('.panel pre').textContent.includes('hacked')");
    }
    browser.key("t");
    browser.wait("document.querySelector('#totals table')");
    let ids = viewer.json("/api/calls")["calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| call["id"].clone())
        .collect::<Vec<_>>();
    assert_eq!(ids.len(), 2);
    browser.open(&viewer.url("&call=plain-1&with=last"));
    browser.wait("document.querySelector('#compare table')");
    assert_eq!(browser.run("window.hacked ?? ({}).hacked ?? null"), Value::Null);
    browser.complaints.retain(|complaint| !complaint.contains("clipboard"));
    expect_only_local_requests(&browser, &viewer);
}

/// Writes a recording of many calls, as a program would: streams and plain calls of a few models over ten days.
fn write_many(folder: &Path, calls: usize) -> u64 {
    fs::create_dir_all(folder).unwrap();
    let models = [
        "openai/gpt-4o-mini",
        "anthropic/claude-sonnet-4",
        "google/gemini-2.5-flash",
        "meta-llama/llama-3.3-70b-instruct",
    ];
    let mut bytes = 0;
    for file in 0..10 {
        let mut out = std::io::BufWriter::new(
            fs::File::create(folder.join(format!("2026-11-{:02}T08-00-00Z-{file}-00aa-1.jsonl", file + 10))).unwrap(),
        );
        let mut line = |value: Value| {
            let text = format!("{value}\n");
            bytes += text.len() as u64;
            out.write_all(text.as_bytes()).unwrap();
        };
        line(
            json!({"n": 0, "kind": "file", "version": 1, "crate": "openrouter-kit 0.1.0", "pid": file, "started": format!("2026-11-{:02}T08:00:00Z", file + 10), "part": 1, "content": "full", "cwd": "/home/ada/weather"}),
        );
        for call in 0..calls / 10 {
            let at = call as f64 * 500.0;
            let model = models[call % models.len()];
            let is_stream = call % 2 == 0;
            let body = json!({"model": model, "stream": is_stream, "messages": [
                {"role": "system", "content": "You answer questions about the weather in one sentence. ".repeat(8)},
                {"role": "user", "content": format!("What is the weather in city number {call}, and what should I wear there?")}]});
            line(
                json!({"n": 1, "kind": "request", "call": call, "attempt": 1, "at": at, "operation": "sendChatCompletionRequest", "method": "POST", "path": "/chat/completions", "stream": is_stream, "headers": [["content-type", "application/json"], ["authorization", "[redacted]"]], "body": body.to_string()}),
            );
            line(
                json!({"n": 2, "kind": "response", "call": call, "attempt": 1, "at": at + 120.0, "status": 200, "headers": [["content-type", "text/event-stream"], ["x-generation-id", format!("gen-{file}-{call}")]]}),
            );
            if is_stream {
                for piece in 0..10 {
                    let event = json!({"id": format!("gen-{file}-{call}"), "object": "chat.completion.chunk", "model": model, "choices": [{"index": 0, "delta": {"content": format!("word {piece} ")}}]});
                    line(
                        json!({"n": 3, "kind": "events", "call": call, "attempt": 1, "at": at + 150.0 + f64::from(piece) * 20.0, "body": format!("data: {event}\n\n")}),
                    );
                }
            } else {
                let body = json!({"id": format!("gen-{file}-{call}"), "model": model, "choices": [{"message": {"role": "assistant", "content": "It is sunny; a hat is enough. ".repeat(6)}, "finish_reason": "stop"}]});
                line(
                    json!({"n": 3, "kind": "body", "call": call, "attempt": 1, "at": at + 300.0, "body": body.to_string()}),
                );
            }
            line(
                json!({"n": 4, "kind": "end", "call": call, "attempt": 1, "at": at + 400.0, "outcome": "completed", "attempts": 1, "status": 200, "elapsed": 400.0 + (call % 977) as f64, "time_to_head": 120.0, "time_to_first_event": 150.0, "events": 10, "bytes_sent": 700, "bytes_received": 1500, "generation_id": format!("gen-{file}-{call}"), "model": model, "provider": "OpenAI", "finish_reasons": ["stop"], "input_tokens": 150 + call % 50, "output_tokens": 40 + call % 30, "cost": format!("0.000{:03}", call % 997)}),
            );
        }
    }
    bytes
}

/// `cargo test --release -p openrouter-kit-cli --test it a_hundred_thousand -- --ignored --nocapture`
#[test]
#[ignore = "a measurement, which needs a build with optimization"]
fn a_hundred_thousand_calls_open_in_two_seconds_and_filter_in_a_fifth() {
    let world = World::new();
    let bytes = write_many(&world.path("recordings"), 100_000);
    println!("100000 calls, {} MB", bytes / 1_000_000);
    let started = Instant::now();
    let viewer = Viewer::start(&world);
    while viewer.json("/api/calls?limit=100")["matched"] == 0 {
        std::thread::yield_now();
    }
    let opened = started.elapsed();
    println!("first calls: {} ms", opened.as_millis());
    viewer.wait_for("", 100_000);
    println!("all calls: {} ms", started.elapsed().as_millis());
    if let Ok(stat) = fs::read_to_string(format!("/proc/{}/stat", viewer.child.id())) {
        // In hundredths of a second.
        let ticks = |field: usize| stat.split(' ').nth(field).unwrap().parse::<u64>().unwrap();
        println!("CPU time until then: {} ms", (ticks(13) + ticks(14)) * 10);
    }
    let mut slowest = std::time::Duration::ZERO;
    for query in [
        "",
        "q=gemini",
        "q=city+number+4242",
        "q=nothing+here",
        "q=model:claude+cost:%3E0.0005&sort=cost",
        "q=time:%3E1s+-is:stream&sort=slow",
        "sort=tokens&offset=50000",
    ] {
        let mut times: Vec<_> = (0..5)
            .map(|_| {
                let started = Instant::now();
                viewer.json(&format!("/api/calls?limit=100&{query}"));
                started.elapsed()
            })
            .collect();
        times.sort();
        println!("list {query:40} {:>4} ms (median of 5)", times[2].as_millis());
        slowest = slowest.max(times[2]);
    }
    let started = Instant::now();
    viewer.json("/api/totals");
    println!("totals: {} ms", started.elapsed().as_millis());
    let started = Instant::now();
    viewer.json("/api/call?id=3-00aa-7000");
    println!("one call: {} ms", started.elapsed().as_millis());
    if let Ok(status) = fs::read_to_string(format!("/proc/{}/status", viewer.child.id())) {
        status
            .lines()
            .filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"))
            .for_each(|line| println!("{line}"));
    }
    if let Some(mut browser) = Browser::start() {
        let started = Instant::now();
        browser.open(&viewer.url(""));
        browser.wait("document.querySelectorAll('.row .model').length > 5");
        println!("page: {} ms until the calls are shown", started.elapsed().as_millis());
        let time = browser.run(
            "new Promise((done) => { const field = document.getElementById('filter'); const start = performance.now(); \
             field.value = 'model:claude city number 77'; field.dispatchEvent(new Event('input')); \
             const look = () => document.getElementById('summary').textContent.startsWith('100,000') ? requestAnimationFrame(look) \
             : done(performance.now() - start); look(); })",
        );
        println!(
            "page: {:.0} ms from a typed filter to its calls, 80 ms of them waiting for more letters",
            time.as_f64().unwrap()
        );
    }
    assert!(opened.as_secs_f64() < 2.0 && slowest.as_secs_f64() < 0.2, "{opened:?} {slowest:?}");
}

/// Writes pictures of a viewer in the folder `SCREENSHOTS_OF` into the folder `SCREENSHOTS`; see scripts/screenshots.sh.
#[cfg(unix)]
#[test]
#[ignore = "run by scripts/screenshots.sh"]
fn screenshots() {
    let (folder, recordings) = (std::env::var("SCREENSHOTS").unwrap(), std::env::var("SCREENSHOTS_OF").unwrap());
    let world = World::new();
    let mut command = world.command(&["devtools", "--port", "0"]);
    command.current_dir(recordings);
    let viewer = Viewer::of(command);
    let mut browser = Browser::start().expect("screenshots need a Chromium");
    // The recording of the tests, and an example.
    viewer.wait_for("is:retried", 2);
    let ids = |query: &str| -> Vec<String> {
        let found = viewer.json(&format!("/api/calls?q={query}&sort=slow"));
        found["calls"].as_array().unwrap().iter().map(|call| call["id"].as_str().unwrap().to_owned()).collect()
    };
    let find = |query: &str| ids(query)[0].clone();
    let (retried, tools, stream) =
        (find("is:retried+is:stream"), find("is:tools"), find("is:stream+op:chat+-is:error"));
    let two = ids("is:tools+op:responses+oslo");
    let two = [&ids("is:tools+op:responses+celsius")[0], &two[0]];
    let shown =
        "document.querySelectorAll('.row .model').length > 3 && document.querySelector('.panel')?.children.length > 0";
    let pictures = [
        ("list-light", 1120, "light", String::new(), "document.querySelectorAll('.row .model').length > 3"),
        ("waterfall-light", 1120, "light", format!("&call={retried}"), shown),
        ("messages-dark", 1120, "dark", format!("&call={tools}&tab=messages"), shown),
        ("events-light", 1120, "light", format!("&call={stream}&tab=events"), shown),
        ("test-dark", 1120, "dark", format!("&call={retried}&tab=copy"), shown),
        (
            "errors-dark",
            1280,
            "dark",
            format!("&q=is:error&call={}", find("is:error")),
            "document.querySelector('.panel')",
        ),
        ("totals-light", 1120, "light", "&view=totals".to_owned(), "document.querySelector('#totals table')"),
        ("totals-dark", 1120, "dark", "&view=totals".to_owned(), "document.querySelector('#totals table')"),
        (
            "comparison-light",
            1280,
            "light",
            format!("&call={}&with={}", two[0], two[1]),
            "document.querySelector('#compare table')",
        ),
        ("list-narrow", 400, "light", String::new(), "document.querySelectorAll('.row .model').length > 3"),
        ("call-narrow-dark", 400, "dark", format!("&call={retried}"), "document.querySelector('.panel')"),
    ];
    for (name, width, scheme, more, ready) in pictures {
        browser.size(width, if width > 500 { 640 } else { 680 });
        browser.send(
            "Emulation.setEmulatedMedia",
            json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]}),
        );
        browser.open(&viewer.url(&more));
        browser.wait(ready);
        if more.contains("tab=copy") {
            browser.run("[...document.querySelectorAll('.copies button')].find((button) => button.textContent === 'As a test').click()");
            browser.wait("document.querySelector('.panel pre').textContent.includes('MockServer')");
        }
        browser.wait("document.getElementById('live').textContent === 'live'");
        let mut decode = Command::new("base64")
            .arg("-d")
            .stdin(Stdio::piped())
            .stdout(fs::File::create(format!("{folder}/{name}.png")).unwrap())
            .spawn()
            .unwrap();
        decode.stdin.take().unwrap().write_all(browser.screenshot().as_bytes()).unwrap();
        assert!(decode.wait().unwrap().success());
    }
    assert_eq!(browser.complaints, [""; 0]);
}
