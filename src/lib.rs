//! The OpenRouter SDK for Rust.

pub mod core;
#[cfg(feature = "mock")]
pub mod mock;
