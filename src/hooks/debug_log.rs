//! The log lines of `OPENROUTER_DEBUG`.

use std::fmt;
use std::future::ready;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use http::Response;

use super::context::HookContext;
use super::observer::{CallEnd, Observer, Outcome};
use super::{Hook, HookFuture, RequestInput};
use crate::core::body::Body;
use crate::core::hidden;
use crate::errors::{Chain, Error, LONGEST, OneLine};

/// Writes a line to standard error for each attempt: method, URL, status, time. Never a header, a
/// key or a body.
///
/// It is the first hook of a client, so that it sees every attempt begin, and what the server
/// responded.
#[derive(Debug)]
pub(crate) struct DebugLog;

/// Whether the log line of the current attempt is still to be written.
#[derive(Default)]
struct UnderWay(AtomicBool);

impl DebugLog {
    fn write(context: &HookContext, outcome: &dyn fmt::Display) {
        context.state::<UnderWay>().0.store(false, Ordering::Relaxed);
        let operation = context.operation();
        let (url, attempt, elapsed) = (context.base_url(), context.attempt(), context.elapsed());
        let (method, path) = (operation.method(), operation.path());
        let name = operation.function().unwrap_or(operation.id());
        let line = format!("openrouter: {name} attempt {attempt}: {method} {url}{path}: {outcome} after {elapsed:?}");
        // A failed log write must not affect the call. Error causes also come from hooks and
        // transports, and may contain anything.
        let _ = writeln!(std::io::stderr(), "{}", OneLine::new(&hidden::text(&line), 4 * LONGEST, ""));
    }
}

impl Hook for DebugLog {
    fn before_create_request<'a>(&'a self, context: &'a HookContext, _: &'a mut RequestInput) -> HookFuture<'a, ()> {
        context.state::<UnderWay>().0.store(true, Ordering::Relaxed);
        Box::pin(ready(Ok(())))
    }

    fn after_success<'a>(
        &'a self,
        context: &'a HookContext,
        response: Response<Body>,
    ) -> HookFuture<'a, Response<Body>> {
        Self::write(context, &response.status());
        Box::pin(ready(Ok(response)))
    }

    fn after_error<'a>(
        &'a self,
        context: &'a HookContext,
        failure: Result<Response<Body>, Error>,
    ) -> HookFuture<'a, Response<Body>, Error> {
        match &failure {
            Ok(response) => Self::write(context, &response.status()),
            Err(error) => Self::write(context, &Chain(error)),
        }
        Box::pin(ready(failure))
    }

    fn observer(&self) -> Option<&dyn Observer> {
        Some(self)
    }
}

impl Observer for DebugLog {
    fn call_end(&self, context: &HookContext, end: &CallEnd<'_>) {
        if matches!(end.outcome, Outcome::Dropped) && context.state::<UnderWay>().0.load(Ordering::Relaxed) {
            Self::write(context, &"dropped by the program");
        }
    }
}
