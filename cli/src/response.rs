//! Sending a prompt and showing the response as it arrives.

use openrouter_kit::EventStream;
use openrouter_kit::bytes::Bytes;
use openrouter_kit::core::Call;
use openrouter_kit::helpers::TextStream;
use openrouter_kit::models::{ChatMessage, ChatRequest, ChatResult, ChatStreamChunk};
use openrouter_kit::serde_json::Value;

use crate::client::Context;
use crate::exit::Failure;
use crate::format::dollars;
use crate::output;

/// A request with the fields that the user added by name.
#[derive(Clone, Debug)]
pub(crate) struct Prompt {
    pub(crate) request: ChatRequest,
    pub(crate) options: Vec<(String, Value)>,
}

/// What a prompt adds to the conversation: one message, or with tools also their calls and outputs.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    pub(crate) messages: Vec<ChatMessage>,
    pub(crate) model: String,
    pub(crate) cost: Option<f64>,
    /// The id of the generation.
    pub(crate) id: String,
}

impl From<&ChatResult> for Reply {
    fn from(result: &ChatResult) -> Self {
        Self {
            messages: result.to_message().into_iter().collect(),
            model: result.model.clone(),
            cost: result.cost(),
            id: result.id.clone(),
        }
    }
}

/// A streamed response that is being shown.
pub(crate) struct Shown {
    texts: TextStream<ChatStreamChunk>,
    shows_reasoning: bool,
    /// The last character of the text; `None` before the first.
    last: Option<char>,
    is_reasoning: bool,
}

impl Prompt {
    fn options<T>(&self, mut call: Call<T>) -> Call<T> {
        for (name, value) in &self.options {
            call = call.extra_body(name, value.clone());
        }
        call
    }

    /// Sends the prompt and returns the whole response, with the JSON that it arrived as.
    pub(crate) async fn send(&self, context: &Context) -> Result<(ChatResult, Bytes), Failure> {
        let response = self.options(context.client.chat().send(&self.request)).with_response().await?;
        Ok((response.value, response.body))
    }

    fn stream(&self, context: &Context) -> Call<EventStream<ChatStreamChunk>> {
        self.options(context.client.chat().stream(&self.request))
    }

    /// Sends the prompt and prints each event as a line of JSON.
    pub(crate) async fn print_events(&self, context: &Context) -> Result<(), Failure> {
        output::events(self.stream(context).raw().await?).await
    }

    /// Sends the prompt; the response is shown by [`Shown::run`].
    pub(crate) async fn start(&self, context: &Context, shows_reasoning: bool) -> Result<Shown, Failure> {
        let texts = self.stream(context).await?.text_deltas();
        Ok(Shown { texts, shows_reasoning, last: None, is_reasoning: false })
    }
}

impl Shown {
    /// Prints the text as it arrives, reasoning on standard error, and returns the whole response.
    pub(crate) async fn run(&mut self) -> Result<ChatResult, Failure> {
        let outcome = self.print().await;
        // What arrived is on separate lines, whatever comes after it.
        if self.is_reasoning {
            output::aside("\n");
        }
        if self.last.is_some_and(|last| last != '\n') && !matches!(outcome, Err(Failure::ClosedPipe)) {
            output::text("\n")?;
        }
        outcome?;
        Ok(self.texts.finish().await?)
    }

    async fn print(&mut self) -> Result<(), Failure> {
        while let Some(chunk) = self.texts.next_event().await {
            let chunk = chunk?;
            if let Some(reasoning) = chunk.reasoning_text().filter(|_| self.shows_reasoning) {
                self.is_reasoning = true;
                output::aside(&reasoning);
            }
            if let Some(text) = chunk.text() {
                if std::mem::take(&mut self.is_reasoning) {
                    output::aside("\n\n");
                }
                output::text(&text)?;
                self.last = text.chars().last().or(self.last);
            }
        }
        Ok(())
    }

    /// The response as far as it has arrived.
    pub(crate) fn so_far(&self) -> Option<ChatResult> {
        self.texts.snapshot()
    }

    /// Ends the line of text that was interrupted.
    pub(crate) fn end_line(&self) -> Result<(), Failure> {
        if self.last.is_some_and(|last| last != '\n') { output::text("\n") } else { Ok(()) }
    }
}

/// Says on standard error what the user would not see otherwise: a refusal, a response that was cut off or empty.
pub(crate) fn warn(result: &ChatResult) {
    let Some(choice) = result.choices.first() else { return };
    if let Some(refusal) = choice.message.refusal.as_deref().filter(|text| !text.is_empty()) {
        output::note(format_args!("the model refused: {refusal}"));
    }
    match choice.finish_reason.as_ref().map(|reason| reason.as_str()) {
        Some("length") => output::note("the response was cut off at the limit of tokens"),
        Some("content_filter") => output::note("the response was cut off by a content filter"),
        _ if !result.images().is_empty() => {
            output::note("the response has images, which are not shown; use `openrouter image`, or --json");
        }
        _ if result.text().is_none() => output::note("the response has no text"),
        _ => {}
    }
}

/// Shows model, provider, tokens, cost and generation on standard error.
pub(crate) fn show_usage(result: &ChatResult) {
    let mut parts = vec![result.model.clone()];
    parts.extend(result.provider.clone());
    if let Some(usage) = &result.usage {
        parts.push(format!("{} + {} tokens", usage.prompt_tokens, usage.completion_tokens));
    }
    parts.push(result.cost().map_or_else(|| "cost unknown".to_owned(), dollars));
    parts.push(result.id.clone());
    output::note(parts.join(", "));
}
