//! The table of an object's fields, made at compile time.

use super::Extra;
use super::reader::{ONES, zero_bytes};

/// What is known about the fields of an object: the table that `wire_struct!` creates.
///
/// It is compact: one text has all names, and a member finds its name by position and length.
#[derive(Debug)]
pub(crate) struct Layout {
    /// The names of the members, one after the other; the name of a constant is followed by its
    /// value as JSON text. The name of the type comes last.
    texts: &'static str,
    /// Constants first, then the members that have a field, in the order of their indices.
    members: &'static [Member],
    /// A one-byte hash for each of the first 64 names, eight in a word, so that eight names are
    /// compared in one step.
    hashes: [u64; 8],
    constants: usize,
    /// Bits of the members that identify an object as one of this type.
    identifying: u64,
    /// Bits of the members that are written even when empty.
    required: u64,
}

/// One member of an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    /// The first eight bytes of the name and the quote after it as a number: names mostly differ in
    /// this one comparison. See [`start_of_key`].
    start: u64,
    /// Where the name begins in the texts of the layout.
    at: u16,
    length: u8,
    /// The length of a constant's value.
    value: u8,
    kind: Kind,
}

/// How a member may be absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Always present and always the same. It has no field.
    Constant,
    /// Always present.
    Required,
    /// Always present, but may be null.
    Nullable,
    /// May be missing.
    Optional,
    /// May be missing, which differs from null.
    Patched,
}

impl Member {
    /// Creates a member that has a field.
    ///
    /// # Panics
    /// At compile time, if the name needs escapes in JSON or is longer than 255 bytes.
    pub(crate) const fn new(name: &str, kind: Kind) -> Self {
        Self { kind, ..Self::named(name) }
    }

    /// Creates a member that always has this value, passed as JSON text.
    ///
    /// # Panics
    /// See [`new`](Self::new).
    pub(crate) const fn constant(name: &str, value: &str) -> Self {
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
        Self { start, at: 0, length, value: 0, kind: Kind::Constant }
    }

    /// Returns the length of the name, in bytes.
    #[inline]
    pub(super) const fn length(&self) -> usize {
        self.length as usize
    }

    #[inline]
    pub(super) const fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns whether this name and a quote are at the start of `bytes`, of which [`start_of_key`]
    /// made `start`.
    #[inline]
    fn is_at(&self, texts: &'static str, bytes: &[u8], start: u64) -> bool {
        self.start == start && (self.length < 8 || self.ends_at(texts, bytes))
    }

    /// The same for a name of eight bytes or more that begins as `bytes` do.
    #[inline]
    fn ends_at(&self, texts: &'static str, bytes: &[u8]) -> bool {
        let length = self.length();
        let name = texts.as_bytes().get(self.at.into()..).and_then(|texts| texts.get(..length)).unwrap_or_default();
        let Some((key, [b'"', ..])) = bytes.split_at_checked(length) else { return false };
        // Two comparisons of eight bytes cover a name of sixteen, and cost less than a call of
        // `memcmp`.
        key.last_chunk::<8>() == name.last_chunk::<8>() && (length <= 16 || key == name)
    }

    #[inline]
    fn name(&self, texts: &'static str) -> &'static str {
        let at = usize::from(self.at);
        texts.get(at..at + self.length()).unwrap_or_default()
    }
}

/// Returns the first eight bytes of a key as a number, up to the quote after its name. `None` at
/// the very end of a text.
#[inline]
fn start_of_key(bytes: &[u8]) -> Option<u64> {
    let word = u64::from_le_bytes(*bytes.first_chunk()?);
    let quotes = zero_bytes(word ^ u64::from_le_bytes([b'"'; 8]));
    // What follows the first quote does not count. Without a quote this shifts by nothing.
    Some(word & u64::MAX.wrapping_shr(u64::BITS - 1 - quotes.trailing_zeros().min(u64::BITS - 1)))
}

/// Returns the hash of a key by its beginning.
#[inline]
const fn hash_of(start: u64) -> u8 {
    (start.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8
}

const fn byte(length: usize) -> u8 {
    assert!(length < 256, "a name or constant of more than 255 bytes");
    length as u8
}

/// The name of a member, looked up only if it is needed: that of a missing member never is.
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

/// Returns the bit of a member in the masks. Members after the 64th have none: they count as
/// neither required nor missing. Required members come first.
#[inline]
pub(super) const fn bit(index: usize) -> u64 {
    if index < 64 { 1 << index } else { 0 }
}

/// Assigns members their places in the texts of their layout.
///
/// # Panics
/// At compile time, if the texts are longer than 65,535 bytes.
pub(crate) const fn placed<const N: usize>(mut members: [Member; N]) -> [Member; N] {
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
    /// Creates the table for these members, which are [`placed`] in `texts`; constants first.
    pub(crate) const fn new(texts: &'static str, members: &'static [Member]) -> Self {
        let (mut constants, mut identifying, mut required, mut index) = (0, 0, 0, 0);
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
                    identifying |= bit(index);
                    required |= bit(index);
                }
                Kind::Nullable => required |= bit(index),
                Kind::Optional | Kind::Patched => {}
            }
            index += 1;
        }
        // If nothing is required, constants are not either.
        if identifying != 0 {
            identifying |= required & (bit(constants).wrapping_sub(1));
        }
        Self { texts, members, hashes, constants, identifying, required }
    }

    /// Returns the members by name, each with its kind or with its constant value.
    pub(crate) fn described(&self) -> Vec<(&'static str, String)> {
        let kind = |member: &Member| match member.kind {
            Kind::Constant => self.value(member).to_owned(),
            kind => format!("{kind:?}"),
        };
        self.members.iter().map(|member| (member.name(self.texts), kind(member))).collect()
    }

    /// Returns the name of the type.
    pub(super) fn type_name(&self) -> &'static str {
        let end = |last: &Member| usize::from(last.at) + last.length() + usize::from(last.value);
        self.texts.get(self.members.last().map_or(0, end)..).unwrap_or_default()
    }

    #[inline]
    pub(super) const fn members(&self) -> &'static [Member] {
        self.members
    }

    /// Returns how many members are constants. They come before the members that have a field.
    #[inline]
    pub(super) const fn constants(&self) -> usize {
        self.constants
    }

    /// Returns how many members have a field.
    #[inline]
    pub(super) const fn fields(&self) -> usize {
        self.members.len() - self.constants
    }

    /// Returns the bits of the members that identify an object as one of this type; none if every
    /// object may be one.
    #[inline]
    pub(super) const fn identifying(&self) -> u64 {
        self.identifying
    }

    /// Returns the bits of the members that are written even when empty.
    #[inline]
    pub(super) const fn required(&self) -> u64 {
        self.required
    }

    #[inline]
    pub(super) const fn name(&self, member: &'static Member) -> Name {
        Name { texts: self.texts, member }
    }

    /// Returns the value of a constant, as JSON text.
    #[inline]
    pub(super) fn value(&self, constant: &Member) -> &'static str {
        let at = usize::from(constant.at) + constant.length();
        self.texts.get(at..at + usize::from(constant.value)).unwrap_or_default()
    }

    /// Returns the member whose name and a quote are at the start of `bytes`. `hint` is checked
    /// first: members often arrive in order.
    #[inline]
    pub(super) fn find(&self, bytes: &[u8], hint: usize) -> Option<(usize, &'static Member)> {
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

    pub(super) fn named(&self, name: &str) -> Option<(usize, &'static Member)> {
        let index = self.members.iter().position(|member| member.name(self.texts) == name)?;
        self.members.get(index).map(|member| (index, member))
    }

    /// Returns whether members are present, but none that identifies an object of this type.
    pub(super) const fn is_unidentified_by(&self, extra: &Extra) -> bool {
        self.identifying != 0 && extra.are_absent(self.identifying)
    }

    /// Returns whether every member that identifies an object of this type is present.
    pub(crate) const fn is_identified_by(&self, extra: &Extra) -> bool {
        self.identifying != 0 && !extra.is_absent(self.identifying)
    }

    pub(super) fn has_field(&self, name: &str) -> bool {
        self.named(name).is_some_and(|(_, member)| member.kind != Kind::Constant)
    }
}
