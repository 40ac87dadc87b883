//! A limit of time for a future.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::time::sleep;

/// What the future gives, or the limit if it passed before. One path with and without a limit, so that the program holds
/// the code of the future once.
pub(super) async fn within<T>(
    limit: Option<Duration>,
    mut future: impl Future<Output = T> + Unpin,
) -> Result<T, Duration> {
    let mut timer = pin!(limit.map(sleep));
    poll_fn(|cx| match (Pin::new(&mut future).poll(cx), timer.as_mut().as_pin_mut(), limit) {
        (Poll::Ready(output), _, _) => Poll::Ready(Ok(output)),
        (Poll::Pending, Some(timer), Some(limit)) => timer.poll(cx).map(|()| Err(limit)),
        (Poll::Pending, _, _) => Poll::Pending,
    })
    .await
}
