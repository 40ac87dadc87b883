//! The status of a run, and the errors of its methods.

use std::error::Error;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

use super::call::CallState;
use super::limits::Limit;
use crate::errors::{LONGEST, OneLine};
use crate::models::Json;

/// The status of a [`Run`](super::Run).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunStatus {
    /// The run goes on when it is resumed.
    InProgress,
    /// Calls wait for a decision; see [`Run::pending`](super::Run::pending).
    Paused,
    /// The model has given its final text.
    Done,
    /// The run ended without a final text. It goes on when it is resumed.
    Stopped(StopReason),
}

impl RunStatus {
    /// Returns `true` for [`Done`](Self::Done) and [`Stopped`](Self::Stopped).
    pub const fn is_end(&self) -> bool {
        matches!(self, Self::Done | Self::Stopped(_))
    }
}

/// Why a run ended without a final text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopReason {
    /// A limit was reached.
    Limit(Limit),
    /// The model refused to respond, with this text.
    Refusal(String),
    /// The response was cut off, for this reason: `max_output_tokens`, `content_filter`, another one of the server, or the
    /// status of the response. The text so far is in the history.
    CutOff(String),
    /// The model responded with nothing, and with nothing again when it was asked a second time.
    EmptyResponse,
    /// The calls of this tool failed more often than its [retries](super::Tool::retries) allow.
    ToolFailures(String),
    /// The model called this tool with the same arguments in six rounds in a row.
    Loop(String),
    /// The text does not fit the type of the [output](super::Agent::output), for this reason, however often the model was
    /// asked.
    InvalidOutput(String),
    /// The model made a call of this kind, which the program has to run but an agent has no tools for. Its output can be
    /// added with [`Run::add_input`](super::Run::add_input).
    UnsupportedCall(String),
    /// The program stopped the run with a [`StopHandle`](super::StopHandle).
    Requested,
}

impl StopReason {
    fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Limit(limit) => ("limit", limit.as_str()),
            Self::Refusal(text) => ("refusal", text),
            Self::CutOff(reason) => ("cut_off", reason),
            Self::EmptyResponse => ("empty_response", ""),
            Self::ToolFailures(tool) => ("tool_failures", tool),
            Self::Loop(tool) => ("loop", tool),
            Self::InvalidOutput(reason) => ("invalid_output", reason),
            Self::UnsupportedCall(kind) => ("unsupported_call", kind),
            Self::Requested => ("requested", ""),
        }
    }

    fn from_parts(name: &str, detail: &Json) -> Option<Self> {
        let text = || detail.as_str().unwrap_or_default().to_owned();
        Some(match name {
            "limit" => Self::Limit(detail.deserialize().ok()?),
            "refusal" => Self::Refusal(text()),
            "cut_off" => Self::CutOff(text()),
            "empty_response" => Self::EmptyResponse,
            "tool_failures" => Self::ToolFailures(text()),
            "loop" => Self::Loop(text()),
            "invalid_output" => Self::InvalidOutput(text()),
            "unsupported_call" => Self::UnsupportedCall(text()),
            "requested" => Self::Requested,
            _ => return None,
        })
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, detail) = self.parts();
        let detail = OneLine::new(detail, LONGEST, "");
        match self {
            Self::Limit(limit) => write!(f, "{limit} is reached"),
            Self::Refusal(_) => write!(f, "the model refused to respond: {detail}"),
            Self::CutOff(_) => write!(f, "the response was cut off ({detail})"),
            Self::EmptyResponse => f.write_str("the model responded with nothing, twice"),
            Self::ToolFailures(_) => write!(f, "the calls of the tool `{detail}` failed too often"),
            Self::Loop(_) => write!(f, "the model keeps calling the tool `{detail}` with the same arguments"),
            Self::InvalidOutput(_) => write!(f, "the text does not match the requested type: {detail}"),
            Self::UnsupportedCall(_) => write!(f, "the model made a `{detail}`, for which an agent has no tools"),
            Self::Requested => f.write_str("the program stopped the run"),
        }
    }
}

impl Serialize for StopReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([self.parts()])
    }
}

impl<'de> Deserialize<'de> for StopReason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = <Json as Deserialize>::deserialize(deserializer)?;
        let reason = json.as_object().and_then(|mut members| members.next());
        let reason = reason.and_then(|(name, detail)| Self::from_parts(name, detail));
        reason.ok_or_else(|| D::Error::custom(format!("{json} is not a reason to stop that this version knows")))
    }
}

impl Serialize for RunStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::InProgress => serializer.serialize_str("in_progress"),
            Self::Paused => serializer.serialize_str("paused"),
            Self::Done => serializer.serialize_str("done"),
            Self::Stopped(reason) => serializer.collect_map([("stopped", reason)]),
        }
    }
}

impl<'de> Deserialize<'de> for RunStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = <Json as Deserialize>::deserialize(deserializer)?;
        match (json.as_str(), json.get("stopped")) {
            (Some("in_progress"), _) => Ok(Self::InProgress),
            (Some("paused"), _) => Ok(Self::Paused),
            (Some("done"), _) => Ok(Self::Done),
            (None, Some(reason)) => reason.deserialize().map(Self::Stopped).map_err(D::Error::custom),
            _ => Err(D::Error::custom(format!("{json} is not a status of a run that this version knows"))),
        }
    }
}

/// Why a method of a [`Run`](super::Run) or an agent failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunError {
    /// The history cannot be changed while a call has no output.
    CallsPending {
        /// The id of the call.
        id: String,
    },
    /// The current round has no call with this id.
    UnknownCall {
        /// The id that was given.
        id: String,
    },
    /// The call is not waiting for this.
    NotPending {
        /// The id of the call.
        id: String,
        /// The state of the call.
        state: CallState,
    },
    /// The call waits for an output, so that it cannot be approved.
    NeedsAnswer {
        /// The id of the call.
        id: String,
    },
    /// The call waits for the calls of its subagent, so that it cannot be approved.
    SubagentPending {
        /// The id of the call.
        id: String,
    },
    /// The history has a call without an output, which servers refuse.
    DanglingCall {
        /// The kind of the item, such as `function_call`.
        kind: &'static str,
        /// The id of the call.
        id: String,
    },
    /// A tool has to be [strict](super::Tool::strict), but its schema cannot be.
    NotStrict {
        /// The name of the tool.
        name: String,
        /// Which part of the schema makes it impossible.
        reason: String,
    },
    /// Two tools have the same name.
    DuplicateTool {
        /// The name.
        name: String,
    },
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CallsPending { id } => {
                write!(
                    f,
                    "the call `{id}` has no output yet; approve, reject or answer it, or abandon it with `end_turn`"
                )
            }
            Self::UnknownCall { id } => write!(f, "the current round has no call `{id}`; see `Run::calls`"),
            Self::NotPending { id, state } => {
                write!(f, "the call `{id}` does not wait for this; its state is `{}`", state.as_str())
            }
            Self::NeedsAnswer { id } => write!(f, "the call `{id}` waits for an output; give it with `Run::answer`"),
            Self::SubagentPending { id } => {
                write!(f, "the call `{id}` waits for calls of its subagent; decide them in `Run::subagent_mut`")
            }
            Self::DanglingCall { kind, id } => {
                write!(f, "the {kind} `{id}` in the history has no output; add one or remove the call")
            }
            Self::NotStrict { name, reason } => write!(
                f,
                "the schema of the tool `{name}` cannot be strict: {reason}; change the schema, or do not ask for `strict`"
            ),
            Self::DuplicateTool { name } => write!(f, "two tools have the name `{name}`; give each its own"),
        }
    }
}

impl Error for RunError {}
