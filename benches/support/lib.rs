//! What the benchmarks share.

pub mod bytes;
pub mod floors;
pub mod kit;
pub mod measure;
pub mod server;
