#[tokio::test]
async fn call_weather_1() -> Result<(), Box<dyn std::error::Error>> {
    use openrouter_kit::mock::{Answer, Event, MockServer};
    use openrouter_kit::models::ChatRequest;
    use openrouter_kit::serde_json;

    let server = MockServer::start().await;
    server.on(
        "POST",
        "/chat/completions",
        Answer::bytes(429, r#"{"error":{"code":429,"message":"Rate limit exceeded"}}"#)
            .header("content-type", "application/json")
            .header("retry-after-ms", "20"),
    );
    server.on(
        "POST",
        "/chat/completions",
        Answer::events([
            Event::raw(": OPENROUTER PROCESSING\n\n"),
            Event::data(r#"{"id":"gen-weather-1","object":"chat.completion.chunk","created":1,"model":"openai/gpt-4o-mini","provider":"OpenAI","choices":[{"index":0,"delta":{"role":"assistant","content":"It is "},"finish_reason":null}]}"#),
            Event::data(r#"{"id":"gen-weather-1","object":"chat.completion.chunk","created":1,"model":"openai/gpt-4o-mini","provider":"OpenAI","choices":[{"index":0,"delta":{"content":"sunny"},"finish_reason":null}]}"#),
            Event::data(r#"{"id":"gen-weather-1","object":"chat.completion.chunk","created":1,"model":"openai/gpt-4o-mini","provider":"OpenAI","choices":[{"index":0,"delta":{"content":" in Lisbon."},"finish_reason":null}]}"#),
            Event::data(r#"{"id":"gen-weather-1","object":"chat.completion.chunk","created":1,"model":"openai/gpt-4o-mini","provider":"OpenAI","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":20,"completion_tokens":7,"total_tokens":27,"cost":7.2e-06}}"#),
            Event::data("[DONE]"),
        ])
            .header("content-type", "text/event-stream")
            .header("x-generation-id", "gen-weather-1"),
    );
    let client = server.client();
    let request: ChatRequest = serde_json::from_str(
        r#"{
  "model": "openai/gpt-4o-mini",
  "messages": [
    {
      "role": "system",
      "content": "Answer in one sentence."
    },
    {
      "role": "user",
      "content": "Is it sunny in \"Lisbon\"?"
    }
  ],
  "stream": true
}"#,
    )?;
    let call = client.chat().stream(request);
    let mut events = call.await?;
    while let Some(event) = events.next().await {
        println!("{:?}", event?);
    }
    assert_eq!(server.requests().len(), 2);
    Ok(())
}

#[tokio::test]
async fn call_weather_2() -> Result<(), Box<dyn std::error::Error>> {
    use openrouter_kit::mock::{Answer, MockServer};
    use openrouter_kit::models::CreateEmbeddingsRequest;
    use openrouter_kit::serde_json;

    let server = MockServer::start().await;
    server.on(
        "POST",
        "/embeddings",
        Answer::bytes(200, r#"{"object":"list","model":"openai/text-embedding-3-small","data":[{"object":"embedding","index":0,"embedding":[0.5,0.25]},{"object":"embedding","index":1,"embedding":[0.25,0.5]}],"usage":{"prompt_tokens":2,"total_tokens":2,"cost":0.00000004}}"#)
            .header("content-type", "application/json"),
    );
    let client = server.client();
    let request: CreateEmbeddingsRequest = serde_json::from_str(
        r#"{
  "model": "openai/text-embedding-3-small",
  "input": [
    "sunny",
    "rainy"
  ]
}"#,
    )?;
    let call = client.embeddings().generate(request);
    println!("{:#?}", call.await?);
    assert_eq!(server.requests().len(), 1);
    Ok(())
}

#[tokio::test]
async fn call_weather_3() -> Result<(), Box<dyn std::error::Error>> {
    use openrouter_kit::http::Method;
    use openrouter_kit::mock::{Answer, Fault, MockServer, Place};

    let server = MockServer::start().await;
    server.on(
        "GET",
        "/models",
        Answer::status(500).fault(Fault::Reset, Place::BeforeHead).always(),
    );
    let client = server.client();
    let method = Method::from_bytes("GET".as_bytes())?;
    let call = client.request(method, "/models").query("category", "programming");
    // models_list: no connection could be made; check the network, the proxy and the server URL: connection refused
    assert!(call.await.is_err());
    Ok(())
}
