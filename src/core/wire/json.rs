//! JSON values kept as text.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::{Deref, Index};
use std::str::FromStr;
use std::sync::OnceLock;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{Error as _, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::error::{DecodeError, EncodeError};
use super::reader::{Reader, with_whole_pairs};
use super::tagged::Shape;
use super::{IntoNumber, Sealed, Wire, Writer, wire_serde};
use crate::core::hidden;

/// Any JSON value, kept as text.
///
/// The text is kept exactly: numbers keep every digit, fields keep their order. Access the value
/// like a [`serde_json::Value`](Value): with [`get`](Self::get), an index, [`as_str`](Self::as_str)
/// and similar methods, and `==`. The first access parses the value, one level at a time; a value
/// that is never accessed costs only its text. Two values are equal if they mean the same: fields
/// in any order, numbers by value.
///
/// ```
/// use openrouter_kit::models::Json;
///
/// let json = Json::parse(r#"{"model": "a/b", "price": {"usd": 0.25, "tiers": [1, 2]}}"#)?;
/// assert_eq!(json["model"], "a/b");
/// assert_eq!(json["price"]["usd"].as_f64(), Some(0.25));
/// assert_eq!(json["price"]["tiers"][1], 2);
/// assert!(json["price"]["eur"].is_null());
/// # Ok::<(), openrouter_kit::core::wire::DecodeError>(())
/// ```
///
/// `Debug` prints `[redacted]` instead of what may be a secret: strings and numbers at any depth
/// below names that suggest one (`key`, `token`, `password`, `headers` and so on), and anything
/// that looks like a key inside other strings. `Display` and [`as_text`](Self::as_text) return the
/// whole text verbatim.
pub struct Json {
    /// `None` for `null`, so that a missing value takes no memory.
    text: Option<Box<str>>,
    parsed: OnceLock<Box<Parsed>>,
}

/// One level of a value, parsed.
enum Parsed {
    /// A string with escapes, decoded.
    Text(Box<str>),
    Array(Vec<Json>),
    Object(Vec<(Box<str>, Json)>),
    /// A value without parts.
    Scalar,
}

impl Json {
    /// The value of what is missing.
    pub(crate) const NULL: &'static Self = {
        static NULL: Json = Json::null();
        &NULL
    };

    /// Parses JSON text. To create a JSON *string*, use `Json::from`.
    ///
    /// # Errors
    /// [`DecodeError`] if `text` is not exactly one JSON value, or nested deeper than 127.
    ///
    /// ```
    /// use openrouter_kit::models::Json;
    ///
    /// let json = Json::parse(r#"{"price": 0.10}"#).unwrap();
    /// assert_eq!(json.as_text(), r#"{"price": 0.10}"#);
    /// let error = Json::parse("{").unwrap_err();
    /// assert_eq!(error.message(), "expected the name of a field, found the end of the text");
    /// ```
    pub fn parse(text: impl Into<String>) -> Result<Self, DecodeError> {
        let text = text.into();
        let mut reader = Reader::new(&text);
        let value = reader.raw()?.len();
        reader.end()?;
        Ok(if value == text.len() { Self::of_text(text.into()) } else { Self::of_text(text.trim().into()) })
    }

    /// Converts anything that implements serde's `Serialize`.
    ///
    /// # Errors
    /// [`EncodeError`] if it cannot be written as JSON.
    ///
    /// ```
    /// use openrouter_kit::models::Json;
    ///
    /// assert_eq!(Json::of(&[1, 2]).unwrap().as_text(), "[1,2]");
    /// ```
    pub fn of(value: &(impl Serialize + ?Sized)) -> Result<Self, EncodeError> {
        let text = serde_json::to_string(value).map_err(|error| EncodeError::new(error.to_string()))?;
        Ok(Self::of_text(text.into()))
    }

    const fn of_text(text: Box<str>) -> Self {
        Self { text: Some(text), parsed: OnceLock::new() }
    }

    /// Keeps text that a [`Reader`] has checked.
    pub(crate) fn checked(text: &str) -> Self {
        if text == "null" { Self::null() } else { Self::of_text(text.into()) }
    }

    pub(crate) const fn null() -> Self {
        Self { text: None, parsed: OnceLock::new() }
    }

    /// Returns the JSON text.
    pub fn as_text(&self) -> &str {
        self.text.as_deref().unwrap_or("null")
    }

    /// Converts to serde_json's tree. Integers beyond 64 bits become `f64` there.
    ///
    /// What such a tree cannot represent is replaced: half of a surrogate pair by U+FFFD, a number
    /// beyond the range of `f64` by null. [`as_text`](Self::as_text) keeps both.
    ///
    /// ```
    /// use openrouter_kit::models::Json;
    /// use serde_json::json;
    ///
    /// assert_eq!(Json::parse("[1, null]").unwrap().to_value(), json!([1, null]));
    /// ```
    pub fn to_value(&self) -> Value {
        self.deserialize().unwrap_or_else(|_| tree(self.as_text()))
    }

    /// Deserializes the value into a type of your own.
    ///
    /// # Errors
    /// The error of serde_json if the value does not match.
    ///
    /// ```
    /// use openrouter_kit::models::Json;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Point {
    ///     x: i32,
    /// }
    ///
    /// let point: Point = Json::parse(r#"{"x": 1, "y": 2}"#).unwrap().deserialize().unwrap();
    /// assert_eq!(point.x, 1);
    /// ```
    pub fn deserialize<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.as_text())
    }

    /// Returns the text of a JSON string, without quotes and escapes; `None` for everything else.
    /// Half of a surrogate pair is replaced by U+FFFD.
    pub fn as_str(&self) -> Option<&str> {
        let inner = self.as_text().strip_prefix('"')?;
        match inner.contains('\\') {
            false => inner.strip_suffix('"'),
            true => match self.parsed() {
                Parsed::Text(text) => Some(text),
                _ => None,
            },
        }
    }

    /// Returns the text without whitespace between its parts.
    pub(crate) fn to_compact(&self) -> String {
        let (mut in_string, mut is_escaped) = (false, false);
        let is_part = |letter: &char| {
            in_string ^= *letter == '"' && !is_escaped;
            is_escaped = in_string && *letter == '\\' && !is_escaped;
            in_string || !letter.is_ascii_whitespace()
        };
        self.as_text().chars().filter(is_part).collect()
    }

    /// Returns the value of a boolean.
    pub fn as_bool(&self) -> Option<bool> {
        self.as_text().parse().ok()
    }

    /// Returns the value of an integer that fits `i64`.
    pub fn as_i64(&self) -> Option<i64> {
        self.as_text().parse().ok()
    }

    /// Returns the value of an integer that fits `u64`.
    pub fn as_u64(&self) -> Option<u64> {
        self.as_text().parse().ok()
    }

    /// Returns the value of a number, rounded to the nearest `f64`; [`as_text`](Self::as_text) has
    /// all of its digits.
    pub fn as_f64(&self) -> Option<f64> {
        // Only a number beyond the range of `f64` is read as infinite here.
        self.as_text().parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// Returns the elements of an array.
    pub fn as_array(&self) -> Option<&[Self]> {
        match self.parsed() {
            Parsed::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// Returns the fields of an object, in the order of the text.
    ///
    /// ```
    /// use openrouter_kit::models::Json;
    ///
    /// let json = Json::parse(r#"{"b": 1, "a": 2}"#).unwrap();
    /// let names: Vec<&str> = json.as_object().unwrap().map(|(name, _)| name).collect();
    /// assert_eq!(names, ["b", "a"]);
    /// ```
    pub fn as_object(&self) -> Option<impl ExactSizeIterator<Item = (&str, &Self)>> {
        match self.parsed() {
            Parsed::Object(members) => Some(members.iter().map(|(name, value)| (&**name, value))),
            _ => None,
        }
    }

    /// Returns a field of an object by name, or an element of an array by index. Of several fields
    /// with the same name the last one counts, as in most JSON parsers.
    ///
    /// ```
    /// use openrouter_kit::models::Json;
    ///
    /// let json = Json::parse(r#"{"list": [1, 2]}"#).unwrap();
    /// assert_eq!(json.get("list").and_then(|list| list.get(1)), Some(&Json::from(2)));
    /// assert_eq!(json.get("other"), None);
    /// ```
    pub fn get(&self, index: impl JsonIndex) -> Option<&Self> {
        index.get(self)
    }

    /// Returns a copy of the field `name` without parsing the others.
    pub(crate) fn find(&self, name: &str) -> Option<Self> {
        let mut found = None;
        let read = Reader::new(self.as_text()).object(&mut |key, reader| {
            let value = reader.raw()?;
            if key == name {
                found = Some(value);
            }
            Ok(())
        });
        read.ok().and(found).map(Self::checked)
    }

    fn parsed(&self) -> &Parsed {
        self.parsed.get_or_init(|| Box::new(Parsed::new(self.as_text())))
    }

    /// Returns `true` for `null`.
    pub fn is_null(&self) -> bool {
        self.as_text() == "null"
    }

    /// Returns `true` for an object.
    pub fn is_object(&self) -> bool {
        self.as_text().starts_with('{')
    }

    /// Returns `true` for an array.
    pub fn is_array(&self) -> bool {
        self.as_text().starts_with('[')
    }

    /// Returns `true` for a number.
    pub fn is_number(&self) -> bool {
        self.as_text().starts_with(|first: char| first == '-' || first.is_ascii_digit())
    }

    /// Returns `true` for a string.
    pub fn is_string(&self) -> bool {
        self.as_text().starts_with('"')
    }

    /// Returns where this value first differs from `other`. Null and missing fields are equal, and
    /// numbers are compared by value.
    ///
    /// ```
    /// use openrouter_kit::models::Json;
    ///
    /// let one = Json::parse(r#"{"a": [{"b": 1.0}], "c": null}"#).unwrap();
    /// let two = Json::parse(r#"{"a": [{"b": 2}]}"#).unwrap();
    /// assert_eq!(one.difference(&two).unwrap().to_string(), ".a[0].b");
    /// ```
    pub fn difference(&self, other: &Self) -> Option<Difference> {
        differ(self.as_text(), other.as_text(), true).map(Difference)
    }

    pub(super) fn kind(&self) -> &'static str {
        match Reader::new(self.as_text()).shape() {
            Some(Shape::String) => "a string",
            Some(Shape::Number) => "a number",
            Some(Shape::Boolean) => "a boolean",
            Some(Shape::Array) => "an array",
            Some(Shape::Object) => "an object",
            None => "null",
        }
    }
}

impl Parsed {
    fn new(text: &str) -> Self {
        match Reader::new(text).shape() {
            Some(Shape::Object) => {
                let members = members(text).unwrap_or_default().into_iter();
                Self::Object(members.map(|(name, value)| (name.into(), Json::checked(value))).collect())
            }
            Some(Shape::Array) => {
                Self::Array(elements(text).unwrap_or_default().into_iter().map(Json::checked).collect())
            }
            Some(Shape::String) => match Reader::new(text).readable_string() {
                Ok(text) => Self::Text(text.into()),
                Err(_) => Self::Scalar,
            },
            _ => Self::Scalar,
        }
    }
}

/// The name of a field or the index of an element; see [`Json::get`].
pub trait JsonIndex: index::Sealed {
    #[doc(hidden)]
    fn get(self, json: &Json) -> Option<&Json>;
}

mod index {
    pub trait Sealed {}

    impl Sealed for usize {}
    impl Sealed for &str {}
    impl Sealed for &String {}
}

impl JsonIndex for usize {
    fn get(self, json: &Json) -> Option<&Json> {
        json.as_array()?.get(self)
    }
}

impl JsonIndex for &str {
    fn get(self, json: &Json) -> Option<&Json> {
        match json.parsed() {
            Parsed::Object(members) => members.iter().rfind(|(name, _)| **name == *self).map(|(_, value)| value),
            _ => None,
        }
    }
}

impl JsonIndex for &String {
    fn get(self, json: &Json) -> Option<&Json> {
        json.get(self.as_str())
    }
}

impl<I: JsonIndex> Index<I> for Json {
    type Output = Self;

    /// Returns the field or element, or `null` if there is none.
    fn index(&self, index: I) -> &Self {
        self.get(index).unwrap_or(Self::NULL)
    }
}

impl Clone for Json {
    fn clone(&self) -> Self {
        Self { text: self.text.clone(), parsed: OnceLock::new() }
    }
}

impl FromStr for Json {
    type Err = DecodeError;

    /// Parses a JSON text, as [`parse`](Self::parse) does.
    fn from_str(text: &str) -> Result<Self, DecodeError> {
        Self::parse(text)
    }
}

/// The place where two JSON values differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference(String);

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "the whole value" } else { &self.0 })
    }
}

/// Returns the path of the first difference.
fn differ(left: &str, right: &str, null_is_absent: bool) -> Option<String> {
    if left == right {
        return None;
    }
    let (mut one, mut two) = (Reader::new(left), Reader::new(right));
    let here = || Some(String::new());
    match (one.shape(), two.shape()) {
        (Some(Shape::Object), Some(Shape::Object)) => {
            let (Ok(one), Ok(two)) = (members(left), members(right)) else { return here() };
            let absent = |text: &str| null_is_absent && text == "null";
            let (known, others) = (last_places(&one), last_places(&two));
            for (at, (name, value)) in one.iter().enumerate() {
                if known.get(&**name) != Some(&at) {
                    continue;
                }
                match others.get(&**name).and_then(|other| two.get(*other)) {
                    Some((_, other)) => {
                        if let Some(rest) = differ(value, other, null_is_absent) {
                            return Some(format!(".{name}{rest}"));
                        }
                    }
                    None if !absent(value) => return Some(format!(".{name}")),
                    None => {}
                }
            }
            let added = two.iter().enumerate().find(|(at, (name, value))| {
                !known.contains_key(&**name) && others.get(&**name) == Some(at) && !absent(value)
            });
            added.map(|(_, (name, _))| format!(".{name}"))
        }
        (Some(Shape::Array), Some(Shape::Array)) => {
            let (Some(one), Some(two)) = (elements(left), elements(right)) else { return here() };
            if one.len() != two.len() {
                return here();
            }
            let mut pairs = one.iter().zip(&two).enumerate();
            pairs.find_map(|(i, (a, b))| differ(a, b, null_is_absent).map(|rest| format!("[{i}]{rest}")))
        }
        (Some(Shape::String), Some(Shape::String)) => match (one.string(), two.string()) {
            (Ok(one), Ok(two)) if one == two => None,
            _ => here(),
        },
        (Some(Shape::Number), Some(Shape::Number)) if is_same_number(left, right) => None,
        _ => here(),
    }
}

/// Converts a text that serde_json cannot represent exactly.
fn tree(text: &str) -> Value {
    match Reader::new(text).shape() {
        Some(Shape::Object) => {
            // One by one: collecting them means sorting them first, which takes much code.
            let mut object = Map::new();
            for (name, value) in members(text).unwrap_or_default() {
                object.insert(name, tree(value));
            }
            Value::Object(object)
        }
        Some(Shape::Array) => elements(text).unwrap_or_default().into_iter().map(tree).collect(),
        Some(Shape::String) => {
            let whole = with_whole_pairs(text.trim());
            Reader::new(&whole).string().map_or(Value::Null, |text| Value::String(text.into_owned()))
        }
        _ => serde_json::from_str(text).unwrap_or(Value::Null),
    }
}

/// Returns the fields of an object in order, with the text of their values; of fields with the same
/// name the last one counts, as in most JSON parsers.
pub(crate) fn members(text: &str) -> Result<Vec<(String, &str)>, DecodeError> {
    let mut list = Vec::new();
    let mut reader = Reader::new(text);
    reader.object(&mut |key, reader| {
        list.push((key.into_owned(), reader.raw()?));
        Ok(())
    })?;
    reader.end()?;
    Ok(list)
}

/// Returns the last position of each name.
fn last_places<'a>(members: &'a [(String, &str)]) -> HashMap<&'a str, usize> {
    members.iter().enumerate().map(|(at, (name, _))| (&**name, at)).collect()
}

fn elements(text: &str) -> Option<Vec<&str>> {
    let mut list = Vec::new();
    let mut reader = Reader::new(text);
    let read = reader.array(|_, reader| {
        list.push(reader.raw()?);
        Ok(())
    });
    read.ok().map(|()| list)
}

/// Returns whether two JSON numbers have the same value: integers exactly, others as `f64`, the
/// precision that RFC 8259, section 6, lets a reader expect.
pub(super) fn is_same_number(one: &str, two: &str) -> bool {
    let integer = |text: &str| !text.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
    if integer(one) && integer(two) {
        return one.strip_prefix("-0").map_or(one, |rest| if rest.is_empty() { "0" } else { one })
            == two.strip_prefix("-0").map_or(two, |rest| if rest.is_empty() { "0" } else { two });
    }
    match (one.parse::<f64>(), two.parse::<f64>()) {
        (Ok(one), Ok(two)) => one == two,
        _ => false,
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        differ(self.as_text(), other.as_text(), false).is_none()
    }
}

impl PartialEq<Value> for Json {
    fn eq(&self, other: &Value) -> bool {
        differ(self.as_text(), &other.to_string(), false).is_none()
    }
}

impl PartialEq<Json> for Value {
    fn eq(&self, other: &Json) -> bool {
        other == self
    }
}

impl PartialEq<str> for Json {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == Some(other)
    }
}

impl PartialEq<&str> for Json {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == Some(*other)
    }
}

impl PartialEq<String> for Json {
    fn eq(&self, other: &String) -> bool {
        self.as_str() == Some(other.as_str())
    }
}

impl PartialEq<bool> for Json {
    fn eq(&self, other: &bool) -> bool {
        self.as_bool() == Some(*other)
    }
}

macro_rules! equals_number {
    ($($type:ty),*) => {
        $(impl PartialEq<$type> for Json {
            fn eq(&self, other: &$type) -> bool {
                self.deserialize().is_ok_and(|number: $type| number == *other)
            }
        })*
    };
}
equals_number!(i32, u32, i64, u64, usize, f64);

impl Default for Json {
    fn default() -> Self {
        Self::null()
    }
}

impl fmt::Debug for Json {
    /// Prints the value without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown(self.as_text(), Hide::Keys).fmt(f)
    }
}

/// What `Debug` hides of a value. Names, `null` and booleans are always shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hide {
    /// Anything that looks like a key.
    Keys,
    /// All strings.
    Texts,
    /// All strings and numbers.
    Values,
}

impl Hide {
    /// Returns what is hidden of a field, by its name.
    pub(super) fn of(name: &str) -> Self {
        match hidden::names_secret(name) {
            false => Self::Keys,
            // Such names nearly always mean counts, not tokens themselves.
            true if name.to_lowercase().contains("tokens") => Self::Texts,
            true => Self::Values,
        }
    }
}

/// A JSON text as `Debug` prints it.
pub(super) struct Shown<'a>(pub(super) &'a str, pub(super) Hide);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(text, hide) = *self;
        let separator = |index| if index > 0 { "," } else { "" };
        match Reader::new(text).shape() {
            Some(Shape::Object) => {
                f.write_str("{")?;
                for (index, (name, value)) in members(text).unwrap_or_default().iter().enumerate() {
                    let value = Shown(value, hide.max(Hide::of(name)));
                    write!(f, "{}{}:{value:?}", separator(index), Json::from(&*hidden::text(name)).as_text())?;
                }
                f.write_str("}")
            }
            Some(Shape::Array) => {
                f.write_str("[")?;
                for (index, element) in elements(text).unwrap_or_default().iter().enumerate() {
                    write!(f, "{}{:?}", separator(index), Shown(element, hide))?;
                }
                f.write_str("]")
            }
            Some(Shape::String) if hide >= Hide::Texts => write!(f, "\"{}\"", hidden::REDACTED),
            Some(Shape::Number) if hide == Hide::Values => f.write_str(hidden::REDACTED),
            Some(Shape::String) => match Reader::new(text).string().as_deref().map(hidden::text) {
                Ok(Cow::Owned(shown)) => f.write_str(Json::from(shown).as_text()),
                _ => f.write_str(text),
            },
            _ => f.write_str(text),
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_text())
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        Self::of_text(value.to_string().into())
    }
}

impl From<&str> for Json {
    /// Creates a JSON string with this text. For text that is already JSON, see [`Json::parse`].
    fn from(text: &str) -> Self {
        let mut writer = Writer::new();
        writer.string(text);
        Self::of_text(writer.finish().ok().and_then(|out| String::from_utf8(out).ok()).unwrap_or_default().into())
    }
}

impl From<String> for Json {
    /// Creates a JSON string with this text. For text that is already JSON, see [`Json::parse`].
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::checked(if value { "true" } else { "false" })
    }
}

macro_rules! integers {
    ($($type:ty),*) => {
        $(impl From<$type> for Json {
            fn from(value: $type) -> Self {
                Self::of_text(value.to_string().into())
            }
        })*
    };
}
integers!(i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);

impl From<f64> for Json {
    /// Converts the number; `null` if it is not finite, as in serde_json.
    fn from(value: f64) -> Self {
        Self::from(Value::from(value))
    }
}

impl From<f32> for Json {
    /// Converts the number with the digits that an `f32` is printed with; `null` if it is not
    /// finite.
    fn from(value: f32) -> Self {
        Self::from(IntoNumber::<f64>::into_number(value))
    }
}

/// Creates an object with these fields. Of fields with the same name the last one counts.
impl<K: Into<String>, V: Into<Self>, const N: usize> From<[(K, V); N]> for Json {
    fn from(members: [(K, V); N]) -> Self {
        object(members.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl<V: Into<Self>> From<HashMap<String, V>> for Json {
    fn from(members: HashMap<String, V>) -> Self {
        object(members.into_iter().map(|(name, value)| (name, value.into())).collect())
    }
}

impl<V: Into<Self>> From<BTreeMap<String, V>> for Json {
    fn from(members: BTreeMap<String, V>) -> Self {
        object(members.into_iter().map(|(name, value)| (name, value.into())).collect())
    }
}

fn object(members: BTreeMap<String, Json>) -> Json {
    super::json(&members)
}

impl From<Map<String, Value>> for Json {
    fn from(members: Map<String, Value>) -> Self {
        Self::from(Value::Object(members))
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::from_str::<&RawValue>(self.as_text()).map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    /// Reads any value. JSON text is kept exactly; inside serde's `flatten` and `untagged`, which
    /// do not keep the text, the value is rebuilt.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(RAW_VALUE, JsonVisitor)
    }
}

/// The name by which serde_json passes the text of a value: as a map with this one key. A
/// deserializer that does not know it calls `visit_newtype_struct` or passes the value itself; the
/// tests of this module cover all three ways.
const RAW_VALUE: &str = "$serde_json::private::RawValue";

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if name == RAW_VALUE {
                return Json::parse(map.next_value::<String>()?).map_err(A::Error::custom);
            }
            members.insert(name, map.next_value()?);
        }
        Ok(Json::from(members))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        Value::deserialize(deserializer).map(Json::from)
    }
}

/// A JSON object with any content, such as a JSON schema.
///
/// It converts from any [`Value`], so `json!({...})` can be passed directly; a value that is not an
/// object is an error when the request is built, before anything is sent.
///
/// ```
/// use openrouter_kit::models::JsonObject;
/// use serde_json::json;
///
/// let schema = JsonObject::from(json!({"type": "object", "properties": {}}));
/// ```
#[derive(Clone, PartialEq)]
pub struct JsonObject(Json);

impl Deref for JsonObject {
    type Target = Json;

    fn deref(&self) -> &Json {
        &self.0
    }
}

impl Default for JsonObject {
    /// Creates an object without fields.
    fn default() -> Self {
        Self(Json::checked("{}"))
    }
}

impl fmt::Debug for JsonObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Json> for JsonObject {
    fn from(value: Json) -> Self {
        Self(value)
    }
}

impl From<Value> for JsonObject {
    fn from(value: Value) -> Self {
        Self(value.into())
    }
}

impl From<Map<String, Value>> for JsonObject {
    fn from(members: Map<String, Value>) -> Self {
        Self(members.into())
    }
}

impl Sealed for JsonObject {}

impl Wire for JsonObject {
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        *self = Self::default();
        match reader.shape() {
            Some(Shape::Object) => self.0 = reader.json()?,
            _ => return Err(reader.expected("an object")),
        }
        Ok(())
    }

    fn write(&self, writer: &mut Writer) {
        if self.0.is_object() {
            writer.raw(self.0.as_text());
        } else {
            writer.fail(format!("expected a JSON object, found {}", self.0.kind()));
        }
    }

    fn missing() -> Self {
        Self::default()
    }

    fn is_missing(&self) -> bool {
        self.0.as_text() == "{}"
    }

    fn is_blank(&self) -> bool {
        self.0.is_blank()
    }
}

wire_serde!(JsonObject);
