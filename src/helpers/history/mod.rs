//! Conversions between the histories of chat, Responses and Messages, for a conversation that
//! continues with another protocol.
//!
//! A conversion is lossless, or returns [`Lossy`]: what could be converted, and each value that the
//! other protocol cannot represent. Converting back restores an equal history, in which a few
//! equivalent forms are replaced by one:
//!
//! - text as a string and as a list of one text part, and a missing and an empty content
//! - the default `detail: "auto"` of an image, the `status: "completed"` of an item, `is_error:
//!   false`
//! - empty arguments of a call and `{}`, and whitespace in arguments
//! - the cache mark of a whole message and that of its last part
//! - `reasoning` (or `reasoning_content`) and one reasoning detail with only this text; if it
//!   repeats the details, it is omitted
//! - signed or encrypted reasoning without a `format` and with that of the Messages API,
//!   `anthropic-claude-v1`
//! - the `index` of a tool call or a reasoning detail that is its position
//! - consecutive messages of the same role in the Messages API, which reads them as one
//!
//! ```
//! use openrouter_kit::helpers::history;
//! use openrouter_kit::models::{ChatMessage, ChatUserMessage};
//!
//! let messages = [ChatMessage::system("Be brief."), ChatUserMessage::new("Hello").name("Ann").into()];
//! let lossy = history::chat_to_responses(&messages).unwrap_err();
//! assert_eq!(lossy.losses()[0].path(), "messages[1].name");
//! // An input item has no name. The program decides that it can go on without it.
//! let items = lossy.accept(|loss| loss.path().ends_with(".name"))?;
//! assert_eq!(items.len(), 2);
//! # Ok::<(), history::Lossy<Vec<openrouter_kit::models::InputItem>>>(())
//! ```

#[cfg(feature = "chat")]
mod chat;
#[cfg(feature = "messages")]
mod messages;
mod parts;
#[cfg(feature = "responses")]
mod responses;

use std::error::Error;
use std::fmt;

use self::parts::History;
use crate::core::wire::Json;
#[cfg(feature = "chat")]
use crate::models::ChatMessage;
#[cfg(feature = "responses")]
use crate::models::InputItem;
#[cfg(feature = "messages")]
use crate::models::MessagesMessageParam;
#[cfg(feature = "messages")]
use crate::models::messages::MessagesRequestSystem;

/// A value of a history that another protocol cannot represent.
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    path: String,
    value: Json,
    reason: &'static str,
    is_bookkeeping: bool,
}

impl Loss {
    /// Returns where the value is in the source, such as `messages[2].content[0].cache_control`,
    /// `input[3].id` or `system[0]`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the value as it is in the source. If only its position is lost, it is in the
    /// converted history too.
    pub fn value(&self) -> &Json {
        &self.value
    }

    /// Returns why the value is lost, as a phrase to be shown.
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    /// Returns `true` for values that no model sees: the id and the status of an item, and the
    /// index of a tool call or a reasoning detail.
    ///
    /// Every item of a response has its own id, so [`Lossy::accept`] with this method is the usual
    /// way to convert one.
    pub fn is_bookkeeping(&self) -> bool {
        self.is_bookkeeping
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.reason)
    }
}

/// A history that cannot be converted without loss: the converted rest, and what would be lost.
#[derive(Clone, PartialEq)]
pub struct Lossy<T> {
    history: T,
    losses: Vec<Loss>,
}

impl<T> Lossy<T> {
    /// Returns what would be lost, in the order of the source; never empty.
    pub fn losses(&self) -> &[Loss] {
        &self.losses
    }

    /// Returns the converted history without the lost values, whatever they are.
    pub fn into_history(self) -> T {
        self.history
    }

    /// Returns the converted history if every loss is acceptable.
    ///
    /// ```
    /// use openrouter_kit::helpers::history::{self, Loss};
    /// use openrouter_kit::models::ChatMessage;
    ///
    /// let items = history::chat_to_responses(&[ChatMessage::user("Hello")])
    ///     .or_else(|lossy| lossy.accept(Loss::is_bookkeeping))?;
    /// # let _ = items;
    /// # Ok::<(), history::Lossy<Vec<openrouter_kit::models::InputItem>>>(())
    /// ```
    ///
    /// # Errors
    /// The same value, with the losses that are not acceptable.
    pub fn accept(mut self, is_acceptable: impl FnMut(&Loss) -> bool) -> Result<T, Self> {
        let mut is_acceptable = is_acceptable;
        self.losses.retain(|loss| !is_acceptable(loss));
        if self.losses.is_empty() { Ok(self.history) } else { Err(self) }
    }
}

impl<T> fmt::Display for Lossy<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 5;
        f.write_str("the history cannot be converted without loss: ")?;
        for (at, loss) in self.losses.iter().take(SHOWN).enumerate() {
            write!(f, "{}{loss}", if at == 0 { "" } else { "; " })?;
        }
        match self.losses.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

/// Prints the message, like a `main` that returns an error does; the history is not shown.
impl<T> fmt::Debug for Lossy<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<T> Error for Lossy<T> {}

/// A history of the Messages API, which has the system prompt separate from the messages.
#[cfg(feature = "messages")]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MessagesHistory {
    /// The system prompt, for `MessagesRequest::system`.
    pub system: Option<MessagesRequestSystem>,
    /// The messages, for `MessagesRequest::messages`.
    pub messages: Vec<MessagesMessageParam>,
}

/// Converts chat messages to input items of the Responses API.
///
/// # Errors
/// [`Lossy`] if something cannot be represented there, such as the name of an author.
#[cfg(all(feature = "chat", feature = "responses"))]
pub fn chat_to_responses(messages: &[ChatMessage]) -> Result<Vec<InputItem>, Lossy<Vec<InputItem>>> {
    convert(chat::read(messages), responses::write)
}

/// Converts chat messages to the Messages API. A system message at the start becomes the system
/// prompt.
///
/// # Errors
/// [`Lossy`] if something cannot be represented there, such as audio.
#[cfg(all(feature = "chat", feature = "messages"))]
pub fn chat_to_messages(messages: &[ChatMessage]) -> Result<MessagesHistory, Lossy<MessagesHistory>> {
    convert(chat::read(messages), messages::write)
}

/// Converts input items of the Responses API to chat messages. The `instructions` of a request are
/// a system message: put [`InputItem::system`] first.
///
/// # Errors
/// [`Lossy`] if something cannot be represented there, such as the id of an item
/// ([`Loss::is_bookkeeping`]) or the item of a server tool.
#[cfg(all(feature = "chat", feature = "responses"))]
pub fn responses_to_chat(items: &[InputItem]) -> Result<Vec<ChatMessage>, Lossy<Vec<ChatMessage>>> {
    convert(responses::read(items), chat::write)
}

/// Converts input items of the Responses API to the Messages API. A system message at the start
/// becomes the system prompt, so put the `instructions` of a request there ([`InputItem::system`]).
///
/// # Errors
/// [`Lossy`] if something cannot be represented there, such as the id of an item
/// ([`Loss::is_bookkeeping`]) or a summary of reasoning.
#[cfg(all(feature = "messages", feature = "responses"))]
pub fn responses_to_messages(items: &[InputItem]) -> Result<MessagesHistory, Lossy<MessagesHistory>> {
    convert(responses::read(items), messages::write)
}

/// Converts a history of the Messages API to chat messages. The system prompt becomes the first
/// message.
///
/// # Errors
/// [`Lossy`] if something cannot be represented there, such as the mark of a tool result that
/// reports an error.
#[cfg(all(feature = "chat", feature = "messages"))]
pub fn messages_to_chat(history: &MessagesHistory) -> Result<Vec<ChatMessage>, Lossy<Vec<ChatMessage>>> {
    convert(messages::read(history), chat::write)
}

/// Converts a history of the Messages API to input items of the Responses API. The system prompt
/// becomes the first item.
///
/// # Errors
/// [`Lossy`] if something cannot be represented there, such as a mark of the prompt cache.
#[cfg(all(feature = "messages", feature = "responses"))]
pub fn messages_to_responses(history: &MessagesHistory) -> Result<Vec<InputItem>, Lossy<Vec<InputItem>>> {
    convert(messages::read(history), responses::write)
}

#[inline]
fn convert<T>(mut source: History, write: impl FnOnce(&mut History) -> T) -> Result<T, Lossy<T>> {
    let history = write(&mut source);
    let losses = source.into_losses();
    if losses.is_empty() { Ok(history) } else { Err(Lossy { history, losses }) }
}
