//! `credits`: what was bought and what is left.

use crate::client::Context;
use crate::exit::Failure;
use crate::format::rounded;
use crate::output;

pub(crate) async fn run(context: Context) -> Result<(), Failure> {
    let response = context.client.credits().get_credits().with_response().await?;
    if context.json {
        return output::body(&response.body);
    }
    let credits = response.value.data;
    output::fields([
        ("left", Some(rounded(credits.total_credits - credits.total_usage))),
        ("bought", Some(rounded(credits.total_credits))),
        ("spent", Some(rounded(credits.total_usage))),
    ])
}
