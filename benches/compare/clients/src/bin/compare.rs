//! Runs all clients in turn against one server and prints medians and ratios. See `docs/performance.md`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use clients::SCENARIOS;

const TURNS: usize = 5;
/// Rounds of a client in one turn.
const ROUNDS: &str = "3";

fn main() {
    let here = std::env::current_exe().unwrap();
    let program = |name: &str| here.with_file_name(name);
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut server = Command::new(program("server")).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut address = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut address).unwrap();

    let native = ["floor-hyper", "floor-json", "openrouter-kit", "openrouter-rs", "async-openai"];
    let mut clients: Vec<(&str, Vec<PathBuf>)> = native.into_iter().map(|name| (name, vec![program(name)])).collect();
    // The official SDKs take part where they are installed; see docs/performance.md.
    if folder.join("official/node_modules/@openrouter/sdk").exists() {
        clients.push(("TypeScript SDK", vec!["node".into(), folder.join("official/client.mjs")]));
    }
    let python = folder.join("official/venv/bin/python");
    if python.exists() {
        clients.push(("Python SDK", vec![python, folder.join("official/client.py")]));
    }
    for (scenario, times) in SCENARIOS {
        let mut results: BTreeMap<&str, (Vec<f64>, u64)> = BTreeMap::new();
        for turn in 0..TURNS {
            // The official SDKs take so long that one turn tells enough.
            let taking_part = if turn == 0 { clients.len() } else { native.len() };
            for (name, command) in clients.iter().take(taking_part) {
                let output = Command::new(&command[0]).args(&command[1..]).args([address.trim(), scenario, ROUNDS]).output();
                let Ok(output) = output else { continue };
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                let mut parts = text.split_whitespace();
                let (Some(Ok(micros)), Some(Ok(peak))) = (parts.next().map(str::parse), parts.next().map(str::parse::<u64>))
                else {
                    continue;
                };
                let result = results.entry(name).or_default();
                result.0.push(micros);
                result.1 = result.1.max(peak);
            }
        }
        println!("\n{scenario}: µs of CPU of one {}", if times == 1 { "event" } else { "call" });
        println!("  {:<18} {:>10} {:>18} {:>12}", "", "median", "beside floor-json", "peak, MiB");
        let median = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let floor = results.get("floor-json").map(|result| result.0.clone()).unwrap_or_default();
        for (name, _) in &clients {
            let Some((times, peak)) = results.get(name) else {
                println!("  {name:<18} {:>10}", "fails");
                continue;
            };
            let ratio = median(times.iter().zip(&floor).map(|(own, floor)| own / floor).collect());
            println!("  {name:<18} {:>10.3} {ratio:>18.2} {:>12.1}", median(times.clone()), *peak as f64 / 1024.0);
        }
    }
    drop(server.stdin.take());
    let _ = server.wait();
}
