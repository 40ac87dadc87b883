//! README.md and the pages under `docs/`, whose code the tests compile and, where it is not marked `no_run`, run.

#[path = "sdk/pages.rs"]
mod reference;

/// Each document as a module of its own name. Together they need every feature.
macro_rules! documents {
    ($($name:ident $path:literal)*) => {$(
        #[cfg(all(feature = "full", feature = "mock", feature = "schemars", feature = "tls"))]
        #[doc = include_str!($path)]
        mod $name {}
    )*};
}

documents! {
    readme "../README.md"
    batches "../docs/batches.md"
    errors "../docs/errors.md"
    features "../docs/features.md"
    files "../docs/files.md"
    hooks "../docs/hooks.md"
    lines "../docs/lines.md"
    prices "../docs/prices.md"
    sending_back "../docs/sending-back.md"
    streaming "../docs/streaming.md"
    structured_output "../docs/structured-output.md"
    testing "../docs/testing.md"
    unknown_operations "../docs/unknown-operations.md"
}

#[cfg(all(feature = "postgres", feature = "sqlite"))]
#[doc = include_str!("../docs/stores.md")]
mod stores {}
