//! The runtime of the client: everything between the description of a request and the decoded
//! response. It knows no operations or models.

pub(crate) mod base64;
pub mod body;
mod builder;
pub(crate) mod call;
mod call_output;
mod client;
mod config;
mod download;
mod event_stream;
mod exchange;
mod execute;
pub(crate) mod head;
pub(crate) mod header;
pub(crate) mod hidden;
mod incoming;
mod key;
pub(crate) mod multipart;
pub(crate) mod operation;
mod options;
pub(crate) mod pages;
mod query;
mod raw_events;
mod request;
pub(crate) mod retry;
pub(crate) mod retry_hints;
mod runtime;
mod server_url;
pub mod sse;
pub(crate) mod time;
mod timeouts;
mod transfer;
pub mod transport;
pub(crate) mod usd;
pub mod wire;
pub(crate) mod within;

pub use builder::ClientBuilder;
pub use call::{Call, CallWithResponse, Response};
pub use call_output::CallOutput;
pub use client::OpenRouterCore;
pub use config::ClientConfig;
pub use download::Download;
#[allow(unused_imports, reason = "a build without images has no use for it")]
pub(crate) use download::save;
pub use event_stream::{EventStream, StreamItem};
pub use multipart::{FilePart, Multipart};
pub use operation::{Authentication, Operation, Paging, Parameters, Parts};
pub use pages::{Items, Page, Pages};
pub use query::QueryValue;
pub use raw_events::{RawEvent, RawEvents};
pub use retry::{RetryConfig, RetryStrategy};
pub use timeouts::Timeouts;
pub use transfer::TransferProgress;
