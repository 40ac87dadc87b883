//! Guides, each about one topic, with examples. They are the pages in `docs` of the repository.

// Their conditions are those of their tests.
#![cfg_attr(docsrs, doc(auto_cfg = false))]

/// Where the relative links of the pages lead here. The first definition of a link counts, and these come before those of
/// the pages.
macro_rules! links {
    () => {
        "\
[agents.md]: crate::guide::agents
[batches.md]: crate::guide::batches
[devtools.md]: crate::guide::devtools
[errors.md]: crate::guide::errors
[features.md]: crate::guide::features
[files.md]: crate::guide::files
[hooks.md]: crate::guide::hooks
[mcp.md]: crate::guide::mcp
[networks.md]: crate::guide::networks
[observability.md]: crate::guide::observability
[prices.md]: crate::guide::prices
[recordings.md]: crate::guide::recordings
[sending-back.md]: crate::guide::sending_back
[stores.md]: crate::guide::stores
[streaming.md]: crate::guide::streaming
[structured-output.md]: crate::guide::structured_output
[testing.md]: crate::guide::testing
[unknown-operations.md]: crate::guide::unknown_operations
[sdks/README.md]: crate::sdk
[sdks/chat.md]: https://docs.rs/openrouter-kit/latest/openrouter_kit/sdk/struct.Chat.html
[sdks/images.md]: https://docs.rs/openrouter-kit/latest/openrouter_kit/sdk/struct.Images.html
[sdks/messages.md]: https://docs.rs/openrouter-kit/latest/openrouter_kit/sdk/struct.Messages.html
[sdks/responses.md]: https://docs.rs/openrouter-kit/latest/openrouter_kit/sdk/struct.Responses.html
[sdks/scim.md]: https://docs.rs/openrouter-kit/latest/openrouter_kit/sdk/struct.Scim.html
[sdks/video-generation.md]: https://docs.rs/openrouter-kit/latest/openrouter_kit/sdk/struct.VideoGeneration.html
[lines.md]: https://github.com/openrouter-kit/openrouter-kit/blob/main/docs/lines.md
[migrating/agents.md]: https://github.com/openrouter-kit/openrouter-kit/blob/main/docs/migrating/agents.md
[faults.md]: https://github.com/openrouter-kit/openrouter-kit/blob/main/docs/faults.md
[../cli/README.md]: https://github.com/openrouter-kit/openrouter-kit/blob/main/cli/README.md
[../examples/README.md]: https://github.com/openrouter-kit/openrouter-kit/blob/main/examples/README.md
[pictures/waterfall-light.png]: https://raw.githubusercontent.com/openrouter-kit/openrouter-kit/main/docs/pictures/waterfall-light.png
[pictures/list-light.png]: https://raw.githubusercontent.com/openrouter-kit/openrouter-kit/main/docs/pictures/list-light.png
[pictures/messages-dark.png]: https://raw.githubusercontent.com/openrouter-kit/openrouter-kit/main/docs/pictures/messages-dark.png
[pictures/events-light.png]: https://raw.githubusercontent.com/openrouter-kit/openrouter-kit/main/docs/pictures/events-light.png
[pictures/comparison-light.png]: https://raw.githubusercontent.com/openrouter-kit/openrouter-kit/main/docs/pictures/comparison-light.png
[pictures/totals-light.png]: https://raw.githubusercontent.com/openrouter-kit/openrouter-kit/main/docs/pictures/totals-light.png
[pictures/test-dark.png]: https://raw.githubusercontent.com/openrouter-kit/openrouter-kit/main/docs/pictures/test-dark.png
[pictures/list-narrow.png]: https://raw.githubusercontent.com/openrouter-kit/openrouter-kit/main/docs/pictures/list-narrow.png
[pictures/call-narrow-dark.png]: https://raw.githubusercontent.com/openrouter-kit/openrouter-kit/main/docs/pictures/call-narrow-dark.png
[../examples/add_header.rs]: https://github.com/openrouter-kit/openrouter-kit/blob/main/examples/add_header.rs
[../examples/agent_loop.rs]: https://github.com/openrouter-kit/openrouter-kit/blob/main/examples/agent_loop.rs
[../examples/mcp_tools.rs]: https://github.com/openrouter-kit/openrouter-kit/blob/main/examples/mcp_tools.rs
[../examples/measure_time.rs]: https://github.com/openrouter-kit/openrouter-kit/blob/main/examples/measure_time.rs
[../examples/opentelemetry]: https://github.com/openrouter-kit/openrouter-kit/tree/main/examples/opentelemetry
[../examples/record_to_file.rs]: https://github.com/openrouter-kit/openrouter-kit/blob/main/examples/record_to_file.rs
[../examples/refuse_by_policy.rs]: https://github.com/openrouter-kit/openrouter-kit/blob/main/examples/refuse_by_policy.rs

"
    };
}

/// Creates a module for each page, named like it. Together the examples need every feature to
/// compile.
macro_rules! guides {
    ($($name:ident $path:literal)*) => {$(
        #[cfg(any(
            not(doctest),
            all(
                feature = "agent",
                feature = "devtools",
                feature = "full",
                feature = "mcp",
                feature = "mock",
                feature = "postgres",
                feature = "schemars",
                feature = "sqlite",
                feature = "tls",
                feature = "tracing"
            )
        ))]
        #[doc = concat!(links!(), include_str!($path))]
        pub mod $name {}
    )*};
}

guides! {
    streaming "../docs/streaming.md"
    errors "../docs/errors.md"
    structured_output "../docs/structured-output.md"
    agents "../docs/agents.md"
    stores "../docs/stores.md"
    sending_back "../docs/sending-back.md"
    files "../docs/files.md"
    batches "../docs/batches.md"
    prices "../docs/prices.md"
    hooks "../docs/hooks.md"
    observability "../docs/observability.md"
    recordings "../docs/recordings.md"
    devtools "../docs/devtools.md"
    testing "../docs/testing.md"
    features "../docs/features.md"
    mcp "../docs/mcp.md"
    networks "../docs/networks.md"
    unknown_operations "../docs/unknown-operations.md"
}
