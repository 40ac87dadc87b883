//! Printing a request as a curl command instead of sending it.

use std::fmt;
use std::future::ready;

use openrouter_kit::errors::HookError;
use openrouter_kit::hooks::{Hook, HookContext, HookFuture, RequestInput};

use crate::output;

/// A hook that prints each request and refuses to send it. It runs before the key is added.
#[derive(Debug)]
pub(crate) struct PrintRequest;

/// Why the request was not sent.
#[derive(Debug)]
pub(crate) struct DryRun;

impl fmt::Display for DryRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing was sent, because of --dry-run")
    }
}

impl std::error::Error for DryRun {}

impl Hook for PrintRequest {
    fn before_create_request<'a>(
        &'a self,
        context: &'a HookContext,
        input: &'a mut RequestInput,
    ) -> HookFuture<'a, ()> {
        let _ = output::line(curl(context.operation().method().as_str(), input));
        Box::pin(ready(Err(HookError::new(DryRun))))
    }
}

/// The request as a curl command for a POSIX shell, with the key as a variable.
fn curl(method: &str, input: &RequestInput) -> String {
    let mut command = format!("curl -X {method} {}", quoted(&input.url.to_string()));
    let mut option = |text: String| {
        command.push_str(" \\\n  ");
        command.push_str(&text);
    };
    option("-H \"Authorization: Bearer $OPENROUTER_API_KEY\"".to_owned());
    for (name, value) in &input.headers {
        let is_curls_own = matches!(name.as_str(), "user-agent" | "accept" | "accept-encoding" | "content-length");
        if is_curls_own || name == "authorization" {
            continue;
        }
        let value = String::from_utf8_lossy(if value.is_sensitive() { b"[redacted]" } else { value.as_bytes() });
        option(format!("-H {}", quoted(&format!("{name}: {value}"))));
    }
    match input.body.as_bytes() {
        Some(body) if body.is_empty() => {}
        Some(body) => option(format!("--data-raw {}", quoted(&String::from_utf8_lossy(body)))),
        None => option("--data-binary @- # the body is read from files while it is sent, and is not shown".to_owned()),
    }
    command
}

/// Text as one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
