//! What the server answers, made before the clock starts.

/// One response as it is on the wire, and how much of it the client is expected to count.
pub struct Answer {
    /// Head and body.
    pub wire: Vec<u8>,
    /// Events of a stream, items of a list, 1 for anything else.
    pub units: usize,
}

/// Chunked framing around `parts`, each a chunk of its own.
fn stream<'a>(parts: impl IntoIterator<Item = &'a [String]>) -> Vec<u8> {
    let mut wire = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-generation-id: gen-1\r\n\
                     transfer-encoding: chunked\r\n\r\n"
        .to_vec();
    for events in parts {
        let length: usize = events.iter().map(String::len).sum();
        wire.extend_from_slice(format!("{length:x}\r\n").as_bytes());
        for event in events {
            wire.extend_from_slice(event.as_bytes());
        }
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"0\r\n\r\n");
    wire
}

fn unary(body: &str) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-generation-id: gen-1\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

fn chunks(events: Vec<String>, events_per_chunk: usize) -> Answer {
    Answer { wire: stream(events.chunks(events_per_chunk)), units: events.len() }
}

const WORDS: [&str; 8] = [" the", " of", " streaming", " a", " token", ", then", " model", " answers"];

/// The data of the `number`th text delta of a Responses stream.
pub fn text_delta(number: usize) -> String {
    let word = WORDS.get(number % WORDS.len()).unwrap_or(&"");
    format!(
        r#"{{"type":"response.output_text.delta","logprobs":[],"sequence_number":{number},"delta":"{word}","item_id":"msg_68f1c6e2a4d8819cb0a3f1e7d2c5b496","output_index":0,"content_index":0}}"#
    )
}

/// The data of the `number`th chunk of a chat stream.
pub fn chat_chunk(number: usize) -> String {
    let word = WORDS.get(number % WORDS.len()).unwrap_or(&"");
    format!(
        r#"{{"id":"gen-1760000000-x7QmV2kTz9LpRbNc","provider":"OpenAI","model":"openai/gpt-4o-mini","object":"chat.completion.chunk","created":1760000000,"choices":[{{"index":0,"delta":{{"role":"assistant","content":"{word}"}},"finish_reason":null,"native_finish_reason":null,"logprobs":null}}],"system_fingerprint":"fp_51db84afab"}}"#
    )
}

/// The event that begins a Messages stream.
pub const MESSAGES_START: &str = r#"{"type":"message_start","message":{"id":"gen-1760000000-x7QmV2kTz9LpRbNc","type":"message","role":"assistant","model":"anthropic/claude-haiku-4.5","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":12,"output_tokens":1}}}"#;

/// The event that begins a block of text.
pub const MESSAGES_BLOCK: &str =
    r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"","citations":null}}"#;

/// A piece of the text of a Messages stream.
pub const MESSAGES_DELTA: &str =
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" word"}}"#;

/// A Responses object with one message of `text`.
pub fn response_object(status: &str, text: &str) -> String {
    let output = match text {
        "" => String::new(),
        text => format!(
            r#"{{"id":"msg_68f1c6e2a4d8819cb0a3f1e7d2c5b496","type":"message","status":"completed","role":"assistant","content":[{{"type":"output_text","text":"{text}","annotations":[],"logprobs":[]}}]}}"#
        ),
    };
    let completed = if status == "completed" { "1760000009" } else { "null" };
    format!(
        r#"{{"id":"gen-1760000000-x7QmV2kTz9LpRbNc","object":"response","created_at":1760000000,"completed_at":{completed},"model":"openai/gpt-4o-mini","status":"{status}","output":[{output}],"error":null,"incomplete_details":null,"instructions":null,"metadata":{{}},"max_output_tokens":null,"max_tool_calls":null,"parallel_tool_calls":true,"presence_penalty":0,"frequency_penalty":0,"previous_response_id":null,"prompt_cache_key":null,"reasoning":{{"effort":null,"summary":null}},"safety_identifier":null,"service_tier":"default","store":false,"temperature":1,"text":{{"format":{{"type":"text"}},"verbosity":"medium"}},"tool_choice":"auto","tools":[],"top_logprobs":0,"top_p":1,"truncation":"disabled","user":null,"background":false,"usage":{{"input_tokens":31,"input_tokens_details":{{"cached_tokens":0}},"output_tokens":240,"output_tokens_details":{{"reasoning_tokens":0}},"total_tokens":271,"cost":0.000149,"is_byok":false,"cost_details":{{"upstream_inference_cost":null,"upstream_inference_input_cost":0.0000047,"upstream_inference_output_cost":0.000144}}}}}}"#
    )
}

fn text_of(length: usize) -> String {
    WORDS.iter().cycle().flat_map(|word| word.chars()).take(length).collect()
}

/// A Responses stream with `deltas` text deltas.
pub fn responses_stream(deltas: usize, events_per_chunk: usize) -> Answer {
    let item = r#""item_id":"msg_68f1c6e2a4d8819cb0a3f1e7d2c5b496","output_index":0"#;
    let mut events = vec![
        format!(
            r#"{{"type":"response.created","sequence_number":0,"response":{}}}"#,
            response_object("in_progress", "")
        ),
        format!(
            r#"{{"type":"response.in_progress","sequence_number":1,"response":{}}}"#,
            response_object("in_progress", "")
        ),
        r#"{"type":"response.output_item.added","sequence_number":2,"output_index":0,"item":{"id":"msg_68f1c6e2a4d8819cb0a3f1e7d2c5b496","type":"message","status":"in_progress","role":"assistant","content":[]}}"#.to_owned(),
        format!(
            r#"{{"type":"response.content_part.added","sequence_number":3,{item},"content_index":0,"part":{{"type":"output_text","text":"","annotations":[],"logprobs":[]}}}}"#
        ),
    ];
    events.extend((4..deltas + 4).map(text_delta));
    let text = text_of(1200);
    events.push(format!(
        r#"{{"type":"response.output_text.done","sequence_number":{},{item},"content_index":0,"logprobs":[],"text":"{text}"}}"#,
        deltas + 4
    ));
    events.push(format!(
        r#"{{"type":"response.completed","sequence_number":{},"response":{}}}"#,
        deltas + 5,
        response_object("completed", &text)
    ));
    let mut events: Vec<_> = events.into_iter().map(|data| format!("data: {data}\n\n")).collect();
    events.push("data: [DONE]\n\n".to_owned());
    let mut answer = chunks(events, events_per_chunk);
    answer.units -= 1;
    answer
}

/// A chat stream with `deltas` text deltas.
pub fn chat_stream(deltas: usize, events_per_chunk: usize) -> Answer {
    let mut events: Vec<_> = (0..deltas).map(chat_chunk).collect();
    events.push(r#"{"id":"gen-1760000000-x7QmV2kTz9LpRbNc","provider":"OpenAI","model":"openai/gpt-4o-mini","object":"chat.completion.chunk","created":1760000000,"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":"stop","native_finish_reason":"stop","logprobs":null}],"usage":{"prompt_tokens":31,"completion_tokens":240,"total_tokens":271,"cost":0.000149,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}}"#.to_owned());
    let mut events: Vec<_> = events.into_iter().map(|data| format!("data: {data}\n\n")).collect();
    events.push("data: [DONE]\n\n".to_owned());
    let mut answer = chunks(events, events_per_chunk);
    answer.units -= 1;
    answer
}

/// A whole Responses answer of 2.4 kB.
pub fn response() -> Answer {
    Answer { wire: unary(&response_body()), units: 1 }
}

/// The body of [`response`].
pub fn response_body() -> String {
    response_object("completed", &text_of(1130))
}

/// The body of a whole chat answer of 2.4 kB.
pub fn chat_body() -> String {
    format!(
        r#"{{"id":"gen-1760000000-x7QmV2kTz9LpRbNc","provider":"OpenAI","model":"openai/gpt-4o-mini","object":"chat.completion","created":1760000000,"choices":[{{"logprobs":null,"finish_reason":"stop","native_finish_reason":"stop","index":0,"message":{{"role":"assistant","content":"{}","refusal":null,"reasoning":null}}}}],"system_fingerprint":"fp_51db84afab","usage":{{"prompt_tokens":31,"completion_tokens":240,"total_tokens":271,"cost":0.000149,"is_byok":false,"prompt_tokens_details":{{"cached_tokens":0,"audio_tokens":0}},"cost_details":{{"upstream_inference_cost":null,"upstream_inference_prompt_cost":0.0000047,"upstream_inference_completions_cost":0.000144}},"completion_tokens_details":{{"reasoning_tokens":0,"audio_tokens":0}}}}}}"#,
        text_of(1750)
    )
}

/// A whole chat answer of 2.4 kB.
pub fn chat() -> Answer {
    Answer { wire: unary(&chat_body()), units: 1 }
}

/// The body of a list of models, about 1 MB.
pub fn models_body(models: usize) -> String {
    let model = |number: usize| {
        format!(
            r#"{{"id":"vendor-{group}/model-{number}","canonical_slug":"vendor-{group}/model-{number}-20250625","hugging_face_id":"vendor/model-{number}","name":"Vendor: Model {number}","created":17665{number:05},"description":"{description}","context_length":262144,"architecture":{{"modality":"text+image->text","input_modalities":["image","text","video"],"output_modalities":["text"],"tokenizer":"Other","instruct_type":null}},"pricing":{{"prompt":"0.000000075","completion":"0.0000003","request":"0","image":"0","web_search":"0","internal_reasoning":"0"}},"top_provider":{{"context_length":262144,"max_completion_tokens":16384,"is_moderated":false}},"per_request_limits":null,"supported_parameters":["include_reasoning","max_tokens","reasoning","response_format","structured_outputs","temperature","tool_choice","tools","top_p"],"default_parameters":{{"temperature":null,"top_p":null,"frequency_penalty":null}},"links":{{"details":"/api/v1/models/vendor-{group}/model-{number}/endpoints"}},"supported_voices":null,"knowledge_cutoff":"2025-01-31","expiration_date":null}}"#,
            group = number % 40,
            description = text_of(420 + number % 300),
        )
    };
    let models: Vec<_> = (0..models).map(model).collect();
    format!(r#"{{"data":[{}]}}"#, models.join(","))
}

/// How many models make 1 MB.
pub const MODELS: usize = 580;

/// A list of models, about 1 MB.
pub fn models() -> Answer {
    Answer { wire: unary(&models_body(MODELS)), units: MODELS }
}

/// The events of two responses of a model: ten calls of a tool, and a text.
pub fn turns() -> [Vec<String>; 2] {
    let events = |items: Vec<String>| {
        let done = items.iter().enumerate().map(|(index, item)| {
            format!("data: {{\"type\":\"response.output_item.done\",\"output_index\":{index},\"item\":{item}}}\n\n")
        });
        let usage = r#"{"input_tokens":9,"output_tokens":9,"total_tokens":18,"cost":0.01,"input_tokens_details":{"cached_tokens":0},"output_tokens_details":{"reasoning_tokens":0}}"#;
        let last = format!(
            "data: {{\"type\":\"response.completed\",\"response\":{{\"id\":\"gen-1\",\"object\":\"response\",\"created_at\":1,\
             \"status\":\"completed\",\"model\":\"m\",\"output\":[{}],\"usage\":{usage}}}}}\n\ndata: [DONE]\n\n",
            items.join(","),
        );
        done.chain([last]).collect::<Vec<_>>()
    };
    let call = |n: usize| {
        format!(r#"{{"type":"function_call","id":"fc_{n}","call_id":"call_{n}","name":"nothing","arguments":"{{}}"}}"#)
    };
    let text = r#"{"type":"message","id":"msg_1","role":"assistant","status":"completed","content":[{"type":"output_text","text":"Done.","annotations":[]}]}"#;
    [events((0..10).map(call).collect()), events(vec![text.to_owned()])]
}

/// The same as they are sent, each event a chunk.
pub fn turns_wire() -> [Vec<u8>; 2] {
    turns().map(|events| stream(events.chunks(1)))
}
