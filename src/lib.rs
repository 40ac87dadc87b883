//! The OpenRouter SDK for Rust.

pub mod core;
