//! The OpenRouter SDK for Rust: 400+ AI models through one typed, streaming client.
//!
//! ```no_run
//! # #[cfg(all(feature = "responses", feature = "tls"))]
//! # mod program {
//! use std::io::Write;
//!
//! use openrouter_kit::OpenRouter;
//! use openrouter_kit::models::ResponsesRequest;
//!
//! #[tokio::main]
//! async fn main() -> Result<(), openrouter_kit::Error> {
//!     let client = OpenRouter::from_env()?; // OPENROUTER_API_KEY
//!     let request =
//!         ResponsesRequest::new().model("openai/gpt-4o-mini").input("Why is the sky blue?");
//!     let mut texts = client.responses().stream(request).await?.text_deltas();
//!     while let Some(text) = texts.next().await {
//!         print!("{}", text?);
//!         std::io::stdout().flush().ok(); // show each piece at once
//!     }
//!     println!("\n{:?} US dollars", texts.finish().await?.cost());
//!     Ok(())
//! }
//! # }
//! # fn main() {}
//! ```
//!
//! # Ways to use it
//!
//! **With a whole response.** Every operation returns a [`Call`]: a future that sends the request
//! when it is awaited, with methods for the options of this call.
//!
//! ```no_run
//! # #[cfg(feature = "chat")]
//! # async fn ask(client: openrouter_kit::OpenRouter) -> Result<(), openrouter_kit::Error> {
//! use std::time::Duration;
//!
//! use openrouter_kit::models::{ChatMessage, ChatRequest};
//!
//! let mut request =
//!     ChatRequest::new([ChatMessage::system("Be brief.")]).model("openai/gpt-4o-mini");
//! for question in ["Why is the sky blue?", "And red at sunset?"] {
//!     request.messages.push(ChatMessage::user(question));
//!     let result = client.chat().send(&request).timeout(Duration::from_secs(60)).await?;
//!     println!("{}", result.text().unwrap_or_default());
//!     request.messages.extend(result.to_message());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! **With tools and structured output.** A response contains the tool calls of the model; their
//! results go back as messages. With the feature `schemars`, schemas come from Rust types: see
//! [structured output and tools](guide::structured_output).
//!
//! ```no_run
//! # #[cfg(feature = "responses")]
//! # async fn ask(client: openrouter_kit::OpenRouter) -> Result<(), Box<dyn std::error::Error>> {
//! use openrouter_kit::models::{InputItem, ResponsesRequest, ResponsesTool};
//! use openrouter_kit::serde_json::{Value, json};
//!
//! let parameters = json!({
//!     "type": "object",
//!     "properties": {"city": {"type": "string"}},
//!     "required": ["city"],
//! });
//! let request = ResponsesRequest::new()
//!     .model("openai/gpt-4o-mini")
//!     .tools([ResponsesTool::function("weather", parameters)]);
//! let mut items = vec![InputItem::user("What is the weather like in Lisbon?")];
//! let response = client.responses().send(request.clone().input(items.clone())).await?;
//! items.extend(response.to_input());
//! for call in response.function_calls() {
//!     let place: Value = call.parse_arguments()?;
//!     let output = format!("24 °C in {}", place["city"]);
//!     items.push(InputItem::function_call_output(call.call_id(), output));
//! }
//! println!("{}", client.responses().send(request.input(items)).await?.output_text());
//! # Ok(())
//! # }
//! ```
//!
//! **With functions** instead of the facade. They take an [`OpenRouterCore`], and a program that
//! uses them contains only the code of the functions it calls.
//!
//! ```no_run
//! # #[cfg(all(feature = "credits", feature = "tls"))]
//! # async fn credits() -> Result<(), openrouter_kit::Error> {
//! use openrouter_kit::{OpenRouterCore, funcs};
//!
//! let core = OpenRouterCore::from_env()?;
//! let credits = funcs::credits_get_credits(&core).await?.data;
//! println!("${:.2} left", credits.total_credits - credits.total_usage);
//! # Ok(())
//! # }
//! ```
//!
//! **With your own code around every attempt.** [`hooks`] add headers, measure, record and reject;
//! a custom [`Transport`](core::transport::Transport) replaces the connections.
//!
//! **Without `async`**: the module `blocking`, with the feature of that name.
//!
//! **In tests**: the module `mock`, with the feature of that name, is a local server that sends the
//! responses that a test queues, and breaks connections on demand. See [testing](guide::testing).
//!
//! # Where things are
//!
//! - [`OpenRouter`] is the client, namespace by namespace: `client.chat().send(request).await`. It
//!   is a thin facade over the free functions in [`funcs`].
//! - [`models`] has the types of the API as plain data: the common ones directly, all of them in a
//!   module per namespace (`models::chat`). Requests are built with `new` and setters. Responses
//!   keep what this version does not know: unknown fields, values and variants are written back
//!   unchanged.
//! - [`helpers`] has what is built on the models: streamed text that ends in the whole response,
//!   accumulators, JSON that is read while it grows, waiting for jobs, exact prices.
//! - [`Error`] says what the caller can do about a failure, and [`RetryConfig`] when a request is
//!   retried.
//! - [`OpenRouter::request`] calls an operation that this version does not know.
//! - [`guide`] has a page for each topic: [streaming](guide::streaming), [errors and
//!   retries](guide::errors), [structured output and tools](guide::structured_output), [sending
//!   back](guide::sending_back), [files](guide::files), [batches](guide::batches),
//!   [prices](guide::prices), [hooks](guide::hooks), [observability](guide::observability),
//!   [recordings](guide::recordings), [testing](guide::testing), [features](guide::features),
//!   [networks](guide::networks), [unknown operations](guide::unknown_operations).
//! - `agent` (feature `agent`) runs a model with tools of the program: limits, approval, runs that
//!   resume.
//!
//! # Features
//!
//! | Feature | Default | Adds |
//! | --- | --- | --- |
//! | `responses`, `chat`, `embeddings`, `models`, `generations`, `credits` | yes | the namespaces that most programs use |
//! | any other namespace, such as `messages`, `images`, `files` | no | its functions, types and facade; `full` adds all |
//! | `tls` | yes | HTTPS with ring and bundled root certificates |
//! | `tls-ring`, `tls-aws-lc-rs`, `roots-bundled`, `roots-platform` | by `tls` | a choice of cryptography and roots |
//! | `http2` | no | many streams over one connection |
//! | `socks`, `proxy-system`, `rustls-config` | no | SOCKS5 proxies, proxies of the system, your own rustls configuration |
//! | `reqwest` | no | a reqwest client as the transport; `fetch` in a browser |
//! | `blocking` | no | calls and streams without `async` |
//! | `agent` | no | agents: models that call tools of the program, within limits |
//! | `mcp` | no | the [tools of MCP servers](guide::mcp) as tools of agents |
//! | `tracing` | no | a span for each call |
//! | `devtools` | no | [recordings](guide::recordings) of calls |
//! | `mock` | no | a local server for tests |
//! | `schemars` | no | structured output and tools from Rust types |
//!
//! Features are additive. See [features and minimal builds](guide::features) for details.
//!
//! # Runtime
//!
//! Calls run on Tokio with its timers and I/O enabled. One client can be used in any number of
//! runtimes.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "agent")]
pub mod agent;
#[cfg(feature = "blocking")]
pub mod blocking;
pub mod core;
#[cfg(feature = "devtools")]
pub mod devtools;
pub mod errors;
pub mod hooks;
#[cfg(feature = "mock")]
pub mod mock;

pub use core::{Call, EventStream, OpenRouterCore, Response, RetryConfig};
pub use errors::Error;

/// The crates whose types are part of this API, so that a program need not depend on them.
#[doc(no_inline)]
pub use {bytes, http, serde_json};

#[cfg(doctest)]
mod documents;
pub mod funcs;
#[cfg(doc)]
pub mod guide;
pub mod helpers;
pub mod models;
#[cfg(feature = "oauth")]
pub mod oauth;
pub mod sdk;

pub use sdk::OpenRouter;
