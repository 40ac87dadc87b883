//! Values of query parameters.

use std::borrow::Cow;

/// A value of a query parameter: text, a number or a boolean.
pub trait QueryValue {
    /// Returns the text before it is percent-encoded; `None` for a number that is not finite.
    fn query_text(&self) -> Option<Cow<'_, str>>;
}

impl QueryValue for str {
    fn query_text(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self))
    }
}

impl QueryValue for String {
    fn query_text(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self))
    }
}

impl QueryValue for bool {
    fn query_text(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(if *self { "true" } else { "false" }))
    }
}

macro_rules! numbers {
    ($($ty:ident)*, $is_valid:expr) => {$(
        impl QueryValue for $ty {
            fn query_text(&self) -> Option<Cow<'_, str>> {
                let is_valid: fn(&Self) -> bool = $is_valid;
                is_valid(self).then(|| Cow::Owned(self.to_string()))
            }
        }
    )*};
}

numbers!(i8 i16 i32 i64 isize u8 u16 u32 u64 usize, |_| true);
numbers!(f32 f64, |number| number.is_finite());

impl<T: QueryValue + ?Sized> QueryValue for &T {
    fn query_text(&self) -> Option<Cow<'_, str>> {
        (**self).query_text()
    }
}
