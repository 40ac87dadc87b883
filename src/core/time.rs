//! Clocks and timers: Tokio's, or JavaScript's in browsers, where Tokio's do not work.

#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
mod native {
    use std::time::SystemTime;

    pub(crate) use tokio::time::{Instant, Sleep, sleep, sleep_until};

    /// Returns the time of day.
    pub(crate) fn now() -> SystemTime {
        SystemTime::now()
    }
}

#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
pub(crate) use native::{Instant, Sleep, now, sleep, sleep_until};

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
mod browser {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use std::time::{Duration, SystemTime};

    use gloo_timers::future::TimeoutFuture;
    use send_wrapper::SendWrapper;
    pub(crate) use web_time::Instant;
    use web_time::web::SystemTimeExt;

    /// Returns the time of day.
    pub(crate) fn now() -> SystemTime {
        web_time::SystemTime::now().to_std()
    }

    /// A future that completes at its deadline.
    pub(crate) struct Sleep {
        deadline: Instant,
        timer: SendWrapper<TimeoutFuture>,
    }

    /// Returns a future that completes after `duration`.
    pub(crate) fn sleep(duration: Duration) -> Sleep {
        // A deadline beyond the end of time is never reached.
        let deadline = Instant::now().checked_add(duration).unwrap_or_else(|| Instant::now() + LONGEST);
        sleep_until(deadline)
    }

    /// Returns a future that completes at `deadline`.
    pub(crate) fn sleep_until(deadline: Instant) -> Sleep {
        Sleep { deadline, timer: timer_until(deadline) }
    }

    /// The longest delay of a JavaScript timer.
    const LONGEST: Duration = Duration::from_millis(i32::MAX as u64);

    fn timer_until(deadline: Instant) -> SendWrapper<TimeoutFuture> {
        let wait = deadline.saturating_duration_since(Instant::now()).min(LONGEST);
        // Rounded up, so that it does not fire too early.
        let milliseconds = wait.as_nanos().div_ceil(1_000_000);
        SendWrapper::new(TimeoutFuture::new(u32::try_from(milliseconds).unwrap_or(u32::MAX)))
    }

    impl Sleep {
        pub(crate) fn deadline(&self) -> Instant {
            self.deadline
        }

        pub(crate) fn reset(mut self: Pin<&mut Self>, deadline: Instant) {
            *self = sleep_until(deadline);
        }
    }

    impl Future for Sleep {
        type Output = ();

        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            while Pin::new(&mut *self.timer).poll(cx).is_ready() {
                if Instant::now() >= self.deadline {
                    return Poll::Ready(());
                }
                self.timer = timer_until(self.deadline);
            }
            Poll::Pending
        }
    }
}

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
pub(crate) use browser::{Instant, Sleep, now, sleep, sleep_until};
