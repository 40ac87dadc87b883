//! Enums of text that stay readable if the server sends values that this crate does not know.

use super::{DecodeError, Reader, assign};

/// Reads a text as the value that it names.
pub(crate) fn read_text<T: for<'a> From<&'a str>>(place: &mut T, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    let (text, read) = reader.text();
    assign(place, T::from(&text));
    read
}

/// Implements conversions, [`Wire`](super::Wire) and serde's traits for an enum of texts with a
/// variant `Unrecognized(Box<str>)`.
macro_rules! wire_enum {
    ($type:ident { $($variant:ident = $text:literal,)* }) => {
        impl $type {
            /// All values that this version of the crate knows.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Returns the value as it is written in JSON.
            #[inline]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Unrecognized(text) => text,
                }
            }
        }

        impl From<&str> for $type {
            #[inline]
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)*
                    _ => Self::Unrecognized(text.into()),
                }
            }
        }

        impl From<String> for $type {
            #[inline]
            fn from(text: String) -> Self {
                Self::from(text.as_str())
            }
        }

        impl From<&String> for $type {
            #[inline]
            fn from(text: &String) -> Self {
                Self::from(text.as_str())
            }
        }

        impl From<::std::borrow::Cow<'_, str>> for $type {
            #[inline]
            fn from(text: ::std::borrow::Cow<'_, str>) -> Self {
                Self::from(&*text)
            }
        }

        impl ::std::str::FromStr for $type {
            type Err = ::std::convert::Infallible;

            #[inline]
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Ok(Self::from(text))
            }
        }

        impl ::std::fmt::Display for $type {
            #[inline]
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl AsRef<str> for $type {
            #[inline]
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl $crate::core::wire::Sealed for $type {}

        impl $crate::core::wire::Wire for $type {
            #[inline]
            fn read(
                &mut self,
                reader: &mut $crate::core::wire::Reader<'_>,
            ) -> Result<(), $crate::core::wire::DecodeError> {
                $crate::core::wire::read_text(self, reader)
            }

            #[inline]
            fn write(&self, writer: &mut $crate::core::wire::Writer) {
                writer.string(self.as_str());
            }

            #[inline]
            fn missing() -> Self {
                Self::Unrecognized("".into())
            }

            #[inline]
            fn is_missing(&self) -> bool {
                self.as_str().is_empty()
            }
        }

        $crate::core::wire::wire_serde!($type);
    };
}

pub(crate) use wire_enum;
