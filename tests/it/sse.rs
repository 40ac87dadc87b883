//! The decoder of server-sent events against the rules of the WHATWG and against a reference written for reading.

use std::time::Duration;

use bytes::Bytes;
use openrouter_kit::core::sse::{EventTooLarge, SseDecoder, SseEvent};

/// What an event says, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Event {
    name: String,
    data: String,
    id: String,
    retry: Option<u64>,
}

/// All that a stream says: its events, whether the limit was passed, and what was left without a blank line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Outcome {
    events: Vec<Event>,
    too_large: bool,
    pending: Option<Event>,
}

const NO_LIMIT: usize = usize::MAX / 2;

/// The reference: all bytes at hand, decoded as UTF-8 first, then line by line as the rules are written.
fn reference(bytes: &[u8], limit: usize) -> Outcome {
    const MARK: &[u8] = b"\xEF\xBB\xBF";
    // A stream that ends inside its byte order mark says nothing, whatever the limit.
    let bytes = if MARK.starts_with(bytes) { &[] } else { bytes.strip_prefix(MARK).unwrap_or(bytes) };
    let mut outcome = Outcome::default();
    let (mut name, mut data, mut id, mut retry) = (String::new(), None::<String>, String::new(), None);
    let mut size = 0;
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len());
        let (raw, after) = rest.split_at(length);
        let ended = !after.is_empty();
        rest = after.strip_prefix(b"\r\n").or(after.get(1..)).unwrap_or_default();

        if raw.starts_with(b":") {
            continue;
        }
        size += raw.len();
        if size > limit {
            outcome.too_large = true;
            return outcome;
        }
        let line = String::from_utf8_lossy(raw);
        if line.is_empty() && ended {
            if let Some(data) = data.take() {
                outcome.events.push(Event { name: name.clone(), data, id: id.clone(), retry });
            }
            name.clear();
            size = 0;
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
        match field {
            "event" => name = value,
            "data" => data = Some(data.map_or(value.clone(), |data| format!("{data}\n{value}"))),
            "id" if !value.contains('\0') => id = value,
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => retry = value.parse().ok().or(retry),
            _ => {}
        }
    }
    outcome.pending = data.map(|data| Event { name, data, id, retry });
    outcome
}

fn owned(event: SseEvent<'_>) -> Event {
    Event {
        name: event.event.to_owned(),
        data: event.data.to_owned(),
        id: event.id.to_owned(),
        retry: event.retry.map(|retry| retry.as_millis() as u64),
    }
}

fn decode_with_limit<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, limit: usize) -> Outcome {
    let mut decoder = SseDecoder::new(limit);
    let mut outcome = Outcome::default();
    for chunk in chunks {
        decoder.push(Bytes::copy_from_slice(chunk));
        while let Some(event) = decoder.next() {
            assert!(!outcome.too_large, "nothing follows the limit");
            match event {
                Ok(event) => outcome.events.push(owned(event)),
                Err(EventTooLarge { .. }) => outcome.too_large = true,
            }
        }
    }
    outcome.pending = decoder.finish().map(owned);
    assert_eq!(decoder.finish(), None, "what is pending is returned once");
    outcome
}

fn decode(bytes: impl AsRef<[u8]>) -> Outcome {
    decode_with_limit([bytes.as_ref()], NO_LIMIT)
}

#[track_caller]
fn data_of(bytes: impl AsRef<[u8]>) -> Vec<String> {
    decode(bytes).events.into_iter().map(|event| event.data).collect()
}

/// Streams that hold every rule, used by the tests of cutting.
const STREAMS: [&[u8]; 12] = [
    b"data: one\n\ndata: two\r\n\r\ndata: three\r\rdata: [DONE]\n\n",
    b"\xEF\xBB\xBFdata: after the mark\n\n\xEF\xBB\xBFdata: no mark here\n\n",
    b"\xEF\xBBdata: no whole mark\n\ndata: x\n\n\xEF",
    b": OPENROUTER PROCESSING\n\n:\n\n: \n\ndata: a\n: between\ndata: b\n\n",
    b"event: a\r\ndata: 1\r\ndata: 2\r\n\r\n:c\n\ndata: \xc3\xa9\n\nid: 3\n\n",
    b"id: 1\nretry: 1500\ndata: x\n\ndata: y\nid: a\0b\nretry: 12a\n\nid\nretry: 99999999999999999999999\ndata: z\n\n",
    b"data\n\ndata\ndata\n\ndata:",
    b"data: bad \xff\xfe utf-8 \xf0\x9f\x98\n\ndata: \xf0\x9f\x98\x80\n\nevent: \xff\ndata\n\n",
    b"datax: 1\ndat: 2\n data: 3\nData: 4\nfoo\nevents: 5\n\ndata:  two spaces\ndata:\ttab\ndata:a:b\n\n",
    b"event: name without data\n\ndata: unnamed\n\n",
    b"event: x\nid: 7\ndata: {\"a\":1}\n\n\n\n\r\n\r\ndata: pending\nevent: last\r",
    b"\r\n\n\rdata: \r\n \ndata\r\n\r\n",
];

#[test]
fn the_reference_and_the_decoder_agree_on_every_rule() {
    for stream in STREAMS {
        let expected = reference(stream, NO_LIMIT);
        assert_eq!(decode(stream), expected, "{}", stream.escape_ascii());
        assert!(!expected.events.is_empty() || expected.pending.is_some());
    }
}

#[test]
fn where_the_bytes_are_cut_makes_no_difference() {
    for stream in STREAMS {
        let whole = reference(stream, NO_LIMIT);
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let chunks = [&stream[..first], &stream[first..second], &stream[second..]];
                let outcome = decode_with_limit(chunks, NO_LIMIT);
                assert_eq!(outcome, whole, "{} cut at {first} and {second}", stream.escape_ascii());
            }
        }
        assert_eq!(decode_with_limit(stream.chunks(1), NO_LIMIT), whole, "single bytes");
    }
}

#[test]
fn where_the_bytes_are_cut_makes_no_difference_to_the_limit() {
    for stream in STREAMS {
        for limit in 0..40 {
            let whole = reference(stream, limit);
            for cut in 0..=stream.len() {
                let outcome = decode_with_limit([&stream[..cut], &stream[cut..]], limit);
                assert_eq!(outcome, whole, "{} cut at {cut}, limit {limit}", stream.escape_ascii());
            }
            assert_eq!(decode_with_limit(stream.chunks(1), limit), whole, "single bytes, limit {limit}");
        }
    }
}

#[test]
fn random_streams_cut_at_random_agree_with_the_reference() {
    const PIECES: [&[u8]; 24] = [
        b"data",
        b"data: ",
        b"data:",
        b"event",
        b"event: ",
        b"id: ",
        b"id",
        b"retry: ",
        b":",
        b": ",
        b"\n",
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\n",
        b"\0",
        b"12",
        b"{\"a\":1}",
        b"\xEF\xBB\xBF",
        b"\xEF",
        b"\xC3\xA9",
        b"\xFF",
        b" ",
        b"unknown: x",
    ];
    let mut random = fastrand::Rng::with_seed(7);
    for case in 0..60_000 {
        let stream: Vec<u8> = (0..random.usize(0..40)).flat_map(|_| PIECES[random.usize(0..24)]).copied().collect();
        let limit = if random.bool() { NO_LIMIT } else { random.usize(0..60) };
        let mut chunks = Vec::new();
        let mut rest = &stream[..];
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(random.usize(0..=rest.len().min(12)));
            chunks.push(chunk);
            rest = after;
        }
        let outcome = decode_with_limit(chunks.iter().copied(), limit);
        assert_eq!(outcome, reference(&stream, limit), "case {case}: {} in {chunks:?}", stream.escape_ascii());
    }
}

#[test]
fn random_bytes_agree_with_the_reference() {
    const BYTES: [u8; 14] = *b"\r\n: daeti\xEF\xBB\xBF\xF0\x80";
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..20_000 {
        let stream: Vec<u8> = (0..random.usize(0..60)).map(|_| BYTES[random.usize(0..BYTES.len())]).collect();
        let size = random.usize(1..8);
        assert_eq!(decode_with_limit(stream.chunks(size), NO_LIMIT), reference(&stream, NO_LIMIT), "{stream:?}");
    }
}

#[test]
fn chunks_may_be_pushed_before_the_events_were_taken() {
    for stream in STREAMS {
        let mut decoder = SseDecoder::new(NO_LIMIT);
        let mut events = Vec::new();
        for (index, chunk) in stream.chunks(5).enumerate() {
            decoder.push(Bytes::copy_from_slice(chunk));
            // Takes one event now and then, so that chunks pile up around an event that was just lent.
            if index % 2 == 0 {
                events.extend(decoder.next().map(|event| owned(event.unwrap())));
            }
        }
        while let Some(event) = decoder.next() {
            events.push(owned(event.unwrap()));
        }
        assert_eq!(events, reference(stream, NO_LIMIT).events);
    }
}

#[test]
fn the_byte_order_mark_is_dropped_once_at_the_beginning() {
    assert_eq!(data_of("\u{feff}data: a\n\n"), ["a"]);
    assert!(data_of("\u{feff}\u{feff}data: a\n\n").is_empty(), "the second is part of the field's name");
    assert!(data_of("\n\u{feff}data: a\n\n").is_empty(), "not at the beginning");
    assert_eq!(data_of("data: \u{feff}a\n\n"), ["\u{feff}a"]);
}

#[test]
fn a_line_ends_with_lf_cr_or_both() {
    assert_eq!(data_of("data: a\ndata: b\n\n"), ["a\nb"]);
    assert_eq!(data_of("data: a\rdata: b\r\r"), ["a\nb"]);
    assert_eq!(data_of("data: a\r\ndata: b\r\n\r\n"), ["a\nb"]);
    assert_eq!(data_of("data: a\n\rdata: b\r\n\n"), ["a", "b"], "LF CR is two line ends");
}

#[test]
fn a_cr_ends_the_event_without_waiting_for_the_next_byte() {
    let mut decoder = SseDecoder::new(100);
    decoder.push("data: a\r\n\r".into());
    assert_eq!(decoder.next().unwrap().unwrap().data, "a");
    assert_eq!(decoder.next(), None);
    decoder.push("\ndata: b\n\n".into());
    assert_eq!(decoder.next().unwrap().unwrap().data, "b");
}

#[test]
fn comments_are_ignored_and_do_not_end_an_event() {
    assert_eq!(data_of(": OPENROUTER PROCESSING\n\n:\n\n: \n\ndata: a\n:data: no\ndata: b\n\n"), ["a\nb"]);
}

#[test]
fn several_data_lines_are_joined_by_a_line_feed() {
    assert_eq!(data_of("data: {\ndata:  \"a\": 1\ndata: }\n\n"), ["{\n \"a\": 1\n}"]);
}

#[test]
fn one_space_after_the_colon_is_dropped() {
    assert_eq!(data_of("data:a\n\ndata: a\n\ndata:  a\n\ndata:\ta\n\n"), ["a", "a", " a", "\ta"]);
}

#[test]
fn an_event_without_data_lines_is_not_dispatched_and_its_name_is_forgotten() {
    let events = decode("event: lost\n\ndata: a\n\n").events;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].name, "");
}

#[test]
fn an_empty_data_line_is_data() {
    assert_eq!(data_of("data\n\ndata:\n\ndata\ndata\n\ndata: \n\n"), ["", "", "\n", ""]);
}

#[test]
fn the_name_belongs_to_one_event_and_the_last_one_counts() {
    let events = decode("event: a\nevent: b\ndata: 1\n\ndata: 2\n\n").events;
    assert_eq!((&*events[0].name, &*events[1].name), ("b", ""));
}

#[test]
fn the_id_stays_until_the_next_one_and_an_id_with_nul_is_ignored() {
    let events = decode("id: 1\ndata: a\n\ndata: b\n\nid: 2\n\ndata: c\n\nid: x\0y\ndata: d\n\nid\ndata: e\n\n").events;
    assert_eq!(events.iter().map(|event| &*event.id).collect::<Vec<_>>(), ["1", "1", "2", "2", ""]);
}

#[test]
fn retry_is_milliseconds_in_digits_and_anything_else_is_ignored() {
    let mut decoder = SseDecoder::new(1000);
    decoder.push("retry: 2500\ndata: a\n\nretry: 1s\ndata: b\n\nretry:\ndata: c\n\nretry: -1\ndata: d\n\n".into());
    decoder.push("retry: +7\ndata: e\n\n".into());
    for data in ["a", "b", "c", "d", "e"] {
        let event = decoder.next().unwrap().unwrap();
        assert_eq!((event.data, event.retry), (data, Some(Duration::from_millis(2500))));
    }
    assert_eq!(decode("retry: 99999999999999999999\ndata: a\n\n").events[0].retry, None);
}

#[test]
fn unknown_fields_are_ignored() {
    assert_eq!(data_of("dataset: 1\nfoo: 2\nbar\n data: 3\nDATA: 4\ndata: a\n\n"), ["a"]);
}

#[test]
fn bytes_that_are_not_utf_8_become_replacement_characters() {
    assert_eq!(data_of(b"data: a\xffb\n\n"), ["a\u{fffd}b"]);
    assert_eq!(data_of(b"data: \xf0\x9f\ndata: \x98\x80\n\n"), ["\u{fffd}\n\u{fffd}\u{fffd}"]);
    assert_eq!(decode(b"event: \xff\nid: \xfe\ndata: a\n\n").events[0].name, "\u{fffd}");
}

#[test]
fn data_without_a_blank_line_is_pending_at_the_end() {
    for text in ["data: a", "data: a\n", "data: a\r\n"] {
        let outcome = decode(text);
        assert_eq!(outcome.events, []);
        assert_eq!(outcome.pending.unwrap().data, "a", "{text:?}");
    }
    for text in ["", "\n", "event: a", "dat", ": comment", "data: a\n\n"] {
        assert_eq!(decode(text).pending, None, "{text:?}");
    }
}

#[test]
fn an_event_whole_in_its_chunk_is_lent_without_a_copy() {
    let chunk = Bytes::from_static(b"event: x\ndata: {\"a\":1}\n\ndata: second\n\n");
    let mut decoder = SseDecoder::new(1000);
    decoder.push(chunk.clone());
    for _ in 0..2 {
        let data = decoder.next().unwrap().unwrap().data;
        assert!(chunk.as_ptr_range().contains(&data.as_ptr()));
    }
}

#[test]
fn a_chunk_that_was_read_is_let_go() {
    let chunk = Bytes::from(b"data: a\n\ndata: b".to_vec());
    let mut decoder = SseDecoder::new(1000);
    decoder.push(chunk.clone());
    assert!(decoder.next().unwrap().is_ok());
    assert_eq!(decoder.next(), None);
    assert!(chunk.is_unique());
}

#[test]
fn an_event_larger_than_the_limit_is_an_error_and_nothing_follows() {
    let mut decoder = SseDecoder::new(10);
    decoder.push("data: 1234\n\ndata: 12345\n\ndata: 1\n\n".into());
    assert_eq!(decoder.next().unwrap().unwrap().data, "1234");
    let error = decoder.next().unwrap().unwrap_err();
    assert_eq!(error.limit(), 10);
    assert!(error.to_string().contains("10 bytes"));
    assert_eq!(decoder.next(), None);
    decoder.push("data: 1\n\n".into());
    assert_eq!(decoder.next(), None);
    assert_eq!(decoder.finish(), None);
}

#[test]
fn the_lines_of_an_event_count_together_and_comments_do_not() {
    let lines = "data: 123\n: a long comment does not count\ndata: 123\n\n";
    assert_eq!(decode_with_limit([lines.as_bytes()], 18).events.len(), 1);
    assert!(decode_with_limit([lines.as_bytes()], 17).too_large);
}

#[test]
fn an_endless_line_stops_at_the_limit() {
    let mut decoder = SseDecoder::new(100_000);
    decoder.push("data: ".into());
    let block = Bytes::from(vec![b'x'; 10_000]);
    let mut pushed = 0;
    let error = loop {
        decoder.push(block.clone());
        pushed += block.len();
        if let Some(event) = decoder.next() {
            break event.unwrap_err();
        }
        assert!(pushed < 200_000);
    };
    assert_eq!(error.limit(), 100_000);
    assert_eq!(pushed, 100_000);
}

#[test]
fn an_endless_comment_is_read_without_keeping_it() {
    let mut decoder = SseDecoder::new(100);
    decoder.push(": ".into());
    for _ in 0..1000 {
        assert_eq!(decoder.next(), None);
        decoder.push(Bytes::from_static(&[b'x'; 1000]));
    }
    decoder.push("\ndata: a\n\n".into());
    assert_eq!(decoder.next().unwrap().unwrap().data, "a");
}

#[test]
fn debug_does_not_print_the_content() {
    let mut decoder = SseDecoder::new(100);
    decoder.push("data: secret".into());
    assert_eq!(decoder.next(), None);
    assert!(!format!("{decoder:?}").contains("secret"));
}
