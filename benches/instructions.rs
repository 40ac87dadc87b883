//! Counts instructions, which are the same in every run, and compares them with those recorded in `instructions.tsv`.
//!
//! ```text
//! cargo bench -p openrouter-kit-benches --bench instructions               compares; fails where more than 2 % are added
//! cargo bench -p openrouter-kit-benches --bench instructions -- --record   writes instructions.tsv anew
//! ```
//!
//! It takes valgrind (package `valgrind` of most systems); without it, it says so and does nothing. The counts depend on
//! the compiler too: record them anew when its version changes, in a commit of its own. Each scenario runs twice, 200 and
//! 1,200 times over; the difference, divided, is what one time costs.

use std::collections::BTreeMap;
use std::error::Error;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::BodyExt;

use openrouter_kit::OpenRouterCore;
use openrouter_kit::core::body::Body;
use openrouter_kit::core::sse::SseDecoder;
use openrouter_kit::core::transport::{HyperTransport, Transport, TransportFuture};
use openrouter_kit::core::wire;
use openrouter_kit::funcs;
use openrouter_kit::helpers::{ChatAccumulator, MessagesAccumulator, ResponsesAccumulator};
use openrouter_kit::hooks::Tracing;
use openrouter_kit::models::{
    ChatRequest, ChatResult, ChatStreamChunk, MessagesStreamEvent, ModelsListResponse, ResponsesRequest,
    ResponsesResult, ResponsesStreamEvent,
};
use openrouter_kit_benches::{bytes, kit};

const FEW: usize = 200;
const MANY: usize = 1_200;

/// The largest growth that passes.
const TOLERANCE: f64 = 0.02;

/// The same over a network, where it depends on timing how often the client wakes up.
const NETWORK_TOLERANCE: f64 = 0.15;

type Scenario = (&'static str, fn(usize));

const SCENARIOS: [Scenario; 20] = [
    ("event: find in the bytes", find_event),
    ("event: text delta of Responses", |times| read::<ResponsesStreamEvent>(&bytes::text_delta(12_345), times)),
    ("event: chunk of chat", |times| read::<ChatStreamChunk>(&bytes::chat_chunk(12_345), times)),
    ("event: text delta of Messages", |times| read::<MessagesStreamEvent>(bytes::MESSAGES_DELTA, times)),
    ("accumulate: chunk of chat", accumulate_chat),
    ("accumulate: text delta of Responses", accumulate_responses),
    ("accumulate: text delta of Messages", accumulate_messages),
    ("answer: Responses, 2.4 kB", |times| read::<ResponsesResult>(&bytes::response_body(), times)),
    ("answer: chat, 2.4 kB", |times| read::<ChatResult>(&bytes::chat_body(), times)),
    ("answer: list of one model", |times| read::<ModelsListResponse>(&bytes::models_body(1), times)),
    ("request: encode a short chat", encode_request),
    ("call: Responses, without a network", |times| call(times, None)),
    ("call: traced, without a subscriber", |times| call(times, Some(Tracing::new()))),
    ("stream: one event, without a network", |times| stream(times, None)),
    ("stream: traced, without a subscriber", |times| stream(times, Some(Tracing::new()))),
    ("stream: one raw event, without a network", raw_stream),
    ("agent: two model calls and ten tool calls", agent),
    ("agent: the same calls by hand", agent_by_hand),
    ("exchange: over an idle connection", |times| exchange(times, usize::MAX)),
    ("exchange: over a new connection", |times| exchange(times, 0)),
];

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [run, scenario, times] = arguments.as_slice()
        && run == "run"
    {
        SCENARIOS[scenario.parse::<usize>()?].1(times.parse()?);
        return Ok(ExitCode::SUCCESS);
    }
    if arguments == ["serve"] {
        return serve();
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("skipped: valgrind is not installed");
        return Ok(ExitCode::SUCCESS);
    }
    let record = Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.tsv");
    let writes = arguments.iter().any(|argument| argument == "--record");
    let recorded = if writes { BTreeMap::new() } else { parse(&std::fs::read_to_string(&record)?)? };
    let mut lines = String::from("scenario\tinstructions\n");
    let mut grown = 0;
    println!("{:<40} {:>12} {:>12} {:>8}", "instructions of one", "recorded", "now", "change");
    for (index, (name, _)) in SCENARIOS.iter().enumerate() {
        let now = (count(index, MANY)? - count(index, FEW)?) / (MANY - FEW) as u64;
        lines.push_str(&format!("{name}\t{now}\n"));
        let Some(before) = recorded.get(*name) else {
            println!("{name:<40} {:>12} {now:>12}", "-");
            continue;
        };
        let change = now as f64 / *before as f64 - 1.0;
        let tolerance = if name.starts_with("exchange") { NETWORK_TOLERANCE } else { TOLERANCE };
        let verdict = if change > tolerance { "  more than allowed" } else { "" };
        grown += usize::from(change > tolerance);
        println!("{name:<40} {before:>12} {now:>12} {:>+7.1}%{verdict}", change * 100.0);
    }
    if writes {
        std::fs::write(&record, lines)?;
        println!("written to {}", record.display());
    }
    Ok(if grown == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn parse(text: &str) -> Result<BTreeMap<String, u64>, Box<dyn Error>> {
    let mut counts = BTreeMap::new();
    for line in text.lines().skip(1) {
        let (name, count) = line.split_once('\t').ok_or("a line of instructions.tsv without a tab")?;
        counts.insert(name.to_owned(), count.parse()?);
    }
    Ok(counts)
}

/// The instructions of this program when it runs a scenario.
fn count(scenario: usize, times: usize) -> Result<u64, Box<dyn Error>> {
    let out: PathBuf = std::env::temp_dir().join(format!("instructions-{}", std::process::id()));
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--error-exitcode=0"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe()?)
        .args(["run", &scenario.to_string(), &times.to_string()])
        .output()?;
    let _ = std::fs::remove_file(&out);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let counted = text.lines().find_map(|line| line.split_once("Collected :")).ok_or_else(|| text.clone())?;
    Ok(counted.1.trim().parse()?)
}

fn read<T: wire::Wire>(json: &str, times: usize) {
    for _ in 0..times {
        black_box(wire::decode_event::<T>(black_box(json)).unwrap());
    }
}

fn accumulate_chat(times: usize) {
    let chunk: ChatStreamChunk = wire::decode_event(&bytes::chat_chunk(12_345)).unwrap();
    let mut answer = ChatAccumulator::new();
    for _ in 0..times {
        answer.push(black_box(&chunk));
    }
    black_box(answer.finish());
}

fn accumulate_responses(times: usize) {
    let event: ResponsesStreamEvent = wire::decode_event(&bytes::text_delta(12_345)).unwrap();
    let mut answer = ResponsesAccumulator::new();
    for _ in 0..times {
        answer.push(black_box(&event));
    }
    black_box(answer.finish());
}

fn accumulate_messages(times: usize) {
    let read = |json| wire::decode_event::<MessagesStreamEvent>(json).unwrap();
    let delta = read(bytes::MESSAGES_DELTA);
    let mut answer = MessagesAccumulator::new();
    answer.push(&read(bytes::MESSAGES_START));
    answer.push(&read(bytes::MESSAGES_BLOCK));
    for _ in 0..times {
        answer.push(black_box(&delta));
    }
    black_box(answer.finish());
}

fn find_event(times: usize) {
    let chunk = ::bytes::Bytes::from(format!("data: {}\n\n", bytes::text_delta(12_345)));
    let mut decoder = SseDecoder::new(1 << 20);
    for _ in 0..times {
        decoder.push(chunk.clone());
        while let Some(event) = decoder.next() {
            let _ = black_box(event.unwrap());
        }
    }
}

const CHAT: &str = r#"{"model":"m","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"What is the capital of France?"}],"temperature":0.7,"max_tokens":100}"#;

fn encode_request(times: usize) {
    let request: ChatRequest = wire::decode(CHAT).unwrap();
    for _ in 0..times {
        black_box(wire::encode(black_box(&request)).unwrap());
    }
}

/// Answers every request with the same bytes.
#[derive(Debug)]
struct Memory {
    media_type: &'static str,
    body: ::bytes::Bytes,
}

impl Transport for Memory {
    fn send(&self, _: http::Request<Body>) -> TransportFuture<'_> {
        Box::pin(async {
            let mut response = http::Response::new(Body::from(self.body.clone()));
            response.headers_mut().insert("content-type", http::HeaderValue::from_static(self.media_type));
            Ok(response)
        })
    }
}

fn client(
    media_type: &'static str,
    body: String,
    tracing: Option<Tracing>,
) -> (tokio::runtime::Runtime, OpenRouterCore) {
    let transport = Memory { media_type, body: body.into() };
    let builder = OpenRouterCore::builder().api_key("key").transport(transport);
    let builder = match tracing {
        Some(tracing) => builder.tracing(tracing),
        None => builder,
    };
    (tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(), builder.build().unwrap())
}

fn request() -> ResponsesRequest {
    wire::decode(r#"{"model":"m","input":"Hi"}"#).unwrap()
}

fn call(times: usize, tracing: Option<Tracing>) {
    let (runtime, core) = client("application/json", bytes::response_body(), tracing);
    runtime.block_on(async {
        for _ in 0..times {
            black_box(funcs::responses_send(&core, request()).await.unwrap());
        }
    });
}

fn stream(times: usize, tracing: Option<Tracing>) {
    let events = format!("data: {}\n\n", bytes::text_delta(12_345)).repeat(times);
    let (runtime, core) = client("text/event-stream", events + "data: [DONE]\n\n", tracing);
    runtime.block_on(async {
        let mut stream = funcs::responses_stream(&core, request()).await.unwrap();
        while let Some(event) = stream.next().await {
            black_box(event.unwrap());
        }
    });
}

fn raw_stream(times: usize) {
    let events = format!("data: {}\n\n", bytes::text_delta(12_345)).repeat(times);
    let (runtime, core) = client("text/event-stream", events + "data: [DONE]\n\n", None);
    runtime.block_on(async {
        let mut stream = funcs::responses_stream(&core, request()).raw().await.unwrap();
        while let Some(event) = stream.next().await {
            black_box(event.unwrap());
        }
    });
}

/// Answers in turns with ten calls of a tool and with a text.
#[derive(Debug)]
struct Turns {
    count: AtomicUsize,
    bodies: [::bytes::Bytes; 2],
}

impl Transport for Turns {
    fn send(&self, _: http::Request<Body>) -> TransportFuture<'_> {
        Box::pin(async {
            let [calls, text] = &self.bodies;
            let is_first = self.count.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
            let mut response = http::Response::new(Body::from(if is_first { calls } else { text }.clone()));
            response.headers_mut().insert("content-type", http::HeaderValue::from_static("text/event-stream"));
            Ok(response)
        })
    }
}

fn turns() -> (tokio::runtime::Runtime, OpenRouterCore) {
    let bodies = bytes::turns().map(|events| ::bytes::Bytes::from(events.concat()));
    let transport = Turns { count: AtomicUsize::new(0), bodies };
    let core = OpenRouterCore::builder().api_key("key").transport(transport).build().unwrap();
    (kit::runtime(), core)
}

fn agent(times: usize) {
    let (runtime, core) = turns();
    let agent = kit::agent(&core);
    runtime.block_on(async {
        for _ in 0..times {
            kit::run_agent(&agent).await;
        }
    });
}

fn agent_by_hand(times: usize) {
    let (runtime, core) = turns();
    let request = kit::request_with_tool();
    runtime.block_on(async {
        for _ in 0..times {
            kit::run_by_hand(&core, &request).await;
        }
    });
}

/// Starts this program as a server in a separate process, so that its instructions do not count.
fn server() -> (Child, String) {
    let program = std::env::current_exe().unwrap();
    let mut server = Command::new(program).arg("serve").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut url = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut url).unwrap();
    (server, url.trim().to_owned())
}

/// Responds to each request on each connection with a short body.
fn serve() -> Result<ExitCode, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("http://{}/", listener.local_addr()?);
    for stream in listener.incoming() {
        let mut stream = stream?;
        std::thread::spawn(move || -> std::io::Result<()> {
            while stream.read(&mut [0; 4096])? > 0 {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")?;
            }
            Ok(())
        });
    }
    Ok(ExitCode::SUCCESS)
}

fn exchange(times: usize, max_idle: usize) {
    let (mut server, url) = server();
    let transport = HyperTransport::builder().no_proxy().pool_max_idle_per_host(max_idle).build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for _ in 0..times {
            let request = http::Request::post(&url).body(Body::from("question")).unwrap();
            let response = transport.send(request).await.unwrap();
            black_box(response.into_body().collect().await.unwrap());
        }
    });
    server.kill().unwrap();
}
