//! The options of one call.

use http::Extensions;

use super::key::Key;
use super::retry::RetryConfig;
use super::server_url::ServerUrl;
use super::timeouts::Timeouts;
use super::wire::Json;

/// The options of one call. Those that are large and rarely set are boxed, since every call moves
/// its options.
#[derive(Clone, Default)]
pub(crate) struct Options {
    pub(crate) timeouts: Timeouts,
    pub(crate) retry_config: Option<Box<RetryConfig>>,
    pub(crate) repeat_received: bool,
    pub(crate) server: Option<Box<ServerUrl>>,
    pub(crate) key: Option<Key>,
    pub(crate) extra_body: Vec<(String, Json)>,
    pub(crate) metadata: bool,
    pub(crate) extensions: Extensions,
}
