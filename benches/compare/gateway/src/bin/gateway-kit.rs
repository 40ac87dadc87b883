//! axum for those who ask, raw events of this crate for the server.

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::post;
use futures_util::TryStreamExt;
use openrouter_kit::core::RawEvent;
use openrouter_kit::models::ResponsesRequest;
use openrouter_kit::{OpenRouterCore, funcs};

fn main() {
    gateway::run(async |address, listener| {
        let core =
            OpenRouterCore::builder().api_key("key").server_url(format!("http://{address}/gated")).build().unwrap();
        let pass = move || {
            let core = core.clone();
            async move {
                let request = ResponsesRequest::new().model("m").input("Hi");
                let events = funcs::responses_stream(&core, request).raw().await.unwrap().comments(true);
                Response::new(Body::from_stream(events.map_ok(RawEvent::into_bytes)))
            }
        };
        axum::serve(listener, Router::new().route("/", post(pass))).await.unwrap();
    });
}
