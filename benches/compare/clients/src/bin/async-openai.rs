//! async-openai. Its list of models wants members that OpenRouter's does not have.

use std::hint::black_box;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::types::chat::{ChatCompletionRequestUserMessage, CreateChatCompletionRequest};
use async_openai::types::responses::{CreateResponse, InputParam};
use futures_util::StreamExt;

fn main() {
    let mut client = None;
    clients::measure(async |address, scenario| {
        let client = client.get_or_insert_with(|| {
            let config = OpenAIConfig::new().with_api_key("key").with_api_base(format!("http://{address}/{scenario}"));
            Client::with_config(config)
        });
        let responses = || CreateResponse {
            model: Some("m".to_owned()),
            input: InputParam::Text("Hi".to_owned()),
            ..CreateResponse::default()
        };
        let mut count = 0;
        match scenario {
            "response" => {
                black_box(client.responses().create(responses()).await.unwrap());
                count += 1;
            }
            "chat-1" | "chat-64" => {
                let request = CreateChatCompletionRequest {
                    model: "m".to_owned(),
                    messages: vec![ChatCompletionRequestUserMessage::from("Hi").into()],
                    ..CreateChatCompletionRequest::default()
                };
                let mut stream = client.chat().create_stream(request).await.unwrap();
                while let Some(chunk) = stream.next().await {
                    black_box(chunk.unwrap());
                    count += 1;
                }
            }
            _ => {
                let mut stream = client.responses().create_stream(responses()).await.unwrap();
                while let Some(event) = stream.next().await {
                    black_box(event.unwrap());
                    count += 1;
                }
            }
        }
        count
    });
}
