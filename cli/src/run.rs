//! A prompt with tools: the model calls them until it has its response.

use std::io::{self, IsTerminal};
use std::sync::{Arc, Mutex, PoisonError};

use openrouter_kit::agent::{
    Agent, CallState, Event, Limit, Limits, Outcome, Run, StepState, StopReason, Tool, ToolCall, ToolError, Unfinished,
    Usage,
};
use openrouter_kit::core::wire::Json;
use openrouter_kit::helpers::history;
use openrouter_kit::models::responses::ToolCallOutput;
use openrouter_kit::models::server_tools::OpenRouterWebSearchServerTool;
use openrouter_kit::models::{ChatMessage, InputItem, ResponsesRequest, TextExtendedConfig};
use openrouter_kit::serde_json;

use crate::approval::Decision;
use crate::budget::{Budget, RunBudget};
use crate::client::Context;
use crate::exit::Failure;
use crate::output;
use crate::response::{Prompt, Reply};
use crate::schema::Schema;
use crate::tools::Toolbox;

/// How a run is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Show {
    /// The text, as it arrives if a person reads it.
    Text { reasoning: bool },
    /// Each event of the model and each output of a tool as a line of JSON.
    Events,
    /// Nothing; the caller prints the result.
    Nothing,
}

/// What came of a run.
pub(crate) struct Ran {
    /// What belongs to the conversation, however the run ended.
    pub(crate) reply: Reply,
    /// The final text, unless it was shown.
    pub(crate) text: Option<String>,
    /// The final text as JSON, if a schema asks for it.
    pub(crate) parsed: Option<Result<Json, Unfinished>>,
    pub(crate) run: Run,
    pub(crate) outcome: Result<(), Failure>,
}

/// Where a run has come to, for the case that it is interrupted.
type Latest = Arc<Mutex<Run>>;

impl Toolbox {
    /// Runs a prompt to its final text, within the limits. An interrupt stops everything at once.
    pub(crate) async fn run(
        &mut self,
        prompt: &Prompt,
        schema: Option<&Schema>,
        show: Show,
        budget: Option<&mut Budget>,
        context: &Context,
    ) -> Ran {
        let messages = &prompt.request.messages;
        let items = history::chat_to_responses(messages).unwrap_or_else(|lossy| lossy.into_history());
        let known = items.len();
        let run = Run::new(items);
        let latest: Latest = Arc::new(Mutex::new(run.clone()));
        let mut screen = Screen::new(show);

        let mut budget = budget;
        let mut prompt = prompt.clone();
        let bound = match budget.as_mut().map(|budget| RunBudget::new(**budget, &mut prompt, context)).transpose() {
            Ok(bound) => bound,
            Err(failure) => {
                return Ran { reply: Reply::default(), text: None, parsed: None, run, outcome: Err(failure) };
            }
        };
        let agent = self.agent(&prompt, schema, bound.as_ref(), &latest, context);
        let ended = tokio::select! {
            biased;
            ended = self.drive(&agent, run, &mut screen) => ended,
            _ = tokio::signal::ctrl_c() => Err(Failure::Interrupted),
        };
        if let (Some(budget), Some(bound)) = (budget, bound) {
            *budget = bound.end();
        }
        let run = latest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut parsed = None;
        let outcome = ended.and_then(|outcome| {
            parsed = schema.map(|_| outcome.parse());
            judge(&outcome)
        });
        screen.end_line();
        let reply = reply(&run, known, &screen.step);
        let text = match &outcome {
            // It was shown.
            Ok(()) if screen.is_live => None,
            Ok(()) => Some(run.text().map_or_else(|| std::mem::take(&mut screen.step), str::to_owned)),
            Err(_) => {
                screen.leave_step();
                None
            }
        };
        Ran { reply, text, parsed, run, outcome }
    }

    fn agent(
        &self,
        prompt: &Prompt,
        schema: Option<&Schema>,
        bound: Option<&RunBudget>,
        latest: &Latest,
        context: &Context,
    ) -> Agent {
        let mut request = ResponsesRequest::new();
        request.model.clone_from(&prompt.request.model);
        request.models.clone_from(&prompt.request.models);
        request.provider.clone_from(&prompt.request.provider);
        request.text = schema.map(|schema| TextExtendedConfig::new().format(schema.text_format()));

        let mut limits = Limits::new().model_calls(self.max_steps).time(self.max_time);
        if let Some(bound) = bound {
            limits = limits.cost(bound.left());
        }
        let (options, latest) = (prompt.options.clone(), Arc::clone(latest));
        let mut agent = Agent::from_request(context.client.core(), request)
            .limits(limits)
            .configure_calls(move |mut call| {
                for (name, value) in &options {
                    let (name, value) = responses_option(name, value.clone());
                    call = call.extra_body(name, value);
                }
                call
            })
            .checkpoint(move |run: &Run| {
                *latest.lock().unwrap_or_else(PoisonError::into_inner) = run.clone();
                std::future::ready(Ok::<(), io::Error>(()))
            });
        if let Some(bound) = bound {
            agent = agent.hook(bound.clone());
        }
        if prompt.request.tools.is_some() {
            agent = agent.tool(Tool::server(OpenRouterWebSearchServerTool::new()));
        }
        self.add_to(agent)
    }

    async fn drive(&mut self, agent: &Agent, mut run: Run, screen: &mut Screen) -> Result<Outcome, Failure> {
        loop {
            let mut events = agent.resume(run).stream();
            while let Some(event) = events.next().await {
                screen.show(event?)?;
            }
            let mut paused = match events.finish().await? {
                Outcome::Paused(paused) => paused,
                ended => return Ok(ended),
            };
            screen.end_line();
            let calls: Vec<ToolCall> = paused.pending().cloned().collect();
            for call in &calls {
                let decided = match self.approval.decide(call).await? {
                    Decision::Run => paused.approve(call.id()),
                    Decision::Refuse(reason) => paused.reject(call.id(), reason),
                };
                decided.map_err(|error| Failure::Other(error.to_string()))?;
            }
            run = paused.into();
        }
    }
}

/// The name and value that an option of chat requests has in the Responses API, which runs with tools use.
fn responses_option(name: &str, value: serde_json::Value) -> (&str, serde_json::Value) {
    match name {
        "max_tokens" | "max_completion_tokens" => ("max_output_tokens", value),
        "reasoning_effort" => ("reasoning", serde_json::json!({"effort": value})),
        _ => (name, value),
    }
}

/// Whether the way in which a run ended is a success.
fn judge(outcome: &Outcome) -> Result<(), Failure> {
    match outcome {
        Outcome::Done(done) => {
            if let Some(limit) = done.limit() {
                output::note(format_args!("{limit} is reached; this is the response without further tool calls"));
            }
            Ok(())
        }
        // What a response without tools only points out.
        Outcome::Stopped(stopped) => match stopped.reason() {
            StopReason::Refusal(_) | StopReason::EmptyResponse | StopReason::CutOff(_) => {
                output::note(stopped.reason());
                Ok(())
            }
            StopReason::Limit(Limit::Cost) => Err(Failure::Cost(format!("{}; raise --max-cost", stopped.reason()))),
            StopReason::Limit(Limit::Time) => Err(Failure::Stopped(format!("{}; raise --max-time", stopped.reason()))),
            StopReason::Limit(Limit::ModelCalls) => {
                Err(Failure::Stopped(format!("{}; raise --max-steps", stopped.reason())))
            }
            reason => Err(Failure::Stopped(format!("the run was stopped: {reason}"))),
        },
        Outcome::Paused(_) => Err(Failure::Stopped("a tool call waits for a decision".to_owned())),
    }
}

/// A run that was broken off as a valid history: every call has an output.
fn settled(mut run: Run) -> Run {
    run.reopen(|_| false);
    let open = run.calls().iter().filter(|call| call.state() != CallState::Finished);
    let open: Vec<_> = open.map(|call| (call.id().to_owned(), call.state())).collect();
    for (id, state) in open {
        let reason = match state {
            CallState::Interrupted => "the user stopped it while it ran, so it may have had its effect",
            _ => "the user stopped the run",
        };
        // It cannot fail: the call exists and has no output.
        let _ = run.reject(&id, reason);
    }
    // Moves the outputs into the history.
    run.next_step(&Limits::unlimited());
    run
}

/// What a run adds to the conversation: everything after the items that were known, and the text of a response that was
/// broken off.
fn reply(run: &Run, known: usize, text: &str) -> Reply {
    let settled = settled(run.clone());
    let added = settled.items().get(known..).unwrap_or_default();
    let mut messages = history::responses_to_chat(added).unwrap_or_else(|lossy| lossy.into_history());
    let is_broken_off = run.steps().last().is_some_and(|step| step.state != StepState::Responded);
    if is_broken_off && !text.is_empty() {
        messages.push(ChatMessage::assistant(text));
    }
    let step = run.steps().iter().rev().find(|step| !step.response_id.is_empty());
    let usage = run.usage();
    Reply {
        messages,
        model: step.map(|step| step.model.clone()).unwrap_or_default(),
        cost: (usage.calls_without_cost == 0 && usage.model_calls > 0).then(|| usage.cost.as_f64()),
        id: step.map(|step| step.response_id.clone()).unwrap_or_default(),
    }
}

/// Shows model, tokens, cost and calls on standard error.
pub(crate) fn show_usage(run: &Run, reply: &Reply) {
    let Usage { model_calls, tool_calls, input_tokens, output_tokens, cost, calls_without_cost, .. } = run.usage();
    let at_least = if calls_without_cost > 0 { "at least " } else { "" };
    let mut parts = vec![reply.model.clone(), format!("{input_tokens} + {output_tokens} tokens")];
    parts.push(format!("{at_least}${cost}"));
    parts.push(format!("{} of the model, {tool_calls} of tools", output::counted(model_calls, "call")));
    parts.push(reply.id.clone());
    parts.retain(|part| !part.is_empty());
    output::note(parts.join(", "));
}

/// What is shown of a run: text on standard output, everything else on standard error.
struct Screen {
    show: Show,
    /// The text is shown as it arrives. Elsewhere only the final text is printed, since what the model says between
    /// calls is not its response.
    is_live: bool,
    /// The text of the current step.
    step: String,
    is_line_open: bool,
    is_reasoning: bool,
}

impl Screen {
    fn new(show: Show) -> Self {
        let is_live = matches!(show, Show::Text { .. }) && io::stdout().is_terminal();
        Self { show, is_live, step: String::new(), is_line_open: false, is_reasoning: false }
    }

    fn show(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::StepStarted { .. } => self.step.clear(),
            Event::Model(event) if self.show == Show::Events => output::json(&event)?,
            Event::ReasoningDelta(text) if self.show == (Show::Text { reasoning: true }) => {
                self.is_reasoning = true;
                output::aside(&text);
            }
            Event::TextDelta(text) => {
                self.step.push_str(&text);
                if self.is_live {
                    if std::mem::take(&mut self.is_reasoning) {
                        output::aside("\n\n");
                    }
                    output::text(&text)?;
                    self.is_line_open = !text.ends_with('\n');
                }
            }
            Event::ToolStarted(call) => {
                self.leave_step();
                let (name, arguments) = (output::one_line(call.name()), output::shortened(call.arguments()));
                output::note(format_args!("[calling {name} {arguments}]"));
            }
            Event::ToolProgress { progress, .. } => {
                if let Some(message) = progress.get("message").and_then(|message| message.as_str()) {
                    output::hint(format_args!("  {}", output::shortened(message)));
                }
            }
            Event::ToolFinished { call, error } => {
                self.leave_step();
                finished(&call, error.as_deref());
                if let (Show::Events, Some(result)) = (self.show, call.output()) {
                    output::json(&InputItem::function_call_output(call.id(), result.clone()))?;
                }
            }
            Event::ToolPending(_) => self.leave_step(),
            _ => {}
        }
        Ok(())
    }

    /// The text so far was not the response. If it was held back, it goes to standard error.
    fn leave_step(&mut self) {
        self.end_line();
        let text = std::mem::take(&mut self.step);
        if !self.is_live && matches!(self.show, Show::Text { .. }) && !text.trim().is_empty() {
            output::aside(&format!("{}\n", text.trim_end()));
        }
    }

    /// Begins a new line, whatever comes next.
    fn end_line(&mut self) {
        if std::mem::take(&mut self.is_reasoning) {
            output::aside("\n");
        }
        if std::mem::take(&mut self.is_line_open) {
            // A closed standard output is noticed by the next write.
            let _ = output::text("\n");
        }
    }
}

/// Says what came of a call.
fn finished(call: &ToolCall, error: Option<&ToolError>) {
    let name = output::one_line(call.name());
    if let Some(error) = error {
        return output::note(format_args!("[{name} failed: {}]", output::shortened(&error.to_string())));
    }
    let shown = match call.output() {
        Some(ToolCallOutput::Text(text)) => output::shortened(text),
        Some(other) => output::shortened(&serde_json::to_string(other).unwrap_or_default()),
        None => String::new(),
    };
    output::note(format_args!("[{name} returned {shown}]"));
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test a panic is a finding")]
mod tests {
    use openrouter_kit::models::ResponsesResult;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_run_that_was_broken_off_is_a_valid_history() {
        let call =
            |id: &str| json!({"type": "function_call", "id": id, "call_id": id, "name": "tool", "arguments": "{}"});
        let response = json!({"id": "gen-1", "status": "completed", "output": [call("a"), call("b"), call("c")]});
        let response: ResponsesResult = serde_json::from_value(response).unwrap();
        let mut run = Run::new("Hi");
        run.begin_model_call();
        run.finish_model_call(response);
        run.begin_tool_call("a").unwrap();
        run.finish_tool_call("a", "done").unwrap();
        run.begin_tool_call("b").unwrap();

        let reply = reply(&run, 1, "");
        let messages = serde_json::to_value(&reply.messages).unwrap();
        let outputs: Vec<_> = messages.as_array().unwrap().iter().map(|message| message["content"].clone()).collect();
        assert_eq!(messages[0]["tool_calls"].as_array().unwrap().len(), 3);
        assert_eq!(outputs[1], "done");
        assert!(outputs[2].as_str().unwrap().contains("may have had its effect"), "{messages}");
        assert!(outputs[3].as_str().unwrap().ends_with("the user stopped the run"), "{messages}");
    }
}
