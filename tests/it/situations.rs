//! Server and gateway behavior that users of other clients of these protocols reported publicly. The comment above a
//! test names the GitHub issues that it covers.

use bytes::Bytes;
use openrouter_kit::core::wire::{Json, encode};
use openrouter_kit::errors::{ApiErrorKind, Error};
use openrouter_kit::mock::{Answer, Event, MockServer};
use openrouter_kit::models::*;
use openrouter_kit::{EventStream, OpenRouter, RetryConfig};
use serde_json::{Value, json};

async fn server(answer: Answer) -> (MockServer, OpenRouter) {
    let server = MockServer::start().await;
    server.answer(answer);
    let client = server.client_builder().retry_config(RetryConfig::none()).build().unwrap();
    (server, client)
}

fn chat_request() -> ChatRequest {
    ChatRequest::new(["Hi"]).model("m")
}

/// A chunk of a chat stream.
fn chunk(delta: Value) -> Value {
    json!({"id": "gen-1", "object": "chat.completion.chunk", "created": 5, "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

fn text(text: &str) -> Value {
    chunk(json!({"content": text}))
}

fn last() -> Value {
    json!({"id": "gen-1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
}

fn body(message: Value) -> Value {
    json!({"id": "gen-1", "object": "chat.completion", "created": 5, "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
}

/// A chat stream, with the server that it comes from.
async fn chat_stream(answer: Answer) -> (MockServer, EventStream<ChatStreamChunk>) {
    let (server, client) = server(answer).await;
    let stream = client.chat().stream(chat_request()).await.unwrap();
    (server, stream)
}

async fn collected(answer: Answer) -> Result<ChatResult, Error> {
    let (_server, stream) = chat_stream(answer).await;
    stream.collect().await
}

/// The pieces of text of a chat stream.
async fn texts(answer: Answer) -> Vec<String> {
    let (_server, stream) = chat_stream(answer).await;
    let (mut stream, mut texts) = (stream.text_deltas(), Vec::new());
    while let Some(text) = stream.next().await {
        texts.push(text.unwrap());
    }
    texts
}

/// The text of a chat stream of exactly these bytes.
async fn text_of(bytes: impl Into<Bytes>) -> String {
    let result = collected(Answer::chunks(vec![bytes.into()])).await;
    result.unwrap().text().unwrap_or_default().into_owned()
}

/// The results and errors of a chat stream, each result by its text.
async fn items(answer: Answer) -> Vec<Result<String, Error>> {
    let (_server, mut stream) = chat_stream(answer).await;
    let mut items = Vec::new();
    while let Some(item) = stream.next().await {
        items.push(item.map(|chunk| {
            let choice = chunk.choices.into_iter().next();
            choice.and_then(|choice| choice.delta.content).unwrap_or_default()
        }));
    }
    items
}

async fn chat(answer: Answer) -> Result<ChatResult, Error> {
    server(answer).await.1.chat().send(chat_request()).await
}

async fn chat_message(message: Value) -> ChatResult {
    chat(Answer::json(200, body(message))).await.unwrap()
}

async fn response(events: Vec<Value>) -> ResponsesResult {
    let request = ResponsesRequest::new().model("m").input("Hi");
    let (_server, client) = server(Answer::stream(events)).await;
    client.responses().stream(request).await.unwrap().collect().await.unwrap()
}

async fn message(events: Vec<Value>) -> MessagesResult {
    let begin = json!({"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant",
        "model": "m", "content": [], "usage": {"input_tokens": 3, "output_tokens": 0}}});
    let end = [
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}}),
        json!({"type": "message_stop"}),
    ];
    let (_server, client) =
        server(Answer::events([begin].into_iter().chain(events).chain(end).collect::<Vec<_>>())).await;
    let request = MessagesRequest::new("m").messages(["Hi"]);
    client.messages().stream(request).await.unwrap().collect().await.unwrap()
}

/// Name, arguments and id of each call that these pieces, one in a chunk, make.
async fn calls(pieces: Vec<Value>) -> Vec<(String, String, String)> {
    let chunks = pieces.into_iter().map(|piece| chunk(json!({"tool_calls": [piece]}))).chain([last()]);
    let result = collected(Answer::stream(chunks.collect::<Vec<_>>())).await.unwrap();
    let of = |call: &ChatToolCall| (call.function.name.clone(), call.function.arguments.clone(), call.id.clone());
    result.tool_calls().iter().map(of).collect()
}

fn call(name: &str, arguments: &str, id: &str) -> (String, String, String) {
    (name.to_owned(), arguments.to_owned(), id.to_owned())
}

mod framing {
    use super::*;
    use crate::a_limit::tokio;

    // openai/openai-go#227, theopenco/llmgateway#2334, mnfst/llm-gateway#2053
    #[tokio::test]
    async fn comments_are_no_events_even_where_a_gateway_wrapped_them_as_data() {
        let (hi, last) = (text("Hi"), last());
        let plain =
            format!(": OPENROUTER PROCESSING\n\n:\n\ndata: {hi}\n\n: ping 10:00\n\ndata: {last}\n\ndata: [DONE]\n\n");
        let wrapped = plain.replace("\n: ", "\ndata: : ").replacen(": ", "data: : ", 1);
        let with_ids = format!("id: 1\ndata: {hi}\n\n: ping\n\nid: 2\ndata: {last}\n\ndata: [DONE]\n\n");
        for bytes in [plain, wrapped, with_ids] {
            assert_eq!(text_of(bytes.clone()).await, "Hi", "{bytes}");
        }
    }

    // librefang/librefang#3448, rexxars/eventsource-parser#17, agentic-os-org/ANOLISA#2209, Hmbown/Codewhale#1717
    #[tokio::test]
    async fn lines_and_characters_may_be_cut_and_framed_in_any_way() {
        let said = "杭州🦀é—\u{1F468}\u{200D}\u{1F469}";
        let plain = format!("data: {}\n\ndata: {}\n\ndata: [DONE]\n\n", text(said), last());
        let variants = [
            format!("\u{feff}{plain}"),
            plain.replace('\n', "\r\n"),
            plain.replace('\n', "\r"),
            plain.replace("data: ", "data:"),
            plain.clone(),
        ];
        for bytes in variants {
            for size in [1, 2, 3, 7, 10_000] {
                let result = collected(Answer::chunks(vec![bytes.clone().into()]).cut_into(size)).await.unwrap();
                assert_eq!(result.text().as_deref(), Some(said), "{bytes:?} cut into {size}");
            }
        }
    }

    // mistralai/mistral-vibe#793
    #[tokio::test]
    async fn white_space_around_the_end_mark_does_not_matter() {
        for mark in ["[DONE] ", " [DONE]", "[DONE]\t", "\t[DONE] \r"] {
            let bytes = format!("data: {}\n\ndata: {}\n\ndata: {mark}\n\n", text("Hi"), last());
            assert_eq!(text_of(bytes).await, "Hi", "{mark:?}");
        }
    }

    // anomalyco/opencode#8282, anomalyco/opencode#36428, Wei-Shaw/sub2api#1471
    #[tokio::test]
    async fn an_event_that_is_spoilt_or_of_another_shape_costs_only_itself() {
        let spoilt = format!("{{\"choices\":[{{\"delta\":{{\"content\":\"adata: {}", text("lost"));
        let foreign = json!({"tool": "search", "status": "running"}).to_string();
        let events = [foreign, spoilt, text("kept").to_string(), last().to_string()];
        let items = items(Answer::stream(events.map(Event::data))).await;
        assert!(matches!(&items[1], Err(Error::ResponseValidation(_))), "{items:?}");
        assert_eq!(items[2].as_deref().unwrap(), "kept");

        let foreign = json!({"tool": "search", "status": "running"});
        let result = collected(Answer::stream([text("a"), foreign.clone(), text("b"), last()])).await.unwrap();
        assert_eq!(result.text().as_deref(), Some("ab"));
        let kept = result.extra.get("unrecognized_events").unwrap().to_value();
        assert_eq!(kept, json!([foreign]));
    }

    // 0xPlaygrounds/rig#534, nashsu/llm_wiki#619
    #[tokio::test]
    async fn what_is_no_event_is_an_error_and_not_an_empty_success() {
        let two = format!("data:\n {}\n\ndata:\n {}\n\ndata: [DONE]\n\n", text("Hi"), last());
        let error = collected(Answer::chunks(vec![two.into()])).await.unwrap_err();
        let Error::ResponseValidation(error) = error else { panic!("{error:?}") };
        assert!(String::from_utf8_lossy(error.body()).contains("\"Hi\""));
        for nothing in ["data: [DONE]\n\n", ": nothing\n\ndata:\n\ndata: [DONE]\n\n"] {
            let error = collected(Answer::chunks(vec![nothing.into()])).await.unwrap_err();
            assert!(matches!(error, Error::ResponseValidation(_)), "{error:?}");
        }

        let bare = "{\"error\":{\"message\":\"model is not loaded\",\"code\":500}}";
        let spread = "{\n  \"error\": {\n    \"message\": \"model is not loaded\",\n    \"code\": 500\n  }\n}\n";
        let late = format!("data: {}\n\n{bare}", text("par"));
        for bytes in [bare.to_owned(), spread.to_owned(), late] {
            let error = collected(Answer::chunks(vec![bytes.clone().into()])).await.unwrap_err();
            assert_eq!(error.as_api().map(|error| error.message()), Some("model is not loaded"), "{bytes}: {error:?}");
        }
    }

    // apache/rocketmq-dashboard#2178, octos-org/octos#13, langchain-ai/langchainjs#11579
    #[tokio::test]
    async fn an_error_in_a_stream_is_an_error_in_each_of_its_forms() {
        let whole = json!({"error": {"message": "gone", "code": "server_error", "metadata": {"provider_name": "P"}},
            "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]});
        for event in [
            Event::data(json!({"error": {"message": "gone"}})),
            Event::named("error", json!({"error": "gone"})),
            Event::data(whole),
        ] {
            let items = items(Answer::stream(vec![Event::data(text("par")), event])).await;
            assert_eq!(items[0].as_deref().unwrap(), "par");
            assert_eq!(items[1].as_ref().unwrap_err().as_api().unwrap().message(), "gone");
        }
    }

    // sgl-project/sglang#3912, pydantic/pydantic-ai#6610, huggingface/text-generation-inference#2296
    #[tokio::test]
    async fn only_a_finish_reason_that_says_something_ends_a_stream() {
        let with_reason = |reason: &str| {
            json!({"id": "gen-1", "choices": [{"index": 0, "delta": {"content": "x"},
            "finish_reason": reason}]})
        };
        for unfinished in [with_reason(""), with_reason(" "), text("x")] {
            let items = items(Answer::events([unfinished])).await;
            assert!(matches!(items.last(), Some(Err(Error::Connection(error))) if error.is_incomplete()), "{items:?}");
        }
        for reason in ["stop", "eos_token", "MALFORMED_FUNCTION_CALL", "error"] {
            let events = [with_reason(""), with_reason(reason), with_reason("")];
            let result = collected(Answer::events(events)).await.unwrap();
            assert_eq!(result.choices[0].finish_reason.as_ref().unwrap().as_str(), reason);
        }
    }
}

mod forms {
    use super::*;
    use crate::a_limit::tokio;

    // tinyhumansai/tinyagents#56
    #[tokio::test]
    async fn one_chat_response_in_place_of_a_stream_is_a_stream_of_one_event() {
        let tool = json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}});
        let whole = body(json!({"role": "assistant", "content": "whole", "reasoning": "hm", "tool_calls": [tool]}));
        let labels = ["application/json", "text/event-stream", "text/event-stream; charset=utf-8"];
        for label in labels {
            for text in [whole.to_string(), serde_json::to_string_pretty(&whole).unwrap()] {
                let answer = || Answer::text(200, text.clone()).header("content-type", label);
                let result = collected(answer()).await.unwrap();
                assert_eq!((result.text().as_deref(), result.id.as_str()), (Some("whole"), "gen-1"), "{label}");
                assert_eq!(result.tool_calls()[0].function.arguments, "{\"x\":1}");
                assert_eq!(result.choices[0].finish_reason, Some(ChatFinishReason::Stop));
                assert_eq!(items(answer()).await.len(), 1);
                assert_eq!(texts(answer()).await, ["whole"]);
            }
        }
    }

    // realmorrisliu/openrouter-rs#226
    #[tokio::test]
    async fn pictures_that_come_whole_in_place_of_a_stream_are_given() {
        let whole = json!({"created": 7, "data": [null, {"b64_json": "AAAA"}, {"b64_json": "BBBB",
            "media_type": "image/png"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "cost": 0.04}});
        let (_server, client) = server(Answer::json(200, whole)).await;
        let mut stream = client.images().stream(ImageGenerationRequest::new("m", "a cat")).await.unwrap();
        let mut pictures = Vec::new();
        while let Some(event) = stream.next().await {
            let ImageStreamEvent::ImageGenerationCompleted(picture) = event.unwrap() else { panic!() };
            pictures.push(picture);
        }
        let of = |at: usize| (pictures[at].b64_json.as_str(), pictures[at].created);
        assert_eq!((pictures.len(), of(0), of(1)), (2, ("AAAA", 7), ("BBBB", 7)));
        assert_eq!(pictures[1].usage.as_ref().unwrap().cost, Some(0.04));
    }

    #[tokio::test]
    async fn a_whole_message_or_response_in_place_of_a_stream_is_given() {
        let whole = json!({"id": "msg", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
            "content": [{"type": "text", "text": "whole"}], "usage": {"input_tokens": 3, "output_tokens": 4}});
        let stream = || async {
            let (_server, client) = server(Answer::json(200, whole.clone())).await;
            client.messages().stream(MessagesRequest::new("m").messages(["Hi"])).await.unwrap()
        };
        let result = stream().await.collect().await.unwrap();
        assert_eq!((result.text().as_str(), result.usage.output_tokens), ("whole", 4));
        assert_eq!(stream().await.text_deltas().next().await.unwrap().unwrap(), "whole");

        let whole = json!({"id": "resp", "object": "response", "status": "completed", "model": "m", "output": [
            {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text",
                "text": "whole"}]}]});
        let stream = || async {
            let (_server, client) = server(Answer::json(200, whole.clone())).await;
            client.responses().stream(ResponsesRequest::new().model("m").input("Hi")).await.unwrap()
        };
        assert_eq!(stream().await.collect().await.unwrap().output_text(), "whole");
        assert_eq!(stream().await.text_deltas().next().await.unwrap().unwrap(), "whole");
    }

    #[tokio::test]
    async fn json_that_is_no_answer_in_place_of_a_stream_is_an_error_that_has_it() {
        for foreign in [json!({"status": "ok"}), json!({"id": "x", "choices": []}), json!([])] {
            for label in ["application/json", "text/event-stream"] {
                let (_server, client) =
                    server(Answer::text(200, foreign.to_string()).header("content-type", label)).await;
                let error = match client.chat().stream(chat_request()).await {
                    Ok(stream) => stream.collect().await.unwrap_err(),
                    Err(error) => error,
                };
                let Error::ResponseValidation(error) = error else { panic!("{error:?}") };
                assert_eq!(error.body(), foreign.to_string().as_bytes(), "{label}");
            }
        }
    }

    // BerriAI/litellm#27045
    #[tokio::test]
    async fn events_in_place_of_one_value_are_put_together() {
        let bytes =
            format!(": hi\n\ndata: {}\n\ndata: {}\n\ndata: {}\n\ndata: [DONE]\n\n", text("a"), text("b"), last());
        let of = |bytes: String| Answer::text(200, bytes).header("content-type", "text/event-stream");
        assert_eq!(chat(of(bytes.clone())).await.unwrap().text().as_deref(), Some("ab"));
        assert_eq!(chat(of(bytes.replace("data: [DONE]\n\n", ""))).await.unwrap().text().as_deref(), Some("ab"));

        let cut = format!("data: {}\n\n", text("a"));
        let Error::ResponseValidation(error) = chat(of(cut.clone())).await.unwrap_err() else { panic!() };
        assert_eq!(error.body(), cut.as_bytes());
        let failed = format!("{cut}data: {}\n\n", json!({"error": {"message": "gone", "code": 502}}));
        assert_eq!(chat(of(failed)).await.unwrap_err().as_api().unwrap().message(), "gone");

        let message = [
            json!({"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "model": "m",
                "content": [], "usage": {"input_tokens": 3, "output_tokens": 0}}}),
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}}),
            json!({"type": "message_stop"}),
        ];
        let bytes: String = message.iter().map(|event| format!("event: x\ndata: {event}\n\n")).collect();
        let (_server, client) = server(of(bytes)).await;
        let result = client.messages().create(MessagesRequest::new("m").messages(["Hi"])).await.unwrap();
        assert_eq!(result.text(), "Hi");

        let response = json!({"type": "response.completed", "response": {"id": "r", "object": "response", "status":
            "completed", "output": [{"type": "message", "id": "m", "role": "assistant", "content": [
                {"type": "output_text", "text": "Hi"}]}]}});
        let (_server, client) = server(of(format!("data: {response}\n\n"))).await;
        let result = client.responses().send(ResponsesRequest::new().model("m").input("Hi")).await.unwrap();
        assert_eq!(result.output_text(), "Hi");

        let picture = json!({"type": "image_generation.completed", "b64_json": "AAAA", "created": 7});
        let (_server, client) = server(of(format!("data: {picture}\n\n"))).await;
        let result = client.images().generate(ImageGenerationRequest::new("m", "a cat")).await.unwrap();
        assert_eq!((result.data[0].b64_json.as_str(), result.created), ("AAAA", 7));
    }

    // router-for-me/CLIProxyAPI#417
    #[tokio::test]
    async fn what_stands_around_a_value_does_not_matter() {
        let value = body(json!({"role": "assistant", "content": "Hi"}));
        let error = json!({"error": {"code": 402, "message": "no credits"}});
        for (before, behind) in [
            (": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\r\n\r\n", ""),
            ("\u{feff}", "\n"),
            ("\u{feff}\n: x\n", "\0\0"),
            ("\n   \n", " \n\0\n"),
        ] {
            let framed = |value: &Value| {
                Answer::text(200, format!("{before}{value}{behind}")).header("content-type", "application/json")
            };
            assert_eq!(chat(framed(&value)).await.unwrap().text().as_deref(), Some("Hi"), "{before:?}");
            let error = chat(framed(&error)).await.unwrap_err();
            assert_eq!(error.as_api().unwrap().message(), "no credits", "{before:?}");
        }
        for junk in ["{} {}", "{\"choices\"", ": only a comment", "\0"] {
            let answer = Answer::text(200, junk).header("content-type", "application/json");
            assert!(matches!(chat(answer).await.unwrap_err(), Error::ResponseValidation(_)), "{junk:?}");
        }
    }

    // openclaw/openclaw#97454, Hmbown/Codewhale#1717
    #[tokio::test]
    async fn the_label_of_a_stream_does_not_matter() {
        for label in ["application/json", "application/vnd.api+json", "text/html", "text/plain"] {
            let answer = Answer::stream([text("Hi"), last()]).header("content-type", label);
            assert_eq!(collected(answer).await.unwrap().text().as_deref(), Some("Hi"), "{label}");
        }
        let (_server, client) = server(Answer::json(200, json!({"error": {"message": "busy", "code": 503}}))).await;
        let error = client.chat().stream(chat_request()).await.unwrap_err();
        assert_eq!(error.as_api().unwrap().kind(), ApiErrorKind::ServiceUnavailable);
    }

    #[tokio::test]
    async fn an_error_in_place_of_sound_is_no_sound() {
        let request =
            || -> SpeechRequest { serde_json::from_value(json!({"model": "m", "input": "Hi", "voice": "v"})).unwrap() };
        let (_server, client) = server(Answer::json(200, json!({"error": {"message": "no such voice"}}))).await;
        let error = client.tts().create_speech(request()).await.unwrap_err();
        assert_eq!(error.as_api().unwrap().message(), "no such voice");

        // Sound under a wrong label, larger than any error.
        let sound = vec![7; 3 << 20];
        let answer = Answer::bytes(200, sound.clone()).header("content-type", "application/json");
        let (_server, client) = server(answer).await;
        let heard = client.tts().create_speech(request()).await.unwrap().collect().await.unwrap();
        assert_eq!(heard, sound);
    }
}

mod values {
    use super::*;
    use crate::a_limit::tokio;

    // pydantic/pydantic-ai#3994, langchain-ai/langchainjs#11417, UKGovernmentBEIS/inspect_ai#1534
    #[tokio::test]
    async fn an_answer_of_which_nothing_can_be_read_is_an_error_that_has_the_body() {
        let nulls = json!({"id": null, "choices": null, "created": null, "model": null, "object": null, "usage": null});
        let with = |name: &str, value: Value| {
            let mut body = nulls.clone();
            body[name] = value;
            body
        };
        let inner = body(json!({"role": "assistant", "content": "inside"}));
        let result = chat(Answer::json(200, with("provider", inner))).await.unwrap();
        assert_eq!(result.text().as_deref(), Some("inside"));

        for unreadable in [
            with("provider", json!({"name": "P"})),
            with("choices", json!("none")),
            json!({"status": "ok"}),
            json!({"code": 502, "msg": "x"}),
        ] {
            let Error::ResponseValidation(error) = chat(Answer::json(200, unreadable.clone())).await.unwrap_err()
            else {
                panic!("{unreadable}")
            };
            assert_eq!(error.body(), unreadable.to_string().as_bytes());
        }
        let (_server, client) = server(Answer::json(200, json!({"data": "none"}))).await;
        let error = client.models().list().await.unwrap_err();
        assert!(matches!(error, Error::ResponseValidation(_)), "{error:?}");
        let error = chat(Answer::json(200, with("error", json!({"message": "no", "code": 429})))).await.unwrap_err();
        assert_eq!(error.as_api().unwrap().kind(), ApiErrorKind::TooManyRequests);
    }

    // BerriAI/litellm#28070, spiceai/spiceai#5418, majiayu000/litellm-rs#707, 64bit/async-openai#404
    #[tokio::test]
    async fn numbers_of_another_form_are_not_zero() {
        let mut body = body(json!({"role": "assistant", "content": "A"}));
        body["created"] = json!(1_744_857_525.254_391);
        body["usage"] = json!({"prompt_tokens": "57", "completion_tokens": 14417.92, "total_tokens": -35,
            "cost": "0.25",
            "completion_tokens_details": {"reasoning_tokens": 1290.5, "audio_tokens": 2e3}});
        let result = chat(Answer::json(200, body.clone())).await.unwrap();
        let usage = result.usage.as_ref().unwrap();
        assert_eq!(result.created, 1_744_857_525);
        assert_eq!((usage.prompt_tokens, usage.completion_tokens, usage.total_tokens), (57, 14417, -35));
        assert_eq!(usage.cost, Some(0.25));
        let details = usage.completion_tokens_details.as_ref().unwrap();
        assert_eq!((details.reasoning_tokens, details.audio_tokens), (Some(1290), Some(2000)));
        assert_eq!(usage.extra.get("completion_tokens").unwrap().as_text(), "14417.92");
        let back = serde_json::to_value(&result).unwrap();
        assert_eq!((&back["created"], &back["usage"]["prompt_tokens"]), (&body["created"], &json!("57")));
        assert_eq!(back["usage"]["completion_tokens"], json!(14417.92));

        let mut chunk = last();
        chunk["usage"] = body["usage"].clone();
        let streamed = collected(Answer::stream([text("A"), chunk])).await.unwrap();
        assert_eq!(serde_json::to_value(streamed.usage.unwrap()).unwrap()["completion_tokens"], json!(14417.92));
    }

    // xberg-io/liter-llm#149
    #[tokio::test]
    async fn one_odd_element_of_a_list_costs_only_itself() {
        for odd in [Value::Null, json!("x"), json!(5), json!([])] {
            let body = json!({"data": [{"id": "a/b", "pricing": null}, odd, {"id": "c/d", "new": {"x": 1}}]});
            let (_server, client) = server(Answer::json(200, body.clone())).await;
            let list = client.models().list().await.unwrap();
            let ids: Vec<_> = list.data.iter().map(|model| model.id.as_str()).collect();
            assert_eq!(ids, ["a/b", "c/d"], "{odd}");
            assert_eq!(serde_json::to_value(&list).unwrap()["data"][1], odd, "and it is written back");
        }
        let body = json!({"id": "g", "choices": [null, {"index": 0, "message": {"role": "assistant", "content": "Hi",
            "tool_calls": [null, {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}}]});
        let result = chat(Answer::json(200, body)).await.unwrap();
        assert_eq!((result.text().as_deref(), result.tool_calls().len()), (Some("Hi"), 1));
        let back = serde_json::to_value(result.to_message().unwrap()).unwrap();
        assert_eq!(back["tool_calls"].as_array().unwrap().len(), 1, "no server takes a null there");
    }

    // OpenRouterTeam/typescript-sdk#204, openai/openai-python#2082
    #[tokio::test]
    async fn a_structured_answer_is_read_with_white_space_or_a_fence_around_it() {
        let value = json!({"foo": "```"});
        for text in [
            format!("\n\n  {value}\n"),
            format!("```json\n{value}\n```"),
            format!("\n```\r\n{value}\r\n```  \n"),
            format!("```JSON {value}```"),
            format!("~~~json\n{value}\n~~~"),
            format!("````json\n{value}\n````"),
        ] {
            let result = chat_message(json!({"role": "assistant", "content": text})).await;
            assert_eq!(result.parse::<Value>().unwrap(), value, "{text:?}");
        }
        for text in
            [format!("Here it is:\n```json\n{value}\n```"), "```json\n{\n```".into(), "``````".into(), "```".into()]
        {
            let result = chat_message(json!({"role": "assistant", "content": text})).await;
            assert_eq!(result.parse::<Value>().unwrap_err().text(), text);
        }
    }

    // promptfoo/promptfoo#10412, 0xPlaygrounds/rig#1172, vllm-project/vllm#4795
    #[tokio::test]
    async fn what_is_missing_or_of_another_form_beside_the_answer_does_not_harm() {
        let result = chat(Answer::json(200, json!({"id": "g", "model": "m", "choices": []}))).await.unwrap();
        assert_eq!((result.text(), result.to_message()), (None, None));
        let mut body = body(json!({"role": "assistant", "content": "Hi", "refusal": null, "reasoning": null}));
        body["choices"][0]["logprobs"] = json!({"tokens": ["Hi"], "top_logprobs": [{"Hi": -0.1}], "text_offset": [0]});
        let result = chat(Answer::json(200, body)).await.unwrap();
        assert_eq!((result.text().as_deref(), result.reasoning_text()), (Some("Hi"), None));
        let back = serde_json::to_value(&result).unwrap();
        assert_eq!(back["choices"][0]["logprobs"]["text_offset"], json!([0]));
    }
}

mod tools {
    use super::*;
    use crate::a_limit::tokio;

    // poolsideai/pool#9, mudler/LocalAI#9722, agno-agi/agno#8880
    #[tokio::test]
    async fn one_call_may_come_under_several_ids_and_indexes() {
        let several_ids = vec![
            json!({"index": 0, "id": "A", "type": "function", "function": {"name": "f", "arguments": ""}}),
            json!({"index": 0, "id": "B", "type": "function", "function": {"arguments": "{\"city\""}}),
            json!({"index": 0, "id": "B", "type": "function", "function": {"arguments": ":\"Rome\"}"}}),
            json!({"index": 0, "id": "B", "type": "function", "function": {"arguments": ""}}),
        ];
        assert_eq!(calls(several_ids).await, [call("f", "{\"city\":\"Rome\"}", "A")]);
        let several_indexes = vec![
            json!({"index": 0, "id": "L", "function": {"name": "exec", "arguments": ""}}),
            json!({"index": 1, "id": "L", "function": {"name": "exec", "arguments": "{\"cmd\":"}}),
            json!({"index": 2, "id": "L", "function": {"name": "exec", "arguments": "\"ls\"}"}}),
        ];
        assert_eq!(calls(several_indexes).await, [call("exec", "{\"cmd\":\"ls\"}", "L")]);
        let an_index_without_a_call = vec![
            json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"x\":1}"}}),
            json!({"index": 0, "id": "b", "function": {"name": "g", "arguments": "{\"y\":"}}),
            json!({"index": 1, "function": {"arguments": "["}}),
            json!({"index": 1, "function": {"arguments": "2]}"}}),
        ];
        assert_eq!(calls(an_index_without_a_call).await, [call("f", "{\"x\":1}", "a"), call("g", "{\"y\":[2]}", "b")]);
    }

    // apache/maka#1976, LibreChat-AI/agents#260, vercel/ai#7238
    #[tokio::test]
    async fn several_calls_may_come_under_one_id_or_index_or_without_any() {
        let one_index = vec![
            json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"x\":"}}),
            json!({"index": 0, "function": {"arguments": "1}"}}),
            json!({"index": 0, "id": "b", "function": {"name": "f", "arguments": "{\"x\":"}}),
            json!({"index": 0, "function": {"arguments": "2}"}}),
        ];
        assert_eq!(calls(one_index).await, [call("f", "{\"x\":1}", "a"), call("f", "{\"x\":2}", "b")]);
        let one_id = vec![
            json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"x\":1}"}}),
            json!({"index": 1, "id": "a", "function": {"name": "g", "arguments": "{\"x\":"}}),
            json!({"index": 1, "id": "a", "function": {"arguments": "2}"}}),
        ];
        assert_eq!(calls(one_id).await, [call("f", "{\"x\":1}", "a"), call("g", "{\"x\":2}", "a")]);
        let no_index = vec![
            json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}}),
            json!({"id": "b", "type": "function", "function": {"name": "f", "arguments": "{\"x\":2}"}}),
        ];
        assert_eq!(calls(no_index).await, [call("f", "{\"x\":1}", "a"), call("f", "{\"x\":2}", "b")]);
    }

    // sigoden/aichat#1495, spring-projects/spring-ai#5973, openai/openai-python#3201
    #[tokio::test]
    async fn later_pieces_of_a_call_may_repeat_or_leave_out_what_was_said() {
        for (id, name) in
            [(json!("a"), json!("")), (json!("a"), json!("f")), (json!(""), Value::Null), (Value::Null, json!("f"))]
        {
            let pieces = vec![
                json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"x\""}}),
                json!({"index": 0, "id": id, "function": {"name": name, "arguments": ":1"}}),
                json!({"index": 0, "id": id, "function": {"name": name, "arguments": "}"}}),
            ];
            assert_eq!(calls(pieces).await, [call("f", "{\"x\":1}", "a")], "{id} {name}");
        }
        let both = chunk(json!({"tool_calls": [
            {"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}, {"index": 0,
                "function": {"arguments": "{}"}}]}));
        let result = collected(Answer::stream([both, last()])).await.unwrap();
        assert_eq!(result.tool_calls().len(), 1);
        assert_eq!(result.tool_calls()[0].function.arguments, "{}");
    }

    #[tokio::test]
    async fn tool_calls_and_arguments_may_be_objects() {
        let object = json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": {"x": 1}}});
        let result = collected(Answer::stream([chunk(json!({"tool_calls": object})), last()])).await.unwrap();
        assert_eq!(result.tool_calls()[0].parse_arguments::<Value>().unwrap(), json!({"x": 1}));
        let output = json!({"type": "function_call", "id": "fc", "call_id": "c", "name": "f", "arguments": {"x": 1}});
        let result = response(vec![
            json!({"type": "response.completed", "response": {"id": "r", "status": "completed", "output": [output]}}),
        ])
        .await;
        assert_eq!(result.function_calls().next().unwrap().parse_arguments::<Value>().unwrap(), json!({"x": 1}));
        assert_eq!(serde_json::to_value(&result.output[0]).unwrap()["arguments"], json!({"x": 1}));
        assert_eq!(serde_json::to_value(result.to_input()).unwrap()[0]["arguments"], "{\"x\":1}");
        let result = message(vec![
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "t",
                "name": "f", "input": {}}}),
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta",
                "partial_json": {"x": 1}}}),
        ])
        .await;
        assert_eq!(result.tool_uses().next().unwrap().parse_input::<Value>().unwrap(), json!({"x": 1}));
    }

    // sipeed/picoclaw#1292, pydantic/pydantic-ai#822, openai/openai-node#1341
    #[tokio::test]
    async fn a_turn_is_read_right_and_sent_back_so_that_servers_take_it() {
        for (function, read, sent) in [
            (json!({"name": "f", "arguments": {"path": "/tmp"}}), json!({"path": "/tmp"}), "{\"path\":\"/tmp\"}"),
            (json!({"name": "f", "arguments": "{\"x\":1}"}), json!({"x": 1}), "{\"x\":1}"),
            (json!({"name": "f", "arguments": null}), json!({}), "{}"),
            (json!({"name": "f", "arguments": []}), json!({}), "[]"),
            (json!({"name": "f", "arguments": ""}), json!({}), ""),
            (json!({"name": "f"}), json!({}), "{}"),
        ] {
            let message = json!({"role": "assistant", "content": null, "tool_calls": [
                {"id": "a", "type": "function", "function": function}]});
            let result = chat_message(message.clone()).await;
            assert_eq!(result.tool_calls()[0].parse_arguments::<Value>().unwrap(), read, "{function}");
            let back = serde_json::to_value(result.to_message().unwrap()).unwrap();
            assert_eq!(back["tool_calls"][0]["function"]["arguments"], sent, "{function}");
            let kept = Json::of(result.message().unwrap()).unwrap();
            assert_eq!(kept.difference(&Json::from(message)), None, "the message itself is unchanged");
        }
        let number =
            json!({"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": 5}}]});
        let error =
            chat_message(number).await.tool_calls()[0].parse_arguments::<std::collections::BTreeMap<String, i64>>();
        assert_eq!(error.unwrap_err().text(), "5", "a tool is never called with nothing instead of something");

        let result = chat_message(json!({"role": "assistant", "content": "Hi", "tool_calls": []})).await;
        assert_eq!(serde_json::to_value(result.to_message().unwrap()).unwrap().get("tool_calls"), None);

        let block: MessagesContentBlock =
            serde_json::from_value(json!({"type": "tool_use", "id": "t", "name": "f"})).unwrap();
        let back = serde_json::to_value(MessagesContentBlockParam::from(block)).unwrap();
        assert_eq!(back["input"], json!({}));
        let item: OutputItem =
            serde_json::from_value(json!({"type": "function_call", "call_id": "c", "name": "f"})).unwrap();
        assert_eq!(serde_json::to_value(InputItem::from(item)).unwrap()["arguments"], "{}");
    }

    // earendil-works/pi#7745, agno-agi/agno#5802, OpenRouterTeam/openrouter-examples#67
    #[tokio::test]
    async fn signatures_and_encrypted_details_are_sent_back_as_they_came() {
        let signed = json!({"google": {"thought_signature": "c2ln"}});
        let piece = |index: i64, id: &str| {
            json!({"index": index, "id": id, "type": "function", "extra_content": signed,
            "function": {"name": "f", "arguments": "{}"}})
        };
        let detail = |id: &str| json!({"type": "reasoning.encrypted", "data": id, "id": id, "index": 0});
        let thought = |members: Value| {
            let mut detail = json!({"type": "reasoning.text", "index": 0, "format": "anthropic-claude-v1"});
            detail.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            chunk(json!({"reasoning_details": [detail]}))
        };
        let result = collected(Answer::stream([
            thought(json!({"text": "Let"})),
            thought(json!({"text": " me"})),
            thought(json!({"signature": "s"})),
            chunk(json!({"tool_calls": [piece(0, "a")], "reasoning_details": [detail("a")]})),
            chunk(json!({"tool_calls": [piece(1, "b")], "reasoning_details": [detail("b")]})),
            last(),
        ]));
        let back = serde_json::to_value(result.await.unwrap().to_message().unwrap()).unwrap();
        assert_eq!(back["tool_calls"][1]["extra_content"], signed);
        let joined = json!({"type": "reasoning.text", "index": 0, "format": "anthropic-claude-v1", "text": "Let me",
            "signature": "s"});
        assert_eq!(back["reasoning_details"], json!([joined, detail("a"), detail("b")]));
    }
}

mod halves {
    use super::*;
    use crate::a_limit::tokio;

    /// The same JSON, with the two letters replaced by the halves of a surrogate pair.
    fn cut(json: &Value) -> String {
        json.to_string().replace('◐', "\\ud83d").replace('◑', "\\ude00")
    }

    async fn chunks(deltas: &[Value]) -> Answer {
        let events = deltas.iter().map(|delta| Event::data(cut(&chunk(delta.clone())))).chain([Event::data(last())]);
        Answer::stream(events.collect::<Vec<_>>())
    }

    #[tokio::test]
    async fn a_character_cut_between_chunks_of_a_chat_is_whole_wherever_it_stands() {
        let delta = |text: &str| {
            json!({"content": text, "reasoning": text, "refusal": text, "reasoning_content": text,
            "audio": {"transcript": text},
            "reasoning_details": [{"type": "reasoning.text", "text": text, "index": 0},
                {"type": "reasoning.summary", "summary": text, "index": 0}],
            "tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": text}}]})
        };
        for (pieces, whole) in [
            (vec!["a◐", "◑b"], "a😀b"),
            (vec!["a", "◐", "◑", "b"], "a😀b"),
            (vec!["◐", "", "◑◐", "◑"], "😀😀"),
            (vec!["a◐", "b"], "a\u{fffd}b"),
            (vec!["◑b◐"], "\u{fffd}b\u{fffd}"),
            (vec!["◐", "◐", "◑"], "\u{fffd}😀"),
            (vec!["\u{fffd}", "◑"], "\u{fffd}\u{fffd}"),
            (vec!["\\◐", "◑\\"], "\\😀\\"),
            (vec!["a\\ud83d", "\\ude00"], "a\\ud83d\\ude00"),
        ] {
            let deltas: Vec<_> = pieces.iter().map(|piece| delta(piece)).collect();
            let result = collected(chunks(&deltas).await).await.unwrap();
            let message = Json::parse(String::from_utf8(encode(result.message().unwrap()).unwrap()).unwrap()).unwrap();
            let message = message.to_value();
            assert_eq!(result.text().as_deref(), Some(whole), "{pieces:?}");
            for path in [
                "/reasoning",
                "/refusal",
                "/audio/transcript",
                "/reasoning_details/0/text",
                "/reasoning_details/1/summary",
                "/tool_calls/0/function/arguments",
            ] {
                assert_eq!(message.pointer(path).unwrap(), whole, "{path} of {pieces:?}");
            }
            let joined = result.message().unwrap().extra.get("reasoning_content").unwrap().as_str();
            assert_eq!(joined, Some(whole), "{pieces:?}");

            assert_eq!(texts(chunks(&deltas).await).await.concat(), whole, "{pieces:?}");
        }
    }

    #[tokio::test]
    async fn a_character_cut_between_events_of_responses_and_messages_is_whole() {
        let halves = ["a◐", "◑b"];
        let items = [
            ("response.output_text.delta", 0),
            ("response.refusal.delta", 1),
            ("response.reasoning_text.delta", 2),
            ("response.reasoning_summary_text.delta", 2),
            ("response.function_call_arguments.delta", 3),
        ];
        let events = items.iter().flat_map(|(kind, index)| {
            halves.map(|half| {
                cut(&json!({"type": kind, "delta": half, "output_index": index, "content_index": 0,
                "summary_index": 0}))
            })
        });
        let end = json!({"type": "response.completed", "response": {"id": "r", "status": "completed", "output": []}});
        let events: Vec<_> = events.map(Event::data).chain([Event::data(end)]).collect();
        let (_server, client) = server(Answer::stream(events)).await;
        let stream = client.responses().stream(ResponsesRequest::new().model("m").input("Hi")).await.unwrap();
        let output = serde_json::to_value(stream.collect().await.unwrap().output).unwrap();
        for path in
            ["/0/content/0/text", "/1/content/0/refusal", "/2/content/0/text", "/2/summary/0/text", "/3/arguments"]
        {
            assert_eq!(output.pointer(path).unwrap(), "a😀b", "{path} of {output}");
        }

        let deltas = [
            ("text", json!({"type": "text", "text": ""}), "text_delta", "text"),
            ("thinking", json!({"type": "thinking", "thinking": "", "signature": ""}), "thinking_delta", "thinking"),
        ];
        for (member, block, kind, piece) in deltas {
            let start = json!({"type": "content_block_start", "index": 0, "content_block": block}).to_string();
            let halves = halves.map(|half| {
                cut(&json!({"type": "content_block_delta", "index": 0, "delta": {"type": kind, piece: half}}))
            });
            let begin = json!({"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant",
                "content": [], "model": "m", "usage": {"input_tokens": 1, "output_tokens": 1}}});
            let all = [begin.to_string(), start]
                .into_iter()
                .chain(halves)
                .chain([json!({"type": "message_stop"}).to_string()]);
            let (_server, client) = server(Answer::events(all.map(Event::data).collect::<Vec<_>>())).await;
            let stream = client.messages().stream(MessagesRequest::new("m").messages(["Hi"])).await.unwrap();
            let content = serde_json::to_value(stream.collect().await.unwrap().content).unwrap();
            assert_eq!(content[0][member], "a😀b");
        }
    }

    #[tokio::test]
    async fn half_of_a_character_in_a_whole_answer_leaves_the_text_readable() {
        let body = cut(&body(json!({"role": "assistant", "content": "a◐", "reasoning": "◑b"})));
        let result = chat(Answer::text(200, body.clone()).header("content-type", "application/json")).await.unwrap();
        assert_eq!(result.text().as_deref(), Some("a\u{fffd}"));
        assert_eq!(result.reasoning_text().as_deref(), Some("\u{fffd}b"));
        let back = String::from_utf8(encode(&result).unwrap()).unwrap();
        assert!(back.contains(r#""a\ud83d""#) && back.contains(r#""\ude00b""#), "{back}");
    }

    #[tokio::test]
    async fn what_fits_nowhere_in_a_delta_is_kept_and_seen() {
        let odd = [json!({"content": 5}), json!({"tool_calls": "none"}), json!({"reasoning": {"x": 1}})];
        let deltas: Vec<_> = [json!({"content": "a", "reasoning": "b"})]
            .into_iter()
            .chain(odd.clone())
            .chain([json!({"content": "c"})])
            .collect();
        let result = collected(chunks(&deltas).await).await.unwrap();
        assert_eq!(result.text().as_deref(), Some("ac"));
        assert_eq!(result.choices[0].extra.get("unrecognized_deltas").unwrap().to_value(), json!(odd));
    }
}

mod ends {
    use super::*;
    use crate::a_limit::tokio;

    fn added(item: Value) -> Value {
        json!({"type": "response.output_item.added", "output_index": 0, "item": item})
    }

    fn completed(output: Value) -> Value {
        json!({"type": "response.completed", "response": {"id": "r", "object": "response", "status": "completed",
            "output": output}})
    }

    fn empty_message(status: &str) -> Value {
        json!({"type": "message", "id": "m", "role": "assistant", "status": status, "content": []})
    }

    fn delta(text: &str) -> Value {
        json!({"type": "response.output_text.delta", "output_index": 0, "item_id": "m", "content_index": 0,
            "delta": text})
    }

    // NVIDIA-NeMo/Switchyard#777, open-webui/open-webui#27800, OpenRouterTeam/ai-sdk-provider#336
    #[tokio::test]
    async fn an_end_that_is_emptier_does_not_wipe_what_came_before() {
        let item_done =
            json!({"type": "response.output_item.done", "output_index": 0, "item": empty_message("completed")});
        let text_done = json!({"type": "response.output_text.done", "output_index": 0, "item_id": "m",
            "content_index": 0, "text": ""});
        let part_done = json!({"type": "response.content_part.done", "output_index": 0, "item_id": "m",
            "content_index": 0,
            "part": {"type": "output_text", "text": "", "annotations": []}});
        for output in [json!([]), json!([empty_message("completed")])] {
            let begin = [added(empty_message("in_progress")), delta("Hel"), delta("lo")];
            let ends = [text_done.clone(), part_done.clone(), item_done.clone(), completed(output)];
            let result = response(begin.into_iter().chain(ends).collect()).await;
            assert_eq!(result.output_text(), "Hello");
            assert_eq!(serde_json::to_value(&result.output[0]).unwrap()["status"], "completed");
        }
        let call = |arguments: &str| {
            json!({"type": "function_call", "id": "fc", "call_id": "c", "name": "f",
            "arguments": arguments})
        };
        for (streamed, last, whole) in [
            ("{\"x\":1}", "", "{\"x\":1}"),
            ("{\"x\":1}", "{}", "{\"x\":1}"),
            ("", "{\"x\":1}", "{\"x\":1}"),
            ("", "{}", "{}"),
        ] {
            let result = response(vec![
                added(call("")),
                json!({"type": "response.function_call_arguments.delta", "output_index": 0, "item_id": "fc",
                    "delta": streamed}),
                json!({"type": "response.function_call_arguments.done", "output_index": 0, "item_id": "fc",
                    "arguments": ""}),
                completed(json!([call(last)])),
            ])
            .await;
            assert_eq!(result.function_calls().next().unwrap().arguments, whole, "{streamed} {last}");
        }
        let mut first = completed(json!([]));
        first["type"] = json!("response.created");
        first["response"]["model"] = json!("m");
        let result = response(vec![
            first,
            json!({"type": "response.completed", "response": {"status": "completed", "id": "", "output": []}}),
        ])
        .await;
        assert_eq!((result.id.as_str(), result.model.as_str()), ("r", "m"));
    }

    #[tokio::test]
    async fn items_that_only_came_on_their_own_are_kept_beside_the_last_output() {
        let result = response(vec![
            added(json!({"type": "reasoning", "id": "rs", "summary": []})),
            json!({"type": "response.reasoning_summary_text.delta", "output_index": 0, "item_id": "rs",
                "summary_index": 0, "delta": "hm"}),
            json!({"type": "response.output_text.delta", "output_index": 1, "item_id": "m", "content_index": 0,
                "delta": "He"}),
            completed(json!([{"type": "message", "id": "other", "role": "assistant",
                "content": [{"type": "output_text", "text": "Hello"}]}])),
        ])
        .await;
        assert_eq!(
            (result.output.len(), result.output_text().as_str(), result.reasoning_text().as_str()),
            (2, "Hello", "hm")
        );
        assert!(matches!(result.output[0], OutputItem::Reasoning(_)));
    }

    // lidge-jun/opencodex#4652
    #[tokio::test]
    async fn what_comes_whole_only_at_its_end_is_there() {
        let place = json!({"output_index": 0, "item_id": "x", "content_index": 0, "summary_index": 0});
        let with = |members: Value| {
            let mut event = place.clone();
            event.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            event
        };
        let part = json!({"type": "output_text", "text": "whole", "annotations": []});
        for (event, path) in [
            (json!({"type": "response.output_text.done", "text": "whole"}), "/content/0/text"),
            (json!({"type": "response.content_part.done", "part": part}), "/content/0/text"),
            (json!({"type": "response.refusal.done", "refusal": "whole"}), "/content/0/refusal"),
            (json!({"type": "response.reasoning_text.done", "text": "whole"}), "/content/0/text"),
            (json!({"type": "response.reasoning_summary_text.done", "text": "whole"}), "/summary/0/text"),
            (
                json!({"type": "response.reasoning_summary_part.done", "part": {"type": "summary_text",
                    "text": "whole"}}),
                "/summary/0/text",
            ),
            (json!({"type": "response.function_call_arguments.done", "name": "f", "arguments": "whole"}), "/arguments"),
            (json!({"type": "response.custom_tool_call_input.done", "input": "whole"}), "/input"),
        ] {
            let result = response(vec![with(event.clone()), completed(json!([]))]).await;
            let output = serde_json::to_value(&result.output).unwrap();
            assert_eq!(output[0].pointer(path).unwrap(), "whole", "{event}");
        }
        for event in [
            json!({"type": "response.output_text.done", "text": "whole"}),
            completed(json!([
            {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text",
                "text": "whole"}]}])),
        ] {
            let (_server, client) = server(Answer::stream([event, completed(json!([]))])).await;
            let stream = client.responses().stream(ResponsesRequest::new().model("m").input("Hi")).await.unwrap();
            let mut texts = stream.text_deltas();
            assert_eq!(texts.next().await.unwrap().unwrap(), "whole");
            assert!(texts.next().await.is_none());
        }
    }

    // maximhq/bifrost#5169, Oaklight/llm-rosetta#56, anthropics/anthropic-sdk-python#1273
    #[tokio::test]
    async fn deltas_without_the_event_that_begins_them_are_not_lost() {
        let result = response(vec![
            json!({"type": "response.reasoning_summary_text.delta", "delta": "let me "}),
            json!({"type": "response.reasoning_summary_text.delta", "delta": "see"}),
            json!({"type": "response.output_text.delta", "delta": "Hel"}),
            json!({"type": "response.output_text.delta", "delta": "lo"}),
            json!({"type": "response.completed", "response": {"status": "completed"}}),
        ])
        .await;
        assert_eq!((result.output_text().as_str(), result.reasoning_text().as_str()), ("Hello", "let me see"));

        let delta = |kind: &str, name: &str, text: &str| {
            json!({"type": "content_block_delta", "index": 0,
            "delta": {"type": kind, name: text}})
        };
        let result = message(vec![
            delta("thinking_delta", "thinking", "h"),
            delta("thinking_delta", "thinking", "m"),
            delta("signature_delta", "signature", "s"),
            delta("text_delta", "text", "Hel"),
            delta("text_delta", "text", "lo"),
        ])
        .await;
        assert_eq!((result.text().as_str(), result.reasoning_text().as_str()), ("Hello", "hm"));

        let (_server, client) =
            server(Answer::events([delta("text_delta", "text", "Hi"), json!({"type": "message_stop"})])).await;
        let stream = client.messages().stream(MessagesRequest::new("m").messages(["Hi"])).await.unwrap();
        assert_eq!(stream.collect().await.unwrap().text(), "Hi");
    }

    // QuantumNous/new-api#5482, sgl-project/sglang#24293, farion1231/cc-switch#7396
    #[tokio::test]
    async fn blocks_with_gaps_stray_deltas_and_missing_members_do_not_harm() {
        let stray =
            json!({"type": "content_block_delta", "index": 4, "delta": {"type": "text_delta", "text": "stray"}});
        let result = message(vec![
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "Hel"}}),
            json!({"type": "content_block_delta", "index": 0, "delta": {}}),
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "lo"}}),
            json!({"type": "content_block_stop", "index": 1}),
            json!({"type": "content_block_start", "index": 4, "content_block": {"type": "tool_use", "id": "t",
                "name": "f", "input": {}}}),
            stray.clone(),
            json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"input_tokens": 9,
                "output_tokens": 2}}),
            json!({"type": "message_delta", "delta": {"stop_reason": ""}, "usage": {"input_tokens": 0,
                "output_tokens": 3}}),
        ])
        .await;
        assert_eq!(result.text(), "Hello");
        assert_eq!((result.usage.input_tokens, result.usage.output_tokens), (9, 4));
        let kept = result.extra.get("unrecognized_events").unwrap().to_value();
        assert!(kept.as_array().unwrap().contains(&stray), "{kept}");
    }

    // openai-php/client#732, CherryHQ/cherry-studio#20940, pydantic/pydantic-ai#7911
    #[tokio::test]
    async fn events_that_nobody_knows_neither_end_a_response_nor_are_lost() {
        let mut cut = completed(json!([]));
        cut["type"] = json!("response.incomplete");
        cut["response"]["incomplete_details"] = json!({"reason": "max_output_tokens"});
        let unknown = json!({"type": "response.something_new", "payload": [1, 2]});
        let result = response(vec![json!({"type": "keepalive"}), delta("Hi"), unknown.clone(), cut]).await;
        assert_eq!(result.output_text(), "Hi");
        assert!(result.incomplete_details.is_some());
        assert!(result.extra.get("unrecognized_events").unwrap().to_value().as_array().unwrap().contains(&unknown));
    }

    // Mintplex-Labs/anything-llm#5112, InsForge/InsForge#2015, openai/openai-node#1991
    #[tokio::test]
    async fn usage_and_sound_of_a_chat_are_told_once_and_not_wiped() {
        let usage = |tokens: i64| {
            json!({"id": "gen-1", "choices": [], "usage": {"prompt_tokens": tokens,
            "completion_tokens": tokens, "total_tokens": 2 * tokens}})
        };
        let mut cost = usage(0);
        cost["usage"]["cost"] = json!(0.5);
        let sound = |members: Value| chunk(json!({"audio": members}));
        let result = collected(Answer::stream([
            usage(1),
            usage(4),
            sound(json!({"id": "s", "data": "AA"})),
            sound(json!({"data": "BB", "id": ""})),
            sound(json!({"expires_at": 7})),
            last(),
            usage(6),
            cost,
        ]));
        let result = result.await.unwrap();
        assert_eq!((result.usage.as_ref().unwrap().total_tokens, result.cost()), (12, Some(0.5)));
        let sound = result.message().unwrap().audio.as_ref().unwrap();
        assert_eq!((sound.id.as_deref(), sound.data.as_deref(), sound.expires_at), (Some("s"), Some("AABB"), Some(7)));
    }

    // perplexity: api-discussion#209; decolua/9router#3601, vercel/ai#7644, OpenRouterTeam/ai-sdk-provider#167
    #[tokio::test]
    async fn what_a_stream_repeats_is_told_once_and_what_it_splits_is_joined() {
        let piece = |text: &str, so_far: &str, reason: Value| {
            json!({"id": "1", "object": "chat.completion", "choices": [
            {"index": 0, "delta": {"content": text}, "message": {"role": "assistant", "content": so_far},
                "finish_reason": reason}]})
        };
        let events = || Answer::events([piece("He", "He", Value::Null), piece("llo", "Hello", json!("stop"))]);
        assert_eq!(collected(events()).await.unwrap().text().as_deref(), Some("Hello"));
        assert_eq!(texts(events()).await, ["He", "llo"]);

        let picture = |data: &str| json!({"type": "image_url", "image_url": {"url": data}});
        let result = collected(Answer::stream([
            chunk(json!({"reasoning": "a", "reasoning_details": [{"type": "reasoning.text", "text": "a"}],
                    "images": [picture("1")]})),
            chunk(json!({"reasoning": "b", "images": [picture("2")]})),
            last(),
        ]));
        let result = result.await.unwrap();
        assert_eq!(result.reasoning_text().as_deref(), Some("ab"));
        assert_eq!(result.message().unwrap().images.as_ref().unwrap().len(), 2);
    }
}

mod around {
    use super::*;
    use crate::a_limit::tokio;
    use openrouter_kit::mock::{Fault, Place};

    // brightwave-inc/tidebreak#1124
    #[tokio::test]
    async fn a_call_cut_off_with_its_connection_is_never_given_with_half_its_arguments() {
        let piece = chunk(json!({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "rm",
                "arguments": "{\"path\":\"/tmp"}}]}));
        for answer in [
            Answer::events([piece.clone()]),
            Answer::events([piece.clone()]).close_delimited(),
            Answer::events([piece, last()]).fault(Fault::Close, Place::InBody),
        ] {
            assert!(matches!(collected(answer).await, Err(error) if error.is_connection()));
        }
    }

    // OpenRouterTeam/typescript-sdk#149, castari/castari-proxy#2, Gitlawb/openclaude#1263
    #[tokio::test]
    async fn the_head_of_a_stream_tells_its_generation_and_a_refusal_its_reason() {
        let (_server, stream) =
            chat_stream(Answer::stream([text("x"), last()]).header("x-generation-id", "gen-7")).await;
        assert_eq!(stream.generation_id(), Some("gen-7"));
        for (status, kind) in [
            (401, ApiErrorKind::Unauthorized),
            (402, ApiErrorKind::PaymentRequired),
            (429, ApiErrorKind::TooManyRequests),
            (503, ApiErrorKind::ServiceUnavailable),
        ] {
            let refusal = json!({"error": {"code": status, "message": "no", "metadata": {"limit_source": "credits"}}});
            let (_server, client) = server(Answer::json(status, refusal).header("retry-after", "7")).await;
            let error = client.chat().stream(chat_request()).await.unwrap_err();
            let error = error.as_api().unwrap();
            assert_eq!((error.kind(), error.message(), error.retry_after().unwrap().as_secs()), (kind, "no", 7));
            assert_eq!(error.metadata().unwrap()["limit_source"], "credits");
        }
    }

    // AtomicBot-ai/atomic-agent#413, OpenRouterTeam/ai-sdk-provider#389
    #[tokio::test]
    async fn preferences_cache_marks_and_unknown_members_are_sent_as_they_were_set() {
        let (server, client) = server(Answer::json(200, body(json!({"content": "Hi"})))).await;
        let mut long = ChatContentText::new("long");
        long.cache_control = Some(serde_json::from_value(json!({"type": "ephemeral", "ttl": "1h"})).unwrap());
        let preferences: ProviderPreferences =
            serde_json::from_value(json!({"order": ["z-ai"], "allow_fallbacks": false, "ignore": ["x"]})).unwrap();
        let request =
            ChatRequest::new([ChatMessage::system([long.clone()]), ChatMessage::user([ChatContentPart::from(long)])])
                .models(["a/b", "c/d"])
                .provider(preferences)
                .parallel_tool_calls(false);
        client.chat().send(request).extra_body("transforms", json!(["middle-out"])).await.unwrap();
        let sent = server.requests()[0].json().to_value();
        assert_eq!(sent["provider"], json!({"order": ["z-ai"], "allow_fallbacks": false, "ignore": ["x"]}));
        assert_eq!((&sent["models"], &sent["transforms"]), (&json!(["a/b", "c/d"]), &json!(["middle-out"])));
        let part = json!([{"type": "text", "text": "long", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]);
        assert_eq!((&sent["messages"][0]["content"], &sent["messages"][1]["content"]), (&part, &part));
    }

    // vercel/ai#10199, generalbots/generalbots#1202, microsoft/autogen#6465
    #[tokio::test]
    async fn members_of_another_form_in_a_delta_are_kept_and_end_nothing() {
        let flat = json!({"type": "url_citation", "url": "https://example.com/a", "start_index": 0});
        let nested = json!({"type": "url_citation", "url_citation": {"url": "https://example.com/b"}});
        let filtered = json!({"id": "", "model": "", "choices": [{"index": 0, "finish_reason": null,
            "content_filter_results": {}}]});
        let without_delta = json!({"id": "gen-1", "choices": [{"index": 0, "delta": null, "finish_reason": null}]});
        let nulls = json!({"id": "gen-1", "choices": null, "usage": {"prompt_tokens": 1, "completion_tokens": 1,
            "total_tokens": 2}});
        let result = collected(Answer::stream([
            json!({"choices": [], "id": "", "prompt_filter_results": [{"prompt_index": 0}]}),
            chunk(json!({"reasoning_content": "let me ", "usage": {"prompt_tokens": 1}})),
            chunk(json!({"reasoning_content": "see", "content": "4", "annotations": [flat]})),
            chunk(json!({"annotations": [nested]})),
            filtered,
            without_delta,
            last(),
            nulls,
        ]));
        let result = result.await.unwrap();
        assert_eq!((result.text().as_deref(), result.reasoning_text().as_deref()), (Some("4"), Some("let me see")));
        assert_eq!((result.model.as_str(), result.usage.as_ref().unwrap().total_tokens), ("m", 2));
        let message = serde_json::to_value(result.message().unwrap()).unwrap();
        assert_eq!(message["annotations"], json!([flat, nested]));
    }
}
