//! Streams of images: how they end, and what their errors are.

use openrouter_kit::mock::{Answer, Event, MockServer};
use openrouter_kit::models::{ImageGenerationRequest, ImageStreamEvent};
use openrouter_kit::{Error, OpenRouter};
use serde_json::{Value, json};

use crate::a_limit::tokio;

async fn events(events: Vec<Value>) -> Vec<Result<ImageStreamEvent, Error>> {
    let server = MockServer::start().await;
    server.answer(Answer::events(events.iter().map(Event::data).collect::<Vec<_>>()));
    let client: OpenRouter = OpenRouter::builder().api_key("k").server_url(server.url()).build().unwrap();
    let mut stream = client.images().stream(ImageGenerationRequest::new("m", "a cat")).await.unwrap();
    let mut items = Vec::new();
    while let Some(item) = stream.next().await {
        items.push(item);
    }
    items
}

fn partial() -> Value {
    json!({"type": "image_generation.partial_image", "b64_json": "AAAA", "partial_image_index": 0})
}

#[tokio::test]
async fn a_stream_of_pictures_is_complete_with_the_last_picture() {
    let last = json!({"type": "image_generation.completed", "b64_json": "AAAA", "created": 1});
    let items = events(vec![partial(), last]).await;
    assert_eq!(items.len(), 2);
    let Ok(ImageStreamEvent::ImageGenerationCompleted(picture)) = &items[1] else { panic!("{items:?}") };
    assert_eq!(picture.b64_json, "AAAA");
}

#[tokio::test]
async fn a_stream_of_pictures_without_the_last_one_is_incomplete() {
    let items = events(vec![partial()]).await;
    assert!(matches!(items[..], [Ok(_), Err(Error::Connection(_))]), "{items:?}");
}

#[tokio::test]
async fn an_error_event_is_an_error() {
    let items = events(vec![partial(), json!({"type": "error", "error": {"message": "no", "code": "bad"}})]).await;
    let Err(Error::Api(error)) = &items[1] else { panic!("{items:?}") };
    assert_eq!(error.message(), "no");
}
