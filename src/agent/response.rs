//! What a response of the model means for a run.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::call::ToolCall;
use crate::models::InputItem;
use crate::models::responses::{OutputItem, OutputMessageContentPart, ResponsesResult, ResponsesStatus};

/// A response, read.
pub(super) struct Reading {
    /// The output as items of the history.
    pub(super) items: Vec<InputItem>,
    /// What the output is, beside calls.
    pub(super) made: Made,
    pub(super) calls: Vec<ToolCall>,
}

/// What the model made.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Made {
    /// Text, or a picture without text.
    Text(String),
    Refusal(String),
    /// A call that the program would have to run, but of a kind that is not a tool of an agent.
    UnsupportedCall(String),
    Nothing,
}

impl Reading {
    /// Reads a response to this history. Calls whose ids are missing or taken get new ones.
    pub(super) fn of(response: &ResponsesResult, history: &[InputItem]) -> Self {
        let mut taken: BTreeSet<Cow<'_, str>> = history.iter().filter_map(called).map(Cow::Borrowed).collect();
        let mut calls = Vec::new();
        let mut items: Vec<InputItem> = Vec::with_capacity(response.output.len());
        for item in response.to_input() {
            items.push(match item {
                InputItem::FunctionCall(mut item) => {
                    let original = std::mem::take(&mut item.call_id);
                    item.call_id = unique(&mut taken, &original);
                    let mut call = ToolCall::new(item.call_id.clone(), &item.name, &item.arguments, false);
                    call.original_id = Some(original).filter(|original| *original != call.id);
                    calls.push(call);
                    InputItem::FunctionCall(item)
                }
                InputItem::CustomToolCall(mut item) => {
                    let original = std::mem::take(&mut item.call_id);
                    item.call_id = unique(&mut taken, &original);
                    let mut call = ToolCall::new(item.call_id.clone(), &item.name, &item.input, true);
                    call.original_id = Some(original).filter(|original| *original != call.id);
                    calls.push(call);
                    InputItem::CustomToolCall(item)
                }
                other => other,
            });
        }
        Self { made: made(response, &items), items, calls }
    }
}

/// An id that no other call has.
fn unique(taken: &mut BTreeSet<Cow<'_, str>>, wanted: &str) -> String {
    let base = if wanted.is_empty() { "call" } else { wanted };
    let mut id = wanted.to_owned();
    let mut number = 1_u64;
    while id.is_empty() || taken.contains(id.as_str()) {
        number += 1;
        id = format!("{base}-{number}");
    }
    taken.insert(id.clone().into());
    id
}

fn made(response: &ResponsesResult, items: &[InputItem]) -> Made {
    let parts = response.output.iter().filter_map(|item| match item {
        OutputItem::Message(message) => Some(&message.content),
        _ => None,
    });
    let refusal: String = parts
        .flatten()
        .filter_map(|part| match part {
            OutputMessageContentPart::Refusal(part) => Some(part.refusal.as_str()),
            _ => None,
        })
        .collect();
    if !refusal.is_empty() {
        return Made::Refusal(refusal);
    }
    let text = response.output_text();
    if !text.trim().is_empty() || response.images().any(|image| image.result.is_some()) {
        return Made::Text(text);
    }
    if let Some(kind) = open_calls(items).into_iter().next() {
        return Made::UnsupportedCall(kind.0.to_owned());
    }
    Made::Nothing
}

/// Why a response is not whole, if it is not: the reason that the server gives, or its status.
pub(super) fn cut_off(response: &ResponsesResult) -> Option<String> {
    if matches!(response.status, ResponsesStatus::Completed | ResponsesStatus::Unrecognized(_)) {
        return None;
    }
    let reason = response.incomplete_details.as_ref().and_then(|details| details.reason.as_ref());
    Some(reason.map_or_else(|| response.status.to_string(), ToString::to_string))
}

/// The calls that the program has to answer: their kind and id.
fn call_of(item: &InputItem) -> Option<(&'static str, &str)> {
    match item {
        InputItem::FunctionCall(item) => Some(("function_call", &item.call_id)),
        InputItem::CustomToolCall(item) => Some(("custom_tool_call", &item.call_id)),
        InputItem::LocalShellCall(item) => Some(("local_shell_call", &item.call_id)),
        InputItem::ShellCall(item) => Some(("shell_call", &item.call_id)),
        InputItem::ApplyPatchCall(item) => Some(("apply_patch_call", &item.call_id)),
        InputItem::ComputerCall(item) => Some(("computer_call", &item.call_id)),
        _ => None,
    }
}

pub(super) fn called(item: &InputItem) -> Option<&str> {
    call_of(item).map(|(_, id)| id)
}

/// The call that an item answers.
pub(super) fn answered(item: &InputItem) -> Option<&str> {
    match item {
        InputItem::FunctionCallOutput(item) => Some(&item.call_id),
        InputItem::CustomToolCallOutput(item) => Some(&item.call_id),
        InputItem::LocalShellCallOutput(item) => Some(&item.id),
        InputItem::ShellCallOutput(item) => Some(&item.call_id),
        InputItem::ApplyPatchCallOutput(item) => Some(&item.call_id),
        InputItem::Unrecognized(kept) => {
            kept.tag("call_id").filter(|_| kept.tag("type").is_some_and(|kind| kind.ends_with("_output")))
        }
        _ => None,
    }
}

/// The calls without an output after them.
pub(super) fn open_calls(items: &[InputItem]) -> Vec<(&'static str, &str)> {
    let mut open: Vec<(&'static str, &str)> = Vec::new();
    for item in items {
        if let Some(call) = call_of(item) {
            open.push(call);
        } else if let Some(id) = answered(item)
            && let Some(at) = open.iter().position(|(_, open)| *open == id)
        {
            open.remove(at);
        }
    }
    open
}
