//! Unions: values whose type depends on one member, or on the kind of the JSON value.
//!
//! The branch is chosen before anything is read: by the value of a tag (`type`, `role`), by the
//! presence of other members if several branches share it, or by the kind of the value. A value
//! that matches no branch, and one that does not match the type of its branch, is kept whole in the
//! variant `Unrecognized`.

use std::fmt;

use serde_json::Value;

use super::error::DecodeError;
use super::extra::Extra;
use super::json::{Hide, Json, Shown};
use super::reader::{Mark, Reader};
use super::{ReadInto, Sealed, UntypedKind, Wire, Writer, assign};

/// The kind of a JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Text.
    String,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list.
    Array,
    /// Named members.
    Object,
}

/// How a union finds the type of a value: the table that `wire_union!` creates. Branches are
/// identified by their index.
#[derive(Debug)]
pub(crate) struct Arms {
    /// The member that determines the type of an object, if one does.
    pub(crate) tag: Option<&'static str>,
    /// The objects, by the value of the tag. Of several for one value, the first whose conditions
    /// are met is taken.
    pub(crate) tagged: &'static [Tagged],
    /// The objects without a tag, or with one that is not in `tagged`; the first whose conditions
    /// are met is taken.
    pub(crate) objects: &'static [Arm],
    /// Everything that is not an object, by its kind and, for an array, by the kind of its first
    /// element.
    pub(crate) shapes: &'static [(Shape, Option<Shape>, u8)],
}

/// A branch of a union that is selected by a tag.
#[derive(Debug)]
pub(crate) struct Tagged {
    value: &'static str,
    /// Length and end of the value: one comparison distinguishes most values.
    fingerprint: u32,
    arm: Arm,
}

impl Tagged {
    /// The branch for this value of the tag.
    pub(crate) const fn new(value: &'static str, arm: Arm) -> Self {
        Self { value, fingerprint: fingerprint(value.as_bytes()), arm }
    }
}

/// The length and the last three bytes.
const fn fingerprint(value: &[u8]) -> u32 {
    match value {
        [.., third, second, last] => u32::from_le_bytes([value.len() as u8, *third, *second, *last]),
        _ => value.len() as u32,
    }
}

/// One branch of a union.
#[derive(Debug)]
pub(crate) struct Arm {
    /// What else must be true for the object.
    pub(crate) conditions: &'static [Condition],
    /// The index of the branch.
    pub(crate) branch: u8,
}

/// Something that distinguishes two objects with the same tag.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Condition {
    /// This member is present and not null.
    Has(&'static str),
    /// This member is missing or null.
    Lacks(&'static str),
    /// This member is this text.
    Is(&'static str, &'static str),
}

impl Condition {
    fn holds(self, reader: &Reader<'_>) -> Result<bool, DecodeError> {
        Ok(match self {
            Self::Has(name) => reader.find(name)?.is_some_and(|text| text != "null"),
            Self::Lacks(name) => reader.find(name)?.is_none_or(|text| text == "null"),
            Self::Is(name, value) => reader.find_string(name)?.is_some_and(|text| text == value),
        })
    }
}

/// An enum with one variant for each type a value may have, and one for the rest.
pub(crate) trait Union: Wire {
    /// The table of its branches.
    const ARMS: &'static Arms;

    /// Returns the empty value of the branch with this index.
    fn branch(index: u8) -> Self;

    /// Reads the value of the branch that this is.
    ///
    /// # Errors
    /// See [`Wire::read`].
    fn read_branch(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError>;

    /// Returns the variant that keeps what matches no branch.
    fn unrecognized(kept: Unrecognized) -> Self;
}

/// Reads a union: a value that matches no branch is kept whole.
///
/// # Errors
/// [`DecodeError`] if the text is not JSON.
pub(crate) fn read_union<U: Union>(place: &mut U, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    read_any(reader, U::ARMS, &mut ReadInto(place))
}

impl<U: Union> ReadBranches for ReadInto<'_, U> {
    fn read(&mut self, branch: u8, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        assign(self.0, U::branch(branch));
        self.0.read_branch(reader)
    }

    fn extra(&self) -> Option<&Extra> {
        self.0.extra()
    }

    fn keep(&mut self, kept: Unrecognized) {
        assign(self.0, U::unrecognized(kept));
    }
}

/// A union, to be read into.
trait ReadBranches {
    /// Reads the value as this branch.
    fn read(&mut self, branch: u8, reader: &mut Reader<'_>) -> Result<(), DecodeError>;

    fn extra(&self) -> Option<&Extra>;

    fn keep(&mut self, kept: Unrecognized);
}

fn read_any(reader: &mut Reader<'_>, arms: &'static Arms, branches: &mut dyn ReadBranches) -> Result<(), DecodeError> {
    match read_branch(reader, arms, branches) {
        Ok(None) => Ok(()),
        Ok(Some(kept)) => {
            branches.keep(kept);
            Ok(())
        }
        Err(error) => {
            branches.keep(Unrecognized::missing());
            Err(error)
        }
    }
}

/// Reads the branch that matches; returns the value if none does.
fn read_branch(
    reader: &mut Reader<'_>,
    arms: &'static Arms,
    branches: &mut dyn ReadBranches,
) -> Result<Option<Unrecognized>, DecodeError> {
    let mark = reader.mark();
    let mut error = None;
    if let Some(choice) = choose(reader, arms)? {
        error = match branches.read(choice.branch, reader) {
            Ok(()) => branches.extra().and_then(Extra::required_mismatch).cloned(),
            Err(mismatch) => Some(mismatch),
        };
        let is_overruled = error.is_none() && reader.has_repetition_since(mark) && choice.is_overruled(reader, mark)?;
        if error.is_none() && !is_overruled {
            return Ok(None);
        }
        reader.reset(mark);
    }
    reader.allocate(size_of::<Kept>())?;
    Ok(Some(Unrecognized::kept(reader.json()?, error)))
}

/// A branch, and what selected it.
struct Choice {
    branch: u8,
    /// The member that selected it, with its value.
    tag: Option<(&'static str, &'static str)>,
    conditions: &'static [Condition],
}

impl Choice {
    /// Returns whether members appeared again with values that would not have led here, and count
    /// instead.
    #[cold]
    fn is_overruled(&self, reader: &Reader<'_>, mark: Mark) -> Result<bool, DecodeError> {
        let mut again = reader.clone();
        again.reset(mark);
        let json = again.json()?;
        let is_tagged = self.tag.is_none_or(|(name, value)| json.find(name).is_some_and(|last| last == value));
        let is_set = |name: &str| json.find(name).is_some_and(|last| !last.is_null());
        let are_met = self.conditions.iter().all(|condition| match condition {
            Condition::Has(name) => is_set(name),
            Condition::Lacks(name) => !is_set(name),
            Condition::Is(name, value) => json.find(name).is_some_and(|last| last == *value),
        });
        Ok(!is_tagged || !are_met)
    }
}

/// Returns the branch to read, if there is one.
fn choose(reader: &mut Reader<'_>, arms: &'static Arms) -> Result<Option<Choice>, DecodeError> {
    let Some(shape) = reader.shape() else { return Ok(None) };
    if shape != Shape::Object {
        let element = if shape == Shape::Array { first_element(reader) } else { None };
        let fits = |(kind, of, _): &&(Shape, Option<Shape>, u8)| {
            *kind == shape && (of.is_none() || element.is_none() || *of == element)
        };
        let shape = arms.shapes.iter().find(fits);
        return Ok(shape.map(|(_, _, branch)| Choice { branch: *branch, tag: None, conditions: &[] }));
    }
    if let Some(name) = arms.tag
        && let Some(tag) = reader.find_string(name)?
    {
        let wanted = fingerprint(tag.as_bytes());
        for tagged in arms.tagged {
            if tagged.fingerprint == wanted && tagged.value == tag && holds(reader, &tagged.arm)? {
                let (branch, conditions) = (tagged.arm.branch, tagged.arm.conditions);
                return Ok(Some(Choice { branch, tag: Some((name, tagged.value)), conditions }));
            }
        }
    }
    for arm in arms.objects {
        if holds(reader, arm)? {
            return Ok(Some(Choice { branch: arm.branch, tag: None, conditions: arm.conditions }));
        }
    }
    Ok(None)
}

fn holds(reader: &Reader<'_>, arm: &Arm) -> Result<bool, DecodeError> {
    for condition in arm.conditions {
        if !condition.holds(reader)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn first_element(reader: &Reader<'_>) -> Option<Shape> {
    let mut ahead = reader.clone();
    ahead.take(b'[');
    ahead.shape()
}

/// A value of a union that matches none of its types, kept whole.
///
/// Either the server sent a type that this version of the crate does not know, or the value has a
/// known tag but does not match the type; [`error`](Self::error) says which.
///
/// ```
/// # #[cfg(feature = "responses")]
/// # {
/// use openrouter_kit::models::ResponsesStreamEvent;
/// use openrouter_kit::serde_json;
///
/// let event = r#"{"type":"response.sparkle","color":"blue"}"#;
/// match serde_json::from_str(event).unwrap() {
///     ResponsesStreamEvent::Unrecognized(kept) => assert_eq!(kept.tag("type"), Some("response.sparkle")),
///     known => println!("{known:?}"),
/// }
/// # }
/// ```
///
/// `Debug` prints a value of an unknown type like [`Json`]. For a value that does not match its
/// type it prints only the field names, since a secret may be in an unexpected place;
/// [`json`](Self::json) has the value.
#[derive(Clone, PartialEq)]
pub struct Unrecognized(
    /// Boxed, since every union has this variant, and few use it. `None` for null.
    Option<Box<Kept>>,
);

#[derive(Clone, PartialEq)]
struct Kept {
    json: Json,
    error: Option<DecodeError>,
}

impl Unrecognized {
    /// Creates a value to send that the crate has no type for.
    ///
    /// ```
    /// use openrouter_kit::models::Unrecognized;
    /// use serde_json::json;
    ///
    /// let part = Unrecognized::new(json!({"type": "hologram", "url": "https://example.com"}));
    /// assert_eq!(part.tag("type"), Some("hologram"));
    /// assert!(part.error().is_none());
    /// ```
    pub fn new(json: impl Into<Json>) -> Self {
        Self::kept(json.into(), None)
    }

    /// Returns the value.
    pub fn json(&self) -> &Json {
        self.0.as_ref().map_or(Json::NULL, |kept| &kept.json)
    }

    /// Returns the text of field `name`, as in `tag("type")`.
    pub fn tag(&self, name: &str) -> Option<&str> {
        self.json().get(name)?.as_str()
    }

    /// Returns why the value does not match the type that its tag names; `None` if the tag is
    /// unknown.
    ///
    /// ```
    /// # #[cfg(feature = "chat")]
    /// # {
    /// use openrouter_kit::models::ChatContentPart;
    ///
    /// let part: ChatContentPart = serde_json::from_str(r#"{"type": "text", "text": 5}"#).unwrap();
    /// let ChatContentPart::Unrecognized(kept) = part else { panic!("the text is a number") };
    /// assert_eq!(kept.error().unwrap().to_string(), "`text`: expected a string, found a number");
    /// # }
    /// ```
    pub fn error(&self) -> Option<&DecodeError> {
        self.0.as_ref()?.error.as_ref()
    }

    pub(crate) fn mismatch(json: Json, error: DecodeError) -> Self {
        Self::kept(json, Some(error))
    }

    fn kept(json: Json, error: Option<DecodeError>) -> Self {
        Self((!json.is_null() || error.is_some()).then(|| Box::new(Kept { json, error })))
    }
}

impl fmt::Debug for Unrecognized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Unrecognized");
        match self.error() {
            None => shown.field("json", self.json()),
            Some(error) => {
                let value = Shown(self.json().as_text(), Hide::Values);
                shown.field("type", &self.tag("type")).field("json", &value).field("error", error)
            }
        };
        shown.finish()
    }
}

impl From<Json> for Unrecognized {
    fn from(json: Json) -> Self {
        Self::new(json)
    }
}

impl From<Value> for Unrecognized {
    fn from(json: Value) -> Self {
        Self::new(json)
    }
}

impl Sealed for Unrecognized {}

impl Wire for Unrecognized {
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        *self = Self::missing();
        *self = Self::new(reader.json()?);
        Ok(())
    }

    fn write(&self, writer: &mut Writer) {
        if writer.is_surveying() {
            writer.note("", self.error().cloned().map_or(UntypedKind::Variant, UntypedKind::Mismatch));
        }
        self.json().write(writer);
    }

    fn missing() -> Self {
        Self(None)
    }

    fn is_missing(&self) -> bool {
        self.json().is_null()
    }

    fn is_blank(&self) -> bool {
        self.json().is_blank()
    }
}

/// Implements [`Wire`] and serde's traits for an enum with a variant `Unrecognized(Unrecognized)`.
///
/// ```text
/// wire_union!(Type {
///     tag "type" {                      // sorted by value
///         "a" => A,
///         "b" if (Has("id")) => B,      // with conditions
///     }
///     objects { => C, }                 // no tag, or an unknown one; conditions as above
///     shapes {
///         String => D,                  // by kind
///         Array(Object) => E,           // by kind of the first element
///     }
///     variants { A = 0, B = 1, C = 2, D = 3, E = 4, }
/// });
/// ```
///
/// Each block but the last may be absent.
macro_rules! wire_union {
    ($type:ident {
        $(tag $tag:literal {
            $($value:literal $(if ($($condition:ident($($argument:literal),+)),+))? => $variant:ident,)*
        })?
        $(objects { $($(if ($($object_condition:ident($($object_argument:literal),+)),+))? => $object:ident,)* })?
        $(shapes { $($shape:ident $(($element:ident))? => $shaped:ident,)* })?
        variants { $($any:ident = $index:literal,)* }
    }) => {
        impl $crate::core::wire::Union for $type {
            const ARMS: &'static $crate::core::wire::Arms = {
                #[allow(dead_code, clippy::enum_variant_names)]
                enum Branch {
                    $($any = $index,)*
                }
                static ARMS: $crate::core::wire::Arms = $crate::core::wire::Arms {
                    tag: $crate::core::wire::wire_union!(@tag $($tag)?),
                    tagged: &[$($($crate::core::wire::Tagged::new($value, $crate::core::wire::Arm {
                        conditions: &[$($($crate::core::wire::Condition::$condition($($argument),+)),+)?],
                        branch: Branch::$variant as u8,
                    }),)*)?],
                    objects: &[$($($crate::core::wire::Arm {
                        conditions: &[
                            $($($crate::core::wire::Condition::$object_condition($($object_argument),+)),+)?
                        ],
                        branch: Branch::$object as u8,
                    },)*)?],
                    shapes: &[$($((
                        $crate::core::wire::Shape::$shape,
                        $crate::core::wire::wire_union!(@element $($element)?),
                        Branch::$shaped as u8,
                    ),)*)?],
                };
                &ARMS
            };

            #[inline]
            fn branch(index: u8) -> Self {
                match index {
                    $($index => Self::$any($crate::core::wire::Wire::missing()),)*
                    _ => $crate::core::wire::Wire::missing(),
                }
            }

            #[inline]
            fn read_branch(
                &mut self,
                reader: &mut $crate::core::wire::Reader<'_>,
            ) -> Result<(), $crate::core::wire::DecodeError> {
                match self {
                    $(Self::$any(value) => $crate::core::wire::Wire::read(value, reader),)*
                    Self::Unrecognized(kept) => $crate::core::wire::Wire::read(kept, reader),
                }
            }

            #[inline]
            fn unrecognized(kept: $crate::core::wire::Unrecognized) -> Self {
                Self::Unrecognized(kept)
            }
        }

        impl $crate::core::wire::Sealed for $type {}

        impl $crate::core::wire::Wire for $type {
            #[inline]
            fn read(
                &mut self,
                reader: &mut $crate::core::wire::Reader<'_>,
            ) -> Result<(), $crate::core::wire::DecodeError> {
                $crate::core::wire::read_union(self, reader)
            }

            #[inline]
            fn write(&self, writer: &mut $crate::core::wire::Writer) {
                match self {
                    $(Self::$any(value) => $crate::core::wire::Wire::write(value, writer),)*
                    Self::Unrecognized(kept) => $crate::core::wire::Wire::write(kept, writer),
                }
            }

            #[inline]
            fn missing() -> Self {
                Self::Unrecognized($crate::core::wire::Wire::missing())
            }

            #[inline]
            fn is_missing(&self) -> bool {
                matches!(self, Self::Unrecognized(kept) if $crate::core::wire::Wire::is_missing(kept))
            }

            #[inline]
            fn is_blank(&self) -> bool {
                match self {
                    $(Self::$any(value) => $crate::core::wire::Wire::is_blank(value),)*
                    Self::Unrecognized(kept) => $crate::core::wire::Wire::is_blank(kept),
                }
            }

            #[inline]
            fn extra(&self) -> Option<&$crate::core::wire::Extra> {
                match self {
                    $(Self::$any(value) => $crate::core::wire::Wire::extra(value),)*
                    Self::Unrecognized(_) => None,
                }
            }

            #[inline]
            fn keep_object(
                &mut self,
                json: $crate::core::wire::Json,
                error: $crate::core::wire::DecodeError,
            ) -> Result<(), $crate::core::wire::DecodeError> {
                *self = Self::Unrecognized($crate::core::wire::Unrecognized::mismatch(json, error));
                Ok(())
            }
        }

        impl From<$crate::core::wire::Unrecognized> for $type {
            fn from(kept: $crate::core::wire::Unrecognized) -> Self {
                Self::Unrecognized(kept)
            }
        }

        $crate::core::wire::wire_serde!($type);
    };
    (@tag) => { None };
    (@tag $tag:literal) => { Some($tag) };
    (@element) => { None };
    (@element $element:ident) => { Some($crate::core::wire::Shape::$element) };
}

pub(crate) use wire_union;
