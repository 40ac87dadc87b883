//! hyper and serde_json, the smallest struct.

use clients::floors::{self, Floor};

fn main() {
    let mut floor = None;
    clients::measure(async |address, scenario| {
        if floor.is_none() {
            floor = Some(Floor::connect(address.parse().unwrap()).await);
        }
        let floor = floor.as_mut().unwrap();
        let path = format!("/{scenario}/x");
        match scenario {
            "response" => floor.unary("POST", &path, Some(floors::response)).await,
            "models" => floor.unary("POST", &path, Some(floors::models)).await,
            "chat-1" | "chat-64" => floor.stream(&path, Some(floors::chat_chunk)).await,
            _ => floor.stream(&path, Some(floors::text_delta)).await,
        }
    });
}
