//! JSON objects: how they are read and written, by their [`Layout`].
//!
//! The code that is compiled for each type only knows how to read and write a field by its index.
//! Everything else is here, once: finding a field by its name, keeping unknown fields and
//! mismatches in [`Extra`], and deciding whether an object is of the type at all.
//!
//! An object is read in one pass. Bit masks record which fields are present, null or repeated; the
//! first 64 fields of an object have a bit, and required ones come first. Fields usually arrive in
//! the same order, so the field after the last one is compared first.

use super::error::DecodeError;
use super::extra::Extra;
use super::layout::{Kind, Layout, Member, bit};
use super::reader::Reader;
use super::writer::Step;
use super::{Json, ReadInto, UntypedKind, Wire, WriteFrom, Writer, decode_event};

/// An object with a field for each JSON field that is known, and one for the others. Implemented by
/// `wire_struct!`.
///
/// Fields are identified by their index among the members of the [`LAYOUT`](Self::LAYOUT) that have
/// one.
pub(crate) trait Struct: Wire {
    /// The table of its members.
    const LAYOUT: &'static Layout;

    /// Reads a value into a field.
    ///
    /// # Errors
    /// See [`Wire::read`].
    fn read_field(&mut self, index: usize, reader: &mut Reader<'_>) -> Result<(), DecodeError>;

    /// Writes the value of a field.
    fn write_field(&self, index: usize, writer: &mut Writer);

    /// Returns whether a field is what [`Wire::missing`] returns.
    fn is_field_missing(&self, index: usize) -> bool;

    /// Returns the fields beyond the typed ones.
    fn extra_mut(&mut self) -> &mut Extra;
}

/// Reads an object; after an error all fields are empty.
///
/// # Errors
/// [`DecodeError`] if the text is not an object, or one that is not empty and not of this type.
pub(crate) fn read_struct<T: Struct>(place: &mut T, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    read_object(reader, T::LAYOUT, &mut ReadInto(place))
}

/// Writes an object.
pub(crate) fn write_struct<T: Struct>(value: &T, writer: &mut Writer) {
    if let Some(extra) = value.extra() {
        write_object(writer, T::LAYOUT, extra, &WriteFrom(value));
    }
}

/// Returns whether an object is empty, so that it would be written as `{}`.
pub(crate) fn is_struct_missing<T: Struct>(value: &T) -> bool {
    value.extra().is_some_and(|extra| is_object_missing(T::LAYOUT, extra, &WriteFrom(value)))
}

/// Returns whether an object is not empty, but has none of the members that identify its type.
pub(crate) fn is_struct_foreign<T: Struct>(value: &T) -> bool {
    value.extra().is_some_and(|extra| T::LAYOUT.is_unidentified_by(extra)) && !is_struct_missing(value)
}

/// Returns whether a constant or required member of an object is present, with a value that matches
/// its field.
pub(crate) fn is_present<T: Struct>(value: &T, name: &str) -> bool {
    let own = T::LAYOUT.named(name).map_or(0, |(index, _)| bit(index));
    value.extra().is_some_and(|extra| !extra.is_absent(own))
}

/// Reads an object that a program passes as JSON. Members that do not match stay unchanged; a value
/// that is not an object is an error when the request is written.
pub(crate) fn from_value<T: Struct>(value: serde_json::Value) -> T {
    let json = Json::from(value);
    decode_event(json.as_text()).unwrap_or_else(|_| {
        let mut object = T::missing();
        *object.extra_mut() = Extra::not_an_object(json);
        object
    })
}

/// Keeps all members of an object that does not match its type as extra ones.
pub(crate) fn keep_struct<T: Struct>(place: &mut T, json: &Json, error: &DecodeError) -> Result<(), DecodeError> {
    keep_members(place.extra_mut(), T::LAYOUT, json, error)
}

/// The fields of an object, to be read into.
trait ReadFields {
    fn read(&mut self, index: usize, reader: &mut Reader<'_>) -> Result<(), DecodeError>;

    /// Writes a field, to find out later whether it was changed.
    fn write(&self, index: usize, writer: &mut Writer);

    fn extra(&mut self) -> &mut Extra;
}

impl<T: Struct> ReadFields for ReadInto<'_, T> {
    fn read(&mut self, index: usize, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        self.0.read_field(index, reader)
    }

    #[cold]
    fn write(&self, index: usize, writer: &mut Writer) {
        WriteFrom(&*self.0).write(index, false, writer);
    }

    fn extra(&mut self) -> &mut Extra {
        self.0.extra_mut()
    }
}

/// Makes a field empty: reading nothing does.
#[cold]
fn clear(fields: &mut dyn ReadFields, index: usize) {
    drop(fields.read(index, &mut Reader::new("")));
}

fn read_object(
    reader: &mut Reader<'_>,
    layout: &'static Layout,
    fields: &mut dyn ReadFields,
) -> Result<(), DecodeError> {
    match read_members(reader, layout, fields) {
        Ok(extra) => {
            *fields.extra() = extra;
            Ok(())
        }
        Err(error) => {
            clear_all(layout, fields);
            Err(error)
        }
    }
}

#[cold]
fn clear_all(layout: &Layout, fields: &mut dyn ReadFields) {
    for index in 0..layout.fields() {
        clear(fields, index);
    }
    *fields.extra() = Extra::all_absent();
}

fn read_members(
    reader: &mut Reader<'_>,
    layout: &'static Layout,
    fields: &mut dyn ReadFields,
) -> Result<Extra, DecodeError> {
    reader.open_object()?;
    let mut object = Reading {
        layout,
        fields,
        extra: Extra::new(),
        present: 0,
        nulls: 0,
        met: 0,
        has_repetition: false,
        hint: layout.constants(),
    };
    let mut first = true;
    while let Some(key) = reader.next_quote(first)? {
        first = false;
        match layout.find(key, object.hint) {
            Some((index, member)) => {
                reader.take_key(member.length())?;
                object.read(index, member, reader)?;
            }
            None => object.read_unusual(reader)?,
        }
    }
    object.finish()
}

/// An object that is being read.
struct Reading<'a> {
    layout: &'static Layout,
    fields: &'a mut dyn ReadFields,
    extra: Extra,
    /// Bits of the members whose value matches.
    present: u64,
    /// Bits of the members that are null and may be.
    nulls: u64,
    /// Bits of the members that have appeared, whatever their value.
    met: u64,
    /// Whether a member appeared again.
    has_repetition: bool,
    /// The index of the member that is expected next.
    hint: usize,
}

impl Reading<'_> {
    /// Reads the value of a member of the layout. Inlined, since most of the time of an object is
    /// spent here.
    #[inline(always)]
    fn read(&mut self, index: usize, member: &'static Member, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        let own = bit(index);
        // A member without a bit may have appeared before.
        if self.met & own == own {
            self.forget(index, member, reader);
        }
        self.met |= own;
        if member.kind() == Kind::Constant {
            return self.read_constant(index, member, reader);
        }
        self.hint = index + 1;
        if member.kind() != Kind::Patched && reader.null() {
            self.nulls |= if member.kind() == Kind::Nullable { own } else { 0 };
            return Ok(());
        }
        let mark = reader.mark();
        match self.fields.read(index - self.layout.constants(), reader) {
            Ok(()) => {
                self.present |= own;
                if reader.is_inexact_since(mark) {
                    reader.reset(mark);
                    let value = reader.json()?;
                    self.keep_exact(index, member, value, reader)?;
                }
            }
            Err(error) => {
                reader.reset(mark);
                self.keep(index, member, error, reader)?;
            }
        }
        Ok(())
    }

    /// Forgets the value of a member that appears again, as the last one counts.
    #[cold]
    fn forget(&mut self, index: usize, member: &'static Member, reader: &mut Reader<'_>) {
        reader.note_repetition();
        self.present &= !bit(index);
        self.nulls &= !bit(index);
        self.forget_extra(self.layout.name(member).text());
        if let Some(field) = index.checked_sub(self.layout.constants()) {
            clear(self.fields, field);
        }
    }

    fn forget_extra(&mut self, name: &str) {
        self.has_repetition |= self.extra.forget(name);
    }

    /// Keeps the original of a value that its field has only approximately.
    #[cold]
    fn keep_exact(
        &mut self,
        index: usize,
        member: &'static Member,
        value: Json,
        reader: &mut Reader<'_>,
    ) -> Result<(), DecodeError> {
        let field = index - self.layout.constants();
        let nearest = written(|writer| self.fields.write(field, writer)).unwrap_or_default();
        reader.allocate(nearest.len())?;
        self.extra.push_exact(self.layout.name(member).text(), value, nearest);
        Ok(())
    }

    /// Keeps a value that does not match its field.
    #[cold]
    fn keep(
        &mut self,
        index: usize,
        member: &'static Member,
        error: DecodeError,
        reader: &mut Reader<'_>,
    ) -> Result<(), DecodeError> {
        let name = self.layout.name(member).text();
        let value = reader.json()?;
        if let Some(text) = unquoted_text(name, &value)
            && self.fields.read(index - self.layout.constants(), &mut Reader::new(text.as_text())).is_ok()
        {
            self.present |= bit(index);
            return self.keep_exact(index, member, value, reader);
        }
        let required = matches!(member.kind(), Kind::Required | Kind::Nullable);
        reader.keep(1)?;
        self.extra.push_mismatch(name, value, error.inside(name), required);
        Ok(())
    }

    fn read_constant(
        &mut self,
        index: usize,
        member: &'static Member,
        reader: &mut Reader<'_>,
    ) -> Result<(), DecodeError> {
        let expected = self.layout.value(member);
        if reader.string_is(expected) {
            self.present |= bit(index);
            return Ok(());
        }
        let name = self.layout.name(member).text();
        reader.keep(1)?;
        match reader.raw()? {
            "null" => {}
            // Like a value that an enum does not know.
            value if value.starts_with('"') => {
                self.extra.push_unknown(name, Json::checked(value));
            }
            value => {
                let value = Json::checked(value);
                let error = DecodeError::new(format!("expected the constant {expected}, found {}", value.kind()));
                self.extra.push_mismatch(name, value, error.inside(name), false);
            }
        }
        Ok(())
    }

    /// Reads a member that is not known, or whose name is written with escapes, or that is at the
    /// very end of the text.
    #[cold]
    fn read_unusual(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        let name = reader.key()?;
        if let Some((index, member)) = self.layout.named(&name) {
            return self.read(index, member, reader);
        }
        // Null counts as missing.
        if reader.null() {
            self.forget_extra(&name);
        } else {
            reader.keep(1)?;
            self.extra.push_unknown(&name, reader.json()?);
        }
        Ok(())
    }

    /// Checks that the members belong to an object of this type.
    fn finish(mut self) -> Result<Extra, DecodeError> {
        if self.has_repetition {
            self.extra.remove_forgotten();
        }
        let identifying = self.layout.identifying();
        if identifying != 0 && self.present & identifying == 0 {
            self.accept_unidentified()?;
        }
        let Self { layout, mut extra, present, nulls, .. } = self;
        extra.set_absent(layout.required() & !(present | nulls));
        Ok(extra)
    }

    /// Accepts an object without the members that identify it if it is empty, or if an optional one
    /// has the right type.
    ///
    /// An error, and an object whose constants have other values, are something else whatever else
    /// they contain.
    #[cold]
    fn accept_unidentified(&self) -> Result<(), DecodeError> {
        let Self { layout, extra, present, nulls, .. } = self;
        let is_error = extra.reports_error() || layout.named("error").is_some_and(|(at, _)| present & bit(at) != 0);
        let mut constants = layout.members().iter().take(layout.constants());
        let is_another = constants.any(|constant| extra.get(layout.name(constant).text()).is_some());
        if *present != 0 && !is_error && !is_another || *present | *nulls == 0 && extra.is_empty() {
            return Ok(());
        }
        Err(match extra.required_mismatch() {
            Some(error) => error.clone(),
            None => DecodeError::new(format!("has none of the fields that identify it: {}", identifying_names(layout))),
        })
    }
}

/// Returns the string value of a member that should be a string of JSON, if a server sent the JSON
/// itself.
fn unquoted_text(name: &str, value: &Json) -> Option<Json> {
    matches!(name, "arguments" | "partial_json").then(|| Json::from(value.as_text()))
}

#[cold]
fn identifying_names(layout: &Layout) -> String {
    let members = layout.members().iter();
    let identifying = members.filter(|member| matches!(member.kind(), Kind::Constant | Kind::Required));
    identifying.map(|member| layout.name(member).text()).collect::<Vec<_>>().join(", ")
}

/// None of the members is typed, so all of them are mismatches; those that the type knows as
/// required ones.
fn keep_members(
    extra: &mut Extra,
    layout: &'static Layout,
    json: &Json,
    error: &DecodeError,
) -> Result<(), DecodeError> {
    *extra = Extra::all_absent();
    Reader::new(json.as_text()).object(&mut |name, reader| {
        reader.keep(1)?;
        let value = reader.json()?;
        match value.is_null() {
            true => extra.push_unknown(&name, value),
            false => extra.push_mismatch(&name, value, error.clone(), layout.has_field(&name)),
        }
        Ok(())
    })
}

/// The fields of an object, to be written.
trait WriteFields {
    /// Writes a field; if it is `omitted` when empty, only one that is not.
    fn write(&self, index: usize, omitted: bool, writer: &mut Writer);
}

impl<T: Struct> WriteFields for WriteFrom<'_, T> {
    // Not inlined, as it is also called for a value that is read.
    #[inline(never)]
    fn write(&self, index: usize, omitted: bool, writer: &mut Writer) {
        if !(omitted && self.0.is_field_missing(index)) {
            self.0.write_field(index, writer);
        }
    }
}

fn write_object(writer: &mut Writer, layout: &'static Layout, extra: &Extra, fields: &dyn WriteFields) {
    // Few objects have extra members: without any, no name is looked up.
    let has_extra = !extra.is_empty();
    if has_extra && let Some(error) = extra.whole_mismatch() {
        writer.fail(error.to_string());
        return;
    }
    writer.byte(b'{');
    // Most members of a request are missing and write nothing.
    let mut before = writer.before();
    for (index, member) in layout.members().iter().enumerate() {
        let name = layout.name(member);
        let is_absent = || extra.is_absent(bit(index));
        if member.kind() == Kind::Constant {
            let is_replaced = || has_extra && extra.get(name.text()).is_some();
            if !is_absent() && !is_replaced() {
                writer.begin_member(name);
                writer.raw(layout.value(member));
            }
            continue;
        }
        let field = index - layout.constants();
        writer.begin_member(name);
        if has_extra
            && !writer.is_surveying()
            && let Some(exact) = exact(extra, name.text(), field, fields)
        {
            writer.raw(exact.as_text());
        } else {
            fields.write(field, member.kind() == Kind::Required && is_absent(), writer);
        }
        if writer.has_begun() {
            writer.after(before, Step::Member(name.text()));
            before = writer.before();
        } else if member.kind() == Kind::Nullable && !is_absent() {
            writer.raw("null");
        } else {
            writer.end_absent_member();
            // If a field is empty, a value that did not match it is written in its place.
            if has_extra && let Some(kept) = extra.get(name.text()) {
                writer.begin_member(name);
                writer.raw(kept.as_text());
            }
        }
    }
    if has_extra {
        write_extra(writer, layout, extra);
    }
    writer.byte(b'}');
}

/// Writes the members that have no field, and records what no type describes.
fn write_extra(writer: &mut Writer, layout: &'static Layout, extra: &Extra) {
    if writer.is_surveying() {
        note_untyped(writer, layout, extra);
    }
    for (name, value) in extra.iter() {
        if !layout.has_field(name) {
            writer.key(name);
            writer.raw(value.as_text());
        }
    }
}

/// Records the members that do not match their field, and those that have none. A constant with
/// another value is known.
#[cold]
fn note_untyped(writer: &mut Writer, layout: &'static Layout, extra: &Extra) {
    for (name, error) in extra.members() {
        match error {
            Some(error) => writer.note(name, UntypedKind::Mismatch(error.clone())),
            None if layout.named(name).is_none() => {
                writer.note(name, UntypedKind::Member { type_name: layout.type_name(), name: name.to_owned() });
            }
            None => {}
        }
    }
}

/// Returns the original of a value that its field has only approximately, unless the field was
/// changed since: then it is written differently than when it was read.
fn exact<'a>(extra: &'a Extra, name: &str, field: usize, fields: &dyn WriteFields) -> Option<&'a Json> {
    let (exact, nearest) = extra.exact_and_nearest(name)?;
    (written(|writer| fields.write(field, false, writer)).as_deref() == Some(nearest)).then_some(exact)
}

/// Returns what a field writes; `None` if it has something that JSON cannot represent.
#[cold]
fn written(write: impl FnOnce(&mut Writer)) -> Option<Vec<u8>> {
    let mut writer = Writer::new();
    write(&mut writer);
    writer.finish().ok()
}

fn is_object_missing(layout: &Layout, extra: &Extra, fields: &dyn WriteFields) -> bool {
    let mut writer = Writer::default();
    extra.is_empty()
        && extra.are_absent(layout.required())
        && (0..layout.fields()).all(|index| {
            fields.write(index, true, &mut writer);
            writer.is_empty()
        })
}
