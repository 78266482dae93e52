//! The gateway through its front door: a real listener, the built-in provider behind it, and what
//! reached that provider. One module per capability.
#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

mod admin;
mod cache;
mod cli;
#[allow(dead_code, reason = "the wire tests need more of it")]
#[path = "../wire/corpus.rs"]
mod corpus;
mod counting;
mod decision_log;
mod dialects;
mod faults;
mod hangup;
mod hedge;
mod input;
mod keys;
mod ladder;
mod recovery;
mod reload;
mod shadow;
mod shape;
mod sticky;
mod support;
