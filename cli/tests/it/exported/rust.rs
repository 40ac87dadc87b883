#[tokio::main]
async fn main_0() -> Result<(), Box<dyn std::error::Error>> {
    use openrouter_kit::models::ChatRequest;
    use openrouter_kit::{OpenRouter, serde_json};

    let client = OpenRouter::from_env()?;
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
    Ok(())
}

#[tokio::main]
async fn main_1() -> Result<(), Box<dyn std::error::Error>> {
    use openrouter_kit::models::CreateEmbeddingsRequest;
    use openrouter_kit::{OpenRouter, serde_json};

    let client = OpenRouter::from_env()?;
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
    Ok(())
}

#[tokio::main]
async fn main_2() -> Result<(), Box<dyn std::error::Error>> {
    use openrouter_kit::http::Method;
    use openrouter_kit::OpenRouter;

    let client = OpenRouter::from_env()?;
    let method = Method::from_bytes("GET".as_bytes())?;
    let call = client.request(method, "/models").query("category", "programming");
    println!("{:#?}", call.await?);
    Ok(())
}
