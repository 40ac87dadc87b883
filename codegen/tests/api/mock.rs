//! The local server answers every operation as the document says.

use boon::{Compiler, Schemas};
use openrouter_kit::OpenRouter;
use openrouter_kit::core::RetryConfig;
use openrouter_kit::http::Method;
use openrouter_kit::mock::{MockApi, MockServer};
use serde_json::{Value, json};

use crate::document::{Document, Stated, document};
use crate::operations::{Body, body, case, event_schema, success};
use crate::registry::OPERATIONS;
use crate::support::take_untyped;

/// The document as a JSON schema.
fn as_json_schema(node: &Value) -> Value {
    match node {
        Value::Object(members) => {
            let name = |name: &str| if name == "oneOf" { "anyOf".to_owned() } else { name.to_owned() };
            let of = |(own, value): (&String, &Value)| (name(own), as_json_schema(value));
            let mut members: serde_json::Map<_, _> = members.iter().map(of).collect();
            // The document lets some enums and references be null by a member that JSON schema does not have.
            if members.remove("nullable") == Some(json!(true)) {
                return json!({"anyOf": [members, {"type": "null"}]});
            }
            Value::Object(members)
        }
        Value::Array(elements) => elements.iter().map(as_json_schema).collect(),
        other => other.clone(),
    }
}

/// Checks values against schemas of the document.
struct Validator {
    root: Value,
}

impl Validator {
    /// What is wrong with a value of a response of `stated`.
    fn problem(&self, stated: &Stated<'_>, status: u16, media_type: &str, value: &Value) -> Option<String> {
        let escaped = |text: &str| text.replace('~', "~0").replace('/', "~1").replace('{', "%7B").replace('}', "%7D");
        let method = stated.method.to_lowercase();
        let place = format!("/paths/{}/{method}/responses/{status}/content", escaped(stated.path));
        let url = format!("http://localhost/facts.json#{place}/{}/schema", escaped(media_type));
        let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
        compiler.add_resource("http://localhost/facts.json", self.root.clone()).unwrap();
        let schema = compiler.compile(&url, &mut schemas).unwrap_or_else(|error| panic!("{url}: {error:#}"));
        schemas.validate(value, schema).err().map(|error| format!("{error:#}"))
    }
}

async fn started() -> (MockServer, OpenRouter) {
    let server = MockServer::start().await;
    let api = MockApi::new().pause(std::time::Duration::ZERO);
    server.respond_with(move |request| api.answer(request));
    let client = server.client_builder().retry_config(RetryConfig::none()).build().unwrap();
    (server, client)
}

#[tokio::test]
async fn the_mock_answers_every_function_with_values_that_are_typed_throughout() {
    let document = document();
    let (_server, client) = started().await;
    let (mut called, mut wrong) = (0, Vec::new());
    for stated in document.operations() {
        for (_, function, calling) in OPERATIONS.iter().filter(|(id, ..)| *id == stated.id) {
            let stream = event_schema(document, &stated).is_some() && function.ends_with("stream");
            for all in [false, true] {
                let mut case = case(document, &stated, all, 0);
                let (with_body, _) = body(document, &stated, function, stream, all, 0);
                case.given.values.extend(with_body.values);
                case.given.body = with_body.body;
                for outcome in calling(&client, &case.given) {
                    take_untyped();
                    match outcome.await {
                        Err(error) => wrong.push(format!("{function}: {error}")),
                        Ok(_) => wrong.extend(take_untyped().into_iter().map(|part| format!("{function}: {part}"))),
                    }
                }
            }
            called += 1;
        }
    }
    println!("{} operations, {called} functions", document.operations().len());
    wrong.dedup();
    assert!(wrong.is_empty(), "{} failures:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(called, OPERATIONS.len());
}

/// The JSON values that an operation gives, as they are on the wire: one, or one for each event.
async fn on_the_wire(
    client: &OpenRouter,
    document: &Document,
    stated: &Stated<'_>,
    stream: bool,
) -> Result<Vec<Value>, openrouter_kit::Error> {
    let function = if stream { "stream" } else { "send" };
    let case = case(document, stated, false, 0);
    let method = Method::from_bytes(stated.method.as_bytes()).unwrap();
    let path = case.path.replace(|letter: char| !letter.is_ascii_alphanumeric() && !"/-_".contains(letter), "-");
    let mut call = client.request(method, &path);
    for (name, value) in &case.query {
        call = call.query(name, value);
    }
    if let (_, Body::Json(body)) = body(document, stated, function, stream, false, 0) {
        call = call.json(body);
    }
    if !stream {
        let bytes = call.raw().await?;
        return Ok(vec![serde_json::from_slice(&bytes).unwrap_or_default()]);
    }
    let mut events = call.events().await?;
    let mut values = Vec::new();
    while let Some(event) = events.next().await {
        values.extend(serde_json::from_str(&event?.data()).ok().filter(|value: &Value| !value.is_string()));
    }
    Ok(values)
}

#[tokio::test]
async fn what_the_mock_sends_is_valid_by_the_schemas_of_the_document() {
    let document = document();
    let validator = Validator { root: as_json_schema(&document.root) };
    let (_server, client) = started().await;
    let (mut checked, mut wrong) = (0, Vec::new());
    for stated in document.operations() {
        // Forms are sent by the functions only.
        let content = stated.operation["requestBody"]["content"].as_object();
        if content.is_some_and(|content| !content.contains_key("application/json")) {
            continue;
        }
        let streams = event_schema(document, &stated).is_some();
        for stream in [false, true].into_iter().filter(|stream| streams || !stream) {
            let wanted = if stream { "event-stream" } else { "json" };
            let Some((status, media_type, _)) = success(&stated, wanted) else { continue };
            match on_the_wire(&client, document, &stated, stream).await {
                Err(error) => wrong.push(format!("{}: {error}", stated.id)),
                Ok(values) => {
                    assert!(!values.is_empty(), "{}", stated.id);
                    for value in values {
                        let value = if stream { json!({"event": "event", "data": value}) } else { value };
                        let problem = validator.problem(&stated, status, media_type, &value);
                        wrong.extend(problem.map(|problem| format!("{} {value}: {problem}", stated.id)));
                        checked += 1;
                    }
                }
            }
        }
    }
    println!("{checked} values");
    assert!(wrong.is_empty(), "{} failures:\n{}", wrong.len(), wrong.join("\n"));
    assert!(checked > 150, "{checked}");
}
