//! JSON text of records: written without intermediate values, and kept where it comes again.
//!
//! What a record looks like is said once, by the `Serialize` implementations. [`write()`] takes any
//! of them and writes the same bytes that `serde_json` would (the tests hold the two together), at
//! a fraction of the work: keys are not escaped, numbers go through no formatter, and a string
//! without special characters is one copy. A [`Kept`] text is written once and copied from then on.

mod hex;
mod kept;
mod number;
mod text;

use std::fmt;

use serde::Serialize;
use serde::ser::{
    self, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};

pub use hex::Hex;
pub use kept::Kept;
pub use serde_json::value::RawValue;

/// Append the JSON of a value to `out`; what was there before stays.
///
/// ```
/// let mut line = Vec::new();
/// tlscensus::json::write(&mut line, &("one\n", [1, 2], None::<u8>)).unwrap();
/// assert_eq!(line, br#"["one\n",[1,2],null]"#);
/// ```
pub fn write<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<(), Error> {
    value.serialize(Writer { out })
}

/// The JSON of a value, by itself: to be written in many places.
pub fn raw<T: Serialize + ?Sized>(value: &T) -> Result<Box<RawValue>, Error> {
    let mut text = Vec::new();
    write(&mut text, value)?;
    let text = String::from_utf8(text).map_err(|_| Error)?;
    RawValue::from_string(text).map_err(|_| Error)
}

/// A value has no JSON form: a map key that is no text, or an implementation that refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value has no JSON form")]
pub struct Error;

impl ser::Error for Error {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// How `serde_json` marks text that is JSON already.
const RAW: &str = "$serde_json::private::RawValue";

/// Writes one value.
struct Writer<'a> {
    out: &'a mut Vec<u8>,
}

/// Writes the members of a list or an object.
struct Members<'a> {
    out: &'a mut Vec<u8>,
    /// Nothing before the first member, a comma before the others.
    first: bool,
    kind: Kind,
}

/// What the members belong to, and so how it ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    List,
    Object,
    /// An object or a list that is the only value of an object.
    InObject,
    InList,
    /// Not an object: text to be copied.
    Raw,
}

impl<'a> Writer<'a> {
    fn literal(self, text: &[u8]) {
        self.out.extend_from_slice(text);
    }

    fn list(self) -> Members<'a> {
        self.out.push(b'[');
        Members { out: self.out, first: true, kind: Kind::List }
    }

    fn object(self) -> Members<'a> {
        self.out.push(b'{');
        Members { out: self.out, first: true, kind: Kind::Object }
    }

    /// The beginning of `{"variant":`.
    fn variant(self, variant: &str) -> &'a mut Vec<u8> {
        self.out.push(b'{');
        text::write(self.out, variant);
        self.out.push(b':');
        self.out
    }
}

macro_rules! numbers {
    ($($method:ident($type:ty) as $wide:ident),*) => {$(
        #[inline]
        fn $method(self, value: $type) -> Result<(), Error> {
            number::$wide(self.out, value.into());
            Ok(())
        }
    )*};
}

impl<'a> ser::Serializer for Writer<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Members<'a>;
    type SerializeTuple = Members<'a>;
    type SerializeTupleStruct = Members<'a>;
    type SerializeTupleVariant = Members<'a>;
    type SerializeMap = Members<'a>;
    type SerializeStruct = Members<'a>;
    type SerializeStructVariant = Members<'a>;

    numbers! {
        serialize_u8(u8) as unsigned, serialize_u16(u16) as unsigned,
        serialize_u32(u32) as unsigned, serialize_u64(u64) as unsigned,
        serialize_i8(i8) as signed, serialize_i16(i16) as signed,
        serialize_i32(i32) as signed, serialize_i64(i64) as signed,
        serialize_f32(f32) as single, serialize_f64(f64) as double
    }

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.literal(if value { b"true" } else { b"false" });
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        text::write(self.out, value.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), Error> {
        text::write(self.out, value);
        Ok(())
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), Error> {
        text::display(self.out, value).map_err(|_| Error)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        self.collect_seq(value)
    }

    #[inline]
    fn serialize_none(self) -> Result<(), Error> {
        self.literal(b"null");
        Ok(())
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.literal(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.literal(b"null");
        Ok(())
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let out = self.variant(variant);
        value.serialize(Writer { out })?;
        out.push(b'}');
        Ok(())
    }

    #[inline]
    fn serialize_seq(self, _: Option<usize>) -> Result<Members<'a>, Error> {
        Ok(self.list())
    }

    fn serialize_tuple(self, _: usize) -> Result<Members<'a>, Error> {
        Ok(self.list())
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Members<'a>, Error> {
        Ok(self.list())
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Members<'a>, Error> {
        let out = self.variant(variant);
        out.push(b'[');
        Ok(Members { out, first: true, kind: Kind::InList })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Members<'a>, Error> {
        Ok(self.object())
    }

    #[inline]
    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Members<'a>, Error> {
        if name == RAW {
            return Ok(Members { out: self.out, first: true, kind: Kind::Raw });
        }
        Ok(self.object())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Members<'a>, Error> {
        let out = self.variant(variant);
        out.push(b'{');
        Ok(Members { out, first: true, kind: Kind::InObject })
    }
}

impl Members<'_> {
    #[inline]
    fn comma(&mut self) {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
    }

    #[inline]
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.comma();
        value.serialize(Writer { out: self.out })
    }

    /// A member of an object whose key is a name of this program: it needs no escapes.
    ///
    /// Where the key is a constant its length is known when this is compiled, and the key is stored rather
    /// than copied: a processor that copies a few bytes first has to guess how many.
    #[allow(clippy::inline_always, reason = "there is but one call for each member")]
    #[inline(always)]
    fn field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        if self.kind == Kind::Raw {
            return value.serialize(Copier { out: self.out });
        }
        if std::mem::take(&mut self.first) {
            self.out.push(b'"');
        } else {
            self.out.extend_from_slice(b",\"");
        }
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        value.serialize(Writer { out: self.out })
    }

    #[inline]
    fn close(self) {
        self.out.extend_from_slice(match self.kind {
            Kind::List => b"]",
            Kind::Object => b"}",
            Kind::InList => b"]}",
            Kind::InObject => b"}}",
            Kind::Raw => b"",
        });
    }
}

macro_rules! elements {
    ($($of:ident::$method:ident),*) => {$(
        impl $of for Members<'_> {
            type Ok = ();
            type Error = Error;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.element(value)
            }

            #[inline]
            fn end(self) -> Result<(), Error> {
                self.close();
                Ok(())
            }
        }
    )*};
}

elements! {
    SerializeSeq::serialize_element, SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field, SerializeTupleVariant::serialize_field
}

macro_rules! fields {
    ($($of:ident),*) => {$(
        impl $of for Members<'_> {
            type Ok = ();
            type Error = Error;

            #[allow(clippy::inline_always, reason = "as for `field`")]
            #[inline(always)]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), Error> {
                self.field(key, value)
            }

            #[inline]
            fn end(self) -> Result<(), Error> {
                self.close();
                Ok(())
            }
        }
    )*};
}

fields! { SerializeStruct, SerializeStructVariant }

impl SerializeMap for Members<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.comma();
        let start = self.out.len();
        key.serialize(Writer { out: self.out })?;
        // Whatever has another form is no key.
        if self.out.get(start) == Some(&b'"') { Ok(()) } else { Err(Error) }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.out.push(b':');
        value.serialize(Writer { out: self.out })
    }

    fn end(self) -> Result<(), Error> {
        self.close();
        Ok(())
    }
}

/// Takes the text of a value that is JSON already; there is nothing else it could be given.
struct Copier<'a> {
    out: &'a mut Vec<u8>,
}

macro_rules! refuse {
    ($($method:ident($($type:ty),*) -> $ok:ty),*) => {$(
        fn $method(self, $(_: $type),*) -> Result<$ok, Error> {
            Err(Error)
        }
    )*};
}

type Never = ser::Impossible<(), Error>;

impl ser::Serializer for Copier<'_> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Never;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStruct = Never;
    type SerializeStructVariant = Never;

    fn serialize_str(self, value: &str) -> Result<(), Error> {
        self.out.extend_from_slice(value.as_bytes());
        Ok(())
    }

    refuse! {
        serialize_bool(bool) -> (), serialize_char(char) -> (), serialize_bytes(&[u8]) -> (),
        serialize_u8(u8) -> (), serialize_u16(u16) -> (), serialize_u32(u32) -> (),
        serialize_u64(u64) -> (), serialize_i8(i8) -> (), serialize_i16(i16) -> (),
        serialize_i32(i32) -> (), serialize_i64(i64) -> (), serialize_f32(f32) -> (),
        serialize_f64(f64) -> (), serialize_none() -> (), serialize_unit() -> (),
        serialize_unit_struct(&'static str) -> (),
        serialize_unit_variant(&'static str, u32, &'static str) -> (),
        serialize_seq(Option<usize>) -> Never, serialize_tuple(usize) -> Never,
        serialize_tuple_struct(&'static str, usize) -> Never,
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Never,
        serialize_map(Option<usize>) -> Never, serialize_struct(&'static str, usize) -> Never,
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Never
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<(), Error> {
        Err(Error)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: &T,
    ) -> Result<(), Error> {
        Err(Error)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Error> {
        Err(Error)
    }
}

#[cfg(test)]
mod tests;
