//! Serves the answers of all scenarios and prints its address; ends with its standard input.

use std::collections::HashMap;
use std::sync::Arc;

use clients::{EVENTS, bytes, server};

fn main() {
    let answers = HashMap::from([
        ("responses-1", bytes::responses_stream(EVENTS, 1).wire),
        ("responses-64", bytes::responses_stream(EVENTS, 64).wire),
        ("chat-1", bytes::chat_stream(EVENTS, 1).wire),
        ("chat-64", bytes::chat_stream(EVENTS, 64).wire),
        ("response", bytes::response().wire),
        ("models", bytes::models().wire),
    ]);
    println!("{}", server::start(answers, Arc::default()));
    let _ = std::io::stdin().read_line(&mut String::new());
}
