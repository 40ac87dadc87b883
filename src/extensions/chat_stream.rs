//! Puts the chunks of a streamed chat answer together.

use super::gather::Gathered;
use super::said;
use super::text::TextDeltas;
use crate::Error;
use crate::core::EventStream;
use crate::core::wire::{self, Json};
use crate::models::{
    ChatAssistantMessage, ChatAssistantMessageContent, ChatAudioOutput, ChatChoice, ChatContentItems, ChatContentText,
    ChatResult, ChatStreamChoice, ChatStreamChunk, ChatStreamDelta, ChatStreamToolCall, ChatTokenLogprobs,
    ChatToolCall, ChatToolCallFunction, Extra, ReasoningDetailSummary, ReasoningDetailText, ReasoningDetailUnion,
};

impl EventStream<ChatStreamChunk> {
    /// Reads the stream to its end and puts the chunks together: the answer as it would have come without a stream.
    ///
    /// # Errors
    /// The first error of the stream. To keep what had come by then, feed a [`ChatAccumulator`] yourself.
    #[inline]
    pub async fn collect(mut self) -> Result<ChatResult, Error> {
        let mut answer = ChatAccumulator::new();
        while let Some(chunk) = self.next().await {
            answer.push(&chunk?);
        }
        Ok(answer.finish())
    }

    /// The text of the first choice alone, piece by piece as it comes.
    #[inline]
    pub fn text_deltas(self) -> TextDeltas<ChatStreamChunk> {
        TextDeltas::new(self, |chunk| {
            let choice = chunk.choices.into_iter().find(|choice| choice.index == 0)?;
            match choice.delta.content {
                Some(text) => Some(text),
                None => text_of_parts(&parts(choice.delta.extra.get("content")?)),
            }
        })
    }
}

/// Joins the chunks of a streamed chat answer into one [`ChatResult`], for programs that want the chunks and the answer.
///
/// ```no_run
/// # use openrouter_kit::{EventStream, Error, extensions::ChatAccumulator, models::ChatStreamChunk};
/// # async fn run(mut stream: EventStream<ChatStreamChunk>) -> Result<(), Error> {
/// let mut answer = ChatAccumulator::new();
/// while let Some(chunk) = stream.next().await {
///     let chunk = chunk?;
///     println!("{chunk:?}");
///     answer.push(&chunk);
/// }
/// let result = answer.finish();
/// # Ok(())
/// # }
/// ```
///
/// **How the pieces are joined.** Text is joined, lists are appended, of everything else the last value counts; null says
/// nothing. So it is with members that this version does not know, too. Choices are told apart by their index. Usage,
/// model and the other members of the chunks are the last that came. A finish reason may come twice, or never.
///
/// **Tool calls** are told apart by index and id. Providers differ, so these rules hold: a piece without an id, or with an
/// empty one, belongs to the last call with its index; a piece without an index belongs to the call with its id, or to the
/// last call; another id is another call, though the index be the same; arguments that go on after a whole JSON object
/// belong to a new call, or, with the same id and the same arguments, are a repetition; `{}` before other arguments was a
/// placeholder.
///
/// **Reasoning details** of one type, index and id are joined, and their signature is kept; after a signature a new text
/// begins. Encrypted details are never joined.
#[derive(Clone, Debug)]
pub struct ChatAccumulator {
    result: ChatResult,
    choices: Vec<Choice>,
}

impl Default for ChatAccumulator {
    #[inline]
    fn default() -> Self {
        Self::new()
    }
}

impl ChatAccumulator {
    /// Without any chunk.
    #[inline]
    pub fn new() -> Self {
        let result = ChatResult {
            choices: Vec::new(),
            created: 0,
            id: String::new(),
            model: String::new(),
            system_fingerprint: None,
            openrouter_metadata: None,
            provider: None,
            service_tier: None,
            usage: None,
            extra: Extra::new(),
        };
        Self { result, choices: Vec::new() }
    }

    /// Adds the next chunk.
    #[inline]
    pub fn push(&mut self, chunk: &ChatStreamChunk) {
        let result = &mut self.result;
        said(&mut result.id, &chunk.id);
        said(&mut result.created, &chunk.created);
        said(&mut result.model, &chunk.model);
        said(&mut result.system_fingerprint, &chunk.system_fingerprint);
        said(&mut result.openrouter_metadata, &chunk.openrouter_metadata);
        said(&mut result.provider, &chunk.provider);
        said(&mut result.service_tier, &chunk.service_tier);
        said(&mut result.usage, &chunk.usage);
        for (name, value) in chunk.extra.iter().filter(|(name, value)| *name != "object" && !value.is_null()) {
            result.extra.insert(name, value.clone());
        }
        if let Some(error) = chunk.error.as_ref().and_then(|error| Json::of(error).ok()) {
            result.extra.insert("error", error);
        }
        for choice in &chunk.choices {
            let at = self.choices.iter().position(|known| known.index == choice.index).unwrap_or_else(|| {
                self.choices.push(Choice::new(choice.index));
                self.choices.len() - 1
            });
            if let Some(known) = self.choices.get_mut(at) {
                known.push(choice);
            }
        }
    }

    /// The answer as far as it came.
    #[inline]
    pub fn snapshot(&self) -> ChatResult {
        self.clone().finish()
    }

    /// The answer.
    #[inline]
    pub fn finish(mut self) -> ChatResult {
        self.choices.sort_by_key(|choice| choice.index);
        self.result.choices = self.choices.into_iter().map(Choice::finish).collect();
        self.result
    }
}

#[derive(Clone, Debug)]
struct Choice {
    index: i64,
    /// Everything but the members below.
    choice: ChatChoice,
    content: Content,
    calls: Vec<Call>,
    /// Members of the deltas that have no field.
    unknown: Gathered,
    /// The message so far, as a few providers repeat it whole beside each delta.
    repeated: Option<Json>,
}

impl Choice {
    #[inline]
    fn new(index: i64) -> Self {
        let message = ChatAssistantMessage::new();
        let choice = ChatChoice {
            finish_reason: None,
            index,
            message,
            logprobs: None,
            native_finish_reason: None,
            extra: Extra::new(),
        };
        Self {
            index,
            choice,
            content: Content::Nothing,
            calls: Vec::new(),
            unknown: Gathered::default(),
            repeated: None,
        }
    }

    #[inline]
    fn push(&mut self, from: &ChatStreamChoice) {
        said(&mut self.choice.finish_reason, &from.finish_reason);
        said(&mut self.choice.native_finish_reason, &from.native_finish_reason);
        if let Some(logprobs) = &from.logprobs {
            join_logprobs(&mut self.choice.logprobs, logprobs);
        }
        for (name, value) in from.extra.iter().filter(|(_, value)| !value.is_null()) {
            match name {
                "message" => self.repeated = Some(value.clone()),
                _ => drop(self.choice.extra.insert(name, value.clone())),
            }
        }
        self.push_delta(&from.delta);
    }

    #[inline]
    fn push_delta(&mut self, delta: &ChatStreamDelta) {
        let message = &mut self.choice.message;
        if let Some(text) = &delta.content {
            self.content.push_text(text);
        }
        join(&mut message.reasoning, &delta.reasoning);
        join(&mut message.refusal, &delta.refusal);
        if let Some(audio) = &delta.audio {
            join_audio(message.audio.get_or_insert_default(), audio);
        }
        for detail in delta.reasoning_details.iter().flatten() {
            join_detail(message.reasoning_details.get_or_insert_default(), detail);
        }
        for piece in delta.tool_calls.iter().flatten() {
            // An index that did not come reads as 0 too.
            let json = if piece.index == 0 { Json::of(piece).ok() } else { None };
            match json.filter(|json| json.get("index").and_then(|index| index.parse::<i64>().ok()).is_none()) {
                None => join_call(&mut self.calls, Some(piece.index), piece),
                Some(json) => {
                    if let Some((index, piece)) = call_without_index(&json) {
                        join_call(&mut self.calls, index, &piece);
                    }
                }
            }
        }
        for (name, value) in delta.extra.iter().filter(|(_, value)| !value.is_null()) {
            match name {
                "content" if value.as_text().starts_with(['[', '{']) => {
                    for part in parts(value) {
                        self.content.push_part(part);
                    }
                }
                "tool_calls" => {
                    for (index, piece) in elements(value).iter().filter_map(call_without_index) {
                        join_call(&mut self.calls, index, &piece);
                    }
                }
                "role" if value.as_text() == "\"\"" => {}
                _ => self.unknown.push(name, value),
            }
        }
    }

    #[inline]
    fn finish(self) -> ChatChoice {
        let mut choice = self.choice;
        let message = &mut choice.message;
        message.content = self.content.finish();
        if !self.calls.is_empty() {
            message.tool_calls = Some(self.calls.into_iter().map(|call| call.call).collect());
        }
        let unknown = self.unknown.finish();
        if let (Some(repeated), true) = (self.repeated, *message == ChatAssistantMessage::new())
            && let Ok(whole) = wire::decode_event(repeated.as_text())
        {
            *message = whole;
        }
        if !unknown.is_empty() {
            for (name, value) in unknown {
                message.extra.insert(name, value);
            }
            // A member may be unknown in a delta and known in a message, as images are.
            if let Some(read) = Json::of(&*message).ok().and_then(|json| wire::decode(json.as_text()).ok()) {
                *message = read;
            }
        }
        choice
    }
}

/// Appends `text` where there is some.
#[inline]
fn join(whole: &mut Option<String>, text: &Option<String>) {
    if let Some(text) = text {
        whole.get_or_insert_default().push_str(text);
    }
}

#[inline]
fn join_logprobs(whole: &mut Option<ChatTokenLogprobs>, from: &ChatTokenLogprobs) {
    let Some(known) = whole else {
        *whole = Some(from.clone());
        return;
    };
    for (list, more) in [(&mut known.content, &from.content), (&mut known.refusal, &from.refusal)] {
        if let Some(more) = more {
            list.get_or_insert_default().extend_from_slice(more);
        }
    }
    merge_extra(&mut known.extra, &from.extra);
}

#[inline]
fn join_audio(whole: &mut ChatAudioOutput, from: &ChatAudioOutput) {
    said(&mut whole.id, &from.id);
    said(&mut whole.expires_at, &from.expires_at);
    join(&mut whole.data, &from.data);
    join(&mut whole.transcript, &from.transcript);
    merge_extra(&mut whole.extra, &from.extra);
}

#[inline]
fn merge_extra(whole: &mut Extra, from: &Extra) {
    for (name, value) in from.iter().filter(|(_, value)| !value.is_null()) {
        whole.insert(name, value.clone());
    }
}

/// What a message says: text, or parts where a provider streams parts.
#[derive(Clone, Debug)]
enum Content {
    Nothing,
    Text(String),
    Parts(Vec<ChatContentItems>),
}

impl Content {
    #[inline]
    fn push_text(&mut self, text: &str) {
        match self {
            Self::Nothing => *self = Self::Text(text.to_owned()),
            Self::Text(whole) => whole.push_str(text),
            Self::Parts(parts) => match parts.last_mut() {
                Some(ChatContentItems::Text(last)) => last.text.push_str(text),
                _ if text.is_empty() => {}
                _ => parts.push(ChatContentText::new(text).into()),
            },
        }
    }

    #[inline]
    fn push_part(&mut self, part: ChatContentItems) {
        let mut parts = match std::mem::replace(self, Self::Nothing) {
            Self::Parts(parts) => parts,
            Self::Text(text) if !text.is_empty() => vec![ChatContentText::new(text).into()],
            Self::Nothing | Self::Text(_) => Vec::new(),
        };
        match (parts.last_mut(), part) {
            (Some(ChatContentItems::Text(last)), ChatContentItems::Text(more)) if more.extra.is_empty() => {
                last.text.push_str(&more.text);
            }
            (_, part) => parts.push(part),
        }
        *self = Self::Parts(parts);
    }

    #[inline]
    fn finish(self) -> Option<ChatAssistantMessageContent> {
        match self {
            Self::Nothing => None,
            Self::Text(text) => Some(ChatAssistantMessageContent::Text(text)),
            Self::Parts(parts) => Some(ChatAssistantMessageContent::List(parts)),
        }
    }
}

/// The parts of a content that is no text.
#[inline]
fn parts(content: &Json) -> Vec<ChatContentItems> {
    match wire::decode(content.as_text()) {
        Ok(list) => list,
        Err(_) => wire::decode(content.as_text()).into_iter().collect(),
    }
}

#[inline]
fn elements(list: &Json) -> Vec<Json> {
    wire::decode(list.as_text()).unwrap_or_default()
}

/// The text of those parts that are text; `None` where there is none.
#[inline]
pub(super) fn text_of_parts(parts: &[ChatContentItems]) -> Option<String> {
    let text: String = parts
        .iter()
        .filter_map(|part| match part {
            ChatContentItems::Text(text) => Some(text.text.as_str()),
            _ => None,
        })
        .collect();
    (!text.is_empty()).then_some(text)
}

/// A tool call that grows.
#[derive(Clone, Debug)]
struct Call {
    index: Option<i64>,
    call: ChatToolCall,
    arguments: ObjectEnd,
}

/// Reads a piece of a tool call whose index is missing, null or no number.
#[inline]
fn call_without_index(piece: &Json) -> Option<(Option<i64>, ChatStreamToolCall)> {
    let mut members = piece.parse::<serde_json::Map<_, _>>().ok()?;
    let index = members.insert("index".into(), 0.into());
    let index = index.and_then(|index| index.as_i64().or_else(|| index.as_str()?.parse().ok()));
    let piece = wire::decode(Json::from(members).as_text()).ok()?;
    Some((index, piece))
}

/// Adds a piece to the call it belongs to; the rules are told at [`ChatAccumulator`].
#[inline]
fn join_call(calls: &mut Vec<Call>, index: Option<i64>, piece: &ChatStreamToolCall) {
    let id = piece.id.as_deref().unwrap_or_default();
    let function = piece.function.as_ref();
    let name = function.and_then(|function| function.name.as_deref()).unwrap_or_default();
    let arguments = function.and_then(|function| {
        let object = || function.extra.get("arguments").filter(|value| !value.is_null()).map(Json::as_text);
        function.arguments.as_deref().or_else(object)
    });
    let arguments = arguments.unwrap_or_default();

    let same_index = |call: &Call| index.is_none() || call.index == index;
    let same_id = |call: &Call| id.is_empty() || call.call.id.is_empty() || call.call.id == id;
    let mut at = calls.iter().rposition(|call| same_index(call) && same_id(call));
    let mut inherited = String::new();
    if let Some(call) = at.and_then(|at| calls.get_mut(at)) {
        let known = &mut call.call.function;
        if call.arguments.is_whole() && !arguments.trim_ascii().is_empty() {
            if !id.is_empty() && call.call.id == id && known.arguments == arguments {
                return;
            }
            if known.arguments.trim_ascii() == "{}" && id.is_empty() && name.is_empty() {
                known.arguments.clear();
                call.arguments = ObjectEnd::default();
            } else {
                inherited = if name.is_empty() { known.name.clone() } else { String::new() };
                at = None;
            }
        } else if !name.is_empty() && name != known.name && !known.name.is_empty() && !known.arguments.is_empty() {
            at = None;
        }
    }
    let at = at.unwrap_or_else(|| {
        let call = ChatToolCall::new(ChatToolCallFunction::new("", inherited), "");
        calls.push(Call { index, call, arguments: ObjectEnd::default() });
        calls.len() - 1
    });
    let Some(Call { call, arguments: end, .. }) = calls.get_mut(at) else { return };
    if call.id.is_empty() {
        id.clone_into(&mut call.id);
    }
    if call.function.name != name {
        call.function.name.push_str(name);
    }
    call.function.arguments.push_str(arguments);
    end.push(arguments);
    merge_extra(&mut call.extra, &piece.extra);
    if let Some(function) = function {
        let others = function.extra.iter().filter(|(member, value)| *member != "arguments" && !value.is_null());
        for (member, value) in others {
            call.function.extra.insert(member, value.clone());
        }
    }
}

/// Finds the end of a JSON object in a text that comes in pieces.
#[derive(Clone, Copy, Debug, Default)]
struct ObjectEnd {
    depth: u32,
    has_opened: bool,
    in_string: bool,
    is_escaped: bool,
}

impl ObjectEnd {
    #[inline]
    fn push(&mut self, text: &str) {
        for byte in text.bytes() {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' if self.in_string => self.is_escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' | b'[' => {
                    self.depth += 1;
                    self.has_opened = true;
                }
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }

    const fn is_whole(self) -> bool {
        self.has_opened && self.depth == 0
    }
}

/// Adds a piece of reasoning to the detail it belongs to.
#[inline]
fn join_detail(details: &mut Vec<ReasoningDetailUnion>, piece: &ReasoningDetailUnion) {
    let joined = match piece {
        ReasoningDetailUnion::Text(piece) => join_text_detail(details, piece),
        ReasoningDetailUnion::Summary(piece) => join_summary_detail(details, piece),
        _ => false,
    };
    if !joined {
        details.push(piece.clone());
    }
}

/// Whether two details may be one: equal where both are told.
#[inline]
fn agree<T: PartialEq>(one: &Option<T>, two: &Option<T>) -> bool {
    one.is_none() || two.is_none() || one == two
}

#[inline]
fn join_text_detail(details: &mut [ReasoningDetailUnion], piece: &ReasoningDetailText) -> bool {
    let known = details.iter_mut().rev().find_map(|detail| match detail {
        ReasoningDetailUnion::Text(known) if known.index == piece.index => Some(known),
        _ => None,
    });
    let Some(known) = known else { return false };
    let begins = piece.text.as_ref().is_some_and(|text| !text.is_empty());
    let is_signed = known.signature.as_ref().is_some_and(|signature| !signature.is_empty());
    if !agree(&known.id, &piece.id) || !agree(&known.format, &piece.format) || is_signed && begins {
        return false;
    }
    join(&mut known.text, &piece.text);
    if known.signature != piece.signature {
        join(&mut known.signature, &piece.signature);
    }
    said(&mut known.id, &piece.id);
    said(&mut known.format, &piece.format);
    merge_extra(&mut known.extra, &piece.extra);
    true
}

#[inline]
fn join_summary_detail(details: &mut [ReasoningDetailUnion], piece: &ReasoningDetailSummary) -> bool {
    let known = details.iter_mut().rev().find_map(|detail| match detail {
        ReasoningDetailUnion::Summary(known) if known.index == piece.index => Some(known),
        _ => None,
    });
    let Some(known) = known else { return false };
    if !agree(&known.id, &piece.id) || !agree(&known.format, &piece.format) {
        return false;
    }
    known.summary.push_str(&piece.summary);
    said(&mut known.id, &piece.id);
    said(&mut known.format, &piece.format);
    merge_extra(&mut known.extra, &piece.extra);
    true
}
