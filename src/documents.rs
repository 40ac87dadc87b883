//! README.md and the pages under `docs/`, whose code the tests compile and, where it is not marked `no_run`, run.

#[path = "sdk/pages.rs"]
mod reference;
