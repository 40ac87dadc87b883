//! One streaming call over HTTPS, by hand: no retries, no timeouts, no types, no pool.

use std::error::Error;
use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

const HOST: &str = "openrouter.ai";

fn main() -> Result<(), Box<dyn Error>> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(call())
}

async fn call() -> Result<(), Box<dyn Error>> {
    let key = std::env::var("OPENROUTER_API_KEY")?;
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() };
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect((HOST, 443)).await?;
    let tls = TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(HOST)?, tcp).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(tls)).await?;
    tokio::spawn(connection);

    let body = serde_json::json!({"model": "openai/gpt-4o-mini", "input": "Hi", "stream": true}).to_string();
    let request = hyper::Request::post("/api/v1/responses")
        .header("host", HOST)
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))?;
    let response = sender.send_request(request).await?;
    if !response.status().is_success() {
        return Err(response.status().to_string().into());
    }
    let mut body = response.into_body();
    let mut rest = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        rest.extend_from_slice(&data);
        while let Some(end) = rest.windows(2).position(|bytes| bytes == b"\n\n") {
            let event: Vec<u8> = rest.drain(..end + 2).collect();
            let Some(json) = event.strip_prefix(b"data: ").filter(|json| json.starts_with(b"{")) else { continue };
            let event: serde_json::Value = serde_json::from_slice(json)?;
            if event["type"] == "response.output_text.delta" {
                print!("{}", event["delta"].as_str().unwrap_or_default());
                std::io::stdout().flush()?;
            }
        }
    }
    Ok(())
}
