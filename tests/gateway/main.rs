//! The gateway through its front door: a real listener, the built-in provider behind it, and what
//! reached that provider. One module per capability.
#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

mod cache;
mod cli;
mod dialects;
mod faults;
mod hangup;
mod input;
mod keys;
mod ladder;
mod recovery;
mod reload;
mod shape;
mod support;
