//! This crate.

use std::hint::black_box;

use openrouter_kit::models::{ChatMessage, ChatRequest, ResponsesRequest};
use openrouter_kit::{OpenRouterCore, funcs};

fn main() {
    let mut core = None;
    clients::measure(async |address, scenario| {
        let core = core.get_or_insert_with(|| {
            OpenRouterCore::builder().api_key("key").server_url(format!("http://{address}/{scenario}")).build().unwrap()
        });
        let responses = || ResponsesRequest::new().model("m").input("Hi");
        let mut count = 0;
        match scenario {
            "response" => {
                black_box(funcs::responses_send(core, responses()).await.unwrap());
                count += 1;
            }
            "models" => count += funcs::models_list(core).await.unwrap().data.len(),
            "chat-1" | "chat-64" => {
                let request = ChatRequest::new([ChatMessage::user("Hi")]).model("m");
                let mut stream = funcs::chat_stream(core, request).await.unwrap();
                while let Some(chunk) = stream.next().await {
                    black_box(chunk.unwrap());
                    count += 1;
                }
            }
            _ => {
                let mut stream = funcs::responses_stream(core, responses()).await.unwrap();
                while let Some(event) = stream.next().await {
                    black_box(event.unwrap());
                    count += 1;
                }
            }
        }
        count
    });
}
