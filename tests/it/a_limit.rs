//! The limits of a run of these tests. The name of this module makes it the first to run.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

/// Under a heavy load a run takes a few minutes.
const LONGEST: Duration = Duration::from_secs(20 * 60);

/// Tests that send much take less than one GiB.
const LARGEST: u64 = 6 << 30;

/// The memory of this process in bytes, if the system reports it.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kibibytes.unwrap_or_default() * 1024
}

/// A test that waits forever would keep the run from failing, and one that grows forever the machine from working.
#[test]
fn a_run_of_the_tests_has_a_limit_of_time_and_of_memory() {
    assert!(memory() > 0 || !cfg!(target_os = "linux"));
    let began = Instant::now();
    thread::spawn(move || {
        loop {
            thread::sleep(Duration::from_secs(1));
            let reason = if began.elapsed() > LONGEST {
                "a test hangs: see which one was reported as running for over 60 seconds"
            } else if memory() > LARGEST {
                "a test takes memory without end: see which ones have not reported"
            } else {
                continue;
            };
            // Not by a macro, whose output would be captured.
            let _ = writeln!(std::io::stderr(), "\n{reason}; the run is aborted");
            std::process::abort();
        }
    });
}
