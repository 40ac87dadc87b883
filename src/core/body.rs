//! The body of a request or a response: bytes in memory, or bytes still to be read.

use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::transport::TransportError;

/// The body of an HTTP request or response.
///
/// It is made from bytes ([`Body::from`]) or from any [`http_body::Body`] ([`Body::wrap`]).
/// Dropping the body of a response before its end closes the connection it comes from (HTTP/1.1) or
/// resets its stream (HTTP/2).
///
/// ```
/// use openrouter_kit::core::body::Body;
///
/// let body = Body::from("{}");
/// assert_eq!(body.as_bytes().map(|bytes| bytes.len()), Some(2));
/// assert!(Body::empty().as_bytes().is_some_and(|bytes| bytes.is_empty()));
/// ```
pub struct Body(Kind);

enum Kind {
    /// The whole body; `None` once it was read.
    Full(Option<Bytes>),
    /// Read as it arrives. The virtual call for a chunk costs little compared to receiving one, and
    /// keeps the type behind it, a connection with all its buffers, out of the code of everything
    /// that has a body. The lock is taken only to query the size, and makes a body `Sync`, which
    /// other HTTP clients require.
    Wrapped(Mutex<Wrapped>),
}

type Wrapped = Pin<Box<dyn HttpBody<Data = Bytes, Error = TransportError> + Send>>;

fn lock(body: &Mutex<Wrapped>) -> MutexGuard<'_, Wrapped> {
    body.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Body {
    /// Creates a body without bytes.
    pub const fn empty() -> Self {
        Self(Kind::Full(None))
    }

    /// Creates a body that is read from `body` as it is sent or received.
    ///
    /// ```
    /// use http_body_util::Full;
    /// use openrouter_kit::core::body::Body;
    ///
    /// let body = Body::wrap(Full::new(bytes::Bytes::from_static(b"streamed")));
    /// assert!(body.as_bytes().is_none());
    /// ```
    pub fn wrap<B>(body: B) -> Self
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        use http_body_util::BodyExt;
        Self::received(body.map_err(TransportError::body))
    }

    pub(crate) fn received(body: impl HttpBody<Data = Bytes, Error = TransportError> + Send + 'static) -> Self {
        Self(Kind::Wrapped(Mutex::new(Box::pin(body))))
    }

    /// Creates a body that starts with bytes already read from it.
    pub(super) fn resumed(first: Bytes, rest: Self) -> Self {
        Self::received(Resumed { first: Some(first), rest })
    }

    /// Returns the bytes if all of them are in memory; such a body can be sent again.
    pub fn as_bytes(&self) -> Option<&Bytes> {
        static EMPTY: Bytes = Bytes::new();
        match &self.0 {
            Kind::Full(bytes) => Some(bytes.as_ref().unwrap_or(&EMPTY)),
            _ => None,
        }
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(Kind::Full(Some(bytes).filter(|bytes| !bytes.is_empty())))
    }
}

macro_rules! from_bytes {
    ($($ty:ty)*) => {$(
        impl From<$ty> for Body {
            fn from(bytes: $ty) -> Self {
                Bytes::from(bytes).into()
            }
        }
    )*};
}

from_bytes!(Vec<u8> String &'static [u8] &'static str);

impl fmt::Debug for Body {
    /// Prints the size if it is known, never the content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_bytes() {
            Some(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            None => f.write_str("Body(stream)"),
        }
    }
}

struct Resumed {
    first: Option<Bytes>,
    rest: Body,
}

impl HttpBody for Resumed {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TransportError>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(Frame::data(first)))),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let (first, rest) = (self.first.as_ref().map_or(0, |first| first.len() as u64), self.rest.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(first));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(first)) {
            hint.set_upper(upper);
        }
        hint
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TransportError>>> {
        match &mut self.0 {
            Kind::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Kind::Wrapped(body) => body.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Full(bytes) => bytes.is_none(),
            Kind::Wrapped(body) => lock(body).is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Kind::Wrapped(body) => lock(body).size_hint(),
        }
    }
}
