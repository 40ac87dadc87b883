//! Puts the events of a streamed message together.

use std::collections::BTreeMap;

use super::text::TextDeltas;
use super::{retyped, said};
use crate::Error;
use crate::core::EventStream;
use crate::core::wire::{self, Json, Wire};
use crate::errors::ConnectionError;
use crate::models::{
    AnthropicTextBlock, AnthropicThinkingBlock, Extra, MessagesContentBlockDeltaEvent, MessagesDelta,
    MessagesDeltaEvent, MessagesResult, MessagesStreamEvents, OrAnthropicContentBlock,
};

impl EventStream<MessagesStreamEvents> {
    /// Reads the stream to its end and puts the events together: the answer as it would have come without a stream.
    ///
    /// # Errors
    /// The first error of the stream; [`Error::Connection`] when it ended in good order but no message began. To keep what
    /// had come by then, feed a [`MessagesAccumulator`] yourself.
    #[inline]
    pub async fn collect(mut self) -> Result<MessagesResult, Error> {
        let mut answer = MessagesAccumulator::new();
        while let Some(event) = self.next().await {
            answer.push(&event?);
        }
        answer.finish().ok_or_else(|| ConnectionError::incomplete("createMessages", "no message began").into())
    }

    /// What the model says, piece by piece as it comes.
    #[inline]
    pub fn text_deltas(self) -> TextDeltas<MessagesStreamEvents> {
        TextDeltas::new(self, |event| match event {
            MessagesStreamEvents::ContentBlockDelta(event) => match event.delta {
                MessagesDelta::TextDelta(delta) => Some(delta.text),
                _ => None,
            },
            _ => None,
        })
    }
}

/// Joins the events of a streamed message into one [`MessagesResult`], for programs that want the events and the answer.
///
/// ```no_run
/// # use openrouter_kit::{EventStream, Error, extensions::MessagesAccumulator, models::MessagesStreamEvents};
/// # async fn run(mut stream: EventStream<MessagesStreamEvents>) -> Result<(), Error> {
/// let mut answer = MessagesAccumulator::new();
/// while let Some(event) = stream.next().await {
///     let event = event?;
///     println!("{event:?}");
///     answer.push(&event);
/// }
/// let message = answer.finish();
/// # Ok(())
/// # }
/// ```
///
/// Blocks grow by their deltas: text, thinking and its signature, citations, summaries, and the input of tools, which is
/// read when the block ends. Input that is no JSON stays as text. Of the usage the last numbers count, but null and, except
/// for the output tokens, 0 say nothing. Where one stream holds several messages, their content is joined. Events and
/// deltas that this version does not know are kept whole, in order, in the member `unrecognized_events` of the answer's
/// `extra`.
#[derive(Clone, Debug, Default)]
pub struct MessagesAccumulator {
    message: Option<Box<MessagesResult>>,
    blocks: Vec<Block>,
    unrecognized: Vec<Json>,
}

#[derive(Clone, Debug)]
struct Block {
    index: i64,
    block: OrAnthropicContentBlock,
    /// The input of a tool, as far as it came.
    input: String,
}

impl MessagesAccumulator {
    /// Without any event.
    #[inline]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next event.
    #[inline]
    pub fn push(&mut self, event: &MessagesStreamEvents) {
        match event {
            MessagesStreamEvents::MessageStart(event) => {
                let mut message: MessagesResult = read(&event.message);
                if let Some(before) = self.message.take() {
                    let mut content = before.content;
                    content.extend(self.end_blocks());
                    content.append(&mut message.content);
                    message.content = content;
                }
                self.message = Some(Box::new(message));
            }
            MessagesStreamEvents::ContentBlockStart(event) => {
                let block = Block { index: event.index, block: retyped(&event.content_block), input: String::new() };
                self.blocks.push(block);
            }
            MessagesStreamEvents::ContentBlockDelta(event) => {
                if !self.push_delta(event) {
                    self.unrecognized.extend(Json::of(event));
                }
            }
            MessagesStreamEvents::MessageDelta(event) => self.push_end(event),
            MessagesStreamEvents::MessageStop(event) => {
                if let Some(message) = &mut self.message {
                    said(&mut message.openrouter_metadata, &event.openrouter_metadata);
                    for (name, value) in event.extra.iter().filter(|(_, value)| !value.is_null()) {
                        message.extra.insert(name, value.clone());
                    }
                }
            }
            MessagesStreamEvents::ContentBlockStop(_) | MessagesStreamEvents::Ping(_) => {}
            MessagesStreamEvents::Error(_) => self.unrecognized.extend(Json::of(event)),
            MessagesStreamEvents::Unrecognized(kept) => self.unrecognized.push(kept.json().clone()),
        }
    }

    /// The answer as far as it came; `None` before the message began.
    #[inline]
    pub fn snapshot(&self) -> Option<MessagesResult> {
        self.clone().finish()
    }

    /// The answer; `None` where no message began.
    #[inline]
    pub fn finish(mut self) -> Option<MessagesResult> {
        let mut message = *self.message.take()?;
        message.content.extend(self.end_blocks());
        if let (false, Ok(events)) = (self.unrecognized.is_empty(), Json::of(&self.unrecognized)) {
            message.extra.insert("unrecognized_events", events);
        }
        Some(message)
    }

    /// The blocks so far, which grow no more.
    #[inline]
    fn end_blocks(&mut self) -> impl Iterator<Item = OrAnthropicContentBlock> + use<> {
        self.blocks.sort_by_key(|block| block.index);
        std::mem::take(&mut self.blocks).into_iter().map(Block::finish)
    }

    /// Adds a delta to its block; false where it fits none.
    #[inline]
    fn push_delta(&mut self, event: &MessagesContentBlockDeltaEvent) -> bool {
        let known = self.blocks.iter().rposition(|block| block.index == event.index);
        let at = match (known, &event.delta) {
            (Some(at), _) => at,
            // Some providers begin with the delta.
            (None, MessagesDelta::TextDelta(_)) => {
                let block = AnthropicTextBlock { citations: None, text: String::new(), extra: Extra::new() };
                self.blocks.push(Block { index: event.index, block: block.into(), input: String::new() });
                self.blocks.len() - 1
            }
            (None, MessagesDelta::ThinkingDelta(_)) => {
                let (signature, thinking) = (String::new(), String::new());
                let block = AnthropicThinkingBlock { signature, thinking, extra: Extra::new() };
                self.blocks.push(Block { index: event.index, block: block.into(), input: String::new() });
                self.blocks.len() - 1
            }
            (None, _) => return false,
        };
        let Some(Block { block, input, .. }) = self.blocks.get_mut(at) else { return false };
        match (block, &event.delta) {
            (OrAnthropicContentBlock::Text(block), MessagesDelta::TextDelta(delta)) => block.text.push_str(&delta.text),
            (OrAnthropicContentBlock::Text(block), MessagesDelta::CitationsDelta(delta)) => {
                block.citations.get_or_insert_default().push(retyped(&delta.citation));
            }
            (OrAnthropicContentBlock::Thinking(block), MessagesDelta::ThinkingDelta(delta)) => {
                block.thinking.push_str(&delta.thinking);
            }
            (OrAnthropicContentBlock::Thinking(block), MessagesDelta::SignatureDelta(delta)) => {
                block.signature.push_str(&delta.signature);
            }
            (OrAnthropicContentBlock::Compaction(block), MessagesDelta::CompactionDelta(delta)) => {
                for (whole, piece) in
                    [(&mut block.content, &delta.content), (&mut block.encrypted_content, &delta.encrypted_content)]
                {
                    if let Some(piece) = piece {
                        whole.get_or_insert_default().push_str(piece);
                    }
                }
            }
            (
                OrAnthropicContentBlock::ToolUse(_)
                | OrAnthropicContentBlock::ServerToolUse(_)
                | OrAnthropicContentBlock::Unrecognized(_),
                MessagesDelta::InputJsonDelta(delta),
            ) => input.push_str(&delta.partial_json),
            _ => return false,
        }
        true
    }

    /// Takes over how the message ended, and the usage.
    #[inline]
    fn push_end(&mut self, event: &MessagesDeltaEvent) {
        let Some(message) = &mut self.message else {
            self.unrecognized.extend(Json::of(event));
            return;
        };
        let mut members = members_of(&**message);
        for (name, value) in members_of(event) {
            match name.as_str() {
                "type" => {}
                "delta" => overlay(&mut members, members_of(&value)),
                "usage" => {
                    let mut usage = members.get("usage").map(members_of).unwrap_or_default();
                    let mut newer = members_of(&value);
                    newer.retain(|name, value| {
                        name == "output_tokens" || value.as_text() != "0" || usage.get(name).is_none_or(Json::is_null)
                    });
                    overlay(&mut usage, newer);
                    members.extend(Json::of(&usage).map(|usage| (name, usage)));
                }
                _ if value.is_null() => {}
                _ => drop(members.insert(name, value)),
            }
        }
        if let Some(newer) = Json::of(&members).ok().and_then(|json| wire::decode_event(json.as_text()).ok()) {
            **message = newer;
        }
    }
}

impl Block {
    #[inline]
    fn finish(self) -> OrAnthropicContentBlock {
        let mut block = self.block;
        if self.input.trim_ascii().is_empty() {
            return block;
        }
        let input = Json::new(self.input.as_str()).unwrap_or_else(|_| Json::from(self.input));
        match &mut block {
            OrAnthropicContentBlock::ToolUse(block) => block.input = Some(input),
            OrAnthropicContentBlock::ServerToolUse(block) => block.input = Some(input),
            other => {
                let mut members = members_of(other);
                members.insert("input".to_owned(), input);
                block = read(&members);
            }
        }
        block
    }
}

/// The same JSON as another type, which keeps whatever does not fit.
#[inline]
fn read<T: Wire, U: Wire>(value: &T) -> U {
    let text = wire::encode(value).ok().and_then(|text| String::from_utf8(text).ok());
    text.and_then(|text| wire::decode_event(&text).ok()).unwrap_or_else(U::missing)
}

/// The members of an object.
#[inline]
fn members_of<T: Wire>(value: &T) -> BTreeMap<String, Json> {
    read(value)
}

/// Puts the members of `newer` that are not null over those of `members`.
#[inline]
fn overlay(members: &mut BTreeMap<String, Json>, newer: BTreeMap<String, Json>) {
    members.extend(newer.into_iter().filter(|(_, value)| !value.is_null()));
}
