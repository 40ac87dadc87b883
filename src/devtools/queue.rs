//! The messages that wait to be written.

use std::mem;
use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::hooks::Retry;

/// How long messages wait for others: waking the thread for each event of a stream would cost more than the event.
const PAUSE: Duration = Duration::from_millis(5);

/// How long a program waits for its recorder before it exits.
const LAST: Duration = Duration::from_secs(1);

/// What happened in a call, and when, measured from the start of the recorder.
pub(super) struct Message {
    pub(super) call: u64,
    pub(super) attempt: u32,
    pub(super) at: Duration,
    pub(super) what: What,
}

pub(super) enum What {
    Request(Box<RequestLine>),
    Response(StatusCode, Box<HeaderMap>),
    Chunk(Bytes),
    /// A short chunk, copied to the text of the batch, so that the connection can reuse its buffer sooner.
    ShortChunk(Range<usize>),
    Failed(String, Option<Retry>),
    /// The members of the line.
    End(String),
}

pub(super) struct RequestLine {
    pub(super) operation: &'static str,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) headers: HeaderMap,
    pub(super) key: Option<HeaderValue>,
    /// `None` if it is a stream.
    pub(super) body: Option<Bytes>,
    pub(super) is_stream: bool,
}

/// Chunks up to this are copied.
const SHORT: usize = 16 * 1024;

/// Messages that are written together.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) messages: Vec<Message>,
    /// The short chunks.
    pub(super) text: Vec<u8>,
}

/// A bounded queue with one reader.
pub(super) struct Queue {
    limit: usize,
    state: Mutex<State>,
    /// Wakes the reader.
    filled: Condvar,
    /// Wakes those that wait until everything is written.
    emptied: Condvar,
}

#[derive(Default)]
struct State {
    batch: Batch,
    bytes: usize,
    dropped: u64,
    /// The reader sleeps until it is woken; otherwise it will look at the queue soon.
    is_idle: bool,
    is_hurried: bool,
    is_closed: bool,
    /// The reader holds messages that it has not written yet.
    is_writing: bool,
}

impl Queue {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, state: Mutex::default(), filled: Condvar::new(), emptied: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a message of about `size` bytes, or counts it as dropped.
    pub(super) fn push(&self, size: usize, message: impl FnOnce() -> Message) {
        self.add(size, |batch| batch.messages.push(message()));
    }

    /// Adds a chunk of a body.
    pub(super) fn push_chunk(&self, call: u64, attempt: u32, at: Duration, chunk: &Bytes) {
        self.add(chunk.len() + size_of::<Message>(), |batch| {
            let what = if chunk.len() <= SHORT {
                let start = batch.text.len();
                batch.text.extend_from_slice(chunk);
                What::ShortChunk(start..batch.text.len())
            } else {
                What::Chunk(chunk.clone())
            };
            batch.messages.push(Message { call, attempt, at, what });
        });
    }

    fn add(&self, size: usize, add: impl FnOnce(&mut Batch)) {
        let mut state = self.state();
        if state.bytes.saturating_add(size) > self.limit {
            state.dropped += 1;
            return;
        }
        state.bytes += size;
        add(&mut state.batch);
        if mem::take(&mut state.is_idle) {
            drop(state);
            self.filled.notify_one();
        }
    }

    /// Takes everything in the queue into `batch`, whose memory is reused, and returns the number of messages dropped
    /// before. `None` at the end.
    pub(super) fn take(&self, batch: &mut Batch) -> Option<u64> {
        batch.messages.clear();
        batch.text.clear();
        let mut state = self.state();
        state.is_writing = false;
        self.emptied.notify_all();
        // More messages usually follow the first.
        if !state.is_closed && !state.is_hurried {
            state = self.filled.wait_timeout(state, PAUSE).unwrap_or_else(PoisonError::into_inner).0;
        }
        while state.batch.messages.is_empty() && state.dropped == 0 {
            if state.is_closed {
                return None;
            }
            state.is_idle = true;
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.is_idle = false;
        state.is_hurried = false;
        state.is_writing = true;
        state.bytes = 0;
        mem::swap(&mut state.batch, batch);
        Some(mem::take(&mut state.dropped))
    }

    /// Waits until everything is written, for at most a second.
    pub(super) fn flush(&self) {
        let mut state = self.state();
        state.is_hurried = true;
        self.filled.notify_one();
        let is_busy = |state: &mut State| state.is_writing || !state.batch.messages.is_empty();
        let _ = self.emptied.wait_timeout_while(state, LAST, is_busy);
    }

    /// Closes the queue. What it holds is still written; waits for that, for at most a second.
    pub(super) fn close(&self) {
        self.state().is_closed = true;
        self.flush();
    }
}
