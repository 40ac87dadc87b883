//! Joins the events of a streamed response.

use std::collections::BTreeMap;

use super::text::sealed::Sealed;
use super::text::{Half, Piece, TextEvent, tell};
use super::{members_of, overlay, read_as, retyped, update};
use crate::core::wire::{self, Json, Wire};
use crate::models::{
    Extra, OutputContentPart, OutputFunctionCallItem, OutputItem, OutputMessage, OutputMessageContentPart,
    OutputReasoningItem, ResponseOutputText, ResponsesResult, ResponsesStreamEvent,
    responses::{CustomToolCallItem, ReasoningSummaryText, ReasoningTextContent, ResponsesRefusal},
};

impl Sealed for ResponsesStreamEvent {}

impl TextEvent for ResponsesStreamEvent {
    type Output = ResponsesResult;
    type Accumulator = ResponsesAccumulator;

    #[inline]
    fn accumulate(&self, accumulator: &mut ResponsesAccumulator) {
        accumulator.push(self);
    }

    #[inline]
    fn output(accumulator: ResponsesAccumulator) -> Option<ResponsesResult> {
        accumulator.finish()
    }

    /// Text without deltas is returned once it arrives whole.
    #[inline]
    fn text(&self, source: &mut Option<u8>) -> Option<Piece> {
        const WHOLE: u8 = 3;
        let (own, text) = match self {
            Self::OutputTextDelta(event) => {
                let text = tell(source, 0, event.delta.clone())?;
                return Some((text, event.extra.exact("delta").cloned()));
            }
            // The same text again.
            _ if *source == Some(0) => return None,
            Self::OutputTextDone(event) => (1, event.text.clone()),
            Self::OutputItemDone(event) => match &event.item {
                OutputItem::Message(message) => (2, text_of(message)),
                _ => return None,
            },
            Self::Completed(event) => (WHOLE, event.response.output_text()),
            Self::Incomplete(event) => (WHOLE, event.response.output_text()),
            Self::Unrecognized(kept) => {
                let response: ResponsesResult = wire::decode_event(kept.json().find("response")?.as_text()).ok()?;
                (WHOLE, response.output_text())
            }
            _ => return None,
        };
        let text = tell(source, own, text)?;
        // Another event may contain the whole response, too.
        if own == WHOLE {
            *source = Some(WHOLE + 1);
        }
        Some((text, None))
    }
}

/// Returns the text of a message.
#[inline]
fn text_of(message: &OutputMessage) -> String {
    let texts = message.content.iter().filter_map(|part| match part {
        OutputMessageContentPart::OutputText(part) => Some(part.text.as_str()),
        _ => None,
    });
    texts.collect()
}

/// Joins the events of a streamed response into one [`ResponsesResult`], for programs that use
/// both.
///
/// ```no_run
/// # use openrouter_kit::{EventStream, Error, helpers::ResponsesAccumulator, models::ResponsesStreamEvent};
/// # async fn run(mut stream: EventStream<ResponsesStreamEvent>) -> Result<(), Error> {
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
/// Items grow by their deltas, even without the event that starts them, and by the events that
/// contain a whole text or part. The fields of the response are the last ones received. Null and
/// empty values at the end, such as the output in the last event of some providers, do not replace
/// earlier ones. Events that this version does not know, and deltas that match no item, are kept
/// whole, in order, in the field `unrecognized_events` of the response's `extra`.
#[derive(Clone, Debug, Default)]
pub struct ResponsesAccumulator {
    /// The fields of the response, without its output.
    response: Option<BTreeMap<String, Json>>,
    /// The output of the last response that had one.
    output: Vec<OutputItem>,
    items: Vec<Item>,
    /// The item of each id.
    by_id: BTreeMap<String, usize>,
    /// The last item of a kind at each index.
    by_index: BTreeMap<(Kind, i64), usize>,
    unrecognized: Vec<Json>,
}

#[derive(Clone, Debug)]
struct Item {
    index: i64,
    id: String,
    state: State,
    item: OutputItem,
    /// The position of a part in its list, by the list and by the server's index.
    parts: BTreeMap<(List, i64), usize>,
    half: Half,
}

/// The lists of parts in an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum List {
    Content,
    Summary,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Started by its first delta.
    Found,
    /// Started by an event.
    Begun,
    Done,
}

/// The items that grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Message,
    Reasoning,
    FunctionCall,
    CustomToolCall,
    Other,
}

impl Kind {
    #[inline]
    const fn of(item: &OutputItem) -> Self {
        match item {
            OutputItem::Message(_) => Self::Message,
            OutputItem::Reasoning(_) => Self::Reasoning,
            OutputItem::FunctionCall(_) => Self::FunctionCall,
            OutputItem::CustomToolCall(_) => Self::CustomToolCall,
            _ => Self::Other,
        }
    }

    /// Returns an empty item; `None` for kinds without deltas.
    #[inline]
    fn item(self, id: &str) -> Option<OutputItem> {
        let own_id = Some(id.to_owned()).filter(|id| !id.is_empty());
        Some(match self {
            Self::Message => {
                OutputMessage { id: id.to_owned(), extra: Extra::new(), ..OutputMessage::missing() }.into()
            }
            Self::Reasoning => {
                OutputReasoningItem { id: id.to_owned(), extra: Extra::new(), ..OutputReasoningItem::missing() }.into()
            }
            Self::FunctionCall => {
                OutputFunctionCallItem { id: own_id, extra: Extra::new(), ..OutputFunctionCallItem::missing() }.into()
            }
            Self::CustomToolCall => {
                CustomToolCallItem { id: own_id, extra: Extra::new(), ..CustomToolCallItem::missing() }.into()
            }
            Self::Other => return None,
        })
    }
}

impl ResponsesAccumulator {
    /// Creates an accumulator without events.
    #[inline]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next event.
    #[inline]
    pub fn push(&mut self, event: &ResponsesStreamEvent) {
        let is_placed = match event {
            ResponsesStreamEvent::Created(event) => self.set_response(&event.response),
            ResponsesStreamEvent::InProgress(event) => self.set_response(&event.response),
            ResponsesStreamEvent::Completed(event) => self.set_response(&event.response),
            ResponsesStreamEvent::Incomplete(event) => self.set_response(&event.response),
            ResponsesStreamEvent::Failed(event) => self.set_response(&event.response),
            ResponsesStreamEvent::OutputItemAdded(event) => {
                self.set_item(event.output_index, &event.item, State::Begun)
            }
            ResponsesStreamEvent::OutputItemDone(event) => self.set_item(event.output_index, &event.item, State::Done),
            ResponsesStreamEvent::ContentPartAdded(event) => {
                let part = retyped(&event.part);
                self.set_part(event.output_index, &event.item_id, event.content_index, &part)
            }
            ResponsesStreamEvent::ContentPartDone(event) => {
                let part = retyped(&event.part);
                self.set_part(event.output_index, &event.item_id, event.content_index, &part)
            }
            ResponsesStreamEvent::OutputTextDelta(event) => {
                self.grow(Kind::Message, event.output_index, &event.item_id, |item| {
                    let (part, half) = text_part(item, event.content_index)?;
                    half.push(&mut part.text, &event.delta, event.extra.exact("delta"));
                    Some(())
                })
            }
            ResponsesStreamEvent::OutputTextDone(event) => {
                self.end(Kind::Message, event.output_index, &event.item_id, |item| {
                    update(&mut text_part(item, event.content_index)?.0.text, &event.text);
                    Some(())
                })
            }
            ResponsesStreamEvent::OutputTextAnnotationAdded(event) => {
                self.end(Kind::Message, event.output_index, &event.item_id, |item| {
                    let (part, _) = text_part(item, event.content_index)?;
                    part.annotations.get_or_insert_default().push(retyped(&event.annotation));
                    Some(())
                })
            }
            ResponsesStreamEvent::RefusalDelta(event) => {
                self.grow(Kind::Message, event.output_index, &event.item_id, |item| {
                    let (refusal, half) = refusal_part(item, event.content_index)?;
                    half.push(refusal, &event.delta, event.extra.exact("delta"));
                    Some(())
                })
            }
            ResponsesStreamEvent::RefusalDone(event) => {
                self.end(Kind::Message, event.output_index, &event.item_id, |item| {
                    update(refusal_part(item, event.content_index)?.0, &event.refusal);
                    Some(())
                })
            }
            ResponsesStreamEvent::ReasoningTextDelta(event) => {
                self.grow(Kind::Reasoning, event.output_index, &event.item_id, |item| {
                    let (text, half) = reasoning_part(item, event.content_index)?;
                    half.push(text, &event.delta, event.extra.exact("delta"));
                    Some(())
                })
            }
            ResponsesStreamEvent::ReasoningTextDone(event) => {
                self.end(Kind::Reasoning, event.output_index, &event.item_id, |item| {
                    update(reasoning_part(item, event.content_index)?.0, &event.text);
                    Some(())
                })
            }
            ResponsesStreamEvent::ReasoningSummaryTextDelta(event) => {
                self.grow(Kind::Reasoning, event.output_index, &event.item_id, |item| {
                    let (text, half) = summary_part(item, event.summary_index)?;
                    half.push(text, &event.delta, event.extra.exact("delta"));
                    Some(())
                })
            }
            ResponsesStreamEvent::ReasoningSummaryTextDone(event) => {
                self.end(Kind::Reasoning, event.output_index, &event.item_id, |item| {
                    update(summary_part(item, event.summary_index)?.0, &event.text);
                    Some(())
                })
            }
            ResponsesStreamEvent::ReasoningSummaryPartDone(event) => {
                self.end(Kind::Reasoning, event.output_index, &event.item_id, |item| {
                    update(summary_part(item, event.summary_index)?.0, &event.part.text);
                    Some(())
                })
            }
            ResponsesStreamEvent::FunctionCallArgumentsDelta(event) => {
                self.grow(Kind::FunctionCall, event.output_index, &event.item_id, |item| {
                    let OutputItem::FunctionCall(call) = &mut item.item else { return None };
                    item.half.push(&mut call.arguments, &event.delta, event.extra.exact("delta"));
                    Some(())
                })
            }
            ResponsesStreamEvent::FunctionCallArgumentsDone(event) => {
                self.end(Kind::FunctionCall, event.output_index, &event.item_id, |item| {
                    let OutputItem::FunctionCall(call) = &mut item.item else { return None };
                    update(&mut call.name, &event.name);
                    update(&mut call.arguments, &event.arguments);
                    Some(())
                })
            }
            ResponsesStreamEvent::CustomToolCallInputDelta(event) => {
                self.grow(Kind::CustomToolCall, event.output_index, &event.item_id, |item| {
                    let OutputItem::CustomToolCall(call) = &mut item.item else { return None };
                    item.half.push(&mut call.input, &event.delta, event.extra.exact("delta"));
                    Some(())
                })
            }
            ResponsesStreamEvent::CustomToolCallInputDone(event) => {
                self.end(Kind::CustomToolCall, event.output_index, &event.item_id, |item| {
                    let OutputItem::CustomToolCall(call) = &mut item.item else { return None };
                    update(&mut call.input, &event.input);
                    Some(())
                })
            }
            ResponsesStreamEvent::Unrecognized(kept) => {
                let response = kept.json().find("response").filter(Json::is_object);
                let response = response.and_then(|json| wire::decode_event(json.as_text()).ok());
                response.is_some_and(|response| self.set_response(&response))
            }
            ResponsesStreamEvent::Error(_) => false,
            _ => true,
        };
        if !is_placed {
            self.unrecognized.extend(Json::of(event));
        }
    }

    /// Returns the response so far; `None` before any of it has arrived.
    #[inline]
    pub fn snapshot(&self) -> Option<ResponsesResult> {
        self.clone().finish()
    }

    /// Returns the response; `None` if none of it arrived.
    #[inline]
    pub fn finish(mut self) -> Option<ResponsesResult> {
        let output = self.output();
        let mut response = match self.response {
            Some(members) => read_as(&members)?,
            None if output.is_empty() => return None,
            None => ResponsesResult::missing(),
        };
        response.output = output;
        if let (false, Ok(events)) = (self.unrecognized.is_empty(), Json::of(&self.unrecognized)) {
            response.extra.insert("unrecognized_events", events);
        }
        Some(response)
    }

    /// Merges a response. Its output is joined with the items at the end.
    #[inline]
    fn set_response(&mut self, response: &ResponsesResult) -> bool {
        let mut response = response.clone();
        let output = std::mem::take(&mut response.output);
        if !output.is_empty() {
            self.output = output;
        }
        response.extra.forget_exact("output");
        overlay(self.response.get_or_insert_default(), members_of(&response));
        true
    }

    /// Returns the output: that of the last response, with empty parts filled from the streamed
    /// items, plus streamed items of kinds that it lacks.
    #[inline]
    fn output(&mut self) -> Vec<OutputItem> {
        let last = std::mem::take(&mut self.output);
        let mut of_kind = BTreeMap::<Kind, (Vec<usize>, usize)>::new();
        for (at, item) in self.items.iter().enumerate() {
            of_kind.entry(Kind::of(&item.item)).or_default().0.push(at);
        }
        for item in &last {
            of_kind.entry(Kind::of(item)).or_default().1 += 1;
        }
        let mut met = BTreeMap::<Kind, usize>::new();
        let mut output = Vec::new();
        for mut item in last {
            let kind = Kind::of(&item);
            let number = met.entry(kind).or_default();
            let is_kind = |known: &Item| Kind::of(&known.item) == kind;
            let by_id = self.by_id.get(&id_of(&item)).filter(|at| self.items.get(**at).is_some_and(is_kind)).copied();
            // Some providers send different ids at the end.
            let by_number = of_kind
                .get(&kind)
                .filter(|(items, count)| items.len() == *count)
                .and_then(|(items, _)| items.get(*number));
            *number += 1;
            if let Some(known) = by_id.or(by_number.copied()).and_then(|at| self.items.get_mut(at)) {
                fill(&mut item, &mut known.item);
            }
            output.push(item);
        }
        let mut items = std::mem::take(&mut self.items);
        items.retain(|item| of_kind.get(&Kind::of(&item.item)).is_none_or(|(_, count)| *count == 0));
        items.sort_by_key(|item| item.index);
        if output.is_empty() {
            return items.into_iter().map(|item| item.item).collect();
        }
        let mut others = items.into_iter().peekable();
        let mut all = Vec::new();
        for item in output {
            let place = i64::try_from(all.len()).unwrap_or(i64::MAX);
            while let Some(other) = others.next_if(|other| other.index <= place) {
                all.push(other.item);
            }
            all.push(item);
        }
        all.extend(others.map(|other| other.item));
        all
    }

    /// Puts an item in its place. Items are also distinguished by their id, since some providers
    /// give all of them the first index.
    #[inline]
    fn set_item(&mut self, index: i64, item: &OutputItem, state: State) -> bool {
        let (kind, id) = (Kind::of(item), id_of(item));
        let is_same = |known: &Item| {
            known.state == State::Found
                || known.state == State::Begun
                    // Some servers give an item another id in each event, so its end is matched by
                    // its place.
                    && (known.id == id || known.id.is_empty() || id.is_empty() || state == State::Done)
        };
        let is_kind = |known: &Item| Kind::of(&known.item) == kind;
        let by_id = self.by_id.get(&id).filter(|at| self.items.get(**at).is_some_and(is_kind));
        let by_index = || self.by_index.get(&(kind, index)).filter(|at| self.items.get(**at).is_some_and(is_same));
        let at = by_id.or_else(by_index).copied();
        match at.and_then(|at| self.items.get_mut(at)) {
            Some(known) => {
                let mut item = item.clone();
                fill(&mut item, &mut known.item);
                known.item = item;
                known.state = state;
                if known.id.is_empty() {
                    known.id.clone_from(&id);
                }
            }
            None => self.items.push(Item::new(index, id.clone(), state, item.clone())),
        }
        let at = at.unwrap_or(self.items.len() - 1);
        self.by_index.insert((kind, index), at);
        if !id.is_empty() {
            self.by_id.insert(id, at);
        }
        true
    }

    /// Adds a delta to the item it belongs to, by its id or else by its position. Returns `false`
    /// if it matches none.
    #[inline]
    fn grow(&mut self, kind: Kind, index: i64, id: &str, add: impl FnOnce(&mut Item) -> Option<()>) -> bool {
        let at = self.place(kind, index, id);
        let item = at.and_then(|at| self.items.get_mut(at)).filter(|item| item.state != State::Done);
        item.and_then(add).is_some()
    }

    /// Sets the whole value in an item. Returns `false` if it matches none.
    #[inline]
    fn end(&mut self, kind: Kind, index: i64, id: &str, set: impl FnOnce(&mut Item) -> Option<()>) -> bool {
        let at = self.place(kind, index, id);
        at.and_then(|at| self.items.get_mut(at)).and_then(set).is_some()
    }

    /// Sets a whole part. Returns `false` if it matches no item.
    #[inline]
    fn set_part(&mut self, index: i64, id: &str, content_index: i64, part: &OutputContentPart) -> bool {
        if let OutputContentPart::ReasoningText(part) = part {
            return self.end(Kind::Reasoning, index, id, |item| {
                update(reasoning_part(item, content_index)?.0, &part.text);
                Some(())
            });
        }
        self.end(Kind::Message, index, id, |item| {
            let OutputItem::Message(message) = &mut item.item else { return None };
            let mut new: OutputMessageContentPart = retyped(part);
            let known = element(&mut message.content, &mut item.parts, List::Content, content_index, || new.clone())?;
            fill_part(&mut new, known);
            *known = new;
            Some(())
        })
    }

    /// Returns the position of an item that grows. Some providers omit the event that starts it, so
    /// it is created here.
    #[inline]
    fn place(&mut self, kind: Kind, index: i64, id: &str) -> Option<usize> {
        let is_kind = |item: &Item| Kind::of(&item.item) == kind;
        let by_id = if id.is_empty() { None } else { self.by_id.get(id).copied() };
        if let Some(at) = by_id.filter(|at| self.items.get(*at).is_some_and(is_kind)) {
            return Some(at);
        }
        let by_index = self.by_index.get(&(kind, index)).copied();
        let is_open = |item: &Item| item.state != State::Done || id.is_empty() && item.id.is_empty();
        if let Some(at) = by_index.filter(|at| self.items.get(*at).is_some_and(is_open)) {
            return Some(at);
        }
        let at = self.items.len();
        self.items.push(Item::new(index, id.to_owned(), State::Found, kind.item(id)?));
        self.by_index.insert((kind, index), at);
        if by_id.is_none() && !id.is_empty() {
            self.by_id.insert(id.to_owned(), at);
        }
        Some(at)
    }
}

impl Item {
    #[inline]
    const fn new(index: i64, id: String, state: State, item: OutputItem) -> Self {
        Self { index, id, state, item, parts: BTreeMap::new(), half: Half::none() }
    }
}

/// Returns the text part at this position, created if missing.
#[inline]
fn text_part(item: &mut Item, index: i64) -> Option<(&mut ResponseOutputText, &mut Half)> {
    let OutputItem::Message(message) = &mut item.item else { return None };
    let new = || ResponseOutputText::new("").into();
    match element(&mut message.content, &mut item.parts, List::Content, index, new)? {
        OutputMessageContentPart::OutputText(part) => Some((part, &mut item.half)),
        _ => None,
    }
}

/// The same for a refusal.
#[inline]
fn refusal_part(item: &mut Item, index: i64) -> Option<(&mut String, &mut Half)> {
    let OutputItem::Message(message) = &mut item.item else { return None };
    let new = || ResponsesRefusal::new("").into();
    match element(&mut message.content, &mut item.parts, List::Content, index, new)? {
        OutputMessageContentPart::Refusal(part) => Some((&mut part.refusal, &mut item.half)),
        _ => None,
    }
}

/// The same for the text of reasoning.
#[inline]
fn reasoning_part(item: &mut Item, index: i64) -> Option<(&mut String, &mut Half)> {
    let OutputItem::Reasoning(reasoning) = &mut item.item else { return None };
    let content = reasoning.content.get_or_insert_default();
    let part = element(content, &mut item.parts, List::Content, index, || ReasoningTextContent::new(""))?;
    Some((&mut part.text, &mut item.half))
}

/// The same for a summary of reasoning.
#[inline]
fn summary_part(item: &mut Item, index: i64) -> Option<(&mut String, &mut Half)> {
    let OutputItem::Reasoning(reasoning) = &mut item.item else { return None };
    let new = || ReasoningSummaryText::new("");
    let part = element(&mut reasoning.summary, &mut item.parts, List::Summary, index, new)?;
    Some((&mut part.text, &mut item.half))
}

/// Returns the element at the server's index, created if missing. Indexes may have gaps.
#[inline]
fn element<'a, T>(
    list: &'a mut Vec<T>,
    places: &mut BTreeMap<(List, i64), usize>,
    of: List,
    index: i64,
    new: impl FnOnce() -> T,
) -> Option<&'a mut T> {
    let at = *places.entry((of, index)).or_insert_with(|| {
        let at = usize::try_from(index).ok().filter(|index| *index < list.len());
        at.unwrap_or_else(|| {
            list.push(new());
            list.len() - 1
        })
    });
    list.get_mut(at)
}

/// Returns the id of an item; empty if it has none.
#[inline]
fn id_of(item: &OutputItem) -> String {
    match item {
        OutputItem::Message(item) => item.id.clone(),
        OutputItem::Reasoning(item) => item.id.clone(),
        OutputItem::FunctionCall(item) => item.id.clone().unwrap_or_default(),
        OutputItem::CustomToolCall(item) => item.id.clone().unwrap_or_default(),
        other => Json::of(other).ok().and_then(|json| json.get("id")?.as_str().map(str::to_owned)).unwrap_or_default(),
    }
}

/// Fills empty values of an item from its earlier version, which is consumed.
#[inline]
fn fill(item: &mut OutputItem, before: &mut OutputItem) {
    match (item, before) {
        (OutputItem::Message(item), OutputItem::Message(before)) => {
            keep(&mut item.id, &mut before.id);
            keep(&mut item.status, &mut before.status);
            keep(&mut item.phase, &mut before.phase);
            keep_parts(&mut item.content, &mut before.content, fill_part);
            item.extra.fill(&mut before.extra);
        }
        (OutputItem::Reasoning(item), OutputItem::Reasoning(before)) => {
            keep(&mut item.id, &mut before.id);
            keep(&mut item.status, &mut before.status);
            keep(&mut item.encrypted_content, &mut before.encrypted_content);
            keep(&mut item.signature, &mut before.signature);
            keep(&mut item.format, &mut before.format);
            keep_parts(&mut item.summary, &mut before.summary, |part, before| keep(&mut part.text, &mut before.text));
            match (&mut item.content, &mut before.content) {
                (Some(content), Some(before)) => {
                    keep_parts(content, before, |part, before| keep(&mut part.text, &mut before.text));
                }
                (content, before) => keep(content, before),
            }
            item.extra.fill(&mut before.extra);
        }
        (OutputItem::FunctionCall(item), OutputItem::FunctionCall(before)) => {
            keep(&mut item.id, &mut before.id);
            keep(&mut item.call_id, &mut before.call_id);
            keep(&mut item.name, &mut before.name);
            keep(&mut item.namespace, &mut before.namespace);
            keep(&mut item.status, &mut before.status);
            if item.arguments.trim_ascii() == "{}" && !before.arguments.trim_ascii().is_empty() {
                item.arguments.clear();
            }
            keep(&mut item.arguments, &mut before.arguments);
            item.extra.fill(&mut before.extra);
        }
        (OutputItem::CustomToolCall(item), OutputItem::CustomToolCall(before)) => {
            keep(&mut item.id, &mut before.id);
            keep(&mut item.call_id, &mut before.call_id);
            keep(&mut item.name, &mut before.name);
            keep(&mut item.namespace, &mut before.namespace);
            keep(&mut item.input, &mut before.input);
            item.extra.fill(&mut before.extra);
        }
        _ => {}
    }
}

/// Takes the earlier value for an empty one.
#[inline]
fn keep<T: Wire>(value: &mut T, before: &mut T) {
    if value.is_blank() && !before.is_missing() {
        std::mem::swap(value, before);
    }
}

/// Fills a list of parts from the earlier one. The longer list is kept, so the work is proportional
/// to the newer one.
#[inline]
fn keep_parts<T>(parts: &mut Vec<T>, before: &mut Vec<T>, fill: fn(&mut T, &mut T)) {
    for (part, before) in parts.iter_mut().zip(&mut *before) {
        fill(part, before);
        std::mem::swap(part, before);
    }
    let known = before.len();
    before.extend(parts.drain(..).skip(known));
    std::mem::swap(parts, before);
}

#[inline]
fn fill_part(part: &mut OutputMessageContentPart, before: &mut OutputMessageContentPart) {
    match (part, before) {
        (OutputMessageContentPart::OutputText(part), OutputMessageContentPart::OutputText(before)) => {
            keep(&mut part.text, &mut before.text);
            keep(&mut part.annotations, &mut before.annotations);
            keep(&mut part.logprobs, &mut before.logprobs);
            part.extra.fill(&mut before.extra);
        }
        (OutputMessageContentPart::Refusal(part), OutputMessageContentPart::Refusal(before)) => {
            keep(&mut part.refusal, &mut before.refusal);
        }
        _ => {}
    }
}
