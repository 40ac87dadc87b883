//! What can be the handler of a tool.

use std::future::Future;
use std::pin::Pin;

use serde::de::{DeserializeOwned, Deserializer, IgnoredAny};
use serde::{Deserialize, Serialize};

use super::context::ToolContext;
use super::output::{ToolError, ToolOutput};
use crate::models::Json;

/// A tool call that runs.
pub type ToolFuture = Pin<Box<dyn Future<Output = Result<ToolOutput, ToolError>> + Send>>;

/// What a tool runs: an async function or a closure that returns a future.
///
/// It is implemented for functions of these forms, where `Args` is the type that the arguments are read as:
///
/// - `async fn(Args) -> Output`
/// - `async fn(Args, ToolContext) -> Output`
/// - `async fn() -> Output`
///
/// `Output` is text, `()`, [`serde_json::Value`], [`ToolOutput`], or a `Result` of any value that serializes and any error
/// that converts into a [`ToolError`]. `Form` distinguishes the forms and is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the handler of a tool",
    label = "expected an async function of the arguments",
    note = "a handler is `async fn(Args) -> Output`, `async fn(Args, ToolContext) -> Output` or `async fn() -> Output`",
    note = "`Args` must implement `serde::Deserialize`, and `schemars::JsonSchema` for `Tool::new`",
    note = "`Output` is text, `()`, JSON, `ToolOutput`, or a `Result` of a value that implements `serde::Serialize` and an \
            error; the future must be `Send`"
)]
pub trait Handler<Form>: Send + Sync + 'static {
    /// The type that the arguments are read as.
    type Args: DeserializeOwned + Send + 'static;

    /// Starts a call.
    fn call(&self, args: Self::Args, context: ToolContext) -> ToolFuture;
}

fn boxed<R: IntoToolResult>(future: impl Future<Output = R> + Send + 'static) -> ToolFuture {
    Box::pin(async move { future.await.into_tool_result() })
}

impl<F, A, R> Handler<(A,)> for F
where
    F: Fn(A) -> R + Send + Sync + 'static,
    A: DeserializeOwned + Send + 'static,
    R: Future<Output: IntoToolResult> + Send + 'static,
{
    type Args = A;

    fn call(&self, args: A, _: ToolContext) -> ToolFuture {
        boxed(self(args))
    }
}

impl<F, A, R> Handler<(A, ToolContext)> for F
where
    F: Fn(A, ToolContext) -> R + Send + Sync + 'static,
    A: DeserializeOwned + Send + 'static,
    R: Future<Output: IntoToolResult> + Send + 'static,
{
    type Args = A;

    fn call(&self, args: A, context: ToolContext) -> ToolFuture {
        boxed(self(args, context))
    }
}

impl<F, R> Handler<()> for F
where
    F: Fn() -> R + Send + Sync + 'static,
    R: Future<Output: IntoToolResult> + Send + 'static,
{
    type Args = NoArguments;

    fn call(&self, _: NoArguments, _: ToolContext) -> ToolFuture {
        boxed(self())
    }
}

/// The arguments of a tool that has none. Whatever the model sends is ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoArguments;

impl<'de> Deserialize<'de> for NoArguments {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

#[cfg(feature = "schemars")]
impl schemars::JsonSchema for NoArguments {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "NoArguments".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "object", "properties": {}})
    }
}

/// What a handler may return: an output, or a `Result` of one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the output of a tool",
    label = "expected text, `()`, JSON, `ToolOutput` or a `Result`",
    note = "wrap another value in a `Result`: `Ok::<_, ToolError>(value)`; it must implement `serde::Serialize`",
    note = "the error of the `Result` must implement `std::error::Error` or be a `ToolError`"
)]
pub trait IntoToolResult {
    /// Converts what the handler returned.
    ///
    /// # Errors
    /// The error that the handler returned, and one if its value cannot be written as JSON.
    fn into_tool_result(self) -> Result<ToolOutput, ToolError>;
}

impl<T: Serialize + 'static, E: Into<ToolError>> IntoToolResult for Result<T, E> {
    fn into_tool_result(self) -> Result<ToolOutput, ToolError> {
        ToolOutput::of(self.map_err(Into::into)?)
    }
}

macro_rules! plain_outputs {
    ($($type:ty),*) => {$(
        impl IntoToolResult for $type {
            fn into_tool_result(self) -> Result<ToolOutput, ToolError> {
                ToolOutput::of(self)
            }
        }
    )*};
}
plain_outputs!((), String, &'static str, Json, serde_json::Value, ToolOutput);
