//! Input items of the Responses API.

use super::parts::{
    BOUNDARY, History, Kind, NO_PLACE, Object, Part, Piece, Role, Source, Turn, UNKNOWN, Written, arguments_text, list,
    text_of,
};
use crate::core::wire::{self, Json};
use crate::models::InputItem;

pub(super) fn read(items: &[InputItem]) -> History {
    let mut history = History::new(Source::Responses);
    for (number, item) in items.iter().enumerate() {
        let (at, json) = (format!("input[{number}]"), wire::json(item));
        let Some(mut object) = Object::new(&at, &json) else {
            history.lose(at, json, UNKNOWN);
            continue;
        };
        match object.text("type").map(str::to_owned).as_deref() {
            None | Some("message") => read_message(object, &mut history),
            Some("reasoning") => read_reasoning(number, object, &mut history),
            Some("function_call") => {
                object.take("type");
                object.take_if("status", "completed");
                let names = [
                    ("call_id", "call_id"),
                    ("name", "name"),
                    ("arguments", "arguments"),
                    ("id", "id"),
                    ("status", "status"),
                ];
                let part = Part::of(Kind::Call, &mut object, &names);
                history.lose_unknown(object);
                push(&mut history, &at, vec![part]);
            }
            Some("function_call_output") => {
                object.take("type");
                object.take_if("status", "completed");
                let mut turn = Turn::new(Role::Tool, &at);
                object.move_to(&mut turn.attributes, &[("call_id", "call_id"), ("id", "id"), ("status", "status")]);
                read_content("output", &mut object, &mut turn, &mut history);
                history.lose_unknown(object);
                history.turns.push(turn);
            }
            _ => history.lose(at, json, NO_PLACE),
        }
    }
    history
}

/// Adds to the assistant's turn, or begins one.
fn push(history: &mut History, at: &str, parts: Vec<Part>) {
    match history.turns.last_mut().filter(|turn| turn.role == Role::Assistant) {
        Some(turn) => turn.parts.extend(parts),
        None => {
            let mut turn = Turn::new(Role::Assistant, at);
            turn.parts = parts;
            history.turns.push(turn);
        }
    }
}

fn read_message(mut message: Object, history: &mut History) {
    let role = match message.text("role") {
        Some("system") => Role::System,
        Some("developer") => Role::Developer,
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        _ => return history.lose(message.at, message.source, UNKNOWN),
    };
    message.take("type");
    message.take("role");
    message.take_if("status", "completed");
    let mut turn = Turn::new(role, &message.at);
    message.move_to(&mut turn.attributes, &[("id", "id"), ("status", "status"), ("phase", "phase")]);
    read_content("content", &mut message, &mut turn, history);
    history.lose_unknown(message);
    // It continues the turn, but a message directly after another is a separate one.
    let last = history.turns.last_mut().filter(|last| role == Role::Assistant && last.role == Role::Assistant);
    match last.filter(|last| last.parts.last().is_some_and(|part| !matches!(part.kind.stage(), 1 | 2))) {
        Some(last) => {
            last.is_text = turn.is_text;
            last.parts.append(&mut turn.parts);
            history.lose_rest(turn.attributes);
        }
        None => history.turns.push(turn),
    }
}

fn read_content(member: &str, message: &mut Object, turn: &mut Turn, history: &mut History) {
    if let Some(text) = message.take_text(member) {
        turn.is_text = true;
        turn.parts.push(Part::text(&format!("{}.{member}", message.at), &text));
    }
    for (at, json) in message.take_list(member) {
        match Object::new(&at, &json) {
            Some(part) => read_part(part, turn, history),
            None => history.lose(at, json, UNKNOWN),
        }
    }
}

fn read_part(mut object: Object, turn: &mut Turn, history: &mut History) {
    let (kind, names): (_, &[_]) = match object.text("type") {
        Some("input_text") => (Kind::Text, &[("text", "text"), ("prompt_cache_breakpoint", "prompt_cache_breakpoint")]),
        Some("output_text") => {
            (Kind::Text, &[("text", "text"), ("annotations", "annotations"), ("logprobs", "logprobs")])
        }
        Some("refusal") => (Kind::Refusal, &[("refusal", "refusal")]),
        Some("input_image") => (Kind::Image, &[("image_url", "url"), ("file_id", "file_id"), ("detail", "detail")]),
        Some("input_video") => (Kind::Video, &[("video_url", "url"), ("processing", "processing")]),
        Some("input_audio") => (Kind::Audio, &[]),
        Some("input_file") => (
            Kind::File,
            &[("file_data", "data"), ("file_url", "url"), ("file_id", "file_id"), ("filename", "filename")],
        ),
        _ => return history.lose(object.at, object.source, UNKNOWN),
    };
    object.take("type");
    object.take_if("detail", "auto");
    for name in ["annotations", "logprobs"] {
        object.take_if(name, list(Vec::new()));
    }
    let mut part = Part::of(kind, &mut object, names);
    if let Some(mut audio) = (kind == Kind::Audio).then(|| object.take_object("input_audio")).flatten() {
        audio.move_to(&mut part.attributes, &[("data", "data"), ("format", "format")]);
        history.lose_unknown(audio);
    }
    history.lose_unknown(object);
    turn.parts.push(part);
}

/// Reads the pieces of a reasoning item, each of which is a part: summaries, texts, encrypted data.
fn read_reasoning(number: usize, mut item: Object, history: &mut History) {
    item.take("type");
    item.take_if("status", "completed");
    item.take_if("id", "");
    let mut parts = Vec::new();
    for (member, kind) in [("summary", Kind::Summary), ("content", Kind::Thinking)] {
        for (at, json) in item.take_list(member) {
            let Some(mut piece) = Object::new(&at, &json).filter(|piece| piece.text("text").is_some()) else {
                history.lose(at, json, UNKNOWN);
                continue;
            };
            piece.take("type");
            parts.push(Part::of(kind, &mut piece, &[("text", "text")]));
            history.lose_unknown(piece);
        }
    }
    let signature = format!("{}.signature", item.at);
    if let Some(value) = item.take_text("signature") {
        // The signature belongs to the text; without a text it is a part of its own.
        if parts.last().is_none_or(|part| part.kind != Kind::Thinking) {
            parts.push(Part::new(Kind::Thinking, &signature, value.clone()));
        }
        parts
            .iter_mut()
            .last()
            .into_iter()
            .for_each(|part| part.attributes.insert("signature", &signature, value.clone()));
    }
    if item.text("encrypted_content").is_some() {
        parts.push(Part::of(Kind::Encrypted, &mut item, &[("encrypted_content", "data")]));
    }
    if parts.is_empty() {
        return history.lose(item.at, item.source, NO_PLACE);
    }
    for part in &mut parts {
        part.item = number;
        for name in ["id", "format"] {
            let at = format!("{}.{name}", item.at);
            if let Some(value) = item.get(name).filter(|value| !value.is_null()) {
                part.attributes.insert(name, at, value.clone());
            }
        }
        // The first part takes it.
        item.move_to(&mut part.attributes, &[("status", "status")]);
    }
    item.take("id");
    item.take("format");
    let at = item.at.clone();
    history.lose_unknown(item);
    push(history, &at, parts);
}

pub(super) fn write(history: &mut History) -> Vec<InputItem> {
    let mut items = Vec::new();
    // The first and the last part of the preceding turn of the assistant.
    let mut before: Option<Kind> = None;
    for mut turn in std::mem::take(&mut history.turns) {
        let parts = std::mem::take(&mut turn.parts);
        let first = parts.first().map(|part| part.kind.stage());
        // When it is read again, what follows a call or comes later in a chat message would be in
        // the same message.
        let joins = |before: Kind, first: u8| first == 3 || !matches!(before.stage(), 1 | 2);
        if turn.role == Role::Assistant && history.source == Source::Chat {
            if before.zip(first).is_some_and(|(before, first)| joins(before, first)) {
                history.lose(&turn.at, Json::default(), BOUNDARY);
            }
            before = parts.last().map(|part| part.kind);
        } else {
            before = None;
        }
        match turn.role {
            Role::Tool => items.push(write_output(&mut turn, parts, history)),
            Role::Assistant => write_assistant(&turn, parts, history, &mut items),
            _ => items.extend(write_message(&turn, parts, history)),
        }
        history.lose_rest(turn.attributes);
    }
    items
}

fn write_output(turn: &mut Turn, parts: Vec<Part>, history: &mut History) -> InputItem {
    let can_hold = |kind| matches!(kind, Kind::Text | Kind::Image | Kind::File);
    let output = write_content(turn, parts, can_hold, history);
    Written::of_type("function_call_output")
        .taking(&mut turn.attributes, &[("call_id", "call_id")])
        .with("output", Some(output.unwrap_or_else(|| "".into())))
        .typed()
}

/// Writes a message; `None` if nothing of its content can be represented.
fn write_message(turn: &Turn, parts: Vec<Part>, history: &mut History) -> Option<InputItem> {
    let (role, can_hold): (_, fn(Kind) -> bool) = match turn.role {
        Role::System => ("system", |kind| kind != Kind::Refusal),
        Role::Developer => ("developer", |kind| kind != Kind::Refusal),
        Role::User | Role::Tool => ("user", |kind| kind != Kind::Refusal),
        Role::Assistant => ("assistant", |kind| matches!(kind, Kind::Text | Kind::Refusal)),
    };
    let content = write_content(turn, parts, can_hold, history)?;
    Some(Written::of_type("message").with("role", Some(role.into())).with("content", Some(content)).typed())
}

/// Writes the content; `None` if nothing of it can be represented.
fn write_content(turn: &Turn, parts: Vec<Part>, can_hold: fn(Kind) -> bool, history: &mut History) -> Option<Json> {
    if let Some(text) = text_of(turn.is_text, &parts) {
        return Some(text);
    }
    let was_empty = parts.is_empty();
    let mut written = Vec::new();
    for mut part in parts {
        if can_hold(part.kind) && !part.kind.is_reasoning() && part.kind != Kind::Call {
            written.push(write_part(turn.role == Role::Assistant, &mut part));
            history.lose_rest(part.attributes);
        } else {
            history.lose_part(part);
        }
    }
    match written.is_empty() {
        true if was_empty => Some("".into()),
        true => None,
        false => Some(list(written)),
    }
}

fn write_part(is_output: bool, part: &mut Part) -> Json {
    let attributes = &mut part.attributes;
    match part.kind {
        Kind::Refusal => Written::of_type("refusal").taking(attributes, &[("refusal", "refusal")]),
        Kind::Image => {
            let detail = attributes.take("detail").unwrap_or_else(|| "auto".into());
            let names = [("url", "image_url"), ("file_id", "file_id")];
            Written::of_type("input_image").taking(attributes, &names).with("detail", Some(detail))
        }
        Kind::Audio => {
            let audio = Written::default().taking(attributes, &[("data", "data"), ("format", "format")]);
            Written::of_type("input_audio").with("input_audio", Some(audio.json()))
        }
        Kind::Video => {
            let names = [("url", "video_url"), ("processing", "processing")];
            Written::of_type("input_video").taking(attributes, &names)
        }
        Kind::File => {
            let names = [("data", "file_data"), ("url", "file_url"), ("file_id", "file_id"), ("filename", "filename")];
            Written::of_type("input_file").taking(attributes, &names)
        }
        _ if is_output => {
            Written::of_type("output_text").taking(attributes, &[("text", "text"), ("annotations", "annotations")])
        }
        _ => {
            let names = [("text", "text"), ("prompt_cache_breakpoint", "prompt_cache_breakpoint")];
            Written::of_type("input_text").taking(attributes, &names)
        }
    }
    .json()
}

/// Writes a turn of the assistant in its order: items of reasoning, messages and calls.
fn write_assistant(turn: &Turn, parts: Vec<Part>, history: &mut History, items: &mut Vec<InputItem>) {
    if parts.is_empty() {
        items.extend(write_message(turn, parts, history));
        return;
    }
    let mut parts = parts.into_iter().peekable();
    while let Some(mut part) = parts.next() {
        if part.kind.is_reasoning() {
            let mut pieces = vec![part];
            while let Some(next) = parts.next_if(|next| {
                next.kind.is_reasoning()
                    && pieces.last().is_some_and(|last| Piece::of(last).goes_on_with(&Piece::of(next)))
            }) {
                pieces.push(next);
            }
            items.push(write_reasoning(pieces, history));
        } else if part.kind == Kind::Call {
            let arguments = part.attributes.take("arguments").map(|arguments| arguments_text(&arguments));
            let call = Written::of_type("function_call")
                .taking(&mut part.attributes, &[("call_id", "call_id"), ("name", "name")])
                .with("arguments", Some(arguments.unwrap_or_else(|| "{}".into())));
            items.push(call.typed());
            history.lose_rest(part.attributes);
        } else {
            let mut content = vec![part];
            while let Some(next) = parts.next_if(|next| matches!(next.kind.stage(), 1 | 2)) {
                content.push(next);
            }
            items.extend(write_message(turn, content, history));
        }
    }
}

fn write_reasoning(pieces: Vec<Part>, history: &mut History) -> InputItem {
    let (mut summary, mut content) = (Vec::new(), Vec::new());
    let mut item = Written::of_type("reasoning");
    for mut piece in pieces {
        let attributes = &mut piece.attributes;
        let names = [("id", "id"), ("format", "format"), ("signature", "signature"), ("data", "encrypted_content")];
        item = item.taking(attributes, &names);
        let text = attributes.take("text");
        match piece.kind {
            Kind::Summary => {
                summary.extend(text.map(|text| Written::of_type("summary_text").with("text", Some(text)).json()))
            }
            _ => content.extend(text.map(|text| Written::of_type("reasoning_text").with("text", Some(text)).json())),
        }
        history.lose_rest(piece.attributes);
    }
    item.with("summary", Some(list(summary)))
        .with("content", Some(content).filter(|list| !list.is_empty()).map(list))
        .typed()
}
