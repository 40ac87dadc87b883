//! The types that are not generated: text, numbers, lists, maps, absent things.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use super::tagged::Shape;
use super::writer::Step;
use super::{DecodeError, Extra, Json, JsonObject, Reader, Root, Wire, Writer};

impl Wire for String {
    #[inline]
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.string().map(Cow::into_owned)
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

impl Wire for bool {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.boolean()
    }

    fn write(&self, writer: &mut Writer) {
        writer.raw(if *self { "true" } else { "false" });
    }

    fn missing() -> Self {
        false
    }
}

impl Wire for i64 {
    /// Takes an integer, also when it is written as `3.0` or `3e2`.
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if let Some(value) = reader.short_integer() {
            return Ok(value);
        }
        let text = reader.number()?;
        if let Ok(value) = text.parse() {
            return Ok(value);
        }
        // Below 2^53 every integer has its own `f64`, so nothing is rounded here.
        match text.parse::<f64>() {
            Ok(value) if value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0 => Ok(value as Self),
            _ => Err(DecodeError::new(format!("expected an integer of 64 bits, found {text}"))),
        }
    }

    fn write(&self, writer: &mut Writer) {
        writer.display(self);
    }

    fn missing() -> Self {
        0
    }
}

impl Wire for f64 {
    /// Takes a number. An integer that would be rounded is refused, so that it stays whole in [`Extra`].
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let text = reader.number()?;
        let value = text.parse::<Self>().unwrap_or(Self::INFINITY);
        let integer = text.len() > 15 && !text.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
        if !value.is_finite() || integer && format!("{value:.0}") != text {
            return Err(DecodeError::new(format!("expected a number of double precision, found {text}")));
        }
        Ok(value)
    }

    fn write(&self, writer: &mut Writer) {
        if !self.is_finite() {
            writer.fail(format!("{self} is no JSON number; use a finite one"));
        } else if *self != 0.0 && !(1e-6..1e17).contains(&self.abs()) {
            writer.display(format_args!("{self:e}"));
        } else {
            writer.display(self);
        }
    }

    fn missing() -> Self {
        0.0
    }
}

impl<T: Wire> Wire for Option<T> {
    #[inline]
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if reader.null() { Ok(None) } else { T::read(reader).map(Some) }
    }

    #[inline]
    fn write(&self, writer: &mut Writer) {
        match self {
            Some(value) => value.write(writer),
            None => writer.raw("null"),
        }
    }

    fn missing() -> Self {
        None
    }

    fn is_missing(&self) -> bool {
        self.is_none()
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }

    fn extra(&self) -> Option<&Extra> {
        self.as_ref().and_then(T::extra)
    }
}

impl<T: Wire> Wire for Box<T> {
    #[inline]
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        T::read(reader).map(Self::new)
    }

    fn write(&self, writer: &mut Writer) {
        (**self).write(writer);
    }

    fn missing() -> Self {
        Self::new(T::missing())
    }

    fn keep_object(json: Json, error: DecodeError) -> Result<Self, DecodeError> {
        T::keep_object(json, error).map(Self::new)
    }

    fn is_missing(&self) -> bool {
        (**self).is_missing()
    }

    fn extra(&self) -> Option<&Extra> {
        (**self).extra()
    }
}

/// Reads one of several values; an object that does not fit is kept whole, so that it takes no others with it.
#[inline]
fn read_or_keep<T: Wire>(reader: &mut Reader<'_>) -> Result<T, DecodeError> {
    let mark = reader.mark();
    T::read(reader).or_else(|error| {
        reader.reset(mark);
        match reader.shape() {
            Some(Shape::Object) => T::keep_object(reader.json()?, error),
            _ => Err(error),
        }
    })
}

impl<T: Wire> Wire for Vec<T> {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut list = Self::new();
        reader.array(|reader| {
            let element = read_or_keep(reader).map_err(|error| error.inside_element(list.len()))?;
            if list.is_empty() && size_of::<T>() > 64 {
                // Lists of one large element are frequent, and `push` alone would make room for four.
                list.reserve_exact(1);
            }
            list.push(element);
            Ok(())
        })?;
        Ok(list)
    }

    fn write(&self, writer: &mut Writer) {
        writer.byte(b'[');
        for (index, element) in self.iter().enumerate() {
            if index > 0 {
                writer.byte(b',');
            }
            let before = writer.before();
            element.write(writer);
            writer.after(before, Step::Element(index));
        }
        writer.byte(b']');
    }

    fn missing() -> Self {
        Self::new()
    }

    fn is_missing(&self) -> bool {
        self.is_empty()
    }
}

impl<T: Wire> Root for Vec<T> {}

impl<T: Wire> Wire for BTreeMap<String, T> {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut map = Self::new();
        reader.object(|key, reader| {
            let value = read_or_keep(reader).map_err(|error| error.inside(&key))?;
            map.insert(key.into_owned(), value);
            Ok(())
        })?;
        Ok(map)
    }

    fn write(&self, writer: &mut Writer) {
        writer.byte(b'{');
        for (index, (key, value)) in self.iter().enumerate() {
            if index > 0 {
                writer.byte(b',');
            }
            writer.string(key);
            writer.byte(b':');
            let before = writer.before();
            value.write(writer);
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

impl Wire for Json {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.json()
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
}

impl Root for Json {
    fn reports_error(&self) -> bool {
        self.get("error").is_some_and(|error| !error.is_null())
    }
}

/// A change of one member of something that exists: leave it, empty it, or give it a value.
///
/// Bodies of `PATCH` requests tell a member that is absent from one that is null; `Option` cannot.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Patch<T> {
    /// The member stays as it is. It is not sent.
    #[default]
    Keep,
    /// The member is emptied. It is sent as `null`.
    Clear,
    /// The member gets this value.
    Set(T),
}

impl<T> From<T> for Patch<T> {
    fn from(value: T) -> Self {
        Self::Set(value)
    }
}

impl<T: Wire> Wire for Patch<T> {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if reader.null() { Ok(Self::Clear) } else { T::read(reader).map(Self::Set) }
    }

    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Set(value) => value.write(writer),
            Self::Clear | Self::Keep => writer.raw("null"),
        }
    }

    fn missing() -> Self {
        Self::Keep
    }

    fn is_absent(&self) -> bool {
        matches!(self, Self::Keep)
    }
}

/// A value that must not be seen by chance: a key, a password, settings that hold one. `Debug` prints `[redacted]`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret<T = String>(T);

impl<T> Secret<T> {
    /// The value itself, for the place that needs it.
    pub fn expose(&self) -> &T {
        &self.0
    }

    /// The value itself.
    pub fn into_exposed(self) -> T {
        self.0
    }
}

impl<T: Into<String>> From<T> for Secret {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl<T: Into<JsonObject>> From<T> for Secret<JsonObject> {
    fn from(members: T) -> Self {
        Self(members.into())
    }
}

impl From<BTreeMap<String, String>> for Secret<BTreeMap<String, String>> {
    fn from(map: BTreeMap<String, String>) -> Self {
        Self(map)
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<T: Wire> Wire for Secret<T> {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        T::read(reader).map(Self)
    }

    fn write(&self, writer: &mut Writer) {
        self.0.write(writer);
    }

    fn missing() -> Self {
        Self(T::missing())
    }
}
