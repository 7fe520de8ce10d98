//! What is written is what serde_json writes.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn text<T: Serialize>(value: &T) -> String {
    let mut out = Vec::new();
    write(&mut out, value).unwrap();
    String::from_utf8(out).unwrap()
}

/// One of everything that a value may consist of.
#[derive(Clone, Debug, Serialize)]
enum Shape {
    Unit,
    New(u64),
    Tuple(i64, f64),
    Struct { text: String, list: Vec<Self>, map: BTreeMap<String, Option<char>> },
    Small(u8, i8, u16, i16, u32, i32, f32, bool, ()),
}

fn shapes() -> impl Strategy<Value = Shape> {
    let leaf = prop_oneof![
        Just(Shape::Unit),
        any::<u64>().prop_map(Shape::New),
        any::<(i64, f64)>().prop_map(|(int, float)| Shape::Tuple(int, float)),
        any::<(u8, i8, u16, i16, u32, i32, f32, bool)>()
            .prop_map(|(a, b, c, d, e, f, g, h)| Shape::Small(a, b, c, d, e, f, g, h, ())),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let list = prop::collection::vec(inner, 0..4);
        let map = prop::collection::btree_map(any::<String>(), any::<Option<char>>(), 0..4);
        (any::<String>(), list, map).prop_map(|(text, list, map)| Shape::Struct { text, list, map })
    })
}

proptest! {
    #[test]
    fn the_bytes_are_those_of_serde_json(shape in shapes()) {
        prop_assert_eq!(text(&shape), serde_json::to_string(&shape).unwrap());
    }

    #[test]
    fn control_characters_are_escaped_alike(bytes in prop::collection::vec(0_u8..0x80, 0..40)) {
        let string = String::from_utf8(bytes).unwrap();
        prop_assert_eq!(text(&string), serde_json::to_string(&string).unwrap());
        // As text and as what prints as it.
        let printed = format_args!("{string}").to_string();
        let mut out = Vec::new();
        text::display(&mut out, &printed).unwrap();
        prop_assert_eq!(String::from_utf8(out).unwrap(), text(&string));
    }
}

#[test]
fn a_key_that_is_no_text_is_refused() {
    let map = BTreeMap::from([(1, 2)]);
    assert_eq!(write(&mut Vec::new(), &map), Err(Error));
}

#[test]
fn a_kept_text_is_that_of_the_value_each_time() {
    struct Value(Kept);

    impl Serialize for Value {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.0.serialize(&["a\"b", "c"], serializer)
        }
    }

    let value = Value(Kept::default());
    for _ in 0..3 {
        assert_eq!(text(&value), r#"["a\"b","c"]"#);
        assert_eq!(serde_json::to_string(&value).unwrap(), r#"["a\"b","c"]"#);
    }
    assert_eq!(serde_json::to_value(&value).unwrap(), serde_json::json!(["a\"b", "c"]));
}
