//! The value of a JSON text that is still being written.

use openrouter_kit::core::wire::Json;
use openrouter_kit::helpers::PartialJson;
use serde_json::{Value, json};

const TEXTS: [&str; 20] = [
    r#"{"city": "Lisbon", "degrees": -12.5e2, "sunny": true, "rain": null, "wind": false}"#,
    r#"[1, 23, 456, [], {}, [[]], {"a": {}}, "", 0, 1e5, 0.25]"#,
    "  \n {\t\"a\" : [ 1 , 2 ] ,\r\n \"b\" : { } } \n ",
    r#""a root \"string\" \\ \/ \b\f\n\r\t \u00e9 \ud83d\ude00 end""#,
    "\"plain: é 日本 😀\"",
    "true",
    "null",
    "12",
    "-0",
    "[]",
    "{}",
    r#"{"":"", "key with \"quotes\" and \u00e9": 1}"#,
    r#"[[[[[[[[["deep"], 1], 2], 3], {"x": [4]}]]]]]"#,
    r#"[18446744073709551615, -9223372036854775808, 123456789012345678901234567890, 0.1]"#,
    "```json\n{\"fenced\": [1, 2]}\n```",
    "~~~~\n[true]\n~~~~",
    "\u{feff}```\n\"text\"\n```",
    r#"{"a": 1, "a": [2, 3]}"#,
    r#"[{"name": "one", "tags": ["x", "y"]}, {"name": "two", "tags": []}, {"name": "three"}]"#,
    r#"{"a":"\\\\\"","b":"\u005c"}"#,
];

fn whole(text: &str) -> Value {
    let inner = text.trim_matches(['\u{feff}', ' ', '\n']).trim_matches(['`', '~']);
    serde_json::from_str(inner.trim_start_matches("json")).unwrap()
}

fn value_of(text: &str) -> Option<Value> {
    let mut partial = PartialJson::new();
    partial.push(text);
    partial.value().cloned()
}

/// Whether a value may grow into another: only its last part is unfinished, and nothing of it is taken back.
fn begins(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::String(part), Value::String(whole)) => whole.starts_with(part.as_str()),
        (Value::Array(part), Value::Array(whole)) => {
            let last = part.len().saturating_sub(1);
            part.len() <= whole.len() && (0..part.len()).all(|at| grows(&part[at], &whole[at], at == last))
        }
        (Value::Object(part), Value::Object(whole)) => {
            let unfinished = part.iter().filter(|(name, value)| whole.get(*name) != Some(value)).count();
            unfinished <= 1
                && part.iter().all(|(name, value)| whole.get(name).is_some_and(|whole| begins(value, whole)))
        }
        (part, whole) => part == whole,
    }
}

fn grows(part: &Value, whole: &Value, is_last: bool) -> bool {
    part == whole || is_last && begins(part, whole)
}

fn ends(text: &str) -> impl Iterator<Item = usize> {
    text.char_indices().map(|(at, _)| at).chain([text.len()])
}

#[track_caller]
fn check(text: &str, whole: &Value) {
    let repeats_a_name = text.contains(r#"{"a": 1, "a""#);
    let mut growing = PartialJson::new();
    let (mut before, mut last) = (0, None);
    for end in ends(text) {
        let changed = growing.push(&text[before..end]);
        let value = growing.value().cloned();
        assert_eq!(value, value_of(&text[..end]), "in pieces or at once: {:?}", &text[..end]);
        assert_eq!(changed, value != last, "{:?}", &text[..end]);
        if let Some(value) = &value
            && !repeats_a_name
        {
            assert!(begins(value, whole), "{:?} gives {value}", &text[..end]);
            assert!(last.is_none_or(|last| begins(&last, value)), "{:?} gives {value}", &text[..end]);
        }
        (before, last) = (end, value);
    }
    if whole.is_number() {
        assert_eq!(last, None, "the end of a number is not known");
    } else {
        assert_eq!(last.as_ref(), Some(whole), "{text:?}");
        assert!(growing.is_complete(), "{text:?}");
    }
}

#[test]
fn every_prefix_of_a_text_has_the_beginning_of_its_value() {
    for text in TEXTS {
        check(text, &whole(text));
    }
}

/// A small generator of numbers, so that each run is the same.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn value(&mut self, depth: u64) -> Value {
        match self.below(if depth == 0 { 5 } else { 8 }) {
            0 => Value::Null,
            1 => json!(self.below(2) == 0),
            2 => json!(self.below(1_000_000)),
            3 => json!(self.below(1000) as f64 / 8.0 - 50.0),
            4 => Value::String((0..self.below(8)).map(|_| self.letter()).collect()),
            5 | 6 => (0..self.below(4)).map(|_| self.value(depth - 1)).collect(),
            _ => Value::Object((0..self.below(4)).map(|at| (format!("k\"{at}"), self.value(depth - 1))).collect()),
        }
    }

    fn letter(&mut self) -> char {
        ['a', '"', '\\', '\n', 'é', '日', '😀', '{', ']', ','][self.below(10) as usize]
    }
}

#[test]
fn this_holds_for_random_values_written_in_any_way() {
    let mut numbers = Numbers(7);
    for _ in 0..300 {
        let value = numbers.value(4);
        check(&value.to_string(), &value);
        check(&serde_json::to_string_pretty(&value).unwrap(), &value);
        let escaped: String = value
            .to_string()
            .chars()
            .flat_map(|letter| match letter {
                ' '..='~' => vec![letter.to_string()],
                _ => letter.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04X}")).collect(),
            })
            .collect();
        check(&escaped, &value);
    }
}

#[test]
fn what_may_still_change_is_left_out() {
    for (text, value) in [
        (r#"{"a": 1"#, Some(json!({}))),
        (r#"{"a": 1,"#, Some(json!({"a": 1}))),
        (r#"{"a": "x", "b"#, Some(json!({"a": "x"}))),
        (r#"{"a": "x", "b": "#, Some(json!({"a": "x"}))),
        ("[tru", Some(json!([]))),
        ("[true", Some(json!([true]))),
        ("[1, 2", Some(json!([1]))),
        (r#"["a\"#, Some(json!(["a"]))),
        (r#"["a\u00"#, Some(json!(["a"]))),
        (r#"["a\ud83d"#, Some(json!(["a"]))),
        (r#"["a\ud83d\ude0"#, Some(json!(["a"]))),
        (r#"["a\ud83d\ude00"#, Some(json!(["a😀"]))),
        (r#"["a\ud83dx"#, Some(json!(["a\u{fffd}x"]))),
        (r#"["\udc00\ud83d""#, Some(json!(["\u{fffd}\u{fffd}"]))),
        ("[1e999]", Some(json!([null]))),
        ("``", None),
        ("```js", None),
        ("", None),
        ("  ", None),
    ] {
        assert_eq!(value_of(text), value, "{text}");
    }
}

#[test]
fn text_that_is_not_json_changes_nothing_more() {
    for (text, value) in [
        ("Sorry, no.", None),
        ("``` json\n{}", None),
        ("`~`\n{}", None),
        (r#"{"a": 1, b: 2}"#, Some(json!({"a": 1}))),
        (r#"{"a": [1}"#, Some(json!({"a": [1]}))),
        (r#"[{"a": 1]"#, Some(json!([{"a": 1}]))),
        ("[1, 2}, 3]", Some(json!([1, 2]))),
        ("[\"a\u{1}b\"]", Some(json!(["a"]))),
        (r#"["a\x", 1]"#, Some(json!(["a"]))),
        (r#"["a\u12g4", 1]"#, Some(json!(["a"]))),
        ("[01, 2]", Some(json!([]))),
        ("[1,, 2]", Some(json!([1]))),
        ("[trust, 2]", Some(json!([]))),
        (r#"{"a": {"b": "c"}, }"#, Some(json!({"a": {"b": "c"}}))),
        ("{} trailing", Some(json!({}))),
    ] {
        for more in ["{\"more\": [1]}", ", \"more\": 1}, 2]"] {
            let mut partial = PartialJson::new();
            partial.push(text);
            assert!(!partial.push(more), "{text}");
            assert_eq!(partial.value(), value.as_ref(), "{text}");
        }
    }
}

#[test]
fn any_text_is_read_without_a_panic() {
    const LETTERS: [&str; 24] = [
        "{", "}", "[", "]", ":", ",", "\"", "\\", "u", "d83d", "\\ude00", "1", "-", ".", "e", "true", "null", "`", "~",
        " ", "\n", "é", "😀", "a",
    ];
    let mut numbers = Numbers(1);
    for _ in 0..20_000 {
        let mut partial = PartialJson::new();
        let mut last = None;
        for _ in 0..numbers.below(30) {
            let changed = partial.push(LETTERS[numbers.below(LETTERS.len() as u64) as usize]);
            assert_eq!(changed, partial.value() != last.as_ref());
            assert!(last.is_none() || partial.value().is_some(), "a value does not go away");
            last = partial.value().cloned();
        }
    }
    let mut partial = PartialJson::new();
    partial.push(&"[".repeat(1_000_000));
    assert!(partial.value().is_some() && !partial.is_complete());
}

#[test]
fn a_type_whose_fields_may_be_missing_is_read_too() {
    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Plan {
        title: Option<String>,
        #[serde(default)]
        steps: Vec<String>,
    }
    let mut partial = PartialJson::new();
    assert_eq!(partial.parse::<Plan>(), None);
    partial.push(r#"{"title": "Mo"#);
    assert_eq!(partial.parse(), Some(Plan { title: Some("Mo".into()), steps: vec![] }));
    partial.push(r#"ve", "steps": ["pack", "dri"#);
    assert_eq!(partial.parse(), Some(Plan { title: Some("Move".into()), steps: vec!["pack".into(), "dri".into()] }));
    assert_eq!(partial.parse::<Vec<u8>>(), None);
    assert_eq!(partial.parse::<Json>().as_ref().map(Json::to_value).as_ref(), partial.value());
}

#[test]
fn the_content_is_not_in_debug() {
    let mut partial = PartialJson::new();
    partial.push(r#"{"a": "private"#);
    assert!(!format!("{partial:?}").contains("private"));
}
