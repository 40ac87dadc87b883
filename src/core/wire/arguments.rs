//! The types that setters accept for fields that hold text, numbers or a list.
//!
//! `Into` alone does not cover these: a list also accepts a single element and references to
//! strings, and an `f32` must keep the digits that the program wrote.

use std::borrow::Cow;

/// Text, owned or borrowed: accepted by unions in which one branch is text or an enum of words.
pub trait IntoText: sealed::Text {
    /// Returns the text, owned.
    fn into_text(self) -> String;
}

/// A number that always fits into a `T`, digit for digit.
#[diagnostic::on_unimplemented(
    message = "a `{Self}` may not fit into a field of type `{T}`",
    note = "integers of up to 32 bits, `i64` fields also take `i64`; convert others with `try_into()` first"
)]
pub trait IntoNumber<T>: sealed::Number {
    /// Returns the number as the type of the field.
    fn into_number(self) -> T;
}

/// One or many values of a list of `T`: a single value that converts into `T`, or an array, a
/// slice, a vector or any other iterator of such values. `M` distinguishes these forms and is
/// always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a `{T}` nor a list of them",
    note = "pass a value that converts into `{T}`, or an array, a vector or an iterator of such values"
)]
pub trait IntoList<T, M> {
    /// Returns the elements.
    fn into_list(self) -> Vec<T>;
}

/// The forms of an argument of type [`IntoList`].
#[doc(hidden)]
pub mod form {
    /// A single element.
    #[derive(Debug)]
    pub enum One {}

    /// An iterator of elements.
    #[derive(Debug)]
    pub enum Many {}

    /// An iterator of string references, such as a slice of literals.
    #[derive(Debug)]
    pub enum Borrowed {}
}

impl<T, U: Into<T>> IntoList<T, form::One> for U {
    #[inline]
    fn into_list(self) -> Vec<T> {
        vec![self.into()]
    }
}

impl<T, I: IntoIterator<Item: Into<T>>> IntoList<T, form::Many> for I {
    #[inline]
    fn into_list(self) -> Vec<T> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<'a, T: From<&'a str>, I: IntoIterator<Item = &'a &'a str>> IntoList<T, form::Borrowed> for I {
    #[inline]
    fn into_list(self) -> Vec<T> {
        self.into_iter().map(|text| T::from(text)).collect()
    }
}

macro_rules! texts {
    ($($type:ty),*) => {
        $(
            impl sealed::Text for $type {}

            impl IntoText for $type {
                #[inline]
                fn into_text(self) -> String {
                    self.into()
                }
            }
        )*
    };
}
texts!(String, &str, &String, Box<str>, Cow<'_, str>);

macro_rules! numbers {
    ($to:ty: $($from:ty),*) => {
        $(impl IntoNumber<$to> for $from {
            #[inline]
            fn into_number(self) -> $to {
                self.into()
            }
        })*
    };
}
numbers!(i64: i8, i16, i32, i64, u8, u16, u32);
numbers!(f64: i8, i16, i32, u8, u16, u32, f64);

impl IntoNumber<f64> for f32 {
    /// An `f32` is written with the digits that the program used: 0.7 stays 0.7, although the exact
    /// value of the `f32` is 0.699999988079071.
    #[inline]
    fn into_number(self) -> f64 {
        widened(self)
    }
}

#[inline(never)]
fn widened(number: f32) -> f64 {
    number.to_string().parse().unwrap_or_else(|_| number.into())
}

mod sealed {
    pub trait Text {}

    pub trait Number {}

    macro_rules! numbers {
        ($($type:ty),*) => {
            $(impl Number for $type {})*
        };
    }
    numbers!(i8, i16, i32, i64, u8, u16, u32, f32, f64);
}

/// Implements the conversions from text into a branch of a union, or into a struct of one text.
#[allow(unused_macros, reason = "a build without models has no use for it")]
macro_rules! wire_text {
    ($type:ident, $text:ident => $value:expr) => {
        impl<T: $crate::core::wire::IntoText> From<T> for $type {
            #[inline]
            fn from(text: T) -> Self {
                let $text: String = text.into_text();
                $value
            }
        }
    };
}

/// Implements the conversions from numbers into a branch of a union that is an `f64` or `i64`.
#[allow(unused_macros, reason = "a build without models has no use for it")]
macro_rules! wire_numbers {
    ($type:ident, $variant:ident: $($from:ty),*) => {
        $(impl From<$from> for $type {
            #[inline]
            fn from(number: $from) -> Self {
                Self::$variant($crate::core::wire::IntoNumber::into_number(number))
            }
        })*
    };
}

/// Implements the conversions from vectors, arrays and slices of texts into a branch of a union
/// that is a list of texts.
#[allow(unused_macros, reason = "a build without models has no use for it")]
macro_rules! wire_texts {
    ($type:ident, $variant:ident) => {
        impl<T: $crate::core::wire::IntoText> From<Vec<T>> for $type {
            #[inline]
            fn from(list: Vec<T>) -> Self {
                Self::$variant(list.into_iter().map(T::into_text).collect())
            }
        }

        impl<T: $crate::core::wire::IntoText, const N: usize> From<[T; N]> for $type {
            #[inline]
            fn from(list: [T; N]) -> Self {
                Self::$variant(list.into_iter().map(T::into_text).collect())
            }
        }

        $crate::core::wire::wire_texts!(@ $type, &str);
        $crate::core::wire::wire_texts!(@ $type, String);
    };
    (@ $type:ident, $text:ty) => {
        impl From<&[$text]> for $type {
            #[inline]
            fn from(list: &[$text]) -> Self {
                Self::from(list.to_vec())
            }
        }

        impl From<&Vec<$text>> for $type {
            #[inline]
            fn from(list: &Vec<$text>) -> Self {
                Self::from(list.clone())
            }
        }

        impl<const N: usize> From<&[$text; N]> for $type {
            #[inline]
            fn from(list: &[$text; N]) -> Self {
                Self::from(list.to_vec())
            }
        }
    };
}

#[allow(unused_imports, reason = "a build without models has no use for it")]
pub(crate) use {wire_numbers, wire_text, wire_texts};
