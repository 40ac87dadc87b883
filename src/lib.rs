//! The OpenRouter SDK for Rust.

pub mod core;
pub mod errors;
pub mod hooks;
#[cfg(feature = "mock")]
pub mod mock;

pub use core::{Call, EventStream, OpenRouterCore, Response, RetryConfig};
pub use errors::Error;
