//! What most programs are made of: axum for those who ask, reqwest for the server.

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::post;

fn main() {
    gateway::run(async |address, listener| {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://{address}/gated/responses");
        let pass = move || {
            let request = client.post(&url).bearer_auth("key").header("content-type", "application/json");
            async move {
                let response = request.body(gateway::BODY).send().await.unwrap();
                assert!(response.status().is_success());
                Response::new(Body::from_stream(response.bytes_stream()))
            }
        };
        axum::serve(listener, Router::new().route("/", post(pass))).await.unwrap();
    });
}
