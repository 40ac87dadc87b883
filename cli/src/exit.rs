//! Why a command failed, how that is shown, and the exit code it leads to.

use std::error::Error as StdError;
use std::fmt::{self, Display};
use std::io;
use std::process::ExitCode;

use openrouter_kit::Error;
use openrouter_kit::agent::{AgentError, AgentErrorKind};
use openrouter_kit::errors::{ApiError, ApiErrorKind, HookError};

use crate::dry_run::DryRun;
use crate::output;

/// The exit codes, as the README lists them.
const OTHER: u8 = 1;
const USAGE: u8 = 2;
const MISMATCH: u8 = 3;
const AUTHENTICATION: u8 = 4;
const CREDITS: u8 = 5;
const RATE_LIMIT: u8 = 6;
const NETWORK: u8 = 7;
const STOPPED: u8 = 8;
const INTERRUPTED: u8 = 130;
/// What a shell reports for a program that a closed pipe ended.
const CLOSED_PIPE: u8 = 141;

/// Why a command ended early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The arguments, the configuration or an input file are wrong. Nothing was sent.
    Usage(String),
    /// The response does not match the schema that was asked for.
    Mismatch(String),
    /// The key is missing or invalid.
    Authentication(String),
    /// The call could cost more than `--max-cost`.
    Cost(String),
    /// A call failed.
    Call(Error),
    /// A run with tools failed.
    Run(AgentError),
    /// A run with tools was stopped before its final text.
    Stopped(String),
    /// Anything else.
    Other(String),
    /// The request was printed instead of sent.
    DryRun,
    /// Ctrl-C.
    Interrupted,
    /// Whoever read standard output has stopped reading.
    ClosedPipe,
}

impl Failure {
    /// Something that the system refused, with what the program was about to do.
    pub(crate) fn io(what: impl Display, error: io::Error) -> Self {
        Self::Other(format!("{what}: {error}"))
    }

    /// A write to standard output that failed.
    pub(crate) fn output(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ClosedPipe,
            _ => Self::io("standard output cannot be written", error),
        }
    }

    /// A missing key.
    pub(crate) fn no_key() -> Self {
        let advice = "the API key is missing; set OPENROUTER_API_KEY, or run `openrouter auth login`";
        Self::Authentication(advice.to_owned())
    }

    fn code(&self) -> u8 {
        match self {
            Self::DryRun => 0,
            Self::Other(_) => OTHER,
            Self::Usage(_) => USAGE,
            Self::Mismatch(_) => MISMATCH,
            Self::Authentication(_) => AUTHENTICATION,
            Self::Cost(_) => CREDITS,
            Self::Call(error) => code_of_call(error),
            Self::Run(error) => match error.kind() {
                AgentErrorKind::Model(error) => code_of_call(error),
                AgentErrorKind::Hook(error) => cause_of(error).map_or(OTHER, Self::code),
                _ => OTHER,
            },
            Self::Stopped(_) => STOPPED,
            Self::Interrupted => INTERRUPTED,
            Self::ClosedPipe => CLOSED_PIPE,
        }
    }

    /// Shows the failure on standard error and returns the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        self.show();
        ExitCode::from(self.code())
    }

    /// Shows the failure on standard error, unless there is nothing to say.
    pub(crate) fn show(&self) {
        match self {
            Self::DryRun | Self::ClosedPipe => {}
            // The shell's prompt begins on a line of its own.
            Self::Interrupted => output::hint(""),
            Self::Call(_) | Self::Run(_) => {
                output::error(self);
                let mut cause = self.source();
                while let Some(error) = cause {
                    output::note(format_args!("  caused by: {error}"));
                    cause = error.source();
                }
            }
            _ => output::error(self),
        }
    }

    /// The call that failed, alone or in a run.
    pub(crate) fn as_call(&self) -> Option<&Error> {
        match self {
            Self::Call(error) => Some(error),
            Self::Run(error) => match error.kind() {
                AgentErrorKind::Model(error) => Some(error),
                _ => None,
            },
            _ => None,
        }
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text)
            | Self::Mismatch(text)
            | Self::Authentication(text)
            | Self::Cost(text)
            | Self::Stopped(text)
            | Self::Other(text) => f.write_str(text),
            Self::Call(error) => write!(f, "{error:#}"),
            Self::Run(error) => match error.kind() {
                AgentErrorKind::Model(error) => write!(f, "{error:#}"),
                AgentErrorKind::Hook(hook) => match cause_of(hook) {
                    Some(failure) => failure.fmt(f),
                    None => hook.fmt(f),
                },
                _ => error.fmt(f),
            },
            Self::DryRun => f.write_str("nothing was sent, because of --dry-run"),
            Self::Interrupted => f.write_str("interrupted"),
            Self::ClosedPipe => f.write_str("standard output is closed"),
        }
    }
}

impl StdError for Failure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Call(error) => error.source(),
            Self::Run(error) => match error.kind() {
                AgentErrorKind::Model(error) => error.source(),
                AgentErrorKind::Hook(hook) => hook.source().filter(|source| !source.is::<Self>()),
                _ => error.source(),
            },
            _ => None,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            error if is_dry_run(&error) => Self::DryRun,
            error if error.is_missing_key() => Self::no_key(),
            error => Self::Call(error),
        }
    }
}

impl From<AgentError> for Failure {
    fn from(error: AgentError) -> Self {
        match error.kind() {
            AgentErrorKind::Model(call) if is_dry_run(call) => Self::DryRun,
            AgentErrorKind::Model(call) if call.is_missing_key() => Self::no_key(),
            _ => Self::Run(error),
        }
    }
}

fn is_dry_run(error: &Error) -> bool {
    matches!(error, Error::Hook(hook) if hook.source().is_some_and(|source| source.is::<DryRun>()))
}

/// The failure that a hook of this program gave.
fn cause_of(hook: &HookError) -> Option<&Failure> {
    hook.source()?.downcast_ref()
}

/// An error with its causes on one line.
pub(crate) fn causes(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

fn code_of_call(error: &Error) -> u8 {
    match error {
        error if error.is_out_of_credits() => CREDITS,
        Error::Api(error) => code_of_api(error),
        Error::InvalidRequest(error) if error.argument() == "api_key" => AUTHENTICATION,
        Error::InvalidRequest(_) => USAGE,
        Error::Connection(_) | Error::Timeout(_) | Error::Cancelled(_) => NETWORK,
        _ => OTHER,
    }
}

fn code_of_api(error: &ApiError) -> u8 {
    match error.kind() {
        ApiErrorKind::Unauthorized | ApiErrorKind::Forbidden => AUTHENTICATION,
        ApiErrorKind::TooManyRequests => RATE_LIMIT,
        ApiErrorKind::RequestTimeout | ApiErrorKind::GatewayTimeout | ApiErrorKind::EdgeNetworkTimeout => NETWORK,
        _ => OTHER,
    }
}

/// The exit code after the parser of the arguments has printed help, the version or what is wrong.
pub(crate) fn code_of_parser(error: &clap::Error) -> ExitCode {
    ExitCode::from(if error.use_stderr() { USAGE } else { 0 })
}
