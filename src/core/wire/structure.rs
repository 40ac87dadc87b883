//! Objects with named members.

use super::error::DecodeError;
use super::extra::Extra;
use super::json::is_nearest;
use super::reader::{ONES, Reader, zero_bytes};
use super::writer::Step;
use super::{In, Json, Out, Wire, Writer, decode_event};

/// What is known about the members of an object: the table behind `wire_struct!`.
///
/// It is made for little space: one text holds all names, and a member finds its own by place and length.
#[derive(Debug)]
pub struct Layout {
    /// The names of the members, one behind the other; behind the name of a constant its value as JSON text.
    texts: &'static str,
    /// Constants first, then the members that have a field, in the order of their indices.
    members: &'static [Member],
    /// A hash of one byte for each of the first 64 names, eight in a word, so that eight names are looked at in one step.
    hashes: [u64; 8],
    constants: usize,
    /// Bits of the members that tell whether an object is of this type at all.
    telling: u64,
    /// Bits of the members that are written even when empty.
    required: u64,
}

/// One member of an object.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// The first eight bytes of the name and the quote behind it as a number: names are mostly told apart by one
    /// comparison. See [`start_of_key`].
    start: u64,
    /// Where the name begins in the texts of the layout.
    at: u16,
    length: u8,
    /// The length of a constant's value.
    value: u8,
    kind: Kind,
    /// The first byte that an empty value writes, which tells the others; 0 where it writes nothing.
    empty: u8,
}

/// How a member may be absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Always there and always the same. It has no field.
    Constant,
    /// Always there.
    Required,
    /// Always there, but perhaps null.
    Nullable,
    /// Perhaps not there.
    Optional,
    /// Absent and null mean different things.
    Patched,
}

impl Member {
    /// The member of this name that has this field.
    ///
    /// # Panics
    /// At compile time, where a name cannot stand in JSON as it is or is longer than 255 bytes.
    pub const fn new<S, T: Wire>(name: &str, kind: Kind, _field: fn(&S) -> &T) -> Self {
        Self { kind, empty: first_byte(T::EMPTY), ..Self::named(name) }
    }

    /// A member of this name that always has this value, given as JSON text.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    pub const fn constant(name: &str, value: &str) -> Self {
        Self { value: byte(value.len()), ..Self::named(name) }
    }

    const fn named(name: &str) -> Self {
        let bytes = name.as_bytes();
        let (mut start, mut index) = (0, 0);
        while index < bytes.len() {
            #[expect(clippy::indexing_slicing, reason = "evaluated at compile time, within bounds")]
            let byte = bytes[index];
            assert!(byte >= 0x20 && byte != b'"' && byte != b'\\', "a name that JSON must escape");
            if index < 8 {
                start |= (byte as u64) << (8 * index);
            }
            index += 1;
        }
        if bytes.len() < 8 {
            start |= (b'"' as u64) << (8 * bytes.len());
        }
        let length = byte(bytes.len());
        Self { start, at: 0, length, value: 0, kind: Kind::Constant, empty: 0 }
    }

    /// Whether this name and a quote stand at the start of `bytes`, of which [`start_of_key`] made `start`.
    #[inline]
    fn is_at(&self, texts: &'static str, bytes: &[u8], start: u64) -> bool {
        self.start == start && (self.length < 8 || self.ends_at(texts, bytes))
    }

    /// The same for a name of eight bytes or more that begins as `bytes` do.
    #[inline]
    fn ends_at(&self, texts: &'static str, bytes: &[u8]) -> bool {
        let length = usize::from(self.length);
        let name = texts.as_bytes().get(self.at.into()..).and_then(|texts| texts.get(..length)).unwrap_or_default();
        let Some((key, [b'"', ..])) = bytes.split_at_checked(length) else { return false };
        // Two looks of eight bytes cover a name of sixteen, and cost less than a call of `memcmp`.
        key.last_chunk::<8>() == name.last_chunk::<8>() && (length <= 16 || key == name)
    }

    #[inline]
    fn name(&self, texts: &'static str) -> &'static str {
        let at = usize::from(self.at);
        texts.get(at..at + usize::from(self.length)).unwrap_or_default()
    }

    /// The value of a constant, as JSON text.
    #[inline]
    fn value(&self, texts: &'static str) -> &'static str {
        let at = usize::from(self.at) + usize::from(self.length);
        texts.get(at..at + usize::from(self.value)).unwrap_or_default()
    }
}

/// The first eight bytes of a key as a number, up to the quote behind its name. `None` at the very end of a text.
#[inline]
fn start_of_key(bytes: &[u8]) -> Option<u64> {
    let word = u64::from_le_bytes(*bytes.first_chunk()?);
    let quotes = zero_bytes(word ^ u64::from_le_bytes([b'"'; 8]));
    // What follows the first quote does not count. Without any this shifts by nothing.
    Some(word & u64::MAX.wrapping_shr(u64::BITS - 1 - quotes.trailing_zeros().min(u64::BITS - 1)))
}

/// The hash of a key by its beginning.
#[inline]
const fn hash_of(start: u64) -> u8 {
    (start.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8
}

const fn first_byte(text: &str) -> u8 {
    match text.as_bytes().first() {
        Some(byte) => *byte,
        None => 0,
    }
}

/// What an empty value writes, by its first byte.
fn empty_text(first: u8) -> &'static str {
    match first {
        b'{' => "{}",
        b'[' => "[]",
        b'"' => "\"\"",
        b'0' => "0",
        b'f' => "false",
        b'n' => "null",
        _ => "",
    }
}

const fn byte(length: usize) -> u8 {
    assert!(length < 256, "a name or constant of more than 255 bytes");
    length as u8
}

/// The name of a member, not yet looked up: that of an absent one never is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name {
    texts: &'static str,
    member: &'static Member,
}

impl Name {
    #[inline]
    pub(super) fn text(self) -> &'static str {
        self.member.name(self.texts)
    }
}

const fn bit(index: usize) -> u64 {
    if index < 64 { 1 << index } else { 0 }
}

/// The members with their places in the texts of their layout.
///
/// # Panics
/// At compile time, where the texts are longer than 65,535 bytes.
pub const fn placed<const N: usize>(mut members: [Member; N]) -> [Member; N] {
    let (mut at, mut index) = (0, 0);
    while index < N {
        #[expect(clippy::indexing_slicing, reason = "evaluated at compile time, within bounds")]
        let member = &mut members[index];
        assert!(at <= u16::MAX as usize, "an object with too many names");
        member.at = at as u16;
        at += member.length as usize + member.value as usize;
        index += 1;
    }
    members
}

impl Layout {
    /// The table for these members, which are [`placed`] in `texts`; constants first.
    pub const fn new(texts: &'static str, members: &'static [Member]) -> Self {
        let (mut constants, mut telling, mut required, mut index) = (0, 0, 0, 0);
        let mut hashes = [0; 8];
        while index < members.len() {
            #[expect(clippy::indexing_slicing, reason = "evaluated at compile time, within bounds")]
            let member = &members[index];
            #[expect(clippy::indexing_slicing, reason = "evaluated at compile time, within bounds")]
            if index < 64 {
                hashes[index / 8] |= (hash_of(member.start) as u64) << (8 * (index % 8));
            }
            match member.kind {
                Kind::Constant => {
                    constants += 1;
                    required |= bit(index);
                }
                Kind::Required => {
                    telling |= bit(index);
                    required |= bit(index);
                }
                Kind::Nullable => required |= bit(index),
                Kind::Optional | Kind::Patched => {}
            }
            index += 1;
        }
        // Where nothing is required, a constant need not be there either.
        if telling != 0 {
            telling |= required & (bit(constants).wrapping_sub(1));
        }
        Self { texts, members, hashes, constants, telling, required }
    }

    /// The member whose name and a quote stand at the start of `bytes`. `hint` is looked at first: members often come in
    /// order.
    #[inline]
    fn find(&self, bytes: &[u8], hint: usize) -> Option<(usize, &'static Member)> {
        let start = start_of_key(bytes)?;
        if let Some(member) = self.members.get(hint).filter(|member| member.is_at(self.texts, bytes, start)) {
            return Some((hint, member));
        }
        let wanted = u64::from(hash_of(start)) * ONES;
        for (word, hashes) in self.hashes.iter().enumerate().take(self.members.len().div_ceil(8)) {
            let mut hits = zero_bytes(hashes ^ wanted);
            while hits != 0 {
                let index = 8 * word + (hits.trailing_zeros() / 8) as usize;
                if let Some(member) = self.members.get(index).filter(|member| member.is_at(self.texts, bytes, start)) {
                    return Some((index, member));
                }
                hits &= hits - 1;
            }
        }
        None
    }

    fn named(&self, name: &str) -> Option<(usize, &'static Member)> {
        let index = self.members.iter().position(|member| member.name(self.texts) == name)?;
        self.members.get(index).map(|member| (index, member))
    }

    /// Whether every member that identifies an object of this type is present.
    #[allow(dead_code, reason = "a build without models has no use for it")]
    pub(crate) const fn is_told_by(&self, extra: &Extra) -> bool {
        self.telling != 0 && !extra.is_absent(self.telling)
    }

    fn has_field(&self, name: &str) -> bool {
        self.named(name).is_some_and(|(_, member)| member.kind != Kind::Constant)
    }
}

/// An object with a field for each member that is known, and one for the others.
pub trait Struct: Wire {
    /// The members.
    const LAYOUT: &'static Layout;

    /// Reads the value of the member with this index, among those of the [`LAYOUT`](Self::LAYOUT) that have a field.
    ///
    /// # Errors
    /// As [`Wire::read`].
    fn read_member(&mut self, index: usize, reader: &mut Reader<'_>) -> Result<(), DecodeError>;

    /// Writes the value of the member with this index.
    fn write_member(&self, index: usize, writer: &mut Writer);

    /// The members that have no field, to be changed.
    fn extra_mut(&mut self) -> &mut Extra;
}

/// Reads an object; after an error all fields are empty.
///
/// # Errors
/// [`DecodeError`] when the text is no object, or one that holds something, but none of the constants and required
/// members.
#[allow(dead_code, reason = "a build without models has no use for it")]
pub(crate) fn read_struct<T: Struct>(place: &mut T, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    read_object(reader, T::LAYOUT, &mut In(place))
}

/// Writes an object.
#[allow(dead_code, reason = "a build without models has no use for it")]
pub(crate) fn write_struct<T: Struct>(value: &T, writer: &mut Writer) {
    if let Some(extra) = value.extra() {
        write_object(writer, T::LAYOUT, extra, &Out(value));
    }
}

/// Whether a constant or required member of an object is present, with a value that fits its field.
#[allow(dead_code, reason = "a build without models has no use for it")]
pub(crate) fn came<T: Struct>(value: &T, name: &str) -> bool {
    let own = T::LAYOUT.named(name).map_or(0, |(index, _)| bit(index));
    value.extra().is_some_and(|extra| !extra.is_absent(own))
}

/// Reads an object that a program gives as JSON. Members that do not fit stay as they are; a value that is not an object is
/// refused when the request is written.
#[allow(dead_code, reason = "a build without models has no use for it")]
pub(crate) fn from_value<T: Struct>(value: serde_json::Value) -> T {
    let json = Json::from(value);
    decode_event(json.as_text()).unwrap_or_else(|_| {
        let mut object = T::missing();
        *object.extra_mut() = Extra::not_an_object(json);
        object
    })
}

/// Keeps all members of an object that does not fit its type as extra ones.
#[allow(dead_code, reason = "a build without models has no use for it")]
pub(crate) fn keep_struct<T: Struct>(place: &mut T, json: &Json, error: &DecodeError) -> Result<(), DecodeError> {
    keep_in(place.extra_mut(), T::LAYOUT, json, error)
}

/// The fields of an object, to be read into.
trait Fields {
    fn read(&mut self, index: usize, reader: &mut Reader<'_>) -> Result<(), DecodeError>;

    fn extra(&mut self) -> &mut Extra;
}

impl<T: Struct> Fields for In<'_, T> {
    fn read(&mut self, index: usize, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        self.0.read_member(index, reader)
    }

    fn extra(&mut self) -> &mut Extra {
        self.0.extra_mut()
    }
}

fn read_object(reader: &mut Reader<'_>, layout: &'static Layout, fields: &mut dyn Fields) -> Result<(), DecodeError> {
    match read_members(reader, layout, fields) {
        Ok(extra) => {
            *fields.extra() = extra;
            Ok(())
        }
        Err(error) => {
            empty(layout, fields);
            Err(error)
        }
    }
}

/// Empties all fields: what reads nothing is empty.
#[cold]
fn empty(layout: &Layout, fields: &mut dyn Fields) {
    for index in 0..layout.members.len() - layout.constants {
        drop(fields.read(index, &mut Reader::new("")));
    }
    *fields.extra() = Extra::all_absent();
}

fn read_members(
    reader: &mut Reader<'_>,
    layout: &'static Layout,
    fields: &mut dyn Fields,
) -> Result<Extra, DecodeError> {
    reader.open_object()?;
    let mut object = Reading { layout, fields, extra: Extra::new(), seen: 0, met: 0, hint: layout.constants };
    let mut first = true;
    while let Some(key) = reader.next_quote(first)? {
        first = false;
        match layout.find(key, object.hint) {
            Some((index, member)) => {
                reader.take_key(member.length.into())?;
                object.read(index, member, reader)?;
            }
            None => object.read_unusual(reader)?,
        }
    }
    let Reading { mut extra, seen, .. } = object;
    if layout.telling != 0 && seen & layout.telling == 0 && !(seen == 0 && extra.is_empty()) {
        return Err(match extra.required_misfit() {
            Some(error) => error.clone(),
            None => DecodeError::new(format!("none of the members that tell it is there: {}", telling_names(layout))),
        });
    }
    extra.set_absent(layout.required & !seen);
    Ok(extra)
}

/// An object while it is read.
struct Reading<'a> {
    layout: &'static Layout,
    fields: &'a mut dyn Fields,
    extra: Extra,
    /// Bits of the members whose value was read.
    seen: u64,
    /// Bits of the members that came, whatever their value.
    met: u64,
    /// The index of the member that is expected next.
    hint: usize,
}

impl Reading<'_> {
    /// Reads the value of a member of the layout.
    #[inline]
    fn read(&mut self, index: usize, member: &'static Member, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        let own = bit(index);
        // What has no bit may have come before.
        if self.met & own == own {
            reader.note_repetition();
        }
        self.met |= own;
        if member.kind == Kind::Constant {
            return self.read_constant(index, member, reader);
        }
        self.hint = index + 1;
        if member.kind != Kind::Patched && reader.null() {
            self.seen |= if member.kind == Kind::Nullable { own } else { 0 };
            return Ok(());
        }
        let mark = reader.mark();
        match self.fields.read(index - self.layout.constants, reader) {
            Ok(()) => {
                self.seen |= own;
                if reader.is_inexact_since(mark) {
                    reader.reset(mark);
                    self.keep_exact(member, reader)?;
                }
            }
            Err(error) => {
                reader.reset(mark);
                self.keep(index, member, error, reader)?;
            }
        }
        Ok(())
    }

    /// Keeps the original of a value that its field holds only approximately.
    #[cold]
    fn keep_exact(&mut self, member: &'static Member, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        self.extra.push_exact(member.name(self.layout.texts), reader.json()?);
        Ok(())
    }

    /// Keeps a value that did not fit its field.
    #[cold]
    fn keep(
        &mut self,
        index: usize,
        member: &'static Member,
        error: DecodeError,
        reader: &mut Reader<'_>,
    ) -> Result<(), DecodeError> {
        let name = member.name(self.layout.texts);
        let value = reader.json()?;
        if let Some(text) = unquoted_text(name, &value)
            && self.fields.read(index - self.layout.constants, &mut Reader::new(text.as_text())).is_ok()
        {
            self.seen |= bit(index);
            self.extra.push_exact(name, value);
            return Ok(());
        }
        let required = matches!(member.kind, Kind::Required | Kind::Nullable);
        reader.keep(1)?;
        self.extra.push_misfit(name, value, error.inside(name), required);
        Ok(())
    }

    fn read_constant(
        &mut self,
        index: usize,
        member: &'static Member,
        reader: &mut Reader<'_>,
    ) -> Result<(), DecodeError> {
        let expected = member.value(self.layout.texts);
        if reader.string_is(expected) {
            self.seen |= bit(index);
            return Ok(());
        }
        let name = member.name(self.layout.texts);
        reader.keep(1)?;
        match reader.raw()? {
            value if value == expected => self.seen |= bit(index),
            "null" => {}
            // Like a value that an enum does not know.
            value if expected.starts_with('"') && value.starts_with('"') => {
                self.extra.push_unknown(name, Json::checked(value));
            }
            value => {
                let value = Json::checked(value);
                let error = DecodeError::new(format!("expected the constant {expected}, found {}", value.kind()));
                self.extra.push_misfit(name, value, error.inside(name), false);
            }
        }
        Ok(())
    }

    /// Reads a member that is not known, or whose name is written with escapes, or that stands at the very end of the
    /// text.
    fn read_unusual(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        let name = reader.key()?;
        if let Some((index, member)) = self.layout.named(&name) {
            return self.read(index, member, reader);
        }
        // Null is as good as absent, unless it takes back what stood there before.
        if !reader.null() {
            reader.keep(1)?;
            self.extra.push_unknown(&name, reader.json()?);
        } else if self.extra.get(&name).is_some() {
            reader.note_repetition();
        }
        Ok(())
    }
}

/// The string value of a member that should be a string of JSON, if a server sent the JSON itself.
fn unquoted_text(name: &str, value: &Json) -> Option<Json> {
    matches!(name, "arguments" | "partial_json").then(|| Json::from(value.as_text()))
}

#[cold]
fn telling_names(layout: &Layout) -> String {
    let telling = layout.members.iter().filter(|member| matches!(member.kind, Kind::Constant | Kind::Required));
    telling.map(|member| member.name(layout.texts)).collect::<Vec<_>>().join(", ")
}

/// None of the members is typed, so that all count as misfits; as required ones those that the type knows.
fn keep_in(extra: &mut Extra, layout: &'static Layout, json: &Json, error: &DecodeError) -> Result<(), DecodeError> {
    *extra = Extra::all_absent();
    Reader::new(json.as_text()).object(|name, reader| {
        reader.keep(1)?;
        let value = reader.json()?;
        match value.is_null() {
            true => extra.push_unknown(&name, value),
            false => extra.push_misfit(&name, value, error.clone(), layout.has_field(&name)),
        }
        Ok(())
    })
}

/// The fields of an object, to be written.
trait WrittenFields {
    fn write(&self, index: usize, writer: &mut Writer);
}

impl<T: Struct> WrittenFields for Out<'_, T> {
    fn write(&self, index: usize, writer: &mut Writer) {
        self.0.write_member(index, writer);
    }
}

fn write_object(writer: &mut Writer, layout: &'static Layout, extra: &Extra, fields: &dyn WrittenFields) {
    if let Some(error) = extra.whole_misfit() {
        writer.fail(error.to_string());
        return;
    }
    writer.byte(b'{');
    for (index, member) in layout.members.iter().enumerate() {
        let name = Name { texts: layout.texts, member };
        let own = bit(index);
        if member.kind == Kind::Constant {
            if !extra.is_absent(own) && extra.get(name.text()).is_none() {
                writer.begin_member(name);
                writer.raw(member.value(layout.texts));
            }
            continue;
        }
        let before = writer.before();
        writer.begin_member(name);
        fields.write(index - layout.constants, writer);
        // Most members of a request are absent.
        if !writer.has_begun() && member.kind != Kind::Nullable && extra.is_empty() && !writer.is_surveying() {
            writer.end_absent_member();
            continue;
        }
        let is_absent = extra.is_absent(own);
        if member.kind == Kind::Nullable && !is_absent && !writer.has_begun() {
            writer.raw("null");
        }
        if writer.has_begun() && !(is_absent && writer.member_since(before, name.text()) == empty_text(member.empty)) {
            if let Some(exact) = extra.exact(name.text())
                && !writer.is_surveying()
                && is_nearest(exact.as_text(), writer.member_since(before, name.text()))
            {
                writer.take_back(before);
                writer.begin_member(name);
                writer.raw(exact.as_text());
            }
            writer.after(before, Step::Member(name.text()));
            continue;
        }
        writer.take_back(before);
        // Where a field is empty, a value that did not fit it has its place.
        if let Some(kept) = extra.get(name.text()) {
            writer.begin_member(name);
            writer.raw(kept.as_text());
        }
    }
    if writer.is_surveying() {
        for (name, error) in extra.misfits() {
            writer.note(name, Some(error));
        }
    }
    for (name, value) in extra.iter() {
        if !layout.has_field(name) {
            writer.key(name);
            writer.raw(value.as_text());
        }
    }
    writer.byte(b'}');
}

/// Implements [`Wire`](super::Wire) and serde's traits for a struct with an `extra` field.
///
/// `wire_struct!(Type ["type" = "\"text\""] { 0 name: "wire name" Required, })`: in brackets members that always have this
/// JSON text and no field; then the fields in their order, each with its index and its [`Kind`]. Required
/// ones come first, so that the 64 bits of the masks hold them all.
#[allow(unused_macros, reason = "a build without models has no use for it")]
macro_rules! wire_struct {
    ($type:ident $([$($constant:literal = $value:literal),+])? { $($index:literal $field:ident: $name:literal $kind:ident,)* }) => {
        impl $crate::core::wire::Struct for $type {
            const LAYOUT: &'static $crate::core::wire::Layout = &$crate::core::wire::Layout::new(
                concat!($($($constant, $value,)+)? $($name,)*),
                &$crate::core::wire::placed([
                    $($($crate::core::wire::Member::constant($constant, $value),)+)?
                    $($crate::core::wire::Member::new($name, $crate::core::wire::Kind::$kind, |value: &Self| {
                        &value.$field
                    }),)*
                ]),
            );

            #[inline]
            #[allow(unused_variables)]
            fn read_member(
                &mut self,
                index: usize,
                reader: &mut $crate::core::wire::Reader<'_>,
            ) -> Result<(), $crate::core::wire::DecodeError> {
                match index {
                    $($index => $crate::core::wire::Wire::read(&mut self.$field, reader),)*
                    _ => Ok(()),
                }
            }

            #[inline]
            #[allow(unused_variables)]
            fn write_member(&self, index: usize, writer: &mut $crate::core::wire::Writer) {
                match index {
                    $($index => $crate::core::wire::Wire::write(&self.$field, writer),)*
                    _ => {}
                }
            }

            #[inline]
            fn extra_mut(&mut self) -> &mut $crate::core::wire::Extra {
                &mut self.extra
            }
        }

        impl $crate::core::wire::Wire for $type {
            const EMPTY: &'static str = "{}";

            #[inline]
            fn read(
                &mut self,
                reader: &mut $crate::core::wire::Reader<'_>,
            ) -> Result<(), $crate::core::wire::DecodeError> {
                $crate::core::wire::read_struct(self, reader)
            }

            #[inline]
            fn write(&self, writer: &mut $crate::core::wire::Writer) {
                $crate::core::wire::write_struct(self, writer);
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
            fn is_told(&self) -> bool {
                <Self as $crate::core::wire::Struct>::LAYOUT.is_told_by(&self.extra)
            }

            #[inline]
            fn keep_object(
                &mut self,
                json: $crate::core::wire::Json,
                error: $crate::core::wire::DecodeError,
            ) -> Result<(), $crate::core::wire::DecodeError> {
                $crate::core::wire::keep_struct(self, &json, &error)
            }
        }

        $crate::core::wire::wire_serde!($type);
    };
}

/// Writes a setter for each optional field. The word before its type says what the setter takes: `exact` the type itself,
/// `number` any number that fits, `into` what converts into it, `boxed` the same for a field in a box, `list` one or many
/// elements, `map` pairs, `patch` what converts into a [`Patch`].
///
/// [`Patch`]: super::Patch
#[allow(unused_macros, reason = "a build without models has no use for it")]
macro_rules! wire_setters {
    ($type:ident { $($field:ident: $kind:ident $value:ty,)* }) => {
        impl From<::serde_json::Value> for $type {
            /// Reads the object that `json!({…})` makes. Members that this type does not know or that do not fit are sent
            /// as given; a value that is not an object is an error of the call.
            #[inline]
            fn from(value: ::serde_json::Value) -> Self {
                $crate::core::wire::from_value(value)
            }
        }

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
    (@ $field:ident boxed $value:ty) => {
        #[doc = concat!("Sets the field `", stringify!($field), "`.")]
        #[must_use]
        #[inline]
        pub fn $field(mut self, $field: impl Into<$value>) -> Self {
            self.$field = Some(Box::new($field.into()));
            self
        }
    };
    (@ $field:ident number $value:ty) => {
        #[doc = concat!("Sets the field `", stringify!($field), "`.")]
        #[must_use]
        #[inline]
        pub fn $field(mut self, $field: impl $crate::core::wire::IntoNumber<$value>) -> Self {
            self.$field = Some($field.into_number());
            self
        }
    };
    (@ $field:ident list $value:ty) => {
        #[doc = concat!("Sets the field `", stringify!($field), "`: one element, or a list of them.")]
        #[must_use]
        #[inline]
        pub fn $field<M>(mut self, $field: impl $crate::core::wire::IntoList<$value, M>) -> Self {
            self.$field = Some($field.into_list());
            self
        }
    };
    (@ $field:ident map $value:ty) => {
        #[doc = concat!("Sets the field `", stringify!($field), "` from a map, or from pairs of name and value.")]
        #[must_use]
        #[inline]
        pub fn $field(
            mut self,
            $field: impl IntoIterator<Item = (impl Into<String>, impl Into<$value>)>,
        ) -> Self {
            self.$field = Some($field.into_iter().map(|(name, value)| (name.into(), value.into())).collect());
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
