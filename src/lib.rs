//! The OpenRouter SDK for Rust: 400+ AI models through one typed, streaming client.
//!
//! ```no_run
//! # #[cfg(all(feature = "responses", feature = "tls"))]
//! # async fn ask() -> Result<(), openrouter_kit::Error> {
//! use std::io::Write;
//!
//! use openrouter_kit::OpenRouter;
//! use openrouter_kit::models::ResponsesRequest;
//!
//! let client = OpenRouter::from_env()?; // OPENROUTER_API_KEY
//! let request = ResponsesRequest::new().model("openai/gpt-4o-mini").input("Why is the sky blue?");
//! let mut texts = client.responses().stream(request).await?.text_deltas();
//! while let Some(text) = texts.next().await {
//!     print!("{}", text?);
//!     std::io::stdout().flush().ok(); // show each piece at once
//! }
//! println!("\n{:?} US dollars", texts.finish().await?.cost());
//! # Ok(())
//! # }
//! ```
//!
//! # Where things are
//!
//! - [`OpenRouter`] is the client, namespace by namespace: `client.chat().send(request).await`. It is a thin facade over
//!   the free functions in [`funcs`], which take an [`OpenRouterCore`]. A program can use either, or both.
//! - [`models`] holds the types of the API as plain data: the common ones directly, all of them in a module per namespace
//!   (`models::chat`). Requests are built with `new` and setters. Responses keep what this version does not know: unknown
//!   fields, values and variants are written back unchanged.
//! - Every operation returns a [`Call`]: a future that sends the request when awaited. Its methods set options for this
//!   call.
//! - [`helpers`] has what is built on the models: streamed text with the whole response at its end, accumulators, JSON
//!   that is read while it grows, waiting for jobs, exact prices.
//! - [`errors`] says what can go wrong, [`hooks`] let a program see and change every attempt, and [`RetryConfig`] says
//!   when a request is retried.
//! - [`OpenRouter::request`] calls an operation that this version does not know.
//! - `agent` (feature `agent`) runs a model with tools of the program: limits, approval, runs that resume.
//! - `mock` (feature `mock`) is a local server for the tests of programs.
//!
//! # Features
//!
//! Every namespace of the API is a feature; `full` turns all of them on. By default on are `responses`, `chat`,
//! `embeddings`, `models`, `generations` and `credits`, which most programs use, and `tls` (ring and bundled root
//! certificates). Features only add. The README has the table.
//!
//! # Runtime
//!
//! Calls run on Tokio with its timers and I/O enabled. One client can be used in any number of runtimes. For programs
//! without `async`, enable the feature `blocking`.

#[cfg(feature = "agent")]
pub mod agent;
#[cfg(feature = "blocking")]
pub mod blocking;
pub mod core;
pub mod errors;
pub mod hooks;
#[cfg(feature = "mock")]
pub mod mock;

pub use core::{Call, EventStream, OpenRouterCore, Response, RetryConfig};
pub use errors::Error;

/// The crates whose types are in the API of this one, so that a program needs no dependency on them.
#[doc(no_inline)]
pub use {bytes, http, serde_json};

#[cfg(doctest)]
mod documents;
pub mod funcs;
pub mod helpers;
pub mod models;
#[cfg(feature = "oauth")]
pub mod oauth;
pub mod sdk;

pub use sdk::OpenRouter;
