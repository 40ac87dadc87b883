//! A time limit for a future.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::time::{Sleep, sleep};

pin_project! {
    /// Returns the output of a future, or the limit if it expires first. It is one type with and
    /// without a limit, so the code of the future is compiled once.
    pub(crate) struct Within<F> {
        #[pin]
        future: F,
        #[pin]
        timer: Option<Sleep>,
        limit: Duration,
    }
}

/// Limits the time of `future`.
pub(crate) fn within<F: Future>(limit: Option<Duration>, future: F) -> Within<F> {
    Within { future, timer: limit.map(sleep), limit: limit.unwrap_or_default() }
}

impl<F: Future> Future for Within<F> {
    type Output = Result<F::Output, Duration>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match (this.future.poll(cx), this.timer.as_pin_mut()) {
            (Poll::Ready(output), _) => Poll::Ready(Ok(output)),
            (Poll::Pending, Some(timer)) => timer.poll(cx).map(|()| Err(*this.limit)),
            (Poll::Pending, None) => Poll::Pending,
        }
    }
}
