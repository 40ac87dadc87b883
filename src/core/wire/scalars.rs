//! The types that are not generated: text, numbers, lists, maps, optional values.
//!
//! What almost matches is read as the nearest value, and the reader records that it is not exact
//! ([`Reader::note_inexact`]); the object around it then keeps the original. Elements of a list or
//! a map that do not match are skipped in the same way, so that one of them does not make the whole
//! list unreadable.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::error::shortened;
use super::json;
use super::tagged::Shape;
use super::writer::Step;
use super::{
    DecodeError, Extra, IntoNumber, Json, JsonObject, ReadInto, ReadValue, Reader, Root, Sealed, Wire, Writer, assign,
    members,
};

impl Sealed for String {}

impl Wire for String {
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        if let Some(plain) = reader.plain_string() {
            *self = plain.to_owned();
            return Ok(());
        }
        *self = reader.unusual_readable_string().map(Cow::into_owned).inspect_err(|_| self.clear())?;
        Ok(())
    }

    #[inline]
    fn write(&self, writer: &mut Writer) {
        writer.string(self);
    }

    fn missing() -> Self {
        Self::new()
    }

    fn is_missing(&self) -> bool {
        self.is_empty()
    }
}

impl Sealed for bool {}

impl Wire for bool {
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        *self = false;
        *self = reader.boolean()?;
        Ok(())
    }

    fn write(&self, writer: &mut Writer) {
        writer.raw(if *self { "true" } else { "false" });
    }

    fn missing() -> Self {
        false
    }

    fn is_missing(&self) -> bool {
        !self
    }

    fn is_blank(&self) -> bool {
        false
    }
}

impl Sealed for i64 {}

impl Wire for i64 {
    const IS_NUMBER: bool = true;

    /// Reads an integer, including `3.0`, `3e2` and `"3"`. A fraction is truncated.
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        if let Some(value) = reader.short_integer() {
            *self = value;
            return Ok(());
        }
        *self = 0;
        *self = unusual_integer(reader)?;
        Ok(())
    }

    fn write(&self, writer: &mut Writer) {
        writer.display(self);
    }

    fn missing() -> Self {
        0
    }

    fn is_missing(&self) -> bool {
        *self == 0
    }

    fn is_blank(&self) -> bool {
        false
    }
}

/// Reads a long integer, or one in another notation.
#[cold]
fn unusual_integer(reader: &mut Reader<'_>) -> Result<i64, DecodeError> {
    let text = number(reader)?;
    let Some(value) = whole_part(text) else {
        return Err(DecodeError::new(format!("expected a 64-bit integer, found {}", shortened(text))));
    };
    if !json::is_same_number(text, &value.to_string()) {
        reader.note_inexact();
    }
    Ok(value)
}

/// Returns the text of a number, which some servers put in quotes.
fn number<'a>(reader: &mut Reader<'a>) -> Result<&'a str, DecodeError> {
    let quoted = if reader.peek() == Some(b'"') { reader.number_in_quotes() } else { None };
    quoted.map_or_else(|| reader.number(), Ok)
}

/// Returns the number without its fraction; `None` if that does not fit.
pub(super) fn whole_part(text: &str) -> Option<i64> {
    // Below 2^53 every integer is an exact `f64`, so only the fraction is lost here.
    let whole = || text.parse().ok().map(f64::trunc).filter(|value| value.abs() < 9_007_199_254_740_992.0);
    text.parse().ok().or_else(|| whole().map(|value| value as i64))
}

/// Returns the number; `None` if it is too large, or an integer that would be rounded.
#[inline]
pub(super) fn double(text: &str) -> Option<f64> {
    let value = text.parse().ok().filter(|value: &f64| value.is_finite())?;
    let integer = text.len() > 15 && !text.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
    (!integer || format!("{value:.0}") == text).then_some(value)
}

impl Sealed for f64 {}

impl Wire for f64 {
    const IS_NUMBER: bool = true;

    /// Reads a number. An integer that would be rounded is an error, so that it is kept whole in
    /// [`Extra`].
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        *self = 0.0;
        let text = number(reader)?;
        *self = double(text).ok_or_else(|| {
            DecodeError::new(format!("expected a number of double precision, found {}", shortened(text)))
        })?;
        Ok(())
    }

    fn write(&self, writer: &mut Writer) {
        if !self.is_finite() {
            writer.fail(format!("{self} is not a JSON number; use a finite one"));
        } else if *self != 0.0 && !(1e-6..1e17).contains(&self.abs()) {
            writer.display(format_args!("{self:e}"));
        } else {
            writer.display(self);
        }
    }

    fn missing() -> Self {
        0.0
    }

    fn is_missing(&self) -> bool {
        self.to_bits() == 0
    }

    fn is_blank(&self) -> bool {
        false
    }
}

/// `None` writes nothing; a caller that needs a value writes `null`.
impl<T: Wire> Sealed for Option<T> {}

impl<T: Wire> Wire for Option<T> {
    #[inline]
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        ReadInto(self).read_option(reader)
    }

    #[inline]
    fn write(&self, writer: &mut Writer) {
        if let Some(value) = self {
            value.write(writer);
        }
    }

    fn missing() -> Self {
        None
    }

    fn is_missing(&self) -> bool {
        self.is_none()
    }

    fn is_blank(&self) -> bool {
        self.as_ref().is_none_or(T::is_blank)
    }
}

impl<T: Wire> ReadInto<'_, Option<T>> {
    fn read_option(self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        assign(self.0, None);
        if !reader.optional()? {
            return Ok(());
        }
        assign(self.0, Some(T::missing()));
        if let Some(value) = self.0
            && let Err(error) = value.read(reader)
        {
            assign(self.0, None);
            return Err(error);
        }
        Ok(())
    }
}

impl<T: Wire> Sealed for Box<T> {}

impl<T: Wire> Wire for Box<T> {
    #[inline]
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        // It is empty already: boxes are branches of unions, which are created to be read into.
        reader.allocate(size_of::<T>())?;
        (**self).read(reader)
    }

    #[inline]
    fn write(&self, writer: &mut Writer) {
        (**self).write(writer);
    }

    #[inline]
    fn missing() -> Self {
        ReadInto::<T>::boxed()
    }

    fn is_missing(&self) -> bool {
        (**self).is_missing()
    }

    fn is_blank(&self) -> bool {
        (**self).is_blank()
    }

    #[inline]
    fn keep_object(&mut self, json: Json, error: DecodeError) -> Result<(), DecodeError> {
        (**self).keep_object(json, error)
    }

    #[inline]
    fn extra(&self) -> Option<&Extra> {
        (**self).extra()
    }
}

impl<T: Wire> ReadInto<'_, T> {
    /// Separate from `missing`, so that it is compiled once; see [`ReadInto`].
    fn boxed() -> Box<T> {
        Box::new(T::missing())
    }
}

/// Keeps an element that does not match, so that it does not affect the others: an object is kept
/// whole in its place, anything else is skipped. Returns why it was skipped.
#[cold]
fn keep_or_pass_over(
    place: &mut dyn ReadValue,
    error: DecodeError,
    reader: &mut Reader<'_>,
) -> Result<Option<DecodeError>, DecodeError> {
    match reader.shape() {
        Some(Shape::Object) => {
            let json = reader.json()?;
            reader.keep(members(json.as_text()).map_or(0, |members| members.len()))?;
            Ok(place.keep_object(json, error).err())
        }
        _ => reader.skip().map(|()| Some(error)),
    }
}

/// Ends a list or map in which some values did not match. If nothing else is left, it does not
/// match as a whole.
#[cold]
fn end_with_gaps(is_empty: bool, error: DecodeError, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    if is_empty {
        return Err(error);
    }
    reader.note_inexact();
    Ok(())
}

/// A list, to be read into.
trait ReadElements {
    /// Adds an element and reads it.
    fn read_next(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError>;

    /// Keeps the last element, which could not be read, or removes it. Returns why it was removed.
    fn keep_last(&mut self, error: DecodeError, reader: &mut Reader<'_>) -> Result<Option<DecodeError>, DecodeError>;

    fn is_empty(&self) -> bool;

    fn clear(&mut self);
}

impl<T: Wire> ReadElements for ReadInto<'_, Vec<T>> {
    fn read_next(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        reader.allocate(size_of::<T>())?;
        if self.0.is_empty() && size_of::<T>() > 64 {
            // Lists of one large element are frequent, and `push` alone would allocate four.
            self.0.reserve_exact(1);
        }
        self.0.push(T::missing());
        self.0.last_mut().map_or(Ok(()), |element| element.read(reader))
    }

    fn keep_last(&mut self, error: DecodeError, reader: &mut Reader<'_>) -> Result<Option<DecodeError>, DecodeError> {
        let Some(element) = self.0.last_mut() else { return Ok(None) };
        // Numbers are identified by position, as in a vector.
        if T::IS_NUMBER {
            return Err(error);
        }
        let mismatch = keep_or_pass_over(&mut ReadInto(element), error, reader)?;
        if mismatch.is_some() {
            self.0.pop();
        }
        Ok(mismatch)
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

impl<T: Wire> ReadInto<'_, Vec<T>> {
    fn read_list(mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        read_elements(reader, &mut self)
    }
}

fn read_elements(reader: &mut Reader<'_>, list: &mut dyn ReadElements) -> Result<(), DecodeError> {
    list.clear();
    let mut mismatch = None;
    let mut read = reader.array(|index, reader| {
        let mark = reader.mark();
        if let Err(error) = list.read_next(reader) {
            reader.reset(mark);
            let error = list.keep_last(error, reader)?;
            mismatch = mismatch.take().or_else(|| error.map(|error| error.inside_element(index)));
        }
        Ok(())
    });
    if let (Ok(()), Some(error)) = (&read, mismatch) {
        read = end_with_gaps(list.is_empty(), error, reader);
    }
    if read.is_err() {
        list.clear();
    }
    read
}

/// Writes the elements of a list, by their index.
fn write_list(writer: &mut Writer, length: usize, write: &dyn Fn(usize, &mut Writer)) {
    writer.byte(b'[');
    for index in 0..length {
        if index > 0 {
            writer.byte(b',');
        }
        let before = writer.before();
        write(index, writer);
        writer.null_if_nothing(before);
        writer.after(before, Step::Element(index));
    }
    writer.byte(b']');
}

/// Writes a value, or `null` if it writes nothing.
pub(super) fn write_or_null<T: Wire>(value: &T, writer: &mut Writer) {
    let before = writer.before();
    value.write(writer);
    writer.null_if_nothing(before);
}

impl<T: Wire> Sealed for Vec<T> {}

impl<T: Wire> Wire for Vec<T> {
    #[inline]
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        ReadInto(self).read_list(reader)
    }

    fn write(&self, writer: &mut Writer) {
        write_list(writer, self.len(), &|index, writer| {
            if let Some(element) = self.get(index) {
                element.write(writer);
            }
        });
    }

    fn missing() -> Self {
        Self::new()
    }

    fn is_missing(&self) -> bool {
        self.is_empty()
    }
}

impl<T: Wire> Root for Vec<T> {}

impl<T: Wire> Sealed for BTreeMap<String, T> {}

impl<T: Wire> Wire for BTreeMap<String, T> {
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        self.clear();
        let mut mismatch = None;
        let mut read = reader.object(&mut |key, reader| {
            reader.allocate(size_of::<(String, T)>())?;
            let mut value = T::missing();
            let mark = reader.mark();
            if let Err(error) = value.read(reader) {
                reader.reset(mark);
                let kept = keep_or_pass_over(&mut ReadInto(&mut value), error, reader);
                if let Some(error) = kept.map_err(|error| error.inside(&key))? {
                    mismatch = mismatch.take().or_else(|| Some(error.inside(&key)));
                    // The last value of a name counts, and this is it.
                    self.remove(&*key);
                    return Ok(());
                }
            }
            self.insert(key.into_owned(), value);
            Ok(())
        });
        if let (Ok(()), Some(error)) = (&read, mismatch) {
            read = end_with_gaps(self.is_empty(), error, reader);
        }
        if read.is_err() {
            self.clear();
        }
        read
    }

    fn write(&self, writer: &mut Writer) {
        writer.byte(b'{');
        for (key, value) in self {
            writer.key(key);
            let before = writer.before();
            write_or_null(value, writer);
            writer.after(before, Step::Member(key));
        }
        writer.byte(b'}');
    }

    fn missing() -> Self {
        Self::new()
    }

    fn is_missing(&self) -> bool {
        self.is_empty()
    }
}

impl Sealed for Json {}

impl Wire for Json {
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        *self = Self::null();
        *self = reader.json()?;
        Ok(())
    }

    fn write(&self, writer: &mut Writer) {
        writer.raw(self.as_text());
    }

    fn missing() -> Self {
        Self::null()
    }

    fn is_missing(&self) -> bool {
        self.is_null()
    }

    fn is_blank(&self) -> bool {
        matches!(self.as_text(), "null" | "\"\"" | "[]" | "{}")
    }
}

impl Root for Json {
    fn reports_error(&self) -> bool {
        self.find("error").is_some_and(|error| !error.is_null())
    }
}

/// A change of one field of an existing object: leave it, clear it, or set it.
///
/// The bodies of `PATCH` requests distinguish a missing field from a null one; `Option` cannot.
///
/// ```
/// # #[cfg(feature = "api-keys")]
/// # {
/// use openrouter_kit::models::{Patch, UpdateKeyRequest};
/// use openrouter_kit::serde_json;
///
/// let raised = UpdateKeyRequest::new().limit(50.0);
/// assert_eq!(serde_json::to_string(&raised).unwrap(), r#"{"limit":50}"#);
/// let unlimited = UpdateKeyRequest::new().limit(Patch::Clear);
/// assert_eq!(serde_json::to_string(&unlimited).unwrap(), r#"{"limit":null}"#);
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Patch<T> {
    /// The field stays unchanged. It is not sent.
    #[default]
    Keep,
    /// The field is cleared. It is sent as `null`.
    Clear,
    /// The field is set to this value.
    Set(T),
}

impl<T: Wire> From<T> for Patch<T> {
    fn from(value: T) -> Self {
        Self::Set(value)
    }
}

/// Sets text, or the value that it names.
impl<'a, T: Wire + From<&'a str>> From<&'a str> for Patch<T> {
    fn from(text: &'a str) -> Self {
        Self::Set(text.into())
    }
}

impl<'a, T: Wire + From<&'a String>> From<&'a String> for Patch<T> {
    fn from(text: &'a String) -> Self {
        Self::Set(text.into())
    }
}

impl<T: Wire, U: Into<T>, const N: usize> From<[U; N]> for Patch<Vec<T>> {
    fn from(list: [U; N]) -> Self {
        Self::Set(list.into_iter().map(Into::into).collect())
    }
}

impl<'a, T: Wire + From<&'a U>, U> From<&'a [U]> for Patch<Vec<T>> {
    fn from(list: &'a [U]) -> Self {
        Self::Set(list.iter().map(Into::into).collect())
    }
}

impl From<Vec<&str>> for Patch<Vec<String>> {
    fn from(list: Vec<&str>) -> Self {
        Self::Set(list.into_iter().map(Into::into).collect())
    }
}

macro_rules! patch_numbers {
    ($to:ty: $($from:ty),*) => {
        $(impl From<$from> for Patch<$to> {
            fn from(number: $from) -> Self {
                Self::Set(number.into_number())
            }
        })*
    };
}
patch_numbers!(i64: i8, i16, i32, u8, u16, u32);
patch_numbers!(f64: i8, i16, i32, u8, u16, u32, f32);

/// `Keep` writes nothing.
impl<T: Wire> Sealed for Patch<T> {}

impl<T: Wire> Wire for Patch<T> {
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        *self = Self::Keep;
        *self = if reader.null() {
            Self::Clear
        } else {
            let mut value = T::missing();
            value.read(reader)?;
            Self::Set(value)
        };
        Ok(())
    }

    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Set(value) => value.write(writer),
            Self::Clear => writer.raw("null"),
            Self::Keep => {}
        }
    }

    fn missing() -> Self {
        Self::Keep
    }

    fn is_missing(&self) -> bool {
        matches!(self, Self::Keep)
    }
}

/// A value that must not be revealed by accident: a key, a password, settings that contain one.
/// `Debug` prints `[redacted]`.
///
/// ```
/// use openrouter_kit::models::Secret;
///
/// let key: Secret = "sk-or-v1-...".into();
/// assert_eq!(format!("{key:?}"), "[redacted]");
/// assert_eq!(key.expose(), "sk-or-v1-...");
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret<T = String>(T);

impl<T> Secret<T> {
    /// Hides `value`. Strings, maps of strings and JSON objects also convert with `into()`.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Returns the value, for the code that needs it.
    pub fn expose(&self) -> &T {
        &self.0
    }

    /// Converts into the value.
    pub fn into_exposed(self) -> T {
        self.0
    }
}

impl<T: Into<String>> From<T> for Secret {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

macro_rules! secret_objects {
    ($($from:ty),*) => {
        $(impl From<$from> for Secret<JsonObject> {
            fn from(members: $from) -> Self {
                Self(members.into())
            }
        })*
    };
}
secret_objects!(JsonObject, Json, serde_json::Value, serde_json::Map<String, serde_json::Value>);

impl From<BTreeMap<String, String>> for Secret<BTreeMap<String, String>> {
    fn from(map: BTreeMap<String, String>) -> Self {
        Self(map)
    }
}

impl From<HashMap<String, String>> for Secret<BTreeMap<String, String>> {
    fn from(map: HashMap<String, String>) -> Self {
        Self(map.into_iter().collect())
    }
}

impl<K: Into<String>, V: Into<String>, const N: usize> From<[(K, V); N]> for Secret<BTreeMap<String, String>> {
    fn from(pairs: [(K, V); N]) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<T: Wire> Sealed for Secret<T> {}

impl<T: Wire> Wire for Secret<T> {
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        self.0.read(reader)
    }

    fn write(&self, writer: &mut Writer) {
        self.0.write(writer);
    }

    fn missing() -> Self {
        Self(T::missing())
    }

    fn is_missing(&self) -> bool {
        self.0.is_missing()
    }

    fn is_blank(&self) -> bool {
        self.0.is_blank()
    }
}
