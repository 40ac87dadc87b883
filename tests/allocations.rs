//! How often memory is taken: the accumulators join what is decoded already, so this must cost less than decoding did, and the
//! loop of an agent must add little to the calls that it makes.
#![cfg(feature = "full")]
#![allow(
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "in a test a panic is a finding"
)]

use allocation_counter::{AllocationInfo, measure};
use openrouter_kit::core::StreamItem;
use openrouter_kit::core::wire::decode_event;
use openrouter_kit::helpers::{ChatAccumulator, MessagesAccumulator, ResponsesAccumulator};
use openrouter_kit::models::*;

/// What it takes to decode these events, and to join them.
fn costs<T: StreamItem>(events: &[String], mut push: impl FnMut(&T)) -> (AllocationInfo, AllocationInfo) {
    let mut decoded = Vec::with_capacity(events.len());
    let decoding = measure(|| decoded.extend(events.iter().map(|event| decode_event::<T>(event).unwrap())));
    let joining = measure(|| decoded.iter().for_each(&mut push));
    (decoding, joining)
}

#[track_caller]
fn joining_costs_less(what: &str, (decoding, joining): (AllocationInfo, AllocationInfo)) {
    let of = |info: &AllocationInfo| format!("{} allocations of {} bytes", info.count_total, info.bytes_total);
    println!("{what}: decoding takes {}, joining {}", of(&decoding), of(&joining));
    assert!(joining.count_total < decoding.count_total, "{what}");
}

fn numbered(count: usize, event: impl Fn(usize) -> String) -> Vec<String> {
    (0..count).map(event).collect()
}

#[test]
fn joining_text_takes_no_memory_but_for_the_growing_text() {
    let chat = numbered(1000, |number| {
        format!(
            r#"{{"id":"gen-1","provider":"OpenAI","model":"m","object":"chat.completion.chunk","created":{number},"choices":[{{"index":0,"delta":{{"role":"assistant","content":" word"}},"finish_reason":null}}],"system_fingerprint":"fp_{number}"}}"#
        )
    });
    let mut answer = ChatAccumulator::new();
    let (decoding, joining) = costs::<ChatStreamChunk>(&chat, |chunk| answer.push(chunk));
    // One for each new fingerprint.
    assert!(joining.count_total < 1020, "{joining:?}");
    assert!(joining.bytes_total < decoding.bytes_total / 10, "{joining:?}");
    joining_costs_less("chunks of chat", (decoding, joining));

    let delta = |number| {
        format!(
            r#"{{"type":"response.output_text.delta","logprobs":[],"sequence_number":{number},"delta":" word","item_id":"msg_1","output_index":0,"content_index":0}}"#
        )
    };
    let mut answer = ResponsesAccumulator::new();
    let (decoding, joining) = costs::<ResponsesStreamEvent>(&numbered(1000, delta), |event| answer.push(event));
    assert!(joining.count_total < 30, "{joining:?}");
    joining_costs_less("text deltas of Responses", (decoding, joining));

    let delta =
        |_| r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" word"}}"#.to_owned();
    let mut answer = MessagesAccumulator::new();
    let (decoding, joining) = costs::<MessagesStreamEvent>(&numbered(1000, delta), |event| answer.push(event));
    assert!(joining.count_total < 30, "{joining:?}");
    joining_costs_less("text deltas of Messages", (decoding, joining));
}

#[test]
fn joining_a_chunk_takes_fewer_allocations_than_decoding_it() {
    let chunk = |choice: &str, rest: &str| {
        format!(
            r#"{{"id":"gen-1","provider":"A","model":"m","object":"chat.completion.chunk","created":1,"choices":[{{"index":0,{choice}}}]{rest}}}"#
        )
    };
    let chunks = [
        chunk(
            r#""delta":{"role":"assistant","content":"Hello"},"finish_reason":null,"native_finish_reason":null,"logprobs":null"#,
            "",
        ),
        chunk(
            r#""delta":{"content":"","reasoning":"Let me think","reasoning_details":[{"type":"reasoning.text","text":"Let me think","format":"unknown","index":0}]},"finish_reason":null"#,
            "",
        ),
        chunk(
            r#""delta":{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":"}}]},"finish_reason":null"#,
            "",
        ),
        chunk(
            r#""delta":{"content":""},"finish_reason":"stop","native_finish_reason":"STOP""#,
            r#","usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"cost":0.1,"prompt_tokens_details":{"cached_tokens":0},"cost_details":{"upstream_inference_cost":null}}"#,
        ),
    ];
    for chunk in &chunks {
        let mut answer = ChatAccumulator::new();
        answer.push(&decode_event(&chunks[0]).unwrap());
        joining_costs_less(chunk, costs::<ChatStreamChunk>(std::slice::from_ref(chunk), |chunk| answer.push(chunk)));
    }
}

/// Answers in turns with ten calls of a tool and with a text, without a network.
#[cfg(all(feature = "agent", feature = "transport"))]
#[derive(Debug, Default)]
struct Turns(std::sync::atomic::AtomicUsize);

#[cfg(all(feature = "agent", feature = "transport"))]
impl openrouter_kit::core::transport::Transport for Turns {
    fn send(
        &self,
        _: http::Request<openrouter_kit::core::body::Body>,
    ) -> openrouter_kit::core::transport::TransportFuture<'_> {
        let calls = |number| {
            format!(
                r#"{{"type":"function_call","id":"fc_{number}","call_id":"call_{number}","name":"nothing","arguments":"{{}}"}}"#
            )
        };
        let text = r#"{"type":"message","id":"msg_1","role":"assistant","status":"completed","content":[{"type":"output_text","text":"Done.","annotations":[]}]}"#;
        let is_first = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed).is_multiple_of(2);
        let items = if is_first { numbered(10, calls) } else { vec![text.to_owned()] };
        let body = format!(
            "data: {{\"type\":\"response.completed\",\"response\":{{\"id\":\"gen-1\",\"status\":\"completed\",\"model\":\"m\",\"output\":[{}]}}}}\n\ndata: [DONE]\n\n",
            items.join(",")
        );
        let mut response = http::Response::new(body.into());
        response.headers_mut().insert("content-type", http::HeaderValue::from_static("text/event-stream"));
        Box::pin(async { Ok(response) })
    }
}

#[cfg(all(feature = "agent", feature = "transport"))]
#[test]
fn a_run_takes_no_more_allocations_than_its_calls_by_hand() {
    use openrouter_kit::agent::{Agent, Tool};
    use openrouter_kit::{OpenRouterCore, funcs};

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let core = OpenRouterCore::builder().api_key("key").transport(Turns::default()).build().unwrap();
    let parameters = || serde_json::json!({"type": "object", "properties": {}});
    let nothing = Tool::with_schema("nothing", "Does nothing", parameters(), async || {});
    let agent = Agent::new(&core, "m").tool(nothing).max_concurrent(10);
    let by_agent = || runtime.block_on(async { assert_eq!(agent.run("Hi").await.unwrap().text(), Ok("Done.")) });

    let tool = ResponsesTool::function("nothing", parameters()).description("Does nothing");
    let request = ResponsesRequest::new().model("m").tools([tool]);
    let by_hand = || {
        runtime.block_on(async {
            let mut items = vec![InputItem::user("Hi")];
            for round in 0..2 {
                let request = request.clone().input(items.clone());
                let response = funcs::responses_stream(&core, request).await.unwrap().collect().await.unwrap();
                items.extend(response.to_input());
                let outputs = response.function_calls().map(|call| {
                    call.parse_arguments::<serde_json::Value>().unwrap();
                    InputItem::function_call_output(&call.call_id, "ok")
                });
                items.extend(outputs);
                assert_eq!(response.output_text(), if round == 0 { "" } else { "Done." });
            }
        });
    };
    by_agent();
    by_hand();
    let (agent, hand) = (measure(by_agent).count_total, measure(by_hand).count_total);
    println!("two model calls and ten tool calls take {agent} allocations, and {hand} by hand");
    // What the loop takes for ten tools is less than what it saves, since the history is not copied.
    assert!(agent <= hand, "{agent} allocations by an agent, {hand} by hand");
}
