//! How the state of a run becomes JSON and JSON becomes the state again: exactly, or not at all.

use std::collections::BTreeMap;

use serde::de::{DeserializeOwned, Deserializer, Error};
use serde::{Deserialize, Serialize, Serializer};

use crate::models::Json;

/// The members of an object that is being read. Each is taken once; a missing or an unknown one is an error, since a run
/// that is understood only in part must not be continued.
pub(super) struct Members {
    of: &'static str,
    members: BTreeMap<String, Json>,
}

impl Members {
    pub(super) fn read<'de, D: Deserializer<'de>>(of: &'static str, deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { of, members: BTreeMap::deserialize(deserializer)? })
    }

    pub(super) fn take<T: DeserializeOwned, E: Error>(&mut self, name: &str) -> Result<T, E> {
        let Some(value) = self.members.remove(name) else {
            return Err(E::custom(format!("`{name}` is missing from the {} of a run", self.of)));
        };
        value.deserialize().map_err(|error| E::custom(format!("`{name}` in the {} of a run: {error}", self.of)))
    }

    pub(super) fn end<E: Error>(self) -> Result<(), E> {
        self.members.into_keys().next().map_or(Ok(()), |name| {
            Err(E::custom(format!("the {} of a run has `{name}`, which this version does not know", self.of)))
        })
    }
}

/// Implements serde's traits for a struct: an object with a member for each field.
macro_rules! stored_struct {
    ($type:ident as $of:literal { $($field:ident),* $(,)? }) => {
        impl ::serde::Serialize for $type {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use ::serde::ser::SerializeStruct;

                let mut object = serializer.serialize_struct($of, [$(stringify!($field)),*].len())?;
                $(object.serialize_field(stringify!($field), &self.$field)?;)*
                object.end()
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $type {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let mut members = $crate::agent::stored::Members::read($of, deserializer)?;
                let value = Self { $($field: members.take(stringify!($field))?,)* };
                members.end()?;
                Ok(value)
            }
        }
    };
}

/// Implements serde's traits and `as_str` for an enum of texts.
macro_rules! stored_enum {
    ($type:ident as $of:literal { $($variant:ident = $text:literal),* $(,)? }) => {
        impl $type {
            /// Returns the name that stands for the value in the JSON of a run.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }

        impl ::serde::Serialize for $type {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $type {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as ::serde::Deserialize>::deserialize(deserializer)?;
                match text.as_str() {
                    $($text => Ok(Self::$variant),)*
                    _ => Err(::serde::de::Error::custom(format!(
                        concat!("{:?} is not a ", $of, " that this version knows"),
                        text,
                    ))),
                }
            }
        }
    };
}

pub(super) use {stored_enum, stored_struct};

/// The version of the JSON of a run. A number, so that a program can compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version;

/// The version that this crate writes, and the only one it reads.
const VERSION: u64 = 1;

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(VERSION)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            VERSION => Ok(Self),
            other => Err(Error::custom(format!(
                "the run has the format version {other}, and this version of openrouter-kit reads only {VERSION}; read it \
                 with the version that wrote it"
            ))),
        }
    }
}
