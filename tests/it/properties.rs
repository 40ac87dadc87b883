//! Properties that hold for any input, tried with many random ones. Each case is made from a seed that a failure names, so
//! that it can be repeated. `tests/it/sse.rs` has those of event streams, `fuzz/` the same properties for cargo-fuzz.

#[path = "../reference/roots.rs"]
mod roots;
mod shapes;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::a_limit::tokio;
use crate::support::{POST, Script, Thing, answer, post, with_header};
use fastrand::Rng;
use openrouter_kit::core::wire::{self, DecodeError, Json, Wire};
use openrouter_kit::core::{Call, FilePart, Multipart, Operation, Parts};
use openrouter_kit::errors::Error;
use openrouter_kit::mock::{Answer, MockServer};
use openrouter_kit::models::*;
use openrouter_kit::{OpenRouterCore, RetryConfig};
use roots::types::*;
use roots::with_roots;
use serde_json::json;
use shapes::{Shapes, Tree, random_text};

// --- Models ----------------------------------------------------------------------------------

/// What a type made of a JSON text: how it shows itself, and what it writes back. Reading that again must give an equal
/// value.
type RoundTrip = fn(&str) -> Result<(String, String), DecodeError>;

fn round_trip<T: Wire>(value: T) -> (String, String) {
    let text = String::from_utf8(wire::encode(&value).expect("what was read can be written")).unwrap();
    let again = wire::decode_event::<T>(&text).expect("what was written can be read");
    assert_eq!(again, value, "{text}");
    (format!("{value:?}"), text)
}

/// One of the types that the tests begin with.
struct Root {
    name: &'static str,
    decode: RoundTrip,
    decode_event: RoundTrip,
}

macro_rules! roots {
    ($($type:ident)*) => {
        &[$(Root {
            name: stringify!($type),
            decode: |text| wire::decode::<$type>(text).map(round_trip),
            decode_event: |text| wire::decode_event::<$type>(text).map(round_trip),
        }),*]
    };
}

/// Every type that an operation responds with.
const RESPONSES: &[Root] = with_roots!(roots);

/// The requests with the most fields.
const REQUESTS: &[Root] = roots! { ChatRequest MessagesRequest ResponsesRequest };

/// The types that the tests start with, each with its own number.
fn all_roots() -> impl Iterator<Item = (usize, &'static Root)> {
    RESPONSES.iter().chain(REQUESTS).enumerate()
}

/// Whether two JSON texts mean the same, as [`Json::difference`] sees it.
#[track_caller]
fn nothing_lost(before: &str, after: &str, what: impl Fn() -> String) {
    let (one, two) = (Json::parse(before).unwrap(), Json::parse(after).unwrap());
    if let Some(place) = one.difference(&two) {
        panic!("{}: lost at {place}\nbefore: {before}\nafter:  {after}", what());
    }
}

#[test]
fn every_answer_of_an_operation_is_among_the_roots() {
    let known: BTreeSet<&str> = all_roots().map(|(_, root)| root.name).collect();
    let answers = shapes::answers();
    assert!(answers.len() > 40, "{answers:?}");
    let missing: Vec<_> = answers.iter().filter(|answer| !known.contains(answer.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn json_as_the_models_describe_it_is_typed_and_nothing_is_lost() {
    let shapes = Shapes::read();
    let (mut typed, mut all) = (0, 0);
    for (number, root) in all_roots() {
        for case in 0..60 {
            let seed = (number as u64) << 32 | case;
            let mut rng = Rng::with_seed(seed);
            let text = shapes.value_of(root.name, &mut rng).text(&mut rng);
            let what = || format!("{} with seed {seed}", root.name);
            let (shown, written) = (root.decode)(&text).unwrap_or_else(|error| panic!("{}: {error}\n{text}", what()));
            nothing_lost(&text, &written, what);
            all += 1;
            typed += usize::from(!shown.contains("Unrecognized"));
        }
    }
    // Members drawn at random may hit a condition that another variant has; that is rare.
    assert!(typed * 100 >= all * 95, "{typed} of {all} are typed");
}

#[test]
fn mutated_json_never_panics_and_nothing_is_lost() {
    let shapes = Shapes::read();
    let (mut fits, mut all) = (0, 0);
    for (number, root) in all_roots() {
        for case in 0..150 {
            let seed = 1 << 63 | (number as u64) << 32 | case;
            let mut rng = Rng::with_seed(seed);
            let mut tree = shapes.value_of(root.name, &mut rng);
            for _ in 0..rng.usize(1..8) {
                shapes.mutate(&mut tree, &mut rng);
            }
            let text = tree.text(&mut rng);
            let what = || format!("{} with seed {seed}", root.name);
            if let Ok((_, written)) = (root.decode)(&text) {
                nothing_lost(&text, &written, what);
                fits += 1;
            }
            all += 1;
            match (root.decode_event)(&text) {
                Ok((_, written)) => nothing_lost(&text, &written, what),
                // An event is any object; only what is not an object may be rejected.
                Err(error) => assert!(!text.trim_start().starts_with('{'), "{}: {error}\n{text}", what()),
            }
        }
    }
    assert!(fits * 2 > all, "most of {all} answers still fit: {fits}");
}

#[test]
fn cut_and_broken_json_never_panics() {
    let shapes = Shapes::read();
    for (number, root) in all_roots() {
        let mut rng = Rng::with_seed(number as u64);
        let text = shapes.value_of(root.name, &mut rng).text(&mut rng);
        for _ in 0..60 {
            let mut bytes = text.clone().into_bytes();
            match rng.usize(..4) {
                0 => bytes.truncate(rng.usize(..=text.len())),
                1 => bytes[rng.usize(..text.len())] = rng.u8(..),
                2 => bytes.insert(rng.usize(..=text.len()), *rng.choice(b"{}[]\",:\\0e-. ").unwrap()),
                _ => drop(bytes.remove(rng.usize(..text.len()))),
            }
            let broken = String::from_utf8_lossy(&bytes);
            let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&broken).is_ok();
            match (root.decode_event)(&broken) {
                Ok((_, written)) => {
                    assert!(is_json, "{}: {broken}", root.name);
                    nothing_lost(&broken, &written, || root.name.to_owned());
                }
                Err(_) => assert!(!is_json || !broken.trim_start().starts_with('{'), "{}: {broken}", root.name),
            }
        }
    }
}

#[test]
fn a_large_object_takes_time_by_its_size() {
    // A quadratic step would take minutes here.
    let members: String = (0..200_000).map(|n| format!("\"member {n}\":{n},")).collect();
    for (start, end) in [("", ""), ("\"id\":\"a\",", ",\"id\":\"b\""), ("\"choices\":7,", "")] {
        let text = format!("{{{start}{members}\"model\":\"a/b\"{end}}}");
        let began = std::time::Instant::now();
        let chunk = wire::decode_event::<ChatStreamChunk>(&text).unwrap();
        let written = String::from_utf8(wire::encode(&chunk).unwrap()).unwrap();
        assert!(written.contains("\"member 199999\":199999"));
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    }
}

// --- URLs ------------------------------------------------------------------------------------

/// RFC 3986, section 2.1, read strictly.
fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%' {
            let digits = &text[at + 1..at + 3];
            assert!(digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'F')), "{text}");
            plain.push(u8::from_str_radix(digits, 16).unwrap());
            at += 3;
        } else {
            assert!(bytes[at].is_ascii_alphanumeric() || b"-._~".contains(&bytes[at]), "{text}");
            plain.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(plain).unwrap()
}

static DEEP: Operation = Operation::new("deep", http::Method::POST, "/a/{one}/b/{two}");

#[tokio::test]
async fn paths_and_queries_arrive_as_they_were_given() {
    let mut rng = Rng::with_seed(1);
    for case in 0..2000 {
        let values: Vec<String> = (0..5).map(|_| random_text(&mut rng)).collect();
        let number = rng.i64(..);
        let script = Script::new([answer(200, "{}")]);
        let core = script.core();
        let parts = Parts::new(&DEEP)
            .path("one", &values[0])
            .path("two", &values[1])
            .query("first", Some(&values[2]))
            .query("absent", None::<&str>)
            .query("number", Some(number))
            .query_list("list", Some(&values[3..5]));
        let call: Call<Thing> = Call::new(&core, parts);
        let refused = values[..2].iter().any(|value| matches!(value.as_str(), "" | "." | ".."));
        match call.await {
            Err(error) => assert!(refused && matches!(error, Error::InvalidRequest(_)), "{case}: {error:?}"),
            Ok(_) => {
                assert!(!refused);
                let url = script.sent()[0].url.clone();
                assert_eq!(url.authority().unwrap(), "openrouter.ai");
                let segments: Vec<_> = url.path().split('/').map(percent_decoded).collect();
                assert_eq!(segments, ["", "api", "v1", "a", &values[0], "b", &values[1]]);
                let pairs = url.query().unwrap().split('&').map(|pair| pair.split_once('=').unwrap());
                let pairs: Vec<_> = pairs.map(|(name, value)| (name, percent_decoded(value))).collect();
                let expected = [
                    ("first", values[2].clone()),
                    ("number", number.to_string()),
                    ("list", values[3].clone()),
                    ("list", values[4].clone()),
                ];
                assert_eq!(pairs, expected);
            }
        }
    }
}

#[tokio::test]
async fn forms_arrive_as_they_were_given() {
    let mut rng = Rng::with_seed(2);
    for _ in 0..500 {
        let members: Vec<(String, String)> =
            (0..rng.usize(..5)).map(|n| (format!("{n}{}", random_text(&mut rng)), random_text(&mut rng))).collect();
        let object: serde_json::Map<_, _> = members.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let script = Script::new([answer(200, "{}")]);
        let core = script.core();
        let call: Call<Thing> = Call::new(&core, Parts::new(&POST).form(&Thing::of(object.clone().into())));
        call.await.unwrap();
        let body = String::from_utf8(script.sent()[0].body.to_vec()).unwrap();
        let pairs = body.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap());
        let pairs: serde_json::Map<_, _> =
            pairs.map(|(name, value)| (percent_decoded(name), json!(percent_decoded(value)))).collect();
        assert_eq!(pairs, object);
    }
}

// --- Headers ---------------------------------------------------------------------------------

#[tokio::test]
async fn headers_arrive_as_they_were_given_or_are_refused() {
    let server = MockServer::start().await;
    server.answer(Answer::json(200, json!({})).always());
    let core = OpenRouterCore::builder().api_key("k").server_url(server.url()).build().unwrap();
    let mut rng = Rng::with_seed(3);
    let (mut sent, mut refused) = (0, 0);
    for _ in 0..600 {
        let value = match rng.usize(..3) {
            0 => random_text(&mut rng),
            1 => (0..rng.usize(..20)).map(|_| rng.char('\0'..='\x7F')).collect(),
            _ => (0..rng.usize(..40)).map(|_| rng.char(' '..='~')).collect(),
        };
        let name = format!("x-{}", rng.u32(..));
        // RFC 9110, section 5.5.
        let allowed = value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..));
        match post(&core).header(&name, &value).await {
            Ok(_) => {
                assert!(allowed, "{value:?}");
                let requests = server.requests();
                let headers = &requests.last().unwrap().headers;
                // Whitespace around a value is not part of it.
                assert_eq!(headers[&name].as_bytes(), value.trim_matches([' ', '\t']).as_bytes(), "{value:?}");
                assert_eq!(headers.keys().filter(|name| name.as_str().starts_with("x-")).count(), 1);
                sent += 1;
            }
            Err(error) => {
                assert!(!allowed && matches!(error, Error::InvalidRequest(_)), "{value:?}: {error}");
                refused += 1;
            }
        }
    }
    assert!(sent > 100 && refused > 100, "{sent} sent, {refused} refused");
    assert_eq!(server.connections().requests, sent);
}

// --- Multipart -------------------------------------------------------------------------------

/// A part as a server reads it (RFC 7578): name, file name, media type, content.
#[derive(Debug, PartialEq)]
struct Field {
    name: String,
    file_name: Option<String>,
    media_type: Option<String>,
    content: Vec<u8>,
}

fn position(text: &[u8], of: &[u8]) -> Option<usize> {
    text.windows(of.len()).position(|window| window == of)
}

/// Reads a form, by RFC 2046, section 5.1.1: what is between delimiters at the beginning of lines.
fn fields(content_type: &str, body: &[u8]) -> Vec<Field> {
    let boundary = content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
    let delimiter = format!("\r\n--{boundary}").into_bytes();
    let body = [b"\r\n", body].concat();
    let mut fields = Vec::new();
    let mut rest = &body[position(&body, &delimiter).unwrap() + delimiter.len()..];
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let end = position(part, &delimiter).expect("each part ends");
        let head_end = position(part, b"\r\n\r\n").unwrap();
        let head = std::str::from_utf8(&part[..head_end]).unwrap();
        let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        let disposition = header("Content-Disposition: form-data; ").unwrap();
        let parameter = |name: &str| {
            let from = disposition.find(&format!("{name}=\""))? + name.len() + 2;
            let value = &disposition[from..];
            Some(unescaped(&value[..value.find('"').unwrap()]))
        };
        let content = if head_end + 4 > end { Vec::new() } else { part[head_end + 4..end].to_vec() };
        fields.push(Field {
            name: parameter("name").unwrap(),
            file_name: parameter("; filename").or_else(|| parameter(" filename")),
            media_type: header("Content-Type: "),
            content,
        });
        rest = &part[end + delimiter.len()..];
    }
    assert_eq!(rest, b"--\r\n", "the last delimiter");
    fields
}

/// The escapes of the WHATWG's forms. A name that contains one of them as text is read as the
/// character it encodes.
fn unescaped(text: &str) -> String {
    text.replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n")
}

#[tokio::test]
async fn uploads_arrive_as_they_were_given() {
    let server = MockServer::start().await;
    server.answer(Answer::json(200, json!({})).always());
    let core = OpenRouterCore::builder().api_key("k").server_url(server.url()).build().unwrap();
    let mut rng = Rng::with_seed(4);
    for case in 0..200 {
        let mut form = Multipart::new();
        let mut expected = Vec::new();
        for _ in 0..rng.usize(..5) {
            let name = *rng.choice(&["file", "a b", "list[]", "quote\"", "é"]).unwrap();
            if rng.bool() {
                let text = random_text(&mut rng);
                form = form.text(name, Some(&text));
                let content = text.into_bytes();
                expected.push(Field { name: name.to_owned(), file_name: None, media_type: None, content });
            } else {
                let file_name = format!("f{}", random_text(&mut rng).replace('\0', ""));
                let content: Vec<u8> = match rng.usize(..3) {
                    0 => b"\r\n--openrouter-kit-\r\n\r\n--\r\n".to_vec(),
                    1 => random_text(&mut rng).into_bytes(),
                    _ => (0..rng.usize(..5000)).map(|_| rng.u8(..)).collect(),
                };
                let part = FilePart::from_bytes(&*file_name, content.clone()).media_type("audio/wav");
                form = form.file(name, Some(part));
                expected.push(Field {
                    name: name.to_owned(),
                    file_name: Some(unescaped(&file_name)),
                    media_type: Some("audio/wav".to_owned()),
                    content,
                });
            }
        }
        let call: Call<Thing> = Call::new(&core, Parts::new(&POST).multipart(form));
        call.await.unwrap();
        let requests = server.requests();
        let request = requests.last().unwrap();
        if expected.is_empty() {
            continue;
        }
        assert_eq!(fields(request.header("content-type").unwrap(), &request.body), expected, "case {case}");
    }
}

// --- Retry-After -----------------------------------------------------------------------------

/// What a client makes of a header of a response with status 429.
async fn wait_of(name: &'static str, value: &str) -> Option<Duration> {
    let script = Script::new([with_header(429, name, value)]);
    let core = script.client().retry_config(RetryConfig::none()).build().unwrap();
    post(&core).await.unwrap_err().as_api().unwrap().retry_after()
}

/// A date of HTTP (RFC 9110, section 5.6.7), with the calendar computed by hand.
fn http_date(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let is_leap = |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let (mut year, mut day) = (1970, days);
    while day >= 365 + u64::from(is_leap(year)) {
        day -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let lengths = [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while day >= lengths[month] {
        day -= lengths[month];
        month += 1;
    }
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][(days % 7) as usize];
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{weekday}, {:02} {} {year} {hour:02}:{minute:02}:{second:02} GMT", day + 1, months[month])
}

#[tokio::test]
async fn waits_that_a_server_names_are_read_as_they_were_written() {
    let mut rng = Rng::with_seed(5);
    for _ in 0..500 {
        let bits = rng.u32(1..40);
        let (seconds, millis) = (rng.u64(..1 << bits), rng.u64(..1000));
        let wait = Duration::from_secs(seconds) + Duration::from_millis(millis);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        // A timestamp within a month is read as one.
        if wait.abs_diff(now) < Duration::from_secs(32 * 24 * 3600) {
            continue;
        }
        let near = |read: Option<Duration>| read.is_some_and(|read| read.abs_diff(wait) < Duration::from_millis(1));
        let text = format!("{seconds}.{millis:03}");
        assert!(near(wait_of("retry-after", &text).await), "{text}");
        let text = (seconds * 1000 + millis).to_string();
        assert!(near(wait_of("retry-after-ms", &text).await), "{text}");
        assert_eq!(wait_of("retry-after", &seconds.to_string()).await, Some(Duration::from_secs(seconds)));

        // Up to the year 9999, as far as four digits go.
        let at = rng.u64(..253_402_300_800);
        let left = Duration::from_secs(at).saturating_sub(now);
        let read = wait_of("retry-after", &http_date(at)).await.unwrap();
        assert!(read <= left && left - read < Duration::from_secs(5), "{}", http_date(at));
    }
    for _ in 0..500 {
        let text: String = random_text(&mut rng).chars().filter(|char| matches!(char, ' '..='~')).collect();
        let is_number = !text.trim().is_empty()
            && text.trim().bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
            && text.matches('.').count() <= 1
            && text.bytes().any(|byte| byte.is_ascii_digit());
        assert_eq!(wait_of("retry-after", &text).await.is_some(), is_number, "{text:?}");
    }
}

/// A tree is used by the other tests only as text; this shows that what they try is JSON.
#[test]
fn what_the_tests_try_is_json() {
    let shapes = Shapes::read();
    let mut rng = Rng::with_seed(6);
    for (_, root) in all_roots() {
        let mut tree: Tree = shapes.value_of(root.name, &mut rng);
        for _ in 0..5 {
            shapes.mutate(&mut tree, &mut rng);
        }
        let text = tree.text(&mut rng);
        serde_json::from_str::<serde::de::IgnoredAny>(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    }
}
