//! The least: hyper on both sides, a new connection to the server for each stream, and frames passed on as they are.

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1 as client;
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

fn main() {
    gateway::run(async |address, listener| {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let address = address.clone();
            let service = service_fn(move |_| pass(address.clone()));
            tokio::spawn(server::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
}

async fn pass(address: String) -> Result<hyper::Response<hyper::body::Incoming>, hyper::Error> {
    let stream = TcpStream::connect(&address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut sender, connection) = client::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = hyper::Request::post("/gated/responses")
        .header("host", &address)
        .header("authorization", "Bearer key")
        .header("content-type", "application/json");
    sender.send_request(request.body(Full::new(Bytes::from_static(gateway::BODY.as_bytes()))).unwrap()).await
}
