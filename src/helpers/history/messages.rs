//! Messages and the system prompt of the Messages API.

use super::MessagesHistory;
use super::parts::{
    History, Kind, NO_PLACE, Object, Part, Role, Source, Turn, UNKNOWN, Written, arguments_text, list, text_of,
};
use crate::core::base64;
use crate::core::wire::{self, Json};

/// The format of signed and encrypted reasoning that this API takes.
const REASONING: &str = "anthropic-claude-v1";

pub(super) fn read(source: &MessagesHistory) -> History {
    let mut history = History::new(Source::Messages);
    if let Some(system) = &source.system {
        let system = Json::from([("content", wire::json(system))]);
        if let Some(object) = Object::new("", &system) {
            read_message(Role::System, "system", "system", object, &mut history);
        }
    }
    for (at, message) in source.messages.iter().enumerate() {
        let (at, json) = (format!("messages[{at}]"), wire::json(message));
        let role = |object: &Object| match object.text("role")? {
            "system" => Some(Role::System),
            "user" => Some(Role::User),
            "assistant" => Some(Role::Assistant),
            _ => None,
        };
        match Object::new(&at, &json).and_then(|object| Some((role(&object)?, object))) {
            Some((role, object)) => read_message(role, &at, &format!("{at}.content"), object, &mut history),
            None => history.lose(at, json, UNKNOWN),
        }
    }
    history
}

/// Reads a message. A user message with tool results becomes several turns.
fn read_message(role: Role, at: &str, content_at: &str, mut message: Object, history: &mut History) {
    message.take("role");
    let mut turn = Turn::new(role, at);
    message.move_to(&mut turn.attributes, &[("clear_at", "clear_at"), ("output_config", "output_config")]);
    let mut has_results = false;
    if let Some(text) = message.take_text("content") {
        turn.is_text = true;
        turn.parts.push(Part::text(content_at, &text));
    }
    for (position, (_, json)) in message.take_list("content").into_iter().enumerate() {
        let at = format!("{content_at}[{position}]");
        match Object::new(&at, &json) {
            Some(block) if block.text("type") == Some("tool_result") => {
                let (before, after) = (!turn.parts.is_empty(), Turn::new(role, &at));
                if before {
                    history.turns.push(std::mem::replace(&mut turn, after));
                }
                has_results = true;
                read_result(block, history);
            }
            Some(block) => turn.parts.extend(read_block(block, history)),
            None => history.lose(at, json, UNKNOWN),
        }
    }
    history.lose_unknown(message);
    if has_results && turn.parts.is_empty() {
        history.lose_rest(turn.attributes);
    } else {
        history.turns.push(turn);
    }
}

fn read_result(mut block: Object, history: &mut History) {
    let mut turn = Turn::new(Role::Tool, &block.at);
    block.take("type");
    block.take_if("is_error", false);
    let names = [("tool_use_id", "call_id"), ("is_error", "is_error"), ("cache_control", "cache_control")];
    block.move_to(&mut turn.attributes, &names);
    if let Some(text) = block.take_text("content") {
        turn.is_text = true;
        turn.parts.push(Part::text(&format!("{}.content", block.at), &text));
    }
    for (at, json) in block.take_list("content") {
        match Object::new(&at, &json) {
            Some(inner) => turn.parts.extend(read_block(inner, history)),
            None => history.lose(at, json, UNKNOWN),
        }
    }
    history.lose_unknown(block);
    history.turns.push(turn);
}

fn read_block(mut block: Object, history: &mut History) -> Option<Part> {
    let (kind, names): (_, &[_]) = match block.text("type") {
        Some("text") => (Kind::Text, &[("text", "text"), ("citations", "citations")]),
        Some("image") => (Kind::Image, &[]),
        Some("document") => (Kind::File, &[("title", "filename"), ("context", "context"), ("citations", "citations")]),
        Some("tool_use") => (Kind::Call, &[("id", "call_id"), ("name", "name"), ("caller", "caller")]),
        Some("thinking") => (Kind::Thinking, &[("thinking", "text"), ("signature", "signature")]),
        Some("redacted_thinking") => (Kind::Encrypted, &[("data", "data")]),
        _ => {
            history.lose(block.at, block.source, NO_PLACE);
            return None;
        }
    };
    block.take("type");
    block.take_if("citations", list(Vec::new()));
    block.take_if("signature", "");
    let mut part = Part::of(kind, &mut block, &[("cache_control", "cache_control")]);
    block.move_to(&mut part.attributes, names);
    match kind {
        Kind::Call => {
            let at = format!("{}.input", block.at);
            let input = block.take("input").map_or_else(|| "{}".into(), |input| Json::from(input.as_text()));
            part.attributes.insert("arguments", at, input);
        }
        Kind::Thinking | Kind::Encrypted => {
            let at = block.at.clone();
            if kind == Kind::Encrypted || part.attributes.get("signature").is_some() {
                part.attributes.insert("format", at, REASONING);
            }
        }
        Kind::Image | Kind::File => {
            let is_read = block.take_object("source").is_some_and(|source| read_source(source, &mut part, history));
            if !is_read {
                history.lose(block.at, block.source, NO_PLACE);
                return None;
            }
        }
        _ => {}
    }
    history.lose_unknown(block);
    Some(part)
}

/// Reads the source of the data of an image or a document; `false` if it has no other form.
fn read_source(mut source: Object, part: &mut Part, history: &mut History) -> bool {
    let kind = source.text("type").unwrap_or_default().to_owned();
    let at = format!("{}.data", source.at);
    let data = source.text("data").unwrap_or_default().to_owned();
    // An image is given by a URL, which may contain it; a file has its data next to its URL.
    let name = if part.kind == Kind::Image { "url" } else { "data" };
    match kind.as_str() {
        "base64" => {
            let media_type = source.text("media_type").unwrap_or("application/pdf");
            part.attributes.insert(name, at, format!("data:{media_type};base64,{data}"));
        }
        "text" => {
            let encoded = base64::encode(data.as_bytes());
            part.attributes.insert(name, at, format!("data:text/plain;base64,{encoded}"));
        }
        "url" => source.move_to(&mut part.attributes, &[("url", "url")]),
        "file" => source.move_to(&mut part.attributes, &[("file_id", "file_id")]),
        _ => return false,
    }
    for name in ["type", "data", "media_type"] {
        source.take(name);
    }
    history.lose_unknown(source);
    true
}

/// A message that is being written.
struct Message {
    role: &'static str,
    text: Option<Json>,
    blocks: Vec<Json>,
    /// Whether it has only tool results, so that those of the next call are added to it.
    has_results: bool,
}

pub(super) fn write(history: &mut History) -> MessagesHistory {
    let mut written = MessagesHistory::default();
    let mut messages: Vec<Message> = Vec::new();
    for (number, mut turn) in std::mem::take(&mut history.turns).into_iter().enumerate() {
        let role = match turn.role {
            Role::System | Role::Developer => "system",
            Role::Assistant => "assistant",
            Role::User | Role::Tool => "user",
        };
        if turn.role == Role::Developer {
            history.lose(
                format!("{}.role", turn.at),
                "developer".into(),
                "the other protocol has only system messages",
            );
        }
        let parts = std::mem::take(&mut turn.parts);
        if turn.role == Role::Tool {
            let block = write_result(&mut turn, parts, history);
            match messages.last_mut().filter(|last| last.has_results) {
                Some(last) => last.blocks.push(block),
                None => messages.push(Message { role, text: None, blocks: vec![block], has_results: true }),
            }
        } else if let Some((text, blocks)) = write_content(&mut turn, parts, history) {
            if turn.role == Role::System && number == 0 {
                let content = text.unwrap_or_else(|| list(blocks));
                written.system = wire::decode(content.as_text()).ok();
            } else {
                messages.push(Message { role, text, blocks, has_results: false });
            }
        }
        history.lose_rest(turn.attributes);
    }
    let json = |message: Message| {
        let content = message.text.unwrap_or_else(|| list(message.blocks));
        Json::from([("role", message.role.into()), ("content", content)])
    };
    written.messages = messages.into_iter().filter_map(|message| wire::decode(json(message).as_text()).ok()).collect();
    written
}

/// Writes the content as one string or as blocks; `None` if nothing of it can be represented.
fn write_content(turn: &mut Turn, mut parts: Vec<Part>, history: &mut History) -> Option<(Option<Json>, Vec<Json>)> {
    // Only blocks can be marked: the last one is marked for the message.
    if let Some(last) = parts.last_mut().filter(|last| !last.kind.is_reasoning() && turn.role != Role::Tool) {
        turn.attributes.move_to("cache_control", &mut last.attributes);
    }
    if let Some(text) = text_of(turn.is_text, &parts) {
        return Some((Some(text), Vec::new()));
    }
    if parts.is_empty() {
        return Some((Some("".into()), Vec::new()));
    }
    let mut blocks = Vec::new();
    for mut part in parts {
        match write_block(&mut part) {
            Some(block) => {
                blocks.push(block);
                history.lose_rest(part.attributes);
            }
            None => history.lose_part(part),
        }
    }
    (!blocks.is_empty()).then_some((None, blocks))
}

fn write_result(turn: &mut Turn, parts: Vec<Part>, history: &mut History) -> Json {
    let content = write_content(turn, parts, history).map(|(text, blocks)| text.unwrap_or_else(|| list(blocks)));
    let names = [("call_id", "tool_use_id"), ("is_error", "is_error"), ("cache_control", "cache_control")];
    Written::of_type("tool_result").taking(&mut turn.attributes, &names).with("content", content).json()
}

/// Writes a block; `None` if there is none for this part.
fn write_block(part: &mut Part) -> Option<Json> {
    let block = match part.kind {
        Kind::Text => Written::of_type("text").taking(&mut part.attributes, &[("text", "text")]),
        Kind::Image => {
            let source = image_source(part)?;
            Written::of_type("image").with("source", Some(source))
        }
        Kind::File => {
            let source = document_source(part)?;
            let title = [("filename", "title")];
            Written::of_type("document").with("source", Some(source)).taking(&mut part.attributes, &title)
        }
        Kind::Thinking => {
            take_format(part);
            let text = part.attributes.take("text").unwrap_or_else(|| "".into());
            let signature = [("signature", "signature")];
            Written::of_type("thinking").with("thinking", Some(text)).taking(&mut part.attributes, &signature)
        }
        Kind::Encrypted => {
            take_format(part);
            Written::of_type("redacted_thinking").taking(&mut part.attributes, &[("data", "data")])
        }
        Kind::Call => {
            let arguments = part.attributes.get("arguments").map_or_else(|| "{}".into(), arguments_text);
            let input = arguments.as_str().and_then(|text| Json::parse(text).ok()).filter(Json::is_object);
            // Arguments that are not an object stay among the attributes, and are reported.
            if input.is_some() {
                part.attributes.take("arguments");
            }
            Written::of_type("tool_use")
                .taking(&mut part.attributes, &[("call_id", "id"), ("name", "name")])
                .with("input", Some(input.unwrap_or_else(|| Json::from([("", ""); 0]))))
        }
        Kind::Summary | Kind::Audio | Kind::Video | Kind::Refusal => return None,
    };
    // A mark on a thinking block is rejected.
    let mark: &[_] = if part.kind.is_reasoning() { &[] } else { &[("cache_control", "cache_control")] };
    Some(block.taking(&mut part.attributes, mark).json())
}

fn take_format(part: &mut Part) {
    if part.attributes.get("format") == Some(&REASONING.into()) {
        part.attributes.take("format");
    }
}

/// Returns the media type and the data of a `data:` URL in base64.
fn data_of(url: &str) -> Option<(&str, &str)> {
    let (media_type, data) = url.strip_prefix("data:")?.split_once(";base64,")?;
    (!media_type.is_empty() && !media_type.contains([';', ','])).then_some((media_type, data))
}

fn image_source(part: &mut Part) -> Option<Json> {
    let url = part.attributes.get("url").and_then(Json::as_str).unwrap_or_default();
    if let Some((media_type, data)) = data_of(url) {
        let source = Json::from([("type", "base64"), ("media_type", media_type), ("data", data)]);
        part.attributes.take("url");
        return Some(source);
    }
    address(part)
}

/// Returns the URL or the id of a file, if it is given by one.
fn address(part: &mut Part) -> Option<Json> {
    let is_address =
        |url: &Json| url.as_str().is_some_and(|url| url.starts_with("https://") || url.starts_with("http://"));
    if part.attributes.get("url").is_some_and(is_address) {
        return Some(Written::of_type("url").taking(&mut part.attributes, &[("url", "url")]).json());
    }
    part.attributes.get("file_id")?;
    Some(Written::of_type("file").taking(&mut part.attributes, &[("file_id", "file_id")]).json())
}

fn document_source(part: &mut Part) -> Option<Json> {
    let data = part.attributes.get("data").and_then(Json::as_str).unwrap_or_default();
    let source = match data_of(data) {
        Some((media_type @ "application/pdf", data)) => {
            Json::from([("type", "base64"), ("media_type", media_type), ("data", data)])
        }
        Some((media_type @ "text/plain", data)) => {
            let text = String::from_utf8(base64::decode(data).ok()?).ok()?;
            Json::from([("type", "text"), ("media_type", media_type), ("data", &text)])
        }
        _ => return address(part),
    };
    part.attributes.take("data");
    Some(source)
}
