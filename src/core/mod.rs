//! The transport core: everything between a described request and a decoded answer. It knows no operation and no model.

pub mod body;
pub mod sse;
pub mod transport;
pub mod wire;
