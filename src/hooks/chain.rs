//! The hooks of a client, one after the other.

use std::sync::Arc;

use http::{Request, Response};

use super::{Hook, HookContext, RequestInput};
use crate::core::body::Body;
use crate::core::hidden::hide_values;
use crate::errors::Error;

/// All hooks of a client during a call. Without hooks every point does nothing, and no context is made.
pub(crate) struct Hooks<'a> {
    hooks: &'a [Arc<dyn Hook>],
    /// Boxed, since most clients have no hooks.
    context: Option<Box<HookContext>>,
}

impl<'a> Hooks<'a> {
    pub(crate) fn new(hooks: &'a [Arc<dyn Hook>], context: impl FnOnce() -> HookContext) -> Self {
        Self { hooks, context: (!hooks.is_empty()).then(|| Box::new(context())) }
    }

    /// Begins an attempt.
    pub(crate) fn begin(&mut self, attempt: u32) {
        if let Some(context) = &mut self.context {
            context.begin(attempt);
        }
    }

    fn each(&self) -> impl Iterator<Item = (&HookContext, &dyn Hook)> {
        self.context.as_deref().into_iter().flat_map(|context| self.hooks.iter().map(move |hook| (context, &**hook)))
    }

    pub(crate) async fn before_create_request(&self, input: &mut RequestInput) -> Result<(), Error> {
        for (context, hook) in self.each() {
            hook.before_create_request(context, input).await?;
            hide_values(&mut input.headers);
        }
        Ok(())
    }

    pub(crate) async fn before_request(&self, request: &mut Request<Body>) -> Result<(), Error> {
        for (context, hook) in self.each() {
            hook.before_request(context, request).await?;
            hide_values(request.headers_mut());
        }
        Ok(())
    }

    pub(crate) async fn after_success(&self, mut response: Response<Body>) -> Result<Response<Body>, Error> {
        for (context, hook) in self.each() {
            response = hook.after_success(context, response).await?;
            hide_values(response.headers_mut());
        }
        Ok(response)
    }

    /// Ends with the first hook that fails or turns the failure into a success.
    pub(crate) async fn after_error(
        &self,
        mut outcome: Result<Response<Body>, Error>,
    ) -> Result<Response<Body>, Error> {
        for (context, hook) in self.each() {
            outcome = hook.after_error(context, outcome).await;
            if let Ok(response) = &mut outcome {
                hide_values(response.headers_mut());
            }
            match &outcome {
                Err(Error::Hook(_)) => break,
                Ok(response) if response.status().is_success() => break,
                _ => {}
            }
        }
        outcome
    }
}
