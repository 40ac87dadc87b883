//! The rules of the module, each under its name.

#![allow(unreachable_pub, reason = "the macros write for public types")]

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;

#[derive(Clone, Debug, PartialEq)]
struct Part {
    id: String,
    count: i64,
    note: Option<String>,
    tags: Option<Vec<String>>,
    when: Option<f64>,
    extra: Extra,
}

wire_struct!(Part ["type" = "part"] {
    id: Required = 0,
    count: Required = 1,
    note: Nullable = 2,
    tags: Optional = 3,
    when: Optional = 4,
});

#[derive(Clone, Debug, PartialEq)]
struct Change {
    limit: Patch<f64>,
    schema: Option<JsonObject>,
    key: Option<Secret>,
    extra: Extra,
}

wire_struct!(Change { limit: Patched = 0, schema: Optional = 1, key: Optional = 2 });

/// A required value of every kind that may be empty.
#[derive(Clone, Debug, PartialEq)]
struct Kinds {
    name: String,
    list: Vec<i64>,
    map: BTreeMap<String, i64>,
    part: Part,
    extra: Extra,
}

wire_struct!(Kinds { name: Required = 0, list: Required = 1, map: Required = 2, part: Required = 3 });

#[derive(Clone, Debug, PartialEq, Eq)]
enum Color {
    Red,
    DarkBlue,
    Unrecognized(Box<str>),
}

wire_enum!(Color { Red = "red", DarkBlue = "dark-blue", });

#[derive(Clone, Debug, PartialEq)]
enum Item {
    Part(Box<Part>),
    PlainPart(Box<Part>),
    Change(Change),
    Text(String),
    Numbers(Vec<f64>),
    Texts(Vec<String>),
    Unrecognized(Unrecognized),
}

wire_union!(Item {
    tag "type" {
        "part" if (Has("note")) => Part,
        "part" => PlainPart,
    }
    objects { if (Has("limit")) => Change, }
    shapes {
        String => Text,
        Array(Number) => Numbers,
        Array(String) => Texts,
    }
    variants { Part = 0, PlainPart = 1, Change = 2, Text = 3, Numbers = 4, Texts = 5, }
});

fn text<T: Wire>(value: &T) -> String {
    String::from_utf8(encode(value).unwrap()).unwrap()
}

#[track_caller]
fn survives<T: Wire>(json: &str) -> T {
    let value: T = decode(json).unwrap();
    let before = Json::parse(json).unwrap();
    let after = Json::parse(text(&value)).unwrap();
    assert_eq!(before.difference(&after).map(|place| place.to_string()), None, "{before} became {after}");
    value
}

#[test]
fn unknown_members_are_kept_and_written_back() {
    let part: Part =
        survives(r#"{"new":{"deep":[1,2.50,"x"]},"type":"part","id":"a","count":1,"note":null,"other":null}"#);
    assert_eq!(part.extra.get("new").unwrap().as_text(), r#"{"deep":[1,2.50,"x"]}"#);
    assert_eq!(part.extra.mismatches().count(), 0);
}

#[test]
fn a_member_that_does_not_fit_is_kept_with_the_reason() {
    let part: Part = survives(r#"{"type":"part","id":"a","count":"many","tags":[5,6],"note":"n"}"#);
    assert_eq!((part.count, part.tags.as_deref()), (0, None));
    let mismatches: Vec<_> = part.extra.mismatches().map(|(name, error)| format!("{name}: {}", error.path())).collect();
    assert_eq!(mismatches, ["count: count", "tags: tags[0]"]);
}

#[test]
fn a_list_is_written_back_whole_if_what_it_leaves_out_looks_like_the_rest() {
    let mut part = survives::<Part>(r#"{"type":"part","id":"a","count":1,"tags":[true,"true","b"]}"#);
    assert_eq!(part.tags.as_deref(), Some(&["true".to_owned(), "b".to_owned()][..]));
    part.tags = Some(vec!["b".to_owned()]);
    assert_eq!(text(&part), r#"{"type":"part","id":"a","count":1,"tags":["b"]}"#);
}

#[test]
fn setting_a_field_replaces_the_value_that_did_not_fit() {
    let mut part: Part = decode(r#"{"type":"part","id":"a","count":"many"}"#).unwrap();
    part.count = 3;
    assert_eq!(text(&part), r#"{"type":"part","id":"a","count":3}"#);
}

#[test]
fn a_required_member_that_is_missing_reads_as_empty_and_is_not_written_back() {
    for json in [r#"{"id":"a"}"#, r#"{"type":"part","count":4}"#, r#"{"id":"","count":0}"#, r#"{"id":null,"count":1}"#]
    {
        survives::<Part>(json);
    }
    for json in [r#"{"name":"a"}"#, r#"{"list":[1]}"#, r#"{"map":{"a":1}}"#, r#"{"part":{"id":"a"}}"#] {
        survives::<Kinds>(json);
    }
    let mut part: Part = decode(r#"{"type":"part","count":4}"#).unwrap();
    assert_eq!(part.id, "");
    part.id = "set".into();
    assert_eq!(text(&part), r#"{"type":"part","id":"set","count":4}"#);
}

#[test]
fn an_object_without_any_of_the_members_that_tell_it_is_refused() {
    let error = decode::<Part>(r#"{"type":"piece","tags":[]}"#).unwrap_err();
    assert_eq!(error.to_string(), "has none of the fields that identify it: type, id, count");
    let error = decode::<Part>(r#"{"id":5}"#).unwrap_err();
    assert_eq!((error.path(), error.message()), ("id", "expected a string, found a number"));
}

#[test]
fn an_optional_member_of_the_right_type_is_enough_to_identify_an_object() {
    for json in
        [r#"{"tags":["x"]}"#, r#"{"note":"n","other":1}"#, r#"{"when":8e-8,"id":null}"#, r#"{"id":5,"tags":[]}"#]
    {
        let part: Part = survives(json);
        assert_eq!(
            (part.id.as_str(), part.extra.mismatches().count()),
            ("", usize::from(json.contains('5'))),
            "{json}"
        );
    }
    let parts: Vec<Part> = survives(r#"[{"note":"n"}]"#);
    assert_eq!(untyped(&parts), []);
    for json in [
        r#"{"other":1}"#,
        r#"{"note":null,"other":1}"#,
        r#"{"tags":5}"#,
        r#"{"error":{"code":502},"note":"n"}"#,
        r#"{"type":"error","note":"n"}"#,
        r#"{"type":"piece","tags":[]}"#,
    ] {
        assert!(decode::<Part>(json).is_err(), "{json}");
    }
    // The body of a response must identify itself.
    let holder: Whole = survives(r#"{"part":{"note":"n"}}"#);
    assert!(!holder.is_foreign() && holder.part.is_foreign());
}

#[test]
fn an_event_without_its_required_members_is_kept_whole() {
    let part: Part = decode_event(r#"{"id":5,"other":true}"#).unwrap();
    assert_eq!(text(&part), r#"{"id":5,"other":true}"#);
    assert!(decode_event::<Part>("[1]").is_err());
    assert!(decode_event::<Part>("{").is_err());
}

#[test]
fn a_constant_with_another_text_is_an_unknown_value() {
    for part in [r#"{"type":"piece","id":"a","count":1}"#, r#"{"type":"","id":"a","count":1}"#] {
        let part: Part = survives(part);
        assert!(part.extra.get("type").is_some());
        assert_eq!(untyped(&part), []);
    }
    let part: Part = survives(r#"{"type":5,"id":"a","count":1}"#);
    assert_eq!(part.extra.mismatches().count(), 1);
}

#[test]
fn a_constant_alone_tells_the_type() {
    let part: Part = survives(r#"{"type":"part","tags":[]}"#);
    assert_eq!(part.tags, Some(vec![]));
    let Item::PlainPart(part) = survives(r#"{"type":"part"}"#) else { panic!() };
    assert_eq!(part.id, "");
}

#[derive(Clone, Debug, PartialEq)]
struct Delta {
    text: Option<String>,
    extra: Extra,
}

wire_struct!(Delta ["role" = "assistant"] { text: Optional = 0, });

#[test]
fn a_type_that_requires_nothing_takes_every_object() {
    let deltas: Vec<Delta> = survives(r#"[{"text":"a"},{"role":""},{"other":1}]"#);
    let members = untyped(&deltas).into_iter().map(|part| (part.path, part.kind)).collect::<Vec<_>>();
    let other = UntypedKind::Member { type_name: "Delta", name: "other".to_owned() };
    assert_eq!(members, [("[2].other".to_owned(), other)]);
}

#[test]
fn an_object_that_holds_nothing_is_an_empty_value() {
    for nothing in ["{}", r#"{"id":null,"type":null,"tags":null}"#] {
        let part: Part = survives(nothing);
        assert_eq!((part.id.as_str(), part.count), ("", 0));
        assert_eq!(text(&part), "{}");
    }
}

#[test]
fn an_element_that_does_not_fit_is_kept_without_harm_to_its_neighbours() {
    let parts: Vec<Part> = survives(r#"[{"id":"a","count":1},{"error":{"code":502}},{"id":"c","count":3}]"#);
    assert_eq!((parts[0].count, parts[2].count), (1, 3));
    assert!(parts[1].extra.get("error").is_some());
    assert_eq!(untyped(&parts).len(), 1);
    assert_eq!(untyped(&parts)[0].path, "[1].error");

    let boxed: Vec<Box<Part>> = survives(r#"[{"error":1}]"#);
    assert_eq!(untyped(&boxed).len(), 1);
    let map: BTreeMap<String, Part> = survives(r#"{"one":{"id":"a"},"two":{"error":1}}"#);
    assert_eq!(map["one"].id, "a");
    assert_eq!(untyped(&map)[0].path, "two.error");

    assert!(decode::<Vec<Part>>(r#"[{"id":"a"},null]"#).is_err(), "a value that is not an object cannot be kept");
    assert!(decode::<Vec<Part>>(r#"[{"id":"a"},{"id":]"#).is_err());
}

#[test]
fn of_members_with_the_same_name_the_last_counts() {
    for (json, count) in [
        (r#"{"id":"a","count":1,"count":2}"#, 2),
        (r#"{"id":"a","count":1,"count":null}"#, 0),
        (r#"{"id":"a","count":1,"count":"two"}"#, 0),
        (r#"{"id":"a","count":"one","count":2}"#, 2),
        (r#"{"type":"piece","type":"part","id":"a","count":3}"#, 3),
        (r#"{"type":"part","type":"piece","id":"a","count":3}"#, 3),
        (r#"{"id":"a","count":4,"other":1,"other":2}"#, 4),
    ] {
        assert_eq!(survives::<Part>(json).count, count, "{json}");
    }
    let Item::Unrecognized(kept) = survives(r#"{"type":"new","id":"a","type":"part"}"#) else { panic!() };
    assert_eq!(kept.tag("type").unwrap(), "part");
    let Item::PlainPart(part) = survives(r#"{"type":"part","id":"a","count":1,"count":2}"#) else { panic!() };
    assert_eq!(part.count, 2);
    let parts: Vec<Part> = survives(r#"[{"id":"a","count":1,"tags":["x"],"tags":["y\"z"]}]"#);
    assert_eq!(parts[0].tags.as_deref(), Some(["y\"z".to_owned()].as_slice()));
}

#[test]
fn a_repeated_name_leaves_nothing_of_its_earlier_value() {
    let whole: Whole = survives(r#"{"id":"w","part":{"id":"a","note":"n","x":1},"part":{"count":2,"tags":["y"]}}"#);
    assert_eq!((whole.part.id.as_str(), whole.part.note.as_deref(), whole.part.count), ("", None, 2));
    assert!(whole.part.extra.is_empty());
    let whole: Whole =
        survives(r#"{"id":"w","parts":[{"id":"a"},{"id":"b"}],"parts":[{"id":"c"}],"part":{"id":"a"},"part":5}"#);
    assert_eq!((whole.parts.len(), whole.part.id.as_str()), (1, ""));
    assert_eq!(whole.extra.mismatches().map(|(name, _)| name).collect::<Vec<_>>(), ["part"]);
    for json in [
        r#"{"id":"a","count":1.5,"count":2}"#,
        r#"{"id":"a","count":"x","count":null,"count":2}"#,
        r#"{"id":"a","count":2,"tags":[1],"tags":null,"new":1,"new":null,"type":5,"type":"part"}"#,
    ] {
        let part: Part = survives(json);
        assert_eq!((part.count, part.tags.is_none(), part.extra.is_empty()), (2, true, true), "{json}");
    }
    let Item::Unrecognized(kept) = survives(r#"{"type":"part","id":"a","count":1,"type":"new"}"#) else { panic!() };
    assert_eq!((kept.tag("type").unwrap(), kept.error()), ("new", None));
    for json in [
        r#"{"limit":1,"limit":null}"#,
        r#"{"type":"part","id":"a","note":"n","note":null}"#,
        r#"{"type":"part","id":"a","type":null}"#,
    ] {
        assert!(matches!(survives(json), Item::Unrecognized(kept) if kept.error().is_none()), "{json}");
    }
}

#[test]
fn integers_keep_their_value_beyond_every_native_type() {
    for number in
        ["9007199254740993", "9223372036854775807", "9223372036854775808", "18446744073709551616", "-1e400", "1e400"]
    {
        survives::<Part>(&format!(r#"{{"id":"a","count":{number},"when":{number},"new":{number}}}"#));
    }
    let part: Part = survives(r#"{"id":"a","count":3.0,"when":0.1}"#);
    assert_eq!((part.count, part.when), (3, Some(0.1)));
    assert_eq!(decode::<i64>("12e2").unwrap(), 1200);
    assert!(decode::<i64>("1.5").is_err());
}

#[test]
fn numbers_are_written_so_that_they_read_back_the_same() {
    for number in
        [0.0, -0.0, 0.7, 1.0, 1e-7, 1.5e300, -2.25e-300, f64::MIN_POSITIVE, f64::MAX, 123456789.125, 1e16, 1e17]
    {
        let written = text(&number);
        assert_eq!(decode::<f64>(&written).unwrap().to_bits(), number.to_bits(), "{written}");
        assert!(written.len() < 30, "{written}");
    }
    assert_eq!(encode(&vec![1.0, f64::NAN]).unwrap_err().path(), "[1]");
}

#[test]
fn an_enum_keeps_a_value_it_does_not_know() {
    assert_eq!(survives::<Color>(r#""dark-blue""#), Color::DarkBlue);
    assert_eq!(survives::<Color>(r#""green""#), Color::Unrecognized("green".into()));
    assert_eq!(Color::ALL, [Color::Red, Color::DarkBlue]);
    assert_eq!("red".parse::<Color>().unwrap().to_string(), "red");
}

#[test]
fn a_union_finds_the_type_wherever_the_tag_stands() {
    assert!(matches!(survives(r#"{"type":"part","id":"a","count":1,"note":"n"}"#), Item::Part(_)));
    assert!(matches!(survives(r#"{"id":"a","note":{"a":[{}]},"count":1,"type":"part"}"#), Item::Unrecognized(_)));
    assert!(matches!(survives(r#"{"id":"a","count":1,"type":"part"}"#), Item::PlainPart(_)));
    for spelling in [r#" { "type" : "part","id":"a","count":1}"#, r#"{"type":"p\u0061rt","id":"a","count":1}"#] {
        assert!(matches!(decode(spelling), Ok(Item::PlainPart(_))), "{spelling}");
    }
    assert!(matches!(survives(r#"{"type":"part of it","limit":1}"#), Item::Change(_)));
    assert!(decode::<Item>(r#"{"type":"part"#).is_err());
    assert!(matches!(survives(r#"{"limit":1}"#), Item::Change(_)));
    assert!(matches!(survives(r#""text""#), Item::Text(_)));
    assert!(matches!(survives("[1,2]"), Item::Numbers(_)));
    assert!(matches!(survives(r#"["a"]"#), Item::Texts(_)));
    assert!(matches!(survives("[]"), Item::Numbers(_)));
}

#[test]
fn a_union_tells_an_unknown_tag_from_a_known_one_that_does_not_fit() {
    let Item::Unrecognized(unknown) = survives(r#"{"type":"new","x":18446744073709551617}"#) else { panic!() };
    assert_eq!((unknown.tag("type"), unknown.error()), (Some("new"), None));
    let Item::Unrecognized(broken) = survives(r#"{"type":"part","id":{},"count":1}"#) else { panic!() };
    assert_eq!(broken.error().unwrap().path(), "id");
    for other in ["null", "true", "5", r#"{"x":1}"#, "{}", r#"{"type":5}"#] {
        let Item::Unrecognized(kept) = survives(other) else { panic!() };
        assert_eq!(kept.error(), None, "{other}");
    }
}

#[test]
fn an_optional_value_may_be_null_anywhere() {
    assert_eq!(decode::<Option<i64>>("null").unwrap(), None);
    assert_eq!(survives::<Vec<Option<i64>>>("[1,null]"), [Some(1), None]);
    let map: BTreeMap<String, Option<String>> = survives(r#"{"a":null,"b":"text"}"#);
    assert_eq!(map.into_values().collect::<Vec<_>>(), [None, Some("text".to_owned())]);
    assert!(decode::<Option<i64>>("nil").is_err());
}

#[test]
fn a_patch_tells_absent_from_null() {
    let change = |limit| Change { limit, schema: None, key: None, extra: Extra::new() };
    assert_eq!(text(&change(Patch::Keep)), "{}");
    assert_eq!(text(&change(Patch::Clear)), r#"{"limit":null}"#);
    assert_eq!(text(&change(Patch::Set(1.5))), r#"{"limit":1.5}"#);
    assert_eq!(decode::<Change>(r#"{"limit":null}"#).unwrap().limit, Patch::Clear);
}

#[test]
fn a_schema_that_is_no_object_is_refused_with_its_place() {
    let change = Change { limit: Patch::Keep, schema: Some(json!([1]).into()), key: None, extra: Extra::new() };
    let error = encode(&vec![change]).unwrap_err();
    assert_eq!(error.to_string(), "`[0].schema`: expected a JSON object, found an array");
}

#[test]
fn a_secret_is_sent_but_not_printed() {
    let change = Change { limit: Patch::Keep, schema: None, key: Some("sk-1".into()), extra: Extra::new() };
    assert_eq!(text(&change), r#"{"key":"sk-1"}"#);
    assert!(!format!("{change:?}").contains("sk-1"));
}

#[test]
fn strings_read_as_serde_json_reads_them() {
    for (json, expected) in [
        (r#""""#, Some("")),
        (r#""a\"b\\c\/\b\f\n\r\té""#, Some("a\"b\\c/\u{8}\u{c}\n\r\té")),
        (r#""\u00e9\ud83d\ude00 \u0041""#, Some("é😀 A")),
        (r#""\ud83d""#, None),
        (r#""\ude00""#, None),
        (r#""\ud83dx""#, None),
        (r#""\x""#, None),
        ("\"a\nb\"", None),
        (r#""abc"#, None),
        (r#""\u12"#, None),
    ] {
        assert_eq!(decode::<String>(json).ok().as_deref(), expected, "{json}");
        assert_eq!(serde_json::from_str::<String>(json).ok().as_deref(), expected, "{json}");
    }
    // A stop character at every distance from the start.
    for length in 0..40 {
        for stop in ["\\n", "\\\"", "é", "\u{7f}"] {
            let json = format!("\"{}{stop}{}\"", "x".repeat(length), "y".repeat(length % 9));
            assert_eq!(decode::<String>(&json).unwrap(), serde_json::from_str::<String>(&json).unwrap());
            assert_eq!(
                text(&decode::<String>(&json).unwrap()).len(),
                serde_json::from_str::<String>(&json).map(|s| serde_json::to_string(&s).unwrap().len()).unwrap()
            );
        }
    }
}

#[test]
fn half_of_a_surrogate_pair_is_kept_although_no_string_can_hold_it() {
    let part: Part = survives(r#"{"id":"a","count":1,"note":"\ud83d","tags":["\ude00"]}"#);
    assert_eq!(part.extra.get("note").unwrap().as_text(), r#""\ud83d""#);
}

#[test]
fn a_value_that_fits_nearly_is_read_as_the_nearest_and_written_back_as_it_came() {
    let part: Part = survives(r#"{"id":"a\ud83d","count":14417.92,"note":"\ude00b","tags":["x",null,5,"y"]}"#);
    assert_eq!((part.id.as_str(), part.count, part.note.as_deref()), ("a\u{fffd}", 14417, Some("\u{fffd}b")));
    assert_eq!(part.tags.as_deref(), Some(["x".to_owned(), "y".to_owned()].as_slice()));
    assert_eq!(part.extra.mismatches().count(), 4);

    let part: Part = survives(r#"{"id":"a","count":" 57 ","when":"0.04"}"#);
    assert_eq!((part.count, part.when), (57, Some(0.04)));
    let part: Part = survives(r#"{"id":"a","count":-0.5,"tags":["\ud83d"]}"#);
    assert_eq!((part.count, part.tags.as_deref()), (0, Some(["\u{fffd}".to_owned()].as_slice())));
    for json in [r#"{"id":"a","count":"57x"}"#, r#"{"id":"a","count":""}"#, r#"{"id":"a","tags":[null]}"#] {
        let part: Part = survives(json);
        assert_eq!((part.count, part.tags), (0, None), "{json}");
    }
}

#[test]
fn setting_a_field_replaces_the_exact_value_behind_it() {
    let mut part: Part = decode(r#"{"id":"a\ud83d","count":1.5,"tags":["x",null]}"#).unwrap();
    (part.id, part.count, part.tags) = ("b".into(), 2, Some(vec!["z".into()]));
    assert_eq!(text(&part), r#"{"id":"b","count":2,"tags":["z"]}"#);
    let mut part: Part = decode(r#"{"id":"a","tags":["x",null,"y"]}"#).unwrap();
    part.tags = Some(vec!["x".into()]);
    assert_eq!(text(&part), r#"{"id":"a","tags":["x"]}"#);
    part.tags = Some(Vec::new());
    assert_eq!(text(&part), r#"{"id":"a","tags":[]}"#);
}

#[test]
fn a_value_in_a_map_that_does_not_fit_costs_only_itself() {
    #[derive(Clone, Debug, PartialEq)]
    struct Holder {
        map: BTreeMap<String, String>,
        extra: Extra,
    }
    wire_struct!(Holder { map: Required = 0 });
    let holder: Holder = survives(r#"{"map":{"a":"x","b":null,"c":5,"d":"y"}}"#);
    assert_eq!(holder.map.into_keys().collect::<Vec<_>>(), ["a", "d"]);
}

#[test]
fn a_map_in_a_list_that_does_not_fit_is_written_back() {
    #[derive(Clone, Debug, PartialEq)]
    struct Holder {
        maps: Option<Vec<BTreeMap<String, f64>>>,
        extra: Extra,
    }
    wire_struct!(Holder { maps: Optional = 0 });
    for json in
        [r#"{"maps":[{"a":"x"},{}]}"#, r#"{"maps":[{"a":"x"},{"b":1}]}"#, r#"{"maps":[{"a":9007199254740993,"b":1}]}"#]
    {
        let mut holder: Holder = survives(json);
        assert_eq!(holder.maps.as_ref().map(Vec::len), Some(1), "{json}");
        holder.maps = Some(vec![BTreeMap::from([("c".to_owned(), 2.0)])]);
        assert_eq!(text(&holder), r#"{"maps":[{"c":2}]}"#);
    }
}

#[test]
fn an_unknown_member_is_there_once_however_often_it_came() {
    let mut part: Part = decode(r#"{"id":"a","new":1,"new":2,"new":3,"other":4}"#).unwrap();
    assert_eq!(part.extra.iter().count(), 2);
    assert_eq!(part.extra.insert("new", 5), Some(Json::from(3)));
    assert_eq!(part.extra.remove("new"), Some(Json::from(5)));
    assert_eq!(part.extra.remove("new"), None);
    assert_eq!(text(&part), r#"{"id":"a","other":4}"#);

    let mut many: Extra = (0..100).map(|number| (number.to_string(), number)).collect();
    assert_eq!(many.remove("50"), Some(Json::from(50)));
    assert_eq!((many.get("50"), many.get("99")), (None, Some(&Json::from(99))));
    assert_eq!(many.insert("99", 1), Some(Json::from(99)));
    let mut backwards: Vec<_> = many.iter().map(|(name, value)| (name, value.clone())).collect();
    backwards.reverse();
    assert_eq!(many, backwards.into_iter().collect());
}

#[test]
fn what_is_no_json_is_refused_as_serde_json_refuses_it() {
    for json in [
        "",
        " ",
        "{",
        "}",
        "[1,]",
        "[1 2]",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{a:1}",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "-",
        "nul",
        "tru",
        "nulll",
        "[",
        "[[]",
        "\"",
        "{\"a\":}",
        "[,]",
        "{,}",
        "1 2",
        "'a'",
        "NaN",
        "Infinity",
        "\u{feff}1",
        "{\"a\":1}}",
        "[1]]",
    ] {
        assert!(Json::parse(json).is_err(), "{json:?}");
        assert!(serde_json::from_str::<Value>(json).is_err(), "{json:?}");
    }
    for json in ["0", "-0", "1.5e+3", "1E-2", " [ ] ", "{ }", "[[[]],{}]", "{\"a\":{\"b\":[]}}", "\t\r\n null "] {
        assert!(Json::parse(json).is_ok(), "{json:?}");
        assert!(serde_json::from_str::<Value>(json).is_ok(), "{json:?}");
    }
}

#[test]
fn containers_may_be_nested_127_deep_and_no_deeper() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(Json::parse(nested(127)).is_ok_and(|json| json.to_value().is_array()));
    assert!(Json::parse(nested(128)).is_err());
    assert!(Json::parse(nested(1_000_000)).is_err());
}

#[test]
fn json_is_looked_into_as_into_a_value_of_serde_json() {
    let text =
        r#" {"a":{"b":[1,-2.5,"x\n\u0041","y"]},"n":null,"t":true,"big":18446744073709551615,"a b":{},"t":false} "#;
    let json: Json = text.parse().unwrap();
    assert_eq!(json["a"]["b"][0], 1);
    assert_eq!(json["a"]["b"][1], -2.5);
    assert_eq!(json["a"]["b"][2], "x\nA");
    assert_eq!(json["a"]["b"][3].as_str(), Some("y"));
    assert_eq!(json["a"], json!({"b": [1, -2.5, "x\nA", "y"]}));
    assert_eq!(json["t"], false, "the last of a name counts");
    assert_eq!((json["big"].as_u64(), json["big"].as_i64()), (Some(u64::MAX), None));
    assert_eq!((json["a"]["b"][1].as_f64(), json["a"]["b"][0].as_f64()), (Some(-2.5), Some(1.0)));
    assert!(json["n"].is_null() && json["missing"]["deeper"][5].is_null() && json.get("missing").is_none());
    assert!(json["a"]["b"][9].is_null() && json["a"].get(0).is_none() && json["t"].get("x").is_none());
    assert_eq!(json["a"]["b"].as_array().map(<[Json]>::len), Some(4));
    assert_eq!(json["a"].as_object().unwrap().map(|(name, _)| name).collect::<Vec<_>>(), ["b"]);
    assert!(json["a"]["b"].as_object().is_none() && json["a"].as_array().is_none() && json["t"].as_str().is_none());
    assert_ne!(json["a"]["b"][3], 1);
    assert_eq!(Json::parse(r#""\ud83d""#).unwrap().as_str(), Some("\u{fffd}"));
    assert_eq!(json["a"]["b"].deserialize::<Vec<Value>>().unwrap().len(), 4);
    assert_eq!(json.to_string(), text.trim());
}

#[test]
fn json_is_equal_when_it_means_the_same() {
    let same = |one: &str, two: &str| Json::parse(one).unwrap() == Json::parse(two).unwrap();
    assert!(same(r#"{"a":1,"b":[2.0,"\u0041"]}"#, r#" {"b":[2,"A"],"a":1.0} "#));
    assert!(!same(r#"{"a":1}"#, r#"{"a":1,"b":null}"#));
    assert!(!same("9007199254740993", "9007199254740992"));
    assert!(!same("[1,2]", "[2,1]"));
    assert!(!same("1", r#""1""#));
    assert!(same("-0", "0"));
    let difference = |one: &str, two: &str| {
        Json::parse(one).unwrap().difference(&Json::parse(two).unwrap()).map(|at| at.to_string())
    };
    assert_eq!(difference(r#"{"a":1}"#, r#"{"a":1,"b":null}"#), None);
    assert_eq!(difference(r#"{"a":[{"b":1}]}"#, r#"{"a":[{"b":2}]}"#).as_deref(), Some(".a[0].b"));
}

#[test]
fn models_work_inside_every_serde_format() {
    let part: Part = serde_json::from_value(json!({"id": "a", "count": 2, "new": {"x": 1}})).unwrap();
    assert_eq!(part.extra.get("new").unwrap().to_value(), json!({"x": 1}));
    assert_eq!(serde_json::to_value(&part).unwrap(), json!({"id": "a", "count": 2, "new": {"x": 1}}));

    let text = r#"{"id":"a","count":2,"new":123456789012345678901234567890}"#;
    let part: Part = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&part).unwrap(), text);

    // Here serde has taken the text apart before the model sees it.
    let content =
        serde::de::value::MapDeserializer::<_, serde::de::value::Error>::new([("id", "a"), ("new", "b")].into_iter());
    let json = <Json as serde::Deserialize>::deserialize(content).unwrap();
    assert_eq!(json.to_value(), json!({"id": "a", "new": "b"}));
}

#[test]
fn what_fits_no_type_is_told_with_its_place() {
    let item: Item =
        decode(r#"{"type": "part", "note": "n", "id": "1", "count": 2, "tags": 7, "unknown": true}"#).unwrap();
    let [mismatch, unknown] = untyped(&item).try_into().unwrap();
    assert_eq!((mismatch.path.as_str(), unknown), ("tags", member("unknown", "unknown")));
    let UntypedKind::Mismatch(error) = mismatch.kind else { panic!() };
    assert_eq!(error.message(), "expected an array, found a number");

    let list: Vec<Item> = decode(r#"["text", {"type": "new"}, {"type": "part", "id": "1", "count": "two"}]"#).unwrap();
    let places: Vec<_> =
        untyped(&list).into_iter().map(|part| (part.path, part.kind != UntypedKind::Variant)).collect();
    assert_eq!(places, [("[1]".to_owned(), false), ("[2]".to_owned(), true)]);
}

/// A member of a [`Part`] that has no field.
fn member(path: &str, name: &str) -> Untyped {
    Untyped { path: path.to_owned(), kind: UntypedKind::Member { type_name: "Part", name: name.to_owned() } }
}

#[test]
fn a_member_without_a_field_is_told_with_its_type_name_and_place() {
    let list: Vec<Item> = decode(r#"[{"type": "part", "id": "1", "count": 2, "un.known": {"a": [1]}}]"#).unwrap();
    assert_eq!(untyped(&list), [member("[0].un.known", "un.known")]);
    let whole: Whole = decode(r#"{"id": "w", "part": {"id": "1", "b": 1, "a": false, "c": null}}"#).unwrap();
    assert_eq!(untyped(&whole), [member("part.b", "b"), member("part.a", "a")]);
    // Maps accept any name, so none is unknown.
    let map: BTreeMap<String, Json> = decode(r#"{"a": {"b": 1}}"#).unwrap();
    assert_eq!(untyped(&map), []);
    // Fields to send count like received ones.
    let mut part: Part = decode(r#"{"id": "1", "count": 1}"#).unwrap();
    part.extra.insert("new", 1);
    assert_eq!(untyped(&part), [member("new", "new")]);
    // A type without fields has a name too.
    let empty: Empty = decode(r#"{"a": 1}"#).unwrap();
    assert_eq!(untyped(&empty)[0].kind, UntypedKind::Member { type_name: "Empty", name: "a".to_owned() });
}

#[derive(Clone, Debug, PartialEq)]
struct Empty {
    extra: Extra,
}

wire_struct!(Empty {});

#[test]
fn an_answer_that_is_wrapped_is_found_where_it_is_whole() {
    let part = r#"{"type":"part","id":"a","count":1}"#;
    let wrapped =
        [format!(r#"{{"id":null,"provider":{part}}}"#), format!(r#"{{"success":true,"errors":[],"result":{part}}}"#)];
    for json in wrapped {
        assert_eq!(decode_inside::<Part>(&json).unwrap().id, "a", "{json}");
    }
    for foreign in [r#"{"request":{"id":"a"}}"#, r#"{"a":{"b":{"type":"part","id":"a"}}}"#, "[]", "5", "<html>"] {
        assert_eq!(decode_inside::<Part>(foreign), None, "{foreign}");
    }
}

#[test]
fn a_tree_has_a_place_for_everything_but_half_characters_and_endless_numbers() {
    let json =
        Json::parse(r#"{"a":["\ud83d","x\ud83d\ude00\n\ude00\\ud83d\u00e9"],"b":1e400,"c":[1,null,{}]}"#).unwrap();
    assert_eq!(json.to_value(), json!({"a": ["\u{fffd}", "x😀\n\u{fffd}\\ud83dé"], "b": null, "c": [1, null, {}]}));
}

#[test]
fn a_null_takes_back_an_unknown_member_of_the_same_name() {
    survives::<Part>(r#"{"type":"part","id":"a","count":1,"new":"x","new":null}"#);
    survives::<Part>(r#"{"type":"part","id":"a","count":1,"new":null,"new":"x"}"#);
}

#[derive(Clone, Debug, PartialEq)]
struct Whole {
    id: String,
    part: Part,
    item: Item,
    parts: Vec<Part>,
    extra: Extra,
}

wire_struct!(Whole { id: Required = 0, part: Required = 1, item: Required = 2, parts: Required = 3 });

#[test]
fn a_value_that_breaks_off_leaves_its_place_empty_and_is_kept() {
    // No string can have this name, so reading the object fails when much of it has been read.
    let broken = r#"{"type":"part","id":"a","count":1,"note":"n","tags":["x"],"\ud83d":1}"#;
    let whole: Whole = survives(&format!(r#"{{"id":"w","part":{broken},"parts":[{broken}],"item":{broken}}}"#));
    assert_eq!((whole.part, whole.id.as_str()), (Part::missing(), "w"));
    assert!(matches!(&whole.item, Item::Unrecognized(kept) if kept.error().is_some()), "{:?}", whole.item);
    assert_eq!(whole.parts, []);
    assert_eq!(whole.extra.mismatches().map(|(name, _)| name).collect::<Vec<_>>(), ["part", "parts"]);
}

#[test]
fn an_empty_value_is_left_out_where_none_came_and_written_where_one_was_set() {
    let whole: Whole = survives(r#"{"id":"w"}"#);
    assert_eq!(text(&whole), r#"{"id":"w"}"#);
    let empty: Whole = survives(r#"{"id":"","part":{},"item":null,"parts":[]}"#);
    assert_eq!(text(&empty), r#"{"id":"","part":{},"parts":[]}"#);
    let mut set = whole;
    set.item = Item::Text(String::new());
    set.part.note = Some("n".into());
    assert_eq!(text(&set), r#"{"id":"w","part":{"note":"n"},"item":""}"#);
}

#[test]
fn names_are_found_in_any_order_with_white_space_and_with_escapes() {
    for json in [
        r#"{"when":1,"tags":[],"note":"n","count":2,"id":"a","type":"part"}"#,
        "{ \"when\" : 1 ,\n\t\"count\" :2, \"id\": \"a\" , \"note\":\"n\",\"type\" :\"part\",\"tags\":[ ] }",
        r#"{"\u0077hen":1,"cou\u006et":2,"id":"a","note":"n","tags":[],"type":"part"}"#,
        r#"{"when":1,"count":2,"note":"n","tags":[],"type":"part","id":"a"}"#,
    ] {
        let part: Part = survives(json);
        assert_eq!((part.id.as_str(), part.count, part.when), ("a", 2, Some(1.0)), "{json}");
        assert!(part.extra.is_empty(), "{json}");
    }
    // Names that differ in their last letters, in their length, or only in the quote.
    let change: Change = survives(r#"{"limit2":1,"limi":2,"schema_":{},"ke":"y","limit":3,"key":"k"}"#);
    assert_eq!((change.limit, change.extra.iter().count()), (Patch::Set(3.0), 4));
}

#[rustfmt::skip]
#[derive(Clone, Debug, PartialEq)]
struct Large {
    m0: Option<i64>, m1: Option<i64>, m2: Option<i64>, m3: Option<i64>, m4: Option<i64>, m5: Option<i64>, m6: Option<i64>,
    m7: Option<i64>, m8: Option<i64>, m9: Option<i64>, m10: Option<i64>, m11: Option<i64>, m12: Option<i64>, m13: Option<i64>,
    m14: Option<i64>, m15: Option<i64>, m16: Option<i64>, m17: Option<i64>, m18: Option<i64>, m19: Option<i64>, m20: Option<i64>,
    m21: Option<i64>, m22: Option<i64>, m23: Option<i64>, m24: Option<i64>, m25: Option<i64>, m26: Option<i64>, m27: Option<i64>,
    m28: Option<i64>, m29: Option<i64>, m30: Option<i64>, m31: Option<i64>, m32: Option<i64>, m33: Option<i64>, m34: Option<i64>,
    m35: Option<i64>, m36: Option<i64>, m37: Option<i64>, m38: Option<i64>, m39: Option<i64>, m40: Option<i64>, m41: Option<i64>,
    m42: Option<i64>, m43: Option<i64>, m44: Option<i64>, m45: Option<i64>, m46: Option<i64>, m47: Option<i64>, m48: Option<i64>,
    m49: Option<i64>, m50: Option<i64>, m51: Option<i64>, m52: Option<i64>, m53: Option<i64>, m54: Option<i64>, m55: Option<i64>,
    m56: Option<i64>, m57: Option<i64>, m58: Option<i64>, m59: Option<i64>, m60: Option<i64>, m61: Option<i64>, m62: Option<i64>,
    m63: Option<i64>, m64: Option<i64>, m65: Option<i64>, m66: Option<i64>, m67: Option<i64>, m68: Option<i64>, m69: Option<i64>,
    extra: Extra,
}

#[rustfmt::skip]
wire_struct!(Large {
    m0: Optional = 0, m1: Optional = 1, m2: Optional = 2, m3: Optional = 3, m4: Optional = 4,
    m5: Optional = 5, m6: Optional = 6, m7: Optional = 7, m8: Optional = 8, m9: Optional = 9,
    m10: Optional = 10, m11: Optional = 11, m12: Optional = 12, m13: Optional = 13, m14: Optional = 14,
    m15: Optional = 15, m16: Optional = 16, m17: Optional = 17, m18: Optional = 18, m19: Optional = 19,
    m20: Optional = 20, m21: Optional = 21, m22: Optional = 22, m23: Optional = 23, m24: Optional = 24,
    m25: Optional = 25, m26: Optional = 26, m27: Optional = 27, m28: Optional = 28, m29: Optional = 29,
    m30: Optional = 30, m31: Optional = 31, m32: Optional = 32, m33: Optional = 33, m34: Optional = 34,
    m35: Optional = 35, m36: Optional = 36, m37: Optional = 37, m38: Optional = 38, m39: Optional = 39,
    m40: Optional = 40, m41: Optional = 41, m42: Optional = 42, m43: Optional = 43, m44: Optional = 44,
    m45: Optional = 45, m46: Optional = 46, m47: Optional = 47, m48: Optional = 48, m49: Optional = 49,
    m50: Optional = 50, m51: Optional = 51, m52: Optional = 52, m53: Optional = 53, m54: Optional = 54,
    m55: Optional = 55, m56: Optional = 56, m57: Optional = 57, m58: Optional = 58, m59: Optional = 59,
    m60: Optional = 60, m61: Optional = 61, m62: Optional = 62, m63: Optional = 63, m64: Optional = 64,
    m65: Optional = 65, m66: Optional = 66, m67: Optional = 67, m68: Optional = 68, m69: Optional = 69,
});

#[test]
fn an_object_may_have_more_members_than_a_mask_has_bits() {
    let members: Vec<_> = (0..70).rev().map(|index| format!("\"m{index}\":{index}")).collect();
    let large: Large = survives(&format!("{{{}}}", members.join(",")));
    assert_eq!((large.m0, large.m63, large.m64, large.m69), (Some(0), Some(63), Some(64), Some(69)));
    assert!(large.extra.is_empty());
    let large: Large = survives(r#"{"m3":1,"m3":null,"m68":1,"m69":2,"m68":null,"m69":3}"#);
    assert_eq!((large.m3, large.m68, large.m69), (None, None, Some(3)));
}

#[test]
fn values_that_would_take_far_more_memory_than_their_text_are_refused() {
    let list = |element: &str, length: usize| format!("[{}]", vec![element; length].join(","));
    let usual = r#"{"type":"part","id":"a","count":1,"tags":["x"],"new":1}"#;
    assert_eq!(decode::<Vec<Part>>(&list(usual, 100_000)).unwrap().len(), 100_000);
    for hostile in [list("{}", 500_000), list(r#"{"id":0}"#, 500_000)] {
        let error = decode::<Vec<Part>>(&hostile).unwrap_err();
        assert_eq!(error.message(), "the decoded values would take far more memory than their text");
    }
    let members = |length: usize| (0..length).map(|number| format!(r#","{number}":0"#)).collect::<String>();
    let object = |length| format!(r#"{{"id":"a"{}}}"#, members(length));
    assert_eq!(decode::<Part>(&object(300_000)).unwrap().extra.iter().count(), 300_000);
    assert!(decode::<Part>(&object(600_000)).is_err());
}
