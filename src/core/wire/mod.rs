//! How models are converted to JSON and JSON to models, without loss.
//!
//! Every model type implements [`Wire`] through one of the macros of this module (`wire_struct!`,
//! `wire_enum!`, `wire_union!`) instead of a derive. The rules are the same for all types:
//!
//! - **Unknown fields** of an object are kept in its [`Extra`] and written back; null ones count as
//!   missing.
//! - **Unknown values** of an enum are kept as text, **unknown variants** of a union are kept
//!   whole, as [`Unrecognized`].
//! - **A field whose value does not match its type** is kept in [`Extra`], with the reason
//!   ([`Extra::mismatches`]); the typed field is empty. In a union, a variant with such a required
//!   field is kept whole, and [`Unrecognized::error`] distinguishes it from an unknown tag.
//! - **A field whose value nearly matches its type** is read as the nearest value that does, and
//!   the original is kept in [`Extra`] and written back: an integer with a fraction or in quotes,
//!   text with half of a surrogate pair, a list or map with elements of another type, such as null
//!   (but not a list of numbers, where positions matter), and arguments sent as JSON instead of a
//!   string of JSON.
//! - **A required field that is missing or null** is read as the empty value of its type and is not
//!   written back.
//! - **An object that is not of its type** cannot be read. This is an object that is not empty, but
//!   has *none* of the fields of its type with a value that matches; and, unless a required field
//!   is present, an error (`error`, `"type": "error"`) or an object whose constants have other
//!   values. The body of a response must have a constant or a required field. In a list or a map,
//!   such an object is kept whole in its place ([`Wire::keep_object`]) without affecting its
//!   neighbors; elsewhere it is a field whose value does not match.
//! - **A constant with another text** is an unknown value, like one that an enum does not know: it
//!   is kept in [`Extra`].
//! - **Of fields with the same name** the last one counts, as in most JSON parsers.
//! - **Numbers** keep their value: one that `i64` or `f64` cannot represent counts as a value that
//!   does not match.
//!
//! # How types are erased
//!
//! A program contains hundreds of models, so the code for a type must be small: what is the same
//! for all types is compiled once and knows no types. Reading alternates between the two:
//!
//! ```text
//! decode::<ChatResult>      for each type   makes an empty value and lends it: ReadInto(&mut value)
//!         │
//!         ▼
//! read_object               once            loops over the members, finds them in the Layout, keeps what does not fit;
//!         │                                 the object is a &mut dyn ReadFields to it
//!         ▼
//! ChatResult::read_field    for each type   a jump to the field with this index, made by wire_struct!
//!         │
//!         ▼
//! read_elements             once            loops over the elements of a list: a &mut dyn ReadElements
//! read_any                  once            chooses the branch of a union: a &mut dyn ReadBranches
//! ```
//!
//! Writing works the same way with `WriteFrom` and `dyn WriteFields`. `ReadInto` and `WriteFrom`
//! implement these traits, not the types themselves: they only borrow, so the vtables contain no
//! code to drop a value. As values are read into their place, nothing needs to be cleaned up on the
//! way either: a place has an empty value before, and again after an error.
//!
//! Reading uses a concrete reader over the text rather than serde's generic machinery: only a
//! reader that can step back to the start of a value can keep that value whole when its type turns
//! out to be wrong. It also keeps the code of a type small: each one is compiled once, and only if
//! the program uses it. All models also implement serde's traits, so they work wherever serde does.

#![cfg_attr(
    not(feature = "full"),
    allow(dead_code, unused_imports, unused_macros, reason = "not every namespace needs all of it")
)]

mod arguments;
mod error;
mod extra;
mod json;
mod layout;
mod macros;
mod open_enum;
mod reader;
mod scalars;
mod structure;
mod tagged;
mod writer;

use std::fmt;

pub use arguments::{IntoList, IntoNumber, IntoText, form};
pub use error::{DecodeError, EncodeError};
pub use extra::Extra;
pub use json::{Difference, Json, JsonIndex, JsonObject};
pub use reader::Reader;
pub use scalars::{Patch, Secret};
pub use tagged::Unrecognized;
pub use writer::Writer;

pub(crate) use arguments::{wire_numbers, wire_text, wire_texts};
pub(crate) use json::members;
pub(crate) use layout::{Kind, Layout, Member, placed};
pub(crate) use macros::{wire_name, wire_setters, wire_struct};
pub(crate) use open_enum::{read_text, wire_enum};
pub(crate) use structure::{
    Struct, from_value, is_present, is_struct_foreign, is_struct_missing, keep_struct, read_struct, write_struct,
};
pub(crate) use tagged::{Arm, Arms, Condition, Shape, Tagged, Union, read_union, wire_union};

/// A type that can be read from JSON and written as JSON.
///
/// This trait is sealed. It is implemented for the types of the API and their parts. For types of
/// your own, use serde's traits with [`Json::deserialize`] and [`Json::of`]; every model implements
/// them too.
pub trait Wire: Sealed + Sized + Clone + fmt::Debug + PartialEq + Send + Sync + 'static {
    /// Whether the type is a number. The position of a number in a list matters, so such lists have
    /// no gaps.
    const IS_NUMBER: bool = false;

    /// Reads one value into this place.
    ///
    /// # Errors
    /// [`DecodeError`] if the text is not JSON or the value is of another type. The place is then
    /// [`missing`](Self::missing), whatever it was before, and the reader is anywhere inside the
    /// value.
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError>;

    /// Writes the value; nothing if it is missing (`None`, [`Patch::Keep`]). A value that JSON
    /// cannot represent is recorded in the writer, see [`Writer::finish`].
    fn write(&self, writer: &mut Writer);

    /// Returns the value of a required field that was missing from the JSON.
    fn missing() -> Self;

    /// Returns `true` if the value is what [`missing`](Self::missing) makes.
    fn is_missing(&self) -> bool;

    /// Returns `true` if the value is null, empty text, or an empty list or object.
    fn is_blank(&self) -> bool {
        self.is_missing()
    }

    /// Returns the fields beyond the typed ones, for objects and for unions that contain one.
    fn extra(&self) -> Option<&Extra> {
        None
    }

    /// Returns whether this is an object that is not empty, but has no field that identifies its
    /// type.
    #[doc(hidden)]
    fn is_foreign(&self) -> bool {
        false
    }

    /// Returns whether all fields that identify the type of an object are present.
    #[doc(hidden)]
    fn is_identified(&self) -> bool {
        false
    }

    /// Returns the fields of an object by JSON name, each with how it may be missing or with its
    /// constant value. The tests compare them with the API document.
    #[doc(hidden)]
    fn members() -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Keeps an object whole in this empty place although it does not match, for types that can.
    ///
    /// # Errors
    /// The `error` that was passed, for types that cannot.
    fn keep_object(&mut self, json: Json, error: DecodeError) -> Result<(), DecodeError> {
        let _ = json;
        Err(error)
    }
}

/// Seals [`Wire`]. The crate's own tests have models too, so it is hidden rather than private.
#[doc(hidden)]
pub trait Sealed {}

/// A value to be read, of a type that the code around it need not know.
trait ReadValue {
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError>;

    fn keep_object(&mut self, json: Json, error: DecodeError) -> Result<(), DecodeError>;

    fn is_foreign(&self) -> bool;
}

/// A place to read a value into; see [how types are erased](self#how-types-are-erased).
///
/// What exists for each type is a method of this, not of `Vec` or `Option`: the compiler groups
/// methods by the type they belong to, and methods in one group share the code that drops a value.
struct ReadInto<'a, T>(&'a mut T);

/// A value to be written.
struct WriteFrom<'a, T>(&'a T);

impl<T: Wire> ReadValue for ReadInto<'_, T> {
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        self.0.read(reader)
    }

    fn keep_object(&mut self, json: Json, error: DecodeError) -> Result<(), DecodeError> {
        self.0.keep_object(json, error)
    }

    fn is_foreign(&self) -> bool {
        self.0.is_foreign()
    }
}

/// Puts a value into a place. The code to drop the old value is here, once for each type.
fn assign<T>(place: &mut T, value: T) {
    *place = value;
}

/// The response of an operation that is one JSON value. Like [`Wire`], this trait is sealed.
pub trait Root: Wire {
    /// Returns `true` if the server reports an error in a body that has a success status.
    fn reports_error(&self) -> bool {
        self.extra().is_some_and(Extra::reports_error)
    }

    /// Assembles a response from the events of a stream, for operations that a server may stream
    /// unrequested. Takes the data of each event, including the end mark; returns `None` if the
    /// response is not complete.
    #[doc(hidden)]
    fn from_events(events: &[&str]) -> Option<Self> {
        let _ = events;
        None
    }
}

/// Reads `json` as a `T`. Whitespace around the value is allowed.
///
/// # Errors
/// [`DecodeError`] if the text is not JSON, has more than one value, or the value is not a `T`.
///
/// ```
/// # #[cfg(feature = "chat")]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use openrouter_kit::core::wire;
/// use openrouter_kit::models::ChatMessage;
///
/// let message: ChatMessage = wire::decode(r#"{"role": "user", "content": "Hello"}"#)?;
/// assert_eq!(wire::encode(&message)?, br#"{"role":"user","content":"Hello"}"#);
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "chat"))]
/// # fn main() {}
/// ```
pub fn decode<T: Wire>(json: &str) -> Result<T, DecodeError> {
    read_new(|place| read_whole(json, place))
}

/// Reads the body of a response. An object that has optional fields of the type, but none that
/// identifies it, is likely to be an error in an unknown format.
///
/// # Errors
/// See [`decode`].
pub(crate) fn decode_root<T: Root>(json: &str) -> Result<T, DecodeError> {
    read_new(|place| match read_whole(json, place) {
        Ok(()) if place.is_foreign() => Err(DecodeError::new("has none of the fields that identify it")),
        read => read,
    })
}

/// Returns a value that `read` fills in. It is read where it is returned, since values of a kilobyte
/// are common, and moving one costs as much as reading several fields.
fn read_new<T: Wire>(read: impl FnOnce(&mut dyn ReadValue) -> Result<(), DecodeError>) -> Result<T, DecodeError> {
    let mut result = Ok(T::missing());
    if let Ok(value) = &mut result
        && let Err(error) = read(&mut ReadInto(value))
    {
        result = Err(error);
    }
    result
}

fn read_whole(json: &str, place: &mut dyn ReadValue) -> Result<(), DecodeError> {
    let mut reader = Reader::new(json);
    place.read(&mut reader)?;
    reader.end()?;
    // No object surrounds the value that could keep the original.
    if reader.is_inexact() {
        drop(place.read(&mut Reader::new("")));
        return Err(DecodeError::new("does not match its type exactly"));
    }
    Ok(())
}

/// Reads `json` as a `T` like [`decode`], but accepts any JSON object: one that does not match is
/// kept whole in the value.
///
/// Streams are read this way, so that an object that is new to this version of the crate does not
/// end them.
///
/// # Errors
/// [`DecodeError`] if the text is not JSON, or not an object while `T` is one.
///
/// ```
/// # #[cfg(feature = "chat")]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use openrouter_kit::core::wire;
/// use openrouter_kit::models::ChatStreamChunk;
///
/// // An object of an unknown form is kept, so it does not end a stream.
/// let chunk: ChatStreamChunk = wire::decode_event(r#"{"heartbeat": 7}"#)?;
/// assert_eq!(wire::encode(&chunk)?, br#"{"heartbeat":7}"#);
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "chat"))]
/// # fn main() {}
/// ```
pub fn decode_event<T: Wire>(json: &str) -> Result<T, DecodeError> {
    read_new(|place| read_event(json, place))
}

/// Reads an event like [`decode_event`], into an existing value.
///
/// # Errors
/// See [`decode_event`]; the value is empty then.
pub(crate) fn decode_event_into<T: Wire>(json: &str, value: &mut T) -> Result<(), DecodeError> {
    read_event(json, &mut ReadInto(value))
}

fn read_event(json: &str, place: &mut dyn ReadValue) -> Result<(), DecodeError> {
    read_whole(json, place).or_else(|error| match Json::parse(json) {
        Ok(kept) if kept.is_object() => place.keep_object(kept, error),
        _ => Err(error),
    })
}

/// Reads a value only to look at it. The caller contains no code to drop it.
pub(crate) fn decode_to<T: Wire, R>(json: &str, look: fn(&T) -> R) -> Option<R> {
    decode(json).ok().map(|value| look(&value))
}

/// Finds a `T` that a server has wrapped in a field of another object.
pub(crate) fn decode_inside<T: Wire>(json: &str) -> Option<T> {
    let members = members(json).ok()?;
    let mut values = members.iter().filter_map(|(_, value)| decode::<T>(value).ok());
    values.find(T::is_identified)
}

/// Writes `value` as JSON.
///
/// # Errors
/// [`EncodeError`] if JSON cannot represent a value (a number that is not finite, a schema that is
/// not an object).
///
/// ```
/// # #[cfg(feature = "chat")]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use openrouter_kit::core::wire;
/// use openrouter_kit::models::ChatMessage;
///
/// assert_eq!(wire::encode(&ChatMessage::system("Be brief."))?, br#"{"role":"system","content":"Be brief."}"#);
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "chat"))]
/// # fn main() {}
/// ```
pub fn encode<T: Wire>(value: &T) -> Result<Vec<u8>, EncodeError> {
    let mut writer = Writer::new();
    scalars::write_or_null(value, &mut writer);
    writer.finish()
}

/// Returns the JSON of a value, in the form of an extra field. A number that is not finite becomes
/// null.
#[allow(dead_code, reason = "a build without models has no use for it")]
pub(crate) fn json<T: Wire>(value: &T) -> Json {
    let mut writer = Writer::new();
    scalars::write_or_null(value, &mut writer);
    Json::checked(&writer.finish_with_nulls())
}

/// Returns the object of a union that has only a tag.
#[allow(dead_code, reason = "a build without models has no use for it")]
pub(crate) fn of_tag<T: Wire + From<Unrecognized>>(tag: &str, value: String) -> T {
    let json = Json::from([(tag, value)]);
    decode(json.as_text()).unwrap_or_else(|_| Unrecognized::new(json).into())
}

/// Returns the parts of `value` that no type describes: unknown variants, values of another type
/// than their field, and unknown fields. Empty for a value that is typed throughout.
///
/// An unknown text of an enum is typed, and so is everything inside maps and [`Json`], which accept
/// any name and value.
///
/// ```
/// # #[cfg(feature = "chat")]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use openrouter_kit::core::wire;
/// use openrouter_kit::models::ChatResult;
///
/// let result: ChatResult = serde_json::from_str(
///     r#"{"id":"gen-1","object":"chat.completion","created":1,"model":"m","choices":[],"mood":"good"}"#,
/// )?;
/// let untyped = wire::untyped(&result);
/// assert_eq!((untyped.len(), untyped[0].path.as_str()), (1, "mood"));
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "chat"))]
/// # fn main() {}
/// ```
pub fn untyped<T: Wire>(value: &T) -> Vec<Untyped> {
    let mut writer = Writer::surveying();
    value.write(&mut writer);
    writer.into_untyped()
}

/// A part of a value that no type describes; see [`untyped`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Untyped {
    /// The path to the part, as in `choices[0].message.content`; empty for the whole value.
    pub path: String,
    /// Why it is untyped.
    pub kind: UntypedKind,
}

/// Why a part of a value is untyped; see [`untyped`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UntypedKind {
    /// A variant of a union that this version of the crate does not know.
    Variant,
    /// A value that does not match its type, with the reason.
    Mismatch(DecodeError),
    /// A field that the type of its object lacks. It is in `extra`, and its object is typed.
    #[non_exhaustive]
    Member {
        /// The name of the object's type, such as `ChatUsage`.
        type_name: &'static str,
        /// The JSON name of the field, the last part of the path.
        name: String,
    },
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
