//! What models write, scripted in a line.

use std::net::Ipv4Addr;

use openrouter_kit::OpenRouter;
use openrouter_kit::core::wire::{Wire, untyped};
use openrouter_kit::mock::{Answer, Fault, MockServer, Place, Reply};
use openrouter_kit::models::*;
use serde_json::json;

use crate::a_limit::tokio;

/// What a program sees of a reply: reasoning, text, names and arguments of calls, input tokens, cost and model.
type Seen = (String, String, Vec<(String, String)>, i64, Option<f64>, String);

/// A value all of whose parts have a type.
fn typed<T: Wire>(value: T) -> T {
    let untyped = untyped(&value);
    let known = ["metadata", "arguments", "input"];
    let mut unknown = untyped.iter().filter(|part| !known.iter().any(|name| part.path.contains(name)));
    assert_eq!(unknown.next(), None);
    value
}

async fn chat(client: &OpenRouter, stream: bool) -> Seen {
    let request = ChatRequest::new([ChatMessage::user("Hi")]).model("a/b");
    let result = match stream {
        true => client.chat().stream(request).await.unwrap().collect().await.unwrap(),
        false => client.chat().send(request).await.unwrap(),
    };
    let result = typed(result);
    let message = result.message().unwrap();
    let calls = result.tool_calls().iter().map(|call| (call.name().to_owned(), call.arguments().to_owned())).collect();
    let reasoning = message.reasoning_text().unwrap_or_default().into_owned();
    let text = result.text().unwrap_or_default().into_owned();
    let finish = result.choices[0].finish_reason.clone();
    assert_eq!(finish.is_some_and(|reason| reason.as_str() == "tool_calls"), !result.tool_calls().is_empty());
    (reasoning, text, calls, result.usage.as_ref().unwrap().prompt_tokens, result.cost(), result.model)
}

async fn responses(client: &OpenRouter, stream: bool) -> Seen {
    let request = ResponsesRequest::new().model("a/b").input("Hi");
    let result = match stream {
        true => client.responses().stream(request).await.unwrap().collect().await.unwrap(),
        false => client.responses().send(request).await.unwrap(),
    };
    let result = typed(result);
    let calls = result.function_calls().map(|call| (call.name().to_owned(), call.arguments().to_owned())).collect();
    let tokens = result.usage.as_ref().unwrap().input_tokens;
    (result.reasoning_text(), result.output_text(), calls, tokens, result.cost(), result.model)
}

async fn messages(client: &OpenRouter, stream: bool) -> Seen {
    let request = MessagesRequest::new("a/b").messages(["Hi"]).max_tokens(100);
    let result = match stream {
        true => client.messages().stream(request).await.unwrap().collect().await.unwrap(),
        false => client.messages().create(request).await.unwrap(),
    };
    let result = typed(result);
    let arguments = |call: &AnthropicToolUseBlock| call.input.as_ref().unwrap().to_string();
    let calls = result.tool_uses().map(|call| (call.name.clone(), arguments(call))).collect();
    (result.reasoning_text(), result.text(), calls, result.usage.input_tokens, result.cost(), result.model)
}

/// What a program sees of a reply in each protocol, whole and streamed: the same in all of them.
async fn everywhere(reply: Reply) -> Seen {
    let server = MockServer::start().await;
    let client = server.client();
    let mut all = Vec::new();
    for stream in [false, true] {
        server.reply(reply.clone());
        all.push(chat(&client, stream).await);
        server.reply(reply.clone());
        all.push(responses(&client, stream).await);
        server.reply(reply.clone());
        all.push(messages(&client, stream).await);
    }
    let first = all.remove(0);
    assert!(all.iter().all(|seen| *seen == first), "{first:?}\n{all:#?}");
    first
}

#[tokio::test]
async fn a_text_reaches_the_program_in_every_protocol_whole_or_streamed() {
    let text = "A text with ümlauts, a verylongwordthathasnospacesinit and  two spaces\nin two lines.";
    let (reasoning, seen, calls, tokens, cost, model) = everywhere(Reply::text(text)).await;
    assert_eq!((reasoning.as_str(), seen.as_str(), calls, model.as_str()), ("", text, vec![], "a/b"));
    assert!(tokens > 0 && cost.is_some_and(|cost| cost > 0.0));
}

#[tokio::test]
async fn tool_calls_reach_the_program_in_every_protocol_whole_or_streamed() {
    let arguments = json!({"city": "Rome", "days": [1, 2, 3]});
    let reply = Reply::tool_call("weather", &arguments).and_tool_call("time", "{}");
    let (_, text, calls, ..) = everywhere(reply).await;
    assert_eq!(text, "");
    assert_eq!(calls, [("weather".to_owned(), arguments.to_string()), ("time".to_owned(), "{}".to_owned())]);
}

#[tokio::test]
async fn reasoning_tokens_and_cost_are_as_they_were_set() {
    let reply = Reply::text("4").reasoning("Two and two make four.").tokens(120, 8).cost(0.25);
    let (reasoning, text, _, tokens, cost, _) = everywhere(reply).await;
    assert_eq!(reasoning, "Two and two make four.");
    assert_eq!((text.as_str(), tokens, cost), ("4", 120, Some(0.25)));
}

#[tokio::test]
async fn arguments_that_are_not_json_are_sent_as_they_are() {
    let server = MockServer::start().await;
    server.reply(Reply::tool_call("weather", "{\"city\": "));
    let (_, _, calls, ..) = responses(&server.client(), true).await;
    assert_eq!(calls, [("weather".to_owned(), "{\"city\": ".to_owned())]);
}

#[tokio::test]
async fn replies_and_answers_are_sent_in_the_order_in_which_they_were_queued() {
    let server = MockServer::start().await;
    server.reply(Reply::text("one")).answer(Answer::error(500, "two")).reply(Reply::text("three"));
    let client = server.client_builder().retry_config(openrouter_kit::core::RetryConfig::none()).build().unwrap();
    let send = || client.responses().send(ResponsesRequest::new().input("Hi"));
    assert_eq!(send().await.unwrap().output_text(), "one");
    assert!(send().await.unwrap_err().to_string().contains("two"));
    assert_eq!(send().await.unwrap().output_text(), "three");
    assert!(send().await.unwrap_err().to_string().contains("no answer left"));
}

#[tokio::test]
async fn identifiers_are_the_same_for_the_same_request_only() {
    let server = MockServer::start().await;
    for _ in 0..3 {
        server.reply(Reply::tool_call("a", "{}").and_tool_call("b", "{}"));
    }
    let client = server.client();
    let mut seen = Vec::new();
    for input in ["one", "one", "two"] {
        let response = client.responses().send(ResponsesRequest::new().input(input)).await.unwrap();
        let calls: Vec<_> = response.function_calls().map(|call| call.call_id().to_owned()).collect();
        assert_ne!(calls[0], calls[1]);
        seen.push((response.id, calls));
    }
    assert_eq!(seen[0], seen[1]);
    assert!(seen[0].0 != seen[2].0 && seen[0].1[0] != seen[2].1[0]);
}

#[tokio::test]
async fn how_a_reply_is_sent_can_be_changed() {
    let server = MockServer::start().await;
    server.reply(Reply::text("a b c d e").sent(|answer| answer.fault(Fault::Reset, Place::InEvent)));
    let stream = client_stream(&server).await;
    assert!(stream.is_err_and(|error| error.is_connection()));
}

async fn client_stream(server: &MockServer) -> Result<ChatResult, openrouter_kit::Error> {
    server.client().chat().stream(ChatRequest::new([ChatMessage::user("Hi")])).await?.collect().await
}

#[tokio::test]
async fn a_reply_to_another_operation_is_a_404_that_says_why() {
    let server = MockServer::start().await;
    server.reply(Reply::text("Hi"));
    let error = server.client().credits().get_credits().await.unwrap_err().to_string();
    assert!(error.contains("GET /credits") && error.contains("/chat/completions"), "{error}");
}

#[tokio::test]
async fn a_function_makes_the_answers_for_which_nothing_is_queued() {
    let server = std::sync::Arc::new(MockServer::start().await);
    server.reply(Reply::text("queued"));
    let own = std::sync::Arc::downgrade(&server);
    server.respond_with(move |request| {
        // It may use the server itself.
        let count = own.upgrade().unwrap().connections().requests;
        Reply::text(format!("{} {count}", request.json()["input"].as_str().unwrap())).answer_to(request)
    });
    let client = server.client();
    let mut texts = Vec::new();
    for input in ["a", "b", "c"] {
        texts.push(client.responses().send(ResponsesRequest::new().input(input)).await.unwrap().output_text());
    }
    assert_eq!(texts, ["queued", "b 1", "c 2"]);
}

#[tokio::test]
async fn a_server_listens_on_the_port_that_was_chosen() {
    let first = MockServer::start().await;
    let address = first.address();
    let error = MockServer::bind(address).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    drop(first);
    // The port is free as soon as the task that accepts connections is gone.
    let second = loop {
        match MockServer::bind((Ipv4Addr::LOCALHOST, address.port())).await {
            Ok(server) => break server,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    assert_eq!(second.url(), format!("http://127.0.0.1:{}/api/v1", address.port()));
    second.reply(Reply::text("Hi"));
    let response = second.client().responses().send(ResponsesRequest::new().input("Hello")).await.unwrap();
    assert_eq!(response.output_text(), "Hi");
}
