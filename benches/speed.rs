//! What a call, a stream and a large answer cost the thread of the client, compared with the least that they can cost.
//!
//! ```text
//! cargo bench -p openrouter-kit-benches --bench speed                  all of it
//! cargo bench -p openrouter-kit-benches --bench speed -- decode        one event and a stream, without a network
//! cargo bench -p openrouter-kit-benches --bench speed -- streams       20,000 events over a socket
//! cargo bench -p openrouter-kit-benches --bench speed -- unary         whole answers on one connection
//! cargo bench -p openrouter-kit-benches --bench speed -- models        a list of models of 1 MB
//! cargo bench -p openrouter-kit-benches --bench speed -- encode        a request with images
//! cargo bench -p openrouter-kit-benches --bench speed -- concurrent    from 1 to 10,000 streams at once
//! cargo bench -p openrouter-kit-benches --bench speed -- recorded      a stream with and without a recorder
//! cargo bench -p openrouter-kit-benches --bench speed -- agent         two model calls and ten tool calls
//! cargo bench -p openrouter-kit-benches --bench speed -- growth        from 1,000 to 1,000,000 events
//! ```
//!
//! Times are CPU times of the client's thread, medians of rounds in which the contenders take turns; ratios are medians
//! of the ratios of the rounds. The server has threads of its own and writes bytes that were made before. Allocations
//! and the peak of the heap are those of the client's thread.
#![allow(clippy::async_yields_async, reason = "a stream is handed out to be read later")]

use std::cell::RefCell;
use std::collections::HashMap;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use allocation_counter::measure;
use openrouter_kit::OpenRouterCore;
use openrouter_kit::core::sse::SseDecoder;
use openrouter_kit::core::wire;
use openrouter_kit::devtools::Recorder;
use openrouter_kit::funcs;
use openrouter_kit::models::{ChatRequest, ChatStreamChunk, ResponsesStreamEvent};
use openrouter_kit_benches::bytes;
use openrouter_kit_benches::floors::{self, Floor, Taskless};
use openrouter_kit_benches::kit::{self, client, runtime};
use openrouter_kit_benches::measure::{Contender, compare, median, micros};
use openrouter_kit_benches::server::{self, Gate};
use tokio::runtime::Runtime;

const EVENTS: usize = 20_000;

fn main() {
    if std::env::args().nth(1).is_some_and(|argument| argument == "serve") {
        return serve();
    }
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let all: [(&str, fn()); 9] = [
        ("decode", decode),
        ("streams", streams),
        ("unary", unary),
        ("models", models),
        ("encode", encode),
        ("concurrent", concurrent),
        ("recorded", recorded),
        ("agent", agent),
        ("growth", growth),
    ];
    for (name, run) in all {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            run();
        }
    }
}

/// Without a network: the reader alone.
fn decode() {
    const TIMES: usize = 20_000;
    let delta = bytes::text_delta(12_345);
    let chunk = bytes::chat_chunk(12_345);
    type Case<'a> = (&'a str, &'a str, floors::Look, fn(&str));
    let cases: [Case<'_>; 2] = [
        ("Decode one text delta (Responses)", &delta, floors::text_delta, |json| {
            black_box(wire::decode_event::<ResponsesStreamEvent>(json).unwrap());
        }),
        ("Decode one chunk (chat)", &chunk, floors::chat_chunk, |json| {
            black_box(wire::decode_event::<ChatStreamChunk>(json).unwrap());
        }),
    ];
    for (title, json, look, read) in cases {
        compare(
            title,
            "event",
            json.len() as f64,
            TIMES,
            0,
            vec![
                Contender::new("serde_json, smallest struct", || {
                    for _ in 0..TIMES {
                        black_box(look(black_box(json.as_bytes())));
                    }
                }),
                Contender::new("openrouter-kit", || (0..TIMES).for_each(|_| read(black_box(json)))),
            ],
        );
    }

    let events: Vec<_> = (0..EVENTS).map(|number| format!("data: {}\n\n", bytes::text_delta(number))).collect();
    let chunks: Vec<_> = events.chunks(64).map(|events| ::bytes::Bytes::from(events.concat())).collect();
    compare(
        "Decode a stream, 64 events a chunk",
        "event",
        events.concat().len() as f64 / EVENTS as f64,
        EVENTS,
        0,
        vec![
            Contender::new("openrouter-kit, events only", || {
                let mut decoder = SseDecoder::new(1 << 20);
                for chunk in &chunks {
                    decoder.push(chunk.clone());
                    while let Some(event) = decoder.next() {
                        black_box(event.unwrap());
                    }
                }
            }),
            Contender::new("openrouter-kit", || {
                let mut decoder = SseDecoder::new(1 << 20);
                for chunk in &chunks {
                    decoder.push(chunk.clone());
                    while let Some(event) = decoder.next() {
                        black_box(wire::decode_event::<ResponsesStreamEvent>(event.unwrap().data).unwrap());
                    }
                }
            }),
        ],
    );
}

fn streams() {
    let answers = [
        ("responses-1", "Responses stream, one event a chunk", bytes::responses_stream(EVENTS, 1)),
        ("responses-64", "Responses stream, 64 events a chunk", bytes::responses_stream(EVENTS, 64)),
        ("chat-1", "Chat stream, one event a chunk", bytes::chat_stream(EVENTS, 1)),
        ("chat-64", "Chat stream, 64 events a chunk", bytes::chat_stream(EVENTS, 64)),
    ];
    let served = answers.iter().map(|(name, _, answer)| (*name, answer.wire.clone())).collect();
    let address = server::start(served, Arc::default());
    for (name, title, answer) in &answers {
        let runtime = runtime();
        let core = client(address, name);
        let floor = RefCell::new(runtime.block_on(Floor::connect(address)));
        let taskless = RefCell::new(runtime.block_on(Taskless::connect(address)));
        let path = format!("/{name}/x");
        let is_chat = name.starts_with("chat");
        let look = if is_chat { floors::chat_chunk } else { floors::text_delta };
        let run_floor = |look| {
            let count = runtime.block_on(floor.borrow_mut().stream(&path, look));
            assert_eq!(count, answer.units);
        };
        compare(
            title,
            "event",
            answer.wire.len() as f64 / answer.units as f64,
            answer.units,
            1,
            vec![
                Contender::new("hyper, counting blank lines", || run_floor(None)),
                Contender::new("hyper and serde_json, smallest", || run_floor(Some(look))),
                Contender::new("the same without a task", || {
                    let count = runtime.block_on(taskless.borrow_mut().stream(&path, Some(look)));
                    assert_eq!(count, answer.units);
                }),
                Contender::new("openrouter-kit", || {
                    let count = runtime.block_on(async {
                        if is_chat { kit::chat_events(&core).await } else { kit::responses_events(&core).await }
                    });
                    assert_eq!(count, answer.units);
                }),
            ],
        );
    }
}

/// What a recorder adds to a stream for the thread of the client. Its own thread writes meanwhile.
fn recorded() {
    let folder = std::env::temp_dir().join(format!("openrouter-kit-benches-{}", std::process::id()));
    let answers = [
        ("responses-1", "Recorded Responses stream, one event a chunk", bytes::responses_stream(EVENTS, 1)),
        ("chat-1", "Recorded chat stream, one event a chunk", bytes::chat_stream(EVENTS, 1)),
        ("chat-64", "Recorded chat stream, 64 events a chunk", bytes::chat_stream(EVENTS, 64)),
    ];
    let served = answers.iter().map(|(name, _, answer)| (*name, answer.wire.clone())).collect();
    let address = server::start(served, Arc::default());
    for (name, title, answer) in &answers {
        let runtime = runtime();
        let recorder = Recorder::new(&folder);
        let (core, recorded) = (client(address, name), kit::client_with(address, name, recorder.clone()));
        let run = |core: &OpenRouterCore| {
            let count = runtime.block_on(async {
                if name.starts_with("chat") { kit::chat_events(core).await } else { kit::responses_events(core).await }
            });
            assert_eq!(count, answer.units);
        };
        compare(
            title,
            "event",
            answer.wire.len() as f64 / answer.units as f64,
            answer.units,
            0,
            vec![
                Contender::new("without a recorder", || run(&core)),
                Contender::new("with a recorder", || {
                    run(&recorded);
                    recorder.flush();
                }),
            ],
        );
    }
    let _ = std::fs::remove_dir_all(&folder);
}

/// Whole answers, one after the other on one connection.
fn unary_case(
    title: &str,
    answer: bytes::Answer,
    calls: usize,
    look: floors::Look,
    call: &dyn Fn(&Runtime, &OpenRouterCore),
) {
    let length = answer.wire.len();
    let address = server::start(HashMap::from([("answer", answer.wire)]), Arc::default());
    let runtime = runtime();
    let core = client(address, "answer");
    let floor = RefCell::new(runtime.block_on(Floor::connect(address)));
    let taskless = RefCell::new(runtime.block_on(Taskless::connect(address)));
    let run_floor = |look| {
        for _ in 0..calls {
            black_box(runtime.block_on(floor.borrow_mut().unary("POST", "/answer/x", look)));
        }
    };
    compare(
        title,
        "call",
        length as f64,
        calls,
        1,
        vec![
            Contender::new("hyper", || run_floor(None)),
            Contender::new("hyper and serde_json, smallest", || run_floor(Some(look))),
            Contender::new("the same without a task", || {
                for _ in 0..calls {
                    black_box(runtime.block_on(taskless.borrow_mut().unary("POST", "/answer/x", Some(look))));
                }
            }),
            Contender::new("openrouter-kit", || (0..calls).for_each(|_| call(&runtime, &core))),
        ],
    );
}

fn unary() {
    unary_case("Responses call of 2.4 kB", bytes::response(), 1000, floors::response, &|runtime, core| {
        black_box(runtime.block_on(funcs::responses_send(core, kit::responses_request()).into_future()).unwrap());
    });
}

fn models() {
    unary_case("List of models, 1 MB", bytes::models(), 20, floors::models, &|runtime, core| {
        let list = runtime.block_on(funcs::models_list(core).into_future()).unwrap();
        assert_eq!(list.data.len(), bytes::MODELS);
    });
}

/// A run with two model calls and ten tool calls that do nothing, compared with the same model calls by hand.
fn agent() {
    const RUNS: usize = 200;
    let [calls, text] = bytes::turns_wire();
    let length = calls.len() + text.len();
    let address = server::start(HashMap::from([("turns-1", calls), ("turns-2", text)]), Arc::default());
    let runtime = runtime();
    // Each has a connection of its own.
    let (core, request) = (client(address, "turns"), kit::request_with_tool());
    let agent = kit::agent(&client(address, "turns"));
    let by_hand = || runtime.block_on(kit::run_by_hand(&core, &request));
    let run = || runtime.block_on(kit::run_agent(&agent));
    compare(
        "A run of an agent: two model calls, ten tool calls",
        "run",
        length as f64,
        RUNS,
        0,
        vec![
            Contender::new("by hand", || (0..RUNS).for_each(|_| by_hand())),
            Contender::new("openrouter-kit", || (0..RUNS).for_each(|_| run())),
        ],
    );
    let [by_hand, run] = [measure(by_hand), measure(run)].map(|info| (info.count_total, info.bytes_total));
    println!("  allocations of a run (bytes): by hand {} ({}), agent {} ({})", by_hand.0, by_hand.1, run.0, run.1);
}

/// A chat request with four images of 1 MB.
fn encode() {
    let image = "iVBORw0KGgoAAAANSUhEUgAA".repeat(44_000);
    let part = format!(r#"{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{image}"}}}}"#);
    let json = format!(
        r#"{{"model":"m","messages":[{{"role":"user","content":[{{"type":"text","text":"What is this?"}},{}]}}]}}"#,
        vec![part; 4].join(",")
    );
    let request: ChatRequest = wire::decode(&json).unwrap();
    let texts = vec![format!("data:image/png;base64,{image}"); 4];
    compare(
        "Encode a request with four images of 1 MB",
        "request",
        json.len() as f64,
        4,
        0,
        vec![
            Contender::new("serde_json, four strings", || {
                (0..4).for_each(|_| drop(black_box(serde_json::to_vec(&texts).unwrap())));
            }),
            Contender::new("openrouter-kit", || {
                (0..4).for_each(|_| drop(black_box(wire::encode(&request).unwrap())));
            }),
        ],
    );
}

/// The events of a stream of `concurrent`.
fn gated_stream() -> bytes::Answer {
    bytes::responses_stream(500, 1)
}

/// Serves gated streams: the gate is open or closed as the lines of the standard input say. A process of its own, since
/// one process may not open the sockets of both ends of 10,000 streams.
fn serve() {
    let gate = Arc::new(Gate::default());
    println!("{}", server::start(HashMap::from([("gated", gated_stream().wire)]), gate.clone()));
    for line in std::io::stdin().lock().lines() {
        gate.set(line.unwrap() == "open");
        println!();
    }
}

/// The process of [`serve`].
struct GatedServer {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl GatedServer {
    fn start() -> Self {
        let program = std::env::current_exe().unwrap();
        let mut process =
            Command::new(program).arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, mut output) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        let mut address = String::new();
        output.read_line(&mut address).unwrap();
        Self { process, input, output, address: address.trim().parse().unwrap() }
    }

    /// Sets the gate and waits until it is set.
    fn set(&mut self, word: &str) {
        writeln!(self.input, "{word}").unwrap();
        self.output.read_line(&mut String::new()).unwrap();
    }
}

impl Drop for GatedServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Streams on one thread, opened before the clock starts, all read at once.
fn concurrent() {
    const ROUNDS: usize = 5;
    let answer = gated_stream();
    let (units, length) = (answer.units, answer.wire.len());
    let mut server = GatedServer::start();
    let address = server.address;
    println!("\nStreams of {units} events read at once on one thread, one event a chunk");
    println!("  {:>8} {:>18} {:>18} {:>9} {:>9}", "streams", "floor, µs/event", "kit, µs/event", "MB/s", "ratio");
    for streams in [1, 10, 100, 1_000, 10_000] {
        let (mut floors, mut kits) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS.max(100 / streams) {
            floors.push(gated(&mut server, streams, units, || async move {
                let body = Floor::connect(address).await.send("POST", "/gated/x", "{}").await;
                floors::events(body, Some(floors::text_delta))
            }));
            let core = client(address, "gated");
            kits.push(gated(&mut server, streams, units, || {
                let core = core.clone();
                async move { kit::count(funcs::responses_stream(&core, kit::responses_request()).await.unwrap()) }
            }));
        }
        let ratio = median(kits.iter().zip(&floors).map(|(kit, floor)| kit / floor).collect());
        let (floor, kit) = (median(floors), median(kits));
        let speed = length as f64 / units as f64 / kit;
        println!("  {streams:>8} {floor:>18.3} {kit:>18.3} {speed:>9.0} {ratio:>9.2}");
    }
}

/// Opens streams, then lets the server go on; returns the CPU time of an event.
fn gated<O, F, R>(server: &mut GatedServer, streams: usize, units: usize, open: O) -> f64
where
    O: Fn() -> F,
    F: Future<Output = R>,
    R: Future<Output = usize> + 'static,
{
    let runtime = runtime();
    let local = tokio::task::LocalSet::new();
    server.set("closed");
    let opened: Vec<_> = (0..streams).map(|_| local.block_on(&runtime, open())).collect();
    server.set("open");
    let time = micros(|| {
        let counts = local.block_on(&runtime, async {
            let tasks: Vec<_> = opened.into_iter().map(tokio::task::spawn_local).collect();
            let mut counts = 0;
            for task in tasks {
                counts += task.await.unwrap();
            }
            counts
        });
        assert_eq!(counts, streams * units);
    });
    time / (streams * units) as f64
}

/// Longer and longer streams: the time of an event must stay the same. The lengths take turns, so that what the machine does
/// meanwhile meets them all.
fn growth() {
    const ROUNDS: usize = 9;
    const SIZES: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
    let name = |size: usize| format!("events-{size}").leak() as &'static str;
    let answers = SIZES.map(|size| (name(size), bytes::responses_stream(size, 1).wire));
    let address = server::start(answers.into_iter().collect(), Arc::default());
    println!("\nLonger streams, one event a chunk");
    println!("  {:>9} {:>12} {:>20}", "events", "µs/event", "vs. the shortest");
    let runtime = runtime();
    let clients = SIZES.map(|size| (size, client(address, name(size))));
    let mut times = SIZES.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for ((size, core), times) in clients.iter().zip(&mut times) {
            let streams = (200_000 / size).max(1);
            let time = micros(|| {
                for _ in 0..streams {
                    assert!(runtime.block_on(kit::responses_events(core)) >= *size);
                }
            });
            times.push(time / (streams * size) as f64);
        }
    }
    let [shortest, ..] = times.clone();
    for (size, times) in SIZES.into_iter().zip(times) {
        let ratio = median(times.iter().zip(&shortest).map(|(time, shortest)| time / shortest).collect());
        println!("  {size:>9} {:>12.3} {ratio:>20.2}", median(times));
    }
}
