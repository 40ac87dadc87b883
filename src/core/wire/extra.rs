//! The members of an object beyond the typed ones.

use std::collections::BTreeMap;
use std::fmt;

use super::json::{Hide, Shown};
use super::{DecodeError, Json};
use crate::core::hidden;

/// Beyond this many members, a table replaces the linear search.
const FEW: usize = 16;

/// What an object holds beyond its typed fields.
///
/// - From the server: members that this version of the crate does not know, and members whose value did not fit their
///   type (see [`misfits`](Self::misfits)). They are written back when the object is.
/// - To the server: members that the API document does not know yet. Put them in with [`insert`](Self::insert).
///
/// A member that has a typed field is written from that field when it holds a value.
///
/// ```
/// # #[cfg(feature = "chat")]
/// # {
/// use openrouter_kit::models::ChatResult;
/// use openrouter_kit::serde_json;
///
/// let mut result: ChatResult = serde_json::from_str(r#"{"id": "gen-1", "new_field": 7}"#).unwrap();
/// assert_eq!(result.extra.get("new_field").and_then(|value| value.as_i64()), Some(7));
/// result.extra.insert("note", "mine");
/// assert!(serde_json::to_string(&result).unwrap().contains(r#""new_field":7,"note":"mine""#));
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Extra {
    /// Which constant or required members did not arrive; see `Layout` for the bits.
    absent: u64,
    /// Boxed, since every model has an `Extra`, and few of them hold anything.
    members: Option<Box<Members>>,
}

/// The members in the order received, each name once.
#[derive(Clone, Default)]
struct Members {
    list: Vec<ExtraMember>,
    /// The position of each name, once there are more than [`FEW`].
    places: BTreeMap<Box<str>, usize>,
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
    kind: MisfitKind,
}

#[derive(Clone, PartialEq, Eq)]
enum MisfitKind {
    /// The field of a required member is empty.
    Required,
    /// The field of any other member is empty.
    Optional,
    /// The field holds the nearest value that fits, which is written as this JSON.
    Exact(Box<[u8]>),
    /// The program gave this value in place of the whole object, and it is not an object.
    Whole,
}

impl Members {
    fn find(&self, name: &str) -> Option<usize> {
        match self.places.is_empty() {
            true => self.list.iter().position(|member| &*member.name == name),
            false => self.places.get(name).copied(),
        }
    }

    /// Adds a member, replacing one of the same name, which it returns.
    fn put(&mut self, member: ExtraMember) -> Option<ExtraMember> {
        if let Some(known) = self.find(&member.name).and_then(|at| self.list.get_mut(at)) {
            return Some(std::mem::replace(known, member));
        }
        if !self.places.is_empty() {
            self.places.insert(member.name.clone(), self.list.len());
        }
        self.list.push(member);
        if self.list.len() == FEW + 1 {
            self.note_places();
        }
        None
    }

    fn note_places(&mut self) {
        self.places.clear();
        if self.list.len() > FEW {
            self.places.extend(self.list.iter().enumerate().map(|(at, member)| (member.name.clone(), at)));
        }
    }
}

impl Extra {
    /// Without members.
    pub const fn new() -> Self {
        Self { absent: 0, members: None }
    }

    /// Every constant and required member is absent.
    pub(crate) const fn all_absent() -> Self {
        Self { absent: u64::MAX, members: None }
    }

    pub(crate) const fn set_absent(&mut self, absent: u64) {
        self.absent = absent;
    }

    pub(crate) const fn is_absent(&self, bit: u64) -> bool {
        self.absent & bit != 0
    }

    /// Whether all of these members are absent.
    pub(crate) const fn are_absent(&self, bits: u64) -> bool {
        self.absent & bits == bits
    }

    /// Returns `true` if there are no members.
    pub fn is_empty(&self) -> bool {
        self.members.is_none()
    }

    /// Returns the value of member `name`.
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.find(name).map(|member| &member.value)
    }

    /// Returns the original of a member whose field holds only the nearest value.
    #[inline]
    pub(crate) fn exact(&self, name: &str) -> Option<&Json> {
        self.exact_and_nearest(name).map(|(exact, _)| exact)
    }

    /// The same with how the field was written when it was read.
    #[inline]
    pub(super) fn exact_and_nearest(&self, name: &str) -> Option<(&Json, &[u8])> {
        let member = self.find(name)?;
        member.nearest().map(|nearest| (&member.value, nearest))
    }

    /// Removes the original of a member whose field holds only the nearest value, once the field has grown.
    #[inline]
    pub(crate) fn forget_exact(&mut self, name: &str) {
        if self.exact(name).is_some() {
            self.remove(name);
        }
    }

    /// Sets a member and returns the value it had.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Json>) -> Option<Json> {
        self.push(name.into().into(), value.into(), None)
    }

    /// Removes a member and returns its value.
    pub fn remove(&mut self, name: &str) -> Option<Json> {
        let members = self.members.as_mut()?;
        let at = members.find(name)?;
        let member = members.list.remove(at);
        members.note_places();
        if members.list.is_empty() {
            self.members = None;
        }
        Some(member.value)
    }

    /// Adds the non-empty members of `newer`, except one. The original of a field that holds only the nearest value
    /// belongs to that field's value and is added only for numbers, which are never joined.
    pub(crate) fn merge(&mut self, newer: &Self, except: &str) {
        let said = newer.list().iter().filter(|member| *member.name != *except && !member.value.is_null());
        for member in
            said.filter(|member| member.nearest().is_none() || !member.value.as_text().starts_with(['"', '[', '{']))
        {
            self.push(member.name.clone(), member.value.clone(), member.misfit.clone());
        }
    }

    /// Names and values, in the order they came.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.list().iter().map(|member| (&*member.name, &member.value))
    }

    /// Moves the members of `older` that are missing here.
    pub(crate) fn fill(&mut self, older: &mut Self) {
        if older.members.is_some() {
            std::mem::swap(&mut self.members, &mut older.members);
            for member in older.members.take().into_iter().flat_map(|members| members.list) {
                self.push(member.name, member.value, member.misfit);
            }
        }
    }

    /// Returns the members that have a typed field but whose value did not fit its type, with the reason. The typed
    /// field is then empty, or holds the nearest value that fits: the integer part of a number, text with U+FFFD for
    /// half of a surrogate pair, a list without the elements of another type.
    pub fn misfits(&self) -> impl Iterator<Item = (&str, &DecodeError)> {
        self.members().filter_map(|(name, misfit)| Some((name, misfit?)))
    }

    /// The names of all members, each with the reason if its value did not fit.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, Option<&DecodeError>)> {
        self.list().iter().map(|member| (&*member.name, member.misfit.as_ref().map(|misfit| &misfit.error)))
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
        misfits.filter(|misfit| misfit.kind == MisfitKind::Required).map(|misfit| &misfit.error).next()
    }

    /// Empties a member of an object that is being read, since another of the same name follows. Returns whether there is
    /// one; then [`remove_forgotten`](Self::remove_forgotten) must follow, once for all, as each removal moves the others.
    pub(crate) fn forget(&mut self, name: &str) -> bool {
        let Some(members) = &mut self.members else { return false };
        let Some(member) = members.find(name).and_then(|at| members.list.get_mut(at)) else { return false };
        (member.value, member.misfit) = (Json::null(), None);
        true
    }

    /// Removes the members that were forgotten and did not come again.
    #[cold]
    pub(crate) fn remove_forgotten(&mut self) {
        let Some(members) = &mut self.members else { return };
        members.list.retain(|member| !member.value.is_null());
        members.note_places();
        if members.list.is_empty() {
            self.members = None;
        }
    }

    /// The members of an object that was given as a value that is not an object. It cannot be written.
    pub(crate) fn not_an_object(value: Json) -> Self {
        let error = DecodeError::new(format!("a JSON object is needed here, this is {}", value.kind()));
        let mut extra = Self::new();
        extra.push("".into(), value, Some(Misfit { error, kind: MisfitKind::Whole }));
        extra
    }

    /// Returns why the object cannot be written, if it was given as a value that is not an object.
    pub(crate) fn whole_misfit(&self) -> Option<&DecodeError> {
        let misfits = self.list().iter().filter_map(|member| member.misfit.as_ref());
        misfits.filter(|misfit| misfit.kind == MisfitKind::Whole).map(|misfit| &misfit.error).next()
    }

    pub(crate) fn push_unknown(&mut self, name: &str, value: Json) {
        self.push(name.into(), value, None);
    }

    pub(crate) fn push_misfit(&mut self, name: &str, value: Json, error: DecodeError, required: bool) {
        let kind = if required { MisfitKind::Required } else { MisfitKind::Optional };
        self.push(name.into(), value, Some(Misfit { error, kind }));
    }

    /// Adds the original of a member whose field holds only the nearest value, and how that value is written.
    #[cold]
    pub(crate) fn push_exact(&mut self, name: &str, value: Json, nearest: Vec<u8>) {
        let error =
            DecodeError::new("does not fit its type exactly; the field holds the nearest value that does").inside(name);
        self.push(name.into(), value, Some(Misfit { error, kind: MisfitKind::Exact(nearest.into()) }));
    }

    fn push(&mut self, name: Box<str>, value: Json, misfit: Option<Misfit>) -> Option<Json> {
        let before = self.members.get_or_insert_default().put(ExtraMember { name, value, misfit });
        before.map(|member| member.value)
    }

    #[inline]
    fn find(&self, name: &str) -> Option<&ExtraMember> {
        let members = self.members.as_ref()?;
        members.list.get(members.find(name)?)
    }

    fn list(&self) -> &[ExtraMember] {
        self.members.as_ref().map_or(&[], |members| &members.list)
    }
}

impl ExtraMember {
    /// How the field of a member is written that holds only the nearest value.
    fn nearest(&self) -> Option<&[u8]> {
        match &self.misfit.as_ref()?.kind {
            MisfitKind::Exact(nearest) => Some(nearest),
            _ => None,
        }
    }
}

impl PartialEq for Extra {
    /// Compares names and values, in any order.
    fn eq(&self, other: &Self) -> bool {
        self.list().len() == other.list().len() && self.iter().all(|(name, value)| other.get(name) == Some(value))
    }
}

impl fmt::Debug for Extra {
    /// Hides the values of members that did not fit their type, which may be secrets under any name, and prints the
    /// others like [`Json`].
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
