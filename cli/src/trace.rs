//! Showing each attempt on standard error (`--verbose`).

use std::error::Error as StdError;
use std::future::ready;

use openrouter_kit::Error;
use openrouter_kit::core::body::Body;
use openrouter_kit::hooks::{Hook, HookContext, HookFuture};
use openrouter_kit::http::{HeaderMap, Request, Response};

use crate::output;

/// A hook that shows method, URL, status, time and headers. Values that may be secret are replaced.
#[derive(Debug)]
pub(crate) struct ShowAttempts;

impl ShowAttempts {
    fn headers(mark: &str, headers: &HeaderMap) {
        for (name, value) in headers {
            match value.is_sensitive() {
                true => output::note(format_args!("{mark} {name}: [redacted]")),
                false => output::note(format_args!("{mark} {name}: {}", String::from_utf8_lossy(value.as_bytes()))),
            }
        }
    }

    fn response(context: &HookContext, response: &Response<Body>) {
        output::note(format_args!("< {} after {:.1?}", response.status(), context.elapsed()));
        Self::headers("<", response.headers());
    }
}

impl Hook for ShowAttempts {
    fn before_request<'a>(&'a self, context: &'a HookContext, request: &'a mut Request<Body>) -> HookFuture<'a, ()> {
        let attempt = match context.attempt() {
            1 => String::new(),
            attempt => format!(" (attempt {attempt})"),
        };
        output::note(format_args!("> {} {}{attempt}", request.method(), request.uri()));
        Self::headers(">", request.headers());
        Box::pin(ready(Ok(())))
    }

    fn after_success<'a>(
        &'a self,
        context: &'a HookContext,
        response: Response<Body>,
    ) -> HookFuture<'a, Response<Body>> {
        Self::response(context, &response);
        Box::pin(ready(Ok(response)))
    }

    fn after_error<'a>(
        &'a self,
        context: &'a HookContext,
        failure: Result<Response<Body>, Error>,
    ) -> HookFuture<'a, Response<Body>, Error> {
        match &failure {
            Ok(response) => Self::response(context, response),
            Err(error) => {
                let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
                output::note(format_args!("< {error}{cause}"));
            }
        }
        Box::pin(ready(failure))
    }
}
