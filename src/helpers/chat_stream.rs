//! Joins the chunks of a streamed chat response.

use std::collections::BTreeMap;

use super::chat::is_told;
use super::gather::Gathered;
use super::text::sealed::Sealed;
use super::text::{Half, Piece, TextEvent, tell};
use super::{members_of, read_as, update};
use crate::core::wire::{self, Json, Wire};
use crate::models::{
    ChatAssistantMessage, ChatAudioOutput, ChatChoice, ChatContentPart, ChatContentText, ChatMessageContent,
    ChatResult, ChatStreamChoice, ChatStreamChunk, ChatStreamDelta, ChatStreamToolCall, ChatToolCall,
    ChatToolCallFunction, ChatUsage, Extra, ReasoningDetail,
    chat::{ChatTokenLogprobs, ReasoningDetailSummary, ReasoningDetailText},
};

impl Sealed for ChatStreamChunk {}

impl TextEvent for ChatStreamChunk {
    type Output = ChatResult;
    type Accumulator = ChatAccumulator;

    #[inline]
    fn accumulate(&self, accumulator: &mut ChatAccumulator) {
        accumulator.push(self);
    }

    #[inline]
    fn output(accumulator: ChatAccumulator) -> Option<ChatResult> {
        let result = accumulator.finish();
        let is_empty = result.choices.is_empty() && result.id.is_empty() && result.usage.is_none();
        if is_empty { None } else { Some(result) }
    }

    #[inline]
    fn text(&self, source: &mut Option<u8>) -> Option<Piece> {
        let ChatStreamChoice { delta, finish_reason, extra, .. } =
            self.choices.iter().find(|choice| choice.index == 0)?;
        let parts_of = |content: &Json| text_of_parts(&parts(content));
        if let Some(text) = delta.content.clone().or_else(|| delta.extra.get("content").and_then(parts_of)) {
            return Some((tell(source, 0, text)?, delta.extra.exact("content").cloned()));
        }
        // A few providers send the whole message, some of them without deltas.
        let is_end = finish_reason.as_ref().is_some_and(|reason| is_told(reason.as_str()));
        let message = extra.get("message").filter(|_| is_end)?;
        let message: ChatAssistantMessage = wire::decode_event(message.as_text()).ok()?;
        Some((tell(source, 1, message.text()?.into_owned())?, None))
    }
}

/// Joins the chunks of a streamed chat response into one [`ChatResult`], for programs that use
/// both.
///
/// ```no_run
/// # use openrouter_kit::{EventStream, Error, helpers::ChatAccumulator, models::ChatStreamChunk};
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
/// **How the chunks are joined.** Text is concatenated, even if a character was split in two; lists
/// are appended; for everything else the last value wins; null and empty values are ignored. This
/// also applies to fields that this version does not know. Choices are identified by their index.
/// Usage, model and the other fields of the chunks are the last ones received. A finish reason may
/// arrive twice, or never.
///
/// **Tool calls** are identified by id and index. Providers differ, so these rules apply: a known
/// id identifies its call, whatever the index. A piece without a name continues the call of its
/// index, or else the last one, whatever its id, until the arguments of that call are a complete
/// JSON object. A piece with a name and a new id starts a call. Arguments after a complete object
/// belong to a new call or, with the same id and the same arguments, are a repetition; `{}` before
/// other arguments was a placeholder.
///
/// **Reasoning details** of the same type, index and id are joined, and their signature is kept;
/// after a signature a new text begins. Encrypted details are never joined.
///
/// **What matches nothing** is kept whole and in order: chunks of another form in the field
/// `unrecognized_events` of the result's `extra`; delta values that are neither text nor the
/// expected list in `unrecognized_deltas` of the `extra` of their choice.
#[derive(Clone, Debug)]
pub struct ChatAccumulator {
    result: ChatResult,
    choices: BTreeMap<i64, Choice>,
    unrecognized: Vec<Json>,
}

impl Default for ChatAccumulator {
    #[inline]
    fn default() -> Self {
        Self::new()
    }
}

impl ChatAccumulator {
    /// Creates an accumulator without chunks.
    #[inline]
    pub fn new() -> Self {
        let result = ChatResult { extra: Extra::new(), ..ChatResult::missing() };
        Self { result, choices: BTreeMap::new(), unrecognized: Vec::new() }
    }

    /// Adds the next chunk.
    #[inline]
    pub fn push(&mut self, chunk: &ChatStreamChunk) {
        let result = &mut self.result;
        update(&mut result.id, &chunk.id);
        update(&mut result.created, &chunk.created);
        update(&mut result.model, &chunk.model);
        update(&mut result.system_fingerprint, &chunk.system_fingerprint);
        update(&mut result.provider, &chunk.provider);
        update(&mut result.service_tier, &chunk.service_tier);
        update_usage(&mut result.usage, &chunk.usage);
        update(&mut result.openrouter_metadata, &chunk.openrouter_metadata);
        update(&mut result.alignment, &chunk.alignment);
        update(&mut result.safeguard_results, &chunk.safeguard_results);
        if let Some(error) = chunk.error.as_ref().and_then(|error| Json::of(error).ok()) {
            result.extra.insert("error", error);
        }
        if chunk.choices.is_empty() && chunk.extra.mismatches().next().is_some() {
            self.unrecognized.extend(Json::of(chunk));
        } else {
            result.extra.merge(&chunk.extra, "object");
        }
        for choice in &chunk.choices {
            self.choices.entry(choice.index).or_insert_with(|| Choice::new(choice.index)).push(choice);
        }
    }

    /// Returns the response as far as it has arrived.
    #[inline]
    pub fn snapshot(&self) -> ChatResult {
        self.clone().finish()
    }

    /// Returns the response.
    #[inline]
    pub fn finish(mut self) -> ChatResult {
        self.result.choices = self.choices.into_values().map(Choice::finish).collect();
        keep_unrecognized(&mut self.result.extra, "unrecognized_events", &self.unrecognized);
        self.result
    }
}

#[inline]
fn keep_unrecognized(extra: &mut Extra, name: &str, unrecognized: &Vec<Json>) {
    if let (false, Ok(list)) = (unrecognized.is_empty(), Json::of(unrecognized)) {
        extra.insert(name, list);
    }
}

/// Merges the usage; if it has no tokens, only its cost, since another chunk has the real one.
#[inline]
fn update_usage(known: &mut Option<ChatUsage>, usage: &Option<ChatUsage>) {
    match (known, usage) {
        (Some(known), Some(usage))
            if (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (0, 0, 0) =>
        {
            update(&mut known.cost, &usage.cost);
        }
        (known, usage) => update(known, usage),
    }
}

#[derive(Clone, Debug)]
struct Choice {
    /// Everything except the fields below.
    choice: ChatChoice,
    content: Content,
    /// Characters split in two, in the texts of the message.
    halves: Halves,
    calls: Calls,
    /// The position of the last reasoning detail of each type and index; true means a summary.
    details: BTreeMap<(bool, Option<i64>), (usize, Half)>,
    /// Fields of the deltas that the types lack.
    unknown: Gathered,
    /// Values that match nothing.
    unrecognized: Vec<Json>,
    /// The message so far, which a few providers repeat whole next to each delta.
    repeated: Option<Json>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Halves {
    content: Half,
    reasoning: Half,
    refusal: Half,
    transcript: Half,
}

impl Choice {
    #[inline]
    fn new(index: i64) -> Self {
        let message = ChatAssistantMessage::new();
        let choice = ChatChoice { index, message, extra: Extra::new(), ..ChatChoice::missing() };
        Self {
            choice,
            content: Content::Nothing,
            halves: Halves::default(),
            calls: Calls::default(),
            details: BTreeMap::new(),
            unknown: Gathered::default(),
            unrecognized: Vec::new(),
            repeated: None,
        }
    }

    #[inline]
    fn push(&mut self, from: &ChatStreamChoice) {
        if from.finish_reason.as_ref().is_some_and(|reason| is_told(reason.as_str())) {
            update(&mut self.choice.finish_reason, &from.finish_reason);
        }
        update(&mut self.choice.native_finish_reason, &from.native_finish_reason);
        if let Some(logprobs) = &from.logprobs {
            join_logprobs(&mut self.choice.logprobs, logprobs);
        }
        if let Some(message) = from.extra.get("message") {
            self.repeated = Some(message.clone());
        }
        self.choice.extra.merge(&from.extra, "message");
        self.push_delta(&from.delta);
    }

    #[inline]
    fn push_delta(&mut self, delta: &ChatStreamDelta) {
        let message = &mut self.choice.message;
        let exact = |name| delta.extra.exact(name);
        if let Some(text) = &delta.content {
            self.content.push_text(text, &mut self.halves.content, exact("content"));
        }
        join(&mut message.reasoning, &mut self.halves.reasoning, &delta.reasoning, exact("reasoning"));
        join(&mut message.refusal, &mut self.halves.refusal, &delta.refusal, exact("refusal"));
        if let Some(audio) = &delta.audio {
            join_audio(message.audio.get_or_insert_default(), &mut self.halves.transcript, audio);
        }
        if let Some(annotations) = &delta.annotations {
            message.annotations.get_or_insert_default().extend_from_slice(annotations);
        }
        if let Some(images) = &delta.images {
            message.images.get_or_insert_default().extend_from_slice(images);
        }
        for detail in delta.reasoning_details.iter().flatten() {
            self.push_detail(detail);
        }
        for piece in delta.tool_calls.iter().flatten() {
            self.push_call(piece);
        }
        for (name, value) in delta.extra.iter().filter(|(_, value)| !value.is_null()) {
            match name {
                _ if delta.extra.exact(name).is_some() => {}
                "content" if value.as_text().starts_with(['[', '{']) => {
                    for part in parts(value) {
                        self.content.push_part(part);
                    }
                }
                "tool_calls" if value.is_object() => {
                    if let Ok(piece) = wire::decode_event(value.as_text()) {
                        self.push_call(&piece);
                    }
                }
                "role" if value.as_text() == "\"\"" => {}
                "content" | "tool_calls" | "reasoning" | "refusal" | "reasoning_details" | "audio" | "annotations"
                | "images" => {
                    self.unrecognized.extend(Json::of(&BTreeMap::from([(name, value)])));
                }
                _ => self.unknown.push(name, value),
            }
        }
    }

    /// Adds a piece of a tool call. A missing index also reads as 0.
    #[inline]
    fn push_call(&mut self, piece: &ChatStreamToolCall) {
        if wire::is_present(piece, "index") {
            return self.calls.push(Some(piece.index), piece);
        }
        // Without an index there is little else to identify such a piece.
        let with_index = || {
            let mut members = members_of(piece);
            members.insert("index".to_owned(), Json::from(0));
            read_as(&members)
        };
        self.calls.push(None, &with_index().unwrap_or_else(|| piece.clone()));
    }

    /// Adds a piece of reasoning to the detail it belongs to.
    #[inline]
    fn push_detail(&mut self, piece: &ReasoningDetail) {
        let details = self.choice.message.reasoning_details.get_or_insert_default();
        let place = match piece {
            ReasoningDetail::Text(piece) => (false, piece.index),
            ReasoningDetail::Summary(piece) => (true, piece.index),
            _ => return details.push(piece.clone()),
        };
        let (at, half) = self.details.entry(place).or_insert((usize::MAX, Half::default()));
        let joined = match (details.get_mut(*at), piece) {
            (Some(ReasoningDetail::Text(known)), ReasoningDetail::Text(piece)) => join_text_detail(known, half, piece),
            (Some(ReasoningDetail::Summary(known)), ReasoningDetail::Summary(piece)) => {
                join_summary_detail(known, half, piece)
            }
            _ => false,
        };
        if joined {
            return;
        }
        (*at, *half) = (details.len(), Half::default());
        let exact = match piece {
            ReasoningDetail::Text(piece) => piece.extra.exact("text"),
            ReasoningDetail::Summary(piece) => piece.extra.exact("summary"),
            _ => None,
        };
        half.push(&mut String::new(), "", exact);
        details.push(piece.clone());
    }

    #[inline]
    fn finish(self) -> ChatChoice {
        let mut choice = self.choice;
        let message = &mut choice.message;
        message.content = self.content.finish();
        message.tool_calls = self.calls.finish();
        if let (Some(repeated), true) = (self.repeated, *message == ChatAssistantMessage::new())
            && let Ok(whole) = wire::decode_event(repeated.as_text())
        {
            *message = whole;
        }
        // A field may be unknown in a delta but known in a message, such as images.
        if !self.unknown.is_empty()
            && let Some(mut members) = read_as::<_, BTreeMap<String, Json>>(&*message)
        {
            members.extend(self.unknown.finish());
            if let Some(read) = read_as(&members) {
                *message = read;
            }
        }
        keep_unrecognized(&mut choice.extra, "unrecognized_deltas", &self.unrecognized);
        choice
    }
}

/// Appends `text` if there is any.
#[inline]
fn join(whole: &mut Option<String>, half: &mut Half, text: &Option<String>, exact: Option<&Json>) {
    if let Some(text) = text {
        half.push(whole.get_or_insert_default(), text, exact);
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
    known.extra.merge(&from.extra, "");
}

#[inline]
fn join_audio(whole: &mut ChatAudioOutput, half: &mut Half, from: &ChatAudioOutput) {
    update(&mut whole.id, &from.id);
    update(&mut whole.expires_at, &from.expires_at);
    if let Some(data) = &from.data {
        whole.data.get_or_insert_default().push_str(data);
    }
    join(&mut whole.transcript, half, &from.transcript, from.extra.exact("transcript"));
    whole.extra.merge(&from.extra, "");
}

/// The content of a message: text, or parts if a provider streams parts.
#[derive(Clone, Debug)]
enum Content {
    Nothing,
    Text(String),
    Parts(Vec<ChatContentPart>),
}

impl Content {
    #[inline]
    fn push_text(&mut self, text: &str, half: &mut Half, exact: Option<&Json>) {
        if let Self::Nothing = self {
            *self = Self::Text(String::new());
        }
        match self {
            Self::Nothing => {}
            Self::Text(whole) => half.push(whole, text, exact),
            Self::Parts(parts) => match parts.last_mut() {
                Some(ChatContentPart::Text(last)) => half.push(&mut last.text, text, exact),
                _ if text.is_empty() => {}
                _ => parts.push(ChatContentText::new(text).into()),
            },
        }
    }

    #[inline]
    fn push_part(&mut self, part: ChatContentPart) {
        let mut parts = match std::mem::replace(self, Self::Nothing) {
            Self::Parts(parts) => parts,
            Self::Text(text) if !text.is_empty() => vec![ChatContentText::new(text).into()],
            Self::Nothing | Self::Text(_) => Vec::new(),
        };
        match (parts.last_mut(), part) {
            (Some(ChatContentPart::Text(last)), ChatContentPart::Text(more)) if more.extra.is_empty() => {
                last.text.push_str(&more.text);
            }
            (_, part) => parts.push(part),
        }
        *self = Self::Parts(parts);
    }

    #[inline]
    fn finish(self) -> Option<ChatMessageContent> {
        match self {
            Self::Nothing => None,
            Self::Text(text) => Some(ChatMessageContent::Text(text)),
            Self::Parts(parts) => Some(ChatMessageContent::List(parts)),
        }
    }
}

/// Returns the parts of a content that is not text.
#[inline]
pub(super) fn parts(content: &Json) -> Vec<ChatContentPart> {
    match wire::decode(content.as_text()) {
        Ok(list) => list,
        Err(_) => wire::decode(content.as_text()).into_iter().collect(),
    }
}

/// Returns the text of those parts that are text; `None` if there is none.
#[inline]
pub(super) fn text_of_parts(parts: &[ChatContentPart]) -> Option<String> {
    let text: String = parts
        .iter()
        .filter_map(|part| match part {
            ChatContentPart::Text(text) => Some(text.text.as_str()),
            _ => None,
        })
        .collect();
    (!text.is_empty()).then_some(text)
}

/// The tool calls of a choice, in the order they started.
#[derive(Clone, Debug, Default)]
struct Calls {
    list: Vec<Call>,
    /// The call of each id.
    by_id: BTreeMap<String, usize>,
    /// The last call of each index.
    by_index: BTreeMap<i64, usize>,
}

/// A tool call that is being received.
#[derive(Clone, Debug)]
struct Call {
    call: ChatToolCall,
    end: ObjectEnd,
    half: Half,
}

impl Calls {
    /// Adds a piece to the call it belongs to; see [`ChatAccumulator`] for the rules.
    #[inline]
    fn push(&mut self, index: Option<i64>, piece: &ChatStreamToolCall) {
        let id = piece.id.as_deref().unwrap_or_default();
        let function = piece.function.as_ref();
        let name = function.and_then(|function| function.name.as_deref()).unwrap_or_default();
        let arguments = function.and_then(|function| function.arguments.as_deref()).unwrap_or_default();
        let is_blank = arguments.trim_ascii().is_empty();

        let by_id = if id.is_empty() { None } else { self.by_id.get(id).copied() };
        let by_index = index.and_then(|index| self.by_index.get(&index).copied());
        let last = self.list.len().checked_sub(1);
        let mut at = match (by_id, index) {
            (Some(at), _) => Some(at),
            (None, Some(_)) if !name.is_empty() => by_index,
            (None, _) => by_index.or(last),
        };
        let mut inherited = String::new();
        if let Some(Call { call, end, .. }) = at.and_then(|at| self.list.get_mut(at)) {
            let known = &mut call.function;
            let is_another_id = by_id.is_none() && !id.is_empty() && !call.id.is_empty();
            if end.is_whole() && !is_blank {
                if by_id.is_some() && known.arguments == arguments {
                    return;
                }
                if known.arguments.trim_ascii() == "{}" && (by_id.is_some() || id.is_empty() && name.is_empty()) {
                    known.arguments.clear();
                    *end = ObjectEnd::default();
                } else {
                    // Names are short, and a long one is not copied.
                    if name.is_empty() && known.name.len() <= 256 {
                        inherited.clone_from(&known.name);
                    }
                    at = None;
                }
            } else if name.is_empty() {
                at = at.filter(|_| !(is_another_id && end.is_whole()));
            } else if by_id.is_none() && !known.name.is_empty() && known.name != name && !known.arguments.is_empty() {
                at = None;
            }
            if is_another_id && !name.is_empty() {
                at = None;
            }
        }
        let at = at.unwrap_or_else(|| {
            let call = ChatToolCall::new(ChatToolCallFunction::new("", inherited), "");
            self.list.push(Call { call, end: ObjectEnd::default(), half: Half::default() });
            self.list.len() - 1
        });
        let is_new = last.is_none_or(|last| at > last);
        if !id.is_empty() && (is_new || by_id.is_none()) {
            self.by_id.insert(id.to_owned(), at);
        }
        if let Some(index) = index.filter(|_| is_new || by_index.is_none()) {
            self.by_index.insert(index, at);
        }
        let Some(Call { call, end, half }) = self.list.get_mut(at) else { return };
        if call.id.is_empty() {
            id.clone_into(&mut call.id);
        }
        let is_name_open = call.function.name.is_empty() || call.function.arguments.is_empty();
        if call.function.name != name && is_name_open {
            call.function.name.push_str(name);
        }
        call.extra.merge(&piece.extra, "");
        if let Some(function) = function {
            half.push(&mut call.function.arguments, arguments, function.extra.exact("arguments"));
            end.push(arguments);
            call.function.extra.merge(&function.extra, "");
        }
    }

    /// Returns the calls, without those that have only an id.
    #[inline]
    fn finish(self) -> Option<Vec<ChatToolCall>> {
        let calls = self.list.into_iter().map(|call| call.call);
        let calls: Vec<_> = calls
            .filter(|call| {
                let ChatToolCallFunction { name, arguments, extra, .. } = &call.function;
                !(name.is_empty() && arguments.is_empty() && extra.is_empty() && call.extra.is_empty())
            })
            .collect();
        if calls.is_empty() { None } else { Some(calls) }
    }
}

/// Finds the end of a JSON object in a text that arrives in pieces.
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
                b'\\' => self.is_escaped = true,
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

/// Returns whether two details may be one: equal if both are known.
#[inline]
fn agree<T: PartialEq>(one: &Option<T>, two: &Option<T>) -> bool {
    one.is_none() || two.is_none() || one == two
}

#[inline]
fn join_text_detail(known: &mut ReasoningDetailText, half: &mut Half, piece: &ReasoningDetailText) -> bool {
    let begins = piece.text.as_ref().is_some_and(|text| !text.is_empty());
    let is_signed = known.signature.as_ref().is_some_and(|signature| !signature.is_empty());
    if !agree(&known.id, &piece.id) || !agree(&known.format, &piece.format) || is_signed && begins {
        return false;
    }
    join(&mut known.text, half, &piece.text, piece.extra.exact("text"));
    known.extra.forget_exact("text");
    if let Some(signature) = piece.signature.as_ref().filter(|_| known.signature != piece.signature) {
        known.signature.get_or_insert_default().push_str(signature);
    }
    update(&mut known.id, &piece.id);
    update(&mut known.format, &piece.format);
    known.extra.merge(&piece.extra, "");
    true
}

#[inline]
fn join_summary_detail(known: &mut ReasoningDetailSummary, half: &mut Half, piece: &ReasoningDetailSummary) -> bool {
    if !agree(&known.id, &piece.id) || !agree(&known.format, &piece.format) {
        return false;
    }
    half.push(&mut known.summary, &piece.summary, piece.extra.exact("summary"));
    known.extra.forget_exact("summary");
    update(&mut known.id, &piece.id);
    update(&mut known.format, &piece.format);
    known.extra.merge(&piece.extra, "");
    true
}
