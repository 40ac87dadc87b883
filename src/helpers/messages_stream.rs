//! Joins the events of a streamed message.

use std::collections::BTreeMap;

use super::text::sealed::Sealed;
use super::text::{Half, Piece, TextEvent};
use super::{members_of, overlay, read_as, retyped, update};
use crate::core::wire::{Json, Wire};
use crate::models::{
    AnthropicTextBlock, AnthropicThinkingBlock, Extra, MessagesContentBlock, MessagesContentBlockDeltaEvent,
    MessagesDelta, MessagesDeltaEvent, MessagesResult, MessagesStreamEvent,
};

impl Sealed for MessagesStreamEvent {}

impl TextEvent for MessagesStreamEvent {
    type Output = MessagesResult;
    type Accumulator = MessagesAccumulator;

    #[inline]
    fn accumulate(&self, accumulator: &mut MessagesAccumulator) {
        accumulator.push(self);
    }

    #[inline]
    fn output(accumulator: MessagesAccumulator) -> Option<MessagesResult> {
        accumulator.finish()
    }

    #[inline]
    fn text(&self, _: &mut Option<u8>) -> Option<Piece> {
        match self {
            Self::ContentBlockDelta(event) => match &event.delta {
                MessagesDelta::TextDelta(delta) => Some((delta.text.clone(), delta.extra.exact("text").cloned())),
                _ => None,
            },
            // Text usually starts empty.
            Self::ContentBlockStart(event) => match retyped(&event.content_block) {
                MessagesContentBlock::Text(block) => Some((block.text, None)),
                _ => None,
            },
            Self::MessageStart(event) => {
                let message: MessagesResult = read_as(&event.message).unwrap_or_else(MessagesResult::missing);
                Some((message.text(), None))
            }
            _ => None,
        }
    }
}

/// Joins the events of a streamed message into one [`MessagesResult`], for programs that use both.
///
/// ```no_run
/// # use openrouter_kit::{EventStream, Error, helpers::MessagesAccumulator, models::MessagesStreamEvent};
/// # async fn run(mut stream: EventStream<MessagesStreamEvent>) -> Result<(), Error> {
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
/// Blocks grow by their deltas: text, thinking and its signature, citations, summaries, and the
/// input of tools, which is parsed when the block ends. Input that is not JSON stays text. The
/// events that start the message or a block may be missing. Null and empty values at the end do not
/// replace earlier ones, nor does 0 in the usage, except for the output tokens. If one stream
/// contains several messages, their content is joined. Events and deltas that this version does not
/// know, or that match no block, are kept whole, in order, in the field `unrecognized_events` of
/// the result's `extra`.
#[derive(Clone, Debug, Default)]
pub struct MessagesAccumulator {
    message: Option<Box<MessagesResult>>,
    blocks: Vec<Block>,
    /// The last block of each index.
    by_index: BTreeMap<i64, usize>,
    /// What the end of the message contains: its fields, and those of its usage.
    end: BTreeMap<String, Json>,
    usage: BTreeMap<String, Json>,
    unrecognized: Vec<Json>,
}

#[derive(Clone, Debug)]
struct Block {
    index: i64,
    block: MessagesContentBlock,
    /// Whether an event started it, not its first delta.
    is_begun: bool,
    /// The input of a tool, as far as it has arrived.
    input: String,
    half: Half,
}

impl MessagesAccumulator {
    /// Creates an accumulator without events.
    #[inline]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next event.
    #[inline]
    pub fn push(&mut self, event: &MessagesStreamEvent) {
        match event {
            MessagesStreamEvent::MessageStart(event) => {
                let mut message: MessagesResult = read_as(&event.message).unwrap_or_else(MessagesResult::missing);
                let mut content = self.message.take().map(|before| before.content).unwrap_or_default();
                content.extend(self.end_blocks());
                content.append(&mut message.content);
                message.content = content;
                self.message = Some(Box::new(message));
                self.end.clear();
                self.usage.clear();
            }
            MessagesStreamEvent::ContentBlockStart(event) => {
                self.begin_block(event.index, retyped(&event.content_block), true);
            }
            MessagesStreamEvent::ContentBlockDelta(event) => {
                if !self.push_delta(event) {
                    self.unrecognized.extend(Json::of(event));
                }
            }
            MessagesStreamEvent::MessageDelta(event) => self.push_end(event),
            MessagesStreamEvent::MessageStop(event) => {
                if let Some(message) = &mut self.message {
                    update(&mut message.openrouter_metadata, &event.openrouter_metadata);
                    message.extra.merge(&event.extra, "");
                }
            }
            MessagesStreamEvent::ContentBlockStop(_) | MessagesStreamEvent::Ping(_) => {}
            MessagesStreamEvent::Error(_) => self.unrecognized.extend(Json::of(event)),
            MessagesStreamEvent::Unrecognized(kept) => self.unrecognized.push(kept.json().clone()),
        }
    }

    /// Returns the message so far; `None` before any of it has arrived.
    #[inline]
    pub fn snapshot(&self) -> Option<MessagesResult> {
        self.clone().finish()
    }

    /// Returns the message; `None` if none of it arrived.
    #[inline]
    pub fn finish(mut self) -> Option<MessagesResult> {
        let mut message = match self.message.take() {
            Some(message) => *message,
            None if self.blocks.is_empty() => return None,
            None => MessagesResult::missing(),
        };
        let mut content = std::mem::take(&mut message.content);
        content.extend(self.end_blocks());
        if !self.end.is_empty() || !self.usage.is_empty() {
            let mut members = members_of(&message);
            let mut usage = members.get("usage").map(members_of).unwrap_or_default();
            overlay_usage(&mut usage, self.usage);
            overlay(&mut members, self.end);
            members.extend(Json::of(&usage).map(|usage| ("usage".to_owned(), usage)));
            message = read_as(&members).unwrap_or_else(MessagesResult::missing);
        }
        message.content = content;
        if let (false, Ok(events)) = (self.unrecognized.is_empty(), Json::of(&self.unrecognized)) {
            message.extra.insert("unrecognized_events", events);
        }
        Some(message)
    }

    /// Returns the blocks so far, which no longer grow.
    #[inline]
    fn end_blocks(&mut self) -> impl Iterator<Item = MessagesContentBlock> + use<> {
        self.by_index.clear();
        self.blocks.sort_by_key(|block| block.index);
        std::mem::take(&mut self.blocks).into_iter().map(Block::finish)
    }

    /// Starts a block and returns its position.
    #[inline]
    fn begin_block(&mut self, index: i64, block: MessagesContentBlock, is_begun: bool) -> usize {
        let at = self.blocks.len();
        self.by_index.insert(index, at);
        self.blocks.push(Block { index, block, is_begun, input: String::new(), half: Half::default() });
        at
    }

    /// Adds a delta to its block. Returns `false` if it matches none.
    #[inline]
    fn push_delta(&mut self, event: &MessagesContentBlockDeltaEvent) -> bool {
        let known = self.by_index.get(&event.index).copied();
        let fits = |block: &Block| block.is_begun || takes(&block.block, &event.delta);
        let at = match known.filter(|at| self.blocks.get(*at).is_some_and(fits)) {
            Some(at) => at,
            // Some providers begin with the delta.
            None => match block_of(&event.delta) {
                Some(block) => self.begin_block(event.index, block, false),
                None => return false,
            },
        };
        let Some(Block { block, input, half, .. }) = self.blocks.get_mut(at) else { return false };
        match (block, &event.delta) {
            (MessagesContentBlock::Text(block), MessagesDelta::TextDelta(delta)) => {
                half.push(&mut block.text, &delta.text, delta.extra.exact("text"));
            }
            (MessagesContentBlock::Text(block), MessagesDelta::CitationsDelta(delta)) => {
                block.citations.get_or_insert_default().push(retyped(&delta.citation));
            }
            (MessagesContentBlock::Thinking(block), MessagesDelta::ThinkingDelta(delta)) => {
                half.push(&mut block.thinking, &delta.thinking, delta.extra.exact("thinking"));
            }
            (MessagesContentBlock::Thinking(block), MessagesDelta::SignatureDelta(delta)) => {
                block.signature.push_str(&delta.signature);
            }
            (MessagesContentBlock::Compaction(block), MessagesDelta::CompactionDelta(delta)) => {
                for (whole, piece) in
                    [(&mut block.content, &delta.content), (&mut block.encrypted_content, &delta.encrypted_content)]
                {
                    if let Some(piece) = piece {
                        whole.get_or_insert_default().push_str(piece);
                    }
                }
            }
            (
                MessagesContentBlock::ToolUse(_)
                | MessagesContentBlock::ServerToolUse(_)
                | MessagesContentBlock::Unrecognized(_),
                MessagesDelta::InputJsonDelta(delta),
            ) => half.push(input, &delta.partial_json, delta.extra.exact("partial_json")),
            _ => return false,
        }
        true
    }

    /// Records how the message ended, and the usage.
    #[inline]
    fn push_end(&mut self, event: &MessagesDeltaEvent) {
        for (name, value) in members_of(event) {
            match name.as_str() {
                "type" => {}
                "delta" => overlay(&mut self.end, members_of(&value)),
                "usage" => overlay_usage(&mut self.usage, members_of(&value)),
                _ => overlay(&mut self.end, BTreeMap::from([(name, value)])),
            }
        }
    }
}

/// Returns an empty block of the kind that a delta extends.
#[inline]
fn block_of(delta: &MessagesDelta) -> Option<MessagesContentBlock> {
    Some(match delta {
        MessagesDelta::TextDelta(_) | MessagesDelta::CitationsDelta(_) => {
            AnthropicTextBlock { citations: None, text: String::new(), extra: Extra::new() }.into()
        }
        MessagesDelta::ThinkingDelta(_) | MessagesDelta::SignatureDelta(_) => {
            AnthropicThinkingBlock { signature: String::new(), thinking: String::new(), extra: Extra::new() }.into()
        }
        // A tool use without a name is not a call.
        _ => return None,
    })
}

/// Returns whether a delta extends this kind of block.
#[inline]
fn takes(block: &MessagesContentBlock, delta: &MessagesDelta) -> bool {
    block_of(delta).is_none_or(|other| std::mem::discriminant(block) == std::mem::discriminant(&other))
}

impl Block {
    #[inline]
    fn finish(self) -> MessagesContentBlock {
        let mut block = self.block;
        if self.input.trim_ascii().is_empty() {
            return block;
        }
        let input = Json::parse(self.input.as_str()).unwrap_or_else(|_| Json::from(self.input));
        match &mut block {
            MessagesContentBlock::ToolUse(block) => block.input = Some(input),
            MessagesContentBlock::ServerToolUse(block) => block.input = Some(input),
            other => {
                let mut members = members_of(other);
                members.insert("input".to_owned(), input);
                block = read_as(&members).unwrap_or_else(MessagesContentBlock::missing);
            }
        }
        block
    }
}

/// Merges usage into what is known of it; 0 is ignored too, except for the output tokens.
#[inline]
fn overlay_usage(usage: &mut BTreeMap<String, Json>, mut newer: BTreeMap<String, Json>) {
    newer.retain(|name, value| {
        name == "output_tokens" || value.as_text() != "0" || usage.get(name).is_none_or(Json::is_null)
    });
    overlay(usage, newer);
}
