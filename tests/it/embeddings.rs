//! Embedding vectors as numbers, from both forms in which they are sent.

use std::error::Error as _;

use openrouter_kit::OpenRouter;
use openrouter_kit::core::wire::decode;
use openrouter_kit::errors::{ApiErrorKind, Error};
use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::models::{CreateEmbeddingsRequest, CreateEmbeddingsResponse};
use serde_json::{Value, json};

use crate::a_limit::tokio;

/// A response with these values of `embedding`.
fn answer(embeddings: &[Value]) -> CreateEmbeddingsResponse {
    let entry = |(at, embedding): (usize, &Value)| json!({"object": "embedding", "index": at, "embedding": embedding});
    let data: Vec<_> = embeddings.iter().enumerate().map(entry).collect();
    decode(&json!({"object": "list", "model": "m", "data": data}).to_string()).unwrap()
}

fn refused(embedding: Value) -> (String, String) {
    let error = answer(&[json!([1]), embedding]).vectors().unwrap_err();
    (error.path().to_owned(), error.message().to_owned())
}

#[test]
fn a_list_of_numbers_is_a_vector() {
    let vectors = answer(&[json!([0, -1.5, 0.1, 1e-3, 3]), json!([1])]).vectors().unwrap();
    assert_eq!(vectors, [vec![0.0, -1.5, 0.1, 1e-3, 3.0], vec![1.0]]);
}

#[test]
fn base64_is_numbers_with_their_lowest_byte_first() {
    // 1.0 is 0x3f800000 and -2.5 is 0xc0200000.
    let vectors = answer(&[json!("AACAPwAAIMA="), json!("AACAPwAAIMA")]).vectors().unwrap();
    assert_eq!(vectors, [[1.0, -2.5], [1.0, -2.5]], "with padding or without");
}

#[test]
fn base64_loses_no_bit() {
    // 0xff7fffff, 0x00000001 and 0x7f7fffff: the least, the smallest and the greatest number.
    let vector = answer(&[json!("//9//wEAAAD//39/")]).vectors().unwrap().remove(0);
    assert_eq!(vector, [f32::MIN, f32::from_bits(1), f32::MAX]);
}

#[test]
fn vectors_come_in_the_order_of_the_inputs() {
    let text = json!({"model": "m", "data": [
        {"embedding": [2], "index": 2}, {"embedding": [0], "index": 0}, {"embedding": [1], "index": 1},
    ]});
    let answer: CreateEmbeddingsResponse = decode(&text.to_string()).unwrap();
    assert_eq!(answer.vectors().unwrap(), [[0.0], [1.0], [2.0]]);
    let text = json!({"model": "m", "data": [{"embedding": [5]}, {"embedding": [4]}, {"embedding": "AACAPw=="}]});
    let answer: CreateEmbeddingsResponse = decode(&text.to_string()).unwrap();
    assert_eq!(answer.vectors().unwrap(), [[5.0], [4.0], [1.0]], "without an index they stay where they are");
    assert_eq!(answer.data[2].vector().unwrap(), [1.0]);
}

#[test]
fn no_numbers_are_an_empty_vector() {
    assert_eq!(answer(&[json!(""), json!([])]).vectors().unwrap(), [Vec::<f32>::new(), Vec::new()]);
    assert!(answer(&[]).vectors().unwrap().is_empty());
}

#[test]
fn what_is_no_vector_is_told_with_its_place() {
    let (path, message) = refused(json!("no base64!"));
    assert_eq!(path, "data[1].embedding");
    assert!(message.starts_with("expected numbers or base64, found text with an invalid byte"), "{message}");
    let (_, message) = refused(json!("AACAPwA="));
    assert_eq!(message, "expected base64 of 4-byte numbers, found 5 bytes in total");
    let (path, message) = refused(json!([0.5, 1e39]));
    assert_eq!(path, "data[1].embedding[1]");
    assert!(message.starts_with("expected a number in the range of `f32`"), "{message}");
    for other in [json!([1, null]), json!({"int8": [1]}), json!(["a"]), json!(true)] {
        let (path, message) = refused(other);
        assert!(path.starts_with("data[1].embedding") && !message.is_empty(), "{path}: {message}");
    }
}

#[tokio::test]
async fn both_forms_come_from_the_server_alike() {
    let server = MockServer::start().await;
    let client = OpenRouter::builder().api_key("k").server_url(server.url()).build().unwrap();
    for embedding in [json!([1, -2.5]), json!("AACAPwAAIMA=")] {
        let body = json!({"object": "list", "model": "m", "data": [{"object": "embedding", "index": 0, "embedding": embedding}]});
        server.on("POST", "/embeddings", Answer::json(200, body));
        let request = CreateEmbeddingsRequest::new("text", "m").encoding_format("base64");
        let answer = client.embeddings().generate(request).await.unwrap();
        assert_eq!(answer.vectors().unwrap(), [[1.0, -2.5]]);
    }
    assert_eq!(server.requests()[0].json(), json!({"input": "text", "model": "m", "encoding_format": "base64"}));
}

/// The error of a call that is answered with this body and a success status.
async fn error_of(body: Value) -> Error {
    let server = MockServer::start().await;
    server.answer(Answer::json(200, body).always());
    server.client().embeddings().generate(CreateEmbeddingsRequest::new("text", "m")).await.unwrap_err()
}

#[tokio::test]
async fn an_object_without_a_field_that_every_response_has_is_not_a_response() {
    let error = error_of(json!({"id": "emb-1", "provider": "a", "usage": {"prompt_tokens": 1}})).await;
    let Error::ResponseValidation(error) = error else { panic!("{error:?}") };
    assert_eq!(error.source().unwrap().to_string(), "has none of the fields that identify it");
}

#[tokio::test]
async fn an_error_in_a_body_that_is_also_a_response_is_an_error() {
    let failed = json!({"code": 502, "message": "no"});
    let error = error_of(json!({"object": "list", "model": "m", "data": [], "error": failed})).await;
    let Error::Api(error) = error else { panic!("{error:?}") };
    assert_eq!((error.kind(), error.message()), (ApiErrorKind::BadGateway, "no"));
}
