//! The macros that implement [`Wire`](super::Wire) for objects.

/// Implements [`Wire`](super::Wire) and serde's traits for a struct with an `extra` field.
///
/// ```text
/// wire_struct!(Type ["type" = "text"] {    // members that always have this text, and no field
///     id: Required = 0,                    // a field: how its member may be absent, and its index
///     r#async as "async": Optional = 1,    // a member with another name than its field
/// });
/// ```
///
/// Required fields come first, so that they are all within the 64 bits of the masks.
macro_rules! wire_struct {
    ($type:ident $([$($constant:literal = $value:literal),+])? {
        $($field:ident $(as $name:literal)?: $kind:ident = $index:literal),* $(,)?
    }) => {
        impl $crate::core::wire::Struct for $type {
            const LAYOUT: &'static $crate::core::wire::Layout = {
                // A static exists once in the program, a constant once in each compilation unit.
                static LAYOUT: $crate::core::wire::Layout = $crate::core::wire::Layout::new(
                    concat!(
                        $($($constant, "\"", $value, "\"",)+)?
                        $($crate::core::wire::wire_name!($field $($name)?),)*
                        stringify!($type),
                    ),
                    &$crate::core::wire::placed([
                        $($($crate::core::wire::Member::constant($constant, concat!("\"", $value, "\"")),)+)?
                        $($crate::core::wire::Member::new(
                            $crate::core::wire::wire_name!($field $($name)?),
                            $crate::core::wire::Kind::$kind,
                        ),)*
                    ]),
                );
                &LAYOUT
            };

            #[inline]
            #[allow(unused_variables)]
            fn read_field(
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
            fn write_field(&self, index: usize, writer: &mut $crate::core::wire::Writer) {
                match index {
                    $($index => $crate::core::wire::Wire::write(&self.$field, writer),)*
                    _ => {}
                }
            }

            #[inline]
            #[allow(unused_variables)]
            fn is_field_missing(&self, index: usize) -> bool {
                match index {
                    $($index => $crate::core::wire::Wire::is_missing(&self.$field),)*
                    _ => true,
                }
            }

            #[inline]
            fn extra_mut(&mut self) -> &mut $crate::core::wire::Extra {
                &mut self.extra
            }
        }

        impl $crate::core::wire::Sealed for $type {}

        impl $crate::core::wire::Wire for $type {
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
            fn is_missing(&self) -> bool {
                $crate::core::wire::is_struct_missing(self)
            }

            #[inline]
            fn extra(&self) -> Option<&$crate::core::wire::Extra> {
                Some(&self.extra)
            }

            #[inline]
            fn is_foreign(&self) -> bool {
                $crate::core::wire::is_struct_foreign(self)
            }

            #[inline]
            fn is_identified(&self) -> bool {
                <Self as $crate::core::wire::Struct>::LAYOUT.is_identified_by(&self.extra)
            }

            #[inline]
            fn members() -> Vec<(&'static str, String)> {
                <Self as $crate::core::wire::Struct>::LAYOUT.described()
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

/// The JSON name of a field: that of the Rust field, unless it is given.
macro_rules! wire_name {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $name:literal) => {
        $name
    };
}

/// Defines a setter for each optional field. The word before its type is what the setter accepts:
/// `exact` the type itself, `number` any number that fits, `into` what converts into it, `boxed`
/// the same for a boxed field, `list` one or many elements, `map` pairs, `patch` what converts into
/// a [`Patch`].
///
/// [`Patch`]: super::Patch
macro_rules! wire_setters {
    ($type:ident { $($(#[$doc:meta])* $field:ident: $kind:ident $value:ty,)* }) => {
        impl From<::serde_json::Value> for $type {
            /// Reads the object that `json!({…})` makes. Fields that this type does not know, or
            /// whose value does not match, are sent unchanged; a value that is not an object is an
            /// error of the call.
            #[inline]
            fn from(value: ::serde_json::Value) -> Self {
                $crate::core::wire::from_value(value)
            }
        }

        impl $type {
            $($crate::core::wire::wire_setters!(@ $(#[$doc])* $field $kind $value);)*

            /// Adds a field that this version of the crate does not know.
            #[must_use]
            #[inline]
            pub fn extra(mut self, name: impl Into<String>, value: impl Into<$crate::core::wire::Json>) -> Self {
                self.extra.insert(name, value);
                self
            }
        }
    };
    (@ $(#[$doc:meta])* $field:ident exact $value:ty) => {
        $(#[$doc])*
        #[must_use]
        #[inline]
        pub fn $field(mut self, $field: $value) -> Self {
            self.$field = Some($field);
            self
        }
    };
    (@ $(#[$doc:meta])* $field:ident into $value:ty) => {
        $(#[$doc])*
        #[must_use]
        #[inline]
        pub fn $field(mut self, $field: impl Into<$value>) -> Self {
            self.$field = Some($field.into());
            self
        }
    };
    (@ $(#[$doc:meta])* $field:ident boxed $value:ty) => {
        $(#[$doc])*
        #[must_use]
        #[inline]
        pub fn $field(mut self, $field: impl Into<$value>) -> Self {
            self.$field = Some(Box::new($field.into()));
            self
        }
    };
    (@ $(#[$doc:meta])* $field:ident number $value:ty) => {
        $(#[$doc])*
        #[must_use]
        #[inline]
        pub fn $field(mut self, $field: impl $crate::core::wire::IntoNumber<$value>) -> Self {
            self.$field = Some($field.into_number());
            self
        }
    };
    (@ $(#[$doc:meta])* $field:ident list $value:ty) => {
        $(#[$doc])*
        #[must_use]
        #[inline]
        pub fn $field<M>(mut self, $field: impl $crate::core::wire::IntoList<$value, M>) -> Self {
            self.$field = Some($field.into_list());
            self
        }
    };
    (@ $(#[$doc:meta])* $field:ident map $value:ty) => {
        $(#[$doc])*
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
    (@ $(#[$doc:meta])* $field:ident patch $value:ty) => {
        $(#[$doc])*
        #[must_use]
        #[inline]
        pub fn $field(mut self, $field: impl Into<$crate::core::wire::Patch<$value>>) -> Self {
            self.$field = $field.into();
            self
        }
    };
}

pub(crate) use {wire_name, wire_setters, wire_struct};
