//! How models become JSON and JSON becomes models, with nothing lost on the way.
//!
//! Every model type implements [`Wire`] through one of the macros of this module (`wire_struct!`, `wire_enum!`,
//! `wire_union!`) instead of a derive. The rules are the same for all types:
//!
//! - **Unknown members** of an object stay in its [`Extra`] and are written back; null ones count as absent.
//! - **Unknown values** of an enum stay as text, **unknown variants** of a union stay whole, as [`Unrecognized`].
//! - **A member whose value does not fit its type** stays in [`Extra`], with the reason
//!   ([`Extra::misfits`]); the typed field is empty. In a union, a variant with such a required member is kept whole,
//!   and [`Unrecognized::error`] tells it apart from an unknown tag.
//! - **A required member that is missing or null** reads as the empty value of its type and is not written back.
//! - An object that holds something, but *none* of the constants and required members of its type, is not that object:
//!   reading it fails. In a list or a map it is kept whole in its place ([`Wire::keep_object`]), without harm to its
//!   neighbours; elsewhere it is a member whose value does not fit.
//! - **A constant with another text** is an unknown value, like one that an enum does not know: it stays in [`Extra`].
//! - **Of members with the same name** the last counts, as in every JSON parser.
//! - **Numbers** keep their value: an integer that `i64` or `f64` cannot hold counts as a value that does not fit.
//!
//! Reading works on a concrete reader over the text rather than through serde's generic machinery, because only a
//! reader that can step back to the start of a value can keep that value whole after its type turned out wrong. It
//! also keeps the code of a type small: each one is compiled once, and only if the program uses it. All models
//! implement serde's traits on top, so they work wherever serde does.

mod error;
mod extra;
mod json;
mod open_enum;
mod reader;
mod scalars;
mod structure;
mod tagged;
mod writer;

use std::fmt;

pub use error::{DecodeError, EncodeError};
pub use extra::Extra;
pub use json::{Difference, Json, JsonObject};
pub use reader::Reader;
pub use scalars::{Patch, Secret};
use structure::kept;
pub use structure::{Constant, Kind, Layout, Member, ObjectWriter, read_into, read_struct};
pub use tagged::{Arm, Arms, Condition, Shape, Union, Unrecognized, read_union};
pub use writer::Writer;

#[allow(unused_imports, reason = "a build without models has no use for it")]
pub(crate) use open_enum::{read_text, wire_enum};
#[allow(unused_imports, reason = "a build without models has no use for it")]
pub(crate) use structure::{wire_setters, wire_struct};
#[allow(unused_imports, reason = "a build without models has no use for it")]
pub(crate) use tagged::wire_union;

/// A type that can be read from JSON and written as JSON.
///
/// The models implement it; a program uses it through [`decode`] and [`encode`], or through serde.
pub trait Wire: Sized + Clone + fmt::Debug + PartialEq + Send + Sync + 'static {
    /// The members of an object.
    const LAYOUT: &'static Layout = Layout::NONE;

    /// Reads one value: by default an object, member by member.
    ///
    /// # Errors
    /// [`DecodeError`] when the text is no JSON or the value is of another type. The reader then stands anywhere inside
    /// the value.
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut value = Self::missing();
        let extra = read_struct(reader, Self::LAYOUT, &mut |index, reader| value.read_member(index, reader))?;
        if let Some(place) = value.extra_mut() {
            *place = extra;
        }
        Ok(value)
    }

    /// Reads the value of the member with this index of the [`LAYOUT`](Self::LAYOUT) into its field.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn read_member(&mut self, index: usize, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        let _ = (index, reader);
        Ok(())
    }

    /// Writes the value. A value that JSON cannot hold is noted in the writer, see [`Writer::finish`].
    fn write(&self, writer: &mut Writer);

    /// What stands in a required field whose member did not arrive.
    fn missing() -> Self;

    /// True for a value as [`missing`](Self::missing) makes it.
    fn is_missing(&self) -> bool {
        // Rarely asked, so that it may take its time rather than code for the comparison of every type.
        let written = |value: &Self| {
            let mut writer = Writer::new();
            value.write(&mut writer);
            writer.finish().ok()
        };
        written(self) == written(&Self::missing())
    }

    /// True for a value that is not written at all: `None`, [`Patch::Keep`].
    fn is_absent(&self) -> bool {
        false
    }

    /// The members beyond the typed ones, for objects and for unions that hold one.
    fn extra(&self) -> Option<&Extra> {
        None
    }

    /// The same, to be changed, where this value itself is an object.
    fn extra_mut(&mut self) -> Option<&mut Extra> {
        None
    }

    /// A value that keeps an object whole although it does not fit, for types that have room for it.
    #[inline]
    fn keep_object(json: Json, error: DecodeError) -> Result<Self, DecodeError> {
        let mut value = Self::missing();
        match value.extra_mut() {
            Some(extra) => *extra = kept(&json, Self::LAYOUT, &error)?,
            None => return Err(error),
        }
        Ok(value)
    }
}

/// The answer of an operation that is one JSON value.
pub trait Root: Wire {
    /// True when the server reports an error in a body that came with a success status.
    fn reports_error(&self) -> bool {
        self.extra().is_some_and(Extra::reports_error)
    }
}

/// Reads `json` as a `T`. White space around the value is allowed.
///
/// # Errors
/// [`DecodeError`] when the text is no JSON, holds more than one value, or the value is no `T`.
pub fn decode<T: Wire>(json: &str) -> Result<T, DecodeError> {
    let mut reader = Reader::new(json);
    let read = T::read(&mut reader);
    if reader.found_repetition()
        && let Some(json) = json::without_repetitions(json)
    {
        let mut reader = Reader::new(&json);
        let value = T::read(&mut reader)?;
        return reader.end().map(|()| value);
    }
    let value = read?;
    reader.end()?;
    Ok(value)
}

/// Reads `json` as a `T` like [`decode`], but takes any JSON object: one that does not fit is kept whole in the value.
///
/// Streams are read this way, so that an object that is new to this version of the crate does not end them.
///
/// # Errors
/// [`DecodeError`] when the text is no JSON, or no object while `T` is one.
pub fn decode_event<T: Wire>(json: &str) -> Result<T, DecodeError> {
    decode(json).or_else(|error| match Json::new(json) {
        Ok(kept) if kept.is_object() => T::keep_object(kept, error),
        _ => Err(error),
    })
}

/// Keeps a whole answer that does not fit its type, if it has members of it. Any other object is another answer.
pub(crate) fn keep_answer<T: Wire>(json: &str, error: DecodeError) -> Result<T, DecodeError> {
    let kept = Json::new(json).ok().filter(Json::is_object).and_then(|json| T::keep_object(json, error.clone()).ok());
    kept.filter(|value| value.extra().and_then(Extra::required_misfit).is_some()).ok_or(error)
}

/// Writes `value` as JSON.
///
/// # Errors
/// [`EncodeError`] when a value cannot stand in JSON (a number that is not finite, a schema that is no object).
pub fn encode<T: Wire>(value: &T) -> Result<Vec<u8>, EncodeError> {
    let mut writer = Writer::new();
    value.write(&mut writer);
    writer.finish()
}

/// The parts of `value` that were kept as they came because they fit no type: variants that this version of the crate
/// does not know, and values of another type than the API document says. Empty for a value that is typed throughout.
///
/// Members and texts that are merely unknown do not count: they leave everything around them typed.
pub fn untyped<T: Wire>(value: &T) -> Vec<Untyped> {
    let mut writer = Writer::surveying();
    value.write(&mut writer);
    writer.into_untyped()
}

/// A part of a value that fits no type and was kept as it came; see [`untyped`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Untyped {
    /// Where it stands, as in `choices[0].message.content`; empty for the whole value.
    pub path: String,
    /// Why it fits no type; `None` for a variant that this version of the crate does not know.
    pub error: Option<DecodeError>,
}

/// Writes `value` for a serde serializer.
pub(crate) fn serialize<T: Wire, S: serde::Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    use serde::Serialize;
    use serde::ser::Error;
    let text = encode(value).map_err(Error::custom)?;
    let text = String::from_utf8(text).map_err(Error::custom)?;
    serde_json::from_str::<&serde_json::value::RawValue>(&text).map_err(Error::custom)?.serialize(serializer)
}

/// Reads a `T` from a serde deserializer.
pub(crate) fn deserialize<'de, T: Wire, D: serde::Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let json = <Json as serde::Deserialize>::deserialize(deserializer)?;
    decode(json.as_text()).map_err(serde::de::Error::custom)
}

/// Implements serde's traits for a type that is [`Wire`].
macro_rules! wire_serde {
    ($type:ty) => {
        impl ::serde::Serialize for $type {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $crate::core::wire::serialize(self, serializer)
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $type {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::core::wire::deserialize(deserializer)
            }
        }
    };
}
pub(crate) use wire_serde;

#[cfg(test)]
mod tests;
