//! Objects with named members.

use std::borrow::Cow;

use super::error::DecodeError;
use super::extra::Extra;
use super::reader::Reader;
use super::writer::Step;
use super::{Json, Wire, Writer};

/// What is known about the members of an object: the table behind `wire_struct!`.
///
/// The constants take the first bits of a mask, the members the following ones; required members stand first, so that
/// the mask holds them all.
#[derive(Debug)]
pub struct Layout {
    constants: &'static [Constant],
    members: &'static [Member],
    /// Bits of the members that tell whether an object is of this type at all.
    telling: u64,
    /// Bits of the constants and of the members that are written even when empty.
    required: u64,
}

/// One member of an object.
#[derive(Debug)]
pub struct Member {
    name: Name,
    kind: Kind,
}

/// A member that always has the same value, given as JSON text.
#[derive(Debug)]
pub struct Constant {
    name: Name,
    value: &'static str,
}

/// The name of a member, ready to be looked for.
#[derive(Debug)]
struct Name {
    text: &'static str,
    /// The first eight bytes as a number: names are mostly told apart by one comparison.
    start: u64,
    /// Which bytes of `start` there are.
    mask: u64,
}

/// How a member may be absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Always there.
    Required,
    /// Always there, but perhaps null.
    Nullable,
    /// Perhaps not there.
    Optional,
    /// Absent and null mean different things.
    Patched,
}

impl Name {
    const fn new(text: &'static str) -> Self {
        let bytes = text.as_bytes();
        let (mut start, mut mask, mut index) = (0, 0, 0);
        while index < bytes.len() && index < 8 {
            #[expect(clippy::indexing_slicing, reason = "evaluated at compile time, within bounds")]
            let byte = bytes[index] as u64;
            start |= byte << (8 * index);
            mask |= 0xFF << (8 * index);
            index += 1;
        }
        Self { text, start, mask }
    }

    /// Whether this name and a quote stand at the start of `bytes`, whose first eight are `start`.
    #[inline]
    fn is_at(&self, bytes: &[u8], start: u64) -> bool {
        start & self.mask == self.start
            && bytes.get(self.text.len()) == Some(&b'"')
            && (self.text.len() <= 8 || bytes.starts_with(self.text.as_bytes()))
    }
}

impl Member {
    /// A member of this name.
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name: Name::new(name), kind }
    }
}

impl Constant {
    /// A member of this name and value.
    pub const fn new(name: &'static str, value: &'static str) -> Self {
        Self { name: Name::new(name), value }
    }
}

/// A member that an object may have, by its place in the layout.
#[derive(Clone, Copy)]
enum Known {
    Member(usize),
    Constant(usize),
}

impl Layout {
    /// The table of what has no named members.
    pub const NONE: &'static Self = &Self::new(&[], &[]);

    /// The table for these constants (name and JSON text) and members.
    pub const fn new(constants: &'static [Constant], members: &'static [Member]) -> Self {
        let mut telling = 0;
        let mut required = 0;
        let mut index = 0;
        while index < constants.len() {
            required |= bit(index);
            index += 1;
        }
        let of_constants = required;
        index = 0;
        while index < members.len() {
            #[expect(clippy::indexing_slicing, reason = "evaluated at compile time, within bounds")]
            let kind = members[index].kind;
            let own = bit(constants.len() + index);
            match kind {
                Kind::Required => {
                    telling |= own;
                    required |= own;
                }
                Kind::Nullable => required |= own,
                Kind::Optional | Kind::Patched => {}
            }
            index += 1;
        }
        // Where nothing is required, a constant need not be there either.
        if telling != 0 {
            telling |= of_constants;
        }
        Self { constants, members, telling, required }
    }

    /// What the reader stands before, without taking it. The search begins at `hint`: members often come in order.
    #[inline]
    fn ahead(&self, reader: &mut Reader<'_>, hint: usize) -> Option<(Known, &Name)> {
        let bytes = reader.behind_quote()?;
        let start = u64::from_le_bytes(*bytes.first_chunk()?);
        self.find(hint, |name| name.is_at(bytes, start))
    }

    #[inline]
    fn find(&self, hint: usize, is_it: impl Fn(&Name) -> bool) -> Option<(Known, &Name)> {
        let (before, from) = self.members.split_at_checked(hint).unwrap_or((self.members, &[]));
        for (index, member) in from.iter().enumerate() {
            if is_it(&member.name) {
                return Some((Known::Member(hint + index), &member.name));
            }
        }
        for (index, member) in before.iter().enumerate() {
            if is_it(&member.name) {
                return Some((Known::Member(index), &member.name));
            }
        }
        let index = self.constants.iter().position(|constant| is_it(&constant.name))?;
        self.constants.get(index).map(|constant| (Known::Constant(index), &constant.name))
    }
}

const fn bit(index: usize) -> u64 {
    if index < 64 { 1 << index } else { 0 }
}

/// Reads an object. `read` takes the value of the member with the given index into its field.
///
/// # Errors
/// [`DecodeError`] when the text is no object, or one that holds something, but none of the constants and required
/// members.
pub fn read_struct(
    reader: &mut Reader<'_>,
    layout: &Layout,
    read: &mut dyn FnMut(usize, &mut Reader<'_>) -> Result<(), DecodeError>,
) -> Result<Extra, DecodeError> {
    reader.open_object()?;
    let mut extra = Extra::new();
    let mut seen = 0;
    let mut met = 0;
    let mut hint = 0;
    let mut first = true;
    while reader.next_member(first)? {
        first = false;
        let (known, name) = match layout.ahead(reader, hint) {
            Some((known, name)) => {
                reader.take_key(name.text.len())?;
                (Some(known), Cow::Borrowed(name.text))
            }
            // Not known, or written with escapes, or at the very end of the text.
            None => {
                let name = reader.key()?;
                (layout.find(hint, |known| known.text == name).map(|(known, _)| known), name)
            }
        };
        match known {
            Some(Known::Member(index)) => {
                hint = index + 1;
                let own = bit(layout.constants.len() + index);
                reader.note_repetition(met & own != 0);
                met |= own;
                let kind = layout.members.get(index).map_or(Kind::Optional, |member| member.kind);
                if kind != Kind::Patched && reader.null() {
                    seen |= if kind == Kind::Nullable { own } else { 0 };
                    continue;
                }
                let mark = reader.mark();
                match read(index, reader) {
                    Ok(()) => seen |= own,
                    Err(error) => {
                        reader.reset(mark);
                        let required = matches!(kind, Kind::Required | Kind::Nullable);
                        extra.push_misfit(&name, reader.json()?, error.inside(&name), required);
                    }
                }
            }
            Some(Known::Constant(index)) => {
                reader.note_repetition(met & bit(index) != 0);
                met |= bit(index);
                let expected = layout.constants.get(index).map_or("", |constant| constant.value);
                if reader.string_is(expected) {
                    seen |= bit(index);
                    continue;
                }
                match reader.raw()? {
                    value if value == expected => seen |= bit(index),
                    "null" => {}
                    // Like a value that an enum does not know.
                    value if expected.starts_with('"') && value.starts_with('"') => {
                        extra.push_unknown(&name, Json::checked(value));
                    }
                    value => {
                        let error = DecodeError::new(format!("a constant of the API document, here {value}"));
                        extra.push_misfit(&name, Json::checked(value), error.inside(&name), false);
                    }
                }
            }
            // Null is as good as absent, unless it takes back what stood there before.
            None if reader.null() => reader.note_repetition(extra.get(&name).is_some()),
            None => extra.push_unknown(&name, reader.json()?),
        }
    }
    if layout.telling != 0 && seen & layout.telling == 0 && !(seen == 0 && extra.is_empty()) {
        return Err(match extra.required_misfit() {
            Some(error) => error.clone(),
            None => DecodeError::new(format!("none of the members that tell it is there: {}", telling_names(layout))),
        });
    }
    extra.set_absent(layout.required & !seen);
    Ok(extra)
}

/// Reads a value into its place.
///
/// # Errors
/// As [`Wire::read`]; the place keeps what it had.
#[inline]
pub fn read_into<T: Wire>(place: &mut T, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    *place = T::read(reader)?;
    Ok(())
}

#[cold]
fn telling_names(layout: &Layout) -> String {
    let required = layout.members.iter().filter(|member| member.kind == Kind::Required).map(|member| member.name.text);
    layout.constants.iter().map(|constant| constant.name.text).chain(required).collect::<Vec<_>>().join(", ")
}

/// All members of an object as [`Extra`], for an object that does not fit its type but must be kept. None of them is
/// typed, so that all count as misfits; as required ones those that the type knows.
#[allow(dead_code, reason = "a build without models has no use for it")]
pub(crate) fn kept(json: &Json, layout: &Layout, error: &DecodeError) -> Result<Extra, DecodeError> {
    let mut extra = Extra::all_absent();
    Reader::new(json.as_text()).object(|name, reader| {
        let known = layout.members.iter().any(|member| member.name.text == name);
        let value = reader.json()?;
        match value.is_null() {
            true => extra.push_unknown(&name, value),
            false => extra.push_misfit(&name, value, error.clone(), known),
        }
        Ok(())
    })?;
    Ok(extra)
}

/// Writes the members of an object.
#[derive(Debug)]
pub struct ObjectWriter<'a> {
    writer: &'a mut Writer,
    layout: &'static Layout,
    extra: &'a Extra,
    index: usize,
    empty: bool,
}

impl<'a> ObjectWriter<'a> {
    pub(crate) fn new(writer: &'a mut Writer, layout: &'static Layout, extra: &'a Extra) -> Self {
        writer.byte(b'{');
        let mut object = Self { writer, layout, extra, index: 0, empty: true };
        for (index, Constant { name, value }) in layout.constants.iter().enumerate() {
            if !extra.is_absent(bit(index)) && extra.get(name.text).is_none() {
                object.key(name.text);
                object.writer.raw(value);
            }
        }
        object
    }

    fn key(&mut self, name: &str) {
        if !self.empty {
            self.writer.byte(b',');
        }
        self.empty = false;
        self.writer.string(name);
        self.writer.byte(b':');
    }

    /// Writes the next member of the layout from its field.
    pub fn member<T: Wire>(&mut self, value: &T) {
        let Some(member) = self.layout.members.get(self.index) else { return };
        let own = bit(self.layout.constants.len() + self.index);
        self.index += 1;
        let left_out = match member.kind {
            Kind::Required | Kind::Nullable => self.extra.is_absent(own) && value.is_missing(),
            Kind::Optional | Kind::Patched => value.is_absent(),
        };
        if left_out {
            self.kept(member.name.text);
        } else {
            self.key(member.name.text);
            let before = self.writer.before();
            value.write(self.writer);
            self.writer.after(before, Step::Member(member.name.text));
        }
    }

    /// Where a field is empty, a value that did not fit it has its place.
    fn kept(&mut self, name: &str) {
        if let Some(kept) = self.extra.get(name) {
            self.key(name);
            self.writer.raw(kept.as_text());
        }
    }

    /// Writes the other members and closes the object.
    pub fn end(mut self) {
        let extra = self.extra;
        if self.writer.is_surveying() {
            for (name, error) in extra.misfits() {
                self.writer.note(name, Some(error));
            }
        }
        for (name, value) in extra.iter() {
            if !self.layout.members.iter().any(|member| member.name.text == name) {
                self.key(name);
                self.writer.raw(value.as_text());
            }
        }
        self.writer.byte(b'}');
    }
}

/// Implements [`Wire`] and serde's traits for a struct with an `extra` field.
///
/// `wire_struct!(Type ["type" = "\"text\""] { name: "wire name" Required, })`: in brackets members that always have this JSON
/// text and no field; then the fields in their order, each with its [`Kind`], required ones first.
#[allow(unused_macros, reason = "a build without models has no use for it")]
macro_rules! wire_struct {
    ($type:ident $([$($constant:literal = $value:literal),+])? { $($field:ident: $name:literal $kind:ident,)* }) => {
        impl $crate::core::wire::Wire for $type {
            const LAYOUT: &'static $crate::core::wire::Layout = &$crate::core::wire::Layout::new(
                &[$($($crate::core::wire::Constant::new($constant, $value)),+)?],
                &[$($crate::core::wire::Member::new($name, $crate::core::wire::Kind::$kind)),*],
            );

            // The compiler makes one jump of the countdown.
            #[inline]
            #[allow(unused_assignments, unused_mut, unused_variables)]
            fn read_member(
                &mut self,
                mut index: usize,
                reader: &mut $crate::core::wire::Reader<'_>,
            ) -> Result<(), $crate::core::wire::DecodeError> {
                $(
                    if index == 0 {
                        return $crate::core::wire::read_into(&mut self.$field, reader);
                    }
                    index -= 1;
                )*
                Ok(())
            }

            #[inline]
            fn write(&self, writer: &mut $crate::core::wire::Writer) {
                #[allow(unused_mut)]
                let mut object = writer.object(<Self as $crate::core::wire::Wire>::LAYOUT, &self.extra);
                $(object.member(&self.$field);)*
                object.end();
            }

            #[inline]
            fn missing() -> Self {
                Self {
                    $($field: $crate::core::wire::Wire::missing(),)*
                    extra: $crate::core::wire::Extra::all_absent(),
                }
            }

            #[inline]
            fn extra(&self) -> Option<&$crate::core::wire::Extra> {
                Some(&self.extra)
            }

            #[inline]
            fn extra_mut(&mut self) -> Option<&mut $crate::core::wire::Extra> {
                Some(&mut self.extra)
            }
        }

        $crate::core::wire::wire_serde!($type);
    };
}

/// Writes a setter for each optional field: `name: Type` takes the type itself, `name: into Type` what converts into
/// it, `name: list Type` anything that yields what converts into elements. `patch` before the kind is for [`Patch`].
///
/// [`Patch`]: super::Patch
#[allow(unused_macros, reason = "a build without models has no use for it")]
macro_rules! wire_setters {
    ($type:ident { $($field:ident: $kind:ident $value:ty,)* }) => {
        impl $type {
            $($crate::core::wire::wire_setters!(@ $field $kind $value);)*

            /// Adds a member that this version of the crate has no field for.
            #[must_use]
            #[inline]
            pub fn extra(mut self, name: impl Into<String>, value: impl Into<$crate::core::wire::Json>) -> Self {
                self.extra.insert(name, value);
                self
            }
        }
    };
    (@ $field:ident exact $value:ty) => {
        #[doc = concat!("Sets the field `", stringify!($field), "`.")]
        #[must_use]
        #[inline]
        pub fn $field(mut self, $field: $value) -> Self {
            self.$field = Some($field);
            self
        }
    };
    (@ $field:ident into $value:ty) => {
        #[doc = concat!("Sets the field `", stringify!($field), "`.")]
        #[must_use]
        #[inline]
        pub fn $field(mut self, $field: impl Into<$value>) -> Self {
            self.$field = Some($field.into());
            self
        }
    };
    (@ $field:ident list $value:ty) => {
        #[doc = concat!("Sets the field `", stringify!($field), "`.")]
        #[must_use]
        #[inline]
        pub fn $field(mut self, $field: impl IntoIterator<Item = impl Into<$value>>) -> Self {
            self.$field = Some($field.into_iter().map(Into::into).collect());
            self
        }
    };
    (@ $field:ident patch $value:ty) => {
        #[doc = concat!("Changes the field `", stringify!($field), "`; a plain value sets it, `Patch::Clear` empties it.")]
        #[must_use]
        #[inline]
        pub fn $field(mut self, $field: impl Into<$crate::core::wire::Patch<$value>>) -> Self {
            self.$field = $field.into();
            self
        }
    };
}

#[allow(unused_imports, reason = "a build without models has no use for it")]
pub(crate) use {wire_setters, wire_struct};
