//! The fields of a JSON object that its Rust type has no field for.

use std::collections::BTreeMap;
use std::fmt;

use super::json::{Hide, Shown};
use super::{DecodeError, Json};
use crate::core::hidden;

/// With more fields than this, a table replaces the linear search.
const FEW: usize = 16;

/// The fields of a JSON object beyond the typed ones.
///
/// - From the server: fields that this version of the crate does not know, and fields whose value
///   does not match their type (see [`mismatches`](Self::mismatches)). They are written back with
///   the object.
/// - To the server: fields that the API document does not list yet. Add them with
///   [`insert`](Self::insert).
///
/// A typed field that has a value takes precedence over an entry of the same name.
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
    /// Which constant or required fields were missing; see `Layout` for the bits.
    absent: u64,
    /// Boxed, since every model has an `Extra`, and few of them are not empty.
    members: Option<Box<Members>>,
}

/// The fields in the order received, each name once.
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
    mismatch: Option<Mismatch>,
}

#[derive(Clone)]
struct Mismatch {
    error: DecodeError,
    kind: MismatchKind,
}

#[derive(Clone, PartialEq, Eq)]
enum MismatchKind {
    /// The typed field is required and empty.
    Required,
    /// The typed field is optional and empty.
    Optional,
    /// The typed field has the nearest value that fits, which is written as this JSON.
    Exact(Box<[u8]>),
    /// The program passed this value for the whole object, and it is not an object.
    Whole,
}

impl Members {
    fn find(&self, name: &str) -> Option<usize> {
        match self.places.is_empty() {
            true => self.list.iter().position(|member| &*member.name == name),
            false => self.places.get(name).copied(),
        }
    }

    /// Adds a field, replacing one of the same name, which it returns.
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
    /// Creates an `Extra` without fields.
    pub const fn new() -> Self {
        Self { absent: 0, members: None }
    }

    /// Creates an `Extra` that records every constant and required field as missing.
    pub(crate) const fn all_absent() -> Self {
        Self { absent: u64::MAX, members: None }
    }

    pub(crate) const fn set_absent(&mut self, absent: u64) {
        self.absent = absent;
    }

    pub(crate) const fn is_absent(&self, bit: u64) -> bool {
        self.absent & bit != 0
    }

    /// Returns whether all of these fields are missing.
    pub(crate) const fn are_absent(&self, bits: u64) -> bool {
        self.absent & bits == bits
    }

    /// Returns `true` if there are no extra fields.
    pub fn is_empty(&self) -> bool {
        self.members.is_none()
    }

    /// Returns the value of the field `name`.
    ///
    /// ```
    /// use openrouter_kit::models::{Extra, Json};
    ///
    /// let mut extra = Extra::new();
    /// assert_eq!(extra.get("seed"), None);
    /// extra.insert("seed", 7);
    /// assert_eq!(extra.get("seed").and_then(Json::as_i64), Some(7));
    /// ```
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.find(name).map(|member| &member.value)
    }

    /// Returns the original of a field that is typed with only the nearest value.
    #[inline]
    pub(crate) fn exact(&self, name: &str) -> Option<&Json> {
        self.exact_and_nearest(name).map(|(exact, _)| exact)
    }

    /// Returns the same with how the typed field was written when it was read.
    #[inline]
    pub(super) fn exact_and_nearest(&self, name: &str) -> Option<(&Json, &[u8])> {
        let member = self.find(name)?;
        member.nearest().map(|nearest| (&member.value, nearest))
    }

    /// Removes the original of a field that is typed with only the nearest value, once that value
    /// has grown.
    #[inline]
    pub(crate) fn forget_exact(&mut self, name: &str) {
        if self.exact(name).is_some() {
            self.remove(name);
        }
    }

    /// Sets a field and returns the value it had.
    ///
    /// ```
    /// use openrouter_kit::models::{Extra, Json};
    ///
    /// let mut extra = Extra::new();
    /// assert_eq!(extra.insert("seed", 7), None);
    /// assert_eq!(extra.insert("seed", 8), Some(Json::from(7)));
    /// ```
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Json>) -> Option<Json> {
        self.push(name.into().into(), value.into(), None)
    }

    /// Removes a field and returns its value.
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

    /// Adds the non-empty fields of `newer`, except one. The original of a field that is typed with
    /// only the nearest value belongs to that value and is added only for numbers, which are never
    /// joined.
    pub(crate) fn merge(&mut self, newer: &Self, except: &str) {
        let said = newer.list().iter().filter(|member| *member.name != *except && !member.value.is_null());
        for member in
            said.filter(|member| member.nearest().is_none() || !member.value.as_text().starts_with(['"', '[', '{']))
        {
            self.push(member.name.clone(), member.value.clone(), member.mismatch.clone());
        }
    }

    /// Returns names and values, in the order received.
    ///
    /// ```
    /// use openrouter_kit::models::Extra;
    ///
    /// let mut extra = Extra::new();
    /// extra.insert("b", true);
    /// extra.insert("a", "x");
    /// let names: Vec<&str> = extra.iter().map(|(name, _)| name).collect();
    /// assert_eq!(names, ["b", "a"]);
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.list().iter().map(|member| (&*member.name, &member.value))
    }

    /// Moves the fields of `older` that are missing here.
    pub(crate) fn fill(&mut self, older: &mut Self) {
        if older.members.is_some() {
            std::mem::swap(&mut self.members, &mut older.members);
            for member in older.members.take().into_iter().flat_map(|members| members.list) {
                self.push(member.name, member.value, member.mismatch);
            }
        }
    }

    /// Returns the fields whose value does not match their type, with the reason. The typed field
    /// is then empty, or has the nearest value that matches: the integer part of a number, text
    /// with U+FFFD for half of a surrogate pair, a list without the elements of another type.
    ///
    /// ```
    /// # #[cfg(feature = "chat")]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use openrouter_kit::models::ChatResult;
    ///
    /// let result: ChatResult = serde_json::from_str(
    ///     r#"{"id":"gen-1","object":"chat.completion","created":"today","model":"m","choices":[]}"#,
    /// )?;
    /// let (name, error) = result.extra.mismatches().next().unwrap();
    /// assert_eq!((name, error.message()), ("created", "expected a number, found a string"));
    /// // The original is written back.
    /// assert!(serde_json::to_string(&result)?.contains(r#""created":"today""#));
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "chat"))]
    /// # fn main() {}
    /// ```
    pub fn mismatches(&self) -> impl Iterator<Item = (&str, &DecodeError)> {
        self.members().filter_map(|(name, mismatch)| Some((name, mismatch?)))
    }

    /// Returns the names of all fields, each with the reason if its value does not match.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, Option<&DecodeError>)> {
        self.list().iter().map(|member| (&*member.name, member.mismatch.as_ref().map(|mismatch| &mismatch.error)))
    }

    /// Returns `true` if the fields show that the object around them is an error and not what was
    /// requested: `error` is set, or `type` or `object` is `"error"`.
    pub(crate) fn reports_error(&self) -> bool {
        self.get("error").is_some_and(|error| !error.is_null())
            || ["type", "object"].iter().any(|name| self.get(name).is_some_and(|kind| kind.as_text() == "\"error\""))
    }

    /// Returns what is wrong with the first required field that does not match.
    pub(crate) fn required_mismatch(&self) -> Option<&DecodeError> {
        let mismatches = self.list().iter().filter_map(|member| member.mismatch.as_ref());
        mismatches.filter(|mismatch| mismatch.kind == MismatchKind::Required).map(|mismatch| &mismatch.error).next()
    }

    /// Empties a field of an object that is being read, since another of the same name follows.
    /// Returns whether there is one; then [`remove_forgotten`](Self::remove_forgotten) must follow,
    /// once for all, as each removal moves the others.
    pub(crate) fn forget(&mut self, name: &str) -> bool {
        let Some(members) = &mut self.members else { return false };
        let Some(member) = members.find(name).and_then(|at| members.list.get_mut(at)) else { return false };
        (member.value, member.mismatch) = (Json::null(), None);
        true
    }

    /// Removes the fields that were emptied and did not appear again.
    #[cold]
    pub(crate) fn remove_forgotten(&mut self) {
        let Some(members) = &mut self.members else { return };
        members.list.retain(|member| !member.value.is_null());
        members.note_places();
        if members.list.is_empty() {
            self.members = None;
        }
    }

    /// Creates the fields of an object that was passed as a value that is not an object. It cannot
    /// be written.
    pub(crate) fn not_an_object(value: Json) -> Self {
        let error = DecodeError::new(format!("expected a JSON object, found {}", value.kind()));
        let mut extra = Self::new();
        extra.push("".into(), value, Some(Mismatch { error, kind: MismatchKind::Whole }));
        extra
    }

    /// Returns why the object cannot be written, if it was given as a value that is not an object.
    pub(crate) fn whole_mismatch(&self) -> Option<&DecodeError> {
        let mismatches = self.list().iter().filter_map(|member| member.mismatch.as_ref());
        mismatches.filter(|mismatch| mismatch.kind == MismatchKind::Whole).map(|mismatch| &mismatch.error).next()
    }

    pub(crate) fn push_unknown(&mut self, name: &str, value: Json) {
        self.push(name.into(), value, None);
    }

    pub(crate) fn push_mismatch(&mut self, name: &str, value: Json, error: DecodeError, required: bool) {
        let kind = if required { MismatchKind::Required } else { MismatchKind::Optional };
        self.push(name.into(), value, Some(Mismatch { error, kind }));
    }

    /// Adds the original of a field that is typed with only the nearest value, and how that value
    /// is written.
    #[cold]
    pub(crate) fn push_exact(&mut self, name: &str, value: Json, nearest: Vec<u8>) {
        let error =
            DecodeError::new("does not match its type exactly; the field has the nearest value that does").inside(name);
        self.push(name.into(), value, Some(Mismatch { error, kind: MismatchKind::Exact(nearest.into()) }));
    }

    fn push(&mut self, name: Box<str>, value: Json, mismatch: Option<Mismatch>) -> Option<Json> {
        let before = self.members.get_or_insert_default().put(ExtraMember { name, value, mismatch });
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
    /// Returns how the typed field is written if it has only the nearest value.
    fn nearest(&self) -> Option<&[u8]> {
        match &self.mismatch.as_ref()?.kind {
            MismatchKind::Exact(nearest) => Some(nearest),
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
    /// Hides the values of fields that do not match their type, which may be secrets under any
    /// name, and prints the others like [`Json`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for ExtraMember { name, value, mismatch } in self.list() {
            let hide = if mismatch.is_some() { Hide::Values } else { Hide::of(name) };
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
