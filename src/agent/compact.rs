//! Shorter histories for single model calls.

use super::response::{answered, called};
use crate::models::ResponsesRequest;
use crate::models::responses::{InputItem, ResponsesInput};

/// Shortens the input of a request to about its last `count` items, for [`Agent::prepare_step`](super::Agent::prepare_step).
///
/// System and developer messages at the start stay, and do not count. Then come at least `count` items, and as many more as
/// it takes to start with a message of the user or with the start of a response: a call is never parted from its output, nor
/// from the reasoning before it.
pub fn keep_last_items(request: &mut ResponsesRequest, count: usize) {
    let Some(ResponsesInput::List(items)) = &mut request.input else { return };
    let lead = items.iter().take_while(|item| is_instruction(item)).count();
    let mut start = lead;
    let mut open: Vec<&str> = Vec::new();
    let mut before: Option<&InputItem> = None;
    for (at, item) in items.iter().enumerate().skip(lead) {
        let begins = is_user(item) || before.is_none_or(|before| is_user(before) || answered(before).is_some());
        if begins && open.is_empty() && items.len() - at >= count {
            start = at;
        }
        open.extend(called(item));
        open.retain(|id| answered(item) != Some(*id));
        before = Some(item);
    }
    items.drain(lead..start);
}

fn role_of(item: &InputItem) -> Option<&str> {
    match item {
        InputItem::EasyInputMessage(message) => Some(message.role.as_str()),
        InputItem::InputMessageItem(message) => Some(message.role.as_str()),
        _ => None,
    }
}

fn is_user(item: &InputItem) -> bool {
    role_of(item) == Some("user")
}

fn is_instruction(item: &InputItem) -> bool {
    matches!(role_of(item), Some("system" | "developer"))
}
