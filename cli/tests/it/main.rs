//! The program as its users run it: a process with pipes or a terminal, against the local server of the SDK.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is a finding"
)]

mod account;
mod ask;
mod auth;
#[cfg(unix)]
mod browser;
mod devtools;
mod media;
mod mock;
mod models;
mod skill;
#[cfg(unix)]
mod strange_terminals;
mod support;
#[cfg(unix)]
mod terminal;
#[cfg(unix)]
mod tools;
#[cfg(unix)]
mod viewer;
