#[tokio::test]
async fn call_weather_1() -> Result<(), Box<dyn std::error::Error>> {
    let server = openrouter_kit::mock::MockServer::start().await;
    server.on(
        "POST",
        "/chat/completions",
        openrouter_kit::mock::Answer::bytes(429, r#"{"error":{"code":429,"message":"Rate limit exceeded"}}"#)
            .header("content-type", "application/json")
            .header("retry-after-ms", "20"),
    );
    server.on(
        "POST",
        "/chat/completions",
        openrouter_kit::mock::Answer::events([
            openrouter_kit::mock::Event::raw(": OPENROUTER PROCESSING\n\n"),
            openrouter_kit::mock::Event::data(r#"{"id":"gen-weather-1","object":"chat.completion.chunk","created":1,"model":"openai/gpt-4o-mini","provider":"OpenAI","choices":[{"index":0,"delta":{"role":"assistant","content":"It is "},"finish_reason":null}]}"#),
            openrouter_kit::mock::Event::data(r#"{"id":"gen-weather-1","object":"chat.completion.chunk","created":1,"model":"openai/gpt-4o-mini","provider":"OpenAI","choices":[{"index":0,"delta":{"content":"sunny"},"finish_reason":null}]}"#),
            openrouter_kit::mock::Event::data(r#"{"id":"gen-weather-1","object":"chat.completion.chunk","created":1,"model":"openai/gpt-4o-mini","provider":"OpenAI","choices":[{"index":0,"delta":{"content":" in Lisbon."},"finish_reason":null}]}"#),
            openrouter_kit::mock::Event::data(r#"{"id":"gen-weather-1","object":"chat.completion.chunk","created":1,"model":"openai/gpt-4o-mini","provider":"OpenAI","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":20,"completion_tokens":7,"total_tokens":27,"cost":7.2e-06}}"#),
            openrouter_kit::mock::Event::data("[DONE]"),
        ])
            .header("content-type", "text/event-stream")
            .header("x-generation-id", "gen-weather-1"),
    );
    let client = server.client();
    let request: openrouter_kit::models::ChatRequest = openrouter_kit::serde_json::from_str(
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
    let server = openrouter_kit::mock::MockServer::start().await;
    server.on(
        "POST",
        "/embeddings",
        openrouter_kit::mock::Answer::bytes(200, r#"{"object":"list","model":"openai/text-embedding-3-small","data":[{"object":"embedding","index":0,"embedding":[0.5,0.25]},{"object":"embedding","index":1,"embedding":[0.25,0.5]}],"usage":{"prompt_tokens":2,"total_tokens":2,"cost":0.00000004}}"#)
            .header("content-type", "application/json"),
    );
    let client = server.client();
    let request: openrouter_kit::models::CreateEmbeddingsRequest = openrouter_kit::serde_json::from_str(
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
    let server = openrouter_kit::mock::MockServer::start().await;
    server.on(
        "GET",
        "/models",
        openrouter_kit::mock::Answer::status(500).fault(openrouter_kit::mock::Fault::Reset, openrouter_kit::mock::Place::BeforeHead).always(),
    );
    let client = server.client();
    let method = openrouter_kit::http::Method::from_bytes("GET".as_bytes())?;
    let call = client.request(method, "/models").query("category", "programming");
    // models_list: no connection could be made; check the network, the proxy and the server URL: connection refused
    assert!(call.await.is_err());
    Ok(())
}
