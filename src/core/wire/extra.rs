//! The members of an object beyond the typed ones.

use std::fmt;

use super::json::{Hide, Shown};
use super::{DecodeError, Json};
use crate::core::hidden;

/// What an object holds beyond its typed fields.
///
/// - From the server: members that this version of the crate does not know, and members whose value did not fit their
///   type (see [`misfits`](Self::misfits)). They are written back when the object is.
/// - To the server: members that the API document does not know yet. Put them in with [`insert`](Self::insert).
///
/// A member that has a typed field is written from that field when it holds a value.
#[derive(Clone, Default)]
pub struct Extra {
    /// Which constant or required members did not arrive; see [`super::Layout`] for the bits.
    absent: u64,
    #[expect(clippy::box_collection, reason = "every model has an `Extra`, and few of them hold anything")]
    members: Option<Box<Vec<ExtraMember>>>,
}

#[derive(Clone)]
struct ExtraMember {
    name: Box<str>,
    value: Json,
    misfit: Option<Misfit>,
}

#[derive(Clone)]
struct Misfit {
    error: DecodeError,
    required: bool,
}

impl Extra {
    /// Without members.
    pub const fn new() -> Self {
        Self { absent: 0, members: None }
    }

    /// Every constant and required member is absent.
    #[allow(dead_code, reason = "a build without models has no use for it")]
    pub(crate) const fn all_absent() -> Self {
        Self { absent: u64::MAX, members: None }
    }

    pub(crate) const fn set_absent(&mut self, absent: u64) {
        self.absent = absent;
    }

    pub(crate) const fn is_absent(&self, bit: u64) -> bool {
        self.absent & bit != 0
    }

    /// True when there are no members.
    pub fn is_empty(&self) -> bool {
        self.members.is_none()
    }

    /// The value of member `name`.
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.list().iter().rev().find(|member| &*member.name == name).map(|member| &member.value)
    }

    /// Puts a member in, or another value into it; answers with the value it had.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Json>) -> Option<Json> {
        let name = name.into();
        let before = self.remove(&name);
        self.push(&name, value.into(), None);
        before
    }

    /// Takes a member out.
    pub fn remove(&mut self, name: &str) -> Option<Json> {
        let list = self.members.as_mut()?;
        let at = list.iter().position(|member| &*member.name == name)?;
        let member = list.remove(at);
        if list.is_empty() {
            self.members = None;
        }
        Some(member.value)
    }

    /// Names and values, in the order they came.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.list().iter().map(|member| (&*member.name, &member.value))
    }

    /// The members that have a typed field but whose value did not fit its type, with what was wrong. The typed field is
    /// empty then.
    pub fn misfits(&self) -> impl Iterator<Item = (&str, &DecodeError)> {
        self.list().iter().filter_map(|member| member.misfit.as_ref().map(|misfit| (&*member.name, &misfit.error)))
    }

    /// True where the members say that the object around them is an error and not what was asked for: `error` is set, or
    /// `type` or `object` is `"error"`.
    pub(crate) fn reports_error(&self) -> bool {
        self.get("error").is_some_and(|error| !error.is_null())
            || ["type", "object"].iter().any(|name| self.get(name).is_some_and(|kind| kind.as_text() == "\"error\""))
    }

    /// What was wrong with the first required member that did not fit.
    pub(crate) fn required_misfit(&self) -> Option<&DecodeError> {
        let misfits = self.list().iter().filter_map(|member| member.misfit.as_ref());
        misfits.filter(|misfit| misfit.required).map(|misfit| &misfit.error).next()
    }

    pub(crate) fn push_unknown(&mut self, name: &str, value: Json) {
        self.push(name, value, None);
    }

    pub(crate) fn push_misfit(&mut self, name: &str, value: Json, error: DecodeError, required: bool) {
        self.push(name, value, Some(Misfit { error, required }));
    }

    fn push(&mut self, name: &str, value: Json, misfit: Option<Misfit>) {
        self.members.get_or_insert_default().push(ExtraMember { name: name.into(), value, misfit });
    }

    fn list(&self) -> &[ExtraMember] {
        self.members.as_ref().map_or(&[], |list| list)
    }
}

impl PartialEq for Extra {
    /// Compares names and values. Of members with the same name the last counts, as in every JSON parser.
    fn eq(&self, other: &Self) -> bool {
        let same = |name: &str| self.get(name) == other.get(name);
        self.iter().chain(other.iter()).all(|(name, _)| same(name))
    }
}

impl fmt::Debug for Extra {
    /// Prints no values of members that did not fit their type, which may be secrets under any name, and of the others
    /// what [`Json`] prints.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for ExtraMember { name, value, misfit } in self.list() {
            let hide = if misfit.is_some() { Hide::Values } else { Hide::of(name) };
            map.entry(&hidden::text(name), &Shown(value.as_text(), hide));
        }
        map.finish()
    }
}

impl<N: Into<String>, V: Into<Json>> FromIterator<(N, V)> for Extra {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(members: I) -> Self {
        let mut extra = Self::new();
        for (name, value) in members {
            extra.insert(name, value);
        }
        extra
    }
}
