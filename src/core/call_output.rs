//! What a call can return.

use bytes::Bytes;

use super::exchange::{Exchange, Expected};
use super::wire::{self, Root};
use crate::errors::Error;

/// What a call can return: a model type (a JSON body), an [`EventStream`](super::EventStream), a
/// [`Download`](super::Download), or `()` if the body has no content;
/// [`RawEvents`](super::RawEvents) and [`Bytes`] for raw calls.
///
/// This trait is sealed: it cannot be implemented outside of this crate.
pub trait CallOutput: sealed::FromExchange {}

impl<T: sealed::FromExchange> CallOutput for T {}

pub(crate) mod sealed {
    use crate::core::exchange::{Exchange, Expected};
    use crate::errors::Error;

    pub trait FromExchange: Sized {
        #[doc(hidden)]
        const EXPECTED: Expected;

        #[doc(hidden)]
        fn from_exchange(exchange: Exchange) -> Result<Self, Error>;
    }
}

impl<T: Root> sealed::FromExchange for T {
    const EXPECTED: Expected = Expected::Json;

    fn from_exchange(exchange: Exchange) -> Result<Self, Error> {
        let decoded = exchange.text().and_then(|text| wire::decode_root::<T>(text));
        match decoded {
            Ok(value) if !value.reports_error() => Ok(value),
            Ok(_) => Err(exchange.into_api_error()),
            Err(_) if exchange.is_error_body() => Err(exchange.into_api_error()),
            Err(error) => match exchange.events()? {
                Some(events) => T::from_events(&events.iter().map(String::as_str).collect::<Vec<_>>()),
                None => exchange.text().ok().and_then(wire::decode_inside),
            }
            .ok_or_else(|| exchange.into_decode_error(error)),
        }
    }
}

impl sealed::FromExchange for Bytes {
    const EXPECTED: Expected = Expected::Json;

    fn from_exchange(exchange: Exchange) -> Result<Self, Error> {
        Ok(exchange.body.as_bytes().cloned().unwrap_or_default())
    }
}

impl sealed::FromExchange for () {
    const EXPECTED: Expected = Expected::Nothing;

    fn from_exchange(_: Exchange) -> Result<Self, Error> {
        Ok(())
    }
}
