//! Passes 1,000 streams through each gateway in turn and prints what an event costs the gateway, and what a stream that
//! is open holds. See `docs/performance.md`.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use gateway::bytes::responses_stream;
use gateway::floors::{self, Floor};
use gateway::server::{self, Gate};

const TURNS: usize = 5;
const STREAMS: usize = 1_000;
const EVENTS: usize = 500;

struct Gateway {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Gateway {
    /// Starts a gateway and returns its address too.
    fn start(name: &str, server: &str) -> (Self, String) {
        let program = std::env::current_exe().unwrap().with_file_name(name);
        let mut process =
            Command::new(program).arg(server).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        let mut gateway = Self { process, input, output };
        let address = gateway.line();
        (gateway, address)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    /// Returns the CPU time so far in microseconds, and the memory in KiB.
    fn cost(&mut self) -> (f64, f64) {
        self.input.write_all(b"\n").unwrap();
        let line = self.line();
        let (micros, memory) = line.split_once(' ').unwrap();
        (micros.parse().unwrap(), memory.parse().unwrap())
    }
}

/// Returns the microseconds of one event, and the KiB of one open stream.
fn measure(name: &str, server: &str, gate: &Gate, units: usize) -> (f64, f64) {
    let (mut gateway, address) = Gateway::start(name, server);
    let address = address.parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    gate.set(false);
    let (_, empty) = gateway.cost();
    let bodies: Vec<_> = (0..STREAMS)
        .map(|_| runtime.block_on(async { Floor::connect(address).await.send("POST", "/", gateway::BODY).await }))
        .collect();
    let (before, open) = gateway.cost();
    gate.set(true);
    let count: usize = runtime.block_on(async {
        let tasks: Vec<_> = bodies.into_iter().map(|body| tokio::spawn(floors::events(body, None))).collect();
        let mut count = 0;
        for task in tasks {
            count += task.await.unwrap();
        }
        count
    });
    assert!(count >= STREAMS * units, "only {count} events");
    let (after, _) = gateway.cost();
    drop(gateway.input);
    gateway.process.wait().unwrap();
    ((after - before) / count as f64, (open - empty) / STREAMS as f64)
}

fn main() {
    let answer = responses_stream(EVENTS, 1);
    let gate = Arc::new(Gate::default());
    let server = server::start(HashMap::from([("gated", answer.wire)]), gate.clone()).to_string();
    let names = ["gateway-hyper", "gateway-kit", "gateway-by-hand"];
    let mut results = names.map(|_| Vec::new());
    for _ in 0..TURNS {
        for (name, results) in names.iter().zip(&mut results) {
            results.push(measure(name, &server, &gate, answer.units));
        }
    }
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    println!("\n{STREAMS} streams passed through on one thread, one event a chunk");
    println!("  {:<18} {:>12} {:>22} {:>18}", "", "µs/event", "vs. gateway-hyper", "KiB/open stream");
    for (name, costs) in names.iter().zip(&results) {
        let ratio = median(costs.iter().zip(&results[0]).map(|(own, floor)| own.0 / floor.0).collect());
        let (micros, memory) = costs.iter().copied().unzip();
        println!("  {name:<18} {:>12.3} {ratio:>22.2} {:>18.1}", median(micros), median(memory));
    }
}
