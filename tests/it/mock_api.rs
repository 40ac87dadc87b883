//! The whole API, answered by the mock server. That each response is valid and typed is tested with the generator.

use std::collections::BTreeSet;
use std::time::Duration;

use openrouter_kit::core::RetryConfig;
use openrouter_kit::http::Method;
use openrouter_kit::mock::{ApiFault, MockApi, MockServer};
use openrouter_kit::models::*;
use openrouter_kit::{Error, OpenRouter};
use serde_json::{Value, json};

use crate::a_limit::tokio;

/// A server with these options, and a client without retries.
async fn started(api: MockApi) -> (MockServer, OpenRouter) {
    let server = MockServer::start().await;
    server.respond_with(move |request| api.answer(request));
    let client = server.client_builder().retry_config(RetryConfig::none()).build().unwrap();
    (server, client)
}

async fn plain() -> (MockServer, OpenRouter) {
    started(MockApi::new().pause(Duration::ZERO)).await
}

/// The JSON of a response.
async fn json(client: &OpenRouter, method: Method, path: &str, body: Value) -> Result<Value, Error> {
    let call = client.request(method.clone(), path);
    let call = if method == Method::GET { call } else { call.json(body) };
    Ok(call.await?.to_value())
}

/// The status and the message of an error.
async fn refused(client: &OpenRouter, method: Method, path: &str, body: Value) -> (u16, String) {
    match json(client, method, path, body).await.unwrap_err() {
        Error::Api(error) => (error.status().as_u16(), error.message().to_owned()),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn an_unknown_path_is_a_404_and_another_method_a_405_that_names_the_right_ones() {
    let (_server, client) = plain().await;
    assert_eq!(refused(&client, Method::GET, "/nothing", json!({})).await.0, 404);
    assert_eq!(refused(&client, Method::GET, "/keys/one/two", json!({})).await.0, 404);
    let (status, message) = refused(&client, Method::PUT, "/keys", json!({})).await;
    assert_eq!(status, 405);
    assert!(message.contains("GET, POST"), "{message}");
    // `/files/{file_id}` has other methods than `/files`.
    assert_eq!(refused(&client, Method::POST, "/files/one", json!({})).await.0, 405);
}

#[tokio::test]
async fn a_missing_key_is_a_401_unless_the_operation_needs_none() {
    let (server, _) = plain().await;
    let builder = OpenRouter::builder().server_url(server.url()).retry_config(RetryConfig::none());
    let client = builder.build().unwrap();
    assert!(json(&client, Method::GET, "/models/count", json!({})).await.is_ok());
    assert_eq!(refused(&client, Method::GET, "/credits", json!({})).await.0, 401);
    let body = json!({"model": "a/b", "input": "Hi"});
    assert_eq!(refused(&client, Method::POST, "/responses", body).await.0, 401);
    // Anthropic's clients send their key in a header of their own.
    let body = json!({"model": "a/b", "max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}]});
    let call = client.request(Method::POST, "/messages").json(body).header("x-api-key", "a key");
    assert_eq!(call.await.unwrap().to_value()["type"], "message");
}

#[tokio::test]
async fn a_body_without_what_is_required_is_a_400_that_names_it() {
    let (_server, client) = plain().await;
    for (path, body, part) in [
        ("/chat/completions", json!({"model": "a/b"}), "`messages` is required"),
        ("/chat/completions", json!({"messages": "Hi"}), "`messages` must be of type array"),
        ("/chat/completions", json!({"messages": [], "temperature": "hot"}), "`temperature` must be of type number"),
        ("/chat/completions", json!([]), "must be of type object"),
        ("/keys", json!({"limit": 5}), "`name` is required"),
        (
            "/batches",
            json!({"endpoint": "/responses", "model": "a/b", "requests": [{"custom_id": "1"}]}),
            "requests[0].body",
        ),
        ("/messages", json!({"model": "a/b"}), "required"),
    ] {
        let (status, message) = refused(&client, Method::POST, path, body).await;
        assert_eq!(status, 400, "{message}");
        assert!(message.contains(part), "{message}");
    }
    let (status, message) = refused(&client, Method::GET, "/generation", json!({})).await;
    assert!(status == 400 && message.contains("`id`"), "{message}");
    assert!(json(&client, Method::POST, "/keys", json!({"name": "Mine", "limit": null})).await.is_ok());
}

#[tokio::test]
async fn what_a_request_names_and_creates_is_in_the_response() {
    let (_server, client) = plain().await;
    let key = client.api_keys().get("abc").await.unwrap();
    assert_eq!(key.data.hash, "abc");
    let file = json(&client, Method::GET, "/files/or_file_7", json!({})).await.unwrap();
    assert_eq!(file["id"], "or_file_7");
    let model = json(&client, Method::GET, "/model/openai/gpt-5", json!({})).await.unwrap();
    assert_eq!(model["data"]["id"], "openai/gpt-5");
    let body = json!({"name": "Mine", "limit": 12.5, "include_byok_in_limit": true});
    let one = json(&client, Method::POST, "/keys", body).await.unwrap();
    assert_eq!((&one["data"]["name"], &one["data"]["limit"]), (&json!("Mine"), &json!(12.5)));
    let other = json(&client, Method::POST, "/keys", json!({"name": "Yours"})).await.unwrap();
    assert_ne!(one["data"]["hash"], other["data"]["hash"]);
    let video = json(&client, Method::POST, "/videos", json!({"model": "a/b", "prompt": "A cat"})).await.unwrap();
    assert!(video["polling_url"].as_str().unwrap().ends_with(video["id"].as_str().unwrap()), "{video}");
}

#[tokio::test]
async fn lists_have_pages_that_end() {
    let (_server, client) = plain().await;
    for path in ["/files", "/batches", "/models", "/keys", "/workspaces", "/containers/c/files"] {
        let name = if path == "/keys" { "hash" } else { "id" };
        let whole = json(&client, Method::GET, path, json!({})).await.unwrap();
        let names = |list: &Value| -> Vec<Value> {
            list["data"].as_array().unwrap().iter().map(|item| item[name].clone()).collect()
        };
        let all = names(&whole);
        assert_eq!(all.iter().map(Value::to_string).collect::<BTreeSet<_>>().len(), 5, "{path}: {whole}");
        let mut seen = Vec::new();
        let mut last = None::<Value>;
        for page in 0..4 {
            let call = client.request(Method::GET, path).query("limit", "2").query("offset", (page * 2).to_string());
            let after = last.as_ref().and_then(Value::as_str).map(str::to_owned);
            let call = if let Some(after) = after { call.query("after", after) } else { call };
            let list = call.await.unwrap().to_value();
            let own = names(&list);
            assert_eq!(own.len(), [2, 2, 1, 0][page], "{path}: {list}");
            if list["has_more"].is_boolean() {
                assert_eq!(list["has_more"], page < 2, "{path}: {list}");
            }
            seen.extend(own);
            last = seen.last().cloned();
        }
        assert_eq!(seen, all, "{path}");
    }
    let keys = client.api_keys().list().items().collect().await.unwrap();
    assert_eq!(keys.len(), 5);
}

#[tokio::test]
async fn a_model_calls_the_tool_that_the_request_requires() {
    let (_server, client) = plain().await;
    let parameters = json!({"type": "object", "required": ["city", "days"], "properties": {
        "city": {"type": "string", "minLength": 8}, "days": {"type": "integer", "minimum": 3},
        "unit": {"enum": ["celsius", "fahrenheit"]}}});
    let tools = ["time", "weather"].map(|name| ResponsesTool::function(name, parameters.clone()));
    let request = ResponsesRequest::new().model("a/b").input("Hi").tools(tools);
    let response = client.responses().send(&request).await.unwrap();
    assert_eq!(response.function_calls().count(), 0);
    assert!(response.output_text().contains("Hi") && response.model == "a/b");

    let chosen = request.tool_choice(ResponsesToolChoice::function("weather"));
    let response = client.responses().stream(chosen).await.unwrap().collect().await.unwrap();
    let call = response.function_calls().next().unwrap();
    let arguments: Value = serde_json::from_str(call.arguments()).unwrap();
    assert_eq!((call.name(), &arguments["days"], &arguments["unit"]), ("weather", &json!(3), &json!("celsius")));
    assert!(arguments["city"].as_str().unwrap().len() >= 8, "{arguments}");
}

#[tokio::test]
async fn a_model_writes_json_that_fits_the_schema_of_the_request() {
    let (_server, client) = plain().await;
    let schema = json!({"$defs": {"node": {"type": "object", "required": ["name"], "additionalProperties": false,
        "properties": {"name": {"type": "string", "maxLength": 2}, "next": {"anyOf": [{"$ref": "#/$defs/node"},
        {"type": "null"}]}}}}, "type": "object", "required": ["born", "kind", "list", "first"], "properties": {
        "born": {"type": "integer", "maximum": -5}, "kind": {"const": "a"}, "first": {"$ref": "#/$defs/node"},
        "list": {"type": "array", "minItems": 2, "items": {"type": "boolean"}}}});
    let format = ResponsesTextFormat::json_schema("answer", schema);
    let request = ResponsesRequest::new().input("Hi").text(TextExtendedConfig::new().format(format));
    let text = client.responses().send(request).await.unwrap().output_text();
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&value["born"], &value["kind"], &value["list"]), (&json!(-5), &json!("a"), &json!([true, true])));
    assert_eq!(value["first"]["name"], "na");
    let body = json!({"messages": [{"role": "user", "content": "Hi"}], "response_format": {"type": "json_object"}});
    let chat = json(&client, Method::POST, "/chat/completions", body).await.unwrap();
    assert_eq!(chat["choices"][0]["message"]["content"], "{}");
}

#[tokio::test]
async fn embeddings_and_ranks_are_for_each_input() {
    let (_server, client) = plain().await;
    let body = json!({"model": "a/b", "input": ["one", "two", "one"], "dimensions": 4});
    let data = json(&client, Method::POST, "/embeddings", body).await.unwrap()["data"].clone();
    assert!(data[0]["embedding"] == data[2]["embedding"] && data[0]["embedding"] != data[1]["embedding"]);
    let length: f64 = data[1]["embedding"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap().powi(2)).sum();
    assert!((length - 1.0).abs() < 1e-3, "{length}");
    let documents = json!(["Berlin is a city", "Rome is the capital of Italy", "A cat"]);
    let body = json!({"model": "a/b", "query": "capital of Italy", "documents": documents, "top_n": 2});
    let ranks = json(&client, Method::POST, "/rerank", body).await.unwrap()["results"].clone();
    assert_eq!((&ranks[0]["index"], ranks.as_array().unwrap().len()), (&json!(1), 2));
}

#[tokio::test]
async fn files_are_of_the_type_that_they_say() {
    let (_server, client) = plain().await;
    for (method, path, body, media_type, start) in [
        (Method::GET, "/videos/1/content", json!({}), "video/mp4", &b"\0\0\0\x1cftyp"[..]),
        (Method::POST, "/audio/speech", json!({"response_format": "mp3"}), "audio/mpeg", b"\xFF\xFB"),
        (Method::POST, "/audio/speech", json!({"response_format": "wav"}), "audio/wav", b"RIFF"),
        (Method::POST, "/audio/speech", json!({}), "audio/pcm", b"\0\0"),
        (Method::GET, "/files/1/content", json!({}), "application/octet-stream", b"A file"),
    ] {
        let mut body = body;
        body["model"] = json!("a/b");
        body["input"] = json!("Hi");
        let call = client.request(method.clone(), path);
        let call = if method == Method::GET { call } else { call.json(body) };
        let file = call.download().await.unwrap();
        assert_eq!(file.headers()["content-type"], media_type);
        assert!(file.collect().await.unwrap().starts_with(start), "{path}");
    }
}

#[tokio::test]
async fn an_error_is_sent_on_demand_in_the_form_of_the_operation() {
    let (_server, client) = plain().await;
    let ask = |path: &'static str, header: &'static str, value: &'static str| {
        let body = json!({"model": "a/b", "input": "Hi", "max_tokens": 1, "messages": []});
        client.request(Method::POST, path).json(body).header(header, value)
    };
    let error = ask("/responses", "x-mock-status", "429").await.unwrap_err();
    let error = error.as_api().unwrap();
    assert_eq!((error.status().as_u16(), error.headers()["retry-after"].to_str().unwrap()), (429, "1"));
    let error = ask("/messages", "x-mock-fault", "529").await.unwrap_err();
    let body: Value = serde_json::from_slice(error.as_api().unwrap().body()).unwrap();
    assert_eq!((&body["type"], &body["error"]["type"]), (&json!("error"), &json!("overloaded_error")));
    assert!(ask("/responses", "x-mock-fault", "cut").await.unwrap_err().is_connection());
    assert!(ask("/responses", "x-mock-fault", "nonsense").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_slow_response_begins_later_and_a_stalled_one_never() {
    let (_server, client) = plain().await;
    let ask = |fault: &'static str, limit: u64| {
        client.request(Method::GET, "/credits").header("x-mock-fault", fault).timeout(Duration::from_secs(limit))
    };
    assert!(matches!(ask("slow", 5).await.unwrap_err(), Error::Timeout(_)));
    assert!(ask("slow", 60).await.is_ok());
    assert!(matches!(ask("stall", 3600).await.unwrap_err(), Error::Timeout(_)));
}

#[tokio::test]
async fn a_share_of_the_requests_fails_and_the_seed_decides_which() {
    let mut runs = Vec::new();
    for seed in [1, 1, 2] {
        let (_server, client) = started(MockApi::new().seed(seed).fault(ApiFault::Status(503), 0.3)).await;
        let mut failed = Vec::new();
        for _ in 0..100 {
            failed.push(json(&client, Method::GET, "/credits", json!({})).await.is_err());
        }
        let count = failed.iter().filter(|failed| **failed).count();
        assert!((15..45).contains(&count), "{count}");
        runs.push(failed);
    }
    assert!(runs[0] == runs[1] && runs[0] != runs[2]);
}

#[tokio::test]
async fn the_same_seed_and_request_make_the_same_response() {
    let mut seen = Vec::new();
    for seed in [1, 1, 2] {
        let (_server, client) = started(MockApi::new().seed(seed)).await;
        let key = json(&client, Method::POST, "/keys", json!({"name": "Mine"})).await.unwrap();
        let text = json(&client, Method::POST, "/responses", json!({"input": "Hi"})).await.unwrap();
        seen.push((key["data"]["hash"].clone(), text["id"].clone()));
    }
    assert_eq!(seen[0], seen[1]);
    assert!(seen[0].0 != seen[2].0 && seen[0].1 != seen[2].1);
}
