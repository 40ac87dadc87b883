//! What a response of the model means for a run.

use super::call::ToolCall;
use crate::models::InputItem;
use crate::models::responses::{OutputItem, OutputMessageContentPart, ResponsesResult, ResponsesStatus};

/// A response, read.
pub(super) struct Reading {
    /// The output as items of the history.
    pub(super) items: Vec<InputItem>,
    pub(super) made: Made,
}

/// What the model made.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Made {
    /// Calls of tools, at least one.
    Calls(Vec<ToolCall>),
    /// Text, or a picture without text.
    Text(String),
    Refusal(String),
    /// A call that the program would have to run, but of a kind that is not a tool of an agent.
    UnsupportedCall(String),
    Nothing,
}

impl Reading {
    /// Reads a response to this history. Calls whose ids are missing or taken get new ones.
    pub(super) fn of(response: ResponsesResult, history: &[InputItem]) -> Self {
        let is_call = |item: &OutputItem| matches!(item, OutputItem::FunctionCall(_) | OutputItem::CustomToolCall(_));
        let has_calls = response.output.iter().any(is_call);
        let written = if has_calls { None } else { written(&response) };
        let mut calls: Vec<ToolCall> = Vec::new();
        let mut items: Vec<InputItem> = Vec::with_capacity(response.output.len());
        for item in response.output {
            let mut item = InputItem::from(item);
            let call = match &mut item {
                InputItem::FunctionCall(item) => {
                    let item = &mut **item;
                    Some((&mut item.call_id, &item.name, &item.arguments, false))
                }
                InputItem::CustomToolCall(item) => Some((&mut item.call_id, &item.name, &item.input, true)),
                _ => None,
            };
            if let Some((id, name, arguments, is_custom)) = call {
                let is_taken = |id: &str| {
                    calls.iter().any(|call| call.id == id) || history.iter().any(|item| called(item) == Some(id))
                };
                let original_id = make_unique(id, is_taken);
                calls.push(ToolCall { original_id, ..ToolCall::new(id.clone(), name, arguments, is_custom) });
            }
            items.push(item);
        }
        let made = match written {
            Some(made) => made,
            None if !calls.is_empty() => Made::Calls(calls),
            None => match open_calls(&items).first() {
                Some((kind, _)) => Made::UnsupportedCall((*kind).to_owned()),
                None => Made::Nothing,
            },
        };
        Self { items, made }
    }
}

/// Replaces an id that is missing or taken; returns the one that the model gave.
fn make_unique(id: &mut String, is_taken: impl Fn(&str) -> bool) -> Option<String> {
    if !id.is_empty() && !is_taken(id) {
        return None;
    }
    let base = if id.is_empty() { "call" } else { id.as_str() };
    let mut number = 2_u64;
    let mut unique = format!("{base}-{number}");
    while is_taken(&unique) {
        number += 1;
        unique = format!("{base}-{number}");
    }
    Some(std::mem::replace(id, unique))
}

/// The refusal or the text of a response.
fn written(response: &ResponsesResult) -> Option<Made> {
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
        return Some(Made::Refusal(refusal));
    }
    let text = response.output_text();
    let has_content = !text.trim().is_empty() || response.images().any(|image| image.result.is_some());
    has_content.then_some(Made::Text(text))
}

/// Why a response is incomplete, if it is: the reason that the server gives, or its status.
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
