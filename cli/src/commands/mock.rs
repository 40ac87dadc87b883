//! `mock`: the whole API on a port, answered by the local server of the SDK.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::Args;
use openrouter_kit::mock::{Answer, ApiFault, MockApi, MockServer, RecordedRequest};
use serde_json::json;

use crate::exit::Failure;
use crate::output;

#[derive(Args, Debug)]
pub(crate) struct MockArgs {
    /// Port to listen on; 0 is any that is free.
    #[arg(long, default_value_t = 0)]
    port: u16,

    /// Address to listen on. Other computers reach the server unless it is a loopback address.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "ADDRESS")]
    host: IpAddr,

    /// Wait before each event of a stream: seconds, or a number with ms or s; 0 does not wait.
    #[arg(long, value_name = "TIME", default_value = "15ms", value_parser = parse_pause)]
    pause: Duration,

    /// Let a share of the requests fail: a status, `cut`, `slow` or `stall`, and a number up to 1, as in 429:0.1.
    #[arg(long, value_name = "FAULT:SHARE", value_parser = parse_fault)]
    fault: Vec<(ApiFault, f64)>,

    /// Choose other identifiers, and other requests that fail.
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// Print each request as a line of JSON.
    #[arg(long)]
    jsonl: bool,
}

fn parse_pause(text: &str) -> Result<Duration, String> {
    if text == "0" { Ok(Duration::ZERO) } else { crate::format::parse_duration(text) }
}

fn parse_fault(text: &str) -> Result<(ApiFault, f64), String> {
    let (fault, share) = text.split_once(':').unwrap_or((text, "1"));
    let fault = fault.parse::<ApiFault>().map_err(|error| error.to_string())?;
    match share.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok((fault, share)),
        _ => Err(format!("the share `{share}` is not a number from 0 to 1")),
    }
}

pub(crate) async fn run(args: MockArgs) -> Result<(), Failure> {
    let address = SocketAddr::new(args.host, args.port);
    let server = MockServer::bind(address)
        .await
        .map_err(|error| Failure::io(format_args!("{address} cannot be used"), error))?;
    let mut api = MockApi::new().pause(args.pause).seed(args.seed);
    for (fault, share) in args.fault {
        api = api.fault(fault, share);
    }
    // A server that runs for days must not remember everything.
    server.record(false);
    let (sender, mut lines) = tokio::sync::mpsc::unbounded_channel();
    server.respond_with(move |request| {
        let answer = api.answer(request);
        // The receiver lives as long as the server.
        let _ = sender.send(line(request, &answer, args.jsonl));
        answer
    });
    if args.jsonl {
        output::json(&json!({"url": server.url()}))?;
    } else {
        output::line(server.url())?;
        output::hint("set OPENROUTER_BASE_URL to this address; Ctrl-C stops the server");
    }
    while let Some(line) = lines.recv().await {
        if args.jsonl {
            output::line(line)?;
        } else {
            output::note(output::visible(&line));
        }
    }
    Ok(())
}

/// What is said about a request: nothing that may be secret, such as headers, queries and bodies.
fn line(request: &RecordedRequest, answer: &Answer, json: bool) -> String {
    let (method, path, status) = (request.method.as_str(), &request.path, answer.status_code());
    match json {
        true => {
            let operation = MockApi::operation(request);
            json!({"method": method, "path": path, "operation": operation, "status": status}).to_string()
        }
        false => format!("{status} {method} {path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_has_a_share() {
        assert_eq!(parse_fault("429:0.1"), Ok((ApiFault::Status(429), 0.1)));
        assert_eq!(parse_fault("cut"), Ok((ApiFault::Cut, 1.0)));
        for wrong in ["200:0.1", "429:2", "429:", "nothing:0.5", "429:nan"] {
            assert!(parse_fault(wrong).is_err(), "{wrong}");
        }
    }
}
