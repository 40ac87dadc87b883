//! JSON values, and how models are read from JSON and written back.

use std::collections::{BTreeMap, HashMap};

use openrouter_kit::core::wire::{self, Untyped, UntypedKind, Wire};
use openrouter_kit::models::analytics::AnalyticsClassifierFilter;
use openrouter_kit::models::byok::{ByokKey, CreateByokKeyRequest, UpdateByokKeyRequest};
use openrouter_kit::models::credits::{GetCreditsResponse, GetCreditsResponseData};
use openrouter_kit::models::shared::{DataRegion, ToolChoiceSupport};
use openrouter_kit::models::system_one::DecisionsRequest;
use openrouter_kit::models::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};

fn parsed(text: &str) -> Json {
    Json::parse(text).unwrap()
}

#[track_caller]
fn read<T: Wire>(json: &str) -> T {
    wire::decode(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

fn written<T: Wire>(value: &T) -> String {
    String::from_utf8(wire::encode(value).unwrap()).unwrap()
}

/// What is written of a value that is read, and then changed.
#[track_caller]
fn changed<T: Wire>(json: &str, change: impl FnOnce(&mut T)) -> String {
    let mut value: T = read(json);
    change(&mut value);
    written(&value)
}

#[test]
fn a_word_that_json_does_not_have_is_not_called_a_value() {
    for text in ["tru", "fals", "True", "nul", "undefined"] {
        let error = wire::decode::<bool>(text).unwrap_err();
        assert_eq!(error.to_string(), "expected a boolean, found invalid JSON", "{text}");
    }
    for (text, found) in [("null", "null"), ("true", "a boolean"), (" false", "a boolean")] {
        let error = wire::decode::<String>(text).unwrap_err();
        assert_eq!(error.to_string(), format!("expected a string, found {found}"), "{text}");
    }
}

// --- Json ------------------------------------------------------------------------------------

#[test]
fn json_is_made_from_the_values_of_rust() {
    let map: Map<String, Value> = Map::from_iter([("k".to_owned(), json!(null))]);
    for (json, text) in [
        (Json::from("a\"b\\\n\u{1}"), r#""a\"b\\\n\u0001""#),
        (Json::from(String::from("é")), "\"é\""),
        (Json::from(true), "true"),
        (Json::from(false), "false"),
        (Json::from(u64::MAX), "18446744073709551615"),
        (Json::from(-1_i8), "-1"),
        (Json::from(0.5_f64), "0.5"),
        (Json::from(0.7_f32), "0.7"),
        (Json::from(f64::NAN), "null"),
        (Json::from([("b", 1), ("a", 2), ("b", 3)]), r#"{"a":2,"b":3}"#),
        (Json::from(HashMap::from([("k".to_owned(), "v")])), r#"{"k":"v"}"#),
        (Json::from(BTreeMap::from([("k".to_owned(), true)])), r#"{"k":true}"#),
        (Json::from(map), r#"{"k":null}"#),
        (Json::from(json!([1, {"a": "b"}])), r#"[1,{"a":"b"}]"#),
        (Json::of(&(1, "a", None::<bool>)).unwrap(), r#"[1,"a",null]"#),
        (Json::default(), "null"),
    ] {
        assert_eq!(json.as_text(), text);
    }
    assert!(Json::of(&BTreeMap::from([((1, 2), 3)])).is_err(), "the names of fields are text");
}

#[test]
fn a_value_is_of_exactly_one_kind() {
    let kinds = |json: &Json| {
        let kinds = [json.is_null(), json.is_object(), json.is_array(), json.is_string(), json.is_number()];
        (kinds.iter().position(|is| *is), kinds.iter().filter(|is| **is).count(), json.as_bool())
    };
    for (text, expected) in [
        ("null", (Some(0), 1, None)),
        (" {} ", (Some(1), 1, None)),
        ("[1]", (Some(2), 1, None)),
        ("\"1\"", (Some(3), 1, None)),
        ("0", (Some(4), 1, None)),
        ("-1.5e3", (Some(4), 1, None)),
        ("true", (None, 0, Some(true))),
        ("false", (None, 0, Some(false))),
    ] {
        assert_eq!(kinds(&parsed(text)), expected, "{text}");
    }
    let numbers = |text: &str| (parsed(text).as_i64(), parsed(text).as_u64(), parsed(text).as_f64());
    assert_eq!(numbers("7"), (Some(7), Some(7), Some(7.0)));
    assert_eq!(numbers("-7"), (Some(-7), None, Some(-7.0)));
    assert_eq!(numbers("2.5"), (None, None, Some(2.5)));
    assert_eq!(numbers("1e999"), (None, None, None));
    assert_eq!(numbers("\"7\""), (None, None, None));
}

#[test]
fn json_is_compared_with_the_values_of_rust() {
    let (text, number, object) = (parsed(r#""a\u0062""#), parsed("7"), parsed(r#"{"a":[1]}"#));
    let (same, other) = (String::from("ab"), String::from("7"));
    assert!(text == *"ab" && text == "ab" && text == same);
    assert!(text != *"a" && text != "a" && text != other && number != *"7" && number != "7" && number != other);
    assert!(number == 7_i32 && number == 7_u32 && number == 7_i64 && number == 7_u64 && number == 7_usize);
    assert!(number == 7.0 && number != 8 && number != 7.5 && text != 7);
    assert!(parsed("true") == true && parsed("true") != false && parsed("false") == false && number != true);
    assert!(object == json!({"a": [1]}) && object != json!({"a": [2]}));
    assert!(json!({"a": [1]}) == object && json!({"a": [2]}) != object);
}

#[test]
fn a_field_is_found_by_any_kind_of_text() {
    let json = parsed(r#"{"a":1,"b":[2]}"#);
    let name = String::from("b");
    assert_eq!((json.get(&name), json.get(&String::from("c"))), (json.get("b"), None));
    assert_eq!(json[&name][0], 2);
}

#[test]
fn a_difference_is_named_by_its_path() {
    let difference = |one: &str, two: &str| parsed(one).difference(&parsed(two)).map(|place| place.to_string());
    for (one, two, place) in [
        (r#"{"a":1,"b":2}"#, r#"{"a":1}"#, Some(".b")),
        (r#"{"a":1}"#, r#"{"a":1,"b":2}"#, Some(".b")),
        (r#"{"a":1,"b":null}"#, r#"{"a":1}"#, None),
        (r#"{"a":{"b":"x"}}"#, r#"{"a":{"b":"y"}}"#, Some(".a.b")),
        (r#"["x\n","y"]"#, r#"["x\u000a","y"]"#, None),
        ("[1,2]", "[1]", Some("the whole value")),
        ("[true,false]", "[true,true]", Some("[1]")),
        ("[[1],[2]]", "[[1],[3]]", Some("[1][0]")),
        ("1.0", "1", None),
        ("1", "\"1\"", Some("the whole value")),
    ] {
        assert_eq!(difference(one, two).as_deref(), place, "{one} {two}");
    }
}

#[test]
fn debug_shows_counts_of_tokens_but_no_text_named_like_a_token() {
    let json = parsed(r#"{"max_tokens":5,"Tokens":["5ecret",7],"token":5,"token_list":{"a":"5ecret","b":true}}"#);
    let shown = format!("{json:?}");
    assert_eq!(
        shown,
        r#"{"max_tokens":5,"Tokens":["[redacted]",7],"token":[redacted],"token_list":{"a":"[redacted]","b":true}}"#
    );
}

#[test]
fn json_is_read_inside_the_types_of_a_program() {
    #[derive(Debug, Deserialize)]
    struct Flat {
        #[serde(flatten)]
        rest: BTreeMap<String, Json>,
    }
    let flat: Flat = serde_json::from_str(r#"{"a":[1,"x"],"b":{"c":null}}"#).unwrap();
    assert_eq!((&flat.rest["a"], &flat.rest["b"]), (&json!([1, "x"]).into(), &json!({"c": null}).into()));
    let unit: serde::de::value::UnitDeserializer<serde::de::value::Error> =
        serde::de::IntoDeserializer::into_deserializer(());
    assert_eq!(
        <Json as Deserialize>::deserialize(unit).unwrap_err().to_string(),
        "invalid type: unit value, expected any JSON value"
    );
}

#[test]
fn an_object_of_json_has_what_it_was_made_from() {
    let map = Map::from_iter([("a".to_owned(), json!(1))]);
    for object in [JsonObject::from(json!({"a": 1})), JsonObject::from(map), JsonObject::from(parsed(r#"{"a":1}"#))] {
        assert_eq!((object["a"].as_i64(), written(&object)), (Some(1), r#"{"a":1}"#.to_owned()));
    }
    assert_eq!(written(&JsonObject::default()), "{}");
    assert_eq!(read::<JsonObject>(r#" {"a": [1]} "#).as_text(), r#"{"a": [1]}"#);
    let error = wire::decode::<JsonObject>("[1]").unwrap_err();
    assert_eq!(error.message(), "expected an object, found an array");
}

// --- Missing and empty values -------------------------------------------------------------------

#[test]
fn a_value_is_missing_if_it_is_what_a_missing_field_reads_as() {
    fn states<T: Wire>(empty: &str, other: &str) {
        assert!(T::missing().is_missing());
        assert!(read::<T>(empty).is_missing(), "{empty}");
        assert!(!read::<T>(other).is_missing(), "{other}");
    }
    states::<bool>("false", "true");
    states::<i64>("0", "-1");
    states::<f64>("0.0", "-0.0");
    states::<f64>("0", "0.5");
    states::<String>("\"\"", "\" \"");
    states::<Option<bool>>("null", "false");
    states::<Vec<bool>>("[]", "[false]");
    states::<BTreeMap<String, i64>>("{}", r#"{"a":0}"#);
    states::<Box<String>>("\"\"", "\"a\"");
    states::<Json>("null", "{}");
    states::<JsonObject>("{}", r#"{"a":null}"#);
    states::<Secret>("\"\"", "\"a\"");
    states::<Unrecognized>("null", "{}");
    states::<EmbeddingInput>("null", "\"\"");
    states::<DataRegion>("\"\"", "\"us\"");
    states::<ChatUsage>("{}", r#"{"total_tokens":0}"#);
    states::<ChatUsage>(r#"{"cost":null}"#, r#"{"cost":0}"#);
    assert!(!read::<Patch<f64>>("null").is_missing() && Patch::<f64>::Keep.is_missing());
    assert!(!Patch::Set(0.0).is_missing());
}

#[test]
fn null_and_empty_texts_lists_and_objects_are_blank() {
    fn blank<T: Wire>(values: &[&str]) {
        values.iter().for_each(|json| assert!(read::<T>(json).is_blank(), "{json}"));
    }
    fn full<T: Wire>(values: &[&str]) {
        values.iter().for_each(|json| assert!(!read::<T>(json).is_blank(), "{json}"));
    }
    full::<bool>(&["false", "true"]);
    full::<i64>(&["0", "1"]);
    full::<f64>(&["0", "1"]);
    blank::<String>(&["\"\""]);
    full::<String>(&["\"a\""]);
    blank::<Option<String>>(&["null", "\"\""]);
    full::<Option<bool>>(&["false"]);
    blank::<Box<String>>(&["\"\""]);
    full::<Box<i64>>(&["0"]);
    blank::<Json>(&["null", "\"\"", "[]", "{}"]);
    full::<Json>(&["0", "false", "[null]", r#"{"a":null}"#]);
    blank::<JsonObject>(&["{}"]);
    full::<JsonObject>(&[r#"{"a":1}"#]);
    blank::<Secret>(&["\"\""]);
    full::<Secret>(&["\"a\""]);
    blank::<Unrecognized>(&["null", "\"\"", "{}"]);
    full::<Unrecognized>(&["0", r#"{"a":1}"#]);
    blank::<EmbeddingInput>(&["\"\"", "null"]);
    full::<EmbeddingInput>(&["\"a\"", "true"]);
}

#[test]
fn a_required_field_that_was_missing_is_written_once_it_is_set() {
    for (json, expected) in [
        (changed(r#"{"auto":true}"#, |_: &mut ToolChoiceSupport| ()), r#"{"auto":true}"#),
        (
            changed(r#"{"auto":true}"#, |kinds: &mut ToolChoiceSupport| kinds.none = true),
            r#"{"auto":true,"none":true}"#,
        ),
        (changed(r#"{"total_usage":1}"#, |_: &mut GetCreditsResponseData| ()), r#"{"total_usage":1}"#),
        (
            changed(r#"{"total_usage":1}"#, |data: &mut GetCreditsResponseData| data.total_credits = 2.5),
            r#"{"total_credits":2.5,"total_usage":1}"#,
        ),
        (changed(r#"{"total_tokens":3}"#, |_: &mut ChatUsage| ()), r#"{"total_tokens":3}"#),
        (
            changed(r#"{"total_tokens":3}"#, |usage: &mut ChatUsage| usage.prompt_tokens = 2),
            r#"{"prompt_tokens":2,"total_tokens":3}"#,
        ),
        (changed(r#"{"model":"m"}"#, |_: &mut CreateEmbeddingsResponse| ()), r#"{"model":"m"}"#),
        (
            changed(r#"{"model":"m"}"#, |response: &mut CreateEmbeddingsResponse| response.data = vec![read("{}")]),
            r#"{"data":[{}],"model":"m"}"#,
        ),
        (changed(r#"{"model":"m"}"#, |_: &mut DecisionsRequest| ()), r#"{"model":"m"}"#),
        (
            changed(r#"{"model":"m"}"#, |request: &mut DecisionsRequest| {
                request.questions = BTreeMap::from([("q".to_owned(), read("{}"))]);
            }),
            r#"{"model":"m","questions":{"q":{}}}"#,
        ),
        (changed(r#"{"custom_id":"c"}"#, |_: &mut BatchRequest| ()), r#"{"custom_id":"c"}"#),
        (
            changed(r#"{"custom_id":"c"}"#, |request: &mut BatchRequest| request.body = json!({"a": 1}).into()),
            r#"{"body":{"a":1},"custom_id":"c"}"#,
        ),
        (changed(r#"{"provider":"p"}"#, |_: &mut CreateByokKeyRequest| ()), r#"{"provider":"p"}"#),
        (
            changed(r#"{"provider":"p"}"#, |request: &mut CreateByokKeyRequest| request.key = "k".into()),
            r#"{"key":"k","provider":"p"}"#,
        ),
        (changed(r#"{"model":"m"}"#, |_: &mut CreateEmbeddingsRequest| ()), r#"{"model":"m"}"#),
        (
            changed(r#"{"model":"m"}"#, |request: &mut CreateEmbeddingsRequest| {
                request.input = Unrecognized::new(json!({"new": 1})).into();
            }),
            r#"{"input":{"new":1},"model":"m"}"#,
        ),
    ] {
        assert_eq!(json, expected);
    }
}

#[test]
fn an_object_in_a_required_field_is_written_if_it_has_anything() {
    let set = |change: fn(&mut GetCreditsResponse)| changed("{}", change);
    assert_eq!(set(|_| ()), "{}");
    assert_eq!(
        set(|credits| credits.data = read(r#"{"total_credits":0,"total_usage":0}"#)),
        r#"{"data":{"total_credits":0,"total_usage":0}}"#
    );
    assert_eq!(set(|credits| drop(credits.data.extra.insert("new", 1))), r#"{"data":{"new":1}}"#);
    assert_eq!(set(|credits| credits.data.total_usage = 1.0), r#"{"data":{"total_usage":1}}"#);
}

#[test]
fn null_stays_null_and_what_is_missing_stays_missing() {
    for text in [
        r#"{"allowed_models":null,"allowed_user_ids":["u"],"created_at":"t","declared_zdr":null,"id":"i"}"#,
        r#"{"id":"i","workspace_id":null}"#,
        r#"{"declared_zdr":false,"id":"i"}"#,
    ] {
        assert_eq!(written(&read::<ByokKey>(text)), text);
    }
    let repeated = r#"{"allowed_models":null,"id":"i","declared_zdr":true,"declared_zdr":null,"id":"j"}"#;
    assert_eq!(written(&read::<ByokKey>(repeated)), r#"{"allowed_models":null,"declared_zdr":null,"id":"j"}"#);
    let mut key: ByokKey = read(r#"{"allowed_models":null,"declared_zdr":null,"id":"i"}"#);
    key.declared_zdr = Some(true);
    assert_eq!(written(&key), r#"{"allowed_models":null,"declared_zdr":true,"id":"i"}"#);
}

// --- Fields -------------------------------------------------------------------------------------

#[test]
fn a_name_that_only_resembles_a_known_one_is_unknown() {
    let known = ["completion_tokens", "completion_tokens_details", "cost", "prompt_tokens", "total_tokens"];
    for name in [
        "completiXn_tokens",
        "completion_tokensX",
        "completion_tokenX",
        "completion_token",
        "completion_tXkens_details",
        "prompt_tXkens",
        "prompt_token",
        "prompt_tokens_",
        "prompt_t",
        "total_Xokens",
        "total_tokens_of_all",
        "cos",
        "costs",
        "Cost",
        "",
    ] {
        assert!(!known.contains(&name));
        let text = format!(r#"{{"{name}":7,"total_tokens":3,"cost":0.5}}"#);
        let usage: ChatUsage = read(&text);
        assert_eq!(
            (usage.total_tokens, usage.cost, usage.completion_tokens, usage.prompt_tokens),
            (3, Some(0.5), 0, 0)
        );
        let extra: Vec<_> = usage.extra.iter().map(|(name, value)| (name, value.as_text())).collect();
        assert_eq!(extra, [(name, "7")]);
        assert_eq!(wire::untyped(&usage)[0].path, name);
    }
}

#[test]
fn a_name_that_begins_with_a_known_one_is_unknown() {
    for name in ["providers", "provider_name", "models", "model_", "id_", "created_at"] {
        let text = format!(r#"{{"{name}":"x","id":"g","provider":"p"}}"#);
        let result: ChatResult = read(&text);
        assert_eq!((result.id.as_str(), result.provider.as_deref(), result.model.as_str()), ("g", Some("p"), ""));
        assert_eq!(result.extra.iter().map(|(name, _)| name).collect::<Vec<_>>(), [name]);
    }
}

#[test]
fn a_field_without_a_type_is_named_with_the_type_of_its_object() {
    let event: MessagesStreamEvent = read(r#"{"type":"ping","new":1}"#);
    let usage: ChatUsage = read(r#"{"total_tokens":1,"new":1}"#);
    for (untyped, object) in [(wire::untyped(&event), "MessagesPingEvent"), (wire::untyped(&usage), "ChatUsage")] {
        let [Untyped { path, kind: UntypedKind::Member { type_name, name, .. }, .. }] = &untyped[..] else {
            panic!("{untyped:?}")
        };
        assert_eq!((path.as_str(), *type_name, name.as_str()), ("new", object, "new"));
    }
}

#[test]
fn arguments_that_are_sent_as_json_are_read_as_text() {
    let text = r#"{"type":"function_call","call_id":"c","name":"f","arguments":{"a": [1]},"id":"i"}"#;
    let call: OutputFunctionCallItem = read(text);
    assert_eq!((call.arguments.as_str(), call.call_id.as_str(), call.name.as_str()), (r#"{"a": [1]}"#, "c", "f"));
    assert_eq!(call.id.as_deref(), Some("i"));
    assert_eq!(
        written(&call),
        r#"{"type":"function_call","arguments":{"a": [1]},"call_id":"c","name":"f","id":"i"}"#,
        "it is written back unchanged"
    );
    let function: ChatToolCallFunction = read(r#"{"name":"f","arguments":[1]}"#);
    assert_eq!((function.arguments.as_str(), function.name.as_str()), ("[1]", "f"));
    assert_eq!(written(&function), r#"{"arguments":[1],"name":"f"}"#);
}

#[test]
fn an_error_is_not_taken_for_an_object_that_may_have_one() {
    let error = r#"{"code":502,"message":"no"}"#;
    let chunk: ChatStreamChunk = read(&format!(r#"{{"id":"c","error":{error}}}"#));
    assert_eq!(chunk.error.map(|error| error.message).as_deref(), Some("no"));
    for text in [format!(r#"{{"error":{error}}}"#), format!(r#"{{"error":{error},"service_tier":"x"}}"#)] {
        let failed = wire::decode::<ChatStreamChunk>(&text).unwrap_err();
        let message = "has none of the fields that identify it: object, choices, created, id, model";
        assert_eq!(failed.message(), message, "{text}");
    }
    let chunk: ChatStreamChunk = read(r#"{"service_tier":"x"}"#);
    assert!(chunk.error.is_none() && chunk.id.is_empty());
}

#[test]
fn what_has_no_type_is_named_inside_a_list_that_does_not_match_as_a_whole() {
    let choice = r#"{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"a","mood":1}}"#;
    let result: ChatResult =
        read(&format!(r#"{{"id":"g","object":"chat.completion","created":1,"model":"m","choices":[{choice},5]}}"#));
    let paths: Vec<_> = wire::untyped(&result).into_iter().map(|part| part.path).collect();
    assert_eq!(paths, ["choices[0].message.mood", "choices"]);
}

#[test]
fn extra_fields_are_equal_in_any_order() {
    let extra = |pairs: &[(&'static str, i64)]| pairs.iter().copied().collect::<Extra>();
    assert_eq!(extra(&[("a", 1), ("b", 2)]), extra(&[("b", 2), ("a", 1)]));
    assert_ne!(extra(&[("a", 1), ("b", 2)]), extra(&[("a", 1)]));
    assert_ne!(extra(&[("a", 1)]), extra(&[("a", 1), ("b", 2)]));
    assert_ne!(extra(&[("a", 1)]), extra(&[("a", 2)]));
    assert_ne!(extra(&[("a", 1)]), extra(&[("b", 1)]));
}

#[test]
fn a_request_from_json_that_is_not_an_object_cannot_be_written() {
    for (value, found) in [
        (json!([1]), "an array"),
        (json!("a"), "a string"),
        (json!(true), "a boolean"),
        (json!(-1), "a number"),
        (json!(null), "null"),
    ] {
        let error = wire::encode(&ChatRequest::from(value)).unwrap_err();
        assert_eq!((error.path(), error.message()), ("", &*format!("expected a JSON object, found {found}")));
    }
    assert_eq!(written(&ChatRequest::from(json!({"model": "m", "new": 1}))), r#"{"model":"m","new":1}"#);
}

// --- Numbers ------------------------------------------------------------------------------------

#[test]
fn an_integer_that_is_written_like_a_fraction_is_never_rounded() {
    for (number, created) in [
        ("9007199254740991.0", 9_007_199_254_740_991),
        ("9007199254740993.0", 0),
        ("-9007199254740993.0", 0),
        ("9007199254740993", 9_007_199_254_740_993),
        ("1e15", 1_000_000_000_000_000),
    ] {
        let text = format!(r#"{{"created":{number},"id":"g"}}"#);
        let result: ChatResult = read(&text);
        assert_eq!(result.created, created, "{number}");
        assert_eq!(parsed(&written(&result)), parsed(&text));
        assert_eq!(result.extra.mismatches().count(), usize::from(created == 0), "{number}");
    }
}

#[test]
fn a_number_that_does_not_fit_is_in_the_error_in_part() {
    let message = |text: &str| {
        let result: ChatResult = read(text);
        result.extra.mismatches().map(|(_, error)| error.message().to_owned()).collect::<Vec<_>>()
    };
    let digits = "7".repeat(300);
    let expected = format!("expected a 64-bit integer, found {}", &digits[..100]);
    assert_eq!(message(&format!(r#"{{"id":"g","created":{digits}}}"#)), [expected]);
    assert_eq!(message(r#"{"id":"g","created":1e30}"#), ["expected a 64-bit integer, found 1e30"]);
    let data: GetCreditsResponseData = read(r#"{"total_usage":9007199254740993,"total_credits":1}"#);
    let (_, error) = data.extra.mismatches().next().unwrap();
    assert_eq!(error.message(), "expected a number of double precision, found 9007199254740993");
}

#[test]
fn a_number_that_is_not_finite_is_an_error_that_says_which() {
    let error = wire::encode(&ChatRequest::new("Hi").temperature(f64::INFINITY)).unwrap_err();
    assert_eq!((error.path(), error.message()), ("temperature", "inf is not a JSON number; use a finite one"));
}

#[test]
fn a_number_of_any_size_has_the_digits_that_the_program_wrote() {
    let temperature = |request: ChatRequest| request.temperature.unwrap();
    assert_eq!(temperature(ChatRequest::new("Hi").temperature(0.7_f32)).to_string(), "0.7");
    assert_eq!(temperature(ChatRequest::new("Hi").temperature(1)).to_string(), "1");
    assert_eq!(temperature(ChatRequest::new("Hi").temperature(0.1)).to_string(), "0.1");
}

#[test]
fn an_integer_is_read_by_the_rules_of_json() {
    for (text, expected) in [
        ("0", Some(0)),
        ("-0", Some(0)),
        (" -7 ", Some(-7)),
        ("10", Some(10)),
        ("999999999999999999", Some(999_999_999_999_999_999)),
        ("9223372036854775807", Some(i64::MAX)),
        ("-9223372036854775808", Some(i64::MIN)),
        ("9223372036854775808", None),
        ("01", None),
        ("-01", None),
        ("00", None),
        ("-", None),
        ("+1", None),
        ("1.", None),
    ] {
        assert_eq!(wire::decode::<i64>(text).ok(), expected, "{text}");
        let list = wire::decode::<Vec<i64>>(&format!("[7,{text}]"));
        assert_eq!(list.ok(), expected.map(|number| vec![7, number]), "{text}");
    }
}

#[test]
fn only_the_white_space_of_json_is_white_space() {
    assert_eq!(parsed(" \t\r\n[ \t\r\n1 \t\r\n] \t\r\n"), json!([1]));
    for other in ["\0", "\u{1}", "\u{b}", "\u{c}", "\u{1f}", "\u{a0}", "\u{feff}"] {
        for text in [format!("{other}1"), format!("1{other}"), format!("[1,{other}2]"), format!("{{\"a\":{other}1}}")] {
            assert!(Json::parse(&*text).is_err(), "{text:?}");
        }
    }
}

// --- Unions -------------------------------------------------------------------------------------

#[test]
fn a_union_is_chosen_by_a_field_that_must_be_missing() {
    let file = r#""filename":"f","id":"i""#;
    for text in [format!("{{{file}}}"), format!(r#"{{"_shape":null,{file}}}"#), format!(r#"{{{file},"id":"j"}}"#)] {
        assert!(matches!(read(&text), FileResponse::OpenRouter(_)), "{text}");
    }
    for text in [format!(r#"{{"_shape":"new",{file}}}"#), format!(r#"{{"_shape":null,{file},"_shape":"new"}}"#)] {
        let FileResponse::Unrecognized(kept) = read(&text) else { panic!("{text}") };
        assert_eq!((kept.tag("_shape"), kept.error()), (Some("new"), None));
    }
}

#[test]
fn a_union_is_chosen_by_the_value_of_a_field() {
    for (operator, is_set) in [("eq", false), ("neq", false), ("in", true), ("not_in", true)] {
        let value = if is_set { "[1]" } else { "1" };
        for again in ["", r#","field":"g""#] {
            let text = format!(r#"{{"field":"f","operator":"{operator}","value":{value}{again}}}"#);
            match read(&text) {
                AnalyticsClassifierFilter::ScalarFilter(_) => assert!(!is_set, "{text}"),
                AnalyticsClassifierFilter::SetFilter(_) => assert!(is_set, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }
    for operator in [r#""operator":"like""#, r#""operator":"eq","operator":"like""#] {
        let text = format!(r#"{{"field":"f",{operator},"value":1}}"#);
        let AnalyticsClassifierFilter::Unrecognized(kept) = read(&text) else { panic!("{text}") };
        assert_eq!(kept.tag("operator"), Some("like"));
    }
}

#[test]
fn a_tag_that_ends_like_a_known_one_is_unknown() {
    for tag in ["next", "Text", "texts", "ext"] {
        let ChatContentPart::Unrecognized(kept) = read(&format!(r#"{{"type":"{tag}","text":"a"}}"#)) else {
            panic!("{tag}")
        };
        assert_eq!((kept.tag("type"), kept.error()), (Some(tag), None));
    }
}

#[test]
fn only_an_object_is_kept_whole_as_an_event() {
    let kept: EmbeddingInput = wire::decode_event(r#"{"new":1}"#).unwrap();
    assert_eq!(written(&kept), r#"{"new":1}"#);
    let error = wire::decode_event::<EmbeddingInput>(r#""\ud83d""#).unwrap_err();
    assert_eq!(error.message(), "does not match its type exactly");
}

// --- Arguments of setters -------------------------------------------------------------------------

#[test]
fn a_list_is_set_from_one_element_or_from_any_list() {
    let models = |request: CreateByokKeyRequest| request.allowed_models.unwrap();
    let request = || CreateByokKeyRequest::new("k", "p");
    assert_eq!(models(request().allowed_models("a")), ["a"]);
    assert_eq!(models(request().allowed_models(["a", "b"])), ["a", "b"]);
    assert_eq!(models(request().allowed_models(&["a", "b"])), ["a", "b"]);
    assert_eq!(models(request().allowed_models(vec![String::from("a")])), ["a"]);
    assert!(models(request().allowed_models(Vec::<String>::new())).is_empty());
}

#[test]
fn a_change_is_made_from_what_its_field_holds() {
    let set = |names: &[&str]| Patch::Set(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    let owned = [String::from("a"), String::from("b")];
    assert_eq!(Patch::from(["a", "b"]), set(&["a", "b"]));
    assert_eq!(Patch::from(&owned[..]), set(&["a", "b"]));
    assert_eq!(Patch::from(vec!["a", "b"]), set(&["a", "b"]));
    assert_eq!(Patch::from(owned.to_vec()), set(&["a", "b"]));
    assert_eq!((Patch::from("a"), Patch::from(&owned[1])), (Patch::Set("a".to_owned()), Patch::Set("b".to_owned())));
    assert_eq!((Patch::from(1.5), Patch::from(3_u32)), (Patch::Set(1.5), Patch::Set(3_i64)));
    assert_eq!(Patch::<f64>::from(0.7_f32), Patch::Set(0.7));
    let request = UpdateByokKeyRequest::new().allowed_models(["a"]).name("n").declared_zdr(Patch::Clear);
    assert_eq!(written(&request), r#"{"allowed_models":["a"],"declared_zdr":null,"name":"n"}"#);
}

#[test]
fn a_secret_has_what_it_was_made_from() {
    let pairs = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
    let secrets: [Secret<BTreeMap<String, String>>; 3] =
        [pairs.clone().into(), pairs.clone().into_iter().collect::<HashMap<_, _>>().into(), [("a", "1")].into()];
    for secret in secrets {
        assert_eq!((secret.expose(), format!("{secret:?}")), (&pairs, "[redacted]".to_owned()));
        assert_eq!(secret.into_exposed(), pairs);
    }
    let config: Secret<JsonObject> = json!({"a": 1}).into();
    assert_eq!(config.expose().as_text(), r#"{"a":1}"#);
    assert_eq!(Secret::from("k").into_exposed(), "k");
}
