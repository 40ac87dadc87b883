//! openrouter-rs.

use std::hint::black_box;

use futures_util::StreamExt;
use openrouter_rs::OpenRouterClient;
use openrouter_rs::api::chat::{ChatCompletionRequest, Message};
use openrouter_rs::api::responses::ResponsesRequest;
use openrouter_rs::types::Role;

fn main() {
    let mut client = None;
    clients::measure(async |address, scenario| {
        let client = client.get_or_insert_with(|| {
            OpenRouterClient::builder().api_key("key").base_url(format!("http://{address}/{scenario}")).build().unwrap()
        });
        let responses = || ResponsesRequest::builder().model("m").input(serde_json::json!("Hi")).build().unwrap();
        let mut count = 0;
        match scenario {
            "response" => {
                black_box(client.responses().create(&responses()).await.unwrap());
                count += 1;
            }
            "models" => count += client.models().list().await.unwrap().len(),
            "chat-1" | "chat-64" => {
                let messages = vec![Message::new(Role::User, "Hi")];
                let request = ChatCompletionRequest::builder().model("m").messages(messages).build().unwrap();
                let mut stream = client.chat().stream(&request).await.unwrap();
                while let Some(chunk) = stream.next().await {
                    black_box(chunk.unwrap());
                    count += 1;
                }
            }
            _ => {
                let mut stream = client.responses().stream(&responses()).await.unwrap();
                while let Some(event) = stream.next().await {
                    black_box(event.unwrap());
                    count += 1;
                }
            }
        }
        count
    });
}
