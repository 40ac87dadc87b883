//! `mock`: the local server of the SDK on a port.

use clap::Args;
use openrouter_kit::mock::MockServer;

use crate::exit::Failure;
use crate::output;

#[derive(Args, Debug)]
pub(crate) struct MockArgs {
    /// Port of this computer; 0 is any.
    #[arg(long, default_value_t = 0)]
    port: u16,
}

pub(crate) async fn run(args: MockArgs) -> Result<(), Failure> {
    let server = MockServer::bind(([127, 0, 0, 1], args.port))
        .await
        .map_err(|error| Failure::io(format_args!("port {} cannot be used", args.port), error))?;
    // A server that runs for days must not remember everything.
    server.record(false);
    output::line(server.url())?;
    output::hint("set OPENROUTER_BASE_URL to this address; Ctrl-C stops the server");
    std::future::pending().await
}
