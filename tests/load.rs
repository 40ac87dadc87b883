//! The load of `examples/load.rs`, smaller.
#![cfg(all(feature = "chat", feature = "mock"))]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in a test a panic is a finding"
)]

#[allow(dead_code, reason = "the test does not run its `main`")]
#[path = "../examples/load.rs"]
mod load;

use load::{Plan, round};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_streams_with_cancellations_lose_nothing_and_leave_nothing() {
    let plan = Plan { streams: 200, events: 50, rounds: 4, seed: 7 };
    let mut after = Vec::new();
    for number in 0..plan.rounds {
        let outcome = round(plan, number as u64).await.unwrap();
        assert_eq!(outcome.whole + outcome.canceled, plan.streams);
        assert!(outcome.canceled > plan.streams / 8, "{outcome}");
        assert_eq!(outcome.connections, plan.streams, "all were open at the same time");
        assert_eq!(outcome.tasks, 0, "{outcome}");
        after.push(outcome.memory.1);
    }
    // What the allocator keeps after the first round is used again in the others.
    let grown = after[after.len() - 1].saturating_sub(after[0]);
    assert!(grown < 16 * 1024 * 1024, "{after:?}");
}
