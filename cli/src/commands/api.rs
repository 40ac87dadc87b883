//! `api`: any operation, by its method and path.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use openrouter_kit::Error;
use openrouter_kit::core::Call;
use openrouter_kit::core::wire::Json;
use openrouter_kit::http::Method;

use crate::attachment::read_stdin_bytes;
use crate::client::Context;
use crate::exit::Failure;
use crate::output::{self, Target};

#[derive(Args, Debug)]
pub(crate) struct ApiArgs {
    /// Method, such as GET.
    #[arg(value_parser = parse_method)]
    method: Method,
    /// Path below the server URL, such as /models/count, with or without a query.
    path: String,
    /// Body: JSON, `@FILE`, or `-` for standard input. It is JSON unless there is another `content-type`.
    #[arg(short, long, value_name = "BODY")]
    data: Option<String>,
    /// Add a query parameter.
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = parse_pair)]
    query: Vec<(String, String)>,
    /// Add a header.
    #[arg(short = 'H', long, value_name = "NAME: VALUE", value_parser = parse_header)]
    header: Vec<(String, String)>,
    /// Save the response as a file, as it arrives; `-` is standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

fn parse_method(text: &str) -> Result<Method, String> {
    text.to_uppercase().parse().map_err(|_| format!("{text:?} is not a method; write one such as GET"))
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn parse_header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write it as NAME: VALUE")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

pub(crate) async fn run(args: ApiArgs, context: Context) -> Result<(), Failure> {
    let target = args.output.as_deref().map(|path| Target::of(Some(path))).transpose()?;
    let body = args.data.as_deref().map(|data| read_body(data, args.media_type())).transpose()?;
    let is_stream =
        matches!(&body, Some(Payload::Json(json)) if json.get("stream").and_then(Json::as_bool) == Some(true));
    let call = call(&args, body, &context);
    let outcome = match target {
        Some(target) => match call.download().await {
            Ok(file) => return target.save(file).await,
            Err(error) => Err(error),
        },
        None if is_stream => match call.events().await {
            Ok(events) => return output::events(events).await,
            Err(error) => Err(error),
        },
        None => call.raw().await,
    };
    match outcome {
        Ok(body) => output::body(&body),
        // The body of an error is a response too.
        Err(error) => {
            if let Error::Api(error) = &error {
                output::body(error.body())?;
            }
            Err(error.into())
        }
    }
}

fn call(args: &ApiArgs, body: Option<Payload>, context: &Context) -> Call<Json> {
    let (path, query) = args.path.split_once('?').unwrap_or((&args.path, ""));
    let mut call = context.client.request(args.method.clone(), path);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        call = call.query(decoded(name), decoded(value));
    }
    for (name, value) in &args.query {
        call = call.query(name, value);
    }
    for (name, value) in args.header.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("content-type")) {
        call = call.header(name, value);
    }
    match body {
        Some(Payload::Json(json)) => call.json(json),
        Some(Payload::Other(media_type, bytes)) => call.body(media_type, bytes),
        None => call,
    }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// The body of a request.
enum Payload {
    Json(Json),
    /// Another media type.
    Other(String, Vec<u8>),
}

impl ApiArgs {
    /// The media type that the user set.
    fn media_type(&self) -> Option<&str> {
        self.header.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type")).map(|(_, value)| value.as_str())
    }
}

fn read_body(data: &str, media_type: Option<&str>) -> Result<Payload, Failure> {
    let bytes = match data.strip_prefix('@') {
        Some(path) => fs::read(path).map_err(|error| Failure::Usage(format!("{path}: {error}")))?,
        None if data == "-" => read_stdin_bytes()?,
        None => data.as_bytes().to_vec(),
    };
    let is_json = |kind: &str| kind.starts_with("application/json") || kind.ends_with("+json");
    if let Some(media_type) = media_type.filter(|kind| !is_json(kind)) {
        return Ok(Payload::Other(media_type.to_owned(), bytes));
    }
    let wrong = |error: &dyn std::fmt::Display| {
        let advice = "for another kind of body, set its type, such as -H 'content-type: text/csv'";
        Failure::Usage(format!("the body is not JSON: {error}; {advice}"))
    };
    let text = String::from_utf8(bytes).map_err(|error| wrong(&error))?;
    Json::parse(text).map(Payload::Json).map_err(|error| wrong(&error))
}
