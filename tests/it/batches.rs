//! Batches: made of typed requests, waited for, and read as typed results.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::a_limit::tokio;
use crate::support::{Script, answer};
use openrouter_kit::errors::{ApiErrorKind, Error};
use openrouter_kit::funcs;
use openrouter_kit::helpers::JobWait;
use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::models::batch::{BatchObject, BatchStatus as Status, CreateBatchRequest};
use openrouter_kit::models::{
    ChatMessage, ChatRequest, ChatResult, CreateEmbeddingsRequest, CreateEmbeddingsResponse, MessagesMessageParam,
    MessagesRequest, MessagesResult, ResponsesRequest, ResponsesResult,
};
use serde_json::{Value, json};

const SECOND: Duration = Duration::from_secs(1);

fn state(status: &str) -> Value {
    json!({
        "id": "batch-1", "object": "batch", "endpoint": "/v1/chat/completions", "model": "m", "created_at": 1,
        "status": status, "completion_window": "24h", "finalized_at": null, "provider": "OpenAI", "expires_at": null,
        "request_counts": {"total": 2, "completed": 1, "failed": 1}, "usage": null, "error": null, "results": null
    })
}

fn with_results(results: Value) -> Value {
    let mut state = state("completed");
    state["results"] = results;
    state
}

fn batch(results: Value) -> BatchObject {
    serde_json::from_value(with_results(results)).unwrap()
}

/// The result of one request: its id, and the status and body of its response.
fn result(id: &str, status: u32, body: &Value) -> Value {
    let response = json!({"status_code": status, "request_id": "req-7", "body": body});
    json!({"id": format!("result-{id}"), "custom_id": id, "response": response, "error": null})
}

fn failure(id: &str, error: Value) -> Value {
    json!({"id": format!("result-{id}"), "custom_id": id, "response": null, "error": error})
}

fn chat(text: &str) -> Value {
    json!({
        "id": "gen-1", "object": "chat.completion", "created": 1, "model": "m", "system_fingerprint": null,
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}]
    })
}

fn states(states: &[&str]) -> Script {
    Script::new(states.iter().map(|status| answer(200, &state(status).to_string())))
}

fn wait(script: &Script) -> JobWait<BatchObject> {
    funcs::batch_get_batches(&script.core(), "batch-1").until_done()
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_asked_for_every_minute_until_it_completes() {
    let script = states(&["validating", "in_progress", "resting", "finalizing", "completed"]);
    let batch = wait(&script).await.unwrap();
    assert_eq!(batch.status, Status::Completed);
    assert_eq!(script.waits(), [60 * SECOND; 4]);
    assert!(script.sent().iter().all(|sent| sent.url.path() == "/api/v1/batches/batch-1" && sent.method == "GET"));
}

#[tokio::test(start_paused = true)]
async fn without_a_time_limit_of_its_own_a_batch_is_waited_for_five_days() {
    let script = states(&["in_progress"; 6]);
    let began = tokio::time::Instant::now();
    assert!(wait(&script).poll_interval(86_400 * SECOND).await.unwrap_err().is_timeout());
    assert_eq!(began.elapsed(), 5 * 86_400 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn the_progress_of_a_batch_can_be_read_as_it_arrives() {
    let script = states(&["in_progress", "cancelling", "cancelled"]);
    let mut wait = wait(&script).poll_interval(SECOND);
    let mut seen = Vec::new();
    while let Some(state) = wait.next().await {
        let state = state.unwrap();
        seen.push((state.status.to_string(), state.request_counts.completed));
    }
    assert_eq!(seen.last(), Some(&("cancelled".to_owned(), 1)), "the final one too, whatever it is");
    assert_eq!(seen.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_batch_whose_requests_failed_is_a_success_and_its_results_tell() {
    let results = json!([result("a", 200, &chat("Hi")), result("b", 500, &json!({"error": {"message": "Broken"}}))]);
    let script = Script::new([answer(200, &with_results(results).to_string())]);
    let batch = wait(&script).await.unwrap();
    let results = batch.results_by_id::<ChatResult>();
    assert_eq!(results["a"].as_ref().unwrap().text().as_deref(), Some("Hi"));
    assert_eq!(results["b"].as_ref().unwrap_err().as_api().unwrap().message(), "Broken");
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_does_not_complete_is_an_api_error_with_the_state_as_body() {
    let mut failed = state("failed");
    failed["error"] = json!({"message": "The model has no batches"});
    for (state, message) in [(failed, "The model has no batches"), (state("expired"), ""), (state("cancelled"), "")] {
        let script = Script::new([answer(200, &state.to_string())]);
        let error = wait(&script).await.unwrap_err();
        let response = error.as_api().unwrap();
        assert_eq!(response.message(), message);
        assert_eq!(response.code(), state["status"].as_str());
        assert_eq!(response.kind(), ApiErrorKind::Other, "it is the batch that was canceled, not a request");
        assert_eq!(serde_json::from_slice::<Value>(response.body()).unwrap(), state);
        assert!(error.to_string().starts_with("getBatches: "), "{error}");
        assert!(!error.is_retryable());
    }
}

#[tokio::test(start_paused = true)]
async fn results_withheld_for_lack_of_credits_end_the_wait_with_that_error() {
    let mut body = state("completed");
    body["error"] = json!({"code": 402, "message": "Top up and poll again"});
    let script = Script::new([answer(200, &state("in_progress").to_string()), answer(402, &body.to_string())]);
    let error = wait(&script).await.unwrap_err();
    assert_eq!(error.as_api().unwrap().kind(), ApiErrorKind::PaymentRequired);
    assert_eq!(error.as_api().unwrap().message(), "Top up and poll again");
}

#[test]
fn four_statuses_of_a_batch_are_final() {
    for status in Status::ALL {
        let is_final = matches!(status, Status::Completed | Status::Failed | Status::Expired | Status::Cancelled);
        assert_eq!(status.is_final(), is_final, "{status}");
    }
    assert!(!Status::from("something new").is_final());
}

#[tokio::test]
async fn the_call_that_creates_a_batch_cannot_be_waited_on() {
    let script = Script::new([]);
    let request = CreateBatchRequest::chat([("a", ChatRequest::new("Hi").model("m"))]).unwrap();
    let error = funcs::batch_create_batches(&script.core(), request).until_done().await.unwrap_err();
    assert!(error.to_string().starts_with("createBatches: `until_done` cannot wait for a job"), "{error}");
    assert!(error.to_string().contains("batch().get_batches"), "{error}");
    assert!(script.sent().is_empty());
}

/// The body of a request as it is sent.
fn sent(request: Result<CreateBatchRequest, Error>) -> Value {
    serde_json::to_value(request.unwrap()).unwrap()
}

#[test]
fn requests_of_every_protocol_make_a_batch_with_their_model_and_endpoint() {
    let ask = |text: &str| ChatRequest::new(text).model("m");
    let batch = sent(CreateBatchRequest::chat([("b", ask("one")), ("a", ask("two"))]));
    let body = |text: &str| json!({"model": "m", "messages": [{"role": "user", "content": text}]});
    let requests = json!([{"custom_id": "b", "body": body("one")}, {"custom_id": "a", "body": body("two")}]);
    assert_eq!(batch, json!({"endpoint": "/v1/chat/completions", "model": "m", "requests": requests}));

    // References and maps work, too.
    let requests = BTreeMap::from([("id-1".to_owned(), ask("one"))]);
    assert_eq!(sent(CreateBatchRequest::chat(&requests))["requests"][0]["custom_id"], "id-1");

    let batch = sent(CreateBatchRequest::responses([("a", ResponsesRequest::new().model("m").input("Hi"))]));
    assert_eq!((&batch["endpoint"], &batch["model"]), (&json!("/v1/responses"), &json!("m")));
    assert_eq!(batch["requests"][0]["body"], json!({"model": "m", "input": "Hi"}));

    let request = MessagesRequest::new("m").max_tokens(5).messages([MessagesMessageParam::user("Hi")]);
    let batch = sent(CreateBatchRequest::messages(vec![("a".to_owned(), request)]));
    assert_eq!((&batch["endpoint"], &batch["model"]), (&json!("/v1/messages"), &json!("m")));
    assert_eq!(batch["requests"][0]["body"]["max_tokens"], 5);

    let batch = sent(CreateBatchRequest::embeddings([("a", CreateEmbeddingsRequest::new("Hi", "m"))]));
    assert_eq!((&batch["endpoint"], &batch["model"]), (&json!("/v1/embeddings"), &json!("m")));
}

#[test]
fn requests_that_cannot_share_a_batch_are_refused_by_id() {
    let ask = || ChatRequest::new("Hi").model("m");
    let cases: [(Vec<(&str, ChatRequest)>, &str); 7] = [
        (vec![], "`requests` is empty"),
        (vec![("", ask())], "an empty id"),
        (vec![("a", ask()), ("b", ask()), ("a", ask())], "two requests with the id \"a\""),
        (vec![("a", ask()), ("b", ask().model("n"))], "the model \"n\" at id \"b\" and \"m\" before"),
        (vec![("a", ask()), ("b", ChatRequest::new("Hi"))], "no model at id \"b\""),
        (vec![("a", ask()), ("b", ask().extra("stream", true))], "a request for a stream at id \"b\""),
        (vec![("a", ask().temperature(f64::NAN))], "cannot be encoded as JSON at id \"a\""),
    ];
    for (requests, expected) in cases {
        let error = CreateBatchRequest::chat(requests).unwrap_err();
        assert!(matches!(error, Error::InvalidRequest(_)), "{error:?}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert!(CreateBatchRequest::chat([("a", ask().extra("stream", false))]).is_ok());
}

#[test]
fn the_address_of_the_webhook_stands_before_the_requests() {
    let request = CreateBatchRequest::chat([("a", ChatRequest::new("Hi").model("m"))]).unwrap();
    let text = serde_json::to_string(&request.callback_url("https://example.com/done")).unwrap();
    assert!(text.find("callback_url").unwrap() < text.find("requests").unwrap(), "{text}");
}

#[test]
fn responses_of_every_protocol_are_typed_results() {
    let response = json!({
        "id": "resp-1", "object": "response", "created_at": 1, "model": "m", "status": "completed", "error": null,
        "output": [{"type": "message", "id": "msg-1", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": "Hello", "annotations": []}]}]
    });
    let message = json!({
        "id": "msg-1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
        "stop_sequence": null, "content": [{"type": "text", "text": "Hey", "citations": null}],
        "usage": {"input_tokens": 1, "output_tokens": 1}
    });
    let list =
        json!({"object": "list", "model": "m", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}]});
    let batch = batch(json!([
        result("chat", 200, &chat("Hi")),
        result("response", 200, &response),
        result("message", 200, &message),
        result("list", 200, &list)
    ]));
    assert_eq!(batch.results_by_id::<ChatResult>()["chat"].as_ref().unwrap().text().as_deref(), Some("Hi"));
    assert_eq!(batch.results_by_id::<ResponsesResult>()["response"].as_ref().unwrap().output_text(), "Hello");
    assert_eq!(batch.results_by_id::<MessagesResult>()["message"].as_ref().unwrap().text(), "Hey");
    let results = batch.results_by_id::<CreateEmbeddingsResponse>();
    assert_eq!(results["list"].as_ref().unwrap().vectors().unwrap(), [[0.5]]);

    let error = results["chat"].as_ref().unwrap_err();
    assert!(matches!(error, Error::ResponseValidation(_)), "{error:?}");
    assert!(format!("{error:?}").contains("expected embeddings"), "{error:?}");
}

#[test]
fn an_error_is_never_a_result() {
    let in_choice = {
        let mut body = chat("");
        body["choices"][0]["error"] = json!({"code": 502, "message": "Provider broke"});
        body
    };
    let limited =
        json!({"message": "Slow down", "type": "rate_limit_error", "param": null, "error_type": "rate_limit_exceeded"});
    let with = |id: &str, member: &str, value: Value| {
        let mut result = result(id, 200, &chat("Hi"));
        result[member] = value;
        result
    };
    let both = {
        let mut both = result("both", 400, &json!({"error": {"message": "in the body"}}));
        both["error"] = json!({"message": "Too long", "type": "invalid_request_error", "param": "messages"});
        both
    };
    let batch = batch(json!([
        result("status", 500, &chat("half")),
        result("body", 200, &json!({"error": {"code": 429, "message": "Later"}})),
        result("choice", 200, &in_choice),
        result("redirect", 302, &chat("elsewhere")),
        result("strange", 70_000, &chat("strange")),
        failure("limit", limited),
        both,
        with("text", "error", json!("Broken")),
        with("word", "response", json!({"status_code": "broken", "request_id": null, "body": chat("half")})),
        failure("nothing", Value::Null)
    ]));
    let results = batch.results_by_id::<ChatResult>();
    assert_eq!(results.len(), 10);
    let api = |id: &str| results[id].as_ref().unwrap_err().as_api().expect(id);
    assert_eq!((api("status").kind(), api("status").status().as_u16()), (ApiErrorKind::InternalServer, 500));
    assert_eq!(api("status").request_id(), Some("req-7"));
    assert_eq!((api("body").kind(), api("body").message()), (ApiErrorKind::TooManyRequests, "Later"));
    assert_eq!((api("choice").kind(), api("choice").message()), (ApiErrorKind::BadGateway, "Provider broke"));
    assert_eq!(api("redirect").status().as_u16(), 302);
    assert_eq!(api("strange").status().as_u16(), 200);
    assert_eq!((api("limit").kind(), api("limit").message()), (ApiErrorKind::TooManyRequests, "Slow down"));
    assert!(api("limit").is_transient() && !api("both").is_transient());
    assert_eq!((api("both").kind(), api("both").message()), (ApiErrorKind::BadRequest, "Too long"));
    assert!(api("both").to_string().starts_with("getBatches: the server responded with 400"), "{}", api("both"));
    assert_eq!(api("text").message(), "Broken");
    assert_eq!(api("word").status().as_u16(), 200);
    assert!(matches!(results["nothing"], Err(Error::ResponseValidation(_))));
}

#[test]
fn a_request_without_a_result_is_seen() {
    let batch = batch(json!([result("b", 200, &chat("two")), result("a", 200, &chat("one"))]));
    let results = batch.results_by_id::<ChatResult>();
    let texts =
        ["a", "b", "c"].map(|id| results.get(id).map(|result| result.as_ref().unwrap().text().unwrap().into_owned()));
    assert_eq!(texts, [Some("one".to_owned()), Some("two".to_owned()), None]);
    let unfinished: BatchObject = serde_json::from_value(state("in_progress")).unwrap();
    assert!(unfinished.results_by_id::<ChatResult>().is_empty());
}

#[test]
fn of_two_results_of_a_request_the_response_counts() {
    let failed = || failure("a", json!({"message": "Busy", "type": "server_error", "param": null}));
    for results in [json!([failed(), result("a", 200, &chat("Hi"))]), json!([result("a", 200, &chat("Hi")), failed()])]
    {
        assert_eq!(batch(results).results_by_id::<ChatResult>()["a"].as_ref().unwrap().text().as_deref(), Some("Hi"));
    }
}

#[tokio::test]
async fn a_batch_is_submitted_waited_for_and_read() {
    let server = MockServer::start().await;
    server.on("POST", "/batches", Answer::json(202, state("validating")));
    server.on("GET", "/batches/batch-1", Answer::json(200, state("in_progress")));
    let mut done = with_results(json!([result("q", 200, &chat("Lima"))]));
    done["usage"] = json!({"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10, "cost": 0.25});
    server.on("GET", "/batches/batch-1", Answer::json(200, done));
    let client = server.client();
    let question = ChatRequest::new([ChatMessage::user("Capital of Peru?")]).model("m");
    let batch = client.batch().create_batches(CreateBatchRequest::chat([("q", &question)]).unwrap()).await.unwrap();
    let wait = client.batch().get_batches(&batch.id).until_done();
    let batch = wait.poll_interval(Duration::from_millis(1)).await.unwrap();
    assert_eq!(batch.results_by_id::<ChatResult>()["q"].as_ref().unwrap().text().as_deref(), Some("Lima"));
    assert_eq!(batch.cost(), Some(0.25));
    assert_eq!(server.requests()[0].json()["requests"][0]["body"]["model"], "m");
}
