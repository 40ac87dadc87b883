//! Runs all clients in turn against one server and prints the tables of `docs/performance.md`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use clients::SCENARIOS;

const TURNS: usize = 9;
/// Rounds of a client in one turn.
const ROUNDS: &str = "20";
/// The same for the official SDKs, which take up to a thousand times as long.
const FEW_ROUNDS: &str = "3";

/// The client that the others are compared with.
const FLOOR: &str = "hyper, serde_json";

/// What a client took: the microseconds of one event or call in each turn, and the peak of the process in KiB.
#[derive(Default)]
struct Cost {
    micros: Vec<f64>,
    peak: u64,
}

fn title(scenario: &str) -> &str {
    match scenario {
        "responses-1" => "event of a Responses stream, one per chunk",
        "responses-64" => "event of a Responses stream, 64 per chunk",
        "chat-1" => "event of a chat stream, one per chunk",
        "chat-64" => "event of a chat stream, 64 per chunk",
        "response" => "Responses call, 2.4 kB",
        "models" => "list of models, 1 MB",
        other => other,
    }
}

fn main() {
    let here = std::env::current_exe().unwrap();
    let program = |name: &str| here.with_file_name(name);
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut server = Command::new(program("server")).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut address = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut address).unwrap();

    let native = [
        ("hyper alone", "floor-hyper"),
        (FLOOR, "floor-json"),
        ("openrouter-kit", "openrouter-kit"),
        ("openrouter-rs", "openrouter-rs"),
        ("async-openai", "async-openai"),
    ];
    let mut clients: Vec<(&str, Vec<PathBuf>)> = native.map(|(name, binary)| (name, vec![program(binary)])).to_vec();
    // The official SDKs take part if they are installed; see docs/performance.md.
    if folder.join("official/node_modules/@openrouter/sdk").exists() {
        clients.push(("TypeScript SDK", vec!["node".into(), folder.join("official/client.mjs")]));
    }
    let python = folder.join("official/venv/bin/python");
    if python.exists() {
        clients.push(("Python SDK", vec![python, folder.join("official/client.py")]));
    }
    let mut results: BTreeMap<(&str, &str), Cost> = BTreeMap::new();
    for (scenario, _) in SCENARIOS {
        for turn in 0..TURNS {
            // The official SDKs take so long that one turn is enough.
            let taking_part = if turn == 0 { clients.len() } else { native.len() };
            for (index, (name, command)) in clients.iter().take(taking_part).enumerate() {
                let rounds = if index < native.len() { ROUNDS } else { FEW_ROUNDS };
                let output =
                    Command::new(&command[0]).args(&command[1..]).args([address.trim(), scenario, rounds]).output();
                let Ok(output) = output else { continue };
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                let mut parts = text.split_whitespace();
                let (Some(Ok(micros)), Some(Ok(peak))) =
                    (parts.next().map(str::parse), parts.next().map(str::parse::<u64>))
                else {
                    continue;
                };
                let cost = results.entry((scenario, name)).or_default();
                cost.micros.push(micros);
                cost.peak = cost.peak.max(peak);
            }
        }
        eprintln!("measured: {}", title(scenario));
    }
    drop(server.stdin.take());
    let _ = server.wait();

    let names: Vec<&str> = clients.iter().map(|(name, _)| *name).collect();
    print_table("µs of CPU", &names, &results, |cost, floor| {
        let ratio = median(cost.micros.iter().zip(&floor.micros).map(|(own, floor)| own / floor).collect());
        let digits = if median(cost.micros.clone()) < 10.0 { 3 } else { 1 };
        format!("{:.digits$} ({ratio:.2})", median(cost.micros.clone()))
    });
    print_table("peak of the process, MiB", &names, &results, |cost, _| format!("{:.1}", cost.peak as f64 / 1024.0));
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Prints a row for each scenario and a column for each client; a client that fails has a dash.
fn print_table(
    title_of_table: &str,
    names: &[&str],
    results: &BTreeMap<(&str, &str), Cost>,
    cell: impl Fn(&Cost, &Cost) -> String,
) {
    println!("\n| {title_of_table} | {} |", names.join(" | "));
    println!("|{}", " --- |".repeat(names.len() + 1));
    for (scenario, _) in SCENARIOS {
        let cost = |name| results.get(&(scenario, name));
        let cells: Vec<_> = names
            .iter()
            .map(|name| cost(name).zip(cost(FLOOR)).map_or("–".to_owned(), |(own, floor)| cell(own, floor)))
            .collect();
        println!("| {} | {} |", title(scenario), cells.join(" | "));
    }
}
