//! Responses and tools by Rust types: the schema that is sent, the value that is returned.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    dead_code,
    reason = "in a test a panic is a finding, and some types are only described"
)]

use std::collections::BTreeMap;

use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::models::*;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::a_limit::tokio;

/// How the weather is.
#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
struct Weather {
    /// Where.
    place: String,
    degrees: f64,
    chance: Option<u8>,
    sky: Sky,
    #[serde(default)]
    warnings: Vec<Warning>,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Sky {
    Clear,
    Cloudy,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Warning {
    Storm {
        /// How strong.
        force: u32,
    },
    Heat,
}

/// A tree of texts.
#[derive(Debug, Deserialize, JsonSchema)]
struct Tree {
    text: String,
    /// What is below.
    children: Vec<Tree>,
    /// The next one.
    next: Option<Box<Tree>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Counts {
    counts: BTreeMap<String, u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Nothing {}

fn body(request: &impl serde::Serialize) -> Value {
    serde_json::to_value(request).unwrap()
}

fn schema_of<T: JsonSchema>() -> (Value, Value) {
    let tool = body(&ResponsesTool::from_type::<T>("f"));
    (tool["parameters"].clone(), tool["strict"].clone())
}

/// Checks every object within: no further members, all required.
fn check_strict(schema: &Value) {
    match schema {
        Value::Object(members) => {
            assert!(!members.contains_key("oneOf") && !members.contains_key("default"), "{schema}");
            assert!(!members.contains_key("$ref") || members.len() == 1, "{schema}");
            if let Some(properties) = members.get("properties").and_then(Value::as_object) {
                let required: Vec<&str> =
                    members["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
                assert_eq!(required, properties.keys().collect::<Vec<_>>(), "{schema}");
                assert_eq!(members["additionalProperties"], false, "{schema}");
            }
            members.values().for_each(check_strict);
        }
        Value::Array(elements) => elements.iter().for_each(check_strict),
        _ => {}
    }
}

#[tokio::test]
async fn a_chat_answer_comes_back_as_the_type_that_was_asked_for() {
    let server = MockServer::start().await;
    let text = r#"{"place":"Rome","degrees":21.5,"chance":null,"sky":"clear","warnings":[{"kind":"storm","force":9}]}"#;
    server.answer(Answer::json(
        200,
        json!({"id": "g", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}]}),
    ));
    let request = ChatRequest::new(["How is the weather in Rome?"]).model("m").json_schema_of::<Weather>();
    let weather: Weather = server.client().chat().send(request).await.unwrap().parse().unwrap();
    let expected = Weather {
        place: "Rome".to_owned(),
        degrees: 21.5,
        chance: None,
        sky: Sky::Clear,
        warnings: vec![Warning::Storm { force: 9 }],
    };
    assert_eq!(weather, expected);

    let sent = server.requests()[0].json().to_value();
    let format = &sent["response_format"];
    assert_eq!(format["type"], "json_schema");
    let asked = &format["json_schema"];
    assert_eq!((&asked["name"], &asked["strict"]), (&json!("Weather"), &json!(true)));
    assert_eq!(asked["description"], "How the weather is.");
    check_strict(&asked["schema"]);
    let names: Vec<&String> = asked["schema"]["properties"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["place", "degrees", "chance", "sky", "warnings"], "in the order of the fields");
    assert_eq!(asked["schema"]["properties"]["place"], json!({"description": "Where.", "type": "string"}));
    let chance = asked["schema"]["properties"]["chance"].clone();
    assert_eq!(chance["type"], json!(["integer", "null"]));
    assert!(chance.get("format").is_none(), "{chance}");
}

#[test]
fn all_three_protocols_ask_for_the_same_schema() {
    let chat = body(&ChatRequest::new(["Hi"]).json_schema_of::<Weather>());
    let text = TextExtendedConfig::new().verbosity("low");
    let responses = body(&ResponsesRequest::new().text(text).json_schema_of::<Weather>());
    let messages = body(&MessagesRequest::new("m").json_schema_of::<Weather>());
    let schema = &chat["response_format"]["json_schema"]["schema"];
    let format = &responses["text"]["format"];
    assert_eq!(&format["schema"], schema);
    assert_eq!(
        (&format["type"], &format["name"], &format["strict"]),
        (&json!("json_schema"), &json!("Weather"), &json!(true))
    );
    assert_eq!(responses["text"]["verbosity"], "low", "what was set before stays");
    assert_eq!(messages["output_config"]["format"], json!({"type": "json_schema", "schema": schema}));
}

#[test]
fn a_tool_is_described_by_its_type() {
    let chat = body(&ChatFunctionTool::from_type::<Weather>("tell"));
    let responses = body(&ResponsesTool::from_type::<Weather>("tell"));
    let messages = body(&MessagesRequestTool::from_type::<Weather>("tell"));
    let schema = &chat["function"]["parameters"];
    check_strict(schema);
    assert_eq!(chat["function"]["name"], "tell");
    assert_eq!(chat["function"]["description"], "How the weather is.");
    assert_eq!(chat["function"]["strict"], true);
    assert_eq!((&responses["parameters"], &responses["strict"]), (schema, &json!(true)));
    assert_eq!(&messages["input_schema"], schema);
    assert_eq!(messages["description"], "How the weather is.");
}

#[test]
fn a_type_that_holds_itself_is_strict_with_references() {
    let (schema, strict) = schema_of::<Tree>();
    assert_eq!(strict, true);
    check_strict(&schema);
    assert!(schema.to_string().contains("$ref"), "{schema}");
}

#[test]
fn the_definitions_and_the_described_references_of_a_strict_schema_are_strict() {
    /// A formula.
    #[derive(JsonSchema)]
    #[serde(tag = "kind")]
    enum Formula {
        Number {
            value: f64,
        },
        Not {
            /// What is negated.
            of: Box<Formula>,
        },
    }
    #[derive(JsonSchema)]
    struct Sheet {
        formula: Formula,
    }
    let (schema, strict) = schema_of::<Sheet>();
    assert_eq!(strict, true);
    check_strict(&schema);
    let not = &schema["$defs"]["Formula"]["anyOf"][1];
    assert_eq!(not["required"], json!(["kind", "of"]));
    assert_eq!(not["additionalProperties"], false);
    assert_eq!(
        not["properties"]["of"],
        json!({"description": "What is negated.", "anyOf": [{"$ref": "#/$defs/Formula"}]})
    );
}

#[test]
fn a_type_without_fields_is_an_empty_object() {
    let (schema, strict) = schema_of::<Nothing>();
    assert_eq!(strict, true);
    assert_eq!(schema["type"], "object");
    check_strict(&schema);
    assert_eq!(schema["properties"], json!({}));
}

#[test]
fn maps_and_untyped_values_are_not_strict() {
    #[derive(JsonSchema)]
    struct Untyped {
        value: Value,
    }
    let (schema, strict) = schema_of::<Counts>();
    assert_eq!(strict, false);
    assert_eq!(schema["properties"]["counts"]["additionalProperties"]["type"], "integer");
    assert_eq!(schema_of::<Untyped>().1, false);
    assert_eq!(schema_of::<(u8, String)>().1, false);
}

#[test]
fn the_name_of_a_schema_holds_what_providers_allow() {
    #[derive(JsonSchema)]
    #[schemars(rename = "Wetter für Köln (heute)")]
    struct Named {
        x: u8,
    }
    let request = body(&ChatRequest::new(["Hi"]).json_schema_of::<Named>());
    assert_eq!(request["response_format"]["json_schema"]["name"], "Wetter_f_r_K_ln__heute_");
}
