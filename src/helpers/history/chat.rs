//! Chat messages.

use super::parts::{
    BOUNDARY, History, Kind, NO_PLACE, ORDER, Object, Part, Piece, Role, Source, Turn, UNKNOWN, Written,
    arguments_text, list,
};
use crate::core::wire::{self, Json};
use crate::models::ChatMessage;

pub(super) fn read(messages: &[ChatMessage]) -> History {
    let mut history = History::new(Source::Chat);
    for (at, message) in messages.iter().enumerate() {
        let (at, json) = (format!("messages[{at}]"), wire::json(message));
        match Object::new(&at, &json).and_then(|object| Some((role_of(object.text("role")?)?, object))) {
            Some((role, object)) => read_message(role, object, &mut history),
            None => history.lose(at, json, UNKNOWN),
        }
    }
    history
}

fn role_of(role: &str) -> Option<Role> {
    Some(match role {
        "system" => Role::System,
        "developer" => Role::Developer,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        _ => return None,
    })
}

fn read_message(role: Role, mut message: Object, history: &mut History) {
    let mut turn = Turn::new(role, &message.at);
    message.take("role");
    let names = [
        ("name", "name"),
        ("cache_control", "cache_control"),
        ("tool_call_id", "call_id"),
        ("model", "model"),
        ("audio", "audio"),
        ("configuration_update", "configuration_update"),
    ];
    message.move_to(&mut turn.attributes, &names);
    read_reasoning(&mut message, &mut turn, history);
    read_content(&mut message, &mut turn, history);
    if role == Role::Assistant {
        read_annotations(&mut message, &mut turn, history);
        if let Some(refusal) = message.take_text("refusal") {
            let at = format!("{}.refusal", message.at);
            let mut part = Part::new(Kind::Refusal, &at, refusal.clone());
            part.attributes.insert("refusal", at, refusal);
            turn.parts.push(part);
        }
        for (position, (at, json)) in message.take_list("tool_calls").into_iter().enumerate() {
            read_call(position, &at, json, &mut turn, history);
        }
        // Some servers write an empty text next to other parts instead of omitting it.
        let is_empty = |part: &Part| part.kind == Kind::Text && part.attributes.get("text") == Some(&"".into());
        if turn.is_text && turn.parts.len() > 1 {
            turn.parts.retain(|part| !is_empty(part));
        }
    }
    history.lose_unknown(message);
    history.turns.push(turn);
}

fn read_content(message: &mut Object, turn: &mut Turn, history: &mut History) {
    if let Some(text) = message.take_text("content") {
        turn.is_text = true;
        turn.parts.push(Part::text(&format!("{}.content", message.at), &text));
    }
    for (at, json) in message.take_list("content") {
        match Object::new(&at, &json) {
            Some(part) => read_part(part, turn, history),
            None => history.lose(at, json, UNKNOWN),
        }
    }
}

fn read_part(mut object: Object, turn: &mut Turn, history: &mut History) {
    let (kind, member, names): (_, _, &[_]) = match object.text("type") {
        Some("text") => (Kind::Text, "", &[("text", "text"), ("prompt_cache_breakpoint", "prompt_cache_breakpoint")]),
        Some("image_url") => (Kind::Image, "image_url", &[("url", "url"), ("detail", "detail")]),
        Some("input_audio") => (Kind::Audio, "input_audio", &[("data", "data"), ("format", "format")]),
        Some("video_url" | "input_video") => {
            (Kind::Video, "video_url", &[("url", "url"), ("processing", "processing")])
        }
        Some("file") => {
            (Kind::File, "file", &[("file_data", "data"), ("file_id", "file_id"), ("filename", "filename")])
        }
        _ => return history.lose(object.at, object.source, UNKNOWN),
    };
    object.take("type");
    let mut part = Part::of(kind, &mut object, &[("cache_control", "cache_control")]);
    if member.is_empty() {
        object.move_to(&mut part.attributes, names);
    } else if let Some(mut inner) = object.take_object(member) {
        inner.take_if("detail", "auto");
        inner.move_to(&mut part.attributes, names);
        history.lose_unknown(inner);
    }
    if kind == Kind::File {
        split_file(&mut part);
    }
    history.lose_unknown(object);
    turn.parts.push(part);
}

/// The data of a file may be its URL.
fn split_file(part: &mut Part) {
    let is_address =
        |data: &Json| data.as_str().is_some_and(|data| data.starts_with("https://") || data.starts_with("http://"));
    if part.attributes.get("data").is_some_and(is_address) {
        let at = format!("{}.file.file_data", part.at);
        part.attributes.take("data").into_iter().for_each(|data| part.attributes.insert("url", &at, data));
    }
}

fn read_reasoning(message: &mut Object, turn: &mut Turn, history: &mut History) {
    let mut readable = String::new();
    for (position, (at, json)) in message.take_list("reasoning_details").into_iter().enumerate() {
        let Some(mut detail) = Object::new(&at, &json) else {
            history.lose(at, json, UNKNOWN);
            continue;
        };
        let (kind, name): (_, &[_]) = match detail.text("type") {
            Some("reasoning.summary") => (Kind::Summary, &[("summary", "text")]),
            Some("reasoning.text") => (Kind::Thinking, &[("text", "text"), ("signature", "signature")]),
            Some("reasoning.encrypted") => (Kind::Encrypted, &[("data", "data")]),
            _ => {
                history.lose(at, json, NO_PLACE);
                continue;
            }
        };
        detail.take("type");
        detail.take_if("index", position_of(position));
        let mut part = Part::of(kind, &mut detail, &[("id", "id"), ("format", "format"), ("index", "index")]);
        detail.move_to(&mut part.attributes, name);
        readable.push_str(part.attributes.get("text").and_then(Json::as_str).unwrap_or_default());
        part.item = turn.parts.len();
        history.lose_unknown(detail);
        turn.parts.push(part);
    }
    // Providers send the same text under one or both of these names, usually next to the details.
    for name in ["reasoning", "reasoning_content"] {
        let Some(text) = message.text(name) else { continue };
        let at = format!("{}.{name}", message.at);
        if text.is_empty() || text == readable {
            message.take(name);
        } else if turn.parts.is_empty() {
            text.clone_into(&mut readable);
            turn.parts.push(Part::of(Kind::Thinking, message, &[(name, "text")]));
        } else if let Some(text) = message.take(name) {
            history.lose(at, text, "it differs from the reasoning details, which are converted");
        }
    }
}

fn position_of(position: usize) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}

fn read_call(position: usize, at: &str, json: Json, turn: &mut Turn, history: &mut History) {
    let is_function = |call: &Object| call.get("function").is_some_and(Json::is_object);
    let Some(mut call) = Object::new(at, &json).filter(is_function) else { return history.lose(at, json, UNKNOWN) };
    call.take_if("type", "function");
    call.take_if("index", position_of(position));
    let names = [("id", "call_id"), ("index", "index"), ("cache_control", "cache_control")];
    let mut part = Part::of(Kind::Call, &mut call, &names);
    if let Some(mut function) = call.take_object("function") {
        function.move_to(&mut part.attributes, &[("name", "name"), ("arguments", "arguments")]);
        history.lose_unknown(function);
    }
    history.lose_unknown(call);
    turn.parts.push(part);
}

/// Moves the citations to the text that they refer to, if there is only one.
fn read_annotations(message: &mut Object, turn: &mut Turn, history: &mut History) {
    let mut texts = turn.parts.iter_mut().filter(|part| part.kind == Kind::Text);
    let (first, second) = (texts.next(), texts.next());
    let mut citations = Vec::new();
    let at = format!("{}.annotations", message.at);
    for (at, json) in message.take_list("annotations") {
        let citation = Object::new(&at, &json).filter(|citation| citation.text("type") == Some("url_citation"));
        match citation.and_then(|mut citation| Some((citation.take_object("url_citation")?, citation))) {
            Some((inner, mut citation)) if first.is_some() && second.is_none() => {
                let members = inner.source.as_object().into_iter().flatten();
                let flat = members
                    .fold(Written::of_type("url_citation"), |flat, (name, value)| flat.with(name, Some(value.clone())));
                citations.push(flat.json());
                citation.take("type");
                history.lose_unknown(citation);
            }
            _ => history.lose(at, json, NO_PLACE),
        }
    }
    if let (Some(text), false) = (first, citations.is_empty()) {
        text.attributes.insert("annotations", at, list(citations));
    }
}

/// A message that is being written.
#[derive(Default)]
struct Message {
    written: Written,
    reasoning: Vec<Json>,
    content: Vec<Json>,
    annotations: Vec<Json>,
    calls: Vec<Json>,
    stage: u8,
}

pub(super) fn write(history: &mut History) -> Vec<ChatMessage> {
    let mut messages = Vec::new();
    for mut turn in std::mem::take(&mut history.turns) {
        let role = match turn.role {
            Role::System => "system",
            Role::Developer => "developer",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
        };
        let start = || Message { written: Written::default().with("role", Some(role.into())), ..Message::default() };
        let mut message = start();
        let names = [("call_id", "tool_call_id"), ("name", "name"), ("cache_control", "cache_control")];
        message.written =
            message.written.taking(&mut turn.attributes, if turn.role == Role::Tool { &names } else { &[] });
        let is_one_thought = matches!(turn.parts.iter().filter(|part| part.kind.is_reasoning()).count(), 1);
        let texts = turn.parts.iter().filter(|part| part.kind == Kind::Text).count();
        let mut previous: Option<(Piece, usize)> = None;
        for mut part in std::mem::take(&mut turn.parts) {
            let stage = part.kind.stage();
            // A message has its reasoning first, then its text, then its calls.
            if stage < message.stage || stage == 2 && message.stage == 2 {
                if message.calls.is_empty() {
                    messages.push(std::mem::replace(&mut message, start()).finish(turn.is_text, turn.role));
                } else {
                    history.lose(&part.at, part.source.clone(), ORDER);
                }
            }
            message.stage = message.stage.max(stage);
            match part.kind {
                Kind::Summary | Kind::Thinking | Kind::Encrypted => {
                    if is_one_thought && part.kind == Kind::Thinking && part.attributes.has_only(&["text"]) {
                        message.written.set("reasoning", part.attributes.take("text"));
                    } else {
                        // When it is read again, details are one item if they may be.
                        let piece = Piece::of(&part);
                        let joins = |(before, item): &(Piece, usize)| *item != part.item && before.goes_on_with(&piece);
                        if history.source == Source::Responses && previous.as_ref().is_some_and(joins) {
                            history.lose(&part.at, part.source.clone(), BOUNDARY);
                        }
                        previous = Some((piece, part.item));
                        message.reasoning.push(write_detail(&mut part));
                    }
                }
                Kind::Refusal => message.written.set("refusal", part.attributes.take("refusal")),
                Kind::Call => message.calls.push(write_call(&mut part)),
                _ => {
                    if part.kind == Kind::Text && texts == 1 {
                        message.annotations = write_annotations(&mut part);
                    }
                    message.content.push(write_part(&mut part));
                }
            }
            history.lose_rest(part.attributes);
        }
        history.lose_rest(turn.attributes);
        messages.push(message.finish(turn.is_text, turn.role));
    }
    messages
}

impl Message {
    fn finish(mut self, is_text: bool, role: Role) -> ChatMessage {
        let only_text = |part: &Json| part.as_object().is_some_and(|members| members.len() == 2);
        match self.content.as_slice() {
            [part] if is_text && only_text(part) => self.written.set("content", part.get("text").cloned()),
            [] if role == Role::Assistant => {}
            [] => self.written.set("content", Some("".into())),
            _ => self.written.set("content", Some(list(self.content))),
        }
        for (name, values) in
            [("reasoning_details", self.reasoning), ("annotations", self.annotations), ("tool_calls", self.calls)]
        {
            self.written.set(name, Some(values).filter(|values| !values.is_empty()).map(list));
        }
        self.written.typed()
    }
}

fn write_detail(part: &mut Part) -> Json {
    let (name, text) = match part.kind {
        Kind::Summary => ("reasoning.summary", "summary"),
        Kind::Encrypted => ("reasoning.encrypted", ""),
        _ => ("reasoning.text", "text"),
    };
    let names = [("text", text), ("data", "data"), ("id", "id"), ("format", "format"), ("signature", "signature")];
    Written::of_type(name).taking(&mut part.attributes, &names).json()
}

fn write_call(part: &mut Part) -> Json {
    let arguments = part.attributes.take("arguments").map(|arguments| arguments_text(&arguments));
    let function = Written::default()
        .taking(&mut part.attributes, &[("name", "name")])
        .with("arguments", Some(arguments.unwrap_or_else(|| "{}".into())));
    Written::of_type("function")
        .taking(&mut part.attributes, &[("call_id", "id"), ("cache_control", "cache_control")])
        .with("function", Some(function.json()))
        .json()
}

fn write_part(part: &mut Part) -> Json {
    let (name, member, names): (_, _, &[_]) = match part.kind {
        Kind::Image => ("image_url", "image_url", &[("url", "url"), ("detail", "detail")]),
        Kind::Audio => ("input_audio", "input_audio", &[("data", "data"), ("format", "format")]),
        Kind::Video => ("video_url", "video_url", &[("url", "url"), ("processing", "processing")]),
        Kind::File => (
            "file",
            "file",
            &[("url", "file_data"), ("data", "file_data"), ("file_id", "file_id"), ("filename", "filename")],
        ),
        _ => ("text", "", &[("text", "text"), ("prompt_cache_breakpoint", "prompt_cache_breakpoint")]),
    };
    let mut written = Written::of_type(name);
    if member.is_empty() {
        written = written.taking(&mut part.attributes, names);
    } else {
        let inner = Written::default().taking(&mut part.attributes, names);
        written.set(member, Some(inner.json()));
    }
    written.taking(&mut part.attributes, &[("cache_control", "cache_control")]).json()
}

/// Takes the citations of a text if all of them refer to pages.
fn write_annotations(part: &mut Part) -> Vec<Json> {
    let citation = |json: &Json| {
        let mut object = Object::new("", json).filter(|object| object.text("type") == Some("url_citation"))?;
        object.take("type");
        Some(Written::of_type("url_citation").with("url_citation", Some(object.rest())).json())
    };
    let annotations = part.attributes.get("annotations").and_then(Json::as_array);
    let citations: Option<Vec<Json>> = annotations.and_then(|list| list.iter().map(citation).collect());
    if citations.is_some() {
        part.attributes.take("annotations");
    }
    citations.unwrap_or_default()
}
