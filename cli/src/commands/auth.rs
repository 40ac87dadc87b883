//! `auth`: signing in with a browser, and keys of profiles.

use std::io::{self, BufRead, IsTerminal};
use std::time::Duration;

use clap::{Args, Subcommand};
use openrouter_kit::models::{ExchangeAuthCodeForApiKeyRequest, Secret};
use openrouter_kit::oauth::CreateAuthorizationUrlRequest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::cli::Global;
use crate::client::{Context, KeySource, key};
use crate::config::Config;
use crate::exit::Failure;
use crate::format::{parse_amount, rounded};
use crate::keys::{self, Store};
use crate::output;

/// How long a browser may take to send its request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Args, Debug)]
pub(crate) struct AuthArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Sign in with a browser and save the key that OpenRouter makes for this program.
    Login(LoginArgs),
    /// Show which key is used, where it is stored, and its spending limit.
    Status,
    /// Delete the saved key of the profile.
    Logout,
}

#[derive(Args, Debug)]
struct LoginArgs {
    /// Where to save the key [default: the keyring, or the file if there is no keyring].
    #[arg(long, value_enum)]
    store: Option<Store>,
    /// Read a key from standard input instead of signing in.
    #[arg(long)]
    with_key: bool,
    /// Print the address without opening a browser.
    #[arg(long)]
    no_browser: bool,
    /// Local port that the browser returns to; 0 picks a free one.
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// Spending limit of the key in US dollars.
    #[arg(long, value_name = "USD", value_parser = parse_amount)]
    limit: Option<f64>,
}

pub(crate) async fn run(args: AuthArgs, global: &Global) -> Result<(), Failure> {
    let config = Config::load()?;
    let (profile, _) = config.profile_name(global.profile.as_deref());
    match args.action {
        Action::Login(args) => {
            let key = if args.with_key { read_key()? } else { sign_in(&args, global).await? };
            let store = keys::save(&profile, &key, args.store)?;
            output::note(format_args!("signed in; the key of the profile {profile:?} is in {}", store.name()));
            Ok(())
        }
        Action::Status => status(&profile, &config, global).await,
        Action::Logout => {
            match keys::delete(&profile)? {
                true => output::note(format_args!("the key of the profile {profile:?} is deleted")),
                false => output::note(format_args!("the profile {profile:?} has no saved key")),
            }
            Ok(())
        }
    }
}

fn read_key() -> Result<Secret, Failure> {
    if io::stdin().is_terminal() {
        output::note("Paste the key and press Enter:");
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(|error| Failure::io("standard input cannot be read", error))?;
    match line.trim() {
        key if key.is_empty() || !key.chars().all(|letter| letter.is_ascii_graphic()) => {
            Err(Failure::Usage("standard input does not have a key in its first line".to_owned()))
        }
        key => Ok(key.into()),
    }
}

/// Signs in: the browser returns with a code, which only this program can exchange for a key.
async fn sign_in(args: &LoginArgs, global: &Global) -> Result<Secret, Failure> {
    let context = Context::for_sign_in(global)?;
    let listener = TcpListener::bind(("127.0.0.1", args.port)).await.map_err(|error| {
        Failure::io(format_args!("port {} cannot be used; choose another with --port", args.port), error)
    })?;
    let port = listener.local_addr().map_err(|error| Failure::io("the port is unknown", error))?.port();

    let oauth = context.client.oauth();
    let pair = oauth.create_sha256_code_challenge(None)?;
    let mut request = CreateAuthorizationUrlRequest::new(format!("http://localhost:{port}/callback"));
    request = request.code_challenge(pair.code_challenge);
    request.limit = args.limit;
    let url = context.client.oauth().create_authorization_url(request)?;
    output::note(format_args!("Sign in at:\n{url}"));
    if !args.no_browser {
        open_browser(&url);
    }
    let code = receive_code(listener).await?;
    let exchange =
        ExchangeAuthCodeForApiKeyRequest::new(code).code_challenge_method("S256").code_verifier(pair.code_verifier);
    Ok(context.client.oauth().exchange_auth_code_for_api_key(exchange).await?.key)
}

pub(crate) fn open_browser(url: &str) {
    use std::process::{Command, Stdio};

    let mut command = if cfg!(target_os = "macos") {
        Command::new("open")
    } else if cfg!(windows) {
        let mut command = Command::new("rundll32");
        command.arg("url.dll,FileProtocolHandler");
        command
    } else {
        Command::new("xdg-open")
    };
    // The address was printed; whoever has no browser opens it elsewhere.
    let _ = command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
}

/// Waits for the browser to return. Browsers also open connections that they do not use, hence several at once.
async fn receive_code(listener: TcpListener) -> Result<Secret, Failure> {
    let (sender, mut codes) = mpsc::channel(1);
    loop {
        tokio::select! {
            Some(code) = codes.recv() => return code,
            accepted = listener.accept() => {
                let (stream, _) = accepted.map_err(|error| Failure::io("the browser cannot be waited for", error))?;
                let sender = sender.clone();
                tokio::spawn(async move {
                    if let Ok(Some(code)) = tokio::time::timeout(REQUEST_TIMEOUT, serve(stream)).await {
                        let _ = sender.send(code).await;
                    }
                });
            }
        }
    }
}

/// Responds to one request; returns what it brought, if it is the one that is waited for.
async fn serve(mut stream: TcpStream) -> Option<Result<Secret, Failure>> {
    const LONGEST: usize = 16 * 1024;
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() > LONGEST || stream.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let head = String::from_utf8_lossy(&head);
    let target = head.strip_prefix("GET ").and_then(|rest| rest.split(' ').next()).unwrap_or_default();
    let query = target.strip_prefix("/callback?");
    let parameter = |name: &str| {
        let pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
        let value = pairs.into_iter().find(|(key, _)| *key == name)?.1;
        Some(percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned())
    };
    let received = match (parameter("code"), parameter("error")) {
        (Some(code), _) if !code.is_empty() => Some(Ok(code.into())),
        (_, Some(error)) => Some(Err(Failure::Authentication(format!("sign-in was refused: {error}")))),
        _ => None,
    };
    let (status, text) = match &received {
        Some(Ok(_)) => ("200 OK", "You are signed in. You can close this page."),
        Some(Err(_)) => ("200 OK", "Sign-in was refused. You can close this page."),
        None => ("404 Not Found", "There is nothing here."),
    };
    let length = text.len();
    let response = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}"
    );
    let _ = stream.write_all(response.as_bytes()).await;
    let _ = stream.shutdown().await;
    received
}

async fn status(profile: &str, config: &Config, global: &Global) -> Result<(), Failure> {
    let Some((_, source)) = key(global, config)? else { return Err(Failure::no_key()) };
    let context = Context::new(global)?;
    let response = context.client.api_keys().get_current_key_metadata().with_response().await?;
    if context.json {
        return output::body(&response.body);
    }
    let data = response.value.data;
    output::fields([
        ("profile", Some(profile.to_owned())),
        ("key", Some(data.label)),
        (
            "from",
            Some(match source {
                KeySource::Environment => "OPENROUTER_API_KEY".to_owned(),
                KeySource::Store(store) => store.name().to_owned(),
            }),
        ),
        ("server", Some(context.client.server_url().to_owned())),
        ("spent", Some(rounded(data.usage))),
        ("limit", data.limit.map(rounded)),
        ("left", data.limit_remaining.map(rounded)),
        ("expires", data.expires_at),
        ("management", data.is_management_key.then(|| "yes".to_owned())),
    ])
}
