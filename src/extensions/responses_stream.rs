//! Puts the events of a streamed response together.

use super::text::TextDeltas;
use crate::Error;
use crate::core::EventStream;
use crate::core::wire::{self, Json, Wire};
use crate::errors::ConnectionError;
use crate::models::{
    Extra, OpenAiResponsesRefusalContent, OpenResponsesResult, OutputItems, OutputMessage, OutputMessageContentItem,
    ReasoningSummaryText, ReasoningTextContent, ResponseOutputText, StreamEvents,
};

impl EventStream<StreamEvents> {
    /// Reads the stream to its end and answers with the response, as it would have come without a stream.
    ///
    /// # Errors
    /// The first error of the stream; [`Error::Connection`] when it ended in good order but told of no response. To keep
    /// what had come by then, feed a [`ResponsesAccumulator`] yourself.
    #[inline]
    pub async fn collect(mut self) -> Result<OpenResponsesResult, Error> {
        let mut answer = ResponsesAccumulator::new();
        while let Some(event) = self.next().await {
            answer.push(&event?);
        }
        answer.finish().ok_or_else(|| ConnectionError::incomplete("createResponses", "no event held a response").into())
    }

    /// What the model says, piece by piece as it comes.
    #[inline]
    pub fn text_deltas(self) -> TextDeltas<StreamEvents> {
        TextDeltas::new(self, |event| match event {
            StreamEvents::OutputTextDelta(event) => Some(event.delta),
            _ => None,
        })
    }
}

/// Puts the events of a streamed response together, for programs that want the events and the response.
///
/// ```no_run
/// # use openrouter_kit::{EventStream, Error, extensions::ResponsesAccumulator, models::StreamEvents};
/// # async fn run(mut stream: EventStream<StreamEvents>) -> Result<(), Error> {
/// let mut answer = ResponsesAccumulator::new();
/// while let Some(event) = stream.next().await {
///     let event = event?;
///     println!("{event:?}");
///     answer.push(&event);
/// }
/// let response = answer.finish();
/// # Ok(())
/// # }
/// ```
///
/// The response is that of the last event which holds one. Where its output is empty, as in the events before the last and
/// with some providers in the last too, the output is made of the items that came on their own: whole where the event that
/// ends an item came, else as far as their deltas came.
#[derive(Clone, Debug, Default)]
pub struct ResponsesAccumulator {
    response: Option<Box<OpenResponsesResult>>,
    items: Vec<Item>,
}

#[derive(Clone, Debug)]
struct Item {
    index: i64,
    id: Option<String>,
    is_done: bool,
    item: OutputItems,
}

impl ResponsesAccumulator {
    /// Without any event.
    #[inline]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next event.
    #[inline]
    pub fn push(&mut self, event: &StreamEvents) {
        match event {
            StreamEvents::Created(event) => self.set_response(&event.response),
            StreamEvents::InProgress(event) => self.set_response(&event.response),
            StreamEvents::Completed(event) => self.set_response(&event.response),
            StreamEvents::Incomplete(event) => self.set_response(&event.response),
            StreamEvents::Failed(event) => self.set_response(&event.response),
            StreamEvents::OutputItemAdded(event) => self.set_item(event.output_index, &event.item, false),
            StreamEvents::OutputItemDone(event) => self.set_item(event.output_index, &event.item, true),
            StreamEvents::OutputTextDelta(event) => {
                if let Some(text) = self.text(event.output_index, &event.item_id, event.content_index) {
                    text.push_str(&event.delta);
                }
            }
            StreamEvents::RefusalDelta(event) => {
                if let Some(OutputItems::Message(message)) = self.growing(event.output_index, &event.item_id)
                    && let Some(OutputMessageContentItem::Refusal(part)) =
                        element(&mut message.content, event.content_index, || {
                            OpenAiResponsesRefusalContent::new("").into()
                        })
                {
                    part.refusal.push_str(&event.delta);
                }
            }
            StreamEvents::FunctionCallArgumentsDelta(event) => {
                if let Some(OutputItems::FunctionCall(call)) = self.growing(event.output_index, &event.item_id) {
                    call.arguments.push_str(&event.delta);
                }
            }
            StreamEvents::FunctionCallArgumentsDone(event) => {
                if let Some(OutputItems::FunctionCall(call)) = self.growing(event.output_index, &event.item_id) {
                    call.arguments.clone_from(&event.arguments);
                }
            }
            StreamEvents::CustomToolCallInputDelta(event) => {
                if let Some(OutputItems::CustomToolCall(call)) = self.growing(event.output_index, &event.item_id) {
                    call.input.push_str(&event.delta);
                }
            }
            StreamEvents::ReasoningTextDelta(event) => {
                if let Some(OutputItems::Reasoning(item)) = self.growing(event.output_index, &event.item_id)
                    && let Some(part) = element(item.content.get_or_insert_default(), event.content_index, || {
                        ReasoningTextContent::new("")
                    })
                {
                    part.text.push_str(&event.delta);
                }
            }
            StreamEvents::ReasoningSummaryTextDelta(event) => {
                if let Some(OutputItems::Reasoning(item)) = self.growing(event.output_index, &event.item_id)
                    && let Some(part) =
                        element(&mut item.summary, event.summary_index, || ReasoningSummaryText::new(""))
                {
                    part.text.push_str(&event.delta);
                }
            }
            StreamEvents::Unrecognized(kept) => {
                let response = kept.json().get("response").filter(Json::is_object);
                if let Some(response) = response.and_then(|json| wire::decode_event(json.as_text()).ok()) {
                    self.response = Some(Box::new(response));
                }
            }
            _ => {}
        }
    }

    /// The response as far as it came; `None` before anything of it came.
    #[inline]
    pub fn snapshot(&self) -> Option<OpenResponsesResult> {
        self.clone().finish()
    }

    /// The response; `None` where nothing of it came.
    #[inline]
    pub fn finish(self) -> Option<OpenResponsesResult> {
        let mut response = match self.response {
            Some(response) => *response,
            None if self.items.is_empty() => return None,
            None => OpenResponsesResult::missing(),
        };
        if response.output.is_empty() {
            let mut items = self.items;
            items.sort_by_key(|item| item.index);
            response.output = items.into_iter().map(|item| item.item).collect();
        }
        Some(response)
    }

    #[inline]
    fn set_response(&mut self, response: &OpenResponsesResult) {
        self.response = Some(Box::new(response.clone()));
    }

    /// Puts an item in its place. Items are told apart by their id too, since some providers count them all as the first.
    #[inline]
    fn set_item(&mut self, index: i64, item: &OutputItems, is_done: bool) {
        let id = Json::of(item).ok().and_then(|json| json.get("id")?.as_string()).filter(|id| !id.is_empty());
        let same = |known: &&mut Item| {
            known.index == index && !known.is_done && (known.id == id || known.id.is_none() || id.is_none())
                || known.id.is_some() && known.id == id
        };
        let new = Item { index, id: id.clone(), is_done, item: item.clone() };
        match self.items.iter_mut().rev().find(same) {
            Some(known) => *known = new,
            None => self.items.push(new),
        }
    }

    /// The item that grows, by its id or else by its place.
    #[inline]
    fn growing(&mut self, index: i64, id: &str) -> Option<&mut OutputItems> {
        let by_id = self.items.iter().rposition(|item| item.id.as_deref() == Some(id));
        let at = by_id.or_else(|| self.items.iter().rposition(|item| item.index == index))?;
        self.items.get_mut(at).filter(|item| !item.is_done).map(|item| &mut item.item)
    }

    /// The text that a delta belongs to. Some providers begin with it, without an event for its message.
    #[inline]
    fn text(&mut self, index: i64, id: &str, content_index: i64) -> Option<&mut String> {
        if !self.items.iter().any(|item| item.index == index || item.id.as_deref() == Some(id)) {
            let message = OutputMessage {
                content: Vec::new(),
                id: id.to_owned(),
                phase: None,
                status: None,
                extra: Extra::new(),
            };
            let id = Some(id.to_owned()).filter(|id| !id.is_empty());
            self.items.push(Item { index, id, is_done: false, item: message.into() });
        }
        let OutputItems::Message(message) = self.growing(index, id)? else { return None };
        match element(&mut message.content, content_index, || ResponseOutputText::new("").into())? {
            OutputMessageContentItem::OutputText(part) => Some(&mut part.text),
            _ => None,
        }
    }
}

/// The element at `index`, made if it is the next.
#[inline]
fn element<T>(list: &mut Vec<T>, index: i64, new: impl FnOnce() -> T) -> Option<&mut T> {
    let index = usize::try_from(index).ok()?;
    if index >= list.len() {
        list.push(new());
        return list.last_mut();
    }
    list.get_mut(index)
}
