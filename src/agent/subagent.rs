//! Agents as tools of other agents.

use serde_json::{Value, json};

use super::builder::Agent;
use super::context::ToolContext;
use super::outcome::Outcome;
use super::output::{ToolError, ToolOutput};
use super::status::StopReason;
use super::tool::Tool;

impl Tool {
    /// Creates a tool that runs another agent: the model writes its input, and gets its final text.
    ///
    /// Each call is a run of its own. What it uses counts in the run that called it, and the limits of both hold. If it
    /// pauses, so does the run that called it: its calls are decided in [`Run::subagent_mut`](super::Run::subagent_mut), and
    /// it goes on when that run is resumed, whose JSON contains it. A subagent that stops without a text, at a limit for
    /// example, is a failed call, and the model gets the reason.
    pub fn from_agent(name: impl Into<String>, description: impl Into<String>, agent: Agent) -> Self {
        let parameters = json!({
            "type": "object",
            "properties": {"input": {"type": "string", "description": "What the agent is to do, with all it needs to know"}},
            "required": ["input"],
            "additionalProperties": false,
        });
        Self::with_schema(name, description, parameters, move |arguments: Value, context: ToolContext| {
            let agent = agent.clone();
            async move {
                let Some(input) = arguments.get("input").and_then(Value::as_str) else {
                    return Err(ToolError::visible("The argument `input` is missing or is not a string."));
                };
                let run = match context.subagent() {
                    Some(run) => agent.resume(run.clone()),
                    None => agent.run(input),
                };
                match run.within(&context).await {
                    Ok(Outcome::Paused(paused)) => Ok(ToolOutput::paused(paused)),
                    // The run above is stopped too, and both can be resumed.
                    Ok(Outcome::Stopped(stopped)) if *stopped.reason() == StopReason::Requested => {
                        Ok(ToolOutput::paused(stopped))
                    }
                    Ok(outcome) => {
                        outcome.text().map(ToolOutput::text).map_err(|why| ToolError::visible(why.to_string()))
                    }
                    Err(error) => Err(ToolError::new(error).tell_model("The agent failed.")),
                }
            }
        })
    }
}
