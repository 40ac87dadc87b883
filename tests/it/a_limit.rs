//! The limits of a run of these tests, and of each test. The name of this module makes it the first to run.

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

#[test]
fn a_test_that_waits_forever_fails() {
    for is_paused in [false, true] {
        let runtime = tokio::runtime::Builder::new_current_thread().start_paused(is_paused).build().unwrap();
        let waits = || runtime.block_on_within(Duration::from_millis(10), std::future::pending::<()>());
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(waits)).unwrap_err();
        assert_eq!(panic.downcast_ref::<String>().unwrap(), "the test has waited for 10ms");
    }
}

/// tokio for these tests: one that waits forever fails. Where this is imported, `#[tokio::test]` uses it.
pub(crate) mod tokio {
    pub(crate) use ::tokio::*;

    pub(crate) mod runtime {
        use std::io;
        use std::ops::Deref;
        use std::sync::mpsc::{RecvTimeoutError, channel};
        use std::thread;
        use std::time::Duration;

        pub(crate) use ::tokio::runtime::Handle;

        /// Far longer than any test takes, even under a heavy load.
        const LONGEST: Duration = Duration::from_secs(120);

        pub(crate) struct Builder(::tokio::runtime::Builder);

        impl Builder {
            pub(crate) fn new_current_thread() -> Self {
                Self(::tokio::runtime::Builder::new_current_thread())
            }

            pub(crate) fn start_paused(mut self, is_paused: bool) -> Self {
                self.0.start_paused(is_paused);
                self
            }

            pub(crate) fn enable_all(mut self) -> Self {
                self.0.enable_all();
                self
            }

            pub(crate) fn build(mut self) -> io::Result<Runtime> {
                self.0.build().map(Runtime)
            }
        }

        pub(crate) struct Runtime(::tokio::runtime::Runtime);

        impl Runtime {
            pub(crate) fn block_on<F: Future>(&self, test: F) -> F::Output {
                self.block_on_within(LONGEST, test)
            }

            /// The limit is in real time, even if the clock of the test is paused.
            pub(crate) fn block_on_within<F: Future>(&self, limit: Duration, test: F) -> F::Output {
                let (_finished, running) = channel::<()>();
                let (expire, expired) = ::tokio::sync::oneshot::channel();
                thread::spawn(move || {
                    if running.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                        let _ = expire.send(());
                    }
                });
                self.0.block_on(async {
                    ::tokio::select! {
                        biased;
                        output = test => output,
                        Ok(()) = expired => panic!("the test has waited for {limit:?}"),
                    }
                })
            }
        }

        impl Deref for Runtime {
            type Target = ::tokio::runtime::Runtime;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }
    }
}
