//! What every client of the comparison does: the scenario named by its arguments, a first time for nothing, then in
//! rounds. It prints the median CPU time of one event or call in microseconds and the peak memory of the process in KiB.

#[path = "../../../support/bytes.rs"]
pub mod bytes;
#[path = "../../../support/floors.rs"]
pub mod floors;
#[path = "../../../support/server.rs"]
pub mod server;

use cpu_time::ProcessTime;

/// The scenarios, and how often a round does each.
pub const SCENARIOS: [(&str, usize); 6] =
    [("responses-1", 1), ("responses-64", 1), ("chat-1", 1), ("chat-64", 1), ("response", 500), ("models", 20)];

/// Events of a stream.
pub const EVENTS: usize = 20_000;

/// Runs `once(address, scenario)`, which returns how much it has counted.
pub fn measure(mut once: impl AsyncFnMut(&str, &str) -> usize) {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, address, scenario, rounds] = arguments.as_slice() else { panic!("arguments: ADDRESS SCENARIO ROUNDS") };
    let times = SCENARIOS.iter().find(|(name, _)| name == scenario).expect("a scenario").1;
    let is_stream = scenario.contains('-');
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut micros = Vec::new();
    for round in 0..=rounds.parse::<usize>().unwrap() {
        let start = ProcessTime::now();
        let mut count = 0;
        for _ in 0..times {
            count += runtime.block_on(once(address, scenario));
        }
        let time = start.elapsed().as_secs_f64() * 1e6;
        assert!(count >= times && (!is_stream || count >= EVENTS), "only {count}");
        if round > 0 {
            micros.push(time / if is_stream { EVENTS } else { times } as f64);
        }
    }
    micros.sort_by(f64::total_cmp);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).and_then(|rest| rest.split_whitespace().next());
    println!("{} {}", micros[micros.len() / 2], peak.unwrap_or("0"));
}
