//! The transport core: everything between a described request and a decoded answer. It knows no operation and no model.

pub(crate) mod base64;
pub mod body;
pub(crate) mod call;
mod client;
mod download;
mod event_stream;
mod execute;
pub(crate) mod hidden;
mod incoming;
pub(crate) mod multipart;
pub(crate) mod operation;
pub(crate) mod pages;
mod raw_events;
mod request;
pub(crate) mod retry;
mod runtime;
pub mod sse;
pub(crate) mod time;
mod transfer;
pub mod transport;
pub mod wire;
mod within;

pub use call::{Answer, Call, CallWithResponse, Response};
pub use client::{ClientBuilder, ClientConfig, OpenRouterCore, Timeouts};
pub use download::Download;
#[allow(unused_imports, reason = "a build without images has no use for it")]
pub(crate) use download::save;
pub use event_stream::{EventStream, StreamItem};
pub use multipart::{FilePart, Multipart};
pub use operation::{Authentication, Operation, Parameters, Parts, QueryValue};
pub use pages::{Items, Page, Pages, Paging};
pub use raw_events::{RawEvent, RawEvents};
pub use retry::{RetryConfig, RetryStrategy};
pub use transfer::TransferProgress;
