//! The time limits.

use std::time::Duration;

use crate::errors::InvalidRequestError;

/// The time limits of a client or a call. `None` means no limit.
///
/// Each limit can be set for a client ([`ClientBuilder`](super::ClientBuilder)) and for a call
/// ([`Call`](super::Call)), alone or all together. An expired limit is
/// [`Error::Timeout`](crate::Error::Timeout), whose phase says which one it was.
///
/// ```no_run
/// # #[cfg(feature = "chat")]
/// # async fn run(client: openrouter_kit::OpenRouter, request: openrouter_kit::models::ChatRequest)
/// # -> Result<(), openrouter_kit::Error> {
/// use std::time::Duration;
///
/// use openrouter_kit::Error;
/// use openrouter_kit::errors::TimeoutPhase;
///
/// match client.chat().send(&request).response_timeout(Duration::from_secs(30)).await {
///     Err(Error::Timeout(error)) if error.phase() == TimeoutPhase::Response => println!("no response in 30 s"),
///     outcome => println!("{:?}", outcome?.text()),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// For making a connection. `None` leaves it to the transport; `HyperTransport` uses 10 s.
    /// Default: `None`.
    pub connect: Option<Duration>,
    /// From sending the request of an attempt, connecting included, to the head of the response.
    /// Default: 10 minutes, since a model may think before it responds.
    pub response: Option<Duration>,
    /// Between two chunks of a body, and between the head and the first chunk. Only time the
    /// program spends waiting for the chunk counts: if it does something else in between, the wait
    /// starts over when it returns. The body of an error is read for at most 5 s in total; what
    /// arrived by then is used. Default: 5 minutes.
    pub idle: Option<Duration>,
    /// Between two events of a stream, and between the head and the first event, no matter how many
    /// comments and empty events arrive in between as keep-alives. Time is counted as for `idle`.
    /// Default: `None`.
    pub event: Option<Duration>,
    /// For code of the program that an attempt waits for: each hook at each of its points, the
    /// source of the API key, and opening the files of an upload. Default: 10 minutes.
    pub hook: Option<Duration>,
    /// For the whole call with its retries, hooks and waits, up to the whole body, or up to the
    /// head of the response for a stream or a download. Default: `None`.
    pub total: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: None,
            response: Some(Duration::from_secs(600)),
            idle: Some(Duration::from_secs(300)),
            event: None,
            hook: Some(Duration::from_secs(600)),
            total: None,
        }
    }
}

impl Timeouts {
    /// Rejects limits of zero.
    pub(crate) fn check(&self) -> Result<(), InvalidRequestError> {
        let named = [
            ("connect_timeout", self.connect),
            ("response_timeout", self.response),
            ("idle_timeout", self.idle),
            ("event_timeout", self.event),
            ("hook_timeout", self.hook),
            ("timeout", self.total),
        ];
        match named.iter().find(|(_, limit)| limit.is_some_and(|limit| limit.is_zero())) {
            Some((option, _)) => {
                Err(InvalidRequestError::new(option, "is zero, so no call could succeed; use `None` for no limit"))
            }
            None => Ok(()),
        }
    }
}
