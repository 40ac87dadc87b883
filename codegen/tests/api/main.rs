//! The whole API, checked against the document: every operation called both ways, every example decoded, every place
//! where a later version of the API may bring something new.
//!
//! Two things meet here that know nothing of each other. `registry.rs` is written by the generator: which Rust type
//! stands for a place of the document, and how a named value is handed to a function. What must come out (method, path,
//! query, headers, body, answer) is read by `document.rs`, a small reader of its own that shares no code with the
//! generator and looks at no emitted file, from `facts.json`: the document without prose, as it is before anything is
//! decided about Rust.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "in a test a panic is a finding"
)]

mod document;
mod examples;
mod forward;
mod made;
mod mock;
mod operations;
mod registry;
mod secrets;
mod shown;
mod support;
mod types;
