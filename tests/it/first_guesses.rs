//! What a new user writes first: it compiles, and sends what was meant.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::error::Error as _;
use std::path::PathBuf;

use openrouter_kit::core::wire::{self, Wire};
use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::models::routing::ProviderPreferencesSort;
use openrouter_kit::models::*;
use openrouter_kit::{Error, funcs};
use serde_json::{Value, json};

use crate::a_limit::tokio;

/// What is sent of a value.
fn sent<T: Wire>(value: T) -> Value {
    serde_json::from_slice(&wire::encode(&value).unwrap()).unwrap()
}

/// What is sent of a chat request in this member.
fn member(name: &str, change: impl FnOnce(ChatRequest) -> ChatRequest) -> Value {
    sent(change(ChatRequest::new("Hello")))[name].take()
}

fn parsed<T: Wire>(value: Value) -> T {
    wire::decode(&value.to_string()).unwrap()
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n....";
const PDF: &[u8] = b"%PDF-1.7 ...";
const WAV: &[u8] = b"RIFF\x10\0\0\0WAVEfmt ";
const MP4: &[u8] = b"\0\0\0\x18ftypmp42....";

/// A file in a folder of its own, which is removed at the end of the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("first-guesses-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_chat_begins_with_a_text_a_message_or_several() {
    let hello = json!([{"role": "user", "content": "Hello"}]);
    let text = String::from("Hello");
    for request in [
        ChatRequest::new("Hello"),
        ChatRequest::new(&text),
        ChatRequest::new(text.clone()),
        ChatRequest::new(Cow::Borrowed("Hello")),
        ChatRequest::new(["Hello"]),
        ChatRequest::new(&["Hello"]),
        ChatRequest::new(vec![text.clone()]),
        ChatRequest::new(ChatMessage::user("Hello")),
        ChatRequest::new([ChatMessage::user("Hello")]),
        ChatRequest::new(vec![ChatMessage::user("Hello")]),
        ChatRequest::new(Some(ChatMessage::user("Hello"))),
        ChatRequest::new(["Hello"].iter().map(|text| ChatMessage::user(*text))),
    ] {
        assert_eq!(sent(request), json!({"messages": hello}));
    }
    let request = MessagesRequest::new("m").messages("Hello");
    assert_eq!(sent(request)["messages"], hello);
    assert_eq!(sent(ResponsesRequest::new().input(&text))["input"], "Hello");
    let items = sent(ResponsesRequest::new().input(["a", "b"]))["input"].take();
    assert_eq!(items[1]["content"], "b");
    assert_eq!(items[1]["role"], "user");
}

#[test]
fn words_are_taken_as_text_wherever_a_set_of_words_is_meant() {
    assert_eq!(member("tool_choice", |chat| chat.tool_choice("required")), "required");
    assert_eq!(member("tool_choice", |chat| chat.tool_choice(ChatToolChoice::Required)), "required");
    assert_eq!(member("tool_choice", |chat| chat.tool_choice(ChatToolChoice::None)), "none");
    assert_eq!(member("tool_choice", |chat| chat.tool_choice(String::from("auto"))), "auto");
    assert_eq!(member("tool_choice", |chat| chat.tool_choice("a new word")), "a new word");
    assert_eq!(member("reasoning_effort", |chat| chat.reasoning_effort("high")), "high");
    let responses = ResponsesRequest::new().tool_choice("required");
    assert_eq!(sent(responses)["tool_choice"], "required");
    let choice = ResponsesRequest::new().tool_choice(ResponsesToolChoice::Auto);
    assert_eq!(sent(choice)["tool_choice"], "auto");
    let messages = MessagesRequest::new("m").messages("Hi").tool_choice("any");
    assert_eq!(sent(messages)["tool_choice"], json!({"type": "any"}));
    let preferences = ProviderPreferences::new().sort("price").data_collection("deny").order(["a", "b"]);
    assert_eq!(sent(preferences), json!({"sort": "price", "data_collection": "deny", "order": ["a", "b"]}));
    assert_eq!(sent(ProviderPreferences::new().sort(ProviderPreferencesSort::Price)), json!({"sort": "price"}));
    assert_eq!(member("modalities", |chat| chat.modalities(["text", "image"])), json!(["text", "image"]));
}

#[test]
fn the_named_tool_the_json_mode_and_the_schema_have_constructors() {
    let named = json!({"type": "function", "function": {"name": "weather"}});
    assert_eq!(member("tool_choice", |chat| chat.tool_choice(ChatToolChoice::function("weather"))), named);
    let responses = ResponsesRequest::new().tool_choice(ResponsesToolChoice::function("weather"));
    assert_eq!(sent(responses)["tool_choice"], json!({"type": "function", "name": "weather"}));
    let messages = MessagesRequest::new("m").tool_choice(MessagesRequestToolChoice::tool("weather"));
    assert_eq!(sent(messages)["tool_choice"], json!({"type": "tool", "name": "weather"}));
    let object = json!({"type": "json_object"});
    let format = ChatRequestResponseFormat::json_object();
    assert_eq!(member("response_format", |chat| chat.response_format(format)), object);
    assert_eq!(member("response_format", |chat| chat.response_format("json_object")), object);
    let schema = ChatRequestResponseFormat::json_schema("plan", json!({"type": "object"}));
    assert_eq!(
        member("response_format", |chat| chat.response_format(schema)),
        json!({"type": "json_schema", "json_schema": {"name": "plan", "schema": {"type": "object"}}})
    );
    let text = ResponsesRequest::new().text(ResponsesTextFormat::json_object());
    assert_eq!(sent(text)["text"], json!({"format": object}));
}

#[test]
#[expect(clippy::needless_borrows_for_generic_args, reason = "references are what is tried")]
fn texts_are_taken_from_arrays_slices_vectors_and_iterators() {
    let texts = json!(["a", "b"]);
    let owned = vec![String::from("a"), String::from("b")];
    let borrowed = vec!["a", "b"];
    for request in [
        ChatRequest::new("Hi").stop(["a", "b"]),
        ChatRequest::new("Hi").stop(&["a", "b"]),
        ChatRequest::new("Hi").stop(&["a", "b"][..]),
        ChatRequest::new("Hi").stop(borrowed.clone()),
        ChatRequest::new("Hi").stop(&borrowed),
        ChatRequest::new("Hi").stop(owned.clone()),
        ChatRequest::new("Hi").stop(&owned),
        ChatRequest::new("Hi").stop(owned.as_slice()),
        ChatRequest::new("Hi").stop([Cow::Borrowed("a"), Cow::Borrowed("b")]),
    ] {
        assert_eq!(sent(request)["stop"], texts);
    }
    assert_eq!(member("stop", |chat| chat.stop("a")), "a");
    for request in [
        ChatRequest::new("Hi").models(["a", "b"]),
        ChatRequest::new("Hi").models(&["a", "b"]),
        ChatRequest::new("Hi").models(&owned),
        ChatRequest::new("Hi").models(owned.iter().map(String::as_str)),
        ChatRequest::new("Hi").models(borrowed.iter()),
    ] {
        assert_eq!(sent(request)["models"], texts);
    }
    assert_eq!(member("models", |chat| chat.models("a")), json!(["a"]));
    for request in [
        CreateEmbeddingsRequest::new(["a", "b"], "m"),
        CreateEmbeddingsRequest::new(&owned, "m"),
        CreateEmbeddingsRequest::new(owned.clone(), "m"),
        CreateEmbeddingsRequest::new(borrowed, "m"),
    ] {
        assert_eq!(sent(request), json!({"input": texts, "model": "m"}));
    }
    assert_eq!(sent(CreateEmbeddingsRequest::new("a", "m"))["input"], "a");
}

#[test]
fn maps_are_taken_as_pairs_or_as_any_map() {
    let map = json!({"a": "b"});
    assert_eq!(member("metadata", |chat| chat.metadata([("a", "b")])), map);
    assert_eq!(member("metadata", |chat| chat.metadata(vec![(String::from("a"), "b")])), map);
    assert_eq!(member("metadata", |chat| chat.metadata(HashMap::from([("a", "b")]))), map);
    assert_eq!(member("metadata", |chat| chat.metadata(BTreeMap::from([("a", "b")]))), map);
    assert_eq!(member("logit_bias", |chat| chat.logit_bias([("50256", -100)])), json!({"50256": -100}));
    let options = ProviderPreferences::new().options([("openai", json!({"store": true}))]);
    assert_eq!(sent(options), json!({"options": {"openai": {"store": true}}}));
    assert_eq!(sent(ChatRequest::new("Hi").extra("new", [("a", 1)]))["new"], json!({"a": 1}));
}

#[test]
fn numbers_are_taken_wherever_nothing_of_them_is_lost() {
    let request = ChatRequest::new("Hi").max_tokens(500_u32).temperature(0.7_f32).top_p(1).seed(7_i64);
    let sent = sent(request);
    assert_eq!(sent["max_tokens"], 500);
    assert_eq!(sent["temperature"].to_string(), "0.7");
    assert_eq!(sent["top_p"].as_f64(), Some(1.0));
    assert_eq!(sent["seed"], 7);
    for float in [0.1_f32, 1.0 / 3.0, f32::MAX, f32::MIN_POSITIVE, 16_777_216.0] {
        let written = member("temperature", |chat| chat.temperature(float)).as_f64().unwrap();
        assert_eq!(written as f32, float, "nothing is lost");
        assert_eq!(written, float.to_string().parse::<f64>().unwrap(), "no digits are added");
    }
    let preferences = ProviderPreferences::new().preferred_max_latency(2).preferred_min_throughput(50.5_f32);
    assert_eq!(self::sent(preferences), json!({"preferred_max_latency": 2, "preferred_min_throughput": 50.5}));
    let update = UpdateWorkspaceRequest::new().name("a name");
    assert_eq!(self::sent(update), json!({"name": "a name"}));
}

#[test]
fn settings_are_taken_as_json_and_members_that_do_not_fit_are_sent_too() {
    let json = json!({"prompt": 1, "completion": "2", "new": [1]});
    assert_eq!(sent(ProviderPreferences::new().max_price(json.clone())), json!({"max_price": json}));
    let settings = json!({"sort": "price", "max_price": {"prompt": 0.5}});
    assert_eq!(member("provider", |chat| chat.provider(settings.clone())), settings);
    for value in [json!([]), json!("text"), json!(null)] {
        let request = ChatRequest::new("Hi").provider(value);
        let error = wire::encode(&request).unwrap_err();
        assert!(error.to_string().contains("expected a JSON object"), "{error}");
    }
}

#[test]
fn plugins_and_server_tools_are_named_by_what_is_sent() {
    let web = json!([{"id": "web"}]);
    assert_eq!(member("plugins", |chat| chat.plugins([Plugin::web()])), web);
    assert_eq!(member("plugins", |chat| chat.plugins(Plugin::web())), web);
    assert_eq!(member("plugins", |chat| chat.plugins(["web"])), web);
    assert_eq!(member("plugins", |chat| chat.plugins([WebSearchPlugin::new()])), web);
    let request = ResponsesRequest::new()
        .tools([ResponsesTool::web_search(), ResponsesTool::openrouter_web_search()])
        .plugins([Plugin::file_parser()]);
    assert_eq!(
        sent(request),
        json!({"tools": [{"type": "web_search"}, {"type": "openrouter:web_search"}], "plugins": [{"id": "file-parser"}]})
    );
    let tool = ChatFunctionTool::openrouter_web_search();
    assert_eq!(member("tools", |chat| chat.tools(tool)), json!([{"type": "openrouter:web_search"}]));
}

#[test]
fn every_part_that_can_carry_a_cache_mark_takes_it() {
    let mark = json!({"type": "ephemeral"});
    let part = ChatContentPart::text("long").cache_control(CacheControl::ephemeral());
    assert_eq!(sent(part), json!({"type": "text", "text": "long", "cache_control": mark}));
    let hour = CacheControl::ephemeral().ttl("1h");
    let picture = ChatContentPart::image_url("https://e.test/a.png").cache_control(hour);
    assert_eq!(sent(picture)["cache_control"], json!({"type": "ephemeral", "ttl": "1h"}));
    let block = MessagesContentBlockParam::text("long").cache_control(CacheControl::ephemeral());
    assert_eq!(sent(block)["cache_control"], mark);
    let system = AnthropicTextBlockParam::new("long").cache_control(CacheControl::ephemeral());
    assert_eq!(sent(MessagesRequest::new("m").system([system]))["system"][0]["cache_control"], mark);
    let result = MessagesContentBlockParam::tool_result("id", "text").cache_control(json!({"type": "ephemeral"}));
    assert_eq!(sent(result)["cache_control"], mark);
    let chat = ChatRequest::new("Hi").cache_control(CacheControl::ephemeral());
    assert_eq!(sent(chat)["cache_control"], mark);
}

#[test]
fn parts_are_made_from_files_whose_format_is_recognized() {
    let scratch = Scratch::new("parts");
    let png = scratch.file("cat.jpg", PNG);
    let url = "data:image/png;base64,iVBORw0KGgouLi4u";
    let image = json!({"type": "image_url", "image_url": {"url": url}});
    assert_eq!(sent(ChatContentPart::image_path(&png).unwrap()), image, "the bytes tell, not the extension");
    assert_eq!(sent(ChatContentPart::image_bytes(PNG).unwrap()), image);
    assert_eq!(sent(ChatContentPart::image_data("image/png", PNG)), image);
    assert_eq!(sent(InputContentPart::image_path(&png).unwrap())["image_url"], url);
    assert_eq!(
        sent(MessagesContentBlockParam::image_path(&png).unwrap())["source"],
        json!({"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgouLi4u"})
    );
    let pdf = scratch.file("paper.pdf", PDF);
    let data = "data:application/pdf;base64,JVBERi0xLjcgLi4u";
    assert_eq!(
        sent(ChatContentPart::file_path(&pdf).unwrap()),
        json!({"type": "file", "file": {"filename": "paper.pdf", "file_data": data}})
    );
    assert_eq!(sent(ChatContentPart::file_bytes("a.pdf", PDF).unwrap())["file"]["file_data"], data);
    assert_eq!(sent(InputContentPart::file_path(&pdf).unwrap())["file_data"], data);
    assert_eq!(sent(MessagesContentBlockParam::pdf_path(&pdf).unwrap())["source"]["data"], "JVBERi0xLjcgLi4u");
    let wav = scratch.file("a.wav", WAV);
    let audio = sent(ChatContentPart::audio_path(&wav).unwrap());
    assert_eq!(audio["input_audio"]["format"], "wav");
    assert_eq!(
        sent(ChatContentPart::input_audio("AAAA", "mp3"))["input_audio"],
        json!({"data": "AAAA", "format": "mp3"})
    );
    assert_eq!(sent(InputContentPart::audio_bytes(WAV).unwrap())["input_audio"]["format"], "wav");
    let video = sent(ChatContentPart::video_bytes(MP4).unwrap());
    assert!(video["video_url"]["url"].as_str().unwrap().starts_with("data:video/mp4;base64,"), "{video}");
    let notes = scratch.file("notes.TXT", b"plain");
    let text = sent(ChatContentPart::file_path(&notes).unwrap());
    assert_eq!(text["file"]["file_data"], "data:text/plain;base64,cGxhaW4=");
}

#[test]
fn a_file_that_cannot_be_a_part_is_an_error_before_anything_is_sent() {
    let scratch = Scratch::new("errors");
    let pdf = scratch.file("cat.png", PDF);
    let unknown = scratch.file("cat", b"?");
    for (error, text) in [
        (ChatContentPart::image_path(scratch.0.join("none.png")).unwrap_err(), "cannot be read"),
        (ChatContentPart::image_path(&scratch.0).unwrap_err(), "cannot be read"),
        (ChatContentPart::image_path(&pdf).unwrap_err(), "application/pdf, not an image"),
        (InputContentPart::audio_path(&pdf).unwrap_err(), "not audio"),
        (MessagesContentBlockParam::image_path(&unknown).unwrap_err(), "not in a known format of an image"),
        (MessagesContentBlockParam::pdf_path(&unknown).unwrap_err(), "not in a known format of a PDF"),
        (ChatContentPart::file_bytes("data.xyz", b"?").unwrap_err(), "not in a known format of a document"),
        (ChatContentPart::image_bytes([]).unwrap_err(), "not in a known format of an image"),
    ] {
        assert!(matches!(error, Error::InvalidRequest(_)), "{error:?}");
        assert!(error.to_string().contains(text), "{error}");
    }
    let missing = ChatContentPart::image_path(scratch.0.join("none.png")).unwrap_err();
    assert!(missing.source().unwrap().is::<std::io::Error>(), "{missing:?}");
}

#[tokio::test]
async fn generated_images_are_bytes_and_files() {
    let scratch = Scratch::new("images");
    let server = MockServer::start().await;
    let image = json!({"created": 1, "data": [{"b64_json": "iVBORw0KGgouLi4u"}, {"b64_json": "?"}]});
    server.answer(Answer::json(200, image));
    let client = server.client_builder().build().unwrap();
    let result = client.images().generate(ImageGenerationRequest::new("m", "A cat")).await.unwrap();
    let path = scratch.0.join("cat.png");
    assert_eq!(result.save_to(&path).await.unwrap(), PNG.len() as u64);
    assert_eq!(std::fs::read(&path).unwrap(), PNG);
    assert_eq!(result.data[0].bytes().unwrap(), PNG);
    let error = result.data[1].save_to(&path).await.unwrap_err();
    assert!(error.to_string().contains("not valid base64"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), PNG, "the file stays as it was");
    let error = result.data[0].save_to(scratch.0.join("none/cat.png")).await.unwrap_err();
    assert!(error.to_string().contains("cannot write"), "{error}");

    let message = json!({"role": "assistant", "images": [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgouLi4u"}},
        {"type": "image_url", "image_url": {"url": "https://e.test/a.png"}},
    ]});
    let chat: ChatResult = parsed(json!({"id": "a", "choices": [{"index": 0, "message": message}]}));
    assert_eq!(chat.images()[0].bytes().unwrap(), PNG);
    chat.images()[0].save_to(&path).await.unwrap();
    let error = chat.images()[1].bytes().unwrap_err();
    assert!(error.to_string().contains("has the URL of the image"), "{error}");
    let call = json!({"type": "image_generation_call", "id": "i", "status": "completed", "result": "iVBORw0KGgouLi4u"});
    let response: ResponsesResult = parsed(json!({"id": "r", "output": [call]}));
    assert_eq!(response.images().next().unwrap().bytes().unwrap(), PNG);
}

#[test]
fn chunks_and_events_give_their_text() {
    let chunk =
        |delta: Value| -> ChatStreamChunk { parsed(json!({"id": "a", "choices": [{"index": 0, "delta": delta}]})) };
    assert_eq!(chunk(json!({"content": "Hi"})).text().as_deref(), Some("Hi"));
    assert_eq!(chunk(json!({"content": ""})).text(), None);
    assert_eq!(chunk(json!({"content": [{"type": "text", "text": "Hi"}]})).text().as_deref(), Some("Hi"));
    let delta = json!({"type": "response.output_text.delta", "item_id": "i", "output_index": 0, "content_index": 0,
        "delta": "Hi", "sequence_number": 1, "logprobs": []});
    assert_eq!(parsed::<ResponsesStreamEvent>(delta).text(), Some("Hi"));
    let delta = json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}});
    assert_eq!(parsed::<MessagesStreamEvent>(delta).text(), Some("Hi"));
    assert_eq!(parsed::<MessagesStreamEvent>(json!({"type": "ping"})).text(), None);
}

#[test]
fn calls_of_functions_are_read_alike_in_every_protocol() {
    let chat: ChatToolCall =
        parsed(json!({"id": "c", "type": "function", "function": {"name": "weather", "arguments": "{\"a\":1}"}}));
    let responses: OutputFunctionCallItem = parsed(
        json!({"type": "function_call", "id": "f", "call_id": "c", "name": "weather", "arguments": "{\"a\":1}"}),
    );
    let messages: AnthropicToolUseBlock =
        parsed(json!({"type": "tool_use", "id": "c", "name": "weather", "input": {"a": 1}}));
    assert_eq!((chat.name(), chat.arguments(), chat.call_id()), ("weather", "{\"a\":1}", "c"));
    assert_eq!((responses.name(), responses.arguments(), responses.call_id()), ("weather", "{\"a\":1}", "c"));
    assert_eq!((messages.name(), messages.arguments(), messages.call_id()), ("weather", "{\"a\":1}", "c"));
}

#[test]
fn what_all_variants_of_a_union_have_is_read_without_a_match() {
    let openai: FileResponse = parsed(json!({"id": "file-1", "object": "file", "bytes": 3, "created_at": 1,
        "filename": "a.txt", "purpose": "user_data"}));
    assert_eq!(openai.id(), Some("file-1"));
    let unknown: FileResponse = parsed(json!(["new"]));
    assert_eq!(unknown.id(), None);
}

#[tokio::test]
async fn requests_are_sent_by_value_or_by_reference() {
    let server = MockServer::start().await;
    let client = server.client();
    let request = ChatRequest::new("Hello").model("m");
    client.chat().send(&request).await.unwrap();
    let _ = client.chat().stream(&request).await.unwrap();
    funcs::chat_send(client.core(), request).await.unwrap();
    for sent in server.requests() {
        assert_eq!(sent.json()["messages"], json!([{"role": "user", "content": "Hello"}]));
    }
    let server = MockServer::start().await;
    let client = server.client();
    let params = ModelsListParams::new().category("programming").limit(5_u8);
    for _ in 0..4 {
        server.answer(Answer::json(200, json!({"data": []})));
    }
    client.models().list().await.unwrap();
    client.models().list().params(&params).await.unwrap();
    client.models().list().params(params).timeout(std::time::Duration::from_secs(60)).with_response().await.unwrap();
    client.models().list().query("limit", 5).items().collect().await.unwrap();
    let queries: Vec<_> = server.requests().into_iter().map(|request| request.query).collect();
    assert_eq!(queries, ["", "limit=5&category=programming", "limit=5&category=programming", "limit=5"]);
}

#[tokio::test]
async fn a_file_is_uploaded_by_its_path_or_its_bytes() {
    let scratch = Scratch::new("upload");
    let path = scratch.file("paper.pdf", PDF);
    let server = MockServer::start().await;
    let client = server.client();
    let file = json!({"id": "file-1", "object": "file", "bytes": 3, "created_at": 1, "filename": "paper.pdf"});
    for _ in 0..2 {
        server.answer(Answer::json(200, file.clone()));
    }
    let uploaded = client.files().upload(path).await.unwrap();
    assert_eq!(uploaded.id(), Some("file-1"));
    client.files().upload(FilePart::from_bytes("paper.pdf", PDF)).await.unwrap();
    for request in server.requests() {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        assert!(body.contains("filename=\"paper.pdf\"") && body.contains("%PDF-1.7"), "{body}");
    }
}
