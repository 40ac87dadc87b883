//! Signs a user in with their OpenRouter account (OAuth with PKCE) and receives an API key for them.
//!
//! Features: `oauth`.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use openrouter_kit::mock::Answer;
use openrouter_kit::models::ExchangeAuthCodeForApiKeyRequest;
use openrouter_kit::oauth::CreateAuthorizationUrlRequest;
use openrouter_kit::serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

mod support;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let client = support::client(|server| {
        server.on("POST", "/auth/keys", Answer::json(200, json!({"key": "sk-or-v1-example", "user_id": "user_1"})));
        // Without a real login page, this plays the part of the browser that returns from it.
        tokio::spawn(
            async move { TcpStream::connect(address).await?.write_all(b"GET /?code=abc HTTP/1.1\r\n\r\n").await },
        );
    })
    .await?;

    let pair = client.oauth().create_sha256_code_challenge(None)?;
    let request = CreateAuthorizationUrlRequest::new(format!("http://{address}/")).code_challenge(pair.code_challenge);
    println!("Open this page in a browser:\n{}", client.oauth().create_authorization_url(request.limit(5.0))?);

    let code = code_from_browser(&listener).await?;
    let request =
        ExchangeAuthCodeForApiKeyRequest::new(code).code_challenge_method("S256").code_verifier(pair.code_verifier);
    let response = client.oauth().exchange_auth_code_for_api_key(request).await?;
    // The key is a `Secret`: `expose()` returns it, and `Debug` does not show it.
    println!("a key of {} characters for {}", response.key.expose().len(), response.user_id.unwrap_or_default());
    Ok(())
}

/// Waits until the browser is redirected to this program, with the code in the query.
async fn code_from_browser(listener: &TcpListener) -> Result<String, Box<dyn std::error::Error>> {
    let (stream, _) = listener.accept().await?;
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 29\r\n\r\nYou may close this page now.\r\n").await?;
    let query = line.split([' ', '?']).nth(2).unwrap_or_default();
    let code = query.split('&').find_map(|parameter| parameter.strip_prefix("code="));
    Ok(code.ok_or("the login was canceled")?.to_owned())
}
