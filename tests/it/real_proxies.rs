//! The default transport through third-party proxies, if installed: tinyproxy, microsocks.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "in a test a panic is a finding, and a test that is skipped says so"
)]

#[allow(dead_code, reason = "some are for other tests")]
use std::net::{SocketAddr, TcpStream as BlockingStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::a_limit::tokio;
use crate::certificates::Authority;
use crate::network::{answer_all, ask, chain, soon};
use openrouter_kit::core::transport::HyperTransport;
use tokio::net::TcpListener;

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a proxy on a free port, or says that the test is skipped.
fn start(program: &str, arguments: impl Fn(u16) -> Vec<String>) -> Option<(Running, SocketAddr)> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let Some(path) =
        std::env::split_paths(&paths).map(|folder: PathBuf| folder.join(program)).find(|path| path.exists())
    else {
        eprintln!("skipped: {program} is not installed");
        return None;
    };
    // One at a time, so that no two proxies get the same port.
    static STARTING: Mutex<()> = Mutex::new(());
    let _starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    let start = Instant::now();
    loop {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(&path);
        command.args(arguments(port)).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut running = Running(command.spawn().unwrap());
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        // It ends if a server of another test got the port in between.
        while running.0.try_wait().unwrap().is_none() {
            if BlockingStream::connect(address).is_ok() {
                return Some((running, address));
            }
            assert!(start.elapsed() < Duration::from_secs(60), "{program} does not listen");
            std::thread::yield_now();
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{program} has ended");
    }
}

/// Calls a server with TLS and one without, each twice, by the name `localhost`.
async fn asks_through(proxy: &str) {
    let authority = Authority::new();
    let acceptor = authority.server("localhost", &["http/1.1"], |_| {});
    let secure = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let urls = [
        format!("https://localhost:{}/", secure.local_addr().unwrap().port()),
        format!("http://localhost:{}/", plain.local_addr().unwrap().port()),
    ];
    tokio::spawn(async move {
        loop {
            let (acceptor, stream) = (acceptor.clone(), secure.accept().await.unwrap().0);
            tokio::spawn(async move { answer_all(acceptor.accept(stream).await.unwrap(), "ok").await });
        }
    });
    tokio::spawn(async move {
        loop {
            let stream = plain.accept().await.unwrap().0;
            tokio::spawn(answer_all(stream, "ok"));
        }
    });
    let transport = HyperTransport::builder().root_certificate(authority.pem()).proxy(proxy).build().unwrap();
    for url in urls.iter().chain(&urls) {
        assert_eq!(soon(ask(&transport, url)).await.map_err(|error| chain(&error)).unwrap(), "ok", "{url}");
    }
}

#[tokio::test]
async fn tinyproxy_is_used() {
    let folder = std::env::temp_dir().join(format!("openrouter-kit-tinyproxy-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let configuration = folder.join("tinyproxy.conf");
    let started = start("tinyproxy", |port| {
        std::fs::write(&configuration, format!("Port {port}\nListen 127.0.0.1\nTimeout 60\nBasicAuth user password\n"))
            .unwrap();
        vec!["-d".to_owned(), "-c".to_owned(), configuration.to_string_lossy().into_owned()]
    });
    if let Some((_running, address)) = started {
        asks_through(&format!("http://user:password@{address}")).await;
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[cfg(feature = "socks")]
#[tokio::test]
async fn microsocks_is_used() {
    let arguments = |port: u16| {
        ["-i", "127.0.0.1", "-p", &port.to_string(), "-u", "user", "-P", "password"].map(str::to_owned).to_vec()
    };
    if let Some((_running, address)) = start("microsocks", arguments) {
        asks_through(&format!("socks5h://user:password@{address}")).await;
        asks_through(&format!("socks5://user:password@{address}")).await;
    }
}
