//! What every gateway of the comparison does: it passes the streams of the server in its argument on, on one thread, and
//! says what this has cost so far whenever a line comes in on standard input.

#[path = "../../../support/bytes.rs"]
pub mod bytes;
#[path = "../../../support/floors.rs"]
pub mod floors;
#[path = "../../../support/server.rs"]
pub mod server;

use std::io::BufRead;

use cpu_time::ProcessTime;
use tokio::net::TcpListener;

/// The body of the request to the server.
pub const BODY: &str = r#"{"model":"m","input":"Hi","stream":true}"#;

/// Runs a gateway: calls `serve` with the address of the server and a listener.
pub fn run(serve: impl AsyncFnOnce(String, TcpListener)) {
    let server = std::env::args().nth(1).expect("the address of the server");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    std::thread::spawn(|| {
        for _ in std::io::stdin().lock().lines() {
            println!("{} {}", ProcessTime::now().as_duration().as_micros(), resident());
        }
        std::process::exit(0);
    });
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        serve(server, listener).await;
    });
}

/// The memory of this process in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
