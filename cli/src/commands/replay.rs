//! `replay`: the local server of the SDK, with the responses of a recording.

use std::io;
use std::path::PathBuf;

use clap::Args;
use openrouter_kit::mock::MockServer;
use tokio::net::TcpListener;

use crate::exit::Failure;
use crate::output;

#[derive(Args, Debug)]
pub(crate) struct ReplayArgs {
    /// Recording of the SDK, or the output of `openrouter devtools export --format jsonl`.
    file: PathBuf,
    /// Port to listen on; 0 for any free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
}

pub(crate) async fn run(args: ReplayArgs) -> Result<(), Failure> {
    let server = MockServer::replay(&args.file).await.map_err(|error| match error.kind() {
        // The message names the file.
        io::ErrorKind::InvalidData => Failure::Usage(error.to_string()),
        _ => Failure::Usage(format!("{} cannot be read: {error}", args.file.display())),
    })?;
    // A server that runs for days must not remember everything.
    server.record(false);
    let listener = TcpListener::bind(("127.0.0.1", args.port))
        .await
        .map_err(|error| Failure::io(format_args!("port {} cannot be used", args.port), error))?;
    let address = listener.local_addr().map_err(|error| Failure::io("the port is unknown", error))?;
    output::line(format_args!("http://{address}/api/v1"))?;
    output::hint("Set OPENROUTER_BASE_URL to this address. Each recorded response is returned once, in order.");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => server.attach(stream),
            Err(error) => return Err(Failure::io("no more connections can be accepted", error)),
        }
    }
}
