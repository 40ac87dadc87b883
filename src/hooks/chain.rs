//! The hooks of a client, one after the other.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};

use super::call::ObservedCall;
use super::context::HookContext;
use super::observer::Retry;
use super::{Hook, HookFuture, RequestInput};
use crate::core::body::Body;
use crate::core::hidden::hide_values;
use crate::core::within::within;
use crate::errors::{Error, TimeoutError, TimeoutPhase};

/// All hooks of a client during a call. Without hooks, every point does nothing.
pub(crate) struct Hooks {
    /// `None` if the client has no hooks.
    call: Option<Arc<ObservedCall>>,
    /// The time limit of each hook at each point.
    limit: Option<Duration>,
    /// How many hooks were called at the first point of the current attempt.
    begun: usize,
    /// How many of them were called at its last point.
    notified: usize,
}

impl Hooks {
    pub(crate) fn new(
        hooks: &Arc<[Arc<dyn Hook>]>,
        limit: Option<Duration>,
        context: impl FnOnce() -> HookContext,
    ) -> Self {
        let call = (!hooks.is_empty()).then(|| Arc::new(ObservedCall::new(hooks, context())));
        Self { call, limit, begun: 0, notified: 0 }
    }

    /// Returns the call as hooks see it, for what outlives the exchange.
    pub(crate) fn call(&self) -> Option<&Arc<ObservedCall>> {
        self.call.as_ref()
    }

    /// Begins an attempt.
    pub(crate) fn begin(&mut self, attempt: u32, retry: Option<Retry>) {
        if let Some(call) = &self.call {
            call.context.begin(attempt, retry);
            self.notified = 0;
        }
    }

    /// Ends an attempt: no hook is called for it afterwards.
    pub(crate) fn over(&mut self) {
        self.begun = 0;
    }

    /// Returns `true` if hooks saw the current attempt begin and its end is still to come, even if
    /// it is the last of them that holds it up.
    pub(crate) const fn is_under_way(&self) -> bool {
        self.begun > 0
    }

    pub(crate) async fn before_create_request(&mut self, input: &mut RequestInput) -> Result<(), Error> {
        let Some(call) = &self.call else { return Ok(()) };
        for hook in call.hooks.iter() {
            self.begun += 1;
            limited(call, self.limit, hook.before_create_request(&call.context, input)).await?;
            hide_values(&mut input.headers);
        }
        Ok(())
    }

    pub(crate) async fn before_request(&self, request: &mut Request<Body>) -> Result<(), Error> {
        let Some(call) = &self.call else { return Ok(()) };
        for hook in call.hooks.iter() {
            limited(call, self.limit, hook.before_request(&call.context, request)).await?;
            hide_values(request.headers_mut());
        }
        Ok(())
    }

    pub(crate) async fn after_success(&self, mut response: Response<Body>) -> Result<Response<Body>, Error> {
        let Some(call) = &self.call else { return Ok(response) };
        for hook in call.hooks.iter() {
            response = limited(call, self.limit, hook.after_success(&call.context, response)).await?;
            hide_values(response.headers_mut());
        }
        Ok(response)
    }

    /// Calls each hook that has seen the attempt begin, once. Those after one that turns the
    /// failure into a success are called for a success.
    pub(crate) async fn after_error(
        &mut self,
        mut outcome: Result<Response<Body>, Error>,
    ) -> Result<Response<Body>, Error> {
        let Some(call) = &self.call else { return outcome };
        for hook in call.hooks.iter().take(self.begun).skip(self.notified) {
            self.notified += 1;
            outcome = match outcome {
                Ok(response) if response.status().is_success() => {
                    limited(call, self.limit, hook.after_success(&call.context, response)).await
                }
                failure => limited(call, self.limit, hook.after_error(&call.context, failure)).await,
            };
            if let Ok(response) = &mut outcome {
                hide_values(response.headers_mut());
            }
        }
        outcome
    }

    /// Shows the request to observers.
    pub(crate) fn request(&self, request: &Request<Body>) {
        if let Some(call) = &self.call {
            call.request(request);
        }
    }

    /// Shows the response to observers, and its body as it is read.
    pub(crate) fn response(&self, response: Response<Body>) -> Response<Body> {
        match &self.call {
            Some(call) => call.response(response),
            None => response,
        }
    }

    pub(crate) fn attempt_failed(&self, error: &Error, retry: Option<Retry>) {
        if let Some(call) = &self.call {
            call.attempt_failed(error, retry);
        }
    }
}

/// Waits for a hook, at most for its time limit.
async fn limited<T, E: Into<Error>>(
    call: &ObservedCall,
    limit: Option<Duration>,
    point: HookFuture<'_, T, E>,
) -> Result<T, Error> {
    match within(limit, point).await {
        Ok(outcome) => outcome.map_err(Into::into),
        Err(limit) => Err(TimeoutError::new(call.context.operation_id(), TimeoutPhase::Hook, limit).into()),
    }
}
