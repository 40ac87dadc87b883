//! What this crate takes from the heap: how often, how much at once, and what an open stream holds.
//!
//! ```text
//! cargo bench -p openrouter-kit-benches --bench memory
//! ```
//!
//! Everything that the client's thread allocates counts, hyper's connections included.

use std::collections::HashMap;
use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;

use allocation_counter::{AllocationInfo, measure};
use openrouter_kit::core::wire;
use openrouter_kit::funcs;
use openrouter_kit::models::{ChatStreamChunk, ResponsesStreamEvent};
use openrouter_kit_benches::bytes;
use openrouter_kit_benches::floors::{self, Floor};
use openrouter_kit_benches::kit::{self, client, runtime};
use openrouter_kit_benches::server::{self, Gate};

fn main() {
    println!("  {:<44} {:>14} {:>14} {:>14}", "", "allocations", "bytes", "peak, KiB");
    decode();
    let gate = Arc::new(Gate::default());
    let answers = HashMap::from([
        ("responses-1", bytes::responses_stream(20_000, 1).wire),
        ("responses-64", bytes::responses_stream(20_000, 64).wire),
        ("chat-1", bytes::chat_stream(20_000, 1).wire),
        ("response", bytes::response().wire),
        ("models", bytes::models().wire),
        ("long", bytes::responses_stream(1_000_000, 1).wire),
        ("gated", bytes::responses_stream(500, 1).wire),
    ]);
    let address = server::start(answers, gate);
    calls(address);
    open_streams(address);
}

fn row(name: &str, units: usize, info: &AllocationInfo) {
    let of_one = |total: u64| total as f64 / units as f64;
    println!(
        "  {name:<44} {:>14.2} {:>14.0} {:>14}",
        of_one(info.count_total),
        of_one(info.bytes_total),
        info.bytes_max / 1024
    );
}

fn decode() {
    let delta = bytes::text_delta(12_345);
    row(
        "decode a text delta of Responses",
        1,
        &measure(|| drop(black_box(wire::decode_event::<ResponsesStreamEvent>(&delta)))),
    );
    let chunk = bytes::chat_chunk(12_345);
    row("decode a chunk of chat", 1, &measure(|| drop(black_box(wire::decode_event::<ChatStreamChunk>(&chunk)))));
}

/// Each case runs once before, so that its connection is there already.
fn calls(address: SocketAddr) {
    let runtime = runtime();
    let streams: [(&str, &str, usize, bool); 4] = [
        ("an event of Responses, one a chunk", "responses-1", 20_006, false),
        ("an event of Responses, 64 a chunk", "responses-64", 20_006, false),
        ("a chunk of chat", "chat-1", 20_001, true),
        ("an event of Responses, of 1,000,000", "long", 1_000_006, false),
    ];
    for (name, answer, events, is_chat) in streams {
        let core = client(address, answer);
        let read = || {
            let count = match is_chat {
                true => runtime.block_on(kit::chat_events(&core)),
                false => runtime.block_on(kit::responses_events(&core)),
            };
            assert_eq!(count, events);
        };
        read();
        row(name, events, &measure(read));
    }
    let core = client(address, "response");
    let call = || drop(runtime.block_on(funcs::responses_send(&core, kit::responses_request()).into_future()).unwrap());
    call();
    row("a call of Responses, 2.4 kB", 1, &measure(call));
    let mut floor = runtime.block_on(Floor::connect(address));
    let mut call = || assert_eq!(runtime.block_on(floor.unary("POST", "/response/x", Some(floors::response))), 1);
    call();
    row("  the same by hyper and serde_json", 1, &measure(call));
    let core = client(address, "models");
    let call = || drop(runtime.block_on(funcs::models_list(&core).into_future()).unwrap());
    call();
    row("a list of models, 1 MB", 1, &measure(call));
}

/// What streams hold that wait for the server.
fn open_streams(address: SocketAddr) {
    const STREAMS: usize = 1000;
    let runtime = runtime();
    let local = tokio::task::LocalSet::new();
    let mut floors = Vec::new();
    let by_hand = measure(|| {
        for _ in 0..STREAMS {
            floors.push(
                local.block_on(&runtime, async { Floor::connect(address).await.send("POST", "/gated/x", "{}").await }),
            );
        }
    });
    let core = client(address, "gated");
    let mut streams = Vec::new();
    let kit = measure(|| {
        for _ in 0..STREAMS {
            let stream = funcs::responses_stream(&core, kit::responses_request());
            streams.push(local.block_on(&runtime, stream.into_future()).unwrap());
        }
    });
    let of_one = |info: &AllocationInfo| info.bytes_current as f64 / STREAMS as f64 / 1024.0;
    println!(
        "  an open stream holds {:.1} KiB, of which {:.1} KiB are what hyper alone holds for it",
        of_one(&kit),
        of_one(&by_hand)
    );
}
