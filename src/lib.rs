//! The OpenRouter SDK for Rust.

pub mod core;
pub mod errors;
pub mod hooks;
#[cfg(feature = "mock")]
pub mod mock;

pub use core::{Call, EventStream, OpenRouterCore, Response, RetryConfig};
pub use errors::Error;

mod extensions;
pub mod funcs;
pub mod models;
pub mod sdk;

pub use sdk::OpenRouter;
