//! Shorter histories for single model calls.

use super::response::{answered, called};
use crate::models::ResponsesRequest;
use crate::models::responses::{InputItem, MessageRole, ResponsesInput};

/// Shortens the input of a request to its last `count` items, for [`Agent::prepare_step`](super::Agent::prepare_step).
///
/// System and developer messages at the start stay, and do not count. A call and its output stay together: outputs whose
/// call is cut off are cut off too, and with a call everything from the same response, reasoning included. The kept part
/// starts at a message of the user if there is one in it.
pub fn keep_last_items(request: &mut ResponsesRequest, count: usize) {
    let Some(ResponsesInput::List(items)) = &mut request.input else { return };
    let lead = items.iter().take_while(|item| is_instruction(item)).count();
    let start = items.len().saturating_sub(count).max(lead);
    let is_user = |item: &InputItem| role_of(item) == Some(&MessageRole::User);
    // Without a message of the user in the kept part, it starts after an output, where a response starts.
    let found = (start..items.len()).find(|at| items.get(*at).is_some_and(is_user));
    let found = found.or_else(|| {
        (start..items.len()).find(|at| {
            *at == lead
                || at.checked_sub(1).and_then(|before| items.get(before)).is_some_and(|item| {
                    answered(item).is_some() && items.get(*at).is_some_and(|item| answered(item).is_none())
                })
        })
    });
    let start = found.unwrap_or(lead);
    items.drain(lead..start);
    let calls: Vec<String> = items.iter().filter_map(called).map(str::to_owned).collect();
    items.retain(|item| answered(item).is_none_or(|id| calls.iter().any(|call| call == id)));
}

fn role_of(item: &InputItem) -> Option<&MessageRole> {
    match item {
        InputItem::EasyInputMessage(message) => Some(&message.role),
        _ => None,
    }
}

fn is_instruction(item: &InputItem) -> bool {
    matches!(role_of(item), Some(MessageRole::System | MessageRole::Developer))
}
