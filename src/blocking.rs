//! Calls and streams for programs without `async`.
//!
//! The API is the asynchronous one: call [`Wait::wait`] instead of `.await`, and
//! [`BlockingStream::blocking_iter`] to turn a stream into an iterator. Both work for every
//! operation, stream and helper, from any thread, and many threads can share one client.
//!
//! ```no_run
//! use openrouter_kit::OpenRouter;
//! use openrouter_kit::blocking::{BlockingStream, Wait};
//!
//! fn main() -> Result<(), openrouter_kit::Error> {
//!     let client = OpenRouter::from_env()?;
//!     println!("{:?}", client.credits().get_credits().wait()?);
//!     Ok(())
//! }
//! ```
//!
//! A background thread drives the connections; the calling thread does everything else. So these
//! methods may also be called inside an asynchronous program, where they block the calling thread:
//! other tasks on that thread have to wait, but the call does not depend on them.

use std::future::{Future, IntoFuture};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Wake, Waker};
use std::thread::{self, Thread};

use futures_core::Stream;
use tokio::runtime::{Builder, Handle};

/// Waits for a future by blocking the thread.
pub trait Wait: IntoFuture + Sized {
    /// Runs the future to completion and returns what `.await` would.
    fn wait(self) -> Self::Output {
        let mut future = pin!(self.into_future());
        block_on(|cx| future.as_mut().poll(cx))
    }
}

impl<T: IntoFuture> Wait for T {}

/// Reads a stream as an iterator.
pub trait BlockingStream: Stream + Unpin + Sized {
    /// Returns an iterator over the items that blocks the thread until the next one is available.
    fn blocking_iter(self) -> BlockingIter<Self> {
        BlockingIter(self)
    }
}

impl<S: Stream + Unpin> BlockingStream for S {}

/// The items of a stream; see [`BlockingStream::blocking_iter`].
#[derive(Debug)]
#[must_use = "iterators do nothing unless consumed"]
pub struct BlockingIter<S>(S);

impl<S> BlockingIter<S> {
    /// Returns the stream with the remaining items.
    pub fn into_inner(self) -> S {
        self.0
    }
}

impl<S: Stream + Unpin> Iterator for BlockingIter<S> {
    type Item = S::Item;

    fn next(&mut self) -> Option<S::Item> {
        block_on(|cx| Pin::new(&mut self.0).poll_next(cx))
    }
}

/// Polls to completion on this thread, with the sockets and timers of the background runtime.
fn block_on<T>(mut poll: impl FnMut(&mut Context<'_>) -> std::task::Poll<T>) -> T {
    // If the background thread could not be spawned, calls report that the runtime is missing.
    let _entered = background().map(Handle::enter);
    let signal = Arc::new(Signal { thread: thread::current(), is_set: AtomicBool::new(false) });
    let waker = Waker::from(signal.clone());
    loop {
        if let std::task::Poll::Ready(output) = poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        while !signal.is_set.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }
}

/// Wakes a thread. The flag distinguishes its wake-ups from others, since hooks may block inside a
/// blocking call.
struct Signal {
    thread: Thread,
    is_set: AtomicBool,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_set.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Returns the runtime whose thread drives sockets and timers and runs the tasks of shared
/// connections.
fn background() -> Option<&'static Handle> {
    static BACKGROUND: OnceLock<Option<Handle>> = OnceLock::new();
    let start = || {
        let runtime = Builder::new_current_thread().enable_all().build().ok()?;
        let handle = runtime.handle().clone();
        let drive = move || runtime.block_on(std::future::pending::<()>());
        thread::Builder::new().name("openrouter-kit".to_owned()).spawn(drive).ok()?;
        Some(handle)
    };
    BACKGROUND.get_or_init(start).as_ref()
}
