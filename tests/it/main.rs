//! The tests of the crate, a module for each subject. Tests that measure the whole process are separate
//! programs next to this folder.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "in a test a panic is a finding"
)]
#![cfg_attr(
    not(feature = "full"),
    allow(dead_code, unused_imports, reason = "with few features some tests are left out")
)]

mod a_limit;
#[cfg(feature = "mock")]
mod adapters;
#[cfg(all(feature = "agent", feature = "mock"))]
mod agent;
#[cfg(all(feature = "mcp", feature = "mock"))]
mod agent_mcp;
#[cfg(all(feature = "mock", feature = "batch"))]
mod batches;
#[cfg(all(feature = "blocking", feature = "mock", feature = "chat", feature = "models"))]
mod blocking;
mod call;
#[cfg(feature = "roots-bundled")]
mod certificates;
#[cfg(all(feature = "mock", feature = "chat"))]
mod chat;
mod client;
#[cfg(any(not(feature = "_tls"), feature = "roots-bundled"))]
mod connections;
#[cfg(all(feature = "mock", feature = "containers", feature = "responses", feature = "messages"))]
mod containers;
#[cfg(all(feature = "full", feature = "mock"))]
mod corpus;
#[cfg(all(feature = "chat", feature = "messages", feature = "responses", feature = "mock"))]
mod cut_texts;
#[cfg(feature = "mock")]
mod downloads;
#[cfg(all(feature = "mock", feature = "embeddings"))]
mod embeddings;
#[cfg(feature = "mock")]
mod error_texts;
mod errors;
#[cfg(feature = "mock")]
mod faults;
#[cfg(all(feature = "mock", feature = "full"))]
mod first_guesses;
#[cfg(all(feature = "chat", feature = "messages", feature = "responses"))]
mod fuzz;
#[cfg(all(feature = "full", feature = "mock"))]
mod history;
mod hooks;
#[cfg(all(feature = "mock", feature = "images"))]
mod images;
#[cfg(feature = "full")]
mod json;
#[cfg(all(feature = "mock", feature = "messages"))]
mod messages;
#[cfg(feature = "mock")]
mod mock;
#[cfg(all(feature = "mock", feature = "full"))]
mod mock_api;
mod network;
#[cfg(feature = "roots-bundled")]
mod networks;
#[cfg(all(feature = "mock", feature = "oauth"))]
mod oauth;
mod observe;
#[cfg(feature = "mock")]
mod pages;
mod partial_json;
#[cfg(all(feature = "models", feature = "endpoints", feature = "chat", feature = "messages", feature = "responses"))]
mod pricing;
#[cfg(all(feature = "mock", feature = "chat"))]
mod promised;
#[cfg(all(feature = "full", feature = "mock"))]
mod properties;
#[cfg(all(feature = "full", target_os = "linux"))]
mod proportion;
#[cfg(any(not(feature = "_tls"), feature = "roots-bundled"))]
mod proxy;
#[cfg(feature = "mock")]
mod raw_streams;
#[cfg(feature = "roots-bundled")]
mod real_proxies;
#[cfg(all(feature = "full", feature = "mock"))]
mod recorded_streams;
#[cfg(all(feature = "devtools", feature = "mock"))]
mod recorder;
#[cfg(feature = "mock")]
mod redirects;
#[cfg(all(feature = "full", feature = "mock"))]
#[path = "../../examples/replay/mod.rs"]
mod replay;
#[cfg(all(feature = "mock", feature = "full"))]
mod replies;
#[cfg(feature = "mock")]
mod requests;
#[cfg(all(feature = "mock", feature = "responses"))]
mod responses;
mod retries;
#[cfg(all(feature = "mock", feature = "scim"))]
mod scim;
#[cfg(feature = "mock")]
mod security;
#[cfg(all(feature = "full", feature = "mock"))]
mod situations;
#[cfg(all(feature = "full", feature = "mock"))]
mod small_needs;
#[cfg(feature = "tracing")]
mod spans;
mod sse;
#[cfg(all(feature = "mock", feature = "postgres", feature = "sqlite", unix))]
mod stores;
#[cfg(all(feature = "chat", feature = "messages", feature = "responses", feature = "mock"))]
mod streaming_text;
#[cfg(feature = "mock")]
mod streams;
#[cfg(any(not(feature = "_tls"), feature = "roots-bundled"))]
mod stress;
#[cfg(all(feature = "mock", feature = "schemars", feature = "chat", feature = "messages", feature = "responses"))]
mod structured;
mod support;
mod timeouts;
#[cfg(feature = "roots-bundled")]
mod tls;
#[cfg(any(not(feature = "_tls"), feature = "roots-bundled"))]
mod transport;
#[cfg(all(feature = "full", feature = "mock"))]
mod typed_throughout;
#[cfg(feature = "mock")]
mod unknown_operations;
#[cfg(feature = "mock")]
mod uploads;
#[cfg(all(feature = "mock", feature = "video-generation"))]
mod video;
